//! Takes back the buffers of connections that have fallen silent.
//!
//! A busy connection waits for its next request with a buffer in the kernel's hands, which saves a call for each request. Should
//! the request not come, that buffer must come back. Each such wait joins a cohort; when a cohort is old, what still waits in
//! it is cancelled. A cancelled receive is awaited to its end and gives either the bytes that came or none, so none is lost.

use std::cell::Cell;
use std::cell::RefCell;

use monoio::io::CancelHandle;
use monoio::io::Canceller;

/// A wait is silent after one to two times this long.
pub const SILENCE_MS: u64 = 500;

/// The waits of one core that may turn out silent.
#[derive(Default)]
pub(super) struct Silences {
    young: RefCell<Canceller>,
    old: RefCell<Canceller>,
    turn_ms: Cell<u64>,
}

impl Silences {
    /// What cancels a wait that begins now.
    pub(super) fn join(&self) -> CancelHandle {
        self.young.borrow().handle()
    }

    /// Ends the waits of the old cohort if it is time for that; the young one is old from then on.
    pub(super) fn turn(&self, now_ms: u64) {
        if now_ms < self.turn_ms.get() {
            return;
        }
        self.turn_ms.set(now_ms.saturating_add(SILENCE_MS));
        // The storage of the ended cohort serves the next one.
        let fresh = self.old.take().cancel();
        self.old.replace(self.young.replace(fresh));
    }
}

impl std::fmt::Debug for Silences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Silences")
            .field("turn_ms", &self.turn_ms)
            .finish_non_exhaustive()
    }
}
