//! `x-amazon-apigateway-gateway-responses` (spec 08, "Customisation").

use crate::api::gateway_response::{
    GatewayHeader, GatewayResponse, GatewayResponses, GatewaySource, GatewayTarget,
    GatewayTemplate, ResponseType,
};
use crate::api::openapi::document::{Document, is_object, object, present, scalar, status};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Place, Value, shortened};

/// Reads the customisation of all types.
pub fn read(document: &Document<'_>, findings: &mut Findings) -> GatewayResponses {
    let mut entries = Vec::new();
    let Some(place) = object(
        &document.root,
        "x-amazon-apigateway-gateway-responses",
        findings,
    ) else {
        return GatewayResponses::default();
    };
    for (name, entry) in place.members() {
        let kind = ResponseType::parse(name);
        if kind.is_none() {
            let names = ResponseType::ALL.map(ResponseType::as_str).join(", ");
            findings.error_in_name(
                &entry,
                format!(
                    "1 validation error detected: Value '{}' at 'responseType' failed to satisfy constraint: \
                     Member must satisfy enum value set: [{names}]",
                    shortened(name)
                ),
            );
        }
        if !is_object(&entry, findings) {
            continue;
        }
        let response = read_entry(&entry, findings);
        entries.extend(kind.map(|kind| (kind, response)));
    }
    GatewayResponses::new(entries)
}

fn read_entry(entry: &Place<'_>, findings: &mut Findings) -> GatewayResponse {
    let mut response = GatewayResponse::default();
    if let Some(place) = present(entry, "statusCode") {
        response.status = scalar(&place).and_then(status);
        if response.status.is_none() {
            let found = place.node.described();
            findings.error(
                &place,
                format!("found {found}, wanted a status from 100 to 599"),
            );
        }
    }
    if let Some(parameters) = object(entry, "responseParameters", findings) {
        for (name, value) in parameters.members() {
            response.headers.extend(read_header(name, &value, findings));
        }
    }
    if let Some(templates) = object(entry, "responseTemplates", findings) {
        for (media_type, value) in templates.members() {
            if let Some(text) = filled_text(&value, "responseTemplates", findings) {
                response
                    .templates
                    .push(GatewayTemplate::compile(media_type, text));
            }
        }
    }
    response
}

fn read_header(name: &str, value: &Place<'_>, findings: &mut Findings) -> Option<GatewayHeader> {
    let target = GatewayTarget::parse(name);
    if target.is_none() {
        findings.error_in_name(
            value,
            format!(
                "found `{}`, wanted `gatewayresponse.header.NAME`",
                shortened(name)
            ),
        );
    }
    let expression = filled_text(value, "responseParameters", findings)?;
    let source = GatewaySource::parse(expression);
    if source.is_none() {
        findings.error(
            value,
            format!(
                "Invalid mapping expression specified: {}; wanted `method.request.…`, `context.…`, `stageVariables.…` or `'text'`",
                shortened(expression)
            ),
        );
    }
    match target? {
        GatewayTarget::Header(name) => Some(GatewayHeader {
            name,
            source: source?,
        }),
        GatewayTarget::NoEffect => None,
    }
}

/// Text that is neither null nor empty.
fn filled_text<'d>(value: &Place<'d>, map: &str, findings: &mut Findings) -> Option<&'d str> {
    match &value.node.value {
        Value::Text(text) if !text.is_empty() => Some(text),
        Value::Text(_) | Value::Null => {
            findings.error(value, format!("Invalid null or empty value in {map}"));
            None
        }
        _ => {
            findings.error(
                value,
                format!("found {}, wanted text", value.node.described()),
            );
            None
        }
    }
}
