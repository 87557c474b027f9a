//! JSON out of a body, with a bound on what it may become: ten million bytes of `{"":0},` would be close to a gigabyte
//! of values, built while nothing else on the core runs.

use serde_json::Value;

/// Values of one text. A value costs some hundred bytes at most.
pub const VALUES_MAX: usize = 200_000;

/// Reads a text; `None` for one that is not JSON or has more than [`VALUES_MAX`] values.
#[must_use]
pub fn parse(text: &str) -> Option<Value> {
    if values_at_most(text.as_bytes()) > VALUES_MAX {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// An upper bound of the values in a text: one for each comma, bracket and brace that opens outside of strings.
fn values_at_most(text: &[u8]) -> usize {
    let mut count = 1usize;
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b',' | b'[' | b'{' => count += 1,
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(rest.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_of(values: usize) -> String {
        format!("[{}0]", "0,".repeat(values - 1))
    }

    #[test]
    fn a_list_at_the_limit_is_read_and_a_longer_one_is_not() {
        // The list itself is a value, and the first element counts with it.
        assert!(parse(&list_of(VALUES_MAX - 1)).is_some());
        assert!(parse(&list_of(VALUES_MAX)).is_none());
    }

    #[test]
    fn commas_in_strings_are_no_values() {
        let text = format!("[\"{}\\\",{{\"]", ",".repeat(VALUES_MAX));
        assert!(parse(&text).is_some());
    }

    #[test]
    fn what_is_not_json_is_none() {
        for text in ["", "{", "[1,", "\"open", "\"\\"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
