use std::thread;

use super::*;
use crate::vtl::bounded_json::VALUES_MAX;

/// The stack that a core has (`serve/server.rs`).
const CORE_STACK_BYTES: usize = 8 * 1024 * 1024;
/// The chain that an import lets through (`api/openapi/model_schema.rs`).
const CHAIN_SCHEMAS_MAX: usize = 24;

/// The schema as `api/openapi/model_schema.rs` makes it.
fn model(mut schema: Value) -> RequestModel {
    schema["$schema"] = json!("http://json-schema.org/draft-04/schema#");
    RequestModel::compile(&schema).unwrap()
}

fn said(schema: Value, body: &str) -> String {
    model(schema).validate(body.as_bytes()).unwrap_err()
}

#[test]
fn draft_4_decides_what_fits() {
    let node = json!({"definitions": {"node": {
        "type": "object", "required": ["v"],
        "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/definitions/node"}}}},
        "$ref": "#/definitions/node"});
    let table = [
        (
            json!({"type": "integer"}),
            vec!["1", "-1"],
            vec!["1.0", "1.5", "\"1\"", "null"],
        ),
        (
            json!({"type": ["string", "null"]}),
            vec!["null", "\"a\""],
            vec!["1", ""],
        ),
        (
            json!({"maximum": 3, "exclusiveMaximum": true}),
            vec!["2.9", "\"9\""],
            vec!["3"],
        ),
        (
            json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            vec!["{\"a\":1}"],
            vec!["{}", "", "{\"a\":1,\"b\":2}"],
        ),
        (
            json!({"items": {"enum": [1, "x", null]}}),
            vec!["[1.0,\"x\",null]", "[]"],
            vec!["[2]"],
        ),
        (
            json!({"pattern": "^[0-9]{2}$"}),
            vec!["\"12\""],
            vec!["\"123\"", "\"1a\""],
        ),
        (
            json!({"dependencies": {"a": ["b"]}}),
            vec!["{\"b\":1}", "{\"a\":1,\"b\":1}"],
            vec!["{\"a\":1}"],
        ),
        (
            json!({"uniqueItems": true}),
            vec!["[1,\"1\",[1],{\"a\":1}]"],
            vec![
                "[1,1.0]",
                "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]",
                "[0,-0.0]",
            ],
        ),
        (
            node,
            vec!["{\"v\":1,\"next\":{\"v\":2}}"],
            vec![
                "{\"v\":1,\"next\":{}}",
                "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":true}}}",
            ],
        ),
    ];
    for (schema, fit, unfit) in table {
        let model = model(schema.clone());
        for body in fit {
            assert_eq!(model.validate(body.as_bytes()), Ok(()), "{schema} {body}");
        }
        for body in unfit {
            assert!(model.validate(body.as_bytes()).is_err(), "{schema} {body}");
        }
    }
}

#[test]
fn lengths_count_characters() {
    let model = model(json!({"minLength": 2}));
    let fits = |body: &str| model.validate(body.as_bytes()).is_ok();
    assert!(fits("\"\u{1f600}\u{1f600}\"") && !fits("\"\u{1f600}\""));
}

#[test]
fn an_empty_body_is_an_empty_object() {
    let model = model(json!({"type": "object", "maxProperties": 0}));
    for body in ["", " \n", "{}"] {
        assert_eq!(model.validate(body.as_bytes()), Ok(()), "{body:?}");
    }
    assert!(model.validate(b"{\"a\":1}").is_err());
}

#[test]
fn the_text_says_what_does_not_fit_and_where() {
    let wrong_type = "[instance type (string) does not match any allowed primitive type (allowed: [\"object\"])]";
    assert_eq!(said(json!({"type": "object"}), "\"a\""), wrong_type);
    assert_eq!(
        said(
            json!({"required": ["a"], "properties": {"b": {"enum": [1]}}}),
            "{\"b\":2}"
        ),
        "[object has missing required properties ([\"a\"]), instance value (2) not found in enum (possible values: [1]) (at /b)]"
    );
    assert_eq!(
        said(
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            "{\"x\":2}"
        ),
        "[object instance has properties which are not allowed by the schema: [\"x\"]]"
    );
    for body in ["{", "nope", "{} {}"] {
        assert!(said(json!({}), body).contains("not JSON"), "{body}");
    }
    assert_eq!(
        model(json!({})).validate(b"\"\xff\"").unwrap_err(),
        "[the body is not UTF-8]"
    );
}

#[test]
fn the_text_stays_short_whatever_the_body() {
    let schema = json!({"items": {"type": "integer"}, "additionalProperties": {"type": "integer"}});
    let long = "x".repeat(100_000);
    let list = format!("[{}\"{long}\"]", format!("\"{long}\",").repeat(50));
    let map = format!("{{\"{long}\":\"{long}\"}}");
    for body in [list, map] {
        let said = said(schema.clone(), &body);
        assert!(said.len() < 4_000, "{}", said.len());
    }
}

#[test]
fn schemas_that_are_none_are_told_with_their_place() {
    let faults = |mut schema: Value| {
        schema["$schema"] = json!("http://json-schema.org/draft-04/schema#");
        let faults = RequestModel::compile(&schema).unwrap_err();
        let pointers: Vec<String> = faults.into_iter().map(|fault| fault.pointer).collect();
        pointers
    };
    let several = json!({"properties": {"a": {"type": "strin"}, "b": {"required": true}, "c": {"pattern": "(a"}}});
    let mut found = faults(several);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/properties/a/type",
            "/properties/b/required",
            "/properties/c/pattern"
        ]
    );
    assert_eq!(faults(json!({"items": {"pattern": "(?=a)b"}})).len(), 1);
    assert_eq!(faults(json!({"pattern": "(a)\\1"})).len(), 1);
    assert_eq!(faults(json!({"pattern": "(a{1000}){1000}"})).len(), 1);
}

#[test]
fn steps_end_a_comparison_at_their_count() {
    let model = model(json!({"items": {"type": "integer", "minimum": 0}}));
    let body = b"[1,2,3,4,5,6,7,8,9]";
    let enough = (1..1_000)
        .find(|&steps| model.validate_within(body, steps).is_ok())
        .unwrap();
    assert!(enough > 9);
    let said = model.validate_within(body, enough - 1).unwrap_err();
    assert!(said.contains("more than"), "{said}");
}

#[test]
fn values_are_counted_before_they_are_compared() {
    let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    let model = model(json!({"type": "array"}));
    assert_eq!(model.validate(list(VALUES_MAX - 1).as_bytes()), Ok(()));
    let said = model.validate(list(VALUES_MAX).as_bytes()).unwrap_err();
    assert!(said.contains("more than 200000 values"), "{said}");
}

/// Two ways at each level that both look all the way down: without a memory of what was seen, 2^126 looks.
#[test]
fn a_body_cannot_make_alternatives_multiply() {
    let way = |name: &str| json!({"type": "object", "required": ["a", name], "properties": {"a": {"$ref": "#/definitions/n"}}});
    let schema = json!({"definitions": {"n": {"anyOf": [way("b"), way("c"), way("d"), {"type": "null"}]}},
        "$ref": "#/definitions/n"});
    let body = format!(
        "{}1{}",
        "{\"b\":0,\"c\":0,\"d\":0,\"a\":".repeat(120),
        "}".repeat(120)
    );
    let outcome = model(schema).validate_within(body.as_bytes(), 1_000_000);
    let said = outcome.unwrap_err();
    assert!(!said.contains("more than"), "{said}");
}

#[test]
fn the_deepest_body_against_the_longest_chain_fits_on_a_core() {
    let mut chain = json!({"properties": {"a": {"$ref": "#"}}});
    for _ in 1..CHAIN_SCHEMAS_MAX {
        chain = json!({"allOf": [chain]});
    }
    let bodies =
        ["{}", "1"].map(|inner| format!("{}{inner}{}", "{\"a\":".repeat(126), "}".repeat(126)));
    let thread = thread::Builder::new()
        .stack_size(CORE_STACK_BYTES)
        .spawn(move || {
            let mut strict = chain.clone();
            strict["type"] = json!("object");
            let (lenient, strict) = (model(chain), model(strict));
            for body in &bodies {
                assert_eq!(lenient.validate(body.as_bytes()), Ok(()));
            }
            assert!(strict.validate(bodies[1].as_bytes()).is_err());
        });
    thread.unwrap().join().unwrap();
}

#[test]
fn no_choice_of_numbers_or_text_makes_a_comparison_slow() {
    // Within one double of one another: a hash of doubles would put them all in one place.
    let numbers: Vec<String> = (0..50_000u64).map(|n| (u64::MAX - n).to_string()).collect();
    let unique = model(json!({"uniqueItems": true}));
    assert_eq!(
        unique.validate(format!("[{}]", numbers.join(",")).as_bytes()),
        Ok(())
    );
    let backtracking = model(json!({"pattern": "^(a+)+$"}));
    let body = format!("\"{}!\"", "a".repeat(1_000_000));
    assert!(backtracking.validate(body.as_bytes()).is_err());
}

#[test]
fn a_model_is_chosen_by_the_media_type() {
    let models = |keys: &[&str]| RequestModels {
        by_media_type: keys
            .iter()
            .map(|key| {
                let only = json!({"enum": [key]});
                ((*key).to_owned(), Arc::new(model(only)))
            })
            .collect(),
        empty: Arc::new(RequestModel::empty().unwrap()),
    };
    let chosen = |keys: &[&str], content_type: Option<&str>| {
        let models = models(keys);
        let model = models.of_type(content_type.map(str::as_bytes))?;
        let fits = |body: &str| model.validate(body.as_bytes()).is_ok();
        let key = keys.iter().find(|key| fits(&json!(key).to_string()));
        Some(key.map_or_else(|| "Empty".to_owned(), |key| (*key).to_owned()))
    };
    let both = &["application/json", "application/xml; charset=utf-8"];
    assert_eq!(chosen(both, None).unwrap(), both[0]);
    assert_eq!(chosen(both, Some("")).unwrap(), both[0]);
    assert_eq!(
        chosen(both, Some("Application/JSON;charset=utf-8")).unwrap(),
        both[0]
    );
    assert_eq!(chosen(both, Some("application/xml")).unwrap(), both[1]);
    assert_eq!(chosen(both, Some("image/png")), None);
    assert_eq!(
        chosen(&["a/b", "$default"], Some("image/png")).unwrap(),
        "$default"
    );
    assert_eq!(chosen(&["a/b", "*/*"], None).unwrap(), "*/*");
    assert_eq!(chosen(&["a/b"], None).unwrap(), "Empty");
    assert_eq!(chosen(&[], Some("application/json")).unwrap(), "Empty");
    assert_eq!(chosen(&[], Some("text/plain")), None);
}
