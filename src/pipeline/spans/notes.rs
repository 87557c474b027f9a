//! What an exchange notes for its spans while it goes on. Never a query, a field value that may hold a secret, a body.

use std::net::SocketAddr;

use crate::pipeline::trace_context::TraceContext;
use crate::wire::percent;

/// Notes of one exchange that is recorded.
#[derive(Debug)]
pub struct SpanNotes {
    /// Its place in its trace.
    pub trace: TraceContext,
    /// The other end of the client's connection.
    pub client: Option<SocketAddr>,
    /// The call to the upstream, once it was about to be sent.
    pub call: Option<CallNotes>,
}

impl SpanNotes {
    /// Nothing noted yet.
    #[must_use]
    pub const fn new(trace: TraceContext) -> Self {
        Self {
            trace,
            client: None,
            call: None,
        }
    }
}

/// A call to an upstream.
#[derive(Debug, Default)]
pub struct CallNotes {
    /// As sent.
    pub method: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The Host field.
    pub authority: String,
    /// The path, without the query.
    pub path: String,
    /// Bucket and key, if it is a call to S3.
    pub object: Option<S3Object>,
    /// Where it was sent.
    pub upstream: Option<SocketAddr>,
    /// `x-amz-request-id` of the answer.
    pub request_id: Option<String>,
    /// `x-amz-id-2` of the answer.
    pub extended_request_id: Option<String>,
}

/// What a call to S3 is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Object {
    /// Empty for calls to the service itself.
    pub bucket: String,
    /// Empty for calls to the bucket.
    pub key: String,
}

impl S3Object {
    /// Bucket and key of a request to `host` at a store that is `authority`: the bucket stands before the authority, or first
    /// in the path.
    #[must_use]
    pub fn of(host: &str, authority: &str, path: &[u8]) -> Self {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let in_host = host.strip_suffix(authority);
        let in_host = in_host.and_then(|bucket| bucket.strip_suffix('.'));
        let (bucket, key) = match in_host {
            Some(bucket) => (bucket.as_bytes(), path),
            None => match path.iter().position(|&byte| byte == b'/') {
                Some(slash) => {
                    let (bucket, rest) = path.split_at(slash);
                    (bucket, rest.get(1..).unwrap_or_default())
                }
                None => (path, b"".as_slice()),
            },
        };
        let text = |raw: &[u8]| String::from_utf8_lossy(&percent::decode(raw)).into_owned();
        Self {
            bucket: text(bucket),
            key: text(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_key_are_found_in_host_and_path() {
        let of = |host: &str, path: &str| {
            let S3Object { bucket, key } = S3Object::of(host, "s3.example:1", path.as_bytes());
            (bucket, key)
        };
        let found = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned());
        assert_eq!(of("s3.example:1", "/b/a%20b/c"), found("b", "a b/c"));
        assert_eq!(of("b.s3.example:1", "/a/c"), found("b", "a/c"));
        assert_eq!(of("s3.example:1", "/b"), found("b", ""));
        assert_eq!(of("s3.example:1", "/"), found("", ""));
        assert_eq!(of("b.s3.example:1", "/"), found("b", ""));
    }
}
