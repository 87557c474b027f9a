//! Condition keys of S3 (service authorization reference, "Condition keys for Amazon S3"), and their values for a call.

use std::borrow::Cow;

/// A key of a request to S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Key {
    /// `s3:prefix`, of listings.
    Prefix,
    /// `s3:delimiter`, of listings.
    Delimiter,
    /// `s3:max-keys`, of listings.
    MaxKeys,
    /// `s3:VersionId`
    VersionId,
    /// `s3:x-amz-…`: the request header of that name.
    Header(&'static str),
}

/// Headers that are condition keys.
const HEADERS: [&str; 13] = [
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

impl S3Key {
    /// The key of a name in small letters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix("s3:")?;
        match name {
            "prefix" => Some(Self::Prefix),
            "delimiter" => Some(Self::Delimiter),
            "max-keys" => Some(Self::MaxKeys),
            "versionid" => Some(Self::VersionId),
            _ => Self::of_header(name),
        }
    }

    /// The key of a header's name in small letters.
    #[must_use]
    pub fn of_header(name: &str) -> Option<Self> {
        let known = HEADERS.into_iter().find(|known| *known == name);
        known.map(Self::Header)
    }
}

/// What a request to S3 says of the keys; what it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Values<'a> {
    known: Vec<(S3Key, Cow<'a, str>)>,
}

impl<'a> S3Values<'a> {
    /// Adds a value; the first of a key counts.
    pub fn add(&mut self, key: S3Key, value: Cow<'a, str>) {
        self.known.push((key, value));
    }

    /// The value of a key.
    #[must_use]
    pub fn value_of(&self, key: S3Key) -> Option<Cow<'_, str>> {
        let found = self.known.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| Cow::Borrowed(value.as_ref()))
    }
}
