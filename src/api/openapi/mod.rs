//! Import of Swagger 2.0 and OpenAPI 3.0 documents (spec 01).

pub mod finding;
pub mod json_document;
pub mod node;
pub mod yaml_document;
