//! A per-core store of random bytes, so that a request costs no system call for its ids.

use ring::rand::SecureRandom;
use ring::rand::SystemRandom;

const BLOCK_BYTES: usize = 4096;

/// Hands out random bytes; asks the system once per block.
#[derive(Debug)]
pub struct RandomBytes {
    system: SystemRandom,
    block: Box<[u8; BLOCK_BYTES]>,
    used: usize,
}

impl RandomBytes {
    /// A source with nothing in store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            system: SystemRandom::new(),
            block: Box::new([0; BLOCK_BYTES]),
            used: BLOCK_BYTES,
        }
    }

    /// The next `N` bytes; `N` is far below the block's size.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], NoRandomness> {
        if self.used + N > BLOCK_BYTES {
            self.system
                .fill(self.block.as_mut_slice())
                .map_err(|_unspecified| NoRandomness)?;
            self.used = 0;
        }
        let bytes = self
            .block
            .get(self.used..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied();
        self.used += N;
        bytes.ok_or(NoRandomness)
    }
}

impl Default for RandomBytes {
    fn default() -> Self {
        Self::new()
    }
}

/// The system's random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_differ_across_blocks() {
        let mut random = RandomBytes::new();
        let first = random.take::<16>().unwrap();
        let later = (0..600)
            .map(|_| random.take::<16>().unwrap())
            .collect::<Vec<_>>();
        assert!(!later.contains(&first));
    }
}
