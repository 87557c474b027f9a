//! Why the store did not start, in words for a person: what was tried, what came of it, what would mend it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::store::fault::IndexFault;

/// Why [`super::start`] gave no running store.
#[derive(Debug)]
pub enum StoreError {
    /// The data directory, or something in it, cannot be made, read or written.
    DataDirUnusable {
        /// The directory or file that was tried.
        path: PathBuf,
        /// What the system answered.
        cause: io::Error,
    },
    /// Another process has the data directory open.
    DataDirInUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The index file is not one that this version reads.
    IndexUnreadable {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        cause: IndexFault,
    },
    /// The listening address cannot be bound.
    AddressUnusable {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system answered.
        cause: io::Error,
    },
    /// An access key id or a secret access key is empty.
    CredentialsEmpty,
    /// A thread or the runtime on it could not be started.
    ThreadFailed {
        /// What the system answered.
        cause: io::Error,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDirUnusable { path, cause } => {
                write!(
                    f,
                    "the data directory cannot be used: {}: {cause}; choose one that is writable with --data-dir",
                    path.display()
                )
            }
            Self::DataDirInUse { path } => {
                write!(
                    f,
                    "the data directory {} is in use by another process; stop that one, or choose another with --data-dir",
                    path.display()
                )
            }
            Self::IndexUnreadable { path, cause } => {
                write!(
                    f,
                    "the store's index {} cannot be read: {cause}; choose another directory with --data-dir, or move this one away",
                    path.display()
                )
            }
            Self::AddressUnusable { address, cause } => {
                write!(
                    f,
                    "the store cannot listen on {address}: {cause}; choose another with --store-listen, or port 0 for any free one"
                )
            }
            Self::CredentialsEmpty => {
                write!(
                    f,
                    "the store needs an access key id and a secret access key, neither of them empty"
                )
            }
            Self::ThreadFailed { cause } => {
                write!(
                    f,
                    "the store's threads cannot be started: {cause}; raise the limit on processes"
                )
            }
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::DataDirUnusable { cause, .. }
            | Self::AddressUnusable { cause, .. }
            | Self::ThreadFailed { cause } => Some(cause),
            Self::IndexUnreadable { cause, .. } => Some(cause),
            Self::DataDirInUse { .. } | Self::CredentialsEmpty => None,
        }
    }
}
