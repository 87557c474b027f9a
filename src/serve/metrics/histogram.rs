//! Latencies in buckets that grow by a tenth: 22 of them between two powers of ten, from 10 µs to 100 s.
//!
//! Every bound is a round decimal number, so that the coarser buckets of a Prometheus histogram are sums of these and
//! nothing is estimated when they are folded.

use crate::serve::metrics::counter::Counter;

/// Mantissas of the bounds within a power of ten, in tenths; no step is wider than an eighth.
const MANTISSAS: [u64; PER_DECADE] = [
    10, 11, 12, 13, 15, 16, 18, 20, 22, 25, 28, 30, 33, 36, 40, 45, 50, 56, 63, 70, 80, 90,
];
/// Bounds within a power of ten.
const PER_DECADE: usize = 22;
/// From 10 µs to 100 s.
const DECADES: usize = 7;
/// Count of bounds.
pub const BOUNDS_COUNT: usize = PER_DECADE * DECADES + 1;
/// Count of buckets: one below each bound, one above the last.
pub const BUCKETS_COUNT: usize = BOUNDS_COUNT + 1;
/// The upper bounds in microseconds, growing; a bucket holds what is at most its bound.
pub const BOUNDS_US: [u64; BOUNDS_COUNT] = bounds();

#[expect(
    clippy::indexing_slicing,
    reason = "done by the compiler, which refuses an index past the end"
)]
const fn bounds() -> [u64; BOUNDS_COUNT] {
    let mut bounds = [0; BOUNDS_COUNT];
    let mut power = 1;
    let mut at = 0;
    while at < BOUNDS_COUNT {
        bounds[at] = MANTISSAS[at % PER_DECADE] * power;
        at += 1;
        if at.is_multiple_of(PER_DECADE) {
            power *= 10;
        }
    }
    bounds
}

/// Latencies of one core.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS_COUNT],
    sum_us: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { Counter::new() }; BUCKETS_COUNT],
            sum_us: Counter::new(),
        }
    }
}

impl Histogram {
    /// Counts one latency; on its own core only.
    pub fn observe(&self, latency_us: u64) {
        let at = BOUNDS_US.partition_point(|&bound| bound < latency_us);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum_us.add(latency_us);
    }
}

/// The sum of histograms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// Counts by bucket.
    pub buckets: [u64; BUCKETS_COUNT],
    /// All latencies together, in microseconds.
    pub sum_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS_COUNT],
            sum_us: 0,
        }
    }
}

impl Latencies {
    /// Adds what a core has counted.
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.get();
        }
        self.sum_us += histogram.sum_us.get();
    }

    /// Adds what was added up elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.sum_us += other.sum_us;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many are at most `bound_us`, which is one of [`BOUNDS_US`].
    #[must_use]
    pub fn at_most(&self, bound_us: u64) -> u64 {
        let bounded = self.buckets.iter().zip(&BOUNDS_US);
        let below = bounded.take_while(|&(_, &bound)| bound <= bound_us);
        below.map(|(count, _)| count).sum()
    }

    /// The bound below which at least this share (of 1,000) of all lies, in microseconds; `None` without any, and where
    /// it lies above the last bound.
    #[must_use]
    pub fn quantile_us(&self, per_mille: u64) -> Option<u64> {
        let wanted = (self.count() * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let mut bounded = self.buckets.iter().zip(&BOUNDS_US);
        let (_, bound) = bounded.find(|&(count, _)| {
            seen += count;
            seen >= wanted
        })?;
        Some(*bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_by_an_eighth_at_most_and_meet_the_round_numbers() {
        assert_eq!(BOUNDS_US.first(), Some(&10));
        assert_eq!(BOUNDS_US.last(), Some(&100_000_000));
        for pair in BOUNDS_US.windows(2) {
            assert!(
                pair[0] < pair[1] && pair[1] * 100 <= pair[0] * 116,
                "{pair:?}"
            );
        }
        for power in [10u64, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
            for round in [power, power * 5 / 2, power * 5] {
                assert!(BOUNDS_US.contains(&round), "{round}");
            }
        }
    }

    #[test]
    fn a_latency_at_a_bound_is_below_it_and_one_past_it_is_not() {
        let histogram = Histogram::default();
        for latency in [0, 10, 11, 100_000_000, 100_000_001, u64::MAX / 4] {
            histogram.observe(latency);
        }
        let mut sums = Latencies::default();
        sums.add(&histogram);
        assert_eq!(sums.at_most(10), 2);
        assert_eq!(sums.at_most(11), 3);
        assert_eq!(sums.at_most(100_000_000), 4);
        assert_eq!(sums.count(), 6);
    }

    #[test]
    fn quantiles_are_bounds_and_none_without_latencies() {
        let mut sums = Latencies::default();
        assert_eq!(sums.quantile_us(500), None);
        let histogram = Histogram::default();
        for latency in 1..=100 {
            histogram.observe(latency * 1_000);
        }
        sums.add(&histogram);
        assert_eq!(sums.quantile_us(500), Some(50_000));
        assert_eq!(sums.quantile_us(1_000), Some(100_000));
        assert_eq!(sums.sum_us, 5_050_000);
        let mut twice = sums.clone();
        twice.merge(&sums);
        assert_eq!(twice.count(), 200);
    }
}
