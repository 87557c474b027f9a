//! Deadlines of a core's sockets.
//!
//! A read that is dropped on io_uring may have eaten bytes, so nothing here cancels. When a socket is due it is shut
//! with `shutdown(2)`: whatever waits on it ends by itself, its buffer comes back, and the connection is finished.

use std::cell::Cell;
use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;

use nix::sys::socket::Shutdown;

use crate::net::clock;

/// How often due sockets are looked for; a deadline passes at most this much (and a timer step of 2 ms) late.
pub const TICK_MS: u64 = 50;

const DISARMED: u64 = u64::MAX;

/// What a deadline shuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Receiving ends; an answer such as 408 can still be sent.
    Read,
    /// Receiving, sending and connecting end.
    Both,
}

/// All sockets of one core. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct DeadlineTable {
    entries: Rc<RefCell<Vec<Rc<Entry>>>>,
}

/// One socket's place in the table. Drop it before the socket closes, so that no reused descriptor is ever shut.
#[derive(Debug)]
pub struct DeadlineSlot {
    table: DeadlineTable,
    entry: Rc<Entry>,
}

#[derive(Debug)]
struct Entry {
    fd: RawFd,
    due_ms: Cell<u64>,
    cut: Cell<Cut>,
    /// Waits for a new request: may be cut early.
    idle: Cell<bool>,
    fired: Cell<Option<Cut>>,
    /// Where the table holds this entry.
    position: Cell<usize>,
}

impl DeadlineTable {
    /// An empty table; `driver::run_core` makes the core's own and sweeps it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters an open socket, disarmed.
    #[must_use]
    pub fn register(&self, fd: RawFd) -> DeadlineSlot {
        let mut entries = self.entries.borrow_mut();
        let entry = Rc::new(Entry {
            fd,
            due_ms: Cell::new(DISARMED),
            cut: Cell::new(Cut::Both),
            idle: Cell::new(false),
            fired: Cell::new(None),
            position: Cell::new(entries.len()),
        });
        entries.push(Rc::clone(&entry));
        DeadlineSlot {
            table: self.clone(),
            entry,
        }
    }

    /// Shuts every socket that is due at `now_ms`, each once.
    pub fn sweep(&self, now_ms: u64) {
        for entry in self.entries.borrow().iter() {
            if entry.due_ms.get() <= now_ms {
                entry.fire(entry.cut.get());
            }
        }
    }

    /// Ends receiving on every socket that was armed with [`DeadlineSlot::arm_idle`]: the start of a drain.
    pub fn cut_idle(&self) {
        for entry in self
            .entries
            .borrow()
            .iter()
            .filter(|entry| entry.idle.get())
        {
            entry.fire(Cut::Read);
        }
    }

    /// Shuts every socket now: the end of a drain.
    pub fn shut_all(&self) {
        for entry in self.entries.borrow().iter() {
            entry.fire(Cut::Both);
        }
    }

    /// Count of open sockets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// True if no socket is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl DeadlineSlot {
    /// Shuts the socket `ms` milliseconds from now (not earlier, at most a tick later) unless disarmed or armed anew.
    pub fn arm(&self, ms: u64, cut: Cut) {
        self.entry.idle.set(false);
        self.entry.cut.set(cut);
        self.entry
            .due_ms
            .set(clock::monotonic_ms().saturating_add(ms).saturating_add(1));
    }

    /// As [`DeadlineSlot::arm`] with [`Cut::Read`], for a connection between two requests: [`DeadlineTable::cut_idle`]
    /// ends it early. A request that had arrived by then is still received and can be answered.
    pub fn arm_idle(&self, ms: u64) {
        self.arm(ms, Cut::Read);
        self.entry.idle.set(true);
    }

    /// Takes the deadline back. What has fired stays fired.
    pub fn disarm(&self) {
        self.entry.idle.set(false);
        self.entry.due_ms.set(DISARMED);
    }

    /// What a deadline of this socket has shut, if one has passed.
    #[must_use]
    pub fn fired(&self) -> Option<Cut> {
        self.entry.fired.get()
    }
}

impl Drop for DeadlineSlot {
    fn drop(&mut self) {
        let position = self.entry.position.get();
        let mut entries = self.table.entries.borrow_mut();
        if position < entries.len() {
            entries.swap_remove(position);
        }
        if let Some(moved) = entries.get(position) {
            moved.position.set(position);
        }
    }
}

impl Entry {
    fn fire(&self, cut: Cut) {
        self.due_ms.set(DISARMED);
        self.idle.set(false);
        if self.fired.get() != Some(Cut::Both) {
            self.fired.set(Some(cut));
        }
        let how = match cut {
            Cut::Read => Shutdown::Read,
            Cut::Both => Shutdown::Both,
        };
        // The one error here is ENOTCONN: the peer was quicker, and nothing waits on the socket any more.
        nix::sys::socket::shutdown(self.fd, how).ok();
    }
}

#[cfg(test)]
mod tests {
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
        slot.arm(60_000, Cut::Both);
        table.sweep(clock::monotonic_ms() + 59_000);
        assert_eq!(slot.fired(), None);
        table.sweep(clock::monotonic_ms() + 61_000);
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
            stream.arm(20, Cut::Both);
            let begin_ms = clock::monotonic_ms();
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
}
