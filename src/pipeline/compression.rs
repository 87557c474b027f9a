//! Content codings of bodies, both ways (spec 11, "Compression"). Without
//! `x-amazon-apigateway-minimum-compression-size` nothing is coded or decoded.

use std::borrow::Cow;

use crate::api::content_handling::Conversion;
use crate::api::content_handling::request_conversion;
use crate::api::model::IntegrationKind;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_mapping::reads_body;
use crate::pipeline::template_choice::request_template;
use crate::wire::content_coding::ContentCoding;
use crate::wire::content_coding::DecodeError;
use crate::wire::content_coding::decode;
use crate::wire::http1::fields::Fields;

/// How a response body is coded, if it is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCoding {
    /// What the client prefers.
    pub coding: ContentCoding,
    /// From this length on, after mapping.
    pub bytes_min: u64,
}

impl MethodRequest<'_, '_> {
    /// The coding that the body comes in and is decoded from. A binary body that only passes keeps its coding.
    ///
    /// # Errors
    /// 415 for a coding that is not spoken here.
    pub(super) fn body_coding(&self) -> Result<Option<ContentCoding>, GatewayFault> {
        if self.table().minimum_compression_size.is_none() {
            return Ok(None);
        }
        let Some(named) = self.headers().joined("content-encoding") else {
            return Ok(None);
        };
        let named = named.trim_ascii();
        if named.is_empty() || named.eq_ignore_ascii_case(b"identity") || self.passes_untouched() {
            return Ok(None);
        }
        ContentCoding::of_name(named)
            .map(Some)
            .ok_or_else(GatewayFault::unsupported_media_type)
    }

    /// The body without its coding.
    ///
    /// # Errors
    /// 415 for bytes that are not in their coding, 413 for more than `bytes_max` when decoded.
    pub fn decoded_body<'b>(
        &self,
        body: &'b [u8],
        bytes_max: usize,
    ) -> Result<Cow<'b, [u8]>, GatewayFault> {
        match self.body_coding()? {
            Some(coding) if !body.is_empty() => decode(coding, body, bytes_max)
                .map(Cow::Owned)
                .map_err(|error| match error {
                    DecodeError::Malformed => GatewayFault::unsupported_media_type(),
                    DecodeError::TooLong => GatewayFault::request_too_large(),
                }),
            _ => Ok(Cow::Borrowed(body)),
        }
    }

    /// The coding for a response with these fields. Not for a part of a body, whose offsets count uncoded bytes, nor
    /// for one that has a coding.
    pub(super) fn response_coding(
        &self,
        status: u16,
        fields: &Fields,
        backend_fields: &Fields,
    ) -> Option<ResponseCoding> {
        let bytes_min = self.table().minimum_compression_size?;
        let is_part = status == 206 || fields.get(b"content-range").is_some();
        let is_coded = [fields, backend_fields]
            .iter()
            .any(|fields| fields.get(b"content-encoding").is_some());
        if is_part || is_coded {
            return None;
        }
        let accepted = self.headers().joined("accept-encoding")?;
        let coding = ContentCoding::preferred(&accepted)?;
        Some(ResponseCoding { coding, bytes_min })
    }

    /// Whether the body is a binary one that nothing looks at or changes.
    fn passes_untouched(&self) -> bool {
        let Some(integration) = &self.method().integration else {
            return false;
        };
        let class = self.table().binary_media_types.class(self.content_type());
        let conversion = request_conversion(class, integration.content_handling);
        let template = request_template(integration, self.content_type());
        matches!(integration.kind, IntegrationKind::S3(_))
            && conversion == Conversion::Identity
            && matches!(template, Ok(None))
            && !reads_body(&integration.request_parameters)
            && !self.is_validated()
    }
}
