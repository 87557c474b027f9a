use proptest::prelude::*;

use super::*;
use crate::api::gateway_response::ResponseType;
use crate::api::model::{
    Authorization, ContentHandling, Integration, IntegrationKind, ParameterLocation,
    PassthroughBehavior, RequestSource, RequestTarget, ResponseSource,
};
use crate::vtl::template::Template;

#[test]
fn both_seed_apis_import_without_a_fault() {
    let image = imported(IMAGE_API).table;
    assert_eq!(
        (image.title.as_str(), image.stage.as_str()),
        ("image-api", "v1")
    );
    assert_eq!(image.methods.len(), 2);
    let proxy = imported(S3_PROXY_API).table;
    assert_eq!((proxy.methods.len(), proxy.stage.as_str()), (8, "S3"));
    assert!(
        proxy
            .methods
            .iter()
            .all(|method| method.authorization == Authorization::AwsIam)
    );
}

#[test]
fn the_documents_in_config_import_and_say_only_what_they_must() {
    assert_eq!(imported(IMAGE_CONFIG).warnings, []);
    assert_eq!(imported(DEMO_CONFIG).warnings, []);
    let proxy = imported(S3_PROXY_CONFIG);
    assert_eq!(proxy.warnings.len(), 1);
    let warning = proxy.warnings[0].to_string();
    assert!(
        warning.contains("AWS_IAM") && warning.contains("(8 places)"),
        "{warning}"
    );
    for text in [IMAGE_CONFIG, DEMO_CONFIG, S3_PROXY_CONFIG] {
        let strict = ImportOptions {
            strictness: Strictness::Strict,
            ..ImportOptions::default()
        };
        import_with(text, &strict);
    }
}

#[test]
fn the_documents_in_config_have_what_the_seeds_have() {
    for (ours, seed) in [(IMAGE_CONFIG, IMAGE_API), (S3_PROXY_CONFIG, S3_PROXY_API)] {
        let (ours, seed) = (imported(ours).table, imported(seed).table);
        assert_eq!(ours.methods.len(), seed.methods.len());
        for wanted in &seed.methods {
            let found = method(&ours, &wanted.http_method, &wanted.resource_path);
            assert_eq!(found.authorization, wanted.authorization);
            let (found, wanted) = (
                found.integration.as_ref().unwrap(),
                wanted.integration.as_ref().unwrap(),
            );
            assert_eq!(format!("{:?}", found.kind), format!("{:?}", wanted.kind));
            assert_eq!(found.content_handling, wanted.content_handling);
            assert!(
                wanted
                    .request_parameters
                    .iter()
                    .all(|mapping| found.request_parameters.contains(mapping))
            );
            let responses =
                |integration: &Integration| format!("{:?}", integration.responses).to_lowercase();
            assert_eq!(responses(found), responses(wanted));
        }
    }
}

#[test]
fn the_binary_seed_keeps_its_template_byte_for_byte() {
    for text in [IMAGE_API, IMAGE_CONFIG, DEMO_CONFIG] {
        let table = imported(text).table;
        let integration = method(&table, "GET", "/s3").integration.as_ref().unwrap();
        let selected = integration.selection.select(200).unwrap();
        let templates = &integration.responses[selected].templates;
        assert_eq!(templates[0].media_type, "application/json");
        let wanted = Template::AroundBody {
            before: "{\n \"image\": \"".to_owned(),
            after: "\"\n}".to_owned(),
        };
        assert_eq!(templates[0].template, wanted);
        let put = method(&table, "PUT", "/s3").integration.as_ref().unwrap();
        assert_eq!(put.content_handling, Some(ContentHandling::ConvertToBinary));
        assert_eq!(put.passthrough, PassthroughBehavior::WhenNoMatch);
    }
}

#[test]
fn yaml_and_json_of_one_document_give_equal_tables() {
    for yaml in [IMAGE_CONFIG, S3_PROXY_CONFIG, DEMO_CONFIG] {
        let json = yaml_document::parse(yaml).root.unwrap().to_json();
        let (from_yaml, from_json) = (imported(yaml).table, imported(&json).table);
        assert_eq!(format!("{from_yaml:?}"), format!("{from_json:?}"));
    }
}

const MANY_THINGS: &str = r#"
openapi: 3.0.1
info: {title: t, version: 1.0}
paths:
  /{folder}/{item+}:
    parameters:
      - $ref: '#/components/parameters/Trace'
    put:
      parameters:
        - {name: X-Two, in: header, required: true, schema: {type: string}}
      x-amazon-apigateway-request-validator: params
      responses: {200: {description: ok}}
      x-amazon-apigateway-integration:
        type: AWS
        httpMethod: any
        uri: arn:aws:apigateway:us-west-2:${stageVariables.bucket}.s3:path/{key}?tagging
        credentials: arn:aws:iam::123456789012:role/${stageVariables.role}
        timeoutInMillis: 50
        passthroughBehavior: never
        requestParameters:
          integration.request.path.key: method.request.path.item
          integration.request.header.x-amz-meta-a: "'b'"
          integration.request.querystring.q: method.request.multivalueheader.x-two
        requestTemplates: {application/json: plain}
        responses:
          default: {statusCode: 200}
          2\d{2}|304: {statusCode: "200", responseParameters: {method.response.header.A: context.requestId}}
components:
  parameters:
    Trace: {name: trace, in: query}
x-amazon-apigateway-request-validators: {params: {validateRequestParameters: true, validateRequestBody: false}}
"#;

#[test]
fn a_document_becomes_its_model() {
    let options = ImportOptions {
        stage: Some("prod".to_owned()),
        stage_variables: vec![
            ("bucket".to_owned(), "photos".to_owned()),
            ("role".to_owned(), "r".to_owned()),
        ],
        ..ImportOptions::default()
    };
    let table = import_with(MANY_THINGS, &options).table;
    let found = table.find(b"PUT", b"/f/a%2Fb/c/").unwrap();
    let names: Vec<(&str, std::ops::Range<usize>)> = found
        .path_parameters
        .iter()
        .map(|p| (p.name, p.raw.clone()))
        .collect();
    assert_eq!(names, [("folder", 1..2), ("item", 3..10)]);
    let declared: Vec<(ParameterLocation, &str, bool)> = found
        .method
        .parameters
        .iter()
        .map(|p| (p.location, p.name.as_str(), p.required))
        .collect();
    assert_eq!(
        declared,
        [
            (ParameterLocation::QueryString, "trace", false),
            (ParameterLocation::Header, "X-Two", true)
        ]
    );
    assert!(found.method.validator.unwrap().parameters);
    let integration = found.method.integration.as_ref().unwrap();
    let IntegrationKind::S3(uri) = &integration.kind else {
        panic!()
    };
    assert_eq!(uri.bucket.as_deref(), Some("photos"));
    assert_eq!(
        (integration.http_method.as_deref(), integration.timeout_ms),
        (None, 50)
    );
    assert_eq!(
        integration.credentials.as_deref(),
        Some("arn:aws:iam::123456789012:role/r")
    );
    assert_eq!(integration.passthrough, PassthroughBehavior::Never);
    assert_eq!(
        integration.request_parameters[1].target,
        RequestTarget::Header("x-amz-meta-a".to_owned())
    );
    assert_eq!(
        integration.request_parameters[1].source,
        RequestSource::Literal("b".to_owned())
    );
    assert_eq!(
        (
            integration.selection.select(304),
            integration.selection.select(404)
        ),
        (Some(1), Some(0))
    );
    assert_eq!(
        integration.responses[1].parameters[0].source,
        ResponseSource::Context("requestId".to_owned())
    );
}

#[test]
fn base_paths_do_what_the_import_mode_says() {
    let swagger = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/a/b/c", "paths": {"/e": {"get": {}}}}"#;
    let variable = r#"{"openapi": "3.0.1", "info": {"title": "t"}, "servers": [{"url": "https://x/{other}", "variables": {"basePath": {"default": "base-var"}}}], "paths": {"/test": {"get": {}}}}"#;
    let url = r#"{"openapi": "3.0.1", "info": {"title": "t"}, "servers": [{"url": "https://x.example/base-url/part"}], "paths": {"/test": {"get": {}}}}"#;
    let table = [
        (swagger, BasePathMode::Ignore, "/e"),
        (swagger, BasePathMode::Prepend, "/a/b/c/e"),
        (swagger, BasePathMode::Split, "/b/c/e"),
        (variable, BasePathMode::Ignore, "/test"),
        (variable, BasePathMode::Prepend, "/base-var/test"),
        (variable, BasePathMode::Split, "/test"),
        (url, BasePathMode::Ignore, "/test"),
        (url, BasePathMode::Prepend, "/base-url/part/test"),
        (url, BasePathMode::Split, "/part/test"),
    ];
    for (text, base_path, wanted) in table {
        let options = ImportOptions {
            base_path,
            ..ImportOptions::default()
        };
        let table = import_with(text, &options).table;
        assert_eq!(table.methods[0].resource_path, wanted, "{base_path:?}");
    }
    assert_eq!(imported(swagger).table.stage, "a");
    assert_eq!(imported(variable).table.stage, "base-var");
    assert_eq!(imported(url).table.stage, "base-url");
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    imported(&format!("\u{feff}{IMAGE_API}"));
}

#[test]
fn gateway_responses_are_read() {
    let text = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1", "paths": {},
"x-amazon-apigateway-gateway-responses": {"THROTTLED": {"statusCode": "599",
 "responseParameters": {"gatewayresponse.header.A": "'*'", "gatewayresponse.path.b": "'*'"},
 "responseTemplates": {"text/plain": "$context.error.message"}}}}"#;
    let imported = imported(text);
    assert_eq!(imported.warnings, []);
    let responses = imported.table.gateway_responses;
    let response = responses.for_raised(ResponseType::Throttled).unwrap();
    assert_eq!(response.status, Some(599));
    assert_eq!(response.headers.len(), 1);
    assert_eq!(response.headers[0].name, "A");
    assert_eq!(response.templates[0].media_type, "text/plain");
    assert!(responses.for_raised(ResponseType::Unauthorized).is_none());
}

/// Cuts, repeats or replaces a piece of a text at character borders.
fn mutated(text: &str, at: usize, length: usize, with: &str) -> String {
    let floor = |index: usize| {
        (0..=index.min(text.len()))
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(0)
    };
    let (start, end) = (floor(at), floor(at + length));
    format!("{}{with}{}", &text[..start], &text[end..])
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _outcome = import("api", &text, &ImportOptions::default());
    }

    #[test]
    fn no_text_of_yaml_characters_panics(text in "[-:{}\\[\\],&*!|>'\"%@`#?~<= \n\ta-c01.]{0,80}") {
        let _outcome = import("api", &text, &ImportOptions::default());
    }

    #[test]
    fn no_mutated_document_panics(
        document in prop_oneof![Just(IMAGE_API), Just(IMAGE_CONFIG), Just(S3_PROXY_API)],
        at in 0usize..12_000,
        length in 0usize..20,
        with in prop_oneof!["[-:{}\\[\\],&*!|>'\"%@#?$ \n\ta-c01]{0,6}", "\\PC{0,3}"],
    ) {
        let text = mutated(document, at % document.len(), length, &with);
        if let Err(findings) = import("api", &text, &ImportOptions::default()) {
            prop_assert!(findings.iter().any(|finding| finding.severity == Severity::Error));
        }
    }
}
