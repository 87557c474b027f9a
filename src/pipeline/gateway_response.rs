//! What the client gets when the gateway answers by itself (spec 08): the only place that decides it.

use std::borrow::Cow;

use crate::api::gateway_response::ResponseClass;
use crate::api::gateway_response::ResponseType;
use crate::api::table::Table;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_customisation::customise;
use crate::pipeline::metering::api_keys::AcceptedKey;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::RequestHead;
use crate::wire::sigv4::credentials::Secret;

const INTERNAL_SERVER_ERROR: &str = "Internal server error";

/// A request that ends at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayFault {
    /// `None`: no type of its own, so no document changes it.
    kind: Option<ResponseType>,
    status: u16,
    message: Option<Cow<'static, str>>,
    error_type: Option<&'static str>,
    shape: Shape,
    /// What a model says against a body.
    validation_error: Option<String>,
    /// Seconds after which the client may come again.
    retry_after_s: Option<u8>,
    /// The key that was accepted before a limit refused the request.
    api_key: Option<Box<KnownKey>>,
}

/// An API key that a refused request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownKey {
    id: String,
    value: Secret,
}

/// How the message becomes a body, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `{"message":"…"}`: the front half.
    Compact,
    /// `{"message": "…"}`: the integration phase.
    Spaced,
    /// `{"Message":"…"}`: IAM denials.
    CapitalMessage,
    /// The message as plain text: before there is a request.
    Text,
}

/// A gateway response, ready to be framed and sent.
#[derive(Clone, Debug)]
pub struct FaultResponse {
    /// 100 to 599.
    pub status: u16,
    /// All fields but Date, Content-Length and Connection.
    pub fields: Fields,
    /// The whole body.
    pub body: Vec<u8>,
}

impl GatewayFault {
    /// The fault of a type with its own status, message and error type.
    #[must_use]
    pub fn of(kind: ResponseType) -> Self {
        let fallback = match kind.class() {
            ResponseClass::Client => 400,
            ResponseClass::Server => 500,
        };
        Self {
            kind: Some(kind),
            status: kind.default_status().unwrap_or(fallback),
            message: default_message(kind).map(Cow::Borrowed),
            error_type: Some(error_type(kind)),
            shape: shape(kind),
            validation_error: None,
            retry_after_s: None,
            api_key: None,
        }
    }

    /// 403 `Forbidden`: a stage that does not exist.
    #[must_use]
    pub fn unknown_stage() -> Self {
        Self {
            kind: None,
            ..Self::of(ResponseType::InvalidApiKey)
        }
    }

    /// 403 `Missing Authentication Token`: no such resource or method, or nothing signed where AWS_IAM is asked for.
    #[must_use]
    pub fn missing_authentication_token() -> Self {
        Self::of(ResponseType::MissingAuthenticationToken)
    }

    /// 403: a signature of an identity that is not known here (spec 09, "unknown access key").
    #[must_use]
    pub fn unknown_identity() -> Self {
        Self {
            status: 403,
            message: Some(Cow::Borrowed(
                "The security token included in the request is invalid.",
            )),
            error_type: Some("UnrecognizedClientException"),
            shape: Shape::Compact,
            ..Self::of(ResponseType::Default4xx)
        }
    }

    /// 403: an `Authorization` field or signed query that is not whole (spec 09, "Errors").
    #[must_use]
    pub fn incomplete_signature(message: String) -> Self {
        Self {
            status: 403,
            message: Some(Cow::Owned(message)),
            error_type: Some("IncompleteSignatureException"),
            shape: Shape::Compact,
            ..Self::of(ResponseType::Default4xx)
        }
    }

    /// 403: the signature is not the one calculated here, or not over this body.
    #[must_use]
    pub fn signature_mismatch() -> Self {
        Self::of(ResponseType::InvalidSignature)
    }

    /// 403: a signature that cannot be taken, whoever made it.
    #[must_use]
    pub fn invalid_signature(message: String) -> Self {
        Self {
            message: Some(Cow::Owned(message)),
            ..Self::of(ResponseType::InvalidSignature)
        }
    }

    /// 403: the session of temporary keys has ended.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::of(ResponseType::ExpiredToken)
    }

    /// 403 with the member `Message`: a known caller who may not call this method.
    #[must_use]
    pub fn access_denied(message: String) -> Self {
        Self {
            message: Some(Cow::Owned(message)),
            ..Self::of(ResponseType::AccessDenied)
        }
    }

    /// 403 `Forbidden`: no API key, or none that is known.
    #[must_use]
    pub fn invalid_api_key() -> Self {
        Self::of(ResponseType::InvalidApiKey)
    }

    /// 429 `Too Many Requests`: a throttle's bucket is empty.
    #[must_use]
    pub fn throttled() -> Self {
        Self::of(ResponseType::Throttled)
    }

    /// 429 `Limit Exceeded`: the quota of a usage plan is used up.
    #[must_use]
    pub fn quota_exceeded() -> Self {
        Self::of(ResponseType::QuotaExceeded)
    }

    /// 400: required parameters that the request lacks, in the order of spec 05.
    #[must_use]
    pub fn missing_parameters(names: &[&str]) -> Self {
        let message = format!(
            "Missing required request parameters: [{}]",
            names.join(", ")
        );
        Self {
            message: Some(Cow::Owned(message)),
            ..Self::of(ResponseType::BadRequestParameters)
        }
    }

    /// 400 `Invalid request body`: what a model says against it stays with the gateway (spec 05).
    #[must_use]
    pub fn invalid_body(validation_error: String) -> Self {
        Self {
            validation_error: Some(validation_error),
            ..Self::of(ResponseType::BadRequestBody)
        }
    }

    /// 400 `Invalid JSON in request body`: a mapping reads the body and cannot (spec 05).
    #[must_use]
    pub fn invalid_json_body() -> Self {
        Self::bad_request("Invalid JSON in request body")
    }

    /// 400 `Invalid path`: a path parameter would walk through the store (spec 03, step 5).
    #[must_use]
    pub fn invalid_path() -> Self {
        Self::bad_request("Invalid path")
    }

    fn bad_request(message: &'static str) -> Self {
        Self {
            status: 400,
            message: Some(Cow::Borrowed(message)),
            shape: Shape::Spaced,
            ..Self::of(ResponseType::Default4xx)
        }
    }

    /// 415: no template takes the body and nothing may pass.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::of(ResponseType::UnsupportedMediaType)
    }

    /// 413: the body is over the payload limit.
    #[must_use]
    pub fn request_too_large() -> Self {
        Self::of(ResponseType::RequestTooLarge)
    }

    /// 500: conversion failed, no integration response, a mapping that must not be, a store that refuses connections
    /// or has no address (spec 05, "Outcome of the backend call").
    #[must_use]
    pub fn configuration_error() -> Self {
        Self::of(ResponseType::ApiConfigurationError)
    }

    /// 504: the connection to the store broke, or what came was not HTTP.
    #[must_use]
    pub fn integration_failure() -> Self {
        Self::of(ResponseType::IntegrationFailure)
    }

    /// 503: nothing was sent to the store, for a reason that passes: no valid credentials to sign with. It has no type of
    /// its own; documents change it as DEFAULT_5XX.
    #[must_use]
    pub fn service_unavailable() -> Self {
        Self {
            status: 503,
            message: Some(Cow::Borrowed("Service Unavailable")),
            error_type: Some("ServiceUnavailableException"),
            ..Self::of(ResponseType::Default5xx)
        }
    }

    /// 503 with `Retry-After`: too many requests are at the store already.
    #[must_use]
    pub fn overloaded() -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::service_unavailable()
        }
    }

    /// 500: the store's answer is over the response limit.
    #[must_use]
    pub fn integration_response_too_large() -> Self {
        Self {
            status: 500,
            message: Some(Cow::Borrowed(INTERNAL_SERVER_ERROR)),
            ..Self::of(ResponseType::IntegrationFailure)
        }
    }

    /// 504: no complete answer within the integration's time.
    #[must_use]
    pub fn integration_timeout() -> Self {
        Self::of(ResponseType::IntegrationTimeout)
    }

    /// A head that cannot be read: 414 and 431 say so in JSON (spec 11), every other status in plain text. `Bad
    /// Request` and the connection closes.
    #[must_use]
    pub fn unreadable_head(status: u16) -> Self {
        let (message, shape) = match status {
            408 => ("Request Timeout", Shape::Text),
            414 => ("Request URI too long", Shape::Compact),
            431 => ("Request Header Fields Too Large", Shape::Compact),
            501 => ("Not Implemented", Shape::Text),
            505 => ("HTTP Version Not Supported", Shape::Text),
            _ => ("Bad Request", Shape::Text),
        };
        Self {
            kind: None,
            status,
            message: Some(Cow::Borrowed(message)),
            error_type: None,
            shape,
            validation_error: None,
            retry_after_s: None,
            api_key: None,
        }
    }

    /// The status while no document changes it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection ends with the response: what such a client sends next cannot be known (spec 08,
    /// "request line/headers unparsable").
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        matches!(self.shape, Shape::Text)
    }

    /// The type, if the fault has one.
    #[must_use]
    pub const fn kind(&self) -> Option<ResponseType> {
        self.kind
    }

    /// The message without quotes: `$context.error.message`.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The message as a JSON string with its quotes, `null` without one: `$context.error.messageString`.
    #[must_use]
    pub fn message_string(&self) -> String {
        self.message().map_or_else(
            || "null".to_owned(),
            |text| serde_json::Value::from(text).to_string(),
        )
    }

    /// The same fault of a request whose key was accepted.
    #[must_use]
    pub fn of_key(self, key: AcceptedKey<'_, '_>) -> Self {
        let known = KnownKey {
            id: key.id.to_owned(),
            value: Secret::new(String::from_utf8_lossy(key.value)),
        };
        Self {
            api_key: Some(Box::new(known)),
            ..self
        }
    }

    /// Id and value of the key that was accepted before the refusal.
    #[must_use]
    pub fn api_key(&self) -> Option<(&str, &str)> {
        let key = self.api_key.as_deref()?;
        Some((&key.id, key.value.expose()))
    }

    /// `$context.error.validationErrorString`: what a model says against the body.
    #[must_use]
    pub fn validation_error(&self) -> Option<&str> {
        self.validation_error.as_deref()
    }

    /// The response while no document changes it.
    #[must_use]
    pub fn render(&self, context: &RequestContext<'_>) -> FaultResponse {
        let mut fields = Fields::new();
        let content_type: &[u8] = match self.shape {
            Shape::Text => b"text/plain",
            Shape::Compact | Shape::Spaced | Shape::CapitalMessage => b"application/json",
        };
        fields.push(b"Content-Type", content_type);
        if let Some(error_type) = self.error_type {
            fields.push(b"x-amzn-ErrorType", error_type.as_bytes());
        }
        if let Some(seconds) = self.retry_after_s {
            fields.push(b"Retry-After", seconds.to_string().as_bytes());
        }
        fields.push(b"x-amzn-RequestId", context.ids.request_id().as_bytes());
        fields.push(
            b"x-amz-apigw-id",
            context.ids.extended_request_id().as_bytes(),
        );
        if let Some(ResponseType::Throttled | ResponseType::QuotaExceeded) = self.kind {
            // Spec 02, "Response headers to the client".
            fields.push(b"X-Amzn-Trace-Id", context.ids.trace_id().as_bytes());
        }
        let body = match self.shape {
            Shape::Text => self.message().unwrap_or_default().to_owned(),
            Shape::Compact => format!("{{\"message\":{}}}", self.message_string()),
            Shape::Spaced => format!("{{\"message\": {}}}", self.message_string()),
            Shape::CapitalMessage => format!("{{\"Message\":{}}}", self.message_string()),
        };
        FaultResponse {
            status: self.status,
            fields,
            body: body.into_bytes(),
        }
    }

    /// The response with what the document says about the fault's type.
    #[must_use]
    pub fn render_customised(
        &self,
        context: &RequestContext<'_>,
        table: &Table,
        head: &RequestHead,
    ) -> FaultResponse {
        let mut response = self.render(context);
        if let Some(custom) = self
            .kind
            .and_then(|kind| table.gateway_responses.for_raised(kind))
        {
            customise(&mut response, self, custom, context, table, head);
        }
        response
    }
}

/// The message of spec 08's table.
const fn default_message(kind: ResponseType) -> Option<&'static str> {
    Some(match kind {
        ResponseType::AccessDenied => "User is not authorized to access this resource",
        ResponseType::ApiConfigurationError => INTERNAL_SERVER_ERROR,
        ResponseType::BadRequestBody => "Invalid request body",
        ResponseType::BadRequestParameters => "Missing required request parameters: []",
        ResponseType::ExpiredToken => "The security token included in the request is expired",
        ResponseType::IntegrationFailure => "Network error communicating with endpoint",
        ResponseType::IntegrationTimeout => "Endpoint request timed out",
        ResponseType::InvalidApiKey | ResponseType::WafFiltered => "Forbidden",
        ResponseType::InvalidSignature => {
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
        }
        ResponseType::MissingAuthenticationToken => "Missing Authentication Token",
        ResponseType::QuotaExceeded => "Limit Exceeded",
        ResponseType::RequestTooLarge => "Request Too Long",
        ResponseType::ResourceNotFound => "Not Found",
        ResponseType::Throttled => "Too Many Requests",
        ResponseType::Unauthorized => "Unauthorized",
        ResponseType::UnsupportedMediaType => "Unsupported Media Type",
        ResponseType::AuthorizerConfigurationError
        | ResponseType::AuthorizerFailure
        | ResponseType::Default4xx
        | ResponseType::Default5xx => return None,
    })
}

/// `x-amzn-ErrorType` of spec 08's table.
const fn error_type(kind: ResponseType) -> &'static str {
    match kind {
        ResponseType::AccessDenied => "AccessDeniedException",
        ResponseType::AuthorizerConfigurationError => "AuthorizerConfigurationException",
        ResponseType::AuthorizerFailure => "AuthorizerFailureException",
        ResponseType::BadRequestBody
        | ResponseType::BadRequestParameters
        | ResponseType::Default4xx
        | ResponseType::RequestTooLarge
        | ResponseType::UnsupportedMediaType => "BadRequestException",
        ResponseType::ApiConfigurationError
        | ResponseType::Default5xx
        | ResponseType::IntegrationFailure
        | ResponseType::IntegrationTimeout => "InternalServerErrorException",
        ResponseType::ExpiredToken => "ExpiredTokenException",
        ResponseType::InvalidApiKey | ResponseType::WafFiltered => "ForbiddenException",
        ResponseType::InvalidSignature => "InvalidSignatureException",
        ResponseType::MissingAuthenticationToken => "MissingAuthenticationTokenException",
        ResponseType::QuotaExceeded => "LimitExceededException",
        ResponseType::ResourceNotFound => "NotFoundException",
        ResponseType::Throttled => "TooManyRequestsException",
        ResponseType::Unauthorized => "UnauthorizedException",
    }
}

/// Column "blank" of spec 08's table.
const fn shape(kind: ResponseType) -> Shape {
    match kind {
        ResponseType::AccessDenied => Shape::CapitalMessage,
        ResponseType::ApiConfigurationError
        | ResponseType::BadRequestBody
        | ResponseType::BadRequestParameters
        | ResponseType::IntegrationFailure
        | ResponseType::IntegrationTimeout
        | ResponseType::RequestTooLarge
        | ResponseType::UnsupportedMediaType => Shape::Spaced,
        _ => Shape::Compact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::sample;

    fn body(fault: &GatewayFault) -> String {
        let ids = sample::ids();
        String::from_utf8(fault.render(&sample::context(&ids)).body).unwrap()
    }

    #[test]
    fn bodies_have_the_lengths_of_the_specification() {
        assert_eq!(
            body(&GatewayFault::missing_authentication_token()).len(),
            42
        );
        assert_eq!(body(&GatewayFault::of(ResponseType::Throttled)).len(), 31);
        assert_eq!(body(&GatewayFault::configuration_error()).len(), 36);
        assert_eq!(body(&GatewayFault::request_too_large()).len(), 31);
        assert_eq!(body(&GatewayFault::integration_timeout()).len(), 41);
        assert_eq!(
            body(&GatewayFault::service_unavailable()),
            "{\"message\":\"Service Unavailable\"}"
        );
        assert_eq!(
            body(&GatewayFault::invalid_path()),
            "{\"message\": \"Invalid path\"}"
        );
        assert_eq!(
            body(&GatewayFault::unknown_stage()),
            "{\"message\":\"Forbidden\"}"
        );
    }

    #[test]
    fn heads_that_cannot_be_read_have_no_error_type() {
        let ids = sample::ids();
        for (status, text, content_type) in [
            (400, "Bad Request", "text/plain"),
            (
                414,
                "{\"message\":\"Request URI too long\"}",
                "application/json",
            ),
            (
                431,
                "{\"message\":\"Request Header Fields Too Large\"}",
                "application/json",
            ),
        ] {
            let response = GatewayFault::unreadable_head(status).render(&sample::context(&ids));
            assert_eq!(
                (response.status, response.body.as_slice()),
                (status, text.as_bytes())
            );
            assert_eq!(
                response.fields.get(b"content-type"),
                Some(content_type.as_bytes())
            );
            assert_eq!(response.fields.get(b"x-amzn-errortype"), None);
            assert_eq!(
                response.fields.get(b"x-amzn-requestid"),
                Some(ids.request_id().as_bytes())
            );
        }
    }

    #[test]
    fn messages_are_json_strings() {
        let fault = GatewayFault::missing_parameters(&["a\"b\n"]);
        assert_eq!(
            body(&fault),
            "{\"message\": \"Missing required request parameters: [a\\\"b\\n]\"}"
        );
        assert_eq!(
            GatewayFault::of(ResponseType::AuthorizerFailure).message_string(),
            "null"
        );
    }
}
