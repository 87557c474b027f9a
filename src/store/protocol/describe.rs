//! An object's description: from a request into its record, and from the record into a response.

use s3s::dto::{
    ChecksumMode, CopyObjectInput, CreateMultipartUploadInput, ETag, GetObjectOutput,
    HeadObjectOutput, PutObjectInput, Timestamp,
};

use super::size_for_wire;
use super::span::Span;
use crate::store::index::record::{Description, ObjectRecord};

/// What S3 says of an object that was stored without a Content-Type.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

impl Description {
    pub(super) fn of_put(input: &PutObjectInput) -> Self {
        Self {
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: kept_encoding(input.content_encoding.as_deref()),
            content_language: input.content_language.clone(),
            content_type: input.content_type.clone(),
            expires: input.expires.clone(),
            website_redirect_location: input.website_redirect_location.clone(),
            metadata: input.metadata.clone().unwrap_or_default(),
        }
    }

    pub(super) fn of_upload(input: &CreateMultipartUploadInput) -> Self {
        Self {
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: kept_encoding(input.content_encoding.as_deref()),
            content_language: input.content_language.clone(),
            content_type: input.content_type.clone(),
            expires: input.expires.clone(),
            website_redirect_location: input.website_redirect_location.clone(),
            metadata: input.metadata.clone().unwrap_or_default(),
        }
    }

    pub(super) fn of_copy(input: &CopyObjectInput) -> Self {
        Self {
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: kept_encoding(input.content_encoding.as_deref()),
            content_language: input.content_language.clone(),
            content_type: input.content_type.clone(),
            expires: input.expires.clone(),
            website_redirect_location: input.website_redirect_location.clone(),
            metadata: input.metadata.clone().unwrap_or_default(),
        }
    }
}

/// `aws-chunked` is a coding of the transfer and not of the object; S3 drops it from the list.
fn kept_encoding(codings: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = codings?
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// The head of a GET's response; its body is the caller's.
pub(super) fn get_output(
    record: ObjectRecord,
    span: &Span,
    checksum_mode: Option<&ChecksumMode>,
) -> GetObjectOutput {
    let e_tag = record.entity_tag();
    let whole = span.length() == record.size_bytes;
    let asked = checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    let checksum = record
        .checksum
        .filter(|_| asked && whole)
        .map(|checksum| checksum.into_dto())
        .unwrap_or_default();
    let parts_count = i32::try_from(record.parts.len()).ok();
    let description = record.description;
    GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: description.cache_control,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        content_disposition: description.content_disposition,
        content_encoding: description.content_encoding,
        content_language: description.content_language,
        content_length: Some(size_for_wire(span.length())),
        content_range: span.content_range.clone(),
        content_type: description
            .content_type
            .or_else(|| Some(CONTENT_TYPE_DEFAULT.to_owned())),
        e_tag: Some(e_tag),
        expires: description.expires,
        last_modified: Some(record.modified),
        metadata: (!description.metadata.is_empty()).then_some(description.metadata),
        parts_count: parts_count.filter(|_| record.multipart),
        tag_count: i32::try_from(record.tags.len())
            .ok()
            .filter(|&count| count > 0),
        website_redirect_location: description.website_redirect_location,
        ..GetObjectOutput::default()
    }
}

/// The head of a GET's response as that of a HEAD's.
pub(super) fn head_output(get: GetObjectOutput) -> HeadObjectOutput {
    HeadObjectOutput {
        accept_ranges: get.accept_ranges,
        cache_control: get.cache_control,
        checksum_crc32: get.checksum_crc32,
        checksum_crc32c: get.checksum_crc32c,
        checksum_crc64nvme: get.checksum_crc64nvme,
        checksum_sha1: get.checksum_sha1,
        checksum_sha256: get.checksum_sha256,
        checksum_type: get.checksum_type,
        content_disposition: get.content_disposition,
        content_encoding: get.content_encoding,
        content_language: get.content_language,
        content_length: get.content_length,
        content_range: get.content_range,
        content_type: get.content_type,
        e_tag: get.e_tag,
        expires: get.expires,
        last_modified: get.last_modified,
        metadata: get.metadata,
        parts_count: get.parts_count,
        website_redirect_location: get.website_redirect_location,
        ..HeadObjectOutput::default()
    }
}

/// What a 304 repeats of the 200 that it stands for (RFC 9110 §15.4.5).
pub(super) fn not_modified(
    record: &ObjectRecord,
) -> (ETag, Timestamp, Option<String>, Option<Timestamp>) {
    (
        record.entity_tag(),
        record.modified.clone(),
        record.description.cache_control.clone(),
        record.description.expires.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chunked_is_not_kept_as_an_encoding() {
        assert_eq!(kept_encoding(Some("aws-chunked")), None);
        assert_eq!(
            kept_encoding(Some("gzip, aws-chunked")).as_deref(),
            Some("gzip")
        );
        assert_eq!(kept_encoding(Some("gzip")).as_deref(), Some("gzip"));
        assert_eq!(kept_encoding(Some("")), None);
    }
}
