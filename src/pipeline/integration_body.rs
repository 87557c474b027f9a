//! The request side's way from the client's body to the integration request's, the same for all kinds of integration:
//! body sources of mappings, template choice, conversion, template (spec 02, stages 12 to 15).

use crate::api::content_handling::request_conversion;
use crate::api::model::Integration;
use crate::pipeline::body_plan::{BodyConverter, RequestBodyPlan};
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::mapping_body::MappingBody;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_mapping::reads_body;
use crate::pipeline::template_choice::request_template;
use crate::pipeline::template_run::{TemplateResult, run_template};
use crate::vtl::render::Overrides;
use crate::wire::http1::fields::is_token;
use crate::wire::http1::framing::{BodyFraming, request_framing};

/// What becomes of the client's body.
pub(super) struct IntegrationBody<'t> {
    /// How it is converted, and whether it is sent.
    pub(super) plan: RequestBodyPlan<'t>,
    /// The output of a template that was run.
    pub(super) rendered: Option<Vec<u8>>,
    /// What the template overrides, if one was run.
    pub(super) overrides: Option<Box<Overrides>>,
}

impl IntegrationBody<'_> {
    /// The integration request's body as bytes, made of the client's whole body.
    ///
    /// # Errors
    /// 500 if the conversion fails.
    pub(super) fn bytes(&self, whole: &[u8]) -> Result<Vec<u8>, GatewayFault> {
        if let Some(rendered) = &self.rendered {
            return Ok(rendered.clone());
        }
        let mut out = Vec::with_capacity(whole.len());
        let mut converter = BodyConverter::new(self.plan.content);
        converter
            .push(whole, &mut out)
            .and_then(|()| converter.finish(&mut out))
            .map_err(|_| GatewayFault::configuration_error())?;
        Ok(out)
    }
}

impl<'t> MethodRequest<'t, '_> {
    /// The client's body as mappings read it; `None` if none does.
    ///
    /// # Errors
    /// 400 for a body that looks like JSON and is none.
    pub(super) fn mapping_body<'b>(
        &self,
        integration: &Integration,
        whole: &'b [u8],
    ) -> Result<Option<MappingBody<'b>>, GatewayFault> {
        if !reads_body(&integration.request_parameters) {
            return Ok(None);
        }
        let read = MappingBody::read(whole);
        read.map(Some)
            .map_err(|_| GatewayFault::invalid_json_body())
    }

    /// Chooses template and conversion and runs the template. `method` is the integration request's.
    ///
    /// # Errors
    /// 415 by the passthrough table; 500 for a template that meets bytes or fails.
    pub(super) fn integration_body(
        &self,
        integration: &'t Integration,
        method: &[u8],
        context: &RequestContext<'_>,
        whole: &[u8],
    ) -> Result<IntegrationBody<'t>, GatewayFault> {
        let class = self.table().binary_media_types.class(self.content_type());
        let conversion = request_conversion(class, integration.content_handling);
        let template = request_template(integration, self.content_type())?;
        if !is_token(method) {
            return Err(GatewayFault::configuration_error());
        }
        let sends_body = sends_body(method, self, template.is_some());
        let plan = RequestBodyPlan::decide(conversion, template, sends_body)
            .map_err(|_| GatewayFault::configuration_error())?;
        let TemplateResult { output, overrides } =
            run_template(plan.content, whole, self, context, None)?;
        Ok(IntegrationBody {
            plan,
            rendered: output,
            overrides,
        })
    }
}

/// GET, HEAD and OPTIONS have no body (spec 02). DELETE has one only if the client sent one or a template makes it.
pub(super) fn sends_body(
    method: &[u8],
    request: &MethodRequest<'_, '_>,
    has_template: bool,
) -> bool {
    let client_sends = || {
        !matches!(
            request_framing(request.head()),
            Ok(BodyFraming::None | BodyFraming::Length(0))
        )
    };
    match method {
        b"GET" | b"HEAD" | b"OPTIONS" => false,
        b"DELETE" => has_template || client_sends(),
        _ => true,
    }
}
