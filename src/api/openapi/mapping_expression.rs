//! The right side of a parameter mapping, with its faults reported.

use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Value, shortened};
use crate::api::parameter_mapping::MappingFault;

/// Reads an expression with the reader of its direction.
pub fn read<Source>(
    place: &Place<'_>,
    parse: fn(&str) -> Result<Source, MappingFault>,
    findings: &mut Findings,
) -> Option<Source> {
    let Value::Text(text) = &place.node.value else {
        findings.error(
            place,
            format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                 [Invalid mapping expression specified: {}]; wanted text",
                shortened(&place.node.to_json())
            ),
        );
        return None;
    };
    match parse(text) {
        Ok(source) => Some(source),
        Err(fault) => {
            let message = format!(
                "Invalid mapping expression specified: {}: {fault}",
                shortened(text)
            );
            if fault == MappingFault::NotASource {
                findings.refused_by_gateway(place, Code::NotASource.says(message));
            } else {
                findings.error(place, message);
            }
            None
        }
    }
}
