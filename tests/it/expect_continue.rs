//! `Expect: 100-continue`: the body is invited when it is wanted, and only then (RFC 9110 §10.1.1).

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::documents::images;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;

const EXPECT: &str = "Expect: 100-continue\r\n";

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

fn head(method: &str, target: &str, version: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/{version}\r\nHost: a\r\n{EXPECT}{fields}\r\n")
}

fn put(fields: &str) -> String {
    head("PUT", "/v1/o/k", "1.1", fields)
}

#[test]
fn a_waiting_client_is_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        let long = "x".repeat(200_000);
        let bodies = [
            ("Content-Length: 5\r\n", "hello", "hello"),
            (
                "Content-Length: 5\r\nContent-Type: application/octet-stream\r\n",
                "hello",
                "hello",
            ),
            (
                "Content-Length: 200000\r\nContent-Type: application/octet-stream\r\n",
                &long,
                &long,
            ),
            (
                "Transfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
                "hello",
            ),
        ];
        for (fields, body, _) in bodies {
            let invitation = client.exchange(put(fields));
            assert_eq!(invitation.start, "HTTP/1.1 100 Continue");
            assert!(invitation.fields.is_empty());
            let answer = client.exchange(body);
            assert_eq!(
                (answer.status(), answer.field("connection")),
                (200, Some("keep-alive"))
            );
        }
        let seen = backend.requests();
        assert_eq!(seen.len(), bodies.len());
        for (request, (_, _, body)) in seen.iter().zip(bodies) {
            assert_eq!(stored(request), body.as_bytes());
            assert_eq!(request.field("expect"), None);
        }
    });
}

#[test]
fn a_client_that_sends_at_once_is_not_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for (fields, body) in [
            ("Content-Length: 5\r\n", "hello"),
            ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            assert_eq!(client.exchange(put(fields) + body).status(), 200);
        }
        assert!(
            backend
                .requests()
                .iter()
                .all(|request| stored(request) == b"hello")
        );
        assert_eq!(backend.requests().len(), 2);
    });
}

#[test]
fn an_empty_body_is_invited_for_clients_that_wait_even_then() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for fields in ["", "Content-Length: 0\r\n"] {
            client.send(put(fields));
            assert_eq!(client.head().status(), 100, "{fields:?}");
            let answer = client.response().unwrap();
            assert_eq!(
                (answer.status(), answer.field("connection")),
                (200, Some("keep-alive"))
            );
        }
        assert_eq!(backend.requests().len(), 2);
    });
}

#[test]
fn a_refused_body_is_not_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        for (method, target, fields, status) in [
            ("PUT", "/v1/o/k", "Content-Length: 10485761\r\n", 413),
            ("PUT", "/v2/o/k", "Content-Length: 5\r\n", 403),
            ("PUT", "/v1/nowhere", "Content-Length: 5\r\n", 403),
            ("POST", "/v1/o/k", "Content-Length: 5\r\n", 403),
            (
                "PUT",
                "/v1/typed/k",
                "Content-Length: 5\r\nContent-Type: text/plain\r\n",
                415,
            ),
            ("PUT", "/v1/o/k", "Content-Length: +5\r\n", 400),
            ("PUT", "/v1/o/k", "Transfer-Encoding: gzip\r\n", 501),
            ("PUT", "/v2/o/k", "Transfer-Encoding: chunked\r\n", 403),
        ] {
            let mut client = Client::connect(gateway.address);
            let answer = client.exchange(head(method, target, "1.1", fields));
            assert_eq!(answer.status(), status, "{method} {target} {fields}");
            // whether the body will follow cannot be known
            assert_eq!(
                answer.field("connection"),
                Some("close"),
                "{method} {target} {fields}"
            );
            assert!(client.is_closed(), "{method} {target} {fields}");
        }
        assert_eq!(backend.connections(), 0);
        let mut client = Client::connect(gateway.address);
        let typed = "Content-Length: 5\r\nContent-Type: text/x-typed\r\n";
        assert_eq!(
            client
                .exchange(head("PUT", "/v1/typed/k", "1.1", typed))
                .status(),
            100
        );
        assert_eq!(client.exchange("hello").status(), 200);
    });
}

#[test]
fn a_body_for_an_object_without_address_is_not_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, images(), &backend.url());
        let mut client = Client::connect(gateway.address);
        assert_eq!(
            client
                .exchange(head("PUT", "/v1/s3", "1.1", "Content-Length: 5\r\n"))
                .status(),
            500
        );
        assert!(client.is_closed());
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn an_unwanted_body_is_not_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        let answer = client.exchange(head("GET", "/v1/o/k", "1.1", "Content-Length: 5\r\n"));
        assert_eq!(
            (answer.status(), answer.field("connection")),
            (200, Some("close"))
        );
        assert!(client.is_closed());
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn an_http_1_0_client_is_not_invited() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        client.send(head("PUT", "/v1/o/k", "1.0", "Content-Length: 5\r\n"));
        assert_eq!(client.exchange("hello").status(), 200);
        assert!(client.is_closed());
        assert_eq!(stored(&backend.requests()[0]), b"hello");
    });
}

#[test]
fn other_expectations_invite_nobody() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        client.send(
            "PUT /v1/o/k HTTP/1.1\r\nHost: a\r\nExpect: 100-continued\r\nContent-Length: 5\r\n\r\n",
        );
        assert_eq!(client.exchange("hello").status(), 200);
        assert_eq!(backend.requests().len(), 1);
    });
}
