//! One request, top to bottom: the table of contents of the product.

use std::pin::pin;

use crate::api::model::Authorization as Required;
use crate::net::clock;
use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::authorize::BodyArrival;
use crate::pipeline::authorize::CallerPolicy;
use crate::pipeline::authorize::Callers;
use crate::pipeline::context::RequestContext;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::gateway_response::FaultResponse;
use crate::pipeline::gateway_response::GatewayFault;
use crate::pipeline::integration_request::IntegrationRequest;
use crate::pipeline::metering::Meter;
use crate::pipeline::metering::Metered;
use crate::pipeline::metering::Passage;
use crate::pipeline::metering::limiters::Moment;
use crate::pipeline::method_request::BodyNeed;
use crate::pipeline::method_request::MethodRequest;
use crate::pipeline::request_ids::RequestIds;
use crate::pipeline::route::HEALTHY;
use crate::pipeline::route::Route;
use crate::pipeline::route::route;
use crate::pipeline::route::route_unclaimed;
use crate::pipeline::s3_permission::Permission;
use crate::pipeline::s3_permission::S3Refusal;
use crate::serve::apis::Chosen;
use crate::serve::body_reader::BodyReader;
use crate::serve::client_body::Arrival;
use crate::serve::client_body::ClientBody;
use crate::serve::client_body::PayloadLimit;
use crate::serve::client_response::ClientSide;
use crate::serve::connection::Client;
use crate::serve::connection::Next;
use crate::serve::exchange_log;
use crate::serve::failure::BodyFault;
use crate::serve::failure::CallFailure;
use crate::serve::failure::StoreFault;
use crate::serve::failure::UploadFault;
use crate::serve::http_exchange;
use crate::serve::mock;
use crate::serve::per_core::Core;
use crate::serve::race::First;
use crate::serve::race::race;
use crate::serve::reply;
use crate::serve::reply::Reply;
use crate::serve::roles;
use crate::serve::send;
use crate::serve::send::Answer;
use crate::serve::settings::GatewaySettings;
use crate::serve::settings::REGION_DEFAULT;
use crate::serve::source_address::source_ip;
use crate::serve::span_notes;
use crate::serve::upload::COLLECTED_BYTES_MAX;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::FramingError;
use crate::wire::http1::framing::request_framing;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::head::Version;
use crate::wire::http1::persistence::expects_continue;
use crate::wire::http1::persistence::request_keeps_alive;

/// An unread rest of at most this length is read and thrown away to keep the connection.
const DISCARDED_BYTES_MAX: u64 = 64 * 1024;

/// Why a request gets no answer from the store.
#[derive(Debug)]
pub enum Failure {
    /// The gateway answers by itself.
    Fault(GatewayFault),
    /// Nobody is there to be answered.
    ClientGone,
}

impl From<GatewayFault> for Failure {
    fn from(fault: GatewayFault) -> Self {
        Self::Fault(fault)
    }
}

/// Answers one request whose head is complete.
pub async fn exchange(
    core: &Core,
    chosen: Chosen<'_>,
    client: &mut Client,
    head: &RequestHead,
) -> Next {
    let now = clock::now();
    let record = ExchangeRecord::new(core.detail(), clock::monotonic_us());
    let Ok(random) = core.random() else {
        return refuse(core, client, 500).await;
    };
    let ids = RequestIds::new(&random, now.unix, head.fields.last(b"x-amzn-trace-id"))
        .in_trace(core.trace_context(head, &record));
    span_notes::client(&record, client.peer);
    let trusted = &core.settings.edge.trusted_proxies;
    let source_ip = source_ip(trusted, client, &head.fields);
    let context = RequestContext {
        ids: &ids,
        time: now.unix,
        time_millis: now.millis,
        source_ip: &source_ip,
        is_secure: client.is_secure,
        record: &record,
    };
    let framing = request_framing(head);
    let reader = BodyReader::new(framing.unwrap_or(BodyFraming::None));
    let mut arrival = Arrival::new(reader, expects_continue(head));
    let doubt = framing.err();
    let watch = client.stream.watch();
    let next = {
        let served = respond(core, chosen, client, head, &context, doubt, &mut arrival);
        let mut served = pin!(served);
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
    core.tell(&ToldExchange {
        context: &context,
        head: Some(head),
        table: chosen.is_claimed.then_some(&*chosen.gateway.table),
        ended_us: clock::monotonic_us(),
    });
    match next {
        Next::Request if !arrival.reader.is_done() => discard(core, client, arrival).await,
        next => next,
    }
}

/// Makes the answer and sends it.
async fn respond(
    core: &Core,
    chosen: Chosen<'_>,
    client: &mut Client,
    head: &RequestHead,
    context: &RequestContext<'_>,
    doubt: Option<FramingError>,
    arrival: &mut Arrival,
) -> Next {
    let gateway = chosen.gateway;
    let mut keep_alive = request_keeps_alive(head);
    let answered = match doubt {
        None => answer(core, chosen, client, head, context, arrival).await,
        Some(doubt) => Err(GatewayFault::unreadable_head(doubt.status()).into()),
    };
    let reply = match answered {
        Ok(reply) => reply,
        Err(Failure::Fault(fault)) => {
            exchange_log::fault(context.ids, &fault);
            keep_alive &= !fault.ends_connection();
            let made = fault.render_customised(context, &gateway.table, head);
            if let Some((id, value)) = fault.api_key() {
                context.record.tell_api_key(id, value);
            }
            context.record.set_fault(fault);
            Reply::Made(made)
        }
        Err(Failure::ClientGone) => return Next::Cut,
    };
    exchange_log::reply(head, context.ids, &reply);
    let side = ClientSide {
        stream: &mut client.stream,
        version: head.version(),
        is_head: head.method() == b"HEAD",
        keep_alive: keep_alive && !core.draining.get() && leaves_room(arrival),
        now: context.time,
        record: context.record,
    };
    reply::deliver(core, gateway, side, context, head, reply).await
}

/// The stages, in order.
async fn answer<'c>(
    core: &'c Core,
    chosen: Chosen<'c>,
    client: &mut Client,
    head: &RequestHead,
    context: &RequestContext<'_>,
    arrival: &mut Arrival,
) -> Result<Reply<'c>, Failure> {
    let settings = &*core.settings;
    let gateway = chosen.gateway;
    let route = if chosen.is_claimed {
        route(&gateway.table, head)
    } else {
        route_unclaimed(head)
    };
    let routed = match route? {
        Route::Method(routed) => routed,
        Route::Health => return Ok(healthy()),
    };
    context
        .record
        .set_series(gateway.first_series + routed.method_index());
    let body = if arrival.reader.is_done() {
        BodyArrival::Nothing
    } else {
        BodyArrival::ToCome
    };
    let asks = !gateway.ignore_authorizers && routed.method().authorization != Required::None;
    let admission = routed.authorize(caller_policy(core, gateway), context, body);
    let now_us = clock::monotonic_us();
    note_check(context, asks, admission.as_ref().err(), now_us);
    let passage = admission?.meter(meter(gateway, now_us))?;
    let limit = PayloadLimit::new(settings.limits.payload_bytes_max);
    if arrival
        .reader
        .remaining()
        .is_some_and(|length| limit.refuses(length))
    {
        return Err(GatewayFault::request_too_large().into());
    }
    let body = ClientBody::new(
        &mut client.stream,
        &mut client.inbox,
        arrival,
        settings.limits.payload_bytes_max,
        &settings.timeouts,
    );
    match passage {
        Passage::Open(metered) => open(core, gateway, metered, body, context).await,
        Passage::AwaitsBody(unproven) => {
            let whole = send::read_whole(core, body).await.map_err(upload_failure)?;
            let authorized = unproven.prove(&whole.sha256_hex, context);
            let now_us = clock::monotonic_us();
            note_check(context, asks, authorized.as_ref().err(), now_us);
            let metered = authorized?.meter(meter(gateway, now_us))?;
            note_key(context, &metered);
            let method_request = metered.into_method_request()?;
            forward_whole(core, gateway, method_request, &whole.bytes, context).await
        }
    }
}

/// The caller may call; what the signature says of the body is checked while it arrives.
async fn open<'c>(
    core: &'c Core,
    gateway: &'c GatewaySettings,
    metered: Metered<'c, '_>,
    body: ClientBody<'_>,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let body = match metered.body_sha256() {
        Some(sha256) => body.of_hash(*sha256),
        None => body,
    };
    note_key(context, &metered);
    let method_request = match metered.into_method_request()?.into_mock() {
        Ok(mock) => return mock::answer(core, &mock, body, context).await,
        Err(other) => other,
    };
    if method_request.calls_http() {
        return http_exchange::exchange(core, method_request, body, context).await;
    }
    match method_request.request_body_need() {
        BodyNeed::Streams => {
            let request = method_request.into_integration_request(context, &gateway.store, None)?;
            match roles::permission(core, gateway, &request, context) {
                Permission::Granted => {
                    let upload = send::prepare(core, &request, body).await;
                    forward(
                        core,
                        gateway,
                        request,
                        upload.map_err(upload_failure)?,
                        context,
                    )
                    .await
                }
                Permission::NamesKeys { .. } => {
                    let whole = send::read_whole(core, body).await.map_err(upload_failure)?;
                    let bytes_max = decoded_bytes_max(core);
                    let decoded = request
                        .method_request()
                        .decoded_body(&whole.bytes, bytes_max)?;

                    permit_whole(core, gateway, request, &decoded, context).await
                }
                Permission::Refused(refusal) => refused(&request, &refusal, context),
            }
        }
        BodyNeed::Whole => {
            let whole = send::read_whole(core, body).await.map_err(upload_failure)?;
            forward_whole(core, gateway, method_request, &whole.bytes, context).await
        }
    }
}

/// A request whose body was read.
async fn forward_whole<'c>(
    core: &'c Core,
    gateway: &'c GatewaySettings,
    method_request: MethodRequest<'c, '_>,
    whole: &[u8],
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    if method_request.calls_http() {
        return http_exchange::of_whole(core, method_request, whole, context).await;
    }
    let decoded = method_request.decoded_body(whole, decoded_bytes_max(core))?;
    method_request.validate_body(&decoded)?;
    let method_request = match method_request.into_mock() {
        Ok(mock) => return Ok(mock::made(&mock, &decoded, context)?),
        Err(other) => other,
    };
    let request =
        method_request.into_integration_request(context, &gateway.store, Some(&decoded))?;
    permit_whole(core, gateway, request, &decoded, context).await
}

/// Asks the role's policy about a request whose body was read, and the keys in it.
async fn permit_whole<'c>(
    core: &'c Core,
    gateway: &'c GatewaySettings,
    request: IntegrationRequest<'c, '_>,
    whole: &[u8],
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let upload = send::prepare_from_memory(&request, whole).map_err(upload_failure)?;
    let permitted = match roles::permission(core, gateway, &request, context) {
        Permission::Granted => Ok(()),
        Permission::NamesKeys { bucket } => {
            roles::permission_of_keys(core, gateway, &request, &bucket, &upload, context)
        }
        Permission::Refused(refusal) => Err(refusal),
    };
    match permitted {
        Ok(()) => forward(core, gateway, request, upload, context).await,
        Err(refusal) => refused(&request, &refusal, context),
    }
}

/// As [`decoded_limit`].
pub(super) fn decoded_bytes_max(core: &Core) -> usize {
    decoded_limit(core.settings.limits.payload_bytes_max)
}

/// A decoded body is held against the payload limit as it came and as it is; it is never longer than what is collected.
#[must_use]
pub fn decoded_limit(payload_bytes_max: u64) -> usize {
    let bytes = if payload_bytes_max == 0 {
        COLLECTED_BYTES_MAX
    } else {
        payload_bytes_max.min(COLLECTED_BYTES_MAX)
    };
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Signed, sent, answered.
async fn forward<'c>(
    core: &'c Core,
    gateway: &'c GatewaySettings,
    request: IntegrationRequest<'c, '_>,
    upload: crate::serve::upload::Upload<'_>,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let record = context.record;
    if request.body().sends_body {
        record.set_request_conversion(request.body().content.kind());
    }
    span_notes::store_call(record, core, &request);
    record.integration_begins(clock::monotonic_us());
    let of_store = &core.settings.credentials;
    let keys = gateway.roles.signing_keys(&request, of_store);
    let answer = send::send(core, keys, &request, upload).await;
    note_answer(record, &answer);
    let answer = answer.map_err(call_failure)?;
    let head = answer.head();
    let signed_for = core
        .settings
        .region
        .as_deref()
        .unwrap_or_else(|| request.region());
    core.region_hints
        .look_at(head.status(), &head.fields, signed_for, || {
            let method = request.method_request().method();
            format!("{} {}", method.http_method, method.resource_path)
        });
    reply::from_answer(core, request.response_side(), context, answer)
        .await
        .map_err(Failure::Fault)
}

/// What the client gets of a request that its role must not make: as if S3 had refused it.
fn refused<'c>(
    request: &IntegrationRequest<'c, '_>,
    refusal: &S3Refusal,
    context: &RequestContext<'_>,
) -> Result<Reply<'c>, Failure> {
    let now_us = clock::monotonic_us();
    context.record.integration_begins(now_us);
    context.record.integration_answered(now_us, 403);
    tracing::warn!(
        request_id = context.ids.request_id(),
        role = request.credentials(),
        action = refusal.action,
        "the role's policy refuses: {}",
        refusal.message
    );
    Ok(reply::from_refusal(request, refusal, context)?)
}

/// Answers bytes that are no request, or none that is taken; the connection ends.
pub async fn refuse(core: &Core, client: &mut Client, status: u16) -> Next {
    let now = clock::now();
    let record = ExchangeRecord::new(core.detail(), clock::monotonic_us());
    let ids = RequestIds::new(&core.random().unwrap_or([0; 51]), now.unix, None);
    let source_ip = client.source_ip();
    let context = RequestContext {
        ids: &ids,
        time: now.unix,
        time_millis: now.millis,
        source_ip: &source_ip,
        is_secure: client.is_secure,
        record: &record,
    };
    let fault = GatewayFault::unreadable_head(status);
    let FaultResponse {
        status,
        fields,
        body,
    } = fault.render(&context);
    record.set_fault(fault);
    let mut side = ClientSide {
        stream: &mut client.stream,
        version: Version::Http11,
        is_head: false,
        keep_alive: false,
        now: now.unix,
        record: &record,
    };
    let sent = side.send_whole(core, status, &fields, &body).await;
    core.tell(&ToldExchange {
        context: &context,
        head: None,
        table: None,
        ended_us: clock::monotonic_us(),
    });
    match sent {
        Ok(()) => Next::Close,
        Err(_gone) => Next::Cut,
    }
}

/// Notes what came of asking who calls, if that `was_asked`: since the head was complete, which is about when it was asked.
fn note_check(
    context: &RequestContext<'_>,
    was_asked: bool,
    refused: Option<&GatewayFault>,
    now_us: u64,
) {
    if was_asked {
        let result = refused.map_or(Ok(()), Err);
        let latency_us = context.record.latency_us(now_us);
        context.record.checked(result, latency_us);
    }
}

/// Notes by which API key.
fn note_key(context: &RequestContext<'_>, metered: &Metered<'_, '_>) {
    if let Some(key) = metered.api_key() {
        let value = std::str::from_utf8(key.value).unwrap_or_default();
        context.record.tell_api_key(key.id, value);
    }
}

/// Notes the store's answer, or why there is none.
pub(super) fn note_answer(record: &ExchangeRecord, answer: &Result<Answer, CallFailure>) {
    let now_us = clock::monotonic_us();
    let head = match answer {
        Ok(answer) => {
            span_notes::answer(record, answer);
            answer.head()
        }
        Err(failure) => {
            if let Some(told) = failure.told() {
                record.integration_failed(now_us, told);
            }
            return;
        }
    };
    record.integration_answered(now_us, head.status());
    if record.keeps_texts()
        && let Some(id) = head.fields.last(b"x-amz-request-id")
    {
        record.tell("awsEndpointRequestId", &String::from_utf8_lossy(id));
    }
}

fn caller_policy<'c>(core: &'c Core, gateway: &'c GatewaySettings) -> CallerPolicy<'c> {
    if gateway.ignore_authorizers {
        CallerPolicy::IgnoreAuthorizers
    } else {
        CallerPolicy::Enforce(Callers {
            identities: &gateway.identities,
            region: core.settings.region.as_deref().unwrap_or(REGION_DEFAULT),
            workspace: &core.verification,
        })
    }
}

fn meter(gateway: &GatewaySettings, now_us: u64) -> Meter<'_> {
    Meter {
        metering: &gateway.metering,
        asks_for_keys: !gateway.ignore_authorizers,
        now: Moment {
            unix: clock::now().unix,
            monotonic_us: now_us,
        },
    }
}

/// The answer to `/ping`.
#[must_use]
pub fn healthy<'c>() -> Reply<'c> {
    let mut fields = Fields::new();
    fields.push(b"Content-Type", b"text/plain");
    Reply::Made(FaultResponse {
        status: 200,
        fields,
        body: HEALTHY.to_vec(),
    })
}

/// Whether the next request can be found behind this one's body.
pub(super) fn leaves_room(arrival: &Arrival) -> bool {
    let short = arrival
        .reader
        .remaining()
        .is_some_and(|rest| rest <= DISCARDED_BYTES_MAX);
    arrival.reader.is_done() || (short && !arrival.begun && !arrival.waits_for_continue)
}

/// Reads a short body that nobody wanted, so that the connection stands at the next request.
pub(super) async fn discard(core: &Core, client: &mut Client, mut arrival: Arrival) -> Next {
    let mut body = ClientBody::new(
        &mut client.stream,
        &mut client.inbox,
        &mut arrival,
        0,
        &core.settings.timeouts,
    );
    match body.read_away(&core.buffers).await {
        Ok(()) => Next::Request,
        Err(_fault) => Next::Cut,
    }
}

/// What a client is told whose body did not become an upload.
pub fn upload_failure(fault: UploadFault) -> Failure {
    Failure::Fault(match fault {
        UploadFault::TooLarge => GatewayFault::request_too_large(),
        UploadFault::Conversion => GatewayFault::configuration_error(),
        // No gateway body is read in that coding.
        UploadFault::Coding(_) => GatewayFault::unreadable_head(400),
        UploadFault::HashMismatch => GatewayFault::signature_mismatch(),
        UploadFault::Client(BodyFault::Io(_)) => return Failure::ClientGone,
        UploadFault::Client(BodyFault::TimedOut) => GatewayFault::unreadable_head(408),
        UploadFault::Client(BodyFault::Closed | BodyFault::Malformed) => {
            GatewayFault::unreadable_head(400)
        }
        UploadFault::Store(StoreFault::TimedOut) => GatewayFault::integration_timeout(),
        UploadFault::Store(StoreFault::Answer | StoreFault::Lost) => {
            GatewayFault::integration_failure()
        }
    })
}

/// Spec 05, "Outcome of the backend call".
pub(super) fn call_failure(failure: CallFailure) -> Failure {
    if !matches!(failure, CallFailure::Body(_)) {
        tracing::warn!(?failure, "no answer of the store");
    }
    Failure::Fault(match failure {
        CallFailure::NoCredentials(_) => GatewayFault::service_unavailable(),
        CallFailure::Busy => GatewayFault::overloaded(),
        CallFailure::Connect { timed_out: false } => GatewayFault::configuration_error(),
        CallFailure::Connect { timed_out: true } | CallFailure::TimedOut => {
            GatewayFault::integration_timeout()
        }
        CallFailure::Lost(_) | CallFailure::Malformed | CallFailure::Tls => {
            GatewayFault::integration_failure()
        }
        CallFailure::Body(fault) => return upload_failure(fault),
    })
}
