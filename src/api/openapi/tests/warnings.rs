use super::*;
use crate::api::model::ApiKeySource;
use crate::api::model::Authorization;
use crate::api::openapi::finding_code::Code;

/// What is in the integration: the member's name and value, and what is said.
const NOT_RUN: &[(&str, &str, &str)] = &[
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:action/GetObject&Bucket=b\"",
        "may name another bucket",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:path/{key}\"",
        "nothing is mapped to `integration.request.path.key`",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:path/${stageVariables.x}\"",
        "found no stage variable `x`",
    ),
    (
        "passthroughBehavior",
        "\"sometimes\"",
        "found `sometimes`, wanted when_no_match",
    ),
    (
        "requestTemplates",
        "{\"application/json\": null}",
        "found null, wanted a template",
    ),
    (
        "requestParameters",
        "{\"integration.request.header.x\": \"plain\"}",
        "static text wants single quotes",
    ),
    (
        "requestParameters",
        "{\"integration.request.header.x\": \"method.request.header.nope\"}",
        "declares no header `nope`",
    ),
    (
        "requestParameters",
        "{\"integration.request.path.x\": \"'1'\"}",
        "the URI has no `{x}`",
    ),
    (
        "requestParameters",
        "{\"integration.request.header.authorization\": \"'1'\"}",
        "cannot be mapped",
    ),
    ("responses", "{}", "found no integration responses"),
    (
        "responses",
        "{\"default\": {\"statusCode\": 404}}",
        "declares no response 404",
    ),
    (
        "responses",
        "{\"default\": {\"statusCode\": 200, \"responseParameters\": {\"method.response.header.X\": \"'1'\"}}}",
        "declares no header `X`",
    ),
    (
        "credentials",
        "\"arn:aws:iam::*:user/*\"",
        "every request gets 500; wanted AWS_IAM",
    ),
    (
        "cacheKeyParameters",
        "[\"method.request.querystring.q\"]",
        "not cached",
    ),
    ("tlsConfig", "{\"x\": 1}", "wanted insecureSkipVerification"),
    (
        "payloadFormatVersion",
        "\"1.0\"",
        "found `payloadFormatVersion`",
    ),
    (
        "x-amazon-apigateway-nope",
        "1",
        "`x-amazon-apigateway-nope` is not known",
    ),
    ("x-amazon-apigateway-policy", "{}", "has no effect here"),
];

#[test]
fn what_will_not_run_is_a_warning_and_the_document_imports() {
    for (name, value, fragment) in NOT_RUN {
        let warnings = imported(&good_with(name, value)).warnings;
        let hits = warnings
            .iter()
            .filter(|warning| warning.message.contains(fragment))
            .count();
        assert_eq!(hits, 1, "{name}: {value}: {warnings:#?}");
    }
}

#[test]
fn a_callers_own_keys_are_warned_of_only_where_nobody_is_asked_and_they_would_sign() {
    let method = |auth: &str, kind: &str| {
        format!(
            r#"{{{auth}"responses": {{"200": {{"description": "d"}}}}, "x-amazon-apigateway-integration": {{"type": "{kind}",
"httpMethod": "GET", "uri": "arn:aws:apigateway:r:s3:path/b/k", "responses": {{"default": {{"statusCode": 200}}}},
"credentials": "arn:aws:iam::*:user/*"}}}}"#
        )
    };
    let guarded = r#""x-amazon-apigateway-auth": {"type": "AWS_IAM"}, "#;
    let text = format!(
        r#"{{"swagger": "2.0", "info": {{"title": "t"}}, "basePath": "/v1", "paths": {{"/a": {{
"get": {}, "put": {}, "head": {}}}}}}}"#,
        method("", "aws"),
        method(guarded, "aws"),
        method("", "mock")
    );
    let warnings = imported(&text).warnings;
    let told: Vec<&Finding> = warnings
        .iter()
        .filter(|warning| warning.code == Code::NoCallerKeys)
        .collect();
    let [told] = told[..] else {
        panic!("{warnings:#?}");
    };
    let place = "/paths/~1a/get/x-amazon-apigateway-integration/credentials";
    assert_eq!((told.pointer.as_str(), told.line), (place, 4));
}

#[test]
fn what_api_gateway_refuses_is_an_error_when_strict() {
    let strict = ImportOptions {
        strictness: Strictness::Strict,
        ..ImportOptions::default()
    };
    for (name, value) in [
        ("responses", "{\"default\": {\"statusCode\": 404}}"),
        (
            "requestParameters",
            "{\"integration.request.header.x\": \"plain\"}",
        ),
        (
            "requestParameters",
            "{\"integration.request.header.x\": \"method.request.header.nope\"}",
        ),
    ] {
        let text = good_with(name, value);
        imported(&text);
        assert!(import("api", &text, &strict).is_err(), "{name}: {value}");
    }
    import_with(&good_with("type", "\"mock\""), &strict);
}

#[test]
fn authorizers_are_refused_unless_they_are_to_be_ignored() {
    let text = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1", "security": [{"key": []}],
"securityDefinitions": {
 "lambda": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom"},
 "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
 "oauth": {"type": "oauth2"}},
"paths": {"/a": {"get": {"security": [{"lambda": []}]}, "put": {"security": [{"key": []}, {"oauth": []}]},
 "post": {"security": [], "x-amazon-apigateway-auth": {"type": "aws_iam"}}, "head": {"x-amazon-apigateway-auth": {"type": "none"}}}}}"#;
    let found = faults(text);
    assert_eq!(
        found
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .count(),
        1
    );
    let ignoring = ImportOptions {
        authorizers: Authorizers::Ignored,
        ..ImportOptions::default()
    };
    let imported = import_with(text, &ignoring);
    assert!(method(&imported.table, "PUT", "/a").api_key_required);
    assert_eq!(
        method(&imported.table, "POST", "/a").authorization,
        Authorization::AwsIam
    );
    assert_eq!(
        method(&imported.table, "HEAD", "/a").authorization,
        Authorization::None
    );
    let messages: Vec<&str> = imported
        .warnings
        .iter()
        .map(|w| w.message.as_str())
        .collect();
    for fragment in [
        "the authorizer is left out",
        "the API key is left out",
        "AWS_IAM is left out",
        "scheme `oauth` is not enforced",
        "No integration defined",
        "`security` of the root counts for nothing",
    ] {
        assert!(
            messages.iter().any(|message| message.contains(fragment)),
            "{fragment}: {messages:?}"
        );
    }
}

#[test]
fn aws_iam_is_a_warning_only_while_no_caller_is_known() {
    let text = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1",
"paths": {"/a": {"get": {"x-amazon-apigateway-auth": {"type": "aws_iam"}}}}}"#;
    for (authorizers, warns) in [
        (Authorizers::Enforced, true),
        (Authorizers::Ignored, true),
        (Authorizers::Verified, false),
    ] {
        let options = ImportOptions {
            authorizers,
            ..ImportOptions::default()
        };
        let warnings = import_with(text, &options).warnings;
        let of_iam = |warning: &Finding| warning.message.contains("AWS_IAM");
        assert_eq!(warnings.iter().any(of_iam), warns, "{authorizers:?}");
    }
}

#[test]
fn a_method_with_an_api_key_is_a_warning_only_while_no_key_is_known() {
    let text = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1",
"x-amazon-apigateway-api-key-source": "SOURCE",
"securityDefinitions": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
"paths": {"/a": {"get": {"security": [{"key": []}]}}}}"#;
    let warnings = |source, knows_api_keys| {
        let options = ImportOptions {
            knows_api_keys,
            ..ImportOptions::default()
        };
        let imported = import_with(&text.replace("SOURCE", source), &options);
        let warnings = imported.warnings.into_iter();
        let of_keys = warnings.filter(|warning| warning.message.contains("API key"));
        let told: Vec<String> = of_keys.map(|warning| warning.message).collect();
        (imported.table.api_key_source, told.join("; "))
    };
    assert_eq!(
        warnings("HEADER", true),
        (ApiKeySource::Header, String::new())
    );
    let (_, unknown) = warnings("HEADER", false);
    assert!(
        unknown.contains("no API key is known ([[api_key]]"),
        "{unknown}"
    );
    let (source, told) = warnings("AUTHORIZER", true);
    assert_eq!(source, ApiKeySource::Authorizer);
    assert!(told.contains("HEADER takes it from x-api-key"), "{told}");
}

#[test]
fn models_need_not_resolve_and_may_be_circular() {
    let text = r##"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1", "paths": {"/a": {"get": {"responses": {
 "200": {"schema": {"$ref": "#/definitions/Empty"}}, "400": {"schema": {"$ref": "#/definitions/Nope"}},
 "500": {"schema": {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Empty"}}}}}},
"definitions": {"Empty": {"properties": {"self": {"$ref": "#/definitions/Empty"}}}}}"##;
    let warnings = imported(text).warnings;
    let models: Vec<&Finding> = warnings
        .iter()
        .filter(|w| w.message.contains("model reference"))
        .collect();
    assert_eq!(models.len(), 1);
    assert_eq!(
        models[0].pointer,
        "/paths/~1a/get/responses/400/schema/$ref"
    );
}

#[test]
fn more_than_300_resources_are_a_warning() {
    let with = |count: usize| {
        let paths: Vec<String> = (0..count)
            .map(|index| format!("\"/a{index}\": {{}}"))
            .collect();
        format!(
            "{{\"swagger\": \"2.0\", \"info\": {{\"title\": \"t\"}}, \"basePath\": \"/v\", \"paths\": {{{}}}}}",
            paths.join(",")
        )
    };
    assert_eq!(imported(&with(299)).warnings, []);
    assert!(
        imported(&with(300)).warnings[0]
            .message
            .contains("found 301 resources")
    );
}

const BECOME_TEXT: &str = "bytes that are not UTF-8 become U+FFFD";

/// What is said of text bodies in a document with one integration.
fn said_of_bodies(integration: &str) -> Vec<Finding> {
    let mut warnings = imported(&around(integration)).warnings;
    warnings.retain(|warning| warning.message.contains(BECOME_TEXT));
    warnings
}

fn to_object(method: &str, uri: &str, more: &str, response: &str) -> String {
    format!(
        r#"{{"type": "aws", "httpMethod": "{method}", "uri": "arn:aws:apigateway:r:{uri}", {more}
"responses": {{"default": {{"statusCode": 200{response}}}}}}}"#
    )
}

#[test]
fn objects_that_can_only_pass_as_text_are_a_warning() {
    for (method, uri, more, response) in [
        ("GET", "s3:path/{bucket}/{key}", "", ""),
        ("PUT", "s3:path/photos/cat.png", "", ""),
        ("GET", "photos.s3:path/{key}", "", ""),
        ("GET", "s3:path/{key}", "", ""),
        ("GET", "s3:path/{b}/{k}?versionId=3", "", ""),
        (
            "PUT",
            "s3:path/b/k",
            r#""contentHandling": "CONVERT_TO_TEXT","#,
            "",
        ),
        (
            "GET",
            "s3:path/b/k",
            r#""contentHandling": "CONVERT_TO_BINARY","#,
            "",
        ),
        (
            "ANY",
            "s3:path/b/k",
            r#""contentHandling": "CONVERT_TO_BINARY","#,
            "",
        ),
        (
            "GET",
            "s3:path/b/k",
            "",
            r#", "responseTemplates": {"a/b": "<$input.body>"}"#,
        ),
        (
            "PUT",
            "s3:path/b/k",
            r#""requestTemplates": {"a/b": "x"},"#,
            "",
        ),
    ] {
        let said = said_of_bodies(&to_object(method, uri, more, response));
        assert_eq!(said.len(), 1, "{method} {uri} {more} {response}");
        assert_eq!(said[0].pointer, "/paths/~1a/get");
        assert_eq!(said[0].severity, Severity::Warning);
    }
}

#[test]
fn what_carries_no_object_as_text_is_no_warning() {
    let to_binary = r#", "contentHandling": "CONVERT_TO_BINARY""#;
    for (method, uri, more, response) in [
        ("GET", "s3:path//", "", ""),
        ("GET", "s3:path/{bucket}", "", ""),
        ("PUT", "s3:path/photos/", "", ""),
        ("GET", "photos.s3:path/", "", ""),
        ("HEAD", "s3:path/b/k", "", ""),
        ("DELETE", "s3:path/b/k", "", ""),
        ("POST", "s3:path/b/k?uploads", "", ""),
        ("GET", "s3:path/b/k?tagging", "", ""),
        (
            "PUT",
            "s3:path/b/k",
            r#""contentHandling": "CONVERT_TO_BINARY","#,
            "",
        ),
        ("GET", "s3:path/b/k", "", to_binary),
        (
            "GET",
            "s3:path/b/k",
            "",
            r#", "responseTemplates": {"a/b": "x"}"#,
        ),
        (
            "PUT",
            "s3:path/b/k",
            r#""passthroughBehavior": "never", "requestTemplates": {"a/b": "x"},"#,
            "",
        ),
    ] {
        let said = said_of_bodies(&to_object(method, uri, more, response));
        assert_eq!(said, [], "{method} {uri} {more} {response}");
    }
    let with_types = |types: &str| {
        let text = around(&to_object("GET", "s3:path/b/k", "", ""));
        let key = format!("{{\"x-amazon-apigateway-binary-media-types\": {types}, \"swagger\"");
        imported(&text.replacen("{\"swagger\"", &key, 1)).warnings
    };
    assert_eq!(with_types(r#"["image/png"]"#), []);
    assert!(with_types("[]")[0].message.contains(BECOME_TEXT));
}

#[test]
fn the_line_that_mends_text_bodies_minds_templates() {
    let plain = said_of_bodies(&to_object("GET", "s3:path/b/k", "", ""));
    let mends = "put `x-amazon-apigateway-binary-media-types: ['*/*']` at the document's root";
    assert!(plain[0].message.ends_with(mends), "{}", plain[0]);
    let template = r#""requestTemplates": {"a/b": "x"},"#;
    let with_template = said_of_bodies(&to_object("GET", "s3:path/b/k", template, ""));
    let mends = "such as `x-amazon-apigateway-binary-media-types: ['image/*']`";
    assert!(
        with_template[0].message.contains(mends),
        "{}",
        with_template[0]
    );
}

#[test]
fn the_proxy_seed_has_one_warning_of_text_bodies() {
    let warnings = imported(S3_PROXY_API).warnings;
    let said: Vec<&Finding> = warnings
        .iter()
        .filter(|warning| warning.message.contains(BECOME_TEXT))
        .collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].pointer, "/paths/~1{folder}~1{item}/get");
    assert_eq!(said[0].also[0].pointer, "/paths/~1{folder}~1{item}/put");
}

/// A document with a resource policy, on lines of its own from line 2.
fn with_policy(policy: &str) -> String {
    format!(
        r#"{{"swagger": "2.0", "info": {{"title": "t"}}, "basePath": "/v1", "paths": {{}},
"x-amazon-apigateway-policy": {policy}}}"#
    )
}

#[test]
fn a_resource_policy_is_read_unless_authorizers_are_ignored() {
    let allow = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}}"#;
    let read = imported(&with_policy(allow));
    assert_eq!(read.warnings, []);
    assert!(read.table.resource_policy.is_some());
    let ignoring = ImportOptions {
        authorizers: Authorizers::Ignored,
        ..ImportOptions::default()
    };
    let left_out = import_with(&with_policy("{}"), &ignoring);
    assert_eq!(left_out.warnings.len(), 1);
    assert!(left_out.warnings[0].message.contains("everybody may call"));
    assert!(left_out.table.resource_policy.is_none());
    let none = imported(&with_policy("null"));
    assert_eq!(none.warnings, []);
    assert!(none.table.resource_policy.is_none());
}

#[test]
fn the_faults_of_a_resource_policy_are_told_with_their_places() {
    let refused = faults(&with_policy(
        r#"{"Statement": [
 {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {
   "IpIs": {"aws:SourceIp": "192.0.2.0/24"}}},
 {"Effect": "Allow", "Principal": {"AWS": ["*", "bob"]}, "Action": "*", "Resource": "*"}]}"#,
    ));
    let places: Vec<(u32, u32, &str)> = refused
        .iter()
        .map(|one| (one.line, one.column, one.pointer.as_str()))
        .collect();
    let above = "/x-amazon-apigateway-policy/Statement";
    assert_eq!(
        places,
        [
            (4, 4, format!("{above}/0/Condition/IpIs").as_str()),
            (5, 49, format!("{above}/1/Principal/AWS/1").as_str()),
        ]
    );
    assert!(refused.iter().all(|one| one.severity == Severity::Error));
    let no_object = faults(&with_policy("[]"));
    assert_eq!(no_object.len(), 1, "{no_object:#?}");
}

#[test]
fn a_resource_policy_has_a_length_limit() {
    let of_length = |length: usize| {
        let policy = |sid: &str| {
            format!(
                r#"{{"Statement":{{"Sid":"{sid}","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}}}"#
            )
        };
        policy(&"é".repeat(length - policy("").len()))
    };
    assert_eq!(faults(&with_policy(&of_length(8192))), []);
    let longer = faults(&with_policy(&of_length(8193)));
    assert_eq!(longer.len(), 1);
    let message = "found a resource policy of 8193 characters, wanted at most 8192";
    assert_eq!(longer[0].message, message);
}
