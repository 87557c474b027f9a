//! Which mapping template a body meets (spec 05, "Template choice and passthrough"; spec 06, "Template choice").

use crate::api::model::Integration;
use crate::api::model::IntegrationResponse;
use crate::api::model::MappingTemplate;
use crate::api::model::PassthroughBehavior;
use crate::pipeline::body_plan::ResponseTemplate;
use crate::pipeline::gateway_response::GatewayFault;
use crate::vtl::template::Template;
use crate::wire::media_type;

/// Taken for an absent Content-Type or Accept.
const DEFAULT_MEDIA_TYPE: &[u8] = b"application/json";

/// Kept under this key, a request template takes every Content-Type that no other key takes.
const ANY_MEDIA_TYPE: &[u8] = b"$default";

/// The template for a request of that Content-Type; `None`: the converted body passes.
///
/// # Errors
/// 415 by the passthrough table.
pub fn request_template<'t>(
    integration: &'t Integration,
    content_type: Option<&[u8]>,
) -> Result<Option<&'t Template>, GatewayFault> {
    let templates = &integration.request_templates;
    let chosen =
        of_type(templates, key(content_type)).or_else(|| of_type(templates, ANY_MEDIA_TYPE));
    match (chosen, integration.passthrough) {
        (Some(template), _) => Ok(Some(template)),
        (None, PassthroughBehavior::WhenNoMatch) => Ok(None),
        (None, PassthroughBehavior::WhenNoTemplates) if templates.is_empty() => Ok(None),
        (None, PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never) => {
            Err(GatewayFault::unsupported_media_type())
        }
    }
}

/// The template for a response to a client with that Accept.
#[must_use]
pub fn response_template<'t>(
    response: &'t IntegrationResponse,
    accept: Option<&[u8]>,
) -> ResponseTemplate<'t> {
    let templates = &response.templates;
    let fallback =
        || of_type(templates, DEFAULT_MEDIA_TYPE).or_else(|| Some(&templates.first()?.template));
    match of_type(templates, key(accept)) {
        Some(template) => ResponseTemplate::Exact(template),
        None => fallback().map_or(ResponseTemplate::None, ResponseTemplate::Fallback),
    }
}

fn key(header: Option<&[u8]>) -> &[u8] {
    let text = header
        .map(media_type::first_text_of)
        .filter(|text| !text.is_empty());
    text.unwrap_or(DEFAULT_MEDIA_TYPE)
}

fn of_type<'t>(templates: &'t [MappingTemplate], wanted: &[u8]) -> Option<&'t Template> {
    let mut templates = templates.iter();
    let found =
        templates.find(|template| template.media_type.as_bytes().eq_ignore_ascii_case(wanted))?;
    Some(&found.template)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::sample;

    /// The text of the template that a request of that Content-Type meets, `pass` or `415`.
    fn chosen(templates: &Value, passthrough: &str, content_type: Option<&str>) -> String {
        let table = sample::one_method(json!({
            "requestTemplates": templates, "passthroughBehavior": passthrough,
        }));
        let integration = table.methods[0].integration.as_ref().unwrap();
        match request_template(integration, content_type.map(str::as_bytes)) {
            Ok(Some(Template::Literal(text))) => text.clone(),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => "pass".to_owned(),
            Err(fault) => fault.status().to_string(),
        }
    }

    #[test]
    fn passthrough_table_of_the_specification() {
        let some = json!({"application/json": "j", "text/plain": "p"});
        for (passthrough, none_defined, none_matches) in [
            ("when_no_match", "pass", "pass"),
            ("when_no_templates", "pass", "415"),
            ("never", "415", "415"),
        ] {
            assert_eq!(
                chosen(&json!({}), passthrough, Some("text/plain")),
                none_defined,
                "{passthrough}"
            );
            assert_eq!(
                chosen(&some, passthrough, Some("image/png")),
                none_matches,
                "{passthrough}"
            );
            assert_eq!(
                chosen(&some, passthrough, Some("Text/Plain; charset=x")),
                "p",
                "{passthrough}"
            );
            assert_eq!(chosen(&some, passthrough, None), "j", "{passthrough}");
        }
    }

    #[test]
    fn the_default_key_takes_what_no_other_key_takes() {
        let templates = json!({"$default": "d", "text/plain": "p"});
        assert_eq!(chosen(&templates, "never", Some("image/png")), "d");
        assert_eq!(chosen(&templates, "never", Some("text/plain")), "p");
    }

    #[test]
    fn response_templates_go_by_accept_then_json_then_the_first() {
        let kind = |templates: Value, accept: Option<&str>| {
            let response = json!({"statusCode": "200", "responseTemplates": templates});
            let table = sample::one_method(json!({"responses": {"default": response}}));
            let integration = table.methods[0].integration.as_ref().unwrap();
            match response_template(&integration.responses[0], accept.map(str::as_bytes)) {
                ResponseTemplate::None => "none".to_owned(),
                ResponseTemplate::Exact(Template::Literal(text)) => format!("exact {text}"),
                ResponseTemplate::Fallback(Template::Literal(text)) => format!("fallback {text}"),
                other => panic!("{other:?}"),
            }
        };
        let both = json!({"text/plain": "p", "application/json": "j"});
        assert_eq!(
            kind(both.clone(), Some("text/plain;q=1, application/json")),
            "exact p"
        );
        assert_eq!(kind(both.clone(), None), "exact j");
        assert_eq!(kind(both, Some("*/*")), "fallback j");
        assert_eq!(
            kind(
                json!({"text/plain": "p", "text/css": "c"}),
                Some("image/png")
            ),
            "fallback p"
        );
        assert_eq!(kind(json!({}), None), "none");
    }
}
