//! What clients of objects and buckets expect, and what only mappings can give them (spec 05, 06, 12).

use crate::api::header_names::{TARGETS_WITHOUT_EFFECT, is_listed};
use crate::api::model::{IntegrationResponse, RequestSource, RequestTarget, S3Uri, UriPart};
use crate::api::openapi::binary_bodies::{is_object_uri, path_of};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::hints::{Survey, maps_header};

/// Request fields that make a GET conditional.
const PRECONDITIONS: [&str; 4] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
];
/// Those whose failure is 304.
const ANSWERED_BY_304: [&str; 2] = ["if-modified-since", "if-none-match"];
/// Query parameters that ask for a later part of a listing.
const PAGE_PARAMETERS: [&str; 3] = ["continuation-token", "marker", "start-after"];

pub(super) fn check(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let Some(uri) = survey.s3_uri() else {
        return;
    };
    check_targets(survey, findings);
    check_key(survey, uri, findings);
    let reads = matches!(survey.sent_method(), "GET" | "HEAD");
    if reads && is_object_uri(uri) {
        check_request_fields(survey, findings);
        check_response_fields(survey, findings);
    } else if survey.sent_method() == "GET" && lists_bucket(uri) {
        check_listing(survey, findings);
    }
}

fn maps_to(survey: &Survey<'_, '_>, header: &str) -> bool {
    let mut mappings = survey.integration.request_parameters.iter();
    mappings.any(|mapping| {
        matches!(&mapping.target, RequestTarget::Header(name) if name.eq_ignore_ascii_case(header))
    })
}

fn check_targets(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let parameters = survey.member_or_whole("requestParameters");
    for mapping in &survey.integration.request_parameters {
        let RequestTarget::Header(name) = &mapping.target else {
            continue;
        };
        if is_listed(&TARGETS_WITHOUT_EFFECT, name) {
            let key = format!("integration.request.header.{name}");
            let place = parameters
                .member(&key)
                .unwrap_or_else(|| parameters.clone());
            findings.warn(
                &place,
                Code::HeaderWithoutEffect.says(format!(
                    "a mapping to `{name}` has no effect: the gateway writes or drops this header by itself"
                )),
            );
        }
    }
}

/// A key in a path parameter of one segment.
fn check_key(survey: &Survey<'_, '_>, uri: &S3Uri, findings: &mut Findings) {
    let Some(UriPart::Placeholder(key)) = uri.path.parts.last() else {
        return;
    };
    let has_bucket = uri.bucket.is_some() || path_of(uri).contains('/');
    let source =
        survey
            .integration
            .request_parameters
            .iter()
            .find_map(|m| match (&m.target, &m.source) {
                (RequestTarget::Path(name), RequestSource::Path(source)) if name == key => {
                    Some(source)
                }
                _ => None,
            });
    let Some(source) = source.filter(|_| has_bucket) else {
        return;
    };
    let path = &survey.operation.method.resource_path;
    if path.ends_with(&format!("/{{{source}}}")) {
        findings.hint(
            Code::KeyWithSlashes,
            &survey.operation.place,
            format!(
                "`{{{source}}}` is one segment of the path: clients send a key's slashes as %2F, else they get \
                 403 Missing Authentication Token; `{{{source}+}}` takes them as they are"
            ),
        );
    }
}

fn check_request_fields(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let place = survey.member_or_whole("requestParameters");
    if survey.sent_method() == "GET" {
        if !maps_to(survey, "range") {
            findings.hint(
                Code::RangeNotMapped,
                &place,
                "the client's Range does not reach the store: every download is whole; \
                 `integration.request.header.Range: method.request.header.Range` and a response 206 let parts through",
            );
        } else if survey.client_status(206) != Some(206) {
            findings.hint(
                Code::PartialAsWhole,
                &survey.member_or_whole("responses"),
                "Range is mapped, but the store's 206 does not become 206: a part looks like the whole object; \
                 wanted an integration response `206` with statusCode 206 and Content-Range",
            );
        }
    }
    if !PRECONDITIONS.iter().any(|name| maps_to(survey, name)) {
        findings.hint(
            Code::PreconditionsNotMapped,
            &place,
            "If-None-Match, If-Modified-Since and their kin do not reach the store: caches fetch the whole object again; \
             `integration.request.header.If-None-Match: method.request.header.If-None-Match` and a response 304 spare that",
        );
    } else if ANSWERED_BY_304.iter().any(|name| maps_to(survey, name))
        && survey.client_status(304) != Some(304)
    {
        findings.hint(
            Code::NotModifiedAsSuccess,
            &survey.member_or_whole("responses"),
            "If-None-Match or If-Modified-Since is mapped, but the store's 304 does not become 304: the client takes its \
             empty body for the object; wanted an integration response `304` with statusCode 304",
        );
    }
}

fn check_response_fields(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let selected = survey.integration.selection.select(200);
    let response = selected.and_then(|index| survey.integration.responses.get(index));
    let Some(response) = response else {
        return;
    };
    let place = survey.member_or_whole("responses");
    let key = response.pattern.as_deref().unwrap_or("default");
    let place = place.member(key).unwrap_or(place);
    let lacks = |name: &str| !maps_header(&response.parameters, name);
    if lacks("content-type") && passes_body(response) {
        findings.hint(
            Code::ContentTypeNotMapped,
            &place,
            "objects go out as `Content-Type: application/json`, whatever they are; \
             `method.response.header.Content-Type: integration.response.header.Content-Type` tells their type",
        );
    }
    if lacks("etag") {
        findings.hint(
            Code::EtagNotMapped,
            &place,
            "the object's ETag does not reach the client; `method.response.header.ETag: integration.response.header.ETag` \
             sends it on",
        );
    }
}

fn passes_body(response: &IntegrationResponse) -> bool {
    response.templates.is_empty()
}

fn lists_bucket(uri: &S3Uri) -> bool {
    let path = path_of(uri);
    let bucket = if uri.bucket.is_some() {
        path.is_empty()
    } else {
        !path.is_empty() && !path.trim_end_matches('/').contains('/')
    };
    bucket && uri.query.parts.is_empty()
}

fn check_listing(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let mut mappings = survey.integration.request_parameters.iter();
    let pages = mappings.any(|mapping| match &mapping.target {
        RequestTarget::QueryString(name) => is_listed(&PAGE_PARAMETERS, name),
        _ => false,
    });
    let s3_bucket = survey.s3_uri().is_some_and(|uri| {
        // `s3:path/{key}` may be an object of `--s3-bucket`.
        uri.bucket.is_some()
            || !matches!(uri.path.parts.as_slice(), [_, UriPart::Placeholder(name)] if name.to_ascii_lowercase().contains("key"))
    });
    if !pages && s3_bucket {
        findings.hint(
            Code::ListNotPageable,
            &survey.member_or_whole("requestParameters"),
            "the store lists at most 1000 keys, and clients cannot ask for the next ones; \
             `integration.request.querystring.marker: method.request.querystring.marker` (with `prefix` and `max-keys` if \
             wanted) lets them",
        );
    }
}
