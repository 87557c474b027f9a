//! Import of Swagger 2.0 and OpenAPI 3.0 documents (spec 01): text → tree with places → model → table.
//!
//! Every reader of a part reports what it finds and goes on, so that one run names all faults.

pub mod api_settings;
pub mod base_path;
pub mod binary_bodies;
pub mod content_handling;
pub mod document;
pub mod extension_keys;
pub mod finding;
pub mod finding_code;
pub mod fix;
pub mod gateway_responses;
pub mod hints;
pub mod integration;
pub mod integration_response;
pub mod integration_target;
pub mod json_document;
pub mod mapping_expression;
pub mod mapping_template;
pub mod method_response;
pub mod model_schema;
pub mod node;
pub mod operation;
pub mod parameters;
pub mod request_mapping;
pub mod request_models;
pub mod request_validator;
pub mod resource_path;
pub mod resource_policy;
pub mod s3_action;
pub mod security;
pub mod yaml_document;

#[cfg(test)]
mod tests;

use crate::api::model::Method;
use crate::api::openapi::base_path::BasePathMode;
use crate::api::openapi::document::Document;
use crate::api::openapi::finding::{Finding, Findings, Severity, Strictness};
use crate::api::openapi::fix::Syntax;
use crate::api::openapi::node::{Node, Position};
use crate::api::openapi::operation::Operation;
use crate::api::resource_tree::{ResourceTree, Route};
use crate::api::table::{Table, api_id};

/// Bytes of a document (spec 11, "definition file").
pub const DOCUMENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What an import needs beside the document.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The stage's name; `None` is the first segment of the document's base path.
    pub stage: Option<String>,
    /// Names and values.
    pub stage_variables: Vec<(String, String)>,
    /// What a base path does to the resources.
    pub base_path: BasePathMode,
    /// What API Gateway refuses is an error.
    pub strictness: Strictness,
    /// What becomes of methods that ask who calls.
    pub authorizers: Authorizers,
    /// There are API keys, so that methods which ask for one can be called.
    pub knows_api_keys: bool,
}

/// What becomes of authorizers, `AWS_IAM`, API keys and the resource policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorizers {
    /// Such methods are refused to everybody: no caller is known. A document with an authorizer is refused.
    #[default]
    Enforced,
    /// `AWS_IAM` lets known callers in; the others are refused.
    Verified,
    /// All methods are open to everybody (`--ignore-authorizers`).
    Ignored,
}

/// A document that can run.
#[derive(Debug)]
pub struct Imported {
    /// The compiled document.
    pub table: Table,
    /// What it will not do.
    pub warnings: Vec<Finding>,
    /// What it does and people are surprised by.
    pub hints: Vec<Finding>,
}

/// Reads and compiles a document.
///
/// # Errors
/// Everything to say about the document, in the order of the text; at least one finding is an error.
pub fn import(
    file_name: &str,
    text: &str,
    options: &ImportOptions,
) -> Result<Imported, Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut findings = Findings::new(file_name, options.strictness);
    let table = parse(text, &mut findings).and_then(|(root, syntax)| {
        let table = compile(&root, options, &mut findings);
        findings.write_fixes(text, syntax);
        table
    });
    match table {
        Some(table) if !findings.has_errors() => {
            let (hints, warnings) = findings
                .into_sorted()
                .into_iter()
                .partition(|finding| finding.severity == Severity::Hint);
            Ok(Imported {
                table,
                warnings,
                hints,
            })
        }
        _ => Err(findings.into_sorted()),
    }
}

/// JSON, else YAML. If neither fits, the fault of the one that the text looks like.
fn parse(text: &str, findings: &mut Findings) -> Option<(Node, Syntax)> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let found = text.len();
        findings.error_at(
            Position::START,
            "",
            format!(
                "Invalid OpenAPI input. found {found} bytes, wanted at most {DOCUMENT_BYTES_MAX}"
            ),
        );
        return None;
    }
    let json = json_document::parse(text);
    let (parsed, syntax) = if json.root.is_ok() {
        (json, Syntax::Json)
    } else {
        let yaml = yaml_document::parse(text);
        if yaml.root.is_err() && text.trim_start().starts_with('{') {
            (json, Syntax::Json)
        } else {
            (yaml, Syntax::Yaml)
        }
    };
    for name in parsed.repeated {
        let message = format!("Invalid OpenAPI input. {}", name.message);
        findings.error_at(name.position, &name.pointer, message);
    }
    match parsed.root {
        Ok(root) => Some((root, syntax)),
        Err(fault) => {
            let message = format!("Invalid OpenAPI input. {}", fault.message);
            findings.error_at(fault.position, "", message);
            None
        }
    }
}

fn compile(root: &Node, options: &ImportOptions, findings: &mut Findings) -> Option<Table> {
    let document = Document::open(root, options, findings)?;
    extension_keys::check(&document, findings);
    let title = api_settings::title(&document, findings);
    let stage = base_path::stage(&document, findings);
    api_settings::check_stage_variables(&document, findings);
    let minimum_compression_size = api_settings::minimum_compression_size(&document, findings);
    let binary_media_types = api_settings::binary_media_types(&document, findings);
    let api_key_source = api_settings::api_key_source(&document, findings);
    let gateway_responses = gateway_responses::read(&document, findings);
    let api_id = title.as_deref().map(api_id);
    let resource_policy = resource_policy::read(&document, api_id.as_deref(), findings);
    let mut shared = operation::Shared::read(&document, findings);
    let resources = resource_path::read(&document, findings);
    let operations: Vec<Operation<'_>> = resources
        .iter()
        .flat_map(|resource| operation::read_all(&document, &mut shared, resource, findings))
        .collect();
    binary_bodies::check(&document, &binary_media_types, &operations, findings);
    hints::check(
        &document,
        &binary_media_types,
        &gateway_responses,
        &operations,
        findings,
    );
    let methods: Vec<Method> = operations
        .into_iter()
        .filter(|operation| operation.in_tree)
        .map(|operation| operation.method)
        .collect();
    let routes = methods.iter().enumerate().map(|(index, method)| Route {
        resource_path: &method.resource_path,
        http_method: &method.http_method,
        method: index,
    });
    let resources = ResourceTree::new(routes);
    Some(Table {
        api_id: api_id?,
        title: title?,
        stage: stage?,
        stage_variables: options.stage_variables.clone(),
        binary_media_types,
        minimum_compression_size,
        api_key_source,
        gateway_responses,
        resource_policy,
        methods,
        resources,
    })
}
