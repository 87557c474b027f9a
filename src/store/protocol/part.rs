//! UploadPart and UploadPartCopy.

use bytes::Bytes;
use futures_util::Stream;
use s3s::dto::{
    CopyPartResult, ETag, Range, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, StdError};

use super::announced::Announced;
use super::preconditions::ReadConditions;
use super::span::Span;
use super::{Answer, BODY_BYTES_MAX, Store, no_customer_key};
use crate::store::blobs::{ObjectReader, Received, hex, receive};
use crate::store::checksum::Algorithm;
use crate::store::clock;
use crate::store::index::record::{PartRecord, UploadRecord};

/// S3's limit on part numbers; the first is 1.
pub(super) const PART_NUMBER_MAX: u16 = 10_000;

/// An upload and a part of it, as a request names them.
struct PartName {
    bucket: String,
    key: String,
    upload_id: String,
    number: u16,
}

impl Store {
    pub(super) async fn part_put(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> Answer<UploadPartOutput> {
        let input = req.input;
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        let announced = Announced::read(&req.headers, req.trailing_headers)?;
        announced.check_length_below(BODY_BYTES_MAX)?;
        let name = PartName {
            number: part_number(input.part_number)?,
            bucket: input.bucket,
            key: input.key,
            upload_id: input.upload_id,
        };
        let upload = self.upload_of(&name)?;
        let algorithm = part_algorithm(&upload, announced.algorithm())?;
        let body = input.body.ok_or(S3ErrorCode::IncompleteBody)?;
        let received = receive(&self.blobs, body, algorithm, BODY_BYTES_MAX).await?;
        announced.check(&received)?;
        let record = self.put_part(name, received).await?;
        let e_tag = part_etag(&record);
        let checksum = record
            .checksum
            .map(|checksum| checksum.into_dto())
            .unwrap_or_default();
        Ok(S3Response::new(UploadPartOutput {
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            e_tag: Some(e_tag),
            ..UploadPartOutput::default()
        }))
    }

    pub(super) async fn part_copy(
        &self,
        input: UploadPartCopyInput,
    ) -> Answer<UploadPartCopyOutput> {
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        no_customer_key(input.copy_source_sse_customer_algorithm.as_ref())?;
        let name = PartName {
            number: part_number(input.part_number)?,
            bucket: input.bucket,
            key: input.key,
            upload_id: input.upload_id,
        };
        let upload = self.upload_of(&name)?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let body = {
            let source = self.copy_source(&input.copy_source, &conditions)?;
            let range = input
                .copy_source_range
                .as_deref()
                .map(source_range)
                .transpose()?;
            let span = Span::of(&source.record, range.as_ref(), None)?;
            if let Some(Range::Int {
                last: Some(last), ..
            }) = range
                && last >= source.record.size_bytes
            {
                return Err(S3ErrorCode::InvalidRange.into());
            }
            let pieces = span.pieces(&source.view, &source.record)?;
            ObjectReader::new(self.blobs.clone(), pieces, source.token)
        };
        let received = self
            .receive_copy(body, part_algorithm(&upload, None)?)
            .await?;
        let record = self.put_part(name, received).await?;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(part_etag(&record)),
                last_modified: Some(record.modified),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        }))
    }

    async fn receive_copy(
        &self,
        body: impl Stream<Item = Result<Bytes, StdError>>,
        algorithm: Option<Algorithm>,
    ) -> Result<Received, S3Error> {
        receive(&self.blobs, body, algorithm, BODY_BYTES_MAX).await
    }

    fn upload_of(&self, name: &PartName) -> Result<UploadRecord, S3Error> {
        let view = self.view_of_bucket(&name.bucket)?;
        let upload = view.upload(&name.bucket, &name.key, &name.upload_id)?;
        upload.ok_or_else(|| S3ErrorCode::NoSuchUpload.into())
    }

    /// Makes the part the upload's, if the upload is still there.
    async fn put_part(&self, name: PartName, received: Received) -> Result<PartRecord, S3Error> {
        let record = PartRecord {
            md5: received.md5,
            modified: clock::now(),
            blob: received.blob.blob().clone(),
            checksum: received.checksum,
        };
        self.index
            .change(vec![received.blob], move |edit| {
                if edit
                    .upload(&name.bucket, &name.key, &name.upload_id)?
                    .is_none()
                {
                    return Err(S3ErrorCode::NoSuchUpload.into());
                }
                edit.put_part(&name.upload_id, name.number, &record)?;
                Ok(record)
            })
            .await
    }
}

/// Hex digits of the MD5 of the part.
pub(super) fn part_etag(record: &PartRecord) -> ETag {
    ETag::Strong(hex(&record.md5))
}

fn part_number(number: i32) -> Result<u16, S3Error> {
    u16::try_from(number)
        .ok()
        .filter(|number| (1..=PART_NUMBER_MAX).contains(number))
        .ok_or_else(|| {
            S3Error::with_message(
                S3ErrorCode::InvalidArgument,
                format!(
                    "Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive."
                ),
            )
        })
}

/// The part's algorithm must be its upload's; where the client names none, the upload's is computed.
fn part_algorithm(
    upload: &UploadRecord,
    announced: Option<Algorithm>,
) -> Result<Option<Algorithm>, S3Error> {
    match (upload.checksum, announced) {
        (Some((of_upload, _)), Some(of_part)) if of_upload != of_part => {
            Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                    of_upload.name(),
                    of_part.name()
                ),
            ))
        }
        (Some((of_upload, _)), _) => Ok(Some(of_upload)),
        (None, announced) => Ok(announced),
    }
}

fn source_range(value: &str) -> Result<Range, S3Error> {
    match Range::parse(value) {
        Ok(range @ Range::Int { last: Some(_), .. }) => Ok(range),
        _ => Err(S3Error::with_message(
            S3ErrorCode::InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_are_one_to_ten_thousand() {
        assert_eq!(part_number(1).unwrap(), 1);
        assert_eq!(part_number(10_000).unwrap(), 10_000);
        for wrong in [0, -1, 10_001, 65_537] {
            assert!(part_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn copy_ranges_name_both_ends() {
        assert!(source_range("bytes=0-9").is_ok());
        for wrong in ["bytes=0-", "bytes=-5", "0-9", "bytes=9-0"] {
            assert!(source_range(wrong).is_err(), "{wrong}");
        }
    }
}
