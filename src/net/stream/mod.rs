//! A TCP or Unix connection with its deadline, and TLS over it where it was asked for.
//!
//! There is no call that races a receive against something else: on io_uring a receive that is dropped may already have
//! eaten bytes, so the only end of a wait is data, the peer, or the deadline, and a connection whose deadline passed is
//! finished. [`Stream::recv_unless_silent`] is cancelled and awaited, which loses nothing. Dropping the future of [`Stream::recv`] or [`Stream::send_all`] means giving up the connection;
//! [`Stream::readable`] and [`Stream::writable`] move no bytes and may be dropped.
//! Every socket is non-blocking, which the ring ignores and `splice(2)` needs; TCP has `TCP_NODELAY`.
//! The runtime's TCP type is a descriptor and the calls that every stream socket knows, so that it carries both kinds.

mod halves;
mod prompt;
mod session;
mod transfer;

pub use halves::ReadHalf;
pub use halves::WriteHalf;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use monoio::io::OwnedReadHalf;
use monoio::io::OwnedWriteHalf;
use monoio::io::Splitable;
use monoio::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::Shutdown;
use nix::sys::socket::sockopt;

use crate::net::address::PeerAddress;
use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineSlot;
use crate::net::deadline::DeadlineTable;
use crate::net::deadline::LeastRate;
use crate::net::deadline::Watch;
use crate::net::stream::session::Session;
use crate::net::stream::transfer::Patience;

/// A connection of this core.
#[derive(Debug)]
pub struct Stream {
    /// First, so that the table forgets the descriptor before it is closed.
    deadline: DeadlineSlot,
    socket: Socket,
    /// `None`: bytes go as they are.
    session: Option<Rc<Session>>,
    fd: RawFd,
    peer: PeerAddress,
}

/// What lies in the socket's receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing, and the peer has not closed.
    Nothing,
    /// At least one byte.
    Bytes,
    /// The peer closed, or the connection failed.
    Closed,
}

#[derive(Debug)]
enum Socket {
    Whole(TcpStream),
    Halves(OwnedReadHalf<TcpStream>, OwnedWriteHalf<TcpStream>),
    Gone,
}

impl Stream {
    /// Connects within `connect_ms_max`.
    ///
    /// Nothing is in flight that could end late: the connect call returns at once, only readiness is waited for, and at
    /// the deadline the half-open socket is shut, which makes it ready. Dropping the future closes the socket.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, else what the system says.
    pub async fn connect(
        address: SocketAddr,
        deadlines: &DeadlineTable,
        connect_ms_max: u64,
    ) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM.nonblocking(),
            Some(socket2::Protocol::TCP),
        )?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => {
                return Err(error);
            }
            _ => {}
        }
        let mut stream = Self::adopt(socket.into(), address, deadlines)?;
        stream.arm(connect_ms_max, Cut::Both);
        let ready = stream.writable().await;
        stream.disarm();
        ready?;
        match nix::sys::socket::getsockopt(stream.fd, sockopt::SocketError)? {
            0 => Ok(stream),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    /// The peer has gone, or the driver has no room for the socket.
    pub fn from_std(tcp: std::net::TcpStream, deadlines: &DeadlineTable) -> io::Result<Self> {
        let peer = tcp.peer_addr()?;
        Self::adopt(tcp, peer, deadlines)
    }

    /// As [`Stream::from_std`], with the peer's address known.
    ///
    /// # Errors
    /// The driver has no room for the socket.
    pub fn adopt(
        tcp: std::net::TcpStream,
        peer: SocketAddr,
        deadlines: &DeadlineTable,
    ) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        Self::register(tcp, PeerAddress::Inet(peer), deadlines)
    }

    /// Takes over a connected Unix socket.
    ///
    /// # Errors
    /// The driver has no room for the socket.
    pub fn adopt_unix(unix: UnixStream, deadlines: &DeadlineTable) -> io::Result<Self> {
        unix.set_nonblocking(true)?;
        let descriptor = OwnedFd::from(unix);
        Self::register(descriptor.into(), PeerAddress::Unix, deadlines)
    }

    /// Two ends of one connection within this core.
    ///
    /// # Errors
    /// No descriptor is left, or the driver has no room.
    pub fn pair(deadlines: &DeadlineTable) -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((
            Self::adopt_unix(one, deadlines)?,
            Self::adopt_unix(other, deadlines)?,
        ))
    }

    fn register(
        socket: std::net::TcpStream,
        peer: PeerAddress,
        deadlines: &DeadlineTable,
    ) -> io::Result<Self> {
        let tcp = TcpStream::from_std(socket)?;
        let fd = tcp.as_raw_fd();
        Ok(Self {
            deadline: deadlines.register(fd),
            socket: Socket::Whole(tcp),
            session: None,
            fd,
            peer,
        })
    }

    /// Speaks TLS from now on, as whichever side `tls` is, and brings the handshake to its end under the deadline that is
    /// armed. Nothing may have been received that was not read.
    ///
    /// # Errors
    /// `InvalidData` with rustls's own error if the peer is not trusted or does not speak TLS, `UnexpectedEof` if it
    /// closed, else as [`Stream::recv`]. The connection is finished then.
    pub async fn start_tls(&mut self, tls: rustls::Connection) -> io::Result<()> {
        let session = Rc::new(Session::new(tls));
        let socket = self.socket.whole()?;
        session::handshake(&session, (socket, self.fd), &self.deadline).await?;
        self.session = Some(session);
        Ok(())
    }

    /// Whether this protocol was agreed on in the TLS handshake (RFC 7301).
    #[must_use]
    pub fn speaks(&self, protocol: &[u8]) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.speaks(protocol))
    }

    /// Whether the bytes of the socket are the bytes of the connection, so that the kernel can move them.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.session.is_none()
    }

    /// Receives into `buffer[at..]`, at most `bytes_max` bytes and never beyond its capacity; the buffer's length becomes
    /// `at` plus the count. What was behind `at` is lost; if the buffer was shorter, zeroes lie before `at`. 0 is the end.
    ///
    /// # Errors
    /// `TimedOut` if a deadline has passed and nothing had come before it, `InvalidInput` if there is no room,
    /// `UnexpectedEof` if the socket ended and TLS did not, `InvalidData` for what is no TLS, else what the system says.
    pub async fn recv(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        self.recv_with(buffer, at, bytes_max, Patience::Endless)
            .await
    }

    /// As [`Stream::recv`]; a wait that lasts gives its buffer back with an error that [`is_silence`] knows. The connection is
    /// as good as before, and [`Stream::readable`] waits on without a buffer.
    ///
    /// # Errors
    /// As [`Stream::recv`].
    pub async fn recv_unless_silent(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let patience = Patience::UntilSilent(self.deadline.silence());
        self.recv_with(buffer, at, bytes_max, patience).await
    }

    async fn recv_with(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
        patience: Patience,
    ) -> (io::Result<usize>, Vec<u8>) {
        match self.socket.whole() {
            Ok(tcp) => {
                let session = self.session.as_deref();
                let deadline = &self.deadline;
                session::recv(session, tcp, deadline, buffer, at, bytes_max, patience).await
            }
            Err(error) => (Err(error), buffer),
        }
    }

    /// Receives behind what `buffer` holds, up to its capacity. 0 is the end.
    ///
    /// # Errors
    /// As [`Stream::recv`].
    pub async fn recv_append(&mut self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let at = buffer.len();
        self.recv(buffer, at, usize::MAX).await
    }

    /// Sends all of `buffer[range]`, cut to what the buffer holds.
    ///
    /// # Errors
    /// `TimedOut` if a deadline has shut both directions, else what the system says; some bytes may have been sent.
    pub async fn send_all(
        &mut self,
        buffer: Vec<u8>,
        range: Range<usize>,
    ) -> (io::Result<()>, Vec<u8>) {
        match self.socket.whole() {
            Ok(tcp) => {
                let session = self.session.as_deref();
                session::send(session, (tcp, self.fd), &self.deadline, buffer, range).await
            }
            Err(error) => (Err(error), buffer),
        }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// As [`Stream::send_all`].
    pub async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let range = 0..bytes.len();
        let tcp = self.socket.whole()?;
        let session = self.session.as_deref();
        session::send(session, (tcp, self.fd), &self.deadline, bytes, range)
            .await
            .0
    }

    /// Waits for something to receive: bytes, the end, or a failure. Holds no buffer; may be dropped.
    ///
    /// # Errors
    /// `TimedOut` if a deadline has passed.
    pub async fn readable(&mut self) -> io::Result<()> {
        let session = self.session.as_deref();
        if let Some(session) = session {
            if session.holds_plaintext() {
                return Ok(());
            }
            session.release_buffers();
        }
        let ready = self.socket.whole()?.readable(false).await;
        if self.timed_out() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            ready
        }
    }

    /// Waits for room to send, or a failure. May be dropped.
    ///
    /// # Errors
    /// `TimedOut` if a deadline has shut both directions.
    pub async fn writable(&mut self) -> io::Result<()> {
        let ready = self.socket.whole()?.writable(false).await;
        if self.deadline.fired() == Some(Cut::Both) {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            ready
        }
    }

    /// Waits for room to send, or for something to receive. May be dropped.
    ///
    /// # Errors
    /// `TimedOut` if a deadline has passed.
    pub async fn writable_or_readable(&mut self) -> io::Result<()> {
        let ready = {
            let tcp = self.socket.whole()?;
            let mut writable = pin!(tcp.writable(false));
            let mut readable = pin!(tcp.readable(false));
            poll_fn(|context| match writable.as_mut().poll(context) {
                Poll::Pending => readable.as_mut().poll(context),
                ready => ready,
            })
            .await
        };
        if self.timed_out() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            ready
        }
    }

    /// Both directions, to be used at the same time.
    ///
    /// # Errors
    /// None in practice: only a stream that has lost its socket has no halves.
    pub fn halves(&mut self) -> io::Result<(ReadHalf<'_>, WriteHalf<'_>)> {
        let (read, write) = self.socket.halves()?;
        let read = ReadHalf {
            deadline: &self.deadline,
            session: self.session.as_deref(),
            socket: read,
        };
        Ok((
            read,
            WriteHalf {
                deadline: &self.deadline,
                session: self.session.as_deref(),
                socket: write,
                fd: self.fd,
            },
        ))
    }

    /// See [`DeadlineSlot::arm`].
    pub fn arm(&self, ms: u64, cut: Cut) {
        self.deadline.arm(ms, cut);
    }

    /// See [`DeadlineSlot::begin_body`].
    pub fn begin_body(&self, rate: LeastRate) {
        self.deadline.begin_body(rate);
    }

    /// See [`DeadlineSlot::arm_body`].
    pub fn arm_body(&self, idle_ms: u64, cut: Cut) {
        self.deadline.arm_body(idle_ms, cut);
    }

    /// Bytes were moved by other means (splice).
    pub(super) fn note_moved(&self, bytes: usize) {
        self.deadline.note_moved(bytes);
    }

    /// See [`DeadlineSlot::was_too_slow`].
    #[must_use]
    pub fn was_too_slow(&self) -> bool {
        self.deadline.was_too_slow()
    }

    /// See [`DeadlineSlot::arm_idle`].
    pub fn arm_idle(&self, ms: u64) {
        self.deadline.arm_idle(ms);
    }

    /// See [`DeadlineSlot::arm_first`].
    pub fn arm_first(&self, ms: u64) {
        self.deadline.arm_first(ms);
    }

    /// See [`DeadlineSlot::disarm`].
    pub fn disarm(&self) {
        self.deadline.disarm();
    }

    /// See [`DeadlineSlot::watch`].
    #[must_use]
    pub fn watch(&self) -> PeerWatch {
        PeerWatch {
            watch: self.deadline.watch(),
            session: self.session.clone(),
            fd: self.fd,
        }
    }

    /// See [`DeadlineSlot::unwatch`].
    pub fn unwatch(&self) {
        self.deadline.unwatch();
    }

    /// See [`DeadlineSlot::forgive_cut`].
    pub fn forgive_cut(&self) {
        self.deadline.forgive_cut();
    }

    /// True if a deadline has passed: nothing can be received any more, and the connection must not be reused.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.deadline.fired().is_some()
    }

    /// Sends FIN, over TLS behind its `close_notify`; receiving goes on.
    ///
    /// # Errors
    /// The peer has gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.say_end();
        Ok(nix::sys::socket::shutdown(self.fd, Shutdown::Write)?)
    }

    /// Makes the close a reset (RST), so that the peer does not take it for the end of what was sent.
    ///
    /// # Errors
    /// None in practice: the descriptor is a socket.
    pub fn reset_on_close(&self) -> io::Result<()> {
        let at_once = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        Ok(nix::sys::socket::setsockopt(
            self.fd,
            sockopt::Linger,
            &at_once,
        )?)
    }

    /// Looks into the receive queue, taking nothing from it that the user would receive.
    #[must_use]
    pub fn unread(&self) -> Unread {
        if let Some(session) = &self.session {
            return session.unread(self.fd);
        }
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match nix::sys::socket::recv(self.fd, &mut [0], flags) {
            Ok(0) => Unread::Closed,
            Ok(_) => Unread::Bytes,
            Err(Errno::EAGAIN) => Unread::Nothing,
            Err(_) => Unread::Closed,
        }
    }

    /// Copies the first bytes of the socket's receive queue, which stay there; tells how many. Before TLS is spoken.
    #[must_use]
    pub fn peek(&self, into: &mut [u8]) -> usize {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        nix::sys::socket::recv(self.fd, into, flags).unwrap_or(0)
    }

    /// Over TLS, tells the peer that nothing follows, if the socket takes it at once: an end without it may be a cut.
    pub fn say_end(&self) {
        if let Some(session) = &self.session {
            session.send_close_notify(self.fd);
        }
    }

    /// The other end.
    #[must_use]
    pub const fn peer(&self) -> PeerAddress {
        self.peer
    }

    /// The descriptor, open as long as the stream.
    #[must_use]
    pub const fn raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// Whether [`Stream::recv_unless_silent`] gave up waiting.
#[must_use]
pub fn is_silence(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ECANCELED as i32)
}

/// A watch over the other end of a stream that is used meanwhile.
#[derive(Debug)]
pub struct PeerWatch {
    watch: Watch,
    session: Option<Rc<Session>>,
    fd: RawFd,
}

impl PeerWatch {
    /// Ends when the peer has given the connection up.
    pub async fn abandoned(&self) {
        let is_end = || {
            let session = self.session.as_ref();
            session.is_some_and(|session| session.unread(self.fd) == Unread::Closed)
        };
        self.watch.abandoned(is_end).await;
    }
}

impl Socket {
    fn whole(&mut self) -> io::Result<&mut TcpStream> {
        if matches!(self, Self::Halves(..))
            && let Self::Halves(read, write) = mem::replace(self, Self::Gone)
            && let Ok(tcp) = read.reunite(write)
        {
            *self = Self::Whole(tcp);
        }
        match self {
            Self::Whole(tcp) => Ok(tcp),
            Self::Halves(..) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn halves(
        &mut self,
    ) -> io::Result<(
        &mut OwnedReadHalf<TcpStream>,
        &mut OwnedWriteHalf<TcpStream>,
    )> {
        if matches!(self, Self::Whole(_))
            && let Self::Whole(tcp) = mem::replace(self, Self::Gone)
        {
            let (read, write) = tcp.into_split();
            *self = Self::Halves(read, write);
        }
        match self {
            Self::Halves(read, write) => Ok((read, write)),
            Self::Whole(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
