//! The `aws-chunked` coding (spec 10, "Chunked signing").

pub mod decode;
pub mod encode;
