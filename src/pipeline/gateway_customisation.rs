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
use crate::pipeline::header_rules::VisibleHeaders;
use crate::pipeline::header_rules::is_writable;
use crate::pipeline::route::Reached;
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
        response
            .fields
            .set(b"Content-Type", template.media_type.as_bytes());
    }
    for header in &custom.headers {
        let value = request.value(&header.source).value();
        if let Some(value) =
            value.filter(|value| !value.is_empty() && is_writable(&header.name, value))
        {
            response.fields.set(header.name.as_bytes(), &value);
        }
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
