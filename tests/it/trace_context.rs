//! W3C traces through the gateway and the sidecar: in, on to the store, into the log; nothing of it unless asked for.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::serve::access_log::AccessLog;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::fetch;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::settings;
use crate::support::message::Message;
use crate::support::sidecar::sidecar_settings;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// No line takes this long; without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(120);

fn store() -> Backend {
    Backend::answering(|_| response(200, &[], b""))
}

fn get(address: SocketAddr, fields: &[(&str, &str)]) {
    let answer = fetch(address, "GET", "/v1/o/k", fields, b"");
    assert_eq!(answer.status(), 200);
}

/// Trace, span and flags of the last request that the store saw.
fn seen(store: &Backend) -> [String; 3] {
    let request: Message = store.requests().pop().unwrap();
    let value = request.field("traceparent").unwrap();
    let [version, trace, span, flags] = *value.split('-').collect::<Vec<_>>() else {
        panic!("{value}");
    };
    assert_eq!((version, trace.len(), span.len()), ("00", 32, 16));
    [trace, span, flags].map(str::to_owned)
}

#[test]
fn a_clients_trace_reaches_the_store_under_a_span_of_its_own_and_the_log() {
    let store = store();
    let (log, lines) = AccessLog::new(
        AccessLogFormat::compile(
            r#"{"id":"$context.requestId","trace":"$context.sluicegate.traceId","span":"$context.sluicegate.spanId"}"#,
        )
        .unwrap(),
    );
    let mut settings = settings(objects(), &store.url());
    settings.edge.trace_context = true;
    settings.access_log = Some(log);
    let gateway = Gateway::start(settings);
    let client = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    get(gateway.address, &client);
    let [trace, span, flags] = seen(&store);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    assert_ne!(span, "00f067aa0ba902b7");
    let request = store.requests().pop().unwrap();
    assert_eq!(request.field("tracestate"), Some("vendor=1"));
    let line = lines.recv_timeout(WAIT_MAX).unwrap();
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(
        (line["trace"].as_str(), line["span"].as_str()),
        (Some(TRACE), Some(span.as_str()))
    );
}

#[test]
fn without_a_valid_one_each_request_begins_a_trace() {
    let store = store();
    let mut settings = settings(objects(), &store.url());
    settings.edge.trace_context = true;
    let gateway = Gateway::start(settings);
    get(gateway.address, &[]);
    let [first, _, flags] = seen(&store);
    assert_eq!(flags, "02", "nobody has decided to record it");
    let broken = [("traceparent", "00-1-2-3"), ("tracestate", "vendor=1")];
    get(gateway.address, &broken);
    let [second, _, _] = seen(&store);
    assert!(first != second && second != TRACE);
    assert_eq!(store.requests().pop().unwrap().field("tracestate"), None);
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    let store = store();
    let gateway = Gateway::on(DriverChoice::Auto, objects(), &store.url());
    get(gateway.address, &[("traceparent", PARENT)]);
    let request = store.requests().pop().unwrap();
    assert_eq!(request.field("traceparent"), None);
}

#[test]
fn the_sidecar_continues_traces_too() {
    let store = store();
    let mut settings = sidecar_settings(DriverChoice::Auto, &store.url());
    settings.edge.trace_context = true;
    let sidecar = Gateway::start(settings);
    let client = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    let answer = fetch(sidecar.address, "GET", "/b/k", &client, b"");
    assert_eq!(answer.status(), 200);
    let [trace, span, flags] = seen(&store);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    assert_ne!(span, "00f067aa0ba902b7");
    let request = store.requests().pop().unwrap();
    assert_eq!(request.field("tracestate"), Some("vendor=1"));
}
