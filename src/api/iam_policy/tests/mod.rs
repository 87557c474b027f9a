mod resource_policy;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::wire::date::UnixSeconds;

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abc123/S3/GET/photos/cat.jpg";
/// 2026-01-15T12:00:00Z
const NOW: UnixSeconds = UnixSeconds(1_768_478_400);

fn bob() -> Principal {
    Principal::new(BOB, "AIDABOB").unwrap()
}

fn call<'a>(principal: &'a Principal, resource: &'a str) -> Call<'a> {
    Call {
        action: INVOKE,
        resource,
        principal: Some(principal),
        source_ip: "192.0.2.7",
        now: NOW,
        is_secure: false,
        user_agent: Some(b"curl/8.5"),
        referer: None,
        s3: None,
    }
}

fn decide_for(principal: &Principal, statements: Value, resource: &str) -> Decision {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let policy = Policy::parse(&text, principal).unwrap_or_else(|fault| panic!("{fault:?}"));
    policy.decide(&call(principal, resource))
}

fn decide(statements: Value) -> Decision {
    decide_for(&bob(), statements, ARN)
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

/// Whether an allowing statement under this condition speaks of the call.
fn under(condition: Value) -> bool {
    let statement =
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    decide(statement) == Decision::Allowed
}

fn fault_of(policy: &Value) -> String {
    let fault = Policy::parse(&policy.to_string(), &bob()).unwrap_err();
    fault.message
}

#[test]
fn a_statement_speaks_of_its_actions_and_resources() {
    let method = "arn:aws:execute-api:us-east-1:*:abc123/S3/GET/photos/*";
    for (action, resource, wanted) in [
        ("execute-api:Invoke", method, Decision::Allowed),
        ("EXECUTE-API:in*", method, Decision::Allowed),
        ("*", "*", Decision::Allowed),
        (
            "execute-api:*",
            "arn:aws:execute-api:*:*:*",
            Decision::Allowed,
        ),
        ("execute-api:InvalidateCache", method, Decision::Silent),
        ("s3:*", "*", Decision::Silent),
        (
            "execute-api:Invoke",
            "arn:aws:execute-api:us-east-1:*:abc123/S3/PUT/*",
            Decision::Silent,
        ),
        (
            "execute-api:Invoke",
            "arn:aws:execute-api:us-east-1:*:abc123/s3/GET/*",
            Decision::Silent,
        ),
        (
            "execute-api:Invoke",
            "arn:aws:execute-api:us-east-1:*:*/GET/photos/ca?.jpg",
            Decision::Allowed,
        ),
    ] {
        assert_eq!(
            decide(allow(action, resource)),
            wanted,
            "{action} {resource}"
        );
    }
}

#[test]
fn a_denial_beats_any_number_of_permissions_in_any_order() {
    let deny = json!({"Effect": "Deny", "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:*:*:*/GET/photos/*"});
    assert_eq!(decide(json!([deny, allow("*", "*")])), Decision::Denied);
    assert_eq!(
        decide(json!([allow("*", "*"), deny, allow("*", "*")])),
        Decision::Denied
    );
    let elsewhere = ARN.replace("photos", "texts");
    assert_eq!(
        decide_for(&bob(), json!([allow("*", "*"), deny]), &elsewhere),
        Decision::Allowed
    );
    assert_eq!(decide(json!([])), Decision::Silent);
}

#[test]
fn not_action_and_not_resource_are_all_but_those() {
    let statement = |action: &str, resource: &str| json!({"Effect": "Allow", "NotAction": action, "NotResource": resource});
    let other = "arn:aws:execute-api:*:*:*/PUT/*";
    assert_eq!(decide(statement("s3:*", other)), Decision::Allowed);
    assert_eq!(decide(statement("execute-api:*", other)), Decision::Silent);
    assert_eq!(decide(statement("s3:*", ARN)), Decision::Silent);
}

#[test]
fn text_operators() {
    let agent = |operator: &str, value: &str| under(json!({operator: {"aws:UserAgent": value}}));
    assert!(agent("StringEquals", "curl/8.5") && !agent("StringEquals", "curl/*"));
    assert!(!agent("StringEquals", "CURL/8.5") && agent("StringEqualsIgnoreCase", "CURL/8.5"));
    assert!(agent("StringLike", "curl/?.*") && !agent("StringLike", "Curl*"));
    assert!(agent("StringNotEquals", "wget") && !agent("StringNotEquals", "curl/8.5"));
    assert!(!agent("StringNotEqualsIgnoreCase", "CURL/8.5"));
    assert!(agent("StringNotLike", "wget*") && !agent("StringNotLike", "*8*"));
    assert!(under(
        json!({"StringLike": {"AWS:useragent": ["wget*", "curl*"]}})
    ));
    assert!(!under(
        json!({"StringNotLike": {"aws:UserAgent": ["wget*", "curl*"]}})
    ));
}

#[test]
fn arn_operators_match_element_by_element() {
    let principal =
        |operator: &str, value: &str| under(json!({operator: {"aws:PrincipalArn": value}}));
    assert!(principal("ArnEquals", BOB) && principal("ArnLike", "arn:aws:iam::*:user/b?b"));
    assert!(!principal("ArnLike", "arn:aws:*:user/bob"));
    assert!(!principal("ArnNotEquals", BOB) && principal("ArnNotLike", "arn:aws:iam::*:role/*"));
}

#[test]
fn address_operators() {
    let from = |operator: &str, value: &str| under(json!({operator: {"aws:SourceIp": value}}));
    for (range, inside) in [
        ("192.0.2.7", true),
        ("192.0.2.0/24", true),
        ("192.0.2.99/24", true),
        ("0.0.0.0/0", true),
        ("192.0.2.8/31", false),
        ("192.0.2.6/31", true),
        ("::/0", false),
        ("2001:db8::/32", false),
    ] {
        assert_eq!(from("IpAddress", range), inside, "{range}");
        assert_eq!(from("NotIpAddress", range), !inside, "{range}");
    }
    let text = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}}});
    let principal = bob();
    let policy = Policy::parse(&text.to_string(), &principal).unwrap();
    for (address, wanted) in [
        ("2001:db8:ffff::1", Decision::Allowed),
        ("2001:db9::1", Decision::Silent),
    ] {
        let call = Call {
            source_ip: address,
            ..call(&principal, ARN)
        };
        assert_eq!(policy.decide(&call), wanted, "{address}");
    }
}

#[test]
fn number_date_and_bool_operators() {
    let date = |operator: &str, value: &str| under(json!({operator: {"aws:CurrentTime": value}}));
    assert!(date("DateEquals", "2026-01-15T12:00:00Z") && date("DateEquals", "1768478400"));
    assert!(date("DateLessThan", "2026-01-16") && !date("DateLessThan", "2026-01-15"));
    assert!(date("DateGreaterThanEquals", "2026-01-15T12:00:00Z"));
    assert!(!date("DateGreaterThan", "2026-01-15T12:00:00Z"));
    assert!(date("DateLessThanEquals", "2026-01-15T12:00:00Z"));
    assert!(date("DateNotEquals", "2026-01-15") && date("DateGreaterThan", "2026-01-15"));
    let number = |operator: &str, value: Value| under(json!({operator: {"aws:EpochTime": value}}));
    assert!(number("NumericEquals", json!(1_768_478_400)));
    assert!(number("NumericLessThan", json!("1768478400.5")));
    assert!(!number("NumericGreaterThan", json!(1_768_478_400)));
    assert!(number("NumericGreaterThanEquals", json!(1_768_478_400)));
    assert!(number("NumericLessThanEquals", json!([1, 1_768_478_400])));
    assert!(!number("NumericNotEquals", json!([1, 1_768_478_400])));
    let secure = |value: Value| under(json!({"Bool": {"aws:SecureTransport": value}}));
    assert!(secure(json!(false)) && secure(json!("false")) && !secure(json!("true")));
    assert!(
        !under(json!({"NumericEquals": {"aws:UserAgent": 8}})),
        "not a number"
    );
}

#[test]
fn a_key_without_a_value_fails_what_is_asked_and_meets_what_is_denied() {
    let referer = |operator: &str| under(json!({operator: {"aws:Referer": "x"}}));
    assert!(!referer("StringEquals") && referer("StringNotEquals"));
    assert!(referer("StringEqualsIfExists") && referer("StringNotEqualsIfExists"));
    assert!(!referer("ForAnyValue:StringEquals") && referer("ForAllValues:StringEquals"));
    assert!(!referer("ForAnyValue:StringNotEquals") && referer("ForAllValues:StringNotEquals"));
    assert!(referer("ForAnyValue:StringEqualsIfExists"));
    let agent = |operator: &str, value| under(json!({operator: {"aws:UserAgent": value}}));
    assert!(agent("ForAnyValue:StringLike", "curl*") && !agent("ForAllValues:StringLike", "x"));
    assert!(!agent("StringEqualsIfExists", "x"));
    let null = |key: &str, value: Value| under(json!({"Null": {key: value}}));
    assert!(null("aws:Referer", json!(true)) && !null("aws:Referer", json!("false")));
    assert!(null("aws:UserAgent", json!("false")) && !null("aws:SourceVpce", json!(false)));
}

#[test]
fn all_conditions_of_a_statement_must_hold() {
    let both = |address: &str, agent: &str| {
        under(
            json!({"IpAddress": {"aws:SourceIp": address}, "StringLike": {"aws:UserAgent": agent}}),
        )
    };
    assert!(both("192.0.2.0/24", "curl*"));
    assert!(!both("192.0.3.0/24", "curl*") && !both("192.0.2.0/24", "wget*"));
}

#[test]
fn variables_are_filled_in_by_policies_of_2012_alone() {
    let resource = "arn:aws:execute-api:*:*:*/GET/${aws:username}/*";
    let own = ARN.replace("photos", "bob");
    assert_eq!(
        decide_for(&bob(), allow("*", resource), &own),
        Decision::Allowed
    );
    assert_eq!(decide(allow("*", resource)), Decision::Silent);
    let old = json!({"Statement": allow("*", resource)}).to_string();
    let policy = Policy::parse(&old, &bob()).unwrap();
    assert_eq!(policy.decide(&call(&bob(), &own)), Decision::Silent);
    let role = Principal::new("arn:aws:sts::123456789012:assumed-role/r/s", "AROA:s").unwrap();
    let text = json!({"Version": "2012-10-17", "Statement": allow("*", resource)}).to_string();
    assert!(Policy::parse(&text, &role).is_err(), "a role has no name");
}

#[test]
fn what_is_not_understood_is_refused() {
    let with = |name: &str, value: Value| {
        let mut statement = allow("execute-api:Invoke", "*");
        statement[name] = value;
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    for (policy, told) in [
        (json!([]), "wanted a policy"),
        (json!({"Version": "2012-10-17"}), "Statement is wanted"),
        (
            json!({"Version": "2013-10-17", "Statement": []}),
            "2012-10-17",
        ),
        (json!({"statement": []}), "`statement`"),
        (with("Principal", json!("*")), "`Principal`"),
        (with("Effect", json!("allow")), "Allow or Deny"),
        (with("Action", json!([])), "at least one"),
        (with("Action", json!("Invoke")), "service:action"),
        (with("Action", json!(1)), "a text"),
        (with("NotAction", json!("s3:*")), "one of them"),
        (with("NotResource", json!("*")), "one of them"),
        (with("Resource", json!("execute-api:/S3/GET/*")), "an ARN"),
        (
            with("Resource", json!("arn:aws:x:::${aws:SourceIp}")),
            "policy variable",
        ),
        (with("Condition", json!([])), "operators"),
    ] {
        let fault = fault_of(&policy);
        assert!(fault.contains(told), "{policy}: {fault}");
    }
    for (condition, told) in [
        (
            json!({"BinaryEquals": {"aws:UserAgent": "x"}}),
            "`BinaryEquals`",
        ),
        (
            json!({"stringequals": {"aws:UserAgent": "x"}}),
            "`stringequals`",
        ),
        (
            json!({"NullIfExists": {"aws:Referer": true}}),
            "`NullIfExists`",
        ),
        (
            json!({"ForEach:StringLike": {"aws:Referer": "x"}}),
            "`ForEach",
        ),
        (
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            "`aws:PrincipalOrgID`",
        ),
        (json!({"StringEquals": {"s3:suffix": "x"}}), "`s3:suffix`"),
        (json!({"StringEquals": {"aws:Referer": []}}), "at least one"),
        (json!({"StringEquals": {"aws:Referer": {}}}), "a text"),
        (
            json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/33"}}),
            "IP address",
        ),
        (
            json!({"Bool": {"aws:SecureTransport": "yes"}}),
            "true or false",
        ),
        (
            json!({"NumericEquals": {"aws:EpochTime": "1e3"}}),
            "a number",
        ),
        (
            json!({"DateEquals": {"aws:CurrentTime": "tomorrow"}}),
            "a date",
        ),
    ] {
        let fault = fault_of(&with("Condition", condition.clone()));
        assert!(fault.contains(told), "{condition}: {fault}");
    }
    let missing = json!({"Statement": {"Effect": "Allow", "Action": "*"}});
    assert!(fault_of(&missing).contains("neither Resource nor NotResource"));
}

#[test]
fn an_element_that_is_there_twice_is_refused_with_its_place() {
    let text = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\",\n \"Effect\": \"Deny\", \"Resource\": \"*\"}}";
    let fault = Policy::parse(text, &bob()).unwrap_err();
    assert_eq!((fault.position.line, fault.position.column), (2, 2));
    let long = " ".repeat(POLICY_BYTES_MAX + 1);
    assert!(Policy::parse(&long, &bob()).is_err());
}

#[test]
fn the_keys_that_conditions_read_are_known() {
    let text = json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": false}}}});
    let policy = Policy::parse(&text.to_string(), &bob()).unwrap();
    assert!(policy.reads(ConditionKey::MultiFactorAuthPresent));
    assert!(!policy.reads(ConditionKey::TokenIssueTime));
}
