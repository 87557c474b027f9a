//! From an OpenAPI document to an immutable table.

pub mod binary_media_types;
pub mod content_handling;
pub mod gateway_response;
pub mod header_names;
pub mod http_uri;
pub mod iam_policy;
pub mod integration_uri;
pub mod model;
pub mod openapi;
pub mod parameter_mapping;
pub mod request_model;
pub mod resource_tree;
pub mod s3_action;
pub mod selection_pattern;
pub mod table;
