//! The client's query string (spec 03, "Query strings"), the only reader.

use crate::wire::percent;

/// Decoded names and values in arrival order. Names are case-sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Query {
    /// Reads what follows the `?`. `a` is `a=`; empty pieces between two `&` are no parameters; `;` and `|` are data.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Self {
        let pieces = raw
            .split(|&byte| byte == b'&')
            .filter(|piece| !piece.is_empty());
        Self {
            pairs: pieces.map(decoded_pair).collect(),
        }
    }

    /// The last value of that name: the single-value view.
    #[must_use]
    pub fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let mut newest_first = self.pairs.iter().rev();
        newest_first
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// All values of that name in arrival order: the multi-value view.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// All names and values in arrival order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Whether there is no parameter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

fn decoded_pair(piece: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut halves = piece.splitn(2, |&byte| byte == b'=');
    let (raw_name, raw_value) = (
        halves.next().unwrap_or_default(),
        halves.next().unwrap_or_default(),
    );
    let (mut name, mut value) = (
        Vec::with_capacity(raw_name.len()),
        Vec::with_capacity(raw_value.len()),
    );
    percent::decode_query_into(&mut name, raw_name);
    percent::decode_query_into(&mut value, raw_value);
    (name, value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use serde_json::Value;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn vectors_give_the_single_and_the_multi_value_view() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/query-parse.json"
        );
        let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let raw = vector["query"].as_str().unwrap();
            let query = Query::parse(raw.as_bytes());
            let names: Vec<_> = query.iter().map(|(name, _)| text(name)).collect();
            let single: BTreeMap<_, _> = names
                .iter()
                .map(|name| (name.clone(), text(query.last(name.as_bytes()).unwrap())))
                .collect();
            let multi: BTreeMap<_, Vec<_>> = names
                .iter()
                .map(|name| (name.clone(), query.all(name.as_bytes()).map(text).collect()))
                .collect();
            assert_eq!(
                serde_json::to_value(single).unwrap(),
                vector["single"],
                "{raw}"
            );
            assert_eq!(
                serde_json::to_value(multi).unwrap(),
                vector["multi"],
                "{raw}"
            );
        }
    }

    fn pairs(raw: &[u8]) -> Vec<(String, String)> {
        Query::parse(raw)
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_first_equals_sign_separates() {
        assert_eq!(
            pairs(b"a=b=c&=d&%3D=e"),
            [pair("a", "b=c"), pair("", "d"), pair("=", "e")]
        );
    }

    #[test]
    fn separators_are_found_before_decoding() {
        assert_eq!(pairs(b"a=1%26b=2"), [pair("a", "1&b=2")]);
    }

    #[test]
    fn empty_pieces_are_no_parameters() {
        assert!(Query::parse(b"").is_empty());
        assert!(Query::parse(b"&&").is_empty());
        assert_eq!(pairs(b"&a&&b=&"), [pair("a", ""), pair("b", "")]);
    }

    #[test]
    fn semicolon_bar_and_invalid_escapes_are_data() {
        assert_eq!(
            pairs(b"a=1;b=2|3&c=%zz%4"),
            [pair("a", "1;b=2|3"), pair("c", "%zz%4")]
        );
    }

    #[test]
    fn absent_names_have_no_value() {
        let query = Query::parse(b"a=1");
        assert_eq!(query.last(b"A"), None);
        assert_eq!(query.all(b"A").count(), 0);
    }
}
