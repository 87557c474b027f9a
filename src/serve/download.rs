//! Carries a response body from the store to the client by its plan.

use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::relay::Manner;
use crate::net::relay::RelayFault;
use crate::net::relay::splice::SpliceError;
use crate::net::relay::splice::SpliceFault;
use crate::net::relay::splice::splice_exact;
use crate::pipeline::integration_response::MethodResponse;
use crate::serve::client_response::ClientSide;
use crate::serve::client_response::OutgoingFraming;
use crate::serve::converted_download;
use crate::serve::failure::BodyFault;
use crate::serve::per_core::Core;
use crate::serve::piece_sender::PieceSender;
use crate::serve::upstream_call::UpstreamResponse;
use crate::wire::http1::fields::Fields;

/// Up to this length head and body fit into the smallest buffer, unless the head is uncommonly long.
const SHORT_BYTES_MAX: u64 = 12 * 1024;
/// From this length on the rest of an identity body is spliced, in either direction.
pub(super) const SPLICE_BYTES_MIN: u64 = 512 * 1024;
/// Read from the store at once of a body of unknown length.
const UNSIZED_BYTES: usize = 48 * 1024;

/// Why a response did not reach the client whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadFault {
    /// The store's body failed before anything was sent: another response can still be given.
    Store(BodyFault),
    /// The conversion failed before anything was sent.
    Conversion,
    /// The head was sent already: the connection must be cut, so that nobody takes the body for whole.
    Cut,
}

/// Sends `response` with the body that `upstream` brings.
///
/// # Errors
/// See [`DownloadFault`].
pub async fn relay(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
    upstream: &mut UpstreamResponse,
) -> Result<(), DownloadFault> {
    if !response.body.body_allowed {
        return head_only(core, client, response).await;
    }
    let is_identity = response.body.content.is_identity() && !may_be_coded(response, upstream);
    if !is_identity {
        return converted_download::relay(core, client, response, upstream).await;
    }
    let mut buffer = core.buffers.take(class_of(upstream.body.remaining()));
    let result = relay_as_is(
        core,
        client,
        response.status,
        &response.fields,
        upstream,
        &mut buffer,
    )
    .await;
    core.buffers.give(buffer);
    result
}

/// Sends the store's response as it is: what its head still holds, and its body.
///
/// # Errors
/// See [`DownloadFault`].
pub async fn relay_untouched(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamResponse,
) -> Result<(), DownloadFault> {
    let status = upstream.head.status();
    let fields = std::mem::take(&mut upstream.head.fields);
    let mut buffer = core.buffers.take(class_of(upstream.body.remaining()));
    let result = relay_as_is(core, client, status, &fields, upstream, &mut buffer).await;
    core.buffers.give(buffer);
    upstream.head.fields = fields;
    result
}

/// A short body goes through a small buffer, with its head.
pub(super) const fn class_of(body_bytes: Option<u64>) -> Class {
    match body_bytes {
        Some(0..=SHORT_BYTES_MAX) => Class::Head,
        Some(_) | None => Class::Body,
    }
}

async fn head_only(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
) -> Result<(), DownloadFault> {
    client
        .send_whole(core, response.status, &response.fields, b"")
        .await
        .map_err(|_gone| DownloadFault::Cut)
}

/// The head and the first bytes go in one send; the rest of a long body never enters user space.
async fn relay_as_is(
    core: &Core,
    client: &mut ClientSide<'_>,
    status: u16,
    fields: &Fields,
    upstream: &mut UpstreamResponse,
    buffer: &mut Vec<u8>,
) -> Result<(), DownloadFault> {
    let framing = upstream
        .body
        .remaining()
        .map_or_else(|| client.unknown_length(), OutgoingFraming::Length);
    client.write_head(core, status, fields, framing, buffer);
    let OutgoingFraming::Length(length) = framing else {
        return relay_unsized(core, client, upstream, framing, buffer).await;
    };
    let mut head_bytes = buffer.len();
    if length > 0 {
        read_into(core, upstream, buffer)
            .await
            .map_err(DownloadFault::Store)?;
    }
    loop {
        if !buffer.is_empty() {
            let all = 0..buffer.len();
            let body_bytes = buffer.len().saturating_sub(head_bytes);
            client
                .send(core, buffer, all)
                .await
                .map_err(|_gone| DownloadFault::Cut)?;
            client.record.add_response_bytes(body_bytes as u64);
            head_bytes = 0;
        }
        buffer.clear();
        match upstream.body.remaining() {
            None | Some(0) => return Ok(()),
            Some(rest) if rest >= SPLICE_BYTES_MIN && can_splice(client, upstream) => {
                if splice(core, client, upstream, rest).await? {
                    return Ok(());
                }
            }
            Some(_) => {}
        }
        read_into(core, upstream, buffer)
            .await
            .map_err(|fault| broken_off(client, fault))?;
    }
}

/// Whether the rest of the body lies in the store's socket as it shall go into the client's.
fn can_splice(client: &ClientSide<'_>, upstream: &UpstreamResponse) -> bool {
    upstream.inbox.is_empty() && upstream.connection.stream.is_plain() && client.stream.is_plain()
}

/// The store failed behind a head that was sent.
pub(super) fn broken_off(client: &ClientSide<'_>, fault: BodyFault) -> DownloadFault {
    let now_us = clock::monotonic_us();
    client.record.integration_failed(now_us, fault.told());
    DownloadFault::Cut
}

/// Moves `rest` bytes in the kernel; `false` if there is no pipe to be had.
async fn splice(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamResponse,
    rest: u64,
) -> Result<bool, DownloadFault> {
    let idle_ms = core.settings.timeouts.idle_ms_max;
    match splice_exact(
        &core.pipes,
        &mut upstream.connection.stream,
        client.stream,
        rest,
        Manner::steady(idle_ms),
    )
    .await
    {
        Ok(()) => {
            upstream.body.finish();
            client.record.add_response_bytes(rest);
            Ok(true)
        }
        Err(SpliceError { moved, fault }) => {
            let SpliceFault::Broken(fault) = fault else {
                return Ok(false);
            };
            client.record.add_response_bytes(moved);
            Err(match fault {
                RelayFault::SourceEnded => broken_off(client, BodyFault::Closed),
                RelayFault::SourceTimedOut => broken_off(client, BodyFault::TimedOut),
                RelayFault::Source(error) => broken_off(client, BodyFault::Io(error.kind())),
                RelayFault::SinkTimedOut | RelayFault::Sink(_) | RelayFault::SinkSpoke => {
                    client.note_gone();
                    DownloadFault::Cut
                }
            })
        }
    }
}

async fn relay_unsized(
    core: &Core,
    client: &mut ClientSide<'_>,
    upstream: &mut UpstreamResponse,
    framing: OutgoingFraming,
    buffer: &mut Vec<u8>,
) -> Result<(), DownloadFault> {
    let mut sender = PieceSender::new(framing);
    let mut piece = Vec::with_capacity(UNSIZED_BYTES);
    loop {
        piece.clear();
        let idle_ms = core.settings.timeouts.idle_ms_max;
        let (result, filled) = upstream.read(piece, UNSIZED_BYTES, idle_ms).await;
        piece = filled;
        match result {
            Ok(0) => return sender.finish(core, client, buffer).await,
            Ok(_) => sender.send(core, client, buffer, &piece).await?,
            Err(fault) => return Err(sender.fault(client, fault)),
        }
    }
}

/// Whether the body gets a content coding unless it turns out to be short.
fn may_be_coded(response: &MethodResponse<'_>, upstream: &UpstreamResponse) -> bool {
    let known = upstream.body.remaining();
    response
        .coding
        .is_some_and(|coding| known.is_none_or(|length| length >= coding.bytes_min))
}

/// Appends what the store has, up to the buffer's capacity.
async fn read_into(
    core: &Core,
    upstream: &mut UpstreamResponse,
    buffer: &mut Vec<u8>,
) -> Result<(), BodyFault> {
    let room = buffer.capacity() - buffer.len();
    let idle_ms = core.settings.timeouts.idle_ms_max;
    let (result, filled) = upstream.read(std::mem::take(buffer), room, idle_ms).await;
    *buffer = filled;
    result.map(|_count| ())
}
