//! The vectors of the whole floor: parameter mappings, gateway responses, and the end-to-end cases without sockets.

use proptest::prelude::{prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::api::gateway_response::ResponseType;
use crate::api::table::Table;
use crate::pipeline::body_plan::{BodyContent, BodyConverter};
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::{FaultResponse, GatewayFault};
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::integration_response::MethodResponse;
use crate::pipeline::mapping_body::MappingBody;
use crate::pipeline::request_mapping::{MappedValues, map_parameters, reads_body};
use crate::pipeline::route::{Route, route};
use crate::pipeline::sample;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::RequestHead;
use crate::wire::percent;
use crate::wire::query::Query;
use crate::wire::target;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

fn pairs<'v>(value: &'v Value, key: &str) -> Vec<(&'v str, &'v str)> {
    let entries = value[key].as_object().into_iter().flatten();
    entries
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect()
}

fn body(value: &Value) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(text(&value["body_base64"]))
        .unwrap()
}

fn is_fault(vector: &Value, fault: &GatewayFault, context: &RequestContext<'_>) {
    let response = fault.render(context);
    assert_eq!(u64::from(response.status), vector["status"], "{vector}");
    assert_eq!(
        response.body,
        text(&vector["response_body"]).as_bytes(),
        "{vector}"
    );
    assert_eq!(
        response.fields.get(b"x-amzn-errortype").unwrap(),
        text(&vector["error_type"]).as_bytes(),
        "{vector}"
    );
}

#[test]
fn request_mappings_agree_with_the_vectors() {
    let file = sample::vectors("parameter-mapping.json");
    let fixture = &file["request_fixture"];
    let target = format!(
        "/v1/{}/{}?q=v1&q=v2&one=x&empty=",
        text(&fixture["path_params"]["folder"]),
        text(&fixture["path_params"]["item"])
    );
    let headers: Vec<_> = list(fixture, "headers")
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect();
    let head = sample::head(text(&fixture["method"]), &target, &headers);
    let ids = sample::ids();
    let context = sample::context(&ids);
    for vector in list(&file, "request") {
        let table = sample::one_method_with(
            json!({"requestParameters": vector["requestParameters"], "uri": "arn:aws:apigateway:us-west-2:s3:path/"}),
            |document| {
                let item = document["paths"]["/{item}"].take();
                document["paths"] = json!({"/{folder}/{item}": item});
            },
        );
        let store = sample::store(&table);
        let body = text(&vector["body"]).as_bytes();
        if vector["expect"].is_null() {
            let request = sample::method_request(&table, &head);
            let made = request.into_integration_request(&context, &store, Some(body));
            let fault = made.err().unwrap();
            is_fault(vector, &fault, &context);
        } else {
            let request = sample::method_request(&table, &head);
            let mappings = &table.methods[0]
                .integration
                .as_ref()
                .unwrap()
                .request_parameters;
            let read = reads_body(mappings).then(|| MappingBody::read(body).unwrap());
            let mapped = map_parameters(mappings, &request, &context, read.as_ref());
            let got = json!({
                "header": object(&mapped.headers), "path": object(&mapped.path), "querystring": object(&mapped.query),
            });
            assert_eq!(
                got,
                with_single_values(&vector["expect"]),
                "{}",
                vector["name"]
            );
        }
    }
}

/// Values by name: a string, or a list for a name that comes several times.
fn object(values: &MappedValues<'_>) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in values.iter() {
        let value = Value::from(std::str::from_utf8(value).unwrap());
        match object.get_mut(*name) {
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = json!([one, value]),
            None => drop(object.insert((*name).to_owned(), value)),
        }
    }
    Value::Object(object)
}

/// On the wire a list of one value is that value.
fn with_single_values(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.len() == 1 => list[0].clone(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), with_single_values(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn response_mappings_agree_with_the_vectors() {
    const OWN: [&[u8]; 3] = [b"x-amzn-RequestId", b"x-amz-apigw-id", b"X-Amzn-Trace-Id"];
    let file = sample::vectors("parameter-mapping.json");
    let fixture = &file["response_fixture"];
    let headers: Vec<_> = list(fixture, "headers")
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect();
    let backend = sample::fields(&headers);
    let ids = sample::ids();
    let context = sample::context(&ids);
    for vector in list(&file, "response") {
        let response =
            json!({"statusCode": "200", "responseParameters": vector["responseParameters"]});
        let table = sample::one_method(json!({"responses": {"default": response}}));
        let head = sample::head("GET", "/v1/x", &[]);
        let store = sample::store(&table);
        let request = sample::method_request(&table, &head);
        let request = request
            .into_integration_request(&context, &store, None)
            .unwrap();
        let body = text(&fixture["body"]).as_bytes();
        let response = request
            .method_response(&context, 200, &backend, Some(body))
            .unwrap();
        let mut expected = pairs(vector, "expect_headers");
        if expected.iter().all(|(name, _)| *name != "Content-Type") {
            expected.push(("Content-Type", "application/json"));
        }
        let got: Vec<_> = response
            .fields
            .iter()
            .filter(|(name, _)| !OWN.contains(name))
            .map(|(name, value)| {
                (
                    std::str::from_utf8(name).unwrap(),
                    std::str::from_utf8(value).unwrap(),
                )
            })
            .collect();
        assert_eq!(got, expected, "{}", vector["name"]);
    }
}

#[test]
fn gateway_responses_agree_with_the_vectors() {
    let ids = sample::ids();
    let context = sample::context(&ids);
    for vector in list(&sample::vectors("gateway-responses.json"), "types") {
        let Some(expected) = vector["default_body"].as_str() else {
            continue;
        };
        let kind = ResponseType::parse(text(&vector["type"])).unwrap();
        let fault = match kind {
            ResponseType::BadRequestParameters => {
                GatewayFault::missing_parameters(&["NAME", "NAME"])
            }
            _ => GatewayFault::of(kind),
        };
        let response = fault.render(&context);
        assert_eq!(String::from_utf8(response.body).unwrap(), expected);
        assert_eq!(
            u64::from(response.status),
            vector["default_status"],
            "{expected}"
        );
        let error_type = response.fields.get(b"x-amzn-ErrorType").unwrap();
        assert_eq!(error_type, text(&vector["x_amzn_ErrorType"]).as_bytes());
    }
}

#[test]
fn customised_gateway_responses_agree_with_the_vectors() {
    let ids = sample::ids();
    let context = sample::context(&ids);
    for vector in list(&sample::vectors("gateway-responses.json"), "customisation") {
        let mut document = json!({"paths": {}});
        let key = "x-amazon-apigateway-gateway-responses";
        document[key] = vector[key].clone();
        let table = sample::table(&document, "v1");
        let query = vector["request"]["query"].as_str().unwrap_or_default();
        let head = sample::head(
            "GET",
            &format!("/v1/pets?{query}"),
            &pairs(&vector["request"], "headers"),
        );
        let fault = GatewayFault::of(ResponseType::parse(text(&vector["raised"])).unwrap());
        let response = fault.render_customised(&context, &table, &head);
        let expected = &vector["expect"];
        let name = text(&vector["name"]);
        if let Some(status) = expected["status"].as_u64() {
            assert_eq!(u64::from(response.status), status, "{name}");
        }
        if let Some(body) = expected["body"].as_str() {
            assert_eq!(std::str::from_utf8(&response.body).unwrap(), body, "{name}");
        }
        has_fields(
            &response.fields,
            expected,
            "headers",
            "absent_headers",
            name,
        );
    }
}

fn has_fields(fields: &Fields, expected: &Value, present: &str, absent: &str, name: &str) {
    for (field, value) in pairs(expected, present) {
        assert_eq!(
            fields.last(field.as_bytes()),
            Some(value.as_bytes()),
            "{name}: {field}"
        );
    }
    for field in list(expected, absent) {
        assert_eq!(fields.get(text(field).as_bytes()), None, "{name}: {field}");
    }
}

/// What the client gets in the end.
struct Answer {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
}

impl From<FaultResponse> for Answer {
    fn from(
        FaultResponse {
            status,
            fields,
            body,
        }: FaultResponse,
    ) -> Self {
        Self {
            status,
            fields,
            body,
        }
    }
}

#[test]
fn end_to_end_vectors_agree_without_sockets() {
    let ids = sample::ids();
    let context = sample::context(&ids);
    for vector in list(&sample::vectors("e2e.json"), "vectors") {
        let table = sample::table(
            &sample::vectors(text(&vector["api"])),
            text(&vector["stage"]),
        );
        let request = &vector["request"];
        let mut headers = pairs(request, "headers");
        let length = body(request).len().to_string();
        if length != "0" {
            headers.push(("Content-Length", &length));
        }
        let head = sample::head(text(&request["method"]), text(&request["target"]), &headers);
        let answer = exchange(vector, &table, &head, &context)
            .unwrap_or_else(|fault| fault.render_customised(&context, &table, &head).into());
        let (name, expected) = (text(&vector["name"]), &vector["response"]);
        assert_eq!(u64::from(answer.status), expected["status"], "{name}");
        assert_eq!(
            String::from_utf8_lossy(&answer.body),
            String::from_utf8_lossy(&body(expected)),
            "{name}"
        );
        let mut fields = answer.fields;
        fields.push(b"Content-Length", answer.body.len().to_string().as_bytes());
        has_fields(&fields, expected, "headers", "headers_absent", name);
    }
}

/// One exchange with the vector's backend.
fn exchange(
    vector: &Value,
    table: &Table,
    head: &RequestHead,
    context: &RequestContext<'_>,
) -> Result<Answer, GatewayFault> {
    let Route::Method(routed) = route(table, head)? else {
        panic!("no vector asks for the health check");
    };
    let request = sample::metered(routed).into_method_request()?;
    let store = sample::store(table);
    let client_body = body(&vector["request"]);
    let request = request.into_integration_request(context, &store, Some(&client_body))?;
    let sent = sent_body(&request, &client_body)?;
    sent_as_expected(vector, &request, sent.as_deref());
    let backend = &vector["backend_response"];
    let status = u16::try_from(backend["status"].as_u64().unwrap()).unwrap();
    let fields = sample::fields(&pairs(backend, "headers"));
    let MethodResponse {
        status,
        fields,
        body: plan,
        rendered,
        coding: _,
    } = request.method_response(context, status, &fields, Some(&body(backend)))?;
    let received = match rendered {
        Some(rendered) => rendered,
        None => run(plan.content, &body(backend))?,
    };
    let body = if plan.body_allowed {
        received
    } else {
        Vec::new()
    };
    Ok(Answer {
        status,
        fields,
        body,
    })
}

fn sent_as_expected(vector: &Value, request: &IntegrationRequest<'_, '_>, sent: Option<&[u8]>) {
    let (name, expected) = (text(&vector["name"]), &vector["backend_request"]);
    assert!(!expected.is_null(), "{name}: nothing may be sent");
    assert_eq!(
        request.method(),
        text(&expected["method"]).as_bytes(),
        "{name}"
    );
    assert_eq!(
        request.place().path,
        text(&expected["path"]).as_bytes(),
        "{name}"
    );
    assert_eq!(
        request.place().query,
        text(&expected["query"]).as_bytes(),
        "{name}"
    );
    assert_eq!(sent.unwrap_or_default(), body(expected), "{name}");
    let mut fields = request.fields().clone();
    if let Some(sent) = sent {
        fields.push(b"Content-Length", sent.len().to_string().as_bytes());
    }
    has_fields(&fields, expected, "headers", "headers_absent", name);
}

fn sent_body(
    request: &IntegrationRequest<'_, '_>,
    client: &[u8],
) -> Result<Option<Vec<u8>>, GatewayFault> {
    let plan = request.body();
    let sent = || match request.rendered() {
        Some(rendered) => Ok(rendered.to_vec()),
        None => run(plan.content, client),
    };
    plan.sends_body.then(sent).transpose()
}

fn run(content: BodyContent<'_>, body: &[u8]) -> Result<Vec<u8>, GatewayFault> {
    let mut converter = BodyConverter::new(content);
    let mut out = Vec::new();
    let converted = converter
        .push(body, &mut out)
        .and_then(|()| converter.finish(&mut out));
    converted
        .map(|()| out)
        .map_err(|_| GatewayFault::configuration_error())
}

/// Every byte as `%XX`.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    /// What a client puts into mapped parameters stays one segment of the target or one field of the signed head.
    #[test]
    fn no_parameter_breaks_out_of_the_signed_head(key: Vec<u8>, query: Vec<u8>, header: Vec<u8>) {
        let table = sample::one_method(json!({
            "uri": "arn:aws:apigateway:us-west-2:s3:path/bucket/{key}",
            "requestParameters": {
                "integration.request.path.key": "method.request.path.item",
                "integration.request.querystring.q": "method.request.querystring.q",
                "integration.request.header.x-mapped": "method.request.querystring.h",
            },
        }));
        let target = format!("/v1/k{}?q={}&h={}", escaped(&key), escaped(&query), escaped(&header));
        let head = sample::head("PUT", &target, &[]);
        let (ids, store) = (sample::ids(), sample::store(&table));
        let request = sample::method_request(&table, &head);
        let Ok(request) = request.into_integration_request(&sample::context(&ids), &store, None) else {
            return Ok(());
        };
        let sent = sample::sign(&request);
        let read = sample::read(&sent);
        let read_target = target::parse(read.method(), read.target()).unwrap();
        let mut wanted_key = b"/bucket/k".to_vec();
        wanted_key.extend_from_slice(&key);
        prop_assert_eq!(percent::decode(read_target.path), wanted_key);
        let read_query = Query::parse(read_target.query.unwrap_or_default());
        let read_query: Vec<_> = read_query.iter().collect();
        let wanted_query: Vec<_> = [(&b"q"[..], query.as_slice())].into_iter().filter(|(_, v)| !v.is_empty()).collect();
        prop_assert_eq!(read_query, wanted_query);
        let mapped = usize::from(!header.is_empty());
        // Host, date, hash, Accept, User-Agent, trace id, Content-Length, Authorization, Connection
        prop_assert_eq!(read.fields.len(), 9 + mapped);
        prop_assert_eq!(read.fields.all(b"x-mapped").count(), mapped);
    }
}
