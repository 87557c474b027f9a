//! Bodies that are changed while they pass: Base64 in a template, repaired text, and bytes as they are (spec 04).

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::documents::images;
use crate::support::documents::s3_proxy;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;

const OBJECT_BYTES: usize = 5 * 1024 * 1024 + 1;
/// A prime, so that pieces and Base64 groups never fall together.
const PIECE_BYTES: usize = 37_781;
const WAIT_MAX: Duration = Duration::from_secs(120);

fn object() -> Vec<u8> {
    (0..OBJECT_BYTES)
        .map(|at| u8::try_from(at.wrapping_mul(31) % 251).unwrap())
        .collect()
}

/// Text without NUL whose characters have one to four bytes.
fn text() -> String {
    "a\u{e9}\u{20ac}\u{1f600}".repeat(OBJECT_BYTES / 10)
}

fn in_template(object: &[u8]) -> Vec<u8> {
    format!(
        "{{\n \"image\": \"{}\"\n}}",
        base64_simd::STANDARD.encode_to_string(object)
    )
    .into_bytes()
}

/// A store that sends `body` in pieces; it tells when half is sent and waits for a word before it goes on.
struct SlowStore {
    backend: Backend,
    go_on: mpsc::Sender<()>,
}

impl SlowStore {
    fn start(head: String, body: Vec<u8>) -> Self {
        let (go_on, word) = mpsc::channel();
        let word = Mutex::new(word);
        let backend = Backend::start(move |connection| {
            while connection.request().is_some() {
                connection.send(&head);
                let (front, back) = body.split_at(body.len() / 2);
                send_pieces(connection, front);
                word.lock().unwrap().recv_timeout(WAIT_MAX).unwrap();
                send_pieces(connection, back);
                if !head.contains("Content-Length") {
                    return;
                }
            }
        });
        Self { backend, go_on }
    }
}

fn send_pieces(connection: &mut Connection, bytes: &[u8]) {
    for piece in bytes.chunks(PIECE_BYTES) {
        connection.send(piece);
    }
}

fn head(content_type: &str, length: Option<usize>) -> String {
    let length = length
        .map(|length| format!("Content-Length: {length}\r\n"))
        .unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{length}\r\n")
}

/// Asks, and lets the store go on once the response's head is here.
fn ask(client: &mut Client, store: &SlowStore, request: &str) -> Message {
    client.send(request);
    let head = client.head();
    store.go_on.send(()).unwrap();
    head
}

#[test]
fn an_image_streams_as_base64_of_known_length() {
    on_each_driver(|driver| {
        let store = SlowStore::start(head("image/jpeg", Some(OBJECT_BYTES)), object());
        let gateway = Gateway::on(driver, images(), &store.backend.url());
        let mut client = Client::connect(gateway.address);
        let expected = in_template(&object());
        for _ in 0..2 {
            let request =
                "GET /v1/s3?key=b/k HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";
            let head = ask(&mut client, &store, request);
            assert_eq!(head.status(), 200);
            assert_eq!(
                head.field("content-length"),
                Some(expected.len().to_string().as_str())
            );
            assert_eq!(
                (head.field("transfer-encoding"), head.field("connection")),
                (None, Some("keep-alive"))
            );
            assert!(client.bytes(expected.len()) == expected);
        }
        assert_eq!(store.backend.connections(), 1);
    });
}

#[test]
fn an_image_of_unknown_length_streams_in_chunks() {
    on_each_driver(|driver| {
        let store = SlowStore::start(head("image/jpeg", None), object());
        let gateway = Gateway::on(driver, images(), &store.backend.url());
        let mut client = Client::connect(gateway.address);
        client.send("GET /v1/s3?key=b/k HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
        store.go_on.send(()).unwrap();
        let answer = client.response().expect("a whole response");
        assert_eq!(
            (
                answer.field("content-length"),
                answer.field("transfer-encoding")
            ),
            (None, Some("chunked"))
        );
        assert!(answer.body == in_template(&object()));
    });
}

#[test]
fn an_image_as_it_is_keeps_its_length() {
    on_each_driver(|driver| {
        let store = SlowStore::start(head("image/jpeg", Some(OBJECT_BYTES)), object());
        let gateway = Gateway::on(driver, images(), &store.backend.url());
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            let request = "GET /v1/s3?key=b/k HTTP/1.1\r\nHost: a\r\nAccept: application/octet-stream\r\n\r\n";
            let head = ask(&mut client, &store, request);
            assert_eq!(
                head.field("content-length"),
                Some(OBJECT_BYTES.to_string().as_str())
            );
            assert!(client.bytes(OBJECT_BYTES) == object());
        }
        assert_eq!(store.backend.connections(), 1);
    });
}

#[test]
fn text_is_sent_in_chunks_since_its_repaired_length_is_unknown() {
    on_each_driver(|driver| {
        let mut bytes = text().into_bytes();
        bytes.extend_from_slice(b"\xffend\xe2\x82");
        let expected = text() + "\u{fffd}end\u{fffd}";
        let store = SlowStore::start(head("text/plain", Some(bytes.len())), bytes);
        let gateway = Gateway::on(driver, s3_proxy(), &store.backend.url());
        let mut client = Client::connect(gateway.address);
        client.send("GET /S3/b/k HTTP/1.1\r\nHost: a\r\n\r\n");
        store.go_on.send(()).unwrap();
        let answer = client.response().expect("a whole response");
        assert_eq!(
            (
                answer.field("content-length"),
                answer.field("transfer-encoding")
            ),
            (None, Some("chunked"))
        );
        assert_eq!(answer.field("connection"), Some("keep-alive"));
        assert!(answer.body == expected.as_bytes());

        // HTTP/1.0 knows no chunks: the end of the connection is the end of the body
        let mut client = Client::connect(gateway.address);
        client.send("GET /S3/b/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let head = client.head();
        assert_eq!(
            (
                head.field("content-length"),
                head.field("transfer-encoding")
            ),
            (None, None)
        );
        assert_eq!(head.field("connection"), Some("close"));
        store.go_on.send(()).unwrap();
        assert!(client.rest() == expected.as_bytes());
        assert!(client.is_closed());
    });
}

#[test]
fn short_text_has_a_length() {
    on_each_driver(|driver| {
        let backend = Backend::answering(|_request| {
            response(200, &[("Content-Type", "text/plain")], b"a\xffb")
        });
        let gateway = Gateway::on(driver, s3_proxy(), &backend.url());
        for version in ["1.0", "1.1"] {
            let mut client = Client::connect(gateway.address);
            let request =
                format!("GET /S3/b/k HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
            let answer = client.exchange(request);
            assert_eq!(answer.field("content-length"), Some("5"), "{version}");
            assert_eq!(answer.field("connection"), Some("keep-alive"), "{version}");
            assert_eq!(answer.body, "a\u{fffd}b".as_bytes(), "{version}");
        }
    });
}

#[test]
fn a_body_that_breaks_off_at_the_store_is_not_taken_for_whole() {
    on_each_driver(|driver| {
        let backend = Backend::start(|connection| {
            connection.request().expect("a request");
            connection.send(head("image/jpeg", Some(OBJECT_BYTES)));
            connection.send(&object()[..OBJECT_BYTES / 2]);
        });
        let gateway = Gateway::on(driver, images(), &backend.url());
        for accept in ["application/json", "application/octet-stream"] {
            let mut client = Client::connect(gateway.address);
            client.request("GET", "/v1/s3?key=b/k", &[("Accept", accept)], b"");
            assert!(client.response().is_none(), "{accept}");
        }

        let proxy = Gateway::on(driver, s3_proxy(), &backend.url());
        let mut client = Client::connect(proxy.address);
        client.request("GET", "/S3/b/k", &[], b"");
        assert!(client.response().is_none());
    });
}

#[test]
fn a_short_body_that_breaks_off_at_the_store_becomes_a_504() {
    on_each_driver(|driver| {
        let backend = Backend::start(|connection| {
            connection.request().expect("a request");
            connection.send(head("image/jpeg", Some(1_000)));
        });
        let gateway = Gateway::on(driver, images(), &backend.url());
        for accept in ["application/json", "application/octet-stream"] {
            let answer = fetch(
                gateway.address,
                "GET",
                "/v1/s3?key=b/k",
                &[("Accept", accept)],
                b"",
            );
            assert_eq!(answer.status(), 504, "{accept}");
            assert_eq!(
                answer.field("x-amzn-errortype"),
                Some("InternalServerErrorException"),
                "{accept}"
            );
        }
    });
}
