//! What the gateway may do in the name of a role: its policy is asked before anything is sent.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use sluicegate::api::iam_policy::Policy;
use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::credentials::slot::CredentialSlot;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::role::Role;
use sluicegate::serve::roles::KnownRole;
use sluicegate::serve::roles::Roles;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::fetch;
use crate::support::documents::s3_proxy;
use crate::support::gateway::ACCESS_KEY_ID;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::message::Message;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;

const STORAGE_ROLE: &str = "arn:aws:iam::123456789012:role/storageRole";
const SESSION: &str =
    "arn:aws:sts::123456789012:assumed-role/storageRole/BackplaneAssumeRoleSession";

fn roles(policy: Option<&str>, credentials: Option<CredentialSlot>) -> Roles {
    let principal = Principal::of_role(STORAGE_ROLE).unwrap();
    let policy = policy.map(|text| Policy::parse(text, &principal).unwrap());
    let role = Role { principal, policy };
    let known = KnownRole { role, credentials };
    [(STORAGE_ROLE.to_owned(), known)].into_iter().collect()
}

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

/// A policy of these statements for the role of [`object_api`].
fn object_gateway(driver: DriverChoice, store: &Backend, statements: &Value) -> Gateway {
    document_gateway(&object_api(), driver, store, statements)
}

fn document_gateway(
    document: &Value,
    driver: DriverChoice,
    store: &Backend,
    statements: &Value,
) -> Gateway {
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    gateway_for(document, driver, store, |settings| {
        gateway_of(settings).roles = Arc::new(roles(Some(&policy), None));
    })
}

fn refusal(action: &str, resource: &str, why: &str) -> String {
    format!(
        "<Message>User: {SESSION} is not authorized to perform: {action} on resource: \
         &quot;arn:aws:s3:::{resource}&quot; {why}</Message>"
    )
}

fn not_allowed(action: &str, resource: &str) -> String {
    let why = format!("because no identity-based policy allows the {action} action");
    refusal(action, resource, &why)
}

const EXPLICITLY: &str = "with an explicit deny in an identity-based policy";

fn assert_refused(answer: &Message, message: &str) {
    assert_eq!(answer.status(), 403, "{answer:?}");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("<Code>AccessDenied</Code>"), "{body}");
    assert!(body.contains(message), "{body}\nwanted {message}");
}

#[test]
fn the_policies_of_the_tutorial_over_all_methods_of_its_api() {
    const READ: &str = include_str!("../../config/policies/read-only.json");
    const PUT: &str = include_str!("../../config/policies/put-only.json");
    const FULL: &str = include_str!("../../config/policies/full-access.json");
    // Method, target, action and resource, and who may: read-only, put-only, full access.
    let table = [
        (
            "GET",
            "/S3/",
            "s3:ListAllMyBuckets",
            "*",
            [true, false, true],
        ),
        ("GET", "/S3/b", "s3:ListBucket", "b", [true, false, true]),
        ("PUT", "/S3/b", "s3:CreateBucket", "b", [false, false, true]),
        (
            "DELETE",
            "/S3/b",
            "s3:DeleteBucket",
            "b",
            [false, false, true],
        ),
        (
            "GET",
            "/S3/b/a%2Fk",
            "s3:GetObject",
            "b/a/k",
            [true, false, true],
        ),
        (
            "HEAD",
            "/S3/b/k",
            "s3:GetObject",
            "b/k",
            [true, false, true],
        ),
        ("PUT", "/S3/b/k", "s3:PutObject", "b/k", [false, true, true]),
        (
            "DELETE",
            "/S3/b/k",
            "s3:DeleteObject",
            "b/k",
            [false, false, true],
        ),
    ];
    for (index, policy) in [READ, PUT, FULL].into_iter().enumerate() {
        let store = accepting();
        let mut settings = settings(s3_proxy(), &store.url());
        gateway_of(&mut settings).roles = Arc::new(roles(Some(policy), None));
        let gateway = Gateway::start(settings);
        let mut allowed = 0;
        for (method, target, action, resource, may) in table {
            let body = if method == "PUT" { &b"x"[..] } else { b"" };
            let answer = fetch(gateway.address, method, target, &[], body);
            let what = format!("policy {index}: {method} {target}: {answer:?}");
            if may[index] {
                allowed += 1;
                assert_eq!(answer.status(), 200, "{what}");
            } else {
                // The document maps every 4xx of the store to 400 and passes its body on.
                assert_eq!(answer.status(), 400, "{what}");
                let body = String::from_utf8_lossy(&answer.body);
                let message = not_allowed(action, resource);
                assert_eq!(body.contains(&message), method != "HEAD", "{what}");
            }
        }
        assert_eq!(store.requests().len(), allowed, "policy {index}");
        assert!(allowed > 0);
    }
}

#[test]
fn what_a_role_may_not_upload_never_reaches_the_store() {
    on_each_driver(|driver| {
        let store = accepting();
        let statements = json!([
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/kept/*"}]);
        let gateway = object_gateway(driver, &store, &statements);
        for size in [1, 2_000_000] {
            let body = vec![b'x'; size];
            let put = |target: &str| fetch(gateway.address, "PUT", target, &[], &body);
            let connections = store.connections();
            assert_refused(
                &put("/o/b/kept%2Fk"),
                &refusal("s3:PutObject", "b/kept/k", EXPLICITLY),
            );
            assert_eq!(store.connections(), connections);
            assert_eq!(put("/o/b/k").status(), 200);
            assert_eq!(stored(store.requests().last().unwrap()), body);
        }
        assert_eq!(store.requests().len(), 2);
    });
}

#[test]
fn mapped_headers_and_queries_count() {
    let store = accepting();
    let mut document = object_api();
    each_integration(&mut document, |integration| {
        integration["requestParameters"]["integration.request.header.x-amz-copy-source"] =
            json!("method.request.header.x-from");
        integration["requestParameters"]["integration.request.querystring.prefix"] =
            json!("method.request.querystring.prefix");
    });
    let statements = json!([
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::open/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
         "Condition": {"StringEquals": {"s3:prefix": "open/"}}}]);
    let gateway = document_gateway(&document, DriverChoice::Auto, &store, &statements);
    let copy = |from: &str| fetch(gateway.address, "PUT", "/o/b/k", &[("x-from", from)], b"");
    assert_eq!(copy("/open/a").status(), 200);
    assert_refused(&copy("/shut/a"), &not_allowed("s3:GetObject", "shut/a"));
    let list = |query: &str| fetch(gateway.address, "GET", &format!("/o/b{query}"), &[], b"");
    assert_eq!(list("?prefix=open%2F").status(), 200);
    assert_refused(&list("?prefix=shut%2F"), &not_allowed("s3:ListBucket", "b"));
    assert_refused(&list(""), &not_allowed("s3:ListBucket", "b"));
    assert_eq!(store.requests().len(), 2);
}

#[test]
fn every_key_of_a_delete_must_be_allowed() {
    on_each_driver(|driver| {
        let store = accepting();
        let mut document = object_api();
        each_integration(&mut document, |integration| {
            let uri = integration["uri"].as_str().unwrap().to_owned();
            if integration["httpMethod"] == "POST" {
                integration["uri"] = json!(format!("{uri}?delete"));
            }
        });
        let statements = json!([
            {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::b/kept/*"}]);
        let gateway = document_gateway(&document, driver, &store, &statements);
        let delete = |keys: &[&str]| {
            let objects: Vec<String> = keys
                .iter()
                .map(|key| format!("<Object><Key>{key}</Key></Object>"))
                .collect();
            let body = format!("<Delete>{}</Delete>", objects.concat());
            (
                fetch(gateway.address, "POST", "/o/b", &[], body.as_bytes()),
                body,
            )
        };
        let (answer, body) = delete(&["a", "c/d"]);
        assert_eq!(answer.status(), 200);
        assert_eq!(stored(&store.requests()[0]), body.as_bytes());
        let (answer, _) = delete(&["a", "kept/c"]);
        assert_refused(&answer, &refusal("s3:DeleteObject", "b/kept/c", EXPLICITLY));
        let unreadable = fetch(gateway.address, "POST", "/o/b", &[], b"<Delete>");
        assert_refused(&unreadable, "a body of DeleteObjects that cannot be read");
        let none = fetch(gateway.address, "POST", "/o/b", &[], b"");
        assert_refused(&none, "a body of DeleteObjects that cannot be read");
        assert_eq!(store.requests().len(), 1);
    });
}

#[test]
fn a_role_signs_with_its_own_keys_and_others_with_those_of_the_store() {
    on_each_driver(|driver| {
        let signed_by = |credentials: Option<CredentialSlot>, role: &str, length: usize| {
            let store = accepting();
            let mut document = object_api();
            each_integration(&mut document, |integration| {
                integration["credentials"] = json!(role);
            });
            let gateway = gateway_for(&document, driver, &store, |settings| {
                gateway_of(settings).roles = Arc::new(roles(None, credentials));
            });
            let body = vec![b'x'; length];
            let answer = fetch(gateway.address, "PUT", "/o/b/k", &[], &body);
            (answer.status(), store.requests().first().cloned())
        };
        let own = || {
            CredentialSlot::fixed(
                STORAGE_ROLE,
                "test",
                Credentials {
                    access_key_id: "ASIAROLE".to_owned(),
                    secret_access_key: Secret::new("role's"),
                    session_token: Some(Secret::new("token")),
                },
            )
        };
        for length in [1, 2_000_000] {
            let key_of = |credentials, role| {
                let (status, request) = signed_by(credentials, role, length);
                assert_eq!(status, 200);
                let request = request.unwrap();
                let value = request.field("authorization").unwrap();
                let (_, from_id) = value.split_once("Credential=").unwrap();
                let id = from_id.split('/').next().unwrap().to_owned();
                (id, request.field("x-amz-security-token").map(str::to_owned))
            };
            let token = Some("token".to_owned());
            assert_eq!(
                key_of(Some(own()), STORAGE_ROLE),
                ("ASIAROLE".to_owned(), token)
            );
            let of_store = (ACCESS_KEY_ID.to_owned(), None);
            assert_eq!(key_of(None, STORAGE_ROLE), of_store);
            let other = "arn:aws:iam::123456789012:role/other";
            assert_eq!(key_of(Some(own()), other), of_store);
        }
        let empty = CredentialSlot::empty(STORAGE_ROLE);
        let (status, request) = signed_by(Some(empty), STORAGE_ROLE, 1);
        assert_eq!(
            (status, request.is_none()),
            (503, true),
            "no keys, no request"
        );
    });
}
