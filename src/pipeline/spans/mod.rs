//! The spans of an exchange: the client's request, and in it the call to the upstream. Names are those of OpenTelemetry's
//! semantic conventions for HTTP (stable since 1.23) and for S3. Never a query: it may hold a signature.

pub mod notes;
pub mod sampler;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::exchange_record::IntegrationCall;
use crate::pipeline::exchange_record::Outcome;
use crate::pipeline::spans::notes::CallNotes;
use crate::pipeline::spans::notes::SpanNotes;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::host;

/// Bytes of a text that a client chose; what is longer is cut. Bounds what waits for a collector.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Bytes of a `tracestate` that goes along; a longer one is left out (Trace Context §3.3.1.5 asks for 512 at least).
const TRACE_STATE_BYTES_MAX: usize = 512;
const NANOS_PER_MICRO: u64 = 1_000;
/// Methods that have a name of their own in the conventions (RFC 9110 §9, RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// In place of any other method.
const OTHER_METHOD: &str = "_OTHER";

/// Whose work a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A request that was answered.
    Server,
    /// A request that was made.
    Client,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// 16 bytes as 32 hex digits.
    pub trace_id: String,
    /// 8 bytes as 16 hex digits.
    pub span_id: String,
    /// The span that this one is part of.
    pub parent_id: Option<String>,
    /// Whether that one belongs to another process.
    pub has_remote_parent: bool,
    /// Trace flags (Trace Context §3.2.2.5).
    pub flags: u8,
    /// The client's `tracestate`.
    pub trace_state: String,
    /// Whose work it is.
    pub kind: SpanKind,
    /// Method and route.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub began_ns: u64,
    /// Nanoseconds since the epoch.
    pub ended_ns: u64,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Whether it failed.
    pub failed: bool,
}

/// A name and its value.
pub type Attribute = (&'static str, Value);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// What is told of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSpans {
    /// The client's request.
    pub exchange: Span,
    /// The call to the upstream, if one was made.
    pub call: Option<Span>,
}

impl ExchangeSpans {
    /// The spans of an exchange that is recorded; it ended at `ended_ns` since the epoch.
    #[must_use]
    pub fn of(told: &ToldExchange<'_>, ended_ns: u64) -> Option<Self> {
        let record = told.context.record;
        record.with_spans(|notes| {
            let began_ns = ended_ns.saturating_sub(nanos(record.latency_us(told.ended_us)));
            Self {
                exchange: of_exchange(told, notes, began_ns, ended_ns),
                call: of_call(told, notes, began_ns),
            }
        })
    }

    /// How many spans these are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        1 + self.call.is_some() as u64
    }
}

const fn nanos(us: u64) -> u64 {
    us.saturating_mul(NANOS_PER_MICRO)
}

fn of_exchange(told: &ToldExchange<'_>, notes: &SpanNotes, began_ns: u64, ended_ns: u64) -> Span {
    let context = told.context;
    let record = context.record;
    let mut attributes = Attributes::default();
    let method = told.head.map_or(OTHER_METHOD, |head| {
        attributes.method(&String::from_utf8_lossy(head.method()))
    });
    let scheme = if context.is_secure { "https" } else { "http" };
    attributes.text("url.scheme", scheme);
    if let Some(head) = told.head {
        attributes.of_head(head);
    }
    let route = told.table.and_then(|table| {
        let method = table.methods.get(record.series()?)?;
        Some(method.resource_path.as_str())
    });
    if let Some(route) = route {
        attributes.text("http.route", route);
    }
    let peer_ip = notes.client.map(|peer| peer.ip().to_string());
    attributes.text(
        "client.address",
        match context.source_ip {
            // A sidecar asks for it only where a log does.
            "" => peer_ip.as_deref().unwrap_or_default(),
            known => known,
        },
    );
    attributes.peer(notes.client);
    let outcome = record.outcome();
    if let Some(status) = record.status().filter(|_| outcome != Outcome::ClientGone) {
        attributes.number("http.response.status_code", u64::from(status));
    }
    let failure = failure_of(record, outcome);
    if let Some(failure) = &failure {
        attributes.text("error.type", failure);
    }
    attributes.text("sluicegate.request_id", context.ids.request_id());
    attributes.number("http.request.body.size", record.request_bytes());
    attributes.number("http.response.body.size", record.response_bytes());
    let name = match route {
        Some(route) => format!("{} {route}", name_of(method)),
        None => name_of(method).to_owned(),
    };
    let trace = &notes.trace;
    Span {
        trace_id: trace.trace_id().to_owned(),
        span_id: trace.span_id().to_owned(),
        parent_id: trace.parent_id().map(str::to_owned),
        has_remote_parent: trace.parent_id().is_some(),
        flags: trace.flags(),
        trace_state: trace_state(told, notes),
        kind: SpanKind::Server,
        name,
        began_ns,
        ended_ns,
        attributes: attributes.list,
        failed: failure.is_some(),
    }
}

/// The call until its answer's head: what follows is the exchange's.
fn of_call(told: &ToldExchange<'_>, notes: &SpanNotes, exchange_began_ns: u64) -> Option<Span> {
    let record = told.context.record;
    let call = notes.call.as_ref()?;
    let timed: IntegrationCall = record.integration();
    let begun_us = timed.begun_us?.saturating_sub(record.begun_us());
    let began_ns = exchange_began_ns.saturating_add(nanos(begun_us));
    // A call that nobody waited for to the end, because the client went away.
    let lasted_us = timed
        .latency_us
        .unwrap_or_else(|| record.latency_us(told.ended_us).saturating_sub(begun_us));
    let mut attributes = Attributes::default();
    let method = attributes.method(&call.method);
    let (host, port) = address_of(call.authority.as_bytes());
    attributes.text("server.address", &host);
    let port_default = if call.scheme == "https" { 443 } else { 80 };
    attributes.number("server.port", u64::from(port.unwrap_or(port_default)));
    attributes.text("url.full", &url_of(call));
    attributes.peer(call.upstream);
    if let Some(status) = timed.status {
        attributes.number("http.response.status_code", u64::from(status));
    }
    let failure = match (timed.error, timed.status) {
        (Some(error), _) => Some(error.to_owned()),
        (None, Some(status)) if status >= 400 => Some(status.to_string()),
        (None, Some(_)) => None,
        (None, None) => Some("abandoned".to_owned()),
    };
    if let Some(failure) = &failure {
        attributes.text("error.type", failure);
    }
    if let Some(object) = &call.object {
        attributes.text("aws.s3.bucket", &object.bucket);
        attributes.text("aws.s3.key", &object.key);
    }
    attributes.text("aws.request_id", call.request_id.as_deref().unwrap_or(""));
    let extended = call.extended_request_id.as_deref().unwrap_or("");
    attributes.text("aws.extended_request_id", extended);
    let trace = &notes.trace;
    Some(Span {
        trace_id: trace.trace_id().to_owned(),
        span_id: trace.call_span_id().to_owned(),
        parent_id: Some(trace.span_id().to_owned()),
        has_remote_parent: false,
        flags: trace.flags(),
        trace_state: trace_state(told, notes),
        kind: SpanKind::Client,
        name: name_of(method).to_owned(),
        began_ns,
        ended_ns: began_ns.saturating_add(nanos(lasted_us)),
        attributes: attributes.list,
        failed: failure.is_some(),
    })
}

/// `error.type` of the exchange. A refusal of the client's request is no failure of ours.
fn failure_of(record: &ExchangeRecord, outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Cut => Some("cut".to_owned()),
        Outcome::ClientGone => Some("client-gone".to_owned()),
        Outcome::ClientSlow => Some("client-slow".to_owned()),
        Outcome::Complete => {
            let status = record.status().filter(|&status| status >= 500)?;
            let kind = record.with_fault(|fault| fault.kind().map(|kind| kind.as_str().to_owned()));
            Some(kind.flatten().unwrap_or_else(|| status.to_string()))
        }
    }
}

/// A span's name never holds what a client made up.
fn name_of(method: &'static str) -> &'static str {
    if method == OTHER_METHOD {
        "HTTP"
    } else {
        method
    }
}

fn url_of(call: &CallNotes) -> String {
    format!("{}://{}{}", call.scheme, call.authority, call.path)
}

/// The client's own, of its own trace.
fn trace_state(told: &ToldExchange<'_>, notes: &SpanNotes) -> String {
    let Some(head) = told.head.filter(|_| notes.trace.parent_id().is_some()) else {
        return String::new();
    };
    let lines: Vec<_> = head.fields.all(b"tracestate").collect();
    let joined = lines.join(b",".as_slice());
    let fits = joined.len() <= TRACE_STATE_BYTES_MAX;
    match String::from_utf8(joined) {
        Ok(text) if fits => text,
        _ => String::new(),
    }
}

/// Host and port of an authority.
fn address_of(authority: &[u8]) -> (String, Option<u16>) {
    let (name, port) = host::split_port(authority);
    let digits = |port: &[u8]| {
        let is_number = port.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(port)
            .ok()
            .filter(|_| is_number)?
            .parse()
            .ok()
    };
    (
        String::from_utf8_lossy(name).into_owned(),
        port.and_then(digits),
    )
}

#[derive(Default)]
struct Attributes {
    list: Vec<Attribute>,
}

impl Attributes {
    /// A text, unless there is none.
    fn text(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            let end = text.floor_char_boundary(TEXT_BYTES_MAX);
            let kept = text.get(..end).unwrap_or_default();
            self.list.push((key, Value::Text(kept.to_owned())));
        }
    }

    fn number(&mut self, key: &'static str, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.list.push((key, Value::Number(number)));
    }

    /// The method, if it is a known one, else as it was sent beside a stand-in.
    fn method(&mut self, sent: &str) -> &'static str {
        let known = METHODS.into_iter().find(|known| *known == sent);
        let method = known.unwrap_or(OTHER_METHOD);
        self.text("http.request.method", method);
        if known.is_none() {
            self.text("http.request.method_original", sent);
        }
        method
    }

    /// What a request's head says.
    fn of_head(&mut self, head: &RequestHead) {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let path = head.target().split(|&byte| byte == b'?').next();
        self.text("url.path", &text(path.unwrap_or_default()));
        let fields: &Fields = &head.fields;
        if let Some(host) = fields.last(b"host") {
            let (address, port) = address_of(host);
            self.text("server.address", &address);
            if let Some(port) = port {
                self.number("server.port", u64::from(port));
            }
        }
        let agent = fields.last(b"user-agent").unwrap_or_default();
        self.text("user_agent.original", &text(agent));
    }

    fn peer(&mut self, peer: Option<SocketAddr>) {
        if let Some(peer) = peer {
            self.text("network.peer.address", &peer.ip().to_string());
            self.number("network.peer.port", u64::from(peer.port()));
        }
    }
}
