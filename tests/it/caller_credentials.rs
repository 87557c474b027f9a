//! `credentials: arn:aws:iam::*:user/*`: the keys of the caller sign for the store (spec 05, "Credentials").

use std::sync::Arc;

use serde_json::json;
use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::clock;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::identity::Identities;
use sluicegate::pipeline::identity::Identity;
use sluicegate::serve::settings::Limits;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::signer::BOB;
use crate::support::signer::Pairs;
use crate::support::signer::SESSION;
use crate::support::signer::Signer;
use crate::support::store_signature::head_signature;
use crate::support::store_signature::part;

const UNKNOWN_CALLER: &[u8] = b"{\"message\": \"Internal server error\"}";

fn identities() -> Identities {
    let mut identities = Identities::default();
    for signer in [BOB, SESSION] {
        let identity = Identity {
            credentials: Credentials {
                access_key_id: signer.access_key_id.to_owned(),
                secret_access_key: Secret::new(signer.secret),
                session_token: signer.token.map(Secret::new),
            },
            session_end: signer
                .token
                .map(|_| UnixSeconds(clock::now().unix.0 + 3_600)),
            policy: None,
            principal: Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB").unwrap(),
        };
        identities.add(identity).unwrap();
    }
    identities
}

/// [`object_api`] with the callers' keys; AWS_IAM is asked for by PUT, GET and POST, nothing by DELETE.
fn gateway(driver: DriverChoice, store: &Backend, payload_bytes_max: u64) -> Gateway {
    let mut document = object_api();
    each_integration(&mut document, |integration| {
        integration["credentials"] = json!("arn:aws:iam::*:user/*");
    });
    for resource in document["paths"].as_object_mut().unwrap().values_mut() {
        for name in ["get", "put", "post"] {
            resource[name]["x-amazon-apigateway-auth"] = json!({"type": "AWS_IAM"});
        }
    }
    gateway_for(&document, driver, store, |settings| {
        settings.limits = Limits {
            payload_bytes_max,
            header_bytes_max: 10_240,
        };
        let gateway = gateway_of(settings);
        gateway.ignore_authorizers = false;
        gateway.identities = Arc::new(identities());
    })
}

fn borrowed(fields: &Pairs) -> Vec<(&str, &str)> {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// The request is signed for S3 by these keys, their session token with them.
fn assert_signed_by(request: &Message, signer: Signer<'_>) {
    let scope = part(request, "Credential");
    let (id, scope) = scope.split_once('/').unwrap();
    assert_eq!(id, signer.access_key_id);
    assert!(scope.ends_with("/us-east-1/s3/aws4_request"), "{scope}");
    assert_eq!(request.field("x-amz-security-token"), signer.token);
    let signature = head_signature(request, signer.secret);
    assert_eq!(part(request, "Signature"), signature, "{request:?}");
}

#[test]
fn the_keys_and_the_session_of_the_caller_sign_for_the_store() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_request| response(200, &[], b""));
        let gateway = gateway(driver, &store, 10 * 1024 * 1024);
        // Turn by turn: nobody's keys stay for the next.
        for signer in [BOB, SESSION, BOB] {
            let fields = signer.fields("GET", "/o/b/k", b"");
            let answer = fetch(gateway.address, "GET", "/o/b/k", &borrowed(&fields), b"");
            assert_eq!(answer.status(), 200);
            assert_signed_by(store.requests().last().unwrap(), signer);

            let presigned = signer.presigned("GET", "/o/b/k");
            let answer = fetch(gateway.address, "GET", &presigned, &[], b"");
            assert_eq!(answer.status(), 200);
            let requests = store.requests();
            let request = requests.last().unwrap();
            assert_eq!(request.second_word(), "/b/k");
            assert_signed_by(request, signer);

            for (size, claims_hash) in [(10, false), (10, true), (300_000, true)] {
                let body = vec![b'x'; size];
                let signer = Signer {
                    claims_hash,
                    ..signer
                };
                let fields = signer.fields("PUT", "/o/b/k", &body);
                let answer = fetch(gateway.address, "PUT", "/o/b/k", &borrowed(&fields), &body);
                assert_eq!(answer.status(), 200);
                let requests = store.requests();
                let request = requests.last().unwrap();
                assert_signed_by(request, signer);
                assert_eq!(stored(request), body);
            }
        }
    });
}

#[test]
fn every_part_of_an_upload_is_the_callers() {
    let store = Backend::answering(|request| {
        let target = request.second_word();
        if target.ends_with("uploads=") {
            response(200, &[], b"<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>")
        } else if request.start.starts_with("POST") {
            response(200, &[], b"<CompleteMultipartUploadResult><ETag>\"all\"</ETag></CompleteMultipartUploadResult>")
        } else {
            response(200, &[("ETag", "\"one\"")], b"")
        }
    });
    let gateway = gateway(DriverChoice::Auto, &store, 0);
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    let signer = Signer {
        claims_hash: true,
        ..SESSION
    };
    let fields = signer.fields("PUT", "/o/b/k", &body);
    let mut client = Client::connect(gateway.address);
    let mut head =
        "PUT /o/b/k HTTP/1.1\r\nHost: gateway.example\r\nTransfer-Encoding: chunked\r\n".to_owned();
    for (name, value) in &fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("\r\n{:x}\r\n", body.len()));
    client.send(head);
    client.send(&body);
    client.send("\r\n0\r\n\r\n");
    assert_eq!(client.response().unwrap().status(), 200);
    let requests = store.requests();
    let methods: Vec<&str> = requests
        .iter()
        .map(|request| request.start.split(' ').next().unwrap())
        .collect();
    assert_eq!(methods, ["POST", "PUT", "PUT", "POST"]);
    for request in &requests {
        assert_signed_by(request, SESSION);
    }
}

#[test]
fn without_a_caller_nothing_is_sent() {
    on_each_driver(|driver| {
        let store = Backend::answering(|_request| response(200, &[], b""));
        let gateway = gateway(driver, &store, 10 * 1024 * 1024);
        let unsigned = fetch(gateway.address, "GET", "/o/b/k", &[], b"");
        assert_eq!(unsigned.status(), 403);
        let stranger = Signer {
            access_key_id: "AKIDEVE",
            ..BOB
        };
        let fields = stranger.fields("GET", "/o/b/k", b"");
        let unknown = fetch(gateway.address, "GET", "/o/b/k", &borrowed(&fields), b"");
        assert_eq!(unknown.status(), 403);
        // A method that asks nobody has no caller, also when a known one signs.
        for fields in [Pairs::new(), BOB.fields("DELETE", "/o/b/k", b"")] {
            let answer = fetch(gateway.address, "DELETE", "/o/b/k", &borrowed(&fields), b"");
            assert_eq!(answer.status(), 500, "{answer:?}");
            assert_eq!(answer.body, UNKNOWN_CALLER);
        }
        assert_eq!(store.connections(), 0);
    });
}
