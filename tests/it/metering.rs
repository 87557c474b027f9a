//! API keys over sockets (spec 09, "API keys").

use std::sync::Arc;

use sluicegate::api::table::Table;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::metering::Metering;
use sluicegate::pipeline::metering::api_keys::ApiKey;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::message::Message;

const KEY: (&str, &str) = ("x-api-key", "0123456789abcdefghij");
const FORBIDDEN: &str = "403 ForbiddenException {\"message\":\"Forbidden\"}";

/// `/k/{key}` asks for a key, `/s/{key}` for a signature and a key, `/o/{key}` for nothing; each is the object `b/key`.
fn keyed() -> Table {
    const METHOD: &str = r#"{
      ACCESS
      "responses": { "200": { "description": "ok" } },
      "x-amazon-apigateway-integration": {
        "type": "aws", "httpMethod": "ANY", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
        "credentials": "arn:aws:iam::123456789012:role/store", "passthroughBehavior": "when_no_match",
        "requestParameters": {
          "integration.request.path.key": "method.request.path.key",
          "integration.request.header.x-key-id": "context.identity.apiKeyId"
        },
        "responses": { "default": { "statusCode": "200" } }
      }
    }"#;
    let path = |name: &str, access: &str| {
        let method = METHOD.replace("ACCESS", access);
        format!(
            r#""/{name}/{{key}}": {{
            "parameters": [{{"name": "key", "in": "path", "required": true, "schema": {{"type": "string"}}}}],
            "x-amazon-apigateway-any-method": {method}}}"#
        )
    };
    let key = r#""security": [{"api_key": []}],"#;
    let text = format!(
        r#"{{"openapi": "3.0.1", "info": {{"title": "keyed", "version": "1"}},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "components": {{"securitySchemes": {{"api_key": {{"type": "apiKey", "name": "x-api-key", "in": "header"}}}}}},
        "paths": {{{}, {}, {}}}}}"#,
        path("k", key),
        path(
            "s",
            &format!(r#"{key} "x-amazon-apigateway-auth": {{ "type": "AWS_IAM" }},"#)
        ),
        path("o", ""),
    );
    table_of("keyed", &text, "v1")
}

fn metering() -> Metering {
    let mut metering = Metering::default();
    for (id, value) in [("partner", KEY.1), ("former", "disabled-disabled-disabled")] {
        let key = ApiKey {
            id: id.to_owned(),
            enabled: id == "partner",
        };
        metering.api_keys.add(key, value).unwrap();
    }
    metering
}

fn metered(driver: DriverChoice, store: &Backend, metering: Metering) -> ServeSettings {
    ServeSettings {
        io_driver: driver,
        ignore_authorizers: false,
        metering: Arc::new(metering),
        ..settings(keyed(), &store.url())
    }
}

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

/// `200`, or status, error type and body.
fn told(answer: &Message) -> String {
    let status = answer.status();
    if status == 200 {
        return "200".to_owned();
    }
    let error_type = answer.field("x-amzn-errortype").unwrap();
    format!(
        "{status} {error_type} {}",
        String::from_utf8_lossy(&answer.body)
    )
}

#[test]
fn a_key_opens_its_methods_and_the_store_sees_its_id_alone() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(metered(driver, &store, metering()));
        let ask = |target, fields: &[(&str, &str)]| {
            told(&fetch(gateway.address, "GET", target, fields, b""))
        };
        for refused in ["disabled-disabled-disabled", "", "0123456789abcdefghi"] {
            assert_eq!(ask("/v1/k/a", &[("x-api-key", refused)]), FORBIDDEN);
        }
        assert_eq!(ask("/v1/k/a", &[]), FORBIDDEN);
        assert_eq!(store.requests().len(), 0);
        assert_eq!(ask("/v1/k/a", &[KEY]), "200");
        assert_eq!(ask("/v1/o/a", &[KEY]), "200");
        let requests = store.requests();
        assert_eq!(requests[0].field("x-key-id"), Some("partner"));
        assert_eq!(requests[1].field("x-key-id"), None);
        for request in requests {
            assert!(!format!("{request:?}").contains(KEY.1), "{request:?}");
        }
    });
}

#[test]
fn the_signature_is_asked_for_before_the_key_and_the_key_before_the_body() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(metered(driver, &store, metering()));
        let unsigned = fetch(gateway.address, "GET", "/v1/s/a", &[], b"");
        assert!(told(&unsigned).starts_with("403 MissingAuthenticationTokenException "));

        let mut client = Client::connect(gateway.address);
        let too_large = "PUT /v1/k/a HTTP/1.1\r\nHost: g\r\nContent-Length: 10485761\r\n";
        let refused = client.exchange(format!("{too_large}\r\n"));
        assert_eq!(told(&refused), FORBIDDEN);
        let mut client = Client::connect(gateway.address);
        let refused = client.exchange(format!("{too_large}x-api-key: {}\r\n\r\n", KEY.1));
        assert_eq!(refused.status(), 413);
        assert_eq!(store.requests().len(), 0);
    });
}

#[test]
fn ignored_authorizers_ask_for_no_key() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(ServeSettings {
            ignore_authorizers: true,
            ..metered(driver, &store, Metering::default())
        });
        for target in ["/v1/k/a", "/v1/s/a"] {
            assert_eq!(
                told(&fetch(gateway.address, "GET", target, &[], b"")),
                "200"
            );
        }
    });
}
