//! Unix sockets: a file that appears with the listener and goes with it.

use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::address::UnixSocket;
use crate::net::listener::BACKLOG_MAX;

/// So long a server that lives keeps a connection that says nothing.
const KEPT_TIME: Duration = Duration::from_millis(500);
/// Connections that are closed at once before the socket counts as in use all the same, by a server that is at its limits.
const LOOKS_MAX: usize = 5;

/// The file of a listening socket; dropping this removes it, unless another process has put its own there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Held open, so that no later file gets its inode's number.
    file: fs::File,
}

/// Binds and listens. A socket file that nobody listens at, as a killed process leaves it, is replaced. Nobody can connect
/// before the file has its permissions.
///
/// # Errors
/// `AddrInUse` if somebody listens there, `AlreadyExists` if the path is something else than a socket, else what the
/// system says.
pub fn bind(socket: &UnixSocket) -> io::Result<(UnixListener, SocketFile)> {
    let path = &socket.path;
    remove_stale(path)?;
    let listener = socket2::Socket::new(
        socket2::Domain::UNIX,
        socket2::Type::STREAM.nonblocking(),
        None,
    )?;
    listener.bind(&socket2::SockAddr::unix(path)?)?;
    let file = SocketFile {
        path: path.clone(),
        file: fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_PATH | nix::libc::O_NOFOLLOW)
            .open(path)?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(socket.mode))?;
    listener.listen(BACKLOG_MAX)?;
    Ok((listener.into(), file))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    for _ in 0..LOOKS_MAX {
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return fs::remove_file(path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(peer) => {
                if is_kept(peer)? {
                    break;
                }
            }
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Whether somebody keeps the connection. The kernel takes the ring of a killed process apart after the process has gone, and its listening
/// sockets live as long: who connects then is not served but closed.
fn is_kept(mut peer: UnixStream) -> io::Result<bool> {
    peer.set_read_timeout(Some(KEPT_TIME))?;
    match peer.read(&mut [0]) {
        Ok(0) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
        Ok(_) | Err(_) => Ok(true),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(found), Ok(own)) => (found.dev(), found.ino()) == (own.dev(), own.ino()),
            _ => false,
        };
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::UNIX_MODE_DEFAULT;

    fn socket_in(folder: &tempfile::TempDir) -> UnixSocket {
        UnixSocket {
            path: folder.path().join("s"),
            mode: UNIX_MODE_DEFAULT,
        }
    }

    #[test]
    fn the_file_has_its_permissions_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o777] {
            let socket = UnixSocket {
                mode,
                ..socket_in(&folder)
            };
            let (_listener, file) = bind(&socket).unwrap();
            let found = fs::metadata(&socket.path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
            drop(file);
            assert!(!socket.path.exists());
        }
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let (listener, file) = bind(&socket).unwrap();
        let taken = bind(&socket).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let (_second, kept) = bind(&socket).unwrap();
        // the first one's file is not there any more: what is there is another's
        drop(file);
        assert!(socket.path.exists());
        drop(kept);
        assert!(!socket.path.exists());
    }

    #[test]
    fn a_socket_that_is_being_closed_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let (dying, file) = bind(&socket).unwrap();
        dying.set_nonblocking(false).unwrap();
        let closing = std::thread::spawn(move || {
            let connection = dying.accept().unwrap();
            drop(dying);
            drop(connection);
        });
        let (_second, kept) = bind(&socket).unwrap();
        closing.join().unwrap();
        drop((file, kept));
        assert!(!socket.path.exists());
    }

    #[test]
    fn a_server_that_closes_every_connection_is_alive() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        let (busy, _file) = bind(&socket).unwrap();
        busy.set_nonblocking(false).unwrap();
        let closing = std::thread::spawn(move || {
            for _ in 0..LOOKS_MAX {
                drop(busy.accept().unwrap());
            }
            busy
        });
        let taken = bind(&socket).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(closing.join().unwrap());
        assert!(socket.path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = socket_in(&folder);
        fs::write(&socket.path, b"precious").unwrap();
        assert_eq!(
            bind(&socket).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&socket.path).unwrap(), b"precious");
    }
}
