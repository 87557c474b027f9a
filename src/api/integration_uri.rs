//! Integration URIs of AWS integrations (spec 01, "Integration URIs").

use std::fmt;

use crate::api::model::{ActionParameter, S3Action, S3Uri, UriPart, UriTemplate};
use crate::api::s3_action::{OPERATIONS, S3Operation};
use crate::wire::percent;

/// What an integration URI stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntegrationUri {
    /// `s3:path/…`
    Path(S3Uri),
    /// `s3:action/…`
    Action(S3Action),
}

/// Why a text is no integration URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriFault {
    /// Not `arn:…:apigateway:region:service:path/…`.
    NotAnArn,
    /// Neither `path` nor `action` behind the service.
    NeitherPathNorAction,
    /// The region is empty or holds what no region does.
    Region,
    /// A Lambda function.
    Lambda,
    /// Another service than S3.
    Service(String),
    /// The sub-domain is no bucket name.
    Bucket(String),
    /// An action that S3 does not have or that is not one of [`OPERATIONS`].
    UnknownAction(String),
    /// A brace without its partner, or no parameter name between the two.
    Placeholder,
    /// A character that a request target cannot hold.
    Character(char),
}

impl fmt::Display for UriFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnArn => out.write_str("Invalid ARN specified in the request"),
            Self::NeitherPathNorAction => {
                out.write_str("AWS ARN for integration must contain path or action")
            }
            Self::Region => {
                out.write_str("found no region in the ARN, wanted one such as `us-west-2`")
            }
            Self::Lambda => out.write_str("found a Lambda function, wanted the service `s3`"),
            Self::Service(name) => write!(out, "found the service `{name}`, wanted `s3`"),
            Self::Bucket(name) => {
                write!(out, "found the sub-domain `{name}`, wanted a bucket name")
            }
            Self::UnknownAction(name) => {
                let known = OPERATIONS.map(S3Operation::name).join(", ");
                write!(
                    out,
                    "found the action `{name}`, wanted one of {known}, or the path form `s3:path/…`"
                )
            }
            Self::Placeholder => out
                .write_str("found a brace that belongs to no `{name}`, wanted whole placeholders"),
            Self::Character(c) => write!(
                out,
                "found `{}`, wanted it percent-encoded",
                c.escape_default()
            ),
        }
    }
}

impl IntegrationUri {
    /// Reads a URI whose stage variables were filled in.
    pub fn parse(text: &str) -> Result<Self, UriFault> {
        let (arn, rest) = text.split_once('/').unwrap_or((text, ""));
        let mut fields = arn.splitn(6, ':');
        let mut next = || fields.next();
        let (Some("arn"), Some(_partition), Some("apigateway"), Some(region), Some(service)) =
            (next(), next(), next(), next(), next())
        else {
            return Err(UriFault::NotAnArn);
        };
        let kind = next().unwrap_or_default();
        if kind != "path" && kind != "action" {
            return Err(UriFault::NeitherPathNorAction);
        }
        let bucket = bucket_of(service)?;
        if !is_region(region) {
            return Err(UriFault::Region);
        }
        let s3_uri = |path: &str, query: &str| -> Result<S3Uri, UriFault> {
            Ok(S3Uri {
                region: region.to_owned(),
                bucket: bucket.map(str::to_owned),
                path: parse_template(&format!("/{}", path.trim_start_matches('/')))?,
                query: parse_template(query)?,
                names_bucket: kind == "action",
            })
        };
        if kind == "path" {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            return s3_uri(path, query).map(Self::Path);
        }
        let (name, query) = rest.split_once('&').unwrap_or((rest, ""));
        let operation = S3Operation::parse(name);
        let operation = operation.ok_or_else(|| UriFault::UnknownAction(name.to_owned()))?;
        let path = match (
            operation.names_bucket() && bucket.is_none(),
            operation.names_key(),
        ) {
            (true, true) => "{Bucket}/{Key}",
            (true, false) => "{Bucket}",
            (false, true) => "{Key}",
            (false, false) => "",
        };
        let fixed = match operation {
            S3Operation::ListObjectsV2 => "list-type=2",
            _ => "",
        };
        Ok(Self::Action(S3Action {
            operation,
            uri: s3_uri(path, fixed)?,
            input: action_parameters(query)?,
            body_is_object: false,
        }))
    }
}

/// `k=v&…`; names and values are percent-encoded.
fn action_parameters(query: &str) -> Result<Vec<ActionParameter>, UriFault> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            if name.contains(['{', '}']) {
                return Err(UriFault::Placeholder);
            }
            let name = String::from_utf8_lossy(&percent::decode(name.as_bytes())).into_owned();
            Ok(ActionParameter {
                name,
                value: parse_template(value)?,
            })
        })
        .collect()
}

/// The `{subdomain}` of `{subdomain.}s3`.
fn bucket_of(service: &str) -> Result<Option<&str>, UriFault> {
    let (bucket, name) = match service.rsplit_once('.') {
        Some((bucket, name)) => (Some(bucket), name),
        None => (None, service),
    };
    match (name, bucket) {
        ("s3", Some(bucket)) if !is_bucket(bucket) => Err(UriFault::Bucket(bucket.to_owned())),
        ("s3", bucket) => Ok(bucket),
        ("lambda", _) => Err(UriFault::Lambda),
        _ => Err(UriFault::Service(service.to_owned())),
    }
}

fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(allowed)
}

/// Letters, digits, `.`, `-`, `_`: what a bucket of any S3 store may be called, 3 to 255 bytes (old buckets of AWS).
fn is_bucket(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (3..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Splits a part of a request target at its `{name}` placeholders.
pub(super) fn parse_template(text: &str) -> Result<UriTemplate, UriFault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        push_literal(&mut parts, literal)?;
        let (name, after) = after.split_once('}').ok_or(UriFault::Placeholder)?;
        if !is_parameter_name(name) {
            return Err(UriFault::Placeholder);
        }
        parts.push(UriPart::Placeholder(name.to_owned()));
        rest = after;
    }
    push_literal(&mut parts, rest)?;
    Ok(UriTemplate { parts })
}

fn push_literal(parts: &mut Vec<UriPart>, literal: &str) -> Result<(), UriFault> {
    for c in literal.chars() {
        match c {
            '}' => return Err(UriFault::Placeholder),
            '"' | '#' | '<' | '>' | '\\' | '^' | '`' | '|' => return Err(UriFault::Character(c)),
            '!'..='~' => {}
            _ => return Err(UriFault::Character(c)),
        }
    }
    if !literal.is_empty() {
        parts.push(UriPart::Literal(literal.to_owned()));
    }
    Ok(())
}

/// `[a-zA-Z0-9._$-]+` (spec 01, "parameter name syntax").
#[must_use]
pub fn is_parameter_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$' | b'-');
    !text.is_empty() && text.bytes().all(allowed)
}

/// A text with its `${stageVariables.NAME}` filled in, and the names that have no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledText {
    /// The text; a missing variable is empty, `${other}` stays.
    pub text: String,
    /// The names that were missing.
    pub missing: Vec<String>,
}

/// Fills in stage variables (spec 01, "Integration URIs").
#[must_use]
pub fn fill_stage_variables(text: &str, variables: &[(String, String)]) -> FilledText {
    const OPENING: &str = "${stageVariables.";
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push_str(OPENING);
            rest = after;
            continue;
        };
        match variables.iter().find(|(known, _)| known == name) {
            Some((_, value)) => out.push_str(value),
            None => missing.push(name.to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    FilledText { text: out, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> S3Uri {
        match IntegrationUri::parse(text) {
            Ok(IntegrationUri::Path(uri)) => uri,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn literal(text: &str) -> UriPart {
        UriPart::Literal(text.to_owned())
    }

    fn placeholder(text: &str) -> UriPart {
        UriPart::Placeholder(text.to_owned())
    }

    #[test]
    fn path_forms_give_bucket_path_and_query() {
        let root = path("arn:aws:apigateway:us-west-2:s3:path//");
        assert_eq!(root.path.parts, [literal("/")]);
        assert_eq!((root.region.as_str(), root.bucket), ("us-west-2", None));
        let object = path("arn:aws:apigateway:us-west-2:s3:path/{bucket}/{object}");
        let wanted = [
            literal("/"),
            placeholder("bucket"),
            literal("/"),
            placeholder("object"),
        ];
        assert_eq!(object.path.parts, wanted);
        let acl = path("arn:aws-cn:apigateway:cn-north-1:s3:path/{bucket}?acl");
        assert_eq!(acl.path.parts, [literal("/"), placeholder("bucket")]);
        assert_eq!(acl.query.parts, [literal("acl")]);
        let named = path("arn:aws:apigateway:us-west-2:my.bucket.s3:path/a:b/{key}");
        assert_eq!(named.bucket.as_deref(), Some("my.bucket"));
        assert_eq!(named.path.parts, [literal("/a:b/"), placeholder("key")]);
    }

    #[test]
    fn actions_have_their_operation_place_and_input() {
        let parse = |service: &str, action: &str| {
            let text = format!("arn:aws:apigateway:us-west-2:{service}:action/{action}");
            match IntegrationUri::parse(&text) {
                Ok(IntegrationUri::Action(action)) => Ok(action),
                Ok(other) => panic!("{text}: {other:?}"),
                Err(fault) => Err(fault),
            }
        };
        let action = parse("s3", "GetObject&Bucket=a%26b&Key={key}&VersionId=1{v}").unwrap();
        assert_eq!(action.operation, S3Operation::GetObject);
        let wanted = [
            literal("/"),
            placeholder("Bucket"),
            literal("/"),
            placeholder("Key"),
        ];
        assert_eq!(action.uri.path.parts, wanted);
        assert!(action.uri.names_bucket);
        let input: Vec<_> = action
            .input
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.value.parts.as_slice()))
            .collect();
        let wanted = [
            ("Bucket", &[literal("a%26b")][..]),
            ("Key", &[placeholder("key")]),
            ("VersionId", &[literal("1"), placeholder("v")]),
        ];
        assert_eq!(input, wanted);
        let named = parse("photos.s3", "GetObject").unwrap();
        assert_eq!(named.uri.bucket.as_deref(), Some("photos"));
        assert_eq!(named.uri.path.parts, [literal("/"), placeholder("Key")]);
        let listed = parse("s3", "ListObjectsV2").unwrap();
        assert_eq!(listed.uri.query.parts, [literal("list-type=2")]);
        for name in ["Nope", "", "getObject", "CopyObject"] {
            let unknown = UriFault::UnknownAction(name.to_owned());
            assert_eq!(parse("s3", name), Err(unknown), "{name}");
        }
        assert_eq!(parse("s3", "GetObject&{k}=v"), Err(UriFault::Placeholder));
    }

    #[test]
    fn what_is_no_s3_uri_is_refused_by_name() {
        let table = [
            ("https://example.com/x", UriFault::NotAnArn),
            ("arn:aws:s3:::bucket/key", UriFault::NotAnArn),
            (
                "arn:aws:apigateway:us-west-2:s3:bucket/key",
                UriFault::NeitherPathNorAction,
            ),
            (
                "arn:aws:apigateway:us-west-2:s3",
                UriFault::NeitherPathNorAction,
            ),
            ("arn:aws:apigateway::s3:path/x", UriFault::Region),
            ("arn:aws:apigateway:{region}:s3:path/x", UriFault::Region),
            (
                "arn:aws:apigateway:us-west-2:sqs:path/x",
                UriFault::Service("sqs".to_owned()),
            ),
            (
                "arn:aws:apigateway:us-west-2:a b.s3:path/x",
                UriFault::Bucket("a b".to_owned()),
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/{a",
                UriFault::Placeholder,
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/a}",
                UriFault::Placeholder,
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/{}",
                UriFault::Placeholder,
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/a b",
                UriFault::Character(' '),
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/a\r\nb",
                UriFault::Character('\r'),
            ),
            (
                "arn:aws:apigateway:us-west-2:s3:path/a#b",
                UriFault::Character('#'),
            ),
            (
                "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:x/invocations",
                UriFault::Lambda,
            ),
        ];
        for (text, wanted) in table {
            assert_eq!(IntegrationUri::parse(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn stage_variables_are_filled_and_missing_ones_named() {
        let variables = [("b".to_owned(), "photos".to_owned())];
        let filled = fill_stage_variables(
            "x/${stageVariables.b}/${other}/${stageVariables.c}y",
            &variables,
        );
        assert_eq!(filled.text, "x/photos/${other}/y");
        assert_eq!(filled.missing, ["c"]);
        let open = "${stageVariables.b";
        assert_eq!(fill_stage_variables(open, &variables).text, open);
    }
}
