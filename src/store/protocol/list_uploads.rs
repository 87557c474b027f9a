//! ListMultipartUploads and ListParts.

use s3s::dto::{
    ChecksumAlgorithm, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part, StorageClass,
};
use s3s::{S3Error, S3ErrorCode, S3Response};

use super::list_objects::Writing;
use super::part::part_etag;
use super::{Answer, Store, count_for_wire, owner, page_length, size_for_wire};
use crate::store::fault::IndexFault;
use crate::store::index::View;
use crate::store::index::record::{PartRecord, UploadRecord};
use crate::store::listing::{PAGE_LENGTH_MAX, common_prefix};

/// Above every upload id: a key marker without an upload id stands for all uploads of its key.
const UPLOAD_ID_LAST: &str = "\u{10ffff}";

#[derive(Default)]
struct UploadsPage {
    uploads: Vec<(String, String, UploadRecord)>,
    common_prefixes: Vec<String>,
    next: Option<(String, String)>,
}

impl Store {
    pub(super) fn uploads_list(
        &self,
        input: ListMultipartUploadsInput,
    ) -> Answer<ListMultipartUploadsOutput> {
        let writing = Writing::of(input.encoding_type.as_ref())?;
        let length_max = page_length(input.max_uploads, PAGE_LENGTH_MAX)?;
        let view = self.view_of_bucket(&input.bucket)?;
        let page = uploads_page(&view, &input, length_max)?;
        let is_truncated = page.next.is_some();
        let (next_key, next_id) = page.next.unzip();
        let uploads = page
            .uploads
            .into_iter()
            .map(|(key, id, record)| MultipartUpload {
                initiated: Some(record.initiated),
                key: Some(writing.text(key)),
                owner: Some(owner()),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                upload_id: Some(id),
                ..MultipartUpload::default()
            })
            .collect();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: Some(writing.common_prefixes(page.common_prefixes)),
            delimiter: input.delimiter.map(|delimiter| writing.text(delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(is_truncated),
            key_marker: Some(writing.text(input.key_marker.unwrap_or_default())),
            max_uploads: Some(count_for_wire(length_max)),
            next_key_marker: next_key.map(|key| writing.text(key)),
            next_upload_id_marker: next_id.filter(|id| !id.is_empty()),
            prefix: Some(writing.text(input.prefix.unwrap_or_default())),
            request_charged: None,
            upload_id_marker: input.upload_id_marker,
            uploads: Some(uploads),
        }))
    }

    pub(super) fn parts_list(&self, input: ListPartsInput) -> Answer<ListPartsOutput> {
        let length_max = page_length(input.max_parts, PAGE_LENGTH_MAX)?;
        let view = self.view_of_bucket(&input.bucket)?;
        let upload = view
            .upload(&input.bucket, &input.key, &input.upload_id)?
            .ok_or(S3ErrorCode::NoSuchUpload)?;
        let marker = input.part_number_marker.unwrap_or(0);
        let after = u16::try_from(marker).map_err(|_| {
            S3Error::with_message(
                S3ErrorCode::InvalidArgument,
                "The part number marker is not a part number.",
            )
        })?;
        let mut parts: Vec<(u16, PartRecord)> = view
            .parts(&input.upload_id, after)?
            .take(length_max + 1)
            .collect::<Result<_, IndexFault>>()?;
        let is_truncated = parts.len() > length_max;
        parts.truncate(length_max);
        let next = parts.last().map(|(number, _)| i32::from(*number));
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: upload
                .checksum
                .map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
            is_truncated: Some(is_truncated),
            key: Some(input.key),
            max_parts: Some(count_for_wire(length_max)),
            next_part_number_marker: next.filter(|_| is_truncated),
            owner: Some(owner()),
            part_number_marker: Some(marker),
            parts: Some(parts.into_iter().map(listed).collect()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        }))
    }
}

fn listed((number, record): (u16, PartRecord)) -> Part {
    let e_tag = part_etag(&record);
    let checksum = record
        .checksum
        .map(|checksum| checksum.into_dto())
        .unwrap_or_default();
    Part {
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        e_tag: Some(e_tag),
        last_modified: Some(record.modified),
        part_number: Some(i32::from(number)),
        size: Some(size_for_wire(record.blob.size_bytes)),
    }
}

fn uploads_page(
    view: &View,
    input: &ListMultipartUploadsInput,
    length_max: usize,
) -> Result<UploadsPage, IndexFault> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input
        .delimiter
        .as_deref()
        .filter(|delimiter| !delimiter.is_empty());
    let key_marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input.upload_id_marker.as_deref().unwrap_or(UPLOAD_ID_LAST);
    let mut page = UploadsPage::default();
    let mut last = None;
    for upload in view.uploads_after(&input.bucket, key_marker, id_marker)? {
        let (key, id, record) = upload?;
        if !key.starts_with(prefix) {
            continue;
        }
        let common = common_prefix(&key, prefix, delimiter);
        if common.is_some_and(|common| {
            common == key_marker || page.common_prefixes.last().is_some_and(|p| p == common)
        }) {
            continue;
        }
        if page.uploads.len() + page.common_prefixes.len() == length_max {
            page.next = last;
            break;
        }
        if let Some(common) = common {
            last = Some((common.to_owned(), String::new()));
            page.common_prefixes.push(common.to_owned());
        } else {
            last = Some((key.clone(), id.clone()));
            page.uploads.push((key, id, record));
        }
    }
    Ok(page)
}
