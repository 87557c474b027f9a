//! Who may call a method: security schemes and `x-amazon-apigateway-auth` (spec 01, "Security").

use crate::api::model::Authorization;
use crate::api::openapi::Authorizers;
use crate::api::openapi::document::{Document, is_object, object, present, scalar, text};
use crate::api::openapi::finding::{Findings, Topic};
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Value, shortened};

/// What a method asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// `AWS_IAM` or nothing.
    pub authorization: Authorization,
    /// `x-api-key` must name a key.
    pub api_key_required: bool,
}

/// The security schemes of a document.
#[derive(Debug)]
pub struct SecuritySchemes {
    named: Vec<(String, Scheme)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// `x-amazon-apigateway-authtype: awsSigv4`
    AwsIam,
    /// The key in `x-api-key`.
    ApiKey,
    /// `x-amazon-apigateway-authorizer`: Lambda or Cognito.
    Authorizer,
    /// Anything else: API Gateway does not enforce it.
    NotEnforced,
}

impl SecuritySchemes {
    /// Reads `securityDefinitions` or `components.securitySchemes`.
    pub fn read(document: &Document<'_>, findings: &mut Findings) -> Self {
        let mut named = Vec::new();
        if let Some(place) = present(&document.root, "security") {
            findings.warn(
                &place,
                Code::RootSecurity
                    .says("`security` of the root counts for nothing: wanted in the operations"),
            );
        }
        let Some(schemes) = document.shared("securityDefinitions", "securitySchemes") else {
            return Self { named };
        };
        if !is_object(&schemes, findings) {
            return Self { named };
        }
        for (name, place) in schemes.members() {
            let Some(place) = document.follow(place, findings) else {
                continue;
            };
            if is_object(&place, findings) {
                named.push((name.to_owned(), scheme_of(&place)));
            }
        }
        Self { named }
    }

    /// What an operation asks of its callers. The root's `security` counts for nothing, as in API Gateway.
    pub fn access_of(
        &self,
        operation: &Place<'_>,
        document: &Document<'_>,
        findings: &mut Findings,
    ) -> Access {
        let mut access = Access {
            authorization: auth_key(operation, findings),
            api_key_required: false,
        };
        let security = present(operation, "security");
        if let Some(list) = security
            .as_ref()
            .filter(|list| !matches!(list.node.value, Value::Array(_)))
        {
            let found = list.node.described();
            findings.error(
                list,
                format!("found {found}, wanted a list of security requirements"),
            );
        }
        let requirements: Vec<Place<'_>> = security.iter().flat_map(Place::elements).collect();
        for (name, place) in requirements.iter().flat_map(Place::members) {
            let scheme = self.named.iter().find(|(known, _)| known == name);
            match scheme.map(|(_, scheme)| *scheme) {
                Some(Scheme::AwsIam) => access.authorization = Authorization::AwsIam,
                Some(Scheme::ApiKey) => access.api_key_required = true,
                Some(Scheme::Authorizer) => report_authorizer(&place, document, findings),
                Some(Scheme::NotEnforced) => findings.warn(
                    &place,
                    Code::SchemeNotEnforced.says(format!(
                        "the security scheme `{}` is not enforced",
                        shortened(name)
                    )),
                ),
                None => findings.error_in_name(
                    &place,
                    format!(
                        "found the security scheme `{}`, wanted one that the document defines",
                        shortened(name)
                    ),
                ),
            }
        }
        report_access(access, operation, document, findings);
        access
    }
}

fn scheme_of(place: &Place<'_>) -> Scheme {
    let says = |name: &str| place.member(name).and_then(|member| scalar(&member));
    if place.member("x-amazon-apigateway-authorizer").is_some() {
        return Scheme::Authorizer;
    }
    let header = says("in") == Some("header") && says("type") == Some("apiKey");
    match says("x-amazon-apigateway-authtype") {
        Some(kind) if kind.eq_ignore_ascii_case("awsSigv4") => Scheme::AwsIam,
        Some(_) => Scheme::Authorizer,
        None if header
            && says("name").is_some_and(|name| name.eq_ignore_ascii_case("x-api-key")) =>
        {
            Scheme::ApiKey
        }
        None => Scheme::NotEnforced,
    }
}

/// `x-amazon-apigateway-auth: {type: NONE | AWS_IAM}`
fn auth_key(operation: &Place<'_>, findings: &mut Findings) -> Authorization {
    let kind = object(operation, "x-amazon-apigateway-auth", findings)
        .and_then(|auth| present(&auth, "type"));
    let Some(kind) = kind else {
        return Authorization::None;
    };
    match text(&kind, findings) {
        Some(name) if name.eq_ignore_ascii_case("AWS_IAM") => Authorization::AwsIam,
        Some(name) if !name.eq_ignore_ascii_case("NONE") => {
            let found = shortened(name);
            findings.error(
                &kind,
                format!("found the authorization type `{found}`, wanted NONE or AWS_IAM"),
            );
            Authorization::None
        }
        _ => Authorization::None,
    }
}

fn report_authorizer(place: &Place<'_>, document: &Document<'_>, findings: &mut Findings) {
    match document.options.authorizers {
        Authorizers::Enforced | Authorizers::Verified => findings.error_in_name(
            place,
            "found an authorizer, which this version does not have; wanted none, or `--ignore-authorizers` to leave it out",
        ),
        Authorizers::Ignored => findings.warn_once(
            Topic::Authorizer,
            place,
            Code::AuthorizationLeftOut.says(
                "the authorizer is left out (--ignore-authorizers): everybody may call",
            ),
        ),
    }
}

fn report_access(
    access: Access,
    operation: &Place<'_>,
    document: &Document<'_>,
    findings: &mut Findings,
) {
    let authorizers = document.options.authorizers;
    let ignored = authorizers == Authorizers::Ignored;
    if access.authorization == Authorization::AwsIam && authorizers != Authorizers::Verified {
        let message = if ignored {
            Code::AuthorizationLeftOut
                .says("AWS_IAM is left out (--ignore-authorizers): everybody may call")
        } else {
            Code::NoCallers.says("AWS_IAM: no caller is known ([[identity]] in the configuration file), the method answers 403 to everybody")
        };
        findings.warn_once(Topic::CallerIdentity, operation, message);
    }
    if access.api_key_required && (ignored || !document.options.knows_api_keys) {
        let message = if ignored {
            "the API key is left out (--ignore-authorizers): everybody may call"
        } else {
            "no API key is known ([[api_key]] in the configuration file), the method answers 403 to everybody"
        };
        findings.warn_once(Topic::ApiKey, operation, message);
    }
}
