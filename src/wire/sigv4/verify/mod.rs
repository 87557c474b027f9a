//! Whether an inbound signature is that of the request, for a known access key (spec 09, "AWS_IAM").

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use smallvec::SmallVec;

use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::authorization::error::{AuthorizationError, Form, WrongScope};
use crate::wire::sigv4::authorization::{Authorization, DateSource, sole};
use crate::wire::sigv4::canonical_headers::{Header, compare_names, trim_blanks};
use crate::wire::sigv4::canonical_query::QueryPart;
use crate::wire::sigv4::canonical_request::{Hex, RequestParts, Scratch, UriEncoding};
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::hex;
use crate::wire::sigv4::payload_hash::PayloadHash;
use crate::wire::sigv4::signing_key::{SCOPE_TERMINATOR, SigningKey, SigningKeyCache};

pub mod s3;

/// How far a signature's time may be from ours (spec 09, "Time").
pub const SKEW_SECONDS_MAX: u64 = 5 * 60;

/// Most requests sign no more fields than this; others take storage of their own.
const SIGNED_COMMON: usize = 16;

/// What verifying leaves to the next request of a core: the keys of callers, derived once a day, and grown storage.
#[derive(Default)]
pub struct Workspace {
    /// Derived keys.
    pub keys: SigningKeyCache,
    /// The canonical request that was verified last.
    pub scratch: Scratch,
}

/// Prints no canonical request: it may hold a session token.
impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// The request as it arrived, before anything is dropped from it.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// In the case that was sent.
    pub method: &'a [u8],
    /// The path on the wire with the stage, without the query.
    pub path: &'a [u8],
    /// The query on the wire, without `?`.
    pub query: &'a [u8],
    /// All fields, in order.
    pub headers: &'a [Header<'a>],
    /// SHA-256 of the whole body.
    pub body_sha256: &'a Hex,
}

/// What the signature is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Those of the access key that the authorization names.
    pub credentials: &'a Credentials,
    /// When the session token ends, if it does.
    pub session_end: Option<UnixSeconds>,
    /// The region of the API.
    pub region: &'a str,
    /// `execute-api`.
    pub service: &'a str,
}

/// What the last line of the canonical request says about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedPayload {
    /// The hash of the body that arrives; a query form may say `UNSIGNED-PAYLOAD` instead without telling.
    OfBody,
    /// This hash, which the body must have: `x-amz-content-sha256` names it.
    Claimed(Hex),
    /// Nothing: `x-amz-content-sha256: UNSIGNED-PAYLOAD`.
    Unsigned,
}

/// What a request says about its body before the body arrives.
///
/// # Errors
/// `x-amz-content-sha256` is there twice, or is neither a hash nor `UNSIGNED-PAYLOAD`.
pub fn signed_payload(headers: &[Header<'_>]) -> Result<SignedPayload, AuthorizationError> {
    let Some(value) = sole(headers, b"x-amz-content-sha256")?.map(trim_blanks) else {
        return Ok(SignedPayload::OfBody);
    };
    if value == PayloadHash::Unsigned.as_bytes() {
        return Ok(SignedPayload::Unsigned);
    }
    match <&Hex>::try_from(value) {
        Ok(hex) if hex::decode(hex).is_some() => Ok(SignedPayload::Claimed(*hex)),
        _ => Err(AuthorizationError::PayloadHashMismatch),
    }
}

/// Checks `authorization`, which was read from `received`. After a mismatch the scratch of `workspace` holds the canonical
/// request and the string to sign that should have been.
pub fn verify(
    authorization: &Authorization<'_>,
    received: &Received<'_>,
    expected: &Expected<'_>,
    now: UnixSeconds,
    workspace: &mut Workspace,
) -> Result<(), AuthorizationError> {
    let key = check_claims(authorization, expected, now, &mut workspace.keys)?;
    check_signature(authorization, received, &key, &mut workspace.scratch)
}

/// All of [`verify`] but the signature: what can be refused before the body arrives. Gives the key that signs.
pub fn check_claims(
    authorization: &Authorization<'_>,
    expected: &Expected<'_>,
    now: UnixSeconds,
    keys: &mut SigningKeyCache,
) -> Result<Rc<SigningKey>, AuthorizationError> {
    check_signed_headers(authorization)?;
    check_scope(authorization, expected)?;
    let skew_seconds_max = if expected.service == s3::SERVICE {
        s3::SKEW_SECONDS_MAX
    } else {
        SKEW_SECONDS_MAX
    };
    check_time(authorization, now, skew_seconds_max)?;
    let credentials = expected.credentials;
    if authorization.scope().access_key_id != credentials.access_key_id.as_bytes() {
        return Err(AuthorizationError::AccessKeyUnknown);
    }
    // Only for a known access key and a time near ours: nobody else can turn keys out of the cache.
    let key = keys.get(
        credentials,
        authorization.timestamp(),
        expected.region,
        expected.service,
    );
    check_session(authorization, expected, &key, now)?;
    Ok(key)
}

fn check_signed_headers(authorization: &Authorization<'_>) -> Result<(), AuthorizationError> {
    let signed =
        |wanted: &[u8]| signed_names(authorization).any(|name| name.eq_ignore_ascii_case(wanted));
    if !signed(b"host") && !signed(AUTHORITY) {
        return Err(AuthorizationError::HostUnsigned);
    }
    if authorization.date_source == DateSource::AmzDateField && !signed(b"x-amz-date") {
        return Err(AuthorizationError::DateUnsigned);
    }
    Ok(())
}

fn check_scope(
    authorization: &Authorization<'_>,
    expected: &Expected<'_>,
) -> Result<(), AuthorizationError> {
    let scope = authorization.scope();
    let wrong = WrongScope {
        region: scope.region != expected.region.as_bytes(),
        service: scope.service != expected.service.as_bytes(),
        terminator: scope.terminator != SCOPE_TERMINATOR.as_bytes(),
        date: scope.date != authorization.timestamp().scope_date_bytes(),
    };
    if wrong == WrongScope::default() {
        Ok(())
    } else {
        Err(AuthorizationError::WrongScope(wrong))
    }
}

fn check_time(
    authorization: &Authorization<'_>,
    now: UnixSeconds,
    skew_seconds_max: u64,
) -> Result<(), AuthorizationError> {
    let signed = authorization.timestamp();
    if signed.0.saturating_sub(now.0) > skew_seconds_max {
        return Err(AuthorizationError::NotYetCurrent { signed, now });
    }
    let age = now.0.saturating_sub(signed.0);
    match authorization.expires() {
        None if age > skew_seconds_max => Err(AuthorizationError::Expired { signed, now }),
        Some(expires) if age > u64::from(expires.seconds()) => {
            Err(AuthorizationError::PresignExpired {
                signed,
                expires,
                now,
            })
        }
        _ => Ok(()),
    }
}

fn check_session(
    authorization: &Authorization<'_>,
    expected: &Expected<'_>,
    key: &SigningKey,
    now: UnixSeconds,
) -> Result<(), AuthorizationError> {
    match (
        &authorization.session_token,
        &expected.credentials.session_token,
    ) {
        (None, None) => {}
        (Some(sent), Some(known)) if key.same_text(sent, known.expose().as_bytes()) => {}
        _ => return Err(AuthorizationError::SessionTokenInvalid),
    }
    if expected.session_end.is_some_and(|end| now >= end) {
        return Err(AuthorizationError::SessionTokenExpired);
    }
    Ok(())
}

fn check_signature(
    authorization: &Authorization<'_>,
    received: &Received<'_>,
    key: &SigningKey,
    scratch: &mut Scratch,
) -> Result<(), AuthorizationError> {
    let headers = signed_headers(authorization, received);
    let normalised = normalised_path(received.path);
    let other_path = (*normalised != *received.path).then_some(&*normalised);
    let without_end = without_dotted_end(&normalised, received.path);
    let (other_payload, payload) = payloads(authorization, received)?;
    // The likeliest request comes last, so that it is the one left in the scratch.
    for payload in other_payload.into_iter().chain([payload]) {
        let paths = without_end.into_iter().chain(other_path);
        for path in paths.chain([received.path]) {
            let request = RequestParts {
                method: received.method,
                path,
                uri_encoding: UriEncoding::EncodeAgain,
                query: received.query,
                headers: &headers,
                payload,
            };
            scratch.build(
                &request,
                QueryPart::WithoutSignature,
                authorization.timestamp(),
                key.scope(),
            );
            if key.verifies(scratch.string_to_sign(), &authorization.signature) {
                return Ok(());
            }
        }
    }
    Err(AuthorizationError::SignatureMismatch)
}

/// The last line of the canonical request, with another one that is tried before it.
fn payloads<'a>(
    authorization: &Authorization<'_>,
    received: &Received<'a>,
) -> Result<(Option<PayloadHash<'a>>, PayloadHash<'a>), AuthorizationError> {
    let body = PayloadHash::Hex(received.body_sha256);
    match sole(received.headers, b"x-amz-content-sha256")?.map(trim_blanks) {
        None if authorization.form() == Form::Query => Ok((Some(PayloadHash::Unsigned), body)),
        None => Ok((None, body)),
        Some(value) if value == body.as_bytes() => Ok((None, body)),
        Some(value) if value == PayloadHash::Unsigned.as_bytes() => {
            Ok((None, PayloadHash::Unsigned))
        }
        Some(_) => Err(AuthorizationError::PayloadHashMismatch),
    }
}

/// What HTTP/2 clients sign in place of `host`.
const AUTHORITY: &[u8] = b":authority";

fn signed_names<'s>(authorization: &'s Authorization<'_>) -> impl Iterator<Item = &'s [u8]> {
    authorization.signed_headers.split(|&byte| byte == b';')
}

/// The received fields that are signed. A signed field that did not arrive is as good as an empty one.
fn signed_headers<'s>(
    authorization: &'s Authorization<'_>,
    received: &Received<'s>,
) -> SmallVec<[Header<'s>; SIGNED_COMMON]> {
    let mut names: SmallVec<[&[u8]; SIGNED_COMMON]> = signed_names(authorization).collect();
    // Each name once: a list of repeats must not multiply the fields of the request.
    names.sort_unstable_by(|one, other| compare_names(one, other));
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    let mut headers = SmallVec::new();
    for signed in names {
        let name = if signed.eq_ignore_ascii_case(AUTHORITY) {
            b"host"
        } else {
            signed
        };
        let before = headers.len();
        let values = received
            .headers
            .iter()
            .filter(|header| header.0.eq_ignore_ascii_case(name));
        headers.extend(values.map(|&(_, value)| (signed, value)));
        if headers.len() == before {
            headers.push((signed, &b""[..]));
        }
    }
    headers
}

/// The path without empty and dot segments, as some signers write it (spec 09, "URI").
fn normalised_path(path: &[u8]) -> Cow<'_, [u8]> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut normalised = Vec::with_capacity(path.len() + 1);
    for segment in &segments {
        normalised.push(b'/');
        normalised.extend_from_slice(segment);
    }
    let ends_in_folder = path.ends_with(b"/") || path.ends_with(b"/.") || path.ends_with(b"/..");
    if segments.is_empty() || ends_in_folder {
        normalised.push(b'/');
    }
    Cow::Owned(normalised)
}

/// Whether a path has no empty and no dot segment but for an empty one at its end.
fn is_normal(path: &[u8]) -> bool {
    let Some(path) = path.strip_prefix(b"/") else {
        return false;
    };
    let dotted = |segment: &[u8]| matches!(segment, b"." | b"..");
    let mut rest = path;
    while let Some(slash) = memchr::memchr(b'/', rest) {
        let segment = rest.get(..slash).unwrap_or_default();
        if segment.is_empty() || dotted(segment) {
            return false;
        }
        rest = rest.get(slash + 1..).unwrap_or_default();
    }
    !dotted(rest)
}

/// RFC 3986 §5.2.4 leaves a slash where a path ended in a dot segment; botocore leaves none.
fn without_dotted_end<'n>(normalised: &'n [u8], path: &[u8]) -> Option<&'n [u8]> {
    let dotted = path.ends_with(b"/.") || path.ends_with(b"/..");
    let shorter = normalised.strip_suffix(b"/").filter(|_| dotted)?;
    (!shorter.is_empty()).then_some(shorter)
}

#[cfg(test)]
mod tests;
