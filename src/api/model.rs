//! What a document says, checked and compiled: the types that the request path reads.
//!
//! Built by `api::openapi` from a document, kept in `api::table::Table`, never changed afterwards.

use crate::api::request_model::RequestModels;
use crate::api::s3_action::S3Operation;
use crate::vtl::json_path::JsonPath;
use crate::vtl::template::Template;

/// One callable method of one resource.
#[derive(Debug)]
pub struct Method {
    /// The resource's path with its braces: `/{folder}/{item}`.
    pub resource_path: String,
    /// `GET`, … or `ANY`.
    pub http_method: String,
    /// Who may call.
    pub authorization: Authorization,
    /// Whether `x-api-key` is required.
    pub api_key_required: bool,
    /// Declared parameters, in document order.
    pub parameters: Vec<DeclaredParameter>,
    /// The request validator in force, if any.
    pub validator: Option<RequestValidator>,
    /// What bodies must fit; `None`: bodies are not looked at.
    pub request_models: Option<RequestModels>,
    /// `None`: the method answers 500 (spec 01, "operation without integration").
    pub integration: Option<Integration>,
}

/// The authorization type of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Anybody.
    None,
    /// SigV4 for `execute-api` (spec 09).
    AwsIam,
}

/// `x-amazon-apigateway-api-key-source`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiKeySource {
    /// `HEADER`: the field `x-api-key`.
    #[default]
    Header,
    /// `AUTHORIZER`: the answer of an authorizer, of which there is none.
    Authorizer,
}

/// Where a declared parameter of the method request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParameterLocation {
    /// `method.request.header.*`
    Header,
    /// `method.request.path.*`
    Path,
    /// `method.request.querystring.*`
    QueryString,
}

/// A parameter that the method request declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredParameter {
    /// Where it is.
    pub location: ParameterLocation,
    /// Its name, as written.
    pub name: String,
    /// Checked only when a validator asks for it.
    pub required: bool,
}

/// `x-amazon-apigateway-request-validators.NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestValidator {
    /// `validateRequestBody`
    pub body: bool,
    /// `validateRequestParameters`
    pub parameters: bool,
}

/// `credentials` that ask for the caller's own keys (spec 05, "Credentials").
pub const CALLER_CREDENTIALS: &str = "arn:aws:iam::*:user/*";

/// `x-amazon-apigateway-integration`.
#[derive(Debug)]
pub struct Integration {
    /// What is called.
    pub kind: IntegrationKind,
    /// The method of the integration request; `None` is the client's.
    pub http_method: Option<String>,
    /// Role ARN, with stage variables filled in.
    pub credentials: Option<String>,
    /// `requestParameters`, in document order.
    pub request_parameters: Vec<RequestMapping>,
    /// `requestTemplates`, in document order.
    pub request_templates: Vec<MappingTemplate>,
    /// What happens to a body that no template takes.
    pub passthrough: PassthroughBehavior,
    /// `contentHandling` of the request.
    pub content_handling: Option<ContentHandling>,
    /// From connecting to the last response byte, 50 to 29,000 ms.
    pub timeout_ms: u32,
    /// `responses`, in document order, `default` wherever it stood.
    pub responses: Vec<IntegrationResponse>,
    /// Which of `responses` a status selects.
    pub selection: super::selection_pattern::SelectionTable,
}

/// The kinds of integration.
#[derive(Debug)]
pub enum IntegrationKind {
    /// `type: aws` with an `s3` URI.
    S3(S3Uri),
    /// `type: aws` with an `s3:action/…` URI.
    S3Action(S3Action),
    /// `type: mock`: no backend; the request template says which integration response answers.
    Mock,
    /// `type: http`: heads and bodies are converted as for S3, nothing is signed.
    Http(HttpUri),
    /// `type: http_proxy`: heads and bodies pass.
    HttpProxy(HttpUri),
}

/// The URL of an `http` or `http_proxy` integration, stage variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUri {
    /// `http[s]://host[:port]`, the port only if it is not the scheme's.
    pub origin: String,
    /// For the Host field.
    pub authority: String,
    /// The path, always with a leading `/`.
    pub path: UriTemplate,
    /// What follows `?`, without it; empty for none.
    pub query: UriTemplate,
}

/// `arn:aws:apigateway:{region}:{subdomain.}s3:path/{rest}`, stage variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    /// The region named in the ARN.
    pub region: String,
    /// The bucket named as `{subdomain}.s3`.
    pub bucket: Option<String>,
    /// The path, always with a leading `/`; literal parts are used as they are.
    pub path: UriTemplate,
    /// What follows `?`, without it; empty for none.
    pub query: UriTemplate,
    /// The path begins with a bucket, so that `--s3-bucket` never stands before it.
    pub names_bucket: bool,
}

/// `arn:aws:apigateway:{region}:{subdomain.}s3:action/{name}&k=v…`, stage variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Action {
    /// What is asked of S3.
    pub operation: S3Operation,
    /// Its place: `{Bucket}` and `{Key}` in the path are filled from the operation's input.
    pub uri: S3Uri,
    /// Members of the input that the URI gives.
    pub input: Vec<ActionParameter>,
    /// `PutObject` whose bucket and key the document gives: the integration request's body is the object. Else the body
    /// is the operation's input as JSON.
    pub body_is_object: bool,
}

/// A member of an operation's input in a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionParameter {
    /// Its name, decoded.
    pub name: String,
    /// Its value, percent-encoded but for what is filled in.
    pub value: UriTemplate,
}

/// Literal text and `{name}` placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UriTemplate {
    /// The parts in order.
    pub parts: Vec<UriPart>,
}

/// A part of a [`UriTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriPart {
    /// Text used as it is.
    Literal(String),
    /// `{name}`: filled from `integration.request.path.name`.
    Placeholder(String),
}

/// One entry of an integration's `requestParameters`.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestMapping {
    /// Where the value goes.
    pub target: RequestTarget,
    /// Where it comes from.
    pub source: RequestSource,
}

/// `integration.request.{header|path|querystring}.NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// A header of the integration request.
    Header(String),
    /// A placeholder of the URI.
    Path(String),
    /// A query parameter.
    QueryString(String),
}

/// The right side of a `requestParameters` entry (spec 05).
#[derive(Clone, Debug, PartialEq)]
pub enum RequestSource {
    /// `method.request.path.N`
    Path(String),
    /// `method.request.querystring.N`: the last value.
    QueryString(String),
    /// `method.request.multivaluequerystring.N`: all values.
    MultiValueQueryString(String),
    /// `method.request.header.N`: the last value.
    Header(String),
    /// `method.request.multivalueheader.N`: all values, comma-joined.
    MultiValueHeader(String),
    /// `method.request.body`
    Body,
    /// `method.request.body.EXPR`
    BodyPath(JsonPath),
    /// `stageVariables.N`
    StageVariable(String),
    /// `context.PATH`
    Context(String),
    /// `'text'`
    Literal(String),
}

/// One entry of an integration response's `responseParameters`: `method.response.header.NAME` from a source.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseMapping {
    /// The header's name as written.
    pub header: String,
    /// Where its value comes from.
    pub source: ResponseSource,
}

/// The right side of a `responseParameters` entry (spec 06).
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseSource {
    /// `integration.response.header.N`: the last value.
    Header(String),
    /// `integration.response.multivalueheader.N`: all values, comma-joined.
    MultiValueHeader(String),
    /// `integration.response.body`
    Body,
    /// `integration.response.body.EXPR`
    BodyPath(JsonPath),
    /// `context.PATH`
    Context(String),
    /// `stageVariables.N`
    StageVariable(String),
    /// `'text'`
    Literal(String),
}

/// A template and the media type that it is kept under (`$default` included), as written in the document.
#[derive(Debug)]
pub struct MappingTemplate {
    /// `application/json`, …
    pub media_type: String,
    /// The compiled template.
    pub template: Template,
}

/// `passthroughBehavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassthroughBehavior {
    /// `WHEN_NO_MATCH`
    #[default]
    WhenNoMatch,
    /// `WHEN_NO_TEMPLATES`
    WhenNoTemplates,
    /// `NEVER`
    Never,
}

/// `contentHandling`; its absence is `None` around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentHandling {
    /// `CONVERT_TO_BINARY`
    ConvertToBinary,
    /// `CONVERT_TO_TEXT`
    ConvertToText,
}

/// One entry of an integration's `responses`.
#[derive(Debug)]
pub struct IntegrationResponse {
    /// The selection pattern as written; `None` for `default`.
    pub pattern: Option<String>,
    /// The method response's status.
    pub status: u16,
    /// `responseParameters`, in document order.
    pub parameters: Vec<ResponseMapping>,
    /// `responseTemplates`, in document order.
    pub templates: Vec<MappingTemplate>,
    /// `contentHandling` of the response.
    pub content_handling: Option<ContentHandling>,
}
