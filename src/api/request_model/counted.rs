//! A body as the schema library looks at it: every look is counted, and when the steps are spent everything is null, so
//! that the comparison ends at once.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::{Map, Number, Value};

/// Bytes of a string that are looked at in one step.
const STRING_BYTES_PER_STEP: usize = 16;

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Steps {
    left: Cell<usize>,
    spent: Cell<bool>,
}

impl Steps {
    /// That many steps.
    pub(super) const fn new(count: usize) -> Self {
        Self {
            left: Cell::new(count),
            spent: Cell::new(false),
        }
    }

    /// Whether a step was wanted when there was none.
    pub(super) const fn are_spent(&self) -> bool {
        self.spent.get()
    }

    /// Takes steps, or all that are left.
    fn take(&self, count: usize) -> bool {
        match self.left.get().checked_sub(count) {
            Some(left) => self.left.set(left),
            None => {
                self.left.set(0);
                self.spent.set(true);
            }
        }
        !self.spent.get()
    }
}

/// [`Counted`] values.
#[derive(Debug)]
pub(super) struct CountedJson;

/// A value and the steps that looking at it takes. The library makes values of its own from names; they have no steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    value: &'a Value,
    steps: Option<&'a Steps>,
}

impl<'a> Counted<'a> {
    /// A body.
    pub(super) const fn new(value: &'a Value, steps: &'a Steps) -> Self {
        Self {
            value,
            steps: Some(steps),
        }
    }

    fn takes(&self, count: usize) -> bool {
        self.steps.is_none_or(|steps| steps.take(count))
    }

    /// One look.
    fn look(&self) -> &'a Value {
        if self.takes(1) {
            self.value
        } else {
            &Value::Null
        }
    }

    const fn beside(&self, value: &'a Value) -> Self {
        Self {
            value,
            steps: self.steps,
        }
    }
}

impl Json for CountedJson {
    type Node<'a> = Counted<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Counted<'_>) -> T) -> T {
        f(Counted {
            value: &Value::from(string),
            steps: None,
        })
    }
}

impl<'a> Node<'a, CountedJson> for Counted<'a> {
    type Object = CountedObject<'a>;
    type Array = CountedArray<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<CountedObject<'a>> {
        let members = self.look().as_object()?;
        Some(CountedObject {
            members,
            node: *self,
        })
    }

    fn as_array(&self) -> Option<CountedArray<'a>> {
        let elements = self.look().as_array()?;
        Some(CountedArray {
            elements,
            node: *self,
        })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.look().as_str()?;
        self.takes(text.len() / STRING_BYTES_PER_STEP)
            .then_some(Cow::Borrowed(text))
    }

    fn as_number(&self) -> Option<&'a Number> {
        match self.look() {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        self.look().as_bool()
    }

    fn is_null(&self) -> bool {
        self.look().is_null()
    }

    fn json_type(&self) -> JsonType {
        match self.look() {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(self.look())
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(
            std::ptr::from_ref::<Value>(self.value) as usize
        ))
    }
}

/// An object's members.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedObject<'a> {
    members: &'a Map<String, Value>,
    node: Counted<'a>,
}

impl<'a> Object<'a, CountedJson> for CountedObject<'a> {
    type Node = Counted<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Counted<'a>> {
        let found = self.node.takes(1).then(|| self.members.get(key))??;
        Some(self.node.beside(found))
    }

    fn members(&self) -> Members<'a> {
        Members {
            rest: self.members.iter(),
            node: self.node,
        }
    }
}

/// The members one by one; none once the steps are spent.
pub(super) struct Members<'a> {
    rest: serde_json::map::Iter<'a>,
    node: Counted<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Counted<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.rest.next()?;
        // a pattern may read the whole name
        let steps = 1 + name.len() / STRING_BYTES_PER_STEP;
        self.node
            .takes(steps)
            .then(|| (name.as_str(), self.node.beside(value)))
    }
}

/// An array's elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedArray<'a> {
    elements: &'a [Value],
    node: Counted<'a>,
}

impl<'a> Array<'a, CountedJson> for CountedArray<'a> {
    type Node = Counted<'a>;
    type ElementsIter = Elements<'a>;

    fn len(&self) -> usize {
        self.elements.len()
    }

    fn elements(&self) -> Elements<'a> {
        Elements {
            rest: self.elements.iter(),
            node: self.node,
        }
    }

    /// By canonical texts, so that no choice of numbers makes it compare each with each.
    fn is_unique(&self) -> bool {
        let mut seen = HashSet::new();
        self.elements.iter().all(|element| {
            let mut text = Vec::new();
            write_canonical(element, &mut text);
            self.node.takes(1 + text.len() / STRING_BYTES_PER_STEP) && seen.insert(text)
        })
    }
}

/// The elements one by one; none once the steps are spent.
pub(super) struct Elements<'a> {
    rest: std::slice::Iter<'a, Value>,
    node: Counted<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Counted<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.rest.next()?;
        self.node.takes(1).then(|| self.node.beside(value))
    }
}

/// The same text for equal values: members sorted, `1.0` as `1`.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(number) => out.extend_from_slice(canonical_number(number).as_bytes()),
        Value::Array(elements) => {
            out.push(b'[');
            for element in elements {
                write_canonical(element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, member) in sorted {
                write_text(name, out);
                write_canonical(member, out);
            }
            out.push(b'}');
        }
        Value::String(text) => write_text(text, out),
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
    }
}

/// The length before the bytes makes quotes needless.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{}:", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn canonical_number(number: &Number) -> String {
    /// Below it every whole double is exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < EXACT_MAX => {
            // `-0.0` is `0`
            format!("{:.0}", double + 0.0)
        }
        _ => number.to_string(),
    }
}
