//! Inbound signatures for `s3` (spec 10): the path encoded once, the payload line as `x-amz-content-sha256` says.

use std::rc::Rc;

use crate::wire::date::UnixSeconds;
use crate::wire::percent;
use crate::wire::percent::Keep;
use crate::wire::sigv4::authorization::Authorization;
use crate::wire::sigv4::authorization::error::AuthorizationError;
use crate::wire::sigv4::authorization::error::Form;
use crate::wire::sigv4::canonical_headers::trim_blanks;
use crate::wire::sigv4::canonical_query::QueryPart;
use crate::wire::sigv4::canonical_request::RequestParts;
use crate::wire::sigv4::canonical_request::UriEncoding;
use crate::wire::sigv4::hex;
use crate::wire::sigv4::hex::Hex;
use crate::wire::sigv4::payload_hash::PayloadHash;
use crate::wire::sigv4::signing_key::SigningKey;
use crate::wire::sigv4::verify::Expected;
use crate::wire::sigv4::verify::Received;
use crate::wire::sigv4::verify::Workspace;
use crate::wire::sigv4::verify::check_claims;
use crate::wire::sigv4::verify::signed_headers;
use crate::wire::sigv4::verify::sole;

/// The service in credential scopes.
pub const SERVICE: &str = "s3";
/// How far a signature's time may be from ours (spec 10, row "date").
pub const SKEW_SECONDS_MAX: u64 = 15 * 60;

/// The values of `x-amz-content-sha256` that are no hash.
const MARKERS: [PayloadHash<'static>; 4] = [
    PayloadHash::Unsigned,
    PayloadHash::Streaming,
    PayloadHash::StreamingTrailer,
    PayloadHash::StreamingUnsignedTrailer,
];

/// A signature that is right: where a chain of chunk signatures begins.
pub struct Proof {
    /// What signed.
    pub key: Rc<SigningKey>,
    /// When.
    pub signed_at: UnixSeconds,
    /// The signature of the head.
    pub seed: Hex,
}

/// Checks `authorization`, which was read from `received`, as S3 does. The body's hash in `received` is not looked at.
///
/// # Errors
/// What is wrong; `PayloadHashMismatch` for an `x-amz-content-sha256` that a header signature lacks or that says nothing.
pub fn verify(
    authorization: &Authorization<'_>,
    received: &Received<'_>,
    expected: &Expected<'_>,
    now: UnixSeconds,
    workspace: &mut Workspace,
) -> Result<Proof, AuthorizationError> {
    let key = check_claims(authorization, expected, now, &mut workspace.keys)?;
    let scratch = &mut workspace.scratch;
    let claimed = sole(received.headers, b"x-amz-content-sha256")?.map(trim_blanks);
    let payload = match claimed {
        None if authorization.form() == Form::Query => PayloadHash::Unsigned,
        None => return Err(AuthorizationError::PayloadHashMismatch),
        Some(value) => match <&Hex>::try_from(value) {
            Ok(hash) if hex::decode(hash).is_some() => PayloadHash::Hex(hash),
            _ => MARKERS
                .into_iter()
                .find(|marker| marker.as_bytes() == value)
                .ok_or(AuthorizationError::PayloadHashMismatch)?,
        },
    };
    let headers = signed_headers(authorization, received);
    let mut encoded_once = Vec::with_capacity(received.path.len());
    percent::encode_into(
        &mut encoded_once,
        &percent::decode(received.path),
        Keep::UnreservedAndSlash,
    );
    let as_sent = Some(received.path).filter(|path| *path != encoded_once.as_slice());
    for path in as_sent.into_iter().chain([encoded_once.as_slice()]) {
        let request = RequestParts {
            method: received.method,
            path,
            uri_encoding: UriEncoding::AsSent,
            query: received.query,
            headers: &headers,
            payload,
        };
        let signed_at = authorization.timestamp();
        scratch.build(
            &request,
            QueryPart::WithoutSignature,
            signed_at,
            key.scope(),
        );
        if key.verifies(scratch.string_to_sign(), &authorization.signature) {
            let seed = <&Hex>::try_from(&*authorization.signature)
                .map_err(|_| AuthorizationError::SignatureMismatch)?;
            return Ok(Proof {
                seed: *seed,
                signed_at,
                key,
            });
        }
    }
    Err(AuthorizationError::SignatureMismatch)
}
