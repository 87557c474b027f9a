//! The sidecar between a client and a store that let it down, in every way a body may come.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::wire::sigv4::payload_hash::sha256_hex;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::sidecar::error_code;
use crate::support::sidecar::sidecar_settings;

/// The longest wait of a test that has to see one pass; the client has to be quicker before it stalls.
const SHORT_MS: u64 = 1_500;
/// Long enough that a part of it is moved by the kernel, where nobody looks at it.
const BYTES: usize = 3_000_000;

/// How a body comes, and how the sidecar sends it on.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With its hash: by the kernel.
    Hashed,
    /// Without one, not to be signed: by the kernel.
    Unsigned,
    /// Without one: in signed chunks.
    Plain,
    /// In `aws-chunked` coding with a checksum behind it.
    Framed,
}

const WAYS: [Way; 4] = [Way::Hashed, Way::Unsigned, Way::Plain, Way::Framed];

impl Way {
    fn sidecar(self, driver: DriverChoice, store: &Backend, idle_ms: u64) -> Gateway {
        let mut settings = sidecar_settings(driver, &store.url());
        settings.timeouts.idle_ms_max = idle_ms;
        if matches!(self, Self::Unsigned) {
            settings.payload_signing = PayloadSigning::Unsigned;
        }
        Gateway::start(settings)
    }

    /// The head and the body of an upload.
    fn upload(self, data: &[u8]) -> (String, Vec<u8>) {
        let (fields, body) = match self {
            Self::Hashed => {
                let hash = String::from_utf8(sha256_hex(data).to_vec()).unwrap();
                (format!("x-amz-content-sha256: {hash}\r\n"), data.to_vec())
            }
            Self::Unsigned | Self::Plain => (String::new(), data.to_vec()),
            Self::Framed => {
                let mut body = format!("{:x}\r\n", data.len()).into_bytes();
                body.extend_from_slice(data);
                body.extend_from_slice(b"\r\n0\r\n\r\n");
                let fields = format!(
                    "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: {}\r\n",
                    data.len()
                );
                (fields, body)
            }
        };
        let length = body.len();
        let head =
            format!("PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{fields}\r\n");
        (head, body)
    }
}

fn pattern() -> Vec<u8> {
    (0..BYTES)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

fn told(answer: &Message) -> String {
    format!("{} {}", answer.status(), error_code(answer))
}

/// A store that answers what is whole, and tells when a connection ends in the middle of a request.
fn counting() -> (Backend, mpsc::Receiver<()>) {
    let (cut, cuts) = mpsc::channel();
    let store = Backend::start(move |connection| {
        while let Some(head) = connection.head() {
            let length = head
                .field("content-length")
                .map_or(0, |text| text.parse().unwrap());
            if connection.bytes(length).len() < length {
                // The test may have ended.
                cut.send(()).unwrap_or_default();
                return;
            }
            connection.answer(200, &[("ETag", "\"e\"")], b"");
        }
    });
    (store, cuts)
}

fn reset(client: Client) {
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn every_way_brings_the_same_bytes() {
    on_each_driver(|driver| {
        for way in WAYS {
            let store = Backend::answering(|_| response(200, &[], b""));
            let gateway = way.sidecar(driver, &store, 120_000);
            let data = pattern();
            let (head, body) = way.upload(&data);
            let mut client = Client::connect(gateway.address);
            for piece in [
                head.as_bytes(),
                &body[..7],
                &body[7..100_000],
                &body[100_000..],
            ] {
                client.send(piece);
            }
            assert_eq!(client.response().unwrap().status(), 200, "{way:?}");
            let request = store.requests().pop().unwrap();
            assert!(stored(&request) == data, "{way:?}");
            // Both connections take another request.
            client.send("GET /b/k HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response().unwrap().status(), 200, "{way:?}");
            assert_eq!(store.connections(), 1, "{way:?}");
        }
    });
}

#[test]
fn more_uploads_at_once_than_there_are_pipes() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_| response(200, &[], b""));
        let gateway = Way::Hashed.sidecar(driver, &store, 120_000);
        let data = pattern();
        let (head, body) = Way::Hashed.upload(&data);
        let count = sluicegate::net::relay::splice::PIPES_MAX + 3;
        let mut clients: Vec<Client> = (0..count)
            .map(|_| {
                let mut client = Client::connect(gateway.address);
                client.send(&head);
                client.send(&body[..BYTES / 2]);
                client
            })
            .collect();
        for client in &mut clients {
            client.send(&body[BYTES / 2..]);
            assert_eq!(client.response().unwrap().status(), 200);
        }
        assert_eq!(store.requests().len(), count);
        assert!(store.requests().iter().all(|request| request.body == data));
    });
}

#[test]
fn a_client_that_stalls_in_a_body_is_told() {
    on_each_driver(|driver| {
        for way in WAYS {
            let (store, cuts) = counting();
            let gateway = way.sidecar(driver, &store, SHORT_MS);
            let (head, body) = way.upload(&pattern());
            let mut client = Client::connect(gateway.address);
            client.send(head);
            client.send(&body[..BYTES / 2]);
            let answer = client.response().unwrap();
            assert_eq!(told(&answer), "400 RequestTimeout", "{way:?}");
            assert_eq!(answer.field("connection"), Some("close"), "{way:?}");
            cuts.recv().unwrap();
        }
    });
}

#[test]
fn a_client_that_leaves_a_body_leaves_no_object() {
    on_each_driver(|driver| {
        for way in WAYS {
            for resets in [false, true] {
                let (store, cuts) = counting();
                let gateway = way.sidecar(driver, &store, 120_000);
                let (head, body) = way.upload(&pattern());
                // Within the head: nothing reaches the store.
                let mut client = Client::connect(gateway.address);
                client.send(&head[..30]);
                if resets {
                    reset(client)
                } else {
                    drop(client)
                }
                // Within the body.
                for sent in [100, BYTES / 2] {
                    let mut client = Client::connect(gateway.address);
                    client.send(&head);
                    client.send(&body[..sent]);
                    if resets {
                        reset(client);
                    } else {
                        client.finish_sending();
                        let answer = client.response().unwrap();
                        assert_eq!(told(&answer), "400 IncompleteBody", "{way:?} {sent}");
                    }
                    // A short beginning may not have been sent on before the client was gone.
                    if sent > 100 {
                        cuts.recv().unwrap();
                    }
                }
                let answer = fetch(gateway.address, "GET", "/b/k", &[], b"");
                assert_eq!(answer.status(), 200, "{way:?}");
            }
        }
    });
}

#[test]
fn a_client_that_leaves_a_download_takes_nothing_with_it() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_| response(200, &[], &vec![b'x'; 8 * BYTES]));
        let gateway = Way::Plain.sidecar(driver, &store, 120_000);
        for resets in [false, true] {
            let mut client = Client::connect(gateway.address);
            client.request("GET", "/b/k", &[], b"");
            assert_eq!(client.head().status(), 200);
            if resets {
                reset(client)
            } else {
                drop(client)
            }
            let answer = fetch(gateway.address, "GET", "/b/k", &[], b"");
            assert_eq!(answer.body.len(), 8 * BYTES);
        }
    });
}

#[test]
fn an_early_answer_reaches_the_client() {
    on_each_driver(|driver| {
        for way in WAYS {
            for resets in [false, true] {
                let store = Backend::start(move |connection: &mut Connection| {
                    connection.head();
                    connection.answer(403, &[], b"<Error><Code>AccessDenied</Code></Error>");
                    if resets {
                        connection.reset();
                    } else {
                        connection.rest();
                    }
                });
                let gateway = way.sidecar(driver, &store, 120_000);
                let (head, body) = way.upload(&pattern());
                let mut client = Client::connect(gateway.address);
                client.send(head);
                client.send(&body[..BYTES / 2]);
                let answer = client.response().unwrap();
                assert_eq!(told(&answer), "403 AccessDenied", "{way:?} {resets}");
                assert_eq!(answer.field("connection"), Some("close"), "{way:?}");
            }
        }
    });
}

#[test]
fn a_store_that_leaves_an_upload_is_told() {
    on_each_driver(|driver| {
        for way in WAYS {
            for (script, wanted) in [
                (
                    (|connection| {
                        connection.head();
                        connection.bytes(200_000);
                        connection.reset();
                    }) as fn(&mut Connection),
                    "500 InternalError",
                ),
                (
                    |connection| {
                        connection.head();
                        connection.bytes(BYTES);
                        connection.reset();
                    },
                    "500 InternalError",
                ),
                (
                    |connection| {
                        connection.head();
                        connection.send("HTTP/1.1 200 OK\r\nContent-Le");
                    },
                    "500 InternalError",
                ),
            ] {
                let store = Backend::start(script);
                let gateway = way.sidecar(driver, &store, 120_000);
                let (head, body) = way.upload(&pattern());
                let mut client = Client::connect(gateway.address);
                let sending = client.stream.try_clone().unwrap();
                let body = thread::spawn(move || {
                    let mut sending = sending;
                    // The sidecar may have closed before it read everything.
                    std::io::Write::write_all(&mut sending, &[head.as_bytes(), &body].concat())
                        .unwrap_or_default();
                });
                let answer = client.response().unwrap();
                assert_eq!(told(&answer), wanted, "{way:?}");
                drop(client);
                body.join().unwrap();
            }
        }
    });
}

#[test]
fn a_store_that_breaks_off_never_looks_complete() {
    on_each_driver(|driver| {
        let before_head = Backend::start(|connection| {
            connection.request();
            connection.reset();
        });
        let gateway = Way::Plain.sidecar(driver, &before_head, 120_000);
        let answer = fetch(gateway.address, "GET", "/b/k", &[], b"");
        assert_eq!(told(&answer), "500 InternalError");
        for sent in [10, 2_000_000] {
            let store = Backend::start(move |connection| {
                connection.request();
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
                connection.send(vec![b'x'; sent]);
                connection.reset();
            });
            let gateway = Way::Plain.sidecar(driver, &store, 120_000);
            let mut client = Client::connect(gateway.address);
            client.request("GET", "/b/k", &[], b"");
            assert!(client.response().is_none(), "after {sent} bytes");
        }
    });
}

#[test]
fn a_body_is_asked_for_once_the_request_is_sound() {
    on_each_driver(|driver| {
        for way in WAYS {
            let store = Backend::answering(|_| response(200, &[], b""));
            let gateway = way.sidecar(driver, &store, 120_000);
            let (head, body) = way.upload(&pattern());
            let mut client = Client::connect(gateway.address);
            client.send(head.replace("Host: a\r\n", "Host: a\r\nExpect: 100-continue\r\n"));
            assert_eq!(client.head().status(), 100, "{way:?}");
            client.send(body);
            assert_eq!(client.response().unwrap().status(), 200, "{way:?}");
            assert!(stored(&store.requests()[0]) == pattern(), "{way:?}");
        }
        let store = Backend::answering(|_| response(200, &[], b""));
        let gateway = Way::Plain.sidecar(driver, &store, 120_000);
        let answer = Client::connect(gateway.address).exchange(
            "PUT /b/k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\nx-amz-content-sha256: none\r\n\r\n",
        );
        assert_eq!(told(&answer), "400 InvalidRequest");
        assert!(store.requests().is_empty());
    });
}

#[test]
fn a_body_of_unknown_length_goes_up_whole_or_in_parts() {
    on_each_driver(|driver| {
        let store = Backend::answering(|request| {
            match request.start.as_str() {
            line if line.starts_with("POST /b/k?uploads") => {
                response(200, &[], b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            line if line.starts_with("POST") => response(
                200,
                &[],
                b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>",
            ),
            _ => response(200, &[("ETag", "\"e\"")], b""),
        }
        });
        let gateway = Way::Plain.sidecar(driver, &store, 120_000);
        for (bytes, wanted) in [
            (70_000, vec!["PUT /b/k HTTP/1.1"]),
            (
                11 << 20,
                vec![
                    "POST /b/k?uploads= HTTP/1.1",
                    "PUT /b/k?partNumber=1&uploadId=u HTTP/1.1",
                    "PUT /b/k?partNumber=2&uploadId=u HTTP/1.1",
                    "POST /b/k?uploadId=u HTTP/1.1",
                ],
            ),
        ] {
            let before = store.requests().len();
            let mut client = Client::connect(gateway.address);
            client.send("PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut left: usize = bytes;
            while left > 0 {
                let chunk = left.min(1 << 20);
                client.send(format!("{chunk:x}\r\n"));
                client.send(vec![b'x'; chunk]);
                client.send("\r\n");
                left -= chunk;
            }
            client.send("0\r\n\r\n");
            assert_eq!(client.response().unwrap().status(), 200);
            let seen = store.requests().split_off(before);
            let lines: Vec<&str> = seen.iter().map(|request| request.start.as_str()).collect();
            assert_eq!(lines, wanted);
            let put: usize = seen
                .iter()
                .filter(|request| request.start.starts_with("PUT"))
                .map(|request| stored(request).len())
                .sum();
            assert_eq!(put, bytes);
        }
    });
}

#[test]
fn the_stores_own_error_is_passed_on() {
    on_each_driver(|driver| {
        let gate = Gate::default();
        let opened = gate.clone();
        let body = b"<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><RequestId>R</RequestId></Error>";
        let store = Backend::answering(move |_| {
            opened.open();
            response(
                403,
                &[
                    ("Content-Type", "application/xml"),
                    ("x-amz-request-id", "R"),
                ],
                body,
            )
        });
        let gateway = Way::Plain.sidecar(driver, &store, 120_000);
        for (method, body_sent) in [("GET", &b""[..]), ("PUT", b"data"), ("DELETE", b"")] {
            let answer = fetch(gateway.address, method, "/b/k", &[], body_sent);
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (403, &body[..]),
                "{method}"
            );
            assert_eq!(answer.field("x-amz-request-id"), Some("R"));
            gate.wait();
        }
        assert_eq!(store.requests().len(), 3, "none was tried again");
    });
}
