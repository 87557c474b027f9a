//! The methods of a path.

use crate::api::model::{Authorization, CALLER_CREDENTIALS, Integration, IntegrationKind, Method};
use crate::api::openapi::document::{Document, is_object, object, present};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::integration;
use crate::api::openapi::method_response;
use crate::api::openapi::node::{Place, shortened};
use crate::api::openapi::parameters;
use crate::api::openapi::request_mapping::MethodRequest;
use crate::api::openapi::request_models::CompiledModels;
use crate::api::openapi::request_validator::RequestValidators;
use crate::api::openapi::resource_path::Resource;
use crate::api::openapi::security::SecuritySchemes;
use crate::api::resource_tree::ANY;

/// What the operations of a document share.
#[derive(Debug)]
pub struct Shared {
    validators: RequestValidators,
    schemes: SecuritySchemes,
    models: CompiledModels,
}

impl Shared {
    /// Reads the shared parts.
    pub fn read(document: &Document<'_>, findings: &mut Findings) -> Self {
        Self {
            validators: RequestValidators::read(document, findings),
            schemes: SecuritySchemes::read(document, findings),
            models: CompiledModels::default(),
        }
    }
}

/// A method and the place of its operation.
#[derive(Debug)]
pub struct Operation<'d> {
    /// The operation object.
    pub place: Place<'d>,
    /// What it says.
    pub method: Method,
    /// Whether its path is without fault.
    pub in_tree: bool,
}

/// Reads all methods of a path.
pub fn read_all<'d>(
    document: &Document<'d>,
    shared: &mut Shared,
    resource: &Resource<'d>,
    findings: &mut Findings,
) -> Vec<Operation<'d>> {
    let mut operations = Vec::new();
    if !is_object(&resource.item, findings) {
        return operations;
    }
    for (name, operation) in resource.item.members() {
        match http_method(name) {
            Some(http_method) if is_object(&operation, findings) => {
                let method = Method {
                    http_method: http_method.to_owned(),
                    ..read_method(document, shared, resource, &operation, findings)
                };
                operations.push(Operation {
                    place: operation,
                    method,
                    in_tree: resource.sound,
                });
            }
            None if !is_other_member(name) => findings.warn(
                &operation,
                Code::UnknownKey.says(format!(
                    "found `{}`, wanted get, put, post, delete, patch, head, options or x-amazon-apigateway-any-method: ignored",
                    shortened(name)
                )),
            ),
            _ => {}
        }
    }
    operations
}

fn http_method(name: &str) -> Option<&'static str> {
    Some(match name {
        "get" => "GET",
        "put" => "PUT",
        "post" => "POST",
        "delete" => "DELETE",
        "patch" => "PATCH",
        "head" => "HEAD",
        "options" => "OPTIONS",
        "x-amazon-apigateway-any-method" => ANY,
        _ => return None,
    })
}

fn is_other_member(name: &str) -> bool {
    matches!(name, "parameters" | "summary" | "description" | "servers") || name.starts_with("x-")
}

/// Nobody signs a request for a method without AWS_IAM, so that there are no keys of a caller.
fn report_caller_keys(read: &Integration, integration: &Place<'_>, findings: &mut Findings) {
    let signs = matches!(
        read.kind,
        IntegrationKind::S3(_) | IntegrationKind::S3Action(_)
    );
    if !signs || read.credentials.as_deref() != Some(CALLER_CREDENTIALS) {
        return;
    }
    let place = integration.member("credentials");
    findings.warn(
        place.as_ref().unwrap_or(integration),
        Code::NoCallerKeys.says(format!(
            "`{CALLER_CREDENTIALS}` signs with the caller's own keys, and this method asks nobody who calls: every request gets \
             500; wanted AWS_IAM for the method (x-amazon-apigateway-auth: {{type: AWS_IAM}}), or the ARN of a role"
        )),
    );
}

/// Everything but the method's name.
fn read_method<'d>(
    document: &Document<'d>,
    shared: &mut Shared,
    resource: &Resource<'d>,
    operation: &Place<'d>,
    findings: &mut Findings,
) -> Method {
    let parameters = parameters::read(document, &resource.item, operation, findings);
    let responses = method_response::read(document, operation, findings);
    let access = shared.schemes.access_of(operation, document, findings);
    let validator = shared.validators.of_operation(operation, findings);
    let request_models =
        shared
            .models
            .of_operation(document, &resource.item, operation, validator, findings);
    let request = MethodRequest {
        parameters: &parameters,
        path_variables: resource.variables().collect(),
    };
    let place = object(operation, "x-amazon-apigateway-integration", findings);
    if present(operation, "x-amazon-apigateway-integration").is_none() {
        findings.refused_by_gateway(
            operation,
            Code::NoIntegration.says("No integration defined for method: it answers 500"),
        );
    }
    let integration = place.as_ref().and_then(|place| {
        let read = integration::read(document, place, &request, &responses, findings)?;
        if access.authorization == Authorization::None {
            report_caller_keys(&read, place, findings);
        }
        Some(read)
    });
    Method {
        resource_path: resource.path.clone(),
        http_method: String::new(),
        authorization: access.authorization,
        api_key_required: access.api_key_required,
        parameters,
        validator,
        request_models,
        integration,
    }
}
