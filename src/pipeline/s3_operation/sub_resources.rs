//! Query parameters of S3 and the actions that stand behind them (service authorization reference, "Actions defined by
//! Amazon S3"; S3 API reference, "Permissions" of each operation).

/// A sub-resource of a bucket and the actions of GET, PUT and DELETE; an empty one is no operation.
pub(super) struct SubResource {
    pub(super) name: &'static str,
    pub(super) get: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
}

const fn of(
    name: &'static str,
    get: &'static str,
    put: &'static str,
    delete: &'static str,
) -> SubResource {
    SubResource {
        name,
        get,
        put,
        delete,
    }
}

/// Of buckets.
pub(super) const OF_BUCKETS: [SubResource; 24] = [
    of(
        "accelerate",
        "s3:GetAccelerateConfiguration",
        "s3:PutAccelerateConfiguration",
        "",
    ),
    of("acl", "s3:GetBucketAcl", "s3:PutBucketAcl", ""),
    of(
        "analytics",
        "s3:GetAnalyticsConfiguration",
        "s3:PutAnalyticsConfiguration",
        "s3:PutAnalyticsConfiguration",
    ),
    of(
        "cors",
        "s3:GetBucketCORS",
        "s3:PutBucketCORS",
        "s3:PutBucketCORS",
    ),
    of(
        "encryption",
        "s3:GetEncryptionConfiguration",
        "s3:PutEncryptionConfiguration",
        "s3:PutEncryptionConfiguration",
    ),
    of(
        "intelligent-tiering",
        "s3:GetIntelligentTieringConfiguration",
        "s3:PutIntelligentTieringConfiguration",
        "s3:PutIntelligentTieringConfiguration",
    ),
    of(
        "inventory",
        "s3:GetInventoryConfiguration",
        "s3:PutInventoryConfiguration",
        "s3:PutInventoryConfiguration",
    ),
    of(
        "lifecycle",
        "s3:GetLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
    ),
    of("location", "s3:GetBucketLocation", "", ""),
    of("logging", "s3:GetBucketLogging", "s3:PutBucketLogging", ""),
    of(
        "metrics",
        "s3:GetMetricsConfiguration",
        "s3:PutMetricsConfiguration",
        "s3:PutMetricsConfiguration",
    ),
    of(
        "notification",
        "s3:GetBucketNotification",
        "s3:PutBucketNotification",
        "",
    ),
    of(
        "object-lock",
        "s3:GetBucketObjectLockConfiguration",
        "s3:PutBucketObjectLockConfiguration",
        "",
    ),
    of(
        "ownershipControls",
        "s3:GetBucketOwnershipControls",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketOwnershipControls",
    ),
    of(
        "policy",
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
    ),
    of("policyStatus", "s3:GetBucketPolicyStatus", "", ""),
    of(
        "publicAccessBlock",
        "s3:GetBucketPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
    ),
    of(
        "replication",
        "s3:GetReplicationConfiguration",
        "s3:PutReplicationConfiguration",
        "s3:PutReplicationConfiguration",
    ),
    of(
        "requestPayment",
        "s3:GetBucketRequestPayment",
        "s3:PutBucketRequestPayment",
        "",
    ),
    of(
        "tagging",
        "s3:GetBucketTagging",
        "s3:PutBucketTagging",
        "s3:PutBucketTagging",
    ),
    of("uploads", "s3:ListBucketMultipartUploads", "", ""),
    of(
        "versioning",
        "s3:GetBucketVersioning",
        "s3:PutBucketVersioning",
        "",
    ),
    of("versions", "s3:ListBucketVersions", "", ""),
    of(
        "website",
        "s3:GetBucketWebsite",
        "s3:PutBucketWebsite",
        "s3:DeleteBucketWebsite",
    ),
];

/// Of objects; `…Version` actions stand in [`of_version`].
pub(super) const OF_OBJECTS: [SubResource; 5] = [
    of("acl", "s3:GetObjectAcl", "s3:PutObjectAcl", ""),
    of(
        "legal-hold",
        "s3:GetObjectLegalHold",
        "s3:PutObjectLegalHold",
        "",
    ),
    of(
        "retention",
        "s3:GetObjectRetention",
        "s3:PutObjectRetention",
        "",
    ),
    of(
        "tagging",
        "s3:GetObjectTagging",
        "s3:PutObjectTagging",
        "s3:DeleteObjectTagging",
    ),
    of("torrent", "s3:GetObjectTorrent", "", ""),
];

/// The action that takes the place of another where `versionId` is given.
pub(super) fn of_version(action: &'static str) -> &'static str {
    match action {
        "s3:GetObject" => "s3:GetObjectVersion",
        "s3:GetObjectAttributes" => "s3:GetObjectVersionAttributes",
        "s3:DeleteObject" => "s3:DeleteObjectVersion",
        "s3:GetObjectAcl" => "s3:GetObjectVersionAcl",
        "s3:PutObjectAcl" => "s3:PutObjectVersionAcl",
        "s3:GetObjectTagging" => "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging" => "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging" => "s3:DeleteObjectVersionTagging",
        "s3:GetObjectTorrent" => "s3:GetObjectVersionTorrent",
        other => other,
    }
}

/// Sub-resources beside those above, and those whose action depends on the method in another way.
pub(super) const OTHER_SUB_RESOURCES: [&str; 6] = [
    "attributes",
    "delete",
    "restore",
    "select",
    "uploadId",
    "partNumber",
];

/// Parameters that leave an operation what it is.
const PLAIN: [&str; 31] = [
    "bucket-region",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "id",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "select-type",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
    "x-id",
    "X-Amz-Checksum-Mode",
    "x-amz-checksum-mode",
    "x-amz-expected-bucket-owner",
    "x-amz-request-payer",
];

/// The parameters of a signature in the query.
const OF_SIGNATURES: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Whether a parameter neither names a sub-resource nor is unknown.
pub(super) fn is_plain(name: &str) -> bool {
    PLAIN.contains(&name) || OF_SIGNATURES.contains(&name)
}
