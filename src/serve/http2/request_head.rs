//! An HTTP/2 request's fields as an HTTP/1.1 request head (RFC 9113 §8.2, §8.3), and its trailers.

use http::HeaderMap;
use http::Method;
use http::Uri;
use http::header;

use crate::wire::http1::chunked::LAST_CHUNK;
use crate::wire::http1::encode;

/// How the body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCoding {
    /// There is none.
    None,
    /// As it is, under the client's Content-Length.
    AsIs,
    /// Chunked, its length being unknown.
    Chunked,
}

/// Appends the head. What HTTP/1.1 refuses is written as it came, to be refused there: `Host` beside another `:authority`
/// becomes two `Host` fields.
pub fn write(
    method: &Method,
    uri: &Uri,
    fields: &HeaderMap,
    ends_with_head: bool,
    out: &mut Vec<u8>,
) -> BodyCoding {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    let authority = uri.authority().map(|authority| authority.as_str());
    let target = uri.path_and_query().map(|target| target.as_str());
    out.extend_from_slice(target.or(authority).unwrap_or("/").as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        encode::write_field(out, b"Host", authority.as_bytes());
    }
    let repeats_authority = |value: &[u8]| {
        authority.is_some_and(|authority| value.eq_ignore_ascii_case(authority.as_bytes()))
    };
    let mut cookies: Vec<u8> = Vec::new();
    for (name, value) in fields {
        let value = value.as_bytes();
        match *name {
            header::HOST if repeats_authority(value) => {}
            // One field again (RFC 9113 §8.2.3).
            header::COOKIE => {
                if !cookies.is_empty() {
                    cookies.extend_from_slice(b"; ");
                }
                cookies.extend_from_slice(value);
            }
            // Of this connection; only `trailers` is allowed in it, and none are passed on.
            header::TE => {}
            _ => encode::write_field(out, name.as_str().as_bytes(), value),
        }
    }
    if !cookies.is_empty() {
        encode::write_field(out, b"cookie", &cookies);
    }
    let coding = match (ends_with_head, fields.contains_key(header::CONTENT_LENGTH)) {
        (true, _) => BodyCoding::None,
        (false, true) => BodyCoding::AsIs,
        (false, false) => BodyCoding::Chunked,
    };
    if coding == BodyCoding::Chunked {
        encode::write_field(out, b"Transfer-Encoding", b"chunked");
    }
    encode::end_head(out);
    coding
}

/// Appends the end of a chunked body. Trailers are written for the reader of requests to have its limit for them; it
/// checks and drops them as those of HTTP/1.1 (RFC 9110 §6.5.1: nobody here knows a field that may be merged).
pub fn write_last_chunk(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    let Some(trailers) = trailers else {
        return out.extend_from_slice(LAST_CHUNK);
    };
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        encode::write_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, fields: &[(&str, &str)], ends: bool) -> (String, BodyCoding) {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let mut out = Vec::new();
        let coding = write(&Method::PUT, &uri.parse().unwrap(), &map, ends, &mut out);
        (String::from_utf8(out).unwrap(), coding)
    }

    #[test]
    fn the_authority_becomes_host_and_cookies_one_field() {
        let fields = [
            ("host", "A.example"),
            ("cookie", "a=1"),
            ("x-a", "1"),
            ("cookie", "b=2"),
            ("te", "trailers"),
            ("x-a", "2"),
        ];
        let (text, coding) = head("https://a.example/v1/k%20?q=1", &fields, true);
        assert_eq!(
            text,
            "PUT /v1/k%20?q=1 HTTP/1.1\r\nHost: a.example\r\nx-a: 1\r\nx-a: 2\r\ncookie: a=1; b=2\r\n\r\n"
        );
        assert_eq!(coding, BodyCoding::None);
    }

    #[test]
    fn another_host_stays_to_be_refused() {
        let (text, _) = head("https://a.example/", &[("host", "b.example")], true);
        assert!(
            text.contains("Host: a.example\r\nhost: b.example\r\n"),
            "{text}"
        );
        let (text, _) = head("/", &[("host", "b.example")], true);
        assert_eq!(text, "PUT / HTTP/1.1\r\nhost: b.example\r\n\r\n");
    }

    #[test]
    fn a_body_goes_by_its_length_or_in_chunks() {
        let (text, coding) = head("/", &[("content-length", "3")], false);
        assert_eq!(coding, BodyCoding::AsIs);
        assert!(!text.contains("chunked"), "{text}");
        let (text, coding) = head("/", &[], false);
        assert_eq!(coding, BodyCoding::Chunked);
        assert!(text.contains("Transfer-Encoding: chunked\r\n"), "{text}");
    }

    #[test]
    fn trailers_stand_behind_the_last_chunk() {
        let mut map = HeaderMap::new();
        let mut out = Vec::new();
        write_last_chunk(None, &mut out);
        assert_eq!(out, b"0\r\n\r\n");
        map.append("x-a", "1".parse().unwrap());
        map.append("x-a", "2".parse().unwrap());
        out.clear();
        write_last_chunk(Some(&map), &mut out);
        assert_eq!(out, b"0\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
    }
}
