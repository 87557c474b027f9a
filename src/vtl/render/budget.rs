//! What one rendering may use. Work is counted, never timed, so that a template does the same on every machine.

use crate::vtl::render::error::RenderError;

/// Steps of one rendering: operations, and each 32 bytes or element that they go through. A step takes some 25 ns, so that
/// worst cases take a fifth of a second of one core at most (spec 07, "Limits for safety": a second). `$input.json('$')` of a
/// payload of 10 MiB takes about half of them.
const STEPS_MAX: u64 = 4_000_000;

/// Bytes that one step goes through.
const BYTES_PER_STEP: u64 = 32;

/// Bytes of all values that one rendering makes, those that are gone included.
const VALUE_BYTES_MAX: u64 = 192 * 1024 * 1024;

/// Bytes of one text: the output, a capture or a value.
pub(in crate::vtl) const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// API Gateway's payload limit (spec 11).
const PAYLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;

// a template around `$input.body` must hold a payload as Base64
const _: () = assert!(TEXT_BYTES_MAX > PAYLOAD_BYTES_MAX.div_ceil(3) * 4);

/// What is left.
#[derive(Clone, Copy, Debug)]
pub(in crate::vtl) struct Budget {
    steps: u64,
    value_bytes: u64,
}

impl Budget {
    pub(in crate::vtl) const fn new() -> Self {
        Self {
            steps: STEPS_MAX,
            value_bytes: VALUE_BYTES_MAX,
        }
    }

    /// Pays for work.
    pub(in crate::vtl) fn step(&mut self, steps: usize) -> Result<(), RenderError> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.steps = self
            .steps
            .checked_sub(steps)
            .ok_or(RenderError::TooManySteps)?;
        Ok(())
    }

    /// Pays for going through text.
    pub(in crate::vtl) fn read(&mut self, bytes: usize) -> Result<(), RenderError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.steps = self
            .steps
            .checked_sub(bytes / BYTES_PER_STEP)
            .ok_or(RenderError::TooManySteps)?;
        Ok(())
    }

    /// Pays for finding a key among this many: those of its length are compared through and through.
    pub(in crate::vtl) fn look_up(
        &mut self,
        entries: usize,
        key_bytes: usize,
    ) -> Result<(), RenderError> {
        self.step(1 + entries / 8)?;
        self.read(entries.saturating_mul(key_bytes))
    }

    /// Steps that are left.
    pub(in crate::vtl) fn steps_left(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(usize::MAX)
    }

    /// Pays for memory of a value.
    pub(in crate::vtl) fn keep(&mut self, bytes: usize) -> Result<(), RenderError> {
        let kept = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.value_bytes = self
            .value_bytes
            .checked_sub(kept)
            .ok_or(RenderError::ValuesTooLarge)?;
        Ok(())
    }

    /// Pays for a text that was made; refuses one that is too long.
    pub(in crate::vtl) fn text(&mut self, bytes: usize) -> Result<(), RenderError> {
        if bytes > TEXT_BYTES_MAX {
            return Err(RenderError::TextTooLong);
        }
        self.read(bytes)?;
        self.keep(bytes)
    }
}
