//! What a request line names: methods, targets, the stage, `/ping`; and who may call (spec 03, 09).

use std::collections::HashSet;

use sluicegate::pipeline::identity::Identities;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::documents::images;
use crate::support::documents::objects;
use crate::support::documents::s3_proxy;
use crate::support::gateway::Gateway;
use crate::support::gateway::guarded_settings;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;

const MISSING_TOKEN: &[u8] = br#"{"message":"Missing Authentication Token"}"#;
const FORBIDDEN: &[u8] = br#"{"message":"Forbidden"}"#;

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b"hello"))
}

fn assert_refused(name: &str, answer: &Message, error_type: &str, body: &[u8]) {
    assert_eq!(answer.status(), 403, "{name}");
    assert_eq!(answer.field("x-amzn-errortype"), Some(error_type), "{name}");
    assert_eq!(
        answer.field("content-type"),
        Some("application/json"),
        "{name}"
    );
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        String::from_utf8_lossy(body),
        "{name}"
    );
}

#[test]
fn a_method_that_is_not_there_asks_for_a_token() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        for (method, target) in [
            ("POST", "/v1/o/k"),
            ("PATCH", "/v1/o/k"),
            ("OPTIONS", "/v1/o/k"),
            ("TRACE", "/v1/o/k"),
            ("PROPFIND", "/v1/o/k"),
            ("get", "/v1/o/k"),
            ("Get", "/v1/o/k"),
            ("GETX", "/v1/o/k"),
            ("!#$%&'*+-.^_`|~", "/v1/o/k"),
            ("GET", "/v1"),
            ("GET", "/v1/"),
            ("GET", "/v1/O/k"),
            ("GET", "/v1/o"),
            ("GET", "/v1/o/k/l"),
            ("GET", "/v1/typed/k"),
        ] {
            let answer = fetch(gateway.address, method, target, &[], b"");
            assert_refused(
                method,
                &answer,
                "MissingAuthenticationTokenException",
                MISSING_TOKEN,
            );
            assert_eq!(
                answer.field("connection"),
                Some("keep-alive"),
                "{method} {target}"
            );
        }
        assert_eq!(backend.connections(), 0);
        assert_eq!(
            fetch(gateway.address, "GET", "/v1/o/k", &[], b"").body,
            b"hello"
        );
    });
}

#[test]
fn what_is_outside_of_the_stage_is_forbidden() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/v2/o/k"),
            ("GET", "/V1/o/k"),
            ("GET", "/v11/o/k"),
            ("GET", "/o/k"),
            ("GET", "/v%31/o/k"),
            ("OPTIONS", "*"),
            ("POST", "/ping"),
            ("GET", "/ping/"),
            ("GET", "/pings"),
        ] {
            let answer = fetch(gateway.address, method, target, &[], b"");
            assert_refused(target, &answer, "ForbiddenException", FORBIDDEN);
        }
        let mut client = Client::connect(gateway.address);
        client.request("HEAD", "/v2/o/k", &[], b"");
        assert_eq!(
            client
                .head_response()
                .expect("a response")
                .field("content-length"),
            Some("23")
        );
        client.request("GET", "/v1/o/k", &[], b"");
        assert_eq!(client.response().expect("a response").body, b"hello");
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn ping_answers_without_the_store() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, s3_proxy(), &backend.url());
        let mut client = Client::connect(gateway.address);
        for target in ["/ping", "/ping?x=1", "http://other.example/ping"] {
            client.request("GET", target, &[], b"");
            let answer = client.response().expect("a response");
            assert_eq!(
                (answer.status(), answer.body.as_slice()),
                (200, b"healthy".as_slice()),
                "{target}"
            );
        }
        client.request("HEAD", "/ping", &[], b"");
        let answer = client.head_response().expect("a response");
        assert_eq!(
            (answer.status(), answer.field("content-length")),
            (200, Some("7"))
        );
        client.request("GET", "/S3/b/k", &[], b"");
        assert_eq!(client.response().expect("a response").body, b"hello");
        assert_eq!(backend.requests().len(), 1);
    });
}

#[test]
fn an_absolute_target_names_the_same_object() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let targets = [
            "/v1/o/a%20b?q=1",
            "http://any.example/v1/o/a%20b?q=1",
            "HTTPS://[::1]:8443/v1/o/a%20b",
        ];
        for target in targets {
            assert_eq!(
                fetch(gateway.address, "GET", target, &[], b"").body,
                b"hello",
                "{target}"
            );
        }
        let seen = backend.requests();
        assert_eq!(seen.len(), targets.len());
        for request in seen {
            assert_eq!(request.start, "GET /b/a%20b HTTP/1.1");
            assert_eq!(
                request.field("host"),
                Some(backend.url().strip_prefix("http://").unwrap())
            );
        }
    });
}

#[test]
fn every_response_has_ids_of_its_own() {
    on_each_driver(|driver| {
        let backend = accepting();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut seen = HashSet::new();
        let requests = [
            ("GET", "/v1/o/k"),
            ("GET", "/v1/o/k"),
            ("GET", "/v2/o/k"),
            ("POST", "/v1/o/k"),
            ("GET", "not-a-target"),
        ];
        for (method, target) in requests {
            let answer = fetch(gateway.address, method, target, &[], b"");
            let request_id = answer
                .field("x-amzn-requestid")
                .expect("a request id")
                .to_owned();
            let extended = answer
                .field("x-amz-apigw-id")
                .expect("an extended request id")
                .to_owned();
            assert_eq!(request_id.len(), 36, "{target}");
            assert!(answer.field("date").is_some(), "{target}");
            seen.extend([request_id, extended]);
        }
        assert_eq!(seen.len(), 2 * requests.len());
    });
}

#[test]
fn a_method_with_aws_iam_takes_nobody_unless_authorizers_are_ignored() {
    on_each_driver(|driver| {
        let backend = accepting();
        let enforced = |table| ServeSettings {
            io_driver: driver,
            ..guarded_settings(table, &backend.url(), Identities::default())
        };
        let gateway = Gateway::start(enforced(s3_proxy()));
        let unknown: &[u8] =
            br#"{"message":"The security token included in the request is invalid."}"#;
        let authorization = "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/execute-api/aws4_request, \
                             SignedHeaders=host, Signature=00";
        for method in ["GET", "PUT", "DELETE"] {
            let ask = |target: &str, fields: &[(&str, &str)]| {
                fetch(gateway.address, method, target, fields, b"")
            };
            let answer = ask("/S3/b/k", &[]);
            assert_refused(
                method,
                &answer,
                "MissingAuthenticationTokenException",
                MISSING_TOKEN,
            );
            let signed = [
                ("Authorization", authorization),
                ("X-Amz-Date", "20260101T000000Z"),
            ];
            let answer = ask("/S3/b/k", &signed);
            assert_refused(method, &answer, "UnrecognizedClientException", unknown);
            let presigned = "/S3/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Date=20260101T000000Z\
                 &X-Amz-Credential=A%2F20260101%2Fus-west-2%2Fexecute-api%2Faws4_request&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=00";
            let answer = ask(presigned, &[]);
            assert_refused(method, &answer, "UnrecognizedClientException", unknown);
            let answer = ask("/S3/b/k/l", &[("Authorization", authorization)]);
            assert_refused(
                method,
                &answer,
                "MissingAuthenticationTokenException",
                MISSING_TOKEN,
            );
        }
        assert_eq!(backend.connections(), 0);

        let open = Gateway::start(enforced(images()));
        assert_eq!(
            fetch(open.address, "GET", "/v1/s3?key=b/k", &[], b"").status(),
            200
        );
        let ignoring = Gateway::on(driver, s3_proxy(), &backend.url());
        assert_eq!(
            fetch(
                ignoring.address,
                "GET",
                "/S3/b/k",
                &[("Authorization", authorization)],
                b""
            )
            .status(),
            200
        );
        let seen = backend.requests();
        assert_eq!(seen.len(), 2);
        assert!(
            seen.iter()
                .all(|request| request.field("authorization") != Some(authorization))
        );
    });
}
