//! Policies of an API: of whom they speak, and of which methods.

use super::*;
use crate::api::openapi::json_document;

fn read(policy: &Value) -> Result<Policy, Vec<PolicyFault>> {
    let node = json_document::parse(&policy.to_string()).root.unwrap();
    Policy::of_api(&node, "abc123")
}

fn policy(statements: &Value) -> Policy {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    read(&policy).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// What the statements say to Bob and to anybody.
fn both(statements: &Value, resource: &str) -> [Decision; 2] {
    let (policy, bob) = (policy(statements), bob());
    let known = call(&bob, resource);
    let anybody = Call {
        principal: None,
        ..known
    };
    [policy.decide(&known), policy.decide(&anybody)]
}

const ALLOWED: Decision = Decision::Allowed;
const SILENT: Decision = Decision::Silent;
const DENIED: Decision = Decision::Denied;

#[test]
fn a_statement_speaks_of_its_principals() {
    let allow = |name: &str, principal: Value| {
        let mut statement =
            json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
        statement[name] = principal;
        both(&statement, ARN)
    };
    assert_eq!(allow("Principal", json!("*")), [ALLOWED, ALLOWED]);
    assert_eq!(allow("Principal", json!({"AWS": "*"})), [ALLOWED, ALLOWED]);
    for own in [
        json!(BOB),
        json!("123456789012"),
        json!(["210987654321", BOB]),
    ] {
        assert_eq!(
            allow("Principal", json!({"AWS": own})),
            [ALLOWED, SILENT],
            "{own}"
        );
        assert_eq!(
            allow("NotPrincipal", json!({"AWS": own})),
            [SILENT, ALLOWED],
            "{own}"
        );
    }
    assert_eq!(
        allow("Principal", json!({"AWS": "210987654321"})),
        [SILENT, SILENT]
    );
}

#[test]
fn resources_are_methods_of_this_api() {
    let decide = |resource: &str| {
        both(
            &json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": resource}),
            ARN,
        )[1]
    };
    for resource in [
        "*",
        "execute-api:/*",
        "execute-api:/S3/*",
        "execute-api:/S3/GET/photos/cat.jpg",
        "execute-api:/*/G?T/*",
        // as exported: region, account and id are those at AWS
        "arn:aws:execute-api:eu-west-1:210987654321:zyx987/S3/GET/*",
        "arn:aws:execute-api:eu-west-1:210987654321:zyx987/*",
        "arn:aws-cn:execute-api:cn-north-1:*:*/S3/GET/*",
        "arn:aws:execute-api:eu-west-1:210987654321:*",
        "arn:aws:execute-api:eu-west-1",
        "arn:aws:execute-api:*:*:*/GET/*",
    ] {
        assert_eq!(decide(resource), ALLOWED, "{resource}");
    }
    for resource in [
        "execute-api:/",
        "execute-api:/S3",
        "execute-api:/s3/*",
        "execute-api:/S3/PUT/*",
        "execute-api:/S3/GET/photos",
        "arn:aws:execute-api:us-east-1:123456789012:abc123",
        "arn:aws:execute-api:us-east-1:123456789012:abc123/*/PUT/*",
    ] {
        assert_eq!(decide(resource), SILENT, "{resource}");
    }
}

#[test]
fn a_path_cannot_stand_for_the_elements_before_it() {
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "*",
        "Resource": ["execute-api:/S3/GET/open/*", "arn:aws:execute-api:r:a:*/S3/GET/open/*"]});
    let wanted = "arn:aws:execute-api:us-east-1:123456789012:abc123/S3/GET/open/x";
    assert_eq!(both(&statement, wanted)[1], ALLOWED);
    let crafted =
        "arn:aws:execute-api:us-east-1:123456789012:abc123/S3/GET/x:execute-api:r:a:abc123";
    assert_eq!(
        both(&statement, &format!("{crafted}/S3/PUT/open/x"))[1],
        SILENT
    );
    let one = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "execute-api:/S3/GET/open/*"});
    assert_eq!(both(&one, &format!("{crafted}/S3/GET/open/x"))[1], SILENT);
}

#[test]
fn a_denial_under_a_condition_comes_first() {
    let statements = |condition: Value| {
        json!([
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
            {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*",
             "Condition": condition}
        ])
    };
    for (condition, wanted) in [
        (
            json!({"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}}),
            ALLOWED,
        ),
        (
            json!({"NotIpAddress": {"aws:SourceIp": "198.51.100.0/24"}}),
            DENIED,
        ),
        (json!({"IpAddress": {"aws:SourceIp": "192.0.2.7"}}), DENIED),
        (
            json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1a2b3c4d"}}),
            DENIED,
        ),
        (
            json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
            DENIED,
        ),
        (
            json!({"StringEquals": {"aws:SourceVpc": "vpc-1a2b3c4d"}}),
            ALLOWED,
        ),
        (
            json!({"StringNotEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
            DENIED,
        ),
        (json!({"Bool": {"aws:SecureTransport": "false"}}), DENIED),
    ] {
        assert_eq!(
            both(&statements(condition.clone()), ARN),
            [wanted; 2],
            "{condition}"
        );
    }
    // What only a known caller has is absent for anybody.
    let own = statements(json!({"StringEquals": {"aws:PrincipalArn": BOB}}));
    assert_eq!(both(&own, ARN), [DENIED, ALLOWED]);
    let account = statements(json!({"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}));
    assert_eq!(both(&account, ARN), [ALLOWED, DENIED]);
}

#[test]
fn what_a_resource_policy_cannot_say_is_refused() {
    let with = |name: &str, value: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"});
        statement[name] = value;
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    let without = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    for (policy, told) in [
        (without, "neither Principal nor NotPrincipal"),
        (
            with("NotPrincipal", json!("*")),
            "Principal and NotPrincipal",
        ),
        (
            with("Principal", json!("anybody")),
            "`*` or an object with the name `AWS`",
        ),
        (
            with("Principal", json!({"Service": "s3.amazonaws.com"})),
            "the element `Service`, wanted AWS",
        ),
        (with("Principal", json!({"AWS": []})), "at least one"),
        (
            with(
                "Principal",
                json!({"AWS": "arn:aws:iam::123456789012:user/*"}),
            ),
            "without wildcards",
        ),
        (
            with("Resource", json!("arn:aws:s3:::bucket/*")),
            "the service execute-api",
        ),
        (
            with("Resource", json!("/S3/GET/*")),
            "wanted `*`, `execute-api:/stage/METHOD/path` or an ARN",
        ),
        (
            with("Resource", json!("arn:aws:execute-api:r:a:ab*/S3/GET/x")),
            "a whole API id",
        ),
        (
            with("Resource", json!("execute-api:/S3/GET/${aws:username}")),
            "a resource policy has no variables",
        ),
        (
            with("Condition", json!({"StringEquals": {"s3:prefix": "a"}})),
            "`s3:prefix`",
        ),
        (
            with(
                "Condition",
                json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            ),
            "`aws:PrincipalOrgID`",
        ),
        (
            with("Condition", json!({"IpIs": {"aws:SourceIp": "192.0.2.7"}})),
            "`IpIs`",
        ),
        (with("Principals", json!("*")), "`Principals`"),
    ] {
        let faults = read(&policy).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].message.contains(told),
            "{policy}: {}",
            faults[0].message
        );
    }
    let two = json!({"Statement": [{}, {"Effect": "Allow"}]});
    assert_eq!(
        read(&two).unwrap_err().len(),
        2,
        "each statement tells its fault"
    );
}

#[test]
fn keys_of_s3_are_known_to_policies_of_principals() {
    let statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
        "Condition": {"StringLike": {"s3:prefix": "home/*"}, "NumericLessThanEquals": {"s3:max-keys": 10}}});
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let principal = bob();
    let policy = Policy::parse(&text, &principal).unwrap();
    let decide = |prefix: Option<&str>, max_keys: &str| {
        let mut values = s3_values::S3Values::default();
        values.add(s3_values::S3Key::MaxKeys, max_keys.into());
        if let Some(prefix) = prefix {
            values.add(s3_values::S3Key::Prefix, prefix.into());
        }
        policy.decide(&Call {
            action: "s3:listbucket",
            s3: Some(&values),
            ..call(&principal, "arn:aws:s3:::b")
        })
    };
    assert_eq!(decide(Some("home/a"), "10"), ALLOWED);
    assert_eq!(decide(Some("home/a"), "11"), SILENT);
    assert_eq!(decide(Some("home"), "10"), SILENT);
    assert_eq!(decide(None, "10"), SILENT);
    let none = call(&principal, "arn:aws:s3:::b");
    assert_eq!(policy.decide(&none), SILENT, "another action");
}
