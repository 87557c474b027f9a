//! What the index holds about buckets, objects and uploads, as JSON so that an older index can be read by a newer version.

use std::collections::HashMap;

use s3s::dto::{ETag, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::blobs::Blob;
use crate::store::checksum::{Algorithm, Checksum, Coverage};

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) created: Timestamp,
}

/// What a client says about an object when it writes it, and gets back when it reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) website_redirect_location: Option<String>,
    /// `x-amz-meta-…`, names without the prefix.
    pub(crate) metadata: HashMap<String, String>,
}

/// An object: its bytes are those of `parts` one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Timestamp,
    /// One blob for a simple PUT, one per part of a multipart upload.
    pub(crate) parts: Vec<Blob>,
    /// From a multipart upload, even one of a single part.
    pub(crate) multipart: bool,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) description: Description,
    pub(crate) tags: Vec<(String, String)>,
}

impl ObjectRecord {
    pub(crate) fn entity_tag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

/// A multipart upload that is neither complete nor aborted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) initiated: Timestamp,
    pub(crate) description: Description,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) checksum: Option<(Algorithm, Coverage)>,
}

/// One part of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    /// MD5 of the part's bytes; its hex digits are the part's ETag.
    pub(crate) md5: [u8; 16],
    pub(crate) modified: Timestamp,
    pub(crate) blob: Blob,
    pub(crate) checksum: Option<Checksum>,
}
