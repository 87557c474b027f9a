//! Why an inbound request is not authorized.

use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::canonical_request::ExpiresSeconds;

/// Why a request is not authorized: the rows of spec 09, "Errors", with what their messages name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Neither an `Authorization` field nor `X-Amz-Signature`.
    Missing,
    /// A part of the `Authorization` field has no `=`: the bytes from `start` to `end` of the field's value.
    PartWithoutEqualSign {
        /// Position of the part's first byte.
        start: usize,
        /// Position after its last byte.
        end: usize,
    },
    /// Parts that the form needs are absent.
    Incomplete {
        /// Header or query.
        form: Form,
        /// Which.
        missing: MissingParts,
    },
    /// A field, part or parameter that says who and when is there twice.
    PartRepeated,
    /// Not `AWS4-HMAC-SHA256`.
    AlgorithmUnsupported,
    /// The credential does not have five elements, or an empty access key id.
    CredentialMalformed,
    /// Neither `20130524T000000Z` nor, in a `Date` field, an HTTP date.
    DateMalformed,
    /// `X-Amz-Expires` is not a number from 1 to 604800.
    ExpiresMalformed,
    /// Neither `host` nor `:authority` is signed.
    HostUnsigned,
    /// The time comes from `x-amz-date`, which is not signed.
    DateUnsigned,
    /// The credential is scoped for something else.
    WrongScope(WrongScope),
    /// A header signature older than [`SKEW_SECONDS_MAX`](crate::wire::sigv4::verify::SKEW_SECONDS_MAX).
    Expired {
        /// Its time.
        signed: UnixSeconds,
        /// The time here.
        now: UnixSeconds,
    },
    /// A query signature whose life is over.
    PresignExpired {
        /// Its time.
        signed: UnixSeconds,
        /// Its life.
        expires: ExpiresSeconds,
        /// The time here.
        now: UnixSeconds,
    },
    /// Signed further in the future than the skew that is allowed.
    NotYetCurrent {
        /// Its time.
        signed: UnixSeconds,
        /// The time here.
        now: UnixSeconds,
    },
    /// The credentials are those of another access key.
    AccessKeyUnknown,
    /// The session token is wrong, absent, or sent with a key that has none.
    SessionTokenInvalid,
    /// The session has ended.
    SessionTokenExpired,
    /// `x-amz-content-sha256` is not the hash of the body.
    PayloadHashMismatch,
    /// The signature is not the one calculated here.
    SignatureMismatch,
}

/// Where a signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The `Authorization` field.
    Header,
    /// Parameters of the query.
    Query,
}

/// What is absent from an authorization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingParts {
    /// `X-Amz-Algorithm` (query only).
    pub algorithm: bool,
    /// `Credential`.
    pub credential: bool,
    /// `Signature` (header only: it makes the query form).
    pub signature: bool,
    /// `SignedHeaders`.
    pub signed_headers: bool,
    /// `X-Amz-Date`, or the `Date` field.
    pub date: bool,
    /// `X-Amz-Expires` (query only).
    pub expires: bool,
}

/// The elements of a credential scope that are not as they should be; at least one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrongScope {
    /// Not the region of this API.
    pub region: bool,
    /// Not the service asked for.
    pub service: bool,
    /// Not `aws4_request`.
    pub terminator: bool,
    /// Not the day of the timestamp.
    pub date: bool,
}
