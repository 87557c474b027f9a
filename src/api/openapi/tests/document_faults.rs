use super::*;

/// What is wrong: a maker of documents and what it is given, line, column, pointer, text.
type DocumentFault<'a> = (fn(&str) -> String, &'a str, u32, u32, &'a str, &'a str);

const DOCUMENT_FAULTS: &[DocumentFault<'_>] = &[
    (
        whole,
        "[]",
        1,
        1,
        "",
        "Invalid OpenAPI input. Found an array, wanted an object",
    ),
    (
        whole,
        "{}",
        1,
        1,
        "",
        "Invalid OpenAPI input. Found no version",
    ),
    (
        whole,
        "{\"swagger\": \"1.2\"}",
        1,
        13,
        "/swagger",
        "wanted \"2.0\"",
    ),
    (
        whole,
        "openapi: 3.1.0",
        1,
        10,
        "/openapi",
        "Found the text `3.1.0`",
    ),
    (
        whole,
        "{\"a\": 1, \"a\": 2}",
        1,
        10,
        "/a",
        "Invalid OpenAPI input. found the name `a` twice",
    ),
    (
        whole,
        "a: [",
        1,
        5,
        "",
        "Invalid OpenAPI input. found text that is not YAML",
    ),
    (
        whole,
        "{\"swagger\": \"2.0\", \"basePath\": \"/v\", \"info\": {}}",
        1,
        46,
        "/info",
        "Found no `info.title`",
    ),
    (
        whole,
        "{\"swagger\": \"2.0\", \"info\": {\"title\": \"t\"}}",
        1,
        1,
        "",
        "found no base path to name the stage",
    ),
    (
        whole,
        "{\"swagger\": \"2.0\", \"basePath\": \"/a.b\", \"info\": {\"title\": \"t\"}}",
        1,
        32,
        "/basePath",
        "found the stage name `a.b`",
    ),
    (
        path,
        "a",
        2,
        2,
        "/paths/a",
        "wanted one that begins with `/`",
    ),
    (
        path,
        "/a{b}",
        2,
        2,
        "/paths/~1a{b}",
        "wanted a variable to be a whole segment",
    ),
    (
        path,
        "/{a}b",
        2,
        2,
        "/paths/~1{a}b",
        "wanted a variable to be a whole segment",
    ),
    (path, "/{}", 2, 2, "/paths/~1{}", "found the segment `{}`"),
    (
        path,
        "/a//b",
        2,
        2,
        "/paths/~1a~1~1b",
        "found an empty segment",
    ),
    (
        path,
        "/a b",
        2,
        2,
        "/paths/~1a b",
        "found ` ` in the segment `a b`",
    ),
    (
        path,
        "/{p+}/a",
        2,
        2,
        "/paths/~1{p+}~1a",
        "Cannot create a child of a resource with a greedy path variable: {p+}",
    ),
    (
        path,
        "/{a}/{a}",
        2,
        2,
        "/paths/~1{a}~1{a}",
        "found the variable `a` twice",
    ),
    (
        deep_path,
        "",
        2,
        2,
        "/paths/~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a~1a",
        "found a path of 101 segments",
    ),
    (
        path,
        "/{a}/x\": {},\n\"/{b}",
        3,
        1,
        "/paths/~1{b}",
        "A sibling ({a}) of this resource already has a variable path part",
    ),
    (
        path,
        "/{a}\": {},\n\"/{p+}",
        3,
        1,
        "/paths/~1{p+}",
        "A sibling ({a}) of this resource",
    ),
    (
        path,
        "/a\": {},\n\"/a/",
        3,
        1,
        "/paths/~1a~1",
        "found the same path twice",
    ),
    (
        root,
        "\"x-amazon-apigateway-minimum-compression-size\": 10485761",
        2,
        49,
        "/x-amazon-apigateway-minimum-compression-size",
        "Invalid minimum compression size, must be between 0 and 10485760",
    ),
    (
        root,
        "\"x-amazon-apigateway-binary-media-types\": [\"png\"]",
        2,
        44,
        "/x-amazon-apigateway-binary-media-types/0",
        "found `png`, wanted a media type",
    ),
    (
        root,
        "\"x-amazon-apigateway-api-key-source\": \"QUERY\"",
        2,
        39,
        "/x-amazon-apigateway-api-key-source",
        "wanted `HEADER` or `AUTHORIZER`",
    ),
    (
        root,
        "\"x-amazon-apigateway-request-validator\": \"none\"",
        2,
        42,
        "/x-amazon-apigateway-request-validator",
        "Invalid Request Validator identifier specified",
    ),
    (
        root,
        "\"x-amazon-apigateway-gateway-responses\": {\"NOPE\": {}}",
        2,
        43,
        "/x-amazon-apigateway-gateway-responses/NOPE",
        "Value 'NOPE' at 'responseType' failed to satisfy constraint",
    ),
    (
        root,
        "\"x-amazon-apigateway-gateway-responses\": {\"THROTTLED\": {\"statusCode\": 42}}",
        2,
        71,
        "/x-amazon-apigateway-gateway-responses/THROTTLED/statusCode",
        "wanted a status",
    ),
    (
        root,
        "\"x-amazon-apigateway-gateway-responses\": {\"THROTTLED\": {\"responseTemplates\": {\"a/b\": null}}}",
        2,
        86,
        "/x-amazon-apigateway-gateway-responses/THROTTLED/responseTemplates/a~1b",
        "Invalid null or empty value in responseTemplates",
    ),
    (
        operation,
        "\"parameters\": [{\"name\": \"a\", \"in\": \"query\"}, {\"name\": \"a\", \"in\": \"header\"}]",
        2,
        46,
        "/paths/~1a/get/parameters/1",
        "Parameter names must be unique across querystring, header and path",
    ),
    (
        operation,
        "\"parameters\": [{\"name\": \"a b\", \"in\": \"query\"}]",
        2,
        25,
        "/paths/~1a/get/parameters/0/name",
        "found the parameter name `a b`",
    ),
    (
        operation,
        "\"parameters\": [{\"name\": \"a\", \"in\": \"matrix\"}]",
        2,
        36,
        "/paths/~1a/get/parameters/0/in",
        "found `matrix`, wanted path, query",
    ),
    (
        operation,
        "\"parameters\": [{\"in\": \"query\"}]",
        2,
        16,
        "/paths/~1a/get/parameters/0",
        "found a parameter without `name`",
    ),
    (
        operation,
        "\"parameters\": [{\"$ref\": \"#/parameters/x\"}]",
        2,
        25,
        "/paths/~1a/get/parameters/0/$ref",
        "found the reference `#/parameters/x`",
    ),
    (
        operation,
        "\"parameters\": [{\"$ref\": \"other.json#/x\"}]",
        2,
        25,
        "/paths/~1a/get/parameters/0/$ref",
        "wanted one to a value in this document",
    ),
    (
        operation,
        "\"parameters\": [{\"$ref\": \"#/paths/~1a/get/parameters/0\"}]",
        2,
        16,
        "/paths/~1a/get/parameters/0",
        "references that lead in a circle",
    ),
    (
        operation,
        "\"x-amazon-apigateway-auth\": {\"type\": \"CUSTOM\"}",
        2,
        38,
        "/paths/~1a/get/x-amazon-apigateway-auth/type",
        "wanted NONE or AWS_IAM",
    ),
    (
        operation,
        "\"security\": [{\"nope\": []}]",
        2,
        15,
        "/paths/~1a/get/security/0/nope",
        "found the security scheme `nope`",
    ),
    (
        operation,
        "\"security\": [{\"auth\": []}]",
        2,
        15,
        "/paths/~1a/get/security/0/auth",
        "found an authorizer",
    ),
    (
        operation,
        "\"x-amazon-apigateway-request-validator\": \"x\"",
        2,
        42,
        "/paths/~1a/get/x-amazon-apigateway-request-validator",
        "Invalid Request Validator identifier specified",
    ),
];

fn whole(text: &str) -> String {
    text.to_owned()
}

/// A document whose paths stand on line 2.
fn path(path: &str) -> String {
    format!(
        "{{\"swagger\": \"2.0\", \"info\": {{\"title\": \"t\"}}, \"basePath\": \"/v1\", \"paths\":\n{{\"{path}\": {{}}}}}}"
    )
}

fn deep_path(_: &str) -> String {
    path(&format!("/{}", ["a"; 101].join("/")))
}

/// A document with one more member of the root on line 2.
fn root(member: &str) -> String {
    format!(
        "{{\"swagger\": \"2.0\", \"info\": {{\"title\": \"t\"}}, \"basePath\": \"/v1\", \"paths\": {{}},\n{member}}}"
    )
}

/// A document with one more member of an operation on line 2.
fn operation(member: &str) -> String {
    let scheme = r#"{"auth": {"type": "apiKey", "x-amazon-apigateway-authorizer": {}}}"#;
    format!(
        "{{\"swagger\": \"2.0\", \"info\": {{\"title\": \"t\"}}, \"basePath\": \"/v1\", \"securityDefinitions\": {scheme}, \
         \"paths\": {{\"/a\": {{\"get\": {{\n{member},\n\"x-amazon-apigateway-integration\": {GOOD}}}}}}}}}"
    )
}

#[test]
fn faults_of_a_document_name_their_place() {
    for (make, part, line, column, pointer, fragment) in DOCUMENT_FAULTS {
        let text = make(part);
        let found = faults(&text);
        let there = found.iter().any(|finding| {
            finding.severity == Severity::Error
                && finding.message.contains(fragment)
                && (finding.line, finding.column, finding.pointer.as_str())
                    == (*line, *column, *pointer)
        });
        assert!(
            there,
            "{text}: {line}:{column}: {fragment} (at {pointer}): {found:#?}"
        );
    }
}

#[test]
fn many_faults_are_all_reported_in_the_order_of_the_text() {
    let text = r#"{"swagger": "2.0", "info": {}, "basePath": "/v1", "paths": {
"/a{b}": {},
"/ok": {"get": {
 "parameters": [{"name": "x"}],
 "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "NO",
  "uri": "nope",
  "timeoutInMillis": 1,
  "responses": {"(?=a)": {"statusCode": 1}}}},
 "put": {"x-amazon-apigateway-integration": {"type": "x"}}}}}"#;
    let found = faults(text);
    let errors: Vec<(u32, &str)> = found
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.line, finding.pointer.rsplit('/').next().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            (1, "info"),
            (2, "~1a{b}"),
            (4, "0"),
            (5, "httpMethod"),
            (6, "uri"),
            (7, "timeoutInMillis"),
            (8, "(?=a)"),
            (8, "statusCode"),
            (9, "type"),
        ]
    );
}

/// A document with a sound path and a second one whose method is a fault on line 3.
fn with_fault_below(path: &str) -> String {
    format!(
        r#"{{"swagger": "2.0", "info": {{"title": "t"}}, "basePath": "/v1", "paths": {{"/{{a}}": {{}},
"{path}": {{"get": {{"x-amazon-apigateway-integration":
{{"type": "banana", "httpMethod": "GET", "uri": "arn:aws:apigateway:r:s3:path/b", "responses": {{}}}}}}}}}}}}"#
    )
}

#[test]
fn operations_of_faulty_paths_are_checked_too() {
    let lines = |path: &str| -> Vec<u32> {
        let found = faults(&with_fault_below(path));
        let errors = found.iter().filter(|f| f.severity == Severity::Error);
        errors.map(|error| error.line).collect()
    };
    for path in [
        "/{b}",
        "/{c+}",
        "b",
        "/b{c}",
        "/b//c",
        "/{a}/",
        "/b/{c+}/d",
        "/b c",
    ] {
        assert_eq!(lines(path), [2, 3], "{path}");
    }
    assert_eq!(lines("/b"), [3]);
}

#[test]
fn a_duplicate_name_does_not_hide_the_other_faults() {
    let json = r#"{"swagger": "2.0", "info": {"title": "t"}, "basePath": "/v1", "paths": {
"/a": {"get": {"x-amazon-apigateway-integration": {"type": "banana"}}},
"/a": {"get": {}},
"/b{c}": {}}}"#;
    let yaml = "swagger: '2.0'\ninfo: {title: t}\nbasePath: /v1\npaths:\n  /a: {get: {x-amazon-apigateway-integration: {type: banana}}}\n  /a: {get: {}}\n  /b{c}: {}\n";
    for (text, lines) in [(json, [2, 3, 4]), (yaml, [5, 6, 7])] {
        let found = faults(text);
        let errors = found.iter().filter(|f| f.severity == Severity::Error);
        let told: Vec<u32> = errors.map(|error| error.line).collect();
        assert_eq!(told, lines, "{found:#?}");
    }
}

#[test]
fn documents_over_six_megabytes_are_refused() {
    let padded = |length: usize| {
        let text = good_with("type", "\"aws\"");
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    imported(&padded(DOCUMENT_BYTES_MAX));
    assert!(
        faults(&padded(DOCUMENT_BYTES_MAX + 1))[0]
            .message
            .contains("wanted at most 6291456")
    );
}
