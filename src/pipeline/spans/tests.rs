use std::net::SocketAddr;

use super::*;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::request_ids::RequestIds;
use crate::pipeline::spans::notes::S3Object;
use crate::pipeline::trace_context::TraceContext;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::head::HeadLimits;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ENDED_NS: u64 = 1_700_000_000_000_000_000;

fn head(text: &str) -> RequestHead {
    let mut head = RequestHead::default();
    let text = text.replace('\n', "\r\n") + "\r\n\r\n";
    let limits = HeadLimits {
        target_bytes_max: 8192,
        ..HeadLimits::default()
    };
    head.read(text.as_bytes(), &limits).unwrap();
    head
}

fn spans(record: &ExchangeRecord, head: &RequestHead, ended_us: u64) -> Option<ExchangeSpans> {
    let ids = RequestIds::default();
    let context = RequestContext {
        ids: &ids,
        time: UnixSeconds(0),
        time_millis: 0,
        source_ip: "192.0.2.1",
        is_secure: true,
        record,
    };
    let told = ToldExchange {
        context: &context,
        head: Some(head),
        table: None,
        ended_us,
    };
    ExchangeSpans::of(&told, ENDED_NS)
}

fn recorded(head: &RequestHead) -> ExchangeRecord {
    let record = ExchangeRecord::new(Default::default(), 1_000);
    let trace = TraceContext::new(&head.fields, &[0xab; 24]);
    record.record_spans(trace.with_call_span(&[0xcd; 8]));
    record
}

fn text<'s>(span: &'s Span, key: &str) -> Option<&'s str> {
    span.attributes
        .iter()
        .find_map(|(name, value)| match value {
            Value::Text(text) if *name == key => Some(text.as_str()),
            _ => None,
        })
}

fn number(span: &Span, key: &str) -> Option<i64> {
    span.attributes
        .iter()
        .find_map(|(name, value)| match value {
            Value::Number(number) if *name == key => Some(*number),
            _ => None,
        })
}

#[test]
fn an_exchange_is_a_server_span_with_its_call_inside() {
    let head = head(&format!(
        "GET /v1/o/k%20?X-Amz-Signature=secret HTTP/1.1\nHost: api.example:8443\nUser-Agent: t/1\ntraceparent: {PARENT}\ntracestate: a=1\ntracestate: b=2"
    ));
    let record = recorded(&head);
    record.note_for_spans(|notes| {
        notes.client = Some(SocketAddr::from(([192, 0, 2, 7], 5)));
        notes.call = Some(CallNotes {
            method: "PUT".to_owned(),
            scheme: "http",
            authority: "s3.example".to_owned(),
            path: "/b/k%20".to_owned(),
            object: Some(S3Object::of("s3.example", "s3.example", b"/b/k%20")),
            upstream: Some(SocketAddr::from(([192, 0, 2, 9], 80))),
            request_id: Some("R".to_owned()),
            extended_request_id: None,
        });
    });
    record.integration_begins(3_000);
    record.integration_answered(5_000, 404);
    record.set_status(200);
    record.sent_at(|| 5_500);
    let ExchangeSpans { exchange, call } = spans(&record, &head, 9_000).unwrap();
    let call = call.unwrap();
    assert_eq!(exchange.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(exchange.parent_id.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(call.parent_id.as_ref(), Some(&exchange.span_id));
    assert_eq!((call.span_id.as_str(), call.flags), ("cdcdcdcdcdcdcdcd", 1));
    assert_eq!(
        (exchange.kind, call.kind),
        (SpanKind::Server, SpanKind::Client)
    );
    assert_eq!(exchange.trace_state, "a=1,b=2");
    assert_eq!(exchange.ended_ns, ENDED_NS);
    assert_eq!(exchange.ended_ns - exchange.began_ns, 8_000_000);
    assert_eq!(call.began_ns - exchange.began_ns, 2_000_000);
    assert_eq!(call.ended_ns - call.began_ns, 2_000_000);
    assert_eq!((exchange.name.as_str(), call.name.as_str()), ("GET", "PUT"));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "https"),
        ("url.path", "/v1/o/k%20"),
        ("server.address", "api.example"),
        ("client.address", "192.0.2.1"),
        ("network.peer.address", "192.0.2.7"),
        ("user_agent.original", "t/1"),
    ] {
        assert_eq!(text(&exchange, key), Some(value), "{key}");
    }
    assert_eq!(number(&exchange, "server.port"), Some(8443));
    assert_eq!(number(&exchange, "http.response.status_code"), Some(200));
    assert!(!exchange.failed && text(&exchange, "error.type").is_none());
    for (key, value) in [
        ("url.full", "http://s3.example/b/k%20"),
        ("server.address", "s3.example"),
        ("network.peer.address", "192.0.2.9"),
        ("aws.s3.bucket", "b"),
        ("aws.s3.key", "k "),
        ("aws.request_id", "R"),
        ("error.type", "404"),
    ] {
        assert_eq!(text(&call, key), Some(value), "{key}");
    }
    assert_eq!(number(&call, "server.port"), Some(80));
    assert!(call.failed);
    let told = format!("{exchange:?}{call:?}");
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn what_is_not_recorded_has_no_spans() {
    let head = head("GET / HTTP/1.1\nHost: a");
    let record = ExchangeRecord::new(Default::default(), 0);
    record.note_for_spans(|_| panic!("nobody asked"));
    assert_eq!(spans(&record, &head, 1), None);
}

#[test]
fn failures_are_told_by_their_kind_and_refusals_are_none() {
    let head = head("GET / HTTP/1.1\nHost: a");
    let ended = |fill: &dyn Fn(&ExchangeRecord)| {
        let record = recorded(&head);
        fill(&record);
        let span = spans(&record, &head, 2_000).unwrap().exchange;
        assert_eq!(span.failed, text(&span, "error.type").is_some());
        text(&span, "error.type").map(str::to_owned)
    };
    let sent = |record: &ExchangeRecord, status| {
        record.set_status(status);
        record.sent_at(|| 1_500);
    };
    assert_eq!(ended(&|record| sent(record, 404)), None);
    assert_eq!(ended(&|record| sent(record, 502)).as_deref(), Some("502"));
    let fault = ended(&|record| {
        record.set_fault(GatewayFault::integration_timeout());
        sent(record, 504);
    });
    assert_eq!(fault.as_deref(), Some("INTEGRATION_TIMEOUT"));
    let cut = ended(&|record| {
        sent(record, 200);
        record.set_cut();
    });
    assert_eq!(cut.as_deref(), Some("cut"));
    assert_eq!(ended(&|_| {}).as_deref(), Some("client-gone"));
}

#[test]
fn a_call_that_brought_nothing_says_why_and_how_long() {
    let head = head("GET / HTTP/1.1\nHost: a");
    let call = |fill: &dyn Fn(&ExchangeRecord)| {
        let record = recorded(&head);
        record.note_for_spans(|notes| notes.call = Some(CallNotes::default()));
        record.integration_begins(2_000);
        fill(&record);
        spans(&record, &head, 9_000).unwrap().call.unwrap()
    };
    let failed = call(&|record| record.integration_failed(4_000, "no connection"));
    assert_eq!(text(&failed, "error.type"), Some("no connection"));
    assert_eq!(failed.ended_ns - failed.began_ns, 2_000_000);
    let left = call(&|_| {});
    assert_eq!(text(&left, "error.type"), Some("abandoned"));
    assert_eq!(left.ended_ns - left.began_ns, 7_000_000);
    assert_eq!(number(&left, "http.response.status_code"), None);
}

#[test]
fn what_a_client_makes_up_is_kept_short_and_out_of_names() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    let head = head(&format!(
        "BREW /{} HTTP/1.1\nHost: a\nUser-Agent: {long}",
        "p".repeat(TEXT_BYTES_MAX)
    ));
    let span = spans(&recorded(&head), &head, 1).unwrap().exchange;
    assert_eq!(span.name, "HTTP");
    assert_eq!(text(&span, "http.request.method"), Some("_OTHER"));
    assert_eq!(text(&span, "http.request.method_original"), Some("BREW"));
    assert_eq!(text(&span, "url.path").unwrap().len(), TEXT_BYTES_MAX);
    let agent = text(&span, "user_agent.original").unwrap();
    assert_eq!(agent.len(), TEXT_BYTES_MAX, "a whole number of characters");
}
