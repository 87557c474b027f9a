//! Carries a response body from the store to the client by its plan.

use std::borrow::Cow;

use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::splice::SpliceError;
use crate::net::splice::SpliceFault;
use crate::net::splice::splice_exact;
use crate::pipeline::body_plan::BodyConverter;
use crate::pipeline::integration_response::MethodResponse;
use crate::serve::client_response::ClientSide;
use crate::serve::client_response::OutgoingFraming;
use crate::serve::failure::BodyFault;
use crate::serve::per_core::Core;
use crate::serve::upstream_call::UpstreamResponse;
use crate::wire::content_coding::Encoder;
use crate::wire::http1::fields::Fields;

/// Up to this length head and body fit into the smallest buffer, unless the head is uncommonly long.
const SHORT_BYTES_MAX: u64 = 12 * 1024;
/// From this length on the rest of an identity body is spliced, in either direction.
pub(super) const SPLICE_BYTES_MIN: u64 = 1024 * 1024;
/// How much converted body may wait for its end, so that short bodies get a Content-Length.
const LOOKAHEAD_BYTES_MAX: usize = 128 * 1024;
/// Read from the store at once while a body is converted: 48 KiB become exactly 64 KiB of Base64.
const CONVERT_BYTES: usize = 48 * 1024;
const CRLF: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

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
    let mut buffer = core.buffers.take(if is_identity {
        class_of(upstream)
    } else {
        Class::Body
    });
    let result = if is_identity {
        relay_as_is(
            core,
            client,
            response.status,
            &response.fields,
            upstream,
            &mut buffer,
        )
        .await
    } else {
        relay_converted(core, client, response, upstream, &mut buffer).await
    };
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
    let mut buffer = core.buffers.take(class_of(upstream));
    let result = relay_as_is(core, client, status, &fields, upstream, &mut buffer).await;
    core.buffers.give(buffer);
    upstream.head.fields = fields;
    result
}

/// A short body goes through a small buffer, with its head.
fn class_of(upstream: &UpstreamResponse) -> Class {
    match upstream.body.remaining() {
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
fn broken_off(client: &ClientSide<'_>, fault: BodyFault) -> DownloadFault {
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
        idle_ms,
    )
    .await
    {
        Ok(()) => {
            upstream.body.finish();
            client.record.add_response_bytes(rest);
            Ok(true)
        }
        Err(SpliceError {
            fault: SpliceFault::NoPipe,
            ..
        }) => Ok(false),
        Err(SpliceError { moved, fault }) => {
            client.record.add_response_bytes(moved);
            Err(match fault {
                SpliceFault::SourceEnded => broken_off(client, BodyFault::Closed),
                SpliceFault::SourceTimedOut => broken_off(client, BodyFault::TimedOut),
                SpliceFault::Source(error) => broken_off(client, BodyFault::Io(error.kind())),
                SpliceFault::NoPipe
                | SpliceFault::SinkTimedOut
                | SpliceFault::Sink(_)
                | SpliceFault::SinkSpoke => DownloadFault::Cut,
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
    let mut sender = PieceSender {
        framing,
        head_sent: false,
    };
    let mut piece = Vec::with_capacity(CONVERT_BYTES);
    loop {
        piece.clear();
        let idle_ms = core.settings.timeouts.idle_ms_max;
        let (result, filled) = upstream.read(piece, CONVERT_BYTES, idle_ms).await;
        piece = filled;
        match result {
            Ok(0) => return sender.finish(core, client, buffer).await,
            Ok(_) => sender.send(core, client, buffer, &piece).await?,
            Err(fault) => return Err(sender.fault(client, fault)),
        }
    }
}

async fn relay_converted(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
    upstream: &mut UpstreamResponse,
    buffer: &mut Vec<u8>,
) -> Result<(), DownloadFault> {
    let known = response.body.content.output_len(upstream.body.remaining());
    let mut converter = Some(BodyConverter::new(response.body.content));
    let mut out = Vec::with_capacity(LOOKAHEAD_BYTES_MAX);
    let mut input = Vec::with_capacity(CONVERT_BYTES);
    let mut ended = false;
    while !ended && out.len() < LOOKAHEAD_BYTES_MAX / 2 {
        ended = convert_more(core, upstream, &mut converter, &mut input, &mut out).await?;
    }
    // Of an unknown length, what was read ahead decides: it is all that is known before the head is sent.
    let length = known.unwrap_or(out.len() as u64);
    let coding = response
        .coding
        .filter(|coding| length >= coding.bytes_min)
        .map(|coding| coding.coding);
    let mut encoder = coding.map(Encoder::new);
    encode(&mut encoder, ended, &mut out);
    let mut fields = Cow::Borrowed(&response.fields);
    let framing = match coding {
        Some(coding) => {
            fields.to_mut().set(b"Content-Encoding", coding.name());
            if ended {
                OutgoingFraming::Length(out.len() as u64)
            } else {
                client.unknown_length()
            }
        }
        None => framing_of(client, known, ended, &out),
    };
    client.write_head(core, response.status, &fields, framing, buffer);
    let mut sender = PieceSender {
        framing,
        head_sent: false,
    };
    sender.send(core, client, buffer, &out).await?;
    while !ended {
        out.clear();
        ended = convert_more(core, upstream, &mut converter, &mut input, &mut out)
            .await
            .map_err(|fault| match fault {
                DownloadFault::Store(fault) => broken_off(client, fault),
                DownloadFault::Conversion | DownloadFault::Cut => DownloadFault::Cut,
            })?;
        encode(&mut encoder, ended, &mut out);
        sender.send(core, client, buffer, &out).await?;
    }
    sender.finish(core, client, buffer).await
}

/// Whether the body gets a content coding unless it turns out to be short.
fn may_be_coded(response: &MethodResponse<'_>, upstream: &UpstreamResponse) -> bool {
    let known = upstream.body.remaining();
    response
        .coding
        .is_some_and(|coding| known.is_none_or(|length| length >= coding.bytes_min))
}

/// Puts the content coding, if there is one, in the place of what it was made of.
fn encode(encoder: &mut Option<Encoder>, ended: bool, out: &mut Vec<u8>) {
    if let Some(mut coding) = encoder.take() {
        let plain = std::mem::take(out);
        coding.push(&plain, out);
        if ended {
            coding.finish(out);
        } else {
            *encoder = Some(coding);
        }
    }
}

fn framing_of(
    client: &mut ClientSide<'_>,
    known: Option<u64>,
    ended: bool,
    out: &[u8],
) -> OutgoingFraming {
    match known {
        Some(length) => OutgoingFraming::Length(length),
        None if ended => OutgoingFraming::Length(out.len() as u64),
        None => client.unknown_length(),
    }
}

/// Converts one read of the store's body; `true` at its end.
async fn convert_more(
    core: &Core,
    upstream: &mut UpstreamResponse,
    converter: &mut Option<BodyConverter<'_>>,
    input: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<bool, DownloadFault> {
    input.clear();
    let idle_ms = core.settings.timeouts.idle_ms_max;
    let (result, filled) = upstream
        .read(std::mem::take(input), CONVERT_BYTES, idle_ms)
        .await;
    *input = filled;
    match result {
        Ok(count) => {
            let converted = match (&mut *converter, count) {
                (Some(converter), 1..) => converter.push(input, out),
                (converter, _) => converter
                    .take()
                    .map_or(Ok(()), |converter| converter.finish(out)),
            };
            converted
                .map(|()| count == 0)
                .map_err(|_fault| DownloadFault::Conversion)
        }
        Err(fault) => Err(DownloadFault::Store(fault)),
    }
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

/// Sends a body piece by piece in its framing; the head, waiting in the buffer, goes with the first.
struct PieceSender {
    framing: OutgoingFraming,
    head_sent: bool,
}

impl PieceSender {
    async fn send(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
        piece: &[u8],
    ) -> Result<(), DownloadFault> {
        if self.head_sent {
            buffer.clear();
        }
        if !piece.is_empty() {
            if self.framing == OutgoingFraming::Chunked {
                crate::wire::http1::chunked::write_chunk_header(buffer, piece.len());
            }
            buffer.extend_from_slice(piece);
            if self.framing == OutgoingFraming::Chunked {
                buffer.extend_from_slice(CRLF);
            }
        }
        self.flush(core, client, buffer).await?;
        client.record.add_response_bytes(piece.len() as u64);
        Ok(())
    }

    async fn finish(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), DownloadFault> {
        if self.head_sent {
            buffer.clear();
        }
        if self.framing == OutgoingFraming::Chunked {
            buffer.extend_from_slice(LAST_CHUNK);
        }
        self.flush(core, client, buffer).await
    }

    async fn flush(
        &mut self,
        core: &Core,
        client: &mut ClientSide<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), DownloadFault> {
        if buffer.is_empty() {
            return Ok(());
        }
        let all = 0..buffer.len();
        self.head_sent = true;
        client
            .send(core, buffer, all)
            .await
            .map_err(|_gone| DownloadFault::Cut)
    }

    fn fault(&self, client: &ClientSide<'_>, fault: BodyFault) -> DownloadFault {
        if self.head_sent {
            broken_off(client, fault)
        } else {
            DownloadFault::Store(fault)
        }
    }
}
