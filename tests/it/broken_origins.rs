//! Answers of a store that HTTP/1.1 forbids or just allows, as data: what the client sees of each, and that the connection
//! which one came on never serves another request unless nothing was wrong with it.

use std::net::Shutdown;
use std::sync::Arc;

use serde::Deserialize;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::client::Client;
use crate::support::fault::NETWORK;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::object_api::object_gateway;
use crate::support::sidecar::error_code;
use crate::support::sidecar::sidecar_settings;

/// Rows of the table; a file that lost some would pass unseen.
const CASES_MIN: usize = 240;

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

/// An answer and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    group: String,
    name: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    first: String,
    send: Vec<Piece>,
    #[serde(default)]
    ends: bool,
    outcome: Outcome,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    body: String,
    #[serde(default)]
    kept: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Once(String),
    Repeated(String, usize),
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Refused,
    Broken,
    Answered,
}

fn get() -> String {
    "GET".to_owned()
}

fn cases() -> Arc<Vec<Case>> {
    let text = include_str!("../vectors/broken-origins.json");
    let table: Table = serde_json::from_str::<serde_json::Value>(text)
        .and_then(|value| serde_json::from_value(serde_json::json!({ "cases": value["cases"] })))
        .unwrap();
    assert!(table.cases.len() >= CASES_MIN);
    Arc::new(table.cases)
}

/// Characters as bytes: Latin-1, and UTF-8 above it.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(char.to_string().as_bytes()),
        }
    }
    bytes
}

impl Case {
    fn rest(&self) -> Vec<u8> {
        let pieces = self.send.iter();
        pieces
            .flat_map(|piece| match piece {
                Piece::Once(text) => bytes_of(text),
                Piece::Repeated(text, times) => bytes_of(text).repeat(*times),
            })
            .collect()
    }

    fn title(&self) -> String {
        format!("{}: {}", self.group, self.name)
    }
}

/// Whoever forwards to the store.
#[derive(Clone, Copy, Debug)]
enum Front {
    Gateway,
    Sidecar,
}

/// A store that answers `/b/N` by case N, `/b/N-parts` with the rest only behind `go_on`, and all else with the word whether its
/// connection has answered before.
fn store(cases: &Arc<Vec<Case>>, go_on: &Gate) -> Backend {
    let (cases, go_on) = (Arc::clone(cases), go_on.clone());
    Backend::start(move |connection| {
        let mut answered = 0;
        while let Some(request) = connection.request() {
            let target = request.second_word().rsplit('/').next().unwrap();
            let (number, in_parts) = match target.strip_suffix("-parts") {
                Some(number) => (number, true),
                None => (target, false),
            };
            match number.parse::<usize>().ok().and_then(|at| cases.get(at)) {
                Some(case) if in_parts => {
                    connection.send(bytes_of(&case.first));
                    go_on.wait();
                    send(connection, &case.rest(), case.ends);
                }
                Some(case) => {
                    let whole = [bytes_of(&case.first), case.rest()].concat();
                    send(connection, &whole, case.ends);
                }
                None if answered == 0 => connection.answer(200, &[], b"another connection"),
                None => connection.answer(200, &[], b"the same connection"),
            }
            answered += 1;
        }
    })
}

fn send(connection: &mut Connection, bytes: &[u8], ends: bool) {
    connection.send(bytes);
    if ends {
        // ignored: the gateway may have gone already
        connection.stream.shutdown(Shutdown::Write).ok();
    }
}

impl Front {
    fn start(self, driver: DriverChoice, store: &Backend) -> Gateway {
        match self {
            Self::Gateway => object_gateway(driver, store),
            Self::Sidecar => Gateway::start(sidecar_settings(driver, &store.url())),
        }
    }

    fn target(self, key: &str) -> String {
        match self {
            Self::Gateway => format!("/o/b/{key}"),
            Self::Sidecar => format!("/b/{key}"),
        }
    }

    fn refused(self, answer: &Message, is_head: bool) -> bool {
        match self {
            Self::Gateway => answer.status() == 504 && (is_head || answer.body == NETWORK),
            Self::Sidecar => {
                answer.status() == 500 && (is_head || error_code(answer) == "InternalError")
            }
        }
    }

    /// The document's responses make 200 of all that is no fault.
    fn answered(self, answer: &Message, case: &Case) -> bool {
        let status = match self {
            Self::Gateway => 200,
            Self::Sidecar => case.status,
        };
        answer.status() == status
            && answer.body == case.body.as_bytes()
            && answer.field("X-Secret").is_none()
    }
}

/// What is wrong with what the client gets, if anything is.
fn fault(front: Front, client: &mut Client, case: &Case, key: &str) -> Option<String> {
    client.request(&case.method, &front.target(key), &[], b"");
    let is_head = case.method == "HEAD";
    let answer = if is_head {
        client.head_response()
    } else {
        client.response()
    };
    let is_right = match (&answer, case.outcome) {
        (Some(answer), Outcome::Refused) => front.refused(answer, is_head),
        (Some(answer), Outcome::Broken) => front.refused(answer, is_head),
        (Some(answer), Outcome::Answered) => front.answered(answer, case),
        (None, Outcome::Broken) => true,
        (None, _) => false,
    };
    if answer.is_none_or(|answer| answer.field("Connection") == Some("close")) {
        *client = Client::connect(client.stream.peer_addr().unwrap());
    }
    (!is_right).then(|| format!("{front:?}: {}", case.title()))
}

/// What is wrong with the request behind a case, if anything is.
fn poison(front: Front, client: &mut Client, case: &Case) -> Option<String> {
    client.request("GET", &front.target("next"), &[], b"");
    let wanted: &[u8] = if case.kept {
        b"the same connection"
    } else {
        b"another connection"
    };
    let answer = client.response();
    let is_right = answer.is_some_and(|answer| answer.status() == 200 && answer.body == wanted);
    (!is_right).then(|| format!("{front:?}: behind {}", case.title()))
}

#[test]
fn every_answer_has_its_outcome_and_poisons_no_connection() {
    on_each_driver(|driver| {
        let cases = cases();
        let mut faults = Vec::new();
        for front in [Front::Gateway, Front::Sidecar] {
            let store = store(&cases, &Gate::default());
            let gateway = front.start(driver, &store);
            let mut client = Client::connect(gateway.address);
            for (number, case) in cases.iter().enumerate() {
                faults.extend(fault(front, &mut client, case, &number.to_string()));
                faults.extend(poison(front, &mut client, case));
            }
        }
        assert!(faults.is_empty(), "{driver:?}: {faults:#?}");
    });
}

#[test]
fn what_breaks_behind_a_head_that_was_sent_is_cut() {
    on_each_driver(|driver| {
        let (cases, go_on) = (cases(), Gate::default());
        for front in [Front::Gateway, Front::Sidecar] {
            let store = store(&cases, &go_on);
            let gateway = front.start(driver, &store);
            let broken = |(_, case): &(usize, &Case)| case.outcome == Outcome::Broken;
            for (number, case) in cases.iter().enumerate().filter(broken) {
                let title = case.title();
                let mut client = Client::connect(gateway.address);
                client.request("GET", &front.target(&format!("{number}-parts")), &[], b"");
                let head = client.head();
                assert_eq!(head.status(), 200, "{title}");
                go_on.open();
                let body = client.rest();
                match head.field("Content-Length") {
                    Some(length) => assert!(
                        u64::try_from(body.len()).unwrap() < length.parse().unwrap(),
                        "{title}"
                    ),
                    None => assert!(!body.ends_with(b"0\r\n\r\n"), "{title}: {body:?}"),
                }
                let mut next = Client::connect(gateway.address);
                assert_eq!(poison(front, &mut next, case), None);
            }
        }
    });
}

#[test]
fn a_head_that_ends_at_any_byte_is_a_network_error() {
    const SIZED: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"e\"\r\nContent-Type: text/plain\r\n\r\n";
    const CHUNKED: &str =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n";
    on_each_driver(|driver| {
        for (whole, resets) in [(SIZED, false), (SIZED, true), (CHUNKED, false)] {
            let store = Backend::start(move |connection| {
                while let Some(request) = connection.request() {
                    let target = request.second_word().rsplit('/').next().unwrap();
                    let Ok(end) = target.parse::<usize>() else {
                        connection.answer(200, &[], b"whole");
                        continue;
                    };
                    connection.send(&whole[..end]);
                    if resets {
                        connection.reset();
                    }
                    return;
                }
            });
            let gateway = object_gateway(driver, &store);
            let mut client = Client::connect(gateway.address);
            for end in 0..=whole.len() {
                client.request("GET", &format!("/o/b/{end}"), &[], b"");
                let answer = client.response().expect("an answer");
                assert_eq!(
                    (answer.status(), answer.body.as_slice()),
                    (504, NETWORK),
                    "{end} of {whole:?}"
                );
                client.request("GET", "/o/b/next", &[], b"");
                assert_eq!(
                    client.response().expect("an answer").body,
                    b"whole",
                    "{end}"
                );
            }
        }
    });
}

#[test]
fn an_answer_before_the_request_is_given_to_nobody_else() {
    on_each_driver(|driver| {
        let told = Gate::default();
        let tells = told.clone();
        let store = Backend::start(move |connection| {
            if connection.number == 0 {
                // As a server that is overloaded: it answers whoever connects, reads nothing and closes.
                connection.answer(200, &[], b"unasked");
                connection.stream.shutdown(Shutdown::Write).unwrap();
                connection.rest();
                tells.open();
                return;
            }
            while connection.request().is_some() {
                connection.answer(200, &[], b"asked");
            }
        });
        let gateway = object_gateway(driver, &store);
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/k", &[], b"");
        let first = client.response().expect("an answer");
        assert!(
            first.body == b"unasked" || first.body == NETWORK,
            "{first:?}"
        );
        told.wait();
        for _ in 0..3 {
            client.request("GET", "/o/b/k", &[], b"");
            assert_eq!(client.response().expect("an answer").body, b"asked");
        }
    });
}
