//! What belongs to one connection: whether it stays open, and the fields that end with it.

use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::{RequestHead, ResponseHead, Version};

/// Fields of a single connection that no `Connection` field need name (RFC 9110 §7.6.1), and `Trailer`, since
/// trailers are dropped. Proxy-Authenticate and Proxy-Authorization are not among them: spec 02 has its own rules.
const HOP_BY_HOP: [&[u8]; 7] = [
    b"Connection",
    b"Keep-Alive",
    b"Proxy-Connection",
    b"TE",
    b"Trailer",
    b"Transfer-Encoding",
    b"Upgrade",
];

/// Whether the client lets the connection stay open after the response (RFC 9112 §9.3).
#[must_use]
pub fn request_keeps_alive(head: &RequestHead) -> bool {
    keeps_alive(head.version(), &head.fields)
}

/// Whether the upstream lets the connection stay open; the body's framing has its say too.
#[must_use]
pub fn response_keeps_alive(head: &ResponseHead) -> bool {
    keeps_alive(head.version(), &head.fields)
}

fn keeps_alive(version: Version, fields: &Fields) -> bool {
    let has = |option: &[u8]| nominated_by_connection(fields, option);
    !has(b"close") && (version == Version::Http11 || has(b"keep-alive"))
}

/// Whether the client waits for `100 Continue` before its body; never in HTTP/1.0 (RFC 9110 §10.1.1).
#[must_use]
pub fn expects_continue(head: &RequestHead) -> bool {
    let mut expectations = head.fields.list_members(b"expect");
    head.version() == Version::Http11
        && expectations.any(|expectation| expectation.eq_ignore_ascii_case(b"100-continue"))
}

/// Whether a field of that name always ends with the connection.
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a field of that name ends with the connection that `fields` came on: always, or since a `Connection` field
/// names it. `Connection` is looked for once, whatever the number of names.
pub fn ends_with_connection(fields: &Fields) -> impl Fn(&[u8]) -> bool {
    let nominates = nominates_fields(fields);
    move |name| is_hop_by_hop(name) || (nominates && nominated_by_connection(fields, name))
}

/// Whether `Connection` holds anything but `keep-alive`, which names no field that is not hop-by-hop anyway.
#[must_use]
pub fn nominates_fields(fields: &Fields) -> bool {
    let mut options = fields.list_members(b"connection");
    options.any(|option| !option.eq_ignore_ascii_case(b"keep-alive"))
}

/// Whether a `Connection` field names `name`: then that field, too, ends with the connection (RFC 9110 §7.6.1).
#[must_use]
pub fn nominated_by_connection(fields: &Fields, name: &[u8]) -> bool {
    fields
        .list_members(b"connection")
        .any(|option| option.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;

    fn request(version: &str, fields: &str) -> RequestHead {
        let wire = format!("PUT / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        assert_eq!(
            head.read(wire.as_bytes(), &HeadLimits::default()),
            Ok(Some(wire.len()))
        );
        head
    }

    #[test]
    fn http_1_1_stays_open_and_http_1_0_closes_unless_told() {
        for (version, fields, stays) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: x, CLOSE\r\n", false),
            ("1.1", "Connection: x\r\nConnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.1", "Connection: keep-alive, close\r\n", false),
            ("1.1", "X-Connection: close\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
            ("1.0", "Keep-Alive: timeout=5\r\n", false),
        ] {
            assert_eq!(
                request_keeps_alive(&request(version, fields)),
                stays,
                "{version} {fields}"
            );
            let wire = format!("HTTP/{version} 200 OK\r\n{fields}\r\n");
            let mut head = ResponseHead::default();
            assert_eq!(
                head.read(wire.as_bytes(), &HeadLimits::default()),
                Ok(Some(wire.len()))
            );
            assert_eq!(response_keeps_alive(&head), stays, "{version} {fields}");
        }
    }

    #[test]
    fn nominated_fields_end_with_the_connection() {
        for (connection, name, ends) in [
            ("x-a", "X-A", true),
            ("x-a", "X-B", false),
            ("keep-alive", "X-A", false),
            ("keep-alive, x-a", "X-A", true),
            ("close", "Close", true),
            ("keep-alive", "Keep-Alive", true),
            ("x-a", "Upgrade", true),
        ] {
            let head = request("1.1", &format!("Connection: {connection}\r\n"));
            let ends_here = ends_with_connection(&head.fields)(name.as_bytes());
            assert_eq!(ends_here, ends, "{connection} {name}");
        }
        let head = request("1.1", "");
        assert!(!ends_with_connection(&head.fields)(b"X-A"));
    }

    #[test]
    fn only_http_1_1_clients_expect_continue() {
        assert!(expects_continue(&request(
            "1.1",
            "Expect: 100-Continue\r\n"
        )));
        assert!(!expects_continue(&request(
            "1.0",
            "Expect: 100-continue\r\n"
        )));
        assert!(!expects_continue(&request(
            "1.1",
            "Expect: 100-continued\r\n"
        )));
        assert!(!expects_continue(&request("1.1", "")));
    }

    #[test]
    fn hop_by_hop_names_compare_without_case() {
        assert!(is_hop_by_hop(b"transfer-encoding"));
        assert!(is_hop_by_hop(b"TE"));
        assert!(!is_hop_by_hop(b"T"));
        assert!(!is_hop_by_hop(b"Content-Length"));
    }

    #[test]
    fn connection_nominates_fields_by_whole_names() {
        let head = request("1.1", "Connection: X-Own ,close\r\n");
        assert!(nominated_by_connection(&head.fields, b"x-own"));
        assert!(!nominated_by_connection(&head.fields, b"x-ow"));
        assert!(!nominated_by_connection(&head.fields, b"host"));
    }
}
