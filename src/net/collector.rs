//! One call to a collector of telemetry by OTLP/HTTP (OpenTelemetry Protocol Specification, "OTLP/HTTP"), blocking.

use std::fmt;
use std::time::Duration;

use ureq::Agent;

use crate::net::blocking_http::agent;
use crate::net::blocking_http::told;
use crate::net::tls::trust::Trust;

/// Until a connection stands.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// For a whole call that says nothing of it.
const CALL_MAX: Duration = Duration::from_secs(60);
/// What is read of an answer: a message of a few lines.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Statuses after which the same may be sent again ("Retryable Response Codes").
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// Where spans are posted.
pub struct Collector {
    agent: Agent,
    url: String,
    fields: Vec<(String, String)>,
    gzip: bool,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted {
    /// The collector took it; the body of its answer.
    Taken(Vec<u8>),
    /// It never will.
    Refused {
        /// The answer's status.
        status: u16,
    },
    /// It may later.
    Later {
        /// What stood in the way.
        cause: String,
        /// When the collector says, if it does.
        after: Option<Duration>,
    },
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path may be as good as a password.
        let origin: Vec<&str> = self.url.split('/').take(3).collect();
        f.write_str(&origin.join("/"))
    }
}

impl Collector {
    /// Posts to `url` with these fields; `gzip` tells how bodies are compressed.
    #[must_use]
    pub fn new(url: String, fields: Vec<(String, String)>, gzip: bool, trust: &Trust) -> Self {
        let agent = agent(trust, CONNECT_MAX, CALL_MAX);
        Self {
            agent,
            url,
            fields,
            gzip,
        }
    }

    /// Posts a message, `body` compressed already if that was said; waits at most `call_max`.
    #[must_use]
    pub fn post(&self, body: &[u8], call_max: Duration) -> Posted {
        let request = self.agent.post(&self.url).config();
        let mut request = request.timeout_global(Some(call_max)).build();
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        request = request
            .header("Content-Type", "application/x-protobuf")
            .header(
                "User-Agent",
                concat!("sluicegate/", env!("CARGO_PKG_VERSION")),
            );
        if self.gzip {
            request = request.header("Content-Encoding", "gzip");
        }
        match request.send(body) {
            Ok(answer) => posted(answer),
            Err(error) => Posted::Later {
                cause: told(&error),
                after: None,
            },
        }
    }
}

fn posted(answer: http::Response<ureq::Body>) -> Posted {
    let status = answer.status().as_u16();
    if RETRYABLE.contains(&status) {
        let after = answer.headers().get("retry-after");
        return Posted::Later {
            cause: format!("status {status}"),
            after: after.and_then(|value| seconds(value.as_bytes())),
        };
    }
    if !(200..300).contains(&status) {
        return Posted::Refused { status };
    }
    // A collector that took the spans and whose answer breaks off has taken them.
    let mut body = answer.into_body();
    let read = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    Posted::Taken(read.unwrap_or_default())
}

/// `Retry-After` in seconds; a date (RFC 9110 §10.2.3) is as if nothing was said.
fn seconds(value: &[u8]) -> Option<Duration> {
    const DIGITS_MAX: usize = 6;
    let is_number = (1..=DIGITS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds() {
        assert_eq!(seconds(b"0"), Some(Duration::ZERO));
        assert_eq!(seconds(b"120"), Some(Duration::from_secs(120)));
        for other in [
            &b""[..],
            b"-1",
            b"+1",
            b"1.5",
            b"9999999",
            b"Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(seconds(other), None);
        }
    }

    #[test]
    fn debug_shows_no_field() {
        let fields = vec![("k".to_owned(), "secret".to_owned())];
        let url = "http://a:1/secret/v1/traces".to_owned();
        let collector = Collector::new(url, fields, false, &Trust::default());
        assert_eq!(format!("{collector:?}"), "http://a:1");
    }
}
