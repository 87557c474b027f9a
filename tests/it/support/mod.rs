//! A gateway in this process, a scripted store behind it, and a client that speaks bytes.

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod documents;
pub(crate) mod fault;
pub(crate) mod gate;
pub(crate) mod gateway;
#[cfg(feature = "http2")]
pub(crate) mod http2_client;
pub(crate) mod message;
pub(crate) mod nobody;
pub(crate) mod object_api;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
pub(crate) mod program;
pub(crate) mod sidecar;
pub(crate) mod signer;
pub(crate) mod store_signature;
pub(crate) mod tls;
pub(crate) mod tls_client;
