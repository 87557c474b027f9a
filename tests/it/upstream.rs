//! A store of several addresses, some of which let the gateway down; and more requests than a store is sent.

use std::io::Read;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;

use sluicegate::net::driver::DriverChoice;
use sluicegate::net::upstream::endpoint::Endpoint;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::NETWORK;
use crate::support::fault::TIMEOUT;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::nobody::Nobody;
use crate::support::object_api::object_settings;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::sidecar::sidecar_settings;

/// Requests after which an address that is chosen by chance has been chosen.
const MANY: usize = 64;

fn answers(connection: &mut Connection) {
    while connection.request().is_some() {
        connection.answer(200, &[], b"good");
    }
}

fn resets(connection: &mut Connection) {
    connection.request();
    connection.reset();
}

fn named(addresses: &[SocketAddr]) -> Endpoint {
    let endpoint = Endpoint::parse("http://store.example").unwrap();
    endpoint.with_addresses(addresses.to_vec())
}

/// Settings for a store whose name stands for these addresses.
fn settings_at(driver: DriverChoice, addresses: &[SocketAddr]) -> ServeSettings {
    let mut settings = object_settings(driver, "http://127.0.0.1:9");
    settings.endpoint = named(addresses);
    settings
}

fn gateway_at(driver: DriverChoice, addresses: &[SocketAddr]) -> Gateway {
    Gateway::start(settings_at(driver, addresses))
}

fn get(gateway: &Gateway) -> Message {
    fetch(gateway.address, "GET", "/o/b/k", &[], b"")
}

#[test]
fn requests_spread_over_addresses_and_a_dead_one_costs_none() {
    on_each_driver(|driver| {
        let one = Backend::start(answers);
        let two = Backend::start_at(Ipv4Addr::new(127, 0, 0, 2), answers);
        let nobody = Nobody::new();
        let addresses = [nobody.address(), one.address(), two.address()];
        let gateway = gateway_at(driver, &addresses);
        for _ in 0..MANY {
            assert_eq!(get(&gateway).body, b"good");
        }
        assert!(!one.requests().is_empty() && !two.requests().is_empty());
    });
}

#[test]
fn an_address_that_resets_is_left_alone_and_its_requests_go_elsewhere() {
    on_each_driver(|driver| {
        let bad = Backend::start(resets);
        let good = Backend::start(answers);
        let gateway = gateway_at(driver, &[bad.address(), good.address()]);
        for _ in 0..MANY {
            assert_eq!(get(&gateway).body, b"good");
        }
        let tried = bad.requests().len();
        assert!((1..MANY / 4).contains(&tried), "{tried} of {MANY}");
        assert_eq!(good.requests().len(), MANY);
    });
}

#[test]
fn a_body_that_an_address_may_have_applied_is_not_sent_elsewhere() {
    on_each_driver(|driver| {
        let bad = Backend::start(resets);
        let good = Backend::start(answers);
        let gateway = gateway_at(driver, &[bad.address(), good.address()]);
        let put = |_| fetch(gateway.address, "PUT", "/o/b/k", &[], b"body");
        let answered: Vec<Message> = (0..MANY).map(put).collect();
        let failed = answered.iter().filter(|answer| answer.status() == 504);
        let failed = failed.inspect(|answer| assert_eq!(answer.body, NETWORK));
        assert_eq!(failed.count(), bad.requests().len());
        assert_eq!(good.requests().len() + bad.requests().len(), MANY);
        assert!(!bad.requests().is_empty());
    });
}

#[test]
fn an_address_that_stalls_is_left_alone() {
    on_each_driver(|driver| {
        let bad = Backend::start(|connection| {
            connection.request();
            connection.rest();
        });
        let good = Backend::start(answers);
        let mut settings = settings_at(driver, &[bad.address(), good.address()]);
        // The good one has to be quicker, on a busy machine too.
        settings.timeouts.integration_ms_max = 1_000;
        let gateway = Gateway::start(settings);
        let answered: Vec<Message> = (0..MANY).map(|_| get(&gateway)).collect();
        let failed = answered.iter().filter(|answer| answer.status() == 504);
        let failed = failed.inspect(|answer| assert_eq!(answer.body, TIMEOUT));
        let (tried, failed) = (bad.connections(), failed.count());
        assert!((1..MANY / 4).contains(&tried), "{tried} of {MANY}");
        // A busy machine may be too slow for the good one, too.
        assert!(failed >= tried, "{failed} after {tried}");
    });
}

/// Comes back once this many addresses are told to be ejected.
fn await_ejected(gateway: &Gateway, count: u64) {
    while gateway.metrics.sums().ejected_addresses != count {
        thread::yield_now();
    }
}

#[test]
fn an_ejection_and_the_retries_before_it_are_counted() {
    on_each_driver(|driver| {
        let bad = Backend::start(resets);
        let good = Backend::start(answers);
        let gateway = gateway_at(driver, &[bad.address(), good.address()]);
        // Three failures in a row eject it. No request comes after, which might try it again.
        while bad.requests().len() < 3 {
            assert_eq!(get(&gateway).body, b"good");
        }
        await_ejected(&gateway, 1);
        let sums = gateway.metrics.sums();
        assert_eq!((sums.ejections, sums.retries), (1, [3, 0]));
        assert_eq!(sums.shortages, [0, 0]);
    });
}

#[test]
fn a_retry_that_the_budget_does_not_give_is_counted() {
    on_each_driver(|driver| {
        let bad = Backend::start(resets);
        let good = Backend::start(answers);
        let mut settings = settings_at(driver, &[bad.address(), good.address()]);
        settings.upstream.retry_percent = 0;
        let gateway = Gateway::start(settings);
        while get(&gateway).status() != 504 {}
        assert_eq!(gateway.metrics.sums().retries, [0, 1]);
        assert_eq!(bad.requests().len(), 1);
    });
}

#[test]
fn an_address_that_is_well_again_is_used_again() {
    on_each_driver(|driver| {
        let ill = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&ill);
        let changing = Backend::start(move |connection| {
            while !seen.load(Ordering::SeqCst) && connection.request().is_some() {
                connection.answer(200, &[], b"well again");
            }
            connection.reset();
        });
        let good = Backend::start(answers);
        let gateway = gateway_at(driver, &[changing.address(), good.address()]);
        while gateway.metrics.sums().ejected_addresses == 0 {
            assert_eq!(get(&gateway).body, b"good");
        }
        for _ in 0..MANY {
            assert_eq!(get(&gateway).body, b"good");
        }
        ill.store(false, Ordering::SeqCst);
        // One real request tries it, once its time is over.
        while get(&gateway).body != b"well again" {}
        assert_eq!(changing.requests().len(), 1);
        await_ejected(&gateway, 0);
    });
}

#[test]
fn all_addresses_that_fail_are_tried_rather_than_none() {
    on_each_driver(|driver| {
        let ill = Arc::new(AtomicBool::new(true));
        let store = || {
            let ill = Arc::clone(&ill);
            Backend::start(move |connection| {
                while connection.request().is_some() && !ill.load(Ordering::SeqCst) {
                    connection.answer(200, &[], b"good");
                }
                connection.reset();
            })
        };
        let (one, two) = (store(), store());
        let gateway = gateway_at(driver, &[one.address(), two.address()]);
        for _ in 0..MANY {
            let answer = get(&gateway);
            assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
        }
        ill.store(false, Ordering::SeqCst);
        assert_eq!(get(&gateway).body, b"good", "no ejection is waited for");
    });
}

#[test]
fn a_name_that_stands_for_another_address_is_followed() {
    on_each_driver(|driver| {
        let (old, new) = (Backend::start(answers), Backend::start(answers));
        // The name cannot be looked up: what was published last stays.
        let endpoint = Endpoint::parse(&format!("http://{}", "a".repeat(64))).unwrap();
        assert!(endpoint.publish([old.address()]));
        let mut settings = object_settings(driver, "http://127.0.0.1:9");
        settings.endpoint = endpoint.clone();
        let gateway = Gateway::start(settings);
        assert_eq!(get(&gateway).body, b"good");
        assert_eq!(old.requests().len(), 1);
        assert!(endpoint.publish([new.address()]));
        while new.requests().is_empty() {
            assert_eq!(get(&gateway).body, b"good");
        }
        let before = old.requests().len();
        for _ in 0..MANY {
            assert_eq!(get(&gateway).body, b"good");
        }
        assert_eq!(old.requests().len(), before);
    });
}

/// A store that answers once a gate lets it, and tells when a request has come.
fn holding(gate: &Gate) -> (Backend, mpsc::Receiver<()>) {
    let (told, came) = mpsc::channel();
    let gate = gate.clone();
    let store = Backend::start(move |connection| {
        while connection.request().is_some() {
            // The test may have ended.
            told.send(()).unwrap_or_default();
            gate.wait();
            connection.answer(200, &[], b"good");
        }
    });
    (store, came)
}

fn limited(mut settings: ServeSettings, connections: usize, pending: usize) -> Gateway {
    settings.upstream.connections_max = connections;
    settings.upstream.pending_max = pending;
    Gateway::start(settings)
}

#[test]
fn requests_beyond_the_limits_are_told_to_come_again() {
    on_each_driver(|driver| {
        let gate = Gate::default();
        let (store, came) = holding(&gate);
        for is_sidecar in [false, true] {
            let settings = if is_sidecar {
                sidecar_settings(driver, &store.url())
            } else {
                object_settings(driver, &store.url())
            };
            let gateway = limited(settings, 1, 0);
            let target = if is_sidecar { "/b/k" } else { "/o/b/k" };
            let mut held = Client::connect(gateway.address);
            held.request("GET", target, &[], b"");
            came.recv().unwrap();
            let refused = fetch(gateway.address, "GET", target, &[], b"");
            assert_eq!(refused.status(), 503);
            assert_eq!(refused.field("retry-after"), Some("1"));
            assert_eq!(gateway.metrics.sums().shortages, [1, 0]);
            let told = String::from_utf8(refused.body).unwrap();
            let wanted = if is_sidecar {
                "<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>"
            } else {
                r#"{"message":"Service Unavailable"}"#
            };
            assert!(told.contains(wanted), "{told}");
            gate.open();
            assert_eq!(held.response().unwrap().body, b"good");
            gate.open();
            assert_eq!(
                fetch(gateway.address, "GET", target, &[], b"").body,
                b"good"
            );
            came.recv().unwrap();
        }
    });
}

#[test]
fn one_request_waits_where_one_may() {
    on_each_driver(|driver| {
        let gate = Gate::default();
        let (store, came) = holding(&gate);
        let gateway = limited(object_settings(driver, &store.url()), 1, 1);
        let mut held = Client::connect(gateway.address);
        held.request("GET", "/o/b/k", &[], b"");
        came.recv().unwrap();
        let (told, answers) = mpsc::channel();
        let address = gateway.address;
        thread::scope(|scope| {
            for _ in 0..3 {
                let told = told.clone();
                scope.spawn(move || {
                    let answer = fetch(address, "GET", "/o/b/k", &[], b"");
                    told.send(answer.status()).unwrap();
                });
            }
            assert_eq!((answers.recv(), answers.recv()), (Ok(503), Ok(503)));
            gate.open();
            gate.open();
            assert_eq!(answers.recv(), Ok(200));
        });
        assert_eq!(held.response().unwrap().status(), 200);
        assert_eq!(store.connections(), 1);
    });
}

#[test]
fn without_retries_a_lost_request_is_told() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            connection.request();
            connection.answer(200, &[], b"kept");
            connection.request();
        });
        let mut settings = object_settings(driver, &store.url());
        settings.upstream.retry_percent = 0;
        let gateway = Gateway::start(settings);
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/k", &[], b"");
        assert_eq!(client.response().unwrap().body, b"kept");
        client.request("GET", "/o/b/k", &[], b"");
        let answer = client.response().unwrap();
        assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
        assert_eq!(store.connections(), 1);
    });
}

/// A store whose bucket is elsewhere.
fn in_another_region() -> Backend {
    Backend::answering(|_| {
        let fields = [
            ("x-amz-bucket-region", "eu-west-3"),
            ("Location", "https://elsewhere.example/"),
        ];
        response(
            301,
            &fields,
            b"<Error><Code>PermanentRedirect</Code></Error>",
        )
    })
}

/// Runs the program on a free port while `ask` asks it; what it logged.
fn logged(arguments: &[&str], store: &Backend, ask: impl Fn(SocketAddr)) -> String {
    let url = store.url();
    let fixed = ["--s3-endpoint", &url, "--listen", "127.0.0.1:0"];
    let arguments = [arguments, &fixed, &["--workers", "1", "--admin", "off"]].concat();
    let mut command = sluicegate(&arguments);
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    let mut running = Running::start_heard(command.stderr(Stdio::piped()));
    let line = running.lines_until("127.0.0.1:").pop().unwrap();
    let (_, rest) = line.split_once("127.0.0.1:").unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    ask(SocketAddr::from((
        Ipv4Addr::LOCALHOST,
        digits.parse().unwrap(),
    )));
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.end("TERM"), 0);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    told
}

#[test]
fn a_region_redirect_is_passed_on_and_what_mends_it_is_told_once() {
    let told = logged(&["sidecar"], &in_another_region(), |address| {
        for _ in 0..3 {
            let answer = fetch(address, "GET", "/b/k", &[], b"");
            assert_eq!(answer.status(), 301);
            let body = String::from_utf8(answer.body.clone()).unwrap();
            assert_eq!(body, "<Error><Code>PermanentRedirect</Code></Error>");
            assert_eq!(answer.field("x-amz-bucket-region"), Some("eu-west-3"));
            assert_eq!(answer.field("location"), Some("https://elsewhere.example/"));
        }
    });
    let hints = told.matches("set --s3-region eu-west-3").count();
    assert_eq!(hints, 1, "{told}");
}

#[test]
fn a_region_redirect_is_told_once_for_each_method() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/config/s3-proxy.openapi.yaml");
    let serve = [
        "serve",
        "--api",
        document,
        "--stage",
        "S3",
        "--ignore-authorizers",
    ];
    let told = logged(&serve, &in_another_region(), |address| {
        for target in ["/S3/b", "/S3/b/k", "/S3/b", "/S3/b/k"] {
            fetch(address, "GET", target, &[], b"");
        }
    });
    for method in ["GET /{folder}: ", "GET /{folder}/{item}: "] {
        let hint = format!("{method}the bucket is in the region eu-west-3");
        assert_eq!(told.matches(&hint).count(), 1, "{told}");
    }
}

#[test]
fn slow_down_is_passed_on_and_not_asked_again() {
    on_each_driver(|driver| {
        let body = b"<Error><Code>SlowDown</Code></Error>";
        let store = Backend::answering(|_| {
            response(
                503,
                &[("Retry-After", "7"), ("x-amz-request-id", "id")],
                body,
            )
        });
        let gateway = Gateway::start(sidecar_settings(driver, &store.url()));
        let answer = fetch(gateway.address, "GET", "/b/k", &[], b"");
        assert_eq!((answer.status(), answer.body.as_slice()), (503, &body[..]));
        assert_eq!(answer.field("retry-after"), Some("7"));
        assert_eq!(answer.field("x-amz-request-id"), Some("id"));
        assert_eq!(store.requests().len(), 1);
    });
}
