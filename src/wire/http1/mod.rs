//! HTTP/1.1 messages (RFC 9112), sans I/O.

pub mod chunked;
pub mod encode;
mod field_block;
pub mod fields;
pub mod framing;
pub mod head;
pub mod host;
pub mod persistence;
mod start_line;
