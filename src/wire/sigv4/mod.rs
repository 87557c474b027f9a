//! AWS Signature Version 4 (spec 09 and 10): signing towards S3 and verifying `execute-api` callers.

pub mod authorization;
pub(crate) mod canonical_headers;
pub(crate) mod canonical_query;
pub mod canonical_request;
pub mod chunk_signature;
pub mod credentials;
pub(crate) mod hex;
pub mod payload_hash;
pub mod signing_key;
pub mod verify;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod vector_tests;
