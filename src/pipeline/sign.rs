//! Signing towards the store (spec 10): complete request heads, ready to be sent.

use std::num::NonZeroU64;
use std::rc::Rc;

use smallvec::SmallVec;

use crate::pipeline::integration_request::IntegrationRequest;
use crate::wire::aws_chunked::encode::{
    signed_len, signed_trailer_len, trailer_line_len, unsigned_trailer_len,
};
use crate::wire::checksum::Algorithm;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::encode::{
    end_head, write_field, write_field_number, write_number, write_request_line,
};
use crate::wire::http1::fields::Fields;
use crate::wire::sigv4::canonical_request::{
    Header, Hex, RequestParts, Scratch, UriEncoding, sign_head,
};
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::payload_hash::{EMPTY_SHA256_HEX, PayloadHash};
use crate::wire::sigv4::signing_key::SigningKey;

/// Most requests sign no more fields than this; others take storage of their own.
const SIGNED_COMMON: usize = 16;

/// The service name of S3 in credential scopes.
pub const SERVICE: &str = "s3";

/// What signs: a key and the credentials and day that it was derived from.
#[derive(Clone, Copy)]
pub struct Signer<'s> {
    /// For [`SERVICE`], the wanted region and the day of `now`.
    pub key: &'s Rc<SigningKey>,
    /// Of the same key.
    pub credentials: &'s Credentials,
    /// Becomes `x-amz-date`.
    pub now: UnixSeconds,
}

/// A request to the store in its parts.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamRequest<'r> {
    /// As sent.
    pub method: &'r [u8],
    /// The Host field.
    pub host: &'r str,
    /// Percent-encoded, with a leading slash: the canonical URI.
    pub path: &'r [u8],
    /// Another spelling of the same path for the request line; S3 takes both apart before it checks the signature.
    pub spelt: Option<&'r [u8]>,
    /// Percent-encoded, without `?`; empty for none.
    pub query: &'r [u8],
    /// All fields but Host, Connection, framing and SigV4's own.
    pub fields: &'r Fields,
}

/// The body that will follow the head, as far as the head must say it (spec 10, "Choosing a mode").
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    /// No body and no Content-Length.
    None,
    /// A body whose hash is known.
    Hashed {
        /// Bytes of the body.
        len: u64,
        /// SHA-256 of the body in hex.
        sha256_hex: Hex,
    },
    /// A body that the signature does not cover.
    Unsigned {
        /// Bytes of the body.
        len: u64,
    },
    /// A body in signed chunks.
    SignedChunks(ChunkedLengths),
    /// A body in chunks with its checksum behind it.
    Trailing(TrailingChecksum),
}

/// A body in chunks whose checksum is known at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrailingChecksum {
    lengths: ChunkedLengths,
    algorithm: Algorithm,
    signed: bool,
}

impl TrailingChecksum {
    /// For a body of `decoded` bytes in chunks of `chunk_bytes`, signed or not; `None` beyond 64 bits.
    #[must_use]
    pub fn new(
        decoded: u64,
        chunk_bytes: NonZeroU64,
        algorithm: Algorithm,
        signed: bool,
    ) -> Option<Self> {
        let name_bytes = u32::try_from(algorithm.field().len()).ok()?;
        let line = trailer_line_len(name_bytes, algorithm.value_bytes());
        let encoded = if signed {
            signed_trailer_len(decoded, chunk_bytes, line)
        } else {
            unsigned_trailer_len(decoded, chunk_bytes, line)
        };
        Some(Self {
            lengths: ChunkedLengths {
                decoded,
                encoded: encoded?,
            },
            algorithm,
            signed,
        })
    }
}

impl Payload {
    /// A body of no bytes, with `Content-Length: 0`.
    pub const EMPTY: Self = Self::Hashed {
        len: 0,
        sha256_hex: *EMPTY_SHA256_HEX,
    };
}

/// The two lengths of an `aws-chunked` body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedLengths {
    decoded: u64,
    encoded: u64,
}

impl ChunkedLengths {
    /// For a body of `decoded` bytes in chunks of `chunk_bytes`, the last one shorter; `None` beyond 64 bits.
    #[must_use]
    pub fn new(decoded: u64, chunk_bytes: NonZeroU64) -> Option<Self> {
        Some(Self {
            decoded,
            encoded: signed_len(decoded, chunk_bytes)?,
        })
    }

    /// Bytes on the wire.
    #[must_use]
    pub const fn encoded(self) -> u64 {
        self.encoded
    }
}

/// A signed request: nothing else is sent to the store.
pub struct SignedRequest {
    head: Vec<u8>,
    chunks: Option<ChunkSigner>,
}

impl SignedRequest {
    /// The complete head with its empty line.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The head, and what signs the chunks of a [`Payload::SignedChunks`].
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Option<ChunkSigner>) {
        (self.head, self.chunks)
    }
}

impl IntegrationRequest<'_, '_> {
    /// Signs the request for a body of that kind.
    #[must_use]
    pub fn sign(
        &self,
        payload: &Payload,
        signer: Signer<'_>,
        scratch: &mut Scratch,
    ) -> SignedRequest {
        let request = self.upstream_request();
        request.sign(payload, signer, scratch, Vec::new())
    }

    /// The request in its parts: a multipart upload sends variants of it.
    #[must_use]
    pub fn upstream_request(&self) -> UpstreamRequest<'_> {
        let place = self.place();
        UpstreamRequest {
            method: self.method(),
            host: &place.host,
            path: &place.path,
            spelt: None,
            query: &place.query,
            fields: self.fields(),
        }
    }
}

impl UpstreamRequest<'_> {
    /// Signs the request for a body of that kind; the head is written into `head`, an empty buffer.
    #[must_use]
    pub fn sign(
        &self,
        payload: &Payload,
        signer: Signer<'_>,
        scratch: &mut Scratch,
        mut head: Vec<u8>,
    ) -> SignedRequest {
        let added = AddedFields::new(self, payload, signer, scratch);
        let path = self.spelt.unwrap_or(self.path);
        write_request_line(&mut head, self.method, path, self.query);
        for (name, value) in added.iter() {
            write_field(&mut head, name, value);
        }
        let own = || self.fields.iter().filter(|(name, _)| !added.replaces(name));
        if added.chunked.is_some() {
            for (name, value) in own() {
                write_field(&mut head, name, value);
            }
        } else {
            self.fields.write_lines(&mut head);
        }
        if let Some(len) = content_length(payload) {
            write_field_number(&mut head, b"Content-Length", len);
        }

        let signed: SmallVec<[Header<'_>; SIGNED_COMMON]> = own()
            .filter(|(name, _)| is_signed(name))
            .chain(added.iter())
            .collect();
        let parts = RequestParts {
            method: self.method,
            path: self.path,
            uri_encoding: UriEncoding::AsSent,
            query: self.query,
            headers: &signed,
            payload: payload_hash(payload),
        };
        head.extend_from_slice(b"Authorization: ");
        let seed = sign_head(signer.key, signer.now, &parts, scratch, &mut head);
        head.extend_from_slice(b"\r\nConnection: keep-alive\r\n");
        end_head(&mut head);
        let has_chunk_signatures = match payload {
            Payload::SignedChunks(_) => true,
            Payload::Trailing(trailing) => trailing.signed,
            Payload::None | Payload::Hashed { .. } | Payload::Unsigned { .. } => false,
        };
        let chunks =
            has_chunk_signatures.then(|| ChunkSigner::new(Rc::clone(signer.key), signer.now, seed));
        SignedRequest { head, chunks }
    }
}

/// The fields that signing adds, all of them signed.
struct AddedFields<'r> {
    host: &'r str,
    date: [u8; 16],
    payload_hash: PayloadHash<'r>,
    session_token: Option<&'r str>,
    /// Content-Encoding and `x-amz-decoded-content-length` of an `aws-chunked` body.
    chunked: Option<(Vec<u8>, Vec<u8>)>,
    /// The checksum that follows the body.
    trailer: Option<Algorithm>,
}

impl<'r> AddedFields<'r> {
    fn new(
        request: &UpstreamRequest<'r>,
        payload: &'r Payload,
        signer: Signer<'r>,
        scratch: &mut Scratch,
    ) -> Self {
        let (lengths, trailer) = match payload {
            Payload::SignedChunks(lengths) => (Some(lengths), None),
            Payload::Trailing(trailing) => (Some(&trailing.lengths), Some(trailing.algorithm)),
            Payload::None | Payload::Hashed { .. } | Payload::Unsigned { .. } => (None, None),
        };
        let chunked = match lengths {
            Some(lengths) => {
                let mut coding = b"aws-chunked".to_vec();
                for inner in request.fields.all(b"content-encoding") {
                    coding.push(b',');
                    coding.extend_from_slice(inner);
                }
                let mut decoded = Vec::new();
                write_number(&mut decoded, lengths.decoded);
                Some((coding, decoded))
            }
            None => None,
        };
        Self {
            host: request.host,
            date: scratch.amz_date(signer.now),
            payload_hash: payload_hash(payload),
            session_token: signer
                .credentials
                .session_token
                .as_ref()
                .map(|token| token.expose()),
            chunked,
            trailer,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let fixed: [Header<'_>; 3] = [
            (b"Host", self.host.as_bytes()),
            (b"x-amz-date", &self.date),
            (b"x-amz-content-sha256", self.payload_hash.as_bytes()),
        ];
        let token = self
            .session_token
            .map(|token| (b"x-amz-security-token".as_slice(), token.as_bytes()));
        let chunked = self
            .chunked
            .iter()
            .flat_map(|(coding, decoded)| -> [Header<'_>; 2] {
                [
                    (b"Content-Encoding", coding),
                    (b"x-amz-decoded-content-length", decoded),
                ]
            });
        let trailer = self
            .trailer
            .map(|algorithm| (b"x-amz-trailer".as_slice(), algorithm.field()));
        fixed.into_iter().chain(token).chain(chunked).chain(trailer)
    }

    /// Whether a field of the request is written here in its place.
    fn replaces(&self, name: &[u8]) -> bool {
        self.chunked.is_some() && name.eq_ignore_ascii_case(b"content-encoding")
    }
}

/// The request's own fields that the signature covers (spec 10, row "headers").
fn is_signed(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-type")
        || name.eq_ignore_ascii_case(b"content-md5")
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"x-amz-"))
}

const fn payload_hash(payload: &Payload) -> PayloadHash<'_> {
    match payload {
        Payload::None => PayloadHash::Hex(EMPTY_SHA256_HEX),
        Payload::Hashed { sha256_hex, .. } => PayloadHash::Hex(sha256_hex),
        Payload::Unsigned { .. } => PayloadHash::Unsigned,
        Payload::SignedChunks(_) => PayloadHash::Streaming,
        Payload::Trailing(TrailingChecksum { signed: true, .. }) => PayloadHash::StreamingTrailer,
        Payload::Trailing(_) => PayloadHash::StreamingUnsignedTrailer,
    }
}

const fn content_length(payload: &Payload) -> Option<u64> {
    match payload {
        Payload::None => None,
        Payload::Hashed { len, .. } | Payload::Unsigned { len } => Some(*len),
        Payload::SignedChunks(lengths) | Payload::Trailing(TrailingChecksum { lengths, .. }) => {
            Some(lengths.encoded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::sample;
    use crate::wire::date::parse_amz_date;
    use crate::wire::sigv4::credentials::Secret;

    fn credentials(session_token: Option<&str>) -> Credentials {
        Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: session_token.map(Secret::new),
        }
    }

    /// The lines of the head and whether chunks will be signed.
    fn signed(
        request: UpstreamRequest<'_>,
        payload: &Payload,
        session_token: Option<&str>,
    ) -> (Vec<String>, bool) {
        let credentials = credentials(session_token);
        let now = parse_amz_date(b"20130524T000000Z").unwrap();
        let key = Rc::new(SigningKey::new(&credentials, now, "us-east-1", SERVICE));
        let signer = Signer {
            key: &key,
            credentials: &credentials,
            now,
        };
        let (head, chunks) = request
            .sign(payload, signer, &mut Scratch::new(), Vec::new())
            .into_parts();
        let head = String::from_utf8(head).unwrap();
        let lines = head
            .strip_suffix("\r\n\r\n")
            .unwrap()
            .split("\r\n")
            .map(str::to_owned)
            .collect();
        (lines, chunks.is_some())
    }

    fn request<'r>(
        method: &'r str,
        path: &'r str,
        query: &'r str,
        fields: &'r Fields,
    ) -> UpstreamRequest<'r> {
        UpstreamRequest {
            method: method.as_bytes(),
            host: "examplebucket.s3.amazonaws.com",
            path: path.as_bytes(),
            spelt: None,
            query: query.as_bytes(),
            fields,
        }
    }

    /// `SignedHeaders=…` and `Signature=…` of the Authorization line.
    fn authorization(lines: &[String]) -> (&str, &str) {
        let line = lines
            .iter()
            .find_map(|line| line.strip_prefix("Authorization: "))
            .unwrap();
        let (rest, signature) = line.split_once(", Signature=").unwrap();
        (rest.split_once("SignedHeaders=").unwrap().1, signature)
    }

    #[test]
    fn heads_of_the_published_examples() {
        let (fields, plain) = (Fields::new(), "host;x-amz-content-sha256;x-amz-date");
        for (query, signature) in [
            (
                "lifecycle",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let (lines, chunked) =
                signed(request("GET", "/", query, &fields), &Payload::None, None);
            assert_eq!(authorization(&lines), (plain, signature));
            assert_eq!(lines[0], format!("GET /?{query} HTTP/1.1"));
            assert_eq!(
                lines[1..4],
                [
                    "Host: examplebucket.s3.amazonaws.com",
                    "x-amz-date: 20130524T000000Z",
                    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                ]
            );
            assert_eq!(lines.last().unwrap(), "Connection: keep-alive");
            assert!(!chunked && lines.iter().all(|line| !line.starts_with("Content-Length")));
        }
    }

    #[test]
    fn only_the_named_fields_are_signed() {
        let fields = sample::fields(&[
            ("Accept", "a"),
            ("X-Amzn-Trace-Id", "t"),
            ("Content-Type", "text/plain"),
            ("X-Amz-Meta-A", "1"),
            ("Content-MD5", "m"),
            ("Range", "bytes=0-1"),
        ]);
        let (lines, _) = signed(
            request("PUT", "/k", "", &fields),
            &Payload::EMPTY,
            Some("token"),
        );
        let (names, _) = authorization(&lines);
        assert_eq!(
            names,
            "content-md5;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token"
        );
        for line in [
            "PUT /k HTTP/1.1",
            "Content-Length: 0",
            "x-amz-security-token: token",
            "Range: bytes=0-1",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn signed_chunks_announce_both_lengths_and_keep_the_inner_coding() {
        let fields = sample::fields(&[("content-encoding", "gzip")]);
        let lengths = ChunkedLengths::new(66_560, NonZeroU64::new(65_536).unwrap()).unwrap();
        let (lines, chunked) = signed(
            request("PUT", "/k", "", &fields),
            &Payload::SignedChunks(lengths),
            None,
        );
        for line in [
            "Content-Encoding: aws-chunked,gzip",
            "x-amz-decoded-content-length: 66560",
            "Content-Length: 66824",
            "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        ] {
            assert_eq!(
                lines.iter().filter(|found| *found == line).count(),
                1,
                "{line}"
            );
        }
        assert!(chunked && !lines.iter().any(|line| line == "content-encoding: gzip"));
        let (names, _) = authorization(&lines);
        assert_eq!(
            names,
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
        );
    }

    #[test]
    fn other_payloads_keep_content_encoding_unsigned() {
        let fields = sample::fields(&[("content-encoding", "gzip")]);
        let (lines, _) = signed(
            request("PUT", "/k", "", &fields),
            &Payload::Unsigned { len: 7 },
            None,
        );
        for line in [
            "content-encoding: gzip",
            "Content-Length: 7",
            "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line}");
        }
        assert!(!authorization(&lines).0.contains("content-encoding"));
    }
}
