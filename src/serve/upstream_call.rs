//! One request to an upstream: connection, sending, the answer's head, and the one retry.

use std::pin::pin;
use std::rc::Rc;

use crate::net::buffer::Class;
use crate::net::deadline::Cut;
use crate::net::stream::ReadHalf;
use crate::net::stream::Stream;
use crate::net::stream::WriteHalf;
use crate::net::upstream::pool::LeaseError;
use crate::net::upstream::pool::Leased;
use crate::net::upstream::pool::UpstreamPool;
use crate::pipeline::http_request::HttpHead;
use crate::pipeline::sign::SignedRequest;
use crate::serve::body_reader::BodyReader;
use crate::serve::direct_upload;
use crate::serve::direct_upload::Halt;
use crate::serve::failure::CallFailure;
use crate::serve::failure::Loss;
use crate::serve::failure::UploadFault;
use crate::serve::inbox::Inbox;
use crate::serve::inbox::Receive;
use crate::serve::per_core::Core;
use crate::serve::race::First;
use crate::serve::race::race;
use crate::serve::upload::PumpFault;
use crate::serve::upload::Upload;
use crate::serve::upload::send;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::response_framing;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::ResponseHead;
use crate::wire::http1::persistence::response_keeps_alive;
use crate::wire::sigv4::chunk_signature::ChunkSigner;

/// A body of at most this length goes into one send with its head.
const JOINED_BYTES_MAX: u64 = 64 * 1024;
/// RFC 9110 §9.2.2.
const IDEMPOTENT_METHODS: [&[u8]; 6] = [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"];
/// How long a store that closed its side may take to say why.
const EARLY_ANSWER_MS_MAX: u64 = 1_000;
/// Interim responses that are skipped before the exchange is given up.
const INTERIM_RESPONSES_MAX: usize = 8;
/// Nobody asked for another protocol, and what follows this head is no HTTP/1.1 (RFC 9110 §15.2.2).
const SWITCHING_PROTOCOLS: u16 = 101;
/// A response head of a store: S3's own limit for user metadata is 8 KiB.
const RESPONSE_HEAD: HeadLimits = HeadLimits {
    target_bytes_max: 1024,
    fields_bytes_max: 32 * 1024,
    fields_max: 128,
};

/// A response whose head has arrived.
#[derive(Debug)]
pub struct UpstreamResponse {
    /// The head.
    pub head: Box<ResponseHead>,
    /// The body that follows it.
    pub body: BodyReader,
    /// The connection it comes on.
    pub connection: Leased,
    /// What came with the head.
    pub inbox: Inbox,
    /// The store lets the connection stay open, as its head said when it came.
    keeps_alive: bool,
    /// The request was sent whole, so that another may follow it.
    request_complete: bool,
}

impl UpstreamResponse {
    /// Whether the store answered before it had read the whole request.
    #[must_use]
    pub const fn is_early(&self) -> bool {
        !self.request_complete
    }

    /// Appends at most `max` bytes of the body to `out`; 0 only at its end.
    pub async fn read(
        &mut self,
        out: Vec<u8>,
        max: usize,
        idle_ms: u64,
    ) -> (Result<usize, crate::serve::failure::BodyFault>, Vec<u8>) {
        let stream = &mut *self.connection.stream;
        stream.arm(idle_ms, Cut::Both);
        let result = self.body.read(stream, &mut self.inbox, out, max).await;
        stream.disarm();
        result
    }

    /// Gives the connection back to its pool if both messages ended cleanly (invariant 7), closes it otherwise.
    pub fn finish(self, core: &Core) {
        let clean = self.request_complete
            && self.body.is_done()
            && self.inbox.is_empty()
            && self.keeps_alive
            && !self.connection.stream.timed_out();
        core.buffers.give(self.inbox.into_buffer());
        core.response_heads.give(self.head);
        if clean {
            self.connection.give_back();
        }
    }
}

/// Sends `request` with `body` on a connection of `pool` and waits for the head of the answer.
///
/// `answer_ms_max` counts from the moment the request was sent whole; sending itself is under the idle limit.
///
/// # Errors
/// What happened, and on whose side.
pub async fn call(
    core: &Core,
    pool: &Rc<UpstreamPool>,
    request: impl Into<Outgoing>,
    method: &[u8],
    body: &mut Upload<'_>,
    answer_ms_max: u64,
) -> Result<UpstreamResponse, CallFailure> {
    let mut message: Outgoing = request.into();
    let has_body = !matches!(body, Upload::Empty)
        && !matches!(body, Upload::Memory(memory) if memory.is_empty());
    let can_repeat = !matches!(
        body,
        Upload::Stream(_) | Upload::Parts(_) | Upload::Chunked(_)
    ) && IDEMPOTENT_METHODS.contains(&method);
    let leased = pool.lease().await;
    let leased = leased.map_err(|error| no_lease(core, pool, &error))?;
    let address = leased.address();
    let outcome = match attempt(core, leased, &mut message, method, body, answer_ms_max).await {
        Err(CallFailure::Lost(loss))
            if can_repeat
                && loss.allows_retry(has_body, pool.has_several_addresses())
                && core.metrics.count_retry(pool.take_retry()) =>
        {
            let anew = pool.lease_anew(address).await;
            let leased = anew.map_err(|error| no_lease(core, pool, &error))?;
            attempt(core, leased, &mut message, method, body, answer_ms_max).await
        }
        outcome => outcome,
    };
    core.buffers.give(message.head);
    outcome
}

fn no_lease(core: &Core, pool: &UpstreamPool, error: &LeaseError) -> CallFailure {
    tracing::warn!(upstream = %pool.endpoint(), %error, "no connection");
    match error {
        LeaseError::Busy(shortage) => {
            core.metrics.count_shortage(*shortage);
            CallFailure::Busy
        }
        LeaseError::NoAddress | LeaseError::Refused(..) => {
            CallFailure::Connect { timed_out: false }
        }
        LeaseError::TimedOut(_) => CallFailure::Connect { timed_out: true },
        LeaseError::Tls(..) => CallFailure::Tls,
    }
}

async fn attempt(
    core: &Core,
    mut leased: Leased,
    message: &mut Outgoing,
    method: &[u8],
    body: &mut Upload<'_>,
    answer_ms_max: u64,
) -> Result<UpstreamResponse, CallFailure> {
    let reused = leased.reused;
    let mut exchange = Sending {
        inbox: Inbox::new(core.buffers.take(Class::Head)),
        head: core.response_heads.take(),
        head_begun: false,
        reused,
        answer_ms_max,
        idle_ms: core.settings.timeouts.idle_ms_max,
    };
    let outcome = match body {
        Upload::Empty => {
            exchange
                .at_once(&mut leased.stream, &mut message.head)
                .await
        }
        Upload::Memory(memory) if memory.len() <= JOINED_BYTES_MAX => {
            let head_bytes = message.head.len();
            memory.append_to(&mut message.head);
            let outcome = exchange
                .at_once(&mut leased.stream, &mut message.head)
                .await;
            message.head.truncate(head_bytes);
            outcome
        }
        Upload::Stream(streamed)
            if direct_upload::is_possible(streamed, message.signer.is_some(), &leased.stream) =>
        {
            exchange
                .directly(core, &mut leased.stream, message, body)
                .await
        }
        Upload::Memory(_) | Upload::Stream(_) | Upload::Parts(_) | Upload::Chunked(_) => {
            exchange
                .side_by_side(core, &mut leased.stream, message, body)
                .await
        }
    };
    let request_complete = match outcome {
        Ok(complete) => complete,
        Err(failure) => {
            if failure.is_of_the_address() {
                leased.note_failure();
            }
            return Err(failure);
        }
    };
    leased.note_answer();
    let framing =
        response_framing(method, &exchange.head).map_err(|_doubtful| CallFailure::Malformed)?;
    if matches!(framing, BodyFraming::None) && !exchange.inbox.is_empty() {
        return Err(CallFailure::Malformed);
    }
    Ok(UpstreamResponse {
        keeps_alive: response_keeps_alive(&exchange.head),
        head: exchange.head,
        body: BodyReader::new(framing),
        connection: leased,
        inbox: exchange.inbox,
        request_complete,
    })
}

/// A head that may be sent, and what signs the chunks behind it: a [`SignedRequest`], or a head for an HTTP server.
pub struct Outgoing {
    head: Vec<u8>,
    signer: Option<ChunkSigner>,
}

impl From<SignedRequest> for Outgoing {
    fn from(request: SignedRequest) -> Self {
        let (head, signer) = request.into_parts();
        Self { head, signer }
    }
}

impl From<HttpHead> for Outgoing {
    fn from(head: HttpHead) -> Self {
        Self {
            head: head.into_bytes(),
            signer: None,
        }
    }
}

/// One try on one connection.
struct Sending {
    inbox: Inbox,
    head: Box<ResponseHead>,
    /// A head was read, if only an interim one.
    head_begun: bool,
    reused: bool,
    answer_ms_max: u64,
    idle_ms: u64,
}

impl Sending {
    /// Sends `message`, which keeps its bytes, and then waits for the answer. Tells that the request was sent whole.
    async fn at_once(
        &mut self,
        stream: &mut Stream,
        message: &mut Vec<u8>,
    ) -> Result<bool, CallFailure> {
        let all = 0..message.len();
        stream.arm(self.idle_ms, Cut::Both);
        let (sent, whole) = stream.send_all(std::mem::take(message), all).await;
        *message = whole;
        stream.disarm();
        if sent.is_err() {
            return Err(self.lost(false));
        }
        stream.arm(self.answer_ms_max, Cut::Both);
        self.read_head(stream, true).await?;
        stream.disarm();
        Ok(true)
    }

    /// Sends a body straight from the client's socket. Tells whether the request was sent whole.
    async fn directly(
        &mut self,
        core: &Core,
        stream: &mut Stream,
        message: &mut Outgoing,
        body: &mut Upload<'_>,
    ) -> Result<bool, CallFailure> {
        let Upload::Stream(streamed) = body else {
            return self.side_by_side(core, stream, message, body).await;
        };
        let head = std::mem::take(&mut message.head);
        let signer = message.signer.take();
        let sent = direct_upload::send(core, stream, head, signer, streamed, self.idle_ms).await;
        let (complete, answer_ms_max) = match sent {
            Ok(()) => (true, self.answer_ms_max),
            Err(Halt::Answered) => (false, self.answer_ms_max),
            // The store closed its receiving side: it may have said why before it did.
            Err(Halt::Fault(PumpFault::Store(_))) => (false, EARLY_ANSWER_MS_MAX),
            Err(Halt::Fault(PumpFault::Client(fault))) => return Err(CallFailure::Body(fault)),
            Err(Halt::NoPipe) => return self.side_by_side(core, stream, message, body).await,
        };
        stream.arm(answer_ms_max, Cut::Both);
        self.read_head(stream, complete).await?;
        stream.disarm();
        Ok(complete)
    }

    /// Sends while it listens, since a store may answer before it has read the body. Tells whether the request was sent
    /// whole.
    async fn side_by_side(
        &mut self,
        core: &Core,
        stream: &mut Stream,
        message: &mut Outgoing,
        body: &mut Upload<'_>,
    ) -> Result<bool, CallFailure> {
        let halves = stream.halves().map_err(|_gone| self.lost(false))?;
        let complete = self.both_halves(core, halves, message, body).await?;
        stream.disarm();
        Ok(complete)
    }

    async fn both_halves(
        &mut self,
        core: &Core,
        (mut from, mut to): (ReadHalf<'_>, WriteHalf<'_>),
        message: &mut Outgoing,
        body: &mut Upload<'_>,
    ) -> Result<bool, CallFailure> {
        let (answer_ms_max, idle_ms) = (self.answer_ms_max, self.idle_ms);
        let deadline = to.deadline();
        let in_memory = matches!(body, Upload::Memory(_));
        let mut pump = pin!(send_all(core, message, body, &mut to, idle_ms));
        let mut answer = pin!(self.read_head(&mut from, true));
        match race(pump.as_mut(), answer.as_mut()).await {
            First::A(Ok(())) => {
                deadline.arm(answer_ms_max, Cut::Both);
                answer.await.map(|()| true)
            }
            First::A(Err(PumpFault::Client(fault))) => Err(CallFailure::Body(fault)),
            First::A(Err(PumpFault::Store(_))) => {
                // The store closed its receiving side: it may have said why before it did.
                deadline.arm(EARLY_ANSWER_MS_MAX, Cut::Both);
                answer.await.map(|()| false).map_err(not_sent)
            }
            First::B(Ok(())) => Ok(false),
            First::B(Err(failure)) if in_memory => {
                // A block that is being sent comes back only when its send ends, and a retry needs all of them.
                deadline.cut(Cut::Both);
                Err(if pump.await.is_ok() {
                    failure
                } else {
                    not_sent(failure)
                })
            }
            First::B(Err(failure)) => Err(not_sent(failure)),
        }
    }

    /// Receives until the head of the final response is complete.
    async fn read_head(
        &mut self,
        source: &mut impl Receive,
        request_sent: bool,
    ) -> Result<(), CallFailure> {
        for _ in 0..=INTERIM_RESPONSES_MAX {
            self.read_one_head(source, request_sent).await?;
            match self.head.status() {
                SWITCHING_PROTOCOLS => return Err(CallFailure::Malformed),
                // One that speaks of a body might have one, which could be read as the answer.
                100..=199 if response_framing(b"", &self.head).is_err() => {
                    return Err(CallFailure::Malformed);
                }
                100..=199 => {}
                _ => return Ok(()),
            }
        }
        Err(CallFailure::Malformed)
    }

    async fn read_one_head(
        &mut self,
        source: &mut impl Receive,
        request_sent: bool,
    ) -> Result<(), CallFailure> {
        loop {
            match self.head.read(self.inbox.unread(), &RESPONSE_HEAD) {
                Ok(Some(used)) => {
                    self.inbox.consume(used);
                    self.head_begun = true;
                    return Ok(());
                }
                Ok(None) => {}
                Err(_malformed) => return Err(CallFailure::Malformed),
            }
            match self.inbox.fill(source).await {
                Ok(0) if source.timed_out() => return Err(CallFailure::TimedOut),
                Ok(0) => return Err(self.lost(request_sent)),
                Ok(_) => {}
                Err(_) if source.timed_out() => return Err(CallFailure::TimedOut),
                Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                    return Err(CallFailure::Malformed);
                }
                Err(_) => return Err(self.lost(request_sent)),
            }
        }
    }

    fn lost(&self, request_sent: bool) -> CallFailure {
        CallFailure::Lost(Loss {
            reused: self.reused,
            response_begun: !self.inbox.is_empty() || self.head_begun,
            request_sent,
        })
    }
}

/// The failure of a request that was not sent whole.
const fn not_sent(failure: CallFailure) -> CallFailure {
    match failure {
        CallFailure::Lost(loss) => CallFailure::Lost(Loss {
            request_sent: false,
            ..loss
        }),
        other => other,
    }
}

async fn send_all(
    core: &Core,
    message: &mut Outgoing,
    body: &mut Upload<'_>,
    to: &mut WriteHalf<'_>,
    idle_ms: u64,
) -> Result<(), PumpFault> {
    let all = 0..message.head.len();
    send(to, &mut message.head, all, idle_ms).await?;
    match body {
        Upload::Empty => Ok(()),
        Upload::Memory(memory) => {
            for block in memory.blocks_mut() {
                let all = 0..block.len();
                send(to, block, all, idle_ms).await?;
            }
            Ok(())
        }
        Upload::Stream(streamed) => {
            streamed
                .pump(message.signer.take(), to, idle_ms, &core.buffers)
                .await
        }
        Upload::Chunked(body) => body.pump_chunked(to, idle_ms, &core.buffers).await,
        Upload::Parts(_) => Err(PumpFault::Client(UploadFault::TooLarge)),
    }
}
