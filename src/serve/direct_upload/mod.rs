//! An upload from the client's socket to the store's by calls that never wait: spliced if nobody looks at its bytes, through
//! memory if its chunks are signed.
//!
//! It happens on one stream and not on its halves: every wait of it may be dropped, so that the store's answer is seen while
//! bytes are waited for, without a receive that races them.

mod signed;
mod spliced;

use crate::net::relay::RelayFault;
use crate::net::stream::Stream;
use crate::serve::client_body::ClientBody;
use crate::serve::download::SPLICE_BYTES_MIN;
use crate::serve::failure::BodyFault;
use crate::serve::failure::UploadFault;
use crate::serve::per_core::Core;
use crate::serve::upload::PumpFault;
use crate::serve::upload::StreamedBody;
use crate::wire::sigv4::chunk_signature::ChunkSigner;

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

/// Whether `body` can go this way to the store at the other end of `to`: it is sent as it comes or in signed chunks, without a
/// trailer, and both connections are plain.
#[must_use]
pub fn is_possible(body: &StreamedBody<'_>, is_signed: bool, to: &Stream) -> bool {
    body.trailer.is_none()
        && (is_signed || body.bytes >= SPLICE_BYTES_MIN)
        && body.source.untouched_bytes() == Some(body.bytes)
        && to.is_plain()
}

/// Sends `head`, what the client has sent with its own head, and the rest. On `NoPipe`, which no signed body meets, head and
/// first bytes are sent, and `body` is the rest.
///
/// # Errors
/// See [`Halt`].
pub async fn send(
    core: &Core,
    to: &mut Stream,
    head: Vec<u8>,
    signer: Option<ChunkSigner>,
    body: &mut StreamedBody<'_>,
    idle_ms: u64,
) -> Result<(), Halt> {
    let client = body.source.client();
    client.invite().await.map_err(of_client)?;
    client.begin();
    match signer {
        Some(signer) => signed::send(core, to, &head, signer, body, idle_ms).await,
        None => spliced::send(core, to, head, body, idle_ms).await,
    }
}

/// Appends the bytes of the body that are in memory.
async fn take_front(client: &mut ClientBody<'_>, mut out: Vec<u8>) -> Result<Vec<u8>, Halt> {
    while !client.inbox.is_empty() {
        let max = client.inbox.unread().len();
        let (result, filled) = client.read(out, max).await;
        out = filled;
        if result.map_err(of_client)? == 0 {
            break;
        }
    }
    Ok(out)
}

const fn of_client(fault: UploadFault) -> Halt {
    Halt::Fault(PumpFault::Client(fault))
}

/// What a transfer's failure is to the upload.
fn halt_of(fault: RelayFault, client: &mut ClientBody<'_>) -> Halt {
    let of_wire = |fault| of_client(UploadFault::Client(fault));
    match fault {
        RelayFault::SinkSpoke => Halt::Answered,
        RelayFault::SourceEnded => of_wire(BodyFault::Closed),
        RelayFault::SourceTimedOut => {
            client.note_timeout();
            of_wire(BodyFault::TimedOut)
        }
        RelayFault::Source(error) => of_wire(BodyFault::Io(error.kind())),
        RelayFault::SinkTimedOut => Halt::Fault(PumpFault::Store(std::io::ErrorKind::TimedOut)),
        RelayFault::Sink(error) => Halt::Fault(PumpFault::Store(error.kind())),
    }
}
