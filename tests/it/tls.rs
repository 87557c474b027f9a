//! A store behind https: what reaches it, what comes back, and who is not trusted.

use std::net::SocketAddr;
use std::net::TcpListener;

use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::trust::Trust;
use sluicegate::net::upstream::endpoint::Endpoint;
use sluicegate::pipeline::store_path::Addressing;
use sluicegate::pipeline::store_path::StoreAddress;

use crate::support::backend::Backend;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::NETWORK;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::tls::Greeting;
use crate::support::tls::TlsFront;
use crate::support::tls::Validity;

const NAME: &str = "store.example";
/// Above what is hashed before it is sent, below the payload limit.
const LONG_BYTES: usize = 3 * 1024 * 1024;

fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

/// No handshake takes this long, on a busy machine either.
const CONNECT_MS_MAX: u64 = 120_000;

/// A gateway whose store is `name` at `address`, trusting `authority` if there is one.
fn gateway(
    driver: DriverChoice,
    name: &str,
    address: SocketAddr,
    authority: Option<&str>,
    connect_ms_max: u64,
) -> Gateway {
    let store = Backend::start(|_| ());
    gateway_for(&object_api(), driver, &store, |settings| {
        let url = format!("https://{name}:{}", address.port());
        settings.endpoint = Endpoint::parse(&url).unwrap().with_addresses(vec![address]);
        let of_store = settings.endpoint.authority().to_owned();
        let gateway = gateway_of(settings);
        gateway.store = StoreAddress::new(&of_store, Addressing::Path, None, &gateway.table);
        if let Some(pem) = authority {
            settings.trust = Trust::with_authorities(pem).unwrap();
        }
        settings.timeouts.connect_ms_max = connect_ms_max;
    })
}

fn trusting(driver: DriverChoice, front: &TlsFront) -> Gateway {
    let authority = Some(front.authority.as_str());
    gateway(driver, NAME, front.address, authority, CONNECT_MS_MAX)
}

#[test]
fn bodies_pass_whole_both_ways_on_one_connection() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            while let Some(request) = connection.request() {
                let body = if request.start.starts_with("GET") {
                    pattern(LONG_BYTES)
                } else {
                    Vec::new()
                };
                connection.answer(200, &[], &body);
            }
        });
        let front = TlsFront::start(&store.url(), NAME, Validity::Now);
        let gateway = trusting(driver, &front);
        for _ in 0..2 {
            let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert!(answer.body == pattern(LONG_BYTES));
        }
        for body in [pattern(LONG_BYTES), pattern(1_000)] {
            let answer = fetch(gateway.address, "PUT", "/o/b/k", &[], &body);
            assert_eq!(answer.status(), 200);
            assert!(stored(store.requests().last().unwrap()) == body);
        }
        let hashes: Vec<String> = store.requests()[2..]
            .iter()
            .map(|put| put.field("x-amz-content-sha256").unwrap().to_owned())
            .collect();
        assert_eq!(hashes[0], "UNSIGNED-PAYLOAD", "TLS covers the body");
        assert_eq!(hashes[1].len(), 64, "a short body's hash is known");
        let host = store.requests()[0].field("host").unwrap().to_owned();
        assert_eq!(host, format!("{NAME}:{}", front.address.port()));
        assert_eq!(
            front.greetings(),
            [Greeting {
                server_name: Some(NAME.to_owned()),
                alpn: Some(b"http/1.1".to_vec()),
                resumed: false,
            }]
        );
    });
}

#[test]
fn the_next_connection_resumes_the_session() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            connection.request();
            connection.answer(200, &[("Connection", "close")], b"once");
        });
        let front = TlsFront::start(&store.url(), NAME, Validity::Now);
        let gateway = trusting(driver, &front);
        for _ in 0..3 {
            let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert_eq!(answer.body, b"once");
        }
        let resumed: Vec<bool> = front.greetings().iter().map(|seen| seen.resumed).collect();
        assert_eq!(resumed, [false, true, true]);
    });
}

#[test]
fn a_store_that_is_not_trusted_gets_nothing() {
    on_each_driver(|driver| {
        let store =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let good = TlsFront::start(&store.url(), NAME, Validity::Now);
        let expired = TlsFront::start(&store.url(), NAME, Validity::Past);
        let talker = Backend::start(|connection| {
            connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            connection.rest();
        });
        let plain: SocketAddr = talker.url()["http://".len()..].parse().unwrap();
        for (told, name, address, authority) in [
            ("wrong name", "other.example", good.address, Some(&good)),
            ("unknown authority", NAME, good.address, None),
            ("another authority", NAME, good.address, Some(&expired)),
            ("expired", NAME, expired.address, Some(&expired)),
            ("no TLS", NAME, plain, Some(&good)),
        ] {
            let authority = authority.map(|front| front.authority.as_str());
            let gateway = gateway(driver, name, address, authority, CONNECT_MS_MAX);
            let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert_eq!(answer.status(), 504, "{told}");
            assert_eq!(answer.body, NETWORK, "{told}");
        }
        assert!(store.requests().is_empty());
    });
}

#[test]
fn a_handshake_that_stalls_ends_at_the_connect_limit() {
    on_each_driver(|driver| {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = gateway(driver, NAME, silent.local_addr().unwrap(), None, 300);
        let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
        assert_eq!(answer.status(), 504);
        assert_eq!(
            answer.body,
            b"{\"message\": \"Endpoint request timed out\"}"
        );
    });
}

#[test]
fn a_body_that_ends_by_a_cut_is_not_taken_for_whole() {
    on_each_driver(|driver| {
        // Until the end of the connection, which TLS does not confirm.
        let store = Backend::start(|connection| {
            connection.request();
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome of it");
        });
        let front = TlsFront::start(&store.url(), NAME, Validity::Now);
        let gateway = trusting(driver, &front);
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/k", &[], b"");
        assert!(
            client
                .response()
                .is_none_or(|answer| answer.status() == 504),
            "the end is not certain"
        );
    });
}
