//! When requests are due: fixed before the run, whatever the server does (an open loop).

/// How the moments are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly: one every `1 / rate`.
    #[default]
    Constant,
    /// As independent clients would come: exponential gaps with the same mean.
    Poisson,
}

/// A small generator of numbers that look random (SplitMix64): a seed gives the same run again.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0. The bias is below 2⁻³² for bounds below 2³².
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A number in (0, 1].
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what the fraction of a double holds"
    )]
    pub fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }
}

/// The due moments of one thread, in microseconds from the start of the run.
#[derive(Clone, Debug)]
pub struct Schedule {
    gap_us: f64,
    next_us: f64,
    end_us: f64,
    arrivals: Arrivals,
    dice: Dice,
}

impl Schedule {
    /// `per_second` requests a second until `end_us`, the first at `offset_us`.
    #[must_use]
    pub fn new(
        per_second: f64,
        offset_us: f64,
        end_us: u64,
        arrivals: Arrivals,
        seed: u64,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a run is shorter than 2⁵³ µs")]
        let end_us = end_us as f64;
        Self {
            gap_us: 1_000_000.0 / per_second,
            next_us: offset_us,
            end_us,
            arrivals,
            dice: Dice::new(seed),
        }
    }

    /// The next moment if it is not later than `now_us`.
    pub fn due(&mut self, now_us: u64) -> Option<u64> {
        let next = self.peek()?;
        if next > now_us {
            return None;
        }
        let gap = match self.arrivals {
            Arrivals::Constant => self.gap_us,
            Arrivals::Poisson => -self.dice.fraction().ln() * self.gap_us,
        };
        self.next_us += gap;
        Some(next)
    }

    /// When the run is over.
    #[must_use]
    pub const fn end_us(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "made of a u64 below 2⁵³"
        )]
        let end_us = self.end_us as u64;
        end_us
    }

    /// The next moment, `None` at the end of the run.
    #[must_use]
    pub fn peek(&self) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the end of the run"
        )]
        (self.next_us < self.end_us).then_some(self.next_us as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut schedule: Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.due(u64::MAX)).collect()
    }

    #[test]
    fn constant_arrivals_are_evenly_spread_and_end_with_the_run() {
        let all = moments(Schedule::new(1000.0, 0.0, 10_000, Arrivals::Constant, 1));
        assert_eq!(all, (0..10).map(|n| n * 1000).collect::<Vec<_>>());
        let odd = moments(Schedule::new(3.0, 0.0, 1_000_000, Arrivals::Constant, 1));
        assert_eq!(odd, [0, 333_333, 666_666]);
    }

    #[test]
    fn nothing_is_due_before_its_moment() {
        let mut schedule = Schedule::new(1000.0, 500.0, 10_000, Arrivals::Constant, 1);
        assert_eq!(schedule.due(499), None);
        assert_eq!(schedule.due(500), Some(500));
        assert_eq!(schedule.due(500), None);
        assert_eq!(schedule.peek(), Some(1500));
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_differ_by_seed() {
        let of = |seed| {
            moments(Schedule::new(
                1000.0,
                0.0,
                20_000_000,
                Arrivals::Poisson,
                seed,
            ))
        };
        let one = of(1);
        assert!((19_400..20_600).contains(&one.len()), "{}", one.len());
        assert!(one.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_ne!(one, of(2));
        assert_eq!(one, of(1));
        // An exponential gap is shorter than its mean in 63 of 100 cases; an even one never.
        let short = one.windows(2).filter(|pair| pair[1] - pair[0] < 1000);
        let share = short.count() * 100 / one.len();
        assert!((60..67).contains(&share), "{share}");
    }

    #[test]
    fn dice_stay_below_their_bound() {
        let mut dice = Dice::new(7);
        assert!((0..1000).all(|_| dice.below(3) < 3));
        assert_eq!(dice.below(0), 0);
        assert!(
            (0..1000)
                .map(|_| dice.fraction())
                .all(|n| n > 0.0 && n <= 1.0)
        );
    }
}
