//! `x-amazon-apigateway-integration` (spec 01).

use crate::api::model::{Integration, IntegrationKind, PassthroughBehavior};
use crate::api::openapi::content_handling;
use crate::api::openapi::document::{Document, present, scalar, text, whole_number};
use crate::api::openapi::finding::{Findings, Topic};
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::integration_response;
use crate::api::openapi::integration_target;
use crate::api::openapi::mapping_template;
use crate::api::openapi::method_response::MethodResponse;
use crate::api::openapi::node::{Place, shortened};
use crate::api::openapi::request_mapping::{self, MethodRequest};
use crate::api::openapi::s3_action;

/// From connecting to the last response byte (spec 11, "integration timeout").
const TIMEOUT_MS_MIN: u32 = 50;
const TIMEOUT_MS_MAX: u32 = 29_000;

/// Every key of an integration.
const KEYS: [&str; 16] = [
    "type",
    "httpMethod",
    "uri",
    "credentials",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "connectionType",
    "connectionId",
    "tlsConfig",
    "responseTransferMode",
    "responses",
];

/// Reads an integration; all its faults are reported.
pub fn read(
    document: &Document<'_>,
    place: &Place<'_>,
    request: &MethodRequest<'_>,
    responses: &[MethodResponse],
    findings: &mut Findings,
) -> Option<Integration> {
    check_keys(place, findings);
    let target = integration_target::read(document, place, findings);
    let request_parameters = request_mapping::read(
        place,
        target.as_ref().map(|target| &target.kind),
        request,
        findings,
    );
    let request_templates = mapping_template::read(place, "requestTemplates", findings);
    let passthrough = passthrough_behavior(place, findings);
    let content_handling = content_handling::read(place, findings);
    let timeout_ms = timeout_ms(place, findings);
    let responses = integration_response::read(place, responses, findings);
    let mut target = target?;
    if let IntegrationKind::S3Action(action) = &mut target.kind {
        s3_action::settle(
            place,
            action,
            &request_parameters,
            &request_templates,
            findings,
        );
    }
    request_mapping::check_placeholders(place, &target.kind, &request_parameters, findings);
    Some(Integration {
        kind: target.kind,
        http_method: target.http_method,
        credentials: target.credentials,
        request_parameters,
        request_templates,
        passthrough,
        content_handling,
        timeout_ms: timeout_ms?,
        responses: responses.list,
        selection: responses.selection,
    })
}

fn check_keys(place: &Place<'_>, findings: &mut Findings) {
    for (name, member) in place.members() {
        if !KEYS.contains(&name) && !name.starts_with("x-") {
            findings.warn(
                &member,
                Code::UnknownKey.says(format!(
                    "found `{}`, which no integration has: ignored",
                    shortened(name)
                )),
            );
        }
    }
    for name in ["cacheNamespace", "cacheKeyParameters"] {
        if let Some(member) = present(place, name) {
            findings.warn_once(
                Topic::Caching,
                &member,
                Code::NotCached.says("responses are not cached in this version"),
            );
        }
    }
}

/// An unknown value counts as `WHEN_NO_MATCH` (spec 05).
fn passthrough_behavior(place: &Place<'_>, findings: &mut Findings) -> PassthroughBehavior {
    let Some(member) = present(place, "passthroughBehavior") else {
        return PassthroughBehavior::default();
    };
    let Some(name) = text(&member, findings) else {
        return PassthroughBehavior::default();
    };
    let known = [
        ("WHEN_NO_MATCH", PassthroughBehavior::WhenNoMatch),
        ("WHEN_NO_TEMPLATES", PassthroughBehavior::WhenNoTemplates),
        ("NEVER", PassthroughBehavior::Never),
    ];
    let found = known
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((_, behavior)) = found {
        return behavior;
    }
    findings.warn(
        &member,
        Code::UnknownPassthrough.says(format!(
            "found `{}`, wanted when_no_match, when_no_templates or never: taken as when_no_match",
            shortened(name)
        )),
    );
    PassthroughBehavior::WhenNoMatch
}

fn timeout_ms(place: &Place<'_>, findings: &mut Findings) -> Option<u32> {
    let Some(member) = present(place, "timeoutInMillis") else {
        return Some(TIMEOUT_MS_MAX);
    };
    let timeout = scalar(&member)
        .and_then(whole_number)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|timeout| (TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(timeout));
    if timeout.is_none() {
        let found = member.node.described();
        findings.error(
            &member,
            format!("found {found}, wanted {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX} milliseconds"),
        );
    }
    timeout
}
