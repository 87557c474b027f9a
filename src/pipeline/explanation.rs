//! What the stages decide and normally keep to themselves, for a person who asks why (`sluicegate explain`). Everything
//! here is asked of the functions that serve requests; no rule is written down a second time.

use crate::api::content_handling::BodyClass;
use crate::api::content_handling::Conversion;
use crate::api::content_handling::request_conversion;
use crate::api::content_handling::response_conversion;
use crate::api::model::ContentHandling;
use crate::api::model::Integration;
use crate::api::model::IntegrationKind;
use crate::api::model::IntegrationResponse;
use crate::api::model::MappingTemplate;
use crate::api::model::RequestMapping;
use crate::api::model::RequestSource;
use crate::api::model::RequestTarget;
use crate::api::model::ResponseSource;
use crate::pipeline::body_plan::ResponseTemplate;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::Column;
use crate::pipeline::header_rules::HttpTargetRule;
use crate::pipeline::header_rules::TargetRule;
use crate::pipeline::header_rules::http_target_rule;
use crate::pipeline::header_rules::target_rule;
use crate::pipeline::integration_response::ResponseSide;
use crate::pipeline::integration_response::write_header;
use crate::pipeline::mapping_body::MappingBody;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::mock::MockRequest;
use crate::pipeline::request_mapping::map_parameters;
use crate::pipeline::response_mapping;
use crate::pipeline::response_mapping::ResponseSources;
use crate::pipeline::template_choice::request_template;
use crate::pipeline::template_choice::response_template;
use crate::vtl::template::Template;
use crate::wire::http1::fields::Fields;

/// One entry of `requestParameters` or `responseParameters`, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldMapping {
    /// `integration.request.path.key`
    pub target: String,
    /// `method.request.querystring.key`
    pub source: String,
    /// What the source gave: nothing where it is absent or empty, several for a query parameter of several values.
    pub values: Vec<Vec<u8>>,
    /// What became of the value at its target.
    pub effect: MappingEffect,
}

/// What became of a mapping's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingEffect {
    /// It is written.
    Written,
    /// It is written under another name.
    Renamed(String),
    /// The source is absent or empty.
    NoValue,
    /// The target is one that is left out.
    LeftOut,
    /// The target or the value must not be: 500.
    Refused,
}

/// Which conversion a body gets, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldConversion {
    /// That of the body's `Content-Type`.
    pub payload: BodyClass,
    /// That of the client's `Accept`; `None` on the way to the backend.
    pub accept: Option<BodyClass>,
    /// What the document says.
    pub handling: Option<ContentHandling>,
    /// What is done.
    pub conversion: Conversion,
}

/// How an integration response was chosen and what it does.
#[derive(Clone, Debug)]
pub struct ToldResponse<'t> {
    /// The selection pattern; `None` for `default`.
    pub pattern: Option<&'t str>,
    /// The method response's status, unless a template overrides it.
    pub status: u16,
    /// In document order.
    pub mappings: Vec<ToldMapping>,
    /// By what the body is converted.
    pub conversion: ToldConversion,
    /// The key of the template, and whether the client's `Accept` names it.
    pub template: Option<(&'t str, bool)>,
}

impl<'t> MethodRequest<'t, '_> {
    /// Each mapping of the method's integration with its value. `whole` is the client's body.
    ///
    /// # Errors
    /// 400 for a body that a mapping cannot read.
    pub fn told_mappings(
        &self,
        context: &RequestContext<'_>,
        whole: &[u8],
    ) -> Result<Vec<ToldMapping>, GatewayFault> {
        let Some(integration) = &self.method().integration else {
            return Ok(Vec::new());
        };
        let body = self.mapping_body(integration, whole)?;
        let told = |mapping| {
            told_request_mapping(mapping, self, context, body.as_ref(), &integration.kind)
        };
        Ok(integration.request_parameters.iter().map(told).collect())
    }

    /// The key of the request template; `None`: the converted body passes.
    ///
    /// # Errors
    /// 415 by the passthrough table.
    pub fn told_template(&self) -> Result<Option<&'t str>, GatewayFault> {
        let Some(integration) = &self.method().integration else {
            return Ok(None);
        };
        let chosen = request_template(integration, self.content_type())?;
        Ok(chosen.and_then(|chosen| key_of(&integration.request_templates, chosen)))
    }

    /// Which conversion the client's body gets.
    #[must_use]
    pub fn told_conversion(&self, integration: &Integration) -> ToldConversion {
        let payload = self.table().binary_media_types.class(self.content_type());
        let handling = integration.content_handling;
        ToldConversion {
            payload,
            accept: None,
            handling,
            conversion: request_conversion(payload, handling),
        }
    }
}

impl<'t> ResponseSide<'_, 't, '_> {
    /// How the response to an answer of the backend is made.
    ///
    /// # Errors
    /// 500 if no integration response takes the status.
    pub fn told_response(
        self,
        context: &RequestContext<'_>,
        backend_status: u16,
        backend_fields: &Fields,
        body: &[u8],
    ) -> Result<ToldResponse<'t>, GatewayFault> {
        let response = self.selected(backend_status)?;
        Ok(self.told(response, context, backend_fields, body))
    }
}

impl<'t> MockRequest<'t, '_> {
    /// The request template's output, the status in it and how the response is made; no response where none takes the
    /// status.
    ///
    /// # Errors
    /// As [`MockRequest::method_response`], but for the selection.
    pub fn told_answer(
        &self,
        context: &RequestContext<'_>,
        body: &[u8],
    ) -> Result<ToldMock<'t>, GatewayFault> {
        let chosen = self.chosen(context, body)?;
        let side = ResponseSide {
            request: &self.request,
            integration: self.integration,
            overrides: None,
        };
        let response = match chosen.status {
            Some(status) => side.selected(status).ok(),
            None => {
                let mut responses = self.integration.responses.iter();
                responses.find(|response| response.pattern.is_none())
            }
        };
        let none = Fields::new();
        Ok(ToldMock {
            text: chosen.text,
            status: chosen.status,
            response: response.map(|response| side.told(response, context, &none, b"")),
        })
    }
}

/// How a mock integration answers.
#[derive(Clone, Debug)]
pub struct ToldMock<'t> {
    /// The request template's output, or the body that passed.
    pub text: Vec<u8>,
    /// The `statusCode` in it.
    pub status: Option<u16>,
    /// What it selects.
    pub response: Option<ToldResponse<'t>>,
}

impl<'t> ResponseSide<'_, 't, '_> {
    fn told(
        self,
        response: &'t IntegrationResponse,
        context: &RequestContext<'_>,
        backend_fields: &Fields,
        whole: &[u8],
    ) -> ToldResponse<'t> {
        let types = &self.request.table().binary_media_types;
        let accept = self.request.accept();
        let payload = types.class(backend_fields.last(b"content-type"));
        let handling = response.content_handling;
        let body = response_mapping::reads_body(&response.parameters)
            .then(|| MappingBody::read(whole).ok())
            .flatten();
        let sources = ResponseSources {
            fields: backend_fields,
            body: body.as_ref(),
            variables: self.request.variables(context),
        };
        let template = match response_template(response, accept) {
            ResponseTemplate::None => None,
            ResponseTemplate::Exact(template) => Some((template, true)),
            ResponseTemplate::Fallback(template) => Some((template, false)),
        };
        let column = Column::of(&self.integration.kind);
        ToldResponse {
            pattern: response.pattern.as_deref(),
            status: response.status,
            mappings: response
                .parameters
                .iter()
                .map(|mapping| {
                    let value = sources.value(&mapping.source);
                    let effect = response_effect(column, &mapping.header, value.as_deref());
                    ToldMapping {
                        target: format!("method.response.header.{}", mapping.header),
                        source: response_source_text(&mapping.source),
                        values: value.into_iter().map(|value| value.into_owned()).collect(),
                        effect,
                    }
                })
                .collect(),
            conversion: ToldConversion {
                payload,
                accept: Some(types.class(accept)),
                handling,
                conversion: response_conversion(payload, types.class(accept), handling),
            },
            template: template.and_then(|(template, exact)| {
                Some((key_of(&response.templates, template)?, exact))
            }),
        }
    }
}

fn told_request_mapping(
    mapping: &RequestMapping,
    request: &MethodRequest<'_, '_>,
    context: &RequestContext<'_>,
    body: Option<&MappingBody<'_>>,
    kind: &IntegrationKind,
) -> ToldMapping {
    let mapped = map_parameters(std::slice::from_ref(mapping), request, context, body);
    let values = [mapped.headers, mapped.path, mapped.query];
    let values: Vec<_> = values.into_iter().flatten().collect();
    let effect = match &mapping.target {
        _ if values.is_empty() => MappingEffect::NoValue,
        RequestTarget::Header(name) => header_effect(kind, name),
        RequestTarget::Path(_) | RequestTarget::QueryString(_) => MappingEffect::Written,
    };
    let (kind, name) = match &mapping.target {
        RequestTarget::Header(name) => ("header", name),
        RequestTarget::Path(name) => ("path", name),
        RequestTarget::QueryString(name) => ("querystring", name),
    };
    ToldMapping {
        target: format!("integration.request.{kind}.{name}"),
        source: request_source_text(&mapping.source),
        values: values
            .into_iter()
            .map(|(_, value)| value.into_owned())
            .collect(),
        effect,
    }
}

/// What becomes of a mapped header, by the table of the integration's kind.
fn header_effect(kind: &IntegrationKind, name: &str) -> MappingEffect {
    match kind {
        IntegrationKind::Mock => MappingEffect::LeftOut,
        IntegrationKind::Http(_) | IntegrationKind::HttpProxy(_) => match http_target_rule(name) {
            HttpTargetRule::Sent | HttpTargetRule::Host => MappingEffect::Written,
            HttpTargetRule::Dropped => MappingEffect::LeftOut,
            HttpTargetRule::Forbidden => MappingEffect::Refused,
        },
        IntegrationKind::S3(_) | IntegrationKind::S3Action(_) => match target_rule(name) {
            TargetRule::Sent => MappingEffect::Written,
            TargetRule::Dropped => MappingEffect::LeftOut,
            TargetRule::Forbidden => MappingEffect::Refused,
        },
    }
}

fn response_effect(column: Column, name: &str, value: Option<&[u8]>) -> MappingEffect {
    let Some(value) = value else {
        return MappingEffect::NoValue;
    };
    let mut fields = Fields::new();
    if write_header(column, name, value, &mut fields).is_err() {
        return MappingEffect::Refused;
    }
    let written = fields.iter().next();
    match written {
        None => MappingEffect::LeftOut,
        Some((written, _)) if written == name.as_bytes() => MappingEffect::Written,
        Some((written, _)) => MappingEffect::Renamed(String::from_utf8_lossy(written).into_owned()),
    }
}

/// The key that a chosen template is kept under.
fn key_of<'t>(templates: &'t [MappingTemplate], chosen: &Template) -> Option<&'t str> {
    let mut templates = templates.iter();
    let entry = templates.find(|entry| std::ptr::eq(&entry.template, chosen))?;
    Some(&entry.media_type)
}

fn request_source_text(source: &RequestSource) -> String {
    let (kind, name) = match source {
        RequestSource::Path(name) => ("method.request.path.", name.as_str()),
        RequestSource::QueryString(name) => ("method.request.querystring.", name.as_str()),
        RequestSource::MultiValueQueryString(name) => {
            ("method.request.multivaluequerystring.", name.as_str())
        }
        RequestSource::Header(name) => ("method.request.header.", name.as_str()),
        RequestSource::MultiValueHeader(name) => {
            ("method.request.multivalueheader.", name.as_str())
        }
        RequestSource::Body => ("method.request.body", ""),
        // The compiled path does not keep its text.
        RequestSource::BodyPath(path) => ("method.request.body.", path.as_str()),
        RequestSource::StageVariable(name) => ("stageVariables.", name.as_str()),
        RequestSource::Context(name) => ("context.", name.as_str()),
        RequestSource::Literal(text) => return format!("'{text}'"),
    };
    format!("{kind}{name}")
}

fn response_source_text(source: &ResponseSource) -> String {
    let (kind, name) = match source {
        ResponseSource::Header(name) => ("integration.response.header.", name.as_str()),
        ResponseSource::MultiValueHeader(name) => {
            ("integration.response.multivalueheader.", name.as_str())
        }
        ResponseSource::Body => ("integration.response.body", ""),
        ResponseSource::BodyPath(path) => ("integration.response.body.", path.as_str()),
        ResponseSource::StageVariable(name) => ("stageVariables.", name.as_str()),
        ResponseSource::Context(name) => ("context.", name.as_str()),
        ResponseSource::Literal(text) => return format!("'{text}'"),
    };
    format!("{kind}{name}")
}
