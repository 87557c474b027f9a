//! One more try, and only where the store cannot have applied the first: what the store saw is counted.

use std::net::Shutdown;
use std::net::TcpStream;

use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::NETWORK;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::object_api::object_gateway;

/// More than the sockets between gateway and store can hold unread: the store's is held to [`STORE_SOCKET_BYTES`], since Linux
/// lets it grow to 32 MiB; the gateway's grows to 4 MiB (tcp(7), `tcp_rmem`, `tcp_wmem`).
const LARGE_BYTES: usize = 9 * 1024 * 1024;
const STORE_SOCKET_BYTES: usize = 64 * 1024;

/// A store that answers the first request of its first connection, and leaves the rest of that connection to `then`;
/// all other connections answer everything.
fn store_that_lets_down(then: impl Fn(&mut Connection) + Send + Sync + 'static) -> Backend {
    Backend::start(move |connection| {
        if connection.number == 0 {
            let socket = socket2::SockRef::from(&connection.stream);
            socket.set_recv_buffer_size(STORE_SOCKET_BYTES).unwrap();
            connection.request().unwrap();
            connection.answer(200, &[], b"kept");
            then(connection);
            return;
        }
        while connection.request().is_some() {
            connection.answer(200, &[], b"fresh");
        }
    })
}

/// A gateway whose pool holds the store's first connection, and a client.
fn warm(driver: DriverChoice, store: &Backend) -> (Gateway, Client) {
    let gateway = object_gateway(driver, store);
    let mut client = Client::connect(gateway.address);
    client.request("GET", "/o/b/warm", &[], b"");
    assert_eq!(client.response().unwrap().body, b"kept");
    (gateway, client)
}

/// Whole requests of a method that the store read, the one that warmed the pool left out.
fn seen(store: &Backend, method: &str) -> Vec<Message> {
    let requests = store.requests().into_iter().skip(1);
    requests
        .filter(|request| request.start.starts_with(method))
        .collect()
}

fn reads_and_resets(connection: &mut Connection) {
    connection.request();
    connection.reset();
}

fn chunked(method: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "{method} /o/b/k HTTP/1.1\r\nHost: gateway.example\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message.extend_from_slice(b"\r\n0\r\n\r\n");
    message
}

/// A socket that leads nowhere, to put in place of one that shall close now.
fn loose_end() -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    socket.unwrap().into()
}

#[test]
fn idle_connection_that_the_store_closed_is_not_used() {
    on_each_driver(|driver| {
        for reset in [false, true] {
            let (go, closed) = (Gate::default(), Gate::default());
            let (start, done) = (go.clone(), closed.clone());
            let store = Backend::start(move |connection| {
                let Some(_) = connection.request() else {
                    return;
                };
                connection.answer(200, &[], b"once");
                start.wait();
                if reset {
                    connection.reset();
                    // Replacing the socket closes the old one here and not when the script ends.
                    connection.stream = loose_end();
                } else {
                    connection.stream.shutdown(Shutdown::Both).unwrap();
                }
                done.open();
            });
            let gateway = object_gateway(driver, &store);
            let mut client = Client::connect(gateway.address);
            for (method, body) in [("GET", &b""[..]), ("PUT", b"body"), ("POST", b"body")] {
                client.request(method, "/o/b/k", &[], body);
                assert_eq!(
                    client.response().unwrap().body,
                    b"once",
                    "{method}, reset: {reset}"
                );
                go.open();
                closed.wait();
                store.wait_for_arrival();
            }
            assert_eq!(
                (store.connections(), store.requests().len()),
                (3, 3),
                "reset: {reset}"
            );
        }
    });
}

#[test]
fn request_without_body_is_tried_again() {
    on_each_driver(|driver| {
        for method in ["GET", "DELETE"] {
            for script in [reads_and_resets as fn(&mut Connection), |connection| {
                drop(connection.request())
            }] {
                let store = store_that_lets_down(script);
                let (_gateway, mut client) = warm(driver, &store);
                client.request(method, "/o/b/k", &[], b"");
                let answer = client.response().unwrap();
                assert_eq!(
                    (answer.status(), answer.body.as_slice()),
                    (200, &b"fresh"[..]),
                    "{method}"
                );
                assert_eq!(
                    (store.connections(), seen(&store, method).len()),
                    (2, 2),
                    "{method}"
                );
            }
        }
    });
}

#[test]
fn second_try_is_the_last() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            connection.request();
            if connection.number == 0 {
                connection.answer(200, &[], b"kept");
                connection.request();
            }
            connection.reset();
        });
        let (_gateway, mut client) = warm(driver, &store);
        client.request("GET", "/o/b/k", &[], b"");
        let answer = client.response().unwrap();
        assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
        assert_eq!((store.connections(), seen(&store, "GET").len()), (2, 2));
    });
}

#[test]
fn nothing_is_tried_again_once_the_response_has_begun() {
    on_each_driver(|driver| {
        for begun in [
            "H",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
        ] {
            let store = store_that_lets_down(move |connection| {
                connection.request();
                connection.send(begun);
            });
            let (_gateway, mut client) = warm(driver, &store);
            client.request("GET", "/o/b/k", &[], b"");
            let answer = client.response().unwrap();
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (504, NETWORK),
                "{begun:?}"
            );
            assert_eq!(
                (store.connections(), seen(&store, "GET").len()),
                (1, 1),
                "{begun:?}"
            );
        }
    });
}

#[test]
fn body_that_the_store_may_have_read_is_not_sent_again() {
    on_each_driver(|driver| {
        for method in ["PUT", "POST"] {
            for script in [reads_and_resets as fn(&mut Connection), |connection| {
                drop(connection.request())
            }] {
                let store = store_that_lets_down(script);
                let (_gateway, mut client) = warm(driver, &store);
                client.request(method, "/o/b/k", &[], b"body");
                let answer = client.response().unwrap();
                assert_eq!(
                    (answer.status(), answer.body.as_slice()),
                    (504, NETWORK),
                    "{method}"
                );
                assert_eq!(
                    (store.connections(), seen(&store, method).len()),
                    (1, 1),
                    "{method}"
                );
            }
        }
    });
}

/// Neither reads the body: one resets, the other only says that it will not answer.
const STOPPERS: [fn(&mut Connection); 2] = [
    |connection| {
        connection.head();
        connection.reset();
    },
    |connection| {
        connection.head();
        connection.stream.shutdown(Shutdown::Write).unwrap();
        // Until the gateway has given the connection up.
        connection.rest();
    },
];

#[test]
fn body_from_memory_that_was_not_sent_whole_is_sent_again_whole() {
    let body: Vec<u8> = (0..LARGE_BYTES)
        .map(|at| b"0123456789abcdef!"[at % 17])
        .collect();
    on_each_driver(|driver| {
        for script in STOPPERS {
            let store = store_that_lets_down(script);
            let (_gateway, mut client) = warm(driver, &store);
            client.send(chunked("PUT", &body));
            let answer = client.response().unwrap();
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (200, &b"fresh"[..])
            );
            let stored = seen(&store, "PUT");
            assert_eq!((store.connections(), stored.len()), (2, 1));
            assert!(stored[0].body == body, "{} bytes", stored[0].body.len());
        }
    });
}

#[test]
fn post_and_streamed_body_are_never_sent_again() {
    on_each_driver(|driver| {
        let body = vec![b'x'; LARGE_BYTES];
        for script in STOPPERS {
            let store = store_that_lets_down(script);
            let (gateway, mut client) = warm(driver, &store);
            client.send(chunked("POST", &body));
            let answer = client.response().unwrap();
            assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
            assert_eq!(store.connections(), 1);
            drop(gateway);

            let store = store_that_lets_down(script);
            let (gateway, _client) = warm(driver, &store);
            let answer = fetch(gateway.address, "PUT", "/o/b/k", &[], &body);
            assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
            assert_eq!(store.connections(), 1);
        }
    });
}
