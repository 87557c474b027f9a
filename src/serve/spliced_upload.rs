//! An upload whose bytes nobody looks at, moved by the kernel from the client's socket to the store's.
//!
//! It happens on one stream and not on its halves: every wait of it may be dropped, so that the store's answer is seen while
//! bytes are waited for, without a receive that races them.

use crate::net::deadline::Cut;
use crate::net::splice::SpliceError;
use crate::net::splice::SpliceFault;
use crate::net::splice::splice_until_told;
use crate::net::stream::Stream;
use crate::serve::client_body::ClientBody;
use crate::serve::download::SPLICE_BYTES_MIN;
use crate::serve::failure::BodyFault;
use crate::serve::failure::UploadFault;
use crate::serve::per_core::Core;
use crate::serve::upload::PumpFault;
use crate::serve::upload::StreamedBody;

/// How it ended before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Either side failed.
    Fault(PumpFault),
    /// The store has something to say already.
    Answered,
    /// There is no pipe to be had: nothing was moved, the rest can be copied.
    NoPipe,
}

/// Whether `body` can go this way to the store at the other end of `to`: nobody signs its chunks or adds a trailer, and both
/// connections are plain.
#[must_use]
pub fn is_possible(body: &StreamedBody<'_>, is_signed: bool, to: &Stream) -> bool {
    !is_signed
        && body.trailer.is_none()
        && body.bytes >= SPLICE_BYTES_MIN
        && body.source.untouched_bytes() == Some(body.bytes)
        && to.is_plain()
}

/// Sends `head`, what the client has sent with its own head, and the rest by the kernel. On `NoPipe` head and first bytes
/// are sent, and `body` is the rest.
///
/// # Errors
/// See [`Halt`].
pub async fn send(
    core: &Core,
    to: &mut Stream,
    head: Vec<u8>,
    body: &mut StreamedBody<'_>,
    idle_ms: u64,
) -> Result<(), Halt> {
    let client = body.source.client();
    send_front(to, head, client, idle_ms).await?;
    let left = client.arrival.reader.remaining().unwrap_or(0);
    body.bytes = left;
    let moved = splice_until_told(&core.pipes, client.stream, to, left, idle_ms).await;
    let Err(SpliceError { moved, fault }) = moved else {
        client.arrival.reader.finish();
        return Ok(());
    };
    client.arrival.reader.skip(moved);
    let of_client = |fault| Halt::Fault(PumpFault::Client(UploadFault::Client(fault)));
    Err(match fault {
        SpliceFault::NoPipe => Halt::NoPipe,
        SpliceFault::SinkSpoke => Halt::Answered,
        SpliceFault::SourceEnded => of_client(BodyFault::Closed),
        SpliceFault::SourceTimedOut => {
            client.note_timeout();
            of_client(BodyFault::TimedOut)
        }
        SpliceFault::Source(error) => of_client(BodyFault::Io(error.kind())),
        SpliceFault::SinkTimedOut => Halt::Fault(PumpFault::Store(std::io::ErrorKind::TimedOut)),
        SpliceFault::Sink(error) => Halt::Fault(PumpFault::Store(error.kind())),
    })
}

/// The head and the bytes that are in memory go in one send.
async fn send_front(
    to: &mut Stream,
    head: Vec<u8>,
    client: &mut ClientBody<'_>,
    idle_ms: u64,
) -> Result<(), Halt> {
    let of_client = |fault| Halt::Fault(PumpFault::Client(fault));
    client.invite().await.map_err(of_client)?;
    client.begin();
    let mut front = head;
    while !client.inbox.is_empty() {
        let max = client.inbox.unread().len();
        let (result, filled) = client.read(front, max).await;
        front = filled;
        result.map_err(of_client)?;
    }
    let all = 0..front.len();
    to.arm(idle_ms, Cut::Both);
    let (sent, _front) = to.send_all(front, all).await;
    to.disarm();
    sent.map_err(|error| Halt::Fault(PumpFault::Store(error.kind())))
}
