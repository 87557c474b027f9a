//! Whether what client and store saw is right.

use std::collections::VecDeque;

use sluicegate::net::clock::monotonic_ms;

use crate::client;
use crate::client::Answer;
use crate::plan::Exchange;
use crate::plan::Lane;
use crate::plan::Schedule;
use crate::plan::StoreFault;
use crate::servers::LIMIT_MS;
use crate::servers::Server;
use crate::store::Known;
use crate::store::Store;
use crate::way::Way;

/// A machine that is busy may miss the short time limits; it does not do so for ever.
const CLEAN_ATTEMPTS_MAX: usize = 20;

/// Schedules after which a store that is slow to read has read what came.
const LATE_SCHEDULES: usize = 16;

/// Requests whose end the client has seen, and the store perhaps not yet: it may read what it was sent long after the gateway
/// has given up. They are looked at once more.
#[derive(Default)]
pub(crate) struct Late(VecDeque<(Vec<Exchange>, Vec<bool>)>);

impl Late {
    /// Looks at all that is late enough, or at everything; what was wrong.
    pub(crate) fn settle(&mut self, store: &Store, everything: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let keep = if everything { 0 } else { LATE_SCHEDULES };
        while self.0.len() > keep {
            let Some((exchanges, sent)) = self.0.pop_front() else {
                break;
            };
            for (exchange, was_sent) in exchanges.iter().zip(sent) {
                let wrong = store.look(&exchange.key, |known| {
                    stored_wrong(exchange, known, was_sent)
                });
                faults.extend(wrong.map(|fault| format!("{}: {fault}", exchange.key)));
                store.forget(&exchange.key);
            }
        }
        faults
    }
}

/// Runs a schedule; what was wrong.
pub(crate) fn judged(
    server: &Server,
    store: &Store,
    (schedule, way): (&Schedule, Way),
    late: &mut Late,
) -> Vec<String> {
    let mut faults = Vec::new();
    store.expect(&schedule.exchanges);
    let door = server.door(way);
    let seen = client::run(&door, schedule, &|| server.connections() > 0);
    if !server.is_left_alone() {
        faults.push("the server keeps a connection whose client is gone".to_owned());
    }
    faults.extend(seen.violation);
    for (exchange, told) in schedule.exchanges.iter().zip(&seen.told) {
        let name = |fault: String| format!("{}: {fault}", exchange.key);
        store.look(&exchange.key, |known| {
            faults.extend(stored_wrong(exchange, known, told.sent).map(name));
            if let Some(answer) = &told.answer {
                faults.extend(answered_wrong(exchange, known, answer, told.begun).map(name));
            }
        });
    }
    let sent = seen.told.iter().map(|told| told.sent).collect();
    late.0.push_back((schedule.exchanges.clone(), sent));
    faults.extend(store.violations());
    faults
}

fn stored_wrong(exchange: &Exchange, known: &Known, was_sent: bool) -> Option<String> {
    if known.stored.is_empty() {
        return None;
    }
    if !exchange.is_put {
        return Some("a GET stored an object".to_owned());
    }
    if exchange.is_lie {
        return Some("a body that is wrong by itself was stored".to_owned());
    }
    if !was_sent {
        return Some("a body that was never sent whole was stored".to_owned());
    }
    if known.stored.len() > 1 {
        return Some(format!("stored {} times", known.stored.len()));
    }
    let same = known.stored.iter().all(|stored| *stored == exchange.object);
    (!same).then(|| {
        format!(
            "other bytes were stored: {} instead of {}",
            known.stored[0].len(),
            exchange.object.len()
        )
    })
}

fn answered_wrong(
    exchange: &Exchange,
    known: &Known,
    answer: &Answer,
    was_begun: bool,
) -> Option<String> {
    let told = |what: &str| {
        Some(format!(
            "{what}: {} with {} bytes",
            answer.head,
            answer.body.len()
        ))
    };
    if !was_begun {
        return told("an answer to nothing");
    }
    if answer.status == 200 {
        return match () {
            () if exchange.is_lie => told("a wrong body was taken"),
            () if answer.body != exchange.wanted => told("a wrong answer that looks right"),
            () if known.answered == 0 => told("an answer that the store did not finish"),
            () if exchange.is_put && known.stored.is_empty() => told("a success without an object"),
            () => None,
        };
    }
    let text = String::from_utf8_lossy(&answer.body);
    // also in answers to what is no request, which are plain text
    let of_gateway = answer
        .head
        .to_ascii_lowercase()
        .contains("\nx-amzn-requestid: ")
        && !text.contains("AccessDenied")
        || text.contains("<Error>");
    let of_store = exchange.store == StoreFault::Early
        && known.refused > 0
        && matches!(answer.status, 403 | 500);
    match answer.status {
        _ if of_store => None,
        400 | 408 | 413 | 500..=504 if of_gateway => None,
        _ => told("an answer that nobody can have meant"),
    }
}

/// After a schedule: requests that nobody disturbs are served.
///
/// A store that closes behind its answers may do so while the next request is on its way, and a body that streams is sent
/// once: each such close may cost one request, and no more.
pub(crate) fn still_serves(
    server: &Server,
    store: &Store,
    (schedule, way): (&Schedule, Way),
    (lane, seed): (Lane, u64),
    late: &mut Late,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut closes = schedule.closes_behind_answers();
    for attempt in 0..CLEAN_ATTEMPTS_MAX {
        let schedule = Schedule::clean(lane, &format!("s{seed}a{attempt}"), seed);
        store.expect(&schedule.exchanges);
        let begun = monotonic_ms();
        let seen = client::run(&server.door(way), &schedule, &|| false);
        let may_time_out = monotonic_ms() - begun >= LIMIT_MS;
        faults.extend(store.violations());
        faults.extend(seen.violation);
        let mut failed = false;
        for (exchange, told) in schedule.exchanges.iter().zip(&seen.told) {
            let Some(answer) = &told.answer else {
                failed = true;
                continue;
            };
            store.look(&exchange.key, |known| {
                faults.extend(answered_wrong(exchange, known, answer, true));
            });
            failed |= answer.status != 200;
        }
        let sent = vec![true; schedule.exchanges.len()];
        late.0.push_back((schedule.exchanges, sent));
        if failed && !may_time_out {
            if closes == 0 {
                faults.push(format!("clean requests got {:?}", seen.told));
            }
            closes = closes.saturating_sub(1);
        }
        if !failed || !faults.is_empty() {
            return faults;
        }
    }
    vec!["clean requests are not served any more".to_owned()]
}
