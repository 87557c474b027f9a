//! What an S3 action's input is made of, as far as the document settles it.

use crate::api::model::{MappingTemplate, RequestMapping, RequestTarget, S3Action};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::Place;
use crate::api::s3_action::{BUCKET, KEY, S3Operation};

/// Decides what a `PutObject` body is, and tells what would surprise.
pub fn settle(
    integration: &Place<'_>,
    action: &mut S3Action,
    mappings: &[RequestMapping],
    templates: &[MappingTemplate],
    findings: &mut Findings,
) {
    let place = integration
        .member("uri")
        .unwrap_or_else(|| integration.clone());
    let given = |action: &S3Action, member: &str| {
        let in_uri = action.input.iter().any(|known| known.name == member);
        let mapped = mappings.iter().any(
            |mapping| matches!(&mapping.target, RequestTarget::QueryString(name) if name == member),
        );
        in_uri || mapped
    };
    let bucket_given = action.uri.bucket.is_some() || given(action, BUCKET);
    action.body_is_object =
        action.operation == S3Operation::PutObject && bucket_given && given(action, KEY);
    if action.uri.bucket.is_some() && given(action, BUCKET) {
        findings.warn(
            &place,
            "the URI's sub-domain is the bucket: its `Bucket` has no effect",
        );
    }
    let fixed = action.input.iter().any(|known| known.name == BUCKET);
    if fixed && templates.is_empty() && !action.body_is_object {
        findings.warn(
            &place,
            "a JSON body of the client may name another bucket: `requestTemplates` would fix the input",
        );
    }
}
