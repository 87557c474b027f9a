//! Renders templates for the differential run: rows of JSON in, rows of JSON out (see `README.md` beside this file).

use std::borrow::Cow;
use std::io;
use std::io::Read;

use serde_json::{Map, Value, json};
use sluicegate::vtl::render::{Overrides, Parameters, TemplateInput};
use sluicegate::vtl::template::{EMPTY_BODY, Template};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let rows: Vec<Value> = serde_json::from_str(&text)?;
    let rendered: Vec<Value> = rows.iter().map(render).collect();
    println!("{}", Value::from(rendered));
    Ok(())
}

fn render(row: &Value) -> Value {
    let template = row["template"].as_str().unwrap_or_default();
    let body = row["body"].as_str().unwrap_or_default();
    let name = &row["name"];
    let (output, overrides) = match Template::compile(template) {
        Err(error) => return json!({"name": name, "error": format!("{error:?}")}),
        Ok(Template::Literal(text)) => (text, Overrides::default()),
        Ok(Template::AroundBody { before, after }) => {
            let body = if body.is_empty() { EMPTY_BODY } else { body };
            (format!("{before}{body}{after}"), Overrides::default())
        }
        Ok(Template::Program(program)) => match program.render(&input(row, body)) {
            Err(error) => return json!({"name": name, "error": format!("{error:?}")}),
            Ok(rendered) => (rendered.output, rendered.overrides),
        },
    };
    json!({
        "name": name, "output": output,
        "requestOverride": overrides.request, "responseOverride": overrides.response,
    })
}

fn input<'r>(row: &'r Value, body: &'r str) -> TemplateInput<'r> {
    let mut context = Vec::new();
    if let Some(members) = row["context"].as_object() {
        leaves("", members, &mut context);
    }
    let given = |name: &str| row["context"].get(name).cloned();
    let mut overrides = Overrides::default();
    if let Some(request) = given("requestOverride") {
        overrides.request = request;
    }
    if let Some(response) = given("responseOverride") {
        overrides.response = response;
    }
    TemplateInput {
        body: body.into(),
        parameters: Parameters {
            path: pairs(row.pointer("/params/path")),
            querystring: pairs(row.pointer("/params/querystring")),
            header: pairs(row.pointer("/params/header")),
        },
        context,
        stage_variables: pairs(row.get("stageVariables")),
        overrides,
    }
}

fn pairs(map: Option<&Value>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let members = map.and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(name, value)| {
            (
                name.as_str().into(),
                value.as_str().unwrap_or_default().into(),
            )
        })
        .collect()
}

/// Leaves by their dotted names, but the overrides.
fn leaves<'r>(
    prefix: &str,
    map: &'r Map<String, Value>,
    out: &mut Vec<(Cow<'r, str>, Option<Cow<'r, str>>)>,
) {
    for (name, value) in map {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(_) if name.ends_with("Override") => {}
            Value::Object(below) => leaves(&format!("{path}."), below, out),
            other => out.push((path.into(), other.as_str().map(Cow::from))),
        }
    }
}
