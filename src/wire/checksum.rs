//! The checksums of S3's `x-amz-checksum-…` fields, over a body that arrives in pieces.

use base64_simd::STANDARD;
use crc_fast::CrcAlgorithm;
use ring::digest;

/// A checksum algorithm that S3 knows (spec 10, "Trailers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 of ISO 3309.
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The field that carries the checksum, in small letters.
    #[must_use]
    pub const fn field(self) -> &'static [u8] {
        match self {
            Self::Crc32 => b"x-amz-checksum-crc32",
            Self::Crc32c => b"x-amz-checksum-crc32c",
            Self::Crc64Nvme => b"x-amz-checksum-crc64nvme",
            Self::Sha1 => b"x-amz-checksum-sha1",
            Self::Sha256 => b"x-amz-checksum-sha256",
        }
    }

    /// The algorithm whose checksum a field of this name carries.
    #[must_use]
    pub fn of_field(name: &[u8]) -> Option<Self> {
        let known = |algorithm: &Self| algorithm.field().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(known)
    }

    /// Bytes of the value: Base64 of the digest.
    #[must_use]
    pub const fn value_bytes(self) -> u32 {
        match self {
            Self::Crc32 | Self::Crc32c => 8,
            Self::Crc64Nvme => 12,
            Self::Sha1 => 28,
            Self::Sha256 => 44,
        }
    }
}

/// A checksum over the pieces so far.
pub enum Hasher {
    /// One of the CRCs.
    Crc(Algorithm, Box<crc_fast::Digest>),
    /// SHA-1 or SHA-256.
    Sha(Box<digest::Context>),
}

impl Hasher {
    /// Of nothing yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let crc = |kind| Self::Crc(algorithm, Box::new(crc_fast::Digest::new(kind)));
        let sha = |kind| Self::Sha(Box::new(digest::Context::new(kind)));
        match algorithm {
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 => sha(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Algorithm::Sha256 => sha(&digest::SHA256),
        }
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha(context) => context.update(bytes),
        }
    }

    /// The value of the field: Base64 of the big-endian digest.
    #[must_use]
    pub fn finish(self) -> String {
        match self {
            Self::Crc(Algorithm::Crc64Nvme, crc) => {
                STANDARD.encode_to_string(crc.finalize().to_be_bytes())
            }
            Self::Crc(_, crc) => {
                let narrow = u32::try_from(crc.finalize()).unwrap_or_default();
                STANDARD.encode_to_string(narrow.to_be_bytes())
            }
            Self::Sha(context) => STANDARD.encode_to_string(context.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of "123456789" (CRC catalogue; FIPS 180 implementations), in Base64 of the big-endian digest.
    const CHECKS: [(Algorithm, &str); 5] = [
        (Algorithm::Crc32, "y/Q5Jg=="),
        (Algorithm::Crc32c, "4waSgw=="),
        (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
        (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (
            Algorithm::Sha256,
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        ),
    ];

    #[test]
    fn any_cut_gives_the_check_value() {
        let text = b"123456789";
        for (algorithm, value) in CHECKS {
            assert_eq!(
                value.len(),
                usize::try_from(algorithm.value_bytes()).unwrap()
            );
            for cut in 0..=text.len() {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&text[..cut]);
                hasher.update(&text[cut..]);
                assert_eq!(hasher.finish(), value, "{algorithm:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn fields_are_known_in_any_case() {
        for algorithm in Algorithm::ALL {
            let upper = algorithm.field().to_ascii_uppercase();
            assert_eq!(Algorithm::of_field(&upper), Some(algorithm));
        }
        assert_eq!(Algorithm::of_field(b"x-amz-checksum-md5"), None);
    }
}
