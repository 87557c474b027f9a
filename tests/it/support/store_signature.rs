//! What signs a request that a store received.

use std::time::Duration;
use std::time::UNIX_EPOCH;

use aws_sigv4::http_request::PayloadChecksumKind;
use aws_sigv4::http_request::PercentEncodingMode;
use aws_sigv4::http_request::SignableBody;
use aws_sigv4::http_request::SignableRequest;
use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::http_request::UriPathNormalizationMode;
use aws_sigv4::http_request::sign;
use aws_sigv4::sign::v4;
use sluicegate::wire::date::parse_amz_date;

use super::message::Message;

const REGION: &str = "us-east-1";

/// The part of the Authorization field behind `name=`.
pub(crate) fn part<'m>(request: &'m Message, name: &str) -> &'m str {
    let parts = request
        .field("authorization")
        .unwrap()
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .unwrap();
    parts
        .split(", ")
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        .unwrap()
}

/// The signature of the head by `aws-sigv4`, with the access key of its scope and this secret, over the fields that the
/// request names.
pub(crate) fn head_signature(request: &Message, secret: &str) -> String {
    let signed: Vec<&str> = part(request, "SignedHeaders").split(';').collect();
    let added = [
        "host",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-security-token",
    ];
    let fields = signed
        .iter()
        .filter(|name| !added.contains(name))
        .map(|name| (*name, request.field(name).unwrap()));
    let access_key_id = part(request, "Credential").split('/').next().unwrap();
    let identity = aws_credential_types::Credentials::new(
        access_key_id,
        secret,
        request.field("x-amz-security-token").map(str::to_owned),
        None,
        "test",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    // No session-bound exclusions: every field that the request says is signed is given, and no other.
    settings.excluded_headers = None;
    let now = parse_amz_date(request.field("x-amz-date").unwrap().as_bytes()).unwrap();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(now.0))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!(
        "http://{}{}",
        request.field("host").unwrap(),
        request.second_word()
    );
    let method = request.start.split(' ').next().unwrap();
    let payload =
        SignableBody::Precomputed(request.field("x-amz-content-sha256").unwrap().to_owned());
    let signable = SignableRequest::new(method, url, fields, payload).unwrap();
    sign(signable, &params).unwrap().into_parts().1
}
