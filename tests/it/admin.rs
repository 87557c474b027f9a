//! The admin listener of the real program: what it answers, to whom, and when it says that nobody should come.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::program::Running;
use crate::support::program::ended;
use crate::support::program::sluicegate;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/image-api.openapi.yaml");
/// Nothing listens on the discard port; the tests that name it send nothing there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A program, where it serves and where its admin listener is.
struct Served {
    running: Running,
    data: SocketAddr,
    admin: SocketAddr,
}

fn address_in(line: &str) -> SocketAddr {
    let authority = line.split("http://").nth(1).unwrap();
    authority.split('/').next().unwrap().parse().unwrap()
}

fn start(arguments: &[&str]) -> Served {
    start_telling(arguments, Stdio::null())
}

fn start_telling(arguments: &[&str], stderr: Stdio) -> Served {
    let fixed = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = sluicegate(&[arguments, &fixed].concat());
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    let mut running = Running::start_heard(command.stderr(stderr));
    let lines = running.lines_until("dashboard at ");
    let data = lines.iter().find(|line| line.contains("http://")).unwrap();
    let data = match data.strip_prefix("S3 sidecar at ") {
        Some(rest) => rest.split(' ').next().unwrap().parse().unwrap(),
        None => address_in(data),
    };
    let admin = address_in(lines.last().unwrap());
    while get(admin, "/readyz", "localhost").0 != 200 {
        std::thread::yield_now();
    }
    Served {
        running,
        data,
        admin,
    }
}

fn serve(store: &str, arguments: &[&str]) -> Served {
    let fixed = ["serve", "--api", DOCUMENT, "--s3-endpoint", store];
    start(&[&fixed[..], arguments].concat())
}

fn text(admin: SocketAddr, path: &str) -> String {
    let answer = get(admin, path, "localhost");
    assert_eq!(answer.0, 200, "{path}: {}", answer.1);
    answer.1
}

/// Comes back once the metrics have this line: a client may have its answer before its exchange is counted.
fn wait_for_line(admin: SocketAddr, line: &str) {
    while !text(admin, "/metrics").contains(line) {
        std::thread::yield_now();
    }
}

/// Status and body of a page, asked for under this name.
fn get(admin: SocketAddr, path: &str, host: &str) -> (u16, String) {
    let mut client = Client::connect(admin);
    let answer = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert!(client.is_closed(), "one answer for each connection");
    (answer.status(), String::from_utf8(answer.body).unwrap())
}

#[test]
fn pages_are_there_for_get_and_head_alone() {
    let served = serve(NOBODY, &[]);
    assert_eq!(text(served.admin, "/healthz"), "alive\n");
    assert_eq!(text(served.admin, "/readyz"), "ready\n");
    assert!(text(served.admin, "/metrics?x=1").contains("sluicegate_ready 1\n"));
    assert_eq!(get(served.admin, "/metric", "localhost").0, 404);
    for path in [
        "/", "/healthz", "/readyz", "/metrics", "/stats", "/config", "/routes",
    ] {
        let mut client = Client::connect(served.admin);
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = client.head_response().unwrap();
        assert_eq!(head.status(), 200);
        assert!(
            head.field("Content-Length")
                .is_some_and(|length| length != "0")
        );
        assert!(client.rest().is_empty(), "{path}");
        for method in ["POST", "DELETE", "OPTIONS", "PATCH"] {
            let mut client = Client::connect(served.admin);
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ));
            let answer = client.response().unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.field("Allow"), Some("GET, HEAD"));
        }
    }
}

#[test]
fn pages_are_not_on_the_port_of_the_api() {
    let served = serve(NOBODY, &[]);
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(fetch(served.data, "GET", path, &[], b"").status(), 403);
    }
}

#[test]
fn a_foreign_name_reaches_the_probes_alone() {
    let served = serve(NOBODY, &[]);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(served.admin, path, "evil.example").0, 200, "{path}");
    }
    for path in [
        "/",
        "/metrics",
        "/stats",
        "/config",
        "/routes",
        "/log-level",
    ] {
        let (status, body) = get(served.admin, path, "evil.example");
        assert_eq!(status, 403, "{path}");
        assert!(body.contains("--admin"), "{body}");
    }
    assert_eq!(get(served.admin, "/metrics", "127.0.0.1:9901").0, 200);
}

#[test]
fn what_is_no_request_or_too_much_of_one_is_refused() {
    let served = serve(NOBODY, &[]);
    for (sent, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/2.0\r\n\r\n".to_owned(), 505),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1_024)),
            414,
        ),
        (
            format!(
                "GET /healthz HTTP/1.1\r\nHost: a\r\na: {}\r\n\r\n",
                "a".repeat(17_000)
            ),
            431,
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n".to_owned(),
            413,
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            411,
        ),
    ] {
        let mut client = Client::connect(served.admin);
        assert_eq!(client.exchange(&sent).status(), status, "{sent}");
    }
    assert_eq!(text(served.admin, "/healthz"), "alive\n");
}

#[test]
fn clients_that_say_nothing_hold_nobody_up() {
    let served = serve(NOBODY, &[]);
    let mut idle: Vec<Client> = (0..32).map(|_| Client::connect(served.admin)).collect();
    assert_eq!(text(served.admin, "/healthz"), "alive\n");
    for client in &mut idle {
        client.send("GET /healthz HTTP/1.1\r\n");
    }
    assert_eq!(text(served.admin, "/healthz"), "alive\n");
    // None of them was given up for the answers above.
    idle[0].send("Host: a\r\n\r\n");
    assert_eq!(idle[0].response().unwrap().status(), 200);
}

#[test]
fn a_taken_address_ends_serve_with_the_options_name() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = sluicegate(&[
        "serve",
        "--api",
        DOCUMENT,
        "--s3-endpoint",
        NOBODY,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        &address,
    ]);
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    let (status, _, stderr) = ended(&mut command);
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("--admin") && stderr.contains(&address));
}

#[test]
fn the_sidecar_has_one_where_it_is_asked_for() {
    let store = Backend::answering(|_| response(200, &[], b"0123456789"));
    let served = start(&["sidecar", "--s3-endpoint", &store.url()]);
    assert_eq!(text(served.admin, "/readyz"), "ready\n");
    assert_eq!(fetch(served.data, "GET", "/b/k", &[], b"").status(), 200);
    let line = "sluicegate_requests_total{api=\"sidecar\",stage=\"-\",resource=\"-\",method=\"GET\",status=\"200\"} 1\n";
    wait_for_line(served.admin, line);
    assert_eq!(served.running.end("TERM"), 0);
}

#[test]
fn readiness_ends_before_the_last_exchange_does() {
    let served = serve(NOBODY, &["--workers", "1"]);
    let mut client = Client::connect(served.data);
    client.request("GET", "/nowhere", &[], b"");
    assert_eq!(client.response().unwrap().status(), 403);
    client.send("PUT /v1/s3?key=b/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\n");
    // The second connection is answered after the first one's bytes have arrived on the only worker.
    assert_eq!(
        fetch(served.data, "GET", "/nowhere", &[], b"").status(),
        403
    );
    served.running.signal("TERM");
    let told = loop {
        let (status, body) = get(served.admin, "/readyz", "localhost");
        if status == 503 {
            break body;
        }
        std::thread::yield_now();
    };
    assert_eq!(told, "not ready: draining\n");
    assert_eq!(text(served.admin, "/healthz"), "alive\n");
    let metrics = text(served.admin, "/metrics");
    assert!(metrics.contains("sluicegate_ready 0\n"), "{metrics}");
    assert!(metrics.contains("sluicegate_in_flight 1\n"), "{metrics}");
    while TcpStream::connect(served.data).is_ok() {
        std::thread::yield_now();
    }
    client.send("x");
    let answer = client.response().unwrap();
    assert_eq!(answer.field("Connection"), Some("close"));
    drop(client);
    assert_eq!(served.running.wait(), 0);
}

#[test]
fn throttled_requests_are_counted_as_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    std::fs::write(&path, "[throttle]\nrate = 0.001\nburst = 1\n").unwrap();
    let served = serve(NOBODY, &["--config", path.to_str().unwrap()]);
    let get = || fetch(served.data, "GET", "/v1/s3?key=b/k", &[], b"").status();
    assert_eq!((get(), get()), (500, 429));
    wait_for_line(
        served.admin,
        "sluicegate_rejected_total{reason=\"429\"} 1\n",
    );
    wait_for_line(
        served.admin,
        "sluicegate_upstream_errors_total{kind=\"connect\"} 1\n",
    );
}

#[test]
fn connections_that_are_not_let_in_are_counted() {
    let served = serve(NOBODY, &["--max-connections-per-address", "1"]);
    let mut held = Client::connect(served.data);
    let get = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(held.exchange(get).status(), 403);
    assert_eq!(fetch(served.data, "GET", "/", &[], b"").status(), 503);
    let metrics = text(served.admin, "/metrics");
    for line in [
        "sluicegate_connections_refused_total{reason=\"total\"} 0\n",
        "sluicegate_connections_refused_total{reason=\"address\"} 1\n",
        "sluicegate_connections_refused_total{reason=\"proxy-protocol\"} 0\n",
        "sluicegate_upstream_ejections_total 0\n",
        "sluicegate_upstream_ejected_addresses 0\n",
        "sluicegate_upstream_retries_total{result=\"sent\"} 0\n",
        "sluicegate_upstream_retries_total{result=\"no-budget\"} 0\n",
        "sluicegate_upstream_refused_total{reason=\"queue-full\"} 0\n",
        "sluicegate_upstream_refused_total{reason=\"queue-timeout\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn the_dashboard_comes_with_a_policy_that_lets_nothing_in_from_outside() {
    let served = serve(NOBODY, &[]);
    let mut client = Client::connect(served.admin);
    let page = client.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
    let policy = page.field("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
    assert!(String::from_utf8(page.body).unwrap().contains("</html>"));
}

#[test]
fn stats_config_and_routes_tell_what_is_served() {
    let served = serve(NOBODY, &["--workers", "1", "--idle-timeout", "7000"]);
    assert_eq!(
        fetch(served.data, "GET", "/nowhere", &[], b"").status(),
        403
    );
    wait_for_line(
        served.admin,
        "sluicegate_rejected_total{reason=\"403\"} 1\n",
    );
    let json = |path| serde_json::from_str::<Value>(&text(served.admin, path)).unwrap();
    let stats = json("/stats");
    assert_eq!(stats["format"], "sluicegate.stats/1");
    assert_eq!(stats["totals"]["requests"], 1);
    assert_eq!(stats["routes"][0]["resource"], "-");
    assert_eq!(stats["credentials"][0]["usable"], true);
    let config = json("/config");
    assert_eq!(config["timeouts_ms"]["idle"], 7000);
    assert_eq!(config["server"]["listen"][0], served.data.to_string());
    assert_eq!(config["server"]["admin"], served.admin.to_string());
    assert_eq!(config["s3"]["endpoint"], NOBODY);
    let routes = json("/routes");
    assert_eq!(routes[0]["format"], "sluicegate.routes/1");
    assert_eq!(routes[0]["routes"][0]["path"], "/v1/s3");
}

#[test]
fn limits_are_told_without_the_keys_that_they_hold_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    let text_of = "[server]\ntrusted_proxies = ['10.0.0.0/8', '192.0.2.1', 'unix']\n\
         [limits]\nconnections = 900\nconnections_per_address = 7\n\
         [upstream]\nconnections = 12\npending = 3\nretries = 5\n\
         [throttle]\nrate = 1.5\nburst = 4\naccount = { rate = 50, burst = 60 }\n\
         [[api_key]]\nid = 'somebody'\nvalue = 'value-of-the-key-in-the-test'\n\
         [[usage_plan]]\nname = 'gold'\napi_keys = ['somebody']\nthrottle = { rate = 100.0, burst = 20 }\n\
         quota = { limit = 1000, offset = 1, period = 'DAY' }\n";
    std::fs::write(&path, text_of).unwrap();
    let served = serve(NOBODY, &["--config", path.to_str().unwrap()]);
    let told = text(served.admin, "/config");
    assert!(!told.contains("value-of-the-key"), "{told}");
    let config: Value = serde_json::from_str(&told).unwrap();
    let edge = &config["edge"];
    assert_eq!(edge["connections"], 900);
    assert_eq!(edge["connections_per_address"], 7);
    let trusted = serde_json::json!(["10.0.0.0/8", "192.0.2.1", "unix"]);
    assert_eq!(edge["trusted_proxies"], trusted);
    let upstream = &config["upstream"];
    let numbers = ["connections", "pending", "retries"].map(|name| upstream[name].as_u64());
    assert_eq!(numbers, [Some(12), Some(3), Some(5)]);
    let metering = &config["serves"]["apis"][0]["metering"];
    let wanted = serde_json::json!({
        "account": {"rate": 50.0, "burst": 60},
        "throttle": {"whole": {"rate": 1.5, "burst": 4}, "methods": {}},
        "usage_plans": [{
            "name": "gold",
            "api_keys": 1,
            "throttle": {"whole": {"rate": 100.0, "burst": 20}, "methods": {}},
            "quota": {"limit": 1000, "offset": 1, "period": "DAY"},
        }],
    });
    assert_eq!(*metering, wanted);
}

#[test]
fn samples_are_kept_for_a_page_that_comes_later() {
    let served = serve(NOBODY, &[]);
    assert_eq!(
        fetch(served.data, "GET", "/nowhere", &[], b"").status(),
        403
    );
    let counted = |stats: &Value| {
        let samples = stats["samples"].as_array().unwrap();
        let refused = samples.iter().map(|sample| &sample["s"][2]);
        refused.map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    let stats = |since: u64| -> Value {
        let path = format!("/stats?since={since}");
        serde_json::from_str(&text(served.admin, &path)).unwrap()
    };
    let all = loop {
        let all = stats(0);
        if counted(&all) > 0 {
            break all;
        }
        std::thread::yield_now();
    };
    assert_eq!(counted(&all), 1);
    assert_eq!(counted(&stats(all["next"].as_u64().unwrap())), 0);
}

fn put_level(admin: SocketAddr, level: &str) -> (u16, String) {
    let mut client = Client::connect(admin);
    let length = level.len();
    let answer = client.exchange(format!(
        "PUT /log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{level}"
    ));
    (answer.status(), String::from_utf8(answer.body).unwrap())
}

#[test]
fn the_log_level_is_changed_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let served = start_telling(
        &["serve", "--api", DOCUMENT, "--s3-endpoint", NOBODY],
        std::fs::File::create(&log).unwrap().into(),
    );
    let asked = || {
        let path = "/v1/s3?key=b/k";
        assert_eq!(fetch(served.data, "GET", path, &[], b"").status(), 500);
        std::fs::read_to_string(&log).unwrap()
    };
    let request = "\"message\":\"request\"";
    assert_eq!(text(served.admin, "/log-level"), "info\n");
    assert!(!asked().contains(request));
    assert_eq!(
        put_level(served.admin, "debug\n"),
        (200, "debug\n".to_owned())
    );
    assert_eq!(text(served.admin, "/log-level"), "debug\n");
    assert!(asked().contains(request));
    for refused in ["", "loud", "debug warn"] {
        let (status, told) = put_level(served.admin, refused);
        assert_eq!(status, 400, "{refused}");
        assert!(told.contains("trace"), "{told}");
    }
    assert_eq!(put_level(served.admin, "error").0, 200);
    let before = asked().len();
    assert_eq!(asked().len(), before, "warnings are not told either");
    let mut client = Client::connect(served.admin);
    client.send("POST /log-level HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let refused = client.response().unwrap();
    assert_eq!(refused.field("Allow"), Some("GET, HEAD, PUT"));
}

#[test]
fn the_delay_of_a_drain_serves_whoever_comes_and_says_that_nobody_should() {
    let served = serve(NOBODY, &["--drain-delay", "600"]);
    served.running.signal("TERM");
    while get(served.admin, "/readyz", "localhost").0 == 200 {
        std::thread::yield_now();
    }
    assert_eq!(
        fetch(served.data, "GET", "/nowhere", &[], b"").status(),
        403
    );
    assert!(text(served.admin, "/metrics").contains("sluicegate_ready 0\n"));
    // A second signal waits for nothing.
    assert_eq!(served.running.end("TERM"), 0);
}

#[test]
fn the_end_of_a_listeners_certificate_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2049, 2, 3);
    let key = rcgen::KeyPair::generate().unwrap();
    let file = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    file("chain.pem", params.self_signed(&key).unwrap().pem());
    file("key.pem", key.serialize_pem());
    file(
        "s.toml",
        "[[tls]]\nlisten = '127.0.0.1:0'\ncertificate = 'chain.pem'\nprivate_key = 'key.pem'\n"
            .to_owned(),
    );
    let config = folder.path().join("s.toml");
    let served = serve(NOBODY, &["--config", config.to_str().unwrap()]);
    let told: Value = serde_json::from_str(&text(served.admin, "/config")).unwrap();
    let tls = &told["edge"]["tls"][0];
    let chain = folder.path().join("chain.pem");
    assert_eq!(tls["certificates"][0], chain.to_str().unwrap());
    assert_eq!(tls["listen"][0], "127.0.0.1:0");
    assert_eq!(tls["certificate_ends"][0], 2_495_923_200u64);
    let metrics = text(served.admin, "/metrics");
    let line = "sluicegate_tls_cert_not_after_timestamp_seconds{listen=\"127.0.0.1:0\",certificate=\"0\"} 2495923200\n";
    assert!(metrics.contains(line), "{metrics}");
}
