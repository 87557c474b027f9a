use super::*;
use crate::wire::sigv4::canonical_request::{ExpiresSeconds, presign, sign_head};
use crate::wire::sigv4::credentials::Secret;
use crate::wire::sigv4::payload_hash::sha256_hex;

const SIGNED_AT: UnixSeconds = UnixSeconds(1_893_456_060);
const HOST: &str = "abc123.execute-api.us-east-1.amazonaws.com";
type Verified = Result<(), AuthorizationError>;

/// A signed request whose parts a test changes after, or before, it was signed.
#[derive(Clone)]
struct Caller {
    path: &'static str,
    query: String,
    fields: Vec<(&'static str, String)>,
    body: &'static str,
    credentials: Credentials,
    region: &'static str,
    service: &'static str,
    now: UnixSeconds,
    session_end: Option<UnixSeconds>,
}

impl Caller {
    fn new() -> Self {
        Self {
            path: "/S3/b/a%2Fb",
            query: "a=1".to_owned(),
            fields: vec![
                ("Host", HOST.to_owned()),
                ("X-Amz-Date", SIGNED_AT.amz_date()),
            ],
            body: "Hello",
            credentials: Credentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("secret"),
                session_token: None,
            },
            region: "us-east-1",
            service: "execute-api",
            now: SIGNED_AT,
            session_end: None,
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    fn headers(&self) -> Vec<Header<'_>> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect()
    }

    fn parts<'c>(
        &'c self,
        headers: &'c [Header<'c>],
        payload: PayloadHash<'c>,
    ) -> RequestParts<'c> {
        RequestParts {
            method: b"PUT",
            path: self.path.as_bytes(),
            uri_encoding: UriEncoding::EncodeAgain,
            query: self.query.as_bytes(),
            headers,
            payload,
        }
    }

    fn key(&self) -> SigningKey {
        SigningKey::new(&self.credentials, SIGNED_AT, self.region, self.service)
    }

    /// Signs all fields, with the body's hash or what `x-amz-content-sha256` says.
    fn signed(self) -> Self {
        let hash = sha256_hex(self.body.as_bytes());
        let unsigned = self
            .fields
            .iter()
            .any(|(_, value)| value == "UNSIGNED-PAYLOAD");
        let payload = if unsigned {
            PayloadHash::Unsigned
        } else {
            PayloadHash::Hex(&hash)
        };
        let mut value = Vec::new();
        sign_head(
            &self.key(),
            SIGNED_AT,
            &self.parts(&self.headers(), payload),
            &mut Scratch::new(),
            &mut value,
        );
        let value = String::from_utf8(value).unwrap();
        self.with("Authorization", &value)
    }

    fn presigned(mut self, payload: PayloadHash<'_>, seconds: u32) -> Self {
        self.fields.truncate(1);
        let mut query = Vec::new();
        let token = self.credentials.session_token.as_ref();
        let expires = ExpiresSeconds::new(seconds).unwrap();
        presign(
            &self.key(),
            SIGNED_AT,
            &self.parts(&self.headers(), payload),
            expires,
            token,
            &mut Scratch::new(),
            &mut query,
        );
        self.query = String::from_utf8(query).unwrap();
        self
    }

    fn replaced(mut self, from: &str, to: &str) -> Self {
        for (_, value) in &mut self.fields {
            *value = value.replace(from, to);
        }
        self.query = self.query.replace(from, to);
        self
    }

    fn at(mut self, now: u64) -> Self {
        self.now = UnixSeconds(now);
        self
    }

    fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn verified(&self) -> Verified {
        let headers = self.headers();
        let body_sha256 = sha256_hex(self.body.as_bytes());
        let received = Received {
            method: b"PUT",
            path: self.path.as_bytes(),
            query: self.query.as_bytes(),
            headers: &headers,
            body_sha256: &body_sha256,
        };
        let expected = Expected {
            credentials: &self.credentials,
            session_end: self.session_end,
            region: "us-east-1",
            service: "execute-api",
        };
        let authorization = Authorization::read(&headers, received.query).unwrap();
        verify(
            &authorization,
            &received,
            &expected,
            self.now,
            &mut Workspace::default(),
        )
    }
}

const MISMATCH: Verified = Err(AuthorizationError::SignatureMismatch);

#[test]
fn each_signed_part_counts_and_unsigned_fields_do_not() {
    let caller = Caller::new().with("X-Amz-Meta", " a   b ").signed();
    assert_eq!(caller.verified(), Ok(()));
    assert_eq!(caller.clone().with("Accept", "*/*").verified(), Ok(()));
    assert_eq!(caller.clone().replaced(" a   b ", "a b").verified(), Ok(()));
    assert_eq!(
        caller.clone().replaced(" a   b ", "ab").verified(),
        MISMATCH
    );
    assert_eq!(caller.clone().with("x-amz-meta", "c").verified(), MISMATCH);
    assert_eq!(
        caller
            .clone()
            .changed(|c| c.query.push_str("&b"))
            .verified(),
        MISMATCH
    );
    assert_eq!(
        caller.clone().changed(|c| c.path = "/S3/b/a/b").verified(),
        MISMATCH
    );
    assert_eq!(
        caller.clone().changed(|c| c.body = "hello").verified(),
        MISMATCH
    );
    let other_secret = |c: &mut Caller| c.credentials.secret_access_key = Secret::new("Secret");
    assert_eq!(caller.clone().changed(other_secret).verified(), MISMATCH);
    assert_eq!(
        caller.replaced("Signature=", "Signature=0").verified(),
        MISMATCH
    );
}

#[test]
fn the_literal_and_the_normalised_path_are_accepted() {
    let sent = |signed, sent| {
        Caller::new()
            .changed(|c| c.path = signed)
            .signed()
            .changed(|c| c.path = sent)
            .verified()
    };
    assert_eq!(sent("/S3//b/./c/../d/", "/S3//b/./c/../d/"), Ok(()));
    assert_eq!(sent("/S3/b/d/", "/S3//b/./c/../d/"), Ok(()));
    assert_eq!(sent("/S3/b/d", "/S3//b/./c/../d/"), MISMATCH);
    for (path, slashed, slashless) in [
        ("/S3/b/.", "/S3/b/", Ok(())),
        ("/S3/b/..", "/S3/", Ok(())),
        ("/S3/b/./", "/S3/b/", MISMATCH),
    ] {
        assert_eq!(sent(slashed, path), Ok(()), "{path}");
        assert_eq!(
            sent(slashed.strip_suffix('/').unwrap(), path),
            slashless,
            "{path}"
        );
    }
    assert_eq!(sent("/S3/b", "/S3/b/"), MISMATCH);
    assert_eq!(sent("/", ""), Ok(()));
    assert_eq!(sent("/", "/a/../.."), Ok(()));
}

#[test]
fn a_payload_hash_field_is_used_if_it_is_right_or_unsigned() {
    let hash = sha256_hex(b"Hello");
    let hash = std::str::from_utf8(&hash).unwrap();
    let caller = |value: &str| Caller::new().with("x-amz-content-sha256", value).signed();
    assert_eq!(caller(hash).verified(), Ok(()));
    assert_eq!(
        caller("UNSIGNED-PAYLOAD")
            .changed(|c| c.body = "else")
            .verified(),
        Ok(())
    );
    let wrong = Err(AuthorizationError::PayloadHashMismatch);
    assert_eq!(caller(hash).changed(|c| c.body = "else").verified(), wrong);
    assert_eq!(
        caller("STREAMING-AWS4-HMAC-SHA256-PAYLOAD").verified(),
        wrong
    );
}

#[test]
fn query_signatures_cover_the_body_or_leave_it() {
    let hash = sha256_hex(b"Hello");
    let presigned = |payload| Caller::new().presigned(payload, 60);
    assert_eq!(
        presigned(PayloadHash::Unsigned)
            .changed(|c| c.body = "else")
            .verified(),
        Ok(())
    );
    assert_eq!(presigned(PayloadHash::Hex(&hash)).verified(), Ok(()));
    assert_eq!(
        presigned(PayloadHash::Hex(&hash))
            .changed(|c| c.body = "else")
            .verified(),
        MISMATCH
    );
    assert_eq!(
        presigned(PayloadHash::Unsigned)
            .replaced("a=1", "a=2")
            .verified(),
        MISMATCH
    );
    assert_eq!(
        presigned(PayloadHash::Unsigned)
            .replaced("Expires=60", "Expires=61")
            .verified(),
        MISMATCH
    );
}

#[test]
fn header_signatures_live_five_minutes_both_ways() {
    let (signed, at) = (SIGNED_AT, |now| Caller::new().signed().at(now).verified());
    assert_eq!(at(signed.0 + 300), Ok(()));
    assert_eq!(at(signed.0 - 300), Ok(()));
    let now = UnixSeconds(signed.0 + 301);
    assert_eq!(at(now.0), Err(AuthorizationError::Expired { signed, now }));
    let now = UnixSeconds(signed.0 - 301);
    assert_eq!(
        at(now.0),
        Err(AuthorizationError::NotYetCurrent { signed, now })
    );
}

#[test]
fn query_signatures_live_as_long_as_they_say() {
    let signed = SIGNED_AT;
    let at = |now| {
        Caller::new()
            .presigned(PayloadHash::Unsigned, 604_800)
            .at(now)
            .verified()
    };
    assert_eq!(at(signed.0 + 604_800), Ok(()));
    assert_eq!(at(signed.0 - 300), Ok(()));
    let now = UnixSeconds(signed.0 + 604_801);
    let expires = ExpiresSeconds::new(604_800).unwrap();
    assert_eq!(
        at(now.0),
        Err(AuthorizationError::PresignExpired {
            signed,
            expires,
            now
        })
    );
    let now = UnixSeconds(signed.0 - 301);
    assert_eq!(
        at(now.0),
        Err(AuthorizationError::NotYetCurrent { signed, now })
    );
}

#[test]
fn each_wrong_element_of_the_scope_is_named() {
    let wrong = |caller: Caller| match caller.verified() {
        Err(AuthorizationError::WrongScope(wrong)) => wrong,
        other => panic!("{other:?}"),
    };
    let none = WrongScope::default();
    let caller = Caller::new().signed();
    let both = caller
        .clone()
        .replaced("us-east-1/execute-api", "eu-west-1/s3");
    assert_eq!(
        wrong(both),
        WrongScope {
            region: true,
            service: true,
            ..none
        }
    );
    let terminator = caller.clone().replaced("aws4_request", "aws5_request");
    assert_eq!(
        wrong(terminator),
        WrongScope {
            terminator: true,
            ..none
        }
    );
    let date = caller.replaced("/20300101/", "/20300102/");
    assert_eq!(wrong(date), WrongScope { date: true, ..none });
}

#[test]
fn host_and_the_date_used_must_be_signed() {
    let unsigned = |from, to| Caller::new().signed().replaced(from, to).verified();
    let names = "SignedHeaders=host;x-amz-date";
    assert_eq!(
        unsigned(names, "SignedHeaders=x-amz-date"),
        Err(AuthorizationError::HostUnsigned)
    );
    assert_eq!(
        unsigned(names, "SignedHeaders=host"),
        Err(AuthorizationError::DateUnsigned)
    );
    let with_date = Caller::new().changed(|c| c.fields[1] = ("Date", SIGNED_AT.http_date()));
    assert_eq!(with_date.signed().verified(), Ok(()));
    let authority = Caller::new()
        .changed(|c| c.fields[0].0 = ":authority")
        .signed();
    assert_eq!(
        authority.changed(|c| c.fields[0].0 = "host").verified(),
        Ok(())
    );
}

#[test]
fn repeats_in_the_list_of_signed_headers_count_once() {
    let repeats = "SignedHeaders=HOST;host;x-amz-date".to_owned() + &";host".repeat(1_000);
    let caller = Caller::new()
        .signed()
        .replaced("SignedHeaders=host;x-amz-date", &repeats);
    assert_eq!(caller.verified(), Ok(()));
    let headers = caller.headers();
    let authorization = Authorization::read(&headers, b"").unwrap();
    let received = Received {
        method: b"",
        path: b"",
        query: b"",
        headers: &headers,
        body_sha256: &[0; 64],
    };
    assert_eq!(signed_headers(&authorization, &received).len(), 2);
}

#[test]
fn the_key_must_be_the_one_named() {
    let other = |c: &mut Caller| c.credentials.access_key_id.push('2');
    let caller = Caller::new().signed().changed(other);
    assert_eq!(caller.verified(), Err(AuthorizationError::AccessKeyUnknown));
}

#[test]
fn session_tokens_must_be_right_and_alive() {
    let set = |token: Option<&str>| {
        let token = token.map(Secret::new);
        move |c: &mut Caller| c.credentials.session_token = token
    };
    let plain = Caller::new().signed();
    let session = Caller::new()
        .with("X-Amz-Security-Token", "token")
        .signed()
        .changed(set(Some("token")));
    let invalid = Err(AuthorizationError::SessionTokenInvalid);
    assert_eq!(session.verified(), Ok(()));
    assert_eq!(
        session.clone().changed(set(Some("Token"))).verified(),
        invalid
    );
    assert_eq!(session.clone().changed(set(None)).verified(), invalid);
    assert_eq!(plain.changed(set(Some("token"))).verified(), invalid);
    let presigned = Caller::new()
        .changed(set(Some("to/ken")))
        .presigned(PayloadHash::Unsigned, 60);
    assert_eq!(presigned.verified(), Ok(()));
    let ends = |end: u64| {
        session
            .clone()
            .changed(|c| c.session_end = Some(UnixSeconds(end)))
            .verified()
    };
    assert_eq!(ends(SIGNED_AT.0 + 1), Ok(()));
    assert_eq!(
        ends(SIGNED_AT.0),
        Err(AuthorizationError::SessionTokenExpired)
    );
}

#[test]
fn what_a_request_says_of_its_body_is_a_hash_or_unsigned() {
    let hash = sha256_hex(b"Hello");
    let text = std::str::from_utf8(&hash).unwrap();
    let said = |value: &str| {
        let fields = [(b"X-Amz-Content-Sha256".as_slice(), value.as_bytes())];
        signed_payload(&fields)
    };
    assert_eq!(signed_payload(&[]), Ok(SignedPayload::OfBody));
    assert_eq!(said(text), Ok(SignedPayload::Claimed(hash)));
    assert_eq!(said("UNSIGNED-PAYLOAD"), Ok(SignedPayload::Unsigned));
    let upper = text.to_ascii_uppercase();
    for wrong in [
        "",
        &text[1..],
        upper.as_str(),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    ] {
        assert_eq!(
            said(wrong),
            Err(AuthorizationError::PayloadHashMismatch),
            "{wrong}"
        );
    }
    let twice = [(b"x-amz-content-sha256".as_slice(), text.as_bytes()); 2];
    assert_eq!(
        signed_payload(&twice),
        Err(AuthorizationError::PartRepeated)
    );
}
