//! Models of request bodies: JSON Schema draft 4, compiled once, run with counted steps (spec 01, "Models"; spec 05,
//! "Request validation").

mod counted;
mod violation;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use crate::api::request_model::counted::{Counted, CountedJson, Steps};
use crate::vtl::bounded_json;
use crate::wire::media_type;

/// Looks at values of a body, while a model is compared with it: some tenths of a second of one core at most.
pub const VALIDATION_STEPS_MAX: usize = 10_000_000;
/// The same for the texts that say what does not fit.
const EXPLANATION_STEPS_MAX: usize = 100_000;
/// Bytes of an automaton made of a `pattern`, and of what it keeps while it runs.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// An absent body (spec 05, "empty body").
const EMPTY_BODY: &str = "{}";
/// Taken for an absent Content-Type.
const DEFAULT_MEDIA_TYPE: &[u8] = b"application/json";
/// Kept under this key, a model takes every Content-Type that no other key takes.
const ANY_MEDIA_TYPE: &[u8] = b"$default";

/// A compiled model.
#[derive(Debug)]
pub struct RequestModel {
    validator: Validator<CountedJson>,
}

/// A schema that is none, or that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// JSON pointer into the schema.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

impl RequestModel {
    /// Compiles a schema that refers to nothing outside of itself.
    ///
    /// # Errors
    /// Everything in it that draft 4 does not allow, else the first thing that cannot be compiled: a reference that leads
    /// nowhere, a `pattern` with look-around or back-references.
    pub fn compile(schema: &Value) -> Result<Self, Vec<SchemaFault>> {
        let faults = draft4_faults(schema);
        if !faults.is_empty() {
            return Err(faults);
        }
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let validator = jsonschema::options_for::<CountedJson>()
            .with_draft(Draft::Draft4)
            .should_validate_formats(false)
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|error| vec![fault_of(&error)])?;
        Ok(Self { validator })
    }

    /// The model `Empty` that every API has: any object.
    #[must_use]
    pub fn empty() -> Option<Self> {
        Self::compile(&json!({"type": "object"})).ok()
    }

    /// Whether a body fits.
    ///
    /// # Errors
    /// `$context.error.validationErrorString`: a bracketed list of what does not fit.
    pub fn validate(&self, body: &[u8]) -> Result<(), String> {
        self.validate_within(body, VALIDATION_STEPS_MAX)
    }

    fn validate_within(&self, body: &[u8], steps_max: usize) -> Result<(), String> {
        let text = str::from_utf8(body).map_err(|_| "[the body is not UTF-8]".to_owned())?;
        let text = if text.trim_ascii().is_empty() {
            EMPTY_BODY
        } else {
            text
        };
        let Some(value) = bounded_json::parse(text) else {
            return Err(violation::not_read(text));
        };
        let steps = Steps::new(steps_max);
        let fits = self.validator.is_valid(Counted::new(&value, &steps));
        if steps.are_spent() {
            return Err(format!(
                "[the body takes more than {steps_max} steps to compare with its model]"
            ));
        }
        if fits {
            return Ok(());
        }
        let steps = Steps::new(EXPLANATION_STEPS_MAX);
        let errors = self.validator.iter_errors(Counted::new(&value, &steps));
        Err(violation::list(errors, &steps))
    }
}

/// What the draft's own schema says against a schema.
fn draft4_faults(schema: &Value) -> Vec<SchemaFault> {
    jsonschema::meta::validator_for(schema).map_or_else(
        |error| vec![fault_of(&error)],
        |meta| {
            meta.iter_errors(schema)
                .map(|error| fault_of(&error))
                .collect()
        },
    )
}

fn fault_of(error: &ValidationError<'_>) -> SchemaFault {
    let pointer = error.instance_path().as_str();
    let message = match pointer.rsplit('/').next() {
        Some("type") => {
            "the value is not array, boolean, integer, null, number, object or string, or a list of them"
                .to_owned()
        }
        _ => error.masked_with("the value").to_string(),
    };
    SchemaFault {
        pointer: pointer.to_owned(),
        message,
    }
}

/// The models of a method whose validator looks at bodies.
#[derive(Clone, Debug)]
pub struct RequestModels {
    /// Media types as written, and their models.
    pub by_media_type: Vec<(String, Arc<RequestModel>)>,
    /// For JSON bodies without a model of their own.
    pub empty: Arc<RequestModel>,
}

impl RequestModels {
    /// The model for a body of that Content-Type. JSON without a model is an object (`Empty`); other types without one
    /// are not looked at.
    #[must_use]
    pub fn of_type(&self, content_type: Option<&[u8]>) -> Option<&RequestModel> {
        let wanted = content_type
            .map(media_type::first_text_of)
            .filter(|text| !text.is_empty())
            .unwrap_or(DEFAULT_MEDIA_TYPE);
        let of = |wanted: &[u8]| {
            let mut models = self.by_media_type.iter();
            let found = models.find(|(known, _)| {
                media_type::first_text_of(known.as_bytes()).eq_ignore_ascii_case(wanted)
            });
            found.map(|(_, model)| &**model)
        };
        of(wanted)
            .or_else(|| of(ANY_MEDIA_TYPE))
            .or_else(|| of(b"*/*"))
            .or_else(|| {
                wanted
                    .eq_ignore_ascii_case(DEFAULT_MEDIA_TYPE)
                    .then_some(&*self.empty)
            })
    }
}
