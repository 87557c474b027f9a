//! What went wrong in an exchange of the sidecar, in S3's words.

use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::serve::failure::BodyFault;
use crate::serve::failure::CallFailure;
use crate::serve::failure::CodingFault;
use crate::serve::failure::StoreFault;
use crate::serve::failure::UploadFault;
use crate::wire::aws_chunked::decode::DecodeError;

/// Why a request gets no answer from the store.
#[derive(Debug)]
pub enum Failure {
    /// The sidecar answers by itself.
    Fault(S3Fault),
    /// Nobody is there to be answered.
    ClientGone,
}

impl From<S3Fault> for Failure {
    fn from(fault: S3Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The answer to a body that failed.
#[must_use]
pub fn upload_failure(fault: UploadFault) -> Failure {
    let (status, code, message) = match fault {
        UploadFault::TooLarge => (
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
        ),
        UploadFault::Client(BodyFault::Io(_)) => return Failure::ClientGone,
        UploadFault::Client(BodyFault::TimedOut) => {
            return S3Fault::unreadable_head(408).into();
        }
        UploadFault::Client(BodyFault::Closed) | UploadFault::Coding(CodingFault::Length) => (
            400,
            "IncompleteBody",
            "You did not provide the number of bytes specified by the Content-Length HTTP header or x-amz-decoded-content-length",
        ),
        UploadFault::Client(BodyFault::Malformed) => (
            400,
            "InvalidRequest",
            "The chunked coding of the body is none",
        ),
        UploadFault::HashMismatch => (
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        UploadFault::Coding(CodingFault::Checksum) => (
            400,
            "BadDigest",
            "The checksum you specified did not match the calculated checksum.",
        ),
        UploadFault::Coding(CodingFault::Trailer | CodingFault::Framing(DecodeError::Trailer)) => (
            400,
            "MalformedTrailerError",
            "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        ),
        UploadFault::Coding(CodingFault::Framing(DecodeError::Signature)) => (
            403,
            "SignatureDoesNotMatch",
            "The chunk signature we calculated does not match the signature you provided.",
        ),
        UploadFault::Coding(CodingFault::Framing(
            DecodeError::ChunkLine | DecodeError::DataEnd,
        ))
        | UploadFault::Conversion => (
            400,
            "IncompleteBody",
            "The aws-chunked coding of the body is none.",
        ),
        UploadFault::Store(StoreFault::TimedOut) => return unavailable("did not answer in time"),
        UploadFault::Store(StoreFault::Answer | StoreFault::Lost) => return broken(),
    };
    S3Fault::new(status, code, message).into()
}

/// The answer to a call that failed.
#[must_use]
pub fn call_failure(failure: CallFailure) -> Failure {
    if !matches!(failure, CallFailure::Body(_)) {
        tracing::warn!(?failure, "the store did not answer");
    }
    match failure {
        CallFailure::Body(fault) => upload_failure(fault),
        CallFailure::Connect { .. } | CallFailure::Tls => unavailable("cannot be reached"),
        CallFailure::TimedOut => unavailable("did not answer in time"),
        CallFailure::Lost(_) | CallFailure::Malformed => broken(),
        CallFailure::Busy => {
            S3Fault::new(503, "SlowDown", "Please reduce your request rate.").into()
        }
        CallFailure::NoCredentials(_) => S3Fault::new(
            503,
            "ServiceUnavailable",
            "The sidecar has no credentials for the store.",
        )
        .into(),
    }
}

fn unavailable(what: &str) -> Failure {
    let message = format!("The store {what}. Please try again.");
    S3Fault::new(503, "ServiceUnavailable", message).into()
}

fn broken() -> Failure {
    S3Fault::new(
        500,
        "InternalError",
        "The store closed the connection or answered with nonsense. Please try again.",
    )
    .into()
}
