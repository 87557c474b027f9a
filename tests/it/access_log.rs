//! The access log: one line for each exchange, whatever became of it.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::serve::access_log::AccessLog;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::SECRET_ACCESS_KEY;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::sidecar::sidecar_settings;

/// No line takes this long; without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(120);
const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

/// A gateway that logs in JSON.
fn logging(driver: DriverChoice, store: &Backend) -> (Gateway, Lines) {
    let format = AccessLogFormat::compile("json").unwrap();
    let (log, batches) = AccessLog::new(format);
    let gateway = Gateway::start(ServeSettings {
        io_driver: driver,
        access_log: Some(log),
        ..settings(objects(), &store.url())
    });
    let lines = Lines {
        batches,
        text: String::new(),
    };
    (gateway, lines)
}

struct Lines {
    batches: Receiver<Vec<u8>>,
    text: String,
}

impl Lines {
    fn next_text(&mut self) -> String {
        while !self.text.contains('\n') {
            let batch = self.batches.recv_timeout(WAIT_MAX).expect("a line");
            self.text.push_str(&String::from_utf8(batch).unwrap());
        }
        let rest = self.text.split_off(self.text.find('\n').unwrap() + 1);
        std::mem::replace(&mut self.text, rest)
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_text()).unwrap()
    }
}

fn store() -> Backend {
    Backend::answering(|request| match request.start.as_str() {
        line if line.starts_with("PUT") => response(200, &[], b""),
        _ => response(200, &[("x-amz-request-id", "R1"), OCTETS], b"0123456789"),
    })
}

fn shows(line: &Value, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(line[name], *value, "{name} of {line}");
    }
}

#[test]
fn every_exchange_of_a_connection_has_its_line() {
    on_each_driver(|driver| {
        let store = store();
        let (gateway, mut lines) = logging(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/v1/o/a%20b", &[("Accept", OCTETS.1)], b"");
        let answer = client.response().unwrap();
        let get = lines.next();
        shows(
            &get,
            &[
                ("httpMethod", "GET"),
                ("path", "/v1/o/a%20b"),
                ("resourcePath", "/o/{key}"),
                ("status", "200"),
                ("responseLength", "10"),
                ("requestLength", "0"),
                ("integrationStatus", "200"),
                ("outcome", "complete"),
                ("ip", "127.0.0.1"),
            ],
        );
        assert_eq!(
            get["requestId"].as_str(),
            answer.field("x-amzn-RequestId"),
            "the id that the client got"
        );
        client.request("PUT", "/v1/o/k", &[OCTETS], b"12345");
        client.response().unwrap();
        shows(
            &lines.next(),
            &[
                ("httpMethod", "PUT"),
                ("requestLength", "5"),
                ("status", "200"),
            ],
        );
        client.request("GET", "/v1/nowhere", &[], b"");
        client.response().unwrap();
        shows(
            &lines.next(),
            &[
                ("status", "403"),
                ("resourcePath", "-"),
                ("errorType", "MISSING_AUTHENTICATION_TOKEN"),
                ("errorMessage", "Missing Authentication Token"),
                ("responseLength", "42"),
                ("integrationStatus", "-"),
            ],
        );
    });
}

#[test]
fn a_request_that_is_none_has_its_line() {
    on_each_driver(|driver| {
        let store = store();
        let (gateway, mut lines) = logging(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.send("GET /v1/o/k HTTP/1.1\r\nHost: a\r\nbroken field\r\n\r\n");
        assert_eq!(client.response().unwrap().status(), 400);
        shows(
            &lines.next(),
            &[
                ("status", "400"),
                ("httpMethod", "-"),
                ("path", "-"),
                ("responseLength", "11"),
            ],
        );
        let mut client = Client::connect(gateway.address);
        client.send(
            "GET /v1/o/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        );
        assert_eq!(client.response().unwrap().status(), 400);
        shows(&lines.next(), &[("status", "400"), ("httpMethod", "GET")]);
    });
}

#[test]
fn what_a_client_sends_stays_in_its_string() {
    let store = store();
    let (gateway, mut lines) = logging(DriverChoice::Auto, &store);
    let mut client = Client::connect(gateway.address);
    let mut request = b"GET /v1/o/a'%22%0d%0a?x=\"} HTTP/1.1\r\nHost: a\r\nUser-Agent: ".to_vec();
    request.extend_from_slice(b"q\"uote \\ \xff\xc3\xa9 </x>, tab\there\r\n\r\n");
    client.send(request);
    client.response().unwrap();
    let text = lines.next_text();
    assert!(text.is_ascii() && text.matches('\n').count() == 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    let agent = line["userAgent"].as_str().unwrap();
    assert_eq!(agent, "q\"uote \\ \u{fffd}é </x>, tab\there");
}

#[test]
fn a_store_that_lets_the_gateway_down_is_named() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            if let Some(request) = connection.request() {
                let start = request.start.as_str();
                if start.contains("/short") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 300000\r\n\r\nabc");
                } else {
                    connection.send("nonsense\r\n\r\n");
                }
            }
        });
        let (gateway, mut lines) = logging(driver, &store);
        assert_eq!(
            fetch(gateway.address, "GET", "/v1/o/k", &[], b"").status(),
            504
        );
        shows(
            &lines.next(),
            &[
                ("status", "504"),
                ("errorType", "INTEGRATION_FAILURE"),
                ("integrationError", "malformed answer"),
                ("integrationStatus", "-"),
            ],
        );
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/v1/o/short", &[("Accept", OCTETS.1)], b"");
        assert!(client.response().is_none(), "the client sees a cut");
        shows(
            &lines.next(),
            &[
                ("status", "200"),
                ("outcome", "cut"),
                ("integrationStatus", "200"),
                ("integrationError", "the body ended early"),
            ],
        );
    });
}

#[test]
fn a_client_that_leaves_is_logged_as_gone() {
    on_each_driver(|driver| {
        let store = store();
        let (gateway, mut lines) = logging(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.send("PUT /v1/o/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nabc");
        let socket = socket2::SockRef::from(&client.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let line = lines.next();
        shows(
            &line,
            &[("httpMethod", "PUT"), ("resourcePath", "/o/{key}")],
        );
        assert!(
            line["status"] == "499" && line["outcome"] == "client-gone",
            "{line}"
        );
    });
}

#[test]
fn neither_query_nor_keys_nor_signatures_are_logged() {
    let store = store();
    let (gateway, mut lines) = logging(DriverChoice::Auto, &store);
    let mut client = Client::connect(gateway.address);
    let target = "/v1/o/k?X-Amz-Signature=SECRETSIG&X-Amz-Security-Token=SECRETTOKEN";
    let fields = [
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=A, Signature=SECRETSIG",
        ),
        ("x-api-key", "SECRETAPIKEY"),
        ("x-amz-security-token", "SECRETTOKEN"),
        ("Cookie", "SECRETCOOKIE"),
    ];
    client.request("GET", target, &fields, b"");
    client.response().unwrap();
    let text = lines.next_text();
    assert!(!text.contains("SECRET"), "{text}");
    assert!(!text.contains(SECRET_ACCESS_KEY), "{text}");
}

#[test]
fn the_sidecar_has_its_lines_too() {
    on_each_driver(|driver| {
        let store = store();
        let (log, batches) = AccessLog::new(AccessLogFormat::compile("json").unwrap());
        let mut settings = sidecar_settings(driver, &store.url());
        settings.access_log = Some(log);
        let gateway = Gateway::start(settings);
        let text = String::new();
        let mut lines = Lines { batches, text };
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/b/a%20b?versionId=1", &[], b"");
        client.response().unwrap();
        shows(
            &lines.next(),
            &[
                ("httpMethod", "GET"),
                ("path", "/b/a%20b"),
                ("status", "200"),
                ("responseLength", "10"),
                ("integrationStatus", "200"),
                ("outcome", "complete"),
                ("ip", "127.0.0.1"),
                ("resourcePath", "-"),
                ("errorMessage", "-"),
            ],
        );
        client.request("PUT", "/b/k", &[], &vec![b'x'; 2_000_000]);
        client.response().unwrap();
        shows(
            &lines.next(),
            &[("requestLength", "2000000"), ("status", "200")],
        );
        client.request("PUT", "/b/k", &[("x-amz-content-sha256", "none")], b"");
        let answer = client.response().unwrap();
        let refused = lines.next();
        shows(
            &refused,
            &[
                ("status", "400"),
                ("errorType", "InvalidRequest"),
                ("integrationStatus", "-"),
            ],
        );
        assert_eq!(
            refused["requestId"].as_str(),
            answer.field("x-amz-request-id")
        );
        Client::connect(gateway.address).exchange("nonsense\r\n\r\n");
        shows(
            &lines.next(),
            &[
                ("status", "400"),
                ("path", "-"),
                ("errorType", "InvalidRequest"),
            ],
        );
    });
}
