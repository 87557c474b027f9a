//! Certificates of an authority of a test's own, and a client that speaks TLS.

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::SupportedProtocolVersion;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::ServerName;
use sluicegate::net::tls::certificate::Certificate;
use sluicegate::net::tls::server::Application;
use sluicegate::net::tls::server::Clients;
use sluicegate::net::tls::server::OldestVersion;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::net::tls::server::TlsServer;
use sluicegate::serve::settings::Edge;
use sluicegate::serve::settings::TlsListen;

use super::message::Message;
use super::message::Pending;

/// No answer of a test takes this long.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// An authority and what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, PEM and DER.
pub(crate) struct Signed {
    pub(crate) chain: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn signs(&self, name: &str) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// A plan that shows certificates for these names.
    pub(crate) fn plan(&self, names: &[&str]) -> TlsPlan {
        let certificate = |name: &&str| {
            let signed = self.signs(name);
            Certificate::from_pem(&signed.chain, &signed.key, None).unwrap()
        };
        TlsPlan {
            certificates: names.iter().map(certificate).collect(),
            clients: Clients::Anybody,
            oldest: OldestVersion::Tls12,
            applications: vec![Application::Http11],
        }
    }

    /// What a client of this authority's servers believes; with a certificate of its own if there is one.
    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Signed>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(
                    vec![own.der.clone()],
                    PrivatePkcs8KeyDer::from(own.key_der.clone()).into(),
                )
                .unwrap(),
        }
    }
}

/// A listener on a free port that follows `plan`.
pub(crate) fn edge(plan: TlsPlan) -> Edge {
    Edge {
        tls: vec![TlsListen {
            at: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
            server: Arc::new(TlsServer::new(plan).unwrap()),
            knows_clients: false,
            proxy_protocol: false,
            chain_files: Vec::new(),
        }],
        ..Edge::default()
    }
}

/// Reads and sends nothing: rustls's own stream first sends what a write has left behind that failed, and fails again.
pub(crate) struct Reading<'s>(&'s mut StreamOwned<ClientConnection, TcpStream>);

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let StreamOwned { conn, sock } = &mut *self.0;
        loop {
            match conn.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            conn.read_tls(sock)?;
            conn.process_new_packets().map_err(std::io::Error::other)?;
        }
    }
}

/// A connection that speaks TLS.
pub(crate) struct TlsClient {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
    pending: Pending,
}

impl TlsClient {
    /// Shakes hands with whoever is at `address` as `name`.
    pub(crate) fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> std::io::Result<Self> {
        Self::behind("", address, config, name)
    }

    /// The same with `first` before the handshake.
    pub(crate) fn behind(
        first: &str,
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> std::io::Result<Self> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.write_all(first.as_bytes())?;
        tcp.set_read_timeout(Some(WAIT_MAX))?;
        tcp.set_write_timeout(Some(WAIT_MAX))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: StreamOwned::new(tls, tcp),
            pending: Pending::default(),
        })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// What the server has sent, also after it has refused what was sent to it.
    pub(crate) fn reading(&mut self) -> Reading<'_> {
        Reading(&mut self.stream)
    }

    /// The next response; `None` if the connection ended before it was whole.
    pub(crate) fn response(&mut self) -> Option<Message> {
        self.pending.message(&mut Reading(&mut self.stream), false)
    }

    pub(crate) fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Message {
        self.send(bytes);
        self.response().expect("a whole response")
    }

    /// Whether the server said that nothing follows, and nothing does.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }
}
