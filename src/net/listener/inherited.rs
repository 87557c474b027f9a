//! Listening sockets that were open before the process: systemd's `LISTEN_FDS` (sd_listen_fds(3)).
//!
//! They belong to others as well, to systemd or to a process that drains: they are never shut, and what waits in their queues
//! is left to whoever goes on with them.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;

use crate::net::address::ListenAt;
use crate::net::address::UNIX_MODE_DEFAULT;
use crate::net::address::UnixSocket;

/// One of them.
#[derive(Debug)]
pub struct Inherited {
    /// Where it listens.
    pub at: ListenAt,
    /// The socket.
    pub socket: InheritedSocket,
}

/// Its descriptor.
#[derive(Debug)]
pub enum InheritedSocket {
    /// Of TCP.
    Inet(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A descriptor that was passed and is no listening stream socket.
#[derive(Debug)]
pub struct InheritedFault {
    /// Its place, from 0.
    pub number: usize,
    /// The system's words.
    pub cause: io::Error,
}

impl fmt::Display for InheritedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, cause } = self;
        write!(
            f,
            "descriptor {number} of LISTEN_FDS is no listening stream socket: {cause}"
        )
    }
}

impl std::error::Error for InheritedFault {}

/// All sockets that were passed to this process; none if `LISTEN_PID` names another. A second call gets none.
///
/// # Errors
/// One that cannot be listened on.
pub fn take() -> Result<Vec<Inherited>, InheritedFault> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(passed.len());
    for number in 0..passed.len() {
        let fault = |cause| InheritedFault { number, cause };
        let socket = match passed.take_tcp_listener(number) {
            Ok(Some(socket)) => inet(socket),
            Ok(None) => continue,
            Err(_no_tcp) => match passed.take_unix_listener(number) {
                Ok(Some(socket)) => unix(socket),
                Ok(None) => continue,
                Err(cause) => Err(cause),
            },
        };
        sockets.push(socket.map_err(fault)?);
    }
    Ok(sockets)
}

fn inet(socket: TcpListener) -> io::Result<Inherited> {
    socket.set_nonblocking(true)?;
    Ok(Inherited {
        at: socket.local_addr()?.into(),
        socket: InheritedSocket::Inet(socket),
    })
}

fn unix(socket: UnixListener) -> io::Result<Inherited> {
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let path = address.as_pathname().unwrap_or_else(|| Path::new(""));
    Ok(Inherited {
        at: ListenAt::Unix(UnixSocket {
            path: path.to_owned(),
            mode: UNIX_MODE_DEFAULT,
        }),
        socket: InheritedSocket::Unix(socket),
    })
}

impl Inherited {
    /// Whether it listens where `wanted` says. Port 0 is any port of the address; a file's permissions are not looked at.
    #[must_use]
    pub fn is_at(&self, wanted: &ListenAt) -> bool {
        match (&self.at, wanted) {
            (ListenAt::Inet(at), ListenAt::Inet(wanted)) => {
                at.ip() == wanted.ip() && (wanted.port() == 0 || at.port() == wanted.port())
            }
            (ListenAt::Unix(at), ListenAt::Unix(wanted)) => at.path == wanted.path,
            _ => false,
        }
    }
}

impl InheritedSocket {
    /// The same socket for another core.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn share(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Inet(socket) => Self::Inet(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_known_by_its_address_or_its_path() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let passed = inet(socket).unwrap();
        let wanted = |text: String| ListenAt::Inet(text.parse().unwrap());
        assert!(passed.is_at(&at.into()));
        assert!(passed.is_at(&wanted("127.0.0.1:0".to_owned())));
        assert!(!passed.is_at(&wanted(format!("0.0.0.0:{}", at.port()))));
        assert!(!passed.is_at(&wanted(format!("127.0.0.1:{}", at.port() ^ 1))));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let passed = unix(UnixListener::bind(&path).unwrap()).unwrap();
        let at = |path: &Path| {
            ListenAt::Unix(UnixSocket {
                path: path.to_owned(),
                mode: 0o660,
            })
        };
        assert!(passed.is_at(&at(&path)));
        assert!(!passed.is_at(&at(folder.path())));
        assert!(!passed.is_at(&wanted("127.0.0.1:0".to_owned())));
    }

    #[test]
    fn nothing_is_taken_that_was_not_passed() {
        assert!(take().unwrap().is_empty());
    }
}
