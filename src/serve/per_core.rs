//! What one core keeps between requests.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::api::model::IntegrationKind;
use crate::api::table::Table;
use crate::net::buffer::BufferPool;
use crate::net::clock;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::credentials::slot::NoCredentials;
use crate::net::deadline::DeadlineTable;
use crate::net::splice::PipePool;
use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::pool::PoolLimits;
use crate::net::upstream::pool::UpstreamPool;
use crate::pipeline::access_log::ToldExchange;
use crate::pipeline::exchange_record::Detail;
use crate::pipeline::sign::Payload;
use crate::pipeline::sign::SERVICE;
use crate::pipeline::sign::SignedRequest;
use crate::pipeline::sign::Signer;
use crate::pipeline::sign::UpstreamRequest;
use crate::serve::access_log::LineBuffer;
use crate::serve::random_bytes::NoRandomness;
use crate::serve::random_bytes::RandomBytes;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::PayloadSigning;
use crate::serve::settings::ServeSettings;
use crate::serve::settings::Service;
use crate::serve::upstreams::Upstreams;
use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::canonical_request::Scratch;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::signing_key::SigningKeyCache;

/// Whose keys sign a request for the store.
#[derive(Clone, Copy, Debug)]
pub enum SigningKeys<'k> {
    /// Those that lie in a slot when the request is signed.
    Slot(&'k CredentialSlot),
    /// Those of the caller, who proved to have them.
    Caller(&'k Credentials),
}

/// The state of one worker: pools, caches and the settings it shares with the others.
pub struct Core {
    /// The settings, what is served among them.
    pub settings: Arc<ServeSettings>,
    /// Buffers for heads and bodies.
    pub buffers: BufferPool,
    /// Kept connections to the store.
    pub upstream: Rc<UpstreamPool>,
    /// How bodies are signed towards the store.
    pub payload_signing: PayloadSigning,
    /// Pipes for splicing.
    pub pipes: PipePool,
    /// When connections are cut.
    pub deadlines: DeadlineTable,
    /// Set while no new request is taken.
    pub draining: Cell<bool>,
    /// Connections open on this core.
    connections: Rc<Cell<usize>>,
    access_log: Option<LineBuffer>,
    upstreams: Upstreams,
    /// The document's HTTP servers by origin; looked up before the first connection.
    http_backends: Vec<(String, Endpoint)>,
    lifecycle: Arc<Lifecycle>,
    keys: RefCell<SigningKeyCache>,
    scratch: RefCell<Scratch>,
    random: RefCell<RandomBytes>,
    dates: RefCell<(u64, String)>,
}

impl Core {
    /// A core with empty pools.
    #[must_use]
    pub fn new(
        settings: Arc<ServeSettings>,
        lifecycle: Arc<Lifecycle>,
        deadlines: DeadlineTable,
    ) -> Self {
        let limits = PoolLimits {
            connect_ms_max: settings.timeouts.connect_ms_max,
            ..PoolLimits::default()
        };
        let upstreams = Upstreams::new(limits, &settings.trust, &deadlines);
        let upstream = upstreams.open(&settings.endpoint);
        let access_log = settings.access_log.clone().map(LineBuffer::new);
        let http_backends = match &settings.service {
            Service::Gateway(gateway) => http_backends(&gateway.table),
            Service::Sidecar(_) => Vec::new(),
        };
        Self {
            payload_signing: settings.payload_signing.towards(&settings.endpoint),
            settings,
            access_log,
            http_backends,
            buffers: BufferPool::new(),
            upstream,
            upstreams,
            pipes: PipePool::new(),
            deadlines,
            draining: Cell::new(false),
            connections: Rc::new(Cell::new(0)),
            lifecycle,
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
        if let Some(log) = &self.access_log {
            log.write(exchange);
        }
    }

    /// Hands over the lines of the access log that wait.
    pub fn flush_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.flush();
        }
    }

    /// The connections to `endpoint`, which is an upstream beside the store: the backend of an HTTP integration.
    #[must_use]
    pub fn upstream_for(&self, endpoint: &Endpoint) -> Rc<UpstreamPool> {
        self.upstreams.of(endpoint)
    }

    /// The connections to an HTTP server of the document; `None` if it had no address.
    #[must_use]
    pub fn http_backend(&self, origin: &str) -> Option<Rc<UpstreamPool>> {
        let mut known = self.http_backends.iter();
        let (_, endpoint) = known.find(|(known, _)| known == origin)?;
        Some(self.upstream_for(endpoint))
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
            )
        };
        match keys {
            SigningKeys::Slot(slot) => slot.with(now, sign),
            SigningKeys::Caller(credentials) => Ok(sign(credentials)),
        }
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

    /// Counts a connection for as long as the guard lives.
    #[must_use]
    pub fn count_connection(&self) -> ConnectionGuard {
        self.lifecycle.connections.fetch_add(1, Ordering::Relaxed);
        self.connections.set(self.connections.get() + 1);
        ConnectionGuard {
            here: Rc::clone(&self.connections),
            lifecycle: Arc::clone(&self.lifecycle),
        }
    }

    /// Connections open on this core.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// The stop level that the program asks for.
    #[must_use]
    pub fn stop_level(&self) -> u64 {
        self.lifecycle.stop.load(Ordering::Relaxed)
    }
}

/// The servers of all `http` and `http_proxy` integrations, their names looked up, which may block. One without an address
/// is told and left out: its methods answer 500 (spec 05, "DNS failure").
fn http_backends(table: &Table) -> Vec<(String, Endpoint)> {
    let mut backends: Vec<(String, Endpoint)> = Vec::new();
    let integrations = table.methods.iter().filter_map(|m| m.integration.as_ref());
    for integration in integrations {
        let (IntegrationKind::Http(uri) | IntegrationKind::HttpProxy(uri)) = &integration.kind
        else {
            continue;
        };
        if backends.iter().any(|(known, _)| *known == uri.origin) {
            continue;
        }
        let looked_up = Endpoint::parse(&uri.origin)
            .and_then(|mut endpoint| endpoint.resolve().map(|()| endpoint));
        match looked_up {
            Ok(endpoint) => backends.push((uri.origin.clone(), endpoint)),
            Err(fault) => tracing::warn!(%fault, "its methods answer 500"),
        }
    }
    backends
}

/// One open connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    here: Rc<Cell<usize>>,
    lifecycle: Arc<Lifecycle>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.lifecycle.connections.fetch_sub(1, Ordering::Relaxed);
        self.here.set(self.here.get().saturating_sub(1));
    }
}
