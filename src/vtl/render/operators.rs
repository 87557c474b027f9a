//! `+ - * / %`, `==` and `<`, and what is true.

use std::rc::Rc;

use crate::vtl::program::Binary;
use crate::vtl::render::budget::Budget;
use crate::vtl::render::error::RenderError;
use crate::vtl::text_form::text_of;
use crate::vtl::value::{Heap, Value};

/// Whether a reference's value is true: only `false` is not (spec 07, "truth").
pub(super) const fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Boolean(false))
}

/// The result of an operator; undefined where Velocity has none.
pub(super) fn apply(
    operator: Binary,
    left: &Value,
    right: &Value,
    heap: &Heap,
    budget: &mut Budget,
) -> Result<Value, RenderError> {
    let ordered = |wanted: fn(std::cmp::Ordering) -> bool| {
        Value::Boolean(compared(left, right).is_some_and(wanted))
    };
    Ok(match operator {
        Binary::Add => return add(left, right, heap, budget),
        Binary::Subtract => number(left, right, i64::wrapping_sub, |a, b| a - b),
        Binary::Multiply => number(left, right, i64::wrapping_mul, |a, b| a * b),
        Binary::Divide if !is_zero(right) => number(left, right, i64::wrapping_div, |a, b| a / b),
        Binary::Remainder if !is_zero(right) => {
            number(left, right, i64::wrapping_rem, |a, b| a % b)
        }
        Binary::Divide | Binary::Remainder => Value::Undefined,
        Binary::Equal => Value::Boolean(are_equal(left, right, heap, budget)?),
        Binary::NotEqual => Value::Boolean(!are_equal(left, right, heap, budget)?),
        Binary::Less => ordered(std::cmp::Ordering::is_lt),
        Binary::Greater => ordered(std::cmp::Ordering::is_gt),
        Binary::LessOrEqual => ordered(std::cmp::Ordering::is_le),
        Binary::GreaterOrEqual => ordered(std::cmp::Ordering::is_ge),
    })
}

fn add(
    left: &Value,
    right: &Value,
    heap: &Heap,
    budget: &mut Budget,
) -> Result<Value, RenderError> {
    match (left, right) {
        (Value::Undefined, _) | (_, Value::Undefined) => Ok(Value::Undefined),
        (Value::Text(_), _) | (_, Value::Text(_)) => {
            let (left, right) = (text_of(heap, left, budget)?, text_of(heap, right, budget)?);
            budget.text(left.len() + right.len())?;
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(&left);
            text.push_str(&right);
            Ok(Value::Text(Rc::from(text)))
        }
        _ => Ok(number(left, right, i64::wrapping_add, |a, b| a + b)),
    }
}

fn number(
    left: &Value,
    right: &Value,
    integers: impl Fn(i64, i64) -> i64,
    doubles: impl Fn(f64, f64) -> f64,
) -> Value {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Value::Integer(integers(*left, *right)),
        _ => match (double(left), double(right)) {
            (Some(left), Some(right)) => Value::Double(doubles(left, right)),
            _ => Value::Undefined,
        },
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Java widens a long to a double the same way"
)]
pub(in crate::vtl) const fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Double(double) => Some(*double),
        _ => None,
    }
}

fn is_zero(value: &Value) -> bool {
    double(value) == Some(0.0)
}

fn compared(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        _ => double(left)?.partial_cmp(&double(right)?),
    }
}

/// `==`: numbers by value, values of one class by `equals`, others by their texts.
fn are_equal(
    left: &Value,
    right: &Value,
    heap: &Heap,
    budget: &mut Budget,
) -> Result<bool, RenderError> {
    match (left, right) {
        (Value::Undefined, _) | (_, Value::Undefined) => Ok(matches!(
            (left, right),
            (Value::Undefined, Value::Undefined)
        )),
        (Value::Text(left), Value::Text(right)) => {
            budget.read(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Value::Integer(_) | Value::Double(_), Value::Integer(_) | Value::Double(_)) => {
            Ok(compared(left, right) == Some(std::cmp::Ordering::Equal))
        }
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => {
            equals(left, right, heap, budget)
        }
        _ => Ok(text_of(heap, left, budget)? == text_of(heap, right, budget)?),
    }
}

/// Java's `equals`: the same class and the same value, lists and maps through and through.
pub(in crate::vtl) fn equals(
    left: &Value,
    right: &Value,
    heap: &Heap,
    budget: &mut Budget,
) -> Result<bool, RenderError> {
    let mut pairs = vec![(left.clone(), right.clone())];
    while let Some(pair) = pairs.pop() {
        budget.step(1)?;
        let same = match &pair {
            (Value::Undefined, Value::Undefined) => true,
            (Value::Boolean(left), Value::Boolean(right)) => left == right,
            (Value::Integer(left), Value::Integer(right)) => left == right,
            (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
            (Value::Text(left), Value::Text(right)) => {
                budget.read(left.len().min(right.len()))?;
                left == right
            }
            (Value::List(left), Value::List(right)) if left == right => true,
            (Value::List(left), Value::List(right)) => {
                match (heap.list(*left), heap.list(*right)) {
                    (Some(left), Some(right)) if left.items.len() == right.items.len() => {
                        budget.step(left.items.len())?;
                        budget.keep(left.items.len() * size_of::<(Value, Value)>())?;
                        let both = left.items.iter().zip(&right.items);
                        pairs.extend(both.map(|(left, right)| (left.clone(), right.clone())));
                        true
                    }
                    _ => false,
                }
            }
            (Value::Map(left), Value::Map(right)) if left == right => true,
            (Value::Map(left), Value::Map(right)) => match (heap.map(*left), heap.map(*right)) {
                (Some(left), Some(right)) if left.entries.len() == right.entries.len() => {
                    for (key, value) in &left.entries {
                        budget.look_up(right.entries.len(), key.len())?;
                        budget.keep(size_of::<(Value, Value)>())?;
                        match right.get(key) {
                            Some(other) => pairs.push((value.clone(), other.clone())),
                            None => return Ok(false),
                        }
                    }
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}
