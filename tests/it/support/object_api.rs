//! A small document whose methods pass objects to and from the same place in the store, untouched.

use serde_json::Value;
use serde_json::json;
use sluicegate::api::table::Table;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::ServeSettings;

use super::backend::Backend;
use super::gateway::Gateway;
use super::gateway::settings;
use super::gateway::table_of;

/// The stage and base path.
const STAGE: &str = "o";

/// `/o/{bucket}` and `/o/{bucket}/{key}` with all methods; 403, 4XX and 5XX become 403, 400 and 500, all else 200.
pub(crate) fn object_api() -> Value {
    json!({
        "swagger": "2.0",
        "info": { "title": "objects", "version": "1" },
        "basePath": format!("/{STAGE}"),
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "paths": { "/{bucket}": resource(&["bucket"]), "/{bucket}/{key}": resource(&["bucket", "key"]) },
    })
}

/// [`object_api`] with bodies repaired to UTF-8: a conversion that sends nothing before it has seen the body's end.
pub(crate) fn text_api() -> Value {
    let mut document = object_api();
    document["x-amazon-apigateway-binary-media-types"] = json!([]);
    document
}

fn resource(names: &[&str]) -> Value {
    let methods = ["get", "head", "put", "post", "delete"];
    methods
        .map(|method| (method.to_owned(), operation(method, names)))
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn operation(method: &str, names: &[&str]) -> Value {
    let parameters: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "type": "string" }))
        .collect();
    let mappings: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| {
            (
                format!("integration.request.path.{name}"),
                format!("method.request.path.{name}").into(),
            )
        })
        .collect();
    let path = names
        .iter()
        .map(|name| format!("/{{{name}}}"))
        .collect::<String>();
    json!({
        "parameters": parameters,
        "responses": { "200": {}, "400": {}, "403": {}, "500": {} },
        "x-amazon-apigateway-integration": {
            "type": "aws",
            "httpMethod": method.to_uppercase(),
            "uri": format!("arn:aws:apigateway:us-west-2:s3:path{path}"),
            "credentials": "arn:aws:iam::123456789012:role/storageRole",
            "requestParameters": mappings,
            "responses": {
                "default": { "statusCode": "200" },
                "403": { "statusCode": "403" },
                "4\\d[0-24-9]": { "statusCode": "400" },
                "5\\d{2}": { "statusCode": "500" },
            },
        },
    })
}

/// Calls `edit` with every integration of a document.
pub(crate) fn each_integration(document: &mut Value, edit: impl Fn(&mut Value)) {
    for resource in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in resource.as_object_mut().unwrap().values_mut() {
            edit(&mut operation["x-amazon-apigateway-integration"]);
        }
    }
}

/// The document, imported.
pub(crate) fn import_value(document: &Value) -> Table {
    table_of("objects.json", &document.to_string(), STAGE)
}

/// A gateway for a document in front of `store`; `change` edits the settings.
pub(crate) fn gateway_for(
    document: &Value,
    driver: DriverChoice,
    store: &Backend,
    change: impl FnOnce(&mut ServeSettings),
) -> Gateway {
    let mut settings = settings(import_value(document), &store.url());
    settings.io_driver = driver;
    change(&mut settings);
    Gateway::start(settings)
}

/// Settings for [`object_api`] in front of the store at `url`, to be changed by a test.
pub(crate) fn object_settings(driver: DriverChoice, url: &str) -> ServeSettings {
    ServeSettings {
        io_driver: driver,
        ..settings(import_value(&object_api()), url)
    }
}

/// A gateway for [`object_api`] with the usual settings.
pub(crate) fn object_gateway(driver: DriverChoice, store: &Backend) -> Gateway {
    gateway_for(&object_api(), driver, store, |_| {})
}
