//! No mapped value puts CR, LF or NUL into a head that leaves the gateway, whatever clients, stores and templates make of it.

use serde_json::json;

use crate::api::table::Table;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::http_request::HttpBody;
use crate::pipeline::sample;
use crate::wire::http1::encode;
use crate::wire::http1::fields::Fields;

/// Values that are mapped in one run of `cargo test`; [`VALUES_VARIABLE`] asks for more (`.ci/run`: a million).
const VALUES: usize = 100_000;
const VALUES_VARIABLE: &str = "SLUICEGATE_MAPPED_VALUES";
/// Values of one round: each of the eight places gets one in the request, the response and the gateway response.
const VALUES_PER_ROUND: usize = 20;

/// xorshift: the same values in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    /// Text in which line ends, NUL and what follows them in a head are common.
    fn value(&mut self) -> String {
        const PIECES: [&str; 16] = [
            "\r\n",
            "\r",
            "\n",
            "\0",
            "\r\n\r\n",
            "Injected: yes",
            ": ",
            "a",
            "%0D%0A",
            "\u{85}",
            "\u{2028}",
            "\u{10a}\u{10d}",
            "\u{7f}",
            "\t",
            "value",
            "é",
        ];
        let count = self.next(5);
        (0..count)
            .map(|_| PIECES[self.next(PIECES.len())])
            .collect()
    }
}

/// A method that maps every source to a header, to the path and to the query, and the same back.
fn table() -> Table {
    let template = "#set($context.requestOverride.header.o1 = $input.path('$.b'))\
        #set($context.requestOverride.querystring.o2 = $input.params('q'))\
        #set($context.responseOverride.header.o3 = $input.path('$.b'))$input.path('$.b')";
    let integration = json!({
        "requestParameters": {
            "integration.request.path.bucket": "'bucket'",
            "integration.request.path.key": "method.request.path.item",
            "integration.request.header.h1": "method.request.querystring.q",
            "integration.request.header.h2": "method.request.multivaluequerystring.q",
            "integration.request.header.h3": "method.request.path.item",
            "integration.request.header.h4": "method.request.body.b",
            "integration.request.header.h5": "method.request.header.x",
            "integration.request.header.h6": "context.path",
            "integration.request.querystring.q1": "method.request.querystring.q",
            "integration.request.querystring.q2": "method.request.body.b",
        },
        "requestTemplates": {"application/json": template},
        "responses": {"default": {
            "statusCode": "200",
            "responseParameters": {
                "method.response.header.r1": "integration.response.header.s",
                "method.response.header.r2": "integration.response.multivalueheader.s",
                "method.response.header.r3": "integration.response.body.b",
                "method.response.header.r4": "integration.response.body",
                "method.response.header.Date": "integration.response.header.s",
            },
            "responseTemplates": {"application/json": "#set($context.responseOverride.header.r5 = $input.path('$.b'))"},
        }},
    });
    sample::one_method_with(integration, |document| {
        document["x-amazon-apigateway-gateway-responses"] = json!({"DEFAULT_5XX": {"responseParameters": {
            "gatewayresponse.header.g1": "method.request.querystring.q",
            "gatewayresponse.header.g2": "method.request.path.item",
            "gatewayresponse.header.g3": "method.input.params.q",
            "gatewayresponse.header.g4": "method.request.multivaluequerystring.q",
            "gatewayresponse.header.g5": "context.path",
        }}});
    })
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A head ends once, at its end, and no line of it is a value's.
fn check(head: &[u8], whole: bool) {
    let text = String::from_utf8_lossy(head);
    let lines = match text.strip_suffix("\r\n\r\n") {
        Some(lines) if whole => lines,
        _ => text.strip_suffix("\r\n").unwrap_or(&text),
    };
    for line in lines.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "{text:?}");
        assert!(
            !line.is_empty() && !line.starts_with("Injected"),
            "{text:?}"
        );
    }
}

fn check_fields(fields: &Fields) {
    let mut head = Vec::new();
    for (name, value) in fields.iter() {
        encode::write_field(&mut head, name, value);
    }
    check(&head, false);
}

fn values() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test reads how long it is to go on"
    )]
    let wanted = std::env::var(VALUES_VARIABLE);
    wanted.map_or(VALUES, |count| count.parse().expect(VALUES_VARIABLE))
}

/// The same mappings towards an HTTP server, the Host field and the client's own fields among them.
fn http_table(kind: &str) -> Table {
    let template = "#set($context.requestOverride.header.o1 = $input.path('$.b'))\
        #set($context.requestOverride.querystring.o2 = $input.params('q'))$input.path('$.b')";
    let integration = json!({
        "type": kind,
        "uri": "http://server.example/{bucket}/{key}?own={key}",
        "requestParameters": {
            "integration.request.path.bucket": "'bucket'",
            "integration.request.path.key": "method.request.path.item",
            "integration.request.header.Host": "method.request.querystring.host",
            "integration.request.header.h1": "method.request.querystring.q",
            "integration.request.header.h2": "method.request.multivaluequerystring.q",
            "integration.request.header.h3": "method.request.path.item",
            "integration.request.header.h4": "method.request.body.b",
            "integration.request.header.Authorization": "method.request.querystring.q",
            "integration.request.querystring.q1": "method.request.querystring.q",
            "integration.request.querystring.q2": "method.request.body.b",
        },
        "requestTemplates": {"application/json": template},
    });
    sample::one_method_with(integration, |_| ())
}

#[test]
fn no_mapped_value_breaks_a_head_for_an_http_server() {
    let rounds = values().div_ceil(VALUES_PER_ROUND) / 2;
    for kind in ["http", "http_proxy"] {
        let table = http_table(kind);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let mut random = Random(0x5eed);
        let mut sent = 0;
        for round in 0..rounds {
            // A value that would break a head ends the request: half of them meet only places that write it safely.
            let tame = round % 2 == 0;
            let query = if tame { String::new() } else { random.value() };
            let target = format!(
                "/v1/{}x?q={}&host={}&other={}",
                percent(&random.value()),
                percent(&query),
                percent(if tame { "" } else { "a\r\nInjected: yes" }),
                percent(&random.value())
            );
            let head = sample::head(
                "PUT",
                &target,
                &[("x", "plain"), ("Content-Type", "application/json")],
            );
            let inner = if tame {
                "tame".to_owned()
            } else {
                random.value()
            };
            let body = json!({"b": inner}).to_string();
            let request = sample::method_request(&table, &head);
            if let Ok(request) = request.into_http_request(&context, Some(body.as_bytes())) {
                check(&request.head(HttpBody::Length(1)).into_bytes(), true);
                sent += 1;
            }
        }
        assert!(sent > rounds / 50, "{kind}: {sent} of {rounds}");
    }
}

#[test]
fn no_mapped_value_breaks_a_head() {
    let values = values();
    let table = table();
    let store = sample::store(&table);
    let ids = sample::ids();
    let context = sample::context(&ids);
    let mut random = Random(0x5eed);
    let mut sent = [0usize; 2];
    for _ in 0..values.div_ceil(VALUES_PER_ROUND) {
        let (path, query, inner) = (random.value(), random.value(), random.value());
        let target = format!(
            "/v1/{}x?q={}&q={}",
            percent(&path),
            percent(&query),
            percent(&random.value())
        );
        let head = sample::head(
            "PUT",
            &target,
            &[("x", "plain"), ("Content-Type", "application/json")],
        );
        let body = json!({"b": inner}).to_string();
        GatewayFault::configuration_error()
            .render_customised(&context, &table, &head)
            .fields
            .iter()
            .for_each(|(name, value)| {
                let mut line = Vec::new();
                encode::write_field(&mut line, name, value);
                check(&line, false);
            });
        // a value that would break a head ends the request: then a tamer one has to show what the rest becomes
        for (attempt, body) in [body, "{\"b\":\"tame\"}".to_owned()].iter().enumerate() {
            let request = sample::method_request(&table, &head);
            let Ok(request) =
                request.into_integration_request(&context, &store, Some(body.as_bytes()))
            else {
                continue;
            };
            check(&sample::sign(&request), true);
            sent[attempt] += 1;
            let mut fields = Fields::new();
            fields.push(b"s", random.value().as_bytes());
            fields.push(b"s", random.value().as_bytes());
            let answer = json!({"b": random.value()}).to_string();
            if let Ok(response) =
                request.method_response(&context, 200, &fields, Some(answer.as_bytes()))
            {
                check_fields(&response.fields);
            }
        }
    }
    // the values are no more hostile than that some pass
    assert!(
        sent.iter()
            .all(|&sent| sent > values / VALUES_PER_ROUND / 50),
        "{sent:?}"
    );
}
