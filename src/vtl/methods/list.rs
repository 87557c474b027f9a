//! Methods of lists and arrays.

use crate::vtl::methods::count;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::render::operators::equals;
use crate::vtl::value::{ListId, ListKind, Value};

/// The place of an index that may count from the end.
pub(super) fn place_from_end(index: i64, length: usize) -> Result<usize, RenderError> {
    let distance = usize::try_from(index.unsigned_abs()).map_err(|_| RenderError::OutOfRange)?;
    if index < 0 {
        length.checked_sub(distance).ok_or(RenderError::OutOfRange)
    } else {
        Ok(distance)
    }
}

fn place(index: i64, length: usize) -> Result<usize, RenderError> {
    let place = usize::try_from(index).map_err(|_| RenderError::OutOfRange)?;
    if place < length {
        Ok(place)
    } else {
        Err(RenderError::OutOfRange)
    }
}

pub(super) fn call(
    machine: &mut Machine<'_>,
    id: ListId,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    let Some(list) = machine.heap.list(id) else {
        return Ok(Value::Undefined);
    };
    let length = list.items.len();
    Ok(match (name, arguments) {
        ("size", []) => count(length),
        ("isEmpty", []) => Value::Boolean(length == 0),
        ("get", [Value::Integer(index)]) => {
            let place = place(*index, length)?;
            list.items.get(place).cloned().unwrap_or(Value::Undefined)
        }
        ("contains", [wanted]) => Value::Boolean(position(machine, id, wanted, false)?.is_some()),
        ("indexOf", [wanted]) => found_at(position(machine, id, wanted, false)?),
        ("lastIndexOf", [wanted]) => found_at(position(machine, id, wanted, true)?),
        ("iterator", []) => Value::List(id),
        ("subList", [Value::Integer(from), Value::Integer(to)]) => {
            let (from, to) = (place(*from, length + 1)?, place(*to, length + 1)?);
            let items = list
                .items
                .get(from..to)
                .ok_or(RenderError::OutOfRange)?
                .to_vec();
            let kind = list.kind;
            return machine.heap.new_list(kind, items, &mut machine.budget);
        }
        _ if list.kind == ListKind::Array => Value::Undefined,
        _ => return change(machine, id, name, arguments),
    })
}

fn found_at(place: Option<usize>) -> Value {
    place.map_or(Value::Integer(-1), count)
}

fn position(
    machine: &mut Machine<'_>,
    id: ListId,
    wanted: &Value,
    last: bool,
) -> Result<Option<usize>, RenderError> {
    let items = machine.heap.list(id).map_or(&[][..], |list| &list.items);
    let mut found = None;
    for (place, item) in items.iter().enumerate() {
        if equals(item, wanted, &machine.heap, &mut machine.budget)? {
            found = Some(place);
            if !last {
                break;
            }
        }
    }
    Ok(found)
}

/// Methods that change the list.
fn change(
    machine: &mut Machine<'_>,
    id: ListId,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    let added = match (name, arguments) {
        ("addAll", [Value::List(other)]) => {
            let other = machine.heap.list(*other);
            other.map_or_else(Vec::new, |list| list.items.clone())
        }
        _ => Vec::new(),
    };
    let budget = &mut machine.budget;
    let Some(list) = machine.heap.list_mut(id) else {
        return Ok(Value::Undefined);
    };
    let items = &mut list.items;
    let length = items.len();
    Ok(match (name, arguments) {
        ("add", [value]) => {
            budget.keep(size_of::<Value>())?;
            items.push(value.clone());
            Value::Boolean(true)
        }
        ("add", [Value::Integer(index), value]) => {
            budget.keep(size_of::<Value>())?;
            budget.step(length / 64)?;
            items.insert(place(*index, length + 1)?, value.clone());
            Value::Undefined
        }
        ("addAll", [Value::List(_)]) => {
            budget.step(added.len() / 4)?;
            budget.keep(added.len() * size_of::<Value>())?;
            let changed = !added.is_empty();
            items.extend(added);
            Value::Boolean(changed)
        }
        ("set", [Value::Integer(index), value]) => {
            let slot = items.get_mut(place(*index, length)?);
            slot.map_or(Value::Undefined, |slot| {
                std::mem::replace(slot, value.clone())
            })
        }
        ("remove", [Value::Integer(index)]) => {
            budget.step(length / 64)?;
            items.remove(place(*index, length)?)
        }
        ("remove", [wanted]) => {
            let wanted = wanted.clone();
            let place = position(machine, id, &wanted, false)?;
            let list = machine.heap.list_mut(id);
            if let (Some(place), Some(list)) = (place, list) {
                list.items.remove(place);
            }
            Value::Boolean(place.is_some())
        }
        ("clear", []) => {
            items.clear();
            Value::Undefined
        }
        _ => Value::Undefined,
    })
}
