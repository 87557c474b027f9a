//! The integration request of `http` and `http_proxy` (spec 02, 05, 06): any HTTP server is called, nothing is signed.

use crate::api::content_handling::Conversion;
use crate::api::model::{HttpUri, Integration, IntegrationKind};
use crate::pipeline::body_plan::{BodyContent, RequestBodyPlan};
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::header_rules::{HttpTargetRule, http_target_rule, is_writable};
use crate::pipeline::integration_body::{IntegrationBody, sends_body};
use crate::pipeline::integration_response::ResponseSide;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::overrides::RequestOverrides;
use crate::pipeline::request_mapping::{MappedParameters, MappedValues, map_parameters};
use crate::pipeline::store_path::{append_query, fill, walks};
use crate::wire::http1::encode::{end_head, write_field, write_field_number, write_request_line};
use crate::wire::http1::fields::{Fields, is_token};
use crate::wire::http1::host;
use crate::wire::percent::Keep;

/// Fields of a SigV4 signature beside `Authorization`, which nobody gets.
const PROVING_FIELDS: [&str; 3] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
/// Parameters of a presigned request.
const PROVING_PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// A request to an HTTP server.
pub struct HttpRequest<'t, 'h> {
    request: MethodRequest<'t, 'h>,
    integration: &'t Integration,
    uri: &'t HttpUri,
    host: Vec<u8>,
    target: Vec<u8>,
    fields: Fields,
    made: IntegrationBody<'t>,
}

/// How the body behind the head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpBody {
    /// There is none.
    None,
    /// Content-Length.
    Length(u64),
    /// Chunked coding.
    Chunked,
}

/// A head that is ready to be sent to an HTTP server.
pub struct HttpHead(Vec<u8>);

impl HttpHead {
    /// Its bytes with the empty line.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<'t, 'h> MethodRequest<'t, 'h> {
    /// Whether the method calls an HTTP server.
    #[must_use]
    pub fn calls_http(&self) -> bool {
        http_integration(self).is_some()
    }

    /// As `into_integration_request`, for methods that [`Self::calls_http`]. `body` is the client's whole body where
    /// [`Self::request_body_need`] asks for it.
    ///
    /// # Errors
    /// 400 for a body that a mapping cannot read and for paths that would walk; 415 by the passthrough table; 500 for
    /// what the document must not ask for.
    pub fn into_http_request(
        self,
        context: &RequestContext<'_>,
        body: Option<&[u8]>,
    ) -> Result<HttpRequest<'t, 'h>, GatewayFault> {
        let (integration, uri) =
            http_integration(&self).ok_or_else(GatewayFault::configuration_error)?;
        let proxies = matches!(integration.kind, IntegrationKind::HttpProxy(_));
        let whole = body.unwrap_or_default();
        let read_body = self.mapping_body(integration, whole)?;
        let mappings = &integration.request_parameters;
        let mut mapped = map_parameters(mappings, &self, context, read_body.as_ref());
        let method = method_of(integration, &self);
        let made = if proxies {
            untouched(method, &self)?
        } else {
            self.integration_body(integration, method, context, whole)?
        };
        let overridden = made.overrides.as_deref().map(RequestOverrides::of);
        if let Some(overridden) = &overridden {
            overridden.apply(&mut mapped);
        }
        let (host, fields) = fields(&mapped.headers, &self, proxies, uri, context)?;
        let target = target(uri, &mapped, proxies.then_some(&self))?;
        Ok(HttpRequest {
            host,
            target,
            fields,
            integration,
            uri,
            request: self,
            made,
        })
    }
}

impl<'t, 'h> HttpRequest<'t, 'h> {
    /// `http[s]://host[:port]`: whom to call, whatever the Host field says.
    #[must_use]
    pub fn origin(&self) -> &'t str {
        &self.uri.origin
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// All fields but Host, framing and Connection.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The method that the backend sees.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        method_of(self.integration, &self.request)
    }

    /// What becomes of the client's body.
    #[must_use]
    pub const fn body(&self) -> RequestBodyPlan<'t> {
        self.made.plan
    }

    /// The body that a template made of the client's.
    #[must_use]
    pub fn rendered(&self) -> Option<&[u8]> {
        self.made.rendered.as_deref()
    }

    /// Whether bodies and heads pass both ways (`http_proxy`).
    #[must_use]
    pub const fn proxies(&self) -> bool {
        matches!(self.integration.kind, IntegrationKind::HttpProxy(_))
    }

    /// Until the response head, in milliseconds.
    #[must_use]
    pub const fn timeout_ms(&self) -> u32 {
        self.integration.timeout_ms
    }

    /// What the response depends on.
    #[must_use]
    pub fn response_side(&self) -> ResponseSide<'_, 't, 'h> {
        ResponseSide {
            request: &self.request,
            integration: self.integration,
            overrides: self.made.overrides.as_deref(),
        }
    }

    /// The complete head for a body of that kind.
    #[must_use]
    pub fn head(&self, body: HttpBody) -> HttpHead {
        let mut head = Vec::with_capacity(self.fields.size_bytes() + self.target.len() + 256);
        write_request_line(&mut head, self.method(), &self.target, b"");
        write_field(&mut head, b"Host", &self.host);
        self.fields.write_lines(&mut head);
        match body {
            HttpBody::None => {}
            HttpBody::Length(length) => write_field_number(&mut head, b"Content-Length", length),
            HttpBody::Chunked => write_field(&mut head, b"Transfer-Encoding", b"chunked"),
        }
        write_field(&mut head, b"Connection", b"keep-alive");
        end_head(&mut head);
        HttpHead(head)
    }
}

fn http_integration<'t>(request: &MethodRequest<'t, '_>) -> Option<(&'t Integration, &'t HttpUri)> {
    let integration = request.method().integration.as_ref()?;
    match &integration.kind {
        IntegrationKind::Http(uri) | IntegrationKind::HttpProxy(uri) => Some((integration, uri)),
        _ => None,
    }
}

fn method_of<'a>(integration: &'a Integration, request: &'a MethodRequest<'_, '_>) -> &'a [u8] {
    let named = integration.http_method.as_deref().map(str::as_bytes);
    named.unwrap_or_else(|| request.head().method())
}

/// The body of an `http_proxy` request.
fn untouched<'t>(
    method: &[u8],
    request: &MethodRequest<'_, '_>,
) -> Result<IntegrationBody<'t>, GatewayFault> {
    if !is_token(method) {
        return Err(GatewayFault::configuration_error());
    }
    Ok(IntegrationBody {
        plan: RequestBodyPlan {
            content: BodyContent::Converted(Conversion::Identity),
            sends_body: sends_body(method, request, false),
        },
        rendered: None,
        overrides: None,
    })
}

/// Whether a field or parameter is how the caller of this request proved to be one: that is for the gateway alone.
fn proves_caller(request: &MethodRequest<'_, '_>, name: &[u8], names: &[&str]) -> bool {
    request.caller().is_some()
        && names
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The Host value and all other fields but framing and Connection.
fn fields(
    mapped: &MappedValues<'_>,
    request: &MethodRequest<'_, '_>,
    proxies: bool,
    uri: &HttpUri,
    context: &RequestContext<'_>,
) -> Result<(Vec<u8>, Fields), GatewayFault> {
    let mut fields = Fields::new();
    let client = request.headers().forwarded();
    let client =
        client.filter(|(name, _)| proxies && !proves_caller(request, name, &PROVING_FIELDS));
    for (name, value) in client {
        fields.push(name, value);
    }
    let mut host = uri.authority.as_bytes().to_vec();
    for (name, value) in mapped.iter() {
        match http_target_rule(name) {
            HttpTargetRule::Host if !value.is_empty() && host::is_valid(value) => {
                host = value.to_vec();
            }
            HttpTargetRule::Sent if is_writable(name, value) => fields.set(name.as_bytes(), value),
            HttpTargetRule::Dropped => {}
            HttpTargetRule::Host | HttpTargetRule::Sent | HttpTargetRule::Forbidden => {
                return Err(GatewayFault::configuration_error());
            }
        }
    }
    if fields.get(b"accept").is_none() {
        fields.push(b"Accept", b"application/json");
    }
    if fields.get(b"user-agent").is_none() {
        let user_agent = format!("AmazonAPIGateway_{}", request.table().api_id);
        fields.push(b"User-Agent", user_agent.as_bytes());
    }
    let has_type = fields.get(b"content-type").is_some();
    let bodiless = matches!(request.head().method(), b"GET" | b"HEAD" | b"OPTIONS");
    if let Some(content_type) = request.content_type()
        && !has_type
        && !bodiless
    {
        fields.push(b"Content-Type", content_type);
    }
    fields.set(b"X-Amzn-Trace-Id", context.ids.trace_id().as_bytes());
    if let Some(trace) = context.ids.trace_context() {
        trace.write(&request.head().fields, &mut fields);
    }
    fields.set(
        b"X-Amzn-Apigateway-Api-Id",
        request.table().api_id.as_bytes(),
    );
    Ok((host, fields))
}

/// Path and query: the URI's own, then the client's where it is proxied, then the mapped ones.
fn target(
    uri: &HttpUri,
    mapped: &MappedParameters<'_>,
    proxied: Option<&MethodRequest<'_, '_>>,
) -> Result<Vec<u8>, GatewayFault> {
    let mut path = Vec::new();
    let filled = fill(&mut path, &uri.path, &mapped.path, Keep::UnreservedAndSlash)?;
    if walks(&path, &filled) {
        return Err(GatewayFault::invalid_path());
    }
    let mut query = Vec::new();
    fill(&mut query, &uri.query, &mapped.path, Keep::Unreserved)?;
    if let Some(request) = proxied {
        let client = request.query().iter();
        let client = client.filter(|(name, _)| !proves_caller(request, name, &PROVING_PARAMETERS));
        for (name, value) in client {
            append_query(&mut query, name, value);
        }
    }
    for (name, value) in mapped.query.iter() {
        append_query(&mut query, name.as_bytes(), value);
    }
    if !query.is_empty() {
        path.push(b'?');
        path.extend_from_slice(&query);
    }
    if path.iter().all(u8::is_ascii_graphic) {
        Ok(path)
    } else {
        Err(GatewayFault::configuration_error())
    }
}
