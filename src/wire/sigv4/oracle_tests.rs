//! Our signatures are those of `aws-sigv4`, for any request that we can send.

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use proptest::prelude::*;

use crate::wire::date::UnixSeconds;
use crate::wire::percent::{self, Keep};
use crate::wire::sigv4::canonical_request::{
    ExpiresSeconds, Header, Hex, RequestParts, Scratch, UriEncoding, presign, sign_head,
};
use crate::wire::sigv4::chunk_signature::{ChunkSigner, write_canonical_trailer};
use crate::wire::sigv4::credentials::{Credentials, Secret};
use crate::wire::sigv4::payload_hash::{PayloadHash, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;

const HOST: &str = "store.example:9000";

#[derive(Clone, Debug)]
struct Case {
    method: String,
    path: String,
    query: String,
    fields: Vec<(String, String)>,
    now: UnixSeconds,
    region: String,
    service: String,
    secret: String,
    token: Option<String>,
}

impl Case {
    fn credentials(&self) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new(self.secret.as_str()),
            session_token: self.token.as_deref().map(Secret::new),
        }
    }

    fn key(&self) -> SigningKey {
        SigningKey::new(&self.credentials(), self.now, &self.region, &self.service)
    }

    fn oracle_credentials(&self) -> aws_credential_types::Credentials {
        let token = self.token.clone();
        aws_credential_types::Credentials::new("AKIDEXAMPLE", &self.secret, token, None, "test")
    }

    fn url(&self) -> String {
        format!("http://{HOST}{}?{}", self.path, self.query)
    }

    /// What `aws-sigv4` adds to the request: pairs of field or parameter names and values.
    fn oracle(
        &self,
        settings: SigningSettings,
        body: SignableBody<'_>,
    ) -> (Vec<(String, String)>, String) {
        let identity = self.oracle_credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(UNIX_EPOCH + Duration::from_secs(self.now.0))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(&self.method, self.url(), fields, body).unwrap();
        let (instructions, signature) = sign(request, &params).unwrap().into_parts();
        let headers = instructions
            .headers()
            .map(|(n, v)| (n.to_owned(), v.to_owned()));
        let params = instructions
            .params()
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.to_string()));
        (headers.chain(params).collect(), signature)
    }

    fn headers<'c>(&'c self, more: &[Header<'c>]) -> Vec<Header<'c>> {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        more.iter().copied().chain(fields).collect()
    }
}

fn settings(uri_encoding: UriEncoding) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = match uri_encoding {
        UriEncoding::AsSent => PercentEncodingMode::Single,
        UriEncoding::EncodeAgain => PercentEncodingMode::Double,
    };
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn encoded(bytes: &[u8], keep: Keep) -> String {
    let mut out = Vec::new();
    percent::encode_into(&mut out, bytes, keep);
    String::from_utf8(out).unwrap()
}

/// `/bucket/` and a key of any bytes, encoded as S3 wants it, or a raw path of what clients send unencoded.
fn path() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[a-c/.~%+ =?#é]{0,20}".prop_map(String::into_bytes),
    ];
    prop_oneof![
        key.prop_map(|key| format!("/bucket/{}", encoded(&key, Keep::UnreservedAndSlash))),
        "/([a-z!$&'()*+,;=:@/.-]|%2F|%2f|%41){0,20}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[a-cA-C/.+ =&%~-]{0,4}", "\\PC{0,6}"];
    let parameter = (text.clone(), prop::option::of(text)).prop_map(|(name, value)| {
        let name = encoded(name.as_bytes(), Keep::Unreserved);
        match value {
            Some(value) => format!("{name}={}", encoded(value.as_bytes(), Keep::Unreserved)),
            None => name,
        }
    });
    prop::collection::vec(parameter, 0..6).prop_map(|parameters| parameters.join("&"))
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        "[xX]-[aA]mz-meta-[a-cA-C-]{1,3}",
        Just("Content-Type".to_owned()),
        Just("range".to_owned()),
    ];
    prop::collection::vec((name, "[ -~]{0,12}| {0,3}[a-z]  {0,3}[a-z] {0,3}"), 0..6)
}

fn case() -> impl Strategy<Value = Case> {
    let request = (
        prop_oneof!["GET", "PUT", "POST", "DELETE", "HEAD"],
        path(),
        query(),
        fields(),
    );
    let signer = (
        0u64..253_402_300_800,
        "[a-z]{2}-[a-z]{4,9}-[1-9]",
        prop_oneof!["s3", "execute-api"],
        "[!-~]{1,80}",
        prop::option::of("[!-~]{1,40}"),
    );
    (request, signer).prop_map(|(request, signer)| {
        let (method, path, query, fields) = request;
        let (seconds, region, service, secret, token) = signer;
        let now = UnixSeconds(seconds);
        Case {
            method,
            path,
            query,
            fields,
            now,
            region,
            service,
            secret,
            token,
        }
    })
}

fn payload() -> impl Strategy<Value = Option<Hex>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..100).prop_map(|body| sha256_hex(&body)))
}

proptest! {
    #[test]
    fn header_signatures_are_those_of_aws_sigv4(
        case in case(),
        body in payload(),
        named in 0..4usize,
        again in any::<bool>(),
    ) {
        let named = [
            PayloadHash::Unsigned,
            PayloadHash::Streaming,
            PayloadHash::StreamingTrailer,
            PayloadHash::StreamingUnsignedTrailer,
        ][named];
        let payload = body.as_ref().map_or(named, PayloadHash::Hex);
        let oracle_body = match payload {
            PayloadHash::Unsigned => SignableBody::UnsignedPayload,
            PayloadHash::StreamingTrailer => SignableBody::StreamingSignedPayloadTrailer,
            PayloadHash::StreamingUnsignedTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
            PayloadHash::Hex(_) | PayloadHash::Streaming => SignableBody::Precomputed(
                String::from_utf8(payload.as_bytes().to_vec()).unwrap(),
            ),
        };
        let uri_encoding = if again { UriEncoding::EncodeAgain } else { UriEncoding::AsSent };
        let (added, signature) = case.oracle(settings(uri_encoding), oracle_body);

        let date = case.now.amz_date_bytes();
        let mut more: Vec<Header<'_>> = vec![
            (b"X-Amz-Date", &date),
            (b"Host", HOST.as_bytes()),
            (b"x-amz-content-sha256", payload.as_bytes()),
        ];
        if let Some(token) = &case.token {
            more.push((b"x-amz-security-token", token.as_bytes()));
        }
        let headers = case.headers(&more);
        let request = RequestParts {
            method: case.method.as_bytes(),
            path: case.path.as_bytes(),
            uri_encoding,
            query: case.query.as_bytes(),
            headers: &headers,
            payload,
        };
        let mut authorization = Vec::new();
        let ours = sign_head(&case.key(), case.now, &request, &mut Scratch::new(), &mut authorization);
        prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), signature);
        let want = added.iter().find(|(name, _)| name == "authorization").unwrap();
        prop_assert_eq!(std::str::from_utf8(&authorization).unwrap(), &want.1);
    }

    #[test]
    fn query_signatures_are_those_of_aws_sigv4(case in case(), seconds in 1u32..=604_800) {
        let mut settings = settings(UriEncoding::AsSent);
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds.into()));
        let (added, signature) = case.oracle(settings, SignableBody::UnsignedPayload);

        let headers = case.headers(&[(b"host", HOST.as_bytes())]);
        let request = RequestParts {
            method: case.method.as_bytes(),
            path: case.path.as_bytes(),
            uri_encoding: UriEncoding::AsSent,
            query: case.query.as_bytes(),
            headers: &headers,
            payload: PayloadHash::Unsigned,
        };
        let credentials = case.credentials();
        let token = credentials.session_token.as_ref();
        let expires = ExpiresSeconds::new(seconds).unwrap();
        let mut query = Vec::new();
        let ours =
            presign(&case.key(), case.now, &request, expires, token, &mut Scratch::new(), &mut query);
        prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), signature);
        let query = String::from_utf8(query).unwrap();
        let parameters: Vec<&str> = query.split('&').collect();
        for (name, value) in added {
            let want = format!("{name}={}", encoded(value.as_bytes(), Keep::Unreserved));
            prop_assert!(parameters.contains(&want.as_str()), "{want} is not in {query}");
        }
    }

    #[test]
    fn chunk_and_trailer_signatures_are_those_of_aws_sigv4(
        case in case(),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4),
        trailer in prop::collection::btree_map("x-amz-[a-c]{1,3}", "[!-~]{0,10}", 1..4),
    ) {
        let identity = case.oracle_credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&case.region)
            .name(&case.service)
            .time(UNIX_EPOCH + Duration::from_secs(case.now.0))
            .settings(())
            .build()
            .unwrap();
        let seed = sha256_hex(case.path.as_bytes());
        let mut running = String::from_utf8(seed.to_vec()).unwrap();
        let mut signer = ChunkSigner::new(Rc::new(case.key()), case.now, seed);
        for chunk in chunks.into_iter().chain([Vec::new()]) {
            let ours = signer.sign_chunk(&chunk);
            running = v4::sign_chunk(&Bytes::from(chunk), &running, &params).unwrap().into_parts().1;
            prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), &running);
        }
        let fields: Vec<Header<'_>> =
            trailer.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).rev().collect();
        let mut canonical = Vec::new();
        write_canonical_trailer(&fields, &mut canonical);
        let ours = signer.sign_trailer(&canonical);
        let map: http::HeaderMap = trailer
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<http::HeaderMap>();
        let map = map.try_into().unwrap();
        let theirs = v4::sign_trailer(&map, &running, &params).unwrap().into_parts().1;
        prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), theirs);
    }
}
