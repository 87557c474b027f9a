//! What TLS needs beyond a connection: whom to trust.

pub mod client;
pub mod trust;
