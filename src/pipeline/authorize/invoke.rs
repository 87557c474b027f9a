//! Whether policies let a caller invoke a method (spec 09, "Authorization").

use crate::api::iam_policy::Decision;
use crate::api::iam_policy::INVOKE;
use crate::api::iam_policy::condition_key::Call;
use crate::pipeline::context::ACCOUNT_ID;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::identity::Identity;
use crate::pipeline::route::StagedRequest;

/// Bytes of a method ARN that a policy is asked about (spec 08, "Others without an own type").
pub(super) const METHOD_ARN_BYTES_MAX: usize = 1600;

/// Asks the policies; `caller` is `None` for methods that ask for no caller.
pub(super) fn check(
    request: &StagedRequest<'_, '_>,
    caller: Option<&Identity>,
    region: &str,
    context: &RequestContext<'_>,
) -> Result<(), GatewayFault> {
    let of_api = request.table.resource_policy.as_ref();
    if of_api.is_none() && caller.is_none() {
        return Ok(());
    }
    let own = caller.and_then(|identity| identity.policy.as_ref());
    if of_api.is_none() && own.is_none() && fits_in_any_case(request, region) {
        return Ok(());
    }
    let tail = method_arn_tail(request);
    let arn = format!("arn:aws:execute-api:{region}:{ACCOUNT_ID}:{tail}");
    if arn.len() > METHOD_ARN_BYTES_MAX {
        return Err(GatewayFault::unreadable_head(414));
    }
    let call = Call {
        action: INVOKE,
        resource: &arn,
        principal: caller.map(|identity| &identity.principal),
        source_ip: context.source_ip,
        now: context.time,
        is_secure: context.is_secure,
        user_agent: request.head.fields.last(b"user-agent"),
        referer: request.head.fields.last(b"referer"),
        s3: None,
    };
    let of_api = of_api.map(|policy| policy.decide(&call));
    let explicit = match decide(of_api, caller, &call) {
        Decision::Allowed => return Ok(()),
        Decision::Silent => "",
        Decision::Denied => " with an explicit deny",
    };
    let user = caller.map_or("anonymous", |identity| identity.principal.arn());
    let masked = ACCOUNT_ID.get(8..).unwrap_or_default();
    Err(GatewayFault::access_denied(format!(
        "User: {user} is not authorized to perform: {INVOKE} on resource: \
         arn:aws:execute-api:{region}:********{masked}:{tail}{explicit}"
    )))
}

/// Whether the method ARN is within its limit however its path decodes: a byte that is not UTF-8 becomes three. Nobody reads
/// the ARN of most requests, so that it need not be written.
fn fits_in_any_case(request: &StagedRequest<'_, '_>, region: &str) -> bool {
    const REPLACEMENT_BYTES: usize = char::REPLACEMENT_CHARACTER.len_utf8();
    let table = request.table;
    let own = "arn:aws:execute-api::::////".len() + region.len() + ACCOUNT_ID.len();
    let sent = request.head.method().len() + request.path_bytes();
    let of_api = table.api_id.len() + table.stage.len();
    own + of_api + REPLACEMENT_BYTES * sent <= METHOD_ARN_BYTES_MAX
}

/// The table of spec 09: what the resource policy says, if there is one, and what the caller's own says.
fn decide(of_api: Option<Decision>, caller: Option<&Identity>, call: &Call<'_>) -> Decision {
    let Some(identity) = caller else {
        return of_api.unwrap_or(Decision::Allowed);
    };
    let own = identity.policy.as_ref();
    let own = own.map_or(Decision::Allowed, |policy| policy.decide(call));
    let Some(of_api) = of_api else {
        return own;
    };
    let of_this_account = identity.principal.account_id() == ACCOUNT_ID;
    match (of_api, own) {
        (Decision::Denied, _) | (_, Decision::Denied) => Decision::Denied,
        (Decision::Allowed, Decision::Allowed) => Decision::Allowed,
        (Decision::Allowed, _) | (_, Decision::Allowed) if of_this_account => Decision::Allowed,
        _ => Decision::Silent,
    }
}

/// `{api-id}/{stage}/{METHOD}/{path}` with the client's method and path (spec 09, "Method ARN").
fn method_arn_tail(request: &StagedRequest<'_, '_>) -> String {
    let method = String::from_utf8_lossy(request.head.method());
    let path = request.resource_of_arn();
    let table = request.table;
    format!(
        "{}/{}/{method}/{}",
        table.api_id,
        table.stage,
        String::from_utf8_lossy(&path)
    )
}
