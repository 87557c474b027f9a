//! `requestTemplates` and `responseTemplates`.

use std::borrow::Cow;

use crate::api::model::MappingTemplate;
use crate::api::openapi::document::object;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::node::{Place, Value, shortened};
use crate::vtl::template::{Template, construct};

/// Bytes of a template (spec 05, "Template choice and passthrough").
const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// Reads a map of templates in document order.
pub fn read(owner: &Place<'_>, name: &str, findings: &mut Findings) -> Vec<MappingTemplate> {
    let mut templates = Vec::new();
    let Some(map) = object(owner, name, findings) else {
        return templates;
    };
    for (media_type, place) in map.members() {
        if !media_type.contains('/') && media_type != "$default" {
            findings.error_in_name(
                &place,
                format!(
                    "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                     [Invalid content type specified: {}]; wanted a media type or `$default`",
                    shortened(media_type)
                ),
            );
        }
        if let Some(template) = read_template(&place, findings) {
            let media_type = media_type.to_owned();
            templates.push(MappingTemplate {
                media_type,
                template,
            });
        }
    }
    templates
}

/// Text is compiled, other values as their JSON text (spec 01, "requestTemplates"). API Gateway exports a template that
/// is not there as null.
fn read_template(place: &Place<'_>, findings: &mut Findings) -> Option<Template> {
    let text = match &place.node.value {
        Value::Null => {
            findings.warn(
                place,
                Code::NullTemplate.says("found null, wanted a template: left out"),
            );
            return None;
        }
        Value::Text(text) => Cow::from(text),
        _ => Cow::from(place.node.to_json()),
    };
    if text.len() > TEMPLATE_BYTES_MAX {
        findings.error(
            place,
            format!(
                "found a template of {} bytes, wanted at most {TEMPLATE_BYTES_MAX}",
                text.len()
            ),
        );
        return None;
    }
    match Template::compile(&text) {
        Ok(template) => Some(template),
        Err(error) => {
            let rest = text.get(error.offset..).unwrap_or_default();
            findings.error(
                place,
                format!(
                    "found {} in line {} of the template, at its offset {}: `{}`",
                    error.fault,
                    error.line(&text),
                    error.offset,
                    shortened(&construct(rest))
                ),
            );
            None
        }
    }
}
