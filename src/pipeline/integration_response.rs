//! From the store's answer to the method response: which entry, its headers, what becomes of the body (spec 02, 04, 06).

use crate::api::content_handling::Conversion;
use crate::api::content_handling::response_conversion;
use crate::api::model::Integration;
use crate::api::model::IntegrationResponse;
use crate::pipeline::body_plan::{BodyContent, ResponseBodyPlan};
use crate::pipeline::compression::ResponseCoding;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::Column;
use crate::pipeline::header_rules::REMAPPED_PREFIX;
use crate::pipeline::header_rules::ResponseRule;
use crate::pipeline::header_rules::is_writable;
use crate::pipeline::header_rules::response_rule;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::mapping_body::MappingBody;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::overrides::ResponseOverrides;
use crate::pipeline::response_mapping;
use crate::pipeline::response_mapping::ResponseSources;
use crate::pipeline::template_choice::response_template;
use crate::pipeline::template_run::{TemplateResult, run_template};
use crate::vtl::render::Overrides;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::ResponseHead;
use crate::wire::http1::persistence::nominated_by_connection;

/// Lines that most responses have no more of.
const LINES_COMMON: usize = 12;
/// Bytes that they have no more of.
const LINES_BYTES_COMMON: usize = 512;

/// The response to the client, without its framing.
#[derive(Clone, Debug)]
pub struct MethodResponse<'t> {
    /// 100 to 599.
    pub status: u16,
    /// All fields but Date, Content-Length, Transfer-Encoding and Connection.
    pub fields: Fields,
    /// What becomes of the store's body.
    pub body: ResponseBodyPlan<'t>,
    /// The body that a template made of the backend's, sent in place of it.
    pub rendered: Option<Vec<u8>>,
    /// How the body is coded for the client, if it is long enough.
    pub coding: Option<ResponseCoding>,
}

/// A request whose integration was called: all that its response depends on.
#[derive(Clone, Copy)]
pub struct ResponseSide<'r, 't, 'h> {
    /// The method request.
    pub(super) request: &'r MethodRequest<'t, 'h>,
    /// Its integration.
    pub(super) integration: &'t Integration,
    /// What the request template left, if one was run.
    pub(super) overrides: Option<&'r Overrides>,
}

impl<'t> IntegrationRequest<'t, '_> {
    /// Whether [`Self::method_response`] needs the store's body.
    ///
    /// # Errors
    /// 500 if no integration response takes the status.
    pub fn response_body_need(
        &self,
        backend_status: u16,
        backend_fields: &Fields,
    ) -> Result<BodyNeed, GatewayFault> {
        self.response_side()
            .body_need(backend_status, backend_fields)
    }

    /// The method response to an answer of the store. `body` is the store's whole body where
    /// [`Self::response_body_need`] says [`BodyNeed::Whole`], else nothing is read from it.
    ///
    /// # Errors
    /// 500 if no integration response takes the status, if a mapping cannot read the body or gives a value that is no
    /// field value, and if the template meets a body that is not text or cannot be run by this version.
    pub fn method_response(
        &self,
        context: &RequestContext<'_>,
        backend_status: u16,
        backend_fields: &Fields,
        body: Option<&[u8]>,
    ) -> Result<MethodResponse<'t>, GatewayFault> {
        self.response_side()
            .method_response(context, backend_status, backend_fields, body)
    }

    /// What the response depends on.
    #[must_use]
    pub fn response_side(&self) -> ResponseSide<'_, 't, '_> {
        ResponseSide {
            request: &self.request,
            integration: self.integration,
            overrides: self.overrides.as_deref(),
        }
    }
}

impl<'t> ResponseSide<'_, 't, '_> {
    /// As [`IntegrationRequest::response_body_need`].
    ///
    /// # Errors
    /// The same.
    pub fn body_need(
        self,
        backend_status: u16,
        backend_fields: &Fields,
    ) -> Result<BodyNeed, GatewayFault> {
        let response = self.selected(backend_status)?;
        let plan = self.body_plan(response, response.status, backend_fields)?;
        let renders = matches!(plan.content, BodyContent::Rendered { .. });
        let whole = renders || response_mapping::reads_body(&response.parameters);
        Ok(if whole {
            BodyNeed::Whole
        } else {
            BodyNeed::Streams
        })
    }

    /// As [`IntegrationRequest::method_response`].
    ///
    /// # Errors
    /// The same.
    pub fn method_response(
        self,
        context: &RequestContext<'_>,
        backend_status: u16,
        backend_fields: &Fields,
        body: Option<&[u8]>,
    ) -> Result<MethodResponse<'t>, GatewayFault> {
        let response = self.selected(backend_status)?;
        self.respond(response, context, backend_fields, body.unwrap_or_default())
    }

    /// The response of an `http_proxy` integration: the backend's own (spec 02, "Response headers to the client").
    #[must_use]
    pub fn proxied_response(
        self,
        context: &RequestContext<'_>,
        backend: &ResponseHead,
    ) -> MethodResponse<'t> {
        let mut fields = Fields::new();
        for (name, value) in backend.fields.iter() {
            let Ok(text) = std::str::from_utf8(name) else {
                continue;
            };
            match response_rule(Column::HttpProxy, text) {
                ResponseRule::Remapped => {
                    fields.push(format!("{REMAPPED_PREFIX}{text}").as_bytes(), value);
                }
                ResponseRule::Passed if !nominated_by_connection(&backend.fields, name) => {
                    fields.push(name, value);
                }
                ResponseRule::Passed | ResponseRule::Dropped => {}
            }
        }
        finish_fields(Column::HttpProxy, context, &mut fields);
        let status = backend.status();
        let body = ResponseBodyPlan {
            content: BodyContent::Converted(Conversion::Identity),
            body_allowed: body_allowed(self.request.head().method(), status),
        };
        let coding = if body.body_allowed {
            self.request
                .response_coding(status, &fields, &backend.fields)
        } else {
            None
        };
        MethodResponse {
            status,
            fields,
            body,
            rendered: None,
            coding,
        }
    }

    /// The method response of the default integration response, to an answer without fields and body.
    pub(super) fn default_method_response(
        self,
        context: &RequestContext<'_>,
    ) -> Result<MethodResponse<'t>, GatewayFault> {
        let mut responses = self.integration.responses.iter();
        let default = responses.find(|response| response.pattern.is_none());
        let default = default.ok_or_else(GatewayFault::configuration_error)?;
        self.respond(default, context, &Fields::new(), b"")
    }

    fn respond(
        self,
        response: &'t IntegrationResponse,
        context: &RequestContext<'_>,
        backend_fields: &Fields,
        whole: &[u8],
    ) -> Result<MethodResponse<'t>, GatewayFault> {
        let column = Column::of(&self.integration.kind);
        let read_body = if response_mapping::reads_body(&response.parameters) {
            let read = MappingBody::read(whole);
            Some(read.map_err(|_| GatewayFault::configuration_error())?)
        } else {
            None
        };
        let sources = ResponseSources {
            fields: backend_fields,
            body: read_body.as_ref(),
            variables: self.request.variables(context),
        };
        let mut fields = mapped_fields(column, response, &sources)?;
        let mut body = self.body_plan(response, response.status, backend_fields)?;
        let TemplateResult { output, overrides } =
            run_template(body.content, whole, self.request, context, self.overrides)?;
        let mut status = response.status;
        if let Some(overrides) = overrides.as_deref().or(self.overrides) {
            let overridden = ResponseOverrides::of(overrides);
            for (name, value) in &overridden.headers {
                write_header(column, name, value.as_bytes(), &mut fields)?;
            }
            if let Some(overriding) = overridden.status {
                status = overriding;
                body = self.body_plan(response, status, backend_fields)?;
            }
        }
        finish_fields(column, context, &mut fields);
        let coding = if body.body_allowed {
            self.request
                .response_coding(status, &fields, backend_fields)
        } else {
            None
        };
        Ok(MethodResponse {
            status,
            fields,
            body,
            rendered: output,
            coding,
        })
    }

    pub(super) fn selected(
        self,
        backend_status: u16,
    ) -> Result<&'t IntegrationResponse, GatewayFault> {
        let selected = self.integration.selection.select(backend_status);
        let response = selected.and_then(|index| self.integration.responses.get(index));
        response.ok_or_else(GatewayFault::configuration_error)
    }

    fn body_plan(
        self,
        response: &'t IntegrationResponse,
        status: u16,
        backend_fields: &Fields,
    ) -> Result<ResponseBodyPlan<'t>, GatewayFault> {
        let types = &self.request.table().binary_media_types;
        let accept = self.request.accept();
        let payload = types.class(backend_fields.last(b"content-type"));
        let handling = response.content_handling;
        let conversion = response_conversion(payload, types.class(accept), handling);
        let template = response_template(response, accept);
        let allowed = body_allowed(self.request.head().method(), status);
        ResponseBodyPlan::decide(conversion, handling, template, allowed)
            .map_err(|_| GatewayFault::configuration_error())
    }
}

/// The fields that every method response has (spec 02, "Response headers to the client").
fn finish_fields(column: Column, context: &RequestContext<'_>, fields: &mut Fields) {
    if fields.get(b"content-type").is_none() {
        fields.push(b"Content-Type", b"application/json");
    }
    let ids = context.ids;
    fields.set(b"x-amzn-RequestId", ids.request_id().as_bytes());
    fields.set(b"x-amz-apigw-id", ids.extended_request_id().as_bytes());
    if column == Column::AwsOrHttp {
        fields.set(b"X-Amzn-Trace-Id", ids.trace_id().as_bytes());
    }
}

/// The mapped headers after the remap and drop table of spec 02.
fn mapped_fields<'m>(
    column: Column,
    response: &'m IntegrationResponse,
    sources: &ResponseSources<'m>,
) -> Result<Fields, GatewayFault> {
    let mut fields = Fields::with_capacity(LINES_COMMON, LINES_BYTES_COMMON);
    for mapping in &response.parameters {
        let Some(value) = sources.value(&mapping.source) else {
            continue;
        };
        write_header(column, &mapping.header, &value, &mut fields)?;
    }
    Ok(fields)
}

/// Sets a header of the method response under the name that it may have.
pub(super) fn write_header(
    column: Column,
    name: &str,
    value: &[u8],
    fields: &mut Fields,
) -> Result<(), GatewayFault> {
    if !is_writable(name, value) {
        return Err(GatewayFault::configuration_error());
    }
    match response_rule(column, name) {
        ResponseRule::Passed => fields.set(name.as_bytes(), value),
        ResponseRule::Remapped => {
            let name = format!("{REMAPPED_PREFIX}{name}");
            fields.set(name.as_bytes(), value);
        }
        ResponseRule::Dropped => {}
    }
    Ok(())
}

/// Whether the client gets a body at all: not for HEAD, 1xx, 204 and 304 (spec 06; RFC 9110 §6.4.1).
fn body_allowed(client_method: &[u8], status: u16) -> bool {
    client_method != b"HEAD" && !matches!(status, 100..=199 | 204 | 304)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::sample;

    /// The method response to `GET /v1/x` with that Accept, or the fault's status.
    fn responded(
        responses: Value,
        accept: &str,
        status: u16,
        backend: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Seen, u16> {
        let table = sample::one_method_with(json!({"responses": responses}), |document| {
            document["x-amazon-apigateway-binary-media-types"] = json!(["image/png"]);
        });
        let store = sample::store(&table);
        let head = sample::head("GET", "/v1/x", &[("Accept", "a/a"), ("Accept", accept)]);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let request = sample::method_request(&table, &head);
        let request = request
            .into_integration_request(&context, &store, None)
            .unwrap();
        let response =
            request.method_response(&context, status, &sample::fields(backend), Some(body));
        let seen = |response: MethodResponse<'_>| Seen {
            status: response.status,
            body_allowed: response.body.body_allowed,
            content: match response.body.content {
                BodyContent::Literal(text) => format!("literal {text}"),
                BodyContent::Around { before, after, .. } => format!("around {before} {after}"),
                BodyContent::Converted(conversion) => format!("{conversion:?}"),
                BodyContent::Rendered { .. } => {
                    format!(
                        "rendered {}",
                        String::from_utf8(response.rendered.unwrap()).unwrap()
                    )
                }
            },
            fields: response.fields,
        };
        response.map(seen).map_err(|fault| fault.status())
    }

    #[derive(Debug)]
    struct Seen {
        status: u16,
        fields: Fields,
        content: String,
        body_allowed: bool,
    }

    fn content(responses: Value, accept: &str, backend_type: &str) -> Result<String, u16> {
        responded(
            responses,
            accept,
            200,
            &[("Content-Type", backend_type)],
            b"",
        )
        .map(|seen| seen.content)
    }

    #[test]
    fn the_status_selects_the_response() {
        let responses =
            || json!({"default": {"statusCode": "200"}, "4\\d{2}": {"statusCode": "400"}});
        assert_eq!(
            responded(responses(), "a/a", 404, &[], b"").unwrap().status,
            400
        );
        assert_eq!(
            responded(responses(), "a/a", 301, &[], b"").unwrap().status,
            200
        );
        let no_default = json!({"2\\d{2}": {"statusCode": "200"}});
        assert_eq!(
            responded(no_default, "a/a", 404, &[], b"").unwrap_err(),
            500
        );
    }

    #[test]
    fn ids_and_a_content_type_are_always_there() {
        let seen = responded(
            json!({"default": {"statusCode": "200"}}),
            "a/a",
            200,
            &[("Content-Type", "b/b")],
            b"",
        );
        let (fields, ids) = (seen.unwrap().fields, sample::ids());
        assert_eq!(fields.get(b"content-type"), Some(&b"application/json"[..]));
        assert_eq!(
            fields.get(b"x-amzn-requestid"),
            Some(ids.request_id().as_bytes())
        );
        assert_eq!(
            fields.get(b"x-amz-apigw-id"),
            Some(ids.extended_request_id().as_bytes())
        );
        assert_eq!(
            fields.get(b"x-amzn-trace-id"),
            Some(ids.trace_id().as_bytes())
        );
        assert_eq!(fields.len(), 4);
    }

    #[test]
    fn templates_and_raw_bytes_by_the_precedence_table() {
        let with = |handling: Value| {
            json!({"default": {
                "statusCode": "200", "contentHandling": handling,
                "responseTemplates": {"application/json": "<$input.body>", "image/png": "png"},
            }})
        };
        let around = || Ok("around < >".to_owned());
        assert_eq!(
            content(with(json!(null)), "application/json", "image/png"),
            around()
        );
        assert_eq!(content(with(json!(null)), "text/css", "text/css"), around());
        // an own template for a binary type meets bytes
        assert_eq!(
            content(with(json!(null)), "image/png", "image/png"),
            Err(500)
        );
        assert_eq!(
            content(with(json!("CONVERT_TO_BINARY")), "text/css", "image/png"),
            Err(500)
        );
        assert_eq!(
            content(with(json!("CONVERT_TO_TEXT")), "image/png", "image/png"),
            Ok("literal png".to_owned())
        );
        let fallback =
            json!({"default": {"statusCode": "200", "responseTemplates": {"text/css": "css"}}});
        assert_eq!(
            content(fallback, "image/png", "image/png"),
            Ok("Identity".to_owned())
        );
    }

    #[test]
    fn statuses_without_body_allow_none() {
        for (status, allowed) in [("200", true), ("500", true), ("204", false), ("304", false)] {
            let seen = responded(
                json!({"default": {"statusCode": status}}),
                "a/a",
                200,
                &[],
                b"",
            )
            .unwrap();
            assert_eq!(seen.body_allowed, allowed, "{status}");
        }
    }

    #[test]
    fn a_body_source_must_be_readable() {
        let responses = || {
            json!({"default": {"statusCode": "200", "responseParameters": {
                "method.response.header.x-body": "integration.response.body",
            }}})
        };
        let header = |body: &[u8]| {
            let seen = responded(responses(), "a/a", 200, &[], body);
            seen.map(|seen| {
                String::from_utf8(seen.fields.get(b"x-body").unwrap().to_vec()).unwrap()
            })
        };
        assert_eq!(header(b" text "), Ok("text".to_owned()));
        assert_eq!(header(b""), Ok("{}".to_owned()));
        assert_eq!(header(b"{wrong"), Err(500));
        // a line end inside would break the head
        assert_eq!(header(b"a\r\nb: c"), Err(500));
    }
}
