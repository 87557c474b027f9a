//! Counts by status, in a bounded set of them.

use std::fmt;

use crate::serve::metrics::counter::Counter;

/// The statuses that have a count of their own: those of the IANA registry, and 499 for a client that was gone before
/// there was a response.
const KNOWN: [u16; KNOWN_COUNT] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
    305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
    416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505,
    506, 507, 508, 510, 511,
];
const KNOWN_COUNT: usize = 62;
/// The others are counted by their first digit.
const CLASSES_COUNT: usize = 5;
const SLOTS_COUNT: usize = KNOWN_COUNT + CLASSES_COUNT;
/// The client was gone before there was a response, as in the access log.
pub const CLIENT_GONE: u16 = 499;

/// Position of a status among the counts.
const SLOTS: [u8; 500] = slots();

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "there are 67 slots; done by the compiler, which refuses an index past the end"
)]
const fn slots() -> [u8; 500] {
    let mut slots = [0u8; 500];
    let mut at = 0;
    while at < slots.len() {
        slots[at] = (KNOWN_COUNT + at / 100) as u8;
        at += 1;
    }
    let mut known = 0;
    while known < KNOWN_COUNT {
        slots[KNOWN[known] as usize - 100] = known as u8;
        known += 1;
    }
    slots
}

/// A status, or the class of one that has no count of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A status of the registry.
    Status(u16),
    /// The first digit of another one.
    Class(u16),
}

impl Counted {
    /// The first digit.
    #[must_use]
    pub const fn class(self) -> u16 {
        match self {
            Self::Status(status) => status / 100,
            Self::Class(class) => class,
        }
    }
}

/// `404`, or `4xx`.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// Counts of one core by status.
#[derive(Debug)]
pub struct StatusCounts([Counter; SLOTS_COUNT]);

impl Default for StatusCounts {
    fn default() -> Self {
        Self([const { Counter::new() }; SLOTS_COUNT])
    }
}

impl StatusCounts {
    /// Counts one; what is no status from 100 to 599 is not counted.
    pub fn count(&self, status: u16) {
        let slot = SLOTS.get(usize::from(status.wrapping_sub(100)));
        if let Some(counter) = slot.and_then(|&slot| self.0.get(usize::from(slot))) {
            counter.add(1);
        }
    }
}

/// The sum of counts by status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses([u64; SLOTS_COUNT]);

impl Default for Statuses {
    fn default() -> Self {
        Self([0; SLOTS_COUNT])
    }
}

impl Statuses {
    /// Adds what a core has counted.
    pub fn add(&mut self, counts: &StatusCounts) {
        for (sum, counter) in self.0.iter_mut().zip(&counts.0) {
            *sum += counter.get();
        }
    }

    /// Adds what was added up elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum += more;
        }
    }

    /// The statuses that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Counted, u64)> {
        let classes = (1..).map(Counted::Class);
        let names = KNOWN.into_iter().map(Counted::Status).chain(classes);
        names.zip(self.0).filter(|&(_, count)| count > 0)
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_statuses_stand_alone_and_others_in_their_class() {
        let counts = StatusCounts::default();
        for status in [100, 204, 204, 299, 499, 418, 599, 511, 600, 99, 0] {
            counts.count(status);
        }
        let mut sums = Statuses::default();
        sums.add(&counts);
        let told: Vec<(String, u64)> = sums
            .iter()
            .map(|(status, count)| (status.to_string(), count))
            .collect();
        let told: Vec<(&str, u64)> = told.iter().map(|(s, n)| (s.as_str(), *n)).collect();
        assert_eq!(
            told,
            [
                ("100", 1),
                ("204", 2),
                ("499", 1),
                ("511", 1),
                ("2xx", 1),
                ("4xx", 1),
                ("5xx", 1)
            ]
        );
        assert_eq!(sums.count(), 8);
    }

    #[test]
    fn the_registered_ones_grow() {
        assert!(KNOWN.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
