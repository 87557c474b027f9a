//! Documents, requests and contexts for the tests of this floor.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::api::openapi::{ImportOptions, import};
use crate::api::table::Table;
use crate::pipeline::authorize::{Admission, BodyArrival, CallerPolicy};
use crate::pipeline::context::RequestContext;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::metering::Metered;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_ids::{RANDOM_BYTES, RequestIds};
use crate::pipeline::route;
use crate::pipeline::sign::{Payload, SERVICE, Signer};
use crate::pipeline::store_path::{Addressing, StoreAddress};
use crate::wire::date::UnixSeconds;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::{HeadLimits, RequestHead};
use crate::wire::sigv4::canonical_request::Scratch;
use crate::wire::sigv4::credentials::{Credentials, Secret};
use crate::wire::sigv4::signing_key::SigningKey;

pub(super) const TIME: UnixSeconds = UnixSeconds(1_369_353_600);

thread_local! {
    /// A record that nobody reads.
    static RECORD: &'static ExchangeRecord = Box::leak(Box::default());
}

pub(super) fn ids() -> RequestIds {
    RequestIds::new(&[0; RANDOM_BYTES], TIME, None)
}

pub(super) fn context(ids: &RequestIds) -> RequestContext<'_> {
    RequestContext {
        ids,
        time: TIME,
        time_millis: 7,
        source_ip: "192.0.2.1",
        is_secure: false,
        record: RECORD.with(|record| *record),
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
    read(text.as_bytes())
}

/// Reads a whole head.
pub(super) fn read(text: &[u8]) -> RequestHead {
    let limits = HeadLimits {
        target_bytes_max: 10_240,
        fields_bytes_max: 10_240,
        fields_max: 100,
    };
    let mut head = RequestHead::default();
    assert_eq!(head.read(text, &limits), Ok(Some(text.len())));
    head
}

/// The head of the request, signed for an empty body.
pub(super) fn sign(request: &IntegrationRequest<'_, '_>) -> Vec<u8> {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret"),
        session_token: None,
    };
    let key = Rc::new(SigningKey::new(
        &credentials,
        TIME,
        request.region(),
        SERVICE,
    ));
    let signer = Signer {
        key: &key,
        credentials: &credentials,
        now: TIME,
    };
    request
        .sign(&Payload::EMPTY, signer, &mut Scratch::new())
        .into_parts()
        .0
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
        "type": "aws", "httpMethod": "ANY", "uri": "arn:aws:apigateway:us-west-2:s3:path/{bucket}/{key}",
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
        "paths": {"/{item}": {"x-amazon-apigateway-any-method": method}},
    });
    change(&mut document);
    table(&document, "v1")
}

/// Imports a document that is known to be good; what every document has may be left out.
pub(super) fn table(document: &Value, stage: &str) -> Table {
    let mut whole = json!({"swagger": "2.0", "info": {"title": "sample", "version": "1"}});
    let members = document.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(members);
    let options = ImportOptions {
        stage: Some(stage.to_owned()),
        ..ImportOptions::default()
    };
    let imported = import("sample.json", &whole.to_string(), &options);
    let mut table = imported
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
        .table;
    table.api_id = "test-api".to_owned();
    // the vectors' value, which no stage may have
    table.stage_variables = vec![("var".to_owned(), "a stage variable".to_owned())];
    table
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
    metered(routed).into_method_request().unwrap()
}

/// The request as `--ignore-authorizers` lets it in.
pub(super) fn metered<'t, 'h>(routed: route::Routed<'t, 'h>) -> Metered<'t, 'h> {
    let ids = ids();
    let admission = routed.authorize(
        CallerPolicy::IgnoreAuthorizers,
        &context(&ids),
        BodyArrival::Nothing,
    );
    match admission.unwrap() {
        Admission::Granted(authorized) => Metered(authorized),
        Admission::AwaitsBody(_) => panic!("nobody was to be verified"),
    }
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
