//! The kernel moves the body.

use crate::net::deadline::Cut;
use crate::net::relay::Manner;
use crate::net::relay::splice::SpliceError;
use crate::net::relay::splice::SpliceFault;
use crate::net::relay::splice::splice_exact;
use crate::net::stream::Stream;
use crate::serve::direct_upload::Halt;
use crate::serve::direct_upload::halt_of;
use crate::serve::direct_upload::take_front;
use crate::serve::per_core::Core;
use crate::serve::upload::PumpFault;
use crate::serve::upload::StreamedBody;

/// See [`crate::serve::direct_upload::send`].
pub(super) async fn send(
    core: &Core,
    to: &mut Stream,
    head: Vec<u8>,
    body: &mut StreamedBody<'_>,
    idle_ms: u64,
) -> Result<(), Halt> {
    let client = body.source.client();
    // The head and the bytes that are in memory go in one send.
    let front = take_front(client, head).await?;
    let all = 0..front.len();
    to.arm(idle_ms, Cut::Both);
    let (sent, _front) = to.send_all(front, all).await;
    to.disarm();
    sent.map_err(|error| Halt::Fault(PumpFault::Store(error.kind())))?;

    let left = client.arrival.reader.remaining().unwrap_or(0);
    body.bytes = left;
    let manner = Manner::until_told(idle_ms);
    let moved = splice_exact(&core.pipes, client.stream, to, left, manner).await;
    let Err(SpliceError { moved, fault }) = moved else {
        client.arrival.reader.finish();
        return Ok(());
    };
    client.arrival.reader.skip(moved);
    Err(match fault {
        SpliceFault::NoPipe => Halt::NoPipe,
        SpliceFault::Broken(fault) => halt_of(fault, client),
    })
}
