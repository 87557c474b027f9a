//! What `s3s` leaves of keys that XML 1.0 has trouble with: it writes them as they are.
//!
//! A carriage return becomes `&#13;`, or a parser would make a line feed of it (§2.11). A character that XML cannot
//! carry in any form (§2.2: most control characters, U+FFFE and U+FFFF) becomes U+FFFD. A percent form would do as well
//! for parsers, but would read as the name of another key that can really exist, which a client might then overwrite or
//! delete. Clients that need such keys as they are ask for `encoding-type=url`, as botocore does by itself.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use s3s::Body;

/// Whether an XML 1.0 document can carry `text`, §2.2.
pub(crate) fn can_carry(text: &str) -> bool {
    text.chars().all(is_xml)
}

const fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Makes a document of `s3s`'s well-formed. Objects' bytes, whatever their type, are streams and pass as they are.
pub(crate) fn well_formed(body: Body, headers: &mut HeaderMap) -> Body {
    let is_xml = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/xml"));
    let Some(mended) = body
        .bytes()
        .filter(|_| is_xml)
        .and_then(|text| mended(&text))
    else {
        return body;
    };
    if headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(mended.len()));
    }
    Body::from(Bytes::from(mended))
}

/// `None` if there is nothing to mend.
fn mended(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    if can_carry(text) && !text.contains('\r') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => out.push_str("&#13;"),
            c if is_xml(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriage_returns_become_references_and_the_rest_is_replaced() {
        let text = "<K>a\r\u{1}b\u{0}\u{fffe}\u{ffff}\u{1f}</K>";
        assert_eq!(
            mended(text.as_bytes()).unwrap(),
            "<K>a&#13;\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}</K>"
        );
    }

    #[test]
    fn what_xml_carries_stays() {
        for text in [
            "<K>a\t\nb</K>",
            "\u{7f}\u{85}\u{e000}\u{fffd}\u{10000}\u{10ffff}",
        ] {
            assert_eq!(mended(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn documents_alone_are_mended() {
        for (kind, expected) in [("application/xml", &b"&#13;"[..]), ("text/plain", b"\r")] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            let body = well_formed(Body::from("\r".to_owned()), &mut headers);
            assert_eq!(body.bytes().unwrap(), expected, "{kind}");
        }
    }
}
