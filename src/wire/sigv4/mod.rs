//! AWS Signature Version 4 (spec 09 and 10).

pub mod authorization;
pub mod canonical_request;
pub mod chunk_signature;
pub mod credentials;
pub mod signing_key;
