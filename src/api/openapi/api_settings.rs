//! What the root of a document says about the API as a whole.

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::model::ApiKeySource;
use crate::api::openapi::document::{Document, present, scalar, text, whole_number};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Value, shortened};

/// Spec 01, "x-amazon-apigateway-minimum-compression-size".
const COMPRESSION_BYTES_MAX: usize = 10_485_760;
/// Stage variables of a stage, and their lengths (spec 11).
const STAGE_VARIABLES_MAX: usize = 100;
const VARIABLE_NAME_CHARS_MAX: usize = 64;
const VARIABLE_VALUE_CHARS_MAX: usize = 512;

/// `info.title`, the API's name.
pub fn title(document: &Document<'_>, findings: &mut Findings) -> Option<String> {
    let info = document.root.member("info");
    let title = info.as_ref().and_then(|info| info.member("title"));
    let Some(title) = title else {
        let place = info.unwrap_or_else(|| document.root.clone());
        findings.error(
            &place,
            "Invalid OpenAPI input. Found no `info.title`, wanted the API's name",
        );
        return None;
    };
    match scalar(&title) {
        Some(name) if !name.trim().is_empty() => Some(name.to_owned()),
        _ => {
            let found = title.node.described();
            findings.error(&title, format!("found {found}, wanted the API's name"));
            None
        }
    }
}

/// `x-amazon-apigateway-binary-media-types`; faults are left out of the list.
pub fn binary_media_types(document: &Document<'_>, findings: &mut Findings) -> BinaryMediaTypes {
    let mut listed = Vec::new();
    let Some(place) = present(&document.root, "x-amazon-apigateway-binary-media-types") else {
        return BinaryMediaTypes::default();
    };
    if !matches!(place.node.value, Value::Array(_)) {
        let found = place.node.described();
        findings.error(
            &place,
            format!("found {found}, wanted a list of media types"),
        );
    }
    for element in place.elements() {
        let Some(name) = text(&element, findings) else {
            continue;
        };
        let halves = name.split_once('/');
        if halves.is_none_or(|(kind, subtype)| kind.trim().is_empty() || subtype.trim().is_empty())
        {
            findings.error(
                &element,
                format!(
                    "found `{}`, wanted a media type such as `image/png`",
                    shortened(name)
                ),
            );
            continue;
        }
        listed.push(name.to_owned());
    }
    BinaryMediaTypes::new(&listed)
}

/// `x-amazon-apigateway-minimum-compression-size`, in bytes.
pub fn minimum_compression_size(document: &Document<'_>, findings: &mut Findings) -> Option<u64> {
    let place = present(
        &document.root,
        "x-amazon-apigateway-minimum-compression-size",
    )?;
    let size = scalar(&place)
        .and_then(whole_number)
        .filter(|&size| size <= COMPRESSION_BYTES_MAX);
    if size.is_none() {
        let found = place.node.described();
        findings.error(
            &place,
            format!(
                "Invalid minimum compression size, must be between 0 and 10485760: found {found}"
            ),
        );
    }
    u64::try_from(size?).ok()
}

/// `x-amazon-apigateway-api-key-source`.
pub fn api_key_source(document: &Document<'_>, findings: &mut Findings) -> ApiKeySource {
    let Some(place) = present(&document.root, "x-amazon-apigateway-api-key-source") else {
        return ApiKeySource::default();
    };
    match scalar(&place) {
        Some("HEADER") => ApiKeySource::Header,
        Some("AUTHORIZER") => {
            findings.warn(
                &place,
                "there are no authorizers here that could tell an API key: methods that ask for one answer 403 to \
                 everybody; HEADER takes it from x-api-key",
            );
            ApiKeySource::Authorizer
        }
        _ => {
            let found = place.node.described();
            findings.error(
                &place,
                format!("found {found}, wanted `HEADER` or `AUTHORIZER`"),
            );
            ApiKeySource::default()
        }
    }
}

/// Lengths and characters of the stage variables that came with the document (spec 11, "Quotas").
pub fn check_stage_variables(document: &Document<'_>, findings: &mut Findings) {
    let variables = &document.options.stage_variables;
    if variables.len() > STAGE_VARIABLES_MAX {
        findings.error(
            &document.root,
            format!(
                "found {} stage variables, wanted at most {STAGE_VARIABLES_MAX}",
                variables.len()
            ),
        );
    }
    for (name, value) in variables {
        let name_fits = !name.is_empty()
            && name.chars().count() <= VARIABLE_NAME_CHARS_MAX
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !name_fits {
            findings.error(
                &document.root,
                format!(
                    "found the stage variable `{}`, wanted a name of 1 to {VARIABLE_NAME_CHARS_MAX} letters, digits and `_`",
                    shortened(name)
                ),
            );
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
        if value.chars().count() > VARIABLE_VALUE_CHARS_MAX || !value.bytes().all(allowed) {
            findings.error(
                &document.root,
                format!(
                    "stage variable `{}`: wanted at most {VARIABLE_VALUE_CHARS_MAX} characters of A-Z a-z 0-9 - . _ ~ : / ? # & = ,",
                    shortened(name)
                ),
            );
        }
    }
}
