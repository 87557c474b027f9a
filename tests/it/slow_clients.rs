//! Clients that send a body or take an answer more slowly than they may, and those that are not to blame for the time.
//!
//! The rates asked for here are such that a client that stops is too slow at once, and no clock of a test is asked.

use std::sync::Arc;
use std::thread;

use rustls::version::TLS13;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::ClientRates;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::sidecar::error_code;
use crate::support::sidecar::sidecar_settings;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;
use crate::support::tls_client::edge;

/// Bytes a second that nobody reaches who sends them one by one, or stops.
const RATE: u32 = 1_000_000_000;
/// A client that does what it should must not be waited for so long, on a busy machine either.
const GRACE_MS: u64 = 1_000;
/// More than all buffers on the way hold.
const LONG_BYTES: usize = 64 * 1024 * 1024;

/// Only the rates can end an exchange within the patience of a test.
fn rates(settings: &mut ServeSettings, body: u32, read: u32) {
    settings.timeouts.idle_ms_max = 3_600_000;
    settings.timeouts.integration_ms_max = 3_600_000;
    settings.timeouts.rates = ClientRates {
        body_bytes_per_s: body,
        read_bytes_per_s: read,
        grace_ms: GRACE_MS,
    };
}

fn gateway(
    driver: DriverChoice,
    store: &Backend,
    change: impl FnOnce(&mut ServeSettings),
) -> Gateway {
    gateway_for(&object_api(), driver, store, change)
}

fn put(framing: &str) -> String {
    format!("PUT /o/b/k HTTP/1.1\r\nHost: gate.example\r\n{framing}\r\n\r\n")
}

/// A store that reads bodies as they come and remembers whole requests only.
fn reading() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

/// Waits for the end of so many exchanges that a client was too slow for: first their bodies, then their answers.
fn wait_for_slow(gateway: &Gateway, counts: [u64; 2]) {
    let count: u64 = counts.iter().sum();
    while gateway.metrics.sums().slow_clients.iter().sum::<u64>() < count {
        thread::yield_now();
    }
    let sums = gateway.metrics.sums();
    assert_eq!((sums.slow_clients, sums.outcomes[3]), (counts, count));
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up_and_becomes_no_object() {
    on_each_driver(|driver| {
        let store = reading();
        let gateway = gateway(driver, &store, |settings| {
            settings.payload_signing = PayloadSigning::Unsigned;
            rates(settings, RATE, 0);
        });
        let bodies = [
            ("collected", put("Content-Length: 5") + "hell"),
            ("copied", put("Content-Length: 100000") + "hell"),
            ("spliced", put("Content-Length: 4000000") + "hell"),
            (
                "chunked",
                put("Transfer-Encoding: chunked") + "5\r\nhello\r\n",
            ),
            ("not begun", put("Content-Length: 5")),
        ];
        for (case, begun) in &bodies {
            let mut client = Client::connect(gateway.address);
            let answer = client.exchange(begun);
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (408, b"Request Timeout".as_slice()),
                "{case}"
            );
            assert_eq!(answer.field("connection"), Some("close"), "{case}");
            assert!(client.is_closed(), "{case}");
        }
        wait_for_slow(&gateway, [bodies.len() as u64, 0]);
        assert!(store.requests().is_empty());
        assert_eq!(
            fetch(gateway.address, "PUT", "/o/b/k", &[], b"whole").status(),
            200
        );
        assert_eq!(store.requests().len(), 1);
    });
}

#[test]
fn a_sidecar_says_so_in_the_words_of_s3() {
    on_each_driver(|driver| {
        let store = reading();
        let mut settings = sidecar_settings(driver, &store.url());
        rates(&mut settings, RATE, 0);
        let gateway = Gateway::start(settings);
        let coded = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\n\
            x-amz-decoded-content-length: 500000\r\nx-amz-trailer: x-amz-checksum-crc32\r\nContent-Length: 500050";
        for (framing, begun) in [
            ("Content-Length: 5000000", "hell"),
            (coded, "7a120\r\nhell"),
        ] {
            let mut client = Client::connect(gateway.address);
            let head = put(framing).replace("/o/b/k", "/b/k");
            let answer = client.exchange(head + begun);
            assert_eq!(
                (answer.status(), error_code(&answer).as_str()),
                (400, "RequestTimeout")
            );
            assert!(client.is_closed());
        }
        wait_for_slow(&gateway, [2, 0]);
        assert!(store.requests().is_empty());
    });
}

/// A store that sends a long body by its length or in chunks; `freed` opens when the gateway is gone.
fn long_answers(chunked: bool, freed: &Gate) -> Backend {
    let freed = freed.clone();
    Backend::start(move |connection| {
        while connection.request().is_some() {
            let piece = vec![b'x'; 1 << 20];
            let mut left = LONG_BYTES;
            connection.send("HTTP/1.1 200 OK\r\n");
            let mut sent = if chunked {
                connection.send("Transfer-Encoding: chunked\r\n\r\n")
            } else {
                connection.send(format!("Content-Length: {LONG_BYTES}\r\n\r\n"))
            };
            while sent && left > 0 {
                left -= piece.len();
                sent = if chunked {
                    connection.send("100000\r\n")
                        && connection.send(&piece)
                        && connection.send("\r\n")
                } else {
                    connection.send(&piece)
                };
            }
            if chunked {
                sent &= connection.send("0\r\n\r\n");
            }
            if !sent {
                freed.open();
                return;
            }
        }
    })
}

const GET: &str = "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\n\r\n";

#[test]
fn a_client_that_does_not_take_its_answer_is_cut_and_frees_the_store() {
    on_each_driver(|driver| {
        for chunked in [false, true] {
            let freed = Gate::default();
            let store = long_answers(chunked, &freed);
            let gateway = gateway(driver, &store, |settings| rates(settings, 0, RATE));
            let mut client = Client::connect(gateway.address);
            client.send(GET);
            assert_eq!(client.head().status(), 200);
            freed.wait();
            wait_for_slow(&gateway, [0, 1]);
            let read = client.rest();
            assert!(read.len() < LONG_BYTES, "chunked: {chunked}");
            assert!(!read.ends_with(b"0\r\n\r\n"), "chunked: {chunked}");
        }
    });
}

#[test]
fn so_is_one_that_speaks_tls() {
    on_each_driver(|driver| {
        let authority = Authority::new();
        let freed = Gate::default();
        let store = long_answers(false, &freed);
        let gateway = gateway(driver, &store, |settings| {
            settings.edge = edge(authority.plan(&["gate.example"]));
            rates(settings, 0, RATE);
        });
        let config = Arc::new(authority.client(&[&TLS13], None));
        let address = gateway.tls_addresses[0];
        let mut client = TlsClient::connect(address, &config, "gate.example").unwrap();
        client.send(GET);
        freed.wait();
        wait_for_slow(&gateway, [0, 1]);
        assert!(
            client.response().is_none(),
            "the answer must not look whole"
        );
    });
}

#[test]
fn a_client_that_takes_everything_at_its_own_pace_gets_it() {
    on_each_driver(|driver| {
        for chunked in [false, true] {
            let store = long_answers(chunked, &Gate::default());
            // Whoever reads at all is faster than a byte a second.
            let gateway = gateway(driver, &store, |settings| rates(settings, 1, 1));
            let answer = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
            assert_eq!(answer.body.len(), LONG_BYTES);
            assert_eq!(gateway.metrics.sums().slow_clients, [0, 0]);
        }
    });
}

/// Waits until a client that does nothing has been given up: so much time has passed that everybody would be who is charged
/// for it.
fn let_the_grace_pass(gateway: &Gateway) {
    let mut idle = Client::connect(gateway.address);
    assert_eq!(idle.exchange(put("Content-Length: 5")).status(), 408);
}

#[test]
fn a_store_that_takes_a_body_slowly_is_not_the_clients_fault() {
    on_each_driver(|driver| {
        for signing in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
            let (begun, go_on) = (Gate::default(), Gate::default());
            let (first, then) = (begun.clone(), go_on.clone());
            let store = Backend::start(move |connection| {
                while let Some(head) = connection.head() {
                    let length = head.field("Content-Length").unwrap().parse().unwrap();
                    first.open();
                    then.wait();
                    assert_eq!(connection.bytes(length).len(), length);
                    connection.answer(200, &[], b"");
                }
            });
            let gateway = gateway(driver, &store, |settings| {
                settings.payload_signing = signing;
                settings.limits.payload_bytes_max = 0;
                rates(settings, RATE, 0);
            });
            let mut client = Client::connect(gateway.address);
            client.send(put(&format!("Content-Length: {LONG_BYTES}")));
            let mut sender = client.stream.try_clone().unwrap();
            let sending = thread::spawn(move || {
                use std::io::Write;
                sender.write_all(&vec![b'x'; LONG_BYTES]).unwrap();
            });
            begun.wait();
            let_the_grace_pass(&gateway);
            go_on.open();
            assert_eq!(client.response().expect("an answer").status(), 200);
            sending.join().unwrap();
            wait_for_slow(&gateway, [1, 0]);
        }
    });
}

#[test]
fn a_store_that_pauses_in_its_answer_is_not_the_clients_fault() {
    on_each_driver(|driver| {
        for length in [100_000, 4_000_000] {
            let (begun, go_on) = (Gate::default(), Gate::default());
            let (first, then) = (begun.clone(), go_on.clone());
            let store = Backend::start(move |connection| {
                if connection.request().is_some() {
                    let body = vec![b'x'; length];
                    let (one, other) = body.split_at(length / 2);
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
                    ));
                    connection.send(one);
                    first.open();
                    then.wait();
                    connection.send(other);
                }
            });
            let gateway = gateway(driver, &store, |settings| rates(settings, RATE, RATE));
            let mut client = Client::connect(gateway.address);
            client.send(GET);
            assert_eq!(client.head().status(), 200);
            begun.wait();
            assert_eq!(client.bytes(length / 2).len(), length / 2);
            let_the_grace_pass(&gateway);
            go_on.open();
            assert_eq!(client.bytes(length / 2).len(), length / 2);
            wait_for_slow(&gateway, [1, 0]);
        }
    });
}

#[test]
fn without_rates_a_client_may_take_its_time() {
    on_each_driver(|driver| {
        let freed = Gate::default();
        let store = long_answers(false, &freed);
        let gateway = gateway(driver, &store, |settings| rates(settings, 0, 0));
        let mut patient = Vec::new();
        for mut client in [(); 2].map(|()| Client::connect(gateway.address)) {
            client.send(GET);
            assert_eq!(client.head().status(), 200);
            patient.push(client);
        }
        // What would be too slow elsewhere has time to be so here.
        let other = gateway_for(&object_api(), driver, &store, |settings| {
            rates(settings, RATE, 0);
        });
        let_the_grace_pass(&other);
        for client in &mut patient {
            assert_eq!(client.bytes(LONG_BYTES).len(), LONG_BYTES);
        }
        assert_eq!(gateway.metrics.sums().slow_clients, [0, 0]);
    });
}

#[cfg(feature = "http2")]
#[test]
fn the_rates_hold_for_each_stream_of_http_2() {
    use crate::support::http2_client::END_HEADERS;
    use crate::support::http2_client::END_STREAM;
    use crate::support::http2_client::Frames;
    use crate::support::http2_client::GET;
    use crate::support::http2_client::HEADERS;
    use crate::support::http2_client::RST_STREAM;
    use crate::support::http2_client::fields;
    use crate::support::http2_client::frame;
    /// RFC 9113 §7.
    const ENHANCE_YOUR_CALM: u32 = 11;
    on_each_driver(|driver| {
        let authority = Authority::new();
        let freed = Gate::default();
        let store = long_answers(false, &freed);
        let gateway = gateway(driver, &store, |settings| {
            let mut plan = authority.plan(&["gate.example"]);
            plan.applications = vec![sluicegate::net::tls::server::Application::Http2];
            settings.edge = edge(plan);
            rates(settings, RATE, RATE);
        });
        let mut frames = Frames::connect(gateway.tls_addresses[0], &authority);
        // Its window of 64 KiB is never opened again.
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&GET)));
        freed.wait();
        assert_eq!(frames.refusal(), Some((RST_STREAM, ENHANCE_YOUR_CALM)));
        let mut put = GET;
        put[0].1 = "PUT";
        let head = [&put[..], &[("content-length", "5")]].concat();
        let before = gateway.metrics.sums().slow_clients[0];
        frames.send(&frame(HEADERS, END_HEADERS, 3, &fields(&head)));
        while gateway.metrics.sums().slow_clients[0] == before {
            thread::yield_now();
        }
        assert!(store.requests().len() == 1, "only the GET was sent on");
    });
}
