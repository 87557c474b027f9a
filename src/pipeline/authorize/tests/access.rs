//! What a caller may call: policies, method ARNs.

use serde_json::{Value, json};

use super::invoke::METHOD_ARN_BYTES_MAX;
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

/// Who calls in the table below.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// The method asks for nobody.
    Anybody,
    /// A user of the API's account.
    Own,
    /// A user of another account.
    Foreign,
}

/// The outcome under a resource policy and the caller's own policy, each `allow`, `deny`, `silent` or `none`, without
/// the resource of a denial.
fn combined(who: Who, of_api: &str, own: &str) -> String {
    let statements = |says: &str, principal: Value| {
        let effect = match says {
            "none" => return None,
            "silent" => return Some(json!([])),
            "allow" => "Allow",
            _ => "Deny",
        };
        let mut statement =
            json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"});
        if !principal.is_null() {
            statement["Principal"] = principal;
        }
        Some(json!([statement]))
    };
    let mut gate = gateway(None);
    let mut identities = Identities::default();
    let arn = match who {
        Who::Foreign => "arn:aws:iam::210987654321:user/eve",
        Who::Own | Who::Anybody => ARN,
    };
    let principal = Principal::new(arn, "AIDA").unwrap();
    let policy = statements(own, Value::Null).map(|statements| {
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        Policy::parse(&text, &principal).unwrap()
    });
    let known = Identity {
        principal,
        policy,
        ..identity("AKIDBOB", None, None)
    };
    identities.add(known).unwrap();
    gate.identities = identities;
    let operation = match who {
        Who::Anybody => json!({}),
        Who::Own | Who::Foreign => json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
    };
    gate.table = sample::one_method_with(json!({}), |document| {
        let method = &mut document["paths"]["/{item}"]["x-amazon-apigateway-any-method"];
        let operation = operation.as_object().unwrap().clone();
        method.as_object_mut().unwrap().extend(operation);
        if let Some(statements) = statements(of_api, json!("*")) {
            document["x-amazon-apigateway-policy"] =
                json!({"Version": "2012-10-17", "Statement": statements});
        }
    });
    let told = outcome(&gate, "/v1/x", &CALLER.signed("/v1/x"), &CALLER);
    let told = told.replace(
        "arn:aws:execute-api:us-east-1:********9012:test-api/v1/GET/x",
        "ARN",
    );
    if told.starts_with("authorized") {
        "allowed".to_owned()
    } else {
        told
    }
}

#[test]
fn the_table_of_resource_policy_and_own_policy() {
    use Who::{Anybody, Foreign, Own};
    for (who, of_api, own, wanted) in [
        (Anybody, "none", "none", "allowed"),
        (Anybody, "allow", "none", "allowed"),
        (Anybody, "silent", "none", "denied"),
        (Anybody, "deny", "none", "explicit"),
        (Own, "none", "none", "allowed"),
        (Own, "none", "allow", "allowed"),
        (Own, "none", "silent", "denied"),
        (Own, "none", "deny", "explicit"),
        (Own, "allow", "allow", "allowed"),
        (Own, "allow", "silent", "allowed"),
        (Own, "silent", "allow", "allowed"),
        (Own, "silent", "none", "allowed"),
        (Own, "silent", "silent", "denied"),
        (Own, "allow", "deny", "explicit"),
        (Own, "silent", "deny", "explicit"),
        (Own, "deny", "allow", "explicit"),
        (Own, "deny", "none", "explicit"),
        (Foreign, "none", "allow", "allowed"),
        (Foreign, "none", "silent", "denied"),
        (Foreign, "allow", "allow", "allowed"),
        (Foreign, "allow", "none", "allowed"),
        (Foreign, "allow", "silent", "denied"),
        (Foreign, "silent", "allow", "denied"),
        (Foreign, "silent", "none", "denied"),
        (Foreign, "silent", "silent", "denied"),
        (Foreign, "deny", "allow", "explicit"),
        (Foreign, "allow", "deny", "explicit"),
    ] {
        let user = match who {
            Anybody => "anonymous",
            Own => ARN,
            Foreign => "arn:aws:iam::210987654321:user/eve",
        };
        let denied = |end: &str| {
            format!(
                "403 AccessDeniedException User: {user} is not authorized to perform: execute-api:Invoke on resource: \
                 ARN{end}"
            )
        };
        let wanted = match wanted {
            "denied" => denied(""),
            "explicit" => denied(" with an explicit deny"),
            _ => "allowed".to_owned(),
        };
        assert_eq!(combined(who, of_api, own), wanted, "{who:?} {of_api} {own}");
    }
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
    assert_eq!(sample::metered(routed).body_sha256(), None);
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
