//! What a caller may call: policies, method ARNs, API keys.

use serde_json::{Value, json};

use super::*;

fn under(policy: Value, target: &str) -> String {
    outcome(
        &gateway(Some(policy)),
        target,
        &CALLER.signed(target),
        &CALLER,
    )
}

#[test]
fn a_policy_decides_over_the_method_arn() {
    let statement = |effect: &str, path: &str| {
        json!({"Effect": effect, "Action": "execute-api:Invoke",
            "Resource": format!("arn:aws:execute-api:us-east-1:123456789012:test-api/v1/GET/{path}")})
    };
    let policy = |statements: Value| json!({"Version": "2012-10-17", "Statement": statements});
    let denied = |path: &str, end: &str| {
        format!(
            "403 AccessDeniedException User: {ARN} is not authorized to perform: execute-api:Invoke on resource: \
             arn:aws:execute-api:us-east-1:********9012:test-api/v1/GET/{path}{end}"
        )
    };
    let allow = || policy(statement("Allow", "a*"));
    assert_eq!(under(allow(), "/v1/ab?q"), BOB);
    assert_eq!(under(allow(), "/v1/b"), denied("b", ""));
    let both = || {
        policy(json!([
            statement("Allow", "*"),
            statement("Deny", "secret")
        ]))
    };
    let explicit = " with an explicit deny";
    assert_eq!(under(both(), "/v1/secre"), BOB);
    for target in ["/v1/secret", "/v1/%73ecret", "/v1//secret/", "//v1/secret"] {
        assert_eq!(
            under(both(), target),
            denied("secret", explicit),
            "{target}"
        );
    }
    let resource = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}});
    assert_eq!(under(policy(resource), "/v1/x"), BOB);
}

#[test]
fn a_method_arn_has_a_length_limit() {
    let target = |length: usize| format!("/v1/{}", "a".repeat(length));
    let longest =
        METHOD_ARN_BYTES_MAX - "arn:aws:execute-api:us-east-1:123456789012:test-api/v1/GET/".len();
    assert_eq!(CALLER.outcome(&target(longest)), BOB);
    assert_eq!(
        CALLER.outcome(&target(longest + 1)),
        "414  Request URI too long"
    );
}

#[test]
fn a_method_with_an_api_key_is_refused_after_authorization() {
    let refused = "403 ForbiddenException Forbidden";
    let keyed = |operation: Value| Gate {
        table: guarded(&operation),
        ..gateway(None)
    };
    let key = keyed(json!({"security": [{"key": []}]}));
    let fields = [("x-api-key".to_owned(), "01234567890123456789".to_owned())];
    assert_eq!(outcome(&key, "/v1/x", &fields, &CALLER), refused);
    let both =
        keyed(json!({"security": [{"key": []}], "x-amazon-apigateway-auth": {"type": "AWS_IAM"}}));
    assert!(outcome(&both, "/v1/x", &[], &CALLER).contains("Missing Authentication Token"));
    assert_eq!(
        outcome(&both, "/v1/x", &CALLER.signed("/v1/x"), &CALLER),
        refused
    );
}

#[test]
fn an_open_method_ignores_signatures() {
    let open = Gate {
        table: guarded(&json!({})),
        ..gateway(None)
    };
    let fields = [("Authorization".to_owned(), "Bearer x".to_owned())];
    assert_eq!(
        outcome(&open, "/v1/x?X-Amz-Signature=1", &fields, &CALLER),
        "authorized "
    );
}

#[test]
fn an_ignored_authorizer_asks_for_nothing() {
    let table = guarded(
        &json!({"security": [{"key": []}], "x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
    );
    let head = sample::head("GET", "/v1/x", &[]);
    let Ok(Route::Method(routed)) = route(&table, &head) else {
        panic!("no route");
    };
    assert_eq!(sample::authorized(routed).body_sha256(), None);
}

#[test]
fn an_access_key_id_belongs_to_one_identity() {
    let mut identities = Identities::default();
    assert!(identities.is_empty());
    identities.add(identity("A", None, None)).unwrap();
    assert!(identities.add(identity("A", Some("t"), None)).is_err());
    assert!(identities.add(identity("a", None, None)).is_ok());
    assert!(identities.find(b"A").is_some() && identities.find(b"\xff").is_none());
}
