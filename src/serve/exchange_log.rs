//! What is told of each request at level `debug`. Never a query, a field value, a body: they may hold signatures and secrets.

use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::request_ids::RequestIds;
use crate::pipeline::trace_context::TraceContext;
use crate::serve::reply::Reply;
use crate::wire::http1::head::RequestHead;

/// A request that the gateway answers by itself, and why.
pub fn fault(ids: &RequestIds, fault: &GatewayFault) {
    tracing::debug!(
        request_id = ids.request_id(),
        trace_id = ids.trace_context().map(TraceContext::trace_id),
        kind = ?fault.kind(),
        status = fault.status(),
        message = fault.message(),
        "fault"
    );
}

/// A request that is about to be answered.
pub fn reply(head: &RequestHead, ids: &RequestIds, reply: &Reply<'_>) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let (status, store_status) = match reply {
        Reply::Relay(response, upstream) => (response.status, Some(upstream.head.status())),
        Reply::Made(response) => (response.status, None),
    };
    tracing::debug!(
        request_id = ids.request_id(),
        trace_id = ids.trace_context().map(TraceContext::trace_id),
        method = %head.method().escape_ascii(),
        path = %path(head).escape_ascii(),
        status,
        store_status,
        "request"
    );
}

/// The target up to its query.
fn path(head: &RequestHead) -> &[u8] {
    let target = head.target();
    target
        .split(|&byte| byte == b'?')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;

    #[test]
    fn the_query_is_not_told() {
        let mut head = RequestHead::default();
        let bytes = b"GET /v1/s3?X-Amz-Signature=abc HTTP/1.1\r\nHost: a\r\n\r\n";
        head.read(bytes, &HeadLimits::default()).unwrap();
        assert_eq!(path(&head), b"/v1/s3");
    }
}
