//! A number that one core writes and everybody may read.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Counts on its own core only: a load and a store without order, so that counting costs no locked instruction. Two cores
/// that wrote the same counter would lose counts.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds; only on the core that owns the counter.
    pub fn add(&self, count: u64) {
        let sum = self.get().wrapping_add(count);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Replaces the number, which is a level then and no count.
    pub fn set(&self, level: u64) {
        self.0.store(level, Ordering::Relaxed);
    }

    /// The number as it is now or was a moment ago.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
