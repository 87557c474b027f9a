use serde_json::{Value as Json, json};

use super::*;
use crate::api::openapi::model_schema::{CHAIN_SCHEMAS_MAX, MET_SCHEMAS_MAX, SCHEMAS_MAX};

/// A document whose one method takes that body parameter's schema; lines are those of pretty JSON.
fn with_body(schema: &Json, definitions: &Json, validates: bool) -> String {
    let document = json!({
        "swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1",
        "x-amazon-apigateway-request-validators": {"v": {"validateRequestBody": validates}},
        "x-amazon-apigateway-request-validator": "v",
        "definitions": definitions,
        "paths": {"/a": {"put": {
            "parameters": [{"in": "body", "name": "b", "schema": schema}],
            "responses": {"200": {}},
            "x-amazon-apigateway-integration": {
                "type": "aws", "httpMethod": "PUT", "uri": "arn:aws:apigateway:us-west-2:s3:path/b",
                "responses": {"default": {"statusCode": 200}}},
        }}},
    });
    serde_json::to_string_pretty(&document).unwrap()
}

/// Whether a JSON body fits the method's model.
fn fits(text: &str, body: &str) -> bool {
    let table = imported(text).table;
    let models = method(&table, "PUT", "/a").request_models.clone().unwrap();
    let model = models.of_type(Some(b"application/json")).unwrap();
    model.validate(body.as_bytes()).is_ok()
}

/// What refuses a document, without what is only noted beside it.
fn errors(text: &str) -> Vec<Finding> {
    let mut found = faults(text);
    found.retain(|finding| finding.severity == Severity::Error);
    found
}

fn pointers(found: &[Finding], severity: Severity) -> Vec<String> {
    let of = found.iter().filter(|finding| finding.severity == severity);
    of.map(|finding| finding.pointer.clone()).collect()
}

#[test]
fn references_of_every_form_lead_to_the_model() {
    let definitions = json!({
        "Pet": {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/definitions/a~1b/properties/n"}}},
        "a/b": {"properties": {"n": {"type": "string"}}},
        "id": {"id": "urn:elsewhere", "$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/Pet"},
    });
    for reference in [
        "#/definitions/Pet",
        "https://apigateway.amazonaws.com/restapis/abc123/models/Pet",
        "#/definitions/id",
        "#/paths/~1a/put/x-model",
    ] {
        let mut text = with_body(&json!({"$ref": reference}), &definitions, true);
        text = text.replacen(
            "\"put\": {",
            "\"put\": {\"x-model\": {\"$ref\": \"#/definitions/Pet\"},",
            1,
        );
        assert!(fits(&text, "{\"name\":\"x\"}"), "{reference}");
        for bad in ["{}", "", "[]", "{\"name\":1}"] {
            assert!(!fits(&text, bad), "{reference} {bad}");
        }
    }
}

#[test]
fn circular_references_are_legal() {
    let definitions = json!({
        "A": {"type": "object", "properties": {"b": {"$ref": "#/definitions/B"}}},
        "B": {"type": "array", "items": {"$ref": "#/definitions/A"}},
    });
    let text = with_body(&json!({"$ref": "#/definitions/A"}), &definitions, true);
    assert!(fits(&text, r#"{"b":[{"b":[]},{}]}"#));
    assert!(!fits(&text, r#"{"b":[{"b":[1]}]}"#));
}

#[test]
fn empty_and_error_are_in_every_api_and_can_be_redefined() {
    let by = |name: &str, definitions: Json| {
        with_body(
            &json!({"$ref": format!("#/definitions/{name}")}),
            &definitions,
            true,
        )
    };
    assert!(fits(&by("Empty", json!({})), r#"{"a":1}"#) && !fits(&by("Empty", json!({})), "1"));
    assert!(
        fits(&by("Error", json!({})), r#"{"message":"m"}"#)
            && !fits(&by("Error", json!({})), r#"{"message":1}"#)
    );
    assert!(fits(
        &by("Empty", json!({"Empty": {"type": "integer"}})),
        "1"
    ));
}

#[test]
fn what_aws_does_not_enforce_is_not_enforced() {
    let schema = json!({
        "type": "array", "minItems": 3, "maxItems": 3,
        "items": {"format": "date", "minimum": 2, "exclusiveMinimum": true, "type": ["integer", "string"]},
    });
    let text = with_body(&schema, &json!({}), true);
    assert!(fits(&text, "[2]") && fits(&text, "[2,2,2,2,\"no date\"]"));
    assert!(!fits(&text, "[1]"));
}

#[test]
fn a_property_may_have_the_name_of_a_keyword() {
    let schema = json!({"properties": {"$ref": {"type": "string"}, "format": {"type": "string"}, "id": {"type": "string"}}, "enum": [{"format": 1}, {"id": "x"}, {"$ref": "x"}]});
    let text = with_body(&schema, &json!({}), true);
    assert!(fits(&text, r#"{"id":"x"}"#) && fits(&text, r#"{"$ref":"x"}"#));
    assert!(!fits(&text, r#"{"format":1}"#));
}

#[test]
fn bad_schemas_are_faults_at_their_place() {
    let definitions =
        json!({"Bad": {"properties": {"x": {"type": "strin"}, "y/z": {"pattern": "(?=a)"}}}});
    let schema =
        json!({"properties": {"q": {"$ref": "#/definitions/Bad"}, "r": {"required": true}}});
    let found = errors(&with_body(&schema, &definitions, true));
    assert_eq!(
        pointers(&found, Severity::Error),
        [
            "/definitions/Bad/properties/x/type",
            "/paths/~1a/put/parameters/0/schema/properties/r/required"
        ]
    );
    assert!(
        found
            .iter()
            .all(|finding| finding.line > 1 && finding.message.starts_with("Invalid model: "))
    );
    // nobody validates: API Gateway would refuse it all the same
    let text = with_body(&schema, &definitions, false);
    assert_eq!(
        pointers(&imported(&text).warnings, Severity::Warning).len(),
        2
    );
    let strict = ImportOptions {
        strictness: Strictness::Strict,
        ..ImportOptions::default()
    };
    assert!(import("api", &text, &strict).is_err());
    let look_around = json!({"properties": {"p": {"pattern": "a(?!b)"}}});
    let found = faults(&with_body(&look_around, &json!({}), true));
    assert_eq!(pointers(&found, Severity::Error).len(), 1, "{found:#?}");
}

#[test]
fn a_model_that_does_not_resolve_is_a_warning_and_lets_everything_through() {
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/definitions/Nope"}}});
    let text = with_body(&schema, &json!({}), true);
    let warnings = imported(&text).warnings;
    assert_eq!(
        pointers(&warnings, Severity::Warning),
        ["/paths/~1a/put/parameters/0/schema/properties/a/$ref"]
    );
    assert!(fits(&text, r#"{"a":1}"#) && !fits(&text, "1"));
    let whole = with_body(&json!({"$ref": "#/definitions/Nope"}), &json!({}), true);
    assert!(fits(&whole, "1"));
}

#[test]
fn chains_of_schemas_have_limits() {
    let nested = |levels: usize| {
        let inner = json!({"type": "object"});
        (1..levels).fold(inner, |schema, _| json!({"allOf": [schema]}))
    };
    assert!(fits(
        &with_body(&nested(CHAIN_SCHEMAS_MAX), &json!({}), true),
        "{}"
    ));
    assert_eq!(
        errors(&with_body(&nested(CHAIN_SCHEMAS_MAX + 1), &json!({}), true)).len(),
        1
    );
    // an alternative for each of many types is common; a doubling at each step is not
    let wide = |count: usize| json!({"anyOf": vec![json!({"type": "object"}); count]});
    assert!(fits(
        &with_body(&wide(MET_SCHEMAS_MAX - 1), &json!({}), true),
        "{}"
    ));
    assert_eq!(
        errors(&with_body(&wide(MET_SCHEMAS_MAX), &json!({}), true)).len(),
        1
    );
    let doubling: serde_json::Map<String, Json> = (0..20)
        .map(|n| {
            let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
            (format!("d{n}"), json!({"allOf": [next, next]}))
        })
        .chain([("d20".to_owned(), json!({}))])
        .collect();
    let text = with_body(
        &json!({"$ref": "#/definitions/d0"}),
        &Json::Object(doubling),
        true,
    );
    assert_eq!(errors(&text).len(), 1);
}

#[test]
fn a_schema_that_refers_to_itself_for_the_same_value_is_a_fault() {
    for (definitions, faulty) in [
        (json!({"A": {"allOf": [{"$ref": "#/definitions/A"}]}}), true),
        (
            json!({"A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}}),
            true,
        ),
        (
            json!({"A": {"not": {"anyOf": [{"items": {"$ref": "#/definitions/A"}}]}}}),
            false,
        ),
    ] {
        let text = with_body(&json!({"$ref": "#/definitions/A"}), &definitions, true);
        assert_eq!(
            import("api", &text, &ImportOptions::default()).is_err(),
            faulty,
            "{definitions}"
        );
    }
}

#[test]
fn a_model_has_a_largest_size() {
    let with = |count: usize| {
        let members = (0..count).map(|n| (format!("p{n}"), json!({})));
        let schema = json!({"properties": Json::Object(members.collect())});
        with_body(&schema, &json!({}), true)
    };
    imported(&with(SCHEMAS_MAX - 1));
    let found = errors(&with(SCHEMAS_MAX));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("more than 20000 schemas"));
}

#[test]
fn media_types_are_those_that_are_consumed() {
    let text = with_body(&json!({"type": "object"}), &json!({}), true);
    let keys = |text: &str| {
        let table = imported(text).table;
        let models = method(&table, "PUT", "/a").request_models.clone().unwrap();
        let keys: Vec<String> = models
            .by_media_type
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        keys
    };
    assert_eq!(keys(&text), ["application/json"]);
    let root = text.replacen('{', "{\"consumes\": [\"application/xml\"],", 1);
    assert_eq!(keys(&root), ["application/xml"]);
    let own = root.replacen(
        "\"put\": {",
        "\"put\": {\"consumes\": [\"a/b\", \"c/d\"],",
        1,
    );
    assert_eq!(keys(&own), ["a/b", "c/d"]);
}

#[test]
fn openapi_3_has_a_model_for_each_media_type_of_the_request_body() {
    let text = r##"{"openapi": "3.0.1", "info": {"title": "t"}, "servers": [{"url": "/v1"}],
"x-amazon-apigateway-request-validators": {"v": {"validateRequestBody": true}},
"components": {"schemas": {"P": {"type": "object"}}, "requestBodies": {"B": {"content": {
 "application/json": {"schema": {"$ref": "#/components/schemas/P"}}, "text/x": {"schema": {"type": "integer"}}, "text/none": {}}}}},
"paths": {"/a": {"put": {"x-amazon-apigateway-request-validator": "v", "requestBody": {"$ref": "#/components/requestBodies/B"},
 "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "PUT", "uri": "arn:aws:apigateway:us-west-2:s3:path/b",
 "responses": {"default": {"statusCode": 200}}}}}}}"##;
    let table = imported(text).table;
    let models = method(&table, "PUT", "/a").request_models.clone().unwrap();
    let fits = |content_type: &str, body: &str| {
        let model = models.of_type(Some(content_type.as_bytes()));
        model.map(|model| model.validate(body.as_bytes()).is_ok())
    };
    assert_eq!(fits("application/json", "{}"), Some(true));
    assert_eq!(fits("application/json", "1"), Some(false));
    assert_eq!(fits("text/x", "1"), Some(true));
    assert_eq!(fits("text/none", "1"), None);
}

#[test]
fn without_body_validation_bodies_are_not_looked_at() {
    let table = imported(&with_body(&json!({"type": "object"}), &json!({}), false)).table;
    assert!(method(&table, "PUT", "/a").request_models.is_none());
}
