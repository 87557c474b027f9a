use serde_json::Value;
use serde_json::json;

use super::*;
use crate::pipeline::exchange_record::Detail;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::sample;

/// The line of `GET /v1/a%20b/?q=1`, 1,500 µs after it began, as `fill` records it.
fn line(template: &str, fields: &[(&str, &str)], fill: impl FnOnce(&ExchangeRecord)) -> String {
    let table = sample::one_method(json!({}));
    let head = sample::head("GET", "/v1/a%20b/?q=1", fields);
    let ids = sample::ids();
    let record = ExchangeRecord::new(Detail::Texts, 1_000);
    record.set_series(0);
    fill(&record);
    let context = RequestContext {
        record: &record,
        ..sample::context(&ids)
    };
    let exchange = ToldExchange {
        context: &context,
        head: Some(&head),
        table: Some(&table),
        ended_us: 2_500,
    };
    let mut out = Vec::new();
    let format = AccessLogFormat::compile(template).unwrap();
    assert!(format.write_line(&exchange, &mut out));
    String::from_utf8(out).unwrap()
}

fn answered(record: &ExchangeRecord) {
    record.set_status(200);
    record.sent_at(|| 2_000);
    record.add_response_bytes(42);
    record.integration_begins(1_000);
    record.integration_answered(4_000, 206);
}

#[test]
fn the_line_of_the_guide() {
    let ids = sample::ids();
    assert_eq!(
        line("clf", &[], answered),
        format!(
            "192.0.2.1 - - [24/May/2013:00:00:00 +0000] \"GET /{{item}} HTTP/1.1\" 200 42 {} {}\n",
            ids.request_id(),
            ids.extended_request_id()
        )
    );
}

#[test]
fn the_json_line_is_json_whatever_a_client_sends() {
    let agent = "a\"b\\c\u{1f600}\t'</x>";
    let text = line("json", &[("User-Agent", agent)], answered);
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["userAgent"], agent);
    assert_eq!(read["responseLatency"], "1");
    assert_eq!(read["integrationLatency"], "3");
    assert_eq!(read["integrationStatus"], "206");
    assert_eq!(read["path"], "/v1/a%20b/");
    assert_eq!(read["outcome"], "complete");
    assert_eq!(read["errorMessage"], "-");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn what_is_unset_or_unknown_is_a_dash() {
    let names =
        "identity.user status.x nope authorizer.claims.sub integration.status error.message";
    let template = names
        .split(' ')
        .map(|name| format!("$context.{name} "))
        .collect::<String>();
    assert_eq!(
        line(&format!("{template}$context.requestId"), &[], |_| ()),
        format!("- - - - - - {}\n", sample::ids().request_id())
    );
}

#[test]
fn text_around_variables_stays() {
    let ids = sample::ids();
    let id = ids.request_id();
    for (template, wanted) in [
        ("$context.requestId.", format!("{id}.\n")),
        ("<r>$context.requestId</r>", format!("<r>{id}</r>\n")),
        (
            "$ $context $context. $context.requestId-$context.stage\n",
            format!("$ $context $context. {id}-v1\n"),
        ),
        ("\t$$context.requestId", format!("\t${id}\n")),
    ] {
        assert_eq!(line(template, &[], |_| ()), wanted, "{template}");
    }
}

#[test]
fn a_client_breaks_no_column() {
    let template = "$context.identity.userAgent,\"$context.identity.userAgent\" $context.requestId";
    let fields = [("User-Agent", "a, b\"")];
    let id = sample::ids().request_id().to_owned();
    assert_eq!(
        line(template, &fields, |_| ()),
        format!("a\\u002c\\u0020b\\u0022,\"a, b\\u0022\" {id}\n")
    );
}

#[test]
fn a_fault_is_told_with_its_type() {
    let template = "{\"m\":$context.error.messageString,\"n\":\"$context.error.messageString\",\
        \"o\":\"$context.error.message\",\"t\":\"$context.error.responseType\",\
        \"s\":\"$context.authorize.status $context.authenticate.status\",\"e\":\"$context.authenticate.error\",\
        \"r\":\"$context.requestId\"}";
    let text = line(template, &[], |record| {
        let fault = GatewayFault::invalid_signature("not \"this\"".to_owned());
        record.checked(Err(&fault), 7);
        record.set_fault(fault);
    });
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["m"], "not \"this\"");
    assert_eq!(read["n"], "\"not \"this\"\"");
    assert_eq!(read["o"], "not \"this\"");
    assert_eq!(read["t"], "INVALID_SIGNATURE");
    assert_eq!(read["s"], "- 403");
    assert_eq!(read["e"], "not \"this\"");
}

#[test]
fn a_request_that_cannot_be_read_has_a_line_too() {
    let ids = sample::ids();
    let record = ExchangeRecord::new(Detail::Texts, 0);
    record.set_status(400);
    record.sent_at(|| 0);
    let context = RequestContext {
        record: &record,
        ..sample::context(&ids)
    };
    let exchange = ToldExchange {
        context: &context,
        head: None,
        table: None,
        ended_us: 0,
    };
    let mut out = Vec::new();
    let format = AccessLogFormat::compile("clf").unwrap();
    assert!(format.write_line(&exchange, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("192.0.2.1 - - [24/May/2013:00:00:00 +0000] \"- - -\" 400 0 "),
        "{text}"
    );
}

#[test]
fn a_client_that_is_gone_has_a_status_of_its_own() {
    let template = "$context.status $context.sluicegate.outcome $context.requestId";
    assert!(line(template, &[], |_| ()).starts_with("499 client-gone "));
    let cut = line(template, &[], |record| {
        answered(record);
        record.set_cut();
    });
    assert!(cut.starts_with("200 cut "), "{cut}");
}

#[test]
fn what_api_gateway_refuses_is_refused() {
    let refused = |text: &str| AccessLogFormat::compile(text).unwrap_err();
    for text in ["", "common", "$context.status", "$context.requestIds"] {
        assert_eq!(refused(text), FormatError::NoRequestId, "{text}");
    }
    let id = "$context.extendedRequestId";
    let fitting = format!("{}{id}", "a".repeat(TEMPLATE_BYTES_MAX - id.len()));
    assert!(AccessLogFormat::compile(&fitting).is_ok());
    assert_eq!(refused(&format!("a{fitting}")), FormatError::TooLong);
    for control in ["\n", "\r", "\0", "\x1b"] {
        let text = format!("a{control}{id}");
        assert_eq!(refused(&text), FormatError::Control, "{text:?}");
    }
    assert!(AccessLogFormat::compile(&format!("{id}\r\n")).is_ok());
}

#[test]
fn a_line_without_end_is_not_written() {
    let table = sample::one_method(json!({}));
    let agent = "\"".repeat(escape::VALUE_BYTES_MAX);
    let head = sample::head("GET", "/v1/a", &[("User-Agent", &agent)]);
    let ids = sample::ids();
    let context = sample::context(&ids);
    let exchange = ToldExchange {
        context: &context,
        head: Some(&head),
        table: Some(&table),
        ended_us: 0,
    };
    let agents = |count| "$context.identity.userAgent".repeat(count) + "$context.requestId";
    let per_line = LINE_BYTES_MAX / (escape::VALUE_BYTES_MAX * 6);
    let mut out = b"before".to_vec();
    let written = |count, out: &mut Vec<u8>| {
        let format = AccessLogFormat::compile(&agents(count)).unwrap();
        format.write_line(&exchange, out)
    };
    assert!(!written(per_line + 1, &mut out));
    assert_eq!(out, b"before");
    assert!(written(per_line, &mut out));
    assert!(out.ends_with(b"\n"));
}

#[test]
fn every_name_of_the_specification_is_taken() {
    for name in [
        "accountId",
        "apiId",
        "awsEndpointRequestId",
        "domainName",
        "domainPrefix",
        "extendedRequestId",
        "httpMethod",
        "identity.accountId",
        "identity.accessKey",
        "identity.apiKey",
        "identity.apiKeyId",
        "identity.caller",
        "identity.sourceIp",
        "identity.user",
        "identity.userAgent",
        "identity.userArn",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourcePath",
        "stage",
        "error.message",
        "error.messageString",
        "error.responseType",
        "error.validationErrorString",
        "status",
        "responseLength",
        "responseLatency",
        "integrationLatency",
        "integration.latency",
        "integrationStatus",
        "integration.status",
        "integration.integrationStatus",
        "integration.error",
        "integrationErrorMessage",
        "integration.requestId",
        "authorize.error",
        "authorize.latency",
        "authorize.status",
        "authenticate.error",
        "authenticate.latency",
        "authenticate.status",
        "xrayTraceId",
    ] {
        assert!(Variable::parse(name).is_some(), "{name}");
    }
}
