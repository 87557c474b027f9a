//! HTTP/2 towards clients: the same answers as over HTTP/1.1, windows kept, floods ended.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use h2::Reason;
use h2::client::Builder;
use serde_json::Value;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::server::Application;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::serve::http2::connection::RESETS_MAX;
use sluicegate::serve::http2::connection::STREAM_WINDOW_BYTES;
use sluicegate::serve::http2::connection::STREAMS_MAX;
use sluicegate::serve::settings::Edge;
use sluicegate::serve::settings::ServeSettings;

use crate::iam;
use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::http2_client::CONTINUATION;
use crate::support::http2_client::DATA;
use crate::support::http2_client::END_HEADERS;
use crate::support::http2_client::END_STREAM;
use crate::support::http2_client::Frames;
use crate::support::http2_client::GET;
use crate::support::http2_client::GOAWAY;
use crate::support::http2_client::HEADERS;
use crate::support::http2_client::NAME;
use crate::support::http2_client::RST_STREAM;
use crate::support::http2_client::block_on;
use crate::support::http2_client::connect;
use crate::support::http2_client::fetch;
use crate::support::http2_client::fields;
use crate::support::http2_client::frame;
use crate::support::http2_client::read;
use crate::support::http2_client::request;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::signer::BOB;
use crate::support::tls_client::Authority;
use crate::support::tls_client::edge;

const LONG_BYTES: usize = 3 * 1024 * 1024;
const ENHANCE_YOUR_CALM: u32 = 11;
const PROTOCOL_ERROR: u32 = 1;

/// Method, target, fields, bytes of the body.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], usize);

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn http2_edge(authority: &Authority) -> Edge {
    edge(TlsPlan {
        applications: vec![Application::Http2, Application::Http11],
        ..authority.plan(&[NAME])
    })
}

fn gateway(
    driver: DriverChoice,
    store: &Backend,
    authority: &Authority,
    change: impl FnOnce(&mut ServeSettings),
) -> Gateway {
    gateway_for(&object_api(), driver, store, |settings| {
        settings.edge = http2_edge(authority);
        change(settings);
    })
}

fn storing(body: Vec<u8>) -> Backend {
    Backend::answering(move |request| match request.start.starts_with("GET") {
        true => response(200, &[("ETag", "\"e\"")], &body),
        false => response(200, &[], b""),
    })
}

#[test]
fn bodies_pass_whole_both_ways_on_many_streams_at_once() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(pattern(LONG_BYTES)), Authority::new());
        let gateway = gateway(driver, &store, &authority, |_| {});
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let mut streams = Vec::new();
            for number in 0..8 {
                let client = client.clone();
                streams.push(tokio::task::spawn_local(async move {
                    if number % 2 == 0 {
                        let (head, body) = fetch(&client, request("GET", "/o/b/k", &[]), b"")
                            .await
                            .unwrap();
                        assert_eq!(head.status(), 200);
                        assert!(body == pattern(LONG_BYTES));
                        return;
                    }
                    let length = LONG_BYTES.to_string();
                    let fields = [("content-length", length.as_str())];
                    // Without its length a body comes chunked to the reader.
                    let fields = &fields[..(number / 2) % 2];
                    let put = request("PUT", "/o/b/k", fields);
                    let (head, body) = fetch(&client, put, &pattern(LONG_BYTES)).await.unwrap();
                    assert_eq!((head.status().as_u16(), body.len()), (200, 0));
                }));
            }
            for stream in streams {
                stream.await.unwrap();
            }
        });
        let requests = store.requests();
        let puts = requests
            .iter()
            .filter(|request| request.start.starts_with("PUT"));
        assert_eq!(puts.clone().count(), 4);
        assert!(puts.clone().all(|put| stored(put) == pattern(LONG_BYTES)));
    });
}

#[test]
fn answers_are_those_of_http_1() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(b"stored".to_vec()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |settings| {
            settings.limits.payload_bytes_max = 1_000;
        });
        let long = "x".repeat(9_000);
        let long_target = format!("/o/b/{}", "k".repeat(11_000));
        let cases: &[Case<'_>] = &[
            ("GET", "/o/b/k", &[], 0),
            ("HEAD", "/o/b/k", &[], 0),
            ("GET", "/o/b/k%20l?x=1", &[("accept", "text/plain")], 0),
            ("DELETE", "/o/b/k", &[], 0),
            ("PUT", "/o/b/k", &[], 1_000),
            ("PUT", "/o/b/k", &[], 1_001),
            ("GET", "/nowhere", &[], 0),
            ("PATCH", "/o/b/k", &[], 0),
            ("GET", "/ping", &[], 0),
            ("GET", &long_target, &[], 0),
            (
                "GET",
                "/o/b/k",
                &[("x-long", &long), ("x-longer", &long)],
                0,
            ),
        ];
        block_on(async {
            let (h2, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            for (method, target, fields, bytes) in cases {
                let body = pattern(*bytes);
                let old = client::fetch(gateway.address, method, target, fields, &body);
                let length = bytes.to_string();
                let mut fields = fields.to_vec();
                if *bytes > 0 {
                    fields.push(("content-length", &length));
                }
                let (head, body) = fetch(&h2, request(method, target, &fields), &body)
                    .await
                    .unwrap();
                let told = format!("{method} {target}");
                assert_eq!(head.status().as_u16(), old.status(), "{told}");
                let shape = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
                assert!(
                    body == old.body || shape(&body) == shape(&old.body),
                    "{told}"
                );
                for (name, value) in &old.fields {
                    let varies = ["date", "connection", "x-amzn-requestid", "x-amz-apigw-id"];
                    let name = name.to_ascii_lowercase();
                    if varies.contains(&name.as_str()) || name.starts_with("x-amzn-trace") {
                        continue;
                    }
                    let same = head.headers().get(&name).map(|value| value.as_bytes());
                    assert_eq!(same, Some(value.as_bytes()), "{told}: {name}");
                }
                assert!(!head.headers().contains_key("connection"), "{told}");
            }
        });
    });
}

#[test]
fn a_signature_covers_the_authority_as_the_host() {
    let (store, authority) = (storing(b"stored".to_vec()), Authority::new());
    let mut settings = iam::guarding(DriverChoice::Auto, &store);
    settings.edge = http2_edge(&authority);
    let gateway = Gateway::start(settings);
    block_on(async {
        let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
        let signed = BOB.fields("GET", "/v1/o/k", b"");
        for (host, status) in [("gateway.example", 200), ("other.example", 403)] {
            let mut request = http::Request::get(format!("https://{host}/v1/o/k"));
            for (name, value) in &signed {
                request = request.header(name, value);
            }
            let (head, _) = fetch(&client, request.body(()).unwrap(), b"")
                .await
                .unwrap();
            assert_eq!(head.status(), status, "{host}");
        }
    });
}

#[test]
fn an_upload_that_is_too_long_is_answered_at_once_and_the_connection_stays() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(Vec::new()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |settings| {
            settings.limits.payload_bytes_max = 1_000;
        });
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let put = request("PUT", "/o/b/k", &[("content-length", "5000000")]);
            let mut ready = client.clone().ready().await.unwrap();
            let (answer, mut send) = ready.send_request(put, false).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 413);
            read(answer.into_body()).await.unwrap();
            let reset = poll_fn(|context| send.poll_reset(context)).await;
            assert_eq!(reset.unwrap(), Reason::NO_ERROR);
            let (head, _) = fetch(&client, request("GET", "/o/b/k", &[]), b"")
                .await
                .unwrap();
            assert_eq!(head.status(), 200);
        });
    });
}

#[test]
fn a_client_that_waits_for_continue_is_invited() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(Vec::new()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |_| {});
        let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
        let put = [
            (":method", "PUT"),
            (":scheme", "https"),
            (":authority", NAME),
            (":path", "/o/b/k"),
            ("content-length", "3"),
            ("expect", "100-continue"),
        ];
        frames.send(&frame(HEADERS, END_HEADERS, 1, &fields(&put)));
        let mut answers = Vec::new();
        while answers.len() < 2 {
            let (kind, _, payload) = frames.next().unwrap();
            if kind == HEADERS {
                answers.push(payload);
                frames.send(&frame(DATA, END_STREAM, 1, b"abc"));
            }
        }
        // 100 has no place in the static table; 200 is entry 8 of it (RFC 7541, appendix A).
        assert_ne!(answers[0][0], 0x88);
        assert_eq!(answers[1][0], 0x88);
        assert_eq!(stored(&store.requests()[0]), b"abc");
    });
}

#[test]
fn a_store_that_breaks_off_resets_the_stream_alone() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            while let Some(request) = connection.request() {
                if request.start.contains("/cut") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome");
                    return;
                }
                connection.answer(200, &[], b"whole");
            }
        });
        let authority = Authority::new();
        let gateway = gateway(driver, &store, &authority, |_| {});
        block_on(async {
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
            let fault = fetch(&client, request("GET", "/o/b/cut", &[]), b"")
                .await
                .unwrap_err();
            assert_eq!(fault.reason(), Some(Reason::INTERNAL_ERROR));
            let (_, body) = fetch(&client, request("GET", "/o/b/k", &[]), b"")
                .await
                .unwrap();
            assert_eq!(body, b"whole");
        });
    });
}

#[test]
fn a_drain_lets_streams_end_and_says_goodbye() {
    on_each_driver(|driver| {
        let gate = Gate::default();
        let (opened, authority) = (gate.clone(), Authority::new());
        let store = Backend::start(move |connection| {
            connection.request();
            opened.wait();
            connection.answer(200, &[], b"late");
        });
        let gateway = gateway(driver, &store, &authority, |_| {});
        block_on(async {
            let address = gateway.tls_addresses[0];
            let (idle, idle_ended) = connect(address, &authority, &Builder::new()).await;
            let (client, ended) = connect(address, &authority, &Builder::new()).await;
            let mut ready = client.ready().await.unwrap();
            let (answer, _) = ready
                .send_request(request("GET", "/o/b/k", &[]), true)
                .unwrap();
            while store.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            gateway.lifecycle.stop.store(1, Ordering::SeqCst);
            idle_ended.await.unwrap().unwrap();
            drop(idle);
            gate.open();
            let body = read(answer.await.unwrap().into_body()).await.unwrap();
            assert_eq!(body, b"late");
            drop(ready);
            ended.await.unwrap().unwrap();
        });
        gateway.join();
    });
}

#[test]
fn streams_at_the_same_time_and_windows_have_their_limits() {
    let (store, authority) = (storing(Vec::new()), Authority::new());
    let gateway = gateway(DriverChoice::Auto, &store, &authority, |_| {});
    block_on(async {
        let (client, _) = connect(gateway.tls_addresses[0], &authority, &Builder::new()).await;
        fetch(&client, request("GET", "/o/b/k", &[]), b"")
            .await
            .unwrap();
        let streams = usize::try_from(STREAMS_MAX).unwrap();
        assert_eq!(client.current_max_send_streams(), streams);
        let mut ready = client.clone().ready().await.unwrap();
        let put = request(
            "PUT",
            "/o/b/k",
            &[("content-length", "5000000"), ("expect", "100-continue")],
        );
        let (_answer, mut send) = ready.send_request(put, false).unwrap();
        send.reserve_capacity(LONG_BYTES);
        let granted = poll_fn(|context| send.poll_capacity(context)).await;
        let window = usize::try_from(STREAM_WINDOW_BYTES).unwrap();
        assert!(granted.unwrap().unwrap() <= window);
    });
    // One stream more than may be: refused by itself.
    let waiting = Backend::start(|connection| {
        connection.request();
        connection.rest();
    });
    let gateway = self::gateway(DriverChoice::Auto, &waiting, &authority, |_| {});
    let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
    for number in 0..=STREAMS_MAX {
        let stream = 2 * number + 1;
        frames.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &fields(&GET),
        ));
    }
    const REFUSED_STREAM: u32 = 7;
    assert_eq!(frames.refusal(), Some((RST_STREAM, REFUSED_STREAM)));
}

#[test]
fn a_window_that_stays_shut_ends_its_stream_and_frees_the_store() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(pattern(LONG_BYTES)), Authority::new());
        let gateway = gateway(driver, &store, &authority, |settings| {
            // The handshake and the request have to be quicker.
            settings.timeouts.idle_ms_max = 1_500;
        });
        block_on(async {
            let mut builder = Builder::new();
            builder.initial_window_size(1_000);
            let (client, _) = connect(gateway.tls_addresses[0], &authority, &builder).await;
            let mut ready = client.ready().await.unwrap();
            let (answer, _) = ready
                .send_request(request("GET", "/o/b/k", &[]), true)
                .unwrap();
            let mut body = answer.await.unwrap().into_body();
            // Nothing gives the window back.
            let fault = loop {
                match body.data().await.unwrap() {
                    Ok(_) => {}
                    Err(fault) => break fault,
                }
            };
            assert_eq!(fault.reason(), Some(Reason::ENHANCE_YOUR_CALM));
        });
    });
}

#[test]
fn streams_that_are_reset_again_and_again_end_the_connection() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            connection.request();
            connection.rest();
        });
        let authority = Authority::new();
        let gateway = gateway(driver, &store, &authority, |_| {});
        let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
        let cancel = 8u32.to_be_bytes();
        let mut stream = 1;
        // Each is seen before it is reset; how soon the end comes is the gateway's turn of tasks.
        for _ in 0..RESETS_MAX * 20 {
            frames.send(&frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &fields(&GET),
            ));
            if !frames.send(&frame(RST_STREAM, 0, stream, &cancel)) {
                break;
            }
            stream += 2;
        }
        assert_eq!(frames.refusal(), Some((GOAWAY, ENHANCE_YOUR_CALM)));
    });
}

#[test]
fn floods_of_continuations_and_fields_are_ended() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(Vec::new()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |_| {});
        let address = gateway.tls_addresses[0];
        // A head without end (CVE-2024-27316).
        let mut frames = Frames::connect(address, &authority);
        frames.send(&frame(HEADERS, END_STREAM, 1, &fields(&GET)));
        let more = fields(&[("x-a", &"b".repeat(100))]).repeat(100);
        for _ in 0..200 {
            frames.send(&frame(CONTINUATION, 0, 1, &more));
        }
        assert_eq!(frames.refusal(), Some((GOAWAY, ENHANCE_YOUR_CALM)));
        // One entry of the table, named thousands of times (an HPACK bomb): the size counts decoded.
        let mut frames = Frames::connect(address, &authority);
        let mut block = fields(&GET);
        block.push(0x40);
        for text in ["x-a", &"b".repeat(120)] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
        block.extend_from_slice(&[0xbe; 8_000]);
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
        let answer = loop {
            let (kind, _, payload) = frames.next().unwrap();
            if kind == HEADERS || kind == RST_STREAM || kind == GOAWAY {
                break (kind, payload);
            }
        };
        // 431 by its number, or the stream's end; never the answer to the request.
        assert!(answer.0 != HEADERS || answer.1[0] != 0x88, "{answer:?}");
        assert!(store.requests().is_empty());
    });
}

#[test]
fn requests_that_http_2_forbids_are_refused() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(Vec::new()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |_| {});
        let with = |more: &[(&'static str, &'static str)]| [&GET[..], more].concat();
        for list in [
            with(&[("connection", "close")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("upgrade", "websocket")]),
            with(&[("keep-alive", "timeout=5")]),
            with(&[("te", "gzip")]),
            with(&[("X-Upper", "a")]),
            with(&[(":path", "/other")]),
            with(&[("x-a", "a\r\nx-b: b")]),
            with(&[("x-a", "a\0b")]),
            with(&[("content-length", "5")]),
            GET[1..].to_vec(),
            GET[..3].to_vec(),
        ] {
            let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
            let flags = END_HEADERS | END_STREAM;
            frames.send(&frame(HEADERS, flags, 1, &fields(&list)));
            let refusal = frames.refusal().map(|(_, code)| code);
            assert_eq!(refusal, Some(PROTOCOL_ERROR), "{list:?}");
        }
        // These are requests, and answered as in HTTP/1.1: 400, which is entry 12 of the static table.
        for list in [
            with(&[("host", "other.example")]),
            [&GET[..2], &GET[3..]].concat(),
            with(&[("content-length", "0"), ("content-length", "1")]),
        ] {
            let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
            let flags = END_HEADERS | END_STREAM;
            frames.send(&frame(HEADERS, flags, 1, &fields(&list)));
            let refused = loop {
                match frames.next() {
                    Some((HEADERS, _, payload)) => break payload[0] == 0x8c,
                    Some((RST_STREAM | GOAWAY, ..)) | None => break true,
                    Some(_) => {}
                }
            };
            assert!(refused, "{list:?}");
        }
        assert!(store.requests().is_empty());
    });
}

#[test]
fn a_client_without_alpn_gets_http_1() {
    let (store, authority) = (storing(b"stored".to_vec()), Authority::new());
    let gateway = gateway(DriverChoice::Auto, &store, &authority, |_| {});
    let config = Arc::new(authority.client(&[&rustls::version::TLS13], None));
    let mut client =
        crate::support::tls_client::TlsClient::connect(gateway.tls_addresses[0], &config, NAME)
            .unwrap();
    let answer = client.exchange(format!("GET /o/b/k HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    assert_eq!(answer.body, b"stored");
}

#[test]
fn bytes_outside_the_protocol_end_the_connection() {
    on_each_driver(|driver| {
        let (store, authority) = (storing(Vec::new()), Authority::new());
        let gateway = gateway(driver, &store, &authority, |settings| {
            // The handshake has to be quicker.
            settings.timeouts.header_ms_max = 1_500;
        });
        let address = gateway.tls_addresses[0];
        let mut frames = Frames::connect(address, &authority);
        frames.send(&frame(HEADERS, END_HEADERS, 2, &fields(&GET)));
        assert!(matches!(frames.refusal(), Some((GOAWAY, PROTOCOL_ERROR))));
        let config = crate::support::http2_client::config(&authority);
        for preface in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HT"] {
            let connected = crate::support::tls_client::TlsClient::connect(address, &config, NAME);
            let mut client = connected.unwrap();
            client.send(preface);
            // Settings may come; then the end.
            let mut rest = Vec::new();
            std::io::Read::read_to_end(&mut client.stream, &mut rest).ok();
        }
        assert!(store.requests().is_empty());
    });
}
