//! The integration request: what goes to the store, and what becomes of the client's body (spec 02, 03, 04, 05).

use serde_json::Value;

use crate::api::model::CALLER_CREDENTIALS;
use crate::api::model::Integration;
use crate::api::model::IntegrationKind;
use crate::api::model::S3Action;
use crate::api::model::S3Uri;
use crate::pipeline::action_input::{ActionRequest, action_request};
use crate::pipeline::body_plan::{BodyContent, RequestBodyPlan};
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::integration_body::IntegrationBody;
use crate::pipeline::integration_fields::integration_fields;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::overrides::RequestOverrides;
use crate::pipeline::request_mapping::map_parameters;
use crate::pipeline::store_path::StoreAddress;
use crate::pipeline::store_path::StorePath;
use crate::pipeline::store_path::store_path;
use crate::vtl::bounded_json;
use crate::vtl::render::Overrides;
use crate::wire::http1::fields::Fields;
use crate::wire::sigv4::credentials::Credentials;

/// A request to the store, not yet signed.
pub struct IntegrationRequest<'t, 'h> {
    pub(super) request: MethodRequest<'t, 'h>,
    pub(super) integration: &'t Integration,
    uri: &'t S3Uri,
    /// `None` is the client's.
    own_method: Option<&'t [u8]>,
    place: StorePath<'t>,
    fields: Fields,
    body: RequestBodyPlan<'t>,
    rendered: Option<Vec<u8>>,
    /// What the request template left, if one was run.
    pub(super) overrides: Option<Box<Overrides>>,
}

impl<'t, 'h> MethodRequest<'t, 'h> {
    /// Applies the mappings, chooses template and conversion, fills the URI and writes the fields. `body` is the whole
    /// client body where [`Self::request_body_need`] says `BodyNeed::Whole`, else nothing is read from it.
    ///
    /// # Errors
    /// 400 for a body that a mapping cannot read and for paths that would walk; 415 by the passthrough table; 500 for
    /// what the document must not ask for or this version does not run.
    pub fn into_integration_request(
        self,
        context: &RequestContext<'_>,
        store: &'t StoreAddress,
        body: Option<&[u8]>,
    ) -> Result<IntegrationRequest<'t, 'h>, GatewayFault> {
        let (integration, target) = runnable(self.method().integration.as_ref())?;
        if signs_as_caller(integration) && self.caller().is_none() {
            return Err(GatewayFault::configuration_error());
        }
        let whole = body.unwrap_or_default();
        let read_body = self.mapping_body(integration, whole)?;
        let mut mapped = map_parameters(
            &integration.request_parameters,
            &self,
            context,
            read_body.as_ref(),
        );
        let named = match target {
            StoreTarget::Action(action) if action.body_is_object => Some(method_of(action)),
            StoreTarget::Action(_) | StoreTarget::Path(_) => {
                integration.http_method.as_deref().map(str::as_bytes)
            }
        };
        let method = named.unwrap_or_else(|| self.head().method());
        let mut made = self.integration_body(integration, method, context, whole)?;
        let input = made.action_input(target, whole)?;
        let overridden = made.overrides.as_deref().map(RequestOverrides::of);
        if let Some(overridden) = &overridden {
            overridden.apply(&mut mapped);
        }
        let mut fields = integration_fields(&mapped.headers, &self, context)?;
        let (uri, place, own_method) = match target {
            StoreTarget::Path(uri) => {
                let place = store_path(store, uri, &mapped.path, &mapped.query)?;
                (uri, place, named)
            }
            StoreTarget::Action(action) => {
                let ActionRequest { place, body } =
                    action_request(action, store, &mapped, input.as_ref(), &mut fields)?;
                if !action.body_is_object {
                    made.plan.sends_body = body.is_some();
                    made.rendered = body;
                }
                (&action.uri, place, Some(method_of(action)))
            }
        };
        Ok(IntegrationRequest {
            request: self,
            integration,
            uri,
            own_method,
            place,
            fields,
            body: made.plan,
            rendered: made.rendered,
            overrides: made.overrides,
        })
    }
}

impl<'t> IntegrationRequest<'t, '_> {
    /// The method that the store sees.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.own_method
            .unwrap_or_else(|| self.request.head().method())
    }

    /// Host, path and query.
    #[must_use]
    pub const fn place(&self) -> &StorePath<'t> {
        &self.place
    }

    /// All fields but Host, Connection, framing and SigV4's own.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What becomes of the client's body. Where nothing is sent there is no Content-Length either; where a body is sent
    /// and the client has none, its length is 0.
    #[must_use]
    pub const fn body(&self) -> RequestBodyPlan<'t> {
        self.body
    }

    /// The body that a template made of the client's.
    #[must_use]
    pub fn rendered(&self) -> Option<&[u8]> {
        self.rendered.as_deref()
    }

    /// The role in whose name the request is made.
    #[must_use]
    pub fn credentials(&self) -> Option<&'t str> {
        self.integration.credentials.as_deref()
    }

    /// The caller's own keys, where the document asks to sign with them.
    #[must_use]
    pub fn caller_credentials(&self) -> Option<&'t Credentials> {
        if !signs_as_caller(self.integration) {
            return None;
        }
        self.request.caller().map(|caller| &caller.credentials)
    }

    /// The region that the URI names.
    #[must_use]
    pub fn region(&self) -> &'t str {
        &self.uri.region
    }

    /// From connecting to the last response byte, in milliseconds.
    #[must_use]
    pub const fn timeout_ms(&self) -> u32 {
        self.integration.timeout_ms
    }

    /// The method request that this one was made of.
    #[must_use]
    pub const fn method_request(&self) -> &MethodRequest<'t, '_> {
        &self.request
    }
}

/// What is asked of the store.
#[derive(Clone, Copy)]
pub(super) enum StoreTarget<'t> {
    /// `s3:path/…`
    Path(&'t S3Uri),
    /// `s3:action/…`
    Action(&'t S3Action),
}

/// What goes to the store.
fn runnable(
    integration: Option<&Integration>,
) -> Result<(&Integration, StoreTarget<'_>), GatewayFault> {
    let integration = integration.ok_or_else(GatewayFault::configuration_error)?;
    match &integration.kind {
        IntegrationKind::S3(uri) => Ok((integration, StoreTarget::Path(uri))),
        IntegrationKind::S3Action(action) => Ok((integration, StoreTarget::Action(action))),
        IntegrationKind::Mock | IntegrationKind::Http(_) | IntegrationKind::HttpProxy(_) => {
            Err(GatewayFault::configuration_error())
        }
    }
}

fn signs_as_caller(integration: &Integration) -> bool {
    integration.credentials.as_deref() == Some(CALLER_CREDENTIALS)
}

const fn method_of(action: &S3Action) -> &'static [u8] {
    action.operation.http_method().as_bytes()
}

impl IntegrationBody<'_> {
    /// The input of an action: an integration request's body that is not empty, as JSON.
    fn action_input(
        &self,
        target: StoreTarget<'_>,
        whole: &[u8],
    ) -> Result<Option<Value>, GatewayFault> {
        match target {
            StoreTarget::Action(action) if !action.body_is_object && self.plan.sends_body => {}
            StoreTarget::Action(_) | StoreTarget::Path(_) => return Ok(None),
        }
        let bytes = self.bytes(whole)?;
        if bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8(bytes).ok();
        let input = text.and_then(|text| bounded_json::parse(&text));
        match input.filter(Value::is_object) {
            Some(input) => Ok(Some(input)),
            None if matches!(self.plan.content, BodyContent::Converted(_)) => {
                Err(GatewayFault::invalid_json_body())
            }
            None => Err(GatewayFault::configuration_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::pipeline::body_plan::BodyContent;
    use crate::pipeline::sample::integration_request as made;

    #[test]
    fn bodies_go_with_methods_that_have_one() {
        let sends = |client: &str, integration: Value, fields: &[(&str, &str)]| {
            made(integration, (client, "/v1/x", fields), |request| {
                request.body().sends_body
            })
            .unwrap()
        };
        let length = [("Content-Length", "3")];
        assert!(sends("PUT", json!({}), &length) && sends("PUT", json!({}), &[]));
        assert!(sends("GET", json!({"httpMethod": "POST"}), &[]));
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(
                !sends("PUT", json!({"httpMethod": method}), &length),
                "{method}"
            );
        }
        assert!(sends("DELETE", json!({}), &length));
        assert!(sends(
            "DELETE",
            json!({}),
            &[("Transfer-Encoding", "chunked")]
        ));
        assert!(
            !sends("DELETE", json!({}), &[])
                && !sends("DELETE", json!({}), &[("Content-Length", "0")])
        );
        assert!(sends(
            "DELETE",
            json!({"requestTemplates": {"application/json": "{}"}}),
            &[]
        ));
    }

    #[test]
    fn templates_run_on_text_only() {
        let content = |integration: Value, content_type: &str| {
            let head = ("PUT", "/v1/x", &[("Content-Type", content_type)][..]);
            made(integration, head, |request| {
                format!("{:?}", request.body().content)
            })
        };
        let template = || json!({"requestTemplates": {"image/png": "<$input.body>", "text/css": "#set($a=1)"}});
        assert_eq!(content(template(), "image/png"), Err(500));
        let mut to_text = template();
        to_text["contentHandling"] = json!("CONVERT_TO_TEXT");
        let around = content(to_text, "image/png").unwrap();
        assert!(
            around.starts_with("Around") && around.contains("Base64Encode"),
            "{around}"
        );
        let rendered = content(template(), "text/css").unwrap();
        assert!(rendered.starts_with("Rendered"), "{rendered}");
        let passed = format!(
            "{:?}",
            BodyContent::Converted(crate::api::content_handling::Conversion::Utf8)
        );
        assert_eq!(content(template(), "text/html"), Ok(passed));
        let mut never = template();
        never["passthroughBehavior"] = json!("never");
        assert_eq!(content(never, "text/html"), Err(415));
    }

    #[test]
    fn the_keys_of_a_caller_who_is_not_known_are_an_internal_error() {
        let head = ("GET", "/v1/x", &[][..]);
        assert_eq!(
            made(
                json!({"credentials": "arn:aws:iam::*:user/*"}),
                head,
                |_| ()
            ),
            Err(500)
        );
        assert!(
            made(
                json!({"credentials": "arn:aws:iam::123456789012:role/r"}),
                head,
                |_| ()
            )
            .is_ok()
        );
    }
}
