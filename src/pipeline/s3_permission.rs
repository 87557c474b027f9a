//! Whether a policy lets a request to S3 through, and what S3 answers where it does not.

use crate::api::iam_policy::Decision;
use crate::api::iam_policy::Policy;
use crate::api::iam_policy::condition_key::Call;
use crate::pipeline::s3_operation::S3Access;
use crate::pipeline::s3_operation::S3Operation;
use crate::pipeline::s3_operation::S3Request;
use crate::pipeline::s3_operation::accesses_of_delete;
use crate::wire::http1::fields::Fields;
use crate::wire::s3_xml::write_error;

/// What a policy says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may be sent.
    Granted,
    /// That depends on the keys in its body: [`permission_of_keys`].
    NamesKeys {
        /// The bucket whose objects are deleted.
        bucket: String,
    },
    /// It must not be sent.
    Refused(S3Refusal),
}

/// A request that must not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Refusal {
    /// `s3:PutObject`, …; `None`: the request asks for nothing that is known here.
    pub action: Option<&'static str>,
    /// For people, in the words of S3.
    pub message: String,
}

/// An answer in place of S3's.
#[derive(Clone, Debug)]
pub struct S3Answer {
    /// The status.
    pub status: u16,
    /// Content-Type and request id.
    pub fields: Fields,
    /// The error document.
    pub body: Vec<u8>,
}

/// What `policy` says to `request`; action, resource and keys of S3 are left open in `call`.
#[must_use]
pub fn permission(policy: &Policy, call: &Call<'_>, request: &S3Request<'_>) -> Permission {
    let refused = match S3Operation::of(request) {
        S3Operation::Open => return Permission::Granted,
        S3Operation::DeleteObjects { bucket } => return Permission::NamesKeys { bucket },
        S3Operation::Unknown(found) => Err(not_known(call, &found)),
        S3Operation::Accesses(accesses) => all(policy, call, &accesses),
    };
    match refused {
        Ok(()) => Permission::Granted,
        Err(refusal) => Permission::Refused(refusal),
    }
}

/// Whether all objects of `bucket` may be deleted that the body of a DeleteObjects names.
///
/// # Errors
/// The first that may not, or a body that cannot be read.
pub fn permission_of_keys(
    policy: &Policy,
    call: &Call<'_>,
    bucket: &str,
    body: &[u8],
) -> Result<(), S3Refusal> {
    match accesses_of_delete(bucket, body) {
        Some(accesses) => all(policy, call, &accesses),
        None => Err(not_known(
            call,
            "a body of DeleteObjects that cannot be read",
        )),
    }
}

fn all(policy: &Policy, call: &Call<'_>, accesses: &[S3Access]) -> Result<(), S3Refusal> {
    for access in accesses {
        let asked = Call {
            action: access.action,
            resource: &access.resource,
            s3: Some(&access.values),
            ..*call
        };
        let why = match policy.decide(&asked) {
            Decision::Allowed => continue,
            Decision::Silent => {
                format!(
                    "because no identity-based policy allows the {} action",
                    access.action
                )
            }
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        return Err(S3Refusal {
            action: Some(access.action),
            message: format!(
                "User: {} is not authorized to perform: {} on resource: \"{}\" {why}",
                user(call),
                access.action,
                printable(&access.resource)
            ),
        });
    }
    Ok(())
}

fn not_known(call: &Call<'_>, found: &str) -> S3Refusal {
    S3Refusal {
        action: None,
        message: format!(
            "User: {} is not authorized to perform an S3 operation that its policy cannot speak of: {found}",
            user(call)
        ),
    }
}

fn user<'c>(call: &Call<'c>) -> &'c str {
    call.principal
        .map_or("anonymous", |principal| principal.arn())
}

/// XML has no way to write most control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

impl S3Refusal {
    /// The answer that S3 gives to a request that a policy refuses.
    #[must_use]
    pub fn answer(&self, request_id: &str) -> S3Answer {
        let mut body = Vec::new();
        write_error(&mut body, "AccessDenied", &self.message, request_id);
        let mut fields = Fields::new();
        fields.push(b"Content-Type", b"application/xml");
        fields.push(b"x-amz-request-id", request_id.as_bytes());
        S3Answer {
            status: 403,
            fields,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::api::iam_policy::principal::Principal;
    use crate::wire::date::UnixSeconds;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app/store";
    const USER: &str = "arn:aws:sts::123456789012:assumed-role/store/BackplaneAssumeRoleSession";

    struct Asked {
        principal: Principal,
        policy: Policy,
    }

    impl Asked {
        fn new(statements: &Value) -> Self {
            let principal = Principal::of_role(ROLE).unwrap();
            let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let policy = Policy::parse(&text, &principal).unwrap();
            Self { principal, policy }
        }

        fn call(&self) -> Call<'_> {
            Call {
                action: "",
                resource: "",
                principal: Some(&self.principal),
                source_ip: "",
                now: UnixSeconds(0),
                is_secure: false,
                user_agent: None,
                referer: None,
                s3: None,
            }
        }

        /// `granted`, `keys`, or the refusal's action.
        fn told(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> &'static str {
            match self.permission(method, target, fields) {
                Permission::Granted => "granted",
                Permission::NamesKeys { .. } => "keys",
                Permission::Refused(refusal) => refusal.action.unwrap_or("unknown"),
            }
        }

        fn permission(&self, method: &str, target: &str, pairs: &[(&str, &str)]) -> Permission {
            let mut fields = Fields::new();
            for (name, value) in pairs {
                fields.push(name.as_bytes(), value.as_bytes());
            }
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let request = S3Request {
                method: method.as_bytes(),
                host_bucket: None,
                path: path.as_bytes(),
                query: query.as_bytes(),
                fields: &fields,
            };
            permission(&self.policy, &self.call(), &request)
        }
    }

    fn allow(action: &str, resource: &str) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    }

    #[test]
    fn every_access_of_a_request_must_be_allowed() {
        let asked = Asked::new(&json!([
            allow("s3:PutObject", "arn:aws:s3:::b/in/*"),
            allow("s3:GetObject", "arn:aws:s3:::b/out/*"),
        ]));
        assert_eq!(asked.told("PUT", "/b/in/a", &[]), "granted");
        assert_eq!(asked.told("PUT", "/b/out/a", &[]), "s3:PutObject");
        assert_eq!(
            asked.told("PUT", "/b/in/a", &[("x-amz-acl", "private")]),
            "s3:PutObjectAcl"
        );
        let copy = |source| asked.told("PUT", "/b/in/a", &[("x-amz-copy-source", source)]);
        assert_eq!(copy("b/out/a"), "granted");
        assert_eq!(copy("b/in/a"), "s3:GetObject");
        assert_eq!(copy("other/a"), "s3:GetObject");
        assert_eq!(asked.told("GET", "/b/out//a", &[]), "granted");
        assert_eq!(asked.told("GET", "/b//out/a", &[]), "s3:GetObject");
    }

    #[test]
    fn conditions_of_listings_hold() {
        let mut statement = allow("s3:ListBucket", "arn:aws:s3:::b");
        statement["Condition"] = json!({"StringLike": {"s3:prefix": "home/*"}, "StringEquals": {"s3:delimiter": "/"},
            "NumericLessThanEquals": {"s3:max-keys": "100"}});
        let asked = Asked::new(&json!([statement]));
        let list = |query: &str| asked.told("GET", &format!("/b?{query}"), &[]);
        assert_eq!(list("prefix=home%2Fa&delimiter=/&max-keys=100"), "granted");
        for query in [
            "prefix=home%2Fa&delimiter=/&max-keys=101",
            "prefix=home%2Fa&delimiter=/",
            "prefix=other&delimiter=/&max-keys=1",
            "delimiter=/&max-keys=1",
            "",
        ] {
            assert_eq!(list(query), "s3:ListBucket", "{query}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_even_to_who_may_all() {
        let asked = Asked::new(&json!([allow("s3:*", "*")]));
        assert_eq!(asked.told("DELETE", "/b?policy", &[]), "granted");
        assert_eq!(asked.told("PUT", "/b/k?newSubResource", &[]), "unknown");
        assert_eq!(asked.told("OPTIONS", "/b/k", &[]), "granted");
        let Permission::Refused(refusal) = asked.permission("PUT", "/b/k?newSubResource", &[])
        else {
            panic!("refused");
        };
        assert_eq!(
            refusal.message,
            format!(
                "User: {USER} is not authorized to perform an S3 operation that its policy cannot speak of: the \
                 parameter `newSubResource`"
            )
        );
    }

    #[test]
    fn every_key_of_a_delete_is_asked_for() {
        let asked = Asked::new(&json!([
            allow("s3:DeleteObject", "*"),
            {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::b/keep/*"},
        ]));
        assert_eq!(asked.told("POST", "/b?delete", &[]), "keys");
        let delete = |keys: &[&str]| {
            let objects: Vec<String> = keys
                .iter()
                .map(|key| format!("<Object><Key>{key}</Key></Object>"))
                .collect();
            let body = format!("<Delete>{}</Delete>", objects.concat());
            permission_of_keys(&asked.policy, &asked.call(), "b", body.as_bytes())
        };
        assert_eq!(delete(&["a", "c"]), Ok(()));
        let refusal = delete(&["a", "keep/c"]).unwrap_err();
        assert_eq!(
            refusal.message,
            format!(
                "User: {USER} is not authorized to perform: s3:DeleteObject on resource: \"arn:aws:s3:::b/keep/c\" with \
                 an explicit deny in an identity-based policy"
            )
        );
        let unreadable = permission_of_keys(&asked.policy, &asked.call(), "b", b"<Delete>");
        assert_eq!(unreadable.unwrap_err().action, None);
    }

    #[test]
    fn a_refusal_is_the_answer_of_s3() {
        let asked = Asked::new(&json!([]));
        let Permission::Refused(refusal) = asked.permission("GET", "/b/a%3Cb%0A", &[]) else {
            panic!("refused");
        };
        let answer = refusal.answer("id-1");
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.fields.get(b"content-type"),
            Some(&b"application/xml"[..])
        );
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>User: {USER} is not \
                 authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::b/a&lt;b?&quot; because no \
                 identity-based policy allows the s3:GetObject action</Message><RequestId>id-1</RequestId></Error>"
            )
        );
    }
}
