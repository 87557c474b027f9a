//! What a worker needs to know, checked before the first connection.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;

use crate::api::table::Table;
use crate::net::address::ListenAt;
use crate::net::address_range::TrustedPeer;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::deadline::LeastRate;
use crate::net::driver::DriverChoice;
use crate::net::tls::server::TlsServer;
use crate::net::tls::trust::Trust;
use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::pool::PoolLimits;
use crate::pipeline::identity::Identities;
use crate::pipeline::metering::Metering;
use crate::pipeline::sidecar::allow_list::AllowList;
use crate::pipeline::store_path::StoreAddress;
use crate::serve::access_log::AccessLog;
use crate::serve::apis::Apis;
use crate::serve::connection_caps::ConnectionCaps;
use crate::serve::roles::Roles;
use crate::serve::span_buffer::SpanExport;

pub use crate::pipeline::store_path::Addressing;

/// The region of an API for which no other is named.
pub const REGION_DEFAULT: &str = "us-east-1";

/// What every worker needs, whatever it serves; shared by all of them.
#[derive(Debug)]
pub struct ServeSettings {
    /// Addresses to listen on; port 0 takes a free port.
    pub listen: Vec<ListenAt>,
    /// TLS, and whom to believe about clients' addresses.
    pub edge: Edge,
    /// Count of threads, each with its own ring, listeners and pool.
    pub workers: usize,
    /// The store.
    pub endpoint: Endpoint,
    /// Connections, waiting requests and retries of each core towards each upstream; its time limit is that of `timeouts`.
    pub upstream: PoolLimits,
    /// Authorities that https upstreams are checked against.
    pub trust: Trust,
    /// Signing region: `--s3-region`; `None` takes the region of each integration's URI.
    pub region: Option<String>,
    /// The keys that sign towards the store.
    pub credentials: CredentialSlot,
    /// How bodies are signed.
    pub payload_signing: PayloadSigning,
    /// Size limits.
    pub limits: Limits,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Which runtime driver to take.
    pub io_driver: DriverChoice,
    /// `--access-log`
    pub access_log: Option<AccessLog>,
    /// What is served.
    pub service: Service,
}

/// How connections come in besides plainly, whom to believe about them, and how many there may be.
#[derive(Debug, Default)]
pub struct Edge {
    /// Addresses where TLS is spoken.
    pub tls: Vec<TlsListen>,
    /// Addresses whose plain connections begin with a header of the PROXY protocol.
    pub proxy_listen: Vec<ListenAt>,
    /// Whether clients' W3C traces go on towards upstreams.
    pub trace_context: bool,
    /// Where spans of exchanges go; traces are followed then.
    pub spans: Option<SpanExport>,
    /// Whether another process may listen at the same addresses (not those of Unix sockets).
    pub share_port: bool,
    /// Who may say whose connection or request it is.
    pub trusted_proxies: Vec<TrustedPeer>,
    /// How many connections may be open.
    pub caps: ConnectionCaps,
}

impl Edge {
    /// Whether no other listeners are asked for than plain ones.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.tls.is_empty() && self.proxy_listen.is_empty()
    }
}

/// Addresses of one TLS listener.
#[derive(Clone, Debug)]
pub struct TlsListen {
    /// Where it listens; port 0 takes a free port.
    pub at: Vec<ListenAt>,
    /// Its certificates; a reload exchanges them here.
    pub server: Arc<TlsServer>,
    /// Whether its connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether every client has to show a certificate, so that no stranger gets in.
    pub knows_clients: bool,
    /// Where its certificate chains were read, in their order.
    pub chain_files: Vec<PathBuf>,
}

/// What requests become.
#[derive(Debug)]
pub enum Service {
    /// `serve`: methods of REST APIs.
    Gateway(Apis),
    /// `sidecar`: S3 itself.
    Sidecar(SidecarSettings),
}

/// The settings of `sidecar`.
#[derive(Debug)]
pub struct SidecarSettings {
    /// How the store wants its buckets.
    pub addressing: Addressing,
    /// Names under which clients put the bucket into the host.
    pub domains: Vec<String>,
    /// Who may ask; nobody known: everybody who can connect.
    pub identities: Identities,
    /// What an identity may do, by access key id; one that is not there may do everything.
    pub allow_lists: HashMap<String, AllowList>,
}

/// How one document is served. Clones share all of it.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// The compiled document.
    pub table: Arc<Table>,
    /// How its URIs address the store.
    pub store: StoreAddress,
    /// Serve methods that ask for AWS_IAM, an API key or an authorizer as if they asked for nothing.
    pub ignore_authorizers: bool,
    /// Methods of the documents before this one: a method's place in this table plus this is its own in the process.
    pub first_series: usize,
    /// Callers that may sign requests for methods that ask for AWS_IAM.
    pub identities: Arc<Identities>,
    /// API keys, and what their users and the stage are metered by.
    pub metering: Arc<Metering>,
    /// What `credentials` of integrations stand for.
    pub roles: Arc<Roles>,
}

/// `--payload-signing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadSigning {
    /// The hash if it is known beforehand, else chunk signatures over plain HTTP and an unsigned payload over TLS.
    #[default]
    Auto,
    /// What [`PayloadSigning::Auto`] is over TLS, which protects the body by itself.
    AutoOverTls,
    /// Chunk signatures for every body.
    Streaming,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
}

impl PayloadSigning {
    /// The same towards `endpoint`.
    #[must_use]
    pub const fn towards(self, endpoint: &Endpoint) -> Self {
        match self {
            Self::Auto if endpoint.is_tls() => Self::AutoOverTls,
            other => other,
        }
    }

    /// Whether a short body is collected for its hash.
    #[must_use]
    pub const fn hashes_short_bodies(self) -> bool {
        matches!(self, Self::Auto | Self::AutoOverTls)
    }
}

/// Size limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body; 0 is no limit.
    pub payload_bytes_max: u64,
    /// Bytes of all header names and values of a request.
    pub header_bytes_max: usize,
}

/// Time limits in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a TCP connection to the store stands.
    pub connect_ms_max: u64,
    /// Until the first byte of the store's answer; a document's `timeoutInMillis` lowers it per method.
    pub integration_ms_max: u64,
    /// For a request head to arrive once its first byte did.
    pub header_ms_max: u64,
    /// Between two bytes of a body, and for an idle keep-alive connection.
    pub idle_ms_max: u64,
    /// For what moves all the time, but too slowly.
    pub rates: ClientRates,
}

/// The least rates at which clients send and take bodies, averaged over the time that they are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRates {
    /// Bytes of a request body each second; 0 is no limit.
    pub body_bytes_per_s: u32,
    /// Bytes of a response each second; 0 is no limit.
    pub read_bytes_per_s: u32,
    /// Milliseconds that a client is waited for before that.
    pub grace_ms: u64,
}

impl ClientRates {
    /// For a request body.
    #[must_use]
    pub const fn body(self) -> LeastRate {
        LeastRate {
            bytes_per_s: self.body_bytes_per_s,
            grace_ms: self.grace_ms,
        }
    }

    /// For a response.
    #[must_use]
    pub const fn read(self) -> LeastRate {
        LeastRate {
            bytes_per_s: self.read_bytes_per_s,
            grace_ms: self.grace_ms,
        }
    }
}

/// What the program tells the workers, and they the program. The only state that cores share while they run.
#[derive(Debug, Default)]
pub struct Lifecycle {
    /// Set before `stop`: no request should be sent here any more, while those that come are still taken.
    pub leaving: AtomicBool,
    /// 0: serve; 1: drain (stop accepting, finish what is there, then return); 2: return now.
    pub stop: AtomicU64,
    /// Connections open now, over all workers.
    pub connections: AtomicUsize,
    /// Workers that accept connections.
    pub workers_ready: AtomicUsize,
    /// SIGHUPs so far: log files are opened again after each.
    pub hangups: AtomicU64,
    /// How often the workers were asked whether they run.
    pub asked: AtomicU64,
    /// Workers that have answered the last time.
    pub answers: AtomicUsize,
    /// Whether the last reload was refused, so that the settings of before are in force.
    pub reload_failed: AtomicBool,
}
