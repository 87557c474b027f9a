use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;

use crate::net::address::UNIX_MODE_DEFAULT;
use crate::net::address::UnixSocket;
use crate::net::driver::Core;
use crate::net::driver::spawn;
use crate::net::loopback::on_each_driver;
use crate::net::loopback::poll_once;

use super::*;

fn on(core: &Core, address: &str) -> (Listener, SocketAddr) {
    let (address, sockets) = bind(address.parse().unwrap(), 1, false).unwrap();
    let socket = sockets.into_iter().next().unwrap();
    let listener = Listener::new(ListeningSocket::Inet(socket), &core.deadlines).unwrap();
    (listener, address)
}

fn connection(accepted: io::Result<Accepted>) -> (Stream, PeerAddress) {
    match accepted.unwrap() {
        Accepted::Connection(stream, peer) => (stream, peer),
        Accepted::Closed => panic!("closed"),
    }
}

#[test]
fn connection_comes_with_the_address_of_its_client() {
    on_each_driver(async |core| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (listener, address) = on(&core, address);
            let client = TcpStream::connect(address).unwrap();
            let (mut stream, peer) = connection(listener.accept().await);
            assert_eq!(peer, client.local_addr().unwrap().into());
            assert_eq!(stream.peer(), peer);
            drop(client);
            assert_eq!(
                stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
                0
            );
        }
    });
}

#[test]
fn more_connections_than_a_burst_are_taken() {
    on_each_driver(async |core| {
        let (listener, address) = on(&core, "127.0.0.1:0");
        let count = usize::try_from(BURST_MAX).unwrap() * 2 + 1;
        let clients: Vec<_> = (0..count)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        for client in &clients {
            let (_, peer) = connection(listener.accept().await);
            assert_eq!(peer, client.local_addr().unwrap().into());
        }
    });
}

#[test]
fn other_tasks_run_while_connections_flood_in() {
    on_each_driver(async |core| {
        let (listener, address) = on(&core, "127.0.0.1:0");
        let clients: Vec<_> = (0..=BURST_MAX)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let ran = Rc::new(Cell::new(false));
        let flag = Rc::clone(&ran);
        drop(spawn(async move { flag.set(true) }));
        for _ in &clients {
            connection(listener.accept().await);
        }
        assert!(ran.get());
    });
}

#[test]
fn dropped_accept_loses_no_connection() {
    on_each_driver(async |core| {
        let (listener, address) = on(&core, "127.0.0.1:0");
        for _ in 0..20 {
            let client = {
                let mut accepting = pin!(listener.accept());
                assert!(poll_once(accepting.as_mut()).await.is_none());
                yield_now().await;
                TcpStream::connect(address).unwrap()
            };
            let (_, peer) = connection(listener.accept().await);
            assert_eq!(peer, client.local_addr().unwrap().into());
        }
    });
}

#[test]
fn close_ends_a_pending_accept() {
    on_each_driver(async |core| {
        let (listener, address) = on(&core, "127.0.0.1:0");
        let listener = Rc::new(listener);
        let accepting = Rc::clone(&listener);
        let pending = spawn(async move { accepting.accept().await });
        yield_now().await;
        listener.close();
        assert!(matches!(pending.await.unwrap().unwrap(), Accepted::Closed));
        assert!(matches!(listener.accept().await.unwrap(), Accepted::Closed));
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn connections_complete_before_the_close_are_served() {
    on_each_driver(async |core| {
        let (listener, address) = on(&core, "127.0.0.1:0");
        let clients: Vec<_> = (0..3)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        listener.close();
        for client in &clients {
            let (_, peer) = connection(listener.accept().await);
            assert_eq!(peer, client.local_addr().unwrap().into());
        }
        assert!(matches!(listener.accept().await.unwrap(), Accepted::Closed));
    });
}

#[test]
fn cores_share_an_address_with_nobody_else() {
    let any = "127.0.0.1:0".parse().unwrap();
    for count in [1, 4] {
        let (address, sockets) = bind(any, count, false).unwrap();
        assert_eq!(sockets.len(), count);
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap(), address);
        }
        for strangers in [1, 2] {
            let refused = bind(address, strangers, false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        }
    }
}

/// As long as each port of a port-0 bind was freed and taken again, some of many were somebody else's in between.
#[test]
fn a_free_port_is_taken_by_one() {
    let any = "127.0.0.1:0".parse().unwrap();
    let workers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..100 {
                    drop(bind(any, 2, false).unwrap());
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

#[test]
fn pause_grows_to_a_second() {
    let mut pause = Pause::default();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (ms, next) = pause.step();
        waits.push(ms);
        pause = next;
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
}

#[test]
fn each_error_of_accept_has_its_remedy() {
    for (error, remedy) in [
        (Errno::EAGAIN, Remedy::Wait),
        (Errno::EMFILE, Remedy::Pause),
        (Errno::ENFILE, Remedy::Pause),
        (Errno::ENOBUFS, Remedy::Pause),
        (Errno::ENOMEM, Remedy::Pause),
        (Errno::ECONNABORTED, Remedy::Skip),
        (Errno::EPROTO, Remedy::Skip),
        (Errno::EINVAL, Remedy::None),
        (Errno::EBADF, Remedy::None),
    ] {
        assert_eq!(Remedy::of(&error.into()), remedy, "{error}");
    }
}

#[test]
fn pause_is_counted_and_ends_when_the_listener_closes() {
    on_each_driver(async |core| {
        let (listener, _) = on(&core, "127.0.0.1:0");
        listener.recover(Errno::EMFILE.into()).await.unwrap();
        assert_eq!(listener.pauses(), 1);
        assert_eq!(
            listener.pause.get(),
            Pause {
                ms: 2 * PAUSE_MS_MIN
            }
        );
        listener.pause.set(Pause { ms: u64::MAX });
        let listener = Rc::new(listener);
        let pausing = Rc::clone(&listener);
        let pause = spawn(async move { pausing.recover(Errno::ENFILE.into()).await });
        yield_now().await;
        listener.close();
        pause.await.unwrap().unwrap();
    });
}

#[test]
fn cores_share_the_queue_of_a_unix_socket_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixSocket {
        path: folder.path().join("s"),
        mode: UNIX_MODE_DEFAULT,
    };
    on_each_driver(async |core| {
        let (bound, _file) = unix::bind(&socket).unwrap();
        let bound = SharedUnix::new(bound);
        let clone = ListeningSocket::Unix(bound.share().unwrap());
        let first = Rc::new(Listener::new(clone, &core.deadlines).unwrap());
        let second = Listener::new(ListeningSocket::Unix(bound), &core.deadlines).unwrap();
        for listener in [&*first, &second] {
            let mut client = UnixStream::connect(&socket.path).unwrap();
            let (mut stream, peer) = connection(listener.accept().await);
            assert_eq!(
                (peer, stream.peer()),
                (PeerAddress::Unix, PeerAddress::Unix)
            );
            io::Write::write_all(&mut client, b"ping").unwrap();
            let (received, buffer) = stream.recv_append(Vec::with_capacity(16)).await;
            assert_eq!(
                (received.unwrap(), buffer.as_slice()),
                (4, b"ping".as_slice())
            );
            stream.send_all(b"pong".to_vec(), 0..4).await.0.unwrap();
            let mut seen = [0; 4];
            io::Read::read_exact(&mut client, &mut seen).unwrap();
            assert_eq!(&seen, b"pong");
        }
        let accepting = Rc::clone(&first);
        let pending = spawn(async move { accepting.accept().await });
        yield_now().await;
        second.close();
        assert!(matches!(second.accept().await.unwrap(), Accepted::Closed));
        first.close();
        assert!(matches!(pending.await.unwrap().unwrap(), Accepted::Closed));
        let refused = UnixStream::connect(&socket.path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

/// A socket that lets other processes listen beside it.
fn beside(address: SocketAddr) -> (SocketAddr, ListeningSocket) {
    let (taken, sockets) = bind(address, 1, true).unwrap();
    let socket = sockets.into_iter().next().unwrap();
    (taken, ListeningSocket::Beside(socket))
}

#[test]
fn a_socket_that_leaves_an_address_loses_no_client() {
    const CLIENTS: usize = 16;
    on_each_driver(async |core| {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (address, first) = beside(address.parse().unwrap());
            let first = Listener::new(first, &core.deadlines).unwrap();
            let early = TcpStream::connect(address).unwrap();
            assert!(first.leave());
            let (_, second) = beside(address);
            let second = Listener::new(second, &core.deadlines).unwrap();
            // Half of them meet the first socket; none is answered by it.
            let clients: Vec<_> = (0..CLIENTS).map(|_| connecting(address)).collect();
            let (_, peer) = connection(first.accept().await);
            assert_eq!(peer, early.local_addr().unwrap().into());
            assert!(poll_once(pin!(first.accept()).as_mut()).await.is_none());
            first.close();
            assert!(matches!(first.accept().await.unwrap(), Accepted::Closed));
            for _ in &clients {
                connection(second.accept().await);
            }
            for client in clients {
                assert!(client.take_error().unwrap().is_none());
            }
        }
    });
}

/// A client whose handshake is under way.
fn connecting(address: SocketAddr) -> socket2::Socket {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let begun = socket.connect(&address.into());
    assert!(
        begun.is_ok()
            || begun.is_err_and(|error| error.raw_os_error() == Some(Errno::EINPROGRESS as i32))
    );
    socket
}

#[test]
fn a_socket_of_its_own_leaves_nobody_an_address() {
    on_each_driver(async |core| {
        let (listener, _) = on(&core, "127.0.0.1:0");
        assert!(!listener.leave());
    });
}
