//! Sends without the ring, for a core that has time.
//!
//! A core under load hands the sends of many connections to the kernel in one call, which is worth a sixth of a small request.
//! With few of them there is nothing to gather: an answer is on its way sooner if it is sent at once, instead of behind
//! whatever else is ready ([0022](../../../docs/decisions/0022-sends-at-once.md)).

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::resource::UsageWho;
use nix::sys::resource::getrusage;
use nix::sys::socket::MsgFlags;

/// A longer message goes through the ring in any case: other tasks get their turn before the next piece, among them the one that
/// waits for an early answer.
const BYTES_MAX: usize = 16 * 1024;
/// A core that sends this many messages without a sleep has some to gather: sixteen requests at once, or more than it can serve.
const WINDOW: u32 = 32;

/// Whether a core finds time to sleep between its sends.
#[derive(Clone, Copy, Debug)]
struct Rest {
    sends: u32,
    /// Of the thread, at the last look.
    sleeps: u64,
    is_enough: bool,
}

impl Rest {
    /// A core that has sent nothing.
    const FULL: Self = Self {
        sends: 0,
        sleeps: 0,
        is_enough: true,
    };

    /// With one send more; `sleeps` tells how often the thread has slept since it began.
    fn with(self, sleeps: impl FnOnce() -> u64) -> Self {
        let sends = self.sends + 1;
        if sends < WINDOW {
            return Self { sends, ..self };
        }
        let now = sleeps();
        Self {
            sends: 0,
            sleeps: now,
            is_enough: now != self.sleeps,
        }
    }
}

/// How often this thread has waited for something: its voluntary context switches. Where a sandbox forbids the question, never,
/// so that the ring is used.
fn sleeps_of_this_thread() -> u64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| {
        u64::try_from(usage.voluntary_context_switches()).unwrap_or(0)
    })
}

/// Sends what the socket takes at once. `None`: the ring should do it, as the message is long, the core busy or the socket full.
pub(super) fn send(fd: RawFd, bytes: &[u8]) -> Option<io::Result<usize>> {
    thread_local! {
        static REST: Cell<Rest> = const { Cell::new(Rest::FULL) };
    }
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let rest = REST.get().with(sleeps_of_this_thread);
    REST.set(rest);
    if !rest.is_enough {
        return None;
    }
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match nix::sys::socket::send(fd, bytes, flags) {
        Ok(count) => Some(Ok(count)),
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        Err(error) => Some(Err(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_not_too_long_is_sent() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let sent = send(near.as_raw_fd(), &[7; BYTES_MAX]).unwrap();
        assert_eq!(sent.unwrap(), BYTES_MAX);
        let mut seen = [0; BYTES_MAX];
        far.read_exact(&mut seen).unwrap();
        assert_eq!(seen, [7; BYTES_MAX]);
        assert!(send(near.as_raw_fd(), &[7; BYTES_MAX + 1]).is_none());
    }

    #[test]
    fn a_full_socket_is_for_the_ring_and_a_broken_one_fails() {
        let (near, far) = UnixStream::pair().unwrap();
        let flags = MsgFlags::MSG_DONTWAIT;
        while nix::sys::socket::send(near.as_raw_fd(), &[0; BYTES_MAX], flags).is_ok() {}
        assert!(send(near.as_raw_fd(), &[0; BYTES_MAX]).is_none());
        drop(far);
        let failed = send(near.as_raw_fd(), b"x").unwrap();
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    /// After windows with these numbers of sleeps.
    fn after(windows: &[u64]) -> Rest {
        let mut slept = 0;
        windows.iter().fold(Rest::FULL, |rest, sleeps| {
            slept += sleeps;
            (0..WINDOW).fold(rest, |rest, _| rest.with(|| slept))
        })
    }

    #[test]
    fn a_core_has_time_until_it_sends_a_window_without_a_sleep() {
        let almost = (1..WINDOW).fold(Rest::FULL, |rest, _| rest.with(|| 0));
        assert!(almost.is_enough);
        assert!(!almost.with(|| 0).is_enough);
        assert!(almost.with(|| 1).is_enough);
    }

    #[test]
    fn the_last_window_counts() {
        assert!(!after(&[u64::from(WINDOW), 0]).is_enough);
        assert!(after(&[0, 0, 1]).is_enough);
        assert!(after(&[1, 1, 1]).is_enough);
    }

    #[test]
    fn the_thread_counts_its_own_sleeps() {
        let before = sleeps_of_this_thread();
        let (mut near, _far) = UnixStream::pair().unwrap();
        // The kernel counts from when it waits: a thread that gets no CPU before still sleeps.
        near.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        assert!(near.read(&mut [0]).is_err());
        assert!(sleeps_of_this_thread() > before);
    }
}
