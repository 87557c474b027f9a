//! Which bytes of an object a read asks for, and where in its blobs they are.

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, dto};

use crate::store::blobs::{Piece, Place};
use crate::store::fault::{custom_error, internal_error};
use crate::store::index::View;
use crate::store::index::record::ObjectRecord;

/// The bytes of a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) bytes: Range<u64>,
    /// The value of Content-Range; its presence makes the response a 206.
    pub(super) content_range: Option<String>,
}

impl Span {
    /// What `range` or `part_number` select; all bytes without them.
    pub(super) fn of(
        record: &ObjectRecord,
        range: Option<&dto::Range>,
        part_number: Option<i32>,
    ) -> Result<Self, S3Error> {
        match (range, part_number) {
            (None, None) => Ok(Self {
                bytes: 0..record.size_bytes,
                content_range: None,
            }),
            (Some(_), Some(_)) => Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter.",
            )),
            (Some(range), None) => match range.check(record.size_bytes) {
                Ok(bytes) if !bytes.is_empty() => Ok(Self::partial(bytes, record.size_bytes)),
                _ => Err(not_satisfiable(record.size_bytes)),
            },
            (None, Some(number)) => {
                let bytes = part(record, number).ok_or_else(|| {
                    custom_error(
                        "InvalidPartNumber",
                        StatusCode::RANGE_NOT_SATISFIABLE,
                        "The requested partnumber is not satisfiable".to_owned(),
                    )
                })?;
                Ok(if bytes.is_empty() {
                    Self {
                        bytes,
                        content_range: None,
                    }
                } else {
                    Self::partial(bytes, record.size_bytes)
                })
            }
        }
    }

    fn partial(bytes: Range<u64>, size_bytes: u64) -> Self {
        let content_range = format!(
            "bytes {}-{}/{size_bytes}",
            bytes.start,
            bytes.end.saturating_sub(1)
        );
        Self {
            bytes,
            content_range: Some(content_range),
        }
    }

    pub(super) const fn length(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }

    /// The pieces that hold the span, small ones with their bytes.
    pub(super) fn pieces(&self, view: &View, record: &ObjectRecord) -> Result<Vec<Piece>, S3Error> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for blob in &record.parts {
            let end = start + blob.size_bytes;
            let first = self.bytes.start.clamp(start, end) - start;
            let last = self.bytes.end.clamp(start, end) - start;
            start = end;
            if first >= last {
                continue;
            }
            pieces.push(match blob.place {
                Place::File => Piece::File {
                    id: blob.id.clone(),
                    offset: first,
                    size_bytes: last - first,
                },
                Place::Index => Piece::Inline(inline(view, blob.id.as_str(), first..last)?),
            });
        }
        Ok(pieces)
    }
}

fn inline(view: &View, id: &str, range: Range<u64>) -> Result<Bytes, S3Error> {
    let bytes = view.inline(id)?.unwrap_or_default();
    usize::try_from(range.start)
        .ok()
        .zip(usize::try_from(range.end).ok())
        .and_then(|(first, last)| bytes.get(first..last))
        .map(Bytes::copy_from_slice)
        .ok_or_else(|| internal_error("index: an object's bytes are missing"))
}

/// Part 1 of an object that is not from a multipart upload is the object.
fn part(record: &ObjectRecord, number: i32) -> Option<Range<u64>> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let part = record.parts.get(index)?;
    let start = record
        .parts
        .iter()
        .take(index)
        .map(|blob| blob.size_bytes)
        .sum();
    Some(start..start + part.size_bytes)
}

fn not_satisfiable(size_bytes: u64) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::InvalidRange);
    let mut headers = http::HeaderMap::new();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/xml"),
    );
    // RFC 9110 §15.5.17
    if let Ok(value) = http::HeaderValue::try_from(format!("bytes */{size_bytes}")) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::blobs::{Blob, BlobId};
    use crate::store::clock;
    use crate::store::index::record::Description;

    fn record(sizes: &[u64]) -> ObjectRecord {
        ObjectRecord {
            etag: String::new(),
            size_bytes: sizes.iter().sum(),
            modified: clock::now(),
            parts: sizes
                .iter()
                .map(|&size_bytes| Blob {
                    id: BlobId::generate().unwrap(),
                    size_bytes,
                    place: Place::File,
                })
                .collect(),
            multipart: sizes.len() > 1,
            checksum: None,
            description: Description::default(),
            tags: Vec::new(),
        }
    }

    fn span(record: &ObjectRecord, range: &str) -> Result<(Range<u64>, String), S3ErrorCode> {
        let range = dto::Range::parse(range).unwrap();
        Span::of(record, Some(&range), None)
            .map(|span| (span.bytes, span.content_range.unwrap()))
            .map_err(|error| error.code().clone())
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        let record = record(&[10]);
        assert_eq!(
            span(&record, "bytes=2-4").unwrap(),
            (2..5, "bytes 2-4/10".to_owned())
        );
        assert_eq!(
            span(&record, "bytes=2-99").unwrap(),
            (2..10, "bytes 2-9/10".to_owned())
        );
        assert_eq!(
            span(&record, "bytes=9-").unwrap(),
            (9..10, "bytes 9-9/10".to_owned())
        );
        assert_eq!(
            span(&record, "bytes=-3").unwrap(),
            (7..10, "bytes 7-9/10".to_owned())
        );
        assert_eq!(
            span(&record, "bytes=-99").unwrap(),
            (0..10, "bytes 0-9/10".to_owned())
        );
        for beyond in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(
                span(&record, beyond),
                Err(S3ErrorCode::InvalidRange),
                "{beyond}"
            );
        }
    }

    #[test]
    fn an_empty_object_has_no_range() {
        for range in ["bytes=0-", "bytes=-1"] {
            assert_eq!(span(&record(&[0]), range), Err(S3ErrorCode::InvalidRange));
        }
    }

    #[test]
    fn part_numbers_select_parts() {
        let record = record(&[5, 3]);
        let of = |number| Span::of(&record, None, Some(number)).map(|span| span.bytes);
        assert_eq!(of(1).unwrap(), 0..5);
        assert_eq!(of(2).unwrap(), 5..8);
        for none in [0, 3, -1] {
            assert!(of(none).is_err(), "part {none}");
        }
    }
}
