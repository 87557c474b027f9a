//! Import as a whole: documents, their faults and their warnings.

mod document_faults;
mod documents;
mod integration_faults;
mod models;
mod warnings;

use super::*;
use crate::api::openapi::finding::Severity;

const IMAGE_API: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/apis/image-api.swagger2.json"
));
const S3_PROXY_API: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/apis/s3-proxy-api.swagger2.json"
));
const IMAGE_CONFIG: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/image-api.openapi.yaml"
));
const S3_PROXY_CONFIG: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/s3-proxy.openapi.yaml"
));
const DEMO_CONFIG: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/config/demo.openapi.yaml"
));

fn import_with(text: &str, options: &ImportOptions) -> Imported {
    import("api", text, options).unwrap_or_else(|findings| {
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        panic!("refused:\n{}", lines.join("\n"))
    })
}

fn imported(text: &str) -> Imported {
    import_with(text, &ImportOptions::default())
}

fn faults(text: &str) -> Vec<Finding> {
    import("api", text, &ImportOptions::default())
        .err()
        .unwrap_or_default()
}

fn method<'t>(table: &'t Table, name: &str, path: &str) -> &'t Method {
    table.find(name.as_bytes(), path.as_bytes()).unwrap().method
}

/// A document around one operation's integration, on lines of their own from line 5.
fn around(integration: &str) -> String {
    format!(
        r#"{{"swagger": "2.0", "info": {{"title": "t"}}, "basePath": "/v1", "paths": {{"/a": {{"get": {{
 "parameters": [{{"name": "q", "in": "query"}}, {{"name": "H", "in": "header"}}],
 "responses": {{"200": {{"headers": {{"ETag": {{}}}}}}}},
 "x-amazon-apigateway-integration":
{integration}
}}}}}}}}"#
    )
}

const GOOD: &str = r#"{"type": "aws", "httpMethod": "GET", "uri": "arn:aws:apigateway:us-west-2:s3:path/b", "responses": {"default": {"statusCode": 200}}}"#;

/// [`GOOD`] with one more member, or with one replaced.
fn good_with(name: &str, value: &str) -> String {
    let mut members: Vec<(&str, &str)> = vec![
        ("type", "\"aws\""),
        ("httpMethod", "\"GET\""),
        ("uri", "\"arn:aws:apigateway:us-west-2:s3:path/b\""),
        ("responses", r#"{"default": {"statusCode": 200}}"#),
    ];
    members.retain(|(known, _)| *known != name);
    members.push((name, value));
    let lines: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    around(&format!("{{{}}}", lines.join(",\n")))
}
