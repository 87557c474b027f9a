//! Methods of maps.

use std::rc::Rc;

use crate::vtl::methods::count;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::render::operators::equals;
use crate::vtl::text_form::text_of;
use crate::vtl::value::{ListKind, MapId, Value};

/// Gives the value before.
pub(super) fn put(
    machine: &mut Machine<'_>,
    id: MapId,
    key: Rc<str>,
    value: Value,
) -> Result<Value, RenderError> {
    let Some(map) = machine.heap.map_mut(id) else {
        return Ok(Value::Undefined);
    };
    machine.budget.look_up(map.entries.len(), key.len())?;
    machine.budget.keep(size_of::<(Rc<str>, Value)>())?;
    Ok(map.put(key, value).unwrap_or(Value::Undefined))
}

pub(super) fn call(
    machine: &mut Machine<'_>,
    id: MapId,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    let key = match arguments.first() {
        Some(key) if !matches!(name, "putAll" | "containsValue") => {
            text_of(&machine.heap, key, &mut machine.budget)?
        }
        _ => Rc::from(""),
    };
    let Some(map) = machine.heap.map(id) else {
        return Ok(Value::Undefined);
    };
    machine.budget.look_up(map.entries.len(), key.len())?;
    Ok(match (name, arguments) {
        ("size", []) => count(map.entries.len()),
        ("isEmpty", []) => Value::Boolean(map.entries.is_empty()),
        ("get", [_]) => map.get(&key).cloned().unwrap_or(Value::Undefined),
        ("getOrDefault", [_, default]) => map.get(&key).unwrap_or(default).clone(),
        ("containsKey", [_]) => Value::Boolean(map.get(&key).is_some()),
        ("containsValue", [wanted]) => {
            for (_, value) in &map.entries {
                if equals(value, wanted, &machine.heap, &mut machine.budget)? {
                    return Ok(Value::Boolean(true));
                }
            }
            Value::Boolean(false)
        }
        ("put", [_, value]) => return put(machine, id, key, value.clone()),
        ("putAll", [Value::Map(other)]) => {
            let other = machine.heap.map(*other).map(|other| other.entries.clone());
            for (key, value) in other.unwrap_or_default() {
                put(machine, id, key, value)?;
            }
            Value::Undefined
        }
        ("remove", [_]) => {
            let map = machine.heap.map_mut(id);
            map.and_then(|map| map.remove(&key))
                .unwrap_or(Value::Undefined)
        }
        ("clear", []) => {
            if let Some(map) = machine.heap.map_mut(id) {
                map.entries.clear();
            }
            Value::Undefined
        }
        ("keySet" | "values" | "entrySet", []) => {
            machine.budget.step(map.entries.len() / 4)?;
            let part = |(key, value): &(Rc<str>, Value)| match name {
                "keySet" => Value::Text(Rc::clone(key)),
                "values" => value.clone(),
                _ => Value::Entry(Rc::new((Rc::clone(key), value.clone()))),
            };
            let parts: Vec<Value> = map.entries.iter().map(part).collect();
            machine
                .budget
                .keep(parts.len() * size_of::<(Rc<str>, Value)>())?;
            return machine
                .heap
                .new_list(ListKind::Plain, parts, &mut machine.budget);
        }
        _ => Value::Undefined,
    })
}
