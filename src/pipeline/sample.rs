//! Documents, requests and contexts for the tests of this floor.

use serde_json::{Value, json};

use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::gateway_response::{
    GatewayHeader, GatewayResponse, GatewayResponses, GatewaySource, GatewayTarget,
    GatewayTemplate, ResponseType,
};
use crate::api::integration_uri::IntegrationUri;
use crate::api::model::{
    Authorization, ContentHandling, DeclaredParameter, Integration, IntegrationKind,
    IntegrationResponse, MappingTemplate, Method, ParameterLocation, PassthroughBehavior,
    RequestMapping, RequestValidator, ResponseMapping,
};
use crate::api::parameter_mapping;
use crate::api::resource_tree::{ResourceTree, Route};
use crate::api::selection_pattern::SelectionTable;
use crate::api::table::Table;
use crate::pipeline::authorize::CallerPolicy;
use crate::pipeline::context::RequestContext;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_ids::{RANDOM_BYTES, RequestIds};
use crate::pipeline::route;
use crate::pipeline::store_path::{Addressing, StoreAddress};
use crate::vtl::template::Template;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::{HeadLimits, RequestHead};

pub(super) const TIME: UnixSeconds = UnixSeconds(1_369_353_600);

pub(super) fn ids() -> RequestIds {
    RequestIds::new(&[0; RANDOM_BYTES], TIME, None)
}

pub(super) fn context(ids: &RequestIds) -> RequestContext<'_> {
    RequestContext {
        ids,
        time: TIME,
        time_millis: 7,
        source_ip: "192.0.2.1",
    }
}

pub(super) fn store(table: &Table) -> StoreAddress {
    StoreAddress::new("store.test:8333", Addressing::Path, None, table)
}

/// A head of that request line and those fields, `Host: gate.test:8080` first.
pub(super) fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: gate.test:8080\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let limits = HeadLimits {
        target_bytes_max: 10_240,
        fields_bytes_max: 10_240,
        fields_max: 100,
    };
    let mut head = RequestHead::default();
    assert!(head.read(text.as_bytes(), &limits).unwrap().is_some());
    head
}

pub(super) fn fields(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

/// A document of one resource `/{item}` with one `ANY` method, whose integration is that JSON object with defaults.
pub(super) fn one_method(integration: Value) -> Table {
    one_method_with(integration, |_| ())
}

pub(super) fn one_method_with(mut integration: Value, change: impl FnOnce(&mut Value)) -> Table {
    let mut defaults = json!({
        "type": "aws", "uri": "arn:aws:apigateway:us-west-2:s3:path/{bucket}/{key}",
        "requestParameters": {
            "integration.request.path.bucket": "'bucket'",
            "integration.request.path.key": "method.request.path.item",
        },
        "responses": {"default": {"statusCode": "200"}},
    });
    let object = integration.as_object_mut().unwrap();
    defaults.as_object_mut().unwrap().append(object);
    let method = json!({"x-amazon-apigateway-integration": defaults});
    let mut document = json!({
        "info": {"title": "sample"},
        "paths": {"/{item}": {"x-amazon-apigateway-any-method": method}},
    });
    change(&mut document);
    table(&document, "v1")
}

/// Compiles a document that is known to be good.
pub(super) fn table(document: &Value, stage: &str) -> Table {
    let mut methods = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            methods.push(method(path, verb, operation));
        }
    }
    let routes = methods.iter().enumerate().map(|(index, method)| Route {
        resource_path: &method.resource_path,
        http_method: &method.http_method,
        method: index,
    });
    let resources = ResourceTree::new(routes);
    let binary = document["x-amazon-apigateway-binary-media-types"].as_array();
    let binary: Vec<String> = binary.into_iter().flatten().map(text).collect();
    Table {
        api_id: "test-api".to_owned(),
        title: text(&document["info"]["title"]),
        stage: stage.to_owned(),
        stage_variables: vec![("var".to_owned(), "a stage variable".to_owned())],
        binary_media_types: BinaryMediaTypes::new(&binary),
        gateway_responses: gateway_responses(&document["x-amazon-apigateway-gateway-responses"]),
        methods,
        resources,
    }
}

fn method(path: &str, verb: &str, operation: &Value) -> Method {
    let any = verb == "x-amazon-apigateway-any-method";
    let integration = &operation["x-amazon-apigateway-integration"];
    let iam = operation["x-amazon-apigateway-auth"]["type"] == "AWS_IAM";
    Method {
        resource_path: path.to_owned(),
        http_method: if any {
            "ANY".to_owned()
        } else {
            verb.to_uppercase()
        },
        authorization: if iam {
            Authorization::AwsIam
        } else {
            Authorization::None
        },
        api_key_required: operation["apiKeyRequired"] == true,
        parameters: operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(declared)
            .collect(),
        validator: operation["validator"]
            .as_bool()
            .map(|parameters| RequestValidator {
                body: false,
                parameters,
            }),
        integration: integration
            .is_object()
            .then(|| self::integration(integration)),
    }
}

fn declared(parameter: &Value) -> DeclaredParameter {
    DeclaredParameter {
        location: match parameter["in"].as_str().unwrap() {
            "header" => ParameterLocation::Header,
            "path" => ParameterLocation::Path,
            _ => ParameterLocation::QueryString,
        },
        name: text(&parameter["name"]),
        required: parameter["required"] == true,
    }
}

fn integration(document: &Value) -> Integration {
    let kind = match IntegrationUri::parse(document["uri"].as_str().unwrap()) {
        Ok(IntegrationUri::Path(uri)) => IntegrationKind::S3(uri),
        other => IntegrationKind::NotRun {
            what: format!("{other:?}"),
        },
    };
    let responses: Vec<_> = entries(&document["responses"])
        .map(|(key, value)| response(key, value))
        .collect();
    let patterns: Vec<_> = responses
        .iter()
        .map(|response| response.pattern.as_deref())
        .collect();
    Integration {
        kind,
        http_method: document["httpMethod"].as_str().map(str::to_owned),
        credentials: document["credentials"].as_str().map(str::to_owned),
        request_parameters: entries(&document["requestParameters"])
            .map(|(target, source)| RequestMapping {
                target: parameter_mapping::request_target(target).unwrap(),
                source: parameter_mapping::request_source(source.as_str().unwrap()).unwrap(),
            })
            .collect(),
        request_templates: templates(&document["requestTemplates"]),
        passthrough: match document["passthroughBehavior"].as_str() {
            Some("never") => PassthroughBehavior::Never,
            Some("when_no_templates") => PassthroughBehavior::WhenNoTemplates,
            _ => PassthroughBehavior::WhenNoMatch,
        },
        content_handling: content_handling(document),
        timeout_ms: 29_000,
        selection: SelectionTable::compile(&patterns).unwrap(),
        responses,
    }
}

fn response(pattern: &str, document: &Value) -> IntegrationResponse {
    IntegrationResponse {
        pattern: (pattern != "default").then(|| pattern.to_owned()),
        status: document["statusCode"].as_str().unwrap().parse().unwrap(),
        parameters: entries(&document["responseParameters"])
            .map(|(target, source)| ResponseMapping {
                header: parameter_mapping::response_target(target).unwrap(),
                source: parameter_mapping::response_source(source.as_str().unwrap()).unwrap(),
            })
            .collect(),
        templates: templates(&document["responseTemplates"]),
        content_handling: content_handling(document),
    }
}

fn gateway_responses(document: &Value) -> GatewayResponses {
    let response = |(kind, value): (&String, &Value)| {
        let status = &value["statusCode"];
        let headers = entries(&value["responseParameters"]).filter_map(|(target, source)| {
            match GatewayTarget::parse(target).unwrap() {
                GatewayTarget::Header(name) => Some(GatewayHeader {
                    name,
                    source: GatewaySource::parse(source.as_str().unwrap()).unwrap(),
                }),
                GatewayTarget::NoEffect => None,
            }
        });
        let response = GatewayResponse {
            status: status
                .as_str()
                .map_or(status.as_u64(), |text| text.parse().ok())
                .map(|s| s.try_into().unwrap()),
            headers: headers.collect(),
            templates: entries(&value["responseTemplates"])
                .map(|(key, value)| GatewayTemplate::compile(key, value.as_str().unwrap()))
                .collect(),
        };
        (ResponseType::parse(kind).unwrap(), response)
    };
    GatewayResponses::new(entries(document).map(response).collect())
}

fn templates(document: &Value) -> Vec<MappingTemplate> {
    let template = |(key, value): (&String, &Value)| MappingTemplate {
        media_type: key.clone(),
        template: Template::compile(value.as_str().unwrap()),
    };
    entries(document).map(template).collect()
}

fn content_handling(document: &Value) -> Option<ContentHandling> {
    match document["contentHandling"].as_str() {
        Some("CONVERT_TO_BINARY") => Some(ContentHandling::ConvertToBinary),
        Some("CONVERT_TO_TEXT") => Some(ContentHandling::ConvertToText),
        _ => None,
    }
}

fn entries(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Reads a vector file of `tests/vectors`.
pub(super) fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Routes and authorizes, and makes the method request.
pub(super) fn method_request<'t, 'h>(
    table: &'t Table,
    head: &'h RequestHead,
) -> MethodRequest<'t, 'h> {
    let route::Route::Method(routed) = route::route(table, head).unwrap() else {
        panic!("the health check");
    };
    routed
        .authorize(CallerPolicy::IgnoreAuthorizers)
        .unwrap()
        .into_method_request()
        .unwrap()
}

/// What `look` sees of the integration request that a client's method, target and fields make, or the fault's status.
pub(super) fn integration_request<T>(
    integration: Value,
    client: (&str, &str, &[(&str, &str)]),
    look: impl Fn(&IntegrationRequest<'_, '_>) -> T,
) -> Result<T, u16> {
    let table = one_method_with(integration, |document| {
        document["x-amazon-apigateway-binary-media-types"] = json!(["image/png"]);
    });
    let store = store(&table);
    let head = head(client.0, client.1, client.2);
    let ids = ids();
    let context = context(&ids);
    let request = method_request(&table, &head);
    let request = request.into_integration_request(&context, &store, None);
    request
        .map(|request| look(&request))
        .map_err(|fault| fault.status())
}

/// An integration that maps one header beside its path.
pub(super) fn with_mapping(target: &str, source: &str) -> Value {
    json!({"requestParameters": {
        "integration.request.path.bucket": "'bucket'",
        "integration.request.path.key": "method.request.path.item",
        target: source,
    }})
}
