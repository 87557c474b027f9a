//! `[?( … )]`: which elements stay.

use serde_json::Value;

use crate::vtl::json_path::pattern::Pattern;
use crate::vtl::json_path::{Search, Step};

/// A condition on an element; at most 16 inside one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// A path from `@`, of names and indices.
    Element(Vec<Step>),
    /// A path from `$`, of names and indices.
    Root(Vec<Step>),
    Literal(Value),
}

impl Operand {
    fn value<'v>(
        &'v self,
        element: &'v Value,
        search: &mut Search<'_>,
        root: &'v Value,
    ) -> Option<&'v Value> {
        let (mut value, steps) = match self {
            Self::Literal(value) => return Some(value),
            Self::Element(steps) => (element, steps),
            Self::Root(steps) => (root, steps),
        };
        for step in steps {
            search.touch()?;
            value = match step {
                Step::Property(name) => value.get(name)?,
                Step::Index(index) => super::element(value.as_array()?, *index)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

impl Filter {
    /// Whether an element stays; `None` when the search is too long.
    pub(super) fn accepts(
        &self,
        element: &Value,
        root: &Value,
        search: &mut Search<'_>,
    ) -> Option<bool> {
        search.touch()?;
        Some(match self {
            Self::Any(parts) => {
                for part in parts {
                    if part.accepts(element, root, search)? {
                        return Some(true);
                    }
                }
                false
            }
            Self::All(parts) => {
                for part in parts {
                    if !part.accepts(element, root, search)? {
                        return Some(false);
                    }
                }
                true
            }
            Self::Not(part) => !part.accepts(element, root, search)?,
            Self::Exists(operand) => operand.value(element, search, root).is_some(),
            Self::Compare(left, comparison, right) => {
                let left = left.value(element, search, root);
                let right = right.value(element, search, root);
                search.touch_bytes(left)?;
                compare(left, *comparison, right)
            }
            Self::Matches(operand, pattern) => {
                let text = operand.value(element, search, root).and_then(Value::as_str);
                let Some(text) = text else {
                    return Some(false);
                };
                search.touch_many(text.len().saturating_mul(pattern.cost()) / 16)?;
                pattern.matches_whole(text)
            }
        })
    }
}

fn compare(left: Option<&Value>, comparison: Comparison, right: Option<&Value>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        let both_missing = left.is_none() && right.is_none();
        return both_missing == (comparison == Comparison::Equal)
            && matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    };
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .zip(right.as_f64())
            .and_then(|(a, b)| a.partial_cmp(&b)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => {
            let same = number.to_string() == *text;
            same.then_some(std::cmp::Ordering::Equal)
        }
        _ => (left == right).then_some(std::cmp::Ordering::Equal),
    };
    let same_kind = matches!(
        (left, right),
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_))
    );
    match (comparison, order) {
        (Comparison::Equal, order) => order.is_some_and(std::cmp::Ordering::is_eq),
        (Comparison::NotEqual, order) => !order.is_some_and(std::cmp::Ordering::is_eq),
        (_, None) => false,
        (_, Some(_)) if !same_kind => false,
        (Comparison::Less, Some(order)) => order.is_lt(),
        (Comparison::Greater, Some(order)) => order.is_gt(),
        (Comparison::LessOrEqual, Some(order)) => order.is_le(),
        (Comparison::GreaterOrEqual, Some(order)) => order.is_ge(),
    }
}
