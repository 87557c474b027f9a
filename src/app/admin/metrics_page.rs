//! `/metrics`: everything that is counted, in the Prometheus text format.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::exposition::Exposition;
use crate::app::admin::exposition::Kind;
use crate::app::admin::exposition::Labels;
use crate::app::admin::exposition::MEDIA_TYPE;
use crate::app::admin::exposition::Seconds;
use crate::app::admin::process::Process;
use crate::app::admin::readiness;
use crate::net::driver::Rung;
use crate::serve::metrics::CONNECTION_REFUSALS;
use crate::serve::metrics::CONVERSIONS;
use crate::serve::metrics::DIRECTIONS;
use crate::serve::metrics::OUTCOMES;
use crate::serve::metrics::RETRY_RESULTS;
use crate::serve::metrics::SHORTAGES;
use crate::serve::metrics::SIGNING_MODES;
use crate::serve::metrics::SIGNING_RESULTS;
use crate::serve::metrics::Sums;
use crate::serve::metrics::UPSTREAM_ERRORS;
use crate::serve::metrics::UPSTREAM_STATES;
use crate::serve::metrics::histogram::Latencies;
use crate::serve::metrics::series::SeriesName;
use crate::serve::metrics::series::SeriesSums;

/// The commit that was built, if the build said so.
const COMMIT: Option<&str> = option_env!("SLUICEGATE_COMMIT");

/// A histogram by series, and what it tells.
type SeriesHistogram = (&'static str, &'static str, fn(&SeriesSums) -> &Latencies);

const HISTOGRAMS: [SeriesHistogram; 3] = [
    (
        "sluicegate_request_duration_seconds",
        "From a request's head to the last byte of its response.",
        |sums| &sums.duration,
    ),
    (
        "sluicegate_first_byte_seconds",
        "From a request's head to the first bytes of its response.",
        |sums| &sums.first_byte,
    ),
    (
        "sluicegate_integration_duration_seconds",
        "From the call of the store to the head of its answer, or to the failure.",
        |sums| &sums.integration,
    ),
];

/// All families.
#[must_use]
pub fn answer(state: &AdminState) -> Answer {
    let mut out = Exposition::default();
    let metrics = state.in_force.metrics();
    let series = metrics.series();
    let sums = metrics.sums();
    build_info(state, &mut out);
    requests(&series, &mut out);
    exchanges(&sums, &mut out);
    store(&sums, &mut out);
    upstreams(&sums, &mut out);
    credentials(state, &mut out);
    certificates(state, &mut out);
    lifecycle(state, &sums, &mut out);
    refused_connections(&sums, &mut out);
    slow_clients(&sums, &mut out);
    process(&mut out);
    Answer::of(MEDIA_TYPE, out.into_text())
}

fn build_info(state: &AdminState, out: &mut Exposition) {
    let rung = state
        .in_force
        .metrics()
        .cores()
        .iter()
        .find_map(|core| core.rung());
    let driver = match rung {
        None => "starting",
        Some(Rung::Uring { .. }) => "io_uring",
        Some(Rung::Epoll) => "epoll",
    };
    out.family(
        "sluicegate_build_info",
        Kind::Gauge,
        "1, with the version, the commit and the I/O driver that runs as labels.",
    );
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", COMMIT.unwrap_or("unknown")),
        ("driver", driver),
    ];
    out.sample("sluicegate_build_info", &labels, 1);
}

fn requests(series: &[(Arc<SeriesName>, SeriesSums)], out: &mut Exposition) {
    let name = "sluicegate_requests_total";
    out.family(
        name,
        Kind::Counter,
        "Exchanges that are over, by the status sent; 499: the client was gone before a response.",
    );
    for (labels, sums) in series {
        for (status, count) in sums.statuses.iter() {
            let status = status.to_string();
            let [api, stage, resource, method] = labels_of(labels);
            out.sample(
                name,
                &[api, stage, resource, method, ("status", &status)],
                count,
            );
        }
    }
    // Only series that a request has reached: a document may have thousands.
    let reached = |sums: &SeriesSums| sums.duration.count() > 0;
    for (name, help, bytes) in [
        (
            "sluicegate_request_bytes_total",
            "Bytes of request bodies that arrived.",
            (|sums| sums.request_bytes) as fn(&SeriesSums) -> u64,
        ),
        (
            "sluicegate_response_bytes_total",
            "Bytes of response bodies that were handed over.",
            |sums| sums.response_bytes,
        ),
    ] {
        out.family(name, Kind::Counter, help);
        for (labels, sums) in series.iter().filter(|(_, sums)| reached(sums)) {
            out.sample(name, &labels_of(labels), bytes(sums));
        }
    }
    for (name, help, latencies) in HISTOGRAMS {
        out.family(name, Kind::Histogram, help);
        for (labels, sums) in series {
            let latencies = latencies(sums);
            if latencies.count() > 0 {
                out.histogram(name, &labels_of(labels), latencies);
            }
        }
    }
}

fn labels_of(name: &SeriesName) -> [(&str, &str); 4] {
    [
        ("api", &name.api),
        ("stage", &name.stage),
        ("resource", &name.resource),
        ("method", &name.method),
    ]
}

fn exchanges(sums: &Sums, out: &mut Exposition) {
    out.single(
        "sluicegate_in_flight",
        Kind::Gauge,
        "Exchanges whose response is not over.",
        sums.in_flight,
    );
    labelled(
        out,
        "sluicegate_outcomes_total",
        "How exchanges ended for the client.",
        OUTCOMES
            .iter()
            .zip(sums.outcomes)
            .map(|(&outcome, count)| ([("outcome", outcome)], count)),
    );
    let name = "sluicegate_rejected_total";
    out.family(
        name,
        Kind::Counter,
        "Requests that were refused without asking the store, by the status of the refusal.",
    );
    for (status, count) in sums.rejected.iter() {
        out.sample(name, &[("reason", &status.to_string())], count);
    }
    let by_direction = DIRECTIONS.iter().zip(&sums.conversions);
    labelled(
        out,
        "sluicegate_conversions_total",
        "Bodies by what became of them.",
        by_direction.flat_map(|(&direction, counts)| {
            CONVERSIONS
                .iter()
                .zip(counts)
                .map(move |(&kind, &count)| ([("direction", direction), ("kind", kind)], count))
        }),
    );
}

fn store(sums: &Sums, out: &mut Exposition) {
    let name = "sluicegate_upstream_connections";
    let help = "Connections to the store, and requests that wait for one, as of the last 50 ms.";
    out.family(name, Kind::Gauge, help);
    for (state, count) in UPSTREAM_STATES.iter().zip(sums.upstream) {
        out.sample(name, &[("state", state)], count);
    }
    labelled(
        out,
        "sluicegate_upstream_errors_total",
        "Calls of the store that brought no answer, or one that broke off.",
        UPSTREAM_ERRORS
            .iter()
            .zip(sums.upstream_errors)
            .map(|(&(_, kind), count)| ([("kind", kind)], count)),
    );
    let by_mode = SIGNING_MODES.iter().zip(&sums.signings);
    labelled(
        out,
        "sluicegate_signing_total",
        "Requests to the store by how their payload was signed.",
        by_mode.flat_map(|(&mode, counts)| {
            let by_result = SIGNING_RESULTS.iter().zip(counts);
            by_result.map(move |(&result, &count)| ([("mode", mode), ("result", result)], count))
        }),
    );
}

/// How requests find their way to upstreams.
fn upstreams(sums: &Sums, out: &mut Exposition) {
    out.single(
        "sluicegate_upstream_ejections_total",
        Kind::Counter,
        "How often a worker has ejected an address of an upstream, as of the last 50 ms.",
        sums.ejections,
    );
    out.single(
        "sluicegate_upstream_ejected_addresses",
        Kind::Gauge,
        "Addresses that were ejected and have not answered since, once for each worker, as of the last 50 ms.",
        sums.ejected_addresses,
    );
    for (name, help, label, values, counts) in [
        (
            "sluicegate_upstream_retries_total",
            "Requests that were sent to an upstream again, or would have been.",
            "result",
            RETRY_RESULTS,
            sums.retries,
        ),
        (
            "sluicegate_upstream_refused_total",
            "Requests that found no connection to an upstream free.",
            "reason",
            SHORTAGES,
            sums.shortages,
        ),
    ] {
        let samples = values.into_iter().zip(counts);
        labelled(
            out,
            name,
            help,
            samples.map(|(value, count)| ([(label, value)], count)),
        );
    }
}

fn credentials(state: &AdminState, out: &mut Exposition) {
    let slots = readiness::key_slots(state);
    let name = "sluicegate_credentials_usable";
    out.family(name, Kind::Gauge, "Whether a request can be signed now.");
    for slot in &slots {
        let usable = u8::from(slot.usable.is_ok());
        out.sample(name, &[("set", &slot.name)], usable);
    }
    let name = "sluicegate_credentials_expiry_timestamp_seconds";
    out.family(
        name,
        Kind::Gauge,
        "When keys end; keys without an end are left out.",
    );
    for slot in &slots {
        if let Some(end) = slot.expires {
            out.sample(name, &[("set", &slot.name)], end.0);
        }
    }
}

fn certificates(state: &AdminState, out: &mut Exposition) {
    let generation = state.in_force.generation();
    let listeners = &generation.settings.edge.tls;
    if listeners.is_empty() {
        return;
    }
    let name = "sluicegate_tls_cert_not_after_timestamp_seconds";
    let help = "When certificates of TLS listeners end, by the listener's first address and their order there.";
    out.family(name, Kind::Gauge, help);
    for listen in listeners {
        let address = listen
            .at
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        for (position, end) in listen.server.certificate_ends().iter().enumerate() {
            let position = position.to_string();
            out.sample(
                name,
                &[("listen", &address), ("certificate", &position)],
                end.0,
            );
        }
    }
}

fn lifecycle(state: &AdminState, sums: &Sums, out: &mut Exposition) {
    let lifecycle = &state.lifecycle;
    let open = lifecycle.connections.load(Ordering::Relaxed);
    let running = lifecycle.workers_ready.load(Ordering::Relaxed);
    let ready = u8::from(readiness::reasons(state).is_empty());
    for (name, kind, help, value) in [
        (
            "sluicegate_ready",
            Kind::Gauge,
            "1 if /readyz says 200.",
            u64::from(ready),
        ),
        (
            "sluicegate_connections",
            Kind::Gauge,
            "Open connections of clients.",
            open as u64,
        ),
        (
            "sluicegate_connections_total",
            Kind::Counter,
            "Connections of clients that were taken.",
            sums.connections,
        ),
        (
            "sluicegate_workers",
            Kind::Gauge,
            "Workers that take connections.",
            running as u64,
        ),
        (
            "sluicegate_config_last_reload_successful",
            Kind::Gauge,
            "1 if the configuration was read without fault when it was read last.",
            u64::from(!state.lifecycle.reload_failed.load(Ordering::Relaxed)),
        ),
        (
            "sluicegate_config_last_reload_success_timestamp_seconds",
            Kind::Gauge,
            "When the configuration in force was read.",
            state.in_force.generation().since.0,
        ),
        (
            "sluicegate_admin_requests_total",
            Kind::Counter,
            "Requests of the admin listener.",
            state.requests.load(Ordering::Relaxed),
        ),
    ] {
        out.single(name, kind, help, value);
    }
    if let Some(lines) = &state.line_counts {
        let counts = [
            ("handed-over", lines.handed_over.load(Ordering::Relaxed)),
            ("dropped", lines.dropped.load(Ordering::Relaxed)),
        ];
        labelled(
            out,
            "sluicegate_access_log_lines_total",
            "Lines of the access log.",
            counts.map(|(result, count)| ([("result", result)], count)),
        );
    }
    spans(state, out);
}

/// What became of spans, where they are exported.
fn spans(state: &AdminState, out: &mut Exposition) {
    let generation = state.in_force.generation();
    let Some(export) = &generation.settings.edge.spans else {
        return;
    };
    let counts = export.counts();
    let results = [
        ("exported", &counts.exported),
        ("dropped", &counts.dropped),
        ("rejected", &counts.rejected),
        ("undelivered", &counts.undelivered),
    ];
    labelled(
        out,
        "sluicegate_spans_total",
        "Spans of requests by what became of them.",
        results.map(|(result, count)| ([("result", result)], count.load(Ordering::Relaxed))),
    );
}

fn refused_connections(sums: &Sums, out: &mut Exposition) {
    labelled(
        out,
        "sluicegate_connections_refused_total",
        "Connections of clients that were not let in.",
        CONNECTION_REFUSALS
            .iter()
            .zip(sums.connection_refusals)
            .map(|(&reason, count)| ([("reason", reason)], count)),
    );
}

fn slow_clients(sums: &Sums, out: &mut Exposition) {
    let samples = DIRECTIONS.into_iter().zip(sums.slow_clients);
    labelled(
        out,
        "sluicegate_slow_clients_total",
        "Exchanges that ended since the client sent its body or took the response too slowly.",
        samples.map(|(direction, count)| ([("direction", direction)], count)),
    );
}

fn process(out: &mut Exposition) {
    let process = Process::read();
    for (name, kind, help, value) in [
        (
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Resident memory in bytes.",
            process.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            Kind::Gauge,
            "Virtual memory in bytes.",
            process.virtual_bytes,
        ),
        (
            "process_open_fds",
            Kind::Gauge,
            "Open file descriptors.",
            process.open_fds,
        ),
        (
            "process_max_fds",
            Kind::Gauge,
            "The most file descriptors that may be open.",
            process.max_fds,
        ),
        ("process_threads", Kind::Gauge, "Threads.", process.threads),
        (
            "process_start_time_seconds",
            Kind::Gauge,
            "When the process began, in seconds since the epoch.",
            process.start_s,
        ),
    ] {
        if let Some(value) = value {
            out.single(name, kind, help, value);
        }
    }
    if let Some(cpu_us) = process.cpu_us {
        out.single(
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time in seconds, user and system.",
            Seconds(cpu_us),
        );
    }
}

/// A family of counters.
fn labelled<'l, const N: usize>(
    out: &mut Exposition,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
) {
    out.family(name, Kind::Counter, help);
    for (labels, count) in samples {
        let labels: &Labels<'_> = &labels;
        out.sample(name, labels, count);
    }
}
