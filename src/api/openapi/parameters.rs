//! The parameters that a method request declares.

use crate::api::integration_uri::is_parameter_name;
use crate::api::model::{DeclaredParameter, ParameterLocation};
use crate::api::openapi::document::{Document, flag, is_object, present, text};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::method_response;
use crate::api::openapi::node::{Place, Value, shortened};

/// Reads the parameters of an operation; those of its path item come first and give way to its own.
pub fn read(
    document: &Document<'_>,
    path_item: &Place<'_>,
    operation: &Place<'_>,
    findings: &mut Findings,
) -> Vec<DeclaredParameter> {
    let mut inherited = read_list(document, path_item, findings);
    let own = read_list(document, operation, findings);
    let same =
        |a: &DeclaredParameter, b: &DeclaredParameter| a.location == b.location && a.name == b.name;
    inherited.retain(|(outer, _)| !own.iter().any(|(inner, _)| same(outer, inner)));
    let mut declared: Vec<DeclaredParameter> = Vec::new();
    for (parameter, place) in inherited.into_iter().chain(own) {
        if declared.iter().any(|known| known.name == parameter.name) {
            findings.error(
                &place,
                format!(
                    "Parameter names must be unique across querystring, header and path: found `{}` again",
                    parameter.name
                ),
            );
        }
        declared.push(parameter);
    }
    check_request_body(document, operation, findings);
    declared
}

fn read_list<'d>(
    document: &Document<'d>,
    owner: &Place<'d>,
    findings: &mut Findings,
) -> Vec<(DeclaredParameter, Place<'d>)> {
    let Some(list) = present(owner, "parameters") else {
        return Vec::new();
    };
    if !matches!(list.node.value, Value::Array(_)) {
        let found = list.node.described();
        findings.error(&list, format!("found {found}, wanted a list of parameters"));
    }
    let mut parameters = Vec::new();
    for element in list.elements() {
        let Some(place) = document.follow(element, findings) else {
            continue;
        };
        if let Some(parameter) = read_parameter(document, &place, findings) {
            parameters.push((parameter, place));
        }
    }
    parameters
}

fn read_parameter(
    document: &Document<'_>,
    place: &Place<'_>,
    findings: &mut Findings,
) -> Option<DeclaredParameter> {
    if !is_object(place, findings) {
        return None;
    }
    let location = location_of(place, findings)?;
    if location == Location::Body {
        if let Some(schema) = present(place, "schema") {
            method_response::check_model(document, &schema, findings);
        }
        return None;
    }
    let name = required_text(place, "name", findings)?;
    let required = match present(place, "required") {
        Some(required) => flag(&required, findings)?,
        None => false,
    };
    let Location::Declared(location) = location else {
        return None;
    };
    if !is_parameter_name(name) {
        let at = place.member("name").unwrap_or_else(|| place.clone());
        findings.error(
            &at,
            format!(
                "found the parameter name `{}`, wanted letters, digits and `.`, `_`, `$`, `-`",
                shortened(name)
            ),
        );
        return None;
    }
    Some(DeclaredParameter {
        location,
        name: name.to_owned(),
        required,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Location {
    Declared(ParameterLocation),
    Body,
    /// `formData` and `cookie` give no parameter.
    Unread,
}

fn location_of(place: &Place<'_>, findings: &mut Findings) -> Option<Location> {
    Some(match required_text(place, "in", findings)? {
        "path" => Location::Declared(ParameterLocation::Path),
        "query" => Location::Declared(ParameterLocation::QueryString),
        "header" => Location::Declared(ParameterLocation::Header),
        "body" => Location::Body,
        "formData" | "cookie" => Location::Unread,
        other => {
            let at = place.member("in").unwrap_or_else(|| place.clone());
            findings.error(
                &at,
                format!(
                    "found `{}`, wanted path, query, header, body, formData or cookie",
                    shortened(other)
                ),
            );
            return None;
        }
    })
}

fn required_text<'d>(place: &Place<'d>, name: &str, findings: &mut Findings) -> Option<&'d str> {
    let Some(member) = place.member(name) else {
        findings.error(
            place,
            format!("found a parameter without `{name}`, wanted it"),
        );
        return None;
    };
    text(&member, findings)
}

/// OpenAPI 3: the model of a JSON body.
fn check_request_body(document: &Document<'_>, operation: &Place<'_>, findings: &mut Findings) {
    let Some(body) = present(operation, "requestBody") else {
        return;
    };
    let Some(body) = document.follow(body, findings) else {
        return;
    };
    method_response::check_content(document, &body, findings);
}
