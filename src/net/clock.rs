//! The only reader of clocks. Everything else takes times as arguments.

use std::sync::OnceLock;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::wire::date::UnixSeconds;

/// A moment in UTC with its milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Whole seconds since the epoch.
    pub unix: UnixSeconds,
    /// 0 to 999, the rest of the second.
    pub millis: u16,
}

/// The time of day. A clock set before 1970 reads as 1970.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn now() -> Now {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        unix: UnixSeconds(since_epoch.as_secs()),
        millis: u16::try_from(since_epoch.subsec_millis()).unwrap_or(999),
    }
}

/// Milliseconds that only grow, counted from the first call in this process.
#[must_use]
pub fn monotonic_ms() -> u64 {
    u64::try_from(since_start().as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds on the same scale as [`monotonic_ms`], for latencies.
#[must_use]
pub fn monotonic_us() -> u64 {
    u64::try_from(since_start().as_micros()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn since_start() -> std::time::Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back() {
        let first = monotonic_us();
        assert!(monotonic_us() >= first);
        assert!(monotonic_ms() >= first / 1000);
    }

    #[test]
    fn time_of_day_is_after_this_code_was_written() {
        let now = now();
        assert!(now.unix.0 > 1_750_000_000);
        assert!(now.millis < 1000);
    }
}
