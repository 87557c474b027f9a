//! Extension keys that nobody reads: unknown ones, and known ones where they have no effect (spec 01, "Extension keys").

use std::collections::HashSet;

use crate::api::openapi::document::Document;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Value};

const PREFIX: &str = "x-amazon-apigateway-";

/// Read at the root and nowhere else.
const AT_ROOT: [&str; 7] = [
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validators",
];

/// Read in several places, or accepted without effect.
const ELSEWHERE: [&str; 11] = [
    "x-amazon-apigateway-any-method",
    "x-amazon-apigateway-auth",
    "x-amazon-apigateway-authorizer",
    "x-amazon-apigateway-authtype",
    "x-amazon-apigateway-cors",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-integrations",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-tag-value",
];

/// Warns of every key that nobody reads, each once.
pub fn check(document: &Document<'_>, findings: &mut Findings) {
    let mut named = HashSet::new();
    check_below(&document.root, true, &mut named, findings);
}

fn check_below<'d>(
    place: &Place<'d>,
    at_root: bool,
    named: &mut HashSet<&'d str>,
    findings: &mut Findings,
) {
    for (name, member) in place.members() {
        if name.starts_with(PREFIX) && !is_read(name, at_root) && named.insert(name) {
            let message = if AT_ROOT.contains(&name) {
                format!("`{name}` has no effect here, wanted at the document's root")
            } else {
                format!("`{name}` is not known: ignored")
            };
            findings.warn(&member, Code::UnknownKey.says(message));
        }
        if is_container(&member) {
            check_below(&member, false, named, findings);
        }
    }
    for element in place.elements().filter(is_container) {
        check_below(&element, false, named, findings);
    }
}

const fn is_container(place: &Place<'_>) -> bool {
    matches!(place.node.value, Value::Object(_) | Value::Array(_))
}

fn is_read(name: &str, at_root: bool) -> bool {
    ELSEWHERE.contains(&name) || (at_root && AT_ROOT.contains(&name))
}
