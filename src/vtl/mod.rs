//! Mapping templates and the JSONPath that they and the parameter mappings use.

pub mod json_path;
pub mod template;
