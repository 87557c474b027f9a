//! How a client comes in, and its connection by each way.

use std::io::Error;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use socket2::SockRef;

/// Every request ends well within this time; without it a fault would hang the run.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(120);
/// The name that the server's certificate is for.
pub(crate) const NAME: &str = "gate.example";

/// By what a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Tls,
    Http2,
    Unix,
}

impl Way {
    const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Http2, Self::Unix];

    /// The way of a seed; the lanes of [`crate::plan::Lane`] have each of them.
    pub(crate) fn of(seed: u64) -> Self {
        let way = Self::ALL[usize::try_from(seed / 3 % 4).unwrap()];
        if way == Self::Http2 && !cfg!(feature = "http2") {
            return Self::Tls;
        }
        way
    }

    /// One that is named, as in `SLUICEGATE_FAULT_WAY`.
    pub(crate) fn named(name: &str) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|way| format!("{way:?}").eq_ignore_ascii_case(name));
        found.expect("tcp, tls, http2 or unix")
    }
}

/// Where a way leads in.
pub(crate) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Tls(SocketAddr, Arc<ClientConfig>),
    #[cfg(feature = "http2")]
    Http2(SocketAddr, Arc<ClientConfig>),
}

/// A connection for HTTP/1.1, which one thread writes and another reads.
pub(crate) struct Line {
    socket: TcpStream,
    session: Option<Mutex<Session>>,
}

/// A TLS session, and bytes off the wire that it has not taken yet: it takes no more than it has room for.
struct Session {
    tls: ClientConnection,
    wire: Vec<u8>,
}

impl Line {
    /// `None` if the server closed before anything could be sent.
    pub(crate) fn open(door: &Door) -> Option<Self> {
        let socket: TcpStream = match door {
            // The standard library's TCP type reads and writes any stream socket.
            Door::Unix(path) => OwnedFd::from(UnixStream::connect(path).unwrap()).into(),
            Door::Tcp(address) | Door::Tls(address, _) => connected(*address),
            #[cfg(feature = "http2")]
            Door::Http2(address, _) => connected(*address),
        };
        socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
        socket.set_write_timeout(Some(WAIT_MAX)).unwrap();
        let Door::Tls(_, config) = door else {
            return Some(Self {
                socket,
                session: None,
            });
        };
        let name = ServerName::try_from(NAME).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        tls.set_buffer_limit(None);
        while tls.is_handshaking() {
            tls.complete_io(&mut &socket).ok()?;
        }
        let wire = Vec::new();
        Some(Self {
            socket,
            session: Some(Mutex::new(Session { tls, wire })),
        })
    }

    /// Hands bytes to the kernel; `false` if nobody takes them any more.
    pub(crate) fn send(&self, bytes: &[u8]) -> bool {
        let mut socket = &self.socket;
        let Some(session) = &self.session else {
            return socket.write_all(bytes).is_ok();
        };
        // Written after the lock is given back: the reader goes on while nobody reads what is sent.
        let mut records = Vec::new();
        {
            let mut session = session.lock().unwrap();
            session.tls.writer().write_all(bytes).unwrap();
            while session.tls.wants_write() {
                session.tls.write_tls(&mut records).unwrap();
            }
        }
        socket.write_all(&records).is_ok()
    }

    /// Receives at most as many bytes as there is room for; 0 at the end, however it came.
    pub(crate) fn receive(&self, room: &mut [u8]) -> std::io::Result<usize> {
        let mut socket = &self.socket;
        let Some(session) = &self.session else {
            return socket.read(room);
        };
        let mut piece = [0; 16 * 1024];
        loop {
            let needs_more = {
                let mut session = session.lock().unwrap();
                match session.tls.reader().read(room) {
                    Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
                    // Without `close_notify` it is an end as well: no answer ends by it.
                    Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                    read => return read,
                }
                session.wire.is_empty()
            };
            let count = if needs_more {
                socket.read(&mut piece)?
            } else {
                0
            };
            session.lock().unwrap().take(&piece[..count])?;
        }
    }

    /// Nothing more is sent.
    pub(crate) fn finish(&self) {
        if let Some(session) = &self.session {
            let mut records = Vec::new();
            let mut session = session.lock().unwrap();
            session.tls.send_close_notify();
            session.tls.write_tls(&mut records).unwrap();
            drop(session);
            (&self.socket).write_all(&records).ok();
        }
        self.socket.shutdown(Shutdown::Write).ok();
    }

    /// The next close is a reset (a Unix socket has none: it closes); whoever reads meanwhile reads the end.
    pub(crate) fn reset(&self) {
        SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        self.socket.shutdown(Shutdown::Read).ok();
    }

    /// Wakes a writer whose server does not read; the peer gets nothing of it before the socket closes.
    pub(crate) fn give_up(&self) {
        self.socket.shutdown(Shutdown::Both).ok();
    }
}

impl Session {
    /// Takes bytes off the wire behind those that are there; none are the end.
    fn take(&mut self, more: &[u8]) -> std::io::Result<()> {
        self.wire.extend_from_slice(more);
        let mut rest = self.wire.as_slice();
        self.tls.read_tls(&mut rest)?;
        let taken = self.wire.len() - rest.len();
        self.wire.drain(..taken);
        self.tls
            .process_new_packets()
            .map(drop)
            .map_err(|fault| Error::new(ErrorKind::ConnectionAborted, fault))
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}
