//! Two bounded buffers between a connection and the h2 crate, which wants to be asked whether it can read or write.
//!
//! tokio is here for these two traits alone; nothing of its runtime is used.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// Bytes that wait to be sent; h2 makes no more frames above it.
pub const OUTBOUND_BYTES_MAX: usize = 64 * 1024;

/// h2's end. Clones are the same buffers; the other end belongs to the connection's task.
#[derive(Clone, Default)]
pub struct Transport(Rc<RefCell<Buffers>>);

#[derive(Default)]
struct Buffers {
    /// Received; from `read` on not taken by h2.
    inbound: Vec<u8>,
    read: usize,
    ended: bool,
    /// To be sent.
    outbound: Vec<u8>,
    /// h2 will write nothing more.
    finished: bool,
    broken: bool,
    /// h2 waits for inbound bytes.
    reader: Option<Waker>,
    /// h2 waits for outbound room.
    writer: Option<Waker>,
    /// The receiving side waits for h2 to have taken everything.
    filler: Option<Waker>,
    /// The sending side waits for bytes.
    drainer: Option<Waker>,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Transport {
    /// Gives the inbound buffer, empty, once h2 has taken everything in it.
    pub fn poll_taken(&self, context: &Context<'_>) -> Poll<Vec<u8>> {
        let mut buffers = self.0.borrow_mut();
        if buffers.read < buffers.inbound.len() {
            buffers.filler = Some(context.waker().clone());
            return Poll::Pending;
        }
        buffers.read = 0;
        let mut buffer = std::mem::take(&mut buffers.inbound);
        buffer.clear();
        Poll::Ready(buffer)
    }

    /// Puts received bytes before h2; none are the end.
    pub fn put(&self, received: Vec<u8>) {
        let mut buffers = self.0.borrow_mut();
        buffers.ended |= received.is_empty();
        buffers.inbound = received;
        buffers.read = 0;
        wake(&mut buffers.reader);
    }

    /// Exchanges the outbound bytes for an empty buffer; `None` once there are none and none will come.
    pub fn poll_outbound(&self, context: &Context<'_>, empty: &mut Vec<u8>) -> Poll<Option<()>> {
        let mut buffers = self.0.borrow_mut();
        if buffers.outbound.is_empty() {
            if buffers.finished {
                return Poll::Ready(None);
            }
            buffers.drainer = Some(context.waker().clone());
            return Poll::Pending;
        }
        empty.clear();
        std::mem::swap(&mut buffers.outbound, empty);
        wake(&mut buffers.writer);
        Poll::Ready(Some(()))
    }

    /// Nothing more can be sent.
    pub fn break_off(&self) {
        let mut buffers = self.0.borrow_mut();
        buffers.broken = true;
        buffers.outbound.clear();
        wake(&mut buffers.writer);
    }

    /// h2 has ended: what it wrote is still to be sent.
    pub fn finish(&self) {
        let mut buffers = self.0.borrow_mut();
        buffers.finished = true;
        wake(&mut buffers.drainer);
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffers = self.0.borrow_mut();
        let waiting = buffers.inbound.get(buffers.read..).unwrap_or_default();
        if waiting.is_empty() {
            if buffers.ended {
                return Poll::Ready(Ok(()));
            }
            buffers.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = waiting.len().min(into.remaining());
        into.put_slice(waiting.get(..count).unwrap_or_default());
        buffers.read += count;
        if buffers.read >= buffers.inbound.len() {
            wake(&mut buffers.filler);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = self.0.borrow_mut();
        if buffers.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = OUTBOUND_BYTES_MAX.saturating_sub(buffers.outbound.len());
        if room == 0 {
            buffers.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        buffers
            .outbound
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        wake(&mut buffers.drainer);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is written is on its way, and there is never much of it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn read(transport: &Transport, room: usize) -> Poll<Vec<u8>> {
        let mut storage = vec![0; room];
        let mut into = ReadBuf::new(&mut storage);
        let polled = Pin::new(&mut transport.clone()).poll_read(&mut context(), &mut into);
        polled.map(|result| {
            result.unwrap();
            into.filled().to_vec()
        })
    }

    #[test]
    fn inbound_bytes_come_in_order_and_the_buffer_comes_back_when_all_were_taken() {
        let transport = Transport::default();
        assert!(read(&transport, 4).is_pending());
        transport.put(b"abcdef".to_vec());
        assert_eq!(read(&transport, 4), Poll::Ready(b"abcd".to_vec()));
        assert!(transport.poll_taken(&context()).is_pending());
        assert_eq!(read(&transport, 4), Poll::Ready(b"ef".to_vec()));
        assert!(transport.poll_taken(&context()).is_ready());
        assert!(read(&transport, 4).is_pending());
        transport.put(Vec::new());
        assert_eq!(read(&transport, 4), Poll::Ready(Vec::new()));
    }

    #[test]
    fn outbound_bytes_are_bounded_and_end_after_the_last() {
        let transport = Transport::default();
        let write =
            |bytes: &[u8]| Pin::new(&mut transport.clone()).poll_write(&mut context(), bytes);
        let long = vec![1; OUTBOUND_BYTES_MAX + 1];
        assert!(matches!(write(&long), Poll::Ready(Ok(OUTBOUND_BYTES_MAX))));
        assert!(write(b"x").is_pending());
        let mut buffer = Vec::new();
        assert!(transport.poll_outbound(&context(), &mut buffer).is_ready());
        assert_eq!(buffer.len(), OUTBOUND_BYTES_MAX);
        assert!(
            transport
                .poll_outbound(&context(), &mut buffer)
                .is_pending()
        );
        assert!(matches!(write(b"x"), Poll::Ready(Ok(1))));
        transport.finish();
        assert_eq!(
            transport.poll_outbound(&context(), &mut buffer),
            Poll::Ready(Some(()))
        );
        assert_eq!(
            transport.poll_outbound(&context(), &mut buffer),
            Poll::Ready(None)
        );
        transport.break_off();
        assert!(matches!(write(b"x"), Poll::Ready(Err(_))));
    }
}
