//! The gateway's own responses (spec 08): the types, and what a document changes about them.
//!
//! `pipeline::gateway_response` raises the types and applies the changes.

/// Why the gateway answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResponseType {
    /// `ACCESS_DENIED`
    AccessDenied,
    /// `API_CONFIGURATION_ERROR`
    ApiConfigurationError,
    /// `AUTHORIZER_CONFIGURATION_ERROR`
    AuthorizerConfigurationError,
    /// `AUTHORIZER_FAILURE`
    AuthorizerFailure,
    /// `BAD_REQUEST_BODY`
    BadRequestBody,
    /// `BAD_REQUEST_PARAMETERS`
    BadRequestParameters,
    /// `DEFAULT_4XX`: stands in for every 4XX type that a document does not define.
    Default4xx,
    /// `DEFAULT_5XX`: stands in for every 5XX type that a document does not define.
    Default5xx,
    /// `EXPIRED_TOKEN`
    ExpiredToken,
    /// `INTEGRATION_FAILURE`
    IntegrationFailure,
    /// `INTEGRATION_TIMEOUT`
    IntegrationTimeout,
    /// `INVALID_API_KEY`
    InvalidApiKey,
    /// `INVALID_SIGNATURE`
    InvalidSignature,
    /// `MISSING_AUTHENTICATION_TOKEN`
    MissingAuthenticationToken,
    /// `QUOTA_EXCEEDED`
    QuotaExceeded,
    /// `REQUEST_TOO_LARGE`
    RequestTooLarge,
    /// `RESOURCE_NOT_FOUND`
    ResourceNotFound,
    /// `THROTTLED`
    Throttled,
    /// `UNAUTHORIZED`
    Unauthorized,
    /// `UNSUPPORTED_MEDIA_TYPE`
    UnsupportedMediaType,
    /// `WAF_FILTERED`
    WafFiltered,
}

/// The half of the statuses that a type belongs to; it names the `DEFAULT_xXX` that stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseClass {
    /// 4XX
    Client,
    /// 5XX
    Server,
}

impl ResponseType {
    /// Every type, in the alphabetic order of API Gateway's own list.
    pub const ALL: [Self; 21] = [
        Self::AccessDenied,
        Self::ApiConfigurationError,
        Self::AuthorizerConfigurationError,
        Self::AuthorizerFailure,
        Self::BadRequestBody,
        Self::BadRequestParameters,
        Self::Default4xx,
        Self::Default5xx,
        Self::ExpiredToken,
        Self::IntegrationFailure,
        Self::IntegrationTimeout,
        Self::InvalidApiKey,
        Self::InvalidSignature,
        Self::MissingAuthenticationToken,
        Self::QuotaExceeded,
        Self::RequestTooLarge,
        Self::ResourceNotFound,
        Self::Throttled,
        Self::Unauthorized,
        Self::UnsupportedMediaType,
        Self::WafFiltered,
    ];

    /// The name that documents and `$context.error.responseType` use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "ACCESS_DENIED",
            Self::ApiConfigurationError => "API_CONFIGURATION_ERROR",
            Self::AuthorizerConfigurationError => "AUTHORIZER_CONFIGURATION_ERROR",
            Self::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Self::BadRequestBody => "BAD_REQUEST_BODY",
            Self::BadRequestParameters => "BAD_REQUEST_PARAMETERS",
            Self::Default4xx => "DEFAULT_4XX",
            Self::Default5xx => "DEFAULT_5XX",
            Self::ExpiredToken => "EXPIRED_TOKEN",
            Self::IntegrationFailure => "INTEGRATION_FAILURE",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::InvalidApiKey => "INVALID_API_KEY",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::ResourceNotFound => "RESOURCE_NOT_FOUND",
            Self::Throttled => "THROTTLED",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::WafFiltered => "WAF_FILTERED",
        }
    }

    /// The type of that name, written exactly so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The status while nothing changes it; the two stand-ins have none.
    #[must_use]
    pub const fn default_status(self) -> Option<u16> {
        match self {
            Self::Default4xx | Self::Default5xx => None,
            Self::BadRequestBody | Self::BadRequestParameters => Some(400),
            Self::Unauthorized => Some(401),
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidApiKey
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::WafFiltered => Some(403),
            Self::ResourceNotFound => Some(404),
            Self::RequestTooLarge => Some(413),
            Self::UnsupportedMediaType => Some(415),
            Self::QuotaExceeded | Self::Throttled => Some(429),
            Self::ApiConfigurationError
            | Self::AuthorizerConfigurationError
            | Self::AuthorizerFailure => Some(500),
            Self::IntegrationFailure | Self::IntegrationTimeout => Some(504),
        }
    }

    /// Whether `DEFAULT_4XX` or `DEFAULT_5XX` stands in for the type.
    #[must_use]
    pub const fn class(self) -> ResponseClass {
        match self {
            Self::ApiConfigurationError
            | Self::AuthorizerConfigurationError
            | Self::AuthorizerFailure
            | Self::Default5xx
            | Self::IntegrationFailure
            | Self::IntegrationTimeout => ResponseClass::Server,
            _ => ResponseClass::Client,
        }
    }
}

/// `x-amazon-apigateway-gateway-responses`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayResponses {
    entries: Vec<(ResponseType, GatewayResponse)>,
}

impl GatewayResponses {
    /// Keeps the last entry of each type.
    #[must_use]
    pub fn new(entries: Vec<(ResponseType, GatewayResponse)>) -> Self {
        Self { entries }
    }

    /// Whether the document changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the document says for a raised type: its own entry, else the stand-in of its class.
    /// An own entry takes nothing from the stand-in (spec 08, "Lookup").
    #[must_use]
    pub fn for_raised(&self, raised: ResponseType) -> Option<&GatewayResponse> {
        let stand_in = match raised.class() {
            ResponseClass::Client => ResponseType::Default4xx,
            ResponseClass::Server => ResponseType::Default5xx,
        };
        self.entry(raised).or_else(|| self.entry(stand_in))
    }

    fn entry(&self, wanted: ResponseType) -> Option<&GatewayResponse> {
        self.entries
            .iter()
            .rev()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, response)| response)
    }
}

/// One customised gateway response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// `statusCode`, 100 to 599; `None` keeps the raised type's own.
    pub status: Option<u16>,
    /// The headers of `responseParameters`, in document order.
    pub headers: Vec<GatewayHeader>,
    /// `responseTemplates`, in document order.
    pub templates: Vec<GatewayTemplate>,
}

/// `gatewayresponse.header.NAME` from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayHeader {
    /// The header's name as written.
    pub name: String,
    /// Where its value comes from.
    pub source: GatewaySource,
}

/// The left side of a `responseParameters` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayTarget {
    /// `gatewayresponse.header.NAME`
    Header(String),
    /// `gatewayresponse.path.*`, `gatewayresponse.querystring.*`: accepted without effect.
    NoEffect,
}

impl GatewayTarget {
    /// Reads the left side; `None` for anything else.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let (place, name) = key.strip_prefix("gatewayresponse.")?.split_once('.')?;
        match place {
            _ if name.is_empty() => None,
            "header" => Some(Self::Header(name.to_owned())),
            "path" | "querystring" => Some(Self::NoEffect),
            _ => None,
        }
    }
}

/// The right side of a `responseParameters` entry, and what a template's reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewaySource {
    /// `'text'`
    Literal(String),
    /// `method.request.header.N`: the last value.
    Header(String),
    /// `method.request.multivalueheader.N`: all values, comma-joined.
    MultiValueHeader(String),
    /// `method.request.querystring.N`: the last value.
    QueryString(String),
    /// `method.request.multivaluequerystring.N`: all values, comma-joined.
    MultiValueQueryString(String),
    /// `method.request.path.N`
    Path(String),
    /// `method.input.params.N`: the first of path, query string and header.
    AnyParameter(String),
    /// `context.X`
    Context(String),
    /// `stageVariables.X`
    StageVariable(String),
}

/// Makes a source of the name behind its prefix.
type OfName = fn(String) -> GatewaySource;

impl GatewaySource {
    /// Reads the right side; `None` for anything else, body sources included.
    #[must_use]
    pub fn parse(expression: &str) -> Option<Self> {
        if let Some(text) = expression.strip_prefix('\'') {
            return text
                .strip_suffix('\'')
                .map(|text| Self::Literal(text.to_owned()));
        }
        let kinds: [(&str, OfName); 8] = [
            ("method.request.header.", Self::Header),
            ("method.request.multivalueheader.", Self::MultiValueHeader),
            ("method.request.querystring.", Self::QueryString),
            (
                "method.request.multivaluequerystring.",
                Self::MultiValueQueryString,
            ),
            ("method.request.path.", Self::Path),
            ("method.input.params.", Self::AnyParameter),
            ("context.", Self::Context),
            ("stageVariables.", Self::StageVariable),
        ];
        kinds.into_iter().find_map(|(prefix, kind)| {
            let name = expression
                .strip_prefix(prefix)
                .filter(|name| !name.is_empty())?;
            Some(kind(name.to_owned()))
        })
    }
}

/// A template of a gateway response and the media type that it is kept under. No VTL: references are replaced, and that is all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTemplate {
    /// `application/json`, …; becomes the response's Content-Type.
    pub media_type: String,
    /// The text, in order.
    pub parts: Vec<GatewayTemplatePart>,
}

/// A part of a [`GatewayTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayTemplatePart {
    /// Printed as it is.
    Literal(String),
    /// Replaced by what it names.
    Reference {
        /// As written, `$` included: printed if nothing of that name exists.
        text: String,
        /// What it names.
        source: GatewaySource,
    },
}

impl GatewayTemplate {
    /// Splits the text at its references: the longest `$name(.name)*` that names a context or stage variable or a
    /// part of the method request. Every other `$` is text.
    #[must_use]
    pub fn compile(media_type: &str, text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            let name = leading_reference(after);
            rest = after.get(name.len()..).unwrap_or_default();
            match GatewaySource::parse(name) {
                Some(source) => {
                    if !literal.is_empty() {
                        parts.push(GatewayTemplatePart::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(GatewayTemplatePart::Reference {
                        text: format!("${name}"),
                        source,
                    });
                }
                None => {
                    literal.push('$');
                    literal.push_str(name);
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(GatewayTemplatePart::Literal(literal));
        }
        Self {
            media_type: media_type.to_owned(),
            parts,
        }
    }
}

/// The longest `name(.name)*` that `text` begins with; a name is a letter, then letters, digits, `_` and `-`.
fn leading_reference(text: &str) -> &str {
    let mut end = 0;
    let mut rest = text;
    while rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .unwrap_or(rest.len());
        end += length;
        rest = match rest.get(length..).and_then(|tail| tail.strip_prefix('.')) {
            Some(next) if next.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                end += 1;
                next
            }
            _ => break,
        };
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_agree_with_the_vectors() {
        let text = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/gateway-responses.json"
        ));
        let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
        let types = vectors["types"].as_array().unwrap();
        assert_eq!(types.len(), ResponseType::ALL.len());
        for vector in types {
            let name = vector["type"].as_str().unwrap();
            let kind = ResponseType::parse(name).unwrap();
            assert_eq!(kind.as_str(), name);
            assert_eq!(
                kind.default_status().map(u64::from),
                vector["default_status"].as_u64(),
                "{name}"
            );
            let class = if vector["class"] == "4XX" {
                ResponseClass::Client
            } else {
                ResponseClass::Server
            };
            assert_eq!(kind.class(), class, "{name}");
        }
    }

    #[test]
    fn names_are_exact() {
        assert_eq!(
            ResponseType::parse("THROTTLED"),
            Some(ResponseType::Throttled)
        );
        assert_eq!(ResponseType::parse("throttled"), None);
        assert_eq!(ResponseType::parse("DEFAULT_3XX"), None);
    }

    #[test]
    fn an_own_entry_takes_nothing_from_the_stand_in() {
        let with_status = |status| GatewayResponse {
            status: Some(status),
            ..GatewayResponse::default()
        };
        let responses = GatewayResponses::new(vec![
            (ResponseType::Default4xx, with_status(444)),
            (ResponseType::Throttled, GatewayResponse::default()),
        ]);
        let status = |kind| responses.for_raised(kind).map(|response| response.status);
        assert_eq!(status(ResponseType::Throttled), Some(None));
        assert_eq!(status(ResponseType::Unauthorized), Some(Some(444)));
        assert_eq!(status(ResponseType::IntegrationTimeout), None);
    }

    #[test]
    fn sources_name_a_place_and_a_name() {
        assert_eq!(
            GatewaySource::parse("'*'"),
            Some(GatewaySource::Literal("*".to_owned()))
        );
        assert_eq!(
            GatewaySource::parse("method.request.header.Accept"),
            Some(GatewaySource::Header("Accept".to_owned()))
        );
        for wrong in [
            "'open",
            "*",
            "method.request.body",
            "method.request.header.",
            "context",
        ] {
            assert_eq!(GatewaySource::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_headers_are_targets_with_effect() {
        let header = GatewayTarget::parse("gatewayresponse.header.A.b");
        assert_eq!(header, Some(GatewayTarget::Header("A.b".to_owned())));
        assert_eq!(
            GatewayTarget::parse("gatewayresponse.path.x"),
            Some(GatewayTarget::NoEffect)
        );
        for wrong in [
            "gatewayresponse.header.",
            "gatewayresponse.body.x",
            "method.response.header.x",
        ] {
            assert_eq!(GatewayTarget::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn references_are_the_longest_dotted_names() {
        let template = GatewayTemplate::compile(
            "text/plain",
            "a $context.stage. $5 $nope.x$stageVariables.v-1!",
        );
        let reference = |text: &str, source| GatewayTemplatePart::Reference {
            text: text.to_owned(),
            source,
        };
        let literal = |text: &str| GatewayTemplatePart::Literal(text.to_owned());
        assert_eq!(
            template.parts,
            [
                literal("a "),
                reference("$context.stage", GatewaySource::Context("stage".to_owned())),
                literal(". $5 $nope.x"),
                reference(
                    "$stageVariables.v-1",
                    GatewaySource::StageVariable("v-1".to_owned())
                ),
                literal("!"),
            ]
        );
    }
}
