//! The only reader of clocks. Everything else takes times as arguments.

use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use nix::time::ClockId;
use nix::time::clock_gettime;

use crate::wire::date::UnixSeconds;

/// A moment in UTC with its milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Whole seconds since the epoch.
    pub unix: UnixSeconds,
    /// 0 to 999, the rest of the second.
    pub millis: u16,
}

/// The time of day, at most [`COARSE_MS_MAX`] behind. A clock set before 1970 reads as 1970.
#[must_use]
pub fn now() -> Now {
    let since_epoch = coarse(ClockId::CLOCK_REALTIME_COARSE).unwrap_or_else(precise_time_of_day);
    Now {
        unix: UnixSeconds(since_epoch.as_secs()),
        millis: u16::try_from(since_epoch.subsec_millis()).unwrap_or(999),
    }
}

/// The most that [`monotonic_ms`] and [`now`] are behind: the kernel moves the coarse clocks on each timer interrupt, 100 times a second
/// at least.
pub const COARSE_MS_MAX: u64 = 10;

/// Milliseconds that only grow, for time limits: at most [`COARSE_MS_MAX`] behind, for a fifth of the price of a precise
/// reading, of which a request would need a dozen.
#[must_use]
pub fn monotonic_ms() -> u64 {
    let since_boot = coarse(ClockId::CLOCK_MONOTONIC_COARSE).unwrap_or_else(since_start);
    u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the epoch, precise, for spans. A clock set before 1970 reads as 1970.
#[must_use]
pub fn unix_ns() -> u64 {
    u64::try_from(precise_time_of_day().as_nanos()).unwrap_or(u64::MAX)
}

/// Microseconds that only grow, counted from the first call in this process, for latencies.
#[must_use]
pub fn monotonic_us() -> u64 {
    u64::try_from(since_start().as_micros()).unwrap_or(u64::MAX)
}

/// `None` from a kernel without this clock, older than any that this program runs on.
fn coarse(clock: ClockId) -> Option<Duration> {
    let time = clock_gettime(clock).ok()?;
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u32::try_from(time.tv_nsec()).ok()?;
    Some(Duration::new(seconds, nanos))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn precise_time_of_day() -> Duration {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back() {
        let (first_us, first_ms) = (monotonic_us(), monotonic_ms());
        assert!(monotonic_us() >= first_us);
        assert!(monotonic_ms() >= first_ms);
    }

    #[test]
    fn time_of_day_is_after_this_code_was_written() {
        let now = now();
        assert!(now.unix.0 > 1_750_000_000);
        assert!(now.millis < 1000);
    }
}
