//! Decisions in words.

use crate::api::content_handling::BodyClass;
use crate::api::gateway_response::ResponseType;
use crate::api::model::Authorization;
use crate::api::model::ContentHandling;
use crate::api::model::Integration;
use crate::api::model::PassthroughBehavior;
use crate::api::model::RequestValidator;
use crate::app::explain::walk::Serving;
use crate::app::routes_command::conversion_name;
use crate::pipeline::authorize::CallerPolicy;
use crate::pipeline::explanation::ToldConversion;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::sign::Payload;
use crate::wire::http1::head::RequestHead;

/// Why a request may go on.
pub fn admitted(required: Authorization, serving: &Serving<'_>, caller: Option<&str>) -> String {
    let policy = match &serving.table.resource_policy {
        Some(_) => "; the resource policy allows it",
        None => "",
    };
    match (serving.policy, required, caller) {
        (CallerPolicy::IgnoreAuthorizers, Authorization::AwsIam, _) => {
            "AWS_IAM, but --ignore-authorizers lets everybody in".to_owned()
        }
        (_, Authorization::None, _) => format!("NONE: anybody may call{policy}"),
        (_, Authorization::AwsIam, Some(arn)) => {
            format!("AWS_IAM: signed by {arn}, who may call{policy}")
        }
        (_, Authorization::AwsIam, None) => format!("AWS_IAM: the signature is good{policy}"),
    }
}

/// Why it may not.
pub fn not_admitted(
    required: Authorization,
    serving: &Serving<'_>,
    fault: &GatewayFault,
) -> String {
    let asked = match required {
        Authorization::None => "NONE",
        Authorization::AwsIam => "AWS_IAM",
    };
    let why = match fault.kind() {
        Some(ResponseType::MissingAuthenticationToken) => {
            "the request carries no signature, neither in Authorization nor in the query"
        }
        Some(ResponseType::AccessDenied) => "a policy says no",
        Some(ResponseType::InvalidSignature) => "the signature is not taken",
        Some(ResponseType::ExpiredToken) => "the session has ended",
        _ => "the signature or its access key is not taken",
    };
    let nobody = match serving.policy {
        CallerPolicy::Enforce(callers)
            if required == Authorization::AwsIam && callers.identities.is_empty() =>
        {
            "; no [[identity]] is configured (--config), so nobody may sign"
        }
        _ => "",
    };
    format!("{asked}: {why}{nobody}")
}

/// Why a key or a limit says no.
pub fn not_metered(fault: &GatewayFault, head: &RequestHead) -> &'static str {
    match fault.kind() {
        Some(ResponseType::Throttled) => "the throttle lets nothing through",
        Some(ResponseType::QuotaExceeded) => "the quota of the usage plan is used up",
        _ if head.fields.last(b"x-api-key").is_none() => {
            "the method asks for an API key, and the request has no x-api-key"
        }
        _ => "the API key is unknown, disabled or in no usage plan of the stage",
    }
}

/// What a validator found to be right.
pub const fn validated(validator: RequestValidator) -> &'static str {
    match (validator.parameters, validator.body) {
        (true, true) => {
            "the required parameters are there, and the body fits its model if it has one"
        }
        (true, false) => "the required parameters are there; bodies are not looked at",
        (false, true) => "the body fits its model if it has one; parameters are not looked at",
        (false, false) => "the validator looks at nothing",
    }
}

/// Which template a request body meets.
pub fn template(key: Option<&str>, integration: &Integration) -> String {
    match key {
        Some(key) => format!("requestTemplates `{key}` is chosen by the Content-Type"),
        None if integration.request_templates.is_empty() => {
            "the document has none: the body passes".to_owned()
        }
        None => format!(
            "none for this Content-Type: the body passes (passthroughBehavior {})",
            passthrough(integration.passthrough)
        ),
    }
}

/// Why no template and no passthrough takes a request body.
pub fn no_template(integration: &Integration, content_type: Option<&[u8]>) -> String {
    let keys: Vec<&str> = integration
        .request_templates
        .iter()
        .map(|template| template.media_type.as_str())
        .collect();
    let keys = match keys.as_slice() {
        [] => "there is no request template".to_owned(),
        keys => format!("request templates are for {}", keys.join(", ")),
    };
    format!(
        "Content-Type {}: {keys}, and passthroughBehavior {} lets nothing else pass",
        media_type(content_type),
        passthrough(integration.passthrough)
    )
}

/// Why a request body is converted as it is.
pub fn request_rule(told: &ToldConversion, content_type: Option<&[u8]>) -> String {
    format!(
        "Content-Type {} {}, contentHandling {}: a body goes {}",
        media_type(content_type),
        class(told.payload),
        handling(told.handling),
        conversion_name(told.conversion)
    )
}

/// Why a response body is converted as it is.
pub fn response_rule(
    told: &ToldConversion,
    content_type: Option<&[u8]>,
    accept: Option<&[u8]>,
) -> String {
    format!(
        "the backend's Content-Type {} {}, the client's Accept {} {}, contentHandling {}: a body goes {}",
        media_type(content_type),
        class(told.payload),
        media_type(accept),
        class(told.accept.unwrap_or(BodyClass::Text)),
        handling(told.handling),
        conversion_name(told.conversion)
    )
}

/// How the signature covers the body.
pub fn payload(payload: &Payload) -> String {
    match payload {
        Payload::None => "no body; its hash is that of no bytes".to_owned(),
        Payload::Hashed { len, .. } => {
            format!("{len} bytes from memory, their SHA-256 in x-amz-content-sha256")
        }
        Payload::Unsigned { len } => {
            format!("UNSIGNED-PAYLOAD: {len} bytes that only TLS protects")
        }
        Payload::SignedChunks(lengths) => format!(
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD: streamed, each chunk signed, {} bytes with the signatures",
            lengths.encoded()
        ),
        Payload::Trailing(_) => "streamed in chunks, its checksum behind the last one".to_owned(),
    }
}

const fn passthrough(behavior: PassthroughBehavior) -> &'static str {
    match behavior {
        PassthroughBehavior::WhenNoMatch => "WHEN_NO_MATCH",
        PassthroughBehavior::WhenNoTemplates => "WHEN_NO_TEMPLATES",
        PassthroughBehavior::Never => "NEVER",
    }
}

fn media_type(value: Option<&[u8]>) -> String {
    value.map_or_else(
        || "absent (as application/json)".to_owned(),
        |value| String::from_utf8_lossy(value).into_owned(),
    )
}

const fn class(class: BodyClass) -> &'static str {
    match class {
        BodyClass::Text => "is not among the binary media types",
        BodyClass::Binary => "is among the binary media types",
    }
}

const fn handling(handling: Option<ContentHandling>) -> &'static str {
    match handling {
        None => "absent",
        Some(ContentHandling::ConvertToBinary) => "CONVERT_TO_BINARY",
        Some(ContentHandling::ConvertToText) => "CONVERT_TO_TEXT",
    }
}
