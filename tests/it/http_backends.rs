//! `http` and `http_proxy` integrations: servers behind https, content codings, what callers prove themselves with, the
//! access log.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;
use serde_json::json;
use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::trust::Trust;
use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::pipeline::identity::Identities;
use sluicegate::pipeline::identity::Identity;
use sluicegate::serve::access_log::AccessLog;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::fetch;
use crate::support::fault::NETWORK;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::message::Message;
use crate::support::signer::SESSION;
use crate::support::tls::TlsFront;
use crate::support::tls::Validity;

/// Servers whose names a certificate of the tests holds.
const NAME: &str = "127.0.0.1";
const MINIMUM_BYTES: usize = 1_000;

/// `ANY /v1/http`, `/v1/proxy` and `/v1/mock`; `change` edits each operation.
fn document(origin: &str, change: impl Fn(&mut Value)) -> Value {
    let method = |kind: &str| {
        let mut method = json!({
            "responses": { "200": {} },
            "x-amazon-apigateway-integration": {
                "type": kind, "httpMethod": "ANY", "uri": format!("{origin}/base"),
                "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "passthroughBehavior": "when_no_match",
                "responses": { "default": { "statusCode": "200" } },
            },
        });
        change(&mut method);
        json!({ "x-amazon-apigateway-any-method": method })
    };
    json!({
        "swagger": "2.0", "info": { "title": "backends", "version": "1" },
        "x-amazon-apigateway-minimum-compression-size": MINIMUM_BYTES,
        "paths": { "/http": method("http"), "/proxy": method("http_proxy"), "/mock": method("mock") },
    })
}

fn settings_for(driver: DriverChoice, document: &Value) -> ServeSettings {
    let table = table_of("backends.json", &document.to_string(), "v1");
    ServeSettings {
        io_driver: driver,
        ..settings(table, "http://127.0.0.1:9")
    }
}

#[test]
fn a_server_behind_https_is_called_if_it_is_trusted() {
    on_each_driver(|driver| {
        let server = Backend::answering(|request| response(200, &[], &request.body));
        let front = TlsFront::start(&server.url(), NAME, Validity::Now);
        let expired = TlsFront::start(&server.url(), NAME, Validity::Past);
        let long = vec![b'l'; 300_000];
        for kind in ["http", "proxy"] {
            let trusted = |front: &TlsFront, authority: &str| {
                let origin = format!("https://{NAME}:{}", front.address.port());
                let mut settings = settings_for(driver, &document(&origin, |_| ()));
                settings.trust = Trust::with_authorities(authority).unwrap();
                let gateway = Gateway::start(settings);
                fetch(
                    gateway.address,
                    "PUT",
                    &format!("/v1/{kind}"),
                    &[("Content-Type", "text/plain")],
                    &long,
                )
            };
            let answer = trusted(&front, &front.authority);
            assert_eq!(answer.status(), 200, "{kind}");
            assert!(answer.body == long, "{kind}");
            let request = server.requests().pop().unwrap();
            assert_eq!(request.start, "PUT /base HTTP/1.1");
            let host = format!("{NAME}:{}", front.address.port());
            assert_eq!(request.field("host"), Some(host.as_str()));

            let before = server.requests().len();
            for (front, authority) in [(&front, &expired.authority), (&expired, &expired.authority)]
            {
                let refused = trusted(front, authority);
                assert_eq!((refused.status(), refused.body.as_slice()), (504, NETWORK));
            }
            assert_eq!(server.requests().len(), before);
        }
    });
}

#[test]
fn answers_of_servers_are_coded_as_those_of_the_store() {
    on_each_driver(|driver| {
        let server = Backend::answering(|request| {
            let bytes = if request.field("x-short").is_some() {
                MINIMUM_BYTES - 1
            } else {
                MINIMUM_BYTES
            };
            let coded = request.field("x-coded").is_some();
            let fields: &[(&str, &str)] = if coded {
                &[("Content-Encoding", "gzip")]
            } else {
                &[]
            };
            response(200, fields, &vec![b'a'; bytes])
        });
        let mapped = |method: &mut Value| {
            method["x-amazon-apigateway-integration"]["requestParameters"] = json!({
                "integration.request.header.x-short": "method.request.header.x-short",
                "integration.request.header.x-coded": "method.request.header.x-coded",
            });
        };
        let gateway = Gateway::start(settings_for(driver, &document(&server.url(), mapped)));
        for kind in ["http", "proxy"] {
            let get = |fields: &[(&str, &str)]| {
                fetch(gateway.address, "GET", &format!("/v1/{kind}"), fields, b"")
            };
            let gzip = ("Accept-Encoding", "gzip");
            let coded = get(&[gzip]);
            assert_eq!(coded.field("content-encoding"), Some("gzip"), "{kind}");
            let mut plain = Vec::new();
            GzDecoder::new(coded.body.as_slice())
                .read_to_end(&mut plain)
                .unwrap();
            assert_eq!(plain, vec![b'a'; MINIMUM_BYTES]);
            for (fields, bytes) in [
                (&[][..], MINIMUM_BYTES),
                (&[gzip, ("x-short", "1")], MINIMUM_BYTES - 1),
                // a coding of the server's own
                (&[gzip, ("x-coded", "1")], MINIMUM_BYTES),
            ] {
                let answer = get(fields);
                assert_eq!(answer.field("content-encoding"), None, "{kind} {fields:?}");
                assert_eq!(answer.body.len(), bytes, "{kind} {fields:?}");
            }
        }
    });
}

#[test]
fn a_coded_body_is_taken_apart_before_a_server_gets_it() {
    let server = Backend::answering(|request| response(200, &[], &request.body));
    let gateway = Gateway::start(settings_for(
        DriverChoice::Auto,
        &document(&server.url(), |_| ()),
    ));
    let mut body = Vec::new();
    flate2::read::GzEncoder::new(&b"plain"[..], flate2::Compression::fast())
        .read_to_end(&mut body)
        .unwrap();
    let fields = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
    let answer = fetch(gateway.address, "POST", "/v1/http", &fields, &body);
    assert_eq!(answer.body, b"plain");
    let request = &server.requests()[0];
    assert_eq!(request.body, b"plain");
    assert_eq!(request.field("content-encoding"), None);
    let damaged = fetch(gateway.address, "POST", "/v1/http", &fields, b"damaged");
    assert_eq!(damaged.status(), 415);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_does_not_learn_how_its_caller_proved_who_it_is() {
    on_each_driver(|driver| {
        let server = Backend::answering(|_| response(200, &[], b""));
        let asked = document(&server.url(), |method| {
            method["x-amazon-apigateway-auth"] = json!({"type": "AWS_IAM"});
        });
        let mut guarded = settings_for(driver, &asked);
        let mut identities = Identities::default();
        let identity = Identity {
            credentials: Credentials {
                access_key_id: SESSION.access_key_id.to_owned(),
                secret_access_key: Secret::new(SESSION.secret),
                session_token: SESSION.token.map(Secret::new),
            },
            session_end: None,
            policy: None,
            principal: Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB").unwrap(),
        };
        identities.add(identity).unwrap();
        let gateway = gateway_of(&mut guarded);
        gateway.ignore_authorizers = false;
        gateway.identities = std::sync::Arc::new(identities);
        let guarded = Gateway::start(guarded);
        let target = "/v1/proxy?a=1";
        let mut fields = SESSION.fields("GET", target, b"");
        fields.push(("x-api-key".to_owned(), "for the server".to_owned()));
        let borrowed: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let signed = fetch(guarded.address, "GET", target, &borrowed, b"");
        let presigned = SESSION.presigned("GET", target);
        let presigned = fetch(guarded.address, "GET", &presigned, &[], b"");
        assert_eq!((signed.status(), presigned.status()), (200, 200));
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for request in &requests {
            assert_eq!(request.start, "GET /base?a=1 HTTP/1.1");
            for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
                assert_eq!(request.field(name), None, "{name}");
            }
        }
        assert_eq!(requests[0].field("x-api-key"), Some("for the server"));

        // A signature that is for the server itself is none of the gateway's.
        let open = Gateway::start(settings_for(driver, &document(&server.url(), |_| ())));
        let theirs = "/v1/proxy?X-Amz-Signature=ab&X-Amz-Date=20260101T000000Z";
        let fields = [("x-amz-security-token", "theirs")];
        fetch(open.address, "GET", theirs, &fields, b"");
        let request = server.requests().pop().unwrap();
        assert!(request.start.contains("X-Amz-Signature=ab"), "{request:?}");
        assert_eq!(request.field("x-amz-security-token"), Some("theirs"));
    });
}

#[test]
fn the_access_log_tells_of_every_kind_of_integration() {
    on_each_driver(|driver| {
        let server =
            Backend::answering(|_| response(404, &[("x-amz-request-id", "R1")], b"absent"));
        let format = "$context.requestId $context.status $context.integration.status \
             $context.integration.integrationStatus $context.integrationStatus $context.integration.error \
             $context.integration.requestId $context.integrationLatency $context.integration.latency \
             $context.responseLatency";
        let ask = |origin: &str, kind: &str| -> (Message, Vec<String>) {
            let mut settings = settings_for(driver, &document(origin, |_| ()));
            let (log, batches) = AccessLog::new(AccessLogFormat::compile(format).unwrap());
            settings.access_log = Some(log);
            let gateway = Gateway::start(settings);
            let answer = fetch(gateway.address, "GET", &format!("/v1/{kind}"), &[], b"");
            let wait = std::time::Duration::from_secs(120);
            let line = String::from_utf8(batches.recv_timeout(wait).unwrap()).unwrap();
            let words = line.trim_end().split(' ').map(str::to_owned).collect();
            (answer, words)
        };
        for (kind, status, wanted) in [
            ("http", 200, ["200", "404", "404", "404", "-", "R1"]),
            ("proxy", 404, ["404", "404", "404", "404", "-", "R1"]),
            ("mock", 200, ["200", "-", "-", "-", "-", "-"]),
        ] {
            let (answer, words) = ask(&server.url(), kind);
            assert_eq!(answer.status(), status, "{kind}");
            assert_eq!(words[1..7], wanted, "{kind}");
            if kind == "mock" {
                assert_eq!(words[7..9], ["-", "-"]);
            } else {
                let number = |at: usize| words[at].parse::<u64>().unwrap();
                assert_eq!(number(7), number(8));
                assert!(number(9) >= number(7), "{words:?}");
            }
        }
        // nobody listens there
        let (answer, words) = ask("http://127.0.0.1:9", "http");
        assert_eq!(answer.status(), 500);
        assert_eq!(words[1..5], ["500", "-", "-", "-"], "{words:?}");
        assert_ne!(words[5], "-", "{words:?}");
    });
}
