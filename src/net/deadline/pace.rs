//! How slowly a peer may send or take the body of a message, on average.
//!
//! A wait for the peer spends a budget, each byte that moves earns some of it back: its time at the least rate. The budget
//! begins with the grace and never holds more than that or the idle limit, so that bytes that went fast buy no more than one
//! pause. Only waits for the peer are spent: while this side is busy, or waits for another one, no time counts against it.
//! Waits are seen by the sweep over deadlines alone: it spends the time since the sweep before for each wait that it meets, and
//! nothing for those that fall between two sweeps. Over many waits that is their sum, however short they are.

use std::cell::Cell;

use crate::net::deadline::TICK_MS;

/// What one sweep may spend of a budget: a core that was late itself does not charge its peers for it.
const SPENT_MS_MAX: u64 = 2 * TICK_MS;

/// The least rate at which a peer moves a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeastRate {
    /// Bytes a second, 0 for none.
    pub bytes_per_s: u32,
    /// Milliseconds that the peer may be waited for before that.
    pub grace_ms: u64,
}

/// How long a peer may still be waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// 0: for ever.
    bytes_per_s: u32,
    left_us: u64,
}

impl Budget {
    /// That of a body which begins.
    #[must_use]
    pub const fn new(rate: LeastRate) -> Self {
        Self {
            bytes_per_s: rate.bytes_per_s,
            left_us: micros(rate.grace_ms),
        }
    }

    /// Bytes have moved. Up to `idle_ms` can be earned.
    pub fn earn(&mut self, bytes: u64, idle_ms: u64) {
        if self.bytes_per_s > 0 {
            // Never less than what is there: a grace may be longer than the idle limit.
            let most_us = self.left_us.max(micros(idle_ms));
            let earned_us = bytes.saturating_mul(1_000_000) / u64::from(self.bytes_per_s);
            self.left_us = self.left_us.saturating_add(earned_us).min(most_us);
        }
    }

    /// The peer was waited for. `false`: for too long.
    #[must_use]
    pub fn spend(&mut self, ms: u64) -> bool {
        if self.bytes_per_s == 0 {
            return true;
        }
        match self.left_us.checked_sub(micros(ms)) {
            Some(left_us) => {
                self.left_us = left_us;
                true
            }
            None => false,
        }
    }

    /// How long it can be waited for, at most `idle_ms`.
    #[must_use]
    pub fn left_ms(self, idle_ms: u64) -> u64 {
        match self.bytes_per_s {
            0 => idle_ms,
            _ => idle_ms.min(self.left_us.div_ceil(1000)),
        }
    }
}

/// The budget of one connection for the body that moves over it, and what has happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Pace {
    budget: Cell<Budget>,
    moved: Cell<u32>,
    too_slow: Cell<bool>,
    idle_ms: Cell<u64>,
}

/// What a look at a wait finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing has moved since the last one.
    Still,
    /// Something has: the idle limit begins anew.
    Moved {
        /// Milliseconds.
        idle_ms: u64,
    },
    /// The budget is spent.
    TooSlow,
}

impl Pace {
    /// Another body begins.
    pub(super) fn begin(&self, rate: LeastRate) {
        self.budget.set(Budget::new(rate));
        self.moved.set(0);
    }

    /// A wait for the peer begins, that ends after `idle_ms` in which nothing moves.
    pub(super) fn begin_wait(&self, idle_ms: u64) {
        self.idle_ms.set(idle_ms);
    }

    /// Bytes were sent or received.
    pub(super) fn note_moved(&self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.moved.set(self.moved.get().saturating_add(bytes));
    }

    /// Earns for what has moved and spends for the wait that goes on, `tick_ms` after the look before.
    pub(super) fn look(&self, tick_ms: u64) -> Look {
        let (moved, idle_ms) = (self.moved.take(), self.idle_ms.get());
        let mut budget = self.budget.get();
        budget.earn(u64::from(moved), idle_ms);
        if !budget.spend(tick_ms.min(SPENT_MS_MAX)) {
            self.too_slow.set(true);
            return Look::TooSlow;
        }
        self.budget.set(budget);
        match moved {
            0 => Look::Still,
            _ => Look::Moved { idle_ms },
        }
    }

    /// Whether a look has found the peer too slow.
    pub(super) const fn is_too_slow(&self) -> bool {
        self.too_slow.get()
    }
}

const fn micros(ms: u64) -> u64 {
    ms.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: LeastRate = LeastRate {
        bytes_per_s: 1_000,
        grace_ms: 500,
    };
    const IDLE_MS: u64 = 2_000;

    /// A wait that begins, for a body at [`RATE`].
    fn waiting() -> Pace {
        let pace = Pace::default();
        pace.begin(RATE);
        pace.begin_wait(IDLE_MS);
        pace
    }

    /// Looks each tick up to `ms`, moving so many bytes before each; when it was too slow.
    fn too_slow_at(pace: &Pace, from_ms: u64, ms: u64, bytes_per_tick: usize) -> Option<u64> {
        let mut ticks = (from_ms + TICK_MS..=ms).step_by(50);
        ticks.find(|_| {
            pace.note_moved(bytes_per_tick);
            pace.look(TICK_MS) == Look::TooSlow
        })
    }

    #[test]
    fn the_grace_is_spent_to_its_end_and_not_beyond() {
        assert_eq!(too_slow_at(&waiting(), 0, 10_000, 0), Some(550));
    }

    #[test]
    fn the_least_rate_is_enough_and_one_byte_less_is_not() {
        assert_eq!(too_slow_at(&waiting(), 0, 1_000_000, 50), None);
        // One millisecond of each tick is not earned.
        assert_eq!(too_slow_at(&waiting(), 0, 1_000_000, 49), Some(501 * 50));
    }

    #[test]
    fn bytes_that_went_fast_buy_one_pause_of_the_idle_limit() {
        let pace = waiting();
        pace.note_moved(usize::MAX);
        assert_eq!(pace.look(TICK_MS), Look::Moved { idle_ms: IDLE_MS });
        assert_eq!(too_slow_at(&pace, 50, 60_000, 0), Some(2_050));
    }

    #[test]
    fn a_byte_now_and_then_does_not_hold_a_connection() {
        let pace = waiting();
        pace.note_moved(1 << 30);
        let mut now_ms = 0;
        let end = loop {
            now_ms += TICK_MS;
            // Within every idle limit, as a client would that wants to stay.
            if now_ms % (IDLE_MS / 2) == 0 {
                pace.note_moved(1);
            }
            if pace.look(TICK_MS) == Look::TooSlow {
                break now_ms;
            }
        };
        assert!(end <= IDLE_MS + 2 * TICK_MS, "{end}");
    }

    /// As a client's whose bytes come each for itself, many between two sweeps.
    #[test]
    fn short_waits_count_as_long_ones_do() {
        let pace = waiting();
        let found = (1..1_000).find(|_| {
            for _ in 0..49 {
                pace.begin_wait(IDLE_MS);
                pace.note_moved(1);
            }
            pace.begin_wait(IDLE_MS);
            pace.look(TICK_MS) == Look::TooSlow
        });
        assert_eq!(found, Some(501));
    }

    /// The store is waited for nearly always, and one sweep in a hundred meets a wait for the client.
    #[test]
    fn a_wait_that_a_sweep_meets_now_and_then_is_paid_by_the_bytes_since() {
        let pace = waiting();
        for _ in 0..1_000 {
            for _ in 0..100 {
                pace.begin_wait(IDLE_MS);
                pace.note_moved(1);
            }
            assert_ne!(pace.look(TICK_MS), Look::TooSlow);
        }
    }

    #[test]
    fn a_late_sweep_is_not_the_peers_fault() {
        let pace = waiting();
        for sweep in 1..=5 {
            assert_eq!(pace.look(sweep * 60_000), Look::Still);
        }
        assert_eq!(pace.look(6 * 60_000), Look::TooSlow);
    }

    #[test]
    fn without_a_rate_only_movement_is_told() {
        let pace = Pace::default();
        pace.begin(LeastRate::default());
        pace.begin_wait(IDLE_MS);
        assert_eq!(too_slow_at(&pace, 0, 100_000, 0), None);
        pace.note_moved(1);
        assert_eq!(pace.look(TICK_MS), Look::Moved { idle_ms: IDLE_MS });
        assert_eq!(pace.look(TICK_MS), Look::Still);
    }

    #[test]
    fn a_body_begins_with_a_grace_of_its_own() {
        let pace = waiting();
        assert_eq!(too_slow_at(&pace, 0, 500, 0), None);
        pace.begin(RATE);
        assert_eq!(too_slow_at(&pace, 500, 10_000, 0), Some(1_050));
        assert!(pace.is_too_slow());
    }

    #[test]
    fn a_budget_tells_what_is_left_of_it() {
        let mut budget = Budget::new(RATE);
        assert_eq!(budget.left_ms(IDLE_MS), 500);
        assert!(budget.spend(200));
        budget.earn(100, IDLE_MS);
        assert_eq!((budget.left_ms(IDLE_MS), budget.left_ms(300)), (400, 300));
        assert!(!budget.spend(401));
        assert!(budget.spend(400));
        let mut boundless = Budget::new(LeastRate::default());
        assert!(boundless.spend(u64::MAX));
        assert_eq!(boundless.left_ms(IDLE_MS), IDLE_MS);
    }

    #[test]
    fn a_grace_above_the_idle_limit_is_kept() {
        let pace = Pace::default();
        pace.begin(LeastRate {
            grace_ms: 2 * IDLE_MS,
            ..RATE
        });
        pace.begin_wait(IDLE_MS);
        assert_eq!(too_slow_at(&pace, 0, 60_000, 0), Some(2 * IDLE_MS + 50));
    }
}
