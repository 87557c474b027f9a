use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use crate::net::driver::spawn;
use crate::net::driver::yield_now;
use crate::net::loopback::connection;
use crate::net::loopback::listening;
use crate::net::loopback::on_each_driver;

use super::*;

fn plain_pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listening();
    let peer = TcpStream::connect(address).unwrap();
    (listener.accept().unwrap().0, peer)
}

#[test]
fn deadline_fires_when_due_and_not_before() {
    let table = DeadlineTable::new();
    let (socket, mut peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    let before_ms = clock::monotonic_ms();
    slot.arm(60_000, Cut::Both);
    table.sweep(before_ms + 59_999);
    assert_eq!(slot.fired(), None);
    table.sweep(clock::monotonic_ms() + 60_000 + COARSE_MS_MAX);
    assert_eq!(slot.fired(), Some(Cut::Both));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn disarmed_deadline_does_not_fire() {
    let table = DeadlineTable::new();
    let (socket, _peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    slot.arm(0, Cut::Both);
    slot.disarm();
    table.sweep(u64::MAX - 1);
    assert_eq!(slot.fired(), None);
    slot.arm_idle(0);
    slot.disarm();
    table.cut_idle();
    assert_eq!(slot.fired(), None);
}

#[test]
fn a_drain_hurries_the_first_request_and_no_more() {
    let table = DeadlineTable::new();
    let (socket, _peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    slot.arm_first(60_000);
    let before_ms = clock::monotonic_ms();
    table.cut_idle();
    assert_eq!(slot.fired(), None);
    table.sweep(before_ms + FIRST_REQUEST_MS_MAX - 1);
    assert_eq!(slot.fired(), None);
    table.sweep(clock::monotonic_ms() + FIRST_REQUEST_MS_MAX);
    assert_eq!(slot.fired(), Some(Cut::Read));
}

#[test]
fn a_drain_does_not_put_off_the_end_of_a_wait() {
    let table = DeadlineTable::new();
    let (socket, _peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    slot.arm_first(0);
    table.cut_idle();
    table.sweep(clock::monotonic_ms() + COARSE_MS_MAX);
    assert_eq!(slot.fired(), Some(Cut::Read));
}

#[test]
fn dropped_slot_never_shuts_its_descriptor() {
    let table = DeadlineTable::new();
    let (mut socket, mut peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    slot.arm(0, Cut::Both);
    drop(slot);
    table.sweep(u64::MAX - 1);
    table.shut_all();
    socket.write_all(b"x").unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 1);
}

#[test]
fn slots_leave_in_any_order() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let table = DeadlineTable::new();
        let sockets = [plain_pair(), plain_pair(), plain_pair()];
        let mut slots = sockets
            .each_ref()
            .map(|(socket, _)| Some(table.register(socket.as_raw_fd())));
        for (gone, leaving) in order.into_iter().enumerate() {
            slots[leaving] = None;
            assert_eq!(table.len(), 2 - gone);
            table.sweep(u64::MAX - 1);
            for slot in slots.iter().flatten() {
                assert_eq!(slot.fired(), None);
            }
        }
        assert!(table.is_empty());
    }
}

#[test]
fn pending_receive_ends_at_the_deadline() {
    on_each_driver(async |core| {
        let (mut stream, _peer) = connection(&core.deadlines);
        let begin_ms = clock::monotonic_ms();
        stream.arm(20, Cut::Both);
        let (received, buffer) = stream.recv(b"kept".to_vec(), 4, 0).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let mut buffer = buffer;
        buffer.reserve_exact(16);
        let (received, buffer) = stream.recv_append(buffer).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(clock::monotonic_ms() >= begin_ms + 20);
        assert!(stream.timed_out());
        assert_eq!(buffer, b"kept");
    });
}

#[test]
fn pending_send_ends_at_the_deadline() {
    on_each_driver(async |core| {
        let (mut stream, _peer) = connection(&core.deadlines);
        stream.arm(20, Cut::Both);
        let range = 0..64 << 20;
        let (sent, _) = stream.send_all(vec![0; 64 << 20], range).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn read_cut_leaves_sending() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        stream.arm(1, Cut::Read);
        let (received, _) = stream.recv_append(Vec::with_capacity(16)).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::TimedOut);
        stream.arm(10_000, Cut::Both);
        let (sent, _) = stream.send_all(b"408".to_vec(), 0..3).await;
        sent.unwrap();
        let mut answer = [0; 3];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"408");
    });
}

#[test]
fn timed_out_connection_receives_nothing_more() {
    on_each_driver(async |core| {
        for cut in [Cut::Read, Cut::Both] {
            let (mut stream, mut peer) = connection(&core.deadlines);
            stream.arm(1, cut);
            let (received, _) = stream.recv_append(Vec::with_capacity(16)).await;
            assert_eq!(received.unwrap_err().kind(), io::ErrorKind::TimedOut);
            // May fail when both directions are shut.
            drop(peer.write_all(b"late"));
            let (received, buffer) = stream.recv_append(Vec::with_capacity(16)).await;
            assert_eq!(received.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(buffer.is_empty());
        }
    });
}

#[test]
fn drain_cuts_idle_connections_only() {
    on_each_driver(async |core| {
        let (mut idle, _idle_peer) = connection(&core.deadlines);
        let (mut busy, mut busy_peer) = connection(&core.deadlines);
        idle.arm_idle(60_000);
        busy.arm_idle(60_000);
        busy.arm(60_000, Cut::Read);
        let waiting = spawn(async move { idle.recv_append(Vec::with_capacity(16)).await.0 });
        yield_now().await;
        core.deadlines.cut_idle();
        let ended = waiting.await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        busy_peer.write_all(b"more").unwrap();
        assert_eq!(busy.recv_append(Vec::with_capacity(16)).await.0.unwrap(), 4);
    });
}

#[test]
fn request_that_came_before_the_drain_is_received() {
    on_each_driver(async |core| {
        let (mut stream, mut peer) = connection(&core.deadlines);
        stream.arm_idle(60_000);
        let waiting = spawn(async move {
            let (received, buffer) = stream.recv_append(Vec::with_capacity(16)).await;
            (received.unwrap(), buffer, stream)
        });
        yield_now().await;
        peer.write_all(b"GET").unwrap();
        core.deadlines.cut_idle();
        let (count, buffer, mut stream) = waiting.await.unwrap();
        assert_eq!((count, buffer.as_slice()), (3, &b"GET"[..]));
        stream.send_all(b"200".to_vec(), 0..3).await.0.unwrap();
        peer.read_exact(&mut [0; 3]).unwrap();
    });
}

/// Sweeps once a tick for `ms`, from `now_ms` on; the time after it.
fn sweep_for(table: &DeadlineTable, now_ms: u64, ms: u64) -> u64 {
    let end = now_ms + ms;
    for now in (now_ms..=end).step_by(50) {
        table.sweep(now);
    }
    end
}

fn is_abandoned(watch: &Watch, is_end: bool) -> bool {
    let mut future = std::pin::pin!(watch.abandoned(|| is_end));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_ready()
}

#[test]
fn a_peer_that_resets_is_gone_at_the_first_look_and_one_that_ends_at_the_second() {
    let table = DeadlineTable::new();
    for (resets, looks) in [(true, 1), (false, 2)] {
        let (socket, peer) = plain_pair();
        let slot = table.register(socket.as_raw_fd());
        let watch = slot.watch();
        let mut now = sweep_for(&table, 1, LOOK_MS);
        assert!(!is_abandoned(&watch, false), "it is still there");
        if resets {
            socket2::SockRef::from(&peer)
                .set_linger(Some(std::time::Duration::ZERO))
                .unwrap();
        }
        drop(peer);
        for look in 1..=looks {
            assert!(!is_abandoned(&watch, false));
            now = sweep_for(&table, now, LOOK_MS + 50);
            assert_eq!(is_abandoned(&watch, false), look == looks);
        }
    }
}

#[test]
fn a_connection_that_is_used_or_not_watched_is_not_looked_at() {
    let table = DeadlineTable::new();
    let (socket, peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    drop(peer);
    let watch = slot.watch();
    let mut now = 1;
    for _ in 0..8 {
        now = sweep_for(&table, now, LOOK_MS + 50);
        // A send or a receive between two looks.
        slot.arm(60_000, Cut::Both);
        slot.disarm();
    }
    assert!(!is_abandoned(&watch, false));
    slot.unwatch();
    sweep_for(&table, now, 8 * LOOK_MS);
    assert!(!is_abandoned(&watch, false));
}

#[test]
fn bytes_that_wait_are_no_end_unless_whoever_reads_them_says_so() {
    let table = DeadlineTable::new();
    let (socket, mut peer) = plain_pair();
    let slot = table.register(socket.as_raw_fd());
    let watch = slot.watch();
    peer.write_all(b"x").unwrap();
    drop(peer);
    let mut now = sweep_for(&table, 1, 8 * LOOK_MS);
    assert!(!is_abandoned(&watch, false));
    for end in [false, true] {
        now = sweep_for(&table, now, LOOK_MS + 50);
        assert_eq!(is_abandoned(&watch, true), end);
    }
}
