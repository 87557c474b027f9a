//! A body that was collected before it is sent: its length and hash are known.

use crate::net::buffer::BufferPool;
use crate::net::buffer::Class;
use crate::serve::client_body::ConvertedBody;
use crate::serve::failure::UploadFault;
use crate::wire::sigv4::payload_hash::PayloadHasher;

/// Bytes in blocks, with their hash.
#[derive(Debug)]
pub struct MemoryBody {
    blocks: Vec<Vec<u8>>,
    bytes: u64,
    sha256_hex: [u8; 64],
}

impl MemoryBody {
    /// A body of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let mut hasher = PayloadHasher::new();
        hasher.update(&bytes);
        Self {
            bytes: bytes.len() as u64,
            sha256_hex: hasher.finish_hex(),
            blocks: vec![bytes],
        }
    }

    /// Reads at most `bytes_max` bytes of `source`.
    ///
    /// # Errors
    /// Those of reading; the blocks go back to the pool.
    pub async fn collect(
        source: &mut ConvertedBody<'_>,
        bytes_max: u64,
        pool: &BufferPool,
    ) -> Result<Self, UploadFault> {
        let mut hasher = PayloadHasher::new();
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0u64;
        let mut block = pool.take(Class::Part);
        let outcome = loop {
            if block.len() == block.capacity() {
                blocks.push(std::mem::replace(&mut block, pool.take(Class::Part)));
            }
            let room = block.capacity() - block.len();
            let max = usize::try_from(bytes_max - bytes).map_or(room, |left| left.min(room));
            if max == 0 {
                break Ok(());
            }
            let at = block.len();
            let (result, filled) = source.read(block, max).await;
            block = filled;
            match result {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    hasher.update(block.get(at..).unwrap_or_default());
                    bytes += count as u64;
                }
                Err(fault) => break Err(fault),
            }
        };
        blocks.push(block);
        let body = Self {
            blocks,
            bytes,
            sha256_hex: hasher.finish_hex(),
        };
        match outcome {
            Ok(()) => Ok(body),
            Err(fault) => {
                body.release(pool);
                Err(fault)
            }
        }
    }

    /// Its length.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.bytes
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The SHA-256 of its bytes in hex.
    #[must_use]
    pub const fn sha256_hex(&self) -> &[u8; 64] {
        &self.sha256_hex
    }

    /// Its bytes in one piece.
    #[must_use]
    pub fn to_contiguous(&self) -> Vec<u8> {
        self.blocks.concat()
    }

    /// The blocks, each to be taken out for sending and put back.
    pub fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.blocks.iter_mut()
    }

    /// Appends all bytes to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        for block in &self.blocks {
            out.extend_from_slice(block);
        }
    }

    /// Gives the blocks back.
    pub fn release(self, pool: &BufferPool) {
        for block in self.blocks {
            pool.give(block);
        }
    }
}
