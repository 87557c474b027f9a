use super::*;

/// What is wrong, where, and what is said: the member's name and value, line, column, pointer below the integration, text.
type Fault<'a> = (&'a str, &'a str, u32, u32, &'a str, &'a str);

const INTEGRATION_FAULTS: &[Fault<'_>] = &[
    (
        "requestTemplates",
        "{\"application/json\": \"a\\n#if($x) b\"}",
        9,
        42,
        "/requestTemplates/application~1json",
        "found a block without `#end` in line 2 of the template, at its offset 2: `#if($x) b`",
    ),
    (
        "type",
        "\"lambda\"",
        8,
        9,
        "/type",
        "found the type `lambda`, wanted aws",
    ),
    (
        "type",
        "\"aws_proxy\"",
        8,
        9,
        "/type",
        "Integrations of type 'AWS_PROXY' currently only",
    ),
    ("type", "null", 5, 1, "", "found no `type`"),
    (
        "httpMethod",
        "\"FETCH\"",
        8,
        15,
        "/httpMethod",
        "Enumeration value for HttpMethod",
    ),
    (
        "httpMethod",
        "null",
        5,
        1,
        "",
        "Enumeration value for HttpMethod must be non-empty",
    ),
    (
        "uri",
        "\"s3://b\"",
        8,
        8,
        "/uri",
        "Invalid ARN specified in the request",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:get/b\"",
        8,
        8,
        "/uri",
        "must contain path or action",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:sqs:path/b\"",
        8,
        8,
        "/uri",
        "found the service `sqs`, wanted `s3`",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:lambda:path/b\"",
        8,
        8,
        "/uri",
        "found a Lambda function",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:action/Nope\"",
        8,
        8,
        "/uri",
        "found the action `Nope`",
    ),
    (
        "uri",
        "\"arn:aws:apigateway:r:s3:path/{a\"",
        8,
        8,
        "/uri",
        "found a brace",
    ),
    ("uri", "7", 8, 8, "/uri", "found the number 7, wanted text"),
    (
        "credentials",
        "\"role\"",
        9,
        16,
        "/credentials",
        "Invalid ARN specified in the request",
    ),
    (
        "timeoutInMillis",
        "49",
        9,
        20,
        "/timeoutInMillis",
        "found the number 49, wanted 50 to 29000",
    ),
    (
        "timeoutInMillis",
        "29001",
        9,
        20,
        "/timeoutInMillis",
        "wanted 50 to 29000",
    ),
    (
        "timeoutInMillis",
        "50.5",
        9,
        20,
        "/timeoutInMillis",
        "wanted 50 to 29000",
    ),
    (
        "contentHandling",
        "\"CONVERT\"",
        9,
        20,
        "/contentHandling",
        "found `CONVERT`, wanted CONVERT_TO_BINARY",
    ),
    (
        "connectionType",
        "\"VPC_LINK\"",
        9,
        19,
        "/connectionType",
        "no VPC links",
    ),
    (
        "tlsConfig",
        "{\"insecureSkipVerification\": true}",
        9,
        43,
        "/tlsConfig/insecureSkipVerification",
        "always verified",
    ),
    (
        "responseTransferMode",
        "\"CHUNKED\"",
        9,
        25,
        "/responseTransferMode",
        "wanted BUFFERED or STREAM",
    ),
    (
        "requestParameters",
        "[]",
        9,
        22,
        "/requestParameters",
        "found an array, wanted an object",
    ),
    (
        "requestParameters",
        "{\"integration.request.cookie.x\": \"'1'\"}",
        9,
        23,
        "/requestParameters/integration.request.cookie.x",
        "Invalid mapping expression specified: integration.request.cookie.x",
    ),
    (
        "requestParameters",
        "{\"integration.request.header.x\": true}",
        9,
        55,
        "/requestParameters/integration.request.header.x",
        "errors : [Invalid mapping expression specified: true]",
    ),
    (
        "requestParameters",
        "{\"integration.request.header.x\": \"method.request.headers.x\"}",
        9,
        55,
        "/requestParameters/integration.request.header.x",
        "Invalid mapping expression specified: method.request.headers.x",
    ),
    (
        "requestTemplates",
        "{\"123\": \"x\"}",
        9,
        22,
        "/requestTemplates/123",
        "[Invalid content type specified: 123]",
    ),
    (
        "responses",
        "{\"(?!4)\": {\"statusCode\": 200}}",
        8,
        15,
        "/responses/(?!4)",
        "look-around",
    ),
    (
        "responses",
        "{\"[\": {\"statusCode\": 200}}",
        8,
        15,
        "/responses/[",
        "found the selection pattern `[`",
    ),
    (
        "responses",
        "{\"default\": {}}",
        8,
        26,
        "/responses/default",
        "found no `statusCode`",
    ),
    (
        "responses",
        "{\"default\": {\"statusCode\": 600}}",
        8,
        41,
        "/responses/default/statusCode",
        "from 100 to 599",
    ),
    (
        "responses",
        "{\"default\": {\"statusCode\": 200, \"responseParameters\": {\"x\": \"'1'\"}}}",
        8,
        69,
        "/responses/default/responseParameters/x",
        "Invalid mapping expression specified: x",
    ),
];

#[test]
fn faults_of_an_integration_name_their_place() {
    for (name, value, line, column, pointer, fragment) in INTEGRATION_FAULTS {
        let found = faults(&good_with(name, value));
        let errors: Vec<&Finding> = found
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        assert_eq!(errors.len(), 1, "{name}: {value}: {found:#?}");
        let error = errors[0];
        let pointer = format!("/paths/~1a/get/x-amazon-apigateway-integration{pointer}");
        assert_eq!(
            (error.line, error.column, error.pointer.as_str()),
            (*line, *column, pointer.as_str()),
            "{name}: {value}: {error}"
        );
        assert!(error.message.contains(fragment), "{name}: {value}: {error}");
    }
}

#[test]
fn near_misses_of_those_faults_pass() {
    let table = [
        ("type", "\"AWS\""),
        ("httpMethod", "\"ANY\""),
        (
            "uri",
            "\"arn:aws:apigateway:us-west-2:s3:action/ListBuckets\"",
        ),
        ("credentials", "\"arn:aws:iam::123456789012:role/a/b\""),
        ("timeoutInMillis", "29000"),
        ("contentHandling", "null"),
        ("connectionType", "\"INTERNET\""),
        ("responseTransferMode", "\"buffered\""),
        ("tlsConfig", "{\"insecureSkipVerification\": false}"),
        (
            "requestParameters",
            "{\"integration.request.header.x\": \"method.request.header.h\"}",
        ),
        (
            "requestTemplates",
            "{\"$default\": \"x\", \"application/json\": {\"a\": 1}}",
        ),
        (
            "responses",
            "{\"4\\\\d{2}\": {\"statusCode\": \"200\"}, \"\": {\"statusCode\": 200}}",
        ),
    ];
    for (name, value) in table {
        let warnings = imported(&good_with(name, value)).warnings;
        assert_eq!(warnings, [], "{name}: {value}");
    }
}

#[test]
fn a_template_has_300_kib() {
    const BYTES_MAX: usize = 300 * 1024;
    for start in ["", "$input.body", "#set($a = 1)$a "] {
        let template = |bytes: usize| {
            let text = format!("{start}{}", "x".repeat(bytes - start.len()));
            good_with(
                "requestTemplates",
                &format!(r#"{{"application/json": "{text}"}}"#),
            )
        };
        imported(&template(BYTES_MAX));
        let found = faults(&template(BYTES_MAX + 1));
        let told: Vec<String> = found.iter().map(Finding::to_string).collect();
        let wanted = "found a template of 307201 bytes, wanted at most 307200";
        assert!(told.iter().any(|line| line.contains(wanted)), "{told:?}");
    }
}
