//! Methods of numbers and booleans.

use std::cmp::Ordering;

use crate::vtl::methods::text::ordering;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::operators::double;
use crate::vtl::value::Value;

pub(super) fn call(base: &Value, name: &str, arguments: &[Value]) -> Result<Value, RenderError> {
    Ok(match (base, name, arguments) {
        (Value::Integer(_), "intValue" | "longValue", []) => base.clone(),
        (Value::Double(value), "intValue" | "longValue", []) => Value::Integer(truncated(*value)),
        (Value::Integer(_) | Value::Double(_), "doubleValue", []) => {
            double(base).map_or(Value::Undefined, Value::Double)
        }
        (Value::Boolean(_), "booleanValue", []) => base.clone(),
        (Value::Integer(left), "compareTo", [Value::Integer(right)]) => ordering(left.cmp(right)),
        (Value::Double(left), "compareTo", [Value::Double(right)]) => {
            ordering(left.total_cmp(right))
        }
        (Value::Boolean(left), "compareTo", [Value::Boolean(right)]) => ordering(left.cmp(right)),
        (Value::Integer(_), "valueOf", [Value::Integer(_)])
        | (Value::Double(_), "valueOf", [Value::Double(_)])
        | (Value::Boolean(_), "valueOf", [Value::Boolean(_)]) => {
            arguments.first().cloned().unwrap_or(Value::Undefined)
        }
        (Value::Integer(_), "parseInt" | "valueOf", [Value::Text(text)]) => {
            let number: i32 = text.parse().map_err(|_| RenderError::BadNumber)?;
            Value::Integer(i64::from(number))
        }
        (Value::Integer(_), "parseLong", [Value::Text(text)]) => {
            Value::Integer(text.parse().map_err(|_| RenderError::BadNumber)?)
        }
        (Value::Double(_), "parseDouble" | "valueOf", [Value::Text(text)]) => {
            Value::Double(text.trim().parse().map_err(|_| RenderError::BadNumber)?)
        }
        (Value::Boolean(_), "parseBoolean" | "valueOf", [Value::Text(text)]) => {
            Value::Boolean(text.eq_ignore_ascii_case("true"))
        }
        (_, "hashCode", []) => Value::Integer(hash(base)),
        _ => Value::Undefined,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "Java narrows a double to a long the same way, with saturation"
)]
const fn truncated(value: f64) -> i64 {
    value as i64
}

/// As Java's `hashCode`: an Integer is itself, a Long and a Double fold their halves.
fn hash(value: &Value) -> i64 {
    let fold = |bits: u64| {
        let folded = u32::try_from((bits ^ (bits >> 32)) & 0xffff_ffff).unwrap_or_default();
        i64::from(folded.cast_signed())
    };
    match value {
        Value::Integer(value) if i32::try_from(*value).is_ok() => *value,
        Value::Integer(value) => fold(value.cast_unsigned()),
        Value::Double(value) => fold(value.to_bits()),
        Value::Boolean(true) => 1231,
        Value::Boolean(false) => 1237,
        _ => i64::from(Ordering::Equal as i8),
    }
}
