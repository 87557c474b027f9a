//! The APIs that the tests serve.

use sluicegate::api::table::Table;

use super::gateway::table;
use super::gateway::table_of;

/// An API without authorization: `/o/{key}` is the object `b/key` under every method that S3 knows, its statuses passed
/// on; `PUT /typed/{key}` takes `text/x-typed` alone.
const OBJECTS: &str = r#"{
  "openapi": "3.0.1",
  "info": { "title": "objects", "version": "1" },
  "x-amazon-apigateway-binary-media-types": ["application/octet-stream"],
  "paths": {
    "/o/{key}": {
      "parameters": [{ "name": "key", "in": "path", "required": true, "schema": { "type": "string" } }],
      "get": METHOD(GET),
      "head": METHOD(HEAD),
      "put": METHOD(PUT),
      "delete": METHOD(DELETE)
    },
    "/typed/{key}": {
      "put": {
        "responses": { "200": { "description": "ok" } },
        "x-amazon-apigateway-integration": {
          "type": "aws",
          "httpMethod": "PUT",
          "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
          "credentials": "arn:aws:iam::123456789012:role/store",
          "passthroughBehavior": "never",
          "requestParameters": { "integration.request.path.key": "method.request.path.key" },
          "requestTemplates": { "text/x-typed": "$input.body" },
          "responses": { "default": { "statusCode": "200" } }
        }
      }
    }
  }
}"#;

/// One method of `/o/{key}`.
const METHOD: &str = r#"{
  "responses": {
    "200": { "description": "ok" }, "204": { "description": "empty" },
    "304": { "description": "unchanged" }, "404": { "description": "missing" }
  },
  "x-amazon-apigateway-integration": {
    "type": "aws",
    "httpMethod": "NAME",
    "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
    "credentials": "arn:aws:iam::123456789012:role/store",
    "passthroughBehavior": "when_no_match",
    "requestParameters": { "integration.request.path.key": "method.request.path.key" },
    "responses": {
      "204": { "statusCode": "204" },
      "304": { "statusCode": "304" },
      "404": { "statusCode": "404" },
      "default": {
        "statusCode": "200",
        "responseParameters": { "method.response.header.Content-Type": "integration.response.header.Content-Type" }
      }
    }
  }
}"#;

/// [`OBJECTS`] at stage `v1`.
pub(crate) fn objects() -> Table {
    let mut text = OBJECTS.to_owned();
    for name in ["GET", "HEAD", "PUT", "DELETE"] {
        text = text.replace(&format!("METHOD({name})"), &METHOD.replace("NAME", name));
    }
    table_of("objects", &text, "v1")
}

/// The image API at stage `v1`.
pub(crate) fn images() -> Table {
    table("tests/vectors/apis/image-api.swagger2.json", "v1")
}

/// The S3 proxy API at stage `S3`; its methods ask for AWS_IAM.
pub(crate) fn s3_proxy() -> Table {
    table("tests/vectors/apis/s3-proxy-api.swagger2.json", "S3")
}
