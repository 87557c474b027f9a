//! Our side of TLS towards clients. One configuration for all cores, so that a ticket of one is taken by every other;
//! it lies behind an [`ArcSwap`], so that a reload changes certificates, authorities and versions for the handshakes that
//! follow and for nothing else.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::Connection;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::SupportedProtocolVersion;
use rustls::crypto::ring::Ticketer;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::server::ClientHello;
use rustls::server::NoServerSessionStorage;
use rustls::server::ResolvesServerCert;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::TLS12;
use rustls::version::TLS13;

use crate::net::tls::certificate::Certificate;
use crate::wire::date::UnixSeconds;

static TLS12_AND_13: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static TLS13_ALONE: [&SupportedProtocolVersion; 1] = [&TLS13];

/// The oldest version that is spoken; older ones than these two are broken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldestVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// A protocol that is offered inside (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// `h2`
    Http2,
    /// `http/1.1`
    Http11,
}

impl Application {
    /// Its name in ALPN.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http11 => b"http/1.1",
        }
    }
}

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub enum Clients {
    /// Nobody is asked for a certificate.
    #[default]
    Anybody,
    /// Whoever shows a certificate of these authorities.
    Certified(Arc<RootCertStore>),
    /// As [`Clients::Certified`], and whoever shows none.
    CertifiedOrAnonymous(Arc<RootCertStore>),
}

/// What a TLS listener speaks.
#[derive(Clone, Debug)]
pub struct TlsPlan {
    /// Chosen by SNI; the first one is for every other host and for clients that name none.
    pub certificates: Vec<Certificate>,
    /// Who may connect.
    pub clients: Clients,
    /// The oldest version.
    pub oldest: OldestVersion,
    /// What is spoken inside, the dearest first.
    pub applications: Vec<Application>,
}

/// A TLS listener's end of handshakes, shared by all cores.
pub struct TlsServer {
    config: ArcSwap<ServerConfig>,
    /// When its certificates end.
    ends: ArcSwap<Vec<UnixSeconds>>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

/// A plan that cannot be carried out: rustls's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFault(String);

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanFault {}

impl TlsServer {
    /// A listener's end that follows `plan`.
    ///
    /// # Errors
    /// The authorities can verify nobody, or the system has no randomness.
    pub fn new(plan: TlsPlan) -> Result<Self, PlanFault> {
        let ends = ends_of(&plan);
        Ok(Self {
            config: ArcSwap::from_pointee(config_of(plan)?),
            ends: ArcSwap::from_pointee(ends),
        })
    }

    /// Follows another plan from the next handshake on. Connections that stand stay; tickets given before are worth
    /// nothing, since a client may have been let in by an authority that is gone.
    ///
    /// # Errors
    /// As [`Self::new`]; the old plan stays in force then.
    pub fn install(&self, plan: TlsPlan) -> Result<(), PlanFault> {
        let ends = ends_of(&plan);
        self.config.store(Arc::new(config_of(plan)?));
        self.ends.store(Arc::new(ends));
        Ok(())
    }

    /// Follows the plan of `other`, as [`Self::install`] would.
    pub fn follow(&self, other: &Self) {
        self.config.store(other.config.load_full());
        self.ends.store(other.ends.load_full());
    }

    /// When its certificates end, in their order.
    #[must_use]
    pub fn certificate_ends(&self) -> Arc<Vec<UnixSeconds>> {
        self.ends.load_full()
    }

    /// The server's end of a new connection.
    ///
    /// # Errors
    /// `InvalidData`: the configuration is one that rustls refuses.
    pub fn connection(&self) -> io::Result<Connection> {
        let connection = ServerConnection::new(self.config.load_full());
        connection
            .map(Connection::from)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))
    }
}

fn ends_of(plan: &TlsPlan) -> Vec<UnixSeconds> {
    plan.certificates
        .iter()
        .filter_map(Certificate::not_after)
        .collect()
}

fn config_of(plan: TlsPlan) -> Result<ServerConfig, PlanFault> {
    let told = |fault: rustls::Error| PlanFault(fault.to_string());
    let provider = Arc::new(default_provider());
    let versions: &[_] = match plan.oldest {
        OldestVersion::Tls12 => &TLS12_AND_13,
        OldestVersion::Tls13 => &TLS13_ALONE,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(told)?;
    let verifier = |roots| WebPkiClientVerifier::builder_with_provider(roots, provider);
    let verifier = match plan.clients {
        Clients::Anybody => None,
        Clients::Certified(roots) => Some(verifier(roots)),
        Clients::CertifiedOrAnonymous(roots) => Some(verifier(roots).allow_unauthenticated()),
    };
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => {
            let verifier = verifier.build();
            let verifier = verifier.map_err(|fault| PlanFault(fault.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(BySni(plan.certificates)));
    config.alpn_protocols = plan
        .applications
        .iter()
        .map(|application| application.name().to_vec())
        .collect();
    config.ticketer = Ticketer::new().map_err(told)?;
    // Tickets keep the state at the client; a cache of sessions would be a lock between cores.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Chooses by the name that the client asks for (RFC 6066 §3).
#[derive(Debug)]
struct BySni(Vec<Certificate>);

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Self(certificates) = self;
        let host = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = host.filter(|_| certificates.len() > 1).and_then(|host| {
            certificates
                .iter()
                .find(|certificate| certificate.covers(&host))
        });
        let chosen = named.or_else(|| certificates.first())?;
        Some(Arc::clone(chosen.certified()))
    }
}
