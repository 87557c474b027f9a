//! Spans as a collector wants them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::app::otlp::message::Any;
use crate::app::otlp::message::AnyValue;
use crate::app::otlp::message::ExportRequest;
use crate::app::otlp::message::FLAG_KNOWS_REMOTE;
use crate::app::otlp::message::FLAG_REMOTE_PARENT;
use crate::app::otlp::message::KIND_CLIENT;
use crate::app::otlp::message::KIND_SERVER;
use crate::app::otlp::message::KeyValue;
use crate::app::otlp::message::Resource;
use crate::app::otlp::message::ResourceSpans;
use crate::app::otlp::message::STATUS_ERROR;
use crate::app::otlp::message::Scope;
use crate::app::otlp::message::ScopeSpans;
use crate::app::otlp::message::Span as Encoded;
use crate::app::otlp::message::Status;
use crate::pipeline::spans::ExchangeSpans;
use crate::pipeline::spans::Span;
use crate::pipeline::spans::SpanKind;
use crate::pipeline::spans::Value;

/// The version of the semantic conventions that names follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.23.0";

/// An `ExportTraceServiceRequest` of these exchanges.
pub fn request(
    resource: &[(String, String)],
    exchanges: Vec<ExchangeSpans>,
    gzip: bool,
) -> Vec<u8> {
    let attributes = resource.iter();
    let attributes = attributes.map(|(key, value)| key_value(key, Value::Text(value.clone())));
    let spans = exchanges.into_iter();
    let spans = spans.flat_map(|ExchangeSpans { exchange, call }| [Some(exchange), call]);
    let request = ExportRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: attributes.collect(),
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(Scope {
                    name: env!("CARGO_PKG_NAME").to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }),
                spans: spans.flatten().map(encoded).collect(),
                schema_url: SCHEMA.to_owned(),
            }],
        }],
    };
    let plain = request.encode_to_vec();
    if gzip { compressed(&plain) } else { plain }
}

fn encoded(span: Span) -> Encoded {
    let remote = if span.has_remote_parent {
        FLAG_REMOTE_PARENT
    } else {
        0
    };
    let attributes = span.attributes.into_iter();
    Encoded {
        trace_id: bytes(&span.trace_id),
        span_id: bytes(&span.span_id),
        trace_state: span.trace_state,
        parent_span_id: span.parent_id.as_deref().map(bytes).unwrap_or_default(),
        name: span.name,
        kind: match span.kind {
            SpanKind::Server => KIND_SERVER,
            SpanKind::Client => KIND_CLIENT,
        },
        start_time_unix_nano: span.began_ns,
        end_time_unix_nano: span.ended_ns,
        attributes: attributes
            .map(|(key, value)| key_value(key, value))
            .collect(),
        status: span.failed.then_some(Status { code: STATUS_ERROR }),
        flags: u32::from(span.flags) | FLAG_KNOWS_REMOTE | remote,
    }
}

fn key_value(key: &str, value: Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => Any::Text(text),
        Value::Number(number) => Any::Number(number),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
    }
}

/// The bytes of an id's hex digits.
fn bytes(hex: &str) -> Vec<u8> {
    let nibbles: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| match *pair {
        [high, low] => u8::try_from(high * 16 + low).unwrap_or_default(),
        _ => 0,
    };
    nibbles.chunks(2).map(byte).collect()
}

/// A vector takes every byte, so that nothing fails.
fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(plain);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn span(parent_id: Option<&str>) -> Span {
        Span {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            span_id: "00f067aa0ba902b7".to_owned(),
            parent_id: parent_id.map(str::to_owned),
            has_remote_parent: parent_id.is_some(),
            flags: 1,
            trace_state: String::new(),
            kind: SpanKind::Server,
            name: "GET".to_owned(),
            began_ns: 1,
            ended_ns: 2,
            attributes: vec![("a", Value::Text("t".to_owned())), ("n", Value::Number(-1))],
            failed: true,
        }
    }

    #[test]
    fn ids_are_bytes_and_a_root_has_no_parent() {
        let root = encoded(span(None));
        assert_eq!(root.span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert_eq!((root.trace_id.len(), root.parent_span_id.len()), (16, 0));
        assert_eq!(root.flags, 0x101);
        let child = encoded(span(Some("00000000000000ff")));
        assert_eq!(child.parent_span_id, [0, 0, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(child.flags, 0x301);
    }

    #[test]
    fn compressed_is_the_same_request() {
        let exchanges = || {
            vec![ExchangeSpans {
                exchange: span(None),
                call: Some(span(None)),
            }]
        };
        let plain = request(&[], exchanges(), false);
        let mut unpacked = Vec::new();
        let packed = request(&[], exchanges(), true);
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
        let read = ExportRequest::decode(plain.as_slice()).unwrap();
        assert_eq!(read.resource_spans[0].scope_spans[0].spans.len(), 2);
    }
}
