//! Mock integrations: no backend; the request template's output says which integration response answers (spec 06).

use crate::api::model::Integration;
use crate::api::model::IntegrationKind;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::integration_body::IntegrationBody;
use crate::pipeline::integration_response::MethodResponse;
use crate::pipeline::integration_response::ResponseSide;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::mock_status::mock_status;
use crate::pipeline::request_mapping::reads_body;
use crate::pipeline::template_choice::request_template;
use crate::vtl::template::Template;
use crate::wire::http1::fields::Fields;

/// Stands for the method of an integration request that is never sent: one that has a body.
const METHOD: &[u8] = b"POST";

/// A request that a mock integration answers.
pub struct MockRequest<'t, 'h> {
    pub(super) request: MethodRequest<'t, 'h>,
    pub(super) integration: &'t Integration,
}

impl<'t, 'h> MethodRequest<'t, 'h> {
    /// The request as a mock integration's; the request itself if its method has another kind.
    ///
    /// # Errors
    /// The method has no mock integration.
    #[expect(
        clippy::result_large_err,
        reason = "the other side is no failure: it goes on as it was"
    )]
    pub fn into_mock(self) -> Result<MockRequest<'t, 'h>, Self> {
        match &self.method().integration {
            Some(integration) if matches!(integration.kind, IntegrationKind::Mock) => {
                Ok(MockRequest {
                    request: self,
                    integration,
                })
            }
            _ => Err(self),
        }
    }
}

impl<'t> MockRequest<'t, '_> {
    /// Whether the answer depends on the client's body: not where the chosen template is plain text.
    #[must_use]
    pub fn request_body_need(&self) -> BodyNeed {
        let ignored = matches!(
            request_template(self.integration, self.request.content_type()),
            Ok(Some(Template::Literal(_))) | Err(_)
        );
        let read =
            self.request.body_model().is_some() || reads_body(&self.integration.request_parameters);
        if ignored && !read {
            BodyNeed::Streams
        } else {
            BodyNeed::Whole
        }
    }

    /// The method response. `body` is the client's whole body where [`Self::request_body_need`] asks for it.
    ///
    /// # Errors
    /// A body that the method's model refuses; 400, 415 and 500 as for other integrations; 500 if no `statusCode` can be read or no integration response takes
    /// it.
    pub fn method_response(
        &self,
        context: &RequestContext<'_>,
        body: &[u8],
    ) -> Result<MethodResponse<'t>, GatewayFault> {
        let (request, integration) = (&self.request, self.integration);
        let Chosen {
            made,
            status: selected,
            ..
        } = self.chosen(context, body)?;
        let side = ResponseSide {
            request,
            integration,
            overrides: made.overrides.as_deref(),
        };
        let none = Fields::new();
        match selected {
            Some(status) => side.method_response(context, status, &none, None),
            // "mock", rule 3: without any request template the default integration response answers
            None if integration.request_templates.is_empty() => {
                side.default_method_response(context)
            }
            None => Err(GatewayFault::configuration_error()),
        }
    }

    /// The request template's output and the status that it names.
    pub(super) fn chosen(
        &self,
        context: &RequestContext<'_>,
        body: &[u8],
    ) -> Result<Chosen<'t>, GatewayFault> {
        let (request, integration) = (&self.request, self.integration);
        request.validate_body(body)?;
        request.mapping_body(integration, body)?;
        let made = request.integration_body(integration, METHOD, context, body)?;
        let text = made.bytes(body)?;
        let status = std::str::from_utf8(&text)
            .ok()
            .and_then(mock_status)
            .map(|status| u16::try_from(status).unwrap_or_default());
        Ok(Chosen { made, text, status })
    }
}

/// What the request template of a mock integration says.
pub(super) struct Chosen<'t> {
    made: IntegrationBody<'t>,
    /// The template's output, or the body that passed.
    pub(super) text: Vec<u8>,
    /// `None` if no `statusCode` can be read.
    pub(super) status: Option<u16>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::body_plan::BodyContent;
    use crate::pipeline::sample;

    /// Status, fields of the mapped kind and body of the answer to `POST /v1/x`, or the fault's status.
    fn answered(
        integration: Value,
        fields: &[(&str, &str)],
        body: &str,
        binary: &[&str],
    ) -> Result<(u16, Vec<String>, String), u16> {
        let mut integration = integration;
        integration["type"] = json!("mock");
        integration["uri"] = Value::Null;
        integration["requestParameters"] = json!({});
        let table = sample::one_method_with(integration, |document| {
            document["x-amazon-apigateway-binary-media-types"] = json!(binary);
        });
        let head = sample::head("POST", "/v1/x?q=1", fields);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let Ok(mock) = sample::method_request(&table, &head).into_mock() else {
            panic!("no mock integration");
        };
        let response = mock
            .method_response(&context, body.as_bytes())
            .map_err(|fault| fault.status())?;
        let text = match (response.rendered, response.body.content) {
            (Some(rendered), _) => String::from_utf8(rendered).unwrap(),
            (None, BodyContent::Literal(text)) => text.to_owned(),
            (None, BodyContent::Converted(_)) => String::new(),
            (None, other) => panic!("{other:?}"),
        };
        let line = |(name, value): (&[u8], &[u8])| {
            let text = String::from_utf8_lossy;
            format!("{}: {}", text(name), text(value))
        };
        let ids = ["x-amzn-RequestId:", "x-amz-apigw-id:"];
        let own = |line: &String| !ids.iter().any(|id| line.starts_with(id));
        let lines = response.fields.iter().map(line).filter(own).collect();
        Ok((response.status, lines, text))
    }

    fn status(integration: Value, body: &str) -> Result<u16, u16> {
        answered(integration, &[], body, &[]).map(|(status, ..)| status)
    }

    fn three() -> Value {
        json!({
            "default": {"statusCode": "200"}, "4\\d{2}": {"statusCode": "418"}, "500": {"statusCode": "503"},
        })
    }

    #[test]
    fn the_number_selects_the_integration_response() {
        for (code, wanted) in [(200, 200), (404, 418), (500, 503), (999, 200)] {
            let template = format!("{{\"statusCode\": {code}}}");
            let integration =
                json!({"requestTemplates": {"application/json": template}, "responses": three()});
            assert_eq!(status(integration, ""), Ok(wanted), "{code}");
        }
        let no_default = json!({
            "requestTemplates": {"application/json": "{statusCode: 404}"},
            "responses": {"200": {"statusCode": "200"}},
        });
        assert_eq!(status(no_default, ""), Err(500));
    }

    #[test]
    fn a_template_without_a_status_is_an_internal_error() {
        for template in [
            "",
            "{}",
            "{\"statusCode\": \"200\"}",
            "text",
            "$input.body",
            "{statusCode: 70000}",
        ] {
            let integration =
                json!({"requestTemplates": {"application/json": template}, "responses": three()});
            assert_eq!(status(integration, ""), Err(500), "{template}");
        }
    }

    #[test]
    fn without_any_template_the_body_or_the_default_decides() {
        let integration = || json!({"responses": three()});
        assert_eq!(status(integration(), "{\"statusCode\": 404}"), Ok(418));
        assert_eq!(status(integration(), ""), Ok(200));
        assert_eq!(status(integration(), "no status here"), Ok(200));
        let no_default = json!({"responses": {"200": {"statusCode": "200"}}});
        assert_eq!(status(no_default, ""), Err(500));
    }

    #[test]
    fn the_passthrough_table_holds() {
        let with = |behavior: &str, templates: Value| {
            json!({
                "requestTemplates": templates, "passthroughBehavior": behavior, "responses": three(),
            })
        };
        let other = || json!({"text/xml": "{statusCode: 500}"});
        let body = "{\"statusCode\": 404}";
        assert_eq!(status(with("when_no_match", other()), body), Ok(418));
        // templates there are, so that an unreadable body is no case for the default
        assert_eq!(status(with("when_no_match", other()), ""), Err(500));
        assert_eq!(status(with("when_no_templates", other()), body), Err(415));
        assert_eq!(status(with("when_no_templates", json!({})), body), Ok(418));
        assert_eq!(status(with("never", json!({})), body), Err(415));
    }

    #[test]
    fn overrides_of_the_request_template_reach_the_response() {
        let integration = json!({
            "requestTemplates": {"application/json":
                "#set($context.requestOverride.path.p = 'kept')#set($context.responseOverride.status = 202)\
                 #set($context.responseOverride.header.x-o = 'o'){\"statusCode\": 200}"},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {
                "application/json": "$context.requestOverride.path.p $input.params('q') $input.body"}}},
        });
        let (status, fields, body) = answered(integration, &[], "", &[]).unwrap();
        assert_eq!((status, body.as_str()), (202, "kept 1 {}"));
        assert_eq!(fields, ["x-o: o", "Content-Type: application/json"]);
    }

    #[test]
    fn headers_follow_the_mock_column_and_there_is_no_trace_id() {
        let headers = [
            ("Date", "x-amzn-Remapped-Date: v"),
            ("Server", "x-amzn-Remapped-Server: v"),
            ("Connection", "x-amzn-Remapped-Connection: v"),
            ("Content-Length", "x-amzn-Remapped-Content-Length: v"),
            ("WWW-Authenticate", "WWW-Authenticate: v"),
            ("Authorization", "Authorization: v"),
            ("Content-Encoding", "Content-Encoding: v"),
            ("Via", "Via: v"),
            ("Transfer-Encoding", ""),
        ];
        for (name, wanted) in headers {
            let target = format!("method.response.header.{name}");
            let integration = json!({
                "requestTemplates": {"application/json": "{statusCode: 200}"},
                "responses": {"default": {"statusCode": "200", "responseParameters": {target: "'v'"}}},
            });
            let (_, fields, _) = answered(integration, &[], "", &[]).unwrap();
            let mut expected = vec!["Content-Type: application/json"];
            if !wanted.is_empty() {
                expected.insert(0, wanted);
            }
            assert_eq!(fields, expected, "{name}");
        }
    }

    #[test]
    fn binary_media_types_break_a_mock_that_does_not_convert_to_text() {
        let integration = |handling: Value| {
            json!({
                "requestTemplates": {"application/json": "{statusCode: 200}"}, "contentHandling": handling,
                "responses": {"default": {"statusCode": "200"}},
            })
        };
        let got = |handling| answered(integration(handling), &[], "", &["*/*"]).map(|(s, ..)| s);
        assert_eq!(got(Value::Null), Err(500));
        assert_eq!(got(json!("CONVERT_TO_TEXT")), Ok(200));
    }

    #[test]
    fn only_bodies_that_count_are_asked_for() {
        let need = |templates: Value, source: Option<&str>| {
            let mut integration = json!({
                "type": "mock", "requestTemplates": templates, "requestParameters": {},
                "passthroughBehavior": "when_no_templates",
            });
            if let Some(source) = source {
                integration["requestParameters"] = json!({"integration.request.header.x": source});
            }
            let table = sample::one_method(integration);
            let head = sample::head("POST", "/v1/x", &[]);
            let Ok(mock) = sample::method_request(&table, &head).into_mock() else {
                panic!("no mock integration");
            };
            mock.request_body_need()
        };
        let literal = || json!({"application/json": "{statusCode: 200}"});
        assert_eq!(need(literal(), None), BodyNeed::Streams);
        assert_eq!(need(json!({"text/xml": "x"}), None), BodyNeed::Streams);
        assert_eq!(
            need(literal(), Some("method.request.body")),
            BodyNeed::Whole
        );
        assert_eq!(
            need(json!({"application/json": "$input.body"}), None),
            BodyNeed::Whole
        );
        assert_eq!(need(json!({}), None), BodyNeed::Whole);
    }
}
