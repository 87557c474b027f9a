//! Requests of a calendar period (spec 11, "Throttling"), counted by all cores in one atomic number.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::wire::date::UnixSeconds;

/// Requests of a period, at most.
pub const LIMIT_MAX: u64 = 1 << 39;

/// The lower bits of a counter are requests, the upper ones the period's number.
const USED_BITS: u32 = 40;
const USED_MASK: u64 = (1 << USED_BITS) - 1;
/// Far beyond any date that a clock shows; what is over it is a state file that somebody edited.
pub const NUMBER_MAX: u64 = (1 << (u64::BITS - USED_BITS)) - 1;
const _: () = assert!(LIMIT_MAX < USED_MASK);

/// How long a quota lasts. Periods begin at 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// `DAY`
    Day,
    /// `WEEK`: from Monday (chosen: the guide names no day).
    Week,
    /// `MONTH`: from the first.
    Month,
}

impl Period {
    /// `DAY`, `WEEK`, `MONTH`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }

    /// The period of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month]
            .into_iter()
            .find(|period| period.name() == name)
    }

    /// Which of its kind a moment is in.
    #[must_use]
    pub fn number(self, time: UnixSeconds) -> u64 {
        /// 1970 began on a Thursday.
        const DAYS_SINCE_MONDAY: u64 = 3;
        let number = match self {
            Self::Day => time.day(),
            Self::Week => (time.day() + DAYS_SINCE_MONDAY) / 7,
            Self::Month => {
                let civil = time.civil();
                civil.year * 12 + u64::from(civil.month) - 1
            }
        };
        number.min(NUMBER_MAX)
    }
}

/// A quota of a usage plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    offset: u64,
    period: Period,
}

/// Why a quota cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaFault {
    /// Over [`LIMIT_MAX`].
    Limit,
    /// Over the limit.
    Offset,
}

impl fmt::Display for QuotaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit => write!(f, "wanted a count of requests up to {LIMIT_MAX}"),
            Self::Offset => f.write_str("wanted no more than the limit"),
        }
    }
}

impl Quota {
    /// `limit` requests in each period; in the first one `offset` fewer.
    ///
    /// # Errors
    /// The limit is too high, or the offset is over it.
    pub fn new(limit: u64, offset: u64, period: Period) -> Result<Self, QuotaFault> {
        if limit > LIMIT_MAX {
            return Err(QuotaFault::Limit);
        }
        if offset > limit {
            return Err(QuotaFault::Offset);
        }
        Ok(Self {
            limit,
            offset,
            period,
        })
    }

    /// Its period.
    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }

    /// Requests in each period.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// How many fewer there are in the first one.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

/// How far a key has used its quota, as it outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRecord {
    /// The usage plan's name.
    pub plan: String,
    /// The key's id.
    pub api_key: String,
    /// What the numbers count.
    pub period: Period,
    /// The number of the period in which counting began.
    pub first: u64,
    /// The number of the period of `used`.
    pub number: u64,
    /// Requests in it.
    pub used: u64,
}

/// What a key has used of a quota.
#[derive(Debug)]
pub struct QuotaCounter {
    quota: Quota,
    /// The period in which counting began.
    first: u64,
    /// Period number and requests. Outlives a reload.
    state: Arc<AtomicU64>,
}

impl QuotaCounter {
    /// A counter that begins now.
    #[must_use]
    pub fn new(quota: Quota, now: UnixSeconds) -> Self {
        let first = quota.period.number(now);
        Self {
            quota,
            first,
            state: Arc::new(AtomicU64::new(packed(first, 0))),
        }
    }

    /// A counter of this quota that goes on where `before` is; another period begins anew.
    #[must_use]
    pub fn succeeding(quota: Quota, before: &Self, now: UnixSeconds) -> Self {
        if quota.period != before.quota.period {
            return Self::new(quota, now);
        }
        Self {
            quota,
            first: before.first,
            state: Arc::clone(&before.state),
        }
    }

    /// A counter of this quota that goes on where the record ends; one of another period begins anew.
    #[must_use]
    pub fn restored(quota: Quota, record: &QuotaRecord, now: UnixSeconds) -> Self {
        if quota.period != record.period {
            return Self::new(quota, now);
        }
        let state = packed(record.number.min(NUMBER_MAX), record.used.min(LIMIT_MAX));
        Self {
            quota,
            first: record.first,
            state: Arc::new(AtomicU64::new(state)),
        }
    }

    /// Counts a request. Before that a new period begins, if it is time. A clock that goes back gives nothing back: the
    /// count goes on.
    #[must_use]
    pub fn take(&self, now: UnixSeconds) -> bool {
        let number = self.quota.period.number(now);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (counted, used) = unpacked(state);
            let (counted, used) = if number > counted {
                (number, 0)
            } else if number + 1 >= counted {
                // The other cores' clocks may be a moment ahead.
                (counted, used)
            } else {
                // The clock was wrong by periods; it shall not wait for them.
                (number, used)
            };
            let offset = if counted == self.first {
                self.quota.offset
            } else {
                0
            };
            if used >= self.quota.limit - offset {
                return false;
            }
            let swapped = self.state.compare_exchange_weak(
                state,
                packed(counted, used + 1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return true,
                Err(found) => state = found,
            }
        }
    }

    /// Takes back the count of a request that another limit refused.
    pub fn give_back(&self) {
        let less = |state| {
            let (number, used) = unpacked(state);
            Some(packed(number, used.checked_sub(1)?))
        };
        // Nothing is left to take back if a new period has begun since.
        let _nothing = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// What a restart needs to know.
    #[must_use]
    pub fn record(&self, plan: &str, api_key: &str) -> QuotaRecord {
        let (number, used) = unpacked(self.state.load(Ordering::Relaxed));
        QuotaRecord {
            plan: plan.to_owned(),
            api_key: api_key.to_owned(),
            period: self.quota.period,
            first: self.first,
            number,
            used,
        }
    }
}

const fn packed(number: u64, used: u64) -> u64 {
    number << USED_BITS | used
}

const fn unpacked(state: u64) -> (u64, u64) {
    (state >> USED_BITS, state & USED_MASK)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::wire::date::parse_iso_date;

    fn time(text: &str) -> UnixSeconds {
        parse_iso_date(format!("{text}Z").as_bytes()).unwrap()
    }

    fn counter(limit: u64, offset: u64, period: Period, now: &str) -> QuotaCounter {
        QuotaCounter::new(Quota::new(limit, offset, period).unwrap(), time(now))
    }

    /// Requests that pass at one moment.
    fn drain(counter: &QuotaCounter, now: &str) -> usize {
        let now = time(now);
        std::iter::repeat_with(|| counter.take(now))
            .take_while(|&taken| taken)
            .count()
    }

    #[test]
    fn periods_begin_at_midnight_utc_on_mondays_and_on_the_first() {
        for (period, last, next) in [
            (Period::Day, "2026-11-26T23:59:59", "2026-11-27T00:00:00"),
            (Period::Week, "2026-11-29T23:59:59", "2026-11-30T00:00:00"), // a Sunday and a Monday
            (Period::Month, "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
            (Period::Month, "2028-02-29T23:59:59", "2028-03-01T00:00:00"),
        ] {
            assert_eq!(
                period.number(time(last)) + 1,
                period.number(time(next)),
                "{period:?} {next}"
            );
            let counter = counter(2, 0, period, last);
            assert_eq!(drain(&counter, last), 2);
            assert_eq!(drain(&counter, next), 2);
        }
        let week = Period::Week.number(time("2026-11-30T00:00:00"));
        assert_eq!(Period::Week.number(time("2026-12-06T23:59:59")), week);
        assert_eq!(Period::of_name("WEEK"), Some(Period::Week));
        assert_eq!(Period::of_name("YEAR"), None);
    }

    #[test]
    fn the_offset_counts_in_the_first_period_alone() {
        let counter = counter(5, 3, Period::Day, "2026-11-26T12:00:00");
        assert_eq!(drain(&counter, "2026-11-26T12:00:01"), 2);
        assert_eq!(drain(&counter, "2026-11-27T12:00:00"), 5);
        let all = counter_of_all_offset();
        assert_eq!(drain(&all, "2026-11-26T12:00:00"), 0);
        assert_eq!(Quota::new(5, 6, Period::Day), Err(QuotaFault::Offset));
        assert_eq!(
            Quota::new(LIMIT_MAX + 1, 0, Period::Day),
            Err(QuotaFault::Limit)
        );
        assert!(Quota::new(LIMIT_MAX, LIMIT_MAX, Period::Day).is_ok());
    }

    fn counter_of_all_offset() -> QuotaCounter {
        counter(5, 5, Period::Day, "2026-11-26T12:00:00")
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_new_quota_and_takes_none_for_long() {
        let counter = counter(3, 0, Period::Day, "2026-11-26T12:00:00");
        assert!(counter.take(time("2026-11-27T00:00:00")));
        // one period back: the other cores are ahead
        assert!(counter.take(time("2026-11-26T23:59:59")));
        // years ahead and back again
        assert!(counter.take(time("2046-01-01T00:00:00")));
        assert_eq!(drain(&counter, "2026-11-27T00:00:01"), 2);
        assert_eq!(drain(&counter, "2026-11-27T00:00:02"), 0);
        assert_eq!(drain(&counter, "2026-11-28T00:00:00"), 3);
    }

    #[test]
    fn a_count_outlives_reload_and_restart_unless_the_period_changes() {
        let quota = |limit, period| Quota::new(limit, 1, period).unwrap();
        let now = "2026-11-26T12:00:00";
        let before = counter(4, 1, Period::Month, now);
        assert!(before.take(time(now)));
        let reloaded = QuotaCounter::succeeding(quota(5, Period::Month), &before, time(now));
        assert!(reloaded.take(time(now)));
        let record = before.record("gold", "partner");
        assert_eq!(
            (record.used, record.first, record.number),
            (2, record.number, record.first)
        );
        let restored = QuotaCounter::restored(quota(5, Period::Month), &record, time(now));
        assert_eq!(drain(&restored, now), 2); // 5 less the offset less 2
        assert_eq!(drain(&restored, "2026-12-01T00:00:00"), 5);
        let other = QuotaCounter::restored(quota(5, Period::Day), &record, time(now));
        assert_eq!(drain(&other, now), 4);
        let other = QuotaCounter::succeeding(quota(5, Period::Day), &before, time(now));
        assert_eq!(drain(&other, now), 4);
        let edited = QuotaRecord {
            number: u64::MAX,
            used: u64::MAX,
            ..record
        };
        let restored = QuotaCounter::restored(quota(5, Period::Month), &edited, time(now));
        assert_eq!(drain(&restored, now), 0);
    }

    #[test]
    #[expect(clippy::needless_collect, reason = "the threads run at once")]
    fn cores_together_get_the_quota_and_not_a_request_more() {
        let shared = counter(10_000, 0, Period::Day, "2026-11-26T12:00:00");
        let taken: usize = thread::scope(|scope| {
            let cores: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| drain(&shared, "2026-11-26T12:00:00")))
                .collect();
            cores.into_iter().map(|core| core.join().unwrap()).sum()
        });
        assert_eq!(taken, 10_000);
        shared.give_back();
        assert_eq!(drain(&shared, "2026-11-26T12:00:00"), 1);
    }
}
