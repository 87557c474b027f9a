//! The last minutes, second by second, for the dashboard: what was counted between two looks at the counters.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::net::clock;
use crate::serve::metrics::Metrics;
use crate::serve::metrics::Sums;
use crate::serve::metrics::histogram::BUCKETS_COUNT;
use crate::serve::metrics::series::SeriesSums;
use crate::serve::metrics::status::CLIENT_GONE;
use crate::serve::metrics::status::Counted;

/// How often is looked.
const STEP_US: u64 = 1_000_000;
/// Looks that are kept: five minutes.
const SAMPLES_MAX: usize = 300;
/// Classes of a sample: 1xx and 2xx, 3xx, 4xx, 5xx, clients that were gone.
const CLASSES: usize = 5;

/// What was counted in one step. The names are short because a page fetches them by the hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Its number, from 0.
    #[serde(rename = "n")]
    pub number: u64,
    /// Microseconds that it spans.
    #[serde(rename = "d")]
    pub span_us: u64,
    /// Exchanges by class of their status.
    #[serde(rename = "s")]
    pub classes: [u64; CLASSES],
    /// Exchanges whose response was cut.
    #[serde(rename = "x")]
    pub cut: u64,
    /// Bytes of request bodies.
    #[serde(rename = "i")]
    pub request_bytes: u64,
    /// Bytes of response bodies.
    #[serde(rename = "o")]
    pub response_bytes: u64,
    /// Calls of the store that were answered.
    #[serde(rename = "a")]
    pub store_answers: u64,
    /// Calls of the store that were not, or not to the end.
    #[serde(rename = "e")]
    pub store_errors: u64,
    /// Latencies: buckets that hold any, with their counts.
    #[serde(rename = "l")]
    pub latencies: Vec<(usize, u64)>,
}

/// Samples, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    samples: ArcSwap<VecDeque<Arc<Sample>>>,
    ending: AtomicBool,
}

impl History {
    /// The samples from this number on, and the number of the next one.
    #[must_use]
    pub fn since(&self, number: u64) -> (Vec<Arc<Sample>>, u64) {
        let samples = self.samples.load();
        let next = samples.back().map_or(0, |last| last.number + 1);
        let wanted = samples.iter().filter(|sample| sample.number >= number);
        (wanted.cloned().collect(), next)
    }

    /// Looks at the counters until [`Self::end`]. For a thread of its own.
    pub fn follow(&self, metrics: &Metrics) {
        let mut last = Look::at(metrics, clock::monotonic_us());
        let mut number = 0;
        while !self.ending.load(Ordering::Relaxed) {
            let due_us = last.now_us.saturating_add(STEP_US);
            let left_us = due_us.saturating_sub(clock::monotonic_us());
            if left_us > 0 {
                std::thread::park_timeout(Duration::from_micros(left_us));
                continue;
            }
            let look = Look::at(metrics, clock::monotonic_us());
            self.push(look.since(&last, number));
            last = look;
            number += 1;
        }
    }

    /// Ends [`Self::follow`] within a step.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    fn push(&self, sample: Sample) {
        let mut samples = VecDeque::clone(&self.samples.load());
        if samples.len() >= SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(Arc::new(sample));
        self.samples.store(Arc::new(samples));
    }
}

/// All counters at one moment.
struct Look {
    now_us: u64,
    all: SeriesSums,
    sums: Sums,
}

impl Look {
    fn at(metrics: &Metrics, now_us: u64) -> Self {
        let mut all = SeriesSums::default();
        for (_, series) in metrics.series() {
            all.merge(&series);
        }
        Self {
            now_us,
            all,
            sums: metrics.sums(),
        }
    }

    /// What was counted between two looks.
    fn since(&self, before: &Self, number: u64) -> Sample {
        let classes = classes(&self.all);
        let mut grown = classes;
        for (class, old) in grown.iter_mut().zip(self::classes(&before.all)) {
            *class = class.saturating_sub(old);
        }
        let errors = |look: &Self| look.sums.upstream_errors.iter().sum::<u64>();
        let store_errors = errors(self).saturating_sub(errors(before));
        let calls = self.all.integration.count() - before.all.integration.count();
        let buckets = self.all.duration.buckets.iter();
        let buckets = buckets.zip(&before.all.duration.buckets);
        let grown_buckets = buckets.map(|(now, old)| now.saturating_sub(*old));
        Sample {
            number,
            span_us: self.now_us - before.now_us,
            classes: grown,
            cut: cut(&self.sums).saturating_sub(cut(&before.sums)),
            request_bytes: self.all.request_bytes - before.all.request_bytes,
            response_bytes: self.all.response_bytes - before.all.response_bytes,
            store_answers: calls.saturating_sub(store_errors),
            store_errors,
            latencies: (0..BUCKETS_COUNT)
                .zip(grown_buckets)
                .filter(|&(_, count)| count > 0)
                .collect(),
        }
    }
}

/// Exchanges by class.
#[must_use]
pub fn classes(sums: &SeriesSums) -> [u64; CLASSES] {
    let [mut ok, mut elsewhere, mut client, mut server, mut gone] = [0; CLASSES];
    for (status, count) in sums.statuses.iter() {
        let class = match (status, status.class()) {
            (Counted::Status(CLIENT_GONE), _) => &mut gone,
            (_, 1 | 2) => &mut ok,
            (_, 3) => &mut elsewhere,
            (_, 4) => &mut client,
            _ => &mut server,
        };
        *class += count;
    }
    [ok, elsewhere, client, server, gone]
}

fn cut(sums: &Sums) -> u64 {
    let [_, _, cut, _slow] = sums.outcomes;
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::exchange_record::Detail;
    use crate::pipeline::exchange_record::ExchangeRecord;
    use crate::serve::metrics::series::CoreSeries;

    fn tell(metrics: &Metrics, series: &CoreSeries, status: u16, latency_us: u64) {
        let record = ExchangeRecord::new(Detail::Numbers, 0);
        record.set_status(status);
        record.sent_at(|| 0);
        record.add_response_bytes(7);
        metrics.cores()[0].tell(series, &record, latency_us);
    }

    #[test]
    fn a_sample_is_what_was_counted_in_its_step() {
        let metrics = Metrics::new(1);
        let series = CoreSeries::new(vec![metrics.none(0).unwrap()]);
        tell(&metrics, &series, 200, 10);
        let before = Look::at(&metrics, 1_000_000);
        tell(&metrics, &series, 404, 10);
        tell(&metrics, &series, 503, 1_000);
        let sample = Look::at(&metrics, 2_000_000).since(&before, 4);
        assert_eq!(sample.classes, [0, 0, 1, 1, 0]);
        assert_eq!(sample.response_bytes, 14);
        assert_eq!(sample.latencies, [(0, 1), (44, 1)]);
        assert_eq!((sample.number, sample.span_us), (4, 1_000_000));
    }

    #[test]
    fn the_oldest_samples_make_room() {
        let history = History::default();
        assert_eq!(history.since(0).1, 0);
        for number in 0..SAMPLES_MAX as u64 + 2 {
            history.push(Sample {
                number,
                ..Sample::default()
            });
        }
        let (all, next) = history.since(0);
        assert_eq!((all.len(), all[0].number), (SAMPLES_MAX, 2));
        assert_eq!(next, SAMPLES_MAX as u64 + 2);
        assert_eq!(history.since(next - 1).0.len(), 1);
        assert!(history.since(next).0.is_empty());
    }
}
