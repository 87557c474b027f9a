//! Carries a response body that is converted on its way to the client.

use std::borrow::Cow;

use crate::pipeline::body_plan::BodyConverter;
use crate::pipeline::integration_response::MethodResponse;
use crate::serve::client_response::ClientSide;
use crate::serve::client_response::OutgoingFraming;
use crate::serve::download::DownloadFault;
use crate::serve::download::broken_off;
use crate::serve::download::class_of;
use crate::serve::per_core::Core;
use crate::serve::piece_sender::PieceSender;
use crate::serve::upstream_call::UpstreamResponse;
use crate::wire::content_coding::Encoder;

/// How much converted body may wait for its end, so that short bodies get a Content-Length.
const LOOKAHEAD_BYTES_MAX: usize = 128 * 1024;
/// So much converted body waits before the head is sent: a store that fails until then gets the client another response.
const HELD_BYTES: usize = LOOKAHEAD_BYTES_MAX / 2;
/// Kept free behind a piece for what a template puts before and after the body.
const AROUND_BYTES: usize = 1024;
/// The shortest piece that is read, even if the send buffer has to grow for it.
const INPUT_BYTES_MIN: usize = 3 * 1024;
/// Read from the store at once while a body of unknown length is converted: 48 KiB become exactly 64 KiB of Base64.
const CONVERT_BYTES: usize = 48 * 1024;

/// Sends `response` with the body that `upstream` brings, converted.
///
/// # Errors
/// See [`DownloadFault`].
pub async fn relay(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
    upstream: &mut UpstreamResponse,
) -> Result<(), DownloadFault> {
    let known = response.body.content.output_len(upstream.body.remaining());
    let class = class_of(known);
    let mut buffer = core.buffers.take(class);
    let result = match known {
        Some(length) if !is_coded(response, length) => {
            let mut input = core.buffers.take(class);
            let buffers = (&mut input, &mut buffer);
            let result =
                relay_of_known_length(core, client, response, upstream, length, buffers).await;
            core.buffers.give(input);
            result
        }
        _ => relay_of_any_length(core, client, response, upstream, known, &mut buffer).await,
    };
    core.buffers.give(buffer);
    result
}

/// Whether a body of this length gets a content coding.
fn is_coded(response: &MethodResponse<'_>, length: u64) -> bool {
    let coding = response.coding.as_ref();
    coding.is_some_and(|coding| length >= coding.bytes_min)
}

/// The head goes out before the body is read, so each piece is converted into the buffer that is sent.
async fn relay_of_known_length(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
    upstream: &mut UpstreamResponse,
    length: u64,
    (input, buffer): (&mut Vec<u8>, &mut Vec<u8>),
) -> Result<(), DownloadFault> {
    let mut converter = Some(BodyConverter::new(response.body.content));
    let framing = OutgoingFraming::Length(length);
    client.write_head(core, response.status, &response.fields, framing, buffer);
    let mut head_bytes = buffer.len();
    let mut ended = false;
    while !ended {
        let is_first = head_bytes > 0;
        loop {
            let max = input_max(buffer);
            ended = convert_more(core, upstream, &mut converter, (input, max), buffer)
                .await
                .map_err(|fault| {
                    if is_first {
                        fault
                    } else {
                        behind_head(client, fault)
                    }
                })?;
            if ended || !is_first || buffer.len() - head_bytes >= HELD_BYTES {
                break;
            }
        }
        if !buffer.is_empty() {
            let (all, body_bytes) = (0..buffer.len(), buffer.len() - head_bytes);
            let sent = client.send(core, buffer, all).await;
            sent.map_err(|_gone| DownloadFault::Cut)?;
            client.record.add_response_bytes(body_bytes as u64);
        }
        buffer.clear();
        head_bytes = 0;
    }
    Ok(())
}

/// How much can be converted into the free part of `buffer`: Base64 makes four bytes of three.
fn input_max(buffer: &Vec<u8>) -> usize {
    let room = buffer.capacity() - buffer.len();
    let bytes = room.saturating_sub(AROUND_BYTES) / 4 * 3;
    bytes.max(INPUT_BYTES_MIN)
}

/// The length is not known before the end, or a content coding will change it: what was converted is looked at before it
/// goes into the send buffer.
async fn relay_of_any_length(
    core: &Core,
    client: &mut ClientSide<'_>,
    response: &MethodResponse<'_>,
    upstream: &mut UpstreamResponse,
    known: Option<u64>,
    buffer: &mut Vec<u8>,
) -> Result<(), DownloadFault> {
    let mut converter = Some(BodyConverter::new(response.body.content));
    let mut out = Vec::with_capacity(LOOKAHEAD_BYTES_MAX);
    let mut input = Vec::with_capacity(CONVERT_BYTES);
    let mut ended = false;
    while !ended && out.len() < LOOKAHEAD_BYTES_MAX / 2 {
        ended = convert_more(
            core,
            upstream,
            &mut converter,
            (&mut input, CONVERT_BYTES),
            &mut out,
        )
        .await?;
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
    if let Some(coding) = coding {
        fields.to_mut().set(b"Content-Encoding", coding.name());
    }
    let framing = if ended {
        OutgoingFraming::Length(out.len() as u64)
    } else {
        client.unknown_length()
    };
    client.write_head(core, response.status, &fields, framing, buffer);
    let mut sender = PieceSender::new(framing);
    sender.send(core, client, buffer, &out).await?;
    while !ended {
        out.clear();
        ended = convert_more(
            core,
            upstream,
            &mut converter,
            (&mut input, CONVERT_BYTES),
            &mut out,
        )
        .await
        .map_err(|fault| behind_head(client, fault))?;
        encode(&mut encoder, ended, &mut out);
        sender.send(core, client, buffer, &out).await?;
    }
    sender.finish(core, client, buffer).await
}

/// What a fault means once the head is sent.
fn behind_head(client: &ClientSide<'_>, fault: DownloadFault) -> DownloadFault {
    match fault {
        DownloadFault::Store(fault) => broken_off(client, fault),
        DownloadFault::Conversion | DownloadFault::Cut => DownloadFault::Cut,
    }
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

/// Converts one read of the store's body, of at most `max` bytes; `true` at its end.
async fn convert_more(
    core: &Core,
    upstream: &mut UpstreamResponse,
    converter: &mut Option<BodyConverter<'_>>,
    (input, max): (&mut Vec<u8>, usize),
    out: &mut Vec<u8>,
) -> Result<bool, DownloadFault> {
    input.clear();
    let idle_ms = core.settings.timeouts.idle_ms_max;
    let (result, filled) = upstream.read(std::mem::take(input), max, idle_ms).await;
    *input = filled;
    result.map_err(DownloadFault::Store)?;
    if let Some(converter) = converter {
        converter
            .push(input, out)
            .map_err(|_fault| DownloadFault::Conversion)?;
    }
    // What closes the body goes with its last bytes.
    let ended = upstream.body.is_done();
    if ended && let Some(converter) = converter.take() {
        converter
            .finish(out)
            .map_err(|_fault| DownloadFault::Conversion)?;
    }
    Ok(ended)
}
