//! What a document says without fault and people are surprised by. API Gateway does the same; it only never tells.

mod access;
mod objects;
mod responses;
mod templates;

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::gateway_response::GatewayResponses;
use crate::api::model::{Integration, IntegrationKind, ResponseMapping, S3Uri};
use crate::api::openapi::document::Document;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::Place;
use crate::api::openapi::operation::Operation;

/// Looks at every operation, then at the document as a whole.
pub fn check(
    document: &Document<'_>,
    types: &BinaryMediaTypes,
    gateway_responses: &GatewayResponses,
    operations: &[Operation<'_>],
    findings: &mut Findings,
) {
    for operation in operations {
        access::check_parameters(operation, findings);
        let Some(survey) = Survey::of(operation) else {
            continue;
        };
        templates::check(&survey, types, findings);
        responses::check(&survey, findings);
        objects::check(&survey, findings);
    }
    access::check_cors(document, gateway_responses, operations, findings);
}

/// An operation with its integration, which was read without fault.
struct Survey<'o, 'd> {
    operation: &'o Operation<'d>,
    integration: &'o Integration,
    /// The integration object.
    place: Place<'d>,
}

impl<'o, 'd> Survey<'o, 'd> {
    fn of(operation: &'o Operation<'d>) -> Option<Self> {
        Some(Self {
            operation,
            integration: operation.method.integration.as_ref()?,
            place: operation.place.member("x-amazon-apigateway-integration")?,
        })
    }

    /// The URI, if the integration is an S3 path.
    fn s3_uri(&self) -> Option<&'o S3Uri> {
        match &self.integration.kind {
            IntegrationKind::S3(uri) => Some(uri),
            _ => None,
        }
    }

    /// The method that the store sees.
    fn sent_method(&self) -> &'o str {
        let own = self.operation.method.http_method.as_str();
        self.integration.http_method.as_deref().unwrap_or(own)
    }

    /// Its member of that name, else the integration itself.
    fn member_or_whole(&self, name: &str) -> Place<'d> {
        let member = self.place.member(name);
        member.unwrap_or_else(|| self.place.clone())
    }

    /// The status that the client gets for a status of the store.
    fn client_status(&self, status: u16) -> Option<u16> {
        let selected = self.integration.selection.select(status);
        let response = selected.and_then(|index| self.integration.responses.get(index));
        response.map(|response| response.status)
    }
}

fn maps_header(mappings: &[ResponseMapping], name: &str) -> bool {
    let mut mappings = mappings.iter();
    mappings.any(|mapping| mapping.header.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
