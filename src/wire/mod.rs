//! Formats: bytes in, values out and back. No socket, clock, thread or global.

pub mod aws_chunked;
pub mod base64;
pub mod certificate_end;
pub mod checksum;
mod chunk_machine;
pub mod content_coding;
pub mod date;
pub mod few;
pub mod forwarded_for;
pub mod http1;
pub mod media_type;
pub mod percent;
pub mod proxy_protocol;
pub mod query;
pub mod s3_xml;
pub mod sigv4;
pub mod target;
pub mod utf8;
