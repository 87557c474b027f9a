//! The S3 operations: what `s3s` has read from a request, done on index and blobs, and what it shall write back.

mod announced;
mod buckets;
mod complete;
mod copy;
mod delete;
mod describe;
mod list_objects;
mod list_uploads;
mod multipart;
mod part;
mod preconditions;
mod put;
mod read;
mod span;
mod tagging;

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

pub(crate) use self::read::StatusInstead;
use crate::store::blobs::{BlobDir, ReadTokens};
use crate::store::index::record::ObjectRecord;
use crate::store::index::{Index, View};

/// S3's limit on a PUT, a part and a copy.
const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// The store behind the protocol. A clone is the same store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) index: Index,
    pub(crate) blobs: Arc<BlobDir>,
    pub(crate) read_tokens: ReadTokens,
    pub(crate) region: String,
}

impl Store {
    /// A view in which the bucket exists.
    fn view_of_bucket(&self, bucket: &str) -> Result<View, S3Error> {
        let view = self.index.view()?;
        if view.bucket(bucket)?.is_none() {
            return Err(S3ErrorCode::NoSuchBucket.into());
        }
        Ok(view)
    }

    /// A view with the object in it.
    fn view_of_object(&self, bucket: &str, key: &str) -> Result<(View, ObjectRecord), S3Error> {
        let view = self.view_of_bucket(bucket)?;
        let record = view.object(bucket, key)?.ok_or(S3ErrorCode::NoSuchKey)?;
        Ok((view, record))
    }
}

/// This store keeps one version of each object, which S3 names `null`.
fn only_null_version(version_id: Option<&str>) -> Result<(), S3Error> {
    match version_id {
        None | Some("null") => Ok(()),
        Some(_) => Err(S3ErrorCode::NoSuchVersion.into()),
    }
}

/// A key that the client keeps must not be dropped in silence.
fn no_customer_key(algorithm: Option<&String>) -> Result<(), S3Error> {
    match algorithm {
        None => Ok(()),
        Some(_) => Err(S3Error::with_message(
            S3ErrorCode::NotImplemented,
            "This store does not encrypt: send the request without x-amz-server-side-encryption-customer-algorithm.",
        )),
    }
}

/// The only account there is.
fn owner() -> Owner {
    Owner {
        display_name: Some("sluicegate".to_owned()),
        id: Some("sluicegate".to_owned()),
    }
}

fn size_for_wire(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

/// How many entries a page may hold: what the client asks for, but no more than `most`.
fn page_length(asked: Option<i32>, most: usize) -> Result<usize, S3Error> {
    let Some(asked) = asked else {
        return Ok(most);
    };
    usize::try_from(asked)
        .map(|asked| asked.min(most))
        .map_err(|_| {
            S3Error::with_message(
                S3ErrorCode::InvalidArgument,
                "The count of entries asked for must not be negative.",
            )
        })
}

fn count_for_wire(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Store {
    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        self.buckets_list(&req.input)
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.bucket_create(req.input).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.bucket_head(&req.input)
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.bucket_delete(req.input).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.bucket_location(&req.input)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.object_put(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.object_get(req)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.object_head(req)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.object_delete(req.input).await
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        self.objects_delete(req.input).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        self.object_copy(req.input).await
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        self.objects_list(req.input)
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        self.objects_list_v2(req.input)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        self.upload_create(req.input).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        self.part_put(req).await
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        self.part_copy(req.input).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        self.upload_complete(req.input).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.upload_abort(req.input).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        self.parts_list(req.input)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        self.uploads_list(req.input)
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> Answer<GetObjectTaggingOutput> {
        self.tags_get(&req.input)
    }

    async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> Answer<PutObjectTaggingOutput> {
        self.tags_put(req.input).await
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        self.tags_delete(req.input).await
    }
}
