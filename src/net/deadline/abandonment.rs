//! Notices peers that went away while nobody reads from them or writes to them.
//!
//! Nothing is asked of the kernel for a request that is answered within a second: the sweep that looks for due sockets anyway
//! looks at those that are watched, once a second each. A reset is certain. An end of sending (FIN) may come from a peer that
//! still waits for its answer, so it counts only after it was seen twice, with nothing sent or received in between.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::net::deadline::Entry;

/// Between two looks at a peer.
pub const LOOK_MS: u64 = 1_000;
/// Looks that must find the end of sending, in a row.
const ENDS_SEEN: u8 = 2;
const NOT_YET: u64 = 0;

/// What is known of one socket's peer.
#[derive(Debug, Default)]
pub(super) struct Abandonment {
    watched: Cell<bool>,
    /// A look found bytes: whoever can read them shall say whether they are an end.
    asked: Cell<bool>,
    /// When to look; [`NOT_YET`] until a sweep has seen that nothing is armed.
    look_ms: Cell<u64>,
    ends_seen: Cell<u8>,
    abandoned: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// A watch over the peer of one connection.
#[derive(Debug)]
pub struct Watch {
    entry: Rc<Entry>,
}

/// What one look finds.
enum Found {
    Present,
    /// It has sent something.
    Bytes,
    /// It sends nothing more.
    Ended,
    Gone,
}

impl Abandonment {
    pub(super) fn begin(&self) {
        self.watched.set(true);
        self.begin_anew();
    }

    pub(super) fn end(&self) {
        self.watched.set(false);
    }

    /// The connection is used: what was seen does not count any more.
    pub(super) fn begin_anew(&self) {
        self.look_ms.set(NOT_YET);
        self.ends_seen.set(0);
    }

    /// Looks at the peer if it is watched and time for it.
    pub(super) fn look(&self, fd: RawFd, now_ms: u64) {
        if !self.watched.get() || self.abandoned.get() {
            return;
        }
        match self.look_ms.get() {
            NOT_YET => return self.look_ms.set(now_ms.saturating_add(LOOK_MS)),
            look_ms if look_ms > now_ms => return,
            _ => self.look_ms.set(now_ms.saturating_add(LOOK_MS)),
        }
        let is_over = match self.find(fd) {
            Found::Present => {
                self.ends_seen.set(0);
                false
            }
            Found::Bytes => {
                self.asked.set(true);
                self.wake();
                false
            }
            Found::Ended => self.note_end(),
            Found::Gone => true,
        };
        if is_over {
            self.abandoned.set(true);
            self.wake();
        }
    }

    fn find(&self, fd: RawFd) -> Found {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match nix::sys::socket::recv(fd, &mut [0], flags) {
            Ok(0) => Found::Ended,
            Err(Errno::EAGAIN | Errno::EINTR) => Found::Present,
            // Bytes that are to be read yet: a body, a request behind this one, or TLS saying that nothing follows.
            Ok(_) => Found::Bytes,
            Err(_) => Found::Gone,
        }
    }

    fn note_end(&self) -> bool {
        self.ends_seen.set(self.ends_seen.get().saturating_add(1));
        self.ends_seen.get() >= ENDS_SEEN
    }

    fn wake(&self) {
        if let Some(waiting) = self.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }
}

impl Watch {
    pub(super) const fn new(entry: Rc<Entry>) -> Self {
        Self { entry }
    }

    /// Ends when the peer has given the connection up. `is_end` tells, seldom and only while nobody receives, whether bytes
    /// that wait say that nothing follows.
    pub async fn abandoned(&self, is_end: impl Fn() -> bool) {
        let abandonment = &self.entry.abandonment;
        poll_fn(|context| {
            if abandonment.asked.replace(false) {
                if is_end() {
                    let is_over = abandonment.note_end();
                    abandonment.abandoned.set(is_over);
                } else {
                    abandonment.ends_seen.set(0);
                }
            }
            if abandonment.abandoned.get() {
                return Poll::Ready(());
            }
            let mut waiting = abandonment.waiting.borrow_mut();
            let is_known = waiting
                .as_ref()
                .is_some_and(|known| known.will_wake(context.waker()));
            if !is_known {
                *waiting = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.entry.abandonment.end();
    }
}
