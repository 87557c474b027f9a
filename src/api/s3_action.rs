//! S3 operations that the action form of an integration URI can name, and where the members of their input go on the
//! wire (Amazon S3 API reference, "Actions"). S3 has no query protocol, so that each becomes a request of its REST API.

/// What `s3:action/NAME` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Operation {
    /// `GET /`
    ListBuckets,
    /// `GET /Bucket`: the older name of `ListObjects`.
    GetBucket,
    /// `GET /Bucket`
    ListObjects,
    /// `GET /Bucket?list-type=2`
    ListObjectsV2,
    /// `PUT /Bucket`
    CreateBucket,
    /// `DELETE /Bucket`
    DeleteBucket,
    /// `GET /Bucket/Key`
    GetObject,
    /// `HEAD /Bucket/Key`
    HeadObject,
    /// `PUT /Bucket/Key`
    PutObject,
    /// `DELETE /Bucket/Key`
    DeleteObject,
}

/// All of them.
pub const OPERATIONS: [S3Operation; 10] = [
    S3Operation::ListBuckets,
    S3Operation::GetBucket,
    S3Operation::ListObjects,
    S3Operation::ListObjectsV2,
    S3Operation::CreateBucket,
    S3Operation::DeleteBucket,
    S3Operation::GetObject,
    S3Operation::HeadObject,
    S3Operation::PutObject,
    S3Operation::DeleteObject,
];

/// The member that names the bucket.
pub const BUCKET: &str = "Bucket";
/// The member that names the object.
pub const KEY: &str = "Key";

impl S3Operation {
    /// The operation of that name; names are case-sensitive.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        OPERATIONS
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// As it stands in the URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::GetBucket => "GetBucket",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::CreateBucket => "CreateBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::PutObject => "PutObject",
            Self::DeleteObject => "DeleteObject",
        }
    }

    /// The method of its request, whatever `httpMethod` says.
    #[must_use]
    pub const fn http_method(self) -> &'static str {
        match self {
            Self::ListBuckets
            | Self::GetBucket
            | Self::ListObjects
            | Self::ListObjectsV2
            | Self::GetObject => "GET",
            Self::HeadObject => "HEAD",
            Self::CreateBucket | Self::PutObject => "PUT",
            Self::DeleteBucket | Self::DeleteObject => "DELETE",
        }
    }

    /// Whether its input names a bucket.
    #[must_use]
    pub const fn names_bucket(self) -> bool {
        !matches!(self, Self::ListBuckets)
    }

    /// Whether its input names an object.
    #[must_use]
    pub const fn names_key(self) -> bool {
        matches!(
            self,
            Self::GetObject | Self::HeadObject | Self::PutObject | Self::DeleteObject
        )
    }
}

/// Where a member of an operation's input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberPlace {
    /// A query parameter of this name.
    Query(&'static str),
    /// A header of this name.
    Header(&'static str),
}

/// The members that the operations have beside `Bucket`, `Key`, `Body`, `Metadata` and `CreateBucketConfiguration`, by
/// name. No two operations use a name for different things.
const MEMBERS: [(&str, MemberPlace); 52] = {
    use MemberPlace::{Header, Query};
    [
        ("ACL", Header("x-amz-acl")),
        ("BucketRegion", Query("bucket-region")),
        (
            "BypassGovernanceRetention",
            Header("x-amz-bypass-governance-retention"),
        ),
        ("CacheControl", Header("Cache-Control")),
        ("ChecksumMode", Header("x-amz-checksum-mode")),
        ("ContentDisposition", Header("Content-Disposition")),
        ("ContentEncoding", Header("Content-Encoding")),
        ("ContentLanguage", Header("Content-Language")),
        ("ContentType", Header("Content-Type")),
        ("ContinuationToken", Query("continuation-token")),
        ("Delimiter", Query("delimiter")),
        ("EncodingType", Query("encoding-type")),
        ("ExpectedBucketOwner", Header("x-amz-expected-bucket-owner")),
        ("Expires", Header("Expires")),
        ("FetchOwner", Query("fetch-owner")),
        ("GrantFullControl", Header("x-amz-grant-full-control")),
        ("GrantRead", Header("x-amz-grant-read")),
        ("GrantReadACP", Header("x-amz-grant-read-acp")),
        ("GrantWrite", Header("x-amz-grant-write")),
        ("GrantWriteACP", Header("x-amz-grant-write-acp")),
        ("IfMatch", Header("If-Match")),
        ("IfModifiedSince", Header("If-Modified-Since")),
        ("IfNoneMatch", Header("If-None-Match")),
        ("IfUnmodifiedSince", Header("If-Unmodified-Since")),
        ("MFA", Header("x-amz-mfa")),
        ("Marker", Query("marker")),
        ("MaxBuckets", Query("max-buckets")),
        ("MaxKeys", Query("max-keys")),
        (
            "ObjectLockEnabledForBucket",
            Header("x-amz-bucket-object-lock-enabled"),
        ),
        (
            "ObjectLockLegalHoldStatus",
            Header("x-amz-object-lock-legal-hold"),
        ),
        ("ObjectLockMode", Header("x-amz-object-lock-mode")),
        (
            "ObjectLockRetainUntilDate",
            Header("x-amz-object-lock-retain-until-date"),
        ),
        ("ObjectOwnership", Header("x-amz-object-ownership")),
        (
            "OptionalObjectAttributes",
            Header("x-amz-optional-object-attributes"),
        ),
        ("PartNumber", Query("partNumber")),
        ("Prefix", Query("prefix")),
        ("Range", Header("Range")),
        ("RequestPayer", Header("x-amz-request-payer")),
        ("ResponseCacheControl", Query("response-cache-control")),
        (
            "ResponseContentDisposition",
            Query("response-content-disposition"),
        ),
        (
            "ResponseContentEncoding",
            Query("response-content-encoding"),
        ),
        (
            "ResponseContentLanguage",
            Query("response-content-language"),
        ),
        ("ResponseContentType", Query("response-content-type")),
        ("ResponseExpires", Query("response-expires")),
        (
            "SSEKMSKeyId",
            Header("x-amz-server-side-encryption-aws-kms-key-id"),
        ),
        (
            "ServerSideEncryption",
            Header("x-amz-server-side-encryption"),
        ),
        ("StartAfter", Query("start-after")),
        ("StorageClass", Header("x-amz-storage-class")),
        ("Tagging", Header("x-amz-tagging")),
        ("VersionId", Query("versionId")),
        (
            "WebsiteRedirectLocation",
            Header("x-amz-website-redirect-location"),
        ),
        ("WriteOffsetBytes", Header("x-amz-write-offset-bytes")),
    ]
};

/// Where a member goes; `None` for a name that no operation has.
#[must_use]
pub fn member_place(name: &str) -> Option<MemberPlace> {
    let found = MEMBERS.binary_search_by(|(known, _)| (*known).cmp(name));
    MEMBERS.get(found.ok()?).map(|(_, place)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name_and_no_other_is() {
        for operation in OPERATIONS {
            assert_eq!(S3Operation::parse(operation.name()), Some(operation));
            assert!(!operation.names_key() || operation.names_bucket());
        }
        for name in ["", "getObject", "CopyObject", "GetObject "] {
            assert_eq!(S3Operation::parse(name), None, "{name}");
        }
    }

    #[test]
    fn every_member_is_found() {
        for (name, place) in MEMBERS {
            assert_eq!(
                member_place(name),
                Some(place),
                "{name}: the table is sorted"
            );
        }
        assert_eq!(
            member_place("MaxKeys"),
            Some(MemberPlace::Query("max-keys"))
        );
        assert_eq!(member_place("Bucket"), None);
    }
}
