//! Clients that give a stream up, or the connection: the store is let go, and the other streams go on.

use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::client::Builder;
use h2::client::SendRequest;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::server::Application;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::http2_client::NAME;
use crate::support::http2_client::block_on;
use crate::support::http2_client::connect;
use crate::support::http2_client::fetch;
use crate::support::http2_client::request;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::tls_client::Authority;
use crate::support::tls_client::edge;

/// Without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(30);
const LONG_BYTES: usize = 3_000_000;

/// A store that tells when it has a request for `/b/slow` (nothing is answered) or `/b/half` (half of the body comes), or the first bytes of
/// a body for `/b/put`, and again when the gateway closes.
fn slow_store() -> (Backend, Receiver<&'static str>) {
    let (tell, told) = mpsc::channel();
    let store = Backend::start(move |connection| {
        while let Some(head) = connection.head() {
            match head.second_word() {
                "/b/slow" => {}
                "/b/half" => {
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {LONG_BYTES}\r\n\r\n"
                    ));
                    connection.send(vec![b'x'; LONG_BYTES / 2]);
                }
                "/b/put" => drop(connection.bytes(1_000)),
                _ => {
                    connection.answer(200, &[], b"other");
                    continue;
                }
            }
            tell.send("has it").ok();
            connection.rest();
            tell.send("is free").ok();
            return;
        }
    });
    (store, told)
}

fn gateway(driver: DriverChoice, store: &Backend, authority: &Authority) -> Gateway {
    let change = |settings: &mut ServeSettings| {
        settings.limits.payload_bytes_max = 0;
        settings.edge = edge(TlsPlan {
            applications: vec![Application::Http2],
            ..authority.plan(&[NAME])
        });
    };
    gateway_for(&object_api(), driver, store, change)
}

/// The next word of the store, while the client's connection is driven.
async fn next(told: &Receiver<&'static str>) -> &'static str {
    let waiting = async {
        loop {
            if let Ok(word) = told.try_recv() {
                return word;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waiting).await.unwrap()
}

async fn other_streams_go_on(client: &SendRequest<Bytes>) {
    let (head, body) = fetch(client, request("GET", "/o/b/other", &[]), b"")
        .await
        .unwrap();
    assert_eq!((head.status().as_u16(), &body[..]), (200, &b"other"[..]));
}

#[test]
fn a_stream_that_is_reset_before_its_answer_frees_the_store() {
    on_each_driver(|driver| {
        let ((store, told), authority) = (slow_store(), Authority::new());
        let gateway = gateway(driver, &store, &authority);
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let mut ready = client.clone().ready().await.unwrap();
            let get = request("GET", "/o/b/slow", &[]);
            let (_answer, mut send) = ready.send_request(get, true).unwrap();
            assert_eq!(next(&told).await, "has it");
            send.send_reset(Reason::CANCEL);
            assert_eq!(next(&told).await, "is free");
            other_streams_go_on(&client).await;
        });
    });
}

#[test]
fn a_stream_that_is_reset_within_a_body_frees_the_store() {
    on_each_driver(|driver| {
        let ((store, told), authority) = (slow_store(), Authority::new());
        let gateway = gateway(driver, &store, &authority);
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            // A download, whose answer has begun.
            let mut ready = client.clone().ready().await.unwrap();
            let get = request("GET", "/o/b/half", &[]);
            let (answer, mut send) = ready.send_request(get, true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            body.data().await.unwrap().unwrap();
            assert_eq!(next(&told).await, "has it");
            send.send_reset(Reason::CANCEL);
            // What it held of the connection's window is given back.
            drop(body);
            assert_eq!(next(&told).await, "is free");
            other_streams_go_on(&client).await;
            // An upload, of which something has reached the store.
            let length = LONG_BYTES.to_string();
            let put = request("PUT", "/o/b/put", &[("content-length", &length)]);
            let mut ready = client.clone().ready().await.unwrap();
            let (_answer, mut send) = ready.send_request(put, false).unwrap();
            send.send_data(Bytes::from(vec![b'x'; LONG_BYTES / 2]), false)
                .unwrap();
            assert_eq!(next(&told).await, "has it");
            send.send_reset(Reason::CANCEL);
            assert_eq!(next(&told).await, "is free");
            other_streams_go_on(&client).await;
        });
    });
}

#[test]
fn a_connection_that_is_gone_frees_the_store_of_all_its_streams() {
    on_each_driver(|driver| {
        let ((store, told), authority) = (slow_store(), Authority::new());
        let gateway = gateway(driver, &store, &authority);
        block_on(async {
            let (client, driven) =
                connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let mut answers = Vec::new();
            for _ in 0..4 {
                let mut ready = client.clone().ready().await.unwrap();
                let get = request("GET", "/o/b/slow", &[]);
                answers.push(ready.send_request(get, true).unwrap());
                assert_eq!(next(&told).await, "has it");
            }
            driven.abort();
            for _ in 0..4 {
                assert_eq!(next(&told).await, "is free");
            }
        });
    });
}
