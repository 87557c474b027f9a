//! Where bytes meet decisions: one connection, one request.

pub mod access_log;
pub mod body_reader;
pub mod client_body;
pub mod client_response;
pub mod connection;
pub mod download;
pub mod exchange_log;
pub mod failure;
pub mod gateway;
pub mod http_exchange;
pub mod inbox;
pub mod memory_body;
pub mod mock;
pub mod multipart;
pub mod per_core;
pub mod race;
pub mod random_bytes;
pub mod reply;
pub mod roles;
pub mod send;
pub mod server;
pub mod settings;
pub mod upload;
pub mod upstream_call;
pub mod upstreams;
pub mod worker;
