//! Where the store is.

/// A store's address.
#[derive(Clone, Debug)]
pub struct Endpoint;
