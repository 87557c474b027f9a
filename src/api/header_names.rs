//! Headers that mappings cannot use as they are named (spec 02). Names in lower case.

/// Mapping targets that fail an `aws` integration with 500 (spec 02, "Mapping targets").
pub const FORBIDDEN_TARGETS: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "proxy-authenticate",
    "te",
    "transfer-encoding",
    "x-amzn-apigateway-api-id",
    "x-amzn-trace-id",
];

/// Mapping targets that fail an `http` or `http_proxy` integration with 500 (spec 02, "Mapping targets").
pub const HTTP_FORBIDDEN_TARGETS: [&str; 4] = [
    "content-length",
    "transfer-encoding",
    "x-amzn-apigateway-api-id",
    "x-amzn-trace-id",
];

/// Mapping targets without effect on an `aws` integration: `Referer`, and what signing writes by itself.
pub const TARGETS_WITHOUT_EFFECT: [&str; 7] = [
    "host",
    "referer",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-trailer",
];

/// Response headers that get `x-amzn-Remapped-` before their name, whatever the integration (spec 02, "Remap and drop").
pub const REMAPPED: [&str; 4] = ["connection", "content-length", "date", "server"];

/// Whether `name`, in any case, is in `list`.
#[must_use]
pub fn is_listed(list: &[&str], name: &str) -> bool {
    list.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}
