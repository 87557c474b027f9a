//! The models of request bodies: body parameters (Swagger 2.0), `requestBody` (OpenAPI 3).

use std::collections::HashMap;
use std::sync::Arc;

use crate::api::model::RequestValidator;
use crate::api::openapi::document::{Document, ModelTarget, Version, object, present, scalar};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::model_schema::Gathered;
use crate::api::openapi::node::Place;
use crate::api::request_model::{RequestModel, RequestModels};

/// The key of a body parameter's model if nothing is said of what is consumed.
const DEFAULT_MEDIA_TYPE: &str = "application/json";

/// What was compiled so far.
#[derive(Debug, Default)]
pub struct CompiledModels {
    /// By pointer of the schema and whether a validator asks for it.
    known: HashMap<(String, bool), Option<Arc<RequestModel>>>,
    empty: Option<Arc<RequestModel>>,
}

impl CompiledModels {
    /// Reads the request models of an operation, and tells them if its validator looks at bodies. Other models are
    /// compiled all the same: API Gateway takes none that is no schema.
    pub fn of_operation<'d>(
        &mut self,
        document: &Document<'d>,
        path_item: &Place<'d>,
        operation: &Place<'d>,
        validator: Option<RequestValidator>,
        findings: &mut Findings,
    ) -> Option<RequestModels> {
        let enforced = validator.is_some_and(|validator| validator.body);
        let schemas = match document.version {
            Version::Swagger2 => of_body_parameter(document, path_item, operation, findings),
            Version::OpenApi3 => of_request_body(document, operation, findings),
        };
        let mut by_media_type = Vec::new();
        for (media_type, schema) in schemas {
            let model = self.model(document, &schema, enforced, findings);
            by_media_type.extend(model.map(|model| (media_type, model)));
        }
        if !enforced {
            return None;
        }
        if self.empty.is_none() {
            self.empty = RequestModel::empty().map(Arc::new);
        }
        Some(RequestModels {
            by_media_type,
            empty: Arc::clone(self.empty.as_ref()?),
        })
    }

    fn model<'d>(
        &mut self,
        document: &Document<'d>,
        schema: &Place<'d>,
        enforced: bool,
        findings: &mut Findings,
    ) -> Option<Arc<RequestModel>> {
        let named = present(schema, "$ref")
            .and_then(|reference| document.model(scalar(&reference)?))
            .map(|target| target.key());
        let key = (named.unwrap_or_else(|| schema.pointer.clone()), enforced);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let model = compile(document, schema, enforced, findings).map(Arc::new);
        self.known.insert(key, model.clone());
        model
    }
}

fn compile<'d>(
    document: &Document<'d>,
    schema: &Place<'d>,
    enforced: bool,
    findings: &mut Findings,
) -> Option<RequestModel> {
    // a reference alone would put everything behind one more schema
    let target = present(schema, "$ref").and_then(|at| document.model(scalar(&at)?));
    let schema = match target {
        Some(ModelTarget::Written(target)) => target,
        _ => schema.clone(),
    };
    let gathered = match Gathered::of(document, &schema, findings) {
        Ok(gathered) => gathered,
        Err(fault) => {
            report(&schema, &fault.message, enforced, findings);
            return None;
        }
    };
    match RequestModel::compile(&gathered.schema) {
        Ok(model) => Some(model),
        Err(faults) => {
            for fault in faults {
                let place = gathered.place_of(&fault);
                let place = place.as_ref().unwrap_or(&schema);
                report(place, &fault.message, enforced, findings);
            }
            None
        }
    }
}

/// API Gateway refuses a model that is no schema; here it matters where bodies are validated.
fn report(place: &Place<'_>, message: &str, enforced: bool, findings: &mut Findings) {
    let message = format!("Invalid model: {message}");
    if enforced {
        findings.error(place, message);
    } else {
        findings.refused_by_gateway(place, message);
    }
}

/// The schema of the body parameter, the operation's own before its path item's, for each media type that is consumed.
fn of_body_parameter<'d>(
    document: &Document<'d>,
    path_item: &Place<'d>,
    operation: &Place<'d>,
    findings: &mut Findings,
) -> Vec<(String, Place<'d>)> {
    let lists = [operation, path_item].map(|owner| present(owner, "parameters"));
    let schema = lists
        .iter()
        .flatten()
        .flat_map(Place::elements)
        .find_map(|element| {
            let parameter = document.follow(element, findings)?;
            let is_body = present(&parameter, "in").is_some_and(|at| scalar(&at) == Some("body"));
            is_body.then(|| present(&parameter, "schema"))?
        });
    let Some(schema) = schema else {
        return Vec::new();
    };
    let consumed = present(operation, "consumes").or_else(|| present(&document.root, "consumes"));
    let mut media_types: Vec<String> = consumed
        .iter()
        .flat_map(Place::elements)
        .filter_map(|element| scalar(&element).map(str::to_owned))
        .collect();
    if media_types.is_empty() {
        media_types.push(DEFAULT_MEDIA_TYPE.to_owned());
    }
    let schemas = media_types
        .into_iter()
        .map(|media_type| (media_type, schema.clone()));
    schemas.collect()
}

fn of_request_body<'d>(
    document: &Document<'d>,
    operation: &Place<'d>,
    findings: &mut Findings,
) -> Vec<(String, Place<'d>)> {
    let Some(body) = present(operation, "requestBody") else {
        return Vec::new();
    };
    let content = document
        .follow(body, findings)
        .and_then(|body| object(&body, "content", findings));
    content
        .iter()
        .flat_map(Place::members)
        .filter_map(|(media_type, place)| Some((media_type.to_owned(), present(&place, "schema")?)))
        .collect()
}
