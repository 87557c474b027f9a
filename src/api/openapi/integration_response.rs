//! `responses` of an integration (spec 06).

use crate::api::model::{IntegrationResponse, ResponseMapping};
use crate::api::openapi::content_handling;
use crate::api::openapi::document::{is_object, object, present, scalar, status};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::mapping_expression;
use crate::api::openapi::mapping_template;
use crate::api::openapi::method_response::MethodResponse;
use crate::api::openapi::node::{Place, shortened};
use crate::api::parameter_mapping::{response_source, response_target};
use crate::api::selection_pattern::SelectionTable;

/// The integration responses and which of them a status selects.
#[derive(Debug, Default)]
pub struct IntegrationResponses {
    /// In document order.
    pub list: Vec<IntegrationResponse>,
    /// Index into the list by status.
    pub selection: SelectionTable,
}

/// Reads the responses of an integration.
pub fn read(
    integration: &Place<'_>,
    declared: &[MethodResponse],
    findings: &mut Findings,
) -> IntegrationResponses {
    let mut list = Vec::new();
    let responses = object(integration, "responses", findings);
    for (key, place) in responses.iter().flat_map(Place::members) {
        let pattern = (key != "default" && !key.is_empty()).then(|| key.to_owned());
        if let Err(error) = SelectionTable::compile(&[pattern.as_deref()]) {
            findings.error_in_name(
                &place,
                format!(
                    "found the selection pattern `{}`: {}",
                    shortened(key),
                    error.fault
                ),
            );
        }
        if is_object(&place, findings)
            && let Some(response) = read_response(&place, pattern, declared, findings)
        {
            list.push(response);
        }
    }
    if responses.is_none_or(|responses| responses.members().next().is_none()) {
        findings.warn(
            integration,
            Code::NoIntegrationResponses
                .says("found no integration responses: every request gets 500"),
        );
    }
    let patterns: Vec<Option<&str>> = list
        .iter()
        .map(|response| response.pattern.as_deref())
        .collect();
    let selection = SelectionTable::compile(&patterns).unwrap_or_default();
    IntegrationResponses { list, selection }
}

fn read_response(
    place: &Place<'_>,
    pattern: Option<String>,
    declared: &[MethodResponse],
    findings: &mut Findings,
) -> Option<IntegrationResponse> {
    for (name, member) in place.members() {
        let known = [
            "statusCode",
            "responseParameters",
            "responseTemplates",
            "contentHandling",
        ];
        if !known.contains(&name) && !name.starts_with("x-") {
            findings.warn(
                &member,
                Code::UnknownKey.says(format!(
                    "found `{}`, wanted {}: ignored",
                    shortened(name),
                    known.join(", ")
                )),
            );
        }
    }
    let status = status_code(place, findings);
    let method_response = declared
        .iter()
        .find(|response| Some(response.status) == status);
    if let (Some(status), None) = (status, method_response) {
        findings.refused_by_gateway(
            place,
            Code::UndeclaredResponse.says(format!(
                "Invalid mapping expression specified: the method declares no response {status}"
            )),
        );
    }
    let parameters = read_parameters(place, method_response, findings);
    let templates = mapping_template::read(place, "responseTemplates", findings);
    let content_handling = content_handling::read(place, findings);
    Some(IntegrationResponse {
        pattern,
        status: status?,
        parameters,
        templates,
        content_handling,
    })
}

fn status_code(place: &Place<'_>, findings: &mut Findings) -> Option<u16> {
    let Some(code) = present(place, "statusCode") else {
        findings.error(
            place,
            "found no `statusCode`, wanted a status from 100 to 599",
        );
        return None;
    };
    let status = scalar(&code).and_then(status);
    if status.is_none() {
        let found = code.node.described();
        findings.error(
            &code,
            format!("found {found}, wanted a status from 100 to 599"),
        );
    }
    status
}

fn read_parameters(
    place: &Place<'_>,
    method_response: Option<&MethodResponse>,
    findings: &mut Findings,
) -> Vec<ResponseMapping> {
    let mut mappings = Vec::new();
    let map = object(place, "responseParameters", findings);
    for (name, value) in map.iter().flat_map(Place::members) {
        let target = response_target(name);
        if let Err(fault) = target {
            findings.error_in_name(
                &value,
                format!(
                    "Invalid mapping expression specified: {}: {fault}",
                    shortened(name)
                ),
            );
        }
        let source = mapping_expression::read(&value, response_source, findings);
        let (Ok(header), Some(source)) = (target, source) else {
            continue;
        };
        let declares = |response: &MethodResponse| {
            let mut headers = response.headers.iter();
            headers.any(|known| known.eq_ignore_ascii_case(&header))
        };
        if method_response.is_some_and(|response| !declares(response)) {
            findings.refused_by_gateway(
                &value,
                Code::UndeclaredHeader.says(format!(
                    "Invalid mapping expression specified: the method response declares no header `{header}`"
                )),
            );
        }
        mappings.push(ResponseMapping { header, source });
    }
    mappings
}
