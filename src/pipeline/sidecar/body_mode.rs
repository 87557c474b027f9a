//! How a client says that its body comes (spec 10, "Values of x-amz-content-sha256").

use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::wire::aws_chunked::decode::Chunks;
use crate::wire::checksum::Algorithm;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::fields::trim_blanks;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::PayloadHash;

/// The coding whose framing is not part of the object.
pub const CODING: &[u8] = b"aws-chunked";

/// A body's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// The bytes are the object; nothing is said about their hash.
    Plain,
    /// The bytes are the object and have this SHA-256.
    Hashed(Hex),
    /// `aws-chunked`.
    Framed {
        /// How the chunks are signed.
        chunks: Chunks,
        /// Bytes of the object.
        decoded: u64,
        /// The checksum that follows the last chunk.
        trailer: Option<Algorithm>,
    },
}

impl BodyMode {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// They contradict one another, lack the length, or name what is not known.
    pub fn read(fields: &Fields) -> Result<Self, S3Fault> {
        let says_framed = fields
            .list_members(b"content-encoding")
            .any(|coding| coding.eq_ignore_ascii_case(CODING));
        let mut values = fields.all(b"x-amz-content-sha256").map(trim_blanks);
        let value = values.next();
        if values.next().is_some() {
            return Err(invalid("x-amz-content-sha256 stands there twice"));
        }
        let (chunks, may_trail) = match value {
            None => return plain(says_framed, Self::Plain),
            Some(value) if value == PayloadHash::Unsigned.as_bytes() => {
                return plain(says_framed, Self::Plain);
            }
            Some(value) if value == PayloadHash::Streaming.as_bytes() => (Chunks::Signed, false),
            Some(value) if value == PayloadHash::StreamingTrailer.as_bytes() => {
                (Chunks::Signed, true)
            }
            Some(value) if value == PayloadHash::StreamingUnsignedTrailer.as_bytes() => {
                (Chunks::Unsigned, true)
            }
            Some(value) => {
                let hash = <&Hex>::try_from(value)
                    .ok()
                    .filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
                let hash = hash.ok_or_else(|| {
                    invalid(
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a SHA-256",
                    )
                })?;
                return plain(
                    says_framed,
                    Self::Hashed(hash.to_ascii_lowercase().try_into().unwrap_or(*hash)),
                );
            }
        };
        Ok(Self::Framed {
            chunks,
            decoded: decoded_length(fields)?,
            trailer: trailer(fields, may_trail)?,
        })
    }
}

fn plain(says_framed: bool, mode: BodyMode) -> Result<BodyMode, S3Fault> {
    if says_framed {
        // Taken as it is, the framing would become part of the object.
        return Err(invalid(
            "content-encoding says aws-chunked, x-amz-content-sha256 does not",
        ));
    }
    Ok(mode)
}

fn decoded_length(fields: &Fields) -> Result<u64, S3Fault> {
    let mut values = fields.all(b"x-amz-decoded-content-length").map(trim_blanks);
    let (Some(digits), None) = (values.next(), values.next()) else {
        return Err(S3Fault::new(
            411,
            "MissingContentLength",
            "You must provide the x-amz-decoded-content-length HTTP header once.",
        ));
    };
    let number = digits.iter().try_fold(0u64, |n, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        n.checked_mul(10)?.checked_add(u64::from(digit))
    });
    number
        .filter(|_| !digits.is_empty())
        .ok_or_else(|| invalid("x-amz-decoded-content-length must be a number"))
}

fn trailer(fields: &Fields, may_trail: bool) -> Result<Option<Algorithm>, S3Fault> {
    let mut names = fields.list_members(b"x-amz-trailer");
    let (first, more) = (names.next(), names.next());
    match (first, more, may_trail) {
        (None, _, _) => Ok(None),
        (Some(name), None, true) => Algorithm::of_field(trim_blanks(name))
            .map(Some)
            .ok_or_else(|| invalid("x-amz-trailer names no checksum")),
        (Some(_), Some(_), true) => Err(invalid("x-amz-trailer names more than one checksum")),
        (Some(_), _, false) => Err(invalid(
            "x-amz-trailer is there, x-amz-content-sha256 says that no trailer comes",
        )),
    }
}

fn invalid(message: &str) -> S3Fault {
    S3Fault::new(400, "InvalidRequest", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &[(&str, &str)]) -> Result<BodyMode, (u16, &'static str)> {
        let mut fields = Fields::new();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        BodyMode::read(&fields).map_err(|fault| (fault.status, fault.code))
    }

    const HASH: (&str, &str) = (
        "x-amz-content-sha256",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    const UNSIGNED_TRAILER: (&str, &str) =
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    const SIGNED: (&str, &str) = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    const LENGTH: (&str, &str) = ("x-amz-decoded-content-length", "5");
    const CRC: (&str, &str) = ("x-amz-trailer", "x-amz-checksum-crc32");

    #[test]
    fn every_mode_is_known() {
        assert_eq!(read(&[]), Ok(BodyMode::Plain));
        assert_eq!(
            read(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]),
            Ok(BodyMode::Plain)
        );
        assert!(matches!(read(&[HASH]), Ok(BodyMode::Hashed(_))));
        let framed = |chunks, trailer| {
            Ok(BodyMode::Framed {
                chunks,
                decoded: 5,
                trailer,
            })
        };
        assert_eq!(
            read(&[UNSIGNED_TRAILER, LENGTH, CRC]),
            framed(Chunks::Unsigned, Some(Algorithm::Crc32))
        );
        assert_eq!(
            read(&[UNSIGNED_TRAILER, LENGTH]),
            framed(Chunks::Unsigned, None)
        );
        assert_eq!(read(&[SIGNED, LENGTH]), framed(Chunks::Signed, None));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let invalid = Err((400, "InvalidRequest"));
        for fields in [
            vec![("content-encoding", "gzip, AWS-chunked")],
            vec![HASH, ("content-encoding", "aws-chunked")],
            vec![HASH, HASH],
            vec![(
                "x-amz-content-sha256",
                "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            )],
            vec![("x-amz-content-sha256", "abc")],
            vec![SIGNED, LENGTH, CRC],
            vec![UNSIGNED_TRAILER, LENGTH, ("x-amz-trailer", "x-amz-meta-a")],
            vec![UNSIGNED_TRAILER, LENGTH, CRC, CRC],
            vec![UNSIGNED_TRAILER, ("x-amz-decoded-content-length", "+5")],
            vec![UNSIGNED_TRAILER, ("x-amz-decoded-content-length", "")],
        ] {
            assert_eq!(read(&fields), invalid, "{fields:?}");
        }
        let missing = Err((411, "MissingContentLength"));
        assert_eq!(read(&[SIGNED]), missing);
        assert_eq!(read(&[SIGNED, LENGTH, LENGTH]), missing);
    }
}
