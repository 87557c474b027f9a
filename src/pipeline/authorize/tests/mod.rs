mod access;

use serde_json::{Value, json};

use super::*;
use crate::api::iam_policy::Policy;
use crate::api::iam_policy::principal::Principal;
use crate::api::table::Table;
use crate::pipeline::route::{Route, route};
use crate::pipeline::sample;
use crate::wire::http1::head::RequestHead;
use crate::wire::sigv4::canonical_request::{
    ExpiresSeconds, RequestParts, Scratch, UriEncoding, presign, sign_head,
};
use crate::wire::sigv4::credentials::{Credentials, Secret};
use crate::wire::sigv4::payload_hash::{PayloadHash, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;

const HOST: &str = "gate.test:8080";
const ARN: &str = "arn:aws:iam::123456789012:user/bob";
const INVALID_TOKEN: &str =
    "403 UnrecognizedClientException The security token included in the request is invalid.";
const MISMATCH: &str = "403 InvalidSignatureException The request signature we calculated does not match the signature you provided. \
     Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// How a test's caller signs, and what it changes afterwards.
#[derive(Clone)]
struct Caller {
    access_key_id: &'static str,
    secret: &'static str,
    token: Option<&'static str>,
    region: &'static str,
    service: &'static str,
    /// Seconds behind the time of the gateway.
    age: i64,
    fields: Vec<(String, String)>,
    body: &'static str,
    arrives: BodyArrival,
}

const CALLER: Caller = Caller {
    access_key_id: "AKIDBOB",
    secret: "secret",
    token: None,
    region: "us-east-1",
    service: "execute-api",
    age: 0,
    fields: Vec::new(),
    body: "",
    arrives: BodyArrival::Nothing,
};

impl Caller {
    fn signed_at(&self) -> UnixSeconds {
        UnixSeconds(sample::TIME.0.checked_add_signed(-self.age).unwrap())
    }

    fn key(&self) -> SigningKey {
        let credentials = Credentials {
            access_key_id: self.access_key_id.to_owned(),
            secret_access_key: Secret::new(self.secret),
            session_token: self.token.map(Secret::new),
        };
        SigningKey::new(&credentials, self.signed_at(), self.region, self.service)
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The fields of a request for `target`, signed.
    fn signed(&self, target: &str) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        fields.push(("X-Amz-Date".to_owned(), self.signed_at().amz_date()));
        if let Some(token) = self.token {
            fields.push(("X-Amz-Security-Token".to_owned(), token.to_owned()));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let hash = sha256_hex(self.body.as_bytes());
        let claimed = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"));
        let payload = match claimed.map(|(_, value)| value.as_bytes()) {
            Some(b"UNSIGNED-PAYLOAD") => PayloadHash::Unsigned,
            Some(value) => PayloadHash::Hex(value.try_into().unwrap()),
            None => PayloadHash::Hex(&hash),
        };
        let mut headers: Vec<Header<'_>> = vec![(b"host", HOST.as_bytes())];
        headers.extend(
            fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        );
        let parts = RequestParts {
            method: b"GET",
            path: path.as_bytes(),
            uri_encoding: UriEncoding::EncodeAgain,
            query: query.as_bytes(),
            headers: &headers,
            payload,
        };
        let mut value = Vec::new();
        sign_head(
            &self.key(),
            self.signed_at(),
            &parts,
            &mut Scratch::new(),
            &mut value,
        );
        fields.push((
            "Authorization".to_owned(),
            String::from_utf8(value).unwrap(),
        ));
        fields
    }

    fn presigned(&self, path: &str, seconds: u32) -> String {
        let parts = RequestParts {
            method: b"GET",
            path: path.as_bytes(),
            uri_encoding: UriEncoding::EncodeAgain,
            query: b"",
            headers: &[(b"host", HOST.as_bytes())],
            payload: PayloadHash::Hex(EMPTY_SHA256_HEX),
        };
        let mut query = Vec::new();
        presign(
            &self.key(),
            self.signed_at(),
            &parts,
            ExpiresSeconds::new(seconds).unwrap(),
            self.token.map(Secret::new).as_ref(),
            &mut Scratch::new(),
            &mut query,
        );
        format!("{path}?{}", String::from_utf8(query).unwrap())
    }

    /// What a signed request for `target` gets.
    fn outcome(&self, target: &str) -> String {
        self.outcome_of(target, &self.signed(target))
    }

    fn outcome_of(&self, target: &str, fields: &[(String, String)]) -> String {
        outcome(&gateway(None), target, fields, self)
    }
}

struct Gate {
    table: Table,
    identities: Identities,
    workspace: RefCell<Workspace>,
}

fn guarded(operation: &Value) -> Table {
    sample::one_method_with(json!({}), |document| {
        document["securityDefinitions"] =
            json!({"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
        let method = &mut document["paths"]["/{item}"]["x-amazon-apigateway-any-method"];
        let operation = operation.as_object().unwrap().clone();
        method.as_object_mut().unwrap().extend(operation);
    })
}

fn identity(access_key_id: &str, token: Option<&str>, policy: Option<Value>) -> Identity {
    let principal = Principal::new(ARN, "AIDABOB").unwrap();
    Identity {
        credentials: Credentials {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: token.map(Secret::new),
        },
        session_end: token.map(|_| UnixSeconds(sample::TIME.0 + 60)),
        policy: policy.map(|policy| Policy::parse(&policy.to_string(), &principal).unwrap()),
        principal,
    }
}

fn gateway(policy: Option<Value>) -> Gate {
    let mut identities = Identities::default();
    identities.add(identity("AKIDBOB", None, policy)).unwrap();
    identities
        .add(identity("ASIABOB", Some("to/ken"), None))
        .unwrap();
    let mut ended = identity("ASIAOLD", Some("old"), None);
    ended.session_end = Some(sample::TIME);
    identities.add(ended).unwrap();
    Gate {
        table: guarded(&json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}})),
        identities,
        workspace: RefCell::default(),
    }
}

fn head(target: &str, fields: &[(String, String)]) -> RequestHead {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    sample::head("GET", target, &fields)
}

/// `authorized`, with what is known and what has to be checked, or status, error type and message.
fn outcome(gate: &Gate, target: &str, fields: &[(String, String)], caller: &Caller) -> String {
    let head = head(target, fields);
    let Ok(Route::Method(routed)) = route(&gate.table, &head) else {
        panic!("{target}");
    };
    let policy = CallerPolicy::Enforce(Callers {
        identities: &gate.identities,
        region: "us-east-1",
        workspace: &gate.workspace,
    });
    let ids = sample::ids();
    let context = sample::context(&ids);
    let told = |authorized: Authorized<'_, '_>| {
        let variables = authorized.request.variables(&context);
        let names = ["accessKey", "accountId", "caller", "user", "userArn"];
        let known = names.map(|name| variables.look_up(&format!("identity.{name}")).value());
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let known = known.into_iter().flatten();
        let known: Vec<String> = known.map(|value| text(&value)).collect();
        let check = authorized.body_sha256().map(|hash| text(hash));
        let check = check.map_or_else(String::new, |hash| format!(" if {hash}"));
        format!("authorized {}{check}", known.join(" "))
    };
    let result = routed
        .authorize(policy, &context, caller.arrives)
        .and_then(|admission| match admission {
            Admission::Granted(authorized) => Ok(told(authorized)),
            Admission::AwaitsBody(unproven) => unproven
                .prove(&sha256_hex(caller.body.as_bytes()), &context)
                .map(|authorized| format!("{} after its body", told(authorized))),
        });
    result.unwrap_or_else(|fault| {
        let response = fault.render(&context);
        let error_type = response.fields.get(b"x-amzn-errortype").unwrap_or_default();
        format!(
            "{} {} {}",
            response.status,
            String::from_utf8_lossy(error_type),
            fault.message().unwrap()
        )
    })
}

const BOB: &str =
    "authorized AKIDBOB 123456789012 AIDABOB AIDABOB arn:aws:iam::123456789012:user/bob";

#[test]
fn a_signed_request_is_authorized_and_tells_who_calls() {
    assert_eq!(CALLER.outcome("/v1/a%2Fb?x=1"), BOB);
    assert_eq!(CALLER.outcome("//v1/x"), BOB);
    let presigned = CALLER.presigned("/v1/a%2Fb", 60);
    assert_eq!(CALLER.outcome_of(&presigned, &[]), BOB);
}

#[test]
fn nothing_signed_misses_its_token() {
    let missing = "403 MissingAuthenticationTokenException Missing Authentication Token";
    assert_eq!(CALLER.outcome_of("/v1/x", &[]), missing);
    assert_eq!(CALLER.outcome_of("/v1/x?X-Amz-Credential=y", &[]), missing);
}

#[test]
fn an_access_key_that_is_not_known_is_an_invalid_token() {
    let stranger = Caller {
        access_key_id: "AKIDEVE",
        ..CALLER
    };
    assert_eq!(stranger.outcome("/v1/x"), INVALID_TOKEN);
}

#[test]
fn session_tokens_must_be_the_right_one_and_in_time() {
    let session = |access_key_id, token| Caller {
        access_key_id,
        token,
        ..CALLER
    };
    let known = BOB.replace("AKIDBOB", "ASIABOB");
    assert_eq!(session("ASIABOB", Some("to/ken")).outcome("/v1/x"), known);
    let presigned = session("ASIABOB", Some("to/ken")).presigned("/v1/x", 60);
    assert_eq!(CALLER.outcome_of(&presigned, &[]), known);
    for (id, token) in [
        ("ASIABOB", Some("to/kem")),
        ("ASIABOB", None),
        ("AKIDBOB", Some("to/ken")),
    ] {
        assert_eq!(session(id, token).outcome("/v1/x"), INVALID_TOKEN, "{id}");
    }
    assert_eq!(
        session("ASIAOLD", Some("old")).outcome("/v1/x"),
        "403 ExpiredTokenException The security token included in the request is expired"
    );
}

#[test]
fn signatures_hold_for_five_minutes_before_and_after() {
    let aged = |age| Caller { age, ..CALLER }.outcome("/v1/x");
    // The day changes with the first second of the gateway's time.
    assert_eq!(aged(300), BOB);
    assert_eq!(aged(-300), BOB);
    assert_eq!(
        aged(301),
        "403 InvalidSignatureException Signature expired: 20130523T235459Z is now earlier than 20130523T235500Z \
         (20130524T000000Z - 5 min.)"
    );
    assert_eq!(
        aged(-301),
        "403 InvalidSignatureException Signature not yet current: 20130524T000501Z is still later than \
         20130524T000500Z (20130524T000000Z + 5 min.)"
    );
}

#[test]
fn a_presigned_request_holds_for_its_own_time() {
    let outcome = |age, seconds| {
        let caller = Caller { age, ..CALLER };
        caller.outcome_of(&caller.presigned("/v1/x", seconds), &[])
    };
    assert_eq!(outcome(900, 900), BOB);
    assert_eq!(
        outcome(901, 900),
        "403 InvalidSignatureException Signature expired: 20130523T234459Z is now earlier than 20130523T234500Z \
         (20130524T000000Z - 15 min.)"
    );
    assert!(outcome(2, 1).ends_with("(20130524T000000Z - 1 sec.)"));
    assert!(outcome(-301, 900).contains("Signature not yet current"));
}

#[test]
fn whatever_was_signed_cannot_be_changed() {
    let fields = CALLER.with("X-Custom", "a").signed("/v1/x?a=1");
    assert_eq!(CALLER.outcome_of("/v1/x?a=1", &fields), BOB);
    assert_eq!(CALLER.outcome_of("/v1/x?a=2", &fields), MISMATCH);
    assert_eq!(CALLER.outcome_of("/v1/y?a=1", &fields), MISMATCH);
    let mut changed = fields.clone();
    changed[0].1 = "b".to_owned();
    assert_eq!(CALLER.outcome_of("/v1/x?a=1", &changed), MISMATCH);
    let mut unsigned_extra = fields;
    unsigned_extra.push(("X-Other".to_owned(), "b".to_owned()));
    assert_eq!(CALLER.outcome_of("/v1/x?a=1", &unsigned_extra), BOB);
    let other = Caller {
        secret: "Secret",
        ..CALLER
    };
    assert_eq!(other.outcome("/v1/x"), MISMATCH);
    let presigned = CALLER.presigned("/v1/x", 60);
    assert_eq!(
        CALLER.outcome_of(&format!("{presigned}&a=1"), &[]),
        MISMATCH
    );
}

#[test]
fn the_credential_is_scoped_for_this_api_and_day() {
    let region = "Credential should be scoped to a valid region. ";
    let service = "Credential should be scoped to correct service: 'execute-api'. ";
    let scoped = |region, service| Caller {
        region,
        service,
        ..CALLER
    };
    let told = |message: &str| format!("403 InvalidSignatureException {message}");
    assert_eq!(
        scoped("eu-west-1", "execute-api").outcome("/v1/x"),
        told(region)
    );
    assert_eq!(scoped("us-east-1", "s3").outcome("/v1/x"), told(service));
    assert_eq!(
        scoped("eu-west-1", "s3").outcome("/v1/x"),
        told(&format!("{region}{service}"))
    );
    let replaced = |from: &str, to: &str| {
        let mut fields = CALLER.signed("/v1/x");
        let authorization = &mut fields.last_mut().unwrap().1;
        *authorization = authorization.replace(from, to);
        CALLER.outcome_of("/v1/x", &fields)
    };
    assert_eq!(
        replaced("aws4_request", "aws5_request"),
        told("Credential should be scoped with a valid terminator: 'aws4_request'")
    );
    assert_eq!(
        replaced("/20130524/", "/20130523/"),
        told(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20130523' != \
             '20130524', from '20130524T000000Z'."
        )
    );
}

#[test]
fn an_authorization_that_is_not_whole_says_what_is_missing() {
    let with = |value: &str, date: bool| {
        let mut fields = vec![("Authorization".to_owned(), value.to_owned())];
        if date {
            fields.push(("X-Amz-Date".to_owned(), sample::TIME.amz_date()));
        }
        CALLER.outcome_of("/v1/x", &fields)
    };
    let told = |message: &str| format!("403 IncompleteSignatureException {message}");
    assert_eq!(
        with("Bearer x", true),
        told(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with \
             Base64): 'uTem/WB082UJMN2ajD6lH6UChGpTAddMJSx2iu923No='."
        )
    );
    assert_eq!(
        with("AWS4-HMAC-SHA256 Credential=a", false),
        told(
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
             parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    );
    assert_eq!(
        with(
            "AWS4-HMAC-SHA256 x=1, SignedHeaders=host, Signature=0",
            true
        ),
        told("Authorization header requires 'Credential' parameter.")
    );
    assert_eq!(
        CALLER.outcome_of("/v1/x?X-Amz-Signature=0&X-Amz-Expires=1&X-Amz-Date=x", &[]),
        told(
            "AWS query string requires 'X-Amz-Algorithm' parameter. AWS query string requires 'X-Amz-Credential' \
             parameter. AWS query string requires 'X-Amz-SignedHeaders' parameter."
        )
    );
    let whole = "Credential=a/b/c/d/e, SignedHeaders=host, Signature=0";
    for (value, start) in [
        (
            format!("AWS4-HMAC-SHA512 {whole}"),
            "Unsupported AWS 'algorithm'",
        ),
        (
            format!("AWS4-HMAC-SHA256 {}", whole.replace("/e", "")),
            "Credential must have exactly 5 slash-delimited elements",
        ),
        (
            format!("AWS4-HMAC-SHA256 {whole}, Signature=1"),
            "A part of the signature is there more than once",
        ),
    ] {
        let found = with(&value, true);
        assert!(found.starts_with(&told(start)), "{found}");
    }
    let fields = [
        ("Authorization", format!("AWS4-HMAC-SHA256 {whole}")),
        ("X-Amz-Date", "today".to_owned()),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let found = CALLER.outcome_of("/v1/x", &fields);
    assert!(
        found.starts_with(&told("Date must be in ISO-8601")),
        "{found}"
    );
    let presigned = CALLER.presigned("/v1/x", 60);
    let found = CALLER.outcome_of(&presigned.replace("Expires=60", "Expires=604801"), &[]);
    assert!(
        found.starts_with(&told("'X-Amz-Expires' must be")),
        "{found}"
    );
}

#[test]
fn host_and_date_must_be_signed() {
    let without = |name: &str| {
        let mut fields = CALLER.signed("/v1/x");
        let authorization = &mut fields.last_mut().unwrap().1;
        *authorization = authorization.replace(name, "");
        CALLER.outcome_of("/v1/x", &fields)
    };
    assert_eq!(
        without("host;"),
        "403 InvalidSignatureException 'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
    assert_eq!(
        without(";x-amz-date"),
        "403 InvalidSignatureException 'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn a_body_is_waited_for_unless_the_head_tells_its_hash() {
    let sends = |body| Caller {
        body,
        arrives: BodyArrival::ToCome,
        ..CALLER
    };
    assert_eq!(
        sends("Hello").outcome("/v1/x"),
        format!("{BOB} after its body")
    );
    let fields = sends("Hello").signed("/v1/x");
    assert_eq!(sends("hello").outcome_of("/v1/x", &fields), MISMATCH);
    let hash = String::from_utf8(sha256_hex(b"Hello").to_vec()).unwrap();
    let claims = |hash: &str| sends("Hello").with("x-amz-content-sha256", hash);
    assert_eq!(claims(&hash).outcome("/v1/x"), format!("{BOB} if {hash}"));
    assert_eq!(claims("UNSIGNED-PAYLOAD").outcome("/v1/x"), BOB);
    let without_body = Caller {
        arrives: BodyArrival::Nothing,
        ..claims(&hash)
    };
    assert_eq!(without_body.outcome("/v1/x"), MISMATCH);
    let presigned = CALLER.presigned("/v1/x", 60);
    assert_eq!(sends("Hello").outcome_of(&presigned, &[]), MISMATCH);
    assert_eq!(
        sends("").outcome_of(&presigned, &[]),
        format!("{BOB} after its body")
    );
}

#[test]
fn a_claim_that_cannot_hold_is_refused_before_the_body() {
    let late = Caller {
        age: 301,
        body: "Hello",
        arrives: BodyArrival::ToCome,
        ..CALLER
    };
    assert!(late.outcome("/v1/x").contains("Signature expired"));
    let stranger = Caller {
        access_key_id: "AKIDEVE",
        ..late
    };
    assert_eq!(stranger.outcome("/v1/x"), INVALID_TOKEN);
}
