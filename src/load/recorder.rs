//! What one thread saw, and the sum over all threads.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::load::fault::Fault;
use crate::load::series::LATENCY_US_MAX;
use crate::load::series::Series;
use crate::load::workload::OPERATIONS;
use crate::load::workload::Operation;

/// Three digits: a latency is told to a thousandth of itself.
const DIGITS: u8 = 3;

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it was.
    pub operation: Operation,
    /// When it was due, from the start of the run.
    pub due_us: u64,
    /// When it was sent; the due moment for one that never was.
    pub sent_us: u64,
    /// When its response was whole, or the fault was seen.
    pub ended_us: u64,
    /// Bytes of its body and of the response's.
    pub bytes: u64,
    /// Why it does not count as a success.
    pub fault: Option<Fault>,
}

/// Latencies of one kind of request, in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From the due moment: what a client that keeps its plan would see.
    pub from_due: Histogram<u64>,
    /// From the moment of sending: what a closed loop would have told.
    pub from_sent: Histogram<u64>,
}

/// Everything that a run counts after its warm-up.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Requests due before this moment are warm-up.
    warm_up_us: u64,
    operations: Vec<Latencies>,
    /// Faults by operation and kind.
    pub faults: BTreeMap<(Operation, Fault), u64>,
    /// Each second of the run, warm-up included.
    pub series: Series,
    /// Bytes of bodies, both ways.
    pub bytes: u64,
    /// The latest moment at which a counted request ended.
    pub last_us: u64,
    /// The most that a request left later than it was due although a connection was free: the generator's own lateness.
    pub generator_late_us: u64,
}

impl Recorder {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// None in practice: the bounds of the histograms are constants.
    pub fn new(warm_up_us: u64) -> Result<Self, hdrhistogram::CreationError> {
        let mut operations = Vec::new();
        for _ in OPERATIONS {
            operations.push(Latencies {
                from_due: Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?,
                from_sent: Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?,
            });
        }
        Ok(Self {
            warm_up_us,
            operations,
            faults: BTreeMap::new(),
            series: Series::default(),
            bytes: 0,
            last_us: 0,
            generator_late_us: 0,
        })
    }

    /// Counts a request.
    pub fn note(&mut self, ended: &Ended) {
        let from_due = ended.ended_us.saturating_sub(ended.due_us);
        let good = ended.fault.is_none();
        self.series.note(ended.due_us, from_due, good, ended.bytes);
        if ended.due_us < self.warm_up_us {
            return;
        }
        self.bytes += ended.bytes;
        self.last_us = self.last_us.max(ended.ended_us);
        if let Some(fault) = ended.fault {
            *self.faults.entry((ended.operation, fault)).or_default() += 1;
        }
        // A request without an answer has waited as long as it did: leaving it out would make a server look quicker by failing.
        if let Some(latencies) = self.operations.get_mut(ended.operation.index()) {
            let from_sent = ended.ended_us.saturating_sub(ended.sent_us);
            latencies.from_due.saturating_record(from_due.max(1));
            latencies.from_sent.saturating_record(from_sent.max(1));
        }
    }

    /// Notes how late a request left for which a connection was free.
    pub fn note_lateness(&mut self, due_us: u64, late_us: u64) {
        if due_us >= self.warm_up_us {
            self.generator_late_us = self.generator_late_us.max(late_us);
        }
    }

    /// Adds what another thread saw.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.operations.iter_mut().zip(&other.operations) {
            // The same bounds on both sides, so that adding cannot fail.
            let _same_bounds = ours.from_due.add(&theirs.from_due);
            let _same_bounds = ours.from_sent.add(&theirs.from_sent);
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.series.add(&other.series);
        self.bytes += other.bytes;
        self.last_us = self.last_us.max(other.last_us);
        self.generator_late_us = self.generator_late_us.max(other.generator_late_us);
    }

    /// The latencies of an operation.
    #[must_use]
    pub fn latencies(&self, operation: Operation) -> Option<&Latencies> {
        self.operations.get(operation.index())
    }

    /// The latencies of all operations together.
    ///
    /// # Errors
    /// None in practice, as [`Self::new`].
    pub fn all(&self) -> Result<Latencies, hdrhistogram::CreationError> {
        let mut all = Latencies {
            from_due: Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?,
            from_sent: Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS)?,
        };
        for latencies in &self.operations {
            let _same_bounds = all.from_due.add(&latencies.from_due);
            let _same_bounds = all.from_sent.add(&latencies.from_sent);
        }
        Ok(all)
    }

    /// Requests that do not count as a success.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }

    /// As [`Self::fault_count`], of one operation.
    #[must_use]
    pub fn faults_of(&self, operation: Operation) -> u64 {
        self.faults
            .iter()
            .filter(|((of, _), _)| *of == operation)
            .map(|(_, count)| count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(due_us: u64, sent_us: u64, ended_us: u64, fault: Option<Fault>) -> Ended {
        Ended {
            operation: Operation::Get,
            due_us,
            sent_us,
            ended_us,
            bytes: 10,
            fault,
        }
    }

    #[test]
    fn latency_counts_from_the_due_moment() {
        let mut recorder = Recorder::new(0).unwrap();
        recorder.note(&ended(1000, 51_000, 52_000, None));
        let latencies = recorder.latencies(Operation::Get).unwrap();
        assert!((50_900..=51_100).contains(&latencies.from_due.max()));
        assert!((999..=1001).contains(&latencies.from_sent.max()));
    }

    #[test]
    fn warm_up_is_in_the_series_only() {
        let mut recorder = Recorder::new(1_000_000).unwrap();
        recorder.note(&ended(999_999, 999_999, 1_000_500, Some(Fault::Cut)));
        recorder.note(&ended(1_000_000, 1_000_000, 1_000_500, None));
        assert_eq!(recorder.all().unwrap().from_due.len(), 1);
        assert_eq!((recorder.fault_count(), recorder.bytes), (0, 10));
        assert_eq!(recorder.series.seconds()[0].bad, 1);
    }

    #[test]
    fn a_fault_keeps_its_latency_and_threads_add_up() {
        let mut one = Recorder::new(0).unwrap();
        one.note(&ended(0, 0, 5000, Some(Fault::TimedOut)));
        let mut other = Recorder::new(0).unwrap();
        other.note(&ended(0, 0, 100, None));
        other.note_lateness(0, 40);
        one.add(&other);
        assert_eq!(one.all().unwrap().from_due.len(), 2);
        assert_eq!(one.faults_of(Operation::Get), 1);
        assert_eq!(one.faults_of(Operation::Put), 0);
        assert_eq!(
            (one.bytes, one.last_us, one.generator_late_us),
            (20, 5000, 40)
        );
    }
}
