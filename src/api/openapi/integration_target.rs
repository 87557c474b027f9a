//! What an integration calls: `type`, `uri`, `httpMethod`, `credentials`.

use crate::api::http_uri;
use crate::api::http_uri::HttpUriFault;
use crate::api::integration_uri::{IntegrationUri, UriFault, fill_stage_variables};
use crate::api::model::IntegrationKind;
use crate::api::openapi::document::{Document, flag, object, present, scalar, text};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, shortened};
use crate::api::resource_tree::{ANY, HTTP_METHODS};

const PROXY_REFUSED: &str = "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.";

/// The backend of an integration.
#[derive(Debug)]
pub struct Target {
    /// What is called.
    pub kind: IntegrationKind,
    /// `None` is the client's method.
    pub http_method: Option<String>,
    /// Role ARN.
    pub credentials: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IntegrationType {
    Aws,
    AwsProxy,
    Mock,
    Http,
    HttpProxy,
}

impl IntegrationType {
    fn parse(name: &str) -> Option<Self> {
        let known = [
            ("aws", Self::Aws),
            ("aws_proxy", Self::AwsProxy),
            ("mock", Self::Mock),
            ("http", Self::Http),
            ("http_proxy", Self::HttpProxy),
        ];
        let found = known
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, kind)| kind)
    }
}

/// Reads the target; all its faults are reported.
pub fn read(document: &Document<'_>, place: &Place<'_>, findings: &mut Findings) -> Option<Target> {
    let kind = integration_type(place, findings);
    let http_method = http_method(place, kind, findings);
    let credentials =
        present(place, "credentials").map(|arn| read_credentials(document, &arn, findings));
    check_connection(place, kind, findings);
    let backend = backend(document, place, kind?, findings)?;
    Some(Target {
        kind: backend,
        http_method: http_method?,
        credentials: credentials.flatten(),
    })
}

fn integration_type(place: &Place<'_>, findings: &mut Findings) -> Option<IntegrationType> {
    let Some(kind) = present(place, "type") else {
        findings.error(
            place,
            "found no `type`, wanted aws, mock, http or http_proxy",
        );
        return None;
    };
    let name = text(&kind, findings)?;
    let found = IntegrationType::parse(name);
    if found.is_none() {
        let found = shortened(name);
        findings.error(
            &kind,
            format!("found the type `{found}`, wanted aws, mock, http or http_proxy"),
        );
    }
    found
}

/// `httpMethod`: `Some(None)` is the client's.
fn http_method(
    place: &Place<'_>,
    kind: Option<IntegrationType>,
    findings: &mut Findings,
) -> Option<Option<String>> {
    let Some(method) = present(place, "httpMethod") else {
        if matches!(kind, None | Some(IntegrationType::Mock)) {
            return Some(None);
        }
        findings.error(
            place,
            "Enumeration value for HttpMethod must be non-empty: found no `httpMethod`, wanted a method or ANY",
        );
        return None;
    };
    let name = text(&method, findings)?.to_ascii_uppercase();
    if name == ANY {
        return Some(None);
    }
    if !HTTP_METHODS.contains(&name.as_str()) {
        let found = shortened(&name);
        findings.error(
            &method,
            format!(
                "Enumeration value for HttpMethod must be non-empty: found `{found}`, wanted {} or ANY",
                HTTP_METHODS.join(", ")
            ),
        );
        return None;
    }
    Some(Some(name))
}

/// A role ARN, or `arn:aws:iam::*:user/*` for the caller's own credentials.
fn read_credentials(
    document: &Document<'_>,
    place: &Place<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let arn = filled(document, place, findings)?;
    let is_arn = arn.starts_with("arn:")
        && arn.split(':').count() >= 6
        && !arn.contains(char::is_whitespace);
    if !is_arn {
        findings.error(
            place,
            format!(
                "Invalid ARN specified in the request: found `{}`, wanted the ARN of a role",
                shortened(&arn)
            ),
        );
        return None;
    }
    Some(arn)
}

/// Text with its stage variables; a missing one is a warning.
fn filled(document: &Document<'_>, place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let raw = text(place, findings)?;
    let filled = fill_stage_variables(raw, &document.options.stage_variables);
    for name in &filled.missing {
        findings.warn(
            place,
            Code::MissingStageVariable.says(format!(
                "found no stage variable `{}`: empty here",
                shortened(name)
            )),
        );
    }
    Some(filled.text)
}

fn check_connection(place: &Place<'_>, kind: Option<IntegrationType>, findings: &mut Findings) {
    if let Some(kind) = present(place, "connectionType") {
        match scalar(&kind) {
            Some(name) if name.eq_ignore_ascii_case("INTERNET") => {}
            _ => {
                let found = kind.node.described();
                findings.error(
                    &kind,
                    format!("found {found}, wanted INTERNET: there are no VPC links here"),
                );
            }
        }
    }
    if let Some(member) = present(place, "connectionId") {
        findings.warn(&member, "`connectionId` is for VPC links: ignored");
    }
    check_tls(place, findings);
    check_transfer_mode(place, kind, findings);
}

/// Certificates are always verified: `insecureSkipVerification: true` is refused.
fn check_tls(place: &Place<'_>, findings: &mut Findings) {
    let Some(config) = object(place, "tlsConfig", findings) else {
        return;
    };
    for (name, member) in config.members() {
        if name != "insecureSkipVerification" {
            findings.warn(
                &member,
                Code::UnknownKey.says(format!(
                    "found `{}`, wanted insecureSkipVerification: ignored",
                    shortened(name)
                )),
            );
        } else if flag(&member, findings) == Some(true) {
            findings.error(
                &member,
                "found true, wanted false: certificates of backends are always verified here",
            );
        }
    }
}

/// `responseTransferMode`: bodies stream here in either mode.
fn check_transfer_mode(place: &Place<'_>, kind: Option<IntegrationType>, findings: &mut Findings) {
    let Some(member) = present(place, "responseTransferMode") else {
        return;
    };
    let mode = scalar(&member).map(str::to_ascii_uppercase);
    match mode.as_deref() {
        Some("BUFFERED") => {}
        Some("STREAM") if matches!(kind, None | Some(IntegrationType::HttpProxy)) => {}
        Some("STREAM") => findings.refused_by_gateway(
            &member,
            "found STREAM, which API Gateway has for proxy integrations only",
        ),
        _ => {
            let found = member.node.described();
            findings.error(&member, format!("found {found}, wanted BUFFERED or STREAM"));
        }
    }
}

fn backend(
    document: &Document<'_>,
    place: &Place<'_>,
    kind: IntegrationType,
    findings: &mut Findings,
) -> Option<IntegrationKind> {
    let at_type = place.member("type").unwrap_or_else(|| place.clone());
    if kind == IntegrationType::Mock {
        return Some(IntegrationKind::Mock);
    }
    let Some(at_uri) = present(place, "uri") else {
        findings.error(
            place,
            "Invalid ARN specified in the request: found no `uri`, wanted one",
        );
        return None;
    };
    let uri = filled(document, &at_uri, findings)?;
    match kind {
        IntegrationType::Aws => aws_backend(&at_uri, &uri, findings),
        IntegrationType::AwsProxy => {
            let lambda = IntegrationUri::parse(&uri) == Err(UriFault::Lambda);
            let message = if lambda {
                UriFault::Lambda.to_string()
            } else {
                PROXY_REFUSED.to_owned()
            };
            findings.error(if lambda { &at_uri } else { &at_type }, message);
            None
        }
        IntegrationType::Mock | IntegrationType::Http | IntegrationType::HttpProxy => {
            let parsed = http_uri::parse(&uri);
            let fault = match parsed {
                Ok(uri) if kind == IntegrationType::Http => {
                    return Some(IntegrationKind::Http(uri));
                }
                Ok(uri) => return Some(IntegrationKind::HttpProxy(uri)),
                Err(fault) => fault,
            };
            let found = match fault {
                HttpUriFault::UserInfo => "a URL that may hold a password".to_owned(),
                _ => format!("`{}`", shortened(&uri)),
            };
            findings.error(
                &at_uri,
                format!("Invalid HTTP endpoint specified for URI: found {found}, {fault}"),
            );
            None
        }
    }
}

fn aws_backend(at_uri: &Place<'_>, uri: &str, findings: &mut Findings) -> Option<IntegrationKind> {
    match IntegrationUri::parse(uri) {
        Ok(IntegrationUri::Path(uri)) => Some(IntegrationKind::S3(uri)),
        Ok(IntegrationUri::Action(action)) => Some(IntegrationKind::S3Action(action)),
        Err(fault @ (UriFault::NotAnArn | UriFault::NeitherPathNorAction)) => {
            findings.error(
                at_uri,
                format!(
                    "{fault}: found `{}`, wanted `arn:aws:apigateway:REGION:s3:path/…`",
                    shortened(uri)
                ),
            );
            None
        }
        Err(fault) => {
            findings.error(at_uri, format!("{fault}, in `{}`", shortened(uri)));
            None
        }
    }
}
