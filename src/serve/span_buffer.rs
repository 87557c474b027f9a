//! What leaves a core for a collector of traces: spans in batches, over a bounded queue that never makes it wait.
//!
//! An exchange that is not recorded costs a look at a pointer. When the exporter does not keep up, spans are dropped and counted.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;

use crate::net::clock;
use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::spans::ExchangeSpans;
use crate::pipeline::spans::sampler::Sampler;
use crate::pipeline::trace_context::TraceContext;

/// A core hands its exchanges over once it has so many, and every 50 ms.
const BATCH_EXCHANGES: usize = 64;
/// Exchanges that a core holds while the queue is full; more are dropped.
const BUFFER_EXCHANGES_MAX: usize = 4 * BATCH_EXCHANGES;
/// Batches that wait for the exporter, over all cores: 2,048 exchanges, as in OpenTelemetry's own libraries.
pub const QUEUED_BATCHES_MAX: usize = 32;

/// What all cores know of the export of spans. Clones are the same.
#[derive(Clone, Debug)]
pub struct SpanExport {
    sampler: Sampler,
    batches: SyncSender<Vec<ExchangeSpans>>,
    counts: Arc<SpanCounts>,
}

/// Spans so far, over all cores.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// The collector took them.
    pub exported: AtomicU64,
    /// Lost, because the exporter did not keep up.
    pub dropped: AtomicU64,
    /// The collector did not want them.
    pub rejected: AtomicU64,
    /// The collector could not be reached, or had no time, for too long.
    pub undelivered: AtomicU64,
}

impl SpanExport {
    /// An export by this sampler, and the end where spans come out in batches.
    #[must_use]
    pub fn new(sampler: Sampler) -> (Self, Receiver<Vec<ExchangeSpans>>) {
        let (batches, receiver) = sync_channel(QUEUED_BATCHES_MAX);
        let export = Self {
            sampler,
            batches,
            counts: Arc::default(),
        };
        (export, receiver)
    }

    /// Spans so far.
    #[must_use]
    pub const fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }
}

/// The buffer of one core. What is in it when it is dropped is handed over as well.
#[derive(Debug)]
pub struct SpanBuffer {
    export: SpanExport,
    waiting: RefCell<Vec<ExchangeSpans>>,
}

impl SpanBuffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new(export: SpanExport) -> Self {
        Self {
            export,
            waiting: RefCell::new(Vec::new()),
        }
    }

    /// The trace with the decision whether it is recorded.
    #[must_use]
    pub fn decide(&self, trace: TraceContext) -> TraceContext {
        self.export.sampler.decide(trace)
    }

    /// Keeps the spans of an exchange that is over, if it is recorded, or drops them.
    pub fn write(&self, told: &ToldExchange<'_>) {
        let Some(spans) = ExchangeSpans::of(told, clock::unix_ns()) else {
            return;
        };
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= BUFFER_EXCHANGES_MAX {
            self.drop_spans(spans.count());
        } else {
            waiting.push(spans);
        }
        if waiting.len() >= BATCH_EXCHANGES {
            self.hand_over(&mut waiting);
        }
    }

    /// Hands over what there is; keeps it if the queue is full.
    pub fn flush(&self) {
        self.hand_over(&mut self.waiting.borrow_mut());
    }

    fn hand_over(&self, waiting: &mut Vec<ExchangeSpans>) {
        if waiting.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(spans) | TrySendError::Disconnected(spans)) =
            self.export.batches.try_send(std::mem::take(waiting))
        {
            *waiting = spans;
        }
    }

    fn drop_spans(&self, count: u64) {
        let dropped = &self.export.counts.dropped;
        dropped.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for SpanBuffer {
    fn drop(&mut self) {
        let mut last = std::mem::take(self.waiting.get_mut());
        self.hand_over(&mut last);
        self.drop_spans(last.iter().map(ExchangeSpans::count).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::context::RequestContext;
    use crate::pipeline::exchange_record::ExchangeRecord;
    use crate::pipeline::request_ids::RequestIds;
    use crate::wire::date::UnixSeconds;
    use crate::wire::http1::fields::Fields;

    fn write(buffer: &SpanBuffer, count: usize, recorded: bool) {
        let record = ExchangeRecord::default();
        if recorded {
            let trace = TraceContext::new(&Fields::new(), &[1; 24]);
            record.record_spans(buffer.decide(trace));
        }
        let ids = RequestIds::default();
        let context = RequestContext {
            ids: &ids,
            time: UnixSeconds(0),
            time_millis: 0,
            source_ip: "192.0.2.1",
            is_secure: false,
            record: &record,
        };
        let told = ToldExchange {
            context: &context,
            head: None,
            table: None,
            ended_us: 0,
        };
        for _ in 0..count {
            buffer.write(&told);
        }
    }

    fn export() -> (SpanBuffer, Receiver<Vec<ExchangeSpans>>, Arc<SpanCounts>) {
        let (export, receiver) = SpanExport::new(Sampler::default());
        let counts = Arc::clone(export.counts());
        (SpanBuffer::new(export), receiver, counts)
    }

    #[test]
    fn exchanges_leave_in_batches_and_the_rest_at_the_end() {
        let (buffer, receiver, _) = export();
        write(&buffer, BATCH_EXCHANGES - 1, true);
        write(&buffer, 5, false);
        assert!(receiver.try_recv().is_err(), "no batch is full yet");
        write(&buffer, 1, true);
        assert_eq!(receiver.try_recv().unwrap().len(), BATCH_EXCHANGES);
        write(&buffer, 2, true);
        buffer.flush();
        assert_eq!(receiver.try_recv().unwrap().len(), 2);
        write(&buffer, 1, true);
        drop(buffer);
        assert_eq!(receiver.try_recv().unwrap().len(), 1);
    }

    #[test]
    fn an_exporter_that_does_not_keep_up_costs_spans_and_no_time() {
        let (buffer, receiver, counts) = export();
        let room = QUEUED_BATCHES_MAX * BATCH_EXCHANGES + BUFFER_EXCHANGES_MAX;
        write(&buffer, room, true);
        assert_eq!(counts.dropped.load(Ordering::Relaxed), 0, "all have room");
        write(&buffer, 1, true);
        assert_eq!(counts.dropped.load(Ordering::Relaxed), 1);
        drop(buffer);
        let kept: usize = receiver.iter().map(|batch| batch.len()).sum();
        assert_eq!(kept, QUEUED_BATCHES_MAX * BATCH_EXCHANGES);
        let lost = 1 + BUFFER_EXCHANGES_MAX as u64;
        assert_eq!(counts.dropped.load(Ordering::Relaxed), lost);
    }
}
