//! Trailers over HTTP/2 go the way of HTTP/1.1's: read, held to the same limit, passed on in neither direction.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::Builder;
use h2::client::SendRequest;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::server::Application;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::serve::settings::Edge;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::wire::http1::chunked::TRAILER_BYTES_MAX;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::http2_client::NAME;
use crate::support::http2_client::block_on;
use crate::support::http2_client::connect;
use crate::support::http2_client::fetch;
use crate::support::http2_client::read;
use crate::support::http2_client::request;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::sidecar::sidecar_settings;
use crate::support::tls_client::Authority;
use crate::support::tls_client::edge;

fn http2_edge(authority: &Authority) -> Edge {
    edge(TlsPlan {
        applications: vec![Application::Http2],
        ..authority.plan(&[NAME])
    })
}

fn gateway(driver: DriverChoice, store: &Backend, authority: &Authority) -> Gateway {
    let change = |settings: &mut ServeSettings| settings.edge = http2_edge(authority);
    gateway_for(&object_api(), driver, store, change)
}

fn taking_all() -> Backend {
    Backend::answering(|_| response(200, &[], b""))
}

/// One trailer whose line takes so many bytes.
fn trailer(line_bytes: usize) -> (&'static str, String) {
    (
        "x-sum",
        "s".repeat(line_bytes - "x-sum: ".len() - "\r\n".len()),
    )
}

/// PUTs `body` with a trailer behind it; the status, and whether the answer had trailers.
async fn put(
    client: &SendRequest<Bytes>,
    fields: &[(&str, &str)],
    (name, value): (&'static str, &str),
) -> (u16, bool) {
    let mut ready = client.clone().ready().await.unwrap();
    let (answer, mut send) = ready
        .send_request(request("PUT", "/o/b/k", fields), false)
        .unwrap();
    send.send_data(Bytes::from_static(b"body"), false).unwrap();
    let mut trailers = HeaderMap::new();
    let value = HeaderValue::from_str(value).unwrap();
    trailers.append(HeaderName::from_static(name), value);
    send.send_trailers(trailers).unwrap();
    let (head, mut body) = answer.await.unwrap().into_parts();
    while let Some(piece) = body.data().await {
        piece.unwrap();
    }
    let answered = poll_fn(|context| body.poll_trailers(context)).await;
    (head.status.as_u16(), answered.unwrap().is_some())
}

#[test]
fn trailers_of_a_request_end_its_body_and_go_no_further() {
    on_each_driver(|driver| {
        let (store, authority) = (taking_all(), Authority::new());
        let gateway = gateway(driver, &store, &authority);
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let announced = [("trailer", "x-sum"), ("te", "trailers")];
            let known = [("content-length", "4"), announced[0]];
            for fields in [&announced[..], &known[..]] {
                let (status, trailers) = put(&client, fields, ("x-sum", "1")).await;
                assert_eq!((status, trailers), (200, false), "{fields:?}");
            }
        });
        let seen = store.requests();
        assert_eq!(seen.len(), 2);
        for request in seen {
            assert_eq!(stored(&request), b"body");
            for name in ["x-sum", "trailer", "te"] {
                assert_eq!(request.field(name), None, "{name}");
            }
        }
    });
}

#[test]
fn trailers_of_a_request_have_the_limit_of_http_1() {
    on_each_driver(|driver| {
        let (store, authority) = (taking_all(), Authority::new());
        let gateway = gateway(driver, &store, &authority);
        for (bytes, status, stored) in
            [(TRAILER_BYTES_MAX, 200, 2), (TRAILER_BYTES_MAX + 1, 400, 2)]
        {
            let (name, value) = trailer(bytes);
            let wire = format!(
                "PUT /o/b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n{name}: {value}\r\n\r\n"
            );
            let answer = Client::connect(gateway.address).exchange(wire);
            assert_eq!(answer.status(), status, "HTTP/1.1, {bytes} bytes");
            block_on(async {
                let (client, _) =
                    connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
                let answer = put(&client, &[], (name, &value)).await;
                assert_eq!(answer, (status, false), "HTTP/2, {bytes} bytes");
                // The connection has another stream.
                let (head, _) = fetch(&client, request("GET", "/nowhere/a/b", &[]), b"")
                    .await
                    .unwrap();
                assert_eq!(head.status(), 403);
            });
            assert_eq!(store.requests().len(), stored, "{bytes} bytes");
        }
    });
}

#[test]
fn trailers_of_an_answer_are_read_and_go_no_further() {
    on_each_driver(|driver| {
        let store = Backend::answering(|request| {
            let end = match request.second_word() {
                "/b/broken" => "no line of a field",
                _ => "x-sum: 1",
            };
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n";
            format!("{head}\r\n4\r\nbody\r\n0\r\n{end}\r\n\r\n").into_bytes()
        });
        let authority = Authority::new();
        let mut settings = sidecar_settings(driver, &store.url());
        settings.edge = http2_edge(&authority);
        let gateway = Gateway::start(settings);
        let old = client::fetch(gateway.address, "GET", "/b/k", &[], b"");
        assert_eq!((old.status(), &old.body[..]), (200, &b"body"[..]));
        assert_eq!(old.field("trailer").or_else(|| old.field("x-sum")), None);
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let mut ready = client.clone().ready().await.unwrap();
            let get = request("GET", "/b/k", &[("te", "trailers")]);
            let (answer, _) = ready.send_request(get, true).unwrap();
            let (head, mut body) = answer.await.unwrap().into_parts();
            assert_eq!(head.headers.get("trailer"), None);
            let mut whole = Vec::new();
            while let Some(piece) = body.data().await {
                whole.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(whole, b"body");
            assert_eq!(
                poll_fn(|context| body.poll_trailers(context))
                    .await
                    .unwrap(),
                None
            );
            // Broken ones break the answer off: it must not look whole.
            let mut ready = client.ready().await.unwrap();
            let (answer, _) = ready
                .send_request(request("GET", "/b/broken", &[]), true)
                .unwrap();
            if let Ok(answer) = answer.await {
                let is_whole = answer.status() == 200 && read(answer.into_body()).await.is_ok();
                assert!(!is_whole);
            }
        });
    });
}
