//! A whole body as the body sources of parameter mappings see it (spec 05, 06).

use std::borrow::Cow;

use serde_json::Value;

use crate::vtl::bounded_json;
use crate::vtl::json_path::JsonPath;

/// The body looks like JSON and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJson;

/// A body without the blanks around it, read as JSON if it looks like JSON.
#[derive(Debug)]
pub struct MappingBody<'b> {
    text: Cow<'b, str>,
    json: Option<Value>,
}

impl<'b> MappingBody<'b> {
    /// A body that begins with `{`, `[`, `"` or `'` must be JSON; other text has no JSON members. Bytes that are not
    /// UTF-8 become U+FFFD, as in the conversion to text (spec 04).
    ///
    /// # Errors
    /// The body begins like JSON and does not parse, or has more values than `bounded_json` reads.
    pub fn read(body: &'b [u8]) -> Result<Self, InvalidJson> {
        let text = String::from_utf8_lossy(body.trim_ascii());
        let json = if text.starts_with(['{', '[', '"', '\'']) {
            Some(bounded_json::parse(&text).ok_or(InvalidJson)?)
        } else {
            None
        };
        Ok(Self { text, json })
    }

    /// The whole text; `{}` for an empty body.
    #[must_use]
    pub fn text(&self) -> &str {
        if self.text.is_empty() {
            "{}"
        } else {
            &self.text
        }
    }

    /// What the path finds: strings as they are, numbers and booleans as JSON writes them, objects and arrays as
    /// compact JSON. Nothing for null.
    #[must_use]
    pub fn find(&self, path: &JsonPath) -> Option<String> {
        match path.find(self.json.as_ref()?)?.into_owned() {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_json_must_be_json() {
        for body in ["{wrong", " \n[1,", "\"open", "'single'"] {
            assert_eq!(
                MappingBody::read(body.as_bytes()).unwrap_err(),
                InvalidJson,
                "{body}"
            );
        }
        for body in ["", "plain", "<doc/>", " {\"a\":1} ", "[1]", "\"s\""] {
            assert!(MappingBody::read(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn the_text_is_trimmed_and_never_empty() {
        assert_eq!(MappingBody::read(b" a b\n").unwrap().text(), "a b");
        assert_eq!(MappingBody::read(b" \n").unwrap().text(), "{}");
    }
}
