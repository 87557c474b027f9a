//! What is counted: every exchange once, on whatever core it was, and nothing that is over stays in flight.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use sluicegate::api::table::Table;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::metrics::series::SeriesSums;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::documents::objects;
use crate::support::documents::s3_proxy;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");
const ACCEPT: (&str, &str) = ("Accept", "application/octet-stream");
/// Clients of their own, so that both workers get some.
const CLIENTS: usize = 8;

fn store() -> Backend {
    Backend::answering(|request| match request.start.as_str() {
        line if line.starts_with("PUT") => response(200, &[], b""),
        line if line.contains("/missing") => response(404, &[OCTETS], b"none"),
        _ => response(200, &[OCTETS], b"0123456789"),
    })
}

fn two_workers(driver: DriverChoice, table: Table, store: &Backend) -> ServeSettings {
    ServeSettings {
        io_driver: driver,
        workers: 2,
        ..settings(table, &store.url())
    }
}

/// Waits until `count` exchanges are over: a client may have its answer a moment before the core has told of it.
fn wait_for(gateway: &Gateway, count: u64) {
    while gateway.metrics.sums().outcomes.iter().sum::<u64>() < count {
        thread::yield_now();
    }
    assert_eq!(gateway.metrics.sums().outcomes.iter().sum::<u64>(), count);
}

/// `METHOD resource` with the counts by status, of what was reached.
fn by_status(gateway: &Gateway) -> BTreeMap<String, Vec<(String, u64)>> {
    let reached = |sums: &SeriesSums| sums.statuses.count() > 0;
    let series = gateway.metrics.series().into_iter();
    series
        .filter(|(_, sums)| reached(sums))
        .map(|(name, sums)| {
            let statuses = sums.statuses.iter();
            let told = statuses.map(|(status, count)| (status.to_string(), count));
            (format!("{} {}", name.method, name.resource), told.collect())
        })
        .collect()
}

fn series(gateway: &Gateway, method: &str, resource: &str) -> SeriesSums {
    let mut all = gateway.metrics.series().into_iter();
    let found = all.find(|(name, _)| name.method == method && name.resource == resource);
    found.unwrap().1
}

/// Five downloads, three uploads, an object that is not there and a path that is none, on one connection.
fn talk(address: SocketAddr) {
    let mut client = Client::connect(address);
    for _ in 0..5 {
        client.request("GET", "/v1/o/k", &[ACCEPT], b"");
        assert_eq!(client.response().unwrap().body, b"0123456789");
    }
    for _ in 0..3 {
        client.request("PUT", "/v1/o/k", &[OCTETS], b"12345");
        assert_eq!(client.response().unwrap().status(), 200);
    }
    client.request("GET", "/v1/o/missing", &[ACCEPT], b"");
    assert_eq!(client.response().unwrap().status(), 404);
    client.request("GET", "/v1/never/seen/path", &[], b"");
    assert_eq!(client.response().unwrap().status(), 403);
}

#[test]
fn counts_are_exact_over_two_workers() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = Gateway::start(two_workers(driver, objects(), &store));
        let address = gateway.address;
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| talk(address));
            }
        });
        let clients = CLIENTS as u64;
        wait_for(&gateway, 10 * clients);
        let status = |status: &str, count| (status.to_owned(), count);
        let wanted = BTreeMap::from([
            (
                "GET /o/{key}".to_owned(),
                vec![status("200", 5 * clients), status("404", clients)],
            ),
            ("PUT /o/{key}".to_owned(), vec![status("200", 3 * clients)]),
            ("- -".to_owned(), vec![status("403", clients)]),
        ]);
        assert_eq!(by_status(&gateway), wanted);

        let get = series(&gateway, "GET", "/o/{key}");
        assert_eq!(get.response_bytes, (5 * 10 + 4) * clients);
        let put = series(&gateway, "PUT", "/o/{key}");
        assert_eq!((put.request_bytes, put.response_bytes), (15 * clients, 0));
        for (_, sums) in gateway.metrics.series() {
            let count = sums.statuses.count();
            assert_eq!(sums.duration.count(), count);
            assert_eq!(sums.first_byte.count(), count);
            assert!(sums.first_byte.sum_us <= sums.duration.sum_us);
        }
        assert_eq!(get.integration.count(), 6 * clients);
        assert_eq!(series(&gateway, "-", "-").integration.count(), 0);

        let sums = gateway.metrics.sums();
        assert_eq!(sums.in_flight, 0);
        assert_eq!(sums.connections, clients);
        assert_eq!(sums.outcomes, [10 * clients, 0, 0, 0]);
        assert_eq!(
            sums.conversions,
            [
                [3 * clients, 0, 0, 0, 0],
                [6 * clients, 3 * clients, 0, 0, 0]
            ]
        );
        assert_eq!(sums.upstream_errors.iter().sum::<u64>(), 0);
        let signed: u64 = sums.signings.iter().map(|by_result| by_result[0]).sum();
        assert_eq!(signed, 9 * clients);
    });
}

#[test]
fn refusals_are_counted_by_their_reason() {
    on_each_driver(|driver| {
        let store = store();
        let mut settings = two_workers(driver, objects(), &store);
        settings.limits.payload_bytes_max = 4;
        let gateway = Gateway::start(settings);
        let put = |path: &str, media_type: &str, body: &[u8]| {
            let field = ("Content-Type", media_type);
            fetch(gateway.address, "PUT", path, &[field], body).status()
        };
        assert_eq!(put("/v1/o/k", OCTETS.1, b"12345"), 413);
        assert_eq!(put("/v1/typed/k", OCTETS.1, b"1234"), 415);
        assert_eq!(put("/v1/nowhere", OCTETS.1, b"1234"), 403);
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange("nonsense\r\n\r\n").status(), 400);
        wait_for(&gateway, 4);
        assert_eq!(rejected(&gateway), ["400 1", "403 1", "413 1", "415 1"]);
        assert!(store.requests().is_empty());
    });
}

fn rejected(gateway: &Gateway) -> Vec<String> {
    let sums = gateway.metrics.sums();
    let told = sums.rejected.iter();
    told.map(|(status, count)| format!("{status} {count}"))
        .collect()
}

#[test]
fn an_unsigned_call_of_a_guarded_method_is_a_refusal_of_its_method() {
    let store = store();
    let mut settings = two_workers(DriverChoice::Auto, s3_proxy(), &store);
    gateway_of(&mut settings).ignore_authorizers = false;
    let gateway = Gateway::start(settings);
    let answer = fetch(gateway.address, "GET", "/S3/photos/cat.jpg", &[], b"");
    assert_eq!(answer.status(), 403);
    wait_for(&gateway, 1);
    assert_eq!(rejected(&gateway), ["403 1"]);
    let refused = by_status(&gateway);
    let of_method = refused.get("GET /{folder}/{item}");
    assert_eq!(of_method, Some(&vec![("403".to_owned(), 1)]));
}

#[test]
fn nothing_stays_in_flight_when_clients_and_stores_break_off() {
    on_each_driver(|driver| {
        let (asked, go) = (Gate::default(), Gate::default());
        let (seen, answer) = (asked.clone(), go.clone());
        let store = Backend::start(move |connection| {
            while let Some(request) = connection.request() {
                if request.start.contains("/short") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 300000\r\n\r\nabc");
                    return;
                }
                if request.start.contains("/reset") {
                    connection.reset();
                    return;
                }
                seen.open();
                answer.wait();
                connection.answer(200, &[OCTETS], &vec![b'x'; 8 * 1024 * 1024]);
            }
        });
        let gateway = Gateway::start(two_workers(driver, objects(), &store));
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/v1/o/short", &[ACCEPT], b"");
        assert!(client.response().is_none());
        assert_eq!(
            fetch(gateway.address, "GET", "/v1/o/reset", &[ACCEPT], b"").status(),
            504
        );
        // A client that resets while its body is awaited, and one while the store is.
        let mut uploading = Client::connect(gateway.address);
        uploading.send("PUT /v1/o/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nabc");
        reset(uploading);
        let mut waiting = Client::connect(gateway.address);
        waiting.request("GET", "/v1/o/k", &[ACCEPT], b"");
        asked.wait();
        assert!(gateway.metrics.sums().in_flight >= 1);
        reset(waiting);
        go.open();
        wait_for(&gateway, 4);
        while gateway.metrics.sums().in_flight > 0 {
            thread::yield_now();
        }
        let sums = gateway.metrics.sums();
        assert_eq!(sums.outcomes.iter().sum::<u64>(), 4);
        assert_eq!(sums.outcomes[0], 1, "the 504 alone was whole");
        let get = series(&gateway, "GET", "/o/{key}");
        assert_eq!(get.duration.count(), get.statuses.count());
        let errors: u64 = sums.upstream_errors.iter().sum();
        assert_eq!(errors, 2, "{:?}", sums.upstream_errors);
    });
}

fn reset(client: Client) {
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}
