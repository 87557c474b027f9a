//! `contentHandling` of an integration and of its responses.

use crate::api::model::ContentHandling;
use crate::api::openapi::document::{present, text};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Place, shortened};

/// Reads the key; absent and null are none.
pub fn read(owner: &Place<'_>, findings: &mut Findings) -> Option<ContentHandling> {
    let place = present(owner, "contentHandling")?;
    match text(&place, findings)? {
        "CONVERT_TO_BINARY" => Some(ContentHandling::ConvertToBinary),
        "CONVERT_TO_TEXT" => Some(ContentHandling::ConvertToText),
        other => {
            findings.error(
                &place,
                format!(
                    "found `{}`, wanted CONVERT_TO_BINARY or CONVERT_TO_TEXT",
                    shortened(other)
                ),
            );
            None
        }
    }
}
