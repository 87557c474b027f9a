//! What a failure of our own becomes: a line in the log and an `InternalError` without particulars.

use std::error::Error;
use std::fmt;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

/// Logs `cause` and gives what the client may know of it.
pub(crate) fn internal_error(cause: impl fmt::Display) -> S3Error {
    tracing::error!(%cause, "the store failed");
    S3Error::new(S3ErrorCode::InternalError)
}

/// An error whose code `s3s` has no name for.
pub(crate) fn custom_error(code: &'static str, status: StatusCode, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// A failure of the index.
#[derive(Debug)]
pub enum IndexFault {
    /// The database's own.
    Database(redb::Error),
    /// A record is not what this version writes.
    Record(serde_json::Error),
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(cause) => write!(f, "{cause}"),
            Self::Record(cause) => write!(f, "a record is not readable: {cause}"),
        }
    }
}

impl Error for IndexFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database(cause) => Some(cause),
            Self::Record(cause) => Some(cause),
        }
    }
}

impl From<redb::DatabaseError> for IndexFault {
    fn from(cause: redb::DatabaseError) -> Self {
        Self::Database(cause.into())
    }
}

impl From<serde_json::Error> for IndexFault {
    fn from(cause: serde_json::Error) -> Self {
        Self::Record(cause)
    }
}

impl From<redb::TransactionError> for IndexFault {
    fn from(cause: redb::TransactionError) -> Self {
        Self::Database(cause.into())
    }
}

impl From<redb::TableError> for IndexFault {
    fn from(cause: redb::TableError) -> Self {
        Self::Database(cause.into())
    }
}

impl From<redb::StorageError> for IndexFault {
    fn from(cause: redb::StorageError) -> Self {
        Self::Database(cause.into())
    }
}

impl From<redb::CommitError> for IndexFault {
    fn from(cause: redb::CommitError) -> Self {
        Self::Database(cause.into())
    }
}

impl From<IndexFault> for S3Error {
    fn from(fault: IndexFault) -> Self {
        internal_error(fault)
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum NoChange {
    /// The state of the store forbids it; nothing was written.
    Refused(S3Error),
    /// The index failed.
    Fault(IndexFault),
}

impl From<S3Error> for NoChange {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl From<S3ErrorCode> for NoChange {
    fn from(code: S3ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}

impl From<IndexFault> for NoChange {
    fn from(fault: IndexFault) -> Self {
        Self::Fault(fault)
    }
}
