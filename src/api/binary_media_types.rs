//! Which media types an API treats as binary (spec 04, "Is a media type binary?").

use crate::api::content_handling::BodyClass;
use crate::wire::media_type::MediaType;

/// What an absent `Content-Type` or `Accept` counts as (spec 04, step 3).
const ABSENT: &[u8] = b"application/json";

/// An API's `binaryMediaTypes`, split once so that a request only compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinaryMediaTypes {
    /// `*/*` is listed: everything is binary, an absent header too (step 2).
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    main: Box<[u8]>,
    sub: Box<[u8]>,
}

impl BinaryMediaTypes {
    /// Takes the document's list. Parameters after `;` are cut off; an entry that is not `type/subtype` never matches.
    #[must_use]
    pub fn new(listed: &[String]) -> Self {
        let mut types = Self::default();
        for entry in listed {
            match MediaType::first_of(entry.as_bytes()) {
                Some(MediaType {
                    main: b"*",
                    sub: b"*",
                }) => types.all = true,
                Some(MediaType { main, sub }) => types.entries.push(Entry {
                    main: main.into(),
                    sub: sub.into(),
                }),
                None => {}
            }
        }
        types
    }

    /// Whether a `Content-Type` or `Accept` value counts as binary. Only the first media type of the value is looked at.
    #[must_use]
    pub fn is_binary(&self, header: Option<&[u8]>) -> bool {
        if self.all {
            return true;
        }
        if self.entries.is_empty() {
            return false;
        }
        MediaType::first_of(header.unwrap_or(ABSENT))
            .is_some_and(|media_type| self.entries.iter().any(|entry| entry.covers(media_type)))
    }

    /// As [`Self::is_binary`], as the class that the conversion tables take.
    #[must_use]
    pub fn class(&self, header: Option<&[u8]>) -> BodyClass {
        if self.is_binary(header) {
            BodyClass::Binary
        } else {
            BodyClass::Text
        }
    }
}

impl Entry {
    /// Steps 5 to 7: `type/*` covers every subtype; a wildcard in the header is compared like any other text.
    fn covers(&self, header: MediaType<'_>) -> bool {
        let entry = MediaType {
            main: &self.main,
            sub: if *self.sub == *b"*" {
                header.sub
            } else {
                &self.sub
            },
        };
        entry == header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/media-type-match.json"
    );

    fn types(entries: &[&str]) -> BinaryMediaTypes {
        BinaryMediaTypes::new(
            &entries
                .iter()
                .map(|&entry| entry.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn every_vector_matches() {
        let text = std::fs::read_to_string(VECTORS).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 18);
        for vector in vectors {
            let listed = vector["binaryMediaTypes"].as_array().unwrap();
            let listed: Vec<&str> = listed.iter().map(|entry| entry.as_str().unwrap()).collect();
            let header = vector["media_type"].as_str().map(str::as_bytes);
            assert_eq!(
                types(&listed).is_binary(header),
                vector["match"].as_bool().unwrap(),
                "{vector}"
            );
        }
    }

    #[test]
    fn first_comma_and_first_semicolon_end_the_media_type() {
        let png = types(&["image/png"]);
        assert!(png.is_binary(Some(b" image/png , text/html; q=1")));
        assert!(png.is_binary(Some(b"image/png;a=\",\"")));
        assert!(!png.is_binary(Some(b"text/html;a=image/png")));
    }

    #[test]
    fn parameters_of_an_entry_are_cut() {
        assert!(types(&[" image/png; q=1"]).is_binary(Some(b"image/png")));
        assert!(types(&["*/*;q=1"]).is_binary(None));
    }

    #[test]
    fn header_wildcard_matches_an_equal_entry_only() {
        assert!(types(&["image/*"]).is_binary(Some(b"image/*")));
        assert!(!types(&["image/png"]).is_binary(Some(b"image/*")));
        assert!(!types(&["image/*"]).is_binary(Some(b"*/*")));
        assert!(!types(&["image/*"]).is_binary(Some(b"*/png")));
    }

    #[test]
    fn what_is_not_type_slash_subtype_never_matches() {
        for value in ["", "image", "image/", "/png", "image/png/x", ","] {
            assert!(
                !types(&["image/png", "image/*", value]).is_binary(Some(value.as_bytes())),
                "{value}"
            );
        }
        assert!(types(&["image/"]).entries.is_empty());
    }

    #[test]
    fn absent_header_counts_as_json() {
        assert!(types(&["application/*"]).is_binary(None));
        assert!(!types(&["image/*"]).is_binary(None));
        assert!(!types(&[]).is_binary(None));
    }
}
