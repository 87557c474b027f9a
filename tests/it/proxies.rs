//! Whose address a request has: the PROXY protocol and X-Forwarded-For, from those who are trusted and from those who are not.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::version::TLS13;
use serde_json::json;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::Edge;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;
use crate::support::tls_client::edge;

const GET: &str = "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\n";

fn store() -> Backend {
    Backend::answering(|_| response(200, &[], b""))
}

/// A gateway that tells the store `$context.identity.sourceIp` in `x-ip`.
fn gateway(driver: DriverChoice, store: &Backend, edge: Edge) -> Gateway {
    let mut document = object_api();
    each_integration(&mut document, |integration| {
        integration["requestParameters"]["integration.request.header.x-ip"] =
            json!("context.identity.sourceIp");
    });
    gateway_for(&document, driver, store, |settings| settings.edge = edge)
}

fn proxied(trusted: &[&str]) -> Edge {
    Edge {
        proxy_listen: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        trusted_proxies: trusted.iter().map(|range| range.parse().unwrap()).collect(),
        ..Edge::default()
    }
}

fn told(store: &Backend) -> String {
    let request = store.requests().pop().unwrap();
    request.field("x-ip").unwrap().to_owned()
}

fn binary(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend_from_slice(&source);
    header.extend_from_slice(&[127, 0, 0, 1, 0x30, 0x39, 0, 80]);
    header
}

#[test]
fn a_trusted_proxys_header_names_the_client_in_both_versions() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["127.0.0.0/8"]));
        let line = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec();
        for (header, ip) in [
            (line, "203.0.113.7"),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(),
                "2001:db8::7",
            ),
            (binary([203, 0, 113, 8]), "203.0.113.8"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ] {
            let mut client = Client::connect(gateway.proxy_addresses[0]);
            let request = format!("{GET}\r\n");
            client.send([&header[..], request.as_bytes()].concat());
            assert_eq!(client.response().unwrap().status(), 200);
            assert_eq!(told(&store), ip);
            // The header stands for all requests of the connection.
            assert_eq!(client.exchange(request).status(), 200);
            assert_eq!(told(&store), ip);
        }
    });
}

#[test]
fn a_header_may_come_in_pieces() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["127.0.0.1"]));
        for header in [
            b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec(),
            binary([203, 0, 113, 7]),
        ] {
            let mut client = Client::connect(gateway.proxy_addresses[0]);
            for byte in header {
                client.send([byte]);
            }
            assert_eq!(client.exchange(format!("{GET}\r\n")).status(), 200);
            assert_eq!(told(&store), "203.0.113.7");
        }
    });
}

#[test]
fn whoever_is_not_trusted_is_not_believed() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["10.0.0.0/8"]));
        let mut client = Client::connect(gateway.proxy_addresses[0]);
        client.send("PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n");
        let spoof = format!("{GET}X-Forwarded-For: 203.0.113.9\r\n\r\n");
        assert_eq!(client.exchange(&spoof).status(), 200);
        assert_eq!(told(&store), "127.0.0.1");
        let mut plain = Client::connect(gateway.address);
        assert_eq!(plain.exchange(&spoof).status(), 200);
        assert_eq!(told(&store), "127.0.0.1");
    });
}

#[test]
fn what_is_no_header_ends_the_connection() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["127.0.0.1"]));
        for bytes in [
            &b"GET /o/b/k HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 203.0.113.7 127.0.0.1 4711\r\nGET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 203.0.113.999 127.0.0.1 4711 80\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        ] {
            let mut client = Client::connect(gateway.proxy_addresses[0]);
            client.send(bytes);
            assert!(client.rest().is_empty());
        }
        let refused = || gateway.metrics.sums().connection_refusals;
        assert_eq!(refused(), [0, 0, 5]);
        let mut cut = Client::connect(gateway.proxy_addresses[0]);
        cut.send("PROXY TCP4 203.0.113.7");
        cut.finish_sending();
        assert!(cut.rest().is_empty());
        assert_eq!(refused(), [0, 0, 5], "whoever left was not refused");
        assert!(store.requests().is_empty());
    });
}

#[test]
fn a_header_at_a_plain_listener_is_no_request() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["127.0.0.1"]));
        let mut client = Client::connect(gateway.address);
        client.send(format!(
            "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n{GET}\r\n"
        ));
        assert_eq!(client.response().unwrap().status(), 400);
        assert!(store.requests().is_empty());
    });
}

#[test]
fn the_last_address_that_no_proxy_has_is_the_clients() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = gateway(driver, &store, proxied(&["127.0.0.1", "10.0.0.0/8"]));
        let mut client = Client::connect(gateway.address);
        for (field, ip) in [
            ("X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"),
            (
                "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3\r\n",
                "203.0.113.9",
            ),
            (
                "x-forwarded-for: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n",
                "203.0.113.9",
            ),
            ("X-Forwarded-For: unknown\r\n", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(client.exchange(format!("{GET}{field}\r\n")).status(), 200);
            assert_eq!(told(&store), ip, "{field}");
        }
        // Behind the PROXY header it is the named client that has to be trusted.
        for (source, ip) in [("203.0.113.7", "203.0.113.7"), ("10.9.9.9", "203.0.113.9")] {
            let mut client = Client::connect(gateway.proxy_addresses[0]);
            client.send(format!("PROXY TCP4 {source} 127.0.0.1 1 2\r\n"));
            let request = format!("{GET}X-Forwarded-For: 203.0.113.9\r\n\r\n");
            assert_eq!(client.exchange(request).status(), 200);
            assert_eq!(told(&store), ip);
        }
    });
}

#[test]
fn the_header_stands_before_the_handshake() {
    on_each_driver(|driver| {
        let store = store();
        let authority = Authority::new();
        let mut edge = edge(authority.plan(&["gate.example"]));
        edge.tls[0].proxy_protocol = true;
        edge.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        let gateway = gateway(driver, &store, edge);
        let config = Arc::new(authority.client(&[&TLS13], None));
        let header = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n";
        let mut client =
            TlsClient::behind(header, gateway.tls_addresses[0], &config, "gate.example").unwrap();
        assert_eq!(client.exchange(format!("{GET}\r\n")).status(), 200);
        assert_eq!(told(&store), "203.0.113.7");
        assert!(TlsClient::connect(gateway.tls_addresses[0], &config, "gate.example").is_err());
    });
}
