//! A token bucket that all cores share, in one atomic number (docs/decisions, "Limiters without a lock").
//!
//! The number says when the bucket will be full again, on a clock that ticks in fractions of a token: the virtual clock of
//! the bucket's rate. Nothing has to be refilled, and a rate is exact over any span: the clock is computed from the time
//! since the start, never added up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Tokens a second. 0 lets nobody in.
pub const RATE_MAX: f64 = 10_000_000.0;
/// Tokens a second; less than one token in a year is a typing error.
pub const RATE_MIN: f64 = 1.0 / (366.0 * 24.0 * 3600.0);
/// Tokens that a bucket holds.
pub const BURST_MAX: u64 = 1 << 31;

/// Microseconds since the start for which a bucket's arithmetic holds: 142 years.
const TIME_US_MAX: u64 = 1 << 52;
/// Ticks of a virtual clock, at most: a full bucket more does not overflow.
const TICKS_MAX: u64 = 1 << 62;
/// A token is at most 2 to this power ticks.
const TOKEN_BITS_MAX: u32 = 20;
const _: () = assert!(TICKS_MAX.checked_add(BURST_MAX << TOKEN_BITS_MAX).is_some());

/// Rate and burst of a throttle (spec 11, "Throttling").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    rate: f64,
    burst: u64,
}

/// Why a throttle cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleFault {
    /// Not 0 and not from [`RATE_MIN`] to [`RATE_MAX`].
    Rate,
    /// Over [`BURST_MAX`].
    Burst,
}

impl fmt::Display for ThrottleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => write!(
                f,
                "wanted requests a second: 0, or from one in a year to {RATE_MAX}"
            ),
            Self::Burst => write!(f, "wanted a count of requests from 0 to {BURST_MAX}"),
        }
    }
}

impl Throttle {
    /// `rate`: tokens a second that are refilled. `burst`: tokens that the bucket holds. Either may be 0: nobody gets in.
    ///
    /// # Errors
    /// One of them is out of its range.
    pub fn new(rate: f64, burst: u64) -> Result<Self, ThrottleFault> {
        if rate != 0.0 && !(RATE_MIN..=RATE_MAX).contains(&rate) {
            return Err(ThrottleFault::Rate);
        }
        if burst > BURST_MAX {
            return Err(ThrottleFault::Burst);
        }
        Ok(Self { rate, burst })
    }

    /// Tokens a second that are refilled.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// Tokens that the bucket holds.
    #[must_use]
    pub const fn burst(&self) -> u64 {
        self.burst
    }
}

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    clock: VirtualClock,
    /// Ticks that a token takes.
    token: u64,
    /// Ticks that a full bucket takes.
    full: u64,
    /// The tick at which the bucket is full again. Outlives a reload.
    full_at: Arc<FullAt>,
}

/// On a cache line of its own: cores that take from other buckets shall not wait for this one's.
#[derive(Debug, Default)]
#[repr(align(64))]
struct FullAt(AtomicU64);

/// Ticks of a rate since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VirtualClock {
    /// Ticks a microsecond, times 2 to the power of `shift`.
    ticks: u64,
    shift: u32,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(throttle: Throttle) -> Self {
        let Throttle { rate, burst } = throttle;
        let bits = token_bits(rate);
        Self {
            clock: VirtualClock::new(rate, bits),
            token: 1 << bits,
            // API Gateway's way to close a method: what is not refilled holds nothing.
            full: if rate == 0.0 { 0 } else { burst << bits },
            full_at: Arc::default(),
        }
    }

    /// A bucket of this throttle that lacks as many tokens as `before` does at `now_us`.
    #[must_use]
    pub fn succeeding(throttle: Throttle, before: &Self, now_us: u64) -> Self {
        let bucket = Self::new(throttle);
        if bucket.clock == before.clock && bucket.token == before.token {
            return Self {
                full_at: Arc::clone(&before.full_at),
                ..bucket
            };
        }
        let lacking = before.lacking(now_us) / before.token;
        let lacking = lacking.saturating_mul(bucket.token).min(bucket.full);
        let full_at = bucket.clock.at(now_us) + lacking;
        bucket.full_at.0.store(full_at, Ordering::Relaxed);
        bucket
    }

    /// Takes a token. `now_us`: microseconds since the start on a clock that does not go back; if it does, nothing is
    /// refilled until it has caught up.
    #[must_use]
    pub fn take(&self, now_us: u64) -> bool {
        let now = self.clock.at(now_us);
        // No other memory is ordered by it: the number is all that the cores share.
        let mut full_at = self.full_at.0.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now) + self.token;
            if next - now > self.full {
                return false;
            }
            let swapped = self.full_at.0.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return true,
                Err(found) => full_at = found,
            }
        }
    }

    /// Gives back a token that was taken for a request which another limit refused.
    pub fn give_back(&self) {
        // A token was taken, so that the number is a token at least.
        self.full_at.0.fetch_sub(self.token, Ordering::Relaxed);
    }

    /// Ticks that a full bucket has more.
    fn lacking(&self, now_us: u64) -> u64 {
        let full_at = self.full_at.0.load(Ordering::Relaxed);
        full_at.saturating_sub(self.clock.at(now_us))
    }
}

impl VirtualClock {
    /// `rate` tokens a second, each of 2 to the power of `bits` ticks.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from 0 to 2^63 by the choice of the shift"
    )]
    fn new(rate: f64, bits: u32) -> Self {
        /// Covers the rounding of the division, so that a token is there when it is due: 1 µs in 142 years.
        const ROUNDING: u64 = 1 << 10;
        let mut ticks = rate * f64::from(1u32 << bits) / 1_000_000.0;
        if ticks == 0.0 {
            return Self { ticks: 0, shift: 0 };
        }
        let mut shift = 0;
        // As many binary places as 63 bits hold; doubling loses nothing.
        while ticks < TICKS_MAX as f64 {
            ticks *= 2.0;
            shift += 1;
        }
        Self {
            ticks: ticks as u64 + ROUNDING,
            shift,
        }
    }

    /// Ticks until then.
    fn at(self, now_us: u64) -> u64 {
        let ticks = u128::from(now_us.min(TIME_US_MAX)) * u128::from(self.ticks);
        u64::try_from(ticks >> self.shift).map_or(TICKS_MAX, |ticks| ticks.min(TICKS_MAX))
    }
}

/// As fine as the clock allows without an overflow in [`TIME_US_MAX`].
fn token_bits(rate: f64) -> u32 {
    let seconds = (TIME_US_MAX / 1_000_000) as f64;
    let fits = |bits: &u32| rate * f64::from(1u32 << bits) * seconds < TICKS_MAX as f64;
    (0..=TOKEN_BITS_MAX).rev().find(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn bucket(rate: f64, burst: u64) -> Bucket {
        Bucket::new(Throttle::new(rate, burst).unwrap())
    }

    /// Tokens that can be taken at one moment.
    fn drain(bucket: &Bucket, now_us: u64) -> u64 {
        std::iter::repeat_with(|| bucket.take(now_us))
            .take_while(|&taken| taken)
            .count() as u64
    }

    #[test]
    fn a_burst_is_had_at_once_and_then_a_token_when_it_is_due() {
        for (rate, due_us) in [
            (1.0, SECOND),
            (2.5, 400_000),
            (0.1, 10 * SECOND),
            (10_000.0, 100),
        ] {
            let bucket = bucket(rate, 3);
            assert_eq!(drain(&bucket, 0), 3);
            assert!(!bucket.take(due_us - 1), "{rate}");
            assert!(bucket.take(due_us), "{rate}");
            assert!(!bucket.take(2 * due_us - 1), "{rate}");
            assert_eq!(drain(&bucket, 3 * due_us), 2, "{rate}");
            assert_eq!(drain(&bucket, 3_000 * due_us), 3, "{rate}");
        }
    }

    #[test]
    fn nobody_gets_through_where_rate_or_burst_is_nothing() {
        for bucket in [bucket(0.0, 5), bucket(5.0, 0), bucket(0.0, 0)] {
            assert!(!bucket.take(0) && !bucket.take(u64::MAX));
        }
    }

    #[test]
    fn a_rate_is_exact_over_long_spans() {
        for rate in [RATE_MIN, 1.0 / 3.0, 3.0, 7.3, 9_999.5, RATE_MAX] {
            let bits = token_bits(rate);
            let century_us = 100 * 31_556_952 * SECOND;
            let tokens =
                VirtualClock::new(rate, bits).at(century_us) as f64 / f64::from(1u32 << bits);
            let wanted = rate * century_us as f64 / 1e6;
            assert!(
                (tokens - wanted).abs() <= wanted * 1e-12 + 1e-5,
                "{rate}: {tokens} {wanted}"
            );
        }
        let bucket = bucket(7.3, 2);
        let polls = (0..=100_000u64).map(|n| n * 20_000);
        let taken: u64 = polls.map(|now_us| drain(&bucket, now_us)).sum();
        assert_eq!(taken, 2 + 14_600); // 2,000 seconds
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing_and_locks_nobody_out() {
        let bucket = bucket(1.0, 2);
        assert_eq!(drain(&bucket, 10 * SECOND), 2);
        assert_eq!(drain(&bucket, 5 * SECOND), 0);
        assert_eq!(drain(&bucket, 0), 0);
        assert_eq!(drain(&bucket, 11 * SECOND), 1);
    }

    #[test]
    fn nothing_overflows_at_the_ends() {
        let largest = bucket(RATE_MAX, BURST_MAX);
        assert!(largest.take(0) && largest.take(u64::MAX));
        let slowest = bucket(RATE_MIN, BURST_MAX);
        assert!(slowest.take(u64::MAX) && slowest.take(0));
        for rate in [
            -1.0,
            RATE_MIN / 2.0,
            RATE_MAX * 1.001,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert_eq!(Throttle::new(rate, 1), Err(ThrottleFault::Rate), "{rate}");
        }
        assert_eq!(Throttle::new(1.0, BURST_MAX + 1), Err(ThrottleFault::Burst));
        assert!(Throttle::new(-0.0, 0).is_ok());
    }

    #[test]
    fn a_token_given_back_can_be_taken_again() {
        let bucket = bucket(1.0, 1);
        assert!(bucket.take(0) && !bucket.take(0));
        bucket.give_back();
        assert!(bucket.take(0) && !bucket.take(0));
    }

    #[test]
    fn a_bucket_outlives_a_reload() {
        let before = bucket(1.0, 10);
        assert_eq!(drain(&before, 0), 10);
        let same = Bucket::succeeding(Throttle::new(1.0, 10).unwrap(), &before, 0);
        assert_eq!(drain(&same, 2 * SECOND), 2);
        assert!(!before.take(2 * SECOND), "they share their tokens");
        let faster = Bucket::succeeding(Throttle::new(4.0, 10).unwrap(), &before, 2 * SECOND);
        assert_eq!(drain(&faster, 3 * SECOND), 4);
        let smaller = Bucket::succeeding(Throttle::new(4.0, 2).unwrap(), &before, 2 * SECOND);
        assert_eq!(drain(&smaller, 3 * SECOND), 2);
    }

    /// Each thread walks through the same times by itself, so that their clocks are apart as the scheduler likes.
    #[test]
    #[expect(clippy::needless_collect, reason = "the threads run at once")]
    fn cores_together_get_the_rate_and_not_a_token_more() {
        const CORES: usize = 8;
        for (rate, burst, seconds) in [(1_000.0, 7, 5), (0.5, 3, 200), (33.25, 2, 40)] {
            let shared = bucket(rate, burst);
            let step_us = (seconds * SECOND) / 4_000;
            let walk = || {
                (0..=4_000u64)
                    .map(|n| drain(&shared, n * step_us))
                    .sum::<u64>()
            };
            let taken: u64 = thread::scope(|scope| {
                let cores: Vec<_> = (0..CORES).map(|_| scope.spawn(walk)).collect();
                cores.into_iter().map(|core| core.join().unwrap()).sum()
            });
            #[expect(clippy::cast_possible_truncation, reason = "some thousand tokens")]
            let refilled = (rate * seconds as f64 + 1e-9) as u64;
            assert_eq!(taken, burst + refilled, "{rate}");
        }
    }

    proptest! {
        /// The judge counts in whole numbers: eighths of tokens, microseconds.
        #[test]
        fn agrees_with_exact_arithmetic(
            eighths in 1u64..800,
            burst in 1u64..20,
            gaps in prop::collection::vec(0u64..3_000_000, 1..200),
        ) {
            let bucket = bucket(eighths as f64 / 8.0, burst);
            let token = 8 * SECOND;
            let (mut level, mut now_us, mut ours, mut theirs) = (burst * token, 0, 0i64, 0i64);
            for gap in gaps {
                now_us += gap;
                level = (level + gap * eighths).min(burst * token);
                if level >= token {
                    level -= token;
                    theirs += 1;
                }
                ours += i64::from(bucket.take(now_us));
                prop_assert!((ours - theirs).abs() <= 1, "{} {}", ours, theirs);
            }
        }
    }
}
