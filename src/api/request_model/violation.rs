//! `$context.error.validationErrorString`: any text is as good as another to AWS's clients (spec 05), so this is as near
//! to the few that are known as it is short.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::api::request_model::counted::Steps;
use crate::vtl::bounded_json::VALUES_MAX;

/// Violations that one text names.
const VIOLATIONS_MAX: usize = 10;
/// Bytes of one value or one violation in the text.
const SHOWN_BYTES_MAX: usize = 100;

/// What is said of a text that is not JSON, or too much of it.
pub(super) fn not_read(text: &str) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        format!("[the body has more than {VALUES_MAX} values]")
    } else {
        "[the body is not JSON, or nests deeper than 127 levels]".to_owned()
    }
}

/// The bracketed list. What comes after the steps were spent means nothing.
pub(super) fn list<'i>(errors: impl Iterator<Item = ValidationError<'i>>, steps: &Steps) -> String {
    let texts: Vec<String> = errors
        .take(VIOLATIONS_MAX)
        .take_while(|_| !steps.are_spent())
        .map(|error| text_of(&error))
        .collect();
    if texts.is_empty() {
        return "[the body does not fit its model]".to_owned();
    }
    format!("[{}]", texts.join(", "))
}

/// One violation.
fn text_of(error: &ValidationError<'_>) -> String {
    let text = match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let found = name_of(error.instance());
            let allowed: Vec<String> = match kind {
                TypeKind::Single(wanted) => vec![quoted(*wanted)],
                TypeKind::Multiple(wanted) => wanted.into_iter().map(quoted).collect(),
            };
            format!(
                "instance type ({found}) does not match any allowed primitive type (allowed: [{}])",
                allowed.join(",")
            )
        }
        ValidationErrorKind::Required { property } => {
            format!("object has missing required properties ([{property}])")
        }
        ValidationErrorKind::Enum { options } => format!(
            "instance value ({}) not found in enum (possible values: {})",
            cut(error.instance().to_string()),
            cut(options.to_string())
        ),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let names: Vec<String> = unexpected
                .iter()
                .take(VIOLATIONS_MAX)
                .map(|name| cut(Value::from(name.as_str()).to_string()))
                .collect();
            format!(
                "object instance has properties which are not allowed by the schema: [{}]",
                names.join(",")
            )
        }
        _ => cut(error.masked_with("instance").to_string()),
    };
    let path = error.instance_path().as_str();
    if path.is_empty() {
        text
    } else {
        format!("{text} (at {})", cut(path.to_owned()))
    }
}

fn quoted(kind: JsonType) -> String {
    format!("\"{kind}\"")
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The beginning of a text that may be as long as a body.
fn cut(mut text: String) -> String {
    if text.len() > SHOWN_BYTES_MAX {
        let end = (0..=SHOWN_BYTES_MAX)
            .rev()
            .find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}
