//! Properties, elements and methods of values: what spec 07 lists; anything else is undefined.

mod coding;
mod input;
mod list;
mod map;
mod number;
mod pattern;
mod text;

use std::rc::Rc;

use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::render::operators::equals;
use crate::vtl::text_form::text_of;
use crate::vtl::value::{ListKind, Value};

/// A text as a value.
fn text(text: &str) -> Value {
    Value::Text(Rc::from(text))
}

/// A count as a value.
fn count(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// `base.name`
pub(super) fn property(
    machine: &mut Machine<'_>,
    base: &Value,
    name: &str,
) -> Result<Value, RenderError> {
    Ok(match (base, name) {
        (Value::Map(id), _) => {
            let map = machine.heap.map(*id);
            let entries = map.map_or(0, |map| map.entries.len());
            machine.budget.look_up(entries, name.len())?;
            map.and_then(|map| map.get(name))
                .cloned()
                .unwrap_or(Value::Undefined)
        }
        (Value::Entry(entry), "key") => Value::Text(Rc::clone(&entry.0)),
        (Value::Entry(entry), "value") => entry.1.clone(),
        (Value::Input, "body") => Value::Text(Rc::clone(&machine.body.text)),
        (Value::List(_) | Value::Text(_), "empty") => call(machine, base, "isEmpty", &[])?,
        (Value::List(id), "length") => match machine.heap.list(*id) {
            Some(list) if list.kind == ListKind::Array => count(list.items.len()),
            _ => Value::Undefined,
        },
        (Value::Loop(depth), _) => machine.loop_property(*depth, name),
        _ => Value::Undefined,
    })
}

/// `base[index]`
pub(super) fn element(
    machine: &mut Machine<'_>,
    base: &Value,
    index: &Value,
) -> Result<Value, RenderError> {
    match (base, index) {
        (Value::List(id), Value::Integer(index)) => {
            let items = machine.heap.list(*id).map_or(&[][..], |list| &list.items);
            let place = list::place_from_end(*index, items.len())?;
            items.get(place).cloned().ok_or(RenderError::OutOfRange)
        }
        (Value::Map(_), _) => {
            let key = text_of(&machine.heap, index, &mut machine.budget)?;
            property(machine, base, &key)
        }
        // Velocity asks for the size that the index counts from
        (
            Value::Text(_) | Value::Boolean(_) | Value::Integer(_) | Value::Double(_),
            Value::Integer(..=-1),
        ) => Err(RenderError::OutOfRange),
        _ => Ok(Value::Undefined),
    }
}

/// `#set(base[index] = value)` and `#set(base.index = value)`
pub(super) fn set_element(
    machine: &mut Machine<'_>,
    base: &Value,
    index: &Value,
    value: Value,
) -> Result<(), RenderError> {
    match (base, index, value) {
        (_, _, Value::Undefined) => {}
        (Value::Map(id), _, value) => {
            let key = text_of(&machine.heap, index, &mut machine.budget)?;
            map::put(machine, *id, key, value)?;
        }
        (Value::List(id), Value::Integer(index), value) => {
            let length = machine.heap.list(*id).map_or(0, |list| list.items.len());
            let place = list::place_from_end(*index, length)?;
            let items = machine.heap.list_mut(*id).map(|list| &mut list.items);
            let slot = items.and_then(|items| items.get_mut(place));
            *slot.ok_or(RenderError::OutOfRange)? = value;
        }
        _ => {}
    }
    Ok(())
}

/// `base.name(arguments)`
pub(super) fn call(
    machine: &mut Machine<'_>,
    base: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    match (name, arguments) {
        ("toString", []) if !matches!(base, Value::Undefined | Value::Util) => {
            let made = text_of(&machine.heap, base, &mut machine.budget)?;
            return Ok(Value::Text(made));
        }
        ("equals", [other]) if !matches!(base, Value::Undefined) => {
            let same = equals(base, other, &machine.heap, &mut machine.budget)?;
            return Ok(Value::Boolean(same));
        }
        _ => {}
    }
    match base {
        Value::Text(text) => text::call(machine, text, name, arguments),
        Value::Integer(_) | Value::Double(_) | Value::Boolean(_) => {
            number::call(base, name, arguments)
        }
        Value::List(id) => list::call(machine, *id, name, arguments),
        Value::Map(id) => map::call(machine, *id, name, arguments),
        Value::Input => input::call(machine, name, arguments),
        Value::Util => coding::call(machine, name, arguments),
        Value::Entry(entry) => Ok(match (name, arguments) {
            ("getKey", []) => Value::Text(Rc::clone(&entry.0)),
            ("getValue", []) => entry.1.clone(),
            _ => Value::Undefined,
        }),
        Value::Loop(depth) => Ok(match (name, arguments) {
            ("hasNext" | "isHasNext", []) => machine.loop_property(*depth, "hasNext"),
            ("getIndex", []) => machine.loop_property(*depth, "index"),
            ("getCount", []) => machine.loop_property(*depth, "count"),
            ("isFirst", []) => machine.loop_property(*depth, "first"),
            ("isLast", []) => machine.loop_property(*depth, "last"),
            ("getParent", []) => machine.loop_property(*depth, "parent"),
            _ => Value::Undefined,
        }),
        Value::Undefined | Value::Block(_) => Ok(Value::Undefined),
    }
}

impl Machine<'_> {
    fn loop_property(&self, depth: usize, name: &str) -> Value {
        let Some(round) = self.rounds.get(depth) else {
            return Value::Undefined;
        };
        let begun = round.count;
        match name {
            "index" => count(begun.saturating_sub(1)),
            "count" => count(begun),
            "first" => Value::Boolean(begun == 1),
            "last" => Value::Boolean(begun == round.items.len()),
            "hasNext" => Value::Boolean(begun < round.items.len()),
            "parent" => depth.checked_sub(1).map_or(Value::Undefined, Value::Loop),
            "topmost" => Value::Loop(0),
            _ => Value::Undefined,
        }
    }
}

#[cfg(test)]
mod tests;
