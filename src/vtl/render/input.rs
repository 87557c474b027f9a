//! What a template sees of a request, and what it leaves behind.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use serde_json::Value as Json;

use crate::vtl::bounded_json;
use crate::vtl::program::{Operation, Program};
use crate::vtl::render::budget::Budget;
use crate::vtl::render::error::RenderError;
use crate::vtl::template::EMPTY_BODY;
use crate::vtl::value::{Heap, Map, Value};

/// Names among which another one is looked for by comparing it with each.
const SEARCHED_NAMES_MAX: usize = 16;

/// A name with its value.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What `$input`, `$context` and `$stageVariables` stand for.
#[derive(Clone, Debug, Default)]
pub struct TemplateInput<'a> {
    /// The body as text; empty reads `{}`.
    pub body: Cow<'a, str>,
    /// `$input.params()`
    pub parameters: Parameters<'a>,
    /// `$context` by dotted names (`identity.sourceIp`); `None` prints nothing.
    pub context: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
    /// `$stageVariables`
    pub stage_variables: Vec<Pair<'a>>,
    /// What an earlier template of this request set.
    pub overrides: Overrides,
}

/// The client's parameters, one value for each name.
#[derive(Clone, Debug, Default)]
pub struct Parameters<'a> {
    /// Path parameters.
    pub path: Vec<Pair<'a>>,
    /// Query parameters.
    pub querystring: Vec<Pair<'a>>,
    /// Headers, found without regard to case as well.
    pub header: Vec<Pair<'a>>,
}

/// `$context.requestOverride` and `$context.responseOverride`, as JSON objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrides {
    /// `header`, `path` and `querystring` of the integration request.
    pub request: Json,
    /// `header` and `status` of the method response.
    pub response: Json,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            request: serde_json::json!({"header": {}, "path": {}, "querystring": {}}),
            response: serde_json::json!({"header": {}}),
        }
    }
}

/// A rendered template.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The text, at most 16 MiB.
    pub output: String,
    /// The overrides as the template left them.
    pub overrides: Overrides,
}

/// The body as `$input` gives it, read once.
#[derive(Debug)]
pub(in crate::vtl) struct Body {
    pub(in crate::vtl) text: Rc<str>,
    json: OnceCell<Option<Json>>,
}

impl Body {
    pub(super) fn new(text: &str) -> Self {
        let text = if text.is_empty() { EMPTY_BODY } else { text };
        Self {
            text: Rc::from(text),
            json: OnceCell::new(),
        }
    }

    /// The body as JSON; `None` when it is none. Paid for at the first use.
    pub(in crate::vtl) fn json(&self, budget: &mut Budget) -> Result<Option<&Json>, RenderError> {
        if self.json.get().is_none() {
            // a parsed value takes about this many times the bytes of its text
            budget.keep(self.text.len().saturating_mul(4))?;
            budget.read(self.text.len().saturating_mul(4))?;
        }
        let json = self.json.get_or_init(|| bounded_json::parse(&self.text));
        Ok(json.as_ref())
    }
}

/// Puts `$context` into the heap, when the program names it.
pub(super) fn context_map(
    heap: &mut Heap,
    budget: &mut Budget,
    input: &TemplateInput<'_>,
) -> Result<Value, RenderError> {
    let mut tree = serde_json::Map::new();
    for (path, value) in &input.context {
        let value = value
            .as_ref()
            .map_or(Json::Null, |text| Json::from(text.as_ref()));
        put_at(&mut tree, path, value);
    }
    tree.insert(
        "requestOverride".to_owned(),
        input.overrides.request.clone(),
    );
    tree.insert(
        "responseOverride".to_owned(),
        input.overrides.response.clone(),
    );
    heap.import(&Json::Object(tree), budget)
}

/// Two levels are enough for every name that API Gateway has but `authorizer.claims.*`.
fn put_at(tree: &mut serde_json::Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let below = tree
                .entry(first)
                .or_insert_with(|| Json::Object(serde_json::Map::new()));
            if let Some(below) = below.as_object_mut() {
                below.insert(rest.to_owned(), value);
            }
        }
    }
}

/// A map of texts.
pub(super) fn text_map(
    heap: &mut Heap,
    budget: &mut Budget,
    pairs: &[Pair<'_>],
    any_case: bool,
) -> Result<Value, RenderError> {
    let mut map = Map {
        entries: Vec::with_capacity(pairs.len()),
        any_case,
    };
    // A query may have thousands of names, each of which would be looked for among all before it.
    let mut places = HashMap::new();
    for (name, value) in pairs {
        budget.text(name.len() + value.len())?;
        let value = Value::Text(Rc::from(value.as_ref()));
        if pairs.len() <= SEARCHED_NAMES_MAX {
            map.put(Rc::from(name.as_ref()), value);
            continue;
        }
        match places.entry(name.as_ref()) {
            Entry::Vacant(place) => {
                place.insert(map.entries.len());
                map.entries.push((Rc::from(name.as_ref()), value));
            }
            Entry::Occupied(place) => {
                if let Some((_, before)) = map.entries.get_mut(*place.get()) {
                    *before = value;
                }
            }
        }
    }
    heap.new_map(map, budget)
}

/// Whether a program may read `$context`: by its name, or by a text that it evaluates.
pub(super) fn may_read(program: &Program, name: &str) -> bool {
    let named = || program.texts.iter().any(|text| **text == *name);
    let evaluates = || program.operations.contains(&Operation::Evaluate);
    named() || evaluates()
}
