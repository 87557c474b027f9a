//! The expressions of `requestParameters` and `responseParameters` (spec 05, 06).

use std::fmt;

use crate::api::integration_uri::is_parameter_name;
use crate::api::model::{RequestSource, RequestTarget, ResponseSource};
use crate::vtl::json_path::JsonPath;

/// Why an expression gives no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingFault {
    /// The left side names no place that a mapping can fill.
    Target,
    /// A name with a character that its place cannot hold.
    Name,
    /// The right side begins like a source and names none.
    Source,
    /// The JSONPath behind `body.` cannot be read.
    JsonPath,
    /// A quoted text without its closing quote.
    OpenQuote,
    /// A quoted text that a header cannot hold: a control character.
    ControlCharacter,
    /// Text that is neither a source nor quoted: the mapping is left out (spec 05).
    NotASource,
}

impl fmt::Display for MappingFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Target => {
                "wanted `integration.request.header|path|querystring.NAME` or `method.response.header.NAME` on the left"
            }
            Self::Name => "wanted a name of letters, digits and `.`, `_`, `$`, `-`",
            Self::Source => "wanted a parameter of the request or response, `context.…`, `stageVariables.…` or `'text'`",
            Self::JsonPath => "wanted a JSONPath behind `body.`",
            Self::OpenQuote => "wanted a closing `'`",
            Self::ControlCharacter => "found a control character between the quotes, wanted none",
            Self::NotASource => "static text wants single quotes around it; the mapping is left out",
        })
    }
}

/// Reads `integration.request.{header|path|querystring}.NAME`.
pub fn request_target(text: &str) -> Result<RequestTarget, MappingFault> {
    let (location, name) = text
        .strip_prefix("integration.request.")
        .and_then(|rest| rest.split_once('.'))
        .ok_or(MappingFault::Target)?;
    match location {
        "header" => header_name(name).map(RequestTarget::Header),
        "path" => parameter_name(name).map(RequestTarget::Path),
        "querystring" => query_name(name).map(RequestTarget::QueryString),
        _ => Err(MappingFault::Target),
    }
}

/// Reads `method.response.header.NAME`; gives the name.
pub fn response_target(text: &str) -> Result<String, MappingFault> {
    let name = text.strip_prefix("method.response.header.");
    header_name(name.ok_or(MappingFault::Target)?)
}

/// Reads the right side of a `requestParameters` entry.
pub fn request_source(text: &str) -> Result<RequestSource, MappingFault> {
    if let Some(shared) = shared_source(text)? {
        return Ok(match shared {
            SharedSource::Context(name) => RequestSource::Context(name),
            SharedSource::StageVariable(name) => RequestSource::StageVariable(name),
            SharedSource::Literal(text) => RequestSource::Literal(text),
        });
    }
    let Some(rest) = text.strip_prefix("method.request.") else {
        return Err(unknown_source(text));
    };
    if rest == "body" {
        return Ok(RequestSource::Body);
    }
    let (kind, name) = rest.split_once('.').ok_or(MappingFault::Source)?;
    if kind == "body" {
        return json_path(name).map(RequestSource::BodyPath);
    }
    let kind = match kind {
        "path" => RequestSource::Path,
        "querystring" => RequestSource::QueryString,
        "multivaluequerystring" => RequestSource::MultiValueQueryString,
        "header" => RequestSource::Header,
        "multivalueheader" => RequestSource::MultiValueHeader,
        _ => return Err(MappingFault::Source),
    };
    query_name(name).map(kind)
}

/// Reads the right side of a `responseParameters` entry.
pub fn response_source(text: &str) -> Result<ResponseSource, MappingFault> {
    if let Some(shared) = shared_source(text)? {
        return Ok(match shared {
            SharedSource::Context(name) => ResponseSource::Context(name),
            SharedSource::StageVariable(name) => ResponseSource::StageVariable(name),
            SharedSource::Literal(text) => ResponseSource::Literal(text),
        });
    }
    let Some(rest) = text.strip_prefix("integration.response.") else {
        return Err(unknown_source(text));
    };
    if rest == "body" {
        return Ok(ResponseSource::Body);
    }
    match rest.split_once('.').ok_or(MappingFault::Source)? {
        ("body", path) => json_path(path).map(ResponseSource::BodyPath),
        ("header", name) => header_name(name).map(ResponseSource::Header),
        ("multivalueheader", name) => header_name(name).map(ResponseSource::MultiValueHeader),
        _ => Err(MappingFault::Source),
    }
}

/// The sources that both directions have.
enum SharedSource {
    Context(String),
    StageVariable(String),
    Literal(String),
}

fn shared_source(text: &str) -> Result<Option<SharedSource>, MappingFault> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let inner = quoted.strip_suffix('\'').ok_or(MappingFault::OpenQuote)?;
        if inner.chars().any(|c| c.is_control() && c != '\t') {
            return Err(MappingFault::ControlCharacter);
        }
        return Ok(Some(SharedSource::Literal(inner.to_owned())));
    }
    if let Some(name) = text.strip_prefix("context.") {
        return named(name).map(|name| Some(SharedSource::Context(name)));
    }
    if let Some(name) = text.strip_prefix("stageVariables.") {
        return named(name).map(|name| Some(SharedSource::StageVariable(name)));
    }
    Ok(None)
}

/// A text that begins like a source is a slip; any other is left out (spec 05, "Anything else").
fn unknown_source(text: &str) -> MappingFault {
    let begins = ["method.", "integration.", "context", "stageVariables", "$"];
    if begins.iter().any(|begin| text.starts_with(begin)) {
        MappingFault::Source
    } else {
        MappingFault::NotASource
    }
}

fn named(name: &str) -> Result<String, MappingFault> {
    if name.is_empty() || name.chars().any(char::is_whitespace) {
        return Err(MappingFault::Source);
    }
    Ok(name.to_owned())
}

fn json_path(path: &str) -> Result<JsonPath, MappingFault> {
    JsonPath::parse(&format!("$.{path}")).map_err(|_| MappingFault::JsonPath)
}

/// A field name (RFC 9110 §5.1, `token`).
fn header_name(name: &str) -> Result<String, MappingFault> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(MappingFault::Name);
    }
    Ok(name.to_owned())
}

fn parameter_name(name: &str) -> Result<String, MappingFault> {
    if !is_parameter_name(name) {
        return Err(MappingFault::Name);
    }
    Ok(name.to_owned())
}

/// S3's query names hold more than a declared parameter may: `X-Amz-…`, `list-type`, `tagging`, `response-content-type`;
/// blanks and controls are in none.
fn query_name(name: &str) -> Result<String, MappingFault> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(MappingFault::Name);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn request_targets_are_header_path_and_querystring() {
        let target = |text: &str| request_target(&format!("integration.request.{text}"));
        assert_eq!(
            target("header.x-amz-acl"),
            Ok(RequestTarget::Header(owned("x-amz-acl")))
        );
        assert_eq!(
            target("path.bucket"),
            Ok(RequestTarget::Path(owned("bucket")))
        );
        assert_eq!(
            target("querystring.list-type"),
            Ok(RequestTarget::QueryString(owned("list-type")))
        );
        for bad in ["body", "cookie.x", "header", "query.x"] {
            assert_eq!(target(bad), Err(MappingFault::Target), "{bad}");
        }
        for bad in ["header.", "header.a b", "path.a/b", "querystring.a\r"] {
            assert_eq!(target(bad), Err(MappingFault::Name), "{bad}");
        }
        assert_eq!(
            request_target("method.request.header.x"),
            Err(MappingFault::Target)
        );
    }

    #[test]
    fn request_sources_are_read() {
        let table = [
            (
                "method.request.path.item",
                RequestSource::Path(owned("item")),
            ),
            (
                "method.request.querystring.q",
                RequestSource::QueryString(owned("q")),
            ),
            (
                "method.request.multivaluequerystring.q",
                RequestSource::MultiValueQueryString(owned("q")),
            ),
            (
                "method.request.header.X-A",
                RequestSource::Header(owned("X-A")),
            ),
            (
                "method.request.multivalueheader.X-A",
                RequestSource::MultiValueHeader(owned("X-A")),
            ),
            ("method.request.body", RequestSource::Body),
            ("stageVariables.v", RequestSource::StageVariable(owned("v"))),
            (
                "context.identity.sourceIp",
                RequestSource::Context(owned("identity.sourceIp")),
            ),
            ("'it''s'", RequestSource::Literal(owned("it''s"))),
            ("''", RequestSource::Literal(String::new())),
        ];
        for (text, wanted) in table {
            assert_eq!(request_source(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn response_sources_are_read() {
        let table = [
            (
                "integration.response.header.ETag",
                ResponseSource::Header(owned("ETag")),
            ),
            (
                "integration.response.multivalueheader.Via",
                ResponseSource::MultiValueHeader(owned("Via")),
            ),
            ("integration.response.body", ResponseSource::Body),
            (
                "context.requestId",
                ResponseSource::Context(owned("requestId")),
            ),
            ("'*'", ResponseSource::Literal(owned("*"))),
        ];
        for (text, wanted) in table {
            assert_eq!(response_source(text), Ok(wanted), "{text}");
        }
        assert_eq!(
            response_target("method.response.header.ETag"),
            Ok(owned("ETag"))
        );
        assert_eq!(
            response_target("method.response.body"),
            Err(MappingFault::Target)
        );
    }

    #[test]
    fn body_paths_are_compiled() {
        assert!(matches!(
            request_source("method.request.body.petstore.pets[0].name"),
            Ok(RequestSource::BodyPath(_))
        ));
        assert!(matches!(
            response_source("integration.response.body.a"),
            Ok(ResponseSource::BodyPath(_))
        ));
        assert_eq!(
            request_source("method.request.body.a["),
            Err(MappingFault::JsonPath)
        );
    }

    #[test]
    fn slips_are_told_from_unquoted_text() {
        for slip in [
            "method.request.headr.x",
            "method.request.path",
            "method.request.header.",
            "method.response.header.x",
            "integration.response.header.x",
            "context.",
            "contextx",
            "$context.requestId",
        ] {
            let fault = request_source(slip).unwrap_err();
            assert!(
                matches!(fault, MappingFault::Source | MappingFault::Name),
                "{slip}: {fault:?}"
            );
        }
        assert_eq!(request_source("plain"), Err(MappingFault::NotASource));
        assert_eq!(request_source("'open"), Err(MappingFault::OpenQuote));
        assert_eq!(request_source("'"), Err(MappingFault::OpenQuote));
        assert_eq!(
            request_source("'a\r\nb'"),
            Err(MappingFault::ControlCharacter)
        );
        assert_eq!(
            response_source("method.request.header.x"),
            Err(MappingFault::Source)
        );
    }
}
