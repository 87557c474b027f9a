//! What templates set in `$context.requestOverride` and `$context.responseOverride` (spec 05, 06).

use std::borrow::Cow;

use serde_json::Value;

use crate::pipeline::request_mapping::{MappedParameters, MappedValues};
use crate::vtl::render::Overrides;

/// Statuses that an override may set. Those below 200 would be no final response (RFC 9110 §15.2).
const STATUSES: std::ops::RangeInclusive<u64> = 200..=599;

/// Parameters of the integration request that replace the mapped ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOverrides<'o> {
    headers: Vec<(&'o str, String)>,
    path: Vec<(&'o str, String)>,
    query: Vec<(&'o str, String)>,
}

impl<'o> RequestOverrides<'o> {
    /// Reads what a template left.
    #[must_use]
    pub fn of(overrides: &'o Overrides) -> Self {
        Self {
            headers: texts(overrides.request.get("header")),
            path: texts(overrides.request.get("path")),
            query: texts(overrides.request.get("querystring")),
        }
    }

    /// Puts them in place of mapped parameters of the same names; header names in any case. An empty value takes the
    /// parameter away, as a mapping that finds nothing.
    pub fn apply<'m>(&'m self, mapped: &mut MappedParameters<'m>) {
        replace(
            &self.headers,
            &mut mapped.headers,
            str::eq_ignore_ascii_case,
        );
        replace(&self.path, &mut mapped.path, str::eq);
        replace(&self.query, &mut mapped.query, str::eq);
    }
}

fn replace<'m>(
    overrides: &'m [(&'m str, String)],
    mapped: &mut MappedValues<'m>,
    same: impl Fn(&str, &str) -> bool,
) {
    for (name, value) in overrides {
        mapped.retain(|(known, _)| !same(known, name));
        if !value.is_empty() {
            mapped.push((name, Cow::Borrowed(value.as_bytes())));
        }
    }
}

/// Headers and status of the method response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseOverrides<'o> {
    /// Names and values.
    pub headers: Vec<(&'o str, String)>,
    /// An integer from 200 to 599; other values are ignored.
    pub status: Option<u16>,
}

impl<'o> ResponseOverrides<'o> {
    /// Reads what the templates of a request left.
    #[must_use]
    pub fn of(overrides: &'o Overrides) -> Self {
        let status = overrides.response.get("status").and_then(number);
        let status = status.filter(|status| STATUSES.contains(status));
        Self {
            headers: texts(overrides.response.get("header")),
            status: status.and_then(|status| u16::try_from(status).ok()),
        }
    }
}

/// A number, or a text of at most three digits.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.len() <= 3 => text.bytes().try_fold(0, |number, digit| {
            let digit = char::from(digit).to_digit(10)?;
            Some(number * 10 + u64::from(digit))
        }),
        other => other.as_u64(),
    }
}

/// Members as texts; lists are joined with `,`. What has no value is left out.
fn texts(members: Option<&Value>) -> Vec<(&str, String)> {
    let members = members.and_then(Value::as_object).into_iter().flatten();
    let texts = members.map(|(name, value)| Some((name.as_str(), text(value)?)));
    texts.flatten().collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let texts: Vec<String> = items
                .iter()
                .filter_map(|item| match item {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                })
                .collect();
            Some(texts.join(","))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_override_replaces_and_an_empty_one_removes() {
        let overrides = Overrides {
            request: json!({
                "header": {"X-A": ["1", 2, null], "x-gone": "", "n": null},
                "path": {"k": 5},
                "querystring": {"q": true},
            }),
            response: json!({}),
        };
        let mapped = |list: &[(&'static str, &'static str)]| -> MappedValues<'static> {
            let pairs = list.iter();
            pairs
                .map(|(name, value)| (*name, Cow::Borrowed(value.as_bytes())))
                .collect()
        };
        let mut parameters = MappedParameters {
            headers: mapped(&[("x-a", "old"), ("X-Gone", "old"), ("n", "kept")]),
            path: mapped(&[("K", "kept"), ("k", "old")]),
            query: mapped(&[("q", "old"), ("q", "older"), ("Q", "kept")]),
        };
        let read = RequestOverrides::of(&overrides);
        read.apply(&mut parameters);
        assert_eq!(parameters.headers, mapped(&[("n", "kept"), ("X-A", "1,2")]));
        assert_eq!(parameters.path, mapped(&[("K", "kept"), ("k", "5")]));
        assert_eq!(parameters.query, mapped(&[("Q", "kept"), ("q", "true")]));
    }

    #[test]
    fn a_status_is_an_integer_of_a_final_response() {
        let status = |value: Value| {
            let overrides = Overrides {
                request: json!({}),
                response: json!({"status": value}),
            };
            ResponseOverrides::of(&overrides).status
        };
        assert_eq!(status(json!(444)), Some(444));
        assert_eq!(status(json!("404")), Some(404));
        for other in [
            json!(199),
            json!(600),
            json!(2.5),
            json!("+99"),
            json!("4044"),
            json!(null),
        ] {
            assert_eq!(status(other.clone()), None, "{other}");
        }
    }
}
