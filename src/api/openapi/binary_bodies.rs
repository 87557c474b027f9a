//! Methods that carry objects in a document without binary media types: all bodies are text there, and bytes that are
//! not UTF-8 do not survive (spec 04).

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::content_handling::{
    BodyClass, Conversion, request_conversion, response_conversion,
};
use crate::api::model::{
    Integration, IntegrationKind, IntegrationResponse, MappingTemplate, PassthroughBehavior, S3Uri,
    UriPart,
};
use crate::api::openapi::document::Document;
use crate::api::openapi::finding::{Findings, Topic};
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::fix::Fix;
use crate::api::openapi::operation::Operation;
use crate::api::resource_tree::ANY;
use crate::api::s3_action::S3Operation;
use crate::vtl::template::Template;

/// Without templates and `contentHandling`, `*/*` changes nothing but what it is to change.
const ALL_TYPES: &str = "bodies can only be text here: bytes that are not UTF-8 become U+FFFD; to pass objects as they are, \
    put `x-amazon-apigateway-binary-media-types: ['*/*']` at the document's root";
/// With them, `*/*` would break other methods (spec 04, "`*/*` trap").
const LISTED_TYPES: &str = "bodies can only be text here: bytes that are not UTF-8 become U+FFFD; to pass objects as they are, \
    list their media types at the document's root, such as `x-amazon-apigateway-binary-media-types: ['image/*']`, and let \
    clients name them in Content-Type and Accept; `['*/*']` needs no naming, but every body is binary then: methods with \
    mapping templates may answer 500, and contentHandling no longer decodes base64";

const LIST_KEY: &str = "x-amazon-apigateway-binary-media-types";

/// Queries of an object whose bodies are XML, not the object.
const XML_QUERIES: [&str; 8] = [
    "acl",
    "attributes",
    "legal-hold",
    "restore",
    "retention",
    "tagging",
    "uploads",
    "versions",
];

/// Warns at the first method that can only carry text and is to carry an object; the others are counted.
pub fn check(
    document: &Document<'_>,
    types: &BinaryMediaTypes,
    operations: &[Operation<'_>],
    findings: &mut Findings,
) {
    if *types != BinaryMediaTypes::default() {
        return;
    }
    let integrations = || operations.iter().filter_map(integration_of);
    let buckets_named = integrations().filter_map(s3_uri).any(names_bucket_and_key);
    let (message, list) = if integrations().any(depends_on_class) {
        (LISTED_TYPES, "[\"image/*\"]")
    } else {
        (ALL_TYPES, "[\"*/*\"]")
    };
    let fix = || Fix::member(&document.root, "paths", LIST_KEY, list);
    for operation in operations {
        let Some(integration) = integration_of(operation) else {
            continue;
        };
        let object = s3_uri(integration).is_some_and(|uri| is_object(uri, buckets_named));
        if object && corrupts(&operation.method.http_method, integration) {
            let said = Code::BinaryBodies.says(message).mended_by(fix());
            findings.warn_once(Topic::BinaryBodies, &operation.place, said);
        }
    }
}

const fn integration_of<'o>(operation: &'o Operation<'_>) -> Option<&'o Integration> {
    operation.method.integration.as_ref()
}

const fn s3_uri(integration: &Integration) -> Option<&S3Uri> {
    match &integration.kind {
        IntegrationKind::S3(uri) => Some(uri),
        IntegrationKind::S3Action(action) if action.body_is_object => Some(&action.uri),
        IntegrationKind::S3Action(action) => match action.operation {
            S3Operation::GetObject => Some(&action.uri),
            _ => None,
        },
        IntegrationKind::Mock | IntegrationKind::Http(_) | IntegrationKind::HttpProxy(_) => None,
    }
}

/// Whether anything about the integration changes when bodies become binary.
fn depends_on_class(integration: &Integration) -> bool {
    let response = |response: &IntegrationResponse| {
        !response.templates.is_empty() || response.content_handling.is_some()
    };
    !integration.request_templates.is_empty()
        || integration.content_handling.is_some()
        || integration.responses.iter().any(response)
}

/// The path with `{name}` for each placeholder, without the first slash.
pub(super) fn path_of(uri: &S3Uri) -> String {
    let written: String = uri.path.parts.iter().map(written).collect();
    written.trim_start_matches('/').to_owned()
}

fn written(part: &UriPart) -> String {
    match part {
        UriPart::Literal(text) => text.clone(),
        UriPart::Placeholder(name) => format!("{{{name}}}"),
    }
}

fn names_bucket_and_key(uri: &S3Uri) -> bool {
    let path = path_of(uri);
    let key = path.split_once('/').map(|(_, key)| key);
    uri.bucket.is_none() && key.is_some_and(|key| !key.is_empty())
}

/// Whether the URI is an object's. A lone placeholder is a key where the document names no bucket in its paths, unless
/// it is called a bucket.
fn is_object(uri: &S3Uri, buckets_named: bool) -> bool {
    let query = uri.query.parts.first().map(written).unwrap_or_default();
    let name = query.split(['=', '&']).next().unwrap_or_default();
    if XML_QUERIES.contains(&name) {
        return false;
    }
    if uri.bucket.is_some() {
        return !path_of(uri).is_empty();
    }
    let lone_key = match uri.path.parts.as_slice() {
        [UriPart::Literal(slash), UriPart::Placeholder(name)] if slash == "/" => {
            !buckets_named && !name.to_ascii_lowercase().contains("bucket")
        }
        _ => false,
    };
    lone_key || names_bucket_and_key(uri)
}

/// Whether the URI names an object for sure: a bucket and a key.
pub(super) fn is_object_uri(uri: &S3Uri) -> bool {
    is_object(uri, true)
}

/// Whether an object's bytes go through as text. POST carries XML, HEAD and DELETE nothing.
fn corrupts(http_method: &str, integration: &Integration) -> bool {
    let named = integration.http_method.as_deref().unwrap_or(http_method);
    let method = match &integration.kind {
        IntegrationKind::S3Action(action) => action.operation.http_method(),
        _ => named,
    };
    let reads = matches!(method, "GET" | ANY) && response_is_text(integration);
    let writes = matches!(method, "PUT" | ANY) && request_is_text(integration);
    reads || writes
}

fn request_is_text(integration: &Integration) -> bool {
    let templates = &integration.request_templates;
    let passes = match integration.passthrough {
        PassthroughBehavior::WhenNoMatch => true,
        PassthroughBehavior::WhenNoTemplates => templates.is_empty(),
        PassthroughBehavior::Never => false,
    };
    let conversion = request_conversion(BodyClass::Text, integration.content_handling);
    conversion == Conversion::Utf8 && (passes || templates.iter().any(has_body))
}

fn response_is_text(integration: &Integration) -> bool {
    let selected = integration.selection.select(200);
    let Some(response) = selected.and_then(|index| integration.responses.get(index)) else {
        return false;
    };
    let conversion =
        response_conversion(BodyClass::Text, BodyClass::Text, response.content_handling);
    let templates = &response.templates;
    conversion == Conversion::Utf8 && (templates.is_empty() || templates.iter().any(has_body))
}

const fn has_body(template: &MappingTemplate) -> bool {
    matches!(template.template, Template::AroundBody { .. })
}
