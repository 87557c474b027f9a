//! The method request: what mappings and templates can see of the client's request (spec 02, 03, 05).

use crate::api::model::DeclaredParameter;
use crate::api::model::IntegrationKind;
use crate::api::model::Method;
use crate::api::model::ParameterLocation;
use crate::api::request_model::RequestModel;
use crate::api::table::Table;
use crate::pipeline::authorize::Authorized;
use crate::pipeline::context::RequestContext;
use crate::pipeline::context::Variables;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::VisibleHeaders;
use crate::pipeline::identity::Identity;
use crate::pipeline::metering::Metered;
use crate::pipeline::request_mapping;
use crate::pipeline::route::PathValues;
use crate::pipeline::route::StagedRequest;
use crate::pipeline::template_choice::request_template;
use crate::vtl::template::Template;
use crate::wire::http1::head::RequestHead;
use crate::wire::query::Query;

/// Whether a stage needs a body before it can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyNeed {
    /// The body passes by.
    Streams,
    /// A content coding is taken off, or a model, a mapping or a template reads the whole body.
    Whole,
}

/// A request with its parameters taken apart.
pub struct MethodRequest<'t, 'h> {
    request: StagedRequest<'t, 'h>,
    /// Names and decoded values.
    path_parameters: PathValues<'t, 'h>,
    query: Query,
}

impl<'t, 'h> Metered<'t, 'h> {
    /// Decodes the parameters and, if the method's validator wants it, looks for the required ones.
    ///
    /// # Errors
    /// The body's content coding is not spoken here; a required parameter is missing or blank.
    pub fn into_method_request(self) -> Result<MethodRequest<'t, 'h>, GatewayFault> {
        let Self(Authorized { request, .. }) = self;
        let method_request = MethodRequest {
            path_parameters: request.path_parameters(),
            query: request.query.map(Query::parse).unwrap_or_default(),
            request,
        };
        method_request.body_coding()?;
        let validates = method_request
            .method()
            .validator
            .is_some_and(|validator| validator.parameters);
        match validates.then(|| method_request.missing_parameters()) {
            Some(missing) if !missing.is_empty() => Err(GatewayFault::missing_parameters(&missing)),
            _ => Ok(method_request),
        }
    }
}

impl<'t, 'h> MethodRequest<'t, 'h> {
    /// The method that the request is for.
    #[must_use]
    pub fn method(&self) -> &'t Method {
        self.request.found.method
    }

    /// The document.
    #[must_use]
    pub const fn table(&self) -> &'t Table {
        self.request.table
    }

    /// Who signed the request; `None` where nobody was asked.
    #[must_use]
    pub const fn caller(&self) -> Option<&'t Identity> {
        self.request.caller
    }

    /// The client's head, gone headers included.
    #[must_use]
    pub const fn head(&self) -> &'h RequestHead {
        self.request.head
    }

    /// The client's headers without those that are gone.
    #[must_use]
    pub const fn headers(&self) -> VisibleHeaders<'h> {
        VisibleHeaders::of(&self.request.head.fields)
    }

    /// The query's parameters.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// A path parameter, decoded.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> Option<&[u8]> {
        let mut parameters = self.path_parameters.iter();
        parameters
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_ref())
    }

    /// The client's Content-Type, the last one.
    #[must_use]
    pub fn content_type(&self) -> Option<&'h [u8]> {
        self.request.head.fields.last(b"content-type")
    }

    /// The client's Accept, the last one (spec 04).
    #[must_use]
    pub fn accept(&self) -> Option<&'h [u8]> {
        self.request.head.fields.last(b"accept")
    }

    /// All path parameters, decoded.
    pub fn path_parameters(&self) -> impl Iterator<Item = (&'t str, &[u8])> {
        let parameters = self.path_parameters.iter();
        parameters.map(|(name, value)| (*name, value.as_ref()))
    }

    /// Compares the body with the model for its Content-Type, if the method's validator wants it; an absent body is `{}`.
    ///
    /// # Errors
    /// The body does not fit.
    pub fn validate_body(&self, body: &[u8]) -> Result<(), GatewayFault> {
        self.body_model()
            .map_or(Ok(()), |model| model.validate(body))
            .map_err(GatewayFault::invalid_body)
    }

    /// Whether a model is compared with the body.
    pub(super) fn is_validated(&self) -> bool {
        self.body_model().is_some()
    }

    pub(super) fn body_model(&self) -> Option<&'t RequestModel> {
        let models = self.method().request_models.as_ref()?;
        models.of_type(self.content_type())
    }

    /// Whether the client's body is needed as a whole: for a model, for a mapping, or for the template that it selects.
    #[must_use]
    pub fn request_body_need(&self) -> BodyNeed {
        if self.is_validated() || matches!(self.body_coding(), Ok(Some(_))) {
            return BodyNeed::Whole;
        }
        let Some(integration) = &self.method().integration else {
            return BodyNeed::Streams;
        };
        let proxied = matches!(integration.kind, IntegrationKind::HttpProxy(_));
        let renders = !proxied
            && matches!(
                request_template(integration, self.content_type()),
                Ok(Some(Template::Program(_)))
            );
        let is_input = matches!(
            &integration.kind,
            IntegrationKind::S3Action(action) if !action.body_is_object
        );
        if renders || is_input || request_mapping::reads_body(&integration.request_parameters) {
            BodyNeed::Whole
        } else {
            BodyNeed::Streams
        }
    }

    /// The request as `context.*` and `stageVariables.*` show it.
    pub(super) fn variables<'a>(&'a self, context: &'a RequestContext<'a>) -> Variables<'a> {
        self.request.variables(context)
    }

    /// Header, path, query string, each sorted by name (spec 05, "Request validation").
    fn missing_parameters(&self) -> Vec<&'t str> {
        let required = self
            .method()
            .parameters
            .iter()
            .filter(|parameter| parameter.required);
        let mut missing: Vec<_> = required
            .filter(|parameter| !self.is_present(parameter))
            .map(|parameter| (parameter.location, parameter.name.as_str()))
            .collect();
        missing.sort_unstable();
        missing.into_iter().map(|(_, name)| name).collect()
    }

    fn is_present(&self, parameter: &DeclaredParameter) -> bool {
        let value = match parameter.location {
            ParameterLocation::Header => self.headers().last(&parameter.name),
            ParameterLocation::Path => self.path_parameter(&parameter.name),
            ParameterLocation::QueryString => self.query.last(parameter.name.as_bytes()),
        };
        value.is_some_and(|value| !value.trim_ascii().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::route::{Route, route};
    use crate::pipeline::sample;

    fn checked(validator: &str, target: &str, fields: &[(&str, &str)]) -> Result<(), String> {
        let table = sample::one_method_with(json!({}), |document| {
            document["x-amazon-apigateway-request-validators"] = json!({
                "yes": {"validateRequestBody": false, "validateRequestParameters": true},
                "no": {"validateRequestBody": false, "validateRequestParameters": false},
            });
            let method = &mut document["paths"]["/{item}"]["x-amazon-apigateway-any-method"];
            method["x-amazon-apigateway-request-validator"] = json!(validator);
            method["parameters"] = json!([
                {"in": "query", "name": "qs1", "required": true},
                {"in": "query", "name": "free", "required": false},
                {"in": "query", "name": "a", "required": true},
                {"in": "path", "name": "item", "required": true},
                {"in": "header", "name": "X-B", "required": true},
                {"in": "header", "name": "TE", "required": true},
            ]);
        });
        let head = sample::head("GET", target, fields);
        let Ok(Route::Method(routed)) = route(&table, &head) else {
            panic!("{target}");
        };
        let request = sample::metered(routed).into_method_request();
        request
            .map(|_| ())
            .map_err(|fault| fault.message().unwrap().to_owned())
    }

    #[test]
    fn missing_parameters_are_named_by_place_and_name() {
        let missing = |names: &str| Err(format!("Missing required request parameters: [{names}]"));
        assert_eq!(
            checked("yes", "/v1/%20?qs1", &[("x-b", "1")]),
            missing("TE, item, a, qs1")
        );
        // a gone header is missing even if the client sends it
        assert_eq!(
            checked("yes", "/v1/x?a=1&qs1=2", &[("x-b", "1"), ("TE", "x")]),
            missing("TE")
        );
        assert_eq!(
            checked("yes", "/v1/x?a=1&qs1=+", &[("TE", "x")]),
            missing("TE, X-B, qs1")
        );
    }

    #[test]
    fn without_a_validator_nothing_is_required() {
        assert_eq!(checked("no", "/v1/x", &[]), Ok(()));
    }

    #[test]
    fn parameters_are_decoded_once() {
        let table = sample::one_method(json!({}));
        let head = sample::head(
            "GET",
            "/v1/a%2Fb%252F+?q=1%2B+&q",
            &[("Accept", "a"), ("accept", "b")],
        );
        let request = sample::method_request(&table, &head);
        assert_eq!(request.path_parameter("item"), Some(&b"a/b%2F+"[..]));
        assert_eq!(
            request.query().all(b"q").collect::<Vec<_>>(),
            [&b"1+ "[..], b""]
        );
        assert_eq!(request.accept(), Some(&b"b"[..]));
        assert_eq!(request.content_type(), None);
    }

    #[test]
    fn only_body_sources_need_the_whole_body() {
        let need = |source: &str| {
            let table = sample::one_method(
                json!({"requestParameters": {"integration.request.header.h": source}}),
            );
            let head = sample::head("PUT", "/v1/x", &[]);
            sample::method_request(&table, &head).request_body_need()
        };
        assert_eq!(need("method.request.body"), BodyNeed::Whole);
        assert_eq!(need("method.request.body.a"), BodyNeed::Whole);
        assert_eq!(need("method.request.header.a"), BodyNeed::Streams);
    }

    #[test]
    fn a_validated_body_is_needed_whole_and_must_fit_the_model_of_its_type() {
        let table = sample::one_method_with(json!({}), |document| {
            document["x-amazon-apigateway-request-validators"] =
                json!({"v": {"validateRequestBody": true}});
            document["x-amazon-apigateway-request-validator"] = json!("v");
            document["paths"]["/{item}"]["x-amazon-apigateway-any-method"]["parameters"] = json!([
                {"in": "body", "name": "b", "schema": {"type": "object", "required": ["a"]}},
            ]);
        });
        let check = |method: &str, content_type: &str, body: &[u8]| {
            let fields = [("Content-Type", content_type)];
            let head = sample::head(method, "/v1/x", &fields);
            let request = sample::method_request(&table, &head);
            let fault = request.validate_body(body).err();
            (request.request_body_need(), fault)
        };
        let (need, fault) = check("PUT", "application/json", b"{\"a\":1}");
        assert_eq!((need, fault), (BodyNeed::Whole, None));
        // also where a method has no body
        let (need, fault) = check("GET", "application/json", b"");
        let fault = fault.unwrap();
        assert_eq!((need, fault.status()), (BodyNeed::Whole, 400));
        assert_eq!(
            fault.validation_error(),
            Some("[object has missing required properties ([\"a\"])]")
        );
        let (need, fault) = check("PUT", "image/png", b"\x89PNG");
        assert_eq!((need, fault), (BodyNeed::Streams, None));
    }
}
