//! The method responses that an operation declares, and the models that they and the parameters name.

use crate::api::openapi::document::{Document, object, present, status};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Value, shortened};

/// A status that a method declares, and its header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResponse {
    /// 100 to 599.
    pub status: u16,
    /// As written.
    pub headers: Vec<String>,
}

/// Reads `responses` of an operation.
pub fn read(
    document: &Document<'_>,
    operation: &Place<'_>,
    findings: &mut Findings,
) -> Vec<MethodResponse> {
    let mut declared = Vec::new();
    let Some(responses) = object(operation, "responses", findings) else {
        return declared;
    };
    for (name, place) in responses.members() {
        if name == "default" || name.starts_with("x-") {
            continue;
        }
        let Some(status) = status(name) else {
            findings.warn(
                &place,
                Code::UnknownKey.says(format!(
                    "found the response `{}`, wanted a status of three digits: ignored",
                    shortened(name)
                )),
            );
            continue;
        };
        let Some(response) = document.follow(place, findings) else {
            continue;
        };
        let headers = object(&response, "headers", findings);
        declared.push(MethodResponse {
            status,
            headers: headers
                .iter()
                .flat_map(Place::members)
                .map(|(name, _)| name.to_owned())
                .collect(),
        });
        if let Some(schema) = present(&response, "schema") {
            check_model(document, &schema, findings);
        }
        check_content(document, &response, findings);
    }
    declared
}

/// Checks the models of an OpenAPI 3 `content`.
pub fn check_content(document: &Document<'_>, owner: &Place<'_>, findings: &mut Findings) {
    let Some(content) = object(owner, "content", findings) else {
        return;
    };
    for (_, media_type) in content.members() {
        if let Some(schema) = present(&media_type, "schema") {
            check_model(document, &schema, findings);
        }
    }
}

/// A model that does not resolve is a warning (spec 01, "Reading order").
pub fn check_model(document: &Document<'_>, schema: &Place<'_>, findings: &mut Findings) {
    let Some(reference) = schema.member("$ref") else {
        return;
    };
    let Value::Text(target) = &reference.node.value else {
        return;
    };
    if document.model(target).is_none() {
        findings.warn(
            &reference,
            Code::UnknownModel.says(format!(
                "found the model reference `{}`, wanted one to a model in this document",
                shortened(target)
            )),
        );
    }
}
