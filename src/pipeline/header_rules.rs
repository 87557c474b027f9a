//! What happens to each header, by name (spec 02), and how a mapping looks one up.
//!
//! Tables only: `method_request`, `integration_request` and `integration_response` apply them.

use crate::api::header_names::{
    FORBIDDEN_TARGETS, HTTP_FORBIDDEN_TARGETS, REMAPPED, TARGETS_WITHOUT_EFFECT, is_listed,
};
use crate::api::model::IntegrationKind;
use crate::wire::http1::fields::{Fields, is_token, is_value_byte};
use crate::wire::http1::persistence::nominated_by_connection;
use crate::wire::sigv4::canonical_request::ALGORITHM;

/// Client headers that nothing behind the connection sees (spec 02, "gone before anything else").
const GONE: [&str; 12] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "transfer-encoding",
    "trailer",
    "upgrade",
    "www-authenticate",
];

/// Those that the column `aws, http` remaps beside [`REMAPPED`].
const REMAPPED_OF_AWS_AND_HTTP: [&str; 10] = [
    "authorization",
    "content-md5",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "trailer",
    "upgrade",
    "user-agent",
    "www-authenticate",
];

/// Those that the column `http_proxy` drops, and what belongs to the backend's connection (RFC 9110 §7.6.1).
const DROPPED_OF_PROXY: [&str; 4] = ["content-encoding", "via", "keep-alive", "proxy-connection"];

/// The columns of the remap and drop table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `aws` and `http`.
    AwsOrHttp,
    /// `http_proxy`.
    HttpProxy,
    /// `mock`.
    Mock,
}

impl Column {
    /// The column of a kind of integration.
    #[must_use]
    pub const fn of(kind: &IntegrationKind) -> Self {
        match kind {
            IntegrationKind::Mock => Self::Mock,
            IntegrationKind::HttpProxy(_) => Self::HttpProxy,
            IntegrationKind::S3(_) | IntegrationKind::S3Action(_) | IntegrationKind::Http(_) => {
                Self::AwsOrHttp
            }
        }
    }
}

/// Put before the names of remapped response headers.
pub const REMAPPED_PREFIX: &str = "x-amzn-Remapped-";

/// What a mapping to a header of an `aws` integration request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetRule {
    /// Sent.
    Sent,
    /// Left out without a word.
    Dropped,
    /// The request fails with 500.
    Forbidden,
}

/// What a mapping to a header of the method response does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseRule {
    /// Under its own name.
    Passed,
    /// Under [`REMAPPED_PREFIX`] and its own name.
    Remapped,
    /// Left out.
    Dropped,
}

/// The rule for a header of an `aws` integration request; names in any case.
#[must_use]
pub fn target_rule(name: &str) -> TargetRule {
    if is_listed(&FORBIDDEN_TARGETS, name) {
        TargetRule::Forbidden
    } else if is_listed(&TARGETS_WITHOUT_EFFECT, name) {
        TargetRule::Dropped
    } else {
        TargetRule::Sent
    }
}

/// Mapping targets that are left out of an `http` or `http_proxy` request: the table's, and what else belongs to the
/// connection.
const HTTP_DROPPED_TARGETS: [&str; 7] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "via",
];

/// Client headers that `http_proxy` does not forward, beside those that are gone (spec 02, "http_proxy").
const NOT_FORWARDED: [&str; 5] = [
    "content-encoding",
    "host",
    "keep-alive",
    "proxy-connection",
    "via",
];

/// What a mapping to a header of an `http` or `http_proxy` request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpTargetRule {
    /// Sent.
    Sent,
    /// In place of the URL's authority.
    Host,
    /// Left out without a word.
    Dropped,
    /// The request fails with 500.
    Forbidden,
}

/// The rule for a header of an `http` or `http_proxy` integration request; names in any case.
#[must_use]
pub fn http_target_rule(name: &str) -> HttpTargetRule {
    if is_listed(&HTTP_FORBIDDEN_TARGETS, name) {
        HttpTargetRule::Forbidden
    } else if is_listed(&HTTP_DROPPED_TARGETS, name) {
        HttpTargetRule::Dropped
    } else if name.eq_ignore_ascii_case("host") {
        HttpTargetRule::Host
    } else {
        HttpTargetRule::Sent
    }
}

/// The rule for a header of the method response; names in any case.
#[must_use]
pub fn response_rule(column: Column, name: &str) -> ResponseRule {
    let proxied = column == Column::HttpProxy;
    if name.eq_ignore_ascii_case("transfer-encoding")
        || (proxied && is_listed(&DROPPED_OF_PROXY, name))
    {
        ResponseRule::Dropped
    } else if is_listed(&REMAPPED, name)
        || (proxied && name.eq_ignore_ascii_case("x-amzn-requestid"))
        || (column == Column::AwsOrHttp && is_listed(&REMAPPED_OF_AWS_AND_HTTP, name))
    {
        ResponseRule::Remapped
    } else {
        ResponseRule::Passed
    }
}

/// The client's headers without those that are gone.
#[derive(Clone, Copy, Debug)]
pub struct VisibleHeaders<'h>(&'h Fields);

impl<'h> VisibleHeaders<'h> {
    /// Looks at all fields of the client's head.
    #[must_use]
    pub const fn of(fields: &'h Fields) -> Self {
        Self(fields)
    }

    /// Names as written, and values.
    pub fn iter(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        let visible = |name: &[u8]| {
            !GONE
                .iter()
                .any(|gone| gone.as_bytes().eq_ignore_ascii_case(name))
        };
        self.0.iter().filter(move |(name, _)| visible(name))
    }

    /// What `http_proxy` sends on.
    pub fn forwarded(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        self.0.iter().filter(move |(name, _)| {
            std::str::from_utf8(name)
                .is_ok_and(|name| !self.hides(name) && !is_listed(&NOT_FORWARDED, name))
        })
    }

    /// As [`last_value`].
    #[must_use]
    pub fn last(self, name: &str) -> Option<&'h [u8]> {
        if self.hides(name) {
            None
        } else {
            last_value(self.0, name)
        }
    }

    /// As [`joined_values`].
    #[must_use]
    pub fn joined(self, name: &str) -> Option<Vec<u8>> {
        if self.hides(name) {
            None
        } else {
            joined_values(self.0, name)
        }
    }

    /// Gone for every request, nominated by this one's Connection field (RFC 9110 §7.6.1), or its signature.
    fn hides(self, name: &str) -> bool {
        is_listed(&GONE, name)
            || nominated_by_connection(self.0, name.as_bytes())
            || self.is_signature(name)
    }

    /// `Authorization` with a SigV4 value goes to no backend (spec 02, "Authorization is visible").
    fn is_signature(self, name: &str) -> bool {
        let mut values = self.0.all(b"authorization");
        name.eq_ignore_ascii_case("authorization")
            && values.any(|value| value.starts_with(ALGORITHM.as_bytes()))
    }
}

/// The last value of the fields named exactly so, else of those named so in any case (spec 05, 06).
#[must_use]
pub fn last_value<'f>(fields: &'f Fields, name: &str) -> Option<&'f [u8]> {
    let exact = fields
        .iter()
        .filter(|(written, _)| *written == name.as_bytes())
        .last();
    exact
        .map(|(_, value)| value)
        .or_else(|| fields.last(name.as_bytes()))
}

/// All values of the fields that [`last_value`] looks at, with `,` between them.
#[must_use]
pub fn joined_values(fields: &Fields, name: &str) -> Option<Vec<u8>> {
    let exact = fields.iter().any(|(written, _)| written == name.as_bytes());
    let mut joined: Option<Vec<u8>> = None;
    for (written, value) in fields.iter() {
        let wanted = if exact {
            written == name.as_bytes()
        } else {
            written.eq_ignore_ascii_case(name.as_bytes())
        };
        if wanted {
            match &mut joined {
                Some(values) => {
                    values.push(b',');
                    values.extend_from_slice(value);
                }
                None => joined = Some(value.to_vec()),
            }
        }
    }
    joined
}

/// Whether a mapped header can be written at all: a token as name, no control byte in the value. Spec 02, "Guard
/// values", names CR, LF and NUL; no other control byte may stand in a field either (RFC 9110 §5.5).
#[must_use]
pub fn is_writable(name: &str, value: &[u8]) -> bool {
    is_token(name.as_bytes()) && value.iter().copied().all(is_value_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    #[test]
    fn an_exact_name_beats_the_same_name_in_another_case() {
        let fields = fields(&[("etag", "1"), ("ETag", "2"), ("etag", "3")]);
        assert_eq!(last_value(&fields, "ETag"), Some(&b"2"[..]));
        assert_eq!(last_value(&fields, "etag"), Some(&b"3"[..]));
        assert_eq!(last_value(&fields, "ETAG"), Some(&b"3"[..]));
        assert_eq!(joined_values(&fields, "etag").unwrap(), b"1,3");
        assert_eq!(joined_values(&fields, "ETAG").unwrap(), b"1,2,3");
        assert_eq!(joined_values(&fields, "x"), None);
    }

    #[test]
    fn gone_headers_are_not_visible_in_any_case() {
        let fields = fields(&[("Content-MD5", "x"), ("TE", "x"), ("Authorization", "y")]);
        let visible = VisibleHeaders::of(&fields);
        assert_eq!(visible.last("content-md5"), None);
        assert_eq!(visible.joined("te"), None);
        assert_eq!(visible.last("authorization"), Some(&b"y"[..]));
    }

    #[test]
    fn a_signature_is_visible_to_no_mapping() {
        let fields = fields(&[("authorization", "AWS4-HMAC-SHA256 Credential=x")]);
        let visible = VisibleHeaders::of(&fields);
        assert_eq!(visible.last("Authorization"), None);
        assert_eq!(visible.joined("AUTHORIZATION"), None);
    }

    #[test]
    fn fields_nominated_by_connection_are_gone() {
        let mut fields = Fields::new();
        fields.push(b"Connection", b"keep-alive, X-Src");
        fields.push(b"X-Src", b"1");
        fields.push(b"X-Source", b"2");
        let visible = VisibleHeaders::of(&fields);
        assert_eq!(visible.last("x-src"), None);
        assert_eq!(visible.joined("X-Src"), None);
        assert_eq!(visible.last("X-Source"), Some(&b"2"[..]));
    }

    #[test]
    fn targets_of_signed_requests() {
        assert_eq!(target_rule("Content-length"), TargetRule::Forbidden);
        assert_eq!(target_rule("Referer"), TargetRule::Dropped);
        assert_eq!(target_rule("X-Amz-Date"), TargetRule::Dropped);
        assert_eq!(target_rule("Via"), TargetRule::Sent);
        assert_eq!(target_rule("x-amz-acl"), TargetRule::Sent);
    }

    #[test]
    fn values_that_would_break_a_head_are_not_writable() {
        assert!(is_writable("x-a", b"v \t\xc3\xa9"));
        assert!(is_writable("x-a", b""));
        for value in [&b"a\rb"[..], b"a\nb", b"a\0b", b"a\x01", b"\x7f"] {
            assert!(!is_writable("x-a", value));
        }
        for name in ["", "a b", "a:", "a\r\n"] {
            assert!(!is_writable(name, b"v"));
        }
    }
}
