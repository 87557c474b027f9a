//! Validated request bodies from client to store (spec 05, "Request validation").

use serde_json::Value;
use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::serve::access_log::AccessLog;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;

const API: &str = r##"{
  "swagger": "2.0",
  "info": { "title": "pets", "version": "1" },
  "x-amazon-apigateway-binary-media-types": ["image/png"],
  "x-amazon-apigateway-request-validators": {
    "all": { "validateRequestBody": true, "validateRequestParameters": true }
  },
  "x-amazon-apigateway-request-validator": "all",
  "x-amazon-apigateway-gateway-responses": {
    "BAD_REQUEST_BODY": {
      "responseTemplates": {
        "application/xml": "<why>$context.error.message $context.error.validationErrorString</why>",
        "application/json": "{\"message\": $context.error.messageString}"
      }
    }
  },
  "definitions": { "Pet": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } } },
  "paths": { "/pets": { "put": {
    "parameters": [
      { "in": "query", "name": "id", "required": true, "type": "string" },
      { "in": "body", "name": "pet", "schema": { "$ref": "#/definitions/Pet" } }
    ],
    "responses": { "200": { "description": "ok" } },
    "x-amazon-apigateway-integration": {
      "type": "aws", "httpMethod": "PUT", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
      "requestParameters": { "integration.request.path.key": "method.request.querystring.id" },
      "responses": { "default": { "statusCode": "200" } }
    }
  } } }
}"##;

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn store() -> Backend {
    Backend::answering(|_| response(200, &[], b""))
}

#[test]
fn a_body_that_fits_arrives_and_one_that_does_not_never_leaves() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = Gateway::on(driver, table_of("pets", API, "v1"), &store.url());
        let mut client = Client::connect(gateway.address);
        for (body, status) in [
            (&b"{\"name\":\"Rex\"}"[..], 200),
            (b"{\"name\":1}", 400),
            (b"{\"name\":", 400),
            (b"", 400),
            (b"{\"name\":\"Tom\"}", 200),
        ] {
            client.request("PUT", "/v1/pets?id=7", &JSON, body);
            let answer = client.response().unwrap();
            assert_eq!(answer.status(), status);
            if status == 400 {
                assert_eq!(answer.body, b"{\"message\": \"Invalid request body\"}");
                assert_eq!(
                    answer.field("x-amzn-ErrorType"),
                    Some("BadRequestException")
                );
            }
        }
        let bodies: Vec<Vec<u8>> = store
            .requests()
            .into_iter()
            .map(|request| request.body)
            .collect();
        assert_eq!(
            bodies,
            [
                b"{\"name\":\"Rex\"}".to_vec(),
                b"{\"name\":\"Tom\"}".to_vec()
            ]
        );
    });
}

#[test]
fn parameters_are_checked_before_the_body() {
    let store = store();
    let gateway = Gateway::start(settings(table_of("pets", API, "v1"), &store.url()));
    let answer = fetch(gateway.address, "PUT", "/v1/pets", &JSON, b"[]");
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.body,
        b"{\"message\": \"Missing required request parameters: [id]\"}"
    );
    assert!(store.requests().is_empty());
}

#[test]
fn what_does_not_fit_is_told_to_a_gateway_response_that_asks() {
    let store = store();
    let gateway = Gateway::start(settings(table_of("pets", API, "v1"), &store.url()));
    let fields = [
        ("Content-Type", "application/json"),
        ("Accept", "application/xml"),
    ];
    let answer = fetch(gateway.address, "PUT", "/v1/pets?id=7", &fields, b"{}");
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        "<why>Invalid request body [object has missing required properties ([\"name\"])]</why>"
    );
}

#[test]
fn a_body_without_a_model_for_its_type_streams_through() {
    let store = store();
    let gateway = Gateway::start(settings(table_of("pets", API, "v1"), &store.url()));
    let body = vec![0xff; 300_000];
    let fields = [("Content-Type", "image/png")];
    let answer = fetch(gateway.address, "PUT", "/v1/pets?id=7", &fields, &body);
    assert_eq!(answer.status(), 200);
    assert_eq!(crate::support::backend::stored(&store.requests()[0]), body);
}

#[test]
fn a_validated_body_over_the_limit_is_too_large() {
    let store = store();
    let gateway = Gateway::start(settings(table_of("pets", API, "v1"), &store.url()));
    let longest = 10 * 1024 * 1024;
    let padded = |bytes: usize| format!("{{\"name\":\"Rex\"}}{}", " ".repeat(bytes - 14));
    for (bytes, status) in [(longest, 200), (longest + 1, 413)] {
        let answer = fetch(
            gateway.address,
            "PUT",
            "/v1/pets?id=7",
            &JSON,
            padded(bytes).as_bytes(),
        );
        assert_eq!(answer.status(), status, "{bytes}");
    }
    assert_eq!(store.requests().len(), 1);
}

#[test]
fn the_access_log_tells_what_the_model_says() {
    let store = store();
    let mut settings = settings(table_of("pets", API, "v1"), &store.url());
    let format = r#"{"id":"$context.requestId","type":"$context.error.responseType","said":"$context.error.validationErrorString","message":$context.error.messageString}"#;
    let (log, batches) = AccessLog::new(AccessLogFormat::compile(format).unwrap());
    settings.access_log = Some(log);
    let gateway = Gateway::start(settings);
    let ask = |body: &[u8]| -> Value {
        fetch(gateway.address, "PUT", "/v1/pets?id=7", &JSON, body);
        let wait = std::time::Duration::from_secs(120);
        let line = batches.recv_timeout(wait).unwrap();
        serde_json::from_slice(&line)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&line)))
    };
    let refused = ask(b"{\"name\":1}");
    assert_eq!(refused["type"], "BAD_REQUEST_BODY");
    assert_eq!(refused["message"], "Invalid request body");
    let said = refused["said"].as_str().unwrap();
    assert!(
        said.contains("integer") && said.contains("string"),
        "{said}"
    );
}
