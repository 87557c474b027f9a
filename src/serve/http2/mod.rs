//! HTTP/2 (RFC 9113), by ALPN, as a second lane into the same stages.
//!
//! The h2 crate speaks the protocol over buffers (`transport.rs`) that the connection's task fills and empties. Each stream is
//! an exchange of its own: its request goes as HTTP/1.1 through a pair of sockets (a lane, `lane.rs`) to the one reader of
//! requests that there is (`serve/connection.rs`), so that every check, limit, stage and answer is that of HTTP/1.1. What a
//! lane costs is a copy through the kernel each way; HTTP/1.1 stays the fast way in. See docs/decisions/0014.

pub mod connection;
pub mod lane;
pub mod request_head;
pub mod response_head;
pub mod transport;
