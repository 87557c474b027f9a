//! CopyObject, and what both kinds of copy say about their source.

use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, MetadataDirective,
    TaggingDirective,
};
use s3s::{S3Error, S3ErrorCode, S3Response};
use tokio::task::spawn_blocking;

use super::preconditions::{ReadConditions, WriteConditions};
use super::{Answer, BODY_BYTES_MAX, Store, no_customer_key, only_null_version, tagging};
use crate::store::blobs::{Blob, BlobDir, PendingBlob, Place, ReadToken};
use crate::store::clock;
use crate::store::fault::internal_error;
use crate::store::index::View;
use crate::store::index::record::{Description, ObjectRecord};

/// The object that a copy starts from; the token keeps its files.
pub(super) struct Source {
    pub(super) view: View,
    pub(super) record: ObjectRecord,
    pub(super) token: ReadToken,
}

impl Store {
    pub(super) async fn object_copy(&self, input: CopyObjectInput) -> Answer<CopyObjectOutput> {
        no_customer_key(input.sse_customer_algorithm.as_ref())?;
        no_customer_key(input.copy_source_sse_customer_algorithm.as_ref())?;
        let replaces_description = input
            .metadata_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let replaces_tags = input
            .tagging_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == TaggingDirective::REPLACE);
        let (bucket, key) = names(&input.copy_source)?;
        if (bucket, key) == (&input.bucket, &input.key) && !replaces_description && !replaces_tags {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
            ));
        }
        let tags = tagging::of_field(input.tagging.as_deref())?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.clone(),
            if_none_match: input.copy_source_if_none_match.clone(),
            if_modified_since: input.copy_source_if_modified_since.clone(),
            if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
        };
        let source = self.copy_source(&input.copy_source, &conditions)?;
        if source.record.size_bytes > BODY_BYTES_MAX {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "The source is larger than a copy may be: copy it in parts.",
            ));
        }
        let mut record = source.record.clone();
        let blobs = self.second_blobs(source).await?;
        record.parts = blobs.iter().map(|pending| pending.blob().clone()).collect();
        record.modified = clock::now();
        if replaces_description {
            record.description = Description::of_copy(&input);
        }
        if replaces_tags {
            record.tags = tags;
        }
        let result = CopyObjectResult {
            e_tag: Some(record.entity_tag()),
            last_modified: Some(record.modified.clone()),
            ..CopyObjectResult::default()
        };
        self.put_record(
            blobs,
            input.bucket,
            input.key,
            record,
            WriteConditions::default(),
        )
        .await?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    /// Looks the source up and checks the conditions on it; an unmet one is a 412, even where a read would get a 304.
    pub(super) fn copy_source(
        &self,
        source: &CopySource,
        conditions: &ReadConditions,
    ) -> Result<Source, S3Error> {
        let (bucket, key) = names(source)?;
        let token = self.read_tokens.take();
        let (view, record) = self.view_of_object(bucket, key)?;
        conditions
            .check(&record)
            .map_err(|_| S3ErrorCode::PreconditionFailed)?;
        Ok(Source {
            view,
            record,
            token,
        })
    }

    async fn second_blobs(&self, source: Source) -> Result<Vec<PendingBlob>, S3Error> {
        let dir = self.blobs.clone();
        spawn_blocking(move || {
            source
                .record
                .parts
                .iter()
                .map(|blob| second(&source.view, blob, dir.clone()))
                .collect()
        })
        .await
        .map_err(internal_error)?
    }
}

fn second(view: &View, blob: &Blob, dir: Arc<BlobDir>) -> Result<PendingBlob, S3Error> {
    match blob.place {
        Place::File => PendingBlob::link_file(dir, blob).map_err(internal_error),
        Place::Index => {
            let bytes = view
                .inline(blob.id.as_str())?
                .ok_or_else(|| internal_error("index: an object's bytes are missing"))?;
            PendingBlob::inline(dir, bytes).map_err(internal_error)
        }
    }
}

fn names(source: &CopySource) -> Result<(&str, &str), S3Error> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => {
            only_null_version(version_id.as_deref())?;
            Ok((bucket, key))
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(S3Error::with_message(
            S3ErrorCode::NotImplemented,
            "This store has no access points: name the copy source as bucket/key.",
        )),
    }
}
