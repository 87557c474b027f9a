//! The vectors of spec 07, and what the limits hold back.

use std::borrow::Cow;
use std::fs;

use serde_json::{Map, Value};

use super::*;

fn pairs(map: Option<&Value>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let members = map.and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(name, value)| (name.as_str().into(), value.as_str().unwrap().into()))
        .collect()
}

/// Leaves by their dotted names, but the overrides.
fn leaves(
    prefix: &str,
    map: &Map<String, Value>,
    out: &mut Vec<(Cow<'_, str>, Option<Cow<'_, str>>)>,
) {
    for (name, value) in map {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(_) if name.ends_with("Override") => {}
            Value::Object(below) => leaves(&format!("{path}."), below, out),
            other => out.push((
                path.into(),
                other.as_str().map(|text| text.to_owned().into()),
            )),
        }
    }
}

fn input(vector: &Value) -> TemplateInput<'_> {
    let mut context = Vec::new();
    let mut overrides = Overrides::default();
    if let Some(members) = vector["context"].as_object() {
        leaves("", members, &mut context);
        for (name, slot) in [
            ("requestOverride", &mut overrides.request),
            ("responseOverride", &mut overrides.response),
        ] {
            if let Some(given) = members.get(name) {
                *slot = given.clone();
            }
        }
    }
    TemplateInput {
        body: vector["body"].as_str().unwrap_or_default().into(),
        parameters: Parameters {
            path: pairs(vector["params"].get("path")),
            querystring: pairs(vector["params"].get("querystring")),
            header: pairs(vector["params"].get("header")),
        },
        context,
        stage_variables: pairs(vector.get("stageVariables")),
        overrides,
    }
}

/// Every template as a program: those that stream give the same.
fn rendered(template: &str, input: &TemplateInput<'_>) -> Option<Rendered> {
    let program = crate::vtl::compile::compile(template).ok()?;
    render(&program, input).ok()
}

fn check(file: &str) {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let faults: Vec<String> = vectors.iter().filter_map(fault).collect();
    assert!(!vectors.is_empty());
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        vectors.len(),
        faults.join("\n")
    );
}

/// What is wrong with a vector's result.
fn fault(vector: &Value) -> Option<String> {
    let input = input(vector);
    let expect = &vector["expect"];
    let wanted = expect["output"].as_str();
    let got = rendered(vector["template"].as_str().unwrap(), &input);
    let same = match (&got, wanted) {
        (None, None) => true,
        (Some(got), Some(wanted)) if vector["compare"] == "json" => {
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            json(&got.output).is_some() && json(&got.output) == json(wanted)
        }
        (Some(got), Some(wanted)) => got.output == wanted,
        _ => false,
    };
    let contains = |whole: &Value, part: &Value| {
        let members = part.as_object().into_iter().flatten();
        members
            .clone()
            .all(|(name, value)| whole.get(name) == Some(value))
    };
    let overridden = got.as_ref().is_none_or(|got| {
        contains(&got.overrides.request, &expect["requestOverride"])
            && contains(&got.overrides.response, &expect["responseOverride"])
    });
    (!same || !overridden).then(|| {
        format!(
            "{}: {} gives {got:?}, wanted {expect}",
            vector["name"], vector["template"]
        )
    })
}

#[test]
fn every_vector_of_the_specification_holds() {
    check("vtl.json");
}
