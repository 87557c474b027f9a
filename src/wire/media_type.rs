//! Media types as API Gateway reads them from Content-Type and Accept (spec 04, "Is a media type binary?").

use crate::wire::http1::fields::{is_token, trim_blanks};

/// A type and subtype without parameters; compares without case (RFC 9110 §8.3.1).
#[derive(Clone, Copy, Debug)]
pub struct MediaType<'a> {
    /// `image` of `image/png`.
    pub main: &'a [u8],
    /// `png` of `image/png`.
    pub sub: &'a [u8],
}

impl<'a> MediaType<'a> {
    /// The first media type of a field value, its parameters cut; `None` if that is not `type/subtype`.
    #[must_use]
    pub fn first_of(value: &'a [u8]) -> Option<Self> {
        let text = first_text_of(value);
        let (main, from_slash) = text.split_at_checked(memchr::memchr(b'/', text)?)?;
        let sub = from_slash.get(1..)?;
        (is_token(main) && is_token(sub)).then_some(Self { main, sub })
    }

    /// Whether either part is `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.main == b"*" || self.sub == b"*"
    }
}

impl PartialEq for MediaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.main.eq_ignore_ascii_case(other.main) && self.sub.eq_ignore_ascii_case(other.sub)
    }
}

impl Eq for MediaType<'_> {}

/// What stands before the first `,` and then before the first `;`, trimmed, whether it is a media type or not.
#[must_use]
pub fn first_text_of(value: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b',', b';', value).unwrap_or(value.len());
    trim_blanks(value.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str) -> Option<(&str, &str)> {
        let media_type = MediaType::first_of(value.as_bytes())?;
        Some((
            str::from_utf8(media_type.main).unwrap(),
            str::from_utf8(media_type.sub).unwrap(),
        ))
    }

    #[test]
    fn the_first_entry_counts_without_its_parameters() {
        assert_eq!(parts("image/png"), Some(("image", "png")));
        assert_eq!(
            parts(" image/png ; q=0.8, text/html"),
            Some(("image", "png"))
        );
        assert_eq!(parts("text/html,image/png;q=1"), Some(("text", "html")));
        assert_eq!(
            parts("image/svg+xml\t;a=\"b,c\""),
            Some(("image", "svg+xml"))
        );
        assert_eq!(parts("*/*"), Some(("*", "*")));
    }

    #[test]
    fn anything_but_type_and_subtype_is_none() {
        for value in [
            "",
            " ",
            "png",
            "image/",
            "/png",
            "image /png",
            "image/ png",
            "a/b/c",
            ";image/png",
            ",image/png",
            "image/p\u{e4}",
        ] {
            assert_eq!(parts(value), None, "{value}");
        }
    }

    #[test]
    fn comparison_ignores_case() {
        assert_eq!(
            MediaType::first_of(b"Image/PNG"),
            MediaType::first_of(b"image/png;x=Y")
        );
        assert_ne!(
            MediaType::first_of(b"image/png"),
            MediaType::first_of(b"image/pn")
        );
        assert_ne!(
            MediaType::first_of(b"image/png"),
            MediaType::first_of(b"imag/png")
        );
    }

    #[test]
    fn a_wildcard_is_a_star_alone() {
        assert!(MediaType::first_of(b"*/*").unwrap().is_wildcard());
        assert!(MediaType::first_of(b"image/*").unwrap().is_wildcard());
        assert!(!MediaType::first_of(b"image/*+xml").unwrap().is_wildcard());
    }

    #[test]
    fn the_first_text_need_not_be_a_media_type() {
        assert_eq!(first_text_of(b" gibberish ;q=1"), b"gibberish");
        assert_eq!(first_text_of(b""), b"");
    }
}
