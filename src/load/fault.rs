//! Why a request has no answer that counts.

use std::fmt;

/// Kinds of faults, as the report counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// No connection could be made.
    Connect,
    /// The connection ended before the response did.
    Cut,
    /// What came was no HTTP response.
    Malformed,
    /// No whole response within the time limit.
    TimedOut,
    /// It was still waiting for a free connection when the run was over.
    NeverSent,
    /// A response with another status than the operation hopes for.
    Status(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("no connection"),
            Self::Cut => f.write_str("connection cut"),
            Self::Malformed => f.write_str("no HTTP response"),
            Self::TimedOut => f.write_str("timed out"),
            Self::NeverSent => f.write_str("never sent"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}
