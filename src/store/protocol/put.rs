//! PutObject.

use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response};

use super::announced::Announced;
use super::preconditions::WriteConditions;
use super::{Answer, BODY_BYTES_MAX, Store, no_customer_key, size_for_wire, tagging};
use crate::store::blobs::{PendingBlob, hex, receive};
use crate::store::clock;
use crate::store::index::record::{Description, ObjectRecord};

impl Store {
    pub(super) async fn object_put(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> Answer<PutObjectOutput> {
        let mut input = req.input;
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        if input.write_offset_bytes.is_some() {
            return Err(S3Error::with_message(
                S3ErrorCode::NotImplemented,
                "This store does not append: send the request without x-amz-write-offset-bytes.",
            ));
        }
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let announced = Announced::read(&req.headers, req.trailing_headers)?;
        announced.check_length_below(BODY_BYTES_MAX)?;
        let tags = tagging::of_field(input.tagging.as_deref())?;
        {
            let view = self.view_of_bucket(&input.bucket)?;
            conditions.check(view.object(&input.bucket, &input.key)?.as_ref())?;
        }
        let body = input.body.take().ok_or(S3ErrorCode::IncompleteBody)?;
        let received = receive(&self.blobs, body, announced.algorithm(), BODY_BYTES_MAX).await?;
        announced.check(&received)?;

        let record = ObjectRecord {
            etag: hex(&received.md5),
            size_bytes: received.blob.blob().size_bytes,
            modified: clock::now(),
            parts: vec![received.blob.blob().clone()],
            multipart: false,
            checksum: received.checksum,
            description: Description::of_put(&input),
            tags,
        };
        let e_tag = record.entity_tag();
        let size = size_for_wire(record.size_bytes);
        let checksum = record.checksum.clone();
        self.put_record(
            vec![received.blob],
            input.bucket,
            input.key,
            record,
            conditions,
        )
        .await?;
        let checksum = checksum
            .map(|checksum| checksum.into_dto())
            .unwrap_or_default();
        Ok(S3Response::new(PutObjectOutput {
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            e_tag: Some(e_tag),
            size: Some(size),
            ..PutObjectOutput::default()
        }))
    }

    /// Makes the object visible, if bucket and conditions still allow it.
    pub(super) async fn put_record(
        &self,
        blobs: Vec<PendingBlob>,
        bucket: String,
        key: String,
        record: ObjectRecord,
        conditions: WriteConditions,
    ) -> Result<(), S3Error> {
        self.index
            .change(blobs, move |edit| {
                if !edit.has_bucket(&bucket)? {
                    return Err(S3ErrorCode::NoSuchBucket.into());
                }
                conditions.check(edit.object(&bucket, &key)?.as_ref())?;
                Ok(edit.put_object(&bucket, &key, &record)?)
            })
            .await
    }
}
