//! Calls the HTTP server of an `http` or `http_proxy` integration.

use crate::net::clock;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::http_request::HttpBody;
use crate::pipeline::http_request::HttpRequest;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::method_request::MethodRequest;
use crate::serve::client_body::ClientBody;
use crate::serve::client_body::ConvertedBody;
use crate::serve::failure::UploadFault;
use crate::serve::gateway::Failure;
use crate::serve::gateway::call_failure;
use crate::serve::gateway::decoded_bytes_max;
use crate::serve::gateway::note_answer;
use crate::serve::gateway::upload_failure;
use crate::serve::memory_body::MemoryBody;
use crate::serve::per_core::Core;
use crate::serve::reply;
use crate::serve::reply::Reply;
use crate::serve::send;
use crate::serve::send::Answer;
use crate::serve::span_notes;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::serve::upload::PartedBody;
use crate::serve::upload::StreamedBody;
use crate::serve::upload::Upload;
use crate::serve::upstream_call::call;

/// Bodies of known length up to this one are read before they are sent, so that they can be sent again.
const REPEATABLE_BYTES_MAX: u64 = 64 * 1024;

/// One request to an HTTP server, from the client's body to the reply.
///
/// # Errors
/// What the gateway says instead.
pub async fn exchange<'c>(
    core: &'c Core,
    method_request: MethodRequest<'c, '_>,
    body: ClientBody<'_>,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    match method_request.request_body_need() {
        BodyNeed::Whole => {
            let whole = send::read_whole(core, body).await.map_err(upload_failure)?;
            of_whole(core, method_request, &whole.bytes, context).await
        }
        BodyNeed::Streams => {
            let request = method_request.into_http_request(context, None)?;
            let upload = prepare(core, &request, body)
                .await
                .map_err(upload_failure)?;
            send(core, &request, upload, context).await
        }
    }
}

/// The same for a body that was read.
///
/// # Errors
/// What the gateway says instead.
pub async fn of_whole<'c>(
    core: &'c Core,
    method_request: MethodRequest<'c, '_>,
    whole: &[u8],
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let decoded = method_request.decoded_body(whole, decoded_bytes_max(core))?;
    method_request.validate_body(&decoded)?;
    let request = method_request.into_http_request(context, Some(&decoded))?;
    let upload = send::from_memory(request.body(), request.rendered(), &decoded);
    let upload = upload.map_err(upload_failure)?;
    send(core, &request, upload, context).await
}

/// Makes the client's body ready. What is proxied goes on as it comes; a converted body is collected to learn its length,
/// which many servers want to know, as far as API Gateway would take it.
async fn prepare<'c>(
    core: &Core,
    request: &HttpRequest<'c, '_>,
    mut body: ClientBody<'c>,
) -> Result<Upload<'c>, UploadFault> {
    let plan = request.body();
    let own = send::without_client(core, plan, request.rendered(), &mut body).await?;
    if let Some(upload) = own {
        return Ok(upload);
    }
    let mut source = ConvertedBody::new(body, plan.content);
    match source.length() {
        Some(bytes) if bytes > REPEATABLE_BYTES_MAX => Ok(Upload::Stream(Box::new(StreamedBody {
            source,
            bytes,
            trailer: None,
        }))),
        Some(_) => {
            let whole = MemoryBody::collect(&mut source, REPEATABLE_BYTES_MAX, &core.buffers);
            Ok(Upload::Memory(whole.await?))
        }
        None if request.proxies() => Ok(Upload::Chunked(Box::new(PartedBody {
            first: None,
            rest: source,
        }))),
        None => {
            let first =
                MemoryBody::collect(&mut source, COLLECTED_BYTES_MAX, &core.buffers).await?;
            match source.at_end().await {
                Ok(true) => Ok(Upload::Memory(first)),
                Ok(false) => Ok(Upload::Chunked(Box::new(PartedBody {
                    first: Some(first),
                    rest: source,
                }))),
                Err(fault) => {
                    first.release(&core.buffers);
                    Err(fault)
                }
            }
        }
    }
}

async fn send<'c>(
    core: &'c Core,
    request: &HttpRequest<'c, '_>,
    mut upload: Upload<'_>,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let framing = match &upload {
        Upload::Empty => HttpBody::None,
        Upload::Memory(body) => HttpBody::Length(body.len()),
        Upload::Stream(body) => HttpBody::Length(body.bytes),
        Upload::Chunked(_) | Upload::Parts(_) => HttpBody::Chunked,
    };
    let Some(pool) = core.http_backend(request.origin()) else {
        tracing::warn!(origin = request.origin(), "the backend has no address");
        return Err(GatewayFault::configuration_error().into());
    };
    let answer_ms_max =
        u64::from(request.timeout_ms()).min(core.settings.timeouts.integration_ms_max);
    let head = request.head(framing);
    let record = context.record;
    if request.body().sends_body {
        record.set_request_conversion(request.body().content.kind());
    }
    span_notes::http_call(record, request);
    record.integration_begins(clock::monotonic_us());
    let answered = call(
        core,
        &pool,
        head,
        request.method(),
        &mut upload,
        answer_ms_max,
    )
    .await;
    let answered = answered.map(Answer::Store);
    note_answer(record, &answered);
    if let Upload::Memory(body) = upload {
        body.release(&core.buffers);
    }
    let side = request.response_side();
    match answered.map_err(call_failure)? {
        Answer::Store(upstream) if request.proxies() => {
            let response = side.proxied_response(context, &upstream.head);
            Ok(Reply::Relay(response, upstream))
        }
        answer => Ok(reply::from_answer(core, side, context, answer).await?),
    }
}
