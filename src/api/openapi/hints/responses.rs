//! Which integration response a status selects, and what the client then sees (spec 06).

use crate::api::header_names::REMAPPED;
use crate::api::openapi::document::status;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::hints::Survey;
use crate::api::openapi::node::{Place, Value, shortened};

/// Statuses that a backend may send.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=599;
/// Statuses that S3 sends every day.
const OF_STORES: [u16; 6] = [200, 204, 403, 404, 500, 503];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    check_patterns(survey, findings);
    check_declared(survey, findings);
    check_remapped(survey, findings);
    if survey.s3_uri().is_some() {
        check_store_statuses(survey, findings);
    }
}

fn entry<'d>(survey: &Survey<'_, 'd>, pattern: Option<&str>) -> Place<'d> {
    let responses = survey.member_or_whole("responses");
    let entry = responses.member(pattern.unwrap_or("default"));
    entry.unwrap_or(responses)
}

fn check_patterns(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let selection = &survey.integration.selection;
    for (index, response) in survey.integration.responses.iter().enumerate() {
        if STATUSES
            .into_iter()
            .any(|status| selection.select(status) == Some(index))
        {
            continue;
        }
        let pattern = response.pattern.as_deref();
        let why = match pattern {
            Some(_) => "a pattern must match the whole status, and the first that matches wins",
            None => "the patterns take every status",
        };
        findings.warn(
            &entry(survey, pattern),
            Code::ResponseNeverSelected.says(format!(
                "no status selects `{}`: {why}",
                shortened(pattern.unwrap_or("default"))
            )),
        );
    }
}

/// A template may set any status, so that a document with such a template is left alone.
fn check_declared(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let responses = &survey.integration.responses;
    if responses.is_empty() || overrides_status(&survey.place) {
        return;
    }
    let declared = survey.operation.place.member("responses");
    let never = |name: &str| {
        let declared = status(name);
        declared.is_some_and(|status| responses.iter().all(|r| r.status != status))
    };
    for (name, place) in declared.iter().flat_map(Place::members) {
        if never(name) {
            findings.hint(
                Code::StatusNeverSent,
                &place,
                format!("no integration response has the status {name}: the client never gets it"),
            );
        }
    }
}

fn overrides_status(place: &Place<'_>) -> bool {
    match &place.node.value {
        Value::Text(text) => text.contains("responseOverride"),
        Value::Object(_) => place.members().any(|(_, member)| overrides_status(&member)),
        _ => false,
    }
}

fn check_remapped(survey: &Survey<'_, '_>, findings: &mut Findings) {
    for response in &survey.integration.responses {
        for mapping in &response.parameters {
            let known = |name: &&str| name.eq_ignore_ascii_case(&mapping.header);
            if !REMAPPED.iter().any(known) {
                continue;
            }
            let entry = entry(survey, response.pattern.as_deref());
            let parameters = entry.member("responseParameters").unwrap_or(entry);
            let name = format!("method.response.header.{}", mapping.header);
            let place = parameters.member(&name).unwrap_or(parameters);
            findings.hint(
                Code::HeaderRemapped,
                &place,
                format!(
                    "`{0}` arrives as `x-amzn-Remapped-{0}`: the gateway's own fields keep their names",
                    mapping.header
                ),
            );
        }
    }
}

fn check_store_statuses(survey: &Survey<'_, '_>, findings: &mut Findings) {
    if survey.integration.responses.is_empty() {
        return;
    }
    let place = survey.member_or_whole("responses");
    let without: Vec<String> = OF_STORES
        .into_iter()
        .filter(|status| survey.client_status(*status).is_none())
        .map(|status| status.to_string())
        .collect();
    if !without.is_empty() {
        findings.hint(
            Code::StatusUnanswered,
            &place,
            format!(
                "no integration response takes the store's {}: the client gets 500; `default` takes what no pattern takes",
                without.join(", ")
            ),
        );
    }
    let succeeds = |status: &u16| survey.client_status(*status).is_some_and(|sent| sent < 400);
    let errors: Vec<String> = OF_STORES
        .into_iter()
        .filter(|status| *status >= 400 && succeeds(status))
        .map(|status| status.to_string())
        .collect();
    if !errors.is_empty() {
        findings.hint(
            Code::ErrorsAsSuccess,
            &place,
            format!(
                "the store's {} reaches the client as success, with the error's XML for a body; patterns such as `4\\d{{2}}` \
                 and `5\\d{{2}}` tell errors apart",
                errors.join(", ")
            ),
        );
    }
}
