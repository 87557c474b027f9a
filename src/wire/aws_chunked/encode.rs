//! Writing the `aws-chunked` coding: exact lengths, chunk headers in headroom before the data, the three endings.

use std::num::NonZeroU64;

use crate::wire::sigv4::canonical_headers::Header;
use crate::wire::sigv4::hex::Hex;

/// Free bytes to keep before the data of a chunk: the longest header there is.
pub const HEADROOM: usize = SIZE_DIGITS_MAX + SIGNATURE_EXTENSION.len() + 64 + CRLF.len();

/// Follows the data of each chunk that has any.
pub const CRLF: &[u8] = b"\r\n";

/// Smallest chunk that S3 takes before the last one, in bytes (spec 10, "Chunked signing").
pub const CHUNK_BYTES_MIN: usize = 8 * 1024;

/// The most that [`write_signed_end`] writes.
pub const SIGNED_END_BYTES_MAX: usize = HEADROOM + CRLF.len();

const SIZE_DIGITS_MAX: usize = 16;
const SIGNATURE_EXTENSION: &[u8] = b";chunk-signature=";
const TRAILER_SIGNATURE: &[u8] = b"x-amz-trailer-signature:";

/// `;chunk-signature=` and its digits.
const SIGNATURE_BYTES: u64 = 17 + 64;
/// `0;chunk-signature=…` CRLF CRLF.
const SIGNED_END_BYTES: u64 = 1 + SIGNATURE_BYTES + 2 + 2;
/// `x-amz-trailer-signature:…` CRLF.
const TRAILER_SIGNATURE_BYTES: u64 = 24 + 64 + 2;
const _: () = assert!(SIGNATURE_EXTENSION.len() == 17 && TRAILER_SIGNATURE.len() == 24);

/// Bytes on the wire of `decoded` bytes in signed chunks of `chunk` bytes; `None` beyond 64 bits.
#[must_use]
pub fn signed_len(decoded: u64, chunk: NonZeroU64) -> Option<u64> {
    chunks_len(decoded, chunk, SIGNATURE_BYTES)?.checked_add(SIGNED_END_BYTES)
}

/// As [`signed_len`], with a signed trailer. `trailer` is the sum of its [`trailer_line_len`]s.
#[must_use]
pub fn signed_trailer_len(decoded: u64, chunk: NonZeroU64, trailer: u64) -> Option<u64> {
    signed_len(decoded, chunk)?
        .checked_add(trailer)?
        .checked_add(TRAILER_SIGNATURE_BYTES)
}

/// As [`signed_trailer_len`], with nothing signed.
#[must_use]
pub fn unsigned_trailer_len(decoded: u64, chunk: NonZeroU64, trailer: u64) -> Option<u64> {
    chunks_len(decoded, chunk, 0)?
        .checked_add(5)?
        .checked_add(trailer)
}

/// Bytes of one trailer field on the wire: `name:value` CRLF.
#[must_use]
pub const fn trailer_line_len(name_bytes: u32, value_bytes: u32) -> u64 {
    name_bytes as u64 + 1 + value_bytes as u64 + 2
}

/// Data chunks without the last, empty one; each has `extension` bytes between its size and CRLF.
fn chunks_len(decoded: u64, chunk: NonZeroU64, extension: u64) -> Option<u64> {
    let chunk_len = |size: u64| size.checked_add(size_digits(size) + extension + 2 + 2);
    let full = (decoded / chunk).checked_mul(if decoded >= chunk.get() {
        chunk_len(chunk.get())?
    } else {
        0
    })?;
    match decoded % chunk {
        0 => Some(full),
        rest => full.checked_add(chunk_len(rest)?),
    }
}

fn size_digits(size: u64) -> u64 {
    u64::from((u64::BITS - size.leading_zeros()).div_ceil(4).max(1))
}

/// Bytes of the header of a chunk of `size` bytes, signed or not: what its writer returns.
#[must_use]
pub const fn header_len(size: usize, is_signed: bool) -> usize {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4) as usize;
    let digits = if digits == 0 { 1 } else { digits };
    let extension = if is_signed {
        SIGNATURE_EXTENSION.len() + 64
    } else {
        0
    };
    digits + extension + CRLF.len()
}

/// Writes `size;chunk-signature=…` CRLF to the end of `headroom`, which ends where the data starts.
/// Returns the count of bytes written.
pub fn write_signed_header(headroom: &mut [u8; HEADROOM], size: usize, signature: &Hex) -> usize {
    write_back(headroom, size, &[SIGNATURE_EXTENSION, signature, CRLF])
}

/// As [`write_signed_header`], without a signature.
pub fn write_unsigned_header(headroom: &mut [u8; HEADROOM], size: usize) -> usize {
    write_back(headroom, size, &[CRLF])
}

fn write_back(headroom: &mut [u8; HEADROOM], size: usize, after_size: &[&[u8]]) -> usize {
    let backwards = after_size
        .iter()
        .rev()
        .flat_map(|piece| piece.iter().rev().copied());
    let places = headroom.iter_mut().rev();
    places
        .zip(backwards.chain(digits_backwards(size)))
        .map(|(place, byte)| *place = byte)
        .count()
}

/// The hex digits of `size`, the last one first.
fn digits_backwards(size: usize) -> impl Iterator<Item = u8> {
    const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";
    std::iter::successors(Some(size), |rest| Some(rest >> 4).filter(|&rest| rest > 0))
        .filter_map(|rest| LOWER_HEX.get(rest & 15).copied())
}

/// Appends the last chunk of a signed body.
pub fn write_signed_end(signature: &Hex, out: &mut Vec<u8>) {
    write_signed_last_line(signature, out);
    out.extend_from_slice(CRLF);
}

/// Appends the last chunk and a signed trailer. `signature` is that of the empty chunk; names must be lower-case.
pub fn write_signed_trailer_end(
    signature: &Hex,
    trailer: &[Header<'_>],
    trailer_signature: &Hex,
    out: &mut Vec<u8>,
) {
    write_signed_last_line(signature, out);
    write_trailer(trailer, out);
    for piece in [TRAILER_SIGNATURE, trailer_signature, CRLF, CRLF] {
        out.extend_from_slice(piece);
    }
}

/// Appends the last chunk and an unsigned trailer.
pub fn write_unsigned_trailer_end(trailer: &[Header<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    write_trailer(trailer, out);
    out.extend_from_slice(CRLF);
}

fn write_signed_last_line(signature: &Hex, out: &mut Vec<u8>) {
    for piece in [b"0", SIGNATURE_EXTENSION, signature, CRLF] {
        out.extend_from_slice(piece);
    }
}

fn write_trailer(trailer: &[Header<'_>], out: &mut Vec<u8>) {
    for (name, value) in trailer {
        for piece in [name, b":".as_slice(), value, CRLF] {
            out.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &Hex = &[b'5'; 64];
    const TRAILER: &[Header<'_>] = &[(b"x-amz-checksum-crc32c", b"sOO8/Q==")];

    /// A whole body of `size` bytes in chunks of `chunk`, without its ending.
    fn data_chunks(size: usize, chunk: usize, signed: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for data in vec![b'a'; size].chunks(chunk) {
            let mut headroom = [0; HEADROOM];
            let used = if signed {
                write_signed_header(&mut headroom, data.len(), SIGNATURE)
            } else {
                write_unsigned_header(&mut headroom, data.len())
            };
            assert_eq!(used, header_len(data.len(), signed));
            out.extend_from_slice(&headroom[HEADROOM - used..]);
            out.extend_from_slice(data);
            out.extend_from_slice(CRLF);
        }
        out
    }

    fn chunk(bytes: u64) -> NonZeroU64 {
        NonZeroU64::new(bytes).unwrap()
    }

    #[test]
    fn lengths_of_the_aws_example() {
        assert_eq!(signed_len(66_560, chunk(65_536)), Some(66_824));
        assert_eq!(signed_len(0, chunk(65_536)), Some(86));
    }

    #[test]
    fn computed_lengths_are_those_of_the_bytes_written() {
        let trailer = trailer_line_len(21, 8);
        for size in [0, 1, 15, 16, 17, 255, 256, 511, 512, 513, 4_097] {
            for chunk_bytes in [1, 15, 16, 17, 256, 4_096, 5_000] {
                let (decoded, chunk) = (u64::try_from(size).unwrap(), chunk(chunk_bytes));
                let chunk_bytes = usize::try_from(chunk_bytes).unwrap();
                let wire_len = |out: &[u8]| Some(u64::try_from(out.len()).unwrap());

                let mut out = data_chunks(size, chunk_bytes, true);
                write_signed_end(SIGNATURE, &mut out);
                assert_eq!(signed_len(decoded, chunk), wire_len(&out));

                let mut out = data_chunks(size, chunk_bytes, true);
                write_signed_trailer_end(SIGNATURE, TRAILER, SIGNATURE, &mut out);
                assert_eq!(signed_trailer_len(decoded, chunk, trailer), wire_len(&out));

                let mut out = data_chunks(size, chunk_bytes, false);
                write_unsigned_trailer_end(TRAILER, &mut out);
                assert_eq!(
                    unsigned_trailer_len(decoded, chunk, trailer),
                    wire_len(&out)
                );
            }
        }
    }

    #[test]
    fn a_length_beyond_64_bits_is_none() {
        assert_eq!(signed_len(u64::MAX, chunk(u64::MAX)), None);
        assert_eq!(signed_len(u64::MAX, chunk(1)), None);
        assert_eq!(
            unsigned_trailer_len(u64::MAX - 25, chunk(u64::MAX), 0),
            Some(u64::MAX)
        );
        assert_eq!(
            unsigned_trailer_len(u64::MAX - 24, chunk(u64::MAX), 0),
            None
        );
    }

    #[test]
    fn a_header_ends_where_the_data_starts() {
        let mut headroom = [b'.'; HEADROOM];
        let used = write_signed_header(&mut headroom, 0x1_0000, SIGNATURE);
        assert_eq!(used, 5 + 17 + 64 + 2);
        let (before, header) = headroom.split_at(HEADROOM - used);
        assert!(before.iter().all(|&byte| byte == b'.'));
        assert_eq!(
            header,
            [b"10000;chunk-signature=".as_slice(), SIGNATURE, b"\r\n"].concat()
        );
    }

    #[test]
    fn the_longest_header_fills_the_headroom() {
        let mut headroom = [b'.'; HEADROOM];
        assert_eq!(
            write_signed_header(&mut headroom, usize::MAX, SIGNATURE),
            HEADROOM
        );
        assert_eq!(header_len(usize::MAX, true), HEADROOM);
        assert_eq!(header_len(0, true), 1 + 17 + 64 + 2);
        assert!(headroom.starts_with(b"ffffffffffffffff;"));
    }

    #[test]
    fn unsigned_bodies_have_plain_chunk_lines_and_trailers() {
        let mut out = data_chunks(18, 17, false);
        write_unsigned_trailer_end(TRAILER, &mut out);
        assert_eq!(
            out,
            b"11\r\naaaaaaaaaaaaaaaaa\r\n1\r\na\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"
        );
    }
}
