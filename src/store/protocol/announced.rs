//! What a request says about its body beforehand, or in the trailer, and the check of the body against it.

use base64_simd::STANDARD;
use http::{HeaderMap, StatusCode};
use s3s::{S3Error, S3ErrorCode, TrailingHeaders};

use crate::store::blobs::Received;
use crate::store::checksum::Algorithm;
use crate::store::fault::custom_error;

/// Length and digests that a body is to have.
#[derive(Debug)]
pub(super) struct Announced {
    length: Option<u64>,
    md5: Option<[u8; 16]>,
    checksum: Option<Promise>,
    trailers: Option<TrailingHeaders>,
}

#[derive(Debug)]
enum Promise {
    /// The value stands in the head.
    Value(Algorithm, String),
    /// The value comes in the trailer.
    Trailer(Algorithm),
    /// The client names an algorithm and leaves the value to the store.
    Computed(Algorithm),
}

impl Announced {
    pub(super) fn read(
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Result<Self, S3Error> {
        Ok(Self {
            length: length(headers)?,
            md5: text(headers, "content-md5").map(content_md5).transpose()?,
            checksum: promise(headers)?,
            trailers,
        })
    }

    /// The algorithm that the body has to be hashed with.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|promise| match promise {
            Promise::Value(algorithm, _)
            | Promise::Trailer(algorithm)
            | Promise::Computed(algorithm) => *algorithm,
        })
    }

    /// Refuses a body that is known to be too long before it is read.
    pub(super) fn check_length_below(&self, bytes_max: u64) -> Result<(), S3Error> {
        match self.length {
            Some(length) if length > bytes_max => Err(S3ErrorCode::EntityTooLarge.into()),
            _ => Ok(()),
        }
    }

    /// Compares what came with what was promised.
    pub(super) fn check(&self, received: &Received) -> Result<(), S3Error> {
        if self
            .length
            .is_some_and(|length| length != received.blob.blob().size_bytes)
        {
            return Err(S3ErrorCode::IncompleteBody.into());
        }
        if self.md5.is_some_and(|md5| md5 != received.md5) {
            return Err(S3ErrorCode::BadDigest.into());
        }
        let (algorithm, promised) = match &self.checksum {
            None | Some(Promise::Computed(_)) => return Ok(()),
            Some(Promise::Value(algorithm, value)) => (*algorithm, value.clone()),
            Some(Promise::Trailer(algorithm)) => (*algorithm, self.trailer(*algorithm)?),
        };
        let found = received
            .checksum
            .as_ref()
            .map(|checksum| checksum.text.as_str());
        if found == Some(promised.as_str()) {
            return Ok(());
        }
        Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            format!(
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            ),
        ))
    }

    fn trailer(&self, algorithm: Algorithm) -> Result<String, S3Error> {
        self.trailers
            .as_ref()
            .and_then(|trailers| {
                trailers.read(|fields| text(fields, algorithm.field()).map(str::to_owned))
            })
            .flatten()
            .ok_or_else(|| {
                custom_error(
                    "MalformedTrailerError",
                    StatusCode::BAD_REQUEST,
                    format!(
                        "The trailer {} was announced and did not come.",
                        algorithm.field()
                    ),
                )
            })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The length of the object's bytes: in an `aws-chunked` body that is not the Content-Length.
fn length(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    let streams =
        text(headers, "x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
    let name = if streams {
        "x-amz-decoded-content-length"
    } else {
        "content-length"
    };
    text(headers, name)
        .map(|value| {
            digits(value).ok_or_else(|| {
                S3Error::with_message(
                    S3ErrorCode::InvalidRequest,
                    format!("{name} is not a decimal number."),
                )
            })
        })
        .transpose()
}

fn digits(value: &str) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.chars().try_fold(0u64, |number, digit| {
        number
            .checked_mul(10)?
            .checked_add(u64::from(digit.to_digit(10)?))
    })
}

fn content_md5(value: &str) -> Result<[u8; 16], S3Error> {
    STANDARD
        .decode_to_vec(value)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| S3ErrorCode::InvalidDigest.into())
}

fn promise(headers: &HeaderMap) -> Result<Option<Promise>, S3Error> {
    let mut promises = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(value) = text(headers, algorithm.field()) {
            promises.push(Promise::Value(algorithm, value.to_owned()));
        }
    }
    let trailers = text(headers, "x-amz-trailer").unwrap_or_default();
    for name in trailers.split(',') {
        if let Some(algorithm) = Algorithm::from_field(name.trim()) {
            promises.push(Promise::Trailer(algorithm));
        }
    }
    if promises.len() > 1 {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.",
        ));
    }
    if let Some(promise) = promises.pop() {
        return Ok(Some(promise));
    }
    let named = text(headers, "x-amz-sdk-checksum-algorithm")
        .map(|name| {
            Algorithm::from_name(name).ok_or_else(|| {
                S3Error::with_message(
                    S3ErrorCode::InvalidRequest,
                    "Checksum algorithm provided is unsupported: CRC32, CRC32C, CRC64NVME, SHA1 or SHA256 are.",
                )
            })
        })
        .transpose()?;
    Ok(named.map(Promise::Computed))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_decoded_length_counts_for_streaming_signatures_only() {
        let fields = [
            ("content-length", "400"),
            ("x-amz-decoded-content-length", "100"),
        ];
        let plain = Announced::read(&headers(&fields), None).unwrap();
        assert_eq!(plain.length, Some(400));
        let mut streaming = headers(&fields);
        streaming.insert(
            "x-amz-content-sha256",
            HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        );
        assert_eq!(Announced::read(&streaming, None).unwrap().length, Some(100));
    }

    #[test]
    fn lengths_are_digits_only() {
        for value in ["+5", "", "5 ", "0x5", "18446744073709551616"] {
            assert_eq!(digits(value), None, "{value}");
        }
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn content_md5_is_sixteen_bytes_of_base64() {
        assert!(content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").is_ok());
        for value in ["", "abc", "1B2M2Y8AsgTpgAmY7PhCfgA="] {
            let refused = content_md5(value).unwrap_err();
            assert_eq!(refused.code(), &S3ErrorCode::InvalidDigest, "{value}");
        }
    }

    #[test]
    fn one_checksum_is_taken_and_two_are_refused() {
        let one = headers(&[("x-amz-checksum-crc32", "AAAAAA==")]);
        assert_eq!(
            Announced::read(&one, None).unwrap().algorithm(),
            Some(Algorithm::Crc32)
        );
        let two = headers(&[
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-trailer", "x-amz-checksum-sha1"),
        ]);
        let refused = Announced::read(&two, None).unwrap_err();
        assert_eq!(refused.code(), &S3ErrorCode::InvalidRequest);
    }
}
