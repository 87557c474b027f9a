//! The five checksums of S3's `x-amz-checksum-…` fields: of a body as it passes, and of a whole object from its parts.

use std::fmt::Write as _;

use base64_simd::STANDARD;
use crc_fast::CrcAlgorithm;
use ring::digest;
use s3s::dto;
use serde::{Deserialize, Serialize};

/// A checksum algorithm that S3 knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// S3's name: `CRC32`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The field that carries it.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub(crate) fn from_field(field: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.field().eq_ignore_ascii_case(field))
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn crc_bytes(self, value: u64) -> Vec<u8> {
        let wide = value.to_be_bytes();
        match self {
            Self::Crc64Nvme => wide.to_vec(),
            _ => wide.into_iter().skip(4).collect(),
        }
    }
}

/// Whether a value covers the object's bytes or its parts' checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Coverage {
    /// The bytes from first to last.
    FullObject,
    /// The parts' raw values one after the other; the text ends with `-` and their count.
    Composite,
}

/// One checksum as S3 writes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    /// Base64, with `-N` behind it for a composite of N parts.
    pub(crate) text: String,
    pub(crate) coverage: Coverage,
}

impl Checksum {
    /// The shape in which `s3s` writes it into responses.
    pub(crate) fn into_dto(self) -> dto::Checksum {
        let mut out = dto::Checksum {
            checksum_type: Some(dto::ChecksumType::from_static(match self.coverage {
                Coverage::FullObject => dto::ChecksumType::FULL_OBJECT,
                Coverage::Composite => dto::ChecksumType::COMPOSITE,
            })),
            ..dto::Checksum::default()
        };
        let slot = match self.algorithm {
            Algorithm::Crc32 => &mut out.checksum_crc32,
            Algorithm::Crc32c => &mut out.checksum_crc32c,
            Algorithm::Crc64Nvme => &mut out.checksum_crc64nvme,
            Algorithm::Sha1 => &mut out.checksum_sha1,
            Algorithm::Sha256 => &mut out.checksum_sha256,
        };
        *slot = Some(self.text);
        out
    }
}

/// A checksum in the making.
pub(crate) enum Hasher {
    Crc(Algorithm, crc_fast::Digest),
    Sha(Algorithm, digest::Context),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm.crc() {
            Some(crc) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            None if algorithm == Algorithm::Sha1 => Self::Sha(
                algorithm,
                digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            ),
            None => Self::Sha(algorithm, digest::Context::new(&digest::SHA256)),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha(_, sha) => sha.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, crc) => (algorithm, algorithm.crc_bytes(crc.finalize())),
            Self::Sha(algorithm, sha) => (algorithm, sha.finish().as_ref().to_vec()),
        };
        Checksum {
            algorithm,
            text: STANDARD.encode_to_string(value),
            coverage: Coverage::FullObject,
        }
    }
}

/// The checksum of an object made of parts, each given as its checksum and its size in bytes.
/// `None` when a part has no checksum of `algorithm`, or when SHA values are asked for the full object.
pub(crate) fn of_parts(
    algorithm: Algorithm,
    coverage: Coverage,
    parts: &[(Option<&Checksum>, u64)],
) -> Option<Checksum> {
    let values: Vec<(Vec<u8>, u64)> = parts
        .iter()
        .map(|(checksum, size)| {
            let checksum = checksum.filter(|checksum| checksum.algorithm == algorithm)?;
            Some((STANDARD.decode_to_vec(&checksum.text).ok()?, *size))
        })
        .collect::<Option<_>>()?;
    match coverage {
        Coverage::Composite => Some(composite(algorithm, &values)),
        Coverage::FullObject => combined(algorithm, &values),
    }
}

fn composite(algorithm: Algorithm, values: &[(Vec<u8>, u64)]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    for (value, _) in values {
        hasher.update(value);
    }
    let mut checksum = hasher.finish();
    checksum.coverage = Coverage::Composite;
    // Writing to a string cannot fail.
    if write!(checksum.text, "-{}", values.len()).is_err() {
        checksum.text.clear();
    }
    checksum
}

fn combined(algorithm: Algorithm, values: &[(Vec<u8>, u64)]) -> Option<Checksum> {
    let crc = algorithm.crc()?;
    let whole = values
        .iter()
        .map(|(value, size)| {
            let number = value
                .iter()
                .fold(0u64, |n, &byte| (n << 8) | u64::from(byte));
            (number, *size)
        })
        .reduce(|(left, left_size), (right, right_size)| {
            let both = crc_fast::checksum_combine(crc, left, right, right_size);
            (both, left_size + right_size)
        })?;
    Some(Checksum {
        algorithm,
        text: STANDARD.encode_to_string(algorithm.crc_bytes(whole.0)),
        coverage: Coverage::FullObject,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    // CRCs of "123456789" by the CRC catalogue (reveng), SHAs of "abc" by FIPS 180-4; as Base64.
    #[test]
    fn algorithms_give_their_published_check_values() {
        assert_eq!(of(Algorithm::Crc32, b"123456789").text, "y/Q5Jg==");
        assert_eq!(of(Algorithm::Crc32c, b"123456789").text, "4waSgw==");
        assert_eq!(of(Algorithm::Crc64Nvme, b"123456789").text, "rosUhgp5mIg=");
        assert_eq!(
            of(Algorithm::Sha1, b"abc").text,
            "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
        );
        assert_eq!(
            of(Algorithm::Sha256, b"abc").text,
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn crcs_of_parts_combine_to_the_crc_of_the_whole() {
        let (left, right) = (&b"a first part, and "[..], &b"a second one"[..]);
        let whole = [left, right].concat();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let (a, b) = (of(algorithm, left), of(algorithm, right));
            let parts = [
                (Some(&a), left.len() as u64),
                (Some(&b), right.len() as u64),
            ];
            let combined = of_parts(algorithm, Coverage::FullObject, &parts);
            assert_eq!(combined, Some(of(algorithm, &whole)));
        }
    }

    #[test]
    fn sha_has_no_full_object_value_from_parts() {
        let part = of(Algorithm::Sha256, b"x");
        let parts = [(Some(&part), 1)];
        assert_eq!(
            of_parts(Algorithm::Sha256, Coverage::FullObject, &parts),
            None
        );
        let composite = of_parts(Algorithm::Sha256, Coverage::Composite, &parts).unwrap();
        assert!(composite.text.ends_with("=-1"), "{}", composite.text);
    }

    #[test]
    fn a_part_without_checksum_leaves_the_object_without() {
        let part = of(Algorithm::Crc32, b"x");
        assert_eq!(
            of_parts(
                Algorithm::Crc32,
                Coverage::Composite,
                &[(Some(&part), 1), (None, 1)]
            ),
            None
        );
        assert_eq!(
            of_parts(Algorithm::Crc32c, Coverage::Composite, &[(Some(&part), 1)]),
            None
        );
    }
}
