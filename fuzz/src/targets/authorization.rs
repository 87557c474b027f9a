//! Inbound signatures: only the holder of the secret makes one that verifies, in the field or in the query, and what is
//! signed cannot be changed.

use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::sigv4::authorization::Authorization;
use sluicegate::wire::sigv4::authorization::error::AuthorizationError;
use sluicegate::wire::sigv4::canonical_request::ExpiresSeconds;
use sluicegate::wire::sigv4::canonical_request::RequestParts;
use sluicegate::wire::sigv4::canonical_request::Scratch;
use sluicegate::wire::sigv4::canonical_request::UriEncoding;
use sluicegate::wire::sigv4::canonical_request::presign;
use sluicegate::wire::sigv4::canonical_request::sign_head;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::payload_hash::PayloadHash;
use sluicegate::wire::sigv4::payload_hash::sha256_hex;
use sluicegate::wire::sigv4::signing_key::SigningKey;
use sluicegate::wire::sigv4::verify::Expected;
use sluicegate::wire::sigv4::verify::Received;
use sluicegate::wire::sigv4::verify::Workspace;
use sluicegate::wire::sigv4::verify::signed_payload;
use sluicegate::wire::sigv4::verify::verify;

/// 2013-05-24T00:00:00Z
const NOW: UnixSeconds = UnixSeconds(1_369_353_600);
const DATE: &[u8] = b"20130524T000000Z";
const HOST: &[u8] = b"gate.example";

type Pair<'a> = (&'a [u8], &'a [u8]);

/// Three lines: the value of `Authorization`, the query, the path; then the body.
pub fn run(data: &[u8]) {
    let mut lines = data.splitn(4, |&byte| byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (value, query, path, body) = (next(), next(), next(), next());
    hostile(value, query, path, body);
    if signable(query) {
        honest_field(value, query, path, body);
        honest_query(query, path);
    }
}

/// A value, a query and fields that nobody signed.
fn hostile(value: &[u8], query: &[u8], path: &[u8], body: &[u8]) {
    let fields: [Pair<'_>; 4] = [
        (b"Host", HOST),
        (b"X-Amz-Date", DATE),
        (b"X-Amz-Content-Sha256", body),
        (b"Authorization", value),
    ];
    let _payload = signed_payload(&fields);
    for fields in [fields.as_slice(), &fields[..3], &fields[1..]] {
        let Ok(authorization) = Authorization::read(fields, query) else {
            continue;
        };
        assert!(!authorization.scope().access_key_id.is_empty());
        let received = Received {
            method: b"GET",
            path,
            query,
            headers: fields,
            body_sha256: &sha256_hex(body),
        };
        assert!(
            checked(&authorization, &received).is_err(),
            "a forged signature"
        );
    }
}

fn honest_field(extra: &[u8], query: &[u8], path: &[u8], body: &[u8]) {
    let hash = sha256_hex(body);
    let mut fields: Vec<Pair<'_>> =
        vec![(b"Host", HOST), (b"x-amz-date", DATE), (b"X-Extra", extra)];
    let mut value = Vec::new();
    let parts = RequestParts {
        method: b"PUT",
        path,
        uri_encoding: UriEncoding::EncodeAgain,
        query,
        headers: &fields,
        payload: PayloadHash::Hex(&hash),
    };
    sign_head(&key(), NOW, &parts, &mut Scratch::new(), &mut value);
    fields.push((b"Authorization", &value));
    let received = Received {
        method: b"PUT",
        path,
        query,
        headers: &fields,
        body_sha256: &hash,
    };
    let authorization = Authorization::read(&fields, query).expect("our own form");
    assert_eq!(checked(&authorization, &received), Ok(()));
    let longer = [path, b"x"].concat();
    let other_body = sha256_hex(&[body, b"x"].concat());
    let more_query = [query, b"&x-more=1"].concat();
    let mut other_fields = fields.clone();
    other_fields[2] = (b"X-Extra", b"\x01 other");
    for changed in [
        Received {
            path: &longer,
            ..received
        },
        Received {
            method: b"GET",
            ..received
        },
        Received {
            body_sha256: &other_body,
            ..received
        },
        Received {
            query: &more_query,
            ..received
        },
        Received {
            headers: &other_fields,
            ..received
        },
    ] {
        assert!(
            checked(&authorization, &changed).is_err(),
            "a changed request"
        );
    }
}

fn honest_query(query: &[u8], path: &[u8]) {
    let fields: [Pair<'_>; 1] = [(b"Host", HOST)];
    let hash = sha256_hex(b"");
    let parts = RequestParts {
        method: b"GET",
        path,
        uri_encoding: UriEncoding::EncodeAgain,
        query,
        headers: &fields,
        payload: PayloadHash::Hex(&hash),
    };
    let mut signed = Vec::new();
    let expires = ExpiresSeconds::new(60).expect("a minute");
    presign(
        &key(),
        NOW,
        &parts,
        expires,
        None,
        &mut Scratch::new(),
        &mut signed,
    );
    let received = Received {
        method: b"GET",
        path,
        query: &signed,
        headers: &fields,
        body_sha256: &hash,
    };
    let authorization = Authorization::read(&fields, &signed).expect("our own form");
    assert_eq!(checked(&authorization, &received), Ok(()));
    let longer = [signed.as_slice(), b"&x-more=1"].concat();
    let changed = Received {
        query: &longer,
        ..received
    };
    assert!(
        checked(&authorization, &changed).is_err(),
        "a changed query"
    );
}

/// A query without a signature of its own.
fn signable(query: &[u8]) -> bool {
    let query = sluicegate::wire::query::Query::parse(query);
    !query
        .iter()
        .any(|(name, _)| name.to_ascii_lowercase().starts_with(b"x-amz-"))
}

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    }
}

fn key() -> SigningKey {
    SigningKey::new(&credentials(), NOW, "us-east-1", "execute-api")
}

fn checked(
    authorization: &Authorization<'_>,
    received: &Received<'_>,
) -> Result<(), AuthorizationError> {
    let expected = Expected {
        credentials: &credentials(),
        session_end: None,
        region: "us-east-1",
        service: "execute-api",
    };
    verify(
        authorization,
        received,
        &expected,
        NOW,
        &mut Workspace::default(),
    )
}
