//! The one thread that sends spans to a collector: in batches, with a time limit, again while the collector asks for patience.

pub mod encode;
pub mod message;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use prost::Message;

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::otlp::message::ExportResponse;
use crate::app::settings::otlp::OtlpSettings;
use crate::net::clock;
use crate::net::collector::Collector;
use crate::net::collector::Posted;
use crate::pipeline::spans::ExchangeSpans;
use crate::serve::span_buffer::SpanCounts;
use crate::serve::span_buffer::SpanExport;

/// How often spans are looked for. A thread that polls is never woken by a core, which so makes no system call for it.
const POLL: Duration = Duration::from_millis(20);
/// Exchanges of one call, as many spans as OpenTelemetry's own libraries send at once.
const BATCH_EXCHANGES_MAX: usize = 256;
/// How long the first span of a batch waits for others.
const BATCH_MS_MAX: u64 = 1_000;
/// For how long the same batch is sent again.
const RETRY_MS_MAX: u64 = 30_000;
/// The pause after the first failure; doubled after each further one.
const PAUSE_MS_MIN: u64 = 250;
const PAUSE_MS_MAX: u64 = 8_000;
/// How long the end of the program waits for the last spans, and how often they are sent.
const FINISH_MS_MAX: u64 = 5_000;
const FINISH_CALLS_MAX: u32 = 3;
/// How often lost spans are told of.
const DROPS_TOLD_MS: u64 = 10_000;

/// Spans that are asked for, and the thread that will send them.
pub struct Exporter {
    settings: OtlpSettings,
    batches: Receiver<Vec<ExchangeSpans>>,
    counts: Arc<SpanCounts>,
}

/// The running thread.
#[derive(Debug)]
pub struct RunningExporter {
    thread: JoinHandle<()>,
    ending: Arc<AtomicBool>,
}

impl Exporter {
    /// What cores hand spans to, and what takes them from there.
    pub fn new(settings: OtlpSettings) -> (SpanExport, Self) {
        let (export, batches) = SpanExport::new(settings.sampler);
        let counts = Arc::clone(export.counts());
        let exporter = Self {
            settings,
            batches,
            counts,
        };
        (export, exporter)
    }

    /// Sends what comes until [`RunningExporter::finish`].
    pub fn start(self) -> Result<RunningExporter, Failure> {
        let ending = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&ending);
        let OtlpSettings {
            traces_url,
            fields,
            gzip,
            timeout,
            trust,
            sampler: _,
            resource,
        } = self.settings;
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut delivery = Delivery {
            collector: Collector::new(traces_url, fields.collect(), gzip, &trust),
            resource,
            gzip,
            timeout,
            counts: self.counts,
            ending: shared,
            ends_at_ms: None,
            failed_at_end: 0,
            failing: false,
        };
        let batches = self.batches;
        let thread = std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || delivery.follow(&batches));
        let thread = thread.map_err(|cause| {
            let message = format!("no thread for the export of spans: {cause}");
            Failure::new(Exit::FailedWhileRunning, message)
        })?;
        Ok(RunningExporter { thread, ending })
    }
}

impl RunningExporter {
    /// Sends what was handed over, and ends. Call it after the last core has ended.
    pub fn finish(self) {
        self.ending.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let until_ms = clock::monotonic_ms().saturating_add(FINISH_MS_MAX);
        while clock::monotonic_ms() < until_ms {
            if self.thread.is_finished() {
                return;
            }
            std::thread::park_timeout(POLL);
        }
        tracing::error!("the collector takes no more spans; the last ones are lost");
    }
}

/// The thread's own.
struct Delivery {
    collector: Collector,
    resource: Vec<(String, String)>,
    gzip: bool,
    /// For a whole call.
    timeout: Duration,
    counts: Arc<SpanCounts>,
    ending: Arc<AtomicBool>,
    /// Set once the end was asked for.
    ends_at_ms: Option<u64>,
    /// Calls since then that brought nothing.
    failed_at_end: u32,
    /// The last batch was not taken.
    failing: bool,
}

impl Delivery {
    fn follow(&mut self, batches: &Receiver<Vec<ExchangeSpans>>) {
        let mut waiting: Vec<ExchangeSpans> = Vec::new();
        let mut since_ms = 0;
        let mut drops = DropsTold::default();
        loop {
            // Read before the queue: what was handed over before the end is then seen.
            let last = self.is_ending();
            while waiting.len() < BATCH_EXCHANGES_MAX
                && let Ok(spans) = batches.try_recv()
            {
                if waiting.is_empty() {
                    since_ms = clock::monotonic_ms();
                }
                waiting.extend(spans);
            }
            drops.tell(&self.counts.dropped, last);
            let waited_ms = clock::monotonic_ms().saturating_sub(since_ms);
            let is_due = last || waiting.len() >= BATCH_EXCHANGES_MAX || waited_ms >= BATCH_MS_MAX;
            if !waiting.is_empty() && is_due {
                self.deliver(std::mem::take(&mut waiting));
            } else if last {
                return;
            } else {
                std::thread::park_timeout(POLL);
            }
        }
    }

    /// Whether the end was asked for; the first time the time until it begins.
    fn is_ending(&mut self) -> bool {
        let ending = self.ending.load(Ordering::Acquire);
        if ending && self.ends_at_ms.is_none() {
            self.ends_at_ms = Some(clock::monotonic_ms().saturating_add(FINISH_MS_MAX));
        }
        ending
    }

    /// Sends a batch until it is taken, refused, or has taken too long.
    fn deliver(&mut self, exchanges: Vec<ExchangeSpans>) {
        let count: u64 = exchanges.iter().map(ExchangeSpans::count).sum();
        let body = encode::request(&self.resource, exchanges, self.gzip);
        let begun_ms = clock::monotonic_ms();
        let mut pause_ms = PAUSE_MS_MIN;
        loop {
            let call_max = self.call_max();
            match self.collector.post(&body, call_max) {
                Posted::Taken(answer) => return self.taken(count, &answer),
                Posted::Refused { status } => {
                    self.counts.rejected.fetch_add(count, Ordering::Relaxed);
                    return self.fails(&format!("status {status}"), "the spans are lost");
                }
                Posted::Later { cause, after } => {
                    self.fails(&cause, "they are sent again for a while");
                    let asked_ms = after.and_then(|after| u64::try_from(after.as_millis()).ok());
                    let until_ms = begun_ms.saturating_add(RETRY_MS_MAX);
                    let next_ms =
                        clock::monotonic_ms().saturating_add(asked_ms.unwrap_or(pause_ms));
                    pause_ms = pause_ms.saturating_mul(2).min(PAUSE_MS_MAX);
                    if next_ms > until_ms || !self.wait_until(next_ms) {
                        self.counts.undelivered.fetch_add(count, Ordering::Relaxed);
                        return;
                    }
                }
            }
        }
    }

    /// The limit of a call; the last ones have what is left until the end.
    fn call_max(&mut self) -> Duration {
        let _asked = self.is_ending();
        match self.ends_at_ms {
            None => self.timeout,
            Some(at_ms) => {
                let left_ms = at_ms.saturating_sub(clock::monotonic_ms()).max(1);
                self.timeout.min(Duration::from_millis(left_ms))
            }
        }
    }

    /// Waits for the next try. `false`: the program ends before it.
    fn wait_until(&mut self, next_ms: u64) -> bool {
        if self.is_ending() {
            self.failed_at_end = self.failed_at_end.saturating_add(1);
            if self.failed_at_end >= FINISH_CALLS_MAX {
                return false;
            }
        }
        while clock::monotonic_ms() < next_ms {
            if self.is_ending() && self.ends_at_ms.is_some_and(|at_ms| next_ms >= at_ms) {
                return false;
            }
            std::thread::park_timeout(POLL);
        }
        true
    }

    fn taken(&mut self, count: u64, answer: &[u8]) {
        let partial = ExportResponse::decode(answer)
            .unwrap_or_default()
            .partial_success;
        let partial = partial.unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_spans)
            .unwrap_or(0)
            .min(count);
        self.counts.rejected.fetch_add(rejected, Ordering::Relaxed);
        let exported = count.saturating_sub(rejected);
        self.counts.exported.fetch_add(exported, Ordering::Relaxed);
        if rejected > 0 {
            return self.fails("some spans are refused", "those are lost");
        }
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("the collector takes spans again");
        }
    }

    /// Tells once, until the collector takes spans again.
    fn fails(&mut self, cause: &str, outcome: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(collector = ?self.collector, cause, "spans are not taken: {outcome}");
        }
    }
}

/// What was said of spans that the cores dropped.
#[derive(Default)]
struct DropsTold {
    count: u64,
    at_ms: u64,
}

impl DropsTold {
    fn tell(&mut self, dropped: &AtomicU64, last: bool) {
        let dropped = dropped.load(Ordering::Relaxed);
        let now_ms = clock::monotonic_ms();
        let is_due = self.at_ms == 0 || last || now_ms.saturating_sub(self.at_ms) >= DROPS_TOLD_MS;
        if dropped > self.count && is_due {
            let spans = dropped - self.count;
            tracing::warn!(spans, "spans were dropped: the collector does not keep up");
            (self.count, self.at_ms) = (dropped, now_ms.max(1));
        }
    }
}
