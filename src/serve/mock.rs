//! Answers requests to mock integrations: the client's body is read and judged as ever, and nobody is called.

use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::mock::MockRequest;
use crate::serve::client_body::ClientBody;
use crate::serve::gateway::Failure;
use crate::serve::gateway::upload_failure;
use crate::serve::per_core::Core;
use crate::serve::reply;
use crate::serve::reply::Reply;
use crate::serve::send;

/// Reads the body, for what it says or only to see that it may be sent, and makes the answer.
///
/// # Errors
/// The body's faults and the integration's.
pub async fn answer<'c>(
    core: &'c Core,
    request: &MockRequest<'c, '_>,
    mut body: ClientBody<'_>,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    match request.request_body_need() {
        BodyNeed::Whole => {
            let whole = send::read_whole(core, body).await.map_err(upload_failure)?;
            Ok(made(request, &whole.bytes, context)?)
        }
        BodyNeed::Streams => {
            let read = body.read_away(&core.buffers).await;
            read.map_err(upload_failure)?;
            Ok(made(request, b"", context)?)
        }
    }
}

/// The answer to a request whose body was read.
///
/// # Errors
/// What the integration says of it.
pub fn made<'c>(
    request: &MockRequest<'c, '_>,
    whole: &[u8],
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, GatewayFault> {
    let response = request.method_response(context, whole)?;
    reply::made(response, b"").map(Reply::Made)
}
