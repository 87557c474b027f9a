//! Chunks of an `aws-chunked` body that lie behind each other in one buffer, to be sent together.

use std::io::IoSliceMut;
use std::mem;
use std::num::NonZeroU64;
use std::ops::Range;

use smallvec::SmallVec;

use crate::net::buffer::Class;
use crate::wire::aws_chunked::encode;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::LANES;
use crate::wire::sigv4::payload_hash::sha256_hex;
use crate::wire::sigv4::payload_hash::sha256_hex_of_lanes;

/// Chunks that are read, hashed and sent together, apart from a rest of a few bytes.
pub const CHUNKS_MAX: usize = LANES;
/// The most data bytes of a chunk: so many that a group fits into one buffer.
pub const CHUNK_BYTES_MAX: usize = 126 * 1024;
/// As much may follow a group's last full chunk in one of its own: what is left of a body that is cut into equal chunks.
const REST_BYTES_MAX: usize = 4 * 1024;
const OVERHEAD: usize = encode::HEADROOM + encode::CRLF.len();
const GROUP_BYTES_MAX: usize =
    CHUNKS_MAX * (CHUNK_BYTES_MAX + OVERHEAD) + REST_BYTES_MAX + OVERHEAD;
const _: () = assert!(GROUP_BYTES_MAX + encode::SIGNED_END_BYTES_MAX <= Class::Upload.bytes());
const _: () = assert!(CHUNK_BYTES_MAX >= encode::CHUNK_BYTES_MIN);
/// A client that fills a chunk in so many receives keeps up with its group. The chunks of a slower one are sent one by one,
/// so that the store does not wait as well.
const READS_PER_CHUNK_MAX: usize = 8;
/// So does one that fills a group within this time: stores give up a request that nothing comes of for seconds (S3: some 20).
const GROUP_MS_MAX: u64 = 500;

/// Data bytes of the chunks of a body: all groups are full, of chunks of one length, since four lanes of SHA-256 must have the same.
/// A few bytes may be left over.
#[must_use]
pub fn chunk_bytes_of(body_bytes: u64) -> NonZeroU64 {
    let lanes = LANES as u64;
    let groups = body_bytes.div_ceil(lanes * CHUNK_BYTES_MAX as u64).max(1);
    let even = body_bytes / (lanes * groups);
    NonZeroU64::MIN.saturating_add(even.max(encode::CHUNK_BYTES_MIN as u64) - 1)
}

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
    pub chunks: SmallVec<[Chunk; CHUNKS_MAX + 1]>,
    /// Receives so far.
    reads: usize,
    /// When the first of them came.
    begun_ms: u64,
    /// How long the last of them came after it.
    lasted_ms: u64,
}

impl ChunkGroup {
    /// The next chunks of a body of which `left` bytes are to come, of `chunk_bytes` each: at most `chunks_max` of them, and a short rest.
    #[must_use]
    pub fn plan(left: u64, chunk_bytes: NonZeroU64, chunks_max: usize, is_signed: bool) -> Self {
        let chunk_bytes = usize::try_from(chunk_bytes.get()).unwrap_or(CHUNK_BYTES_MAX);
        let mut left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut group = Self::default();
        while left > 0 && (group.chunks.len() < chunks_max || left <= REST_BYTES_MAX) {
            let size = left.min(chunk_bytes).min(CHUNK_BYTES_MAX);
            let header = group.wire_bytes();
            let data = header + encode::header_len(size, is_signed);
            group.chunks.push(Chunk { header, data, size });
            left -= size;
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
    ) -> SmallVec<[IoSliceMut<'b>; CHUNKS_MAX + 1]> {
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

    /// Some of its data was received.
    pub const fn note_receive(&mut self, now_ms: u64) {
        if self.reads == 0 {
            self.begun_ms = now_ms;
        }
        self.reads += 1;
        self.lasted_ms = now_ms.saturating_sub(self.begun_ms);
    }

    /// How many chunks to read next before they are sent.
    #[must_use]
    pub fn chunks_max_of_next(&self) -> usize {
        if self.keeps_up(self.chunks.len()) {
            CHUNKS_MAX
        } else {
            1
        }
    }

    /// Gives up waiting for all of a slow client's chunks: those stay that its first `filled` bytes fill. Tells where the bytes lie
    /// that belong to the next one.
    pub fn cut_if_slow(&mut self, filled: usize) -> Option<Range<usize>> {
        let mut end = 0;
        let full = self.chunks.iter().take_while(|chunk| {
            end += chunk.size;
            end <= filled
        });
        let full = full.count();
        let next = self.chunks.get(full)?;
        if full == 0 || self.keeps_up(full) {
            return None;
        }
        let carried = next.data..next.data + filled + next.size - end;
        self.chunks.truncate(full);
        Some(carried)
    }

    /// Moves the bytes of its first chunk that the group before left at `carried` to their place; tells how many.
    #[must_use]
    pub fn take_over(&self, buffer: &mut [u8], carried: Range<usize>) -> usize {
        let Some(chunk) = self.chunks.first().filter(|_| carried.end <= buffer.len()) else {
            return 0;
        };
        let count = carried.len().min(chunk.size);
        buffer.copy_within(carried.start..carried.start + count, chunk.data);
        count
    }

    const fn keeps_up(&self, chunks: usize) -> bool {
        self.reads <= chunks * READS_PER_CHUNK_MAX && self.lasted_ms <= GROUP_MS_MAX
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

    fn hashes(&self, buffer: &[u8]) -> SmallVec<[Hex; CHUNKS_MAX + 1]> {
        let data: SmallVec<[&[u8]; CHUNKS_MAX + 1]> =
            self.chunks.iter().map(|chunk| chunk.of(buffer)).collect();
        let (mut hashes, rest) = match data.split_first_chunk::<LANES>() {
            Some((lanes, rest)) if lanes.iter().all(|lane| lane.len() == lanes[0].len()) => {
                (sha256_hex_of_lanes(lanes).into_iter().collect(), rest)
            }
            _ => (SmallVec::new(), data.as_slice()),
        };
        hashes.extend(rest.iter().copied().map(sha256_hex));
        hashes
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

    /// Chunks of 64 KiB.
    fn plan(left: u64, chunks_max: usize, is_signed: bool) -> ChunkGroup {
        ChunkGroup::plan(
            left,
            NonZeroU64::new(65_536).unwrap(),
            chunks_max,
            is_signed,
        )
    }

    #[test]
    fn a_plan_takes_full_chunks_and_a_rest() {
        let sizes = |left, chunks_max| -> Vec<usize> {
            let group = plan(left, chunks_max, true);
            group.chunks.iter().map(|chunk| chunk.size).collect()
        };
        let rest = REST_BYTES_MAX as u64;
        assert!(sizes(0, CHUNKS_MAX).is_empty());
        assert_eq!(sizes(65_536, CHUNKS_MAX), [65_536]);
        assert_eq!(sizes(65_536 + rest + 1, 1), [65_536]);
        assert_eq!(sizes(65_536 + rest, 1), [65_536, REST_BYTES_MAX]);
        assert_eq!(sizes(65_536 + rest + 1, 2), [65_536, REST_BYTES_MAX + 1]);
        assert_eq!(sizes(u64::MAX, CHUNKS_MAX), [65_536; CHUNKS_MAX]);
    }

    #[test]
    fn a_plan_is_as_long_as_what_is_written() {
        for signed in [true, false] {
            let group = plan(65_536 + 5, CHUNKS_MAX, signed);
            let expected: usize = [65_536, 5]
                .iter()
                .map(|&size| encode::header_len(size, signed) + size + encode::CRLF.len())
                .sum();
            assert_eq!(group.wire_bytes(), expected);
        }
        assert_eq!(ChunkGroup::default().wire_bytes(), 0);
    }

    #[test]
    fn every_group_is_full_of_equal_chunks() {
        let max = CHUNK_BYTES_MAX as u64;
        for body in [
            65_537,
            100_000,
            4 * max,
            4 * max + 1,
            8 * max,
            104_857_600,
            5 << 30,
        ] {
            let chunk_bytes = chunk_bytes_of(body);
            assert!(chunk_bytes.get() <= max, "{body}: {chunk_bytes}");
            let rest = body % chunk_bytes;
            let chunks = body / chunk_bytes;
            assert_eq!(chunks % LANES as u64, 0, "{body}: {chunks}");
            assert!(rest < chunks, "{body}: {rest}");
        }
        // S3 takes no shorter ones.
        assert_eq!(chunk_bytes_of(0).get(), encode::CHUNK_BYTES_MIN as u64);
        assert_eq!(chunk_bytes_of(32_767).get(), encode::CHUNK_BYTES_MIN as u64);
    }

    #[test]
    fn a_slow_client_is_not_waited_for_with_a_full_chunk_in_hand() {
        let slow = |filled| {
            let (mut group, _buffer) = group(&[4, 4, 4, 4], READS_PER_CHUNK_MAX + 1);
            let carried = group.cut_if_slow(filled);
            (carried, group.chunks.len())
        };
        let data = group(&[4, 4, 4, 4], 0).0.chunks;
        assert_eq!(slow(3), (None, 4), "nothing is full");
        assert_eq!(slow(4), (Some(data[1].data..data[1].data), 1));
        assert_eq!(slow(7), (Some(data[1].data..data[1].data + 3), 1));
        assert_eq!(slow(8), (None, 4), "two chunks may take as many receives");
        assert_eq!(slow(16), (None, 4), "nothing is left to wait for");
    }

    #[test]
    fn a_group_that_takes_long_is_not_waited_for_either() {
        for (last_ms, is_cut) in [(GROUP_MS_MAX, false), (GROUP_MS_MAX + 1, true)] {
            let (mut group, _buffer) = group(&[4, 4, 4, 4], 0);
            group.note_receive(7_000);
            group.note_receive(7_000 + last_ms);
            assert_eq!(
                group.chunks_max_of_next(),
                if is_cut { 1 } else { CHUNKS_MAX }
            );
            assert_eq!(group.cut_if_slow(5).is_some(), is_cut);
        }
    }

    #[test]
    fn what_a_cut_group_left_comes_first_in_the_next() {
        let (mut first, mut buffer) = group(&[4, 4, 4, 4], READS_PER_CHUNK_MAX + 1);
        let at = first.chunks[1].data;
        buffer[at..at + 3].copy_from_slice(b"abc");
        let carried = first.cut_if_slow(7).unwrap();
        let (next, _buffer) = group(&[4], 0);
        assert_eq!(next.take_over(&mut buffer, carried), 3);
        assert_eq!(&buffer[next.chunks[0].data..][..3], b"abc");
        assert_eq!(next.take_over(&mut buffer, 0..0), 0);
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
        for sizes in [
            &[65][..],
            &[64, 64, 7],
            &[9, 9, 9, 9],
            &[9, 9, 9, 9, 2],
            &[640, 640, 640, 1],
        ] {
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
