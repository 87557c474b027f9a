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
    /// As the template left them; `None` where none ran.
    pub(super) overrides: Option<Box<Overrides>>,
}

/// Renders the plan's template on a whole body, if it has one. `before`: what an earlier template of the request left.
pub(super) fn run_template(
    content: BodyContent<'_>,
    body: &[u8],
    request: &MethodRequest<'_, '_>,
    context: &RequestContext<'_>,
    before: Option<&Overrides>,
) -> Result<TemplateResult, GatewayFault> {
    let BodyContent::Rendered { template, .. } = content else {
        return Ok(TemplateResult {
            output: None,
            overrides: None,
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
        overrides: before.cloned().unwrap_or_default(),
    };
    let rendered = template
        .render(&input)
        .map_err(|_| GatewayFault::configuration_error())?;
    Ok(TemplateResult {
        output: Some(rendered.output.into_bytes()),
        overrides: Some(Box::new(rendered.overrides)),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::pipeline::integration_request::IntegrationRequest;
    use crate::pipeline::integration_response::MethodResponse;
    use crate::pipeline::method_request::BodyNeed;
    use crate::pipeline::sample;

    /// Runs both templates and gives what `look` sees.
    fn exchanged<T>(
        integration: Value,
        request_body: &str,
        (status, response_body): (u16, &str),
        look: impl FnOnce(&IntegrationRequest<'_, '_>, MethodResponse<'_>) -> T,
    ) -> Result<T, u16> {
        let table = sample::one_method(integration);
        let store = sample::store(&table);
        let head = sample::head("PUT", "/v1/x?q=1&q=2", &[("X-A", "h"), ("TE", "gone")]);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let request = sample::method_request(&table, &head);
        assert_eq!(request.request_body_need(), BodyNeed::Whole);
        let request = request
            .into_integration_request(&context, &store, Some(request_body.as_bytes()))
            .map_err(|fault| fault.status())?;
        let fields = sample::fields(&[]);
        let response = request
            .method_response(&context, status, &fields, Some(response_body.as_bytes()))
            .map_err(|fault| fault.status())?;
        Ok(look(&request, response))
    }

    fn rendered(template: &str, body: &str) -> Result<String, u16> {
        let integration = json!({"requestTemplates": {"application/json": template}});
        exchanged(integration, body, (200, ""), |request, _| {
            String::from_utf8(request.rendered().unwrap().to_vec()).unwrap()
        })
    }

    #[test]
    fn a_request_template_sees_the_request() {
        for (template, wanted) in [
            ("$input.path('$.a').b", "1"),
            (
                "$input.params('q') $input.params().header.keySet()",
                "2 [Host, X-A]",
            ),
            ("$input.params('x-a')", "h"),
            (
                "$context.httpMethod $context.stage $context.identity.user|",
                "PUT v1 |",
            ),
            ("$context.nope.deeper|", "|"),
        ] {
            assert_eq!(
                rendered(template, "{\"a\":{\"b\":1}}").as_deref(),
                Ok(wanted),
                "{template}"
            );
        }
        assert_eq!(rendered("#set($x=1)$input.body", "").as_deref(), Ok("{}"));
    }

    #[test]
    fn a_template_that_fails_is_an_internal_error() {
        assert_eq!(rendered("$util.parseJson($input.body)", "{"), Err(500));
        assert!(rendered("$util.parseJson($input.body)", "{}").is_ok());
    }

    #[test]
    fn request_overrides_replace_mapped_parameters() {
        let integration = json!({
            "requestParameters": sample::with_mapping("integration.request.header.x-b", "'mapped'")["requestParameters"],
            "requestTemplates": {"application/json": "#set($context.requestOverride.header.X-B = $input.path('$.v'))\
                #set($context.requestOverride.querystring.q = 'a b')x"},
        });
        let look = |request: &IntegrationRequest<'_, '_>, _: MethodResponse<'_>| {
            let header = request.fields().get(b"x-b").map(<[u8]>::to_vec);
            (header, request.place().query.clone())
        };
        let seen = exchanged(integration.clone(), "{\"v\":\"new\"}", (200, ""), look);
        assert_eq!(seen, Ok((Some(b"new".to_vec()), b"q=a%20b".to_vec())));
        let broken = exchanged(integration, "{\"v\":\"a\\r\\nb: c\"}", (200, ""), look);
        assert_eq!(broken, Err(500));
    }

    #[test]
    fn response_overrides_of_either_template_reach_the_client() {
        let set = "#set($context.responseOverride.status = 404)#set($context.responseOverride.header.x-o = 'a')x";
        let seen = |request: &str, response: Option<&str>| {
            let templates = response.map(|text| json!({"application/json": text}));
            let integration = json!({
                "requestTemplates": {"application/json": request},
                "responses": {"default": {"statusCode": "200", "responseTemplates": templates}},
            });
            let look = |_: &IntegrationRequest<'_, '_>, response: MethodResponse<'_>| {
                let header = response.fields.get(b"x-o").map(<[u8]>::to_vec);
                let body = response
                    .rendered
                    .map(|body| String::from_utf8(body).unwrap());
                (response.status, header, body)
            };
            exchanged(integration, "{}", (200, "{\"r\":[1]}"), look).unwrap()
        };
        let header = Some(b"a".to_vec());
        assert_eq!(seen(set, None), (404, header.clone(), None));
        let text = "$input.json('$.r') $context.responseOverride.status";
        assert_eq!(
            seen(set, Some(text)),
            (404, header.clone(), Some("[1] 404".to_owned()))
        );
        assert_eq!(
            seen("#set($x=1)", Some(set)),
            (404, header, Some("x".to_owned()))
        );
        let broken = "#set($context.responseOverride.header.x-o = \"a\r\nb\")";
        let integration = json!({"requestTemplates": {"application/json": broken}});
        assert_eq!(exchanged(integration, "", (200, ""), |_, _| ()), Err(500));
    }
}
