//! Listeners that speak TLS: who is shown which certificate, who gets in, and how connections end.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::ProtocolVersion;
use rustls::version::TLS12;
use rustls::version::TLS13;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::certificate::Certificate;
use sluicegate::net::tls::server::Clients;
use sluicegate::net::tls::server::OldestVersion;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::net::tls::trust::authorities_alone;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;
use crate::support::tls_client::edge;

const NAME: &str = "gate.example";
const GET: &str = "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\n\r\n";
/// Long enough that a plain body would be spliced.
const LONG_BYTES: usize = 3 * 1024 * 1024;

fn store() -> Backend {
    Backend::answering(|request| match request.start.starts_with("GET") {
        true => response(200, &[], b"stored"),
        false => response(200, &[], b""),
    })
}

fn gateway(
    driver: DriverChoice,
    store: &Backend,
    plan: TlsPlan,
    change: impl FnOnce(&mut ServeSettings),
) -> Gateway {
    gateway_for(&object_api(), driver, store, |settings| {
        settings.edge = edge(plan);
        change(settings);
    })
}

fn both_versions(authority: &Authority) -> [Arc<ClientConfig>; 2] {
    [&TLS12, &TLS13].map(|version| Arc::new(authority.client(&[version], None)))
}

#[test]
fn requests_and_long_bodies_pass_over_both_versions_beside_the_plain_listener() {
    on_each_driver(|driver| {
        let body: Vec<u8> = (0..LONG_BYTES)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let stored = body.clone();
        let store = Backend::answering(move |request| match request.start.starts_with("GET") {
            true => response(200, &[], &stored),
            false => response(200, &[], b""),
        });
        let authority = Authority::new();
        let gateway = gateway(driver, &store, authority.plan(&[NAME]), |_| {});
        let versions = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];
        for (config, version) in both_versions(&authority).iter().zip(versions) {
            let mut client = TlsClient::connect(gateway.tls_addresses[0], config, NAME).unwrap();
            assert_eq!(client.stream.conn.protocol_version(), Some(version));
            for _ in 0..2 {
                assert!(client.exchange(GET).body == body);
                let put = format!(
                    "PUT /o/b/k HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG_BYTES}\r\n\r\n"
                );
                client.send(put);
                assert_eq!(client.exchange(&body).status(), 200);
            }
            let bytes = crate::support::backend::stored(store.requests().last().unwrap());
            assert!(bytes == body);
        }
        let mut plain = Client::connect(gateway.address);
        assert!(plain.exchange(GET).body == body);
    });
}

#[test]
fn the_certificate_is_chosen_by_the_name_asked_for_and_else_the_first() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let store = store();
        let plan = authority.plan(&["first.example", "second.example", "*.third.example"]);
        let gateway = gateway(driver, &store, plan, |_| {});
        let config = Arc::new(authority.client(&[&TLS13], None));
        let address = gateway.tls_addresses[0];
        for name in ["first.example", "second.example", "x.third.example"] {
            let mut client = TlsClient::connect(address, &config, name).unwrap();
            assert_eq!(client.exchange(GET).status(), 200, "{name}");
        }
        let fault = TlsClient::connect(address, &config, "other.example")
            .err()
            .unwrap();
        assert!(fault.to_string().contains("first.example"), "{fault}");
    });
}

#[test]
fn a_session_is_resumed_on_another_worker() {
    let authority = Authority::new();
    let store = store();
    for config in both_versions(&authority) {
        let gateway = gateway(
            DriverChoice::Auto,
            &store,
            authority.plan(&[NAME]),
            |settings| settings.workers = 2,
        );
        // The kernel spreads connections by their ports: with sixteen, both workers saw some.
        let mut kinds = Vec::new();
        for _ in 0..16 {
            let mut client = TlsClient::connect(gateway.tls_addresses[0], &config, NAME).unwrap();
            client.exchange(GET);
            kinds.push(client.stream.conn.handshake_kind().unwrap());
        }
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert!(
            kinds[1..]
                .iter()
                .all(|kind| *kind == HandshakeKind::Resumed)
        );
    }
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_get_in() {
    on_each_driver(|driver| {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let store = store();
        let roots = authorities_alone(&authority.pem()).unwrap();
        let (own, foreign) = (authority.signs("caller"), stranger.signs("caller"));
        for (clients, anonymous_gets_in) in [
            (Clients::Certified(Arc::clone(&roots)), false),
            (Clients::CertifiedOrAnonymous(roots), true),
        ] {
            let plan = TlsPlan {
                clients,
                ..authority.plan(&[NAME])
            };
            let gateway = gateway(driver, &store, plan, |_| {});
            // TLS 1.3 tells a client only after its handshake: what counts is whether it is answered.
            let answered = |own| {
                let config = Arc::new(authority.client(&[&TLS13], own));
                let client = TlsClient::connect(gateway.tls_addresses[0], &config, NAME);
                client.is_ok_and(|mut client| {
                    client.send(GET);
                    client.response().is_some()
                })
            };
            assert!(answered(Some(&own)));
            assert!(!answered(Some(&foreign)));
            assert_eq!(answered(None), anonymous_gets_in);
        }
    });
}

#[test]
fn the_oldest_version_is_kept_to() {
    let authority = Authority::new();
    let store = store();
    let plan = TlsPlan {
        oldest: OldestVersion::Tls13,
        ..authority.plan(&[NAME])
    };
    let gateway = gateway(DriverChoice::Auto, &store, plan, |_| {});
    let [old, new] = both_versions(&authority);
    assert!(TlsClient::connect(gateway.tls_addresses[0], &old, NAME).is_err());
    assert!(TlsClient::connect(gateway.tls_addresses[0], &new, NAME).is_ok());
}

#[test]
fn the_ocsp_response_of_the_file_is_stapled() {
    // What rustls gives a verifier is not kept for the client's user, so the bytes are looked for on the wire (TLS 1.2
    // sends certificates in the clear).
    let authority = Authority::new();
    let store = store();
    let signed = authority.signs(NAME);
    let marker = b"\x30\x10stapled-response".to_vec();
    let certificate =
        Certificate::from_pem(&signed.chain, &signed.key, Some(marker.clone())).unwrap();
    let plan = TlsPlan {
        certificates: vec![certificate],
        ..authority.plan(&[])
    };
    let gateway = gateway(DriverChoice::Auto, &store, plan, |_| {});
    let config = Arc::new(authority.client(&[&TLS12], None));
    let mut tcp = TcpStream::connect(gateway.tls_addresses[0]).unwrap();
    let name = rustls::pki_types::ServerName::try_from(NAME).unwrap();
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    tls.write_tls(&mut tcp).unwrap();
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !seen.windows(marker.len()).any(|window| window == marker) {
        let count = tcp.read(&mut piece).unwrap();
        assert!(count > 0, "the server's first flight ends without it");
        seen.extend_from_slice(&piece[..count]);
    }
}

#[test]
fn plain_http_is_told_that_tls_is_spoken_here() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let store = store();
        let gateway = gateway(driver, &store, authority.plan(&[NAME]), |_| {});
        let mut client = Client::connect(gateway.tls_addresses[0]);
        let answer = client.exchange(GET);
        assert_eq!(answer.status(), 400);
        assert!(String::from_utf8_lossy(&answer.body).contains("https://"));
        client.finish_sending();
        assert!(client.is_closed());
        assert!(store.requests().is_empty());
    });
}

#[test]
fn bytes_that_are_no_handshake_and_handshakes_that_stall_end_the_connection() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let store = store();
        let gateway = gateway(driver, &store, authority.plan(&[NAME]), |settings| {
            settings.timeouts.header_ms_max = 100;
        });
        for bytes in [
            &b"\x16\x03\x01\xff\xff garbage"[..],
            b"\x00\x01\x02",
            b"",
            b"\x16\x03",
        ] {
            let mut client = Client::connect(gateway.tls_addresses[0]);
            client.send(bytes);
            // An alert may come before the end.
            client.rest();
        }
        assert!(store.requests().is_empty());
    });
}

#[test]
fn connections_end_with_close_notify_after_the_last_answer_and_in_a_drain() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let store = store();
        let gateway = gateway(driver, &store, authority.plan(&[NAME]), |_| {});
        for config in both_versions(&authority) {
            let address = gateway.tls_addresses[0];
            let mut last = TlsClient::connect(address, &config, NAME).unwrap();
            let close = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            assert_eq!(last.exchange(close).status(), 200);
            assert!(last.is_closed());
        }
        let config = Arc::new(authority.client(&[&TLS13], None));
        let mut idle = TlsClient::connect(gateway.tls_addresses[0], &config, NAME).unwrap();
        assert_eq!(idle.exchange(GET).status(), 200);
        gateway.lifecycle.stop.store(1, Ordering::SeqCst);
        assert!(idle.is_closed());
        gateway.join();
    });
}

#[test]
fn a_body_that_breaks_off_is_no_clean_end() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let store = Backend::start(|connection| {
            connection.request();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome of it");
        });
        let gateway = gateway(driver, &store, authority.plan(&[NAME]), |_| {});
        let config = Arc::new(authority.client(&[&TLS13], None));
        let mut client = TlsClient::connect(gateway.tls_addresses[0], &config, NAME).unwrap();
        client.send(GET);
        let mut seen = Vec::new();
        let end = client.stream.read_to_end(&mut seen).unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(seen.ends_with(b"some of it"));
    });
}

#[test]
fn other_certificates_are_shown_after_a_reload_and_connections_stay() {
    let (old, new) = (Authority::new(), Authority::new());
    let store = store();
    let edge = edge(old.plan(&[NAME]));
    let server = Arc::clone(&edge.tls[0].server);
    let gateway = gateway_for(&object_api(), DriverChoice::Auto, &store, |settings| {
        settings.edge = edge;
    });
    let (old_config, new_config) = (
        Arc::new(old.client(&[&TLS13], None)),
        Arc::new(new.client(&[&TLS13], None)),
    );
    let address = gateway.tls_addresses[0];
    let mut standing = TlsClient::connect(address, &old_config, NAME).unwrap();
    assert_eq!(standing.exchange(GET).status(), 200);
    assert!(TlsClient::connect(address, &new_config, NAME).is_err());
    server.install(new.plan(&[NAME])).unwrap();
    let mut fresh = TlsClient::connect(address, &new_config, NAME).unwrap();
    assert_eq!(fresh.exchange(GET).status(), 200);
    assert_eq!(standing.exchange(GET).status(), 200);
    // A ticket from before is no way in.
    assert!(TlsClient::connect(address, &old_config, NAME).is_err());
}

#[test]
fn the_program_reads_its_listeners_from_the_file_and_tells_their_urls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let signed = authority.signs(NAME);
    std::fs::write(folder.path().join("chain.pem"), &signed.chain).unwrap();
    std::fs::write(folder.path().join("key.pem"), &signed.key).unwrap();
    let config = folder.path().join("s.toml");
    let text =
        "[[tls]]\nlisten = '127.0.0.1:0'\ncertificate = 'chain.pem'\nprivate_key = 'key.pem'\n";
    std::fs::write(&config, text).unwrap();
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/config/image-api.openapi.yaml");
    for (command, path, status) in [
        (&["serve", "--api", document][..], "/ping", 200),
        (&["sidecar"][..], "/b/k", 503),
    ] {
        let config = config.to_str().unwrap();
        let store = ["--s3-endpoint", "http://127.0.0.1:9", "--config", config];
        let mut command = sluicegate(&[command, &store].concat());
        command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
        let mut running = Running::start(&mut command);
        let line = running.lines_until("https://").pop().unwrap();
        let url = line.split("https://").nth(1).unwrap();
        let address = url.split([' ', '/']).next().unwrap().parse().unwrap();
        let config = Arc::new(authority.client(&[&TLS13], None));
        let mut client = TlsClient::connect(address, &config, NAME).unwrap();
        let answer = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status(), status, "{answer:?}");
        drop(client);
        assert_eq!(running.end("TERM"), 0);
    }
}
