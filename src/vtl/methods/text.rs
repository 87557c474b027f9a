//! Methods of texts. Java counts UTF-16 units; half a pair that is cut off becomes `?`, as Java writes it.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::vtl::methods::{count, pattern};
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::value::{ListKind, Value};

/// How much more than a look at each byte another case costs: characters have tables.
const CASE_FACTOR: usize = 3;

/// As Java's `compareTo` between numbers.
pub(super) const fn ordering(ordering: Ordering) -> Value {
    Value::Integer(match ordering {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

/// UTF-16 units of a text.
fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}

/// The units from one place to another.
fn part(text: &str, from: usize, to: usize) -> Result<Rc<str>, RenderError> {
    if from > to || to > length(text) {
        return Err(RenderError::OutOfRange);
    }
    if text.is_ascii() {
        return text
            .get(from..to)
            .map(Rc::from)
            .ok_or(RenderError::OutOfRange);
    }
    let units = text.encode_utf16().skip(from).take(to - from);
    let characters = char::decode_utf16(units).map(|unit| unit.unwrap_or('?'));
    Ok(characters.collect::<String>().into())
}

/// Units before a byte offset.
fn units_before(text: &str, offset: usize) -> usize {
    length(text.get(..offset).unwrap_or_default())
}

fn place(index: i64) -> Result<usize, RenderError> {
    usize::try_from(index).map_err(|_| RenderError::OutOfRange)
}

pub(super) fn call(
    machine: &mut Machine<'_>,
    base: &Rc<str>,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    // A search prepares for the whole of what it looks for, however short the text is.
    let given = arguments.iter().map(|argument| match argument {
        Value::Text(text) => text.len(),
        _ => 0,
    });
    let bytes = base.len().saturating_add(given.sum());
    machine.budget.read(bytes)?;
    if matches!(name, "toLowerCase" | "toUpperCase" | "equalsIgnoreCase") {
        machine.budget.read(bytes.saturating_mul(CASE_FACTOR))?;
    }
    if let Some(value) = pure(base, name, arguments)? {
        return Ok(value);
    }
    let made: Rc<str> = match (name, arguments) {
        ("trim", []) => Rc::from(base.trim_matches(|unit: char| unit <= ' ')),
        ("toLowerCase", []) => Rc::from(base.to_lowercase()),
        ("toUpperCase", []) => Rc::from(base.to_uppercase()),
        ("substring", [Value::Integer(from)]) => part(base, place(*from)?, length(base))?,
        ("substring" | "subSequence", [Value::Integer(from), Value::Integer(to)]) => {
            part(base, place(*from)?, place(*to)?)?
        }
        ("charAt", [Value::Integer(index)]) => {
            let index = place(*index)?;
            part(base, index, index.saturating_add(1))?
        }
        ("concat", [Value::Text(other)]) => {
            machine.budget.text(base.len() + other.len())?;
            Rc::from(format!("{base}{other}"))
        }
        ("replace", [Value::Text(from), Value::Text(to)]) => {
            let hits = base.matches(&**from).count();
            let bytes = base.len().saturating_add(hits.saturating_mul(to.len()));
            machine.budget.step(hits / 8)?;
            machine.budget.text(bytes)?;
            Rc::from(base.replace(&**from, to))
        }
        ("replaceAll" | "replaceFirst", [Value::Text(wanted), Value::Text(by)]) => {
            pattern::replace(base, wanted, by, name == "replaceAll", &mut machine.budget)?
        }
        ("matches", [Value::Text(wanted)]) => {
            let whole = pattern::matches_whole(base, wanted, &mut machine.budget)?;
            return Ok(Value::Boolean(whole));
        }
        ("split", [Value::Text(wanted)]) => return split(machine, base, wanted, 0),
        ("split", [Value::Text(wanted), Value::Integer(limit)]) => {
            return split(machine, base, wanted, *limit);
        }
        _ => return Ok(Value::Undefined),
    };
    machine.budget.text(made.len())?;
    Ok(Value::Text(made))
}

/// Methods that make no text.
fn pure(base: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, RenderError> {
    Ok(Some(match (name, arguments) {
        ("length", []) => count(length(base)),
        ("isEmpty", []) => Value::Boolean(base.is_empty()),
        ("contains", [Value::Text(part)]) => Value::Boolean(base.contains(&**part)),
        ("startsWith", [Value::Text(start)]) => Value::Boolean(base.starts_with(&**start)),
        ("endsWith", [Value::Text(end)]) => Value::Boolean(base.ends_with(&**end)),
        ("equalsIgnoreCase", [Value::Text(other)]) => {
            Value::Boolean(base.to_lowercase() == other.to_lowercase())
        }
        ("compareTo", [Value::Text(other)]) => Value::Integer(compare(base, other)),
        ("indexOf", [Value::Text(part)]) => found_at(base, base.find(&**part)),
        ("indexOf", [Value::Text(wanted), Value::Integer(from)]) => {
            let from = usize::try_from(*from).unwrap_or(0).min(length(base));
            let skipped: usize = byte_of(base, from);
            let found = base.get(skipped..).and_then(|rest| rest.find(&**wanted));
            found_at(base, found.map(|at| at + skipped))
        }
        ("lastIndexOf", [Value::Text(part)]) => found_at(base, base.rfind(&**part)),
        ("hashCode", []) => Value::Integer(hash(base)),
        ("valueOf", [Value::Text(other)]) => Value::Text(Rc::clone(other)),
        _ => return Ok(None),
    }))
}

fn found_at(base: &str, offset: Option<usize>) -> Value {
    offset.map_or(Value::Integer(-1), |offset| {
        count(units_before(base, offset))
    })
}

/// The byte of a unit; inside a pair the byte behind it.
fn byte_of(text: &str, unit: usize) -> usize {
    let mut left = unit;
    for (offset, character) in text.char_indices() {
        if left == 0 {
            return offset;
        }
        left = left.saturating_sub(character.len_utf16());
    }
    text.len()
}

/// The difference of the first units that differ, else of the lengths.
fn compare(left: &str, right: &str) -> i64 {
    let mut units = left.encode_utf16().zip(right.encode_utf16());
    match units.find(|(left, right)| left != right) {
        Some((left, right)) => i64::from(left) - i64::from(right),
        None => {
            let signed = |text| i64::try_from(length(text)).unwrap_or(i64::MAX);
            signed(left) - signed(right)
        }
    }
}

fn hash(text: &str) -> i64 {
    let sum = text.encode_utf16().fold(0_i32, |sum, unit| {
        sum.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    i64::from(sum)
}

fn split(
    machine: &mut Machine<'_>,
    base: &str,
    wanted: &str,
    limit: i64,
) -> Result<Value, RenderError> {
    let parts = pattern::split(base, wanted, limit, &mut machine.budget)?;
    let items = parts.into_iter().map(Value::Text).collect();
    machine
        .heap
        .new_list(ListKind::Array, items, &mut machine.budget)
}
