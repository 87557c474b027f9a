//! Canonical requests and their signatures: in the `Authorization` field or in the query (spec 09 and 10).

use std::ops::Range;

use crate::wire::date::UnixSeconds;
use crate::wire::percent::{self, Keep};
use crate::wire::sigv4::canonical_headers::HeaderOrder;
use crate::wire::sigv4::canonical_query::{QueryPart, QueryScratch, SIGNATURE_PARAMETER};
use crate::wire::sigv4::credentials::Secret;
use crate::wire::sigv4::payload_hash::{PayloadHash, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;

pub use crate::wire::sigv4::canonical_headers::Header;
pub use crate::wire::sigv4::hex::Hex;

/// The only algorithm that is signed or accepted.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Longest life of a presigned request: seven days (spec 09, `X-Amz-Expires`).
pub const EXPIRES_SECONDS_MAX: u32 = 604_800;

/// How the path on the wire becomes the canonical URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriEncoding {
    /// As it is: S3 (spec 10, "URI").
    AsSent,
    /// Each segment encoded once more: every other service (spec 09, "URI").
    EncodeAgain,
}

/// What is signed of a request.
#[derive(Clone, Copy)]
pub struct RequestParts<'a> {
    /// In the case that is sent.
    pub method: &'a [u8],
    /// The path on the wire, without a query; empty means `/`.
    pub path: &'a [u8],
    /// What the service does with the path.
    pub uri_encoding: UriEncoding,
    /// The query on the wire, without `?`, in any order.
    pub query: &'a [u8],
    /// The headers to sign, each of them: in any order and case, repeated names in the order sent.
    pub headers: &'a [Header<'a>],
    /// The last line. S3 wants the same value as the header `x-amz-content-sha256`.
    pub payload: PayloadHash<'a>,
}

/// Reused storage: once it has grown, signing allocates nothing.
#[derive(Default)]
pub struct Scratch {
    canonical_request: Vec<u8>,
    signed_headers: Range<usize>,
    string_to_sign: Vec<u8>,
    query: QueryScratch,
    header_order: HeaderOrder,
    /// A moment, written: many requests have the same one.
    date: Option<(UnixSeconds, [u8; 16])>,
}

impl Scratch {
    /// Empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// [`UnixSeconds::amz_date_bytes`], written once for all requests of the same second.
    pub fn amz_date(&mut self, now: UnixSeconds) -> [u8; 16] {
        match self.date {
            Some((moment, written)) if moment == now => written,
            _ => {
                let written = now.amz_date_bytes();
                self.date = Some((now, written));
                written
            }
        }
    }

    /// The canonical request that was signed or verified last. It may hold a session token: not for logs.
    #[must_use]
    pub fn canonical_request(&self) -> &[u8] {
        &self.canonical_request
    }

    /// The string to sign of that request.
    #[must_use]
    pub fn string_to_sign(&self) -> &[u8] {
        &self.string_to_sign
    }

    /// Its signed headers: `host;x-amz-date`.
    fn signed_headers(&self) -> &[u8] {
        self.canonical_request
            .get(self.signed_headers.clone())
            .unwrap_or_default()
    }

    /// Builds the canonical request and the string to sign.
    pub(crate) fn build(
        &mut self,
        request: &RequestParts<'_>,
        query_part: QueryPart,
        now: UnixSeconds,
        scope: &str,
    ) {
        let out = &mut self.canonical_request;
        out.clear();
        out.extend_from_slice(request.method);
        out.push(b'\n');
        match request.uri_encoding {
            _ if request.path.is_empty() => out.push(b'/'),
            UriEncoding::AsSent => out.extend_from_slice(request.path),
            UriEncoding::EncodeAgain => {
                percent::encode_into(out, request.path, Keep::UnreservedAndSlash);
            }
        }
        out.push(b'\n');
        self.query.write(request.query, query_part, out);
        out.push(b'\n');
        self.header_order.sort(request.headers);
        self.header_order.write_lines(request.headers, out);
        out.push(b'\n');
        let start = out.len();
        self.header_order.write_names(request.headers, out);
        self.signed_headers = start..out.len();
        out.push(b'\n');
        out.extend_from_slice(request.payload.as_bytes());

        let hash = sha256_hex(out);
        self.string_to_sign.clear();
        let timestamp = self.amz_date(now);
        for line in [ALGORITHM.as_bytes(), &timestamp, scope.as_bytes()] {
            self.string_to_sign.extend_from_slice(line);
            self.string_to_sign.push(b'\n');
        }
        self.string_to_sign.extend_from_slice(&hash);
    }
}

/// Signs a request and appends the value of its `Authorization` field to `authorization`.
/// The signature is returned as the seed of an `aws-chunked` body.
pub fn sign_head(
    key: &SigningKey,
    now: UnixSeconds,
    request: &RequestParts<'_>,
    scratch: &mut Scratch,
    authorization: &mut Vec<u8>,
) -> Hex {
    scratch.build(request, QueryPart::Whole, now, key.scope());
    let signature = key.sign(scratch.string_to_sign());
    for piece in [
        ALGORITHM.as_bytes(),
        b" Credential=",
        key.credential().as_bytes(),
        b", SignedHeaders=",
        scratch.signed_headers(),
        b", Signature=",
        &signature,
    ] {
        authorization.extend_from_slice(piece);
    }
    signature
}

/// How long a presigned request lives: 1 to [`EXPIRES_SECONDS_MAX`] seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiresSeconds(u32);

impl ExpiresSeconds {
    /// `None` outside the range.
    #[must_use]
    pub fn new(seconds: u32) -> Option<Self> {
        (1..=EXPIRES_SECONDS_MAX)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// The number of seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

/// Signs a request in its query (spec 10, "Presigned URLs") and appends the whole wire query, without `?`, to `query`.
/// `request.headers` must hold `host`; `request.query` must not hold a signature yet.
pub fn presign(
    key: &SigningKey,
    now: UnixSeconds,
    request: &RequestParts<'_>,
    expires: ExpiresSeconds,
    session_token: Option<&Secret>,
    scratch: &mut Scratch,
    query: &mut Vec<u8>,
) -> Hex {
    let mut presigned = request.query.to_vec();
    let mut signed_headers = Vec::new();
    scratch.header_order.sort(request.headers);
    scratch
        .header_order
        .write_names(request.headers, &mut signed_headers);
    let timestamp = now.amz_date_bytes();
    let expires = expires.seconds().to_string();
    for (name, value) in [
        ("X-Amz-Algorithm", ALGORITHM.as_bytes()),
        ("X-Amz-Credential", key.credential().as_bytes()),
        ("X-Amz-Date", &timestamp),
        ("X-Amz-Expires", expires.as_bytes()),
        ("X-Amz-SignedHeaders", &signed_headers),
    ] {
        push_parameter(name, value, &mut presigned);
    }
    if let Some(token) = session_token {
        push_parameter(
            "X-Amz-Security-Token",
            token.expose().as_bytes(),
            &mut presigned,
        );
    }
    let request = RequestParts {
        query: &presigned,
        ..*request
    };
    scratch.build(&request, QueryPart::Whole, now, key.scope());
    let signature = key.sign(scratch.string_to_sign());
    query.extend_from_slice(&presigned);
    for piece in [b"&".as_slice(), SIGNATURE_PARAMETER, b"=", &signature] {
        query.extend_from_slice(piece);
    }
    signature
}

fn push_parameter(name: &str, value: &[u8], query: &mut Vec<u8>) {
    if !query.is_empty() {
        query.push(b'&');
    }
    query.extend_from_slice(name.as_bytes());
    query.push(b'=');
    percent::encode_into(query, value, Keep::Unreserved);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sigv4::credentials::Credentials;
    use crate::wire::sigv4::payload_hash::EMPTY_SHA256_HEX;

    const MIDNIGHT: UnixSeconds = UnixSeconds(1_369_353_600);

    fn key() -> SigningKey {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: None,
        };
        SigningKey::new(&credentials, MIDNIGHT, "us-east-1", "s3")
    }

    fn request<'a>(path: &'a [u8], headers: &'a [Header<'a>]) -> RequestParts<'a> {
        RequestParts {
            method: b"GET",
            path,
            uri_encoding: UriEncoding::AsSent,
            query: b"",
            headers,
            payload: PayloadHash::Hex(EMPTY_SHA256_HEX),
        }
    }

    fn canonical_uri(path: &[u8], uri_encoding: UriEncoding) -> String {
        let mut scratch = Scratch::new();
        let request = RequestParts {
            uri_encoding,
            ..request(path, &[])
        };
        scratch.build(&request, QueryPart::Whole, MIDNIGHT, "scope");
        let text = String::from_utf8(scratch.canonical_request().to_vec()).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    }

    #[test]
    fn s3_paths_are_signed_as_sent() {
        assert_eq!(
            canonical_uri(b"/a//../%24b", UriEncoding::AsSent),
            "/a//../%24b"
        );
        assert_eq!(canonical_uri(b"", UriEncoding::AsSent), "/");
    }

    #[test]
    fn other_paths_are_encoded_once_more() {
        assert_eq!(
            canonical_uri(b"/a%2Fb/c+d", UriEncoding::EncodeAgain),
            "/a%252Fb/c%2Bd"
        );
        assert_eq!(canonical_uri(b"", UriEncoding::EncodeAgain), "/");
    }

    #[test]
    fn a_used_scratch_signs_as_a_fresh_one() {
        let (long, short) = (
            [(b"host".as_slice(), b"h".as_slice()), (b"x-amz-date", b"d")],
            [(b"host".as_slice(), b"h".as_slice())],
        );
        let mut used = Scratch::new();
        let mut authorization = Vec::new();
        sign_head(
            &key(),
            MIDNIGHT,
            &RequestParts {
                query: b"b=1&a=2",
                ..request(b"/long", &long)
            },
            &mut used,
            &mut authorization,
        );
        authorization.clear();
        let again = sign_head(
            &key(),
            MIDNIGHT,
            &request(b"/", &short),
            &mut used,
            &mut authorization,
        );
        let mut fresh = Vec::new();
        let first = sign_head(
            &key(),
            MIDNIGHT,
            &request(b"/", &short),
            &mut Scratch::new(),
            &mut fresh,
        );
        assert_eq!(again, first);
        assert_eq!(authorization, fresh);
        assert!(fresh.starts_with(b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host, Signature="));
        assert!(fresh.ends_with(&first));
    }

    #[test]
    fn a_presigned_query_keeps_the_parameters_of_the_request() {
        let headers = [(b"Host".as_slice(), b"h".as_slice())];
        let parts = RequestParts {
            query: b"versionId=1",
            ..request(b"/k", &headers)
        };
        let mut query = b"".to_vec();
        let token = Secret::new("a/b=");
        let signature = presign(
            &key(),
            MIDNIGHT,
            &parts,
            ExpiresSeconds::new(60).unwrap(),
            Some(&token),
            &mut Scratch::new(),
            &mut query,
        );
        let query = String::from_utf8(query).unwrap();
        assert_eq!(
            query,
            format!(
                "versionId=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=a%2Fb%3D&X-Amz-Signature={}",
                std::str::from_utf8(&signature).unwrap()
            )
        );
    }

    #[test]
    fn presigned_requests_live_for_a_second_to_seven_days() {
        assert!(ExpiresSeconds::new(1).is_some() && ExpiresSeconds::new(604_800).is_some());
        assert!(ExpiresSeconds::new(0).is_none() && ExpiresSeconds::new(604_801).is_none());
    }
}
