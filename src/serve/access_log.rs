//! Lines of the access log on their way from a core to the one thread that writes them.
//!
//! A core appends to a buffer of its own and hands full buffers over a bounded queue that never makes it wait: when the
//! writer does not keep up, lines are dropped and counted.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;

use crate::pipeline::access_log::AccessLogFormat;
use crate::pipeline::access_log::LINE_BYTES_MAX;
use crate::pipeline::access_log::ToldExchange;

/// A core hands its buffer over once this many bytes are in it, and every 50 ms.
const BATCH_BYTES: usize = 64 * 1024;
/// Bytes that a core holds while the queue is full; lines beyond are dropped.
const BUFFER_BYTES_MAX: usize = 4 * BATCH_BYTES;
/// Buffers that wait for the writer, over all cores.
const QUEUED_BATCHES_MAX: usize = 64;
const _: () = assert!(BUFFER_BYTES_MAX > BATCH_BYTES + LINE_BYTES_MAX);

/// What all cores know of the access log.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Arc<AccessLogFormat>,
    batches: SyncSender<Vec<u8>>,
    counts: Arc<LineCounts>,
}

/// Lines so far, over all cores.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// Handed to the writer.
    pub handed_over: AtomicU64,
    /// Lost, because the writer did not keep up or a line was too long.
    pub dropped: AtomicU64,
}

impl AccessLog {
    /// A log of this format, and the end where whole lines come out in batches.
    #[must_use]
    pub fn new(format: AccessLogFormat) -> (Self, Receiver<Vec<u8>>) {
        let (batches, receiver) = sync_channel(QUEUED_BATCHES_MAX);
        let log = Self {
            format: Arc::new(format),
            batches,
            counts: Arc::default(),
        };
        (log, receiver)
    }

    /// The same log for lines of another format.
    #[must_use]
    pub fn in_format(&self, format: AccessLogFormat) -> Self {
        Self {
            format: Arc::new(format),
            ..self.clone()
        }
    }

    /// Lines so far.
    #[must_use]
    pub fn counts(&self) -> &Arc<LineCounts> {
        &self.counts
    }
}

/// The buffer of one core. What is in it when it is dropped is handed over as well.
#[derive(Debug)]
pub struct LineBuffer {
    log: AccessLog,
    waiting: RefCell<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
}

impl LineBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(log: AccessLog) -> Self {
        Self {
            log,
            waiting: RefCell::default(),
        }
    }

    /// Appends the line of an exchange, or drops it.
    pub fn write(&self, exchange: &ToldExchange<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let has_room = waiting.bytes.len() < BUFFER_BYTES_MAX - LINE_BYTES_MAX;
        if waiting.bytes.capacity() == 0 {
            waiting.bytes.reserve_exact(BATCH_BYTES + BATCH_BYTES / 8);
        }
        if has_room && self.log.format.write_line(exchange, &mut waiting.bytes) {
            waiting.lines += 1;
        } else {
            self.log.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if waiting.bytes.len() >= BATCH_BYTES {
            self.hand_over(&mut waiting);
        }
    }

    /// Hands over what there is; keeps it if the queue is full.
    pub fn flush(&self) {
        self.hand_over(&mut self.waiting.borrow_mut());
    }

    fn hand_over(&self, waiting: &mut Waiting) {
        if waiting.bytes.is_empty() {
            return;
        }
        match self
            .log
            .batches
            .try_send(std::mem::take(&mut waiting.bytes))
        {
            Ok(()) => {
                let lines = std::mem::take(&mut waiting.lines);
                self.log
                    .counts
                    .handed_over
                    .fetch_add(lines, Ordering::Relaxed);
            }
            Err(refused) => {
                let (std::sync::mpsc::TrySendError::Full(bytes)
                | std::sync::mpsc::TrySendError::Disconnected(bytes)) = refused;
                waiting.bytes = bytes;
            }
        }
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        let waiting = self.waiting.get_mut();
        let mut last = std::mem::take(waiting);
        self.hand_over(&mut last);
        self.log
            .counts
            .dropped
            .fetch_add(last.lines, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::context::RequestContext;
    use crate::pipeline::exchange_record::ExchangeRecord;
    use crate::pipeline::request_ids::RANDOM_BYTES;
    use crate::pipeline::request_ids::RequestIds;
    use crate::wire::date::UnixSeconds;

    const TEXT_BYTES: usize = 1_000;

    fn write(buffer: &LineBuffer, count: usize) {
        let time = UnixSeconds(0);
        let ids = RequestIds::new(&[0; RANDOM_BYTES], time, None);
        let record = ExchangeRecord::default();
        let context = RequestContext {
            ids: &ids,
            time,
            time_millis: 0,
            source_ip: "192.0.2.1",
            is_secure: false,
            record: &record,
        };
        let exchange = ToldExchange {
            context: &context,
            head: None,
            table: None,
            ended_us: 0,
        };
        for _ in 0..count {
            buffer.write(&exchange);
        }
    }

    fn log() -> (LineBuffer, Receiver<Vec<u8>>, Arc<LineCounts>) {
        let template = format!("{}$context.requestId", "x".repeat(TEXT_BYTES));
        let format = AccessLogFormat::compile(&template).unwrap();
        let (log, receiver) = AccessLog::new(format);
        let counts = Arc::clone(log.counts());
        (LineBuffer::new(log), receiver, counts)
    }

    #[test]
    fn lines_arrive_whole_in_batches() {
        let (buffer, receiver, counts) = log();
        let line_bytes = TEXT_BYTES + 36 + 1;
        let until_full = BATCH_BYTES.div_ceil(line_bytes);
        write(&buffer, until_full - 1);
        assert!(
            receiver.try_recv().is_err(),
            "nothing before a batch is full"
        );
        write(&buffer, 1);
        assert_eq!(receiver.try_recv().unwrap().len(), until_full * line_bytes);
        write(&buffer, 1);
        buffer.flush();
        assert_eq!(receiver.try_recv().unwrap().len(), line_bytes);
        assert_eq!(
            counts.handed_over.load(Ordering::Relaxed),
            until_full as u64 + 1
        );
    }

    #[test]
    fn a_writer_that_does_not_keep_up_costs_lines_and_no_time() {
        let (buffer, receiver, counts) = log();
        let room = (QUEUED_BATCHES_MAX + 8) * BATCH_BYTES / TEXT_BYTES;
        write(&buffer, room);
        let dropped = counts.dropped.load(Ordering::Relaxed);
        assert!(dropped > 0);
        drop(buffer);
        let lines: usize = receiver
            .iter()
            .map(|batch| batch.iter().filter(|&&byte| byte == b'\n').count())
            .sum();
        assert_eq!(lines as u64, counts.handed_over.load(Ordering::Relaxed));
        assert_eq!(
            lines as u64 + counts.dropped.load(Ordering::Relaxed),
            room as u64
        );
    }

    #[test]
    fn the_last_lines_are_handed_over_when_a_core_ends() {
        let (buffer, receiver, _) = log();
        write(&buffer, 3);
        drop(buffer);
        assert_eq!(receiver.iter().count(), 1);
    }
}
