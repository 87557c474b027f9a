//! Mock integrations: nobody is called, and the client's body is judged as ever.

use serde_json::Value;
use serde_json::json;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::INTERNAL;
use crate::support::fault::assert_fault;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table;
use crate::support::gateway::table_of;

const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A document of one resource `/m` whose `ANY` method is that mock integration, and a store that nobody may ask.
fn gateway(driver: DriverChoice, integration: &Value) -> (Gateway, Backend) {
    let mut integration = integration.clone();
    integration["type"] = json!("mock");
    let document = json!({
        "swagger": "2.0", "info": { "title": "mock", "version": "1" },
        "paths": { "/m": { "x-amazon-apigateway-any-method": {
            "responses": { "200": {}, "418": {} },
            "x-amazon-apigateway-integration": integration,
        } } },
    });
    let store = Backend::answering(|_request| response(599, &[], b""));
    let mut settings = settings(
        table_of("mock.json", &document.to_string(), "v1"),
        &store.url(),
    );
    settings.io_driver = driver;
    settings.limits.payload_bytes_max = PAYLOAD_BYTES_MAX as u64;
    (Gateway::start(settings), store)
}

fn literal() -> Value {
    json!({
        "requestTemplates": { "application/json": "{\"statusCode\": 418}" },
        "responses": {
            "default": { "statusCode": "200" },
            "418": { "statusCode": "418", "responseTemplates": { "application/json": "short and stout" } },
        },
    })
}

#[test]
fn preflight_as_the_console_makes_it() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_request| {
            response(200, &[("Content-Type", "text/plain")], b"object")
        });
        let table = table("tests/vectors/apis/cors-export.oas30.json", "prod");
        let gateway = Gateway::on(driver, table, &store.url());
        let asked = [
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            client.request("OPTIONS", "/prod/files/k", &asked, b"");
            let answer = client.response().unwrap();
            assert_eq!((answer.status(), answer.body.as_slice()), (200, &b""[..]));
            for (name, value) in [
                ("Access-Control-Allow-Methods", "GET,OPTIONS"),
                (
                    "Access-Control-Allow-Headers",
                    "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token",
                ),
                ("Access-Control-Allow-Origin", "*"),
                ("Content-Type", "application/json"),
                ("Content-Length", "0"),
            ] {
                assert_eq!(answer.field(name), Some(value), "{name}");
            }
            assert!(answer.field("x-amzn-RequestId").is_some());
            assert_eq!(answer.field("X-Amzn-Trace-Id"), None);
        }
        assert_eq!(store.connections(), 0, "a preflight asks nobody");
        client.request("GET", "/prod/files/k", &[], b"");
        let answer = client.response().unwrap();
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.body, b"object");
        // the wrong method is a gateway response, which a browser has to be able to read too
        client.request("PUT", "/prod/files/k", &[], b"x");
        let answer = client.response().unwrap();
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
    });
}

#[test]
fn every_method_is_answered_and_head_gets_no_body() {
    on_each_driver(|driver| {
        let (gateway, store) = gateway(driver, &literal());
        let mut client = Client::connect(gateway.address);
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
            client.request(method, "/v1/m", &[], b"");
            let answer = client.response().unwrap();
            assert_eq!(answer.status(), 418, "{method}");
            assert_eq!(answer.body, b"short and stout", "{method}");
        }
        client.request("HEAD", "/v1/m", &[], b"");
        assert_eq!(client.head_response().unwrap().status(), 418);
        client.request("GET", "/v1/m", &[], b"");
        assert_eq!(client.response().unwrap().body, b"short and stout");
        assert_eq!(store.connections(), 0);
    });
}

#[test]
fn a_body_that_nobody_reads_is_still_counted() {
    on_each_driver(|driver| {
        let (gateway, _store) = gateway(driver, &literal());
        let body = vec![b'x'; PAYLOAD_BYTES_MAX];
        let answer = fetch(gateway.address, "POST", "/v1/m", &[], &body);
        assert_eq!(answer.status(), 418, "at the limit");
        let mut chunked =
            b"POST /v1/m HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        chunked.extend(format!("{:x}\r\n", body.len() + 1).as_bytes());
        chunked.extend(&body);
        chunked.extend(b"x\r\n0\r\n\r\n");
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange(&chunked).status(), 413, "one byte more");
    });
}

#[test]
fn a_body_is_read_to_its_end_before_the_next_request() {
    on_each_driver(|driver| {
        let (gateway, _store) = gateway(driver, &literal());
        let mut client = Client::connect(gateway.address);
        let first = "POST /v1/m HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a";
        let second = "GET /v1/m HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(format!("{first}{second}"));
        for _ in 0..2 {
            assert_eq!(client.response().unwrap().status(), 418);
        }
    });
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it() {
    on_each_driver(|driver| {
        let (gateway, _store) = gateway(driver, &literal());
        let mut client = Client::connect(gateway.address);
        client.send(
            "POST /v1/m HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        );
        assert_eq!(client.head().status(), 100);
        client.send("ab");
        assert_eq!(client.response().unwrap().status(), 418);
    });
}

#[test]
fn the_body_decides_where_no_template_does() {
    on_each_driver(|driver| {
        let integration = json!({ "responses": {
            "default": { "statusCode": "200" }, "418": { "statusCode": "418" },
        } });
        let (gateway, _store) = gateway(driver, &integration);
        let status = |body: &[u8]| fetch(gateway.address, "POST", "/v1/m", &[], body).status();
        assert_eq!(status(b"{statusCode: 418}"), 418);
        assert_eq!(status(b""), 200);
        let chunked = "POST /v1/m HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{statusCode: 418}\r\n0\r\n\r\n";
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange(chunked).status(), 418);
    });
}

#[test]
fn no_status_is_an_internal_error_and_the_connection_goes_on() {
    on_each_driver(|driver| {
        let mut integration = literal();
        integration["requestTemplates"] = json!({ "application/json": "$input.body" });
        let (gateway, _store) = gateway(driver, &integration);
        let mut client = Client::connect(gateway.address);
        client.request("POST", "/v1/m", &[], b"no status");
        assert_fault(&client.response().unwrap(), 500, INTERNAL, "no status");
        client.request("POST", "/v1/m", &[], b"{\"statusCode\": 418}");
        assert_eq!(client.response().unwrap().status(), 418);
    });
}
