//! `x-amazon-apigateway-policy`: who may call the API (spec 09, "Authorization").

use crate::api::iam_policy::Policy;
use crate::api::openapi::Authorizers;
use crate::api::openapi::document::{Document, is_object, present};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Position};

/// Characters of a resource policy, blanks between its parts not counted (spec 11).
const POLICY_CHARS_MAX: usize = 8192;

/// Reads the policy of the API `api_id`; a faulty one is reported and `None`.
pub fn read(
    document: &Document<'_>,
    api_id: Option<&str>,
    findings: &mut Findings,
) -> Option<Policy> {
    let place = present(&document.root, "x-amazon-apigateway-policy")?;
    let length = place.node.to_json().chars().count();
    if length > POLICY_CHARS_MAX {
        findings.error(
            &place,
            format!(
                "found a resource policy of {length} characters, wanted at most {POLICY_CHARS_MAX}"
            ),
        );
        return None;
    }
    if !is_object(&place, findings) {
        return None;
    }
    if document.options.authorizers == Authorizers::Ignored {
        findings.warn(
            &place,
            Code::AuthorizationLeftOut
                .says("the resource policy is left out (--ignore-authorizers): everybody may call"),
        );
        return None;
    }
    match Policy::of_api(place.node, api_id.unwrap_or_default()) {
        Ok(policy) => Some(policy),
        Err(faults) => {
            for fault in faults {
                let pointer = pointer_to(&place, fault.position);
                let pointer = pointer.as_deref().unwrap_or(&place.pointer);
                findings.error_at(fault.position, pointer, fault.message);
            }
            None
        }
    }
}

/// The JSON pointer of the value that begins, or whose name begins, at a position.
fn pointer_to(place: &Place<'_>, position: Position) -> Option<String> {
    if place.name_position == position || place.node.position == position {
        return Some(place.pointer.clone());
    }
    let members = place.members().map(|(_, member)| member);
    members
        .chain(place.elements())
        .find_map(|below| pointer_to(&below, position))
}
