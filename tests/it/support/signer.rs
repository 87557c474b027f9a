//! Callers whose requests aws-sigv4 signs.

use std::borrow::Cow;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use aws_sigv4::http_request::PayloadChecksumKind;
use aws_sigv4::http_request::SignableBody;
use aws_sigv4::http_request::SignableRequest;
use aws_sigv4::http_request::SignatureLocation;
use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::http_request::sign;
use aws_sigv4::sign::v4;
use sluicegate::net::clock;
use sluicegate::wire::percent::Keep;
use sluicegate::wire::percent::encode_into;

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
        body: &[u8],
        location: SignatureLocation,
    ) -> (Pairs, Pairs) {
        let mut settings = SigningSettings::default();
        settings.signature_location = location;
        if location == SignatureLocation::QueryParams {
            settings.expires_in = Some(Duration::from_secs(60));
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
        let request =
            SignableRequest::new(method, url, std::iter::empty(), SignableBody::Bytes(body))
                .unwrap();
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
        self.sign(method, target, body, SignatureLocation::Headers)
            .0
    }

    pub(crate) fn presigned(self, method: &str, target: &str) -> String {
        let (_, parameters) = self.sign(method, target, b"", SignatureLocation::QueryParams);
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
