//! `requestParameters` of an integration, against what the method request declares and the URI needs.

use crate::api::header_names::{FORBIDDEN_TARGETS, HTTP_FORBIDDEN_TARGETS, is_listed};
use crate::api::model::{
    DeclaredParameter, IntegrationKind, ParameterLocation, RequestMapping, RequestSource,
    RequestTarget, UriPart, UriTemplate,
};
use crate::api::openapi::document::object;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::mapping_expression;
use crate::api::openapi::node::{Place, shortened};
use crate::api::parameter_mapping::{request_source, request_target};

/// What a method request offers to mappings.
#[derive(Debug)]
pub struct MethodRequest<'a> {
    /// Declared parameters.
    pub parameters: &'a [DeclaredParameter],
    /// The variables of the path; they need no declaration.
    pub path_variables: Vec<&'a str>,
}

/// Reads the mappings in document order; those with faults are left out.
pub fn read(
    integration: &Place<'_>,
    kind: Option<&IntegrationKind>,
    request: &MethodRequest<'_>,
    findings: &mut Findings,
) -> Vec<RequestMapping> {
    let mut mappings = Vec::new();
    let map = object(integration, "requestParameters", findings);
    for (name, value) in map.iter().flat_map(Place::members) {
        let target = request_target(name);
        if let Err(fault) = target {
            findings.error_in_name(
                &value,
                format!(
                    "Invalid mapping expression specified: {}: {fault}",
                    shortened(name)
                ),
            );
        }
        let source = mapping_expression::read(&value, request_source, findings);
        if let Some(missing) = source
            .as_ref()
            .and_then(|source| request.undeclared(source))
        {
            findings.refused_by_gateway(
                &value,
                Code::UndeclaredParameter.says(format!(
                    "Invalid mapping expression specified: the method declares no {missing}"
                )),
            );
        }
        let (Ok(target), Some(source)) = (target, source) else {
            continue;
        };
        if let RequestTarget::Header(name) = &target
            && is_listed(forbidden_targets(kind), name)
        {
            findings.warn(
                &value,
                Code::ForbiddenHeader.says(format!(
                    "the header `{name}` cannot be mapped: every request gets 500"
                )),
            );
        }
        mappings.push(RequestMapping { target, source });
    }
    mappings
}

/// Those of the kind's column.
const fn forbidden_targets(kind: Option<&IntegrationKind>) -> &'static [&'static str] {
    match kind {
        Some(IntegrationKind::Http(_) | IntegrationKind::HttpProxy(_)) => &HTTP_FORBIDDEN_TARGETS,
        Some(IntegrationKind::Mock) => &[],
        Some(IntegrationKind::S3(_) | IntegrationKind::S3Action(_)) | None => &FORBIDDEN_TARGETS,
    }
}

/// Placeholders that nothing fills, and path mappings that fill none.
pub fn check_placeholders(
    integration: &Place<'_>,
    kind: &IntegrationKind,
    mappings: &[RequestMapping],
    findings: &mut Findings,
) {
    let templates: Vec<&UriTemplate> = match kind {
        IntegrationKind::S3(uri) => vec![&uri.path, &uri.query],
        IntegrationKind::S3Action(action) => action.input.iter().map(|p| &p.value).collect(),
        IntegrationKind::Http(uri) | IntegrationKind::HttpProxy(uri) => vec![&uri.path, &uri.query],
        IntegrationKind::Mock => return,
    };
    let placeholders: Vec<&str> = templates
        .into_iter()
        .flat_map(|template| &template.parts)
        .filter_map(|part| match part {
            UriPart::Placeholder(name) => Some(name.as_str()),
            UriPart::Literal(_) => None,
        })
        .collect();
    let mapped: Vec<&str> = mappings
        .iter()
        .filter_map(|mapping| match &mapping.target {
            RequestTarget::Path(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    for name in placeholders.iter().filter(|name| !mapped.contains(name)) {
        let place = integration
            .member("uri")
            .unwrap_or_else(|| integration.clone());
        findings.warn(
            &place,
            Code::UnfilledPlaceholder.says(format!(
                "nothing is mapped to `integration.request.path.{name}`: every request gets 500"
            )),
        );
    }
    for name in mapped.iter().filter(|name| !placeholders.contains(name)) {
        let place = integration
            .member("requestParameters")
            .unwrap_or_else(|| integration.clone());
        findings.warn(
            &place,
            Code::UnusedPathMapping.says(format!(
                "the URI has no `{{{name}}}`: its mapping has no effect"
            )),
        );
    }
}

impl MethodRequest<'_> {
    /// The parameter that a source names and the method does not have.
    fn undeclared(&self, source: &RequestSource) -> Option<String> {
        let (location, name) = match source {
            RequestSource::Path(name) => (ParameterLocation::Path, name),
            RequestSource::QueryString(name) | RequestSource::MultiValueQueryString(name) => {
                (ParameterLocation::QueryString, name)
            }
            RequestSource::Header(name) | RequestSource::MultiValueHeader(name) => {
                (ParameterLocation::Header, name)
            }
            RequestSource::Body
            | RequestSource::BodyPath(_)
            | RequestSource::StageVariable(_)
            | RequestSource::Context(_)
            | RequestSource::Literal(_) => return None,
        };
        let is_it = |parameter: &&DeclaredParameter| {
            let same_name = match location {
                ParameterLocation::Header => parameter.name.eq_ignore_ascii_case(name),
                _ => parameter.name == *name,
            };
            parameter.location == location && same_name
        };
        let in_path =
            location == ParameterLocation::Path && self.path_variables.contains(&name.as_str());
        if in_path || self.parameters.iter().any(|parameter| is_it(&parameter)) {
            return None;
        }
        let kind = match location {
            ParameterLocation::Header => "header",
            ParameterLocation::Path => "path parameter",
            ParameterLocation::QueryString => "query parameter",
        };
        Some(format!("{kind} `{name}`"))
    }
}
