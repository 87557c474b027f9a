//! Whether an address is used: it is ejected after failures in a row, and one real request tries it again later.

use std::cell::Cell;

/// Failures in a row after which an address is ejected. One may be an accident of the request, not of the address.
pub(super) const FAILURES_MAX: u32 = 3;
/// How long the first ejection lasts; each that follows without a success between lasts twice as long.
pub(super) const EJECTED_MS_MIN: u64 = 1_000;
/// The longest ejection.
pub(super) const EJECTED_MS_MAX: u64 = 60_000;

/// What is known of an address.
#[derive(Debug)]
pub(super) struct Health {
    state: Cell<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Used { failures: u32 },
    Ejected { until_ms: u64, times: u32 },
    Probed { times: u32 },
}

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It gets its share.
    Used,
    /// Its ejection is over: the next request goes to it.
    Due,
    /// It gets nothing.
    Ejected,
}

impl Health {
    pub(super) const fn new() -> Self {
        Self {
            state: Cell::new(State::Used { failures: 0 }),
        }
    }

    pub(super) fn standing(&self, now_ms: u64) -> Standing {
        match self.state.get() {
            State::Used { .. } => Standing::Used,
            State::Ejected { until_ms, .. } if until_ms <= now_ms => Standing::Due,
            State::Ejected { .. } | State::Probed { .. } => Standing::Ejected,
        }
    }

    /// Whether it was ejected and has not answered since.
    pub(super) fn is_ejected(&self) -> bool {
        !matches!(self.state.get(), State::Used { .. })
    }

    /// A request goes to it although it was ejected; until its outcome is known no other does.
    pub(super) fn begin_probe(&self) {
        if let State::Ejected { times, .. } = self.state.get() {
            self.state.set(State::Probed { times });
        }
    }

    /// The probe ended without showing anything: the next request is one.
    pub(super) fn give_probe_up(&self, now_ms: u64) {
        if let State::Probed { times } = self.state.get() {
            let until_ms = now_ms;
            self.state.set(State::Ejected { until_ms, times });
        }
    }

    /// It answered, whatever it said. Tells whether it is used again by that.
    pub(super) fn succeeded(&self) -> bool {
        let before = self.state.replace(State::Used { failures: 0 });
        !matches!(before, State::Used { .. })
    }

    /// It did not connect, answer or speak HTTP. Tells for how long it is ejected, if it is by that.
    pub(super) fn failed(&self, now_ms: u64) -> Option<u64> {
        let times = match self.state.get() {
            State::Used { failures } if failures + 1 < FAILURES_MAX => {
                self.state.set(State::Used {
                    failures: failures + 1,
                });
                return None;
            }
            State::Used { .. } => 0,
            State::Probed { times } => times.saturating_add(1),
            // A request that was sent before.
            State::Ejected { .. } => return None,
        };
        let growth = 1u64.checked_shl(times).unwrap_or(u64::MAX);
        let ms = EJECTED_MS_MIN.saturating_mul(growth).min(EJECTED_MS_MAX);
        self.state.set(State::Ejected {
            until_ms: now_ms.saturating_add(ms),
            times,
        });
        Some(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ejected(at_ms: u64) -> Health {
        let health = Health::new();
        for _ in 1..FAILURES_MAX {
            assert_eq!(health.failed(at_ms), None);
            assert_eq!(health.standing(at_ms), Standing::Used);
        }
        assert!(!health.is_ejected());
        assert_eq!(health.failed(at_ms), Some(EJECTED_MS_MIN));
        assert!(health.is_ejected());
        health
    }

    #[test]
    fn only_failures_in_a_row_eject() {
        let health = Health::new();
        for _ in 0..10 {
            for _ in 1..FAILURES_MAX {
                assert_eq!(health.failed(0), None);
            }
            assert!(!health.succeeded());
        }
        assert_eq!(ejected(7).standing(7), Standing::Ejected);
    }

    #[test]
    fn one_request_tries_it_again_and_readmits_it() {
        let health = ejected(100);
        assert_eq!(health.standing(1_099), Standing::Ejected);
        assert_eq!(health.standing(1_100), Standing::Due);
        health.begin_probe();
        assert_eq!(health.standing(9_999), Standing::Ejected);
        health.give_probe_up(1_200);
        assert_eq!(health.standing(1_200), Standing::Due);
        health.begin_probe();
        assert!(health.is_ejected());
        assert!(health.succeeded());
        assert!(!health.is_ejected());
        assert_eq!(health.standing(1_200), Standing::Used);
        assert_eq!(health.failed(1_200), None);
    }

    #[test]
    fn each_ejection_lasts_twice_as_long_up_to_the_limit() {
        let health = ejected(0);
        let mut lasted = Vec::new();
        for _ in 0..70 {
            assert_eq!(health.failed(0), None, "of a request sent before");
            health.begin_probe();
            lasted.extend(health.failed(0));
        }
        assert_eq!(lasted[..6], [2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
        assert!(lasted.len() == 70 && lasted[6..].iter().all(|&ms| ms == EJECTED_MS_MAX));
        health.begin_probe();
        assert!(health.succeeded());
        assert_eq!(ejected(0).standing(1_000), Standing::Due);
    }
}
