//! Mapping templates that can only meet bodies that are not text (spec 04, "With templates" and "`*/*` trap").

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::content_handling::request_conversion;
use crate::api::model::{ContentHandling, MappingTemplate};
use crate::api::openapi::finding::Findings;
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::fix::Fix;
use crate::api::openapi::hints::Survey;
use crate::api::openapi::node::Place;

/// Warns of each template that makes 500 of every request or response that it is for.
pub(super) fn check(survey: &Survey<'_, '_>, types: &BinaryMediaTypes, findings: &mut Findings) {
    check_request(survey, types, findings);
    check_responses(survey, findings);
}

fn check_request(survey: &Survey<'_, '_>, types: &BinaryMediaTypes, findings: &mut Findings) {
    let integration = survey.integration;
    for template in &integration.request_templates {
        let media_type = match template.media_type.as_str() {
            "$default" => None,
            written => Some(written.as_bytes()),
        };
        let conversion = request_conversion(types.class(media_type), integration.content_handling);
        if conversion.gives_text() {
            continue;
        }
        let place = survey.member_or_whole("requestTemplates");
        let place = place.member(&template.media_type).unwrap_or(place);
        let fix = Fix::member(
            &survey.place,
            "responses",
            "contentHandling",
            "\"CONVERT_TO_TEXT\"",
        );
        let message = format!(
            "the body is binary where this template is chosen, and a template needs text: every such request gets 500; \
             {} makes text of the body",
            wanted_handling(integration.content_handling)
        );
        findings.warn(&place, Code::TemplateOnBinary.says(message).mended_by(fix));
    }
}

const fn wanted_handling(handling: Option<ContentHandling>) -> &'static str {
    match handling {
        None => "`contentHandling: CONVERT_TO_TEXT`",
        Some(_) => "`contentHandling: CONVERT_TO_TEXT` in place of the one that is there",
    }
}

fn check_responses(survey: &Survey<'_, '_>, findings: &mut Findings) {
    let responses = survey.member_or_whole("responses");
    for response in &survey.integration.responses {
        let has_template = response.templates.iter().any(is_not_empty);
        if response.content_handling != Some(ContentHandling::ConvertToBinary) || !has_template {
            continue;
        }
        let key = response.pattern.as_deref().unwrap_or("default");
        let entry = responses.member(key).unwrap_or_else(|| responses.clone());
        let place: Place<'_> = entry.member("responseTemplates").unwrap_or(entry);
        findings.warn(
            &place,
            Code::TemplateOnBinary.says(
                "`contentHandling: CONVERT_TO_BINARY` leaves no text for the template: every such response is 500; \
                 leave out one of the two",
            ),
        );
    }
}

fn is_not_empty(template: &MappingTemplate) -> bool {
    !matches!(&template.template, crate::vtl::template::Template::Literal(text) if text.is_empty())
}
