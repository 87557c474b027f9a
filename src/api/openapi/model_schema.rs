//! From a schema of a document to one that stands by itself: what it refers to comes along, what API Gateway does not
//! enforce is left out.

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json};

use crate::api::openapi::document::{BuiltInModel, Document, ModelTarget, is_object, text};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Node, Place, Value, shortened};
use crate::api::request_model::SchemaFault;

/// Schemas within a model, those that it refers to among them.
pub const SCHEMAS_MAX: usize = 20_000;
/// Schemas that one value meets within one another (`allOf` in `anyOf` in a `$ref`, …); the stack of a core holds that
/// many for each level of the deepest body.
pub const CHAIN_SCHEMAS_MAX: usize = 24;
/// Schemas that one value meets, each as often as it is referred to.
pub const MET_SCHEMAS_MAX: usize = 10_000;

const DRAFT_4: &str = "http://json-schema.org/draft-04/schema#";
/// Their values are copied as they are. Not enforced: `format`, `minItems`, `maxItems`, `exclusiveMinimum` (spec 05).
const PLAIN: [&str; 14] = [
    "type",
    "enum",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "minLength",
    "maxLength",
    "pattern",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "required",
    "$ref",
];
/// Their values are schemas, or `true` or `false`.
const SCHEMA: [&str; 3] = ["additionalProperties", "additionalItems", "not"];
/// Their values are lists of schemas.
const SCHEMA_LIST: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Their values are maps of schemas; those of `dependencies` may also be lists of names.
const SCHEMA_MAP: [&str; 3] = ["properties", "patternProperties", "dependencies"];

/// A schema that refers to nothing outside of itself, and where its parts came from.
#[derive(Debug)]
pub struct Gathered<'d> {
    /// The schema; what it refers to is under `definitions` by number.
    pub schema: Json,
    /// The places of the numbers; 0 is the schema itself.
    origins: Vec<Option<Place<'d>>>,
}

impl<'d> Gathered<'d> {
    /// Copies a schema and what it refers to. References that lead nowhere are warnings, and anything fits them.
    ///
    /// # Errors
    /// The schema is too large, or a value would meet too many schemas.
    pub fn of(
        document: &Document<'d>,
        schema: &Place<'d>,
        findings: &mut Findings,
    ) -> Result<Self, SchemaFault> {
        let mut copier = Copier {
            document,
            findings,
            targets: vec![ModelTarget::Written(schema.clone())],
            numbers: HashMap::from([(schema.pointer.clone(), 0)]),
            schemas: 0,
        };
        let mut copies = Vec::new();
        while let Some(target) = copier.targets.get(copies.len()).cloned() {
            let copy = match target {
                ModelTarget::Written(place) => copier.schema(&place),
                ModelTarget::BuiltIn(model) => model.schema(),
            };
            copies.push(copy);
        }
        if copier.schemas > SCHEMAS_MAX {
            return Err(whole(format!(
                "found a model of more than {SCHEMAS_MAX} schemas"
            )));
        }
        let origins = copier.targets.into_iter().map(ModelTarget::place).collect();
        check_chains(&copies)?;
        let mut copies = copies.into_iter();
        let mut schema = copies.next().unwrap_or_default();
        if let Json::Object(members) = &mut schema {
            let definitions = (1..).map(|number: usize| number.to_string()).zip(copies);
            members.insert("$schema".to_owned(), Json::from(DRAFT_4));
            members.insert(
                "definitions".to_owned(),
                Json::Object(definitions.collect()),
            );
        }
        Ok(Self { schema, origins })
    }

    /// The value in the document that a fault is about.
    #[must_use]
    pub fn place_of(&self, fault: &SchemaFault) -> Option<Place<'d>> {
        let (number, rest) = definition_number(&fault.pointer).unwrap_or((0, &fault.pointer));
        let mut place = self.origins.get(number)?.clone()?;
        for token in rest.split('/').skip(1) {
            let name = token.replace("~1", "/").replace("~0", "~");
            let below = match &place.node.value {
                Value::Array(_) => name
                    .parse()
                    .ok()
                    .and_then(|index: usize| place.elements().nth(index)),
                _ => place.member(&name),
            };
            match below {
                Some(below) => place = below,
                None => break,
            }
        }
        Some(place)
    }
}

impl BuiltInModel {
    /// What fits it.
    fn schema(self) -> Json {
        match self {
            Self::Empty => serde_json::json!({"type": "object"}),
            Self::Error => {
                serde_json::json!({"type": "object", "properties": {"message": {"type": "string"}}})
            }
        }
    }
}

const fn whole(message: String) -> SchemaFault {
    SchemaFault {
        pointer: String::new(),
        message,
    }
}

/// `/definitions/7/properties/a` is `/properties/a` of number 7.
fn definition_number(pointer: &str) -> Option<(usize, &str)> {
    let rest = pointer.strip_prefix("/definitions/")?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (number, rest) = rest.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

struct Copier<'a, 'd> {
    document: &'a Document<'d>,
    findings: &'a mut Findings,
    /// What is to be copied, by number.
    targets: Vec<ModelTarget<'d>>,
    /// Pointers and names of the targets.
    numbers: HashMap<String, usize>,
    schemas: usize,
}

impl<'d> Copier<'_, 'd> {
    fn schema(&mut self, place: &Place<'d>) -> Json {
        self.schemas += 1;
        if self.schemas > SCHEMAS_MAX || !matches!(place.node.value, Value::Object(_)) {
            return copy(place.node);
        }
        if let Some(reference) = place.member("$ref") {
            return self.reference(&reference);
        }
        let members = place.members().filter_map(|(name, member)| {
            let value = self.keyword(name, &member)?;
            Some((name.to_owned(), value))
        });
        Json::Object(members.collect())
    }

    /// The value of a keyword that is enforced.
    fn keyword(&mut self, name: &str, place: &Place<'d>) -> Option<Json> {
        if PLAIN.contains(&name) {
            return Some(copy(place.node));
        }
        let is_list = matches!(place.node.value, Value::Array(_));
        if SCHEMA.contains(&name) || (name == "items" && !is_list) {
            return Some(self.schema(place));
        }
        if SCHEMA_LIST.contains(&name) || name == "items" {
            let elements = place.elements().map(|element| self.schema(&element));
            let schemas: Vec<Json> = elements.collect();
            return Some(if is_list {
                Json::Array(schemas)
            } else {
                copy(place.node)
            });
        }
        if !SCHEMA_MAP.contains(&name) {
            return None;
        }
        let Value::Object(_) = place.node.value else {
            return Some(copy(place.node));
        };
        let members = place
            .members()
            .map(|(name, member)| (name.to_owned(), self.schema(&member)));
        Some(Json::Object(members.collect()))
    }

    fn reference(&mut self, place: &Place<'d>) -> Json {
        let Some(reference) = text(place, self.findings) else {
            return Json::Object(Map::new());
        };
        let Some(target) = self.document.model(reference) else {
            let reference = shortened(reference);
            self.findings.warn(
                place,
                format!("found the model reference `{reference}`, wanted one to a model in this document"),
            );
            return Json::Object(Map::new());
        };
        if let ModelTarget::Written(place) = &target
            && !is_object(place, self.findings)
        {
            return Json::Object(Map::new());
        }
        let number = *self.numbers.entry(target.key()).or_insert_with(|| {
            self.targets.push(target);
            self.targets.len() - 1
        });
        let pointer = match number {
            0 => "#".to_owned(),
            _ => format!("#/definitions/{number}"),
        };
        serde_json::json!({"$ref": pointer})
    }
}

/// The value as it is.
fn copy(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(digits) => {
            let number: Option<Number> = serde_json::from_str(digits).ok();
            number.map_or_else(|| Json::from(digits.as_str()), Json::Number)
        }
        Value::Text(text) => Json::from(text.as_str()),
        Value::Array(elements) => elements.iter().map(copy).collect(),
        Value::Object(members) => members
            .iter()
            .map(|member| (member.name.clone(), copy(&member.node)))
            .collect(),
    }
}

/// Looks at every schema as the first that a value meets.
fn check_chains(copies: &[Json]) -> Result<(), SchemaFault> {
    let mut chains = Chains {
        copies,
        known: HashMap::new(),
    };
    for (number, copy) in copies.iter().enumerate() {
        if chains.check_below(copy).is_none() {
            let pointer = match number {
                0 => String::new(),
                _ => format!("/definitions/{number}"),
            };
            return Err(SchemaFault {
                pointer,
                message: format!(
                    "found a schema that refers to itself for the same value, or more than {CHAIN_SCHEMAS_MAX} schemas \
                     within one another or {MET_SCHEMAS_MAX} in all for one value"
                ),
            });
        }
    }
    Ok(())
}

struct Chains<'c> {
    copies: &'c [Json],
    /// Of the numbers that were looked at: the longest chain, and how many schemas are met.
    known: HashMap<usize, (usize, usize)>,
}

impl Chains<'_> {
    fn check_below(&mut self, value: &Json) -> Option<()> {
        match value {
            Json::Object(members) => {
                self.met(value, 0)?;
                members
                    .values()
                    .try_for_each(|member| self.check_below(member))
            }
            Json::Array(elements) => elements
                .iter()
                .try_for_each(|element| self.check_below(element)),
            _ => Some(()),
        }
    }

    /// The longest chain from a schema on, and the schemas met; `None` beyond the limits.
    fn met(&mut self, schema: &Json, depth: usize) -> Option<(usize, usize)> {
        if depth >= CHAIN_SCHEMAS_MAX {
            return None;
        }
        let (mut longest, mut count) = (0, 1usize);
        for next in applied_to_the_same_value(schema) {
            let (chain, met) = match referred(next) {
                Some(number) => self.met_by_reference(number, depth + 1)?,
                None => self.met(next, depth + 1)?,
            };
            longest = longest.max(chain);
            count = count.saturating_add(met);
        }
        let within = depth + longest < CHAIN_SCHEMAS_MAX && count <= MET_SCHEMAS_MAX;
        within.then_some((longest + 1, count))
    }

    fn met_by_reference(&mut self, number: usize, depth: usize) -> Option<(usize, usize)> {
        if let Some(&(longest, count)) = self.known.get(&number) {
            return (depth + longest <= CHAIN_SCHEMAS_MAX).then_some((longest, count));
        }
        let target = self.copies.get(number)?;
        let met = match referred(target) {
            Some(_) if depth >= CHAIN_SCHEMAS_MAX => return None,
            Some(next) => {
                let (longest, count) = self.met_by_reference(next, depth + 1)?;
                (longest + 1, count + 1)
            }
            None => self.met(target, depth)?,
        };
        self.known.insert(number, met);
        Some(met)
    }
}

/// The number behind `$ref`.
fn referred(schema: &Json) -> Option<usize> {
    match schema.get("$ref")?.as_str()? {
        "#" => Some(0),
        pointer => pointer.strip_prefix("#/definitions/")?.parse().ok(),
    }
}

/// The schemas that a value meets together with this one.
fn applied_to_the_same_value(schema: &Json) -> Vec<&Json> {
    if referred(schema).is_some() {
        return vec![schema];
    }
    let lists = SCHEMA_LIST
        .iter()
        .filter_map(|name| schema.get(name)?.as_array())
        .flatten();
    let dependencies = schema.get("dependencies").and_then(Json::as_object);
    lists
        .chain(schema.get("not"))
        .chain(dependencies.into_iter().flat_map(Map::values))
        .filter(|next| next.is_object())
        .collect()
}
