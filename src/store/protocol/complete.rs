//! CompleteMultipartUpload. It copies nothing: the parts become the object's blobs.

use std::collections::{HashMap, HashSet};

use md5::{Digest, Md5};
use s3s::dto::{CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart};
use s3s::{S3Error, S3ErrorCode, S3Response};

use super::part::{PART_NUMBER_MAX, part_etag};
use super::preconditions::WriteConditions;
use super::{Answer, Store, no_customer_key};
use crate::store::blobs::{Blob, BlobId, hex};
use crate::store::checksum::{Algorithm, of_parts};
use crate::store::clock;
use crate::store::fault::NoChange;
use crate::store::index::Edit;
use crate::store::index::record::{ObjectRecord, PartRecord, UploadRecord};
use crate::store::listing::url_encoded;

/// S3's lower limit on all parts but the last.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

impl Store {
    pub(super) async fn upload_complete(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> Answer<CompleteMultipartUploadOutput> {
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        self.view_of_bucket(&input.bucket)?;
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let listed = input
            .multipart_upload
            .take()
            .and_then(|upload| upload.parts)
            .filter(|parts| !parts.is_empty())
            .ok_or(S3ErrorCode::MalformedXML)?;
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let record = self
            .index
            .change(Vec::new(), move |edit| {
                complete(edit, &input, &listed, &conditions)
            })
            .await?;
        let e_tag = record.entity_tag();
        let checksum = record
            .checksum
            .map(|checksum| checksum.into_dto())
            .unwrap_or_default();
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{bucket}/{}", url_encoded(&key))),
            bucket: Some(bucket),
            key: Some(key),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            e_tag: Some(e_tag),
            ..CompleteMultipartUploadOutput::default()
        }))
    }
}

/// All checks, then all writes, in one transaction.
fn complete(
    edit: &mut Edit<'_>,
    input: &CompleteMultipartUploadInput,
    listed: &[CompletedPart],
    conditions: &WriteConditions,
) -> Result<ObjectRecord, NoChange> {
    let upload = edit
        .upload(&input.bucket, &input.key, &input.upload_id)?
        .ok_or(S3ErrorCode::NoSuchUpload)?;
    conditions.check(edit.object(&input.bucket, &input.key)?.as_ref())?;
    let stored = edit.parts(&input.upload_id)?.into_iter().collect();
    let chosen = chosen_parts(listed, stored)?;
    let record = object_of(upload, &chosen)?;
    check_whole(input, &record)?;

    let named: HashSet<&BlobId> = record.parts.iter().map(|blob| &blob.id).collect();
    for part in edit.take_upload(&input.bucket, &input.key, &input.upload_id)? {
        if !named.contains(&part.blob.id) {
            edit.free(&part.blob)?;
        }
    }
    edit.put_object(&input.bucket, &input.key, &record)?;
    Ok(record)
}

/// The stored parts that the client lists, in its order, which must be ascending.
fn chosen_parts(
    listed: &[CompletedPart],
    mut stored: HashMap<u16, PartRecord>,
) -> Result<Vec<PartRecord>, S3ErrorCode> {
    let mut chosen = Vec::with_capacity(listed.len());
    let mut previous = 0;
    for part in listed {
        let number = part
            .part_number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|number| (1..=PART_NUMBER_MAX).contains(number))
            .ok_or(S3ErrorCode::InvalidPart)?;
        if number <= previous {
            return Err(S3ErrorCode::InvalidPartOrder);
        }
        previous = number;
        let record = stored.remove(&number).ok_or(S3ErrorCode::InvalidPart)?;
        let same_tag = part
            .e_tag
            .as_ref()
            .is_some_and(|tag| tag.strong_cmp(&part_etag(&record)));
        if !same_tag || !same_checksum(part, &record) {
            return Err(S3ErrorCode::InvalidPart);
        }
        chosen.push(record);
    }
    let (_, all_but_last) = chosen.split_last().ok_or(S3ErrorCode::MalformedXML)?;
    if all_but_last
        .iter()
        .any(|part| part.blob.size_bytes < PART_BYTES_MIN)
    {
        return Err(S3ErrorCode::EntityTooSmall);
    }
    Ok(chosen)
}

fn same_checksum(listed: &CompletedPart, record: &PartRecord) -> bool {
    let given = [
        (Algorithm::Crc32, &listed.checksum_crc32),
        (Algorithm::Crc32c, &listed.checksum_crc32c),
        (Algorithm::Crc64Nvme, &listed.checksum_crc64nvme),
        (Algorithm::Sha1, &listed.checksum_sha1),
        (Algorithm::Sha256, &listed.checksum_sha256),
    ];
    given
        .into_iter()
        .filter_map(|(algorithm, text)| Some((algorithm, text.as_ref()?)))
        .all(|(algorithm, text)| {
            record
                .checksum
                .as_ref()
                .is_some_and(|checksum| checksum.algorithm == algorithm && checksum.text == *text)
        })
}

fn object_of(upload: UploadRecord, parts: &[PartRecord]) -> Result<ObjectRecord, S3Error> {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part.md5);
    }
    let checksum = upload.checksum.and_then(|(algorithm, coverage)| {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| (part.checksum.as_ref(), part.blob.size_bytes))
            .collect();
        of_parts(algorithm, coverage, &parts)
    });
    if upload.checksum.is_some() && checksum.is_none() {
        return Err(S3ErrorCode::InvalidPart.into());
    }
    let blobs: Vec<Blob> = parts.iter().map(|part| part.blob.clone()).collect();
    Ok(ObjectRecord {
        etag: format!("{}-{}", hex(&md5.finalize()), parts.len()),
        size_bytes: blobs.iter().map(|blob| blob.size_bytes).sum(),
        modified: clock::now(),
        parts: blobs,
        multipart: true,
        checksum,
        description: upload.description,
        tags: upload.tags,
    })
}

/// Compares the object with what the client expects of it as a whole.
fn check_whole(input: &CompleteMultipartUploadInput, record: &ObjectRecord) -> Result<(), S3Error> {
    if let Some(size) = input.mpu_object_size
        && u64::try_from(size) != Ok(record.size_bytes)
    {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        ));
    }
    let expected = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, text) in expected {
        let Some(text) = text else { continue };
        let same = record
            .checksum
            .as_ref()
            .is_some_and(|checksum| checksum.algorithm == algorithm && checksum.text == *text);
        if !same {
            return Err(S3ErrorCode::BadDigest.into());
        }
    }
    Ok(())
}
