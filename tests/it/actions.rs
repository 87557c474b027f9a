//! The action form of S3 URIs: a JSON input or parameters become a signed request of S3's REST API.

use serde_json::Value;
use serde_json::json;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::table_of;

/// `POST /v1/{action}` for actions whose input is the body, `PUT /v1/put/{key}` whose body is the object.
fn document() -> Value {
    let integration = |action: &str, parameters: Value| {
        json!({
            "type": "aws", "httpMethod": "POST",
            "uri": format!("arn:aws:apigateway:us-west-2:s3:action/{action}"),
            "credentials": "arn:aws:iam::123456789012:role/store",
            "requestParameters": parameters,
            "responses": { "default": { "statusCode": "200", "responseParameters": {
                "method.response.header.ETag": "integration.response.header.ETag",
            } } },
        })
    };
    let operation = |integration| {
        json!({
            "responses": { "200": { "headers": { "ETag": { "type": "string" } } } },
            "x-amazon-apigateway-integration": integration,
        })
    };
    let mut paths = serde_json::Map::new();
    for action in ["GetObject", "HeadObject", "PutObject", "DeleteBucket"] {
        let post = operation(integration(action, json!({})));
        paths.insert(format!("/{action}"), json!({ "post": post }));
    }
    let mut put = operation(integration(
        "PutObject&Bucket=photos",
        json!({ "integration.request.querystring.Key": "method.request.path.key" }),
    ));
    put["parameters"] =
        json!([{ "name": "key", "in": "path", "required": true, "type": "string" }]);
    paths.insert("/put/{key}".to_owned(), json!({ "put": put }));
    json!({ "swagger": "2.0", "info": { "title": "actions", "version": "1" }, "paths": paths })
}

fn started(driver: DriverChoice) -> (Gateway, Backend) {
    let store = Backend::answering(|request| match request.start.split(' ').next() {
        Some("HEAD") => b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 5\r\n\r\n".to_vec(),
        _ => response(200, &[("ETag", "\"e\"")], b"store"),
    });
    let table = table_of("actions.json", &document().to_string(), "v1");
    let gateway = Gateway::on(driver, table, &store.url());
    (gateway, store)
}

#[test]
fn a_json_input_becomes_a_signed_request() {
    on_each_driver(|driver| {
        let (gateway, store) = started(driver);
        let mut client = Client::connect(gateway.address);
        let cases = [
            ("GetObject", "GET /b/k%20%2B/x", &b"store"[..]),
            ("HeadObject", "HEAD /b/k%20%2B/x", b""),
            ("PutObject", "PUT /b/k%20%2B/x", b"store"),
            ("DeleteBucket", "DELETE /b", b"store"),
        ];
        for (action, _, body) in cases {
            let input = br#"{"Bucket": "b", "Key": "k +/x", "Body": "text", "acl": "1"}"#;
            client.request("POST", &format!("/v1/{action}"), &[], input);
            let answer = client.response().unwrap();
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (200, body),
                "{action}"
            );
            assert_eq!(answer.field("ETag"), Some("\"e\""), "{action}");
        }
        let seen = store.requests();
        for ((action, line, _), request) in cases.iter().zip(&seen) {
            assert_eq!(request.start, format!("{line} HTTP/1.1"), "{action}");
            let authorization = request.field("authorization").unwrap();
            assert!(
                authorization.contains("/s3/aws4_request"),
                "{authorization}"
            );
            let body: &[u8] = if *action == "PutObject" { b"text" } else { b"" };
            assert_eq!(request.body, body, "{action}");
        }
    });
}

#[test]
fn an_object_is_stored_as_it_came() {
    on_each_driver(|driver| {
        let (gateway, store) = started(driver);
        let object = vec![b'o'; 300_000];
        let answer = fetch(gateway.address, "PUT", "/v1/put/a%2Fb", &[], &object);
        assert_eq!(answer.status(), 200);
        let request = &store.requests()[0];
        assert_eq!(request.start, "PUT /photos/a/b HTTP/1.1");
        assert_eq!(stored(request), object);
    });
}

#[test]
fn an_input_that_is_none_reaches_nobody() {
    on_each_driver(|driver| {
        let (gateway, store) = started(driver);
        let post = |body: &[u8]| fetch(gateway.address, "POST", "/v1/GetObject", &[], body);
        let answer = post(b"{\"Bucket\": ");
        assert_eq!(answer.status(), 400);
        assert_eq!(
            answer.body,
            br#"{"message": "Invalid JSON in request body"}"#
        );
        assert_eq!(post(b"{\"Bucket\": \"b\"}").status(), 500);
        assert_eq!(
            post(b"{\"Bucket\": \"b\", \"Key\": \"../c/k\"}").status(),
            400
        );
        assert_eq!(store.connections(), 0);
    });
}
