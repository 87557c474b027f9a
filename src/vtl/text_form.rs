//! How values print: as Java's `toString()`, with arrays of JSON as json-smart writes them (spec 07).

use std::rc::Rc;

use crate::vtl::render::budget::{Budget, TEXT_BYTES_MAX};
use crate::vtl::render::error::RenderError;
use crate::vtl::value::{Heap, ListKind, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `toString()`
    Java,
    /// JSON inside a printed array: `/` is escaped.
    JsonInText,
    /// What `$input.json` gives: `/` stays.
    Json,
}

/// What the digits of a Double cost.
const DOUBLE_STEPS: usize = 4;

/// What is still to be written.
enum Task {
    Value(Value, Style),
    Key(Rc<str>, Style),
    Sign(&'static str),
}

/// Appends a value's text to `out`.
pub(super) fn write(
    heap: &Heap,
    value: &Value,
    style: Style,
    out: &mut String,
    budget: &mut Budget,
) -> Result<(), RenderError> {
    let mut tasks = vec![Task::Value(value.clone(), style)];
    while let Some(task) = tasks.pop() {
        let before = out.len();
        match task {
            Task::Sign(sign) => out.push_str(sign),
            Task::Key(key, Style::Java) => {
                out.push_str(&key);
                out.push('=');
            }
            Task::Key(key, style) => {
                write_json_text(&key, style == Style::JsonInText, out);
                out.push(':');
            }
            Task::Value(value, style) => {
                budget.step(match value {
                    Value::Double(_) => DOUBLE_STEPS,
                    _ => 1,
                })?;
                // paid for before they are there: a list that contains itself unfolds at each level
                let parts = parts_count(heap, &value);
                budget.step(parts / 4)?;
                budget.keep(parts * size_of::<Task>())?;
                match container(heap, &value, style) {
                    Some(parts) => tasks.extend(parts),
                    None => write_scalar(&value, style, out),
                }
            }
        }
        budget.read(out.len() - before)?;
        if out.len() > TEXT_BYTES_MAX {
            return Err(RenderError::TextTooLong);
        }
    }
    Ok(())
}

/// A value's text.
pub(super) fn text_of(
    heap: &Heap,
    value: &Value,
    budget: &mut Budget,
) -> Result<Rc<str>, RenderError> {
    if let Value::Text(text) = value {
        return Ok(Rc::clone(text));
    }
    let mut out = String::new();
    write(heap, value, Style::Java, &mut out, budget)?;
    budget.text(out.len())?;
    Ok(out.into())
}

fn parts_count(heap: &Heap, value: &Value) -> usize {
    match value {
        Value::List(id) => heap.list(*id).map_or(0, |list| 2 * list.items.len()),
        Value::Map(id) => heap.map(*id).map_or(0, |map| 3 * map.entries.len()),
        _ => 0,
    }
}

/// The parts of a list, map or entry, last first.
fn container(heap: &Heap, value: &Value, style: Style) -> Option<Vec<Task>> {
    match value {
        Value::List(id) => {
            let list = heap.list(*id)?;
            let inner = match (style, list.kind) {
                (Style::Java, ListKind::Json) => Style::JsonInText,
                (style, _) => style,
            };
            let between = if inner == Style::Java { ", " } else { "," };
            let mut tasks = vec![Task::Sign("]")];
            for (index, item) in list.items.iter().enumerate().rev() {
                tasks.push(Task::Value(item.clone(), inner));
                if index > 0 {
                    tasks.push(Task::Sign(between));
                }
            }
            tasks.push(Task::Sign("["));
            Some(tasks)
        }
        Value::Map(id) => {
            let map = heap.map(*id)?;
            let between = if style == Style::Java { ", " } else { "," };
            let mut tasks = vec![Task::Sign("}")];
            for (index, (key, item)) in map.entries.iter().enumerate().rev() {
                tasks.push(Task::Value(item.clone(), style));
                tasks.push(Task::Key(Rc::clone(key), style));
                if index > 0 {
                    tasks.push(Task::Sign(between));
                }
            }
            tasks.push(Task::Sign("{"));
            Some(tasks)
        }
        Value::Entry(entry) => Some(vec![
            Task::Value(entry.1.clone(), style),
            Task::Key(Rc::clone(&entry.0), style),
        ]),
        _ => None,
    }
}

fn write_scalar(value: &Value, style: Style, out: &mut String) {
    match value {
        Value::Undefined => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => out.push_str(&value.to_string()),
        Value::Double(value) => write_double(*value, out),
        Value::Text(text) if style == Style::Java => out.push_str(text),
        Value::Text(text) => write_json_text(text, style == Style::JsonInText, out),
        Value::Input => out.push_str("$input"),
        Value::Util => out.push_str("$util"),
        Value::Loop(_) => out.push_str("{}"),
        Value::Block(_) | Value::List(_) | Value::Map(_) | Value::Entry(_) => {}
    }
}

/// As `Double.toString`: plain from 0.001 up to 10,000,000, else with an exponent.
fn write_double(value: f64, out: &mut String) {
    if value.is_nan() || value.is_infinite() {
        let negative = value.is_infinite() && value < 0.0;
        out.push_str(if negative { "-" } else { "" });
        out.push_str(if value.is_nan() { "NaN" } else { "Infinity" });
        return;
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = value.to_string();
        out.push_str(&text);
        if !text.contains('.') {
            out.push_str(".0");
        }
        return;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.push_str(digits);
    if !digits.contains('.') {
        out.push_str(".0");
    }
    out.push('E');
    out.push_str(exponent);
}

/// A JSON string with its quotation marks, escaped as json-smart does.
pub(super) fn write_json_text(text: &str, escape_slash: bool, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '/' if escape_slash => out.push_str("\\/"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2000}'..='\u{20ff}' => {
                out.push_str("\\u");
                push_hex(out, u32::from(character), 4);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// So many hexadecimal digits, in capitals: a formatter would take ten times as long.
pub(super) fn push_hex(out: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = char::from_digit((number >> (4 * place)) & 0xf, 16);
        out.extend(digit.map(|digit| digit.to_ascii_uppercase()));
    }
}
