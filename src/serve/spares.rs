//! Storage that an exchange leaves to the next one, so that serving allocates nothing once it has grown.

use std::cell::RefCell;

/// Unused pieces of one kind that a core keeps: as many as exchanges may overlap in a burst.
const SPARES_MAX: usize = 256;
/// A piece that has grown beyond this is freed: one long head shall not be paid for until the end.
const SPARE_BYTES_MAX: usize = 8 * 1024;

/// What can serve again. `take` gives it as it was left: whoever takes it overwrites it.
pub trait Spare: Default {
    /// Bytes that it holds allocated, about.
    fn storage_bytes(&self) -> usize;
}

/// The unused pieces of one kind, the last one used first.
#[derive(Debug)]
pub struct Spares<T>(RefCell<Vec<T>>);

impl<T: Spare> Spares<T> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// A piece that was used before, or a new one.
    #[must_use]
    pub fn take(&self) -> T {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a piece for later, unless there are enough or it is big.
    pub fn give(&self, piece: T) {
        let mut pieces = self.0.borrow_mut();
        if pieces.len() < SPARES_MAX && piece.storage_bytes() <= SPARE_BYTES_MAX {
            pieces.push(piece);
        }
    }
}

impl<T: Spare> Default for Spares<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Spare for Vec<u8> {
        fn storage_bytes(&self) -> usize {
            self.capacity()
        }
    }

    #[test]
    fn the_last_piece_given_is_taken_first() {
        let spares = Spares::new();
        let (one, two) = (vec![1], vec![2]);
        let last = two.as_ptr();
        spares.give(one);
        spares.give(two);
        let taken = spares.take();
        assert_eq!(taken.as_ptr(), last);
        assert_eq!(spares.take(), [1]);
        assert!(spares.take().is_empty(), "there was no third one");
    }

    #[test]
    fn big_pieces_and_those_beyond_the_limit_are_freed() {
        let spares = Spares::new();
        spares.give(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        assert_eq!(spares.0.borrow().len(), 0);
        for _ in 0..=SPARES_MAX {
            spares.give(Vec::with_capacity(SPARE_BYTES_MAX));
        }
        assert_eq!(spares.0.borrow().len(), SPARES_MAX);
    }
}
