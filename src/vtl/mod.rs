//! Mapping templates and the JSONPath that they and the parameter mappings use.

pub mod bounded_json;
mod compile;
pub mod json_path;
mod methods;
mod program;
pub mod render;
pub mod template;
mod text_form;
mod value;

#[cfg(test)]
mod hostile_tests;
