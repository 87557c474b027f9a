//! Deadlines of a core's sockets.
//!
//! A read that is dropped on io_uring may have eaten bytes, so no deadline cancels. When a socket is due it is shut
//! with `shutdown(2)`: whatever waits on it ends by itself, its buffer comes back, and the connection is finished.
//! The one thing that is cancelled, and then awaited, is a receive that holds a buffer for nothing (`silence.rs`).

mod abandonment;
mod pace;
mod silence;
#[cfg(test)]
mod tests;

pub use abandonment::LOOK_MS;
pub use abandonment::Watch;
pub use pace::Budget;
pub use pace::LeastRate;
pub use silence::SILENCE_MS;

use std::cell::Cell;
use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;

use monoio::io::CancelHandle;
use nix::sys::socket::Shutdown;

use crate::net::clock;
use crate::net::clock::COARSE_MS_MAX;
use crate::net::deadline::abandonment::Abandonment;
use crate::net::deadline::pace::Look;
use crate::net::deadline::pace::Pace;
use crate::net::deadline::silence::Silences;

/// How often due sockets are looked for; a deadline passes at most this much late, and a timer step of 2 ms, and the
/// coarseness of the clock twice.
pub const TICK_MS: u64 = 50;

const DISARMED: u64 = u64::MAX;

/// How long a drain waits for the first request of a connection, milliseconds. A client may send a request again that a used
/// connection swallowed, but not the first one of a new connection (RFC 9112 §9.3.1).
pub const FIRST_REQUEST_MS_MAX: u64 = 1_000;

/// What a deadline shuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Receiving ends; an answer such as 408 can still be sent.
    Read,
    /// Receiving, sending and connecting end.
    Both,
}

/// All sockets of one core. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct DeadlineTable {
    sockets: Rc<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    entries: RefCell<Vec<Rc<Entry>>>,
    silences: Silences,
    /// When the last sweep was.
    swept_ms: Cell<u64>,
}

/// One socket's place in the table. Drop it before the socket closes, so that no reused descriptor is ever shut.
#[derive(Debug)]
pub struct DeadlineSlot {
    table: DeadlineTable,
    entry: Rc<Entry>,
}

#[derive(Debug)]
struct Entry {
    fd: RawFd,
    due_ms: Cell<u64>,
    cut: Cell<Cut>,
    waits: Cell<Waits>,
    fired: Cell<Option<Cut>>,
    abandonment: Abandonment,
    pace: Pace,
    /// Where the table holds this entry.
    position: Cell<usize>,
}

/// What a socket waits for, as far as a drain or a sweep cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Not for a request: a drain lets it be.
    Otherwise,
    /// For bytes of a body, which may not move too slowly; a drain lets it be.
    Body,
    /// A drain ends it within [`FIRST_REQUEST_MS_MAX`].
    FirstRequest,
    /// A drain ends it at once.
    NextRequest,
}

impl DeadlineTable {
    /// An empty table; `driver::run_core` makes the core's own and sweeps it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters an open socket, disarmed.
    #[must_use]
    pub fn register(&self, fd: RawFd) -> DeadlineSlot {
        let mut entries = self.sockets.entries.borrow_mut();
        let entry = Rc::new(Entry {
            fd,
            due_ms: Cell::new(DISARMED),
            cut: Cell::new(Cut::Both),
            waits: Cell::new(Waits::Otherwise),
            fired: Cell::new(None),
            abandonment: Abandonment::default(),
            pace: Pace::default(),
            position: Cell::new(entries.len()),
        });
        entries.push(Rc::clone(&entry));
        DeadlineSlot {
            table: self.clone(),
            entry,
        }
    }

    /// Shuts every socket that is due at `now_ms`, or whose body moves too slowly, each once, and ends the receives that have been
    /// silent for long.
    pub fn sweep(&self, now_ms: u64) {
        self.sockets.silences.turn(now_ms);
        let tick_ms = now_ms.saturating_sub(self.sockets.swept_ms.replace(now_ms));
        for entry in self.sockets.entries.borrow().iter() {
            match entry.due_ms.get() {
                DISARMED => entry.abandonment.look(entry.fd, now_ms),
                due_ms if entry.waits.get() == Waits::Body => {
                    entry.look_at_pace(due_ms, now_ms, tick_ms);
                }
                due_ms if due_ms <= now_ms => entry.fire(entry.cut.get()),
                _ => {}
            }
        }
    }

    /// Ends receiving on every socket that was armed with [`DeadlineSlot::arm_idle`], and hurries those that were armed with
    /// [`DeadlineSlot::arm_first`]: while a drain goes on, again and again.
    pub fn cut_idle(&self) {
        let hurried = clock::monotonic_ms().saturating_add(FIRST_REQUEST_MS_MAX);
        for entry in self.sockets.entries.borrow().iter() {
            match entry.waits.get() {
                Waits::Otherwise | Waits::Body => {}
                Waits::FirstRequest => entry.due_ms.set(entry.due_ms.get().min(hurried)),
                Waits::NextRequest => entry.fire(Cut::Read),
            }
        }
    }

    /// Shuts every socket now: the end of a drain.
    pub fn shut_all(&self) {
        for entry in self.sockets.entries.borrow().iter() {
            entry.fire(Cut::Both);
        }
    }

    /// Count of open sockets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.entries.borrow().len()
    }

    /// True if no socket is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl DeadlineSlot {
    /// Shuts the socket `ms` milliseconds from now (not earlier; see [`TICK_MS`] for how much later) unless disarmed or armed anew.
    pub fn arm(&self, ms: u64, cut: Cut) {
        self.arm_at(clock::monotonic_ms(), ms, cut);
        self.entry.waits.set(Waits::Otherwise);
    }

    fn arm_at(&self, now_ms: u64, ms: u64, cut: Cut) {
        self.entry.abandonment.begin_anew();
        self.entry.cut.set(cut);
        let due_ms = now_ms.saturating_add(ms).saturating_add(COARSE_MS_MAX);
        self.entry.due_ms.set(due_ms);
    }

    /// The peer is to send or to take a body at `rate` at least from now on, whenever it is waited for with
    /// [`DeadlineSlot::arm_body`].
    pub fn begin_body(&self, rate: LeastRate) {
        self.entry.pace.begin(rate);
    }

    /// As [`DeadlineSlot::arm`] for a wait for bytes of a body, either way: `idle_ms` begins anew with every byte, and the
    /// rate of [`DeadlineSlot::begin_body`] is kept.
    pub fn arm_body(&self, idle_ms: u64, cut: Cut) {
        self.arm_at(clock::monotonic_ms(), idle_ms, cut);
        self.entry.pace.begin_wait(idle_ms);
        self.entry.waits.set(Waits::Body);
    }

    /// Bytes were sent or received.
    pub(super) fn note_moved(&self, bytes: usize) {
        self.entry.pace.note_moved(bytes);
    }

    /// Whether the peer has moved a body too slowly, so that its socket was shut.
    #[must_use]
    pub fn was_too_slow(&self) -> bool {
        self.entry.pace.is_too_slow()
    }

    /// As [`DeadlineSlot::arm`] with [`Cut::Read`], for a connection between two requests: [`DeadlineTable::cut_idle`]
    /// ends it early. A request that had arrived by then is still received and can be answered.
    pub fn arm_idle(&self, ms: u64) {
        self.arm(ms, Cut::Read);
        self.entry.waits.set(Waits::NextRequest);
    }

    /// As [`DeadlineSlot::arm`] with [`Cut::Read`], for a connection that has had no request yet: a drain leaves it
    /// [`FIRST_REQUEST_MS_MAX`] at most.
    pub fn arm_first(&self, ms: u64) {
        self.arm(ms, Cut::Read);
        self.entry.waits.set(Waits::FirstRequest);
    }

    /// Takes the deadline back. What has fired stays fired.
    pub fn disarm(&self) {
        self.entry.waits.set(Waits::Otherwise);
        self.entry.due_ms.set(DISARMED);
    }

    /// Shuts the socket now, as if its deadline had passed.
    pub fn cut(&self, cut: Cut) {
        self.entry.fire(cut);
    }

    /// Watches whether the peer gives the connection up while nothing is armed, which is while neither side of it is used:
    /// until the watch is dropped.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.entry.abandonment.begin();
        Watch::new(Rc::clone(&self.entry))
    }

    /// Ends a watch early: what is done for the peer now must not be left half done.
    pub fn unwatch(&self) {
        self.entry.abandonment.end();
    }

    /// What ends a receive that begins now with `ECANCELED` if nothing comes for [`SILENCE_MS`] to twice that. Awaited to its
    /// end, as it must be, it has lost nothing.
    pub(in crate::net) fn silence(&self) -> CancelHandle {
        self.table.sockets.silences.join()
    }

    /// Takes back that receiving was ended while bytes lay in the queue, which can still be received.
    pub fn forgive_cut(&self) {
        if self.entry.fired.get() == Some(Cut::Read) {
            self.entry.fired.set(None);
        }
    }

    /// What a deadline of this socket has shut, if one has passed.
    #[must_use]
    pub fn fired(&self) -> Option<Cut> {
        self.entry.fired.get()
    }
}

impl Drop for DeadlineSlot {
    fn drop(&mut self) {
        let position = self.entry.position.get();
        let mut entries = self.table.sockets.entries.borrow_mut();
        if position < entries.len() {
            entries.swap_remove(position);
        }
        if let Some(moved) = entries.get(position) {
            moved.position.set(position);
        }
    }
}

impl Entry {
    fn look_at_pace(&self, due_ms: u64, now_ms: u64, tick_ms: u64) {
        match self.pace.look(tick_ms) {
            Look::TooSlow => self.fire(self.cut.get()),
            Look::Moved { idle_ms } => {
                let anew_ms = now_ms.saturating_add(idle_ms);
                self.due_ms.set(due_ms.max(anew_ms));
            }
            Look::Still if due_ms <= now_ms => self.fire(self.cut.get()),
            Look::Still => {}
        }
    }

    fn fire(&self, cut: Cut) {
        self.due_ms.set(DISARMED);
        self.waits.set(Waits::Otherwise);
        if self.fired.get() != Some(Cut::Both) {
            self.fired.set(Some(cut));
        }
        let how = match cut {
            Cut::Read => Shutdown::Read,
            Cut::Both => Shutdown::Both,
        };
        // The one error here is ENOTCONN: the peer was quicker, and nothing waits on the socket any more.
        nix::sys::socket::shutdown(self.fd, how).ok();
    }
}
