//! The body goes through memory, in groups of chunks that are hashed side by side and signed.
//!
//! A group is received, hashed and sent before another connection's turn comes, while it lies in this core's cache.

use std::io::Read;
use std::ops::Range;

use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::driver::yield_now;
use crate::net::relay::Manner;
use crate::net::relay::RelayFault;
use crate::net::relay::copy;
use crate::net::stream::Stream;
use crate::serve::chunk_group::CHUNKS_MAX;
use crate::serve::chunk_group::ChunkGroup;
use crate::serve::chunk_group::chunk_bytes_of;
use crate::serve::client_body::ClientBody;
use crate::serve::direct_upload::Halt;
use crate::serve::direct_upload::halt_of;
use crate::serve::direct_upload::take_front;
use crate::serve::per_core::Core;
use crate::serve::upload::StreamedBody;
use crate::wire::aws_chunked::encode;
use crate::wire::sigv4::chunk_signature::ChunkSigner;

/// Bytes moved before other tasks run: as long as a burst of `splice(2)` takes. Each yield less is less time lost, since the core looks at
/// its timers after a number of them.
const BURST_BYTES_MAX: u64 = 2 << 20;

/// See [`crate::serve::direct_upload::send`].
pub(super) async fn send(
    core: &Core,
    to: &mut Stream,
    head: &[u8],
    signer: ChunkSigner,
    body: &mut StreamedBody<'_>,
    idle_ms: u64,
) -> Result<(), Halt> {
    let client = body.source.client();
    let front = take_front(client, core.buffers.take(Class::Head)).await?;
    let mut buffer = core.buffers.take(Class::Upload);
    let mut passage = Passage {
        bytes: body.bytes,
        front: &front,
        received: 0,
        manner: Manner::until_told(idle_ms),
    };
    let sent = match copy::send_all(to, head, passage.manner).await {
        Ok(()) => passage.pump(client, to, signer, &mut buffer).await,
        Err(fault) => Err(fault),
    };
    let received = passage.received;
    core.buffers.give(buffer);
    core.buffers.give(front);
    match sent {
        Ok(()) => {
            client.arrival.reader.finish();
            Ok(())
        }
        Err(fault) => {
            client.arrival.reader.skip(received);
            Err(halt_of(fault, client))
        }
    }
}

/// A body on its way.
struct Passage<'f> {
    /// Its length.
    bytes: u64,
    /// The first of its bytes, if they came with the client's head.
    front: &'f [u8],
    /// Bytes off the client's socket, without `front`.
    received: u64,
    manner: Manner,
}

impl Passage<'_> {
    /// Sends all chunks. `buffer` holds one group; it only grows, so that what was zeroed once is not zeroed again.
    async fn pump(
        &mut self,
        client: &mut ClientBody<'_>,
        to: &mut Stream,
        mut signer: ChunkSigner,
        buffer: &mut Vec<u8>,
    ) -> Result<(), RelayFault> {
        let chunk_bytes = chunk_bytes_of(self.bytes);
        let mut left = self.bytes;
        let mut chunks_max = CHUNKS_MAX;
        let mut carried = 0..0;
        let mut burst = 0;
        while left > 0 {
            let mut group = ChunkGroup::plan(left, chunk_bytes, chunks_max, true);
            if buffer.len() < group.wire_bytes() {
                buffer.resize(group.wire_bytes(), 0);
            }
            let filled = group.take_over(buffer, carried);
            carried = self
                .fill(&mut group, buffer, filled, client.stream, to)
                .await?;
            group.write_framing(buffer, Some(&mut signer));
            left = left.saturating_sub(group.bytes());
            chunks_max = group.chunks_max_of_next();
            if left == 0 {
                buffer.truncate(group.wire_bytes());
                encode::write_signed_end(&signer.sign_chunk(b""), buffer);
                return copy::send_all(to, buffer, self.manner).await;
            }
            let wire = buffer.get(..group.wire_bytes()).unwrap_or_default();
            copy::send_all(to, wire, self.manner).await?;
            // Nothing above has to wait for a client that is quick enough.
            burst += group.bytes();
            if burst >= BURST_BYTES_MAX {
                burst = 0;
                yield_now().await;
            }
        }
        Ok(())
    }

    /// Receives the data of all chunks of a group behind its first `filled` bytes. Of a slow client's, which are cut short, the bytes of the
    /// next chunk lie where the outcome says.
    async fn fill(
        &mut self,
        group: &mut ChunkGroup,
        buffer: &mut [u8],
        mut filled: usize,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Result<Range<usize>, RelayFault> {
        loop {
            let mut windows = group.windows(buffer, filled);
            if windows.is_empty() {
                return Ok(0..0);
            }
            // Reading from memory cannot fail.
            filled += match self.front.read_vectored(&mut windows) {
                Ok(count @ 1..) => count,
                Ok(0) | Err(_) => {
                    let count = copy::recv_into(from, to, &mut windows, self.manner).await?;
                    self.received = self.received.saturating_add(count as u64);
                    group.note_receive(clock::monotonic_ms());
                    count
                }
            };
            if let Some(carried) = group.cut_if_slow(filled) {
                return Ok(carried);
            }
        }
    }
}
