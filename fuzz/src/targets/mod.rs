//! What each fuzz target does with its input. A target fails by a panic: an assertion, or a fault of the code under test.
//!
//! `fuzz_targets/` hands these functions to libFuzzer, `tests/fuzz_seeds.rs` runs them over the committed seeds.

pub mod access_log;
pub mod authorization;
pub mod aws_chunked;
pub mod base64;
pub mod chunked;
pub mod content_coding;
mod cuts;
pub mod iam_policy;
pub mod json_path;
pub mod openapi;
pub mod proxy_protocol;
pub mod request_head;
pub mod response_head;
pub mod s3_xml;
pub mod settings;
pub mod target;
pub mod template;
pub mod utf8;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("access_log", access_log::run),
    ("authorization", authorization::run),
    ("aws_chunked", aws_chunked::run),
    ("base64", base64::run),
    ("chunked", chunked::run),
    ("content_coding", content_coding::run),
    ("iam_policy", iam_policy::run),
    ("json_path", json_path::run),
    ("openapi", openapi::run),
    ("proxy_protocol", proxy_protocol::run),
    ("request_head", request_head::run),
    ("response_head", response_head::run),
    ("s3_xml", s3_xml::run),
    ("settings", settings::run),
    ("target", target::run),
    ("template", template::run),
    ("utf8", utf8::run),
];
