//! From the store's answer, or a fault, to bytes for the client.

use crate::net::clock;
use crate::pipeline::body_plan::BodyContent;
use crate::pipeline::body_plan::BodyConverter;
use crate::pipeline::compression::ResponseCoding;
use crate::pipeline::context::RequestContext;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::integration_response::MethodResponse;
use crate::pipeline::integration_response::ResponseSide;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::s3_permission::S3Answer;
use crate::pipeline::s3_permission::S3Refusal;
use crate::serve::client_response::ClientSide;
use crate::serve::connection::Next;
use crate::serve::download;
use crate::serve::download::DownloadFault;
use crate::serve::failure::BodyFault;
use crate::serve::per_core::Core;
use crate::serve::send::Answer;
use crate::serve::settings::GatewaySettings;
use crate::serve::upstream_call::UpstreamResponse;
use crate::wire::content_coding::ContentCoding;
use crate::wire::content_coding::Encoder;
use crate::wire::http1::head::RequestHead;

/// What a mapping may read of a response body: API Gateway's payload limit.
const WHOLE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Read at once of a body that is kept whole.
const PIECE_BYTES: usize = 64 * 1024;

/// What the client gets.
#[derive(Debug)]
pub enum Reply<'t> {
    /// A method response whose body comes from the store.
    Relay(MethodResponse<'t>, UpstreamResponse),
    /// A response that is complete.
    Made(FaultResponse),
}

/// The integration response and the method response to an answer.
///
/// # Errors
/// What the gateway says instead.
pub async fn from_answer<'t>(
    core: &Core,
    request: ResponseSide<'_, 't, '_>,
    context: &RequestContext<'_>,
    answer: Answer,
) -> Result<Reply<'t>, GatewayFault> {
    match answer {
        Answer::Stored(head) => {
            let response =
                request.method_response(context, head.status(), &head.fields, Some(b""))?;
            Ok(Reply::Made(made(response, b"")?))
        }
        Answer::Store(mut upstream) => {
            let status = upstream.head.status();
            match request.body_need(status, &upstream.head.fields)? {
                BodyNeed::Streams => {
                    let response =
                        request.method_response(context, status, &upstream.head.fields, None)?;
                    note_conversion(context, &response);
                    Ok(Reply::Relay(response, upstream))
                }
                BodyNeed::Whole => {
                    let body = read_whole(core, &mut upstream, context).await?;
                    let response = request.method_response(
                        context,
                        status,
                        &upstream.head.fields,
                        Some(&body),
                    )?;
                    upstream.finish(core);
                    note_conversion(context, &response);
                    Ok(Reply::Made(made(response, &body)?))
                }
            }
        }
    }
}

fn note_conversion(context: &RequestContext<'_>, response: &MethodResponse<'_>) {
    if response.body.body_allowed {
        let kind = response.body.content.kind();
        context.record.set_response_conversion(kind);
    }
}

/// The integration response and the method response to a request that the role's policy refuses.
///
/// # Errors
/// What the gateway says instead.
pub fn from_refusal<'t>(
    request: &IntegrationRequest<'t, '_>,
    refusal: &S3Refusal,
    context: &RequestContext<'_>,
) -> Result<Reply<'t>, GatewayFault> {
    let S3Answer {
        status,
        fields,
        body,
    } = refusal.answer(context.ids.request_id());
    // S3 has no body for HEAD.
    let body = if request.method() == b"HEAD" {
        &b""[..]
    } else {
        &body
    };
    let response = request.method_response(context, status, &fields, Some(body))?;
    Ok(Reply::Made(made(response, body)?))
}

/// A method response to a backend's whole body.
///
/// # Errors
/// The conversion failed.
pub fn made(mut response: MethodResponse<'_>, body: &[u8]) -> Result<FaultResponse, GatewayFault> {
    let mut out = Vec::new();
    if response.body.body_allowed {
        out = match response.rendered {
            Some(rendered) => rendered,
            None => converted(response.body.content, body)?,
        };
        if let Some(ResponseCoding { coding, bytes_min }) = response.coding
            && out.len() as u64 >= bytes_min
        {
            out = coded(coding, &out);
            response.fields.set(b"Content-Encoding", coding.name());
        }
    }
    Ok(FaultResponse {
        status: response.status,
        fields: response.fields,
        body: out,
    })
}

fn converted(content: BodyContent<'_>, body: &[u8]) -> Result<Vec<u8>, GatewayFault> {
    let mut out = Vec::new();
    let mut converter = BodyConverter::new(content);
    converter
        .push(body, &mut out)
        .and_then(|()| converter.finish(&mut out))
        .map_err(|_fault| GatewayFault::configuration_error())?;
    Ok(out)
}

fn coded(coding: ContentCoding, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(coding);
    encoder.push(body, &mut out);
    encoder.finish(&mut out);
    out
}

async fn read_whole(
    core: &Core,
    upstream: &mut UpstreamResponse,
    context: &RequestContext<'_>,
) -> Result<Vec<u8>, GatewayFault> {
    let idle_ms = core.settings.timeouts.idle_ms_max;
    let mut body = Vec::new();
    loop {
        let (result, filled) = upstream.read(body, PIECE_BYTES, idle_ms).await;
        body = filled;
        match result {
            Ok(0) => return Ok(body),
            Ok(_) if body.len() > WHOLE_BYTES_MAX => {
                return Err(GatewayFault::integration_response_too_large());
            }
            Ok(_) => {}
            Err(fault) => return Err(body_fault(context, fault)),
        }
    }
}

/// Sends the reply and tells what follows it.
pub async fn deliver(
    core: &Core,
    gateway: &GatewaySettings,
    mut client: ClientSide<'_>,
    context: &RequestContext<'_>,
    head: &RequestHead,
    reply: Reply<'_>,
) -> Next {
    let instead = match reply {
        Reply::Made(response) => response,
        Reply::Relay(response, mut upstream) => {
            client.keep_alive &= !upstream.is_early();
            match download::relay(core, &mut client, &response, &mut upstream).await {
                Ok(()) => {
                    upstream.finish(core);
                    return after(&client);
                }
                Err(DownloadFault::Cut) => {
                    context.record.set_cut();
                    client.spoil_end();
                    return Next::Cut;
                }
                Err(DownloadFault::Store(fault)) => told(context, body_fault(context, fault)),
                Err(DownloadFault::Conversion) => {
                    told(context, GatewayFault::configuration_error())
                }
            }
            .render_customised(context, &gateway.table, head)
        }
    };
    let FaultResponse {
        status,
        fields,
        body,
    } = instead;
    match client.send_whole(core, status, &fields, &body).await {
        Ok(()) => after(&client),
        Err(_gone) => Next::Cut,
    }
}

/// What follows a response that was sent whole.
pub(super) const fn after(client: &ClientSide<'_>) -> Next {
    if client.keep_alive {
        Next::Request
    } else {
        Next::Close
    }
}

const fn is_timeout(fault: BodyFault) -> bool {
    matches!(fault, BodyFault::TimedOut)
}

/// The fault, noted for the log.
fn told(context: &RequestContext<'_>, fault: GatewayFault) -> GatewayFault {
    context.record.set_fault(fault.clone());
    fault
}

fn body_fault(context: &RequestContext<'_>, fault: BodyFault) -> GatewayFault {
    tracing::warn!(?fault, "the store's response broke off");
    let now_us = clock::monotonic_us();
    context.record.integration_failed(now_us, fault.told());
    if is_timeout(fault) {
        GatewayFault::integration_timeout()
    } else {
        GatewayFault::integration_failure()
    }
}
