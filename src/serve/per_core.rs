//! What the requests of one core share under one generation of settings.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::buffer::BufferPool;
use crate::net::buffer::Class;
use crate::net::clock;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::credentials::slot::NoCredentials;
use crate::net::deadline::DeadlineTable;
use crate::net::relay::splice::PipePool;
use crate::net::upstream::pool::Ejections;
use crate::net::upstream::pool::PoolLimits;
use crate::net::upstream::pool::UpstreamPool;
use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::exchange_record::Detail;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::sidecar::forward::Forwarded;
use crate::pipeline::sign::Payload;
use crate::pipeline::sign::SERVICE;
use crate::pipeline::sign::SignedRequest;
use crate::pipeline::sign::Signer;
use crate::pipeline::sign::UpstreamRequest;
use crate::pipeline::trace_context::TraceContext;
use crate::serve::access_log::LineBuffer;
use crate::serve::drain_bell::DrainBell;
use crate::serve::in_force::Generation;
use crate::serve::metrics::CoreMetrics;
use crate::serve::metrics::series::CoreSeries;
use crate::serve::random_bytes::NoRandomness;
use crate::serve::random_bytes::RandomBytes;
use crate::serve::region_hint::RegionHints;
use crate::serve::settings::PayloadSigning;
use crate::serve::settings::ServeSettings;
use crate::serve::span_buffer::SpanBuffer;
use crate::serve::spares::Spare;
use crate::serve::spares::Spares;
use crate::serve::upstreams::Upstreams;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::head::RequestHead;
use crate::wire::http1::head::ResponseHead;
use crate::wire::sigv4::canonical_request::Scratch;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::signing_key::SigningKeyCache;
use crate::wire::sigv4::verify::Workspace;

/// Whose keys sign a request for the store.
#[derive(Clone, Copy, Debug)]
pub enum SigningKeys<'k> {
    /// Those that lie in a slot when the request is signed.
    Slot(&'k CredentialSlot),
    /// Those of the caller, who proved to have them.
    Caller(&'k Credentials),
}

/// What a core keeps over all generations of settings. Clones are the same.
#[derive(Clone)]
pub struct Lasting {
    /// Buffers for heads and bodies.
    pub buffers: Rc<BufferPool>,
    /// Pipes for splicing.
    pub pipes: Rc<PipePool>,
    /// When connections are cut.
    pub deadlines: DeadlineTable,
    /// Set while no new request is taken.
    pub draining: Rc<Cell<bool>>,
    /// What this core counts.
    pub metrics: Arc<CoreMetrics>,
    /// Rings when a drain begins.
    pub drain_bell: DrainBell,
    /// What the pools of all generations have ejected.
    pub ejections: Ejections,
}

impl Lasting {
    /// Empty pools.
    #[must_use]
    pub fn new(deadlines: DeadlineTable, metrics: Arc<CoreMetrics>) -> Self {
        Self {
            metrics,
            buffers: Rc::new(BufferPool::new()),
            pipes: Rc::new(PipePool::new()),
            deadlines,
            draining: Rc::default(),
            drain_bell: DrainBell::default(),
            ejections: Ejections::default(),
        }
    }
}

/// One core under one generation of settings: pools, caches and the settings it shares with the others.
pub struct Core {
    /// The settings, what is served among them.
    pub settings: Arc<ServeSettings>,
    /// Buffers for heads and bodies.
    pub buffers: Rc<BufferPool>,
    /// Kept connections to the store.
    pub upstream: Rc<UpstreamPool>,
    /// How bodies are signed towards the store.
    pub payload_signing: PayloadSigning,
    /// Storage of response heads, boxed since they go from hand to hand.
    pub response_heads: Spares<Box<ResponseHead>>,
    /// Storage of what the sidecar passes on.
    pub forwarded: Spares<Box<Forwarded>>,
    /// Pipes for splicing.
    pub pipes: Rc<PipePool>,
    /// When connections are cut.
    pub deadlines: DeadlineTable,
    /// What was said about regions.
    pub region_hints: RegionHints,
    /// Set while no new request is taken.
    pub draining: Rc<Cell<bool>>,
    /// What this core counts.
    pub metrics: Arc<CoreMetrics>,
    /// What it counts by series.
    series: CoreSeries,
    access_log: Option<LineBuffer>,
    spans: Option<SpanBuffer>,
    upstreams: Upstreams,
    generation: Arc<Generation>,
    /// For the signatures of clients.
    pub verification: RefCell<Workspace>,
    keys: RefCell<SigningKeyCache>,
    scratch: RefCell<Scratch>,
    random: RefCell<RandomBytes>,
    dates: RefCell<(u64, String)>,
}

impl Core {
    /// A core under `generation`, whose own pools are empty.
    #[must_use]
    pub fn new(generation: Arc<Generation>, lasting: &Lasting) -> Self {
        let settings = Arc::clone(&generation.settings);
        let limits = PoolLimits {
            connect_ms_max: settings.timeouts.connect_ms_max,
            ..settings.upstream
        };
        let (deadlines, ejections) = (&lasting.deadlines, &lasting.ejections);
        let upstreams = Upstreams::new(limits, &settings.trust, deadlines, ejections);
        let lasting = lasting.clone();
        Self {
            payload_signing: settings.payload_signing.towards(&settings.endpoint),
            access_log: settings.access_log.clone().map(LineBuffer::new),
            spans: settings.edge.spans.clone().map(SpanBuffer::new),
            upstream: upstreams.open(&settings.endpoint),
            settings,
            buffers: lasting.buffers,
            response_heads: Spares::new(),
            forwarded: Spares::new(),
            upstreams,
            pipes: lasting.pipes,
            deadlines: lasting.deadlines,
            draining: lasting.draining,
            region_hints: RegionHints::default(),
            series: generation.series_of(lasting.metrics.number()),
            metrics: lasting.metrics,
            generation,
            verification: RefCell::default(),
            keys: RefCell::new(SigningKeyCache::new()),
            scratch: RefCell::new(Scratch::new()),
            random: RefCell::new(RandomBytes::new()),
            dates: RefCell::new((u64::MAX, String::new())),
        }
    }

    /// What has to be kept of an exchange.
    #[must_use]
    pub fn detail(&self) -> Detail {
        match self.access_log {
            Some(_) => Detail::Texts,
            None => Detail::Numbers,
        }
    }

    /// Tells of an exchange that is over.
    pub fn tell(&self, exchange: &ToldExchange<'_>) {
        self.count(exchange.context.record, exchange.ended_us);
        if let Some(log) = &self.access_log {
            log.write(exchange);
        }
        if let Some(spans) = &self.spans {
            spans.write(exchange);
        }
    }

    /// Counts an exchange that is over, at `now_us` of the monotonic clock.
    pub fn count(&self, record: &ExchangeRecord, now_us: u64) {
        self.metrics.tell(&self.series, record, now_us);
    }

    /// Hands over the lines of the access log and the spans that wait.
    pub fn flush_told(&self) {
        if let Some(log) = &self.access_log {
            log.flush();
        }
        if let Some(spans) = &self.spans {
            spans.flush();
        }
    }

    /// Publishes how the connections to upstreams stand now.
    pub fn publish_upstreams(&self, ejections: &Ejections) {
        let ejected = self.upstream.ejected_count() + self.upstreams.ejected_count();
        self.metrics.set_upstream(&self.upstream);
        self.metrics.set_ejections(ejections.count(), ejected);
    }

    /// The connections to an HTTP server of the document; `None` if it names none such.
    #[must_use]
    pub fn http_backend(&self, origin: &str) -> Option<Rc<UpstreamPool>> {
        let endpoint = self.generation.backends.of(origin)?;
        Some(self.upstreams.of(endpoint))
    }

    /// Signs a request for the store with keys of this day.
    ///
    /// # Errors
    /// The slot has no keys, or none that are still good.
    pub fn sign(
        &self,
        keys: SigningKeys<'_>,
        request: &UpstreamRequest<'_>,
        payload: &Payload,
        region: &str,
    ) -> Result<SignedRequest, NoCredentials> {
        let now = clock::now().unix;
        let sign = |credentials: &Credentials| {
            let key = self
                .keys
                .borrow_mut()
                .get(credentials, now, region, SERVICE);
            request.sign(
                payload,
                Signer {
                    key: &key,
                    credentials,
                    now,
                },
                &mut self.scratch.borrow_mut(),
                self.buffers.take(Class::Head),
            )
        };
        let signed = match keys {
            SigningKeys::Slot(slot) => slot.with(now, sign),
            SigningKeys::Caller(credentials) => Ok(sign(credentials)),
        };
        self.metrics.count_signing(payload, signed.is_ok());
        signed
    }

    /// The trace of a request and a span in it, if traces are followed; the record is told whether its spans are recorded.
    #[must_use]
    pub fn trace_context(
        &self,
        head: &RequestHead,
        record: &ExchangeRecord,
    ) -> Option<TraceContext> {
        if !self.settings.edge.trace_context {
            return None;
        }
        let random = self.random().ok()?;
        let mut trace = TraceContext::new(&head.fields, &random);
        if let Some(spans) = &self.spans {
            trace = spans.decide(trace);
            if trace.is_sampled() {
                trace = trace.with_call_span(&self.random().ok()?);
                record.record_spans(trace);
            }
        }
        record.tell_trace(&trace);
        Some(trace)
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        self.random.borrow_mut().take()
    }

    /// Appends the HTTP date of `now`, formatted once a second.
    pub fn write_date(&self, now: UnixSeconds, out: &mut Vec<u8>) {
        let mut dates = self.dates.borrow_mut();
        if dates.0 != now.0 {
            *dates = (now.0, now.http_date());
        }
        out.extend_from_slice(dates.1.as_bytes());
    }
}

impl Spare for Box<ResponseHead> {
    fn storage_bytes(&self) -> usize {
        self.fields.storage_bytes()
    }
}

impl Spare for Box<Forwarded> {
    fn storage_bytes(&self) -> usize {
        let texts = self.host.capacity() + self.path.capacity() + self.query.capacity();
        texts + self.fields.storage_bytes()
    }
}
