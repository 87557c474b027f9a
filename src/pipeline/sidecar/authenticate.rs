//! Clients that must prove themselves: SigV4 for `s3`, in the header or the query (spec 09 and 10).

use crate::pipeline::identity::Identities;
use crate::pipeline::identity::Identity;
use crate::pipeline::sidecar::forward::Received;
use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::head::RequestHead;
use crate::wire::sigv4::authorization::Authorization;
use crate::wire::sigv4::authorization::error::AuthorizationError;
use crate::wire::sigv4::authorization::error::Form;
use crate::wire::sigv4::canonical_request::Header;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::payload_hash::EMPTY_SHA256_HEX;
use crate::wire::sigv4::verify;
use crate::wire::sigv4::verify::Expected;
use crate::wire::sigv4::verify::Workspace;
use crate::wire::sigv4::verify::s3;

/// Who asked, and the chain that its chunks are signed by.
pub struct Caller<'i> {
    /// Whose key signed.
    pub identity: &'i Identity,
    /// At the signature of the head.
    pub chunks: ChunkSigner,
}

/// Checks the signature of a request.
///
/// # Errors
/// S3's own code for what is wrong.
pub fn authenticate<'i>(
    head: &RequestHead,
    received: &Received<'_>,
    identities: &'i Identities,
    region: &str,
    now: UnixSeconds,
    workspace: &mut Workspace,
) -> Result<Caller<'i>, S3Fault> {
    let headers: Vec<Header<'_>> = head.fields.iter().collect();
    let authorization =
        Authorization::read(&headers, received.query).map_err(|error| fault(error, None))?;
    let refused = |error| fault(error, Some(authorization.form()));
    let identity = identities
        .find(authorization.scope().access_key_id)
        .ok_or_else(|| refused(AuthorizationError::AccessKeyUnknown))?;
    if authorization.form() == Form::Header
        && let Some(name) = unsigned_field(&authorization, &headers)
    {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        return Err(S3Fault::access_denied(format!(
            "There were headers present in the request which were not signed: {name}"
        )));
    }
    let expected = Expected {
        credentials: &identity.credentials,
        session_end: identity.session_end,
        region,
        service: s3::SERVICE,
    };
    let request = verify::Received {
        method: head.method(),
        path: received.path,
        query: received.query,
        headers: &headers,
        body_sha256: EMPTY_SHA256_HEX,
    };
    let proof = s3::verify(&authorization, &request, &expected, now, workspace).map_err(refused)?;
    Ok(Caller {
        identity,
        chunks: ChunkSigner::new(proof.key, proof.signed_at, proof.seed),
    })
}

/// S3 wants every `x-amz-…` field of a signed request signed.
fn unsigned_field<'h>(
    authorization: &Authorization<'_>,
    headers: &[Header<'h>],
) -> Option<&'h [u8]> {
    let is_amz = |name: &[u8]| {
        name.get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"x-amz-"))
    };
    let is_signed = |name: &[u8]| {
        authorization
            .signed_headers
            .split(|&byte| byte == b';')
            .any(|signed| signed.eq_ignore_ascii_case(name))
    };
    let names = headers.iter().map(|header| header.0);
    let mut unsigned = names.filter(|name| is_amz(name) && !is_signed(name));
    unsigned.next()
}

fn fault(error: AuthorizationError, form: Option<Form>) -> S3Fault {
    use AuthorizationError as Error;
    let of_query = form == Some(Form::Query);
    match error {
        Error::Missing => S3Fault::access_denied("Access Denied"),
        Error::AccessKeyUnknown => S3Fault::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Error::SessionTokenInvalid => S3Fault::new(
            400,
            "InvalidToken",
            "The provided token is malformed or otherwise invalid.",
        ),
        Error::SessionTokenExpired => {
            S3Fault::new(400, "ExpiredToken", "The provided token has expired.")
        }
        Error::Expired { .. } | Error::NotYetCurrent { .. } if !of_query => S3Fault::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        Error::Expired { .. } | Error::PresignExpired { .. } => {
            S3Fault::access_denied("Request has expired")
        }
        Error::NotYetCurrent { .. } => S3Fault::access_denied("Request is not valid yet"),
        Error::SignatureMismatch => S3Fault::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
        Error::PayloadHashMismatch => S3Fault::new(
            400,
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        ),
        Error::HostUnsigned | Error::DateUnsigned => S3Fault::access_denied(
            "There were headers present in the request which were not signed: host, x-amz-date",
        ),
        Error::WrongScope(scope) if scope.region => malformed(
            of_query,
            "the region is wrong; expecting the region of the sidecar (--s3-region)",
        ),
        Error::WrongScope(_) => malformed(
            of_query,
            "the credential's scope must be DATE/REGION/s3/aws4_request with the date of the request",
        ),
        Error::ExpiresMalformed => {
            malformed(true, "X-Amz-Expires must be a number from 1 to 604800")
        }
        Error::Incomplete {
            form: Form::Query, ..
        } => malformed(
            true,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
        Error::DateMalformed => {
            S3Fault::access_denied("AWS authentication requires a valid Date or x-amz-date header")
        }
        Error::PartWithoutEqualSign { .. }
        | Error::Incomplete { .. }
        | Error::PartRepeated
        | Error::AlgorithmUnsupported
        | Error::CredentialMalformed => malformed(
            of_query,
            "the authorization must be AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature, each once",
        ),
    }
}

fn malformed(of_query: bool, message: &str) -> S3Fault {
    let code = if of_query {
        "AuthorizationQueryParametersError"
    } else {
        "AuthorizationHeaderMalformed"
    };
    S3Fault::new(400, code, message)
}
