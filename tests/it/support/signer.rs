//! Callers whose requests aws-sigv4 signs.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use aws_sigv4::http_request::PayloadChecksumKind;
use aws_sigv4::http_request::PercentEncodingMode;
use aws_sigv4::http_request::SignableBody;
use aws_sigv4::http_request::SignableRequest;
use aws_sigv4::http_request::SignatureLocation;
use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::http_request::UriPathNormalizationMode;
use aws_sigv4::http_request::sign;
use aws_sigv4::sign::v4;
use sluicegate::net::clock;
use sluicegate::wire::date::parse_amz_date;
use sluicegate::wire::percent::Keep;
use sluicegate::wire::percent::encode_into;
use sluicegate::wire::sigv4::chunk_signature::ChunkSigner;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::signing_key::SigningKey;

/// Names and values.
pub(crate) type Pairs = Vec<(String, String)>;

/// Who signs, when, for what.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'s> {
    pub(crate) access_key_id: &'s str,
    pub(crate) secret: &'s str,
    pub(crate) token: Option<&'s str>,
    pub(crate) region: &'s str,
    pub(crate) service: &'s str,
    /// Seconds before now.
    pub(crate) age: i64,
    pub(crate) claims_hash: bool,
}

pub(crate) const BOB: Signer<'static> = Signer {
    access_key_id: "AKIDBOB",
    secret: "bob's secret",
    token: None,
    region: "us-east-1",
    service: "execute-api",
    age: 0,
    claims_hash: false,
};
pub(crate) const SESSION: Signer<'static> = Signer {
    access_key_id: "ASIABOB",
    token: Some("to/ken+="),
    ..BOB
};

impl Signer<'_> {
    /// Fields and parameters that sign a request.
    fn sign(
        self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: SignableBody<'_>,
        location: SignatureLocation,
    ) -> (Pairs, Pairs) {
        let mut settings = SigningSettings::default();
        settings.signature_location = location;
        if location == SignatureLocation::QueryParams {
            settings.expires_in = Some(Duration::from_secs(60));
        }
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if self.claims_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let credentials = aws_credential_types::Credentials::new(
            self.access_key_id,
            self.secret,
            self.token.map(str::to_owned),
            None,
            "test",
        )
        .into();
        let now = clock::now().unix.0.checked_add_signed(-self.age).unwrap();
        let params = v4::SigningParams::builder()
            .identity(&credentials)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_secs(now))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("http://gateway.example{target}");
        let request = SignableRequest::new(method, url, fields.iter().copied(), body).unwrap();
        let (instructions, _signature) = sign(request, &params).unwrap().into_parts();
        let fields = instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let parameters = instructions
            .params()
            .iter()
            .map(|(name, value): &(_, Cow<'_, str>)| ((*name).to_owned(), value.to_string()));
        (fields.collect(), parameters.collect())
    }

    pub(crate) fn fields(self, method: &str, target: &str, body: &[u8]) -> Pairs {
        let body = SignableBody::Bytes(body);
        self.sign(method, target, &[], body, SignatureLocation::Headers)
            .0
    }

    /// Fields that sign a request to S3 whose body comes in signed chunks, these fields among them, and what signs the chunks.
    pub(crate) fn streaming(
        self,
        target: &str,
        mode: &str,
        fields: &[(&str, &str)],
    ) -> (Pairs, ChunkSigner) {
        let body = SignableBody::Precomputed(mode.to_owned());
        let signed = self
            .sign("PUT", target, fields, body, SignatureLocation::Headers)
            .0;
        let value = |name: &str| {
            let found = signed.iter().find(|(known, _)| known == name);
            found.unwrap().1.clone()
        };
        let (_, seed) = value("authorization")
            .split_once("Signature=")
            .map(|(before, seed)| (before.to_owned(), seed.to_owned()))
            .unwrap();
        let signed_at = parse_amz_date(value("x-amz-date").as_bytes()).unwrap();
        let credentials = Credentials {
            access_key_id: self.access_key_id.to_owned(),
            secret_access_key: Secret::new(self.secret),
            session_token: None,
        };
        let key = SigningKey::new(&credentials, signed_at, self.region, self.service);
        let seed = seed.into_bytes().try_into().unwrap();
        let chunks = ChunkSigner::new(Rc::new(key), signed_at, seed);
        let sent = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (sent.chain(signed).collect(), chunks)
    }

    pub(crate) fn presigned(self, method: &str, target: &str) -> String {
        let body = match self.service {
            "s3" => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(b""),
        };
        let (_, parameters) = self.sign(method, target, &[], body, SignatureLocation::QueryParams);
        let encode = |text: &str| {
            let mut out = Vec::new();
            encode_into(&mut out, text.as_bytes(), Keep::Unreserved);
            String::from_utf8(out).unwrap()
        };
        let parameters: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let separator = if target.contains('?') { '&' } else { '?' };
        format!("{target}{separator}{}", parameters.join("&"))
    }
}
