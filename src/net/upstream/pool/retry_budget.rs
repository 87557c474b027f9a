//! How many requests may be sent a second time: a share of those that are sent, so that a store in trouble is not hit twice
//! as hard.

use std::cell::Cell;

/// Retries that are always there again after a second, so that a seldom used upstream has some.
pub(super) const RETRIES_A_SECOND_MIN: u32 = 10;
/// Retries that quiet times save up.
const RETRIES_SAVED_MAX: u32 = 100;
/// A retry in the unit that is counted in: hundredths.
const RETRY: u32 = 100;

/// The retries of one core towards one upstream.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Hundredths of a retry that a request brings.
    percent: u32,
    hundredths: Cell<u32>,
}

impl RetryBudget {
    /// One retry for every `100 / percent` requests; none at all for 0.
    pub(super) fn new(percent: u32) -> Self {
        let budget = Self {
            percent,
            hundredths: Cell::new(0),
        };
        budget.second_passed();
        budget
    }

    /// A request is sent for the first time.
    pub(super) fn request_sent(&self) {
        let saved = self.hundredths.get().saturating_add(self.percent);
        self.hundredths.set(saved.min(RETRIES_SAVED_MAX * RETRY));
    }

    /// Whether one more retry may be made; it counts as made.
    pub(super) fn take(&self) -> bool {
        let left = self.hundredths.get().checked_sub(RETRY);
        if let Some(left) = left {
            self.hundredths.set(left);
        }
        left.is_some()
    }

    /// To be called once a second.
    pub(super) fn second_passed(&self) {
        if self.percent > 0 {
            let floor = RETRIES_A_SECOND_MIN * RETRY;
            self.hundredths.set(self.hundredths.get().max(floor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &RetryBudget) -> usize {
        std::iter::from_fn(|| budget.take().then_some(())).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests() {
        let budget = RetryBudget::new(20);
        assert_eq!(taken(&budget), 10, "the floor");
        for _ in 0..50 {
            budget.request_sent();
        }
        assert_eq!(taken(&budget), 10, "a fifth");
        budget.second_passed();
        assert_eq!(taken(&budget), 10, "the floor again");
        for _ in 0..100_000 {
            budget.request_sent();
        }
        budget.second_passed();
        assert_eq!(taken(&budget), 100, "what is saved up");
    }

    #[test]
    fn no_share_is_no_retry() {
        let budget = RetryBudget::new(0);
        budget.request_sent();
        budget.second_passed();
        assert_eq!(taken(&budget), 0);
    }
}
