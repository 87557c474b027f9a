//! The signatures of an `aws-chunked` body: each covers its chunk and the signature before it
//! (spec 10, "Chunked signing").

use std::rc::Rc;

use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::canonical_headers::{Header, HeaderOrder};
use crate::wire::sigv4::hex::Hex;
use crate::wire::sigv4::payload_hash::{EMPTY_SHA256_HEX, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;

/// The chain of signatures of one body, with the key and the time of its head.
pub struct ChunkSigner {
    key: Rc<SigningKey>,
    timestamp: [u8; 16],
    previous: Hex,
}

impl ChunkSigner {
    /// Starts at `seed`, the signature of the head, which was signed with the same `key` at `now`.
    #[must_use]
    pub fn new(key: Rc<SigningKey>, now: UnixSeconds, seed: Hex) -> Self {
        Self {
            key,
            timestamp: now.amz_date_bytes(),
            previous: seed,
        }
    }

    /// Signs the next chunk; the last one is empty.
    pub fn sign_chunk(&mut self, data: &[u8]) -> Hex {
        self.sign_chunk_hash(&sha256_hex(data))
    }

    /// Signs the next chunk by the SHA-256 of its data.
    pub fn sign_chunk_hash(&mut self, sha256_hex: &Hex) -> Hex {
        self.previous = self.sign(
            b"AWS4-HMAC-SHA256-PAYLOAD",
            &[EMPTY_SHA256_HEX, b"\n", sha256_hex],
        );
        self.previous
    }

    /// Signs the trailer, given in canonical form, after the empty chunk.
    #[must_use]
    pub fn sign_trailer(&self, canonical: &[u8]) -> Hex {
        self.sign(b"AWS4-HMAC-SHA256-TRAILER", &[&sha256_hex(canonical)])
    }

    fn sign(&self, algorithm: &[u8], hashes: &[&[u8]]) -> Hex {
        let scope = self.key.scope().as_bytes();
        let head: [&[u8]; 8] = [
            algorithm,
            b"\n",
            &self.timestamp,
            b"\n",
            scope,
            b"\n",
            &self.previous,
            b"\n",
        ];
        self.key.sign_pieces(head.iter().chain(hashes).copied())
    }
}

/// Appends the canonical form of a trailer: `name:value` LF for each field, sorted, lower-case.
pub fn write_canonical_trailer(fields: &[Header<'_>], out: &mut Vec<u8>) {
    let mut order = HeaderOrder::default();
    order.sort(fields);
    order.write_lines(fields, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_sorted_and_lower_case() {
        let mut out = Vec::new();
        write_canonical_trailer(&[(b"X-B", b" 2 "), (b"x-a", b"1")], &mut out);
        assert_eq!(out, b"x-a:1\nx-b:2\n");
    }
}
