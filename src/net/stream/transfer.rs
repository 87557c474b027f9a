//! The two calls that move bytes. Buffers go into the kernel by value and come back with the outcome.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::pin;

use monoio::buf::IoBuf;
use monoio::buf::SliceMut;
use monoio::io::AsyncReadRent;
use monoio::io::AsyncWriteRent;

use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineSlot;
use crate::net::driver::yield_now;

/// Bytes of one system call at most; the ring's length field has 32 bits.
const CALL_BYTES_MAX: usize = 1 << 30;

/// Calls in a row that may be done at once before other tasks run. On epoll a peer that is always ready would otherwise
/// keep the core: no other connection, no timer and no drain would get a turn.
const PROMPT_CALLS_MAX: u32 = 64;

/// Awaits a call, and gives way after many that never had to wait.
async fn in_turn<F: Future>(call: F) -> F::Output {
    thread_local! {
        static PROMPT_CALLS: Cell<u32> = const { Cell::new(0) };
    }
    let mut call = pin!(call);
    let mut waited = false;
    let output = poll_fn(|context| {
        let polled = call.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    })
    .await;
    let prompt_calls = if waited { 0 } else { PROMPT_CALLS.get() + 1 };
    PROMPT_CALLS.set(prompt_calls % PROMPT_CALLS_MAX);
    if prompt_calls >= PROMPT_CALLS_MAX {
        yield_now().await;
    }
    output
}

/// See [`crate::net::stream::Stream::recv`].
pub(super) async fn recv<S: AsyncReadRent>(
    source: &mut S,
    deadline: &DeadlineSlot,
    mut buffer: Vec<u8>,
    at: usize,
    bytes_max: usize,
) -> (io::Result<usize>, Vec<u8>) {
    let end = at
        .saturating_add(bytes_max.min(CALL_BYTES_MAX))
        .min(buffer.capacity());
    // A receive of no bytes would look like the peer's end.
    if at >= end {
        return (Err(io::ErrorKind::InvalidInput.into()), buffer);
    }
    if deadline.fired().is_some() {
        return (Err(io::ErrorKind::TimedOut.into()), buffer);
    }
    buffer.resize(at, 0);
    let (received, window) = in_turn(source.read(SliceMut::new(buffer, at, end))).await;
    let buffer = window.into_inner();
    match (deadline.fired(), &received) {
        // What came before the cut can still be answered.
        (None, _) | (Some(Cut::Read), Ok(1..)) => (received, buffer),
        (Some(_), _) => (Err(io::ErrorKind::TimedOut.into()), buffer),
    }
}

/// See [`crate::net::stream::Stream::send_all`].
pub(super) async fn send<S: AsyncWriteRent, B: IoBuf>(
    sink: &mut S,
    deadline: &DeadlineSlot,
    mut buffer: B,
    range: Range<usize>,
) -> (io::Result<()>, B) {
    let end = range.end.min(buffer.bytes_init());
    let mut start = range.start;
    while start < end {
        if deadline.fired() == Some(Cut::Both) {
            return (Err(io::ErrorKind::TimedOut.into()), buffer);
        }
        let call_end = end.min(start.saturating_add(CALL_BYTES_MAX));
        let (sent, window) = in_turn(sink.write(buffer.slice(start..call_end))).await;
        buffer = window.into_inner();
        match sent {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
            Ok(count) => start = start.saturating_add(count),
            Err(_) if deadline.fired() == Some(Cut::Both) => {
                return (Err(io::ErrorKind::TimedOut.into()), buffer);
            }
            Err(error) => return (Err(error), buffer),
        }
    }
    (Ok(()), buffer)
}
