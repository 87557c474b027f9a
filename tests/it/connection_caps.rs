//! How many connections may be open, in all and for one address.

use std::net::SocketAddr;
use std::sync::Arc;

use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::connection_caps::AddressCap;
use sluicegate::serve::connection_caps::ConnectionCaps;
use sluicegate::serve::settings::Edge;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;

const GET: &str = "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\n\r\n";

fn gateway(driver: DriverChoice, caps: ConnectionCaps) -> (Backend, Gateway) {
    let store = Backend::answering(|_| response(200, &[], b""));
    let gateway = gateway_for(&object_api(), driver, &store, |settings| {
        settings.workers = 2;
        settings.edge = Edge {
            caps,
            proxy_listen: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            ..Edge::default()
        };
    });
    (store, gateway)
}

/// Connections beyond two are turned away, and let in again once one has gone.
fn two_get_in(caps: ConnectionCaps, refused: [u64; 3]) {
    on_each_driver(|driver| {
        let (_store, gateway) = gateway(driver, caps.clone());
        let mut inside: Vec<Client> = (0..2)
            .map(|_| {
                let mut client = Client::connect(gateway.address);
                assert_eq!(client.exchange(GET).status(), 200);
                client
            })
            .collect();
        for _ in 0..2 {
            let mut outside = Client::connect(gateway.address);
            let answer = outside.exchange(GET);
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.field("connection"), Some("close"));
            outside.finish_sending();
            assert!(outside.is_closed());
        }
        assert_eq!(gateway.metrics.sums().connection_refusals, refused);
        for client in &mut inside {
            assert_eq!(client.exchange(GET).status(), 200);
        }
        let mut leaving = inside.pop().unwrap();
        leaving.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        leaving.finish_sending();
        leaving.rest();
        drop(leaving);
        // The place is free once the gateway has seen the end, which nobody is told of.
        let answered = (0..1_000).any(|_| {
            let mut client = Client::connect(gateway.address);
            client.exchange(GET).status() == 200
        });
        assert!(answered);
    });
}

#[test]
fn connections_beyond_the_total_are_turned_away() {
    let caps = ConnectionCaps {
        total_max: Some(2),
        of_address: None,
    };
    two_get_in(caps, [2, 0, 0]);
}

#[test]
fn connections_beyond_those_of_an_address_are_turned_away() {
    let caps = ConnectionCaps {
        total_max: None,
        of_address: Some(Arc::new(AddressCap::new(2))),
    };
    two_get_in(caps, [0, 2, 0]);
}

#[test]
fn an_address_is_counted_by_what_a_trusted_proxy_says() {
    on_each_driver(|driver| {
        let (_store, gateway) = gateway(
            driver,
            ConnectionCaps {
                total_max: None,
                of_address: Some(Arc::new(AddressCap::new(1))),
            },
        );
        let from = |address: &str| {
            let mut client = Client::connect(gateway.proxy_addresses[0]);
            client.send(format!("PROXY TCP4 {address} 127.0.0.1 1 2\r\n{GET}"));
            client
        };
        let mut first = from("203.0.113.1");
        assert_eq!(first.response().unwrap().status(), 200);
        let mut other = from("203.0.113.2");
        assert_eq!(other.response().unwrap().status(), 200);
        assert!(from("203.0.113.1").rest().is_empty());
        assert_eq!(gateway.metrics.sums().connection_refusals, [0, 1, 0]);
        assert_eq!(first.exchange(GET).status(), 200);
    });
}

#[test]
fn an_address_that_floods_with_idle_connections_keeps_nobody_else_out() {
    const CAP: u32 = 4;
    const FLOOD: u64 = 64;
    on_each_driver(|driver| {
        let (_store, gateway) = gateway(
            driver,
            ConnectionCaps {
                total_max: Some(100),
                of_address: Some(Arc::new(AddressCap::new(CAP))),
            },
        );
        let mut flood: Vec<Client> = (0..FLOOD)
            .map(|_| Client::connect(gateway.address))
            .collect();
        let refused = |count| gateway.metrics.sums().connection_refusals == [0, count, 0];
        while !refused(FLOOD - u64::from(CAP)) {
            std::thread::yield_now();
        }
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let other_address = SocketAddr::from(([127, 0, 0, 2], 0));
        socket.bind(&other_address.into()).unwrap();
        socket.connect(&gateway.address.into()).unwrap();
        let mut other = Client::connect(gateway.proxy_addresses[0]);
        other.stream = socket.into();
        other
            .stream
            .set_read_timeout(Some(std::time::Duration::from_secs(30)))
            .unwrap();
        for _ in 0..3 {
            assert_eq!(other.exchange(GET).status(), 200);
        }
        // Those that were let in wait as they may.
        let served = flood.iter_mut().map(|client| {
            client.send(GET);
            client.response().map(|answer| answer.status())
        });
        let served: Vec<_> = served.collect();
        let count = |wanted| served.iter().filter(|one| **one == wanted).count();
        assert_eq!(count(Some(200)), CAP as usize);
        assert!(refused(FLOOD - u64::from(CAP)));
    });
}
