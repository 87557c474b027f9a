//! Object tags: three operations and the `x-amz-tagging` field.

use http::StatusCode;
use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Error, S3ErrorCode, S3Response};

use super::{Answer, Store, only_null_version};
use crate::store::fault::custom_error;

// S3's limits on tags; lengths in characters.
const TAGS_MAX: usize = 10;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

type Tags = Vec<(String, String)>;

impl Store {
    pub(super) fn tags_get(&self, input: &GetObjectTaggingInput) -> Answer<GetObjectTaggingOutput> {
        only_null_version(input.version_id.as_deref())?;
        let (_, record) = self.view_of_object(&input.bucket, &input.key)?;
        let tag_set = record
            .tags
            .into_iter()
            .map(|(key, value)| Tag {
                key: Some(key),
                value: Some(value),
            })
            .collect();
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set,
            version_id: None,
        }))
    }

    pub(super) async fn tags_put(
        &self,
        input: PutObjectTaggingInput,
    ) -> Answer<PutObjectTaggingOutput> {
        only_null_version(input.version_id.as_deref())?;
        let tags = input
            .tagging
            .tag_set
            .into_iter()
            .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
            .collect();
        self.set_tags(input.bucket, input.key, checked(tags)?)
            .await?;
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    pub(super) async fn tags_delete(
        &self,
        input: DeleteObjectTaggingInput,
    ) -> Answer<DeleteObjectTaggingOutput> {
        only_null_version(input.version_id.as_deref())?;
        self.set_tags(input.bucket, input.key, Tags::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
    }

    async fn set_tags(&self, bucket: String, key: String, tags: Tags) -> Result<(), S3Error> {
        self.view_of_bucket(&bucket)?;
        self.index
            .change(Vec::new(), move |edit| {
                let mut record = edit.object(&bucket, &key)?.ok_or(S3ErrorCode::NoSuchKey)?;
                record.tags = tags;
                Ok(edit.update_object(&bucket, &key, &record)?)
            })
            .await
    }
}

/// The tags of `x-amz-tagging`: a query string.
pub(super) fn of_field(field: Option<&str>) -> Result<Tags, S3Error> {
    let pairs = field
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(key)?, decoded(value)?))
        })
        .collect::<Option<Tags>>();
    checked(pairs.ok_or_else(invalid_tag)?)
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut nibble = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(nibble()? << 4 | nibble()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

fn checked(tags: Tags) -> Result<Tags, S3Error> {
    if tags.len() > TAGS_MAX {
        return Err(custom_error(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            format!("Object tags cannot be greater than {TAGS_MAX}."),
        ));
    }
    let sound = |(key, value): &(String, String)| {
        (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count())
            && value.chars().count() <= TAG_VALUE_CHARS_MAX
    };
    let mut keys: Vec<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() == tags.len() && tags.iter().all(sound) {
        Ok(tags)
    } else {
        Err(invalid_tag())
    }
}

fn invalid_tag() -> S3Error {
    S3Error::with_message(
        S3ErrorCode::InvalidTag,
        format!(
            "A tag key has 1 to {TAG_KEY_CHARS_MAX} characters and occurs once, its value has at most {TAG_VALUE_CHARS_MAX}."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_field_is_a_query_string() {
        assert_eq!(
            of_field(Some("a=1&b+c=%C3%BC%3D&d")).unwrap(),
            [pair("a", "1"), pair("b c", "ü="), pair("d", "")]
        );
        assert!(of_field(None).unwrap().is_empty());
        for wrong in ["a=%", "a=%f", "a=%zz", "a=%ff", "=1", "a=1&a=2"] {
            assert!(of_field(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ten_tags_are_taken_and_eleven_are_not() {
        let tags = |count: usize| (0..count).map(|n| pair(&n.to_string(), "")).collect();
        assert!(checked(tags(TAGS_MAX)).is_ok());
        assert!(checked(tags(TAGS_MAX + 1)).is_err());
        assert!(checked(vec![pair(&"k".repeat(128), &"v".repeat(256))]).is_ok());
        assert!(checked(vec![pair(&"k".repeat(129), "")]).is_err());
        assert!(checked(vec![pair("k", &"v".repeat(257))]).is_err());
    }
}
