//! The two calls that move bytes. Buffers go into the kernel by value and come back with the outcome.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::pin::pin;

use monoio::buf::IoBuf;
use monoio::buf::SliceMut;
use monoio::io::AsyncWriteRent;
use monoio::io::CancelHandle;
use monoio::io::CancelableAsyncReadRent;

use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineSlot;
use crate::net::driver::sleep_ms;
use crate::net::driver::yield_now;
use crate::net::stream::prompt;

/// Bytes of one system call at most; the ring's length field has 32 bits.
const CALL_BYTES_MAX: usize = 1 << 30;

/// Calls in a row that may be done at once before other tasks run. On epoll a peer that is always ready would otherwise
/// keep the core: no other connection, no timer and no drain would get a turn.
const PROMPT_CALLS_MAX: u32 = 64;

/// Awaits a call; gives way first when many before it never had to wait. Not after it: whoever races the call must see
/// its end at once.
async fn in_turn<F: Future>(call: F) -> F::Output {
    thread_local! {
        static PROMPT_CALLS: Cell<u32> = const { Cell::new(0) };
    }
    if PROMPT_CALLS.get() >= PROMPT_CALLS_MAX {
        PROMPT_CALLS.set(0);
        yield_now().await;
    }
    let mut call = pin!(call);
    let mut waited = false;
    let output = poll_fn(|context| {
        let polled = call.as_mut().poll(context);
        waited |= polled.is_pending();
        polled
    })
    .await;
    PROMPT_CALLS.set(if waited { 0 } else { PROMPT_CALLS.get() + 1 });
    output
}

/// Whether a call is to be made again: it was ended by a signal, or gave up without having waited.
///
/// assumed: a ring operation on a non-blocking socket can come back so when the kernel hands it to a worker thread; no
/// run has shown it, but it must not pass for a peer that has gone.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// How long a receive may hold its buffer.
#[derive(Clone)]
pub(super) enum Patience {
    /// Until something comes.
    Endless,
    /// Until the connection counts as silent.
    UntilSilent(CancelHandle),
}

/// See [`crate::net::stream::Stream::recv`] and [`crate::net::stream::Stream::recv_unless_silent`].
pub(super) async fn recv<S: CancelableAsyncReadRent>(
    source: &mut S,
    deadline: &DeadlineSlot,
    mut buffer: Vec<u8>,
    at: usize,
    bytes_max: usize,
    patience: Patience,
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
    let (received, buffer) = loop {
        let window = SliceMut::new(buffer, at, end);
        let (received, window) = match &patience {
            Patience::Endless => in_turn(source.read(window)).await,
            Patience::UntilSilent(handle) => {
                in_turn(source.cancelable_read(window, handle.clone())).await
            }
        };
        buffer = window.into_inner();
        match received {
            Err(error) if is_passing(&error) && deadline.fired().is_none() => sleep_ms(1).await,
            received => break (received, buffer),
        }
    };
    if let Ok(count) = &received {
        deadline.note_moved(*count);
    }
    match (deadline.fired(), &received) {
        // What came before the cut can still be answered.
        (None, _) | (Some(Cut::Read), Ok(1..)) => (received, buffer),
        (Some(_), _) => (Err(io::ErrorKind::TimedOut.into()), buffer),
    }
}

/// See [`crate::net::stream::Stream::send_all`].
pub(super) async fn send<S: AsyncWriteRent, B: IoBuf + AsRef<[u8]>>(
    sink: &mut S,
    fd: RawFd,
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
        let bytes = buffer.as_ref().get(start..call_end).unwrap_or_default();
        let sent = if let Some(sent) = prompt::send(fd, bytes) {
            sent
        } else {
            let (sent, window) = in_turn(sink.write(buffer.slice(start..call_end))).await;
            buffer = window.into_inner();
            sent
        };
        match sent {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
            Ok(count) => {
                deadline.note_moved(count);
                start = start.saturating_add(count);
            }
            Err(_) if deadline.fired() == Some(Cut::Both) => {
                return (Err(io::ErrorKind::TimedOut.into()), buffer);
            }
            Err(error) if is_passing(&error) => sleep_ms(1).await,
            Err(error) => return (Err(error), buffer),
        }
    }
    (Ok(()), buffer)
}
