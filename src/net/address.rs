//! Where connections come in and who is at their other end.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The bytes that a Unix socket's path may have (unix(7): `sun_path` has 108 with its closing zero).
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// The permissions of a Unix socket's file if nothing is said: its owner alone.
pub const UNIX_MODE_DEFAULT: u32 = 0o600;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// An address and a port; port 0 takes a free one.
    Inet(SocketAddr),
    /// A Unix socket.
    Unix(UnixSocket),
}

/// A Unix socket's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// At most [`UNIX_PATH_BYTES_MAX`] bytes.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// An address and a port.
    Inet(SocketAddr),
    /// A process on this machine that could open the socket's file.
    Unix,
}

impl ListenAt {
    /// The address, if it is no Unix socket.
    #[must_use]
    pub const fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Inet(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl PeerAddress {
    /// The IP address as text; `unix:` for a Unix socket, which no condition on addresses matches.
    #[must_use]
    pub fn source_ip(&self) -> String {
        match self {
            Self::Inet(address) => address.ip().to_string(),
            Self::Unix => "unix:".to_owned(),
        }
    }
}

impl From<SocketAddr> for ListenAt {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        let inet = |text: &str| ListenAt::Inet(text.parse().unwrap());
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(inet(local).is_local(), "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:127.0.0.1]:1"] {
            assert!(!inet(open).is_local(), "{open}");
        }
        let unix = ListenAt::Unix(UnixSocket {
            path: "/run/s".into(),
            mode: UNIX_MODE_DEFAULT,
        });
        assert!(unix.is_local());
        assert_eq!(unix.to_string(), "unix:/run/s");
    }

    #[test]
    fn the_source_ip_has_no_port() {
        let peer = PeerAddress::Inet("[::1]:80".parse().unwrap());
        assert_eq!(peer.source_ip(), "::1");
        assert_eq!(PeerAddress::Unix.source_ip(), "unix:");
    }
}
