//! What a request may measure (spec 11, "Quotas"), and what becomes of one that is over it.

use std::sync::mpsc;
use std::thread;

use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::Limits;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::documents::objects;
use crate::support::documents::s3_proxy;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::message::Message;

const HEADER_BYTES_MAX: usize = 10_240;
const TARGET_BYTES_MAX: usize = 10_240;
const PAYLOAD_BYTES_MAX: usize = 10_485_760;

/// A time limit that a test waits for; a client on a busy machine must still be quicker between connecting and sending.
const SHORT_MS: u64 = 1_500;

const BYTES: &str = "Content-Type: application/octet-stream\r\n";

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

fn start(driver: DriverChoice, backend: &Backend) -> Gateway {
    Gateway::on(driver, objects(), &backend.url())
}

fn put(framing: &str) -> String {
    format!("PUT /v1/o/k HTTP/1.1\r\nHost: a\r\n{BYTES}{framing}\r\n\r\n")
}

/// A body of `count` bytes in chunks of at most 64 KiB.
fn chunks(count: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut left = count;
    while left > 0 {
        let size = left.min(64 * 1024);
        wire.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        wire.resize(wire.len() + size, b'x');
        wire.extend_from_slice(b"\r\n");
        left -= size;
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn assert_too_long(answer: &Message) {
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(
        answer.field("x-amzn-errortype"),
        Some("BadRequestException")
    );
    assert_eq!(answer.body, br#"{"message": "Request Too Long"}"#);
}

#[test]
fn header_names_and_values_are_counted_together() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        // "Host", "a", and names of three bytes
        let head = |bytes: usize| {
            let (long, short) = ("v".repeat(5_000), "v".repeat(bytes - 4 - 1 - 3 - 5_000 - 3));
            format!("GET /v1/o/k HTTP/1.1\r\nHost: a\r\nX-1: {long}\r\nX-2:   {short}\r\n\r\n")
        };
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange(head(HEADER_BYTES_MAX)).status(), 200);
        let answer = client.exchange(head(HEADER_BYTES_MAX + 1));
        assert_eq!(answer.status(), 431);
        assert_eq!(
            answer.body,
            br#"{"message":"Request Header Fields Too Large"}"#
        );
        assert!(client.is_closed());
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        for (start, status) in [
            ("GET /v1/o/k HTTP/1.1\r\nHost: a\r\nX: ", 431),
            ("GET /v1/o/", 414),
            ("", 501),
        ] {
            let mut client = Client::connect(gateway.address);
            client.send(start);
            client.send(vec![b'v'; 1024 * 1024]);
            assert_eq!(client.response().expect("a response").status(), status);
            assert!(client.is_closed());
        }
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn a_head_that_stalls_is_given_up() {
    on_each_driver(|driver| {
        let backend = accepting();
        let mut settings = ServeSettings {
            io_driver: driver,
            ..settings(objects(), &backend.url())
        };
        settings.timeouts.header_ms_max = SHORT_MS;
        let gateway = Gateway::start(settings);
        for begun in ["G", "GET /v1/o/k HTTP/1.1\r\nHost: a\r\n", "\r\n"] {
            let mut client = Client::connect(gateway.address);
            let answer = client.exchange(begun);
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (408, b"Request Timeout".as_slice()),
                "{begun}"
            );
            assert_eq!(answer.field("connection"), Some("close"), "{begun}");
            assert!(client.is_closed(), "{begun}");
        }
        // a connection on which nothing began is not hurried: the idle limit is another one
        let mut waiting = Client::connect(gateway.address);
        let mut stalled = Client::connect(gateway.address);
        assert_eq!(stalled.exchange("G").status(), 408);
        waiting.request("GET", "/v1/o/k", &[], b"");
        assert_eq!(waiting.response().expect("a response").status(), 200);
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn a_body_that_stalls_is_given_up() {
    on_each_driver(|driver| {
        let backend = accepting();
        let mut settings = ServeSettings {
            io_driver: driver,
            ..settings(objects(), &backend.url())
        };
        settings.timeouts.idle_ms_max = SHORT_MS;
        let gateway = Gateway::start(settings);
        for begun in [
            put("Content-Length: 5") + "hell",
            put("Content-Length: 100000") + "hell",
            put("Transfer-Encoding: chunked") + "5\r\nhello\r\n",
        ] {
            let mut client = Client::connect(gateway.address);
            let answer = client.exchange(&begun);
            assert_eq!(
                (answer.status(), answer.field("connection")),
                (408, Some("close")),
                "{begun}"
            );
            assert!(client.is_closed(), "{begun}");
        }
        assert!(backend.requests().is_empty());
        assert!(
            Client::connect(gateway.address).is_closed(),
            "an idle connection gets no answer"
        );
    });
}

#[test]
fn field_lines_are_counted() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let head = |lines: usize| {
            format!(
                "GET /v1/o/k HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X: 1\r\n".repeat(lines - 1)
            )
        };
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange(head(128)).status(), 200);
        assert_eq!(client.exchange(head(129)).status(), 431);
        assert!(client.is_closed());
    });
}

#[test]
fn a_target_may_have_10240_bytes() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let target = |bytes: usize| {
            format!(
                "/v1/o/{}?q={}",
                "k".repeat(1_000),
                "v".repeat(bytes - 6 - 1_000 - 3)
            )
        };
        let answer = fetch(gateway.address, "GET", &target(TARGET_BYTES_MAX), &[], b"");
        assert_eq!(answer.status(), 200);
        assert_eq!(
            backend.requests()[0].second_word(),
            format!("/b/{}", "k".repeat(1_000))
        );

        let mut client = Client::connect(gateway.address);
        client.request("GET", &target(TARGET_BYTES_MAX + 1), &[], b"");
        let answer = client.response().expect("a response");
        assert_eq!(answer.status(), 414);
        assert_eq!(answer.body, br#"{"message":"Request URI too long"}"#);
        assert!(client.is_closed());
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn a_body_of_known_length_may_have_10485760_bytes() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let body = vec![b'x'; PAYLOAD_BYTES_MAX];
        let answer = fetch(
            gateway.address,
            "PUT",
            "/v1/o/k",
            &[("Content-Type", "application/octet-stream")],
            &body,
        );
        assert_eq!(answer.status(), 200);
        let seen = backend.requests();
        assert_eq!(
            seen[0].field("x-amz-decoded-content-length"),
            Some("10485760")
        );
        assert!(stored(&seen[0]) == body);
    });
}

#[test]
fn a_longer_length_is_refused_at_once() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        for length in ["10485761", "18446744073709551615"] {
            for expect in ["", "\r\nExpect: 100-continue"] {
                let mut client = Client::connect(gateway.address);
                // the first response is the refusal, no 100 before it, and no byte of the body was needed
                assert_too_long(
                    &client.exchange(put(&format!("Content-Length: {length}{expect}"))),
                );
                assert!(client.is_closed());
            }
        }
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn a_chunked_body_may_have_10485760_bytes() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let mut client = Client::connect(gateway.address);
        client.send(put("Transfer-Encoding: chunked"));
        assert_eq!(client.exchange(chunks(PAYLOAD_BYTES_MAX)).status(), 200);
        let seen = backend.requests();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].field("transfer-encoding"), None);
        assert!(stored(&seen[0]) == vec![b'x'; PAYLOAD_BYTES_MAX]);
    });
}

#[test]
fn a_longer_chunked_body_is_refused_when_it_crosses_the_limit() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let mut client = Client::connect(gateway.address);
        client.send(put("Transfer-Encoding: chunked"));
        let mut wire = chunks(PAYLOAD_BYTES_MAX + 1);
        // all data, but not the end
        wire.truncate(wire.len() - b"\r\n0\r\n\r\n".len());
        assert_too_long(&client.exchange(wire));
        assert!(client.is_closed());
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn a_client_that_sends_everything_first_can_read_the_refusal() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let sized = [
            put("Content-Length: 10485761").into_bytes(),
            vec![b'x'; PAYLOAD_BYTES_MAX + 1],
        ]
        .concat();
        let chunked = [
            put("Transfer-Encoding: chunked").into_bytes(),
            chunks(12 * 1024 * 1024),
        ]
        .concat();
        for wire in [sized, chunked] {
            let mut client = Client::connect(gateway.address);
            assert!(
                client.send(wire),
                "the gateway reset the connection while the client was sending"
            );
            assert_too_long(&client.response().expect("a response"));
            assert!(client.is_closed());
        }
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn a_refusal_arrives_while_the_client_still_sends() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = start(driver, &backend);
        let mut client = Client::connect(gateway.address);
        client.send(put("Content-Length: 14680064"));
        let mut sender = client.stream.try_clone().unwrap();
        let (answered, answer_seen) = mpsc::channel();
        let sending = thread::spawn(move || {
            use std::io::Write;
            sender.write_all(&vec![b'x'; 7 * 1024 * 1024]).unwrap();
            answer_seen.recv().unwrap();
            sender.write_all(&vec![b'x'; 7 * 1024 * 1024]).unwrap();
        });
        assert_too_long(&client.response().expect("a response"));
        answered.send(()).unwrap();
        sending.join().unwrap();
        assert!(client.is_closed());
    });
}

#[test]
fn a_body_that_grows_over_the_limit_is_refused() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, s3_proxy(), &backend.url());
        // each of these bytes becomes the three of U+FFFD
        let most = PAYLOAD_BYTES_MAX / 3;
        assert_eq!(
            fetch(gateway.address, "PUT", "/S3/b/k", &[], &vec![0xff; most]).status(),
            200
        );
        assert_eq!(stored(&backend.requests()[0]).len(), most * 3);
        assert_eq!(
            fetch(
                gateway.address,
                "PUT",
                "/S3/b/k",
                &[],
                &vec![0xff; most + 1]
            )
            .status(),
            413
        );
        assert_too_long(&fetch(
            gateway.address,
            "PUT",
            "/S3/b/k",
            &[],
            &vec![0xff; 2 * most],
        ));
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn no_limit_lets_every_body_through() {
    const BYTES_SENT: usize = 24 * 1024 * 1024 + 1;
    on_each_driver(|driver| {
        let backend = Backend::answering(|request| {
            match request.second_word() {
            "/b/k?uploads=" => {
                response(200, &[], b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            "/b/k?uploadId=u" => {
                response(200, &[], b"<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>")
            }
            _ => response(200, &[("ETag", "\"p\"")], b""),
        }
        });
        let mut settings = ServeSettings {
            io_driver: driver,
            ..settings(objects(), &backend.url())
        };
        settings.limits = Limits {
            payload_bytes_max: 0,
            ..settings.limits
        };
        let gateway = Gateway::start(settings);
        let mut client = Client::connect(gateway.address);
        client.send(put(&format!("Content-Length: {BYTES_SENT}")));
        assert_eq!(client.exchange(vec![b'x'; BYTES_SENT]).status(), 200);
        client.send(put("Transfer-Encoding: chunked"));
        assert_eq!(client.exchange(chunks(BYTES_SENT)).status(), 200);

        let seen = backend.requests();
        let sizes: Vec<(&str, usize)> = seen
            .iter()
            .map(|request| (request.second_word(), stored(request).len()))
            .collect();
        assert_eq!(
            sizes[..5],
            [
                ("/b/k", BYTES_SENT),
                ("/b/k?uploads=", 0),
                ("/b/k?partNumber=1&uploadId=u", PAYLOAD_BYTES_MAX),
                ("/b/k?partNumber=2&uploadId=u", PAYLOAD_BYTES_MAX),
                (
                    "/b/k?partNumber=3&uploadId=u",
                    BYTES_SENT - 2 * PAYLOAD_BYTES_MAX
                ),
            ]
        );
        assert_eq!(sizes[5].0, "/b/k?uploadId=u");
        assert_eq!(sizes.len(), 6);
    });
}
