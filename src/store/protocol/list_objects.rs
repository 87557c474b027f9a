//! ListObjects, version 1 and 2.

use s3s::S3Response;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Error, S3ErrorCode};

use super::{Answer, Store, count_for_wire, owner, page_length, size_for_wire};
use crate::store::index::record::ObjectRecord;
use crate::store::listing::{After, PAGE_LENGTH_MAX, Page, Query, page, url_encoded};

impl Store {
    pub(super) fn objects_list(&self, input: ListObjectsInput) -> Answer<ListObjectsOutput> {
        let writing = Writing::of(input.encoding_type.as_ref())?;
        let prefix = input.prefix.unwrap_or_default();
        let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
        let marker = input.marker.unwrap_or_default();
        let length_max = page_length(input.max_keys, PAGE_LENGTH_MAX)?;
        let view = self.view_of_bucket(&input.bucket)?;
        let page = page(
            &view,
            &Query {
                bucket: &input.bucket,
                prefix: &prefix,
                delimiter: delimiter.as_deref(),
                after: after_marker(&marker, &prefix, delimiter.as_deref()),
                length_max,
            },
        )?;
        // Without a delimiter S3 leaves it to the client to go on from the last key.
        let next_marker = page.next.clone().filter(|_| delimiter.is_some());
        let is_truncated = page.next.is_some();
        let (contents, common_prefixes) = writing.entries(page, Ownership::Named);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(writing.text(prefix)),
            marker: Some(writing.text(marker)),
            max_keys: Some(count_for_wire(length_max)),
            is_truncated: Some(is_truncated),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: delimiter.map(|delimiter| writing.text(delimiter)),
            next_marker: next_marker.map(|after| writing.text(after.into_text())),
            encoding_type: input.encoding_type,
            request_charged: None,
        }))
    }

    pub(super) fn objects_list_v2(&self, input: ListObjectsV2Input) -> Answer<ListObjectsV2Output> {
        let writing = Writing::of(input.encoding_type.as_ref())?;
        let prefix = input.prefix.unwrap_or_default();
        let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
        let length_max = page_length(input.max_keys, PAGE_LENGTH_MAX)?;
        let after = match &input.continuation_token {
            Some(token) => Some(After::from_token(token).ok_or_else(|| {
                S3Error::with_message(
                    S3ErrorCode::InvalidArgument,
                    "The continuation token provided is incorrect.",
                )
            })?),
            None => after_marker(
                input.start_after.as_deref().unwrap_or_default(),
                &prefix,
                delimiter.as_deref(),
            ),
        };
        let view = self.view_of_bucket(&input.bucket)?;
        let page = page(
            &view,
            &Query {
                bucket: &input.bucket,
                prefix: &prefix,
                delimiter: delimiter.as_deref(),
                after,
                length_max,
            },
        )?;
        let next = page.next.as_ref().map(After::to_token);
        let ownership = if input.fetch_owner.unwrap_or(false) {
            Ownership::Named
        } else {
            Ownership::Left
        };
        let (contents, common_prefixes) = writing.entries(page, ownership);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(writing.text(prefix)),
            max_keys: Some(count_for_wire(length_max)),
            key_count: Some(count_for_wire(contents.len() + common_prefixes.len())),
            continuation_token: input.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            delimiter: delimiter.map(|delimiter| writing.text(delimiter)),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|start| writing.text(start)),
            request_charged: None,
        }))
    }
}

fn after_marker(marker: &str, prefix: &str, delimiter: Option<&str>) -> Option<After> {
    (!marker.is_empty()).then(|| After::of_marker(marker, prefix, delimiter))
}

/// Whether the entries say whose they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ownership {
    Named,
    Left,
}

/// How keys are written into the listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Plain,
    Url,
}

impl Writing {
    pub(super) fn of(encoding: Option<&EncodingType>) -> Result<Self, S3Error> {
        match encoding {
            None => Ok(Self::Plain),
            Some(encoding) if encoding.as_str() == EncodingType::URL => Ok(Self::Url),
            Some(_) => Err(S3Error::with_message(
                S3ErrorCode::InvalidArgument,
                "Invalid encoding method specified in request: url is the only one.",
            )),
        }
    }

    pub(super) fn text(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Url => url_encoded(&text),
        }
    }

    pub(super) fn common_prefixes(self, prefixes: Vec<String>) -> Vec<CommonPrefix> {
        prefixes
            .into_iter()
            .map(|prefix| CommonPrefix {
                prefix: Some(self.text(prefix)),
            })
            .collect()
    }

    fn entries(self, page: Page, ownership: Ownership) -> (Vec<Object>, Vec<CommonPrefix>) {
        let contents = page
            .objects
            .into_iter()
            .map(|(key, record)| self.object(key, record, ownership))
            .collect();
        (contents, self.common_prefixes(page.common_prefixes))
    }

    fn object(self, key: String, record: ObjectRecord, ownership: Ownership) -> Object {
        Object {
            e_tag: Some(record.entity_tag()),
            key: Some(self.text(key)),
            last_modified: Some(record.modified),
            owner: (ownership == Ownership::Named).then(owner),
            size: Some(size_for_wire(record.size_bytes)),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            ..Object::default()
        }
    }
}
