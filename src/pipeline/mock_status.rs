//! The status that a mock integration answers with: `statusCode` of its request template's output (spec 06, "mock").
//!
//! Strict JSON first. What is no JSON is read once more by the tolerant rules that the AWS console and CDK rely on:
//! `{…}` around comma-separated `key: value`, keys bare or between two quotes of one kind, empty entries allowed.

use crate::vtl::bounded_json;

const STATUS_CODE: &str = "statusCode";

/// The integer under `statusCode`; `None` if there is none, if it is no integer, or if nothing can be read.
#[must_use]
pub fn mock_status(text: &str) -> Option<u64> {
    match bounded_json::parse(text) {
        Some(value) => value.get(STATUS_CODE)?.as_u64(),
        None => tolerant(text),
    }
}

fn tolerant(text: &str) -> Option<u64> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut status = None;
    for entry in entries(inside) {
        let entry = entry.trim();
        if entry.is_empty() {
            continue;
        }
        let (key, value) = key_and_value(entry)?;
        if key == STATUS_CODE {
            status = Some(digits(value)?);
        }
    }
    status
}

/// What stands between commas; those in quotes separate nothing. A quote inside of a bare word opens nothing.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let (mut quote, mut at_start) = (None, true);
    text.split(move |c: char| {
        let opens = at_start && matches!(c, '"' | '\'');
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => return false,
            None if opens => quote = Some(c),
            None if c == ',' => {
                at_start = true;
                return true;
            }
            None => {}
        }
        at_start = c == ':' || (at_start && c.is_whitespace());
        false
    })
}

fn key_and_value(entry: &str) -> Option<(&str, &str)> {
    let quote = entry.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, rest) = match quote {
        Some(quote) => entry.strip_prefix(quote)?.split_once(quote)?,
        None => {
            let colon = entry.find(':')?;
            let (key, rest) = entry.split_at_checked(colon)?;
            let key = key.trim();
            if key.is_empty() || key.contains(['"', '\'', '{', '}', '[', ']']) {
                return None;
            }
            (key, rest)
        }
    };
    Some((key, rest.trim_start().strip_prefix(':')?.trim()))
}

/// Decimal digits and nothing else: a text in quotes is no integer.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.chars().try_fold(0u64, |number, c| {
        number
            .checked_mul(10)?
            .checked_add(u64::from(c.to_digit(10)?))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::pipeline::sample;

    #[test]
    fn statuses_agree_with_the_vectors() {
        let file = sample::vectors("mock-status.json");
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 12);
        for vector in vectors {
            let found = mock_status(vector["body"].as_str().unwrap());
            assert_eq!(found, vector["status"].as_u64(), "{vector}");
        }
    }

    #[test]
    fn what_is_json_is_read_as_json_only() {
        for text in [
            "{\"statusCode\": 200.0}",
            "{\"statusCode\": -1}",
            "{\"statusCode\": null}",
            "{\"statusCode\": [200]}",
            "[{\"statusCode\": 200}]",
            "200",
            "\"{statusCode: 200}\"",
            "{\"x\": {\"statusCode\": 200}}",
        ] {
            assert_eq!(mock_status(text), None, "{text}");
        }
        assert_eq!(
            mock_status("{\"statusCode\": 1, \"statusCode\": 201}"),
            Some(201)
        );
    }

    #[test]
    fn the_tolerant_reader_takes_entries_apart() {
        for (text, status) in [
            (" {\n  statusCode : 204 ,\n}\n", 204),
            ("{,statusCode: 200,,}", 200),
            ("{'message': 'a, statusCode: 500', statusCode: 200}", 200),
            ("{message: it's fine, statusCode: 200}", 200),
            ("{'a:b': 1, \"statusCode\": 404,}", 404),
            ("{statusCode: 404, statusCode: 200}", 200),
        ] {
            assert_eq!(mock_status(text), Some(status), "{text}");
        }
        for text in [
            "{statusCode: '200'}",
            "{statusCode: 200.0}",
            "{statusCode: +200}",
            "{statusCode: }",
            "{statusCode 200}",
            "{statuscode: 200}",
            "{'statusCode: 200}",
            "{statusCode': 200}",
            "{statusCode: 99999999999999999999}",
            "{{statusCode: 200}}",
            "{statusCode: 200, other}",
            "{",
            "}",
            "{}x",
        ] {
            assert_eq!(mock_status(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_status_comes_out_of_a_text_without_one(text in "[{}'\":,\\[\\] a0-9\u{e9}]{0,60}") {
            prop_assert_eq!(mock_status(&text), None);
        }
    }
}
