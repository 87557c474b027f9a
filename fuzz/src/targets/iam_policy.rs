//! IAM policies: a denial of everything denies, whatever else a policy says; nobody is let in by a text that is no policy.

use serde_json::Value;
use serde_json::json;
use sluicegate::api::iam_policy::Decision;
use sluicegate::api::iam_policy::INVOKE;
use sluicegate::api::iam_policy::Policy;
use sluicegate::api::iam_policy::condition_key::Call;
use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::api::openapi::json_document;
use sluicegate::wire::date::UnixSeconds;

const METHOD: &str = "arn:aws:execute-api:us-east-1:123456789012:abc123/S3/GET/photos/cat.jpg";

/// Reads `data` as the policy of a caller and of an API.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let principal =
        Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB").expect("an ARN");
    if let Ok(root) = json_document::parse(text).root {
        match Policy::of_api(&root, "abc123") {
            Ok(policy) => drop(policy.decide(&call(Some(&principal), INVOKE, METHOD))),
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
    let policy = match Policy::parse(text, &principal) {
        Ok(policy) => policy,
        Err(fault) => return assert!(!fault.message.is_empty()),
    };
    let calls = [
        call(Some(&principal), INVOKE, METHOD),
        call(
            Some(&principal),
            "s3:GetObject",
            "arn:aws:s3:::photos/cat.jpg",
        ),
    ];
    let decisions = calls.map(|call| policy.decide(&call));
    assert_eq!(calls.map(|call| policy.decide(&call)), decisions);
    let upper = Call {
        action: "EXECUTE-API:INVOKE",
        ..calls[0]
    };
    assert_eq!(
        policy.decide(&upper),
        decisions[0],
        "the case of an action's letters"
    );
    denied_with_a_denial(text, &principal, &calls);
}

fn denied_with_a_denial(text: &str, principal: &Principal, calls: &[Call<'_>]) {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let Some(Value::Array(statements)) = document.get_mut("Statement") else {
        return;
    };
    statements.push(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    if let Ok(policy) = Policy::parse(&document.to_string(), principal) {
        for call in calls {
            assert_eq!(policy.decide(call), Decision::Denied);
        }
    }
}

fn call<'a>(principal: Option<&'a Principal>, action: &'a str, resource: &'a str) -> Call<'a> {
    Call {
        action,
        resource,
        principal,
        source_ip: "192.0.2.7",
        now: UnixSeconds(1_768_478_400),
        is_secure: false,
        user_agent: Some(b"curl/8.5"),
        referer: None,
        s3: None,
    }
}
