//! Takes connections in.
//!
//! Only readiness is awaited and the connection is then taken by a plain `accept4(2)`: an accept that is dropped while it
//! is in the ring would leak the connection it gets.

pub mod inherited;
#[cfg(test)]
mod tests;
pub mod unix;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::task::Waker;

use nix::errno::Errno;
use nix::sys::socket::Shutdown;

use crate::net::address::PeerAddress;
use crate::net::deadline::DeadlineTable;
use crate::net::driver::sleep_ms;
use crate::net::driver::yield_now;
use crate::net::listener::inherited::InheritedSocket;
use crate::net::stream::Stream;

/// Connections that the kernel keeps for us; `net.core.somaxconn` (4096) lowers it.
const BACKLOG_MAX: i32 = 4096;

/// Connections taken in one go before other tasks run.
const BURST_MAX: u32 = 64;

/// First and longest pause when descriptors or memory ran out.
const PAUSE_MS_MIN: u64 = 10;
const PAUSE_MS_MAX: u64 = 1_000;

/// Listens at one address with as many sockets as there are cores, between which the kernel spreads the connections. Port 0
/// takes a free port; the address comes back with it. An IPv6 address takes IPv6 only. With `share` another process of the
/// same user that says so too may listen beside this one.
///
/// # Errors
/// What the system says: the address is in use, not ours, or the port is privileged.
pub fn bind(
    address: SocketAddr,
    count: usize,
    share: bool,
) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    let first = unbound(address)?;
    first.set_reuse_port(share)?;
    first.bind(&address.into())?;
    let taken = first.local_addr()?.as_socket().unwrap_or(address);
    // Not before, unless it is asked for: with SO_REUSEPORT the system would have let us in beside a stranger of the same user.
    // And not by a socket that is closed again: the address would be anybody's for a moment.
    first.set_reuse_port(share || count > 1)?;
    first.listen(BACKLOG_MAX)?;
    let mut sockets = vec![first.into()];
    for _ in 1..count {
        let other = unbound(taken)?;
        other.set_reuse_port(true)?;
        other.bind(&taken.into())?;
        other.listen(BACKLOG_MAX)?;
        sockets.push(other.into());
    }
    Ok((taken, sockets))
}

fn unbound(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking(),
        Some(socket2::Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// A socket that listens.
#[derive(Debug)]
pub enum ListeningSocket {
    /// One of several that may share an address.
    Inet(std::net::TcpListener),
    /// As `Inet`; another process may listen beside it.
    Beside(std::net::TcpListener),
    /// A clone of the only one.
    Unix(SharedUnix),
    /// One that others have as well: closing it here leaves it open and its queue to them.
    Inherited(InheritedSocket),
}

/// A Unix socket whose queue the cores share, since Linux has no SO_REUSEPORT for it.
#[derive(Debug)]
pub struct SharedUnix {
    socket: UnixListener,
    /// A core has shut it: an accept says nothing of that, and who waits is woken again and again.
    shut: Arc<AtomicBool>,
}

impl SharedUnix {
    /// A socket from [`unix::bind`].
    #[must_use]
    pub fn new(socket: UnixListener) -> Self {
        Self {
            socket,
            shut: Arc::default(),
        }
    }

    /// The same socket for another core.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn share(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            shut: Arc::clone(&self.shut),
        })
    }
}

impl ListeningSocket {
    /// The same socket, to be watched by the driver, whose TCP type carries both kinds.
    fn readiness(&self) -> io::Result<monoio::net::TcpListener> {
        let descriptor: OwnedFd = match self {
            Self::Inet(socket)
            | Self::Beside(socket)
            | Self::Inherited(InheritedSocket::Inet(socket)) => {
                socket.set_nonblocking(true)?;
                socket.try_clone()?.into()
            }
            Self::Unix(SharedUnix { socket, .. })
            | Self::Inherited(InheritedSocket::Unix(socket)) => {
                socket.set_nonblocking(true)?;
                socket.try_clone()?.into()
            }
        };
        monoio::net::TcpListener::from_std(descriptor.into())
    }

    fn accept(&self, deadlines: &DeadlineTable) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Inet(socket)
            | Self::Beside(socket)
            | Self::Inherited(InheritedSocket::Inet(socket)) => {
                let (tcp, peer) = socket.accept()?;
                Ok((Stream::adopt(tcp, peer, deadlines)?, peer.into()))
            }
            Self::Unix(SharedUnix { socket, .. })
            | Self::Inherited(InheritedSocket::Unix(socket)) => {
                let (unix, _unnamed) = socket.accept()?;
                Ok((Stream::adopt_unix(unix, deadlines)?, PeerAddress::Unix))
            }
        }
    }
}

impl AsRawFd for ListeningSocket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Inet(socket)
            | Self::Beside(socket)
            | Self::Inherited(InheritedSocket::Inet(socket)) => socket.as_raw_fd(),
            Self::Unix(SharedUnix { socket, .. })
            | Self::Inherited(InheritedSocket::Unix(socket)) => socket.as_raw_fd(),
        }
    }
}

/// A listening socket on its core.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    /// The same socket under a second descriptor, known to the driver.
    readiness: monoio::net::TcpListener,
    deadlines: DeadlineTable,
    /// Connections that were complete when the listener closed.
    last: RefCell<VecDeque<(Stream, PeerAddress)>>,
    closed: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
    burst: Cell<u32>,
    pause: Cell<Pause>,
    pauses: Cell<u64>,
}

/// What [`Listener::accept`] gives.
#[derive(Debug)]
pub enum Accepted {
    /// A connection and the client's address.
    Connection(Stream, PeerAddress),
    /// [`Listener::close`] was called, here or by a core that shares a Unix socket, and every connection was handed out.
    Closed,
}

impl Listener {
    /// Puts a socket from [`bind`] or [`unix::bind`] on this core.
    ///
    /// # Errors
    /// No descriptor is left, or the driver has no room.
    pub fn new(socket: ListeningSocket, deadlines: &DeadlineTable) -> io::Result<Self> {
        Ok(Self {
            readiness: socket.readiness()?,
            socket,
            deadlines: deadlines.clone(),
            last: RefCell::default(),
            closed: Cell::new(false),
            waiting: RefCell::default(),
            burst: Cell::new(0),
            pause: Cell::default(),
            pauses: Cell::new(0),
        })
    }

    /// Waits for a connection. May be dropped. When descriptors or memory ran out it pauses and tries again, since accept
    /// fails at once then; connections that failed before they were taken are skipped.
    ///
    /// # Errors
    /// The listening socket itself is broken: do not call again.
    pub async fn accept(&self) -> io::Result<Accepted> {
        loop {
            if let Some((stream, peer)) = self.last.borrow_mut().pop_front() {
                return Ok(Accepted::Connection(stream, peer));
            }
            if self.closed.get() {
                return Ok(Accepted::Closed);
            }
            if self.burst.get() >= BURST_MAX {
                self.burst.set(0);
                yield_now().await;
            }
            match self.take() {
                Ok((stream, peer)) => {
                    self.pause.set(Pause::default());
                    return Ok(Accepted::Connection(stream, peer));
                }
                Err(_) if self.was_shut() => return Ok(Accepted::Closed),
                Err(error) => self.recover(error).await?,
            }
        }
    }

    /// Leaves new clients to another process at the same address and goes on with those that have begun; then it can be closed
    /// without a loss. `false`: nobody can listen beside this one.
    ///
    /// The kernel gives each socket of an address a queue of its own. What is in it, and a handshake that has begun, is reset
    /// with the socket (unless `net.ipv4.tcp_migrate_req` is set). So first no handshake begins here any more: its first segment is dropped, and
    /// the client's second one, a second later, finds the other process.
    pub fn leave(&self) -> bool {
        let ListeningSocket::Beside(socket) = &self.socket else {
            return false;
        };
        if let Err(error) = socket2::SockRef::from(socket).attach_filter(&without_new_clients()) {
            tracing::warn!(%error, "new clients cannot be left to another process; some may be reset");
        }
        true
    }

    /// Stops listening; a pending accept ends. Connections that are complete by now still come out of [`Listener::accept`],
    /// but for those at an inherited socket, which wait for whoever goes on with it.
    pub fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        if !matches!(self.socket, ListeningSocket::Inherited(_)) {
            self.shut();
        }
        if let Some(waiting) = self.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }

    fn shut(&self) {
        let mut last = self.last.borrow_mut();
        while let Ok(connection) = self.take() {
            last.push_back(connection);
        }
        if let ListeningSocket::Unix(shared) = &self.socket {
            shared.shut.store(true, Ordering::Relaxed);
        }
        // Wakes whoever waits; cannot fail on a listening socket.
        nix::sys::socket::shutdown(self.socket.as_raw_fd(), Shutdown::Both).ok();
    }

    /// How often it paused because descriptors or memory ran out.
    #[must_use]
    pub const fn pauses(&self) -> u64 {
        self.pauses.get()
    }

    fn take(&self) -> io::Result<(Stream, PeerAddress)> {
        self.burst.set(self.burst.get().saturating_add(1));
        self.socket.accept(&self.deadlines)
    }

    /// Whether a core has shut the socket that all share.
    fn was_shut(&self) -> bool {
        match &self.socket {
            ListeningSocket::Inet(_)
            | ListeningSocket::Beside(_)
            | ListeningSocket::Inherited(_) => false,
            ListeningSocket::Unix(shared) => shared.shut.load(Ordering::Relaxed),
        }
    }

    /// A shut Unix socket wakes nobody who waits for it, and an inherited one is not shut: the close does.
    async fn readable_or_closed(&self) -> io::Result<()> {
        let mut readable = pin!(self.readiness.readable(false));
        poll_fn(|context| {
            if self.closed.get() {
                return Poll::Ready(Ok(()));
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            readable.as_mut().poll(context)
        })
        .await
    }

    async fn recover(&self, error: io::Error) -> io::Result<()> {
        match Remedy::of(&error) {
            Remedy::Wait => {
                self.burst.set(0);
                // Also ends when the socket is shut; the next turn of the loop sees why.
                self.readable_or_closed().await
            }
            Remedy::Skip => Ok(()),
            Remedy::Pause => {
                self.pauses.set(self.pauses.get().saturating_add(1));
                let (pause_ms, next) = self.pause.get().step();
                self.pause.set(next);
                let mut waited_ms = 0;
                while waited_ms < pause_ms && !self.closed.get() {
                    sleep_ms(PAUSE_MS_MIN).await;
                    waited_ms = waited_ms.saturating_add(PAUSE_MS_MIN);
                }
                Ok(())
            }
            Remedy::None => Err(error),
        }
    }
}

/// A filter in classic BPF, run on the TCP header of each segment for the socket: drops those that begin a handshake.
fn without_new_clients() -> [socket2::SockFilter; 5] {
    // linux/bpf_common.h: what an instruction does.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // RFC 9293 §3.1: where the flags are, SYN, and SYN with ACK.
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_ACK: u32 = 0x12;
    // Bytes of the segment that are kept.
    const NONE: u32 = 0;
    const ALL: u32 = u32::MAX;
    [
        socket2::SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        socket2::SockFilter::new(AND, 0, 0, SYN_ACK),
        socket2::SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        socket2::SockFilter::new(RETURN, 0, 0, NONE),
        socket2::SockFilter::new(RETURN, 0, 0, ALL),
    ]
}

/// The growing pause between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pause {
    ms: u64,
}

impl Default for Pause {
    fn default() -> Self {
        Self { ms: PAUSE_MS_MIN }
    }
}

impl Pause {
    const fn step(self) -> (u64, Self) {
        let doubled = self.ms.saturating_mul(2);
        let ms = if doubled > PAUSE_MS_MAX {
            PAUSE_MS_MAX
        } else {
            doubled
        };
        (self.ms, Self { ms })
    }
}

/// What helps against an error of accept, by accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Wait,
    Skip,
    Pause,
    None,
}

impl Remedy {
    fn of(error: &io::Error) -> Self {
        let Some(number) = error.raw_os_error() else {
            return Self::None;
        };
        match Errno::from_i32(number) {
            Errno::EAGAIN => Self::Wait,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::ENOSPC => {
                Self::Pause
            }
            Errno::ECONNABORTED
            | Errno::EINTR
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::ENOPROTOOPT
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENONET
            | Errno::EOPNOTSUPP
            | Errno::ECONNRESET => Self::Skip,
            _ => Self::None,
        }
    }
}
