//! What the client gets when the store is away, breaks off, talks nonsense or answers early.

use std::io::ErrorKind;
use std::io::Read;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::INTERNAL;
use crate::support::fault::NETWORK;
use crate::support::fault::TIMEOUT;
use crate::support::fault::assert_fault;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::message::Message;
use crate::support::nobody::Nobody;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::import_value;
use crate::support::object_api::object_api;
use crate::support::object_api::object_gateway;
use crate::support::object_api::text_api;

/// A limit for waits that a test wants to see end, and for which nobody has to be quicker.
const SHORT_MS: u64 = 100;
/// The same where a client or a store has to be quicker, on a busy machine too.
const QUICK_MS: u64 = 1_500;

/// A store that lets `script` loose on each connection once a request head has arrived.
fn after_each_head(script: impl Fn(&mut Connection, &Message) + Send + Sync + 'static) -> Backend {
    Backend::start(move |connection| {
        if let Some(head) = connection.head() {
            script(connection, &head);
        }
    })
}

#[test]
fn refused_connection_is_an_internal_server_error() {
    on_each_driver(|driver| {
        let nobody = Nobody::new();
        let mut settings = settings(import_value(&object_api()), &nobody.url());
        settings.io_driver = driver;
        let gateway = Gateway::start(settings);
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            client.request("GET", "/o/b/k", &[], b"");
            assert_fault(&client.response().unwrap(), 500, INTERNAL, "refused");
        }
    });
}

#[test]
fn connection_that_never_stands_times_out() {
    on_each_driver(|driver| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        socket.listen(1).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // Once the queue of connections that nobody accepts is full, further ones get no answer.
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(SHORT_MS))
        {
            waiting.push(stream);
        }
        let mut settings = settings(import_value(&object_api()), &format!("http://{address}"));
        settings.io_driver = driver;
        settings.timeouts.connect_ms_max = SHORT_MS;
        let gateway = Gateway::start(settings);
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/k", &[], b""),
            504,
            TIMEOUT,
            "never stands",
        );
    });
}

/// What a store may send for a head that is none; then it closes.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n", "a".repeat(40 * 1024));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
    [
        ("nothing", ""),
        ("garbage", "this is not HTTP\r\n\r\n"),
        ("too-long", &long),
        ("cut", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("cut-before-the-empty-line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
        ("two-framings", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
        ("two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno"),
        ("signed-length", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nno"),
        ("other-coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
        ("version", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nno"),
        ("switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
        ("interim-only", &interim),
        ("short", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        ("bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno\r\n0\r\n\r\n"),
        ("no-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ]
    .map(|(name, bytes)| (name, bytes.as_bytes().to_vec()))
    .into()
}

#[test]
fn what_is_no_response_is_a_network_error() {
    on_each_driver(|driver| {
        let store = after_each_head(|connection, head| {
            let name = head.second_word().rsplit('/').next().unwrap().to_owned();
            let answers = nonsense();
            let (_, bytes) = answers.iter().find(|(case, _)| *case == name).unwrap();
            connection.send(bytes);
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        let cases = nonsense();
        for (name, _) in &cases {
            client.request("GET", &format!("/o/b/{name}"), &[], b"");
            assert_fault(&client.response().unwrap(), 504, NETWORK, name);
        }
        assert_eq!(
            store.connections(),
            cases.len(),
            "each case on one connection, none of them again"
        );
    });
}

#[test]
fn reset_before_any_byte_is_a_network_error() {
    on_each_driver(|driver| {
        let store = after_each_head(|connection, _| connection.reset());
        let gateway = object_gateway(driver, &store);
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/k", &[], b""),
            504,
            NETWORK,
            "GET",
        );
        assert_fault(
            &fetch(gateway.address, "PUT", "/o/b/k", &[], b"body"),
            504,
            NETWORK,
            "PUT",
        );
        assert_eq!(
            store.connections(),
            2,
            "a fresh connection that dies is no reason for another try"
        );
    });
}

#[test]
fn interim_responses_are_skipped() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_| {
            let mut answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(3);
            answer.push_str("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody");
            answer.into_bytes()
        });
        let gateway = object_gateway(driver, &store);
        for _ in 0..2 {
            let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (200, &b"body"[..])
            );
            assert_eq!(answer.field("Link"), None);
        }
        assert_eq!(store.connections(), 1, "the connection is kept");
    });
}

/// What a store sends first, and then, when the client has seen the head; then it closes.
const BREAKING: [(&str, &str, &str); 4] = [
    ("short", "Content-Length: 20\r\n\r\nfirst half", ""),
    (
        "chunk-cut",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "5\r\nha",
    ),
    (
        "last-chunk-missing",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "5\r\n half\r\n",
    ),
    (
        "chunk-malformed",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "5\r\n half!\r\n0\r\n\r\n",
    ),
];

#[test]
fn body_that_breaks_off_never_looks_complete() {
    on_each_driver(|driver| {
        let begun = Gate::default();
        let gate = begun.clone();
        let store = after_each_head(move |connection, head| {
            let name = head.second_word().rsplit('/').next().unwrap().to_owned();
            let (_, first, then) = BREAKING.iter().find(|(case, ..)| *case == name).unwrap();
            connection.send(format!("HTTP/1.1 200 OK\r\n{first}"));
            gate.wait();
            connection.send(then);
        });
        let gateway = object_gateway(driver, &store);
        for (name, ..) in BREAKING {
            let mut client = Client::connect(gateway.address);
            client.request("GET", &format!("/o/b/{name}"), &[], b"");
            let head = client.head();
            assert_eq!(head.status(), 200, "{name}");
            begun.open();
            let body = String::from_utf8(client.rest()).unwrap();
            assert!(body.contains("first"), "{name}: {body:?}");
            match head.field("Content-Length") {
                Some(length) => assert!(body.len() < length.parse().unwrap(), "{name}: {body:?}"),
                None => assert!(!body.contains("0\r\n\r\n"), "{name}: {body:?}"),
            }
        }
    });
}

#[test]
fn client_of_http_1_0_sees_a_reset_instead_of_an_end() {
    on_each_driver(|driver| {
        let begun = Gate::default();
        let gate = begun.clone();
        let store = after_each_head(move |connection, _| {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            gate.wait();
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.send("GET /o/b/k HTTP/1.0\r\nHost: gateway.example\r\n\r\n");
        let head = client.head();
        assert_eq!(
            (
                head.field("Content-Length"),
                head.field("Transfer-Encoding")
            ),
            (None, None)
        );
        assert_eq!(client.bytes(5), b"first");
        begun.open();
        let end = client.stream.read(&mut [0; 16]);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn fault_in_a_body_that_is_converted_first_is_still_answered() {
    on_each_driver(|driver| {
        let store = after_each_head(|connection, head| {
            connection.send("HTTP/1.1 200 OK\r\n");
            if head.second_word() == "/b/chunks" {
                connection.send("Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n5\r\nha");
            } else {
                connection.send("Content-Length: 20\r\n\r\nfirst half");
            }
            if head.second_word() == "/b/stalls" {
                connection.rest();
            }
        });
        let gateway = gateway_for(&text_api(), driver, &store, |settings| {
            settings.timeouts.idle_ms_max = QUICK_MS
        });
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/short", &[], b""),
            504,
            NETWORK,
            "short",
        );
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/chunks", &[], b""),
            504,
            NETWORK,
            "chunks",
        );
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/stalls", &[], b""),
            504,
            TIMEOUT,
            "stalls",
        );
    });
}

#[test]
fn bytes_behind_a_body_never_reach_the_next_client() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            while connection.request().is_some() {
                let number = connection.number;
                // At once: what comes only after the next request was sent could not be told from its answer.
                connection.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
                ));
            }
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        for number in ["0", "1", "2"] {
            client.request("GET", "/o/b/k", &[], b"");
            assert_eq!(client.response().unwrap().body, number.as_bytes());
        }
    });
}

#[test]
fn bytes_that_come_on_an_idle_connection_end_it() {
    on_each_driver(|driver| {
        let (answered, poisoned) = (Gate::default(), Gate::default());
        let (seen, done) = (answered.clone(), poisoned.clone());
        let store = Backend::start(move |connection| {
            let number = connection.number.to_string();
            while connection.request().is_some() {
                connection.answer(200, &[], number.as_bytes());
                seen.wait();
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
                done.open();
            }
        });
        let gateway = object_gateway(driver, &store);
        for number in ["0", "1"] {
            assert_eq!(
                fetch(gateway.address, "GET", "/o/b/k", &[], b"").body,
                number.as_bytes()
            );
            answered.open();
            poisoned.wait();
            store.wait_for_arrival();
        }
    });
}

#[test]
fn store_that_never_answers_times_out_by_the_document_or_the_settings() {
    on_each_driver(|driver| {
        let mut hasty = object_api();
        each_integration(&mut hasty, |integration| {
            integration["timeoutInMillis"] = SHORT_MS.into()
        });
        let silent = || after_each_head(|connection, _| drop(connection.rest()));

        let store = silent();
        let gateway = gateway_for(&hasty, driver, &store, |_| {});
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/k", &[], b"");
        assert_fault(&client.response().unwrap(), 504, TIMEOUT, "document");
        client.request("PUT", "/o/b/k", &[], b"body");
        assert_fault(
            &client.response().unwrap(),
            504,
            TIMEOUT,
            "document, with a body",
        );
        assert_eq!(
            store.connections(),
            2,
            "a connection that timed out is finished, and nothing is sent again"
        );

        let store = silent();
        let gateway = gateway_for(&object_api(), driver, &store, |settings| {
            settings.timeouts.integration_ms_max = SHORT_MS
        });
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/k", &[], b""),
            504,
            TIMEOUT,
            "settings",
        );
        let body = vec![b'x'; 1 << 20];
        let streamed = fetch(
            gateway.address,
            "PUT",
            "/o/b/k",
            &[("Content-Type", "image/png")],
            &body,
        );
        assert_fault(&streamed, 504, TIMEOUT, "settings, with a streamed body");
    });
}

#[test]
fn store_that_stalls_in_a_body_is_cut_off() {
    on_each_driver(|driver| {
        let store = after_each_head(|connection, head| {
            let length = head.second_word().rsplit('/').next().unwrap().to_owned();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nbegun"
            ));
            connection.rest();
        });
        let gateway = gateway_for(&object_api(), driver, &store, |settings| {
            settings.timeouts.idle_ms_max = QUICK_MS
        });
        // Short enough to be copied, and long enough to be spliced.
        for length in ["100", "10000000"] {
            let mut client = Client::connect(gateway.address);
            client.request("GET", &format!("/o/b/{length}"), &[], b"");
            assert_eq!(client.head().field("Content-Length"), Some(length));
            assert_eq!(client.rest(), b"begun", "{length}");
        }
    });
}

/// The head of an upload that the store refuses, and its first half.
fn half_an_upload(client: &mut Client) {
    client.send("PUT /o/b/k HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: 2000000\r\n\r\n");
    client.send(vec![b'x'; 1_000_000]);
}

#[test]
fn early_answer_reaches_the_client_and_ends_its_connection() {
    on_each_driver(|driver| {
        for reset in [false, true] {
            let store = after_each_head(move |connection, _| {
                connection.answer(403, &[("Content-Type", "application/xml")], b"<Error/>");
                if reset {
                    connection.reset();
                } else {
                    connection.rest();
                }
            });
            let gateway = object_gateway(driver, &store);
            let mut client = Client::connect(gateway.address);
            half_an_upload(&mut client);
            let answer = client.response().unwrap();
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (403, &b"<Error/>"[..]),
                "reset: {reset}"
            );
            assert_eq!(answer.field("Connection"), Some("close"), "reset: {reset}");
            assert!(client.is_closed(), "reset: {reset}");
            assert!(store.requests().is_empty(), "reset: {reset}");
            let next = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert_eq!(next.status(), 403);
            assert_eq!(
                store.connections(),
                2,
                "the connection is not kept, reset: {reset}"
            );
        }
    });
}

#[test]
fn client_that_leaves_an_upload_leaves_no_whole_request() {
    on_each_driver(|driver| {
        let (begun, ended) = (Gate::default(), Gate::default());
        let (first, last) = (begun.clone(), ended.clone());
        let store = after_each_head(move |connection, head| {
            let announced: usize = head.field("Content-Length").unwrap().parse().unwrap();
            let mut seen = connection.bytes(100_000).len();
            first.open();
            seen += connection.rest().len();
            assert!(seen < announced, "{seen} of {announced}");
            last.open();
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        half_an_upload(&mut client);
        begun.wait();
        drop(client);
        ended.wait();
    });
}

#[test]
fn client_that_stalls_in_an_upload_gets_408() {
    on_each_driver(|driver| {
        let ended = Gate::default();
        let last = ended.clone();
        let store = after_each_head(move |connection, head| {
            let announced: usize = head.field("Content-Length").unwrap().parse().unwrap();
            assert!(connection.rest().len() < announced);
            last.open();
        });
        let gateway = gateway_for(&object_api(), driver, &store, |settings| {
            settings.timeouts.idle_ms_max = QUICK_MS
        });
        let mut client = Client::connect(gateway.address);
        half_an_upload(&mut client);
        let answer = client.response().unwrap();
        assert_eq!(
            (answer.status(), answer.field("Connection")),
            (408, Some("close"))
        );
        ended.wait();
    });
}
