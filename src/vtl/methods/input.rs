//! `$input`

use std::rc::Rc;

use crate::vtl::json_path::JsonPath;
use crate::vtl::methods::text;
use crate::vtl::render::budget::Budget;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::text_form::{self, Style, write_json_text};
use crate::vtl::value::{Map, Value};

/// What compiling a pattern of a filter costs.
const PATTERN_STEPS: usize = 10_000;

/// What `$input.json` gives for a path that leads nowhere (spec 07).
const NOTHING: &str = "\"\"";

pub(super) fn call(
    machine: &mut Machine<'_>,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    match (name, arguments) {
        ("path", [Value::Text(path)]) => found(machine, path),
        ("json", [Value::Text(path)]) => {
            let value = found(machine, path)?;
            let mut out = String::new();
            match &value {
                Value::Undefined => out.push_str(NOTHING),
                Value::Text(text) => write_json_text(text, true, &mut out),
                other => {
                    let (heap, budget) = (&machine.heap, &mut machine.budget);
                    text_form::write(heap, other, Style::Json, &mut out, budget)?;
                }
            }
            machine.budget.text(out.len())?;
            Ok(Value::Text(Rc::from(out)))
        }
        ("params", []) => {
            let names = ["path", "querystring", "header"];
            let values = machine.parameters.iter().cloned();
            let mut map = Map::default();
            for (name, value) in names.into_iter().zip(values) {
                map.put(Rc::from(name), value);
            }
            machine.heap.new_map(map, &mut machine.budget)
        }
        ("params", [Value::Text(name)]) => {
            let mut maps = machine.parameters.iter();
            let found = maps.find_map(|map| match map {
                Value::Map(id) => machine.heap.map(*id)?.get(name).cloned(),
                _ => None,
            });
            Ok(found.unwrap_or_else(|| text("")))
        }
        _ => Ok(Value::Undefined),
    }
}

/// A search may go through the whole body.
fn found(machine: &mut Machine<'_>, path: &str) -> Result<Value, RenderError> {
    let budget: &mut Budget = &mut machine.budget;
    let patterns = path.matches("=~").count();
    budget.step(16 + path.len() + patterns.saturating_mul(PATTERN_STEPS))?;
    let Some(json) = machine.body.json(budget)? else {
        return Ok(Value::Undefined);
    };
    let Ok(path) = JsonPath::parse(path) else {
        return Ok(Value::Undefined);
    };
    let (found, touched) = path.find_within(json, budget.steps_left());
    budget.step(touched)?;
    match found {
        Some(value) => machine.heap.import(&value, budget),
        None => Ok(Value::Undefined),
    }
}
