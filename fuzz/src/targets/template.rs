//! Mapping templates: whatever a document or a body says, rendering ends within its budget and gives the same twice.

use std::borrow::Cow;

use sluicegate::vtl::render::Parameters;
use sluicegate::vtl::render::TemplateInput;
use sluicegate::vtl::template::Template;
use sluicegate::vtl::template::construct;

/// Bytes of a rendered text.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A template, and after a line `---` the body.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (template, body) = text.split_once("\n---\n").unwrap_or((text, ""));
    let compiled = match Template::compile(template) {
        Ok(compiled) => compiled,
        Err(error) => {
            assert!(error.offset <= template.len());
            let rest = template
                .get(error.offset..)
                .expect("a fault at a character");
            assert!(construct(rest).chars().count() <= 60);
            return;
        }
    };
    match &compiled {
        Template::Literal(literal) => assert_eq!(literal, template),
        Template::AroundBody { before, after } => {
            assert!(template.starts_with(before.as_str()) && template.ends_with(after.as_str()));
            assert!(template[before.len()..].starts_with('$'));
        }
        Template::Program(program) => {
            let input = input(body);
            let first = program.render(&input);
            if let Ok(rendered) = &first {
                assert!(rendered.output.len() <= OUTPUT_BYTES_MAX);
                assert!(
                    rendered.overrides.request.is_object()
                        && rendered.overrides.response.is_object()
                );
            }
            assert_eq!(program.render(&input), first);
        }
    }
}

fn input(body: &str) -> TemplateInput<'_> {
    let pair = |name: &'static str, value| (Cow::Borrowed(name), Cow::Borrowed(value));
    TemplateInput {
        body: body.into(),
        parameters: Parameters {
            path: vec![pair("key", "a/b c")],
            querystring: vec![pair("q", body), pair("", "")],
            header: vec![pair("Content-Type", "text/plain"), pair("X-A", "\"'<>&")],
        },
        context: vec![
            ("identity.sourceIp".into(), Some("192.0.2.1".into())),
            ("requestTimeEpoch".into(), Some("1369353600007".into())),
            ("authorizer.x".into(), None),
        ],
        stage_variables: vec![pair("bucket", "photos")],
        ..TemplateInput::default()
    }
}
