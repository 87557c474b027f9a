//! Spans of the real program at a collector that decodes them, and collectors that are away, slow, busy or unwilling.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gate::Gate;
use crate::support::object_api::object_api;
use crate::support::otlp::ReadSpan;
use crate::support::otlp::read_export;
use crate::support::program::Running;
use crate::support::program::sluicegate;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: (&str, &str) = (
    "traceparent",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
);
const UNSAMPLED: (&str, &str) = (
    "traceparent",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
);

/// A program that exports spans.
struct Served {
    running: Running,
    data: SocketAddr,
    admin: SocketAddr,
    _folder: tempfile::TempDir,
}

fn store() -> Backend {
    Backend::answering(|_| {
        response(
            200,
            &[("x-amz-request-id", "R1"), ("x-amz-id-2", "X2")],
            b"stored",
        )
    })
}

fn serve(store: &Backend, collector: &str, options: &[&str], variables: &[(&str, &str)]) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("api.json");
    std::fs::write(&document, object_api().to_string()).unwrap();
    let url = store.url();
    let fixed = [
        "serve",
        "--api",
        document.to_str().unwrap(),
        "--s3-endpoint",
        &url,
    ];
    start(&[&fixed, options].concat(), collector, variables, folder)
}

fn start(
    arguments: &[&str],
    collector: &str,
    variables: &[(&str, &str)],
    folder: tempfile::TempDir,
) -> Served {
    let fixed = [
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--otlp-endpoint",
        collector,
    ];
    let mut command = sluicegate(&[arguments, &fixed].concat());
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    command.envs(variables.iter().copied());
    let mut running = Running::start(&mut command);
    let data = running.address();
    let admin = running.lines_until("dashboard at ").pop().unwrap();
    let admin = admin
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches('/')
        .parse()
        .unwrap();
    Served {
        running,
        data,
        admin,
        _folder: folder,
    }
}

/// What became of spans, by result.
fn counts(admin: SocketAddr) -> BTreeMap<String, u64> {
    let mut client = Client::connect(admin);
    let page = client.exchange("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let text = String::from_utf8(page.body).unwrap();
    let lines = text.lines();
    let samples = lines.filter_map(|line| line.strip_prefix("sluicegate_spans_total{result=\""));
    let pairs = samples.map(|rest| {
        let (result, count) = rest.split_once("\"} ").unwrap();
        (result.to_owned(), count.parse().unwrap())
    });
    pairs.collect()
}

fn wait_for(admin: SocketAddr, result: &str, count: u64) {
    while counts(admin)[result] < count {
        std::thread::yield_now();
    }
}

/// All spans that a collector got.
fn spans(collector: &Backend) -> Vec<ReadSpan> {
    let requests = collector.requests();
    let read = requests
        .iter()
        .flat_map(|request| read_export(&request.body).1);
    read.collect()
}

fn of_kind(spans: &[ReadSpan], kind: u64) -> Vec<&ReadSpan> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

fn has(span: &ReadSpan, attributes: &[(&str, &str)]) {
    for (key, value) in attributes {
        let found = span.attributes.get(*key).map(String::as_str);
        assert_eq!(found, Some(*value), "{key}");
    }
}

/// How the spans of an exchange with the trace of [`SAMPLED`] and of its call belong together.
fn belong_together(exchange: &ReadSpan, call: &ReadSpan) {
    assert_eq!((exchange.kind, call.kind), (2, 3));
    assert_eq!((&*exchange.trace_id, &*call.trace_id), (TRACE, TRACE));
    assert_eq!(exchange.parent_id, "00f067aa0ba902b7");
    assert_eq!(call.parent_id, exchange.span_id);
    // Sampled, known to be the client's own or this process's.
    assert_eq!((exchange.flags, call.flags), (0x301, 0x101));
    assert!(exchange.began_ns <= call.began_ns && call.began_ns <= call.ended_ns);
    assert!(call.ended_ns <= exchange.ended_ns && exchange.began_ns > 1_700_000_000_000_000_000);
}

#[test]
fn an_exchange_and_its_call_reach_the_collector() {
    for driver in ["auto", "epoll"] {
        let (store, collector) = (store(), Backend::answering(|_| response(200, &[], b"")));
        let variables = [
            ("OTEL_SERVICE_NAME", "files"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=test",
            ),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=of%20the%20collector"),
        ];
        let driver = ["--io-driver", driver];
        let served = serve(&store, &collector.url(), &driver, &variables);
        let target = "/o/photos/a%20b.jpg?X-Amz-Signature=of-nobody";
        let client = [SAMPLED, ("tracestate", "vendor=1"), ("User-Agent", "t/1")];
        let answer = fetch(served.data, "GET", target, &client, b"");
        assert_eq!(answer.status(), 200);
        assert_eq!(served.running.end("TERM"), 0);
        let posted = collector.requests().pop().unwrap();
        assert_eq!(posted.start, "POST /v1/traces HTTP/1.1");
        assert_eq!(posted.field("content-type"), Some("application/x-protobuf"));
        assert_eq!(posted.field("api-key"), Some("of the collector"));
        let (resource, spans) = read_export(&posted.body);
        assert_eq!(resource["service.name"], "files");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(resource["deployment.environment.name"], "test");
        let [exchange, call] = &spans[..] else {
            panic!("{spans:?}");
        };
        belong_together(exchange, call);
        assert_eq!(exchange.trace_state, "vendor=1");
        let seen = store.requests().pop().unwrap();
        let wanted = format!("00-{TRACE}-{}-01", call.span_id);
        assert_eq!(seen.field("traceparent"), Some(wanted.as_str()));
        assert_eq!(exchange.name, "GET /{bucket}/{key}");
        assert_eq!((exchange.status, call.status), (0, 0));
        assert!(!format!("{spans:?}").contains("of-nobody"), "no query");
        of_a_download(exchange, call, &store);
    }
}

/// The attributes of a download of `a b.jpg` from `photos`.
fn of_a_download(exchange: &ReadSpan, call: &ReadSpan, store: &Backend) {
    has(
        exchange,
        &[
            ("http.request.method", "GET"),
            ("url.path", "/o/photos/a%20b.jpg"),
            ("url.scheme", "http"),
            ("http.route", "/{bucket}/{key}"),
            ("http.response.status_code", "200"),
            ("server.address", "gateway.example"),
            ("client.address", "127.0.0.1"),
            ("network.peer.address", "127.0.0.1"),
            ("user_agent.original", "t/1"),
            ("http.response.body.size", "6"),
        ],
    );
    let url = format!("{}/photos/a%20b.jpg", store.url());
    let port = store.address().port().to_string();
    has(
        call,
        &[
            ("http.request.method", "GET"),
            ("url.full", &url),
            ("server.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("http.response.status_code", "200"),
            ("aws.s3.bucket", "photos"),
            ("aws.s3.key", "a b.jpg"),
            ("aws.request_id", "R1"),
            ("aws.extended_request_id", "X2"),
        ],
    );
}

#[test]
fn a_sidecars_requests_are_recorded_too_and_compressed_if_that_is_asked_for() {
    let (store, collector) = (store(), Backend::answering(|_| response(200, &[], b"")));
    let url = store.url();
    let arguments = ["sidecar", "--s3-endpoint", &url];
    let gzip = [("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
    let folder = tempfile::tempdir().unwrap();
    let served = start(&arguments, &collector.url(), &gzip, folder);
    assert_eq!(fetch(served.data, "GET", "/b/k/l", &[], b"").status(), 200);
    assert_eq!(fetch(served.data, "GET", "/b", &[], b"").status(), 200);
    assert_eq!(served.running.end("TERM"), 0);
    let posted = collector.requests().pop().unwrap();
    assert_eq!(posted.field("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(posted.body.as_slice());
    std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
    let (resource, spans) = read_export(&plain);
    assert_eq!(resource["service.name"], "sluicegate");
    let calls = of_kind(&spans, 3);
    assert_eq!((spans.len(), calls.len()), (4, 2));
    assert_eq!(calls[0].attributes["aws.s3.key"], "k/l");
    assert_eq!(calls[0].attributes["aws.s3.bucket"], "b");
    let exchange = of_kind(&spans, 2)[0];
    assert_eq!(
        (exchange.name.as_str(), exchange.parent_id.as_str()),
        ("GET", "")
    );
    assert_eq!(exchange.attributes["client.address"], "127.0.0.1");
}

#[test]
fn what_fails_is_told_and_what_was_refused_has_no_call() {
    let (store, collector) = (
        Backend::start(|connection| {
            if connection.request().is_some() {
                connection.reset();
            }
        }),
        Backend::answering(|_| response(200, &[], b"")),
    );
    let served = serve(&store, &collector.url(), &[], &[]);
    let answer = fetch(served.data, "POST", "/o/b/k", &[], b"x");
    assert_eq!(answer.status(), 504);
    assert_eq!(
        fetch(served.data, "GET", "/o/a/b/c", &[], b"").status(),
        403
    );
    assert_eq!(served.running.end("TERM"), 0);
    let spans = spans(&collector);
    let [call] = of_kind(&spans, 3)[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(
        (call.status, call.attributes["error.type"].as_str()),
        (2, "the connection broke")
    );
    let [failed, refused] = of_kind(&spans, 2)[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(
        (failed.status, failed.attributes["error.type"].as_str()),
        (2, "INTEGRATION_FAILURE")
    );
    assert_eq!(
        (refused.status, refused.attributes.get("error.type")),
        (0, None)
    );
    assert_eq!(refused.attributes["http.response.status_code"], "403");
    assert_eq!(refused.name, "GET");
}

#[test]
fn what_nobody_wants_recorded_is_not_exported() {
    let (store, collector) = (store(), Backend::answering(|_| response(200, &[], b"")));
    let served = serve(&store, &collector.url(), &["--otlp-sample-ratio", "0"], &[]);
    for fields in [&[UNSAMPLED][..], &[]] {
        assert_eq!(
            fetch(served.data, "GET", "/o/b/k", fields, b"").status(),
            200
        );
        let seen = store.requests().pop().unwrap();
        let flags = seen
            .field("traceparent")
            .unwrap()
            .rsplit('-')
            .next()
            .unwrap();
        assert!(["00", "02"].contains(&flags), "{flags}");
    }
    assert_eq!(served.running.end("TERM"), 0);
    assert!(collector.requests().is_empty());
    let served = serve(&store, &collector.url(), &["--otlp-sample-ratio", "0"], &[]);
    assert_eq!(
        fetch(served.data, "GET", "/o/b/k", &[SAMPLED], b"").status(),
        200
    );
    assert_eq!(served.running.end("TERM"), 0);
    assert_eq!(spans(&collector).len(), 2, "the client's word counts");
}

#[test]
fn a_reload_goes_on_exporting() {
    let (store, collector) = (store(), Backend::answering(|_| response(200, &[], b"")));
    let served = serve(&store, &collector.url(), &[], &[]);
    assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    served.running.signal("HUP");
    let generation = || {
        let mut client = Client::connect(served.admin);
        let page = client.exchange("GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let config: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(config["server"]["exports_spans"], true);
        config["generation"].as_u64().unwrap()
    };
    while generation() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    assert_eq!(served.running.end("TERM"), 0);
    assert_eq!(spans(&collector).len(), 4);
}

#[test]
fn a_busy_collector_gets_the_same_spans_again_and_an_unwilling_one_does_not() {
    let store = store();
    for (status, fields) in [(503, &[("Retry-After", "0")][..]), (429, &[])] {
        let asked = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&asked);
        let collector = Backend::answering(move |_| match shared.fetch_add(1, Ordering::SeqCst) {
            0 => response(status, fields, b""),
            _ => response(200, &[], b""),
        });
        let served = serve(&store, &collector.url(), &[], &[]);
        assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
        wait_for(served.admin, "exported", 2);
        assert_eq!(served.running.end("TERM"), 0);
        let requests = collector.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].body, requests[1].body);
    }
    let collector = Backend::answering(|_| response(400, &[], b"no"));
    let served = serve(&store, &collector.url(), &[], &[]);
    assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    wait_for(served.admin, "rejected", 2);
    assert_eq!(counts(served.admin)["exported"], 0);
    assert_eq!(served.running.end("TERM"), 0);
    assert_eq!(collector.requests().len(), 1);
}

#[test]
fn spans_that_a_collector_takes_in_part_are_counted_apart() {
    // ExportTracePartialSuccess { rejected_spans: 1, error_message: "no" }
    let partial = b"\x0a\x06\x08\x01\x12\x02no";
    let (store, collector) = (store(), Backend::answering(|_| response(200, &[], partial)));
    let served = serve(&store, &collector.url(), &[], &[]);
    assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    wait_for(served.admin, "rejected", 1);
    let counts = counts(served.admin);
    assert_eq!((counts["exported"], counts["rejected"]), (1, 1));
    assert_eq!(served.running.end("TERM"), 0);
}

#[test]
fn a_collector_that_is_away_or_silent_costs_spans_and_no_request() {
    let store = store();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let served = serve(&store, &format!("http://{nobody}"), &[], &[]);
    for _ in 0..20 {
        assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    }
    assert_eq!(served.running.end("TERM"), 0);

    let silent = Backend::start(|connection| {
        connection.request();
        connection.rest();
    });
    let limit = [("OTEL_EXPORTER_OTLP_TIMEOUT", "100")];
    let served = serve(&store, &silent.url(), &[], &limit);
    for _ in 0..20 {
        assert_eq!(fetch(served.data, "GET", "/o/b/k", &[], b"").status(), 200);
    }
    while silent.requests().len() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(
        served.running.end("TERM"),
        0,
        "given up and asked again until the end"
    );
}

#[test]
fn a_full_queue_drops_spans_and_counts_them() {
    for driver in ["auto", "epoll"] {
        let gate = Gate::default();
        let shared = gate.clone();
        let store = store();
        let collector = Backend::start(move |connection| {
            let mut waits = connection.number == 0;
            while connection.request().is_some() {
                if std::mem::replace(&mut waits, false) {
                    shared.wait();
                }
                connection.answer(200, &[], b"");
            }
        });
        let patient = [("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")];
        let served = serve(&store, &collector.url(), &["--io-driver", driver], &patient);
        let mut client = Client::connect(served.data);
        let mut sent = 0u64;
        while counts(served.admin)["dropped"] == 0 {
            for _ in 0..100 {
                client.request("GET", "/o/a/b/c", &[], b"");
                assert_eq!(client.response().unwrap().status(), 403);
                sent += 1;
            }
        }
        gate.open();
        drop(client);
        let dropped = |counts: &BTreeMap<String, u64>| counts["dropped"] + counts["exported"];
        while dropped(&counts(served.admin)) < sent {
            std::thread::yield_now();
        }
        let counts = counts(served.admin);
        assert_eq!(counts["dropped"] + counts["exported"], sent);
        assert_eq!(served.running.end("TERM"), 0);
        assert_eq!(spans(&collector).len() as u64, counts["exported"]);
    }
}
