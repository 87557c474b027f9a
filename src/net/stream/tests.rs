use std::cell::Cell;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::pin::pin;
use std::rc::Rc;

use bytes::Bytes;
use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::deadline::SILENCE_MS;
use crate::net::driver::Core;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::driver::yield_now;
use crate::net::loopback::connection;
use crate::net::loopback::listening;
use crate::net::loopback::on_each_driver;
use crate::net::loopback::pattern;
use crate::net::loopback::poll_once;
use crate::net::loopback::stream_pair;
use crate::net::stream::Stream;
use crate::net::stream::Unread;
use crate::net::stream::is_silence;

#[test]
fn received_bytes_lie_behind_the_headroom() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        peer.write_all(b"abcdef").unwrap();
        let (received, buffer) = stream.recv(Vec::with_capacity(64), 10, 4).await;
        assert_eq!(received.unwrap(), 4);
        assert_eq!(buffer, b"\0\0\0\0\0\0\0\0\0\0abcd");
        let (received, buffer) = stream.recv(buffer, 2, 64).await;
        assert_eq!(received.unwrap(), 2);
        assert_eq!(buffer, b"\0\0ef");
    });
}

#[test]
fn receive_never_grows_the_buffer() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        peer.write_all(&pattern(100)).unwrap();
        let buffer = Vec::with_capacity(64);
        let capacity = buffer.capacity();
        let (received, buffer) = stream.recv_append(buffer).await;
        assert_eq!((received.unwrap(), buffer.capacity()), (capacity, capacity));
        assert_eq!(buffer, pattern(64));
    });
}

#[test]
fn full_buffer_is_not_taken_for_the_end() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        peer.write_all(b"x").unwrap();
        let (received, buffer) = stream
            .recv_append(vec![1; 8].into_boxed_slice().into_vec())
            .await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(buffer, [1; 8]);
        let (received, _) = stream.recv(buffer, 7, 1).await;
        assert_eq!(received.unwrap(), 1);
        drop(peer);
        let (received, _) = stream.recv_append(Vec::with_capacity(8)).await;
        assert_eq!(received.unwrap(), 0);
    });
}

#[test]
fn send_goes_on_until_all_is_sent() {
    const COUNT: usize = 16 << 20;
    on_each_driver(async |core| {
        let (mut stream, mut peer) = stream_pair(&core.deadlines);
        let sending = spawn(async move {
            let (sent, buffer) = stream.send_all(pattern(COUNT), 3..COUNT - 1).await;
            sent.unwrap();
            assert_eq!(buffer.len(), COUNT);
        });
        let mut seen = Vec::with_capacity(COUNT);
        while seen.len() < COUNT - 4 {
            let (received, filled) = peer.recv_append(seen).await;
            assert_ne!(received.unwrap(), 0);
            seen = filled;
        }
        sending.await.unwrap();
        assert!(seen == pattern(COUNT)[3..COUNT - 1]);
    });
}

#[test]
fn send_takes_shared_bytes_and_cuts_the_range() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        stream
            .send_bytes(Bytes::from_static(b"shared "))
            .await
            .unwrap();
        stream.send_all(b"own".to_vec(), 1..99).await.0.unwrap();
        stream.send_all(b"own".to_vec(), 5..7).await.0.unwrap();
        stream.shutdown_write().unwrap();
        let mut seen = Vec::new();
        peer.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"shared wn");
    });
}

#[test]
fn send_to_a_closed_peer_is_an_error_and_no_signal() {
    on_each_driver(async |core| {
        let (mut stream, peer) = connection(&core.deadlines);
        drop(peer);
        let mut failed = false;
        for _ in 0..100 {
            let (sent, _) = stream.send_all(vec![0; 1024], 0..1024).await;
            failed = failed || sent.is_err();
        }
        assert!(failed);
    });
}

#[test]
fn halves_send_and_receive_at_once() {
    const COUNT: usize = 8 << 20;
    on_each_driver(async |core| {
        let (mut stream, mut echo) = stream_pair(&core.deadlines);
        let echoing = spawn(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            let mut echoed = 0;
            while echoed < COUNT {
                let (received, filled) = echo.recv(buffer, 0, usize::MAX).await;
                let count = received.unwrap();
                let (sent, filled) = echo.send_all(filled, 0..count).await;
                sent.unwrap();
                buffer = filled;
                echoed += count;
            }
            echo
        });
        let (mut reader, mut writer) = stream.halves().unwrap();
        let receiving = async {
            let mut seen = Vec::with_capacity(COUNT);
            while seen.len() < COUNT {
                let (received, filled) = reader.recv_append(seen).await;
                assert_ne!(received.unwrap(), 0);
                seen = filled;
            }
            seen
        };
        let ((sent, _), seen) = monoio::join!(writer.send_all(pattern(COUNT), 0..COUNT), receiving);
        sent.unwrap();
        assert!(seen == pattern(COUNT));
        drop(echoing.await);
    });
}

#[test]
fn dropped_write_half_sends_no_fin() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        {
            let mut reader = stream.halves().unwrap().0;
            let mut receiving = pin!(reader.recv_append(Vec::with_capacity(16)));
            assert!(poll_once(receiving.as_mut()).await.is_none());
            yield_now().await;
            peer.set_nonblocking(true).unwrap();
            assert_eq!(
                peer.read(&mut [0]).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
            peer.write_all(b"answer").unwrap();
            assert_eq!(receiving.await.0.unwrap(), 6);
        }
        // The stream is whole again afterwards.
        stream.writable().await.unwrap();
        stream.send_all(b"next".to_vec(), 0..4).await.0.unwrap();
        peer.set_nonblocking(false).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn shutdown_write_sends_fin_and_goes_on_receiving() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        stream.shutdown_write().unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        peer.write_all(b"rest").unwrap();
        assert_eq!(
            stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
            4
        );
    });
}

#[test]
fn dropped_wait_for_readiness_loses_no_byte() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        for round in 0..100 {
            {
                let mut waiting = pin!(stream.readable());
                assert!(poll_once(waiting.as_mut()).await.is_none());
                if round % 2 == 0 {
                    yield_now().await;
                }
                peer.write_all(b"x").unwrap();
            }
            let (received, buffer) = stream.recv_append(Vec::with_capacity(16)).await;
            assert_eq!(
                (received.unwrap(), buffer),
                (1, b"x".to_vec()),
                "round {round}"
            );
        }
    });
}

#[test]
fn readiness_is_told_for_bytes_room_and_end() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        stream.writable().await.unwrap();
        peer.write_all(b"x").unwrap();
        stream.readable().await.unwrap();
        assert_eq!(
            stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
            1
        );
        drop(peer);
        stream.readable().await.unwrap();
        assert_eq!(
            stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
            0
        );
    });
}

#[test]
fn unread_bytes_and_the_end_are_seen_without_taking_them() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        assert_eq!(stream.unread(), Unread::Nothing);
        peer.write_all(b"x").unwrap();
        assert_eq!(stream.unread(), Unread::Bytes);
        assert_eq!(stream.unread(), Unread::Bytes);
        assert_eq!(
            stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
            1
        );
        assert_eq!(stream.unread(), Unread::Nothing);
        drop(peer);
        assert_eq!(stream.unread(), Unread::Closed);
    });
}

#[test]
fn connection_stands_with_its_options() {
    on_each_driver(async |core| {
        let (listener, address) = listening();
        let mut stream = Stream::connect(address, &core.deadlines, 5_000)
            .await
            .unwrap();
        assert_eq!(stream.peer(), address.into());
        let (mut peer, _) = listener.accept().unwrap();
        let accepted = Stream::from_std(peer.try_clone().unwrap(), &core.deadlines).unwrap();
        // Both ways in go through one place; the clone shows its options.
        assert!(peer.nodelay().unwrap());
        for stream in [&stream, &accepted] {
            let flags = nix::fcntl::fcntl(stream.raw_fd(), FcntlArg::F_GETFL).unwrap();
            assert!(OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK));
        }
        drop(accepted);
        peer.set_nonblocking(false).unwrap();
        peer.write_all(b"hello").unwrap();
        assert_eq!(
            stream.recv_append(Vec::with_capacity(16)).await.0.unwrap(),
            5
        );
    });
}

#[test]
fn refused_connection_is_told() {
    on_each_driver(async |core| {
        let (listener, address) = listening();
        drop(listener);
        let error = Stream::connect(address, &core.deadlines, 5_000)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(core.deadlines.is_empty());
    });
}

/// A listener whose queue is full: further handshakes stay unanswered.
fn deaf() -> (socket2::Socket, Vec<TcpStream>, std::net::SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let queued = TcpStream::connect(address).unwrap();
    (socket, vec![queued], address)
}

#[test]
fn connect_ends_at_its_deadline() {
    on_each_driver(async |core| {
        let (_socket, _queued, address) = deaf();
        let begin_ms = clock::monotonic_ms();
        let error = Stream::connect(address, &core.deadlines, 30)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(clock::monotonic_ms() >= begin_ms + 30);
        assert!(core.deadlines.is_empty());
    });
}

#[test]
fn dropped_connect_leaves_no_socket() {
    on_each_driver(async |core| {
        let (socket, queued, address) = deaf();
        {
            let mut connecting = pin!(Stream::connect(address, &core.deadlines, 5_000));
            assert!(poll_once(connecting.as_mut()).await.is_none());
            assert_eq!(core.deadlines.len(), 1);
        }
        assert!(core.deadlines.is_empty());
        // The queued connection is the only one that stands.
        let (accepted, _) = socket.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        assert_eq!(
            socket.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop((queued, accepted));
    });
}

#[test]
fn dropped_stream_is_closed_with_a_receive_in_flight() {
    on_each_driver(async |core| {
        let (mut stream, peer) = connection(&core.deadlines);
        {
            let mut receiving = pin!(stream.recv_append(Vec::with_capacity(16)));
            assert!(poll_once(receiving.as_mut()).await.is_none());
        }
        drop(stream);
        // The ring closes the socket once it has cancelled the receive.
        let mut peer = Stream::from_std(peer, &core.deadlines).unwrap();
        assert_eq!(peer.recv_append(Vec::with_capacity(16)).await.0.unwrap(), 0);
    });
}

#[test]
fn deadline_of_a_half_is_that_of_the_stream() {
    on_each_driver(async |core| {
        let (mut stream, _peer) = connection(&core.deadlines);
        {
            let (mut reader, writer) = stream.halves().unwrap();
            writer.deadline().arm(1, Cut::Both);
            let (received, _) = reader.recv_append(Vec::with_capacity(16)).await;
            assert_eq!(received.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(reader.deadline().fired(), Some(Cut::Both));
        }
        assert!(stream.timed_out());
        assert_eq!(
            stream.readable().await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert_eq!(
            stream.writable().await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    });
}

#[test]
fn reset_on_close_is_no_end() {
    on_each_driver(async |core| {
        for reset in [false, true] {
            let (stream, mut peer) = stream_pair(&core.deadlines);
            if reset {
                stream.reset_on_close().unwrap();
            }
            drop(stream);
            let (end, _) = peer.recv_append(Vec::with_capacity(16)).await;
            let wanted = if reset {
                Err(io::ErrorKind::ConnectionReset)
            } else {
                Ok(0)
            };
            assert_eq!(end.map_err(|error| error.kind()), wanted);
        }
    });
}

#[test]
fn peer_that_is_always_ready_leaves_other_tasks_their_turn() {
    const COUNT: usize = 1_000;
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        peer.write_all(&pattern(COUNT)).unwrap();
        // The first receive waits for the driver to see the socket; from then on it is always ready.
        let (received, mut buffer) = stream.recv(Vec::with_capacity(1), 0, 1).await;
        assert_eq!(received.unwrap(), 1);
        let ran = Rc::new(Cell::new(false));
        let other = Rc::clone(&ran);
        drop(spawn(async move { other.set(true) }));
        for _ in 1..COUNT {
            let (received, filled) = stream.recv(buffer, 0, 1).await;
            assert_eq!(received.unwrap(), 1);
            buffer = filled;
        }
        assert!(ran.get(), "no other task ran during {COUNT} receives");
    });
}

/// Ends the waits of both cohorts; each time at a later moment of a future that the core's own sweep does not reach.
fn silence(core: &Core, time: u64) {
    let long_after_ms = clock::monotonic_ms() + 3_600_000 * (1 + time);
    core.deadlines.sweep(long_after_ms);
    core.deadlines.sweep(long_after_ms + SILENCE_MS);
}

#[test]
fn a_silent_receive_gives_its_buffer_back_and_the_connection_goes_on() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        let mut buffer = Vec::with_capacity(64);
        for round in 0..3u8 {
            let waiting = stream.recv_unless_silent(buffer, 0, 64);
            let mut waiting = Box::pin(waiting);
            assert!(poll_once(waiting.as_mut()).await.is_none());
            silence(&core, round.into());
            let (received, back) = waiting.as_mut().await;
            drop(waiting);
            assert!(is_silence(&received.unwrap_err()));
            assert_eq!((back.len(), back.capacity()), (0, 64));
            assert!(!stream.timed_out());
            peer.write_all(&[round; 5]).unwrap();
            stream.readable().await.unwrap();
            let (received, back) = stream.recv_unless_silent(back, 0, 64).await;
            assert_eq!((received.unwrap(), &back[..]), (5, &[round; 5][..]));
            buffer = back;
        }
    });
}

#[test]
fn no_byte_is_lost_between_bytes_and_silence() {
    const ROUNDS: u8 = 200;
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        let mut buffer = Vec::with_capacity(64);
        for round in 0..ROUNDS {
            let waiting = stream.recv_unless_silent(buffer, 0, 64);
            let mut waiting = Box::pin(waiting);
            assert!(poll_once(waiting.as_mut()).await.is_none());
            if round % 3 == 0 {
                // so that the ring has the receive before the byte comes
                yield_now().await;
                sleep_ms(1).await;
            }
            peer.write_all(&[round]).unwrap();
            silence(&core, round.into());
            let (received, back) = waiting.as_mut().await;
            drop(waiting);
            buffer = match received {
                Ok(count) => {
                    assert_eq!((count, &back[..]), (1, &[round][..]));
                    back
                }
                Err(error) => {
                    assert!(is_silence(&error));
                    let (received, back) = stream.recv(back, 0, 64).await;
                    assert_eq!((received.unwrap(), &back[..]), (1, &[round][..]));
                    back
                }
            };
        }
    });
}

#[test]
fn a_receive_that_may_wait_is_not_ended_by_silence() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        let waiting = stream.recv(Vec::with_capacity(64), 0, 64);
        let mut waiting = pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        silence(&core, 0);
        yield_now().await;
        peer.write_all(b"late").unwrap();
        assert_eq!(waiting.await.1, b"late");
    });
}
