//! Where one side of a test waits for the other.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::time::Duration;

/// What a test waits for happens well within this time, or never.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Closed at first; each opening lets one waiter through. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    /// Lets one waiter through, now or later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_one();
    }

    /// Waits for an opening.
    pub(crate) fn wait(&self) {
        let guard = self.0.0.lock().unwrap();
        let (mut openings, timeout) = self
            .0
            .1
            .wait_timeout_while(guard, WAIT_MAX, |openings| *openings == 0)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "the other side of the test never came so far"
        );
        *openings -= 1;
    }
}
