//! The embedded S3 store of `sluicegate demo`.
