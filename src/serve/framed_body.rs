//! The object inside a body in `aws-chunked` coding: its length, its checksum, its end.

use crate::serve::failure::CodingFault;
use crate::wire::aws_chunked::decode::Chunks;
use crate::wire::aws_chunked::decode::Decoder;
use crate::wire::checksum::Algorithm;
use crate::wire::checksum::Hasher;
use crate::wire::sigv4::chunk_signature::ChunkSigner;

/// What is known of such a body while it is read.
pub struct FramedBody {
    decoder: Decoder,
    /// Bytes of the object still to come.
    left: u64,
    algorithm: Option<Algorithm>,
    hasher: Option<Hasher>,
    /// Bytes off the wire, from `used` on not decoded yet.
    pub(super) wire: Vec<u8>,
    used: usize,
}

impl std::fmt::Debug for FramedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FramedBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl FramedBody {
    /// A body of `decoded` bytes, followed by a checksum if there is an `algorithm`; chunk signatures are checked with a
    /// `signer`.
    #[must_use]
    pub fn new(
        chunks: Chunks,
        decoded: u64,
        algorithm: Option<Algorithm>,
        signer: Option<ChunkSigner>,
    ) -> Self {
        Self {
            decoder: Decoder::new(chunks, signer),
            left: decoded,
            algorithm,
            hasher: algorithm.map(Hasher::new),
            wire: Vec::new(),
            used: 0,
        }
    }

    /// Bytes of the object still to come.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.left
    }

    /// Whether the coding has ended.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether bytes are left that the coding did not use.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.used < self.wire.len()
    }

    /// The buffer for more bytes off the wire; what was not decoded yet stays in front.
    pub fn take_wire(&mut self) -> Vec<u8> {
        let mut wire = std::mem::take(&mut self.wire);
        wire.drain(..self.used.min(wire.len()));
        self.used = 0;
        wire
    }

    /// Appends at most `max` bytes of the object.
    ///
    /// # Errors
    /// The coding, or more bytes than were announced.
    pub fn decode(&mut self, out: &mut Vec<u8>, max: usize) -> Result<(), CodingFault> {
        let at = out.len();
        let input = self.wire.get(self.used..).unwrap_or_default();
        self.used += self
            .decoder
            .decode(input, out, max)
            .map_err(CodingFault::Framing)?;
        let data = out.get(at..).unwrap_or_default();
        self.left = self
            .left
            .checked_sub(data.len() as u64)
            .ok_or(CodingFault::Length)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        Ok(())
    }

    /// Whether length and checksum are what was said; asked once, at the end.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_end(&mut self) -> Result<(), CodingFault> {
        if self.left > 0 {
            return Err(CodingFault::Length);
        }
        match (self.algorithm, self.hasher.take()) {
            (None, _) if self.decoder.trailers() > 0 => Err(CodingFault::Trailer),
            (Some(algorithm), Some(hasher)) => {
                let sent = self.decoder.trailer(algorithm.field());
                let sent = sent.filter(|_| self.decoder.trailers() == 1);
                let sent = sent.ok_or(CodingFault::Trailer)?;
                if sent == hasher.finish().as_bytes() {
                    Ok(())
                } else {
                    Err(CodingFault::Checksum)
                }
            }
            _ => Ok(()),
        }
    }

    /// The checksum that followed, once everything was read.
    #[must_use]
    pub fn trailing_checksum(&self) -> Option<&[u8]> {
        let algorithm = self.algorithm.filter(|_| self.is_done())?;
        self.decoder.trailer(algorithm.field())
    }
}
