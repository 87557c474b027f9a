//! JSONPath as Jayway reads it: names, indices, lists, slices, wildcards, `..name`, filters and `length()`. Other
//! functions are refused when the path is read.

mod filter;
mod parse;
mod parse_filter;
mod pattern;

use std::borrow::Cow;

use serde_json::{Map, Value};

use filter::Filter;

pub use parse::{JsonPathError, JsonPathFault};

/// Values that one search may touch: more than a body of 10 MB has. A search that is longer finds nothing; only paths
/// that multiply (`$..*..*`, `[0,0][0,0]`) come to this.
const TOUCHED_VALUES_MAX: usize = 8 * 1024 * 1024;

/// Matches that one step may have.
const MATCHES_MAX: usize = 1024 * 1024;

/// Memory of the values that are copied into a result; a header or query parameter holds far less.
const COPIED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    text: Box<str>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `.name`, `['name']`
    Property(String),
    /// `['a','b']`: at the end of a path an object of these members, before it each of them in turn.
    Properties(Vec<String>),
    /// `[n]`; negative counts from the end.
    Index(i64),
    /// `[a,b]`
    Indices(Vec<i64>),
    /// `[from:to]`
    Slice { from: Option<i64>, to: Option<i64> },
    /// `.*`, `[*]`
    Wildcard,
    /// `..name`
    DescendToProperty(String),
    /// `..*`
    DescendToAll,
    /// `[?( … )]`
    Filter(Filter),
    /// `.length()`, at the end of a path.
    Length,
}

impl JsonPath {
    /// Reads a path. One without a leading `$` is read as if `$.` stood before it.
    ///
    /// # Errors
    /// Where reading stopped, and why.
    pub fn parse(path: &str) -> Result<Self, JsonPathError> {
        Ok(Self {
            steps: parse::steps(path)?,
            text: path.into(),
        })
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value of a definite path (names and indices only), the array of all matches of any other, which may be
    /// empty. `None` when a definite path leads nowhere, or the definite beginning of another meets a value that its
    /// step does not fit.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<Cow<'v, Value>> {
        self.find_counted(root).0
    }

    /// As [`Self::find`], with the count of values that the search touched.
    #[must_use]
    pub fn find_counted<'v>(&self, root: &'v Value) -> (Option<Cow<'v, Value>>, usize) {
        self.find_within(root, TOUCHED_VALUES_MAX)
    }

    /// As [`Self::find_counted`]; a search that would touch more than `touched_max` values finds nothing either.
    pub(in crate::vtl) fn find_within<'v>(
        &self,
        root: &'v Value,
        touched_max: usize,
    ) -> (Option<Cow<'v, Value>>, usize) {
        let touches_max = touched_max.min(TOUCHED_VALUES_MAX);
        let mut search = Search {
            root,
            found: vec![root],
            touches_left: touches_max,
        };
        let found = self.search(&mut search);
        (found, touches_max - search.touches_left)
    }

    fn search<'v>(&self, search: &mut Search<'v>) -> Option<Cow<'v, Value>> {
        if let Some((Step::Length, before)) = self.steps.split_last() {
            let path = Self {
                text: Box::default(),
                steps: before.to_vec(),
            };
            let length = match &*path.search(search)? {
                Value::Array(items) => items.len(),
                Value::Object(members) => members.len(),
                _ => return None,
            };
            return Some(Cow::Owned(Value::from(length)));
        }
        let (steps, members) = match self.steps.split_last() {
            Some((Step::Properties(names), before)) => (before, Some(names)),
            _ => (self.steps.as_slice(), None),
        };
        let mut definite = true;
        for step in steps {
            definite = search.advance(step, definite)?;
        }
        match (members, definite) {
            (None, true) => search.found.first().copied().map(Cow::Borrowed),
            (None, false) => {
                weigh(search, |search| search.found.clone())?;
                Some(Cow::Owned(search.found.iter().copied().cloned().collect()))
            }
            (Some(names), true) => {
                let object = search.found.first()?.as_object()?;
                weigh(search, |_| {
                    names.iter().filter_map(|name| object.get(name)).collect()
                })?;
                Some(Cow::Owned(selected(object, names)))
            }
            (Some(names), false) => {
                let objects = search.found.iter().filter_map(|value| value.as_object());
                let objects: Vec<&Map<String, Value>> = objects.collect();
                let members = |object| names.iter().filter_map(move |name| Map::get(object, name));
                weigh(search, |_| {
                    objects.iter().copied().flat_map(members).collect()
                })?;
                let selected = objects.iter().map(|object| selected(object, names));
                Some(Cow::Owned(selected.collect()))
            }
        }
    }
}

/// An object of those of `names` that `object` has.
fn selected(object: &Map<String, Value>, names: &[String]) -> Value {
    let members = names.iter().filter_map(|name| object.get_key_value(name));
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// `None` when copies of the values would take more memory than a result may.
fn weigh<'v>(
    search: &mut Search<'v>,
    values: impl Fn(&Search<'v>) -> Vec<&'v Value>,
) -> Option<()> {
    let mut bytes_left = COPIED_BYTES_MAX;
    let mut waiting = Vec::new();
    for value in values(search) {
        waiting.push(value);
        while let Some(value) = waiting.pop() {
            search.touch()?;
            let text = value.as_str().map_or(0, str::len);
            let names = value
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .map(String::len);
            bytes_left =
                bytes_left.checked_sub(size_of::<Value>() + text + names.sum::<usize>())?;
            waiting.extend(children(value));
        }
    }
    Some(())
}

/// What the steps so far have found, in document order.
struct Search<'v> {
    root: &'v Value,
    found: Vec<&'v Value>,
    touches_left: usize,
}

impl<'v> Search<'v> {
    /// Takes one step from everything found. Gives whether the path is definite so far; `None` when it then leads
    /// nowhere, or when the search is too long.
    fn advance(&mut self, step: &Step, definite: bool) -> Option<bool> {
        for value in std::mem::take(&mut self.found) {
            self.touch()?;
            let fits = self.step_from(value, step)?;
            if definite && !fits {
                return None;
            }
        }
        Some(definite && matches!(step, Step::Property(_) | Step::Index(_)))
    }

    /// Keeps what the step finds in `value`. Gives whether the step fits the value: names an object, lists and slices
    /// an array, an index an array that has it; `None` when the search is too long.
    fn step_from(&mut self, value: &'v Value, step: &Step) -> Option<bool> {
        let array = value.as_array().map(Vec::as_slice);
        let fits = match step {
            Step::Property(name) => {
                self.keep(value.get(name));
                value.is_object()
            }
            Step::Index(index) => self.keep(array.and_then(|array| element(array, *index))),
            Step::Properties(names) => {
                self.keep_all(names.iter().filter_map(|name| value.get(name)))?;
                value.is_object()
            }
            Step::Indices(indices) => {
                let elements =
                    |array: &'v [Value]| indices.iter().filter_map(|index| element(array, *index));
                self.keep_all(array.into_iter().flat_map(elements))?;
                array.is_some()
            }
            Step::Slice { from, to } => {
                self.keep_all(array.into_iter().flat_map(|array| slice(array, *from, *to)))?;
                array.is_some()
            }
            Step::Wildcard => self.keep_all(children(value)).map(|()| true)?,
            Step::DescendToProperty(name) => {
                let member = |below: &'v Value| below.get(name);
                self.descend(value, |search, below| {
                    search.keep_all(member(below).into_iter())
                })?
            }
            Step::DescendToAll => {
                self.descend(value, |search, below| search.keep_all(children(below)))?
            }
            Step::Filter(filter) => self.filter(value, filter)?,
            Step::Length => false,
        };
        Some(fits)
    }

    /// The elements of an array that a filter accepts, or the object itself.
    fn filter(&mut self, value: &'v Value, filter: &Filter) -> Option<bool> {
        let root = self.root;
        match value {
            Value::Array(items) => {
                for item in items {
                    if filter.accepts(item, root, self)? {
                        self.keep_all(std::iter::once(item))?;
                    }
                }
                Some(true)
            }
            Value::Object(_) => {
                let accepted = filter.accepts(value, root, self)?;
                self.keep(Some(value).filter(|_| accepted));
                Some(true)
            }
            _ => Some(false),
        }
    }

    /// As many as the values that the step started from, at most.
    fn keep(&mut self, value: Option<&'v Value>) -> bool {
        self.found.extend(value);
        value.is_some()
    }

    fn keep_all(&mut self, values: impl Iterator<Item = &'v Value>) -> Option<()> {
        for value in values {
            self.touch()?;
            if self.found.len() == MATCHES_MAX {
                return None;
            }
            self.found.push(value);
        }
        Some(())
    }

    /// Visits `top` and everything below it, parents first, without recursion.
    fn descend(
        &mut self,
        top: &'v Value,
        visit: impl Fn(&mut Self, &'v Value) -> Option<()>,
    ) -> Option<bool> {
        let mut waiting = vec![top];
        while let Some(value) = waiting.pop() {
            self.touch()?;
            visit(self, value)?;
            let first_child = waiting.len();
            waiting.extend(children(value));
            waiting.get_mut(first_child..)?.reverse();
        }
        Some(true)
    }

    const fn touch(&mut self) -> Option<()> {
        self.touch_many(1)
    }

    /// Counts a text that is compared.
    fn touch_bytes(&mut self, value: Option<&Value>) -> Option<()> {
        let bytes = value.and_then(Value::as_str).map_or(0, str::len);
        self.touch_many(bytes / 64)
    }

    const fn touch_many(&mut self, count: usize) -> Option<()> {
        match self.touches_left.checked_sub(count) {
            Some(left) => {
                self.touches_left = left;
                Some(())
            }
            None => {
                self.touches_left = 0;
                None
            }
        }
    }
}

/// Members of an object or elements of an array, in document order.
fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let members = value.as_object().into_iter().flat_map(Map::values);
    let elements = value.as_array().into_iter().flatten();
    members.chain(elements)
}

fn element(array: &[Value], index: i64) -> Option<&Value> {
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    let place = if index < 0 {
        array.len().checked_sub(distance)?
    } else {
        distance
    };
    array.get(place)
}

/// Jayway's slices: a lone bound may count from the end; of two bounds each index between them is taken as by
/// `[n]`, so that `[-3:-1]` is two elements and `[-1:1]` the last and the first.
fn slice(array: &[Value], from: Option<i64>, to: Option<i64>) -> impl Iterator<Item = &Value> {
    let length = i64::try_from(array.len()).unwrap_or(i64::MAX);
    let from_end = |bound: i64| if bound < 0 { length + bound } else { bound };
    let (first, end) = match (from, to) {
        (Some(from), Some(to)) => (from.max(-length), to.min(length)),
        (from, to) => (
            from.map_or(0, from_end).max(0),
            to.map_or(length, from_end).min(length),
        ),
    };
    (first..end).filter_map(|index| element(array, index))
}

#[cfg(test)]
mod tests;
