//! `/stats`: what the dashboard shows, as JSON.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::answer::JSON;
use crate::app::admin::history::Sample;
use crate::app::admin::history::classes;
use crate::app::admin::process::Process;
use crate::app::admin::readiness;
use crate::net::clock;
use crate::net::credentials::slot::SlotState;
use crate::net::driver::Rung;
use crate::serve::metrics::Sums;
use crate::serve::metrics::UPSTREAM_ERRORS;
use crate::serve::metrics::histogram::BOUNDS_US;
use crate::serve::metrics::series::SeriesName;
use crate::serve::metrics::series::SeriesSums;
use crate::serve::settings::Service;

/// Names the shape of the JSON; a change that takes something away gets another number.
const FORMAT: &str = "sluicegate.stats/1";
/// The query that asks for the samples from a number on.
const SINCE: &[u8] = b"since=";

#[derive(Serialize)]
struct Stats<'a> {
    format: &'static str,
    version: &'static str,
    /// When the process began: another number is another process.
    instance: u64,
    now_ms: u64,
    serves: String,
    driver: String,
    workers: usize,
    reasons: Vec<String>,
    in_flight: u64,
    connections: usize,
    bounds_us: &'a [u64],
    next: u64,
    samples: Vec<&'a Sample>,
    totals: Totals,
    routes: Vec<RouteJson<'a>>,
    rejected: Vec<Reason>,
    upstream: UpstreamJson,
    credentials: Vec<KeysJson>,
    process: ProcessJson,
}

#[derive(Serialize)]
struct Totals {
    requests: u64,
    e4: u64,
    e5: u64,
    gone: u64,
    request_bytes: u64,
    response_bytes: u64,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
}

#[derive(Serialize)]
struct RouteJson<'a> {
    #[serde(flatten)]
    name: NameJson<'a>,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(Serialize)]
struct NameJson<'a> {
    api: &'a str,
    stage: &'a str,
    resource: &'a str,
    method: &'a str,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    count: u64,
}

#[derive(Serialize)]
struct UpstreamJson {
    endpoint: String,
    idle: u64,
    ejected: u64,
    errors: Vec<ErrorJson>,
}

#[derive(Serialize)]
struct ErrorJson {
    kind: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct KeysJson {
    set: String,
    usable: bool,
    why: Option<String>,
    source: Option<String>,
    expires_s: Option<u64>,
    fault: Option<String>,
}

#[derive(Serialize)]
struct ProcessJson {
    cpu_us: u64,
    resident_bytes: u64,
    open_fds: u64,
}

/// The numbers, with the samples that `query` asks for.
#[must_use]
pub fn answer(state: &AdminState, query: Option<&[u8]>) -> Answer {
    let generation = state.in_force.generation();
    let metrics = state.in_force.metrics();
    let series = metrics.series();
    let sums = metrics.sums();
    let mut all = SeriesSums::default();
    for (_, one) in &series {
        all.merge(one);
    }
    let (kept, next) = state.history.since(since(query));
    let rung = metrics.cores().iter().find_map(|core| core.rung());
    let now = clock::now();
    let stats = Stats {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        instance: state.started.0,
        now_ms: now.unix.0 * 1_000 + u64::from(now.millis),
        serves: serves(&generation.settings.service),
        driver: rung.map_or_else(|| "starting".to_owned(), driver_name),
        workers: metrics.cores().len(),
        reasons: readiness::reasons(state),
        in_flight: sums.in_flight,
        connections: state.lifecycle.connections.load(Ordering::Relaxed),
        bounds_us: &BOUNDS_US,
        next,
        samples: kept.iter().map(|sample| &**sample).collect(),
        totals: Totals::of(&all),
        routes: routes(&series),
        rejected: rejected(&sums),
        upstream: UpstreamJson {
            endpoint: generation.settings.endpoint.to_string(),
            idle: sums.upstream.first().copied().unwrap_or_default(),
            ejected: sums.ejected_addresses,
            errors: errors(&sums),
        },
        credentials: readiness::key_slots(state)
            .into_iter()
            .map(KeysJson::of)
            .collect(),
        process: process(),
    };
    match serde_json::to_string(&stats) {
        Ok(text) => Answer::of(JSON, text),
        Err(fault) => Answer::text(500, &fault.to_string()),
    }
}

/// The number behind `since=`; anything else asks for all samples.
fn since(query: Option<&[u8]>) -> u64 {
    let parts = query.unwrap_or_default().split(|&byte| byte == b'&');
    let digits = parts.filter_map(|part| part.strip_prefix(SINCE)).next();
    let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn serves(service: &Service) -> String {
    match service {
        Service::Sidecar(_) => "S3 sidecar".to_owned(),
        Service::Gateway(apis) => {
            let mut titles: Vec<&str> = apis.iter().map(|api| &*api.gateway.table.title).collect();
            titles.dedup();
            match titles.as_slice() {
                [] => "nothing".to_owned(),
                [title] => (*title).to_owned(),
                several => format!("{} APIs", several.len()),
            }
        }
    }
}

fn driver_name(rung: Rung) -> String {
    match rung {
        Rung::Uring { .. } => "io_uring".to_owned(),
        Rung::Epoll => "epoll".to_owned(),
    }
}

fn routes(series: &[(Arc<SeriesName>, SeriesSums)]) -> Vec<RouteJson<'_>> {
    let reached = series.iter().filter(|(_, sums)| sums.statuses.count() > 0);
    let told = reached.map(|(name, sums)| RouteJson {
        name: NameJson {
            api: &name.api,
            stage: &name.stage,
            resource: &name.resource,
            method: &name.method,
        },
        totals: Totals::of(sums),
    });
    told.collect()
}

impl Totals {
    fn of(sums: &SeriesSums) -> Self {
        let [_, _, e4, e5, gone] = classes(sums);
        let latency = |per_mille| sums.duration.quantile_us(per_mille);
        Self {
            requests: sums.statuses.count(),
            e4,
            e5,
            gone,
            request_bytes: sums.request_bytes,
            response_bytes: sums.response_bytes,
            p50: latency(500),
            p90: latency(900),
            p99: latency(990),
        }
    }
}

impl KeysJson {
    fn of(slot: SlotState) -> Self {
        Self {
            set: slot.name,
            usable: slot.usable.is_ok(),
            why: slot.usable.err().map(|cause| cause.to_string()),
            source: slot.source,
            expires_s: slot.expires.map(|end| end.0),
            fault: slot.fault.map(|fault| fault.message),
        }
    }
}

fn rejected(sums: &Sums) -> Vec<Reason> {
    let counted = sums.rejected.iter();
    counted
        .map(|(status, count)| Reason {
            reason: status.to_string(),
            count,
        })
        .collect()
}

fn errors(sums: &Sums) -> Vec<ErrorJson> {
    let counted = UPSTREAM_ERRORS.iter().zip(sums.upstream_errors);
    counted
        .filter(|&(_, count)| count > 0)
        .map(|(&(_, kind), count)| ErrorJson { kind, count })
        .collect()
}

fn process() -> ProcessJson {
    let process = Process::read();
    ProcessJson {
        cpu_us: process.cpu_us.unwrap_or_default(),
        resident_bytes: process.resident_bytes.unwrap_or_default(),
        open_fds: process.open_fds.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_asked_for_by_number_and_all_of_them_otherwise() {
        for (query, number) in [
            (None, 0),
            (Some("since=12"), 12),
            (Some("x=1&since=7"), 7),
            (Some("since=-1"), 0),
            (Some("since="), 0),
            (Some("sincere=4"), 0),
        ] {
            assert_eq!(since(query.map(str::as_bytes)), number, "{query:?}");
        }
    }
}
