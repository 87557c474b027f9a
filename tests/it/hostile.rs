//! Requests that the RFCs forbid or that can be read two ways, as data: what the client gets and what the store saw of each.

use std::net::SocketAddr;

use serde_json::Value;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::sidecar::sidecar_settings;

/// The issue asks for all of these.
const CASES_MIN: usize = 436;
/// Fields of one connection (RFC 9110 §7.6.1), and what `Connection` nominates in the cases.
const OF_CONNECTION: [&str; 9] = [
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-nominated",
];

fn cases() -> Vec<Value> {
    let text = include_str!("../vectors/hostile-http1.json");
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// The bytes of a case's message: `@` is the target, U+E000 an at sign, all else Latin-1 or UTF-8.
fn bytes(message: &str, target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for char in message.chars() {
        match (char, u8::try_from(char)) {
            ('@', _) => bytes.extend_from_slice(target.as_bytes()),
            ('\u{e000}', _) => bytes.push(b'@'),
            (_, Ok(byte)) => bytes.push(byte),
            (wide, Err(_)) => bytes.extend_from_slice(wide.to_string().as_bytes()),
        }
    }
    bytes
}

/// A store that remembers, and whoever forwards to it.
struct Bench {
    store: Backend,
    gateway: Gateway,
    /// The target of the object `b/k`, and of what a smuggled request would ask for.
    target: &'static str,
    smuggled: &'static str,
}

impl Bench {
    fn gateway(driver: DriverChoice) -> Self {
        let store = store();
        Self {
            gateway: Gateway::on(driver, objects(), &store.url()),
            store,
            target: "/v1/o/k",
            smuggled: "/v1/o/smuggled",
        }
    }

    fn sidecar(driver: DriverChoice) -> Self {
        let store = store();
        Self {
            gateway: Gateway::start(sidecar_settings(driver, &store.url())),
            store,
            target: "/b/k",
            smuggled: "/b/smuggled",
        }
    }

    /// Sends the case and a whole request behind it, and nothing more; the answers until the end.
    fn send(&self, case: &Value) -> (Vec<u16>, Vec<Message>) {
        let before = self.store.requests().len();
        let mut message = bytes(case["message"].as_str().unwrap(), self.target);
        let smuggled = format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", self.smuggled);
        message.extend_from_slice(smuggled.as_bytes());
        let answers = answers(self.gateway.address, &message);
        (answers, self.store.requests().split_off(before))
    }

    /// What is wrong with how a case was treated.
    fn fault(&self, case: &Value) -> Option<String> {
        let (answers, seen) = self.send(case);
        let told = || {
            let starts: Vec<&str> = seen.iter().map(|request| request.start.as_str()).collect();
            format!(
                "{}: {}: {answers:?} {starts:?}",
                case["group"], case["name"]
            )
        };
        let is_right = match case["outcome"].as_str().unwrap() {
            "refused" => {
                let statuses = case["status"].as_array().unwrap();
                let [status] = answers[..] else {
                    return Some(told());
                };
                statuses.iter().any(|one| one == status) && seen.is_empty()
            }
            // The body is no request, and what follows is answered by itself or not at all.
            "consumed" => {
                let smuggled = |request: &Message| request.start.contains("smuggled");
                answers[0] == 200
                    && !seen.is_empty()
                    && !smuggled(&seen[0])
                    && seen.len() == answers.len()
                    && seen
                        .iter()
                        .all(|request| request.start.starts_with(['G', 'D']))
            }
            "forwarded" => {
                let body = case["body"].as_str().unwrap();
                answers[0] == 200
                    && seen.len() == answers.len()
                    && stored(&seen[0]) == body.as_bytes()
                    && seen[0].start.contains("/b/k ")
                    && OF_CONNECTION
                        .iter()
                        .all(|name| seen[0].field(name).is_none())
            }
            other => panic!("{other}"),
        };
        (!is_right).then(told)
    }
}

fn store() -> Backend {
    Backend::answering(|_| response(200, &[], b""))
}

/// Statuses of all answers to these bytes, until the connection ends.
fn answers(address: SocketAddr, message: &[u8]) -> Vec<u16> {
    let mut client = Client::connect(address);
    client.send(message);
    client.finish_sending();
    let mut statuses = Vec::new();
    while let Some(answer) = client.response() {
        statuses.push(answer.status());
    }
    statuses
}

fn every_case_is_treated_as_it_says(bench: &Bench) {
    let cases = cases();
    assert!(cases.len() >= CASES_MIN);
    let faults: Vec<String> = cases.iter().filter_map(|case| bench.fault(case)).collect();
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
}

#[test]
fn the_gateway_forwards_nothing_that_can_be_read_two_ways() {
    on_each_driver(|driver| every_case_is_treated_as_it_says(&Bench::gateway(driver)));
}

#[test]
fn neither_does_the_sidecar() {
    on_each_driver(|driver| every_case_is_treated_as_it_says(&Bench::sidecar(driver)));
}
