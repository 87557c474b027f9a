//! JSONPath as Jayway reads it, the part that parameter mappings use.

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath;
