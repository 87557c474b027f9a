//! The sidecar: any S3 request in, the same one out, to be signed anew. Heads in, heads out; no I/O.

pub mod allow_list;
pub mod authenticate;
pub mod body_mode;
pub mod forward;
pub mod s3_fault;
