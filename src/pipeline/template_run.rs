//! Renders the template of a body plan with what the request shows (spec 07, "Objects").

use std::borrow::Cow;

use crate::pipeline::body_plan::{BodyContent, BodyConverter};
use crate::pipeline::context::{Lookup, RequestContext};
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::method_request::MethodRequest;
use crate::vtl::render::{Overrides, Parameters, TemplateInput};

/// Names of `$context` (spec 07, "$context, $stageVariables").
const CONTEXT_NAMES: [&str; 32] = [
    "accountId",
    "apiId",
    "awsEndpointRequestId",
    "deploymentId",
    "domainName",
    "domainPrefix",
    "extendedRequestId",
    "httpMethod",
    "identity.accessKey",
    "identity.accountId",
    "identity.apiKey",
    "identity.apiKeyId",
    "identity.caller",
    "identity.cognitoAuthenticationProvider",
    "identity.cognitoAuthenticationType",
    "identity.cognitoIdentityId",
    "identity.cognitoIdentityPoolId",
    "identity.principalOrgId",
    "identity.sourceIp",
    "identity.user",
    "identity.userAgent",
    "identity.userArn",
    "isCanaryRequest",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "resourceId",
    "resourcePath",
    "stage",
    "xrayTraceId",
];

/// What a template made.
pub(super) struct TemplateResult {
    /// `None` when the plan has no template to render.
    pub(super) output: Option<Vec<u8>>,
    /// As they were, or as the template left them.
    pub(super) overrides: Overrides,
}

/// Renders the plan's template on a whole body, if it has one.
pub(super) fn run_template(
    content: BodyContent<'_>,
    body: &[u8],
    request: &MethodRequest<'_, '_>,
    context: &RequestContext<'_>,
    overrides: Overrides,
) -> Result<TemplateResult, GatewayFault> {
    let BodyContent::Rendered { template, .. } = content else {
        return Ok(TemplateResult {
            output: None,
            overrides,
        });
    };
    let mut text = Vec::with_capacity(body.len());
    let mut converter = BodyConverter::new(content);
    converter
        .push(body, &mut text)
        .and_then(|()| converter.finish(&mut text))
        .map_err(|_| GatewayFault::configuration_error())?;
    let input = TemplateInput {
        body: lossy(&text),
        parameters: parameters(request),
        context: context_values(request, context),
        stage_variables: stage_variables(request),
        overrides,
    };
    let rendered = template
        .render(&input)
        .map_err(|_| GatewayFault::configuration_error())?;
    Ok(TemplateResult {
        output: Some(rendered.output.into_bytes()),
        overrides: rendered.overrides,
    })
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn parameters<'a>(request: &'a MethodRequest<'_, '_>) -> Parameters<'a> {
    let path = request.path_parameters();
    let headers = request.headers();
    Parameters {
        path: path
            .map(|(name, value)| (name.into(), lossy(value)))
            .collect(),
        querystring: request
            .query()
            .iter()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect(),
        header: headers
            .iter()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect(),
    }
}

fn context_values<'a>(
    request: &'a MethodRequest<'_, '_>,
    context: &'a RequestContext<'a>,
) -> Vec<(Cow<'a, str>, Option<Cow<'a, str>>)> {
    let variables = request.variables(context);
    let text = |value: Cow<'a, [u8]>| match value {
        Cow::Borrowed(bytes) => lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(lossy(&bytes).into_owned()),
    };
    let values = CONTEXT_NAMES.iter().filter_map(|name| {
        let value = match variables.look_up(name) {
            Lookup::Value(value) => Some(text(value)),
            Lookup::Null => None,
            Lookup::Unknown => return None,
        };
        Some((Cow::Borrowed(*name), value))
    });
    values.collect()
}

fn stage_variables<'a>(request: &'a MethodRequest<'_, '_>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let variables = request.table().stage_variables.iter();
    variables
        .map(|(name, value)| (Cow::from(name.as_str()), Cow::from(value.as_str())))
        .collect()
}
