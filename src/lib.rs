//! sluicegate: an API Gateway S3 proxy in front of any S3-compatible store.
//!
//! The floors, lowest first; each may use only those that `docs/architecture.md` names for it.
#![forbid(unsafe_code)]

pub mod wire;

pub mod vtl;

pub mod api;

pub mod pipeline;

pub mod load;
pub mod net;

pub mod serve;

#[cfg(feature = "demo")]
pub mod store;

pub mod app;
