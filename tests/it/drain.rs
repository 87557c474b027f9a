//! The way out: what is begun is finished, what is idle is closed, nothing new is taken.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::object_api::object_gateway;

fn drain(gateway: &Gateway) {
    gateway.lifecycle.stop.store(1, Ordering::SeqCst);
}

/// Comes back once the gateway takes no more connections.
fn wait_until_refused(gateway: &Gateway) {
    loop {
        match TcpStream::connect(gateway.address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            // Taken still, or caught in the queue by the close.
            Ok(_) | Err(_) => thread::yield_now(),
        }
    }
}

#[test]
fn request_under_way_is_finished_and_the_last_of_its_connection() {
    on_each_driver(|driver| {
        let (asked, go) = (Gate::default(), Gate::default());
        let (seen, answer) = (asked.clone(), go.clone());
        let store = Backend::start(move |connection| {
            while connection.request().is_some() {
                seen.open();
                answer.wait();
                connection.answer(200, &[], b"done");
            }
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/first", &[], b"");
        client.request("GET", "/o/b/second", &[], b"");
        asked.wait();
        drain(&gateway);
        wait_until_refused(&gateway);
        go.open();
        let answer = client.response().unwrap();
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (200, &b"done"[..])
        );
        assert_eq!(answer.field("Connection"), Some("close"));
        assert!(client.is_closed(), "the second request is not answered");
        drop(client);
        gateway.join();
        assert_eq!(store.requests().len(), 1);
    });
}

#[test]
fn transfers_under_way_are_finished() {
    const BYTES: usize = 8 * 1024 * 1024;
    on_each_driver(|driver| {
        let (asked, go) = (Gate::default(), Gate::default());
        let (seen, answer) = (asked.clone(), go.clone());
        let store = Backend::start(move |connection| {
            while let Some(request) = connection.request() {
                if request.start.starts_with("GET") {
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\nx"
                    ));
                    seen.open();
                    answer.wait();
                    connection.send(vec![b'x'; BYTES - 1]);
                } else {
                    connection.answer(200, &[], b"");
                }
            }
        });
        let gateway = object_gateway(driver, &store);
        let mut download = Client::connect(gateway.address);
        download.request("GET", "/o/b/k", &[], b"");
        asked.wait();
        assert_eq!(
            download.head().field("Connection"),
            Some("keep-alive"),
            "not draining yet"
        );
        let mut upload = Client::connect(gateway.address);
        upload.send(format!("PUT /o/b/k HTTP/1.1\r\nHost: gateway.example\r\nExpect: 100-continue\r\nContent-Length: {BYTES}\r\n\r\n"));
        assert_eq!(upload.head().status(), 100);
        drain(&gateway);
        wait_until_refused(&gateway);
        go.open();
        upload.send(vec![b'x'; BYTES]);
        let answer = upload.response().unwrap();
        assert_eq!(
            (answer.status(), answer.field("Connection")),
            (200, Some("close"))
        );
        assert!(download.bytes(BYTES) == vec![b'x'; BYTES]);
        assert!(download.is_closed());
        drop((download, upload));
        gateway.join();
    });
}

#[test]
fn idle_connections_are_closed() {
    on_each_driver(|driver| {
        let store =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let gateway = object_gateway(driver, &store);
        let mut used = Client::connect(gateway.address);
        used.request("GET", "/o/b/k", &[], b"");
        assert_eq!(
            used.response().unwrap().field("Connection"),
            Some("keep-alive")
        );
        let mut unused = Client::connect(gateway.address);
        drain(&gateway);
        assert!(used.is_closed());
        assert!(unused.is_closed());
        gateway.join();
    });
}

#[test]
fn head_under_way_is_waited_for() {
    on_each_driver(|driver| {
        let store =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        // The half head comes with a whole request, so that it has been read when that is answered.
        client.send("GET /o/b/k HTTP/1.1\r\nHost: gateway.example\r\n\r\nGET /o/b/k HTTP/1.1\r\n");
        assert_eq!(
            client.response().unwrap().field("Connection"),
            Some("keep-alive")
        );
        drain(&gateway);
        wait_until_refused(&gateway);
        client.send("Host: gateway.example\r\n\r\n");
        let answer = client.response().unwrap();
        assert_eq!(
            (answer.status(), answer.field("Connection")),
            (200, Some("close"))
        );
        assert!(client.is_closed());
        drop(client);
        gateway.join();
    });
}

#[test]
fn second_level_waits_for_nothing() {
    const FOREVER_MS: u64 = 3_600_000;
    on_each_driver(|driver| {
        for first_drains in [false, true] {
            let (asked, cut) = (Gate::default(), Gate::default());
            let (seen, ended) = (asked.clone(), cut.clone());
            let store = Backend::start(move |connection| {
                connection.head();
                seen.open();
                connection.rest();
                ended.open();
            });

            let gateway = gateway_for(&object_api(), driver, &store, |settings| {
                settings.timeouts.integration_ms_max = FOREVER_MS;
                settings.timeouts.idle_ms_max = FOREVER_MS;
            });
            let mut client = Client::connect(gateway.address);
            client.request("GET", "/o/b/k", &[], b"");
            asked.wait();
            if first_drains {
                drain(&gateway);
                wait_until_refused(&gateway);
            }
            gateway.lifecycle.stop.store(2, Ordering::SeqCst);
            gateway.join();
            cut.wait();
            assert!(client.response().is_none());
        }
    });
}
