//! `tests/vectors/e2e.json`: the two seed APIs, request by request, against a scripted store.

use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table;
use crate::support::message::Message;

const VECTORS: &str = include_str!("../vectors/e2e.json");

#[test]
fn every_vector_over_sockets() {
    on_each_driver(run_all);
}

fn run_all(driver: DriverChoice) {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = document["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 27);
    for vector in vectors {
        run(vector, driver);
    }
}

fn run(vector: &Value, driver: DriverChoice) {
    let name = vector["name"].as_str().unwrap();
    let script = Arc::new(Mutex::new(scripted(&vector["backend_response"])));
    let answer = Arc::clone(&script);
    let backend = Backend::answering(move |_request| answer.lock().unwrap().clone());
    let path = format!("tests/vectors/{}", vector["api"].as_str().unwrap());
    let mut settings = settings(
        table(&path, vector["stage"].as_str().unwrap()),
        &backend.url(),
    );
    settings.io_driver = driver;
    let gateway = Gateway::start(settings);

    let asked = &vector["request"];
    let fields = fields(&asked["headers"]);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let method = asked["method"].as_str().unwrap();
    let answer = fetch(
        gateway.address,
        method,
        asked["target"].as_str().unwrap(),
        &fields,
        &bytes(&asked["body_base64"]),
    );

    check_backend_request(name, &vector["backend_request"], &backend.requests());
    let expected = &vector["response"];
    assert_eq!(
        u64::from(answer.status()),
        expected["status"].as_u64().unwrap(),
        "{name}"
    );
    check_fields(name, expected, &answer);
    if method != "HEAD" {
        assert_eq!(
            answer.body,
            bytes(&expected["body_base64"]),
            "{name}: {:?}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    assert!(answer.field("x-amzn-RequestId").is_some(), "{name}");
    assert!(answer.field("x-amz-apigw-id").is_some(), "{name}");
}

fn check_backend_request(name: &str, expected: &Value, seen: &[Message]) {
    if expected.is_null() {
        assert!(
            seen.is_empty(),
            "{name}: the store must not be asked, but was: {seen:?}"
        );
        return;
    }
    assert_eq!(seen.len(), 1, "{name}: {seen:?}");
    let request = &seen[0];
    let (path, query) = request
        .second_word()
        .split_once('?')
        .unwrap_or_else(|| (request.second_word(), ""));
    assert!(
        request
            .start
            .starts_with(expected["method"].as_str().unwrap()),
        "{name}: {}",
        request.start
    );
    assert_eq!(path, expected["path"].as_str().unwrap(), "{name}");
    assert_eq!(query, expected["query"].as_str().unwrap(), "{name}");
    check_fields(name, expected, request);
    assert_eq!(stored(request), bytes(&expected["body_base64"]), "{name}");
    let authorization = request.field("authorization").unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"),
        "{name}: {authorization}"
    );
}

fn check_fields(name: &str, expected: &Value, message: &Message) {
    for (field, value) in fields(&expected["headers"]) {
        assert_eq!(
            message.field(&field),
            Some(value.as_str()),
            "{name}: {field} of {message:?}"
        );
    }
    for field in expected["headers_absent"].as_array().unwrap() {
        let field = field.as_str().unwrap();
        assert_eq!(message.field(field), None, "{name}: {field}");
    }
}

fn scripted(answer: &Value) -> Vec<u8> {
    if answer.is_null() {
        return response(599, &[], b"");
    }
    let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
    let fields = fields(&answer["headers"]);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    response(status, &fields, &bytes(&answer["body_base64"]))
}

fn fields(object: &Value) -> Vec<(String, String)> {
    let entries = object.as_object().unwrap().iter();
    entries
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn bytes(base64: &Value) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(base64.as_str().unwrap())
        .unwrap()
}
