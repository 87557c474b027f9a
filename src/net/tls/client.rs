//! Our side of TLS towards upstreams: one configuration a core, so that no session cache is shared.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::Connection;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;

use crate::net::tls::trust::Trust;

/// What is spoken inside (RFC 7301): an upstream that would rather speak HTTP/2 must know.
const ALPN: &[u8] = b"http/1.1";
/// Upstreams whose sessions a core remembers, eight tickets each (rustls).
const SESSIONS_MAX: usize = 256;

/// The TLS client of one core.
#[derive(Debug)]
pub struct TlsClient {
    trust: Trust,
    config: OnceCell<Arc<ClientConfig>>,
}

impl TlsClient {
    /// A client that remembers no session yet.
    #[must_use]
    pub fn new(trust: &Trust) -> Self {
        Self {
            trust: trust.clone(),
            config: OnceCell::new(),
        }
    }

    /// The client's end of a connection to `host`, a name or an address, IPv6 in brackets or without: the name goes out
    /// as SNI (RFC 6066 §3), and the certificate must be for it.
    ///
    /// # Errors
    /// `InvalidInput` for a host that no certificate can name.
    pub fn connection(&self, host: &str) -> io::Result<Connection> {
        let host = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let refuse = |fault| io::Error::new(io::ErrorKind::InvalidInput, fault);
        let name = ServerName::try_from(host.to_owned()).map_err(refuse)?;
        let connection = ClientConnection::new(self.config()?, name);
        let broken = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
        Ok(connection.map_err(broken)?.into())
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        let mut config = builder
            .with_root_certificates(self.trust.roots())
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

/// A failed handshake in words that tell what would mend it.
#[derive(Debug)]
pub struct HandshakeFault<'e>(pub &'e io::Error);

impl fmt::Display for HandshakeFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                f.write_str(
                    "its certificate is of no authority that is trusted here; give that authority with --s3-ca-file",
                )
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                write!(f, "{error}; it may speak plain http on this port")
            }
            _ if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it closed the connection during the TLS handshake")
            }
            _ => write!(f, "{error}"),
        }
    }
}
