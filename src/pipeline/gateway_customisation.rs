//! Applies what a document says about a gateway response (spec 08, "Customisation").
//!
//! Unlike API Gateway, which leaves `REQUEST_TOO_LARGE` as it is, every type can be changed.

use std::borrow::Cow;

use crate::api::gateway_response::GatewayResponse;
use crate::api::gateway_response::GatewaySource;
use crate::api::gateway_response::GatewayTemplate;
use crate::api::gateway_response::GatewayTemplatePart;
use crate::api::table::Table;
use crate::pipeline::context::Lookup;
use crate::pipeline::context::RequestContext;
use crate::pipeline::context::Variables;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::Column;
use crate::pipeline::header_rules::REMAPPED_PREFIX;
use crate::pipeline::header_rules::ResponseRule;
use crate::pipeline::header_rules::VisibleHeaders;
use crate::pipeline::header_rules::is_writable;
use crate::pipeline::header_rules::response_rule;
use crate::pipeline::route::Reached;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::RequestHead;
use crate::wire::media_type;
use crate::wire::query::Query;

/// Changes `response` as the document wants it.
pub fn customise(
    response: &mut FaultResponse,
    fault: &GatewayFault,
    custom: &GatewayResponse,
    context: &RequestContext<'_>,
    table: &Table,
    head: &RequestHead,
) {
    // Routing is pure: asking again tells how far the request came, and errors that a document changes are rare.
    let reached = Reached::of(table, head);
    let request = FaultyRequest {
        variables: reached.variables(context, table, head),
        fault,
        query: Query::parse(reached.query().unwrap_or_default()),
        reached: &reached,
    };
    if let Some(status) = custom.status {
        response.status = status;
    }
    if let Some(template) = chosen_template(&custom.templates, head) {
        response.body = request.render(template);
        let media_type = template.media_type.as_bytes();
        if is_writable("Content-Type", media_type) {
            response.fields.set(b"Content-Type", media_type);
        }
    }
    for header in &custom.headers {
        if let Some(value) = request.value(&header.source).value() {
            set_header(&mut response.fields, &header.name, &value);
        }
    }
}

/// Empty values and those that would break the head leave nothing. The rules of method responses keep a document from
/// framing the response (assumed: spec 08 does not say).
fn set_header(fields: &mut Fields, name: &str, value: &[u8]) {
    if value.is_empty() || !is_writable(name, value) {
        return;
    }
    match response_rule(Column::AwsOrHttp, name) {
        ResponseRule::Passed => fields.set(name.as_bytes(), value),
        ResponseRule::Remapped => fields.set(format!("{REMAPPED_PREFIX}{name}").as_bytes(), value),
        ResponseRule::Dropped => {}
    }
}

/// By the first media type of Accept, else `application/json`, else the first.
fn chosen_template<'t>(
    templates: &'t [GatewayTemplate],
    head: &RequestHead,
) -> Option<&'t GatewayTemplate> {
    let of_type = |wanted: &[u8]| {
        templates
            .iter()
            .find(|template| template.media_type.as_bytes().eq_ignore_ascii_case(wanted))
    };
    head.fields
        .last(b"accept")
        .and_then(|accept| of_type(media_type::first_text_of(accept)))
        .or_else(|| of_type(b"application/json"))
        .or_else(|| templates.first())
}

/// A request that failed, as the sources of a gateway response see it.
struct FaultyRequest<'a> {
    variables: Variables<'a>,
    fault: &'a GatewayFault,
    query: Query,
    reached: &'a Reached<'a>,
}

impl FaultyRequest<'_> {
    fn render(&self, template: &GatewayTemplate) -> Vec<u8> {
        let mut body = Vec::new();
        for part in &template.parts {
            match part {
                GatewayTemplatePart::Literal(text) => body.extend_from_slice(text.as_bytes()),
                GatewayTemplatePart::Reference { text, source } => match self.value(source) {
                    Lookup::Value(value) => body.extend_from_slice(&value),
                    Lookup::Null => {}
                    Lookup::Unknown => body.extend_from_slice(text.as_bytes()),
                },
            }
        }
        body
    }

    fn value<'s>(&'s self, source: &'s GatewaySource) -> Lookup<'s> {
        let visible = VisibleHeaders::of(&self.variables.head.fields);
        let value = match source {
            GatewaySource::Literal(text) => Some(Cow::Borrowed(text.as_bytes())),
            GatewaySource::Header(name) => visible.last(name).map(Cow::Borrowed),
            GatewaySource::MultiValueHeader(name) => visible.joined(name).map(Cow::Owned),
            GatewaySource::QueryString(name) => self.query.last(name.as_bytes()).map(Cow::Borrowed),
            GatewaySource::MultiValueQueryString(name) => self.joined_query(name).map(Cow::Owned),
            GatewaySource::Path(name) => self.reached.path_parameter(name).map(Cow::Owned),
            GatewaySource::AnyParameter(name) => self
                .reached
                .path_parameter(name)
                .map(Cow::Owned)
                .or_else(|| self.query.last(name.as_bytes()).map(Cow::Borrowed))
                .or_else(|| visible.last(name).map(Cow::Borrowed)),
            GatewaySource::Context(name) => return self.context(name),
            GatewaySource::StageVariable(name) => {
                self.variables.stage_variable(name).map(Cow::Borrowed)
            }
        };
        value.map_or(Lookup::Null, Lookup::Value)
    }

    fn context<'s>(&'s self, name: &str) -> Lookup<'s> {
        let text = |text: &'s str| Lookup::Value(Cow::Borrowed(text.as_bytes()));
        match name {
            "error.message" => self.fault.message().map_or(Lookup::Null, text),
            "error.messageString" => {
                Lookup::Value(Cow::Owned(self.fault.message_string().into_bytes()))
            }
            "error.responseType" => self
                .fault
                .kind()
                .map_or(Lookup::Null, |kind| text(kind.as_str())),
            "error.validationErrorString" => {
                self.fault.validation_error().map_or(Lookup::Null, text)
            }
            "identity.apiKey" | "identity.apiKeyId" => match self.fault.api_key() {
                Some((id, _)) if name == "identity.apiKeyId" => text(id),
                Some((_, value)) => text(value),
                None => self.variables.look_up(name),
            },
            _ => self.variables.look_up(name),
        }
    }

    fn joined_query(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<&[u8]> = self.query.all(name.as_bytes()).collect();
        if values.is_empty() {
            None
        } else {
            Some(values.join(&b','))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::sample;

    /// The response to a fault of `GET {target}` under a document that changes every 5XX type.
    fn customised(custom: Value, target: &str, fields: &[(&str, &str)]) -> FaultResponse {
        let table = sample::one_method_with(json!({}), |document| {
            document["x-amazon-apigateway-gateway-responses"] = json!({"DEFAULT_5XX": custom});
        });
        let head = sample::head("GET", target, fields);
        let ids = sample::ids();
        GatewayFault::configuration_error().render_customised(&sample::context(&ids), &table, &head)
    }

    fn body(template: &str, target: &str) -> String {
        let custom = json!({"responseTemplates": {"text/plain": template}});
        let fields = [("q", "header"), ("x", "1"), ("x", "2")];
        String::from_utf8(customised(custom, target, &fields).body).unwrap()
    }

    #[test]
    fn templates_see_the_request_as_far_as_it_came() {
        let template = "$context.resourcePath|$context.stage|$method.request.path.item|$context.nope|$stageVariables.no|";
        assert_eq!(
            body(template, "/v1/a%20b"),
            "/{item}|v1|a b|$context.nope||"
        );
        assert_eq!(body(template, "/v1/a/b"), "|v1||$context.nope||");
        assert_eq!(body(template, "/v2/a"), "|||$context.nope||");
    }

    #[test]
    fn templates_see_all_kinds_of_parameters() {
        let template = "$method.request.querystring.q|$method.request.multivaluequerystring.q|\
                        $method.request.multivalueheader.x|$method.input.params.q|$method.input.params.item";
        assert_eq!(body(template, "/v1/a?q=1&q=2"), "2|1,2|1,2|2|a");
        assert_eq!(body("$method.input.params.q", "/v1/a"), "header");
    }

    #[test]
    fn no_document_frames_a_response() {
        let custom = json!({"responseParameters": {
            "gatewayresponse.header.Content-Length": "'5'",
            "gatewayresponse.header.Transfer-Encoding": "'chunked'",
            "gatewayresponse.header.Vary": "'Origin'",
            "gatewayresponse.header.x-query": "method.request.querystring.q",
        }});
        let fields = customised(custom, "/v1/a?q=a%0D%0Ab:c", &[]).fields;
        for name in ["content-length", "transfer-encoding", "x-query"] {
            assert_eq!(fields.get(name.as_bytes()), None, "{name}");
        }
        assert_eq!(fields.get(b"vary"), Some(&b"Origin"[..]));
    }
}
