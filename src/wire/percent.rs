//! Percent coding (RFC 3986 §2.1), the only implementation.

use std::borrow::Cow;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Which bytes stay as they are when a string is percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// `A-Z a-z 0-9 - . _ ~`: query names and values, SigV4's `UriEncode`.
    Unreserved,
    /// The unreserved bytes and `/`: S3 paths (spec 03, "From parameter to S3 path").
    UnreservedAndSlash,
}

impl Keep {
    const fn keeps(self, byte: u8) -> bool {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true,
            b'/' => matches!(self, Self::UnreservedAndSlash),
            _ => false,
        }
    }
}

/// Appends `bytes` to `out`, every byte that `keep` does not keep as `%XX` with upper-case digits.
pub fn encode_into(out: &mut Vec<u8>, bytes: &[u8], keep: Keep) {
    let mut rest = bytes;
    while let Some((&byte, tail)) = push_kept(out, rest, keep).split_first() {
        push_escape(out, byte);
        rest = tail;
    }
}

/// As [`encode_into`] of what [`decode_into`] gives, in one pass: every spelling of a text becomes the same.
pub fn recode_into(out: &mut Vec<u8>, bytes: &[u8], keep: Keep) {
    recode_with(out, bytes, keep, false);
}

/// As [`encode_into`] of what [`decode_query_into`] gives, in one pass.
pub fn recode_query_into(out: &mut Vec<u8>, bytes: &[u8], keep: Keep) {
    recode_with(out, bytes, keep, true);
}

fn recode_with(out: &mut Vec<u8>, bytes: &[u8], keep: Keep, plus_is_space: bool) {
    let mut rest = bytes;
    while let Some((&byte, tail)) = push_kept(out, rest, keep).split_first() {
        rest = tail;
        let byte = match byte {
            b'+' if plus_is_space => b' ',
            b'%' => match escaped(tail) {
                Some((value, after)) => {
                    rest = after;
                    value
                }
                None => b'%',
            },
            _ => byte,
        };
        if keep.keeps(byte) {
            out.push(byte);
        } else {
            push_escape(out, byte);
        }
    }
}

/// Appends the leading bytes that `keep` keeps in one copy; gives the rest.
fn push_kept<'b>(out: &mut Vec<u8>, bytes: &'b [u8], keep: Keep) -> &'b [u8] {
    let kept = bytes.iter().position(|&byte| !keep.keeps(byte));
    let (kept, rest) = bytes
        .split_at_checked(kept.unwrap_or(bytes.len()))
        .unwrap_or((bytes, b""));
    out.extend_from_slice(kept);
    rest
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
}

/// Appends `bytes` to `out` with every `%XX` decoded once. Invalid escapes stay as they are (spec 03).
pub fn decode_into(out: &mut Vec<u8>, bytes: &[u8]) {
    decode_with(out, bytes, false);
}

/// As [`decode_into`], and `+` becomes a space: names and values of a query string (spec 03, "Query strings").
pub fn decode_query_into(out: &mut Vec<u8>, bytes: &[u8]) {
    decode_with(out, bytes, true);
}

/// `bytes` decoded once; without an escape they are what they are.
#[must_use]
pub fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b'%', bytes) {
        Some(_) => Cow::Owned(decode(bytes)),
        None => Cow::Borrowed(bytes),
    }
}

/// `bytes` decoded once, as a new vector.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    decode_into(&mut out, bytes);
    out
}

fn decode_with(out: &mut Vec<u8>, bytes: &[u8], plus_is_space: bool) {
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' if plus_is_space => out.push(b' '),
            b'%' => match escaped(tail) {
                Some((value, after)) => {
                    out.push(value);
                    rest = after;
                }
                None => out.push(b'%'),
            },
            _ => out.push(byte),
        }
    }
}

/// The byte of two leading hex digits, and what follows them.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = bytes.split_first_chunk::<2>()?;
    Some(((hex_value(high)? << 4) | hex_value(low)?, rest))
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn hex_digit(nibble: u8) -> u8 {
    UPPER_HEX.get(usize::from(nibble)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8], keep: Keep) -> String {
        let mut out = Vec::new();
        encode_into(&mut out, bytes, keep);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn unreserved_bytes_stay_and_others_become_upper_case_escapes() {
        assert_eq!(encoded(b"aZ09-._~/", Keep::Unreserved), "aZ09-._~%2F");
        assert_eq!(
            encoded(b"a b+c%/\xe2", Keep::UnreservedAndSlash),
            "a%20b%2Bc%25/%E2"
        );
    }

    #[test]
    fn decoding_is_done_once_and_keeps_plus() {
        assert_eq!(decode(b"a%2Fb%252F+c"), b"a/b%2F+c");
    }

    #[test]
    fn query_decoding_turns_plus_into_space() {
        let mut out = Vec::new();
        decode_query_into(&mut out, b"a+b%2Bc");
        assert_eq!(out, b"a b+c");
    }

    #[test]
    fn recoding_is_decoding_and_encoding() {
        for text in [
            "",
            "abc",
            "a%2fb",
            "%7e%7E~",
            "a+b%2B",
            "%",
            "%4",
            "%zz%41",
            "%25%32%35",
            "a b/\u{e4}",
            "%E4%bd%A0",
        ] {
            for keep in [Keep::Unreserved, Keep::UnreservedAndSlash] {
                let bytes = text.as_bytes();
                let (mut path, mut query) = (Vec::new(), Vec::new());
                recode_into(&mut path, bytes, keep);
                recode_query_into(&mut query, bytes, keep);
                assert_eq!(path, encoded(&decode(bytes), keep).as_bytes(), "{text}");
                let mut decoded = Vec::new();
                decode_query_into(&mut decoded, bytes);
                assert_eq!(query, encoded(&decoded, keep).as_bytes(), "{text}");
            }
        }
    }

    #[test]
    fn invalid_escapes_stay_as_they_are() {
        assert_eq!(decode(b"%"), b"%");
        assert_eq!(decode(b"%4"), b"%4");
        assert_eq!(decode(b"%zz%+1%41"), b"%zz%+1A");
    }
}
