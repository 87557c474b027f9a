//! The sidecar's exchange: an S3 request in, the same one out, signed anew.

use std::pin::pin;

use crate::api::content_handling::Conversion;
use crate::net::buffer::Class;
use crate::net::clock;
use crate::pipeline::body_plan::BodyContent;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::s3_operation::S3Operation;
use crate::pipeline::s3_operation::S3Request;
use crate::pipeline::sidecar::allow_list::AllowList;
use crate::pipeline::sidecar::allow_list::Permission;
use crate::pipeline::sidecar::authenticate::authenticate;
use crate::pipeline::sidecar::body_mode::BodyMode;
use crate::pipeline::sidecar::forward;
use crate::pipeline::sidecar::forward::Forwarded;
use crate::pipeline::sidecar::forward::Received;
use crate::pipeline::sidecar::s3_fault::S3Fault;
use crate::pipeline::sign::Payload;
use crate::pipeline::sign::TrailingChecksum;
use crate::pipeline::sign::UpstreamRequest;
use crate::serve::body_reader::BodyReader;
use crate::serve::chunk_group::chunk_bytes_of;
use crate::serve::client_body::Arrival;
use crate::serve::client_body::ClientBody;
use crate::serve::client_body::ConvertedBody;
use crate::serve::client_body::PayloadLimit;
use crate::serve::client_response::ClientSide;
use crate::serve::client_response::OutgoingFraming;
use crate::serve::connection::Client;
use crate::serve::connection::Next;
use crate::serve::download;
use crate::serve::failure::CallFailure;
use crate::serve::failure::UploadFault;
use crate::serve::framed_body::FramedBody;
use crate::serve::gateway::discard;
use crate::serve::gateway::leaves_room;
use crate::serve::gateway::note_answer;
use crate::serve::late_ids::LateIds;
use crate::serve::memory_body::MemoryBody;
use crate::serve::metrics::series::sidecar_series;
use crate::serve::multipart::MultipartPut;
use crate::serve::per_core::Core;
use crate::serve::per_core::SigningKeys;
use crate::serve::race::First;
use crate::serve::race::race;
use crate::serve::reply::after;
use crate::serve::send::Answer;
use crate::serve::settings::PayloadSigning;
use crate::serve::settings::REGION_DEFAULT;
use crate::serve::settings::SidecarSettings;
use crate::serve::sidecar_fault::Failure;
use crate::serve::sidecar_fault::call_failure;
use crate::serve::sidecar_fault::upload_failure;
use crate::serve::sidecar_told::Peer;
use crate::serve::sidecar_told::note_fault;
use crate::serve::sidecar_told::tell;
use crate::serve::span_notes;
use crate::serve::upload;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::serve::upload::StreamedBody;
use crate::serve::upload::Upload;
use crate::serve::upload::Way;
use crate::serve::upload::memory_payload;
use crate::serve::upload::streamed_payload;
use crate::serve::upload::way;
use crate::serve::upstream_call::UpstreamResponse;
use crate::serve::upstream_call::call;
use crate::wire::checksum::Algorithm;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::request_framing;
use crate::wire::http1::framing::response_framing;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::head::ResponseHead;
use crate::wire::http1::head::Version;
use crate::wire::http1::persistence::expects_continue;
use crate::wire::http1::persistence::request_keeps_alive;
use crate::wire::sigv4::chunk_signature::ChunkSigner;

/// Answers one request whose head is complete.
pub async fn exchange(
    core: &Core,
    sidecar: &SidecarSettings,
    client: &mut Client,
    head: &RequestHead,
) -> Next {
    let now = clock::now();
    let ids = LateIds::new(core, now.unix);
    let record = ExchangeRecord::new(core.detail(), clock::monotonic_us());
    let peer = Peer::of(client, &record);
    record.set_series(sidecar_series(head.method()));
    let framing = request_framing(head);
    let reader = BodyReader::new(framing.unwrap_or(BodyFraming::None));
    let mut arrival = Arrival::new(reader, expects_continue(head));
    let watch = client.stream.watch();
    let next = {
        let mut served = pin!(async {
            let mut keep_alive = request_keeps_alive(head);
            let answered = match framing {
                Ok(_) => answer(core, sidecar, client, head, &mut arrival, &record).await,
                Err(doubt) => {
                    keep_alive = false;
                    Err(S3Fault::unreadable_head(doubt.status()).into())
                }
            };
            let mut side = ClientSide {
                stream: &mut client.stream,
                version: head.version(),
                is_head: head.method() == b"HEAD",
                keep_alive: keep_alive && !core.draining.get() && leaves_room(&arrival),
                now: now.unix,
                record: &record,
            };
            match answered {
                Ok(Answer::Store(upstream)) => relay(core, &mut side, upstream, &ids).await,
                Ok(Answer::Stored(mut stored)) => {
                    forward::keep_response_fields(&mut stored.fields);
                    say(core, &mut side, stored.status(), &stored.fields, b"").await
                }
                Err(Failure::Fault(fault)) => {
                    note_fault(&record, &fault);
                    side.keep_alive &= !fault.ends_connection();
                    say_fault(core, &mut side, &fault, &ids).await
                }
                Err(Failure::ClientGone) => Next::Cut,
            }
        });
        let mut abandoned = pin!(watch.abandoned());
        match race(served.as_mut(), abandoned.as_mut()).await {
            First::A(next) => next,
            First::B(()) => {
                record.set_cut();
                Next::Cut
            }
        }
    };
    arrival.tell(&record);
    tell(core, now, &ids, &peer, &record, Some(head));
    match next {
        Next::Request if !arrival.reader.is_done() => discard(core, client, arrival).await,
        next => next,
    }
}

/// Answers bytes that are no request, or none that is taken; the connection ends.
pub async fn refuse(core: &Core, client: &mut Client, status: u16) -> Next {
    let now = clock::now();
    let ids = LateIds::new(core, now.unix);
    let record = ExchangeRecord::new(core.detail(), clock::monotonic_us());
    let peer = Peer::of(client, &record);
    let fault = S3Fault::unreadable_head(status);
    let mut side = ClientSide {
        stream: &mut client.stream,
        version: Version::Http11,
        is_head: false,
        keep_alive: false,
        now: now.unix,
        record: &record,
    };
    note_fault(&record, &fault);
    let next = say_fault(core, &mut side, &fault, &ids).await;
    tell(core, now, &ids, &peer, &record, None);
    next
}

/// What the checks of a head leave to its body.
struct Admitted<'s> {
    /// What the chunks of the body must be signed by.
    chunks: Option<ChunkSigner>,
    /// A bucket whose objects are deleted that the body names, and what decides about them.
    deletes: Option<(String, &'s AllowList)>,
}

async fn answer(
    core: &Core,
    sidecar: &SidecarSettings,
    client: &mut Client,
    head: &RequestHead,
    arrival: &mut Arrival,
    record: &ExchangeRecord,
) -> Result<Answer, Failure> {
    let mut forwarded = core.forwarded.take();
    let answered = match make_ready(
        core,
        sidecar,
        client,
        head,
        arrival,
        (&mut forwarded, record),
    )
    .await
    {
        Ok((upload, payload)) => {
            span_notes::forwarded_call(record, core, head, &forwarded);
            record.integration_begins(clock::monotonic_us());
            let answer = send(core, head, &forwarded, upload, payload).await;
            note_answer(record, &answer);
            answer.map_err(call_failure)
        }
        Err(failure) => Err(failure),
    };
    core.forwarded.give(forwarded);
    answered
}

/// Checks the head, fills `forwarded`, and makes the body ready.
async fn make_ready<'c>(
    core: &Core,
    sidecar: &SidecarSettings,
    client: &'c mut Client,
    head: &RequestHead,
    arrival: &'c mut Arrival,
    (forwarded, record): (&mut Forwarded, &ExchangeRecord),
) -> Result<(Upload<'c>, Payload), Failure> {
    let settings = &core.settings;
    let trace = core.trace_context(head, record);
    span_notes::client(record, client.peer);
    let received = Received::of(head, &sidecar.domains)?;
    let authority = settings.endpoint.authority();
    forwarded.read(&received, head, authority, sidecar.addressing)?;
    if let Some(trace) = trace {
        trace.write(&head.fields, &mut forwarded.fields);
    }
    let admitted = admit(core, sidecar, head, &received, forwarded, record)?;
    let mode = BodyMode::read(&head.fields)?;
    let limit = PayloadLimit::new(settings.limits.payload_bytes_max);
    let announced = match mode {
        BodyMode::Framed { decoded, .. } => Some(decoded),
        BodyMode::Plain | BodyMode::Hashed(_) => arrival.reader.remaining(),
    };
    if announced.is_some_and(|length| limit.refuses(length)) {
        return Err(upload_failure(UploadFault::TooLarge));
    }
    let has_body = !arrival.reader.is_done() || arrival.waits_for_continue;
    let body = ClientBody::new(
        &mut client.stream,
        &mut client.inbox,
        arrival,
        settings.limits.payload_bytes_max,
        &settings.timeouts,
    );
    let (upload, payload) = if has_body {
        let kind = BodyKind {
            mode,
            takes_chunks: admitted.deletes.is_none()
                && forward::takes_chunks(head.method(), &received, forwarded),
            may_be_parted: forward::is_put_object(head.method(), &received, forwarded),
        };
        prepare(core, body, kind, admitted.chunks, &mut forwarded.fields)
            .await
            .map_err(upload_failure)?
    } else {
        (Upload::Empty, no_body(head))
    };
    if let Some((bucket, list)) = admitted.deletes {
        let document = match &upload {
            Upload::Memory(body) => body.to_contiguous(),
            Upload::Empty | Upload::Stream(_) | Upload::Parts(_) | Upload::Chunked(_) => Vec::new(),
        };
        list.check_delete(&bucket, &document)?;
    }
    Ok((upload, payload))
}

/// Signature and lists.
fn admit<'s>(
    core: &Core,
    sidecar: &'s SidecarSettings,
    head: &RequestHead,
    received: &Received<'_>,
    forwarded: &Forwarded,
    record: &ExchangeRecord,
) -> Result<Admitted<'s>, S3Fault> {
    let mut admitted = Admitted {
        chunks: None,
        deletes: None,
    };
    if sidecar.identities.is_empty() {
        return Ok(admitted);
    }
    let region = core.settings.region.as_deref().unwrap_or(REGION_DEFAULT);
    let now = clock::now().unix;
    let (identities, workspace) = (&sidecar.identities, &mut core.verification.borrow_mut());
    let caller = authenticate(head, received, identities, region, now, workspace)?;
    record.tell_caller(caller.identity);
    admitted.chunks = Some(caller.chunks);
    let id = &caller.identity.credentials.access_key_id;
    if let Some(list) = sidecar.allow_lists.get(id) {
        let operation = S3Operation::of(&S3Request {
            method: head.method(),
            host_bucket: received.host_bucket,
            path: received.path,
            query: &forwarded.query,
            fields: &head.fields,
        });
        if let Permission::AwaitsKeys { bucket } = list.check(&operation)? {
            admitted.deletes = Some((bucket, list));
        }
    }
    Ok(admitted)
}

/// A request that ends with its head.
fn no_body(head: &RequestHead) -> Payload {
    match head.method() {
        b"PUT" | b"POST" => Payload::EMPTY,
        _ => Payload::None,
    }
}

/// How a body comes and how it may go.
#[derive(Clone, Copy)]
struct BodyKind {
    mode: BodyMode,
    takes_chunks: bool,
    may_be_parted: bool,
}

/// Makes a body ready; `fields` gets the checksum that is known before it is sent.
async fn prepare<'c>(
    core: &Core,
    body: ClientBody<'c>,
    kind: BodyKind,
    chunks: Option<ChunkSigner>,
    fields: &mut Fields,
) -> Result<(Upload<'c>, Payload), UploadFault> {
    let signing = core.payload_signing;
    let whole = |body| ConvertedBody::new(body, BodyContent::Converted(Conversion::Identity));
    let (source, algorithm) = match kind.mode {
        BodyMode::Plain => (whole(body), None),
        BodyMode::Hashed(hash) => match body.remaining() {
            // The store checks this hash: nothing is gained by computing it here as well.
            Some(bytes) if bytes > 0 && kind.takes_chunks => {
                let payload = Payload::Hashed {
                    len: bytes,
                    sha256_hex: hash,
                };
                let streamed = StreamedBody {
                    source: whole(body),
                    bytes,
                    trailer: None,
                };
                return Ok((Upload::Stream(Box::new(streamed)), payload));
            }
            _ => (whole(body.of_hash(hash)), None),
        },
        BodyMode::Framed {
            chunks: form,
            decoded,
            trailer,
        } => {
            let framed = FramedBody::new(form, decoded, trailer, chunks);
            (whole(body.framed(framed)), trailer)
        }
    };
    // The checksum of a body that is not streamed goes into the head.
    let is_short = matches!(way(source.length(), signing, false), Way::Memory);
    let mut upload = if kind.takes_chunks && !(is_short && algorithm.is_some()) {
        upload::prepare(source, signing, kind.may_be_parted, &core.buffers).await?
    } else {
        Upload::Memory(collect(core, source, algorithm, fields).await?)
    };
    let payload = match (&mut upload, algorithm) {
        (Upload::Empty | Upload::Parts(_) | Upload::Chunked(_), _) => Payload::EMPTY,
        (Upload::Memory(body), _) => memory_payload(body, signing),
        (Upload::Stream(streamed), None) => streamed_payload(streamed.bytes, signing),
        (Upload::Stream(streamed), Some(algorithm)) => {
            streamed.trailer = Some(algorithm);
            let bytes = streamed.bytes;
            let signed = matches!(signing, PayloadSigning::Auto | PayloadSigning::Streaming);
            TrailingChecksum::new(bytes, chunk_bytes_of(bytes), algorithm, signed)
                .map(Payload::Trailing)
                .ok_or(UploadFault::TooLarge)?
        }
    };
    Ok((upload, payload))
}

/// A body that S3 wants with its hash.
async fn collect(
    core: &Core,
    mut source: ConvertedBody<'_>,
    algorithm: Option<Algorithm>,
    fields: &mut Fields,
) -> Result<MemoryBody, UploadFault> {
    let whole = MemoryBody::collect(&mut source, COLLECTED_BYTES_MAX, &core.buffers).await?;
    match source.at_end().await {
        Ok(true) => {}
        Ok(false) => {
            whole.release(&core.buffers);
            return Err(UploadFault::TooLarge);
        }
        Err(fault) => {
            whole.release(&core.buffers);
            return Err(fault);
        }
    }
    if let (Some(algorithm), Some(value)) = (algorithm, source.trailing_checksum()) {
        fields.push(algorithm.field(), value);
    }
    Ok(whole)
}

async fn send(
    core: &Core,
    head: &RequestHead,
    forwarded: &Forwarded,
    mut upload: Upload<'_>,
    payload: Payload,
) -> Result<Answer, CallFailure> {
    let settings = &core.settings;
    let region = settings.region.as_deref().unwrap_or(REGION_DEFAULT);
    let answer_ms_max = settings.timeouts.integration_ms_max;
    let request = UpstreamRequest {
        method: head.method(),
        host: &forwarded.host,
        path: &forwarded.path,
        spelt: forwarded.spelt.as_deref(),
        query: &forwarded.query,
        fields: &forwarded.fields,
    };
    if let Upload::Parts(body) = upload {
        let put = MultipartPut {
            core,
            request,
            keys: SigningKeys::Slot(&settings.credentials),
            region,
            answer_ms_max,
        };
        return put.run(*body).await.map(Answer::from);
    }
    let signed = core
        .sign(
            SigningKeys::Slot(&settings.credentials),
            &request,
            &payload,
            region,
        )
        .map_err(CallFailure::NoCredentials)?;
    let answer = call(
        core,
        &core.upstream,
        signed,
        request.method,
        &mut upload,
        answer_ms_max,
    )
    .await;
    if let Upload::Memory(body) = upload {
        body.release(&core.buffers);
    }
    let answer = answer?;
    let told = &answer.head;
    core.region_hints
        .look_at(told.status(), &told.fields, region, || "sidecar".to_owned());
    Ok(Answer::Store(answer))
}

/// The store's response as it is.
async fn relay(
    core: &Core,
    client: &mut ClientSide<'_>,
    mut upstream: UpstreamResponse,
    ids: &LateIds<'_>,
) -> Next {
    client.keep_alive &= !upstream.is_early();
    let status = upstream.head.status();
    let has_no_body = client.is_head || matches!(status, 204 | 304);
    // Of the fields as they came: a HEAD tells the length that is taken from them.
    let framing = has_no_body.then(|| head_framing(client, &upstream.head));
    forward::keep_response_fields(&mut upstream.head.fields);
    if let Some(framing) = framing {
        let mut message = core.buffers.take(Class::Head);
        client.write_head(core, status, &upstream.head.fields, framing, &mut message);
        let all = 0..message.len();
        let sent = client.send(core, &mut message, all).await;
        core.buffers.give(message);
        if sent.is_err() {
            return Next::Cut;
        }
        upstream.finish(core);
        return after(client);
    }
    match download::relay_untouched(core, client, &mut upstream).await {
        Ok(()) => {
            upstream.finish(core);
            after(client)
        }
        Err(download::DownloadFault::Store(fault)) => {
            let now_us = clock::monotonic_us();
            client.record.integration_failed(now_us, fault.told());
            let fault = S3Fault::new(
                500,
                "InternalError",
                "The store's response broke off. Please try again.",
            );
            say_fault(core, client, &fault, ids).await
        }
        Err(_sent_in_part) => {
            client.record.set_cut();
            client.spoil_end();
            Next::Cut
        }
    }
}

/// The length that a HEAD tells of the object.
fn head_framing(client: &ClientSide<'_>, head: &ResponseHead) -> OutgoingFraming {
    match response_framing(b"GET", head) {
        Ok(BodyFraming::Length(length)) if client.is_head => OutgoingFraming::Length(length),
        _ => OutgoingFraming::None,
    }
}

/// An error in S3's form.
async fn say_fault(
    core: &Core,
    client: &mut ClientSide<'_>,
    fault: &S3Fault,
    ids: &LateIds<'_>,
) -> Next {
    let request_id = ids.made().request_id();
    tracing::debug!(request_id, code = fault.code, "fault");
    let (fields, body) = fault.render(request_id);
    say(core, client, fault.status, &fields, &body).await
}

async fn say(
    core: &Core,
    client: &mut ClientSide<'_>,
    status: u16,
    fields: &Fields,
    body: &[u8],
) -> Next {
    match client.send_whole(core, status, fields, body).await {
        Ok(()) => after(client),
        Err(_gone) => Next::Cut,
    }
}
