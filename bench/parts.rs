//! The hot parts that both benchmarks measure, each as a closure that can be called again and again.

use std::hint::black_box;
use std::rc::Rc;

use sluicegate::api::openapi::ImportOptions;
use sluicegate::api::openapi::import;
use sluicegate::api::resource_tree::ResourceTree;
use sluicegate::api::resource_tree::Route as TreeRoute;
use sluicegate::api::table::Table;
use sluicegate::pipeline::authorize::BodyArrival;
use sluicegate::pipeline::authorize::CallerPolicy;
use sluicegate::pipeline::context::RequestContext;
use sluicegate::pipeline::exchange_record::ExchangeRecord;
use sluicegate::pipeline::integration_request::IntegrationRequest;
use sluicegate::pipeline::metering::Meter;
use sluicegate::pipeline::metering::Metering;
use sluicegate::pipeline::metering::Passage;
use sluicegate::pipeline::metering::limiters::Moment;
use sluicegate::pipeline::request_ids::RANDOM_BYTES;
use sluicegate::pipeline::request_ids::RequestIds;
use sluicegate::pipeline::route::Route;
use sluicegate::pipeline::route::route;
use sluicegate::pipeline::sidecar::forward::Forwarded;
use sluicegate::pipeline::sidecar::forward::Received;
use sluicegate::pipeline::sidecar::forward::keep_response_fields;
use sluicegate::pipeline::sign::Payload;
use sluicegate::pipeline::sign::SERVICE;
use sluicegate::pipeline::sign::Signer;
use sluicegate::pipeline::sign::UpstreamRequest;
use sluicegate::pipeline::store_path::Addressing;
use sluicegate::pipeline::store_path::StoreAddress;
use sluicegate::vtl::render::TemplateInput;
use sluicegate::vtl::template::Template;
use sluicegate::wire::base64::Decoder;
use sluicegate::wire::base64::Encoder;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::http1::head::HeadLimits;
use sluicegate::wire::http1::head::RequestHead;
use sluicegate::wire::http1::head::ResponseHead;
use sluicegate::wire::query::Query;
use sluicegate::wire::sigv4::canonical_request::RequestParts;
use sluicegate::wire::sigv4::canonical_request::Scratch;
use sluicegate::wire::sigv4::canonical_request::UriEncoding;
use sluicegate::wire::sigv4::canonical_request::sign_head;
use sluicegate::wire::sigv4::chunk_signature::ChunkSigner;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::payload_hash::PayloadHash;
use sluicegate::wire::sigv4::signing_key::SigningKey;
use sluicegate::wire::utf8::Repair;

/// One pooled buffer of a body.
pub(crate) const BODY_BYTES: usize = 256 * 1024;
/// One signed chunk.
const CHUNK_BYTES: usize = 64 * 1024;
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_369_353_600);
pub(crate) const PATH: &str = "/photos/2013/05/24/a%20cat.jpg";
const HEAD: &[u8] = b"GET /v1/photos/cat.jpg?prefix=2013%2F05 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.5.0\r\nAccept: application/octet-stream\r\nAccept-Encoding: gzip, deflate\r\n\
    X-Forwarded-For: 192.0.2.1\r\nCookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";
const STORE_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nx-amz-id-2: t3pQ0l8nq1dUo6v5bWm2kHf7xYc9sRzAeJgLiOuPyTrEwQ4=\r\n\
    x-amz-request-id: 7K3N0R5T9QW2ZJ4B\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n\
    Last-Modified: Thu, 23 May 2013 00:00:00 GMT\r\nETag: \"fba9dede5f27731c9771645a39863328\"\r\n\
    Accept-Ranges: bytes\r\nContent-Type: image/jpeg\r\nServer: AmazonS3\r\nContent-Length: 1024\r\n\r\n";
const HEAD_LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 8192,
    fields_bytes_max: 10_240,
    fields_max: 128,
};
/// The API Gateway guide's own S3 proxy: two path parameters and three response headers are mapped.
const API: &str = include_str!("../config/s3-proxy.openapi.yaml");
const API_HEAD: &[u8] =
    b"GET /S3/photos/2013%2F05%2Fa%20cat.jpg HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.5.0\r\nAccept: image/jpeg\r\n\r\n";
/// A program: loop, condition, parameters, the body as JSON.
const TEMPLATE: &str = "#set($tags = $input.path('$.tags'))\n{\n  \"stage\": \"$context.stage\",\n  \"tags\": [\n\
    #foreach($tag in $tags)    \"$util.escapeJavaScript($tag)\"#if($foreach.hasNext),#end\n\
    #end  ],\n  \"name\": $input.json('$.name')\n}";
const TEMPLATE_BODY: &str =
    r#"{"name": {"first": "Ada", "last": "Lovelace"}, "tags": ["a", "b\"c", "d", "e", "f"]}"#;

/// What is done with each part: it is timed, or its instructions are counted.
pub(crate) trait Measure {
    /// Measures a part that moves `bytes`, 0 where that is not its point.
    fn part<T>(&mut self, name: &str, bytes: usize, part: impl FnMut() -> T);
}

/// All parts, in the order of a request.
pub(crate) fn measure_all(measure: &mut impl Measure) {
    heads(measure);
    routes(measure);
    gateway(measure);
    sidecar(measure);
    signatures(measure);
    bodies(measure);
    templates(measure);
}

fn heads(measure: &mut impl Measure) {
    let mut head = RequestHead::default();
    measure.part("request head, 7 fields", HEAD.len(), || {
        head.read(HEAD, &HEAD_LIMITS)
    });
    let mut head = ResponseHead::default();
    measure.part("response head, 9 fields", STORE_HEAD.len(), || {
        head.read(STORE_HEAD, &HEAD_LIMITS)
    });
    measure.part("query, 3 parameters", 0, || {
        Query::parse(b"list-type=2&prefix=2013%2F05&delimiter=%2F")
    });
}

/// A tree of 50 literal resources, each with a path variable and a greedy one below.
fn routes(measure: &mut impl Measure) {
    let literals: Vec<String> = (0..50).map(|index| format!("/resource{index}")).collect();
    let mut paths: Vec<String> = Vec::new();
    for literal in &literals {
        for below in ["", "/{item}", "/{item}/{proxy+}"] {
            paths.push(format!("{literal}{below}"));
        }
    }
    let routes = paths.iter().enumerate().map(|(method, path)| TreeRoute {
        resource_path: path,
        http_method: "GET",
        method,
    });
    let tree = ResourceTree::new(routes);
    measure.part("route, literal among 50", 0, || {
        tree.find(b"GET", b"/resource25")
    });
    measure.part("route, greedy path variable", 0, || {
        tree.find(b"GET", b"/resource49/a/b/c/d")
    });
}

fn gateway(measure: &mut impl Measure) {
    let options = ImportOptions {
        stage: Some("S3".to_owned()),
        ..ImportOptions::default()
    };
    let Ok(imported) = import("s3-proxy.openapi.yaml", API, &options) else {
        return;
    };
    let table = &imported.table;
    let store = StoreAddress::new("127.0.0.1:8333", Addressing::Path, None, table);
    let metering = Metering::default();
    let (head, answer) = (request_head(API_HEAD), response_head());
    let ids = RequestIds::new(&[7; RANDOM_BYTES], NOW, None);
    let record = ExchangeRecord::default();
    let context = RequestContext {
        ids: &ids,
        time: NOW,
        time_millis: 0,
        is_secure: false,
        source_ip: "192.0.2.1",
        record: &record,
    };
    measure.part("request ids", 0, || {
        RequestIds::new(&[7; RANDOM_BYTES], NOW, None)
    });
    measure.part("map a request", 0, || {
        integration_request(table, &store, &metering, &head, &context).is_some()
    });
    if let Some(request) = integration_request(table, &store, &metering, &head, &context) {
        measure.part("map a response", 0, || {
            request.method_response(&context, 200, &answer.fields, None)
        });
    }
}

/// A request from its head to what is signed.
fn integration_request<'t, 'h>(
    table: &'t Table,
    store: &'t StoreAddress,
    metering: &'t Metering,
    head: &'h RequestHead,
    context: &RequestContext<'_>,
) -> Option<IntegrationRequest<'t, 'h>> {
    let Ok(Route::Method(routed)) = route(table, head) else {
        return None;
    };
    let policy = CallerPolicy::IgnoreAuthorizers;
    let admission = routed.authorize(policy, context, BodyArrival::Nothing);
    let meter = Meter {
        metering,
        asks_for_keys: false,
        now: Moment {
            unix: NOW,
            monotonic_us: 0,
        },
    };
    let Ok(Passage::Open(metered)) = admission.and_then(|admission| admission.meter(meter)) else {
        return None;
    };
    let request = metered.into_method_request().ok()?;
    request.into_integration_request(context, store, None).ok()
}

fn sidecar(measure: &mut impl Measure) {
    let (head, answer) = (request_head(HEAD), response_head());
    let mut forwarded = Forwarded::default();
    measure.part("sidecar, a request", 0, || {
        let received = Received::of(&head, &[]);
        received.and_then(|received| {
            forwarded.read(&received, &head, "127.0.0.1:8333", Addressing::Path)
        })
    });
    let mut fields = answer.fields.clone();
    measure.part("sidecar, response fields", 0, || {
        fields.clone_from(&answer.fields);
        keep_response_fields(&mut fields);
        fields.len()
    });
}

fn signatures(measure: &mut impl Measure) {
    let credentials = credentials();
    let key = Rc::new(SigningKey::new(&credentials, NOW, "us-east-1", SERVICE));
    let date = NOW.amz_date_bytes();
    let headers: [(&[u8], &[u8]); 3] = [
        (b"host", b"127.0.0.1:8333"),
        (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        (b"x-amz-date", &date),
    ];
    let parts = RequestParts {
        method: b"GET",
        path: PATH.as_bytes(),
        uri_encoding: UriEncoding::AsSent,
        query: b"",
        headers: &headers,
        payload: PayloadHash::Unsigned,
    };
    let (mut scratch, mut authorization) = (Scratch::new(), Vec::new());
    measure.part("sign, day key kept", 0, || {
        authorization.clear();
        sign_head(&key, NOW, &parts, &mut scratch, &mut authorization)
    });
    let head = request_head(HEAD);
    let request = UpstreamRequest {
        method: b"GET",
        host: "127.0.0.1:8333",
        path: PATH.as_bytes(),
        spelt: None,
        query: b"",
        fields: &head.fields,
    };
    let signer = Signer {
        key: &key,
        credentials: &credentials,
        now: NOW,
    };
    let mut out = Vec::with_capacity(CHUNK_BYTES);
    measure.part("sign and write a head", 0, || {
        out.clear();
        let signed = request.sign(
            &Payload::None,
            signer,
            &mut scratch,
            std::mem::take(&mut out),
        );
        out = signed.into_parts().0;
        out.len()
    });
    measure.part("derive a day key", 0, || {
        SigningKey::new(&credentials, NOW, "us-east-1", SERVICE)
    });
    let chunk = vec![7; CHUNK_BYTES];
    let mut signer = ChunkSigner::new(key, NOW, [b'0'; 64]);
    measure.part("sign a chunk of 64 KiB", CHUNK_BYTES, || {
        signer.sign_chunk(&chunk)
    });
}

fn bodies(measure: &mut impl Measure) {
    let (binary, text) = (binary_body(), vec![b'a'; BODY_BYTES]);
    let mut base64 = Vec::new();
    let mut encoder = Encoder::new();
    encoder.encode(&binary, &mut base64);
    encoder.finish(&mut base64);

    let mut out = Vec::with_capacity(BODY_BYTES * 4);
    measure.part("Base64 encode 256 KiB", BODY_BYTES, || {
        out.clear();
        Encoder::new().encode(&binary, &mut out);
        out.len()
    });
    measure.part("Base64 decode to 256 KiB", BODY_BYTES, || {
        out.clear();
        Decoder::new().decode(&base64, &mut out)
    });
    measure.part("UTF-8 repair of 256 KiB, clean text", BODY_BYTES, || {
        out.clear();
        Repair::new().repair(&text, &mut out);
        out.len()
    });
    measure.part("UTF-8 repair of 256 KiB, binary", BODY_BYTES, || {
        out.clear();
        Repair::new().repair(&binary, &mut out);
        out.len()
    });
}

fn templates(measure: &mut impl Measure) {
    if let Ok(Template::Program(program)) = Template::compile(TEMPLATE) {
        let input = TemplateInput {
            body: TEMPLATE_BODY.into(),
            context: vec![("stage".into(), Some("v1".into()))],
            ..TemplateInput::default()
        };
        measure.part("template, a loop over 5", 0, || program.render(&input));
    }
    measure.part("template, compiled", 0, || {
        Template::compile(black_box(TEMPLATE))
    });
}

/// Bytes without any pattern.
pub(crate) fn binary_body() -> Vec<u8> {
    let scattered = |n: u32| {
        let [.., byte] = n.wrapping_mul(2_654_435_761).to_le_bytes();
        byte
    };
    (0u32..).map(scattered).take(BODY_BYTES).collect()
}

fn request_head(text: &[u8]) -> RequestHead {
    let mut head = RequestHead::default();
    head.read(text, &HEAD_LIMITS).ok();
    head
}

fn response_head() -> ResponseHead {
    let mut head = ResponseHead::default();
    head.read(STORE_HEAD, &HEAD_LIMITS).ok();
    head
}

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    }
}
