use serde_json::{Value, json};

use crate::api::openapi::finding::{Finding, Severity};
use crate::api::openapi::finding_code::Code;
use crate::api::openapi::{ImportOptions, import};

/// A GET of an object that surprises nobody, as JSON with indentation.
fn good() -> Value {
    json!({
        "swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1",
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "paths": {"/{bucket}/{key+}": {"get": {
            "parameters": [
                {"name": "Range", "in": "header"},
                {"name": "If-None-Match", "in": "header"},
            ],
            "responses": {
                "200": {"headers": {"Content-Type": {}, "ETag": {}}}, "206": {}, "304": {}, "404": {}, "500": {},
            },
            "x-amazon-apigateway-integration": {
                "type": "aws", "httpMethod": "GET", "uri": "arn:aws:apigateway:us-east-1:s3:path/{bucket}/{key}",
                "requestParameters": {
                    "integration.request.path.bucket": "method.request.path.bucket",
                    "integration.request.path.key": "method.request.path.key",
                    "integration.request.header.Range": "method.request.header.Range",
                    "integration.request.header.If-None-Match": "method.request.header.If-None-Match",
                },
                "responses": {
                    "206": {"statusCode": 206}, "304": {"statusCode": 304}, "4\\d{2}": {"statusCode": 404},
                    "5\\d{2}": {"statusCode": 500},
                    "default": {"statusCode": 200, "responseParameters": {
                        "method.response.header.Content-Type": "integration.response.header.Content-Type",
                        "method.response.header.ETag": "integration.response.header.ETag",
                    }},
                },
            },
        }}},
    })
}

const GET: &str = "/paths/~1{bucket}~1{key+}/get";
const INTEGRATION: &str = "/paths/~1{bucket}~1{key+}/get/x-amazon-apigateway-integration";

fn found(text: &str) -> Vec<Finding> {
    let imported =
        import("api", text, &ImportOptions::default()).unwrap_or_else(|f| panic!("{f:#?}"));
    imported
        .warnings
        .into_iter()
        .chain(imported.hints)
        .collect()
}

/// Codes and pointers of what is said of the good document after a change.
fn said(change: impl FnOnce(&mut Value)) -> Vec<(Code, String)> {
    let mut document = good();
    change(&mut document);
    let text = serde_json::to_string_pretty(&document).unwrap();
    found(&text)
        .into_iter()
        .map(|finding| (finding.code, finding.pointer))
        .collect()
}

fn at<'v>(document: &'v mut Value, pointer: &str) -> &'v mut Value {
    document
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer}"))
}

fn integration(document: &mut Value) -> &mut Value {
    at(document, INTEGRATION)
}

#[test]
fn nothing_is_said_of_a_document_that_surprises_nobody() {
    assert_eq!(said(|_| ()), []);
}

type Change = fn(&mut Value);

/// What changes the way to the store, and what is said where.
const OF_REQUESTS: &[(Change, Code, &str)] = &[
    (
        |d| d["paths"]["/{bucket}/{key+}"]["get"]["parameters"][0]["required"] = json!(true),
        Code::RequiredNotChecked,
        "/parameters",
    ),
    (
        |d| {
            let parameters = &mut integration(d)["requestParameters"];
            parameters
                .as_object_mut()
                .unwrap()
                .remove("integration.request.header.Range");
        },
        Code::RangeNotMapped,
        "/x-amazon-apigateway-integration/requestParameters",
    ),
    (
        |d| {
            let parameters = &mut integration(d)["requestParameters"];
            parameters
                .as_object_mut()
                .unwrap()
                .remove("integration.request.header.If-None-Match");
        },
        Code::PreconditionsNotMapped,
        "/x-amazon-apigateway-integration/requestParameters",
    ),
    (
        |d| integration(d)["responses"]["206"]["statusCode"] = json!(200),
        Code::PartialAsWhole,
        "/x-amazon-apigateway-integration/responses",
    ),
    (
        |d| integration(d)["responses"]["304"]["statusCode"] = json!(200),
        Code::NotModifiedAsSuccess,
        "/x-amazon-apigateway-integration/responses",
    ),
    (
        |d| integration(d)["responses"]["4\\d{2}"]["statusCode"] = json!(206),
        Code::ErrorsAsSuccess,
        "/x-amazon-apigateway-integration/responses",
    ),
];

/// What changes the way back, and what is said where.
const OF_RESPONSES: &[(Change, Code, &str)] = &[
    (
        |d| integration(d)["responses"]["404"] = json!({"statusCode": 404}),
        Code::ResponseNeverSelected,
        "/x-amazon-apigateway-integration/responses/404",
    ),
    (
        |d| d["paths"]["/{bucket}/{key+}"]["get"]["responses"]["418"] = json!({}),
        Code::StatusNeverSent,
        "/responses/418",
    ),
    (
        |d| {
            let headers = &mut integration(d)["responses"]["default"]["responseParameters"];
            headers
                .as_object_mut()
                .unwrap()
                .remove("method.response.header.ETag");
        },
        Code::EtagNotMapped,
        "/x-amazon-apigateway-integration/responses/default",
    ),
    (
        |d| {
            let headers = &mut integration(d)["responses"]["default"]["responseParameters"];
            headers
                .as_object_mut()
                .unwrap()
                .remove("method.response.header.Content-Type");
        },
        Code::ContentTypeNotMapped,
        "/x-amazon-apigateway-integration/responses/default",
    ),
    (
        |d| {
            d["paths"]["/{bucket}/{key+}"]["get"]["responses"]["200"]["headers"]["Date"] =
                json!({});
            integration(d)["responses"]["default"]["responseParameters"]["method.response.header.Date"] =
                json!("integration.response.header.Date");
        },
        Code::HeaderRemapped,
        "/x-amazon-apigateway-integration/responses/default/responseParameters/method.response.header.Date",
    ),
    (
        |d| integration(d)["requestParameters"]["integration.request.header.Host"] = json!("'h'"),
        Code::HeaderWithoutEffect,
        "/x-amazon-apigateway-integration/requestParameters/integration.request.header.Host",
    ),
    (
        |d| integration(d)["requestTemplates"] = json!({"text/css": "x"}),
        Code::TemplateOnBinary,
        "/x-amazon-apigateway-integration/requestTemplates/text~1css",
    ),
    (
        |d| {
            integration(d)["responses"]["5\\d{2}"] = json!({
                "statusCode": 500, "contentHandling": "CONVERT_TO_BINARY", "responseTemplates": {"text/css": "x"},
            });
        },
        Code::TemplateOnBinary,
        "/x-amazon-apigateway-integration/responses/5\\d{2}/responseTemplates",
    ),
];

#[test]
fn each_hint_is_given_for_its_cause_alone() {
    for (change, code, place) in OF_REQUESTS.iter().chain(OF_RESPONSES) {
        let mut said = said(change);
        // Another status in an integration response leaves a declared one without any.
        said.retain(|(found, _)| *found != Code::StatusNeverSent || found == code);
        assert_eq!(said, [(*code, format!("{GET}{place}"))], "{code}");
    }
}

#[test]
fn a_store_status_that_nothing_takes_is_told() {
    let without_default = said(|d| {
        let responses = integration(d)["responses"].as_object_mut().unwrap();
        let success = responses.remove("default").unwrap();
        responses.insert("200".to_owned(), success);
    });
    let wanted = format!("{INTEGRATION}/responses");
    assert_eq!(without_default, [(Code::StatusUnanswered, wanted)]);
}

#[test]
fn a_key_of_one_segment_is_told() {
    let said = said(|d| {
        let paths = d["paths"].as_object_mut().unwrap();
        let item = paths.remove("/{bucket}/{key+}").unwrap();
        paths.insert("/{bucket}/{key}".to_owned(), item);
    });
    let place = "/paths/~1{bucket}~1{key}/get".to_owned();
    assert_eq!(said, [(Code::KeyWithSlashes, place)]);
}

#[test]
fn a_listing_without_pages_is_told() {
    let listing = |more: &str| {
        let mut document = good();
        integration(&mut document)["uri"] = json!("arn:aws:apigateway:us-east-1:s3:path/{bucket}");
        let parameters = integration(&mut document)["requestParameters"]
            .as_object_mut()
            .unwrap();
        parameters.remove("integration.request.path.key");
        parameters.insert(
            format!("integration.request.querystring.{more}"),
            json!("'1'"),
        );
        found(&document.to_string())
            .into_iter()
            .map(|f| f.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(listing("prefix"), [Code::ListNotPageable]);
    assert_eq!(listing("marker"), []);
    assert_eq!(listing("continuation-token"), []);
}

#[test]
fn a_template_may_send_any_status() {
    let said = said(|d| {
        d["paths"]["/{bucket}/{key+}"]["get"]["responses"]["418"] = json!({});
        integration(d)["responses"]["5\\d{2}"]["responseTemplates"] =
            json!({"application/json": "#set($context.responseOverride.status = 418)"});
    });
    assert_eq!(said, []);
}

/// OPTIONS beside the good GET.
fn with_preflight(document: &mut Value) {
    document["paths"]["/{bucket}/{key+}"]["options"] = json!({
        "responses": {"200": {}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "contentHandling": "CONVERT_TO_TEXT",
            "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
            "responses": {"default": {"statusCode": 200}},
        },
    });
}

#[test]
fn options_without_the_header_elsewhere_is_told() {
    let codes = |change: fn(&mut Value)| {
        let mut codes: Vec<Code> = said(|d| {
            with_preflight(d);
            change(d);
        })
        .into_iter()
        .map(|(code, _)| code)
        .filter(|code| *code != Code::NotHonoured)
        .collect();
        codes.sort_unstable();
        codes
    };
    assert_eq!(
        codes(|_| ()),
        [Code::CorsMissingOnMethod, Code::CorsMissingOnErrors]
    );
    let complete = codes(|d| {
        d["paths"]["/{bucket}/{key+}"]["get"]["responses"]["200"]["headers"]["Access-Control-Allow-Origin"] =
            json!({});
        integration(d)["responses"]["default"]["responseParameters"]["method.response.header.Access-Control-Allow-Origin"] =
            json!("'*'");
        let header = json!({"responseParameters": {"gatewayresponse.header.access-control-allow-origin": "'*'"}});
        d["x-amazon-apigateway-gateway-responses"] =
            json!({"DEFAULT_4XX": header, "DEFAULT_5XX": header});
    });
    assert_eq!(complete, []);
}

#[test]
fn one_hint_keeps_all_its_places_and_refuses_nothing() {
    let mut document = good();
    let mut other = document["paths"]["/{bucket}/{key+}"].clone();
    other["get"]["responses"]["418"] = json!({});
    document["paths"]["/{bucket}/{key+}"]["get"]["responses"]["419"] = json!({});
    document["paths"]["/x/{bucket}/{key+}"] = other;
    let said = found(&document.to_string());
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_eq!(said[0].severity, Severity::Hint);
    assert_eq!(
        said[0].also[0].pointer,
        "/paths/~1x~1{bucket}~1{key+}/get/responses/418"
    );
}

#[test]
fn the_line_that_mends_a_finding_mends_it() {
    let no_types = |d: &mut Value| {
        d.as_object_mut()
            .unwrap()
            .remove("x-amazon-apigateway-binary-media-types");
    };
    let template = |d: &mut Value| integration(d)["requestTemplates"] = json!({"text/css": "x"});
    let changes: [(Change, Code); 3] = [
        (no_types, Code::BinaryBodies),
        (template, Code::TemplateOnBinary),
        (with_preflight, Code::CorsMissingOnErrors),
    ];
    for (change, code) in changes {
        let mut document = good();
        change(&mut document);
        for text in [
            document.to_string(),
            serde_json::to_string_pretty(&document).unwrap(),
        ] {
            let finding = found(&text).into_iter().find(|f| f.code == code).unwrap();
            let mended = finding.fix.unwrap().applied(&text);
            assert!(mended.len() > text.len());
            assert!(
                found(&mended).iter().all(|f| f.code != code),
                "{code}: {mended}"
            );
        }
    }
}
