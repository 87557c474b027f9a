//! Buckets.

use http::StatusCode;
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
};
use s3s::{S3ErrorCode, S3Response};

use super::{Answer, Store, owner, page_length};
use crate::store::clock;
use crate::store::fault::custom_error;
use crate::store::index::record::BucketRecord;

/// S3's limit on a page of buckets.
const BUCKETS_PAGE_LENGTH_MAX: usize = 10_000;

/// The region that S3 writes as an empty location, and whose buckets may be made twice.
const FIRST_REGION: &str = "us-east-1";

impl Store {
    pub(super) fn buckets_list(&self, input: &ListBucketsInput) -> Answer<ListBucketsOutput> {
        let length_max = page_length(input.max_buckets, BUCKETS_PAGE_LENGTH_MAX)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.continuation_token.as_deref().unwrap_or_default();
        let mut buckets: Vec<Bucket> = self
            .index
            .view()?
            .buckets()?
            .into_iter()
            .filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after)
            .map(|(name, record)| Bucket {
                bucket_region: Some(self.region.clone()),
                creation_date: Some(record.created),
                name: Some(name),
            })
            .collect();
        let more = buckets.len() > length_max;
        buckets.truncate(length_max);
        let continuation_token = more
            .then(|| buckets.last().and_then(|bucket| bucket.name.clone()))
            .flatten();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            continuation_token,
            owner: Some(owner()),
            prefix: input.prefix.clone(),
        }))
    }

    pub(super) async fn bucket_create(
        &self,
        input: CreateBucketInput,
    ) -> Answer<CreateBucketOutput> {
        let constraint = input
            .create_bucket_configuration
            .and_then(|configuration| configuration.location_constraint);
        if let Some(constraint) = constraint
            && !constraint.as_str().is_empty()
            && constraint.as_str() != self.region
        {
            return Err(custom_error(
                "IllegalLocationConstraintException",
                StatusCode::BAD_REQUEST,
                format!(
                    "The location constraint {} is not this store's region, {}.",
                    constraint.as_str(),
                    self.region
                ),
            ));
        }
        let location = format!("/{}", input.bucket);
        let again_is_fine = self.region == FIRST_REGION;
        self.index
            .change(Vec::new(), move |edit| {
                if !edit.has_bucket(&input.bucket)? {
                    let created = clock::now();
                    return Ok(edit.put_bucket(&input.bucket, &BucketRecord { created })?);
                }
                if again_is_fine {
                    return Ok(());
                }
                Err(S3ErrorCode::BucketAlreadyOwnedByYou.into())
            })
            .await?;
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(location),
        }))
    }

    pub(super) fn bucket_head(&self, input: &HeadBucketInput) -> Answer<HeadBucketOutput> {
        self.view_of_bucket(&input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(self.region.clone()),
            ..HeadBucketOutput::default()
        }))
    }

    pub(super) async fn bucket_delete(
        &self,
        input: DeleteBucketInput,
    ) -> Answer<DeleteBucketOutput> {
        self.index
            .change(Vec::new(), move |edit| {
                if !edit.has_bucket(&input.bucket)? {
                    return Err(S3ErrorCode::NoSuchBucket.into());
                }
                if !edit.bucket_is_empty(&input.bucket)? {
                    return Err(S3ErrorCode::BucketNotEmpty.into());
                }
                Ok(edit.remove_bucket(&input.bucket)?)
            })
            .await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    pub(super) fn bucket_location(
        &self,
        input: &GetBucketLocationInput,
    ) -> Answer<GetBucketLocationOutput> {
        self.view_of_bucket(&input.bucket)?;
        let location = (self.region != FIRST_REGION)
            .then(|| BucketLocationConstraint::from(self.region.clone()));
        Ok(S3Response::new(GetBucketLocationOutput {
            location_constraint: location,
        }))
    }
}
