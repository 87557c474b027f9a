//! A body that is sent piece by piece in whatever framing it has.

use crate::serve::client_response::ClientSide;
use crate::serve::client_response::OutgoingFraming;
use crate::serve::download::DownloadFault;
use crate::serve::download::broken_off;
use crate::serve::failure::BodyFault;
use crate::serve::per_core::Core;
use crate::wire::http1::chunked;

const CRLF: &[u8] = b"\r\n";

/// Sends a body piece by piece in its framing; the head, waiting in the buffer, goes with the first.
#[derive(Debug)]
pub struct PieceSender {
    framing: OutgoingFraming,
    head_sent: bool,
}

impl PieceSender {
    /// A sender that has sent nothing.
    #[must_use]
    pub const fn new(framing: OutgoingFraming) -> Self {
        Self {
            framing,
            head_sent: false,
        }
    }

    /// Sends `piece` through `buffer`, which holds the head until it was sent.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn send(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
        piece: &[u8],
    ) -> Result<(), DownloadFault> {
        if self.head_sent {
            buffer.clear();
        }
        if !piece.is_empty() {
            if self.framing == OutgoingFraming::Chunked {
                chunked::write_chunk_header(buffer, piece.len());
            }
            buffer.extend_from_slice(piece);
            if self.framing == OutgoingFraming::Chunked {
                buffer.extend_from_slice(CRLF);
            }
        }
        self.flush(core, client, buffer).await?;
        client.record.add_response_bytes(piece.len() as u64);
        Ok(())
    }

    /// Sends the end of the body.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn finish(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), DownloadFault> {
        if self.head_sent {
            buffer.clear();
        }
        if self.framing == OutgoingFraming::Chunked {
            buffer.extend_from_slice(chunked::LAST_CHUNK);
        }
        self.flush(core, client, buffer).await
    }

    async fn flush(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), DownloadFault> {
        if buffer.is_empty() {
            return Ok(());
        }
        let all = 0..buffer.len();
        self.head_sent = true;
        client
            .send(core, buffer, all)
            .await
            .map_err(|_gone| DownloadFault::Cut)
    }

    /// What the end of the store's body means now.
    #[must_use]
    pub fn fault(&self, client: &ClientSide<'_>, fault: BodyFault) -> DownloadFault {
        if self.head_sent {
            broken_off(client, fault)
        } else {
            DownloadFault::Store(fault)
        }
    }
}
