//! Request validators and which of them is in force (spec 01, "x-amazon-apigateway-request-validator").

use crate::api::model::RequestValidator;
use crate::api::openapi::document::{Document, flag, is_object, object, present, text};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Place, shortened};

/// The validators of a document and its default.
#[derive(Debug)]
pub struct RequestValidators {
    named: Vec<(String, RequestValidator)>,
    default: Option<RequestValidator>,
}

impl RequestValidators {
    /// Reads both keys of the root.
    pub fn read(document: &Document<'_>, findings: &mut Findings) -> Self {
        let mut validators = Self {
            named: Vec::new(),
            default: None,
        };
        if let Some(place) = object(
            &document.root,
            "x-amazon-apigateway-request-validators",
            findings,
        ) {
            for (name, entry) in place.members() {
                if !is_object(&entry, findings) {
                    continue;
                }
                let mut says = |key| {
                    present(&entry, key).is_some_and(|place| flag(&place, findings) == Some(true))
                };
                let validator = RequestValidator {
                    body: says("validateRequestBody"),
                    parameters: says("validateRequestParameters"),
                };
                validators.named.push((name.to_owned(), validator));
            }
        }
        validators.default = validators.of_operation(&document.root, findings);
        validators
    }

    /// The validator that an operation names, else the document's.
    pub fn of_operation(
        &self,
        owner: &Place<'_>,
        findings: &mut Findings,
    ) -> Option<RequestValidator> {
        let Some(place) = present(owner, "x-amazon-apigateway-request-validator") else {
            return self.default;
        };
        let name = text(&place, findings)?;
        let Some((_, validator)) = self.named.iter().find(|(known, _)| known == name) else {
            findings.error(
                &place,
                format!(
                    "Invalid Request Validator identifier specified: found `{}`, wanted a name of x-amazon-apigateway-request-validators",
                    shortened(name)
                ),
            );
            return None;
        };
        Some(*validator)
    }
}
