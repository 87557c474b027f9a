//! Parameters that nobody asks for, and browsers of other origins.

use crate::api::gateway_response::{GatewayResponses, ResponseType};
use crate::api::model::ParameterLocation;
use crate::api::openapi::document::Document;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::fix::Fix;
use crate::api::openapi::hints::{Survey, maps_header};
use crate::api::openapi::operation::Operation;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
/// Both classes of gateway responses with the header that browsers look for.
const CORS_ON_ERRORS: &str = r#"{"DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}, "DEFAULT_5XX": {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}}"#;

/// `required` counts only with a validator. A path parameter is always there.
pub(super) fn check_parameters(operation: &Operation<'_>, findings: &mut Findings) {
    let method = &operation.method;
    let checked = method.validator.is_some_and(|v| v.parameters);
    let required: Vec<&str> = method
        .parameters
        .iter()
        .filter(|p| p.required && p.location != ParameterLocation::Path)
        .map(|p| p.name.as_str())
        .collect();
    if checked || required.is_empty() {
        return;
    }
    let place = operation.place.member("parameters");
    let message = format!(
        "`{}` is required, and nobody checks it: requests without it go on; \
         x-amazon-apigateway-request-validator wants a validator with validateRequestParameters",
        required.join("`, `")
    );
    findings.hint(
        Code::RequiredNotChecked,
        &place.unwrap_or_else(|| operation.place.clone()),
        message,
    );
}

/// Where a method OPTIONS stands, browsers of other origins are expected.
pub(super) fn check_cors(
    document: &Document<'_>,
    gateway_responses: &GatewayResponses,
    operations: &[Operation<'_>],
    findings: &mut Findings,
) {
    let preflights: Vec<&Operation<'_>> = operations
        .iter()
        .filter(|operation| operation.method.http_method == "OPTIONS")
        .collect();
    let Some(first) = preflights.first() else {
        return;
    };
    for operation in operations {
        let path = &operation.method.resource_path;
        let beside = preflights
            .iter()
            .any(|preflight| preflight.method.resource_path == *path);
        if operation.method.http_method == "OPTIONS" || !beside {
            continue;
        }
        if Survey::of(operation).is_some_and(|survey| !answers_browsers(&survey)) {
            findings.hint(
                Code::CorsMissingOnMethod,
                &operation.place,
                format!(
                    "OPTIONS stands beside this method, which maps no `{ALLOW_ORIGIN}`: browsers keep its answers from \
                     other origins; `method.response.header.{ALLOW_ORIGIN}: \"'*'\"` in its responseParameters tells them"
                ),
            );
        }
    }
    let told = |kind| {
        let custom = gateway_responses.for_raised(kind);
        custom.is_some_and(|response| {
            let mut headers = response.headers.iter();
            headers.any(|header| header.name.eq_ignore_ascii_case(ALLOW_ORIGIN))
        })
    };
    if !told(ResponseType::Default4xx) || !told(ResponseType::Default5xx) {
        let fix = Fix::member(
            &document.root,
            "paths",
            "x-amazon-apigateway-gateway-responses",
            CORS_ON_ERRORS,
        );
        let message = format!(
            "there is a method OPTIONS, but the gateway's own responses (DEFAULT_4XX, DEFAULT_5XX) send no \
             `{ALLOW_ORIGIN}`: browsers of other origins see no reason for a refusal"
        );
        let code = Code::CorsMissingOnErrors;
        findings.hint_with(code, &first.place, code.says(message).mended_by(fix));
    }
}

/// Whether success carries the header. Answers that pass whole (`http_proxy`) have no integration responses.
fn answers_browsers(survey: &Survey<'_, '_>) -> bool {
    let selected = survey.integration.selection.select(200);
    let response = selected.and_then(|index| survey.integration.responses.get(index));
    response.is_none_or(|response| maps_header(&response.parameters, ALLOW_ORIGIN))
}
