//! Chunks of an `aws-chunked` body that lie behind each other in one buffer, to be sent together.

use smallvec::SmallVec;

use crate::wire::aws_chunked::encode;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::LANES;
use crate::wire::sigv4::payload_hash::sha256_hex;
use crate::wire::sigv4::payload_hash::sha256_hex_of_lanes;

/// Chunks that are read, hashed and sent together.
pub const CHUNKS_MAX: usize = LANES;
/// A client that fills a chunk in so many receives keeps up with its group. The chunks of a slower one are sent one by one,
/// so that the store does not wait as well.
const READS_PER_CHUNK_MAX: usize = 8;

/// Where a chunk lies: its header from `header` to `data`, then `size` bytes of data and CRLF.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Offset of its header.
    pub header: usize,
    /// Offset of its data.
    pub data: usize,
    /// Bytes of data.
    pub size: usize,
}

/// Chunks whose data was read and whose headers are to be written.
#[derive(Debug, Default)]
pub struct ChunkGroup {
    /// In their order.
    pub chunks: SmallVec<[Chunk; CHUNKS_MAX]>,
    /// Receives that it took to fill them.
    pub reads: usize,
}

impl ChunkGroup {
    /// Bytes of data in all of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.size as u64).sum()
    }

    /// How many chunks to read next before they are sent.
    #[must_use]
    pub fn chunks_max_of_next(&self) -> usize {
        if self.reads <= self.chunks.len() * READS_PER_CHUNK_MAX {
            CHUNKS_MAX
        } else {
            1
        }
    }

    /// Writes the headers into their places, signed if there is a signer.
    pub fn write_headers(&self, buffer: &mut [u8], signer: Option<&mut ChunkSigner>) {
        let Some(signer) = signer else {
            for chunk in &self.chunks {
                chunk.write_header(buffer, |headroom| {
                    encode::write_unsigned_header(headroom, chunk.size)
                });
            }
            return;
        };
        let hashes = self.hashes(buffer);
        for (chunk, hash) in self.chunks.iter().zip(&hashes) {
            let signature = signer.sign_chunk_hash(hash);
            chunk.write_header(buffer, |headroom| {
                encode::write_signed_header(headroom, chunk.size, &signature)
            });
        }
    }

    fn hashes(&self, buffer: &[u8]) -> SmallVec<[Hex; CHUNKS_MAX]> {
        let data: SmallVec<[&[u8]; CHUNKS_MAX]> =
            self.chunks.iter().map(|chunk| chunk.of(buffer)).collect();
        match <&[&[u8]; LANES]>::try_from(data.as_slice()) {
            Ok(lanes) => sha256_hex_of_lanes(lanes).into(),
            Err(_fewer) => data.iter().copied().map(sha256_hex).collect(),
        }
    }
}

impl Chunk {
    fn of<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        let data = buffer.get(self.data..self.data + self.size);
        data.unwrap_or_default()
    }

    /// `write` fills the end of the headroom and tells how much of it.
    fn write_header(
        &self,
        buffer: &mut [u8],
        write: impl FnOnce(&mut [u8; encode::HEADROOM]) -> usize,
    ) {
        let mut headroom = [0; encode::HEADROOM];
        let used = write(&mut headroom);
        let written = headroom.get(encode::HEADROOM - used..).unwrap_or_default();
        if let Some(place) = buffer.get_mut(self.header..self.data)
            && place.len() == written.len()
        {
            place.copy_from_slice(written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(sizes: &[usize], reads: usize) -> (ChunkGroup, Vec<u8>) {
        let mut buffer = Vec::new();
        let mut group = ChunkGroup {
            reads,
            ..ChunkGroup::default()
        };
        for &size in sizes {
            let header = buffer.len();
            let data = header + encode::header_len(size, false);
            buffer.resize(data, 0);
            buffer.resize(data + size, b'x');
            buffer.extend_from_slice(encode::CRLF);
            group.chunks.push(Chunk { header, data, size });
        }
        (group, buffer)
    }

    #[test]
    fn headers_lie_before_their_data() {
        let (group, mut buffer) = group(&[16, 3], 2);
        group.write_headers(&mut buffer, None);
        assert_eq!(buffer, b"10\r\nxxxxxxxxxxxxxxxx\r\n3\r\nxxx\r\n");
        assert_eq!(group.bytes(), 19);
    }

    #[test]
    fn hashes_are_those_of_the_chunks_however_many_there_are() {
        for sizes in [&[65][..], &[64, 64, 7], &[9, 9, 9, 9], &[640, 640, 640, 1]] {
            let (group, buffer) = group(sizes, 1);
            let expected: Vec<_> = sizes
                .iter()
                .map(|&size| sha256_hex(&vec![b'x'; size]))
                .collect();
            assert_eq!(group.hashes(&buffer).as_slice(), expected, "{sizes:?}");
        }
    }

    #[test]
    fn chunks_of_a_slow_client_are_sent_one_by_one() {
        let next = |sizes: &[usize], reads| group(sizes, reads).0.chunks_max_of_next();
        assert_eq!(next(&[5], READS_PER_CHUNK_MAX), CHUNKS_MAX);
        assert_eq!(next(&[5], READS_PER_CHUNK_MAX + 1), 1);
        assert_eq!(next(&[5; 4], 4 * READS_PER_CHUNK_MAX), CHUNKS_MAX);
        assert_eq!(next(&[5; 4], 4 * READS_PER_CHUNK_MAX + 1), 1);
    }
}
