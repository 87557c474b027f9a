//! Callers of AWS_IAM methods, signed by aws-sigv4 (spec 09).

use sluicegate::api::iam_policy::Policy;
use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::api::table::Table;
use sluicegate::net::clock;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::identity::Identities;
use sluicegate::pipeline::identity::Identity;
use sluicegate::serve::settings::Limits;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::payload_hash::sha256_hex;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::guarded_settings;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::table_of;
use crate::support::message::Message;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::signer::BOB;
use crate::support::signer::Pairs;
use crate::support::signer::SESSION;
use crate::support::signer::Signer;

const USER_ARN: &str = "arn:aws:iam::123456789012:user/bob";
const MISMATCH: &str = "InvalidSignatureException {\"message\":\"The request signature we calculated does not match the \
     signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation \
     for details.\"}";
const INVALID_TOKEN: &str = "UnrecognizedClientException {\"message\":\"The security token included in the request is invalid.\"}";

/// `/o/{key}` is the object `b/key`, for callers that are known.
fn guarded() -> Table {
    const METHOD: &str = r#"{
      "x-amazon-apigateway-auth": { "type": "AWS_IAM" },
      "responses": { "200": { "description": "ok" } },
      "x-amazon-apigateway-integration": {
        "type": "aws", "httpMethod": "NAME", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
        "credentials": "arn:aws:iam::123456789012:role/store", "passthroughBehavior": "when_no_match",
        "requestParameters": {
          "integration.request.path.key": "method.request.path.key",
          "integration.request.header.x-leak": "method.request.header.Authorization",
          "integration.request.header.x-user": "context.identity.userArn",
          "integration.request.header.x-key": "context.identity.accessKey",
          "integration.request.header.x-account": "context.identity.accountId",
          "integration.request.header.x-caller": "context.identity.caller"
        },
        "responses": { "default": { "statusCode": "200" } }
      }
    }"#;
    let method = |name: &str| METHOD.replace("NAME", name);
    let text = format!(
        r#"{{"openapi": "3.0.1", "info": {{"title": "guarded", "version": "1"}},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "paths": {{"/o/{{key}}": {{
          "parameters": [{{"name": "key", "in": "path", "required": true, "schema": {{"type": "string"}}}}],
          "get": {}, "put": {}, "delete": {}}}}}}}"#,
        method("GET"),
        method("PUT"),
        method("DELETE")
    );
    table_of("guarded", &text, "v1")
}

fn identities(policy: Option<&str>) -> Identities {
    let mut identities = Identities::default();
    for signer in [BOB, SESSION] {
        let principal = Principal::new(USER_ARN, "AIDABOB").unwrap();
        let identity = Identity {
            credentials: Credentials {
                access_key_id: signer.access_key_id.to_owned(),
                secret_access_key: Secret::new(signer.secret),
                session_token: signer.token.map(Secret::new),
            },
            session_end: signer
                .token
                .map(|_| UnixSeconds(clock::now().unix.0 + 3_600)),
            policy: policy.map(|text| Policy::parse(text, &principal).unwrap()),
            principal,
        };
        identities.add(identity).unwrap();
    }
    identities
}

pub(crate) fn guarding(driver: DriverChoice, store: &Backend) -> ServeSettings {
    ServeSettings {
        io_driver: driver,
        ..guarded_settings(guarded(), &store.url(), identities(None))
    }
}

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

fn ask(
    gateway: &Gateway,
    method: &str,
    target: &str,
    fields: &[(String, String)],
    body: &[u8],
) -> Message {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fetch(gateway.address, method, target, &fields, body)
}

/// `200`, or the error type and body of a 403.
fn told(answer: &Message) -> String {
    if answer.status() == 200 {
        return "200".to_owned();
    }
    assert_eq!(answer.status(), 403, "{answer:?}");
    let error_type = answer.field("x-amzn-errortype").unwrap();
    format!("{error_type} {}", String::from_utf8_lossy(&answer.body))
}

#[test]
fn a_signed_request_tells_the_mappings_who_calls_and_the_store_nothing_of_its_signature() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        for (signer, key) in [(BOB, "AKIDBOB"), (SESSION, "ASIABOB")] {
            let target = "/v1/o/a%2Fb%20c?x=1%2B2&a";
            let fields = signer.fields("GET", target, b"");
            assert_eq!(told(&ask(&gateway, "GET", target, &fields, b"")), "200");
            let presigned = signer.presigned("GET", target);
            assert_eq!(told(&ask(&gateway, "GET", &presigned, &[], b"")), "200");
            for request in store.requests().iter().rev().take(2) {
                assert_eq!(request.second_word(), "/b/a/b%20c");
                assert_eq!(request.field("x-user"), Some(USER_ARN));
                assert_eq!(request.field("x-key"), Some(key));
                assert_eq!(request.field("x-account"), Some("123456789012"));
                assert_eq!(request.field("x-caller"), Some("AIDABOB"));
                assert_eq!(request.field("x-leak"), None);
                assert_eq!(request.field("x-amz-security-token"), None);
                let authorization = request.field("authorization").unwrap();
                assert!(authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/"));
            }
        }
        assert_eq!(store.requests().len(), 4);
    });
}

#[test]
fn a_signature_holds_for_its_own_key_and_session() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        let target = "/v1/o/k?a=1";
        let with = |signer: Signer<'_>| {
            let fields = signer.fields("GET", target, b"");
            told(&ask(&gateway, "GET", target, &fields, b""))
        };
        assert_eq!([with(BOB), with(SESSION)], ["200", "200"]);
        let reached = store.requests().len();

        assert_eq!(
            with(Signer {
                secret: "bob's",
                ..BOB
            }),
            MISMATCH
        );
        assert_eq!(
            with(Signer {
                access_key_id: "AKIDEVE",
                ..BOB
            }),
            INVALID_TOKEN
        );
        assert_eq!(
            with(Signer {
                token: None,
                ..SESSION
            }),
            INVALID_TOKEN
        );
        assert_eq!(
            with(Signer {
                token: Some("to/ken"),
                ..SESSION
            }),
            INVALID_TOKEN
        );
        assert_eq!(
            with(Signer {
                token: Some("any"),
                ..BOB
            }),
            INVALID_TOKEN
        );
        assert_eq!(
            store.requests().len(),
            reached,
            "nothing refused reaches the store"
        );
    });
}

#[test]
fn a_signature_holds_for_its_own_time_and_scope() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        let target = "/v1/o/k";
        let with = |signer: Signer<'_>| {
            let fields = signer.fields("GET", target, b"");
            told(&ask(&gateway, "GET", target, &fields, b""))
        };
        let near = [-290, 290].map(|age| with(Signer { age, ..BOB }));
        assert_eq!(near, ["200", "200"]);
        let stale = with(Signer { age: 310, ..BOB });
        assert!(
            stale.contains("\"Signature expired: ") && stale.contains(" - 5 min.)\""),
            "{stale}"
        );
        let future = with(Signer { age: -310, ..BOB });
        assert!(future.contains("\"Signature not yet current: "), "{future}");
        assert_eq!(
            with(Signer {
                region: "us-west-2",
                ..BOB
            }),
            "InvalidSignatureException {\"message\":\"Credential should be scoped to a valid region. \"}"
        );
        assert_eq!(
            with(Signer {
                service: "s3",
                ..BOB
            }),
            "InvalidSignatureException {\"message\":\"Credential should be scoped to correct service: 'execute-api'. \"}"
        );

        assert_eq!(store.requests().len(), 2);
    });
}

#[test]
fn a_signature_holds_for_what_was_signed_alone() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        let target = "/v1/o/k?a=1";
        let fields = BOB.fields("GET", target, b"");
        for (method, changed) in [
            ("GET", "/v1/o/k?a=2"),
            ("GET", "/v1/o/l?a=1"),
            ("DELETE", target),
        ] {
            assert_eq!(
                told(&ask(&gateway, method, changed, &fields, b"")),
                MISMATCH
            );
        }
        let unsigned_host: Pairs = fields
            .into_iter()
            .map(|(name, value)| (name, value.replace("SignedHeaders=host;", "SignedHeaders=")))
            .collect();
        let answer = told(&ask(&gateway, "GET", target, &unsigned_host, b""));
        assert!(
            answer.contains("'Host' or ':authority' must be a 'SignedHeader'"),
            "{answer}"
        );
        assert_eq!(store.connections(), 0);
    });
}

#[test]
fn a_presigned_request_cannot_be_changed_or_used_late() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        let get = |target: &str| told(&ask(&gateway, "GET", target, &[], b""));
        let presigned = BOB.presigned("GET", "/v1/o/k");
        assert_eq!(get(&presigned), "200");
        assert_eq!(get(&format!("{presigned}&a=1")), MISMATCH);
        assert_eq!(get(&presigned.replace("/o/k", "/o/l")), MISMATCH);
        assert_eq!(
            get(&presigned.replace("Expires=60", "Expires=61")),
            MISMATCH
        );
        let late = get(&Signer { age: 70, ..BOB }.presigned("GET", "/v1/o/k"));
        assert!(
            late.contains("\"Signature expired: ") && late.contains(" - 1 min.)\""),
            "{late}"
        );
        assert_eq!(store.requests().len(), 1);
    });
}

#[test]
fn a_body_without_a_claimed_hash_is_checked_before_anything_is_sent() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        for size in [1, 300_000] {
            let body = vec![b'x'; size];
            let fields = BOB.fields("PUT", "/v1/o/k", &body);
            let mut other = body.clone();
            *other.last_mut().unwrap() = b'y';
            let before = store.connections();
            assert_eq!(
                told(&ask(&gateway, "PUT", "/v1/o/k", &fields, &other)),
                MISMATCH
            );
            assert_eq!(store.connections(), before);
            let empty = told(&ask(&gateway, "PUT", "/v1/o/k", &fields, b""));
            assert_eq!(empty, MISMATCH);
            assert_eq!(
                told(&ask(&gateway, "PUT", "/v1/o/k", &fields, &body)),
                "200"
            );
            assert_eq!(stored(store.requests().last().unwrap()), body);
        }
    });
}

#[test]
fn a_body_that_must_be_collected_has_a_limit() {
    let store = accepting();
    let gateway = Gateway::start(ServeSettings {
        limits: Limits {
            payload_bytes_max: 0,
            header_bytes_max: 10_240,
        },
        ..guarding(DriverChoice::Auto, &store)
    });
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    for (body, status) in [(&body[..], 413), (&body[1..], 200)] {
        let fields = BOB.fields("PUT", "/v1/o/k", body);
        let answer = ask(&gateway, "PUT", "/v1/o/k", &fields, body);
        assert_eq!(answer.status(), status);
    }
    assert_eq!(store.requests().len(), 1);
}

/// A body that was signed by its hash, and one that differs in its last byte.
fn claimed(size: usize) -> (Vec<u8>, Vec<u8>, Pairs) {
    let body = vec![b'x'; size];
    let signer = Signer {
        claims_hash: true,
        ..BOB
    };
    let fields = signer.fields("PUT", "/v1/o/k", &body);
    let hash = sha256_hex(&body);
    let named = |(name, value): &(String, String)| {
        name == "x-amz-content-sha256" && value.as_bytes() == hash
    };
    assert!(fields.iter().any(named));
    let mut other = body.clone();
    *other.last_mut().unwrap() = b'y';
    (body, other, fields)
}

#[test]
fn a_streamed_body_that_is_not_the_signed_one_is_cut_before_its_last_chunk() {
    on_each_driver(|driver| {
        for signing in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
            let store = accepting();
            let gateway = Gateway::start(ServeSettings {
                payload_signing: signing,
                ..guarding(driver, &store)
            });
            for size in [1_000, 2_000_000] {
                let (body, other, fields) = claimed(size);
                let before = store.requests().len();
                assert_eq!(
                    told(&ask(&gateway, "PUT", "/v1/o/k", &fields, &other)),
                    MISMATCH
                );
                let shorter = told(&ask(&gateway, "PUT", "/v1/o/k", &fields, &body[1..]));
                assert_eq!(shorter, MISMATCH);
                assert_eq!(store.requests().len(), before, "no request became whole");
                assert_eq!(
                    told(&ask(&gateway, "PUT", "/v1/o/k", &fields, &body)),
                    "200"
                );
                assert_eq!(stored(store.requests().last().unwrap()), body);
            }
        }
    });
}

#[test]
fn a_body_that_nobody_reads_must_be_the_signed_one_too() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(guarding(driver, &store));
        let signer = Signer {
            claims_hash: true,
            ..BOB
        };
        let fields = signer.fields("DELETE", "/v1/o/k", b"why");
        assert_eq!(
            told(&ask(&gateway, "DELETE", "/v1/o/k", &fields, b"not")),
            MISMATCH
        );
        assert_eq!(
            told(&ask(&gateway, "DELETE", "/v1/o/k", &fields, b"")),
            MISMATCH
        );
        assert_eq!(store.requests().len(), 0);
        assert_eq!(
            told(&ask(&gateway, "DELETE", "/v1/o/k", &fields, b"why")),
            "200"
        );
    });
}

/// A store for uploads in parts.
fn parted() -> Backend {
    Backend::answering(|request| {
        let (method, target) = request.start.split_once(' ').unwrap();
        match method {
            "POST" if target.contains("?uploads=") => {
                let xml = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
                response(200, &[], xml)
            }
            "POST" => {
                let xml = b"<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>";
                response(200, &[], xml)
            }
            "DELETE" => response(204, &[], b""),
            _ => response(200, &[("ETag", "\"p\"")], b""),
        }
    })
}

#[test]
fn an_upload_in_parts_of_another_body_is_aborted() {
    on_each_driver(|driver| {
        let store = parted();
        let gateway = Gateway::start(ServeSettings {
            limits: Limits {
                payload_bytes_max: 0,
                header_bytes_max: 10_240,
            },
            ..guarding(driver, &store)
        });
        let (body, other, fields) = claimed(11 * 1024 * 1024);
        for (body, wanted, last) in [(other, MISMATCH, "DELETE"), (body, "200", "POST")] {
            let mut client = Client::connect(gateway.address);
            let mut head =
                "PUT /v1/o/k HTTP/1.1\r\nHost: gateway.example\r\nTransfer-Encoding: chunked\r\n"
                    .to_owned();
            for (name, value) in &fields {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            client.send(format!("{head}\r\n{:x}\r\n", body.len()));
            client.send(&body);
            let answer = client.exchange("\r\n0\r\n\r\n");
            assert_eq!(told(&answer), wanted);
            let requests = store.requests();
            let end = requests.last().unwrap();
            assert!(end.start.starts_with(last), "{}", end.start);
            assert!(end.second_word().contains("uploadId=u"), "{}", end.start);
        }
        let completions = store.requests();
        let completions = completions.iter().filter(|request| {
            request.start.starts_with("POST") && !request.start.contains("?uploads=")
        });
        assert_eq!(completions.count(), 1);
    });
}

#[test]
fn a_policy_decides_what_a_caller_may_invoke() {
    let store = accepting();
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:us-east-1:*:*/v1/GET/o/*"},
        {"Effect": "Deny", "Action": "execute-api:*", "Resource": "arn:aws:execute-api:*:*:*/o/secret"}]}"#;
    let table = guarded();
    let api_id = table.api_id.clone();
    let settings = guarded_settings(table, &store.url(), identities(Some(policy)));
    let gateway = Gateway::start(settings);
    let outcome = |method: &str, target: &str| {
        let fields = BOB.fields(method, target, b"");
        told(&ask(&gateway, method, target, &fields, b""))
    };
    let denied = |tail: &str, end: &str| {
        format!(
            "AccessDeniedException {{\"Message\":\"User: {USER_ARN} is not authorized to perform: execute-api:Invoke on \
             resource: arn:aws:execute-api:us-east-1:********9012:{api_id}/v1/{tail}{end}\"}}"
        )
    };
    assert_eq!(outcome("GET", "/v1/o/k"), "200");
    assert_eq!(outcome("DELETE", "/v1/o/k"), denied("DELETE/o/k", ""));
    assert_eq!(
        outcome("GET", "/v1/o/se%63ret"),
        denied("GET/o/secret", " with an explicit deny")
    );
    assert_eq!(store.requests().len(), 1);
}

#[test]
fn a_resource_policy_keeps_anybody_out_that_it_does_not_let_in() {
    on_each_driver(|driver| {
        let store = accepting();
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
             "Resource": ["execute-api:/o/GET/b/*", "execute-api:/o/PUT/b/inbox"],
             "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}},
            {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke",
             "Resource": "arn:aws:execute-api:eu-west-1:210987654321:zyx9876543/o/*/b/secret"}]});
        let mut document = object_api();
        document["x-amazon-apigateway-policy"] = policy;
        let gateway = gateway_for(&document, driver, &store, |settings| {
            gateway_of(settings).ignore_authorizers = false;
        });
        let api_id = sluicegate::api::table::api_id("objects");
        let outcome = |method: &str, target: &str| {
            told(&ask(
                &gateway,
                method,
                target,
                &[],
                if method == "PUT" { b"x" } else { b"" },
            ))
        };
        let denied = |tail: &str, end: &str| {
            format!(
                "AccessDeniedException {{\"Message\":\"User: anonymous is not authorized to perform: execute-api:Invoke \
                 on resource: arn:aws:execute-api:us-east-1:********9012:{api_id}/o/{tail}{end}\"}}"
            )
        };
        assert_eq!(outcome("GET", "/o/b/k"), "200");
        assert_eq!(outcome("PUT", "/o/b/inbox"), "200");
        assert_eq!(outcome("PUT", "/o/b/k"), denied("PUT/b/k", ""));
        assert_eq!(outcome("GET", "/o/b"), denied("GET/b", ""));
        let secret = denied("GET/b/secret", " with an explicit deny");
        assert_eq!(outcome("GET", "/o/b/secret"), secret);
        assert_eq!(outcome("GET", "/o//b/s%65cret/"), secret);
        assert_eq!(store.requests().len(), 2);
    });
}
