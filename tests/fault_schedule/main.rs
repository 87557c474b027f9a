//! The real server between a client and a store that fail by a seed: partial reads and writes, closes, resets and stalls at any
//! byte, lies in bodies and in answers. Whatever happens:
//!
//! - a complete-looking answer is the right one, or says plainly that there is none;
//! - an object is stored once, whole and right, and never from a request that was cut or wrong;
//! - no connection to the store is used again after an exchange that ended in doubt;
//! - every request ends, by an answer or a closed connection;
//! - the next client is served;
//! - nothing is left: no connection of either side, no descriptor.
//!
//! The client comes by TCP, TLS, HTTP/2 or a Unix socket, to one worker or two; that follows from the seed as well.
//!
//! `SLUICEGATE_FAULT_SEED=N` begins with that seed, `SLUICEGATE_FAULT_SCHEDULES=N` says how many follow one another on each
//! driver, `SLUICEGATE_FAULT_WAY=tcp` (`tls`, `http2`, `unix`) makes all come that way. A failure prints its seed and its schedule. This is a program of its own so that its descriptors can be counted.
#![cfg(test)]
#![expect(
    clippy::disallowed_types,
    reason = "the threads of a test are no cores: they may lock"
)]

mod chance;
mod client;
#[cfg(feature = "http2")]
mod http2_client;
mod plan;
mod servers;
mod store;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "the tests in tests/it use the rest")]
mod support;
mod verdict;
mod way;

use std::collections::BTreeSet;
use std::thread;

use sluicegate::net::driver::DriverChoice;

use crate::plan::ClientFault;
use crate::plan::Lane;
use crate::plan::Schedule;
use crate::servers::Server;
use crate::store::Store;
use crate::verdict::Late;
use crate::way::Way;

const SEED_VARIABLE: &str = "SLUICEGATE_FAULT_SEED";
const SCHEDULES_VARIABLE: &str = "SLUICEGATE_FAULT_SCHEDULES";
const WAY_VARIABLE: &str = "SLUICEGATE_FAULT_WAY";
/// Lanes, each by one worker and by two; they run at the same time.
const SERVERS: [(Lane, usize); 6] = [
    (Lane::Objects, 1),
    (Lane::Images, 1),
    (Lane::Sidecar, 1),
    (Lane::Objects, 2),
    (Lane::Images, 2),
    (Lane::Sidecar, 2),
];
const SEED_DEFAULT: u64 = 1;
const SCHEDULES_DEFAULT: u64 = 150;

fn variable(name: &str) -> Option<String> {
    let found = std::env::vars_os().find(|(known, _)| known.to_str() == Some(name));
    found.map(|(_, value)| value.into_string().unwrap())
}

fn number(name: &str, default: u64) -> u64 {
    variable(name).map_or(default, |value| value.parse().unwrap())
}

/// What serves a seed: a lane, by one worker or two.
fn server_of(seed: u64) -> (Lane, usize) {
    let workers = 1 + usize::try_from(seed / 12 % 2).unwrap();
    (Lane::of(seed), workers)
}

fn way_of(seed: u64) -> Way {
    variable(WAY_VARIABLE).map_or_else(|| Way::of(seed), |name| Way::named(&name))
}

#[test]
fn no_fault_of_either_side_makes_a_wrong_answer_or_object() {
    let first = number(SEED_VARIABLE, SEED_DEFAULT);
    let count = number(SCHEDULES_VARIABLE, SCHEDULES_DEFAULT);
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let before = descriptors();
        let seeds = first..first.saturating_add(count);
        let runs = SERVERS.map(|server| {
            let of_server = |seed: &u64| server_of(*seed) == server;
            let seeds: Vec<u64> = seeds.clone().filter(of_server).collect();
            thread::spawn(move || run(server, driver, &seeds))
        });
        let faults: Vec<String> = runs
            .into_iter()
            .flat_map(|run| run.join().unwrap())
            .collect();
        assert!(faults.is_empty(), "{driver:?}\n{}", faults.join("\n"));
        assert_eq!(
            descriptors(),
            before,
            "{driver:?}: descriptors that are left open"
        );
    }
}

/// One plan always gives one schedule.
#[test]
fn a_seed_is_a_schedule() {
    for seed in 0..50 {
        assert_eq!(
            format!("{:?}", Schedule::of(seed)),
            format!("{:?}", Schedule::of(seed))
        );
    }
    let met: BTreeSet<String> = (0..24)
        .map(|seed| format!("{:?} {:?}", server_of(seed), Way::of(seed)))
        .collect();
    assert_eq!(met.len(), if cfg!(feature = "http2") { 24 } else { 18 });
    let kinds = (0..600)
        .map(Schedule::of)
        .flat_map(|schedule| schedule.exchanges);
    let lies = kinds.filter(|exchange| exchange.is_lie).count();
    assert!(lies > 50, "{lies}");
}

/// Runs schedules one after another against one server and one store; what was wrong.
fn run((lane, workers): (Lane, usize), driver: DriverChoice, seeds: &[u64]) -> Vec<String> {
    if seeds.is_empty() {
        return Vec::new();
    }
    let mut store = Store::start();
    let server = Server::start(lane, workers, driver, &store.url());
    let (mut faults, mut late) = (Vec::new(), Late::default());
    for &seed in seeds {
        let schedule = Schedule::of(seed);
        let played = (&schedule, way_of(seed));
        let mut found = verdict::judged(&server, &store, played, &mut late);
        if found.is_empty() {
            found = verdict::still_serves(&server, &store, played, (lane, seed), &mut late);
        }
        found.extend(late.settle(&store, false));
        if !found.is_empty() {
            let found = found.join("; ");
            faults.push(format!(
                "{SEED_VARIABLE}={seed} {lane:?} by {:?}, {workers} workers: {found}\n{}",
                way_of(seed),
                outline(&schedule)
            ));
            break;
        }
    }
    faults.extend(server.end());
    store.close();
    faults.extend(late.settle(&store, true));
    faults.extend(store.violations());
    faults
}

/// A schedule without its bytes.
fn outline(schedule: &Schedule) -> String {
    let mut out = format!(
        "  client {:?}, slices of {}, {}\n",
        schedule.client,
        schedule.slice,
        if schedule.pipelined {
            "pipelined"
        } else {
            "in turn"
        }
    );
    let mut begin = 0;
    for one in &schedule.exchanges {
        out += &format!(
            "  {} {} at byte {begin}: object {}, wire {}, lie {}, store {:?} (always {}, step {}), chunked answer {}, store slice {}\n",
            if one.is_put { "PUT" } else { "GET" },
            one.key,
            one.object.len(),
            one.wire.len(),
            one.is_lie,
            one.store,
            one.always,
            one.step,
            one.chunked_answer,
            one.store_slice
        );
        begin += one.wire.len();
    }
    if schedule.client == ClientFault::None {
        out += "  the client does not fail\n";
    }
    out
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
