//! The last line of a canonical request: what the signature says about the body.

use ring::digest;

use crate::wire::sigv4::hex;

pub use crate::wire::sigv4::hex::Hex;

/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256_HEX: &Hex =
    b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The value of `x-amz-content-sha256` (spec 10, "Values of x-amz-content-sha256").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadHash<'a> {
    /// SHA-256 of the whole body.
    Hex(&'a Hex),
    /// The body is not covered.
    Unsigned,
    /// Signed `aws-chunked` chunks.
    Streaming,
    /// Signed chunks and a signed trailer.
    StreamingTrailer,
    /// Plain chunks and an unsigned trailer.
    StreamingUnsignedTrailer,
}

impl PayloadHash<'_> {
    /// The value as it is sent and signed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Hex(hex) => *hex,
            Self::Unsigned => b"UNSIGNED-PAYLOAD",
            Self::Streaming => b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::StreamingTrailer => b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::StreamingUnsignedTrailer => b"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

/// SHA-256 of `bytes` in hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> Hex {
    hex_of(&digest::digest(&digest::SHA256, bytes))
}

/// Messages that [`sha256_hex_of_lanes`] hashes side by side. One message alone leaves most of a CPU's SHA-256 unit idle,
/// since each of its rounds waits for the one before.
pub const LANES: usize = 4;

/// SHA-256 in hex of each message. Side by side, in half the time or less, if all have the same length.
#[must_use]
pub fn sha256_hex_of_lanes(messages: &[&[u8]; LANES]) -> [Hex; LANES] {
    let mut digests = [[0; 32]; LANES];
    tape_sha256::hash_many(messages, &mut digests);
    digests.map(|digest| hex::encode(&digest))
}

/// SHA-256 of `bytes` in Base64: how AWS repeats a text that may hold a secret.
#[must_use]
pub fn sha256_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(digest::digest(&digest::SHA256, bytes))
}

/// SHA-256 over a body that arrives in pieces.
#[derive(Clone)]
pub struct PayloadHasher(digest::Context);

impl PayloadHasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces in hex.
    #[must_use]
    pub fn finish_hex(self) -> Hex {
        hex_of(&self.0.finish())
    }
}

impl Default for PayloadHasher {
    fn default() -> Self {
        Self::new()
    }
}

fn hex_of(digest: &digest::Digest) -> Hex {
    // A SHA-256 digest always has 32 bytes; the zeros would match no body.
    hex::encode(digest.as_ref().first_chunk().unwrap_or(&[0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_nothing_is_the_constant() {
        assert_eq!(&sha256_hex(b""), EMPTY_SHA256_HEX);
        assert_eq!(&PayloadHasher::new().finish_hex(), EMPTY_SHA256_HEX);
    }

    #[test]
    fn a_hash_in_base64_is_padded() {
        assert_eq!(
            sha256_base64(b""),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn lanes_hash_as_one_message_does() {
        let body: Vec<u8> = (0..=u8::MAX).cycle().take(9_000).collect();
        for len in (0..=200).chain([1_024, 2_047, 2_249]) {
            let messages = [0, 1, 2, 3].map(|lane| &body[lane * 2_250..][..len]);
            let expected = messages.map(sha256_hex);
            assert_eq!(sha256_hex_of_lanes(&messages), expected, "{len} bytes");
        }
        let uneven = [&body[..63], &body[..64], &body[..65], &body[..0]];
        assert_eq!(sha256_hex_of_lanes(&uneven), uneven.map(sha256_hex));
    }

    #[test]
    fn any_cut_gives_the_same_hash() {
        let body = b"Hello, World!";
        for cut in 0..=body.len() {
            let mut hasher = PayloadHasher::new();
            hasher.update(&body[..cut]);
            hasher.update(&body[cut..]);
            assert_eq!(hasher.finish_hex(), sha256_hex(body), "cut at {cut}");
        }
    }
}
