//! Keys.

/// An access key pair.
#[derive(Clone, Debug)]
pub struct Credentials;
