//! A client that goes away while the store works frees the connection to the store, long before any time limit.

use std::sync::Arc;
use std::time::Duration;

use rustls::version::TLS13;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;
use crate::support::tls_client::edge;

const GET: &str = "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\n\r\n";

/// A store that never answers; it opens `asked` with each request and `freed` when the gateway has closed.
fn silent(asked: &Gate, freed: &Gate) -> Backend {
    let (asked, freed) = (asked.clone(), freed.clone());
    Backend::start(move |connection| {
        if connection.request().is_some() {
            asked.open();
            connection.rest();
            freed.open();
        }
    })
}

/// Only the watch can end the exchange within the patience of a gate.
fn patient(
    driver: DriverChoice,
    store: &Backend,
    change: impl FnOnce(&mut ServeSettings),
) -> Gateway {
    gateway_for(&object_api(), driver, store, |settings| {
        settings.timeouts.integration_ms_max = 3_600_000;
        settings.timeouts.idle_ms_max = 3_600_000;
        change(settings);
    })
}

#[test]
fn a_client_that_closes_or_resets_frees_the_store() {
    on_each_driver(|driver| {
        for resets in [false, true] {
            let (asked, freed) = (Gate::default(), Gate::default());
            let store = silent(&asked, &freed);
            let gateway = patient(driver, &store, |_| {});
            let mut client = Client::connect(gateway.address);
            client.send(GET);
            asked.wait();
            if resets {
                let socket = socket2::SockRef::from(&client.stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(client);
            freed.wait();
        }
    });
}

#[test]
fn so_does_one_that_ends_its_tls_session() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let (asked, freed) = (Gate::default(), Gate::default());
        let store = silent(&asked, &freed);
        let gateway = patient(driver, &store, |settings| {
            settings.edge = edge(authority.plan(&["gate.example"]));
        });
        let config = Arc::new(authority.client(&[&TLS13], None));
        let address = gateway.tls_addresses[0];
        let mut client = TlsClient::connect(address, &config, "gate.example").unwrap();
        client.send(GET);
        asked.wait();
        client.stream.conn.send_close_notify();
        client
            .stream
            .conn
            .write_tls(&mut client.stream.sock)
            .unwrap();
        drop(client);
        freed.wait();
    });
}

#[test]
fn a_client_that_only_ends_its_sending_is_answered() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_| response(200, &[], b"answer"));
        let gateway = patient(driver, &store, |_| {});
        let mut client = Client::connect(gateway.address);
        client.send(GET);
        client.finish_sending();
        assert_eq!(client.response().unwrap().body, b"answer");
    });
}

#[cfg(feature = "http2")]
#[test]
fn a_stream_that_is_reset_frees_the_store() {
    use crate::support::http2_client::END_HEADERS;
    use crate::support::http2_client::END_STREAM;
    use crate::support::http2_client::Frames;
    use crate::support::http2_client::GET;
    use crate::support::http2_client::HEADERS;
    use crate::support::http2_client::RST_STREAM;
    use crate::support::http2_client::fields;
    use crate::support::http2_client::frame;
    on_each_driver(|driver| {
        let authority = Authority::new();
        let (asked, freed) = (Gate::default(), Gate::default());
        let store = silent(&asked, &freed);
        let gateway = patient(driver, &store, |settings| {
            let mut plan = authority.plan(&["gate.example"]);
            plan.applications = vec![sluicegate::net::tls::server::Application::Http2];
            settings.edge = edge(plan);
        });
        let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&GET)));
        asked.wait();
        frames.send(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes()));
        freed.wait();
    });
}
