//! TLS: our side towards upstreams and clients; its bytes are moved by `net/stream/session/`.

pub mod certificate;
pub mod client;
pub mod server;
pub mod trust;
