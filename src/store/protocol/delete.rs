//! DeleteObject and DeleteObjects.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error, ObjectIdentifier,
};
use s3s::{S3Error, S3ErrorCode, S3Response};

use super::preconditions::WriteConditions;
use super::{Answer, Store, only_null_version};
use crate::store::error_body::message_of;
use crate::store::fault::IndexFault;
use crate::store::index::Edit;
use crate::store::xml_text::can_carry;

/// S3's limit on one DeleteObjects.
const KEYS_MAX: usize = 1000;

impl Store {
    pub(super) async fn object_delete(
        &self,
        input: DeleteObjectInput,
    ) -> Answer<DeleteObjectOutput> {
        only_null_version(input.version_id.as_deref())?;
        let conditions = WriteConditions::new(input.if_match, None)?;
        self.index
            .change(Vec::new(), move |edit| {
                if !edit.has_bucket(&input.bucket)? {
                    return Err(S3ErrorCode::NoSuchBucket.into());
                }
                conditions.check(edit.object(&input.bucket, &input.key)?.as_ref())?;
                Ok(edit.remove_object(&input.bucket, &input.key)?)
            })
            .await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    /// Refuses the request as a whole, before anything is deleted, if a key holds a character that XML 1.0 cannot carry:
    /// a document with such a key is not well-formed, and the answer could not name the key. DeleteObject takes it.
    pub(super) async fn objects_delete(
        &self,
        input: DeleteObjectsInput,
    ) -> Answer<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete, .. } = input;
        if delete.objects.is_empty() || delete.objects.len() > KEYS_MAX {
            return Err(S3Error::with_message(
                S3ErrorCode::MalformedXML,
                format!("A DeleteObjects request names between 1 and {KEYS_MAX} keys."),
            ));
        }
        if !delete.objects.iter().all(|object| can_carry(&object.key)) {
            return Err(S3Error::with_message(
                S3ErrorCode::MalformedXML,
                "A key holds a character that XML cannot carry: delete it with DeleteObject.",
            ));
        }
        let quiet = delete.quiet.unwrap_or(false);
        let outcomes = self
            .index
            .change(Vec::new(), move |edit| {
                if !edit.has_bucket(&bucket)? {
                    return Err(S3ErrorCode::NoSuchBucket.into());
                }
                let mut outcomes = Vec::with_capacity(delete.objects.len());
                for object in delete.objects {
                    outcomes.push(delete_one(edit, &bucket, object)?);
                }
                Ok(outcomes)
            })
            .await?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(key) if !quiet => deleted.push(DeletedObject {
                    key: Some(key),
                    ..DeletedObject::default()
                }),
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            request_charged: None,
        }))
    }
}

/// The key of what is gone, or why it is not.
fn delete_one(
    edit: &mut Edit<'_>,
    bucket: &str,
    object: ObjectIdentifier,
) -> Result<Result<String, Error>, IndexFault> {
    let ObjectIdentifier {
        key,
        e_tag,
        version_id,
        ..
    } = object;
    let conditions = WriteConditions::new(e_tag.map(ETagCondition::ETag), None);
    let present = edit.object(bucket, &key)?;
    let allowed = only_null_version(version_id.as_deref())
        .and(conditions)
        .and_then(|conditions| Ok(conditions.check(present.as_ref())?));
    if let Err(refused) = allowed {
        return Ok(Err(Error {
            code: Some(refused.code().as_str().to_owned()),
            message: Some(message_of(refused.code().as_str()).to_owned()),
            key: Some(key),
            version_id,
        }));
    }
    edit.remove_object(bucket, &key)?;
    Ok(Ok(key))
}
