//! Chunks of an `aws-chunked` body that lie behind each other in one buffer, to be sent together.

use std::io::IoSliceMut;
use std::mem;

use smallvec::SmallVec;

use crate::net::buffer::Class;
use crate::wire::aws_chunked::encode;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::LANES;
use crate::wire::sigv4::payload_hash::sha256_hex;
use crate::wire::sigv4::payload_hash::sha256_hex_of_lanes;

/// Chunks that are read, hashed and sent together.
pub const CHUNKS_MAX: usize = LANES;
/// Data bytes of a chunk that is not the last: a multiple of SHA-256's blocks, and so many that a group fits into one buffer.
pub const CHUNK_BYTES: usize = 127 * 1024;
const CHUNK_WIRE_BYTES_MAX: usize = encode::HEADROOM + CHUNK_BYTES + encode::CRLF.len();
const _: () = assert!(CHUNKS_MAX * CHUNK_WIRE_BYTES_MAX <= Class::Upload.bytes());
const _: () = assert!(CHUNK_BYTES >= encode::CHUNK_BYTES_MIN);
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

/// Chunks and their places: data is read into them, then headers are written between.
#[derive(Debug, Default)]
pub struct ChunkGroup {
    /// In their order.
    pub chunks: SmallVec<[Chunk; CHUNKS_MAX]>,
    /// Receives that it took to fill them.
    pub reads: usize,
}

impl ChunkGroup {
    /// The next chunks of a body of which `left` bytes are to come, at most `chunks_max` of them.
    #[must_use]
    pub fn plan(mut left: u64, chunks_max: usize, is_signed: bool) -> Self {
        let mut group = Self::default();
        while left > 0 && group.chunks.len() < chunks_max {
            let size = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            let header = group.wire_bytes();
            let data = header + encode::header_len(size, is_signed);
            group.chunks.push(Chunk { header, data, size });
            left = left.saturating_sub(size as u64);
        }
        group
    }

    /// Bytes of all of them on the wire.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.chunks.last().map_or(0, Chunk::end)
    }

    /// The places of the data behind its first `filled` bytes.
    #[must_use]
    pub fn windows<'b>(
        &self,
        buffer: &'b mut [u8],
        mut filled: usize,
    ) -> SmallVec<[IoSliceMut<'b>; CHUNKS_MAX]> {
        let mut windows = SmallVec::new();
        let (mut rest, mut at) = (buffer, 0);
        for chunk in &self.chunks {
            let full = filled.min(chunk.size);
            filled -= full;
            let parts = mem::take(&mut rest).split_at_mut_checked(chunk.data + full - at);
            let parts = parts.and_then(|(_, tail)| tail.split_at_mut_checked(chunk.size - full));
            let Some((window, tail)) = parts else {
                break;
            };
            if !window.is_empty() {
                windows.push(IoSliceMut::new(window));
            }
            (rest, at) = (tail, chunk.data + chunk.size);
        }
        windows
    }

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

    /// Writes headers and line ends into their places, signed if there is a signer.
    pub fn write_framing(&self, buffer: &mut [u8], signer: Option<&mut ChunkSigner>) {
        for chunk in &self.chunks {
            if let Some(end) = buffer.get_mut(chunk.data + chunk.size..chunk.end()) {
                end.copy_from_slice(encode::CRLF);
            }
        }
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
    /// Offset behind its line end.
    const fn end(&self) -> usize {
        self.data + self.size + encode::CRLF.len()
    }

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
            buffer.resize(data + size + encode::CRLF.len(), 0);
            group.chunks.push(Chunk { header, data, size });
        }
        (group, buffer)
    }

    #[test]
    fn a_plan_takes_what_is_left_in_full_chunks_and_a_rest() {
        let sizes = |left, chunks_max| -> Vec<usize> {
            let group = ChunkGroup::plan(left, chunks_max, true);
            group.chunks.iter().map(|chunk| chunk.size).collect()
        };
        let full = CHUNK_BYTES as u64;
        assert!(sizes(0, CHUNKS_MAX).is_empty());
        assert_eq!(sizes(full, CHUNKS_MAX), [CHUNK_BYTES]);
        assert_eq!(sizes(full + 1, CHUNKS_MAX), [CHUNK_BYTES, 1]);
        assert_eq!(sizes(full + 1, 1), [CHUNK_BYTES]);
        assert_eq!(sizes(u64::MAX, CHUNKS_MAX), [CHUNK_BYTES; CHUNKS_MAX]);
    }

    #[test]
    fn a_plan_is_as_long_as_what_is_written() {
        for signed in [true, false] {
            let group = ChunkGroup::plan(CHUNK_BYTES as u64 + 5, CHUNKS_MAX, signed);
            let expected: usize = [CHUNK_BYTES, 5]
                .iter()
                .map(|&size| encode::header_len(size, signed) + size + encode::CRLF.len())
                .sum();
            assert_eq!(group.wire_bytes(), expected);
        }
        assert_eq!(ChunkGroup::default().wire_bytes(), 0);
    }

    #[test]
    fn windows_are_the_data_that_is_not_filled() {
        let (group, mut buffer) = group(&[4, 2, 3], 0);
        for (filled, lengths) in [
            (0, &[4, 2, 3][..]),
            (3, &[1, 2, 3]),
            (4, &[2, 3]),
            (5, &[1, 3]),
            (8, &[1]),
            (9, &[]),
            (10, &[]),
        ] {
            let windows = group.windows(&mut buffer, filled);
            let seen: Vec<_> = windows.iter().map(|window| window.len()).collect();
            assert_eq!(seen, lengths, "{filled} bytes are filled");
        }
        buffer.fill(0);
        for window in &mut group.windows(&mut buffer, 1) {
            window.fill(b'd');
        }
        for (number, chunk) in group.chunks.iter().enumerate() {
            let filled = usize::from(number == 0);
            assert!(
                buffer[chunk.data + filled..][..chunk.size - filled]
                    .iter()
                    .all(|&byte| byte == b'd')
            );
        }
        let touched = buffer.iter().filter(|&&byte| byte == b'd').count();
        assert_eq!(touched, 8, "nothing but data is written");
    }

    #[test]
    fn headers_lie_before_their_data() {
        let (group, mut buffer) = group(&[16, 3], 2);
        group.write_framing(&mut buffer, None);
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
