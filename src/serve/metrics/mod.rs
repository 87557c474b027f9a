//! What is counted of exchanges: by each core for itself, added up when somebody asks.
//!
//! Counting allocates nothing, takes no lock and no locked instruction, and knows no label: all series are there before
//! the first request, and a request's own text never becomes one.

pub mod counter;
pub mod histogram;
pub mod series;
pub mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;

use arc_swap::ArcSwap;

use crate::net::driver::Rung;
use crate::net::upstream::pool::Shortage;
use crate::net::upstream::pool::UpstreamPool;
use crate::pipeline::body_plan::ConversionKind;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::exchange_record::Outcome;
use crate::pipeline::sign::Payload;
use crate::serve::metrics::counter::Counter;
use crate::serve::metrics::series::CoreSeries;
use crate::serve::metrics::series::SeriesCounts;
use crate::serve::metrics::series::SeriesName;
use crate::serve::metrics::series::SeriesSums;
use crate::serve::metrics::status::CLIENT_GONE;
use crate::serve::metrics::status::StatusCounts;
use crate::serve::metrics::status::Statuses;
use crate::serve::settings::Service;

/// Names of [`Outcome`].
pub const OUTCOMES: [&str; 4] = ["complete", "client-gone", "cut", "client-slow"];
/// Names of [`ConversionKind`].
pub const CONVERSIONS: [&str; 5] = [
    "identity",
    "utf8",
    "base64-encode",
    "base64-decode",
    "template",
];
/// The sides of an exchange, names of [`Direction`](crate::pipeline::exchange_record::Direction).
pub const DIRECTIONS: [&str; 2] = ["request", "response"];
/// How a payload was signed.
pub const SIGNING_MODES: [&str; 5] = [
    "no-body",
    "hashed",
    "unsigned",
    "signed-chunks",
    "trailing-checksum",
];
/// What came of signing.
pub const SIGNING_RESULTS: [&str; 2] = ["ok", "no-credentials"];
/// Connections to the store: kept, in use; and requests that wait for one.
pub const UPSTREAM_STATES: [&str; 3] = ["idle", "in-use", "awaited"];
/// Why the store gave no answer or broke it off: as an exchange tells it, and as a label says it.
pub const UPSTREAM_ERRORS: [(&str, &str); 12] = [
    ("no credentials to sign with", "no-credentials"),
    ("too many requests at once", "busy"),
    ("no connection", "connect"),
    ("connecting timed out", "connect-timeout"),
    ("no TLS with the store", "tls"),
    ("no answer in time", "timeout"),
    ("the connection broke", "connection-lost"),
    ("malformed answer", "malformed"),
    ("the body ended early", "body-ended-early"),
    ("the body stalled", "body-stalled"),
    ("malformed chunked coding", "body-malformed"),
    ("", "other"),
];

/// What came of the wish to send a request again.
pub const RETRY_RESULTS: [&str; 2] = ["sent", "no-budget"];
/// Names of [`Shortage`].
pub const SHORTAGES: [&str; 2] = ["queue-full", "queue-timeout"];
/// Names of [`ConnectionRefusal`].
pub const CONNECTION_REFUSALS: [&str; 3] = ["total", "address", "proxy-protocol"];

/// Series of a process, over all generations of its settings. What comes beyond them is counted as if it had reached no method.
const SERIES_MAX: usize = 16_384;

/// Why a connection of a client was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// As many are open as may be.
    Total,
    /// Its address has as many as it may.
    Address,
    /// It did not begin with a header of the PROXY protocol.
    ProxyProtocol,
}

/// The counts of all cores.
#[derive(Debug)]
pub struct Metrics {
    /// Every series that there was; the first one is that of requests that reached no method.
    known: ArcSwap<Vec<KnownSeries>>,
    cores: Vec<Arc<CoreMetrics>>,
}

/// A series, and what each core has counted of it. Clones are the same.
#[derive(Clone, Debug)]
struct KnownSeries {
    name: Arc<SeriesName>,
    by_core: Arc<[Arc<SeriesCounts>]>,
}

/// The counts of one core, written by that core alone.
#[derive(Debug)]
#[repr(align(128))]
pub struct CoreMetrics {
    number: usize,
    begun: Counter,
    ended: Counter,
    connections: Counter,
    upstream: [Counter; UPSTREAM_STATES.len()],
    outcomes: [Counter; OUTCOMES.len()],
    conversions: [[Counter; CONVERSIONS.len()]; DIRECTIONS.len()],
    signings: [[Counter; SIGNING_RESULTS.len()]; SIGNING_MODES.len()],
    upstream_errors: [Counter; UPSTREAM_ERRORS.len()],
    ejections: Counter,
    ejected_addresses: Counter,
    retries: [Counter; RETRY_RESULTS.len()],
    shortages: [Counter; SHORTAGES.len()],
    connection_refusals: [Counter; CONNECTION_REFUSALS.len()],
    slow_clients: [Counter; DIRECTIONS.len()],
    rejected: StatusCounts,
    rung: OnceLock<Rung>,
}

/// The sums of what is not counted by series.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Exchanges whose response is not over.
    pub in_flight: u64,
    /// Connections that were taken.
    pub connections: u64,
    /// Connections to the store by [`UPSTREAM_STATES`].
    pub upstream: [u64; UPSTREAM_STATES.len()],
    /// By [`OUTCOMES`].
    pub outcomes: [u64; OUTCOMES.len()],
    /// By [`DIRECTIONS`] and [`CONVERSIONS`].
    pub conversions: [[u64; CONVERSIONS.len()]; DIRECTIONS.len()],
    /// By [`SIGNING_MODES`] and [`SIGNING_RESULTS`].
    pub signings: [[u64; SIGNING_RESULTS.len()]; SIGNING_MODES.len()],
    /// By [`UPSTREAM_ERRORS`].
    pub upstream_errors: [u64; UPSTREAM_ERRORS.len()],
    /// How often an address of an upstream was ejected.
    pub ejections: u64,
    /// Addresses that are ejected, once for each core.
    pub ejected_addresses: u64,
    /// By [`RETRY_RESULTS`].
    pub retries: [u64; RETRY_RESULTS.len()],
    /// Requests that found no connection free, by [`SHORTAGES`].
    pub shortages: [u64; SHORTAGES.len()],
    /// Connections of clients that were not let in, by [`CONNECTION_REFUSALS`].
    pub connection_refusals: [u64; CONNECTION_REFUSALS.len()],
    /// Exchanges that ended since the client was too slow, by [`DIRECTIONS`].
    pub slow_clients: [u64; DIRECTIONS.len()],
    /// Requests that the gateway refused by itself, by the status of the refusal.
    pub rejected: Statuses,
}

impl Metrics {
    /// Nothing counted yet on this many cores.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let core = |number| Arc::new(CoreMetrics::new(number));
        let none = KnownSeries::new(SeriesName::none(), cores);
        Self {
            known: ArcSwap::from_pointee(vec![none]),
            cores: (0..cores).map(core).collect(),
        }
    }

    /// What each core counts the exchanges of a service under. A method that was served before, under other settings, goes on
    /// with its counts. One caller at a time.
    #[must_use]
    pub fn series_of(&self, service: &Service) -> Vec<CoreSeries> {
        self.series_named(SeriesName::all_of(service))
    }

    fn series_named(&self, named: Vec<(usize, SeriesName)>) -> Vec<CoreSeries> {
        let mut known = Vec::clone(&self.known.load());
        let mut places: BTreeMap<Arc<SeriesName>, usize> = BTreeMap::new();
        for (place, series) in known.iter().enumerate() {
            places.insert(Arc::clone(&series.name), place);
        }
        let count = named.iter().map(|(position, _)| position + 1).max();
        // Behind all others the one of requests that reached no method.
        let mut wanted = vec![0; count.unwrap_or_default() + 1];
        for (position, name) in named {
            let place = places.get(&name).copied().unwrap_or_else(|| {
                if known.len() >= SERIES_MAX {
                    return 0;
                }
                let series = KnownSeries::new(name, self.cores.len());
                places.insert(Arc::clone(&series.name), known.len());
                known.push(series);
                known.len() - 1
            });
            if let Some(wanted) = wanted.get_mut(position) {
                *wanted = place;
            }
        }
        let of_core = |core: usize| {
            let places = wanted.iter().filter_map(|&place| known.get(place));
            let counts = places.filter_map(|series| series.by_core.get(core).cloned());
            CoreSeries::new(counts.collect())
        };
        let series = (0..self.cores.len()).map(of_core).collect();
        self.known.store(Arc::new(known));
        series
    }

    /// The counts of each core, in the order of the cores.
    #[must_use]
    pub fn cores(&self) -> &[Arc<CoreMetrics>] {
        &self.cores
    }

    /// Each series with its sum, also those of documents that are served no more.
    #[must_use]
    pub fn series(&self) -> Vec<(Arc<SeriesName>, SeriesSums)> {
        let known = self.known.load();
        let summed = known.iter().map(|series| {
            let mut sums = SeriesSums::default();
            for counts in series.by_core.iter() {
                sums.add(counts);
            }
            (Arc::clone(&series.name), sums)
        });
        summed.collect()
    }

    /// What a core counts under that has no documents.
    #[must_use]
    pub fn none(&self, core: usize) -> Option<Arc<SeriesCounts>> {
        self.known.load().first()?.by_core.get(core).cloned()
    }

    /// The sums of what is not counted by series.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for core in &self.cores {
            // The ends first: what begins and ends meanwhile is then no debt.
            let ended = core.ended.get();
            sums.in_flight += core.begun.get().saturating_sub(ended);
            sums.connections += core.connections.get();
            add_all(&mut sums.upstream, &core.upstream);
            add_all(&mut sums.outcomes, &core.outcomes);
            for (sums, counters) in sums.conversions.iter_mut().zip(&core.conversions) {
                add_all(sums, counters);
            }
            for (sums, counters) in sums.signings.iter_mut().zip(&core.signings) {
                add_all(sums, counters);
            }
            add_all(&mut sums.upstream_errors, &core.upstream_errors);
            sums.ejections += core.ejections.get();
            sums.ejected_addresses += core.ejected_addresses.get();
            add_all(&mut sums.retries, &core.retries);
            add_all(&mut sums.shortages, &core.shortages);
            add_all(&mut sums.connection_refusals, &core.connection_refusals);
            add_all(&mut sums.slow_clients, &core.slow_clients);
            sums.rejected.add(&core.rejected);
        }
        sums
    }
}

fn add_all(sums: &mut [u64], counters: &[Counter]) {
    for (sum, counter) in sums.iter_mut().zip(counters) {
        *sum += counter.get();
    }
}

impl CoreMetrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self {
            number,
            begun: Counter::new(),
            ended: Counter::new(),
            connections: Counter::new(),
            upstream: Default::default(),
            outcomes: Default::default(),
            conversions: Default::default(),
            signings: Default::default(),
            upstream_errors: Default::default(),
            ejections: Counter::new(),
            ejected_addresses: Counter::new(),
            retries: Default::default(),
            shortages: Default::default(),
            connection_refusals: Default::default(),
            slow_clients: Default::default(),
            rejected: StatusCounts::default(),
            rung: OnceLock::new(),
        }
    }

    /// The core's number, from 0.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// The rung of the driver's ladder that the core stands on; the first call counts.
    pub fn set_rung(&self, rung: Rung) {
        self.rung.get_or_init(|| rung);
    }

    /// See [`Self::set_rung`]; `None` before the core runs.
    #[must_use]
    pub fn rung(&self) -> Option<Rung> {
        self.rung.get().copied()
    }

    /// An exchange is in flight until the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.begun.add(1);
        InFlight(self)
    }

    /// A connection was taken.
    pub fn count_connection(&self) {
        self.connections.add(1);
    }

    /// The connections to the store, as of now.
    pub fn set_upstream(&self, pool: &UpstreamPool) {
        let (in_use, waiting) = pool.in_use();
        for (level, count) in self
            .upstream
            .iter()
            .zip([pool.idle_count(), in_use, waiting])
        {
            level.set(count as u64);
        }
    }

    /// How often addresses were ejected so far, and how many are now.
    pub fn set_ejections(&self, count: u64, addresses: usize) {
        self.ejections.set(count);
        self.ejected_addresses.set(addresses as u64);
    }

    /// A request would be sent again, and is or is not. Passes the answer on.
    pub fn count_retry(&self, sent: bool) -> bool {
        count_at(&self.retries, usize::from(!sent));
        sent
    }

    /// A request to an upstream found no connection free.
    pub fn count_shortage(&self, shortage: Shortage) {
        count_at(&self.shortages, shortage as usize);
    }

    /// A connection of a client was not let in.
    pub fn count_refusal(&self, refusal: ConnectionRefusal) {
        count_at(&self.connection_refusals, refusal as usize);
    }

    /// A request to the store was signed, or could not be.
    pub fn count_signing(&self, payload: &Payload, signed: bool) {
        let mode = match payload {
            Payload::None => 0,
            Payload::Hashed { .. } => 1,
            Payload::Unsigned { .. } => 2,
            Payload::SignedChunks(_) => 3,
            Payload::Trailing(_) => 4,
        };
        let results = self.signings.get(mode);
        if let Some(counter) = results.and_then(|results| results.get(usize::from(!signed))) {
            counter.add(1);
        }
    }

    /// An exchange is over, at `now_us` of the monotonic clock.
    pub fn tell(&self, series: &CoreSeries, record: &ExchangeRecord, now_us: u64) {
        let outcome = record.outcome();
        if let Some(series) = series.at(record.series()) {
            series.statuses.count(match (outcome, record.status()) {
                (Outcome::Complete | Outcome::Cut | Outcome::ClientSlow, Some(status)) => status,
                _ => CLIENT_GONE,
            });
            series.request_bytes.add(record.request_bytes());
            series.response_bytes.add(record.response_bytes());
            series.duration.observe(record.latency_us(now_us));
            if let Some(latency_us) = record.first_byte_us() {
                series.first_byte.observe(latency_us);
            }
            if let Some(latency_us) = record.integration().latency_us {
                series.integration.observe(latency_us);
            }
        }
        count_at(&self.outcomes, outcome_position(outcome));
        let conversions = [record.request_conversion(), record.response_conversion()];
        for (counters, kind) in self.conversions.iter().zip(conversions) {
            if let Some(kind) = kind {
                count_at(counters, conversion_position(kind));
            }
        }
        if let Some(direction) = record.too_slow() {
            count_at(&self.slow_clients, direction as usize);
        }
        if let Some(status) = record.refused() {
            self.rejected.count(status);
        }
        if let Some(told) = record.integration().error {
            count_at(&self.upstream_errors, upstream_error_position(told));
        }
    }
}

impl KnownSeries {
    fn new(name: SeriesName, cores: usize) -> Self {
        Self {
            name: Arc::new(name),
            by_core: (0..cores).map(|_| Arc::default()).collect(),
        }
    }
}

/// An exchange whose response is not over.
#[derive(Debug)]
pub struct InFlight<'c>(&'c CoreMetrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.ended.add(1);
    }
}

fn count_at(counters: &[Counter], position: usize) {
    if let Some(counter) = counters.get(position) {
        counter.add(1);
    }
}

const fn outcome_position(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Complete => 0,
        Outcome::ClientGone => 1,
        Outcome::Cut => 2,
        Outcome::ClientSlow => 3,
    }
}

const fn conversion_position(kind: ConversionKind) -> usize {
    match kind {
        ConversionKind::Identity => 0,
        ConversionKind::Utf8 => 1,
        ConversionKind::Base64Encode => 2,
        ConversionKind::Base64Decode => 3,
        ConversionKind::Template => 4,
    }
}

fn upstream_error_position(told: &str) -> usize {
    let known = UPSTREAM_ERRORS.iter().position(|(words, _)| *words == told);
    known.unwrap_or(UPSTREAM_ERRORS.len() - 1)
}

#[cfg(test)]
mod tests;
