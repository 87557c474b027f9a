//! When a connection goes on after an exchange, and when it must not (RFC 9112 §9).

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::documents::objects;
use crate::support::documents::s3_proxy;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;

/// The longest unread body that is read and dropped to keep the connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;
const WAIT_MAX: Duration = Duration::from_secs(120);

fn get(version: &str, fields: &str) -> String {
    format!("GET /v1/o/k HTTP/{version}\r\nHost: a\r\n{fields}\r\n")
}

/// Answers by the object's key where it is a status, else 200, always with a body of five bytes.
fn by_key() -> Backend {
    Backend::answering(|request| {
        let key = request.second_word().strip_prefix("/b/").unwrap();
        match key.parse().unwrap_or(200) {
            status @ (204 | 304) => response(status, &[("ETag", "\"e\"")], b""),
            status if request.start.starts_with("HEAD") => {
                response(status, &[("Content-Length", "5")], b"")
            }
            status => response(status, &[], b"hello"),
        }
    })
}

fn connection(answer: &Message) -> &str {
    answer.field("connection").expect("a Connection field")
}

#[test]
fn the_version_and_the_connection_field_decide() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        for (version, fields, stays) in [
            ("1.1", "", true),
            ("1.1", "Connection: keep-alive\r\n", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: X-A, Close\r\n", false),
            ("1.1", "Connection: X-A\r\nConnection: close\r\n", false),
            ("1.1", "Proxy-Connection: close\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
            ("1.0", "Keep-Alive: timeout=9\r\n", false),
        ] {
            let before = backend.requests().len();
            let mut client = Client::connect(gateway.address);
            let request = get(version, fields);
            // the second request comes along with the first
            let answer = client.exchange(request.repeat(2));
            assert!(answer.start.starts_with("HTTP/1.1 200"), "{request}");
            assert_eq!(answer.body, b"hello", "{request}");
            assert_eq!(
                connection(&answer),
                if stays { "keep-alive" } else { "close" },
                "{request}"
            );
            if stays {
                assert_eq!(
                    client.response().expect("the second response").body,
                    b"hello",
                    "{request}"
                );
            } else {
                assert!(client.is_closed(), "{request}");
            }
            assert_eq!(
                backend.requests().len() - before,
                if stays { 2 } else { 1 },
                "{request}"
            );
        }
    });
}

#[test]
fn an_unread_short_body_is_dropped() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        // a body that reads as requests, should anybody take it for them
        let requests = get("1.1", "").repeat(DISCARDED_BYTES_MAX);
        for length in [1, get("1.1", "").len(), DISCARDED_BYTES_MAX] {
            let request = get("1.1", &format!("Content-Length: {length}\r\n"));
            let answer = client.exchange(request + &requests[..length]);
            assert_eq!(
                (answer.status(), connection(&answer)),
                (200, "keep-alive"),
                "{length}"
            );
        }
        assert_eq!(client.exchange(get("1.1", "")).body, b"hello");
        let seen = backend.requests();
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|request| request.field("content-length").is_none() && request.body.is_empty()));
    });
}

#[test]
fn an_unread_long_body_ends_the_connection() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let chunked = get("1.1", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
        let body = vec![b'x'; DISCARDED_BYTES_MAX + 1];
        let sized = [
            get("1.1", &format!("Content-Length: {}\r\n", body.len())).into_bytes(),
            body,
        ]
        .concat();
        for request in [sized, chunked.into_bytes()] {
            let mut client = Client::connect(gateway.address);
            assert!(client.send(&request));
            let answer = client.response().expect("a response");
            assert_eq!((answer.status(), connection(&answer)), (200, "close"));
            assert!(client.is_closed());
        }
        assert_eq!(backend.requests().len(), 2);
    });
}

#[test]
fn responses_without_a_body_have_none() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for (method, key, status) in [
            ("HEAD", "k", 200),
            ("GET", "204", 204),
            ("GET", "304", 304),
            ("HEAD", "404", 404),
            ("DELETE", "204", 204),
            ("HEAD", "304", 304),
        ] {
            client.send(format!("{method} /v1/o/{key} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = client.head_response().expect("a response");
            assert_eq!(
                (answer.status(), connection(&answer)),
                (status, "keep-alive"),
                "{method} {key}"
            );
            assert_eq!(answer.field("transfer-encoding"), None, "{method} {key}");
            if status == 204 {
                assert_eq!(answer.field("content-length"), None, "RFC 9110 §8.6");
            }
            // a body of the last response would be read as the start of this one
            assert_eq!(
                client.exchange(get("1.1", "")).body,
                b"hello",
                "{method} {key}"
            );
        }
    });
}

#[test]
fn a_fault_keeps_the_connection_where_the_next_request_can_be_found() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let long = "x".repeat(DISCARDED_BYTES_MAX + 1);
        for (request, status, stays) in [
            ("GET /v2/o/k HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 403, true),
            ("GET /v1/nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 403, true),
            ("PUT /v1/nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned(), 403, true),
            ("PUT /v1/typed/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned(), 415, true),
            (format!("PUT /v1/nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{long}", long.len()), 403, false),
            ("PUT /v1/nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 403, false),
            ("GET /v2/o/k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), 403, false),
            ("GET /v2/o/k HTTP/1.0\r\n\r\n".to_owned(), 403, false),
        ] {
            let mut client = Client::connect(gateway.address);
            let answer = client.exchange(&request);
            assert_eq!(answer.status(), status, "{request:.60}");
            assert_eq!(connection(&answer), if stays { "keep-alive" } else { "close" }, "{request:.60}");
            if stays {
                assert_eq!(client.exchange(get("1.1", "")).body, b"hello", "{request:.60}");
            } else {
                assert!(client.is_closed(), "{request:.60}");
            }
        }
        assert!(
            backend
                .requests()
                .iter()
                .all(|request| request.second_word() == "/b/k")
        );
    });
}

#[test]
fn a_fault_of_the_store_keeps_the_clients_connection() {
    on_each_driver(|driver| {
        let backend = Backend::start(|connection| {
            connection.request().expect("a request");
            match connection.number {
                0 => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
                }
                1 => connection.reset(),
                _ => connection.answer(200, &[], b"hello"),
            }
        });
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            let answer = client.exchange(get("1.1", ""));
            assert_eq!((answer.status(), connection(&answer)), (504, "keep-alive"));
        }
        assert_eq!(client.exchange(get("1.1", "")).body, b"hello");
    });
}

#[test]
fn a_client_that_has_finished_sending_is_answered() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        client.send(get("1.1", "").repeat(3));
        client.finish_sending();
        for _ in 0..3 {
            assert_eq!(client.response().expect("a response").body, b"hello");
        }
        assert!(client.is_closed());
        assert_eq!(backend.requests().len(), 3);
    });
}

#[test]
fn a_drain_ends_idle_connections_and_lets_a_request_finish() {
    on_each_driver(|driver| {
        let (arrived, arrival) = mpsc::channel();
        let (go_on, word) = mpsc::channel();
        let word = Mutex::new(word);
        let backend = Backend::start(move |connection| {
            connection.request().expect("a request");
            arrived.send(()).unwrap();
            word.lock().unwrap().recv_timeout(WAIT_MAX).unwrap();
            connection.answer(200, &[], b"hello");
        });
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut idle = Client::connect(gateway.address);
        assert_eq!(
            idle.exchange("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
                .status(),
            200
        );
        let mut busy = Client::connect(gateway.address);
        busy.send(get("1.1", ""));
        arrival
            .recv_timeout(WAIT_MAX)
            .expect("a request at the store");

        gateway.lifecycle.stop.store(1, Ordering::SeqCst);
        assert!(idle.is_closed());
        go_on.send(()).unwrap();
        let answer = busy.response().expect("a response");
        assert_eq!(
            (answer.body.as_slice(), connection(&answer)),
            (b"hello".as_slice(), "close")
        );
        assert!(busy.is_closed());
        drop((idle, busy));
        gateway.join();
    });
}

#[test]
fn many_requests_share_one_connection_to_the_store() {
    on_each_driver(|driver| {
        let backend = by_key();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for round in 0..50 {
            match round % 4 {
                0 => assert_eq!(client.exchange(get("1.1", "")).body, b"hello"),
                1 => {
                    client.request(
                        "PUT",
                        "/v1/o/k",
                        &[("Content-Type", "application/octet-stream")],
                        &[b'x'; 100_000],
                    );
                    assert_eq!(client.response().expect("a response").status(), 200);
                }
                2 => {
                    client.request("HEAD", "/v1/o/k", &[], b"");
                    assert_eq!(client.head_response().expect("a response").status(), 200);
                }
                _ => {
                    client.request("GET", "/v1/o/404", &[], b"");
                    assert_eq!(client.response().expect("a response").status(), 404);
                }
            }
        }
        assert_eq!((backend.requests().len(), backend.connections()), (50, 1));
        // another client of the same core finds the connection in the pool
        assert_eq!(
            Client::connect(gateway.address)
                .exchange(get("1.1", ""))
                .body,
            b"hello"
        );
        assert_eq!((backend.requests().len(), backend.connections()), (51, 1));
    });
}

#[test]
fn an_answer_before_the_end_of_the_upload_ends_both_connections() {
    on_each_driver(|driver| {
        let (tell, told) = mpsc::channel();
        let backend = Backend::start(move |connection| {
            if connection.number > 0 {
                while connection.request().is_some() {
                    connection.answer(200, &[], b"hello");
                }
                return;
            }
            connection.head().expect("a head");
            connection.bytes(1_000);
            connection.answer(404, &[], b"no such bucket");
            tell.send(connection.rest().len()).unwrap();
        });
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        client.send(
            "PUT /v1/o/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n",
        );
        client.send(vec![b'x'; 500_000]);
        let answer = client.response().expect("a response");
        assert_eq!((answer.status(), connection(&answer)), (404, "close"));
        assert_eq!(answer.body, b"no such bucket");
        assert!(client.is_closed());
        assert!(told.recv_timeout(WAIT_MAX).expect("the end of the upload") < 1_000_000);
        assert_eq!(
            Client::connect(gateway.address)
                .exchange(get("1.1", ""))
                .body,
            b"hello"
        );
        assert_eq!(backend.connections(), 2);
    });
}

#[test]
fn an_upstream_connection_that_closes_is_not_used_again() {
    on_each_driver(|driver| {
        let backend = Backend::start(|connection| {
            if connection.request().is_some() {
                connection.answer(200, &[("Connection", "close")], b"hello");
            }
        });
        let gateway = Gateway::on(driver, s3_proxy(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for _ in 0..5 {
            assert_eq!(
                client
                    .exchange("GET /S3/b/k HTTP/1.1\r\nHost: a\r\n\r\n")
                    .body,
                b"hello"
            );
        }
        assert_eq!((backend.requests().len(), backend.connections()), (5, 5));
    });
}
