//! What a caller is told whose signature is refused: the rows of spec 09, "Errors".

use crate::pipeline::gateway_response::GatewayFault;
use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::authorization::Authorization;
use crate::wire::sigv4::authorization::error::{
    AuthorizationError, Form, MissingParts, WrongScope,
};
use crate::wire::sigv4::payload_hash::sha256_base64;
use crate::wire::sigv4::verify::SKEW_SECONDS_MAX;

/// The service that callers sign for.
pub const SERVICE: &str = "execute-api";

/// The response to a refused signature. `authorization` is what was read, `header` the `Authorization` field.
#[must_use]
pub fn signature_fault(
    error: AuthorizationError,
    authorization: Option<&Authorization<'_>>,
    header: &[u8],
) -> GatewayFault {
    use AuthorizationError as E;
    match error {
        E::Missing => GatewayFault::missing_authentication_token(),
        E::AccessKeyUnknown | E::SessionTokenInvalid => GatewayFault::unknown_identity(),
        E::SessionTokenExpired => GatewayFault::expired_token(),
        E::PayloadHashMismatch | E::SignatureMismatch => GatewayFault::signature_mismatch(),
        E::PartWithoutEqualSign { .. } => GatewayFault::incomplete_signature(format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with \
             Base64): '{}'.",
            sha256_base64(header)
        )),
        E::Incomplete { form, missing } => {
            GatewayFault::incomplete_signature(missing_parts(form, missing))
        }
        E::PartRepeated => GatewayFault::incomplete_signature(
            "A part of the signature is there more than once.".to_owned(),
        ),
        E::AlgorithmUnsupported => GatewayFault::incomplete_signature(
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA256' is wanted.".to_owned(),
        ),
        E::CredentialMalformed => GatewayFault::incomplete_signature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term".to_owned(),
        ),
        E::DateMalformed => GatewayFault::incomplete_signature(
            "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601".to_owned(),
        ),
        E::ExpiresMalformed => GatewayFault::incomplete_signature(
            "'X-Amz-Expires' must be a number of seconds from 1 to 604800.".to_owned(),
        ),
        E::HostUnsigned => GatewayFault::invalid_signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ),
        E::DateUnsigned => GatewayFault::invalid_signature(
            "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
        ),
        E::WrongScope(wrong) => {
            GatewayFault::invalid_signature(wrong_scope(wrong, authorization))
        }
        E::Expired { signed, now } => {
            GatewayFault::invalid_signature(expired(signed, now, SKEW_SECONDS_MAX))
        }
        E::PresignExpired {
            signed,
            expires,
            now,
        } => GatewayFault::invalid_signature(expired(signed, now, u64::from(expires.seconds()))),
        E::NotYetCurrent { signed, now } => {
            let latest = UnixSeconds(now.0.saturating_add(SKEW_SECONDS_MAX));
            GatewayFault::invalid_signature(format!(
                "Signature not yet current: {} is still later than {} ({} + {})",
                signed.amz_date(),
                latest.amz_date(),
                now.amz_date(),
                span(SKEW_SECONDS_MAX)
            ))
        }
    }
}

fn expired(signed: UnixSeconds, now: UnixSeconds, seconds: u64) -> String {
    let earliest = UnixSeconds(now.0.saturating_sub(seconds));
    format!(
        "Signature expired: {} is now earlier than {} ({} - {})",
        signed.amz_date(),
        earliest.amz_date(),
        now.amz_date(),
        span(seconds)
    )
}

/// `5 min.`; what is no whole number of minutes in seconds.
fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(60) {
        format!("{} min.", seconds / 60)
    } else {
        format!("{seconds} sec.")
    }
}

fn missing_parts(form: Form, missing: MissingParts) -> String {
    let (place, prefix) = match form {
        Form::Header => ("Authorization header", ""),
        Form::Query => ("AWS query string", "X-Amz-"),
    };
    let parts = [
        ("Algorithm", missing.algorithm),
        ("Credential", missing.credential),
        ("Signature", missing.signature),
        ("SignedHeaders", missing.signed_headers),
        ("Expires", missing.expires),
    ];
    let mut sentences: Vec<String> = parts
        .into_iter()
        .filter(|&(_, is_missing)| is_missing)
        .map(|(name, _)| format!("{place} requires '{prefix}{name}' parameter."))
        .collect();
    if missing.date {
        sentences.push(match form {
            Form::Header => {
                format!("{place} requires existence of either a 'X-Amz-Date' or a 'Date' header.")
            }
            Form::Query => format!("{place} requires 'X-Amz-Date' parameter."),
        });
    }
    sentences.join(" ")
}

/// The sentences of each element that is wrong; the first two end in a blank of their own.
fn wrong_scope(wrong: WrongScope, authorization: Option<&Authorization<'_>>) -> String {
    let mut message = String::new();
    if wrong.region {
        message.push_str("Credential should be scoped to a valid region. ");
    }
    if wrong.service {
        message.push_str(&format!(
            "Credential should be scoped to correct service: '{SERVICE}'. "
        ));
    }
    if wrong.terminator {
        message.push_str("Credential should be scoped with a valid terminator: 'aws4_request'");
        if wrong.date {
            message.push_str(". ");
        }
    }
    if wrong.date {
        message.push_str(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: ",
        );
        if let Some(authorization) = authorization {
            let timestamp = authorization.timestamp();
            message.push_str(&format!(
                "'{}' != '{}', from '{}'.",
                String::from_utf8_lossy(authorization.scope().date),
                timestamp.scope_date(),
                timestamp.amz_date()
            ));
        }
    }
    message
}
