//! What can go wrong between the two connections of an exchange, by whose side and what may follow.

use std::io;

use crate::net::credentials::slot::NoCredentials;
use crate::wire::aws_chunked::decode::DecodeError;

/// Why a body could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The peer closed before the body was complete.
    Closed,
    /// The peer sent nothing for the idle limit.
    TimedOut,
    /// Chunked coding that is none.
    Malformed,
    /// The socket failed.
    Io(io::ErrorKind),
}

/// Why a request to the store brought no response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// There was nothing to sign with.
    NoCredentials(NoCredentials),
    /// All connections are in use and too many requests wait; nothing was sent.
    Busy,
    /// No connection: refused, unreachable, or connecting took too long.
    Connect {
        /// Whether it was the time limit.
        timed_out: bool,
    },
    /// The upstream is not trusted, or speaks no TLS.
    Tls,
    /// The time limit passed before the response head was complete.
    TimedOut,
    /// The connection was closed or reset before the response head was complete.
    Lost(Loss),
    /// The response head or its framing is not HTTP/1.1.
    Malformed,
    /// The client's side failed while its body was being sent on.
    Body(UploadFault),
}

impl BodyFault {
    /// As a log tells it.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Closed => "the body ended early",
            Self::TimedOut => "the body stalled",
            Self::Malformed => "malformed chunked coding",
            Self::Io(_) => "the connection broke",
        }
    }
}

impl CallFailure {
    /// As a log tells it; `None` if the store has no part in it.
    #[must_use]
    pub const fn told(self) -> Option<&'static str> {
        Some(match self {
            Self::NoCredentials(_) => "no credentials to sign with",
            Self::Busy => "too many requests at once",
            Self::Connect { timed_out: false } => "no connection",
            Self::Connect { timed_out: true } => "connecting timed out",
            Self::Tls => "no TLS with the store",
            Self::TimedOut => "no answer in time",
            Self::Lost(_) => "the connection broke",
            Self::Malformed => "malformed answer",
            Self::Body(_) => return None,
        })
    }

    /// Whether it speaks against the address that the request went to. A kept connection that is lost does not: the store
    /// may close it at any time.
    #[must_use]
    pub const fn is_of_the_address(self) -> bool {
        match self {
            Self::TimedOut | Self::Malformed => true,
            Self::Lost(loss) => !loss.reused || loss.response_begun,
            Self::NoCredentials(_)
            | Self::Busy
            | Self::Connect { .. }
            | Self::Tls
            | Self::Body(_) => false,
        }
    }
}

/// How far a lost request got: what decides whether it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The connection had served a request before.
    pub reused: bool,
    /// Bytes of the response had arrived.
    pub response_begun: bool,
    /// The whole request had been handed to the kernel.
    pub request_sent: bool,
}

impl Loss {
    /// Whether the store cannot have applied the request, so that one more try is safe.
    ///
    /// Without a body any loss on a reused connection qualifies (GET, HEAD, DELETE are idempotent, RFC 9110 §9.2.2).
    /// With a body only a request that was not sent whole: a body is never applied twice. A reset proves nothing, since
    /// it also comes from a peer that read everything and then gave up. On a new connection the address is at fault, so that
    /// it takes another one to try (`elsewhere`).
    #[must_use]
    pub const fn allows_retry(self, has_body: bool, elsewhere: bool) -> bool {
        (self.reused || elsewhere) && !self.response_begun && (!has_body || !self.request_sent)
    }
}

/// Why a client's body did not become an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadFault {
    /// More bytes than the payload limit.
    TooLarge,
    /// The conversion that the method asks for failed (Base64).
    Conversion,
    /// It is not the body that the caller signed.
    HashMismatch,
    /// Its `aws-chunked` coding.
    Coding(CodingFault),
    /// The client's connection.
    Client(BodyFault),
    /// The store refused or lost a step of a multipart upload.
    Store(StoreFault),
}

/// What is wrong with an `aws-chunked` body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingFault {
    /// It is not the coding.
    Framing(DecodeError),
    /// It has more or fewer bytes than `x-amz-decoded-content-length`, or ends after its end.
    Length,
    /// The checksum that was announced did not follow, or another one did.
    Trailer,
    /// The checksum is not that of the bytes.
    Checksum,
}

/// A step of a multipart upload that the store did not answer with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It answered in time, but not with what the step needs.
    Answer,
    /// It did not answer in time.
    TimedOut,
    /// The connection failed.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Loss = Loss {
        reused: true,
        response_begun: false,
        request_sent: true,
    };

    #[test]
    fn a_fresh_connection_or_a_begun_response_forbids_a_retry() {
        assert!(
            !Loss {
                reused: false,
                ..LOST
            }
            .allows_retry(false, false)
        );
        assert!(
            !Loss {
                response_begun: true,
                ..LOST
            }
            .allows_retry(false, true)
        );
        assert!(LOST.allows_retry(false, false));
    }

    #[test]
    fn another_address_may_be_tried_after_a_fresh_connection() {
        let fresh = Loss {
            reused: false,
            ..LOST
        };
        assert!(fresh.allows_retry(false, true));
        assert!(!fresh.allows_retry(true, true));
        assert!(CallFailure::Lost(fresh).is_of_the_address());
        assert!(!CallFailure::Lost(LOST).is_of_the_address());
    }

    #[test]
    fn a_body_that_may_have_been_applied_is_not_sent_again() {
        assert!(!LOST.allows_retry(true, true));
        assert!(
            Loss {
                request_sent: false,
                ..LOST
            }
            .allows_retry(true, false)
        );
    }
}
