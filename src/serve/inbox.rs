//! What a connection received and nobody has read yet.

use std::io;

use crate::net::stream::ReadHalf;
use crate::net::stream::Stream;

/// The receiving side of a connection, whole or split.
pub trait Receive {
    /// Receives at most `max` bytes behind the first `at` bytes of `buffer`; 0 is the end of the stream.
    fn receive(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        max: usize,
    ) -> impl Future<Output = (io::Result<usize>, Vec<u8>)>;

    /// Whether a deadline cut this connection.
    fn timed_out(&self) -> bool;
}

impl Receive for Stream {
    async fn receive(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        self.recv(buffer, at, max).await
    }

    fn timed_out(&self) -> bool {
        Self::timed_out(self)
    }
}

impl Receive for ReadHalf<'_> {
    async fn receive(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        self.recv(buffer, at, max).await
    }

    fn timed_out(&self) -> bool {
        self.deadline().fired().is_some()
    }
}

/// The beginning of a request on a connection that is busy: a wait that lasts gives the buffer back, which
/// [`crate::net::stream::is_silence`] tells.
pub struct Unhurried<'s>(pub &'s mut Stream);

impl Receive for Unhurried<'_> {
    async fn receive(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        self.0.recv_unless_silent(buffer, at, max).await
    }

    fn timed_out(&self) -> bool {
        self.0.timed_out()
    }
}

/// The most that an inbox holds unread: far above the limits of any head.
const INBOX_BYTES_MAX: usize = 256 * 1024;

/// Received bytes in one buffer, which grows only for a head that does not fit; `start` marks what was read.
#[derive(Debug)]
pub struct Inbox {
    buffer: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// An empty inbox over `buffer`.
    #[must_use]
    pub fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { buffer, start: 0 }
    }

    /// The bytes that nobody has read.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether all bytes were read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start >= self.buffer.len()
    }

    /// Marks the first `count` unread bytes as read.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
        if self.is_empty() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Gives the buffer back to its pool.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Receives more behind the unread bytes, moving them to the front when the buffer's end is near, and doubling a
    /// buffer that is full of them.
    ///
    /// # Errors
    /// The socket's; `OutOfMemory` with `INBOX_BYTES_MAX` bytes unread.
    pub async fn fill(&mut self, source: &mut impl Receive) -> io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.start > 0 && buffer.capacity() - buffer.len() < buffer.capacity() / 2 {
            buffer.drain(..self.start);
            self.start = 0;
        }
        let at = buffer.len();
        if at == buffer.capacity() {
            if at >= INBOX_BYTES_MAX {
                self.buffer = buffer;
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            buffer.reserve_exact(at.max(1));
        }
        let room = buffer.capacity() - at;
        let (result, buffer) = source.receive(buffer, at, room).await;
        self.buffer = buffer;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of `step`.
    struct Script {
        bytes: Vec<u8>,
        step: usize,
    }

    impl Receive for Script {
        async fn receive(
            &mut self,
            mut buffer: Vec<u8>,
            at: usize,
            max: usize,
        ) -> (io::Result<usize>, Vec<u8>) {
            let count = self.step.min(max).min(self.bytes.len());
            buffer.truncate(at);
            buffer.extend(self.bytes.drain(..count));
            (Ok(count), buffer)
        }

        fn timed_out(&self) -> bool {
            false
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("the script never waits"),
        }
    }

    #[test]
    fn bytes_come_out_in_order_through_a_small_buffer() {
        let mut script = Script {
            bytes: (0..200u8).collect(),
            step: 7,
        };
        let mut inbox = Inbox::new(Vec::with_capacity(16));
        let mut seen = Vec::new();
        loop {
            let received = now(inbox.fill(&mut script)).unwrap();
            let take = inbox.unread().len().min(3.max(received));
            seen.extend_from_slice(&inbox.unread()[..take]);
            inbox.consume(take);
            if received == 0 && inbox.is_empty() {
                break;
            }
        }
        assert_eq!(seen, (0..200u8).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_inbox_grows_to_its_limit_and_then_says_so() {
        let mut script = Script {
            bytes: vec![1; INBOX_BYTES_MAX + 1],
            step: usize::MAX,
        };
        let mut inbox = Inbox::new(Vec::with_capacity(16));
        while inbox.unread().len() < INBOX_BYTES_MAX {
            assert!(now(inbox.fill(&mut script)).unwrap() > 0);
        }
        assert_eq!(
            now(inbox.fill(&mut script)).unwrap_err().kind(),
            io::ErrorKind::OutOfMemory
        );
    }
}
