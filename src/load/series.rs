//! What happened in each second of a run.

use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds: ten minutes.
pub const LATENCY_US_MAX: u64 = 600_000_000;
/// Two digits are enough for a plot, and keep an hour's seconds small.
const DIGITS: u8 = 2;

/// One second.
#[derive(Clone, Debug)]
pub struct Second {
    /// Latencies of the requests that were due in it, in microseconds.
    pub latency: Histogram<u32>,
    /// Requests that were answered as hoped.
    pub good: u64,
    /// Requests that were answered otherwise or not at all.
    pub bad: u64,
    /// Bytes of bodies, both ways.
    pub bytes: u64,
}

/// The seconds of a run, from its first one.
#[derive(Clone, Debug, Default)]
pub struct Series {
    seconds: Vec<Second>,
}

impl Series {
    /// The seconds.
    #[must_use]
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// Notes a request that was due at `due_us`.
    pub fn note(&mut self, due_us: u64, latency_us: u64, good: bool, bytes: u64) {
        let at = usize::try_from(due_us / 1_000_000).unwrap_or(usize::MAX);
        let Some(second) = self.second(at) else {
            return;
        };
        second.latency.saturating_record(latency_us.max(1));
        second.bytes += bytes;
        if good {
            second.good += 1;
        } else {
            second.bad += 1;
        }
    }

    /// Adds what another thread saw.
    pub fn add(&mut self, other: &Self) {
        for (at, theirs) in other.seconds.iter().enumerate() {
            let Some(ours) = self.second(at) else {
                return;
            };
            // Both histograms have the same bounds, so that adding cannot fail.
            let _same_bounds = ours.latency.add(&theirs.latency);
            ours.good += theirs.good;
            ours.bad += theirs.bad;
            ours.bytes += theirs.bytes;
        }
    }

    /// The second at `at`, made if it is not there; `None` only for a moment days after the start.
    fn second(&mut self, at: usize) -> Option<&mut Second> {
        const SECONDS_MAX: usize = 7 * 24 * 3600;
        if at > SECONDS_MAX {
            return None;
        }
        while self.seconds.len() <= at {
            let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).ok()?;
            self.seconds.push(Second {
                latency,
                good: 0,
                bad: 0,
                bytes: 0,
            });
        }
        self.seconds.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_the_second_in_which_it_was_due() {
        let mut one = Series::default();
        one.note(2_999_999, 500, true, 10);
        one.note(3_000_000, 900, false, 1);
        let mut both = Series::default();
        both.note(0, 100, true, 5);
        both.add(&one);
        let told: Vec<_> = both
            .seconds()
            .iter()
            .map(|s| (s.good, s.bad, s.bytes))
            .collect();
        assert_eq!(told, [(1, 0, 5), (0, 0, 0), (1, 0, 10), (0, 1, 1)]);
        assert_eq!(both.seconds()[2].latency.len(), 1);
        assert!(both.seconds()[3].latency.max() >= 900);
    }

    #[test]
    fn latencies_beyond_the_scale_count_as_the_longest() {
        let mut series = Series::default();
        series.note(0, u64::MAX, true, 0);
        assert_eq!(series.seconds()[0].latency.len(), 1);
    }
}
