//! Who may call a method (spec 09): signatures for `execute-api`, then policies.

mod invoke;

use std::cell::RefCell;

use smallvec::SmallVec;

use crate::api::model::Authorization as Required;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::identity::Identities;
use crate::pipeline::identity::Identity;
use crate::pipeline::route::Routed;
use crate::pipeline::route::StagedRequest;
use crate::pipeline::signature_fault::SERVICE;
use crate::pipeline::signature_fault::signature_fault;
use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::authorization::Authorization;
use crate::wire::sigv4::authorization::error::AuthorizationError;
use crate::wire::sigv4::canonical_request::{Header, Hex};
use crate::wire::sigv4::payload_hash::EMPTY_SHA256_HEX;
use crate::wire::sigv4::verify;
use crate::wire::sigv4::verify::{Expected, Received, SignedPayload, Workspace};
use crate::wire::target;

/// Most requests have no more fields than this; others take storage of their own.
const HEADERS_COMMON: usize = 16;

/// What to do with methods that ask for a caller.
#[derive(Clone, Copy, Debug)]
pub enum CallerPolicy<'t> {
    /// Verify signatures.
    Enforce(Callers<'t>),
    /// Serve them as if they asked for nothing.
    IgnoreAuthorizers,
}

/// Whose signatures are taken, and for which region.
#[derive(Clone, Copy, Debug)]
pub struct Callers<'t> {
    /// The callers that are known.
    pub identities: &'t Identities,
    /// The region of the API.
    pub region: &'t str,
    /// What verifying keeps from request to request.
    pub workspace: &'t RefCell<Workspace>,
}

/// Whether a body follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyArrival {
    /// There is none.
    Nothing,
    /// It has not been read.
    ToCome,
}

/// What became of a request at this stage.
pub enum Admission<'t, 'h> {
    /// The caller may call the method.
    Granted(Authorized<'t, 'h>),
    /// The signature covers the hash of a body that has to be read first.
    AwaitsBody(Unproven<'t, 'h>),
}

/// A request whose caller may call the method.
pub struct Authorized<'t, 'h> {
    pub(super) request: StagedRequest<'t, 'h>,
    body_sha256: Option<Hex>,
}

impl Authorized<'_, '_> {
    /// The hash that the caller signed and that the body must have; nothing may come of the request if it has not.
    #[must_use]
    pub const fn body_sha256(&self) -> Option<&Hex> {
        self.body_sha256.as_ref()
    }
}

/// A request of a known caller whose signature cannot be checked without the body's hash.
pub struct Unproven<'t, 'h> {
    request: StagedRequest<'t, 'h>,
    callers: Callers<'t>,
}

impl<'t, 'h> Unproven<'t, 'h> {
    /// Checks the signature over a body of this hash.
    ///
    /// # Errors
    /// As [`Routed::authorize`].
    pub fn prove(
        self,
        body_sha256: &Hex,
        context: &RequestContext<'_>,
    ) -> Result<Authorized<'t, 'h>, GatewayFault> {
        let Self { request, callers } = self;
        let workspace = &mut callers.workspace.borrow_mut();
        let signed = Signed::read(&request)?;
        let proof = signed.verify(callers, context.time, Some(body_sha256), workspace)?;
        match proof {
            Proof::Caller(identity) => admit(request, Some(identity), None, callers, context),
            // Cannot be: each signature can be checked once the hash is known.
            Proof::AwaitsBody | Proof::CallerOf { .. } => Err(GatewayFault::signature_mismatch()),
        }
    }
}

impl<'t, 'h> Routed<'t, 'h> {
    /// Authorization (spec 02, stage 6).
    ///
    /// # Errors
    /// The signature or the caller's policy; `policy` does not ignore that.
    pub fn authorize(
        self,
        policy: CallerPolicy<'t>,
        context: &RequestContext<'_>,
        body: BodyArrival,
    ) -> Result<Admission<'t, 'h>, GatewayFault> {
        let Self { request } = self;
        let CallerPolicy::Enforce(callers) = policy else {
            return Ok(Admission::Granted(Authorized {
                request,
                body_sha256: None,
            }));
        };
        if request.found.method.authorization == Required::None {
            return admit(request, None, None, callers, context).map(Admission::Granted);
        }
        let known = match body {
            BodyArrival::Nothing => Some(EMPTY_SHA256_HEX),
            BodyArrival::ToCome => None,
        };
        let workspace = &mut callers.workspace.borrow_mut();
        match Signed::read(&request)?.verify(callers, context.time, known, workspace)? {
            Proof::AwaitsBody => Ok(Admission::AwaitsBody(Unproven { request, callers })),
            Proof::Caller(identity) => {
                admit(request, Some(identity), None, callers, context).map(Admission::Granted)
            }
            Proof::CallerOf { identity, body } => {
                admit(request, Some(identity), Some(body), callers, context).map(Admission::Granted)
            }
        }
    }
}

/// What a refused signature should have been made over.
#[derive(Clone, PartialEq, Eq)]
pub struct WantedSignature {
    /// It may hold a session token: not for logs.
    pub canonical_request: Vec<u8>,
    /// Holds the hash of the canonical request.
    pub string_to_sign: Vec<u8>,
}

impl Routed<'_, '_> {
    /// What the signature of a request with this whole body should have been made over; `None` where it is right, or
    /// refused for another reason.
    #[must_use]
    pub fn wanted_signature(
        &self,
        policy: CallerPolicy<'_>,
        context: &RequestContext<'_>,
        body_sha256: &Hex,
    ) -> Option<WantedSignature> {
        let CallerPolicy::Enforce(callers) = policy else {
            return None;
        };
        let mut workspace = Workspace::default();
        let signed = Signed::read(&self.request).ok()?;
        let proof = signed.verify(callers, context.time, Some(body_sha256), &mut workspace);
        let scratch = &workspace.scratch;
        let computed = !scratch.canonical_request().is_empty();
        (proof.is_err() && computed).then(|| WantedSignature {
            canonical_request: scratch.canonical_request().to_vec(),
            string_to_sign: scratch.string_to_sign().to_vec(),
        })
    }
}

/// What a signature shows.
enum Proof<'t> {
    /// Who called; nothing is left to check.
    Caller(&'t Identity),
    /// Who called, provided that the body has this hash.
    CallerOf { identity: &'t Identity, body: Hex },
    /// The body's hash is needed.
    AwaitsBody,
}

/// A request that carries a signature, right or wrong.
struct Signed<'r> {
    method: &'r [u8],
    path: &'r [u8],
    query: &'r [u8],
    headers: SmallVec<[Header<'r>; HEADERS_COMMON]>,
    authorization_field: &'r [u8],
}

impl<'r> Signed<'r> {
    fn read(request: &StagedRequest<'_, 'r>) -> Result<Self, GatewayFault> {
        let head = request.head;
        // As received: leading slashes that routing drops may be signed.
        let target = target::parse(head.method(), head.target())
            .map_err(|_| GatewayFault::unreadable_head(400))?;
        Ok(Self {
            method: head.method(),
            path: target.path,
            query: target.query.unwrap_or_default(),
            headers: head.fields.iter().collect(),
            authorization_field: head.fields.get(b"authorization").unwrap_or_default(),
        })
    }

    /// `body_sha256`: `None` while the body is to come.
    fn verify<'t>(
        &self,
        callers: Callers<'t>,
        now: UnixSeconds,
        body_sha256: Option<&Hex>,
        workspace: &mut Workspace,
    ) -> Result<Proof<'t>, GatewayFault> {
        let refused = |error, read: Option<&Authorization<'_>>| {
            signature_fault(error, read, self.authorization_field)
        };
        let authorization =
            Authorization::read(&self.headers, self.query).map_err(|error| refused(error, None))?;
        let refused = |error| refused(error, Some(&authorization));
        let identity = callers.identities.find(authorization.scope().access_key_id);
        let identity = identity.ok_or_else(|| refused(AuthorizationError::AccessKeyUnknown))?;
        let expected = Expected {
            credentials: &identity.credentials,
            session_end: identity.session_end,
            region: callers.region,
            service: SERVICE,
        };
        let payload = verify::signed_payload(&self.headers).map_err(refused)?;
        let (hash, proof) = match (&payload, body_sha256) {
            (SignedPayload::OfBody, None) => {
                verify::check_claims(&authorization, &expected, now, &mut workspace.keys)
                    .map_err(refused)?;
                return Ok(Proof::AwaitsBody);
            }
            (SignedPayload::Claimed(body), None) => {
                let body = *body;
                (body, Proof::CallerOf { identity, body })
            }
            (SignedPayload::Unsigned, None) => (*EMPTY_SHA256_HEX, Proof::Caller(identity)),
            (_, Some(hash)) => (*hash, Proof::Caller(identity)),
        };
        let received = Received {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            body_sha256: &hash,
        };
        verify::verify(&authorization, &received, &expected, now, workspace).map_err(refused)?;
        Ok(proof)
    }
}

/// The policies.
fn admit<'t, 'h>(
    mut request: StagedRequest<'t, 'h>,
    caller: Option<&'t Identity>,
    body_sha256: Option<Hex>,
    callers: Callers<'_>,
    context: &RequestContext<'_>,
) -> Result<Authorized<'t, 'h>, GatewayFault> {
    if let Some(identity) = caller {
        context.record.tell_caller(identity);
    }
    invoke::check(&request, caller, callers.region, context)?;
    request.caller = caller;
    Ok(Authorized {
        request,
        body_sha256,
    })
}

#[cfg(test)]
mod tests;
