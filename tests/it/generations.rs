//! Settings that change while requests are served.

use std::sync::Arc;

use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::object_api::gateway_for;
use crate::support::object_api::import_value;
use crate::support::object_api::object_api;
use crate::support::object_api::object_gateway;

/// Settings in front of `store` that take bodies of this length at most.
fn limited(driver: DriverChoice, store: &Backend, payload_bytes_max: u64) -> ServeSettings {
    let mut settings = settings(import_value(&object_api()), &store.url());
    settings.io_driver = driver;
    settings.limits.payload_bytes_max = payload_bytes_max;
    settings
}

fn replace(gateway: &Gateway, settings: ServeSettings) -> u64 {
    gateway.in_force.replace(Arc::new(settings))
}

#[test]
fn the_next_request_of_a_connection_is_served_by_the_new_settings() {
    on_each_driver(|driver| {
        let old = Backend::answering(|_| response(200, &[], b"old"));
        let new = Backend::answering(|_| response(200, &[], b"new"));
        let gateway = object_gateway(driver, &old);
        let mut client = Client::connect(gateway.address);
        let mut ask = || {
            client.request("GET", "/o/b/k", &[], b"");
            client.response().unwrap().body
        };
        assert_eq!(ask(), b"old");
        assert_eq!(replace(&gateway, limited(driver, &new, 1_000)), 2);
        assert_eq!(ask(), b"new");
        assert_eq!(replace(&gateway, limited(driver, &old, 1_000)), 3);
        assert_eq!(ask(), b"old");
    });
}

#[test]
fn an_idle_connection_reads_its_next_head_by_the_new_limits() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_| response(200, &[], b""));
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        let filler = "x".repeat(600);
        let ask = |client: &mut Client| {
            client.request("GET", "/o/b/k", &[("X-Filler", &filler)], b"");
            client.response().unwrap().status()
        };
        assert_eq!(ask(&mut client), 200);
        let mut narrow = limited(driver, &store, 1_000);
        narrow.limits.header_bytes_max = 512;
        replace(&gateway, narrow);
        assert_eq!(ask(&mut client), 431);
    });
}

#[test]
fn exchanges_under_way_end_under_the_settings_that_they_began_with() {
    const BYTES: usize = 4 * 1024 * 1024;
    on_each_driver(|driver| {
        let (asked, go) = (Gate::default(), Gate::default());
        let (seen, answer) = (asked.clone(), go.clone());
        let store = Backend::start(move |connection| {
            while let Some(request) = connection.request() {
                if request.start.starts_with("GET") {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\nx");
                    connection.send(head);
                    seen.open();
                    answer.wait();
                    connection.send(vec![b'x'; BYTES - 1]);
                } else {
                    let length = request.body.len();
                    connection.answer(200, &[], length.to_string().as_bytes());
                }
            }
        });
        let gateway = gateway_for(&object_api(), driver, &store, |_| {});
        let mut download = Client::connect(gateway.address);
        download.request("GET", "/o/b/k", &[], b"");
        asked.wait();
        assert_eq!(download.head().status(), 200);
        let mut upload = Client::connect(gateway.address);
        upload.send(format!(
            "PUT /o/b/k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {BYTES}\r\n\r\n"
        ));
        assert_eq!(upload.head().status(), 100);
        // The new settings refuse bodies of this length; the upload was let in by the old ones.
        replace(&gateway, limited(driver, &store, 10));
        assert_eq!(
            fetch(gateway.address, "PUT", "/o/b/k", &[], &[b'x'; 11]).status(),
            413
        );
        go.open();
        upload.send(vec![b'x'; BYTES]);
        assert_eq!(upload.response().unwrap().status(), 200);
        assert!(download.bytes(BYTES) == vec![b'x'; BYTES]);
        for client in [&mut upload, &mut download] {
            client.request("PUT", "/o/b/k", &[], &[b'x'; 11]);
            assert_eq!(client.response().unwrap().status(), 413);
        }
    });
}
