//! Values of a rendering. Lists and maps live in a heap that goes with it, so that they may contain one another.

use std::rc::Rc;

use serde_json::Value as Json;

use crate::vtl::program::Place;
use crate::vtl::render::budget::Budget;
use crate::vtl::render::error::RenderError;

/// A value as Java sees it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// null: a missing property or result, a null member of JSON.
    Undefined,
    Boolean(bool),
    /// Integer and Long.
    Integer(i64),
    Double(f64),
    Text(Rc<str>),
    List(ListId),
    Map(MapId),
    /// A member of a map, from `entrySet()`.
    Entry(Rc<(Rc<str>, Self)>),
    /// A `#define` block, or the body of `#@name`.
    Block(Block),
    Input,
    Util,
    /// `$foreach` of the loop at this depth.
    Loop(usize),
}

/// Where a block of operations starts, and whose arguments it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) program: usize,
    pub(super) code: Place,
    pub(super) scope: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapId(usize);

/// How a list prints, and what it lets be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// An array of JSON: prints as JSON.
    Json,
    /// A Java list.
    Plain,
    /// A Java array: has a `length`, cannot grow.
    Array,
}

#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) kind: ListKind,
    pub(super) items: Vec<Value>,
}

/// A map in the order of its first insertions.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) entries: Vec<(Rc<str>, Value)>,
    /// Header names: a name that is not found as written is searched without regard to case (spec 07).
    pub(super) any_case: bool,
}

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let exact = self.entries.iter().find(|(name, _)| **name == *key);
        let found = match exact {
            None if self.any_case => self
                .entries
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key)),
            exact => exact,
        };
        found.map(|(_, value)| value)
    }

    /// Gives the value before.
    pub(super) fn put(&mut self, key: Rc<str>, value: Value) -> Option<Value> {
        match self.entries.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(name, _)| **name == *key)?;
        Some(self.entries.remove(at).1)
    }
}

/// What a value of JSON costs: it is allocated, and found a place.
const IMPORT_STEPS: usize = 3;

/// Lists and maps of one rendering.
#[derive(Debug, Default)]
pub(super) struct Heap {
    lists: Vec<List>,
    maps: Vec<Map>,
}

/// A container whose conversion from JSON is under way.
enum Frame<'j> {
    List(Vec<Value>, std::slice::Iter<'j, Json>),
    Map(Map, serde_json::map::Iter<'j>, Option<Rc<str>>),
}

impl Heap {
    pub(super) fn list(&self, id: ListId) -> Option<&List> {
        self.lists.get(id.0)
    }

    pub(super) fn list_mut(&mut self, id: ListId) -> Option<&mut List> {
        self.lists.get_mut(id.0)
    }

    pub(super) fn map(&self, id: MapId) -> Option<&Map> {
        self.maps.get(id.0)
    }

    pub(super) fn map_mut(&mut self, id: MapId) -> Option<&mut Map> {
        self.maps.get_mut(id.0)
    }

    pub(super) fn new_list(
        &mut self,
        kind: ListKind,
        items: Vec<Value>,
        budget: &mut Budget,
    ) -> Result<Value, RenderError> {
        budget.step(items.len() / 8)?;
        budget.keep(size_of::<List>() + items.len() * size_of::<Value>())?;
        self.lists.push(List { kind, items });
        Ok(Value::List(ListId(self.lists.len() - 1)))
    }

    pub(super) fn new_map(&mut self, map: Map, budget: &mut Budget) -> Result<Value, RenderError> {
        budget.step(map.entries.len() / 4)?;
        budget.keep(size_of::<Map>() + map.entries.len() * size_of::<(Rc<str>, Value)>())?;
        self.maps.push(map);
        Ok(Value::Map(MapId(self.maps.len() - 1)))
    }

    /// A copy of JSON; some steps for each value of it.
    pub(super) fn import(
        &mut self,
        json: &Json,
        budget: &mut Budget,
    ) -> Result<Value, RenderError> {
        let mut open: Vec<Frame<'_>> = Vec::new();
        let mut next = Some(json);
        loop {
            let mut done = match next.take() {
                None => None,
                Some(Json::Array(items)) => {
                    open.push(Frame::List(Vec::with_capacity(items.len()), items.iter()));
                    None
                }
                Some(Json::Object(members)) => {
                    open.push(Frame::Map(Map::default(), members.iter(), None));
                    None
                }
                Some(scalar) => Some(scalar_of(scalar, budget)?),
            };
            budget.step(IMPORT_STEPS)?;
            loop {
                match (open.last_mut(), done.take()) {
                    (None, value) => return Ok(value.unwrap_or(Value::Undefined)),
                    (Some(Frame::List(items, _)), Some(value)) => items.push(value),
                    (Some(Frame::Map(map, _, key)), Some(value)) => {
                        map.entries.extend(key.take().map(|key| (key, value)));
                    }
                    (Some(_), None) => {}
                }
                match open.last_mut() {
                    Some(Frame::List(_, rest)) => next = rest.next(),
                    Some(Frame::Map(_, rest, key)) => {
                        if let Some((name, member)) = rest.next() {
                            budget.text(name.len())?;
                            *key = Some(Rc::from(name.as_str()));
                            next = Some(member);
                        }
                    }
                    None => {}
                }
                if next.is_some() {
                    break;
                }
                done = match open.pop() {
                    Some(Frame::List(items, _)) => {
                        Some(self.new_list(ListKind::Json, items, budget)?)
                    }
                    Some(Frame::Map(map, ..)) => Some(self.new_map(map, budget)?),
                    None => None,
                };
            }
        }
    }
}

fn scalar_of(json: &Json, budget: &mut Budget) -> Result<Value, RenderError> {
    Ok(match json {
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => {
            budget.text(text.len())?;
            Value::Text(Rc::from(text.as_str()))
        }
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Undefined,
    })
}
