//! Sends without the ring, for a core that has time.
//!
//! A core under load hands the sends of many connections to the kernel in one call, which is worth a sixth of a small request.
//! With few of them there is nothing to gather: an answer is on its way sooner if it is sent at once, instead of behind
//! whatever else is ready ([0022](../../../docs/decisions/0022-sends-at-once.md)).

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

use crate::net::clock;

/// A longer message goes through the ring in any case: other tasks get their turn before the next piece, among them the one that
/// waits for an early answer.
const BYTES_MAX: usize = 16 * 1024;
/// From this average distance of two sends on the core has time: some 40,000 small requests a second, of two sends each.
const SPARE_US: u64 = 12;
/// A longer pause counts as this one, so that the average follows a burst within a dozen sends.
const PAUSE_US_MAX: u64 = 32;
/// Sends that the average remembers.
const REMEMBERED: u64 = 8;

/// How densely a core sends.
#[derive(Clone, Copy, Debug)]
struct Density {
    last_us: u64,
    /// Average distance, times [`REMEMBERED`].
    sum_us: u64,
}

impl Density {
    /// A core that has sent nothing.
    const NONE: Self = Self {
        last_us: 0,
        sum_us: PAUSE_US_MAX * REMEMBERED,
    };

    /// With one send more.
    fn with(self, now_us: u64) -> Self {
        let distance = now_us.saturating_sub(self.last_us).min(PAUSE_US_MAX);
        Self {
            last_us: now_us,
            sum_us: self.sum_us - self.sum_us / REMEMBERED + distance,
        }
    }

    const fn leaves_time(self) -> bool {
        self.sum_us >= SPARE_US * REMEMBERED
    }
}

/// Sends what the socket takes at once. `None`: the ring should do it, as the message is long, the core busy or the socket full.
pub(super) fn send(fd: RawFd, bytes: &[u8]) -> Option<io::Result<usize>> {
    thread_local! {
        static DENSITY: Cell<Density> = const { Cell::new(Density::NONE) };
    }
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let density = DENSITY.get().with(clock::monotonic_us());
    DENSITY.set(density);
    if !density.leaves_time() {
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

    fn after(gaps_us: &[u64]) -> Density {
        let mut now_us = 1_000_000;
        gaps_us
            .iter()
            .fold(Density::NONE.with(now_us), |density, gap_us| {
                now_us += gap_us;
                density.with(now_us)
            })
    }

    #[test]
    fn a_core_that_begins_or_sends_now_and_then_has_time() {
        assert!(after(&[]).leaves_time());
        assert!(after(&[SPARE_US; 1000]).leaves_time());
        assert!(after(&[0]).leaves_time());
    }

    #[test]
    fn a_burst_is_noticed_and_forgotten_within_two_dozen_sends() {
        let burst = [3; 24];
        assert!(!after(&burst).leaves_time());
        let calm = [burst, [PAUSE_US_MAX; 24]].concat();
        assert!(after(&calm).leaves_time());
        let pause = [&burst[..], &[60_000_000]].concat();
        assert!(!after(&pause).leaves_time(), "one pause is no calm");
    }
}
