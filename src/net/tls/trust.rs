//! The certificate authorities that upstreams are checked against.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The system's authorities and those of a file; shared by all cores. Clones are the same.
#[derive(Clone, Default)]
pub struct Trust {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    own: Vec<CertificateDer<'static>>,
    roots: OnceLock<Arc<RootCertStore>>,
}

/// What is wrong with a file of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustFault {
    /// No certificate in it.
    Empty,
    /// A PEM block that cannot be read.
    Pem(String),
    /// The certificate of this number, from 1, cannot be an authority.
    Certificate(usize, String),
}

impl Trust {
    /// The system's authorities, and those of `pem`, a text of `CERTIFICATE` blocks.
    ///
    /// # Errors
    /// A block that is no certificate, or none at all. Other blocks and text between them are passed over.
    pub fn with_authorities(pem: &str) -> Result<Self, TrustFault> {
        let own = read_authorities(pem)?;
        let shared = Shared {
            own,
            roots: OnceLock::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// All authorities. The first call reads the system's from its files, which takes some milliseconds: best before the
    /// cores run. Certificates of the system that cannot be read are told and passed over.
    #[must_use]
    pub fn roots(&self) -> Arc<RootCertStore> {
        let load = || {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "authorities of the system that cannot be read");
            }
            let (_taken, refused) = roots.add_parsable_certificates(found.certs);
            if refused > 0 {
                tracing::debug!(refused, "authorities of the system that are not taken");
            }
            // These were added once before, each by itself.
            roots.add_parsable_certificates(self.shared.own.iter().cloned());
            if roots.is_empty() {
                tracing::warn!(
                    "no certificate authorities: no https upstream can be trusted. Install the system's (package ca-certificates) or give --s3-ca-file"
                );
            }
            Arc::new(roots)
        };
        Arc::clone(self.shared.roots.get_or_init(load))
    }
}

impl Trust {
    /// The certificates of all authorities, read anew.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let mut all = rustls_native_certs::load_native_certs().certs;
        all.extend(self.shared.own.iter().cloned());
        all
    }
}

/// The authorities of `pem` and no others: those that clients' certificates are checked against.
///
/// # Errors
/// As [`Trust::with_authorities`].
pub fn authorities_alone(pem: &str) -> Result<Arc<RootCertStore>, TrustFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read_authorities(pem)?);
    Ok(Arc::new(roots))
}

fn read_authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustFault> {
    let mut own = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|fault| TrustFault::Pem(fault.to_string()))?;
        let refuse = |fault: rustls::Error| {
            TrustFault::Certificate(own.len().saturating_add(1), fault.to_string())
        };
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(refuse)?;
        own.push(certificate);
    }
    if own.is_empty() {
        return Err(TrustFault::Empty);
    }
    Ok(own)
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("own", &self.shared.own.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TrustFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("found no certificate, wanted PEM blocks of CERTIFICATE"),
            Self::Pem(cause) => write!(f, "not PEM: {cause}"),
            Self::Certificate(number, cause) => write!(f, "certificate {number}: {cause}"),
        }
    }
}

impl std::error::Error for TrustFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let made = rcgen::generate_simple_self_signed(vec!["store.example".to_owned()]);
        made.unwrap().cert.pem()
    }

    #[test]
    fn each_certificate_of_a_file_is_trusted_beside_the_systems() {
        let alone = Trust::default().roots().len();
        let two = format!("Two authorities\n{}{}", authority(), authority());
        let trust = Trust::with_authorities(&two).unwrap();
        assert_eq!(trust.roots().len(), alone + 2);
    }

    #[test]
    fn a_file_without_certificates_is_refused_and_a_bad_one_named() {
        let fault = |pem: &str| Trust::with_authorities(pem).unwrap_err();
        assert_eq!(fault(""), TrustFault::Empty);
        assert_eq!(fault("no PEM at all"), TrustFault::Empty);
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(fault(key), TrustFault::Empty);
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(fault(cut), TrustFault::Pem(_)));
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let both = format!("{}{wrong}", authority());
        assert!(matches!(fault(&both), TrustFault::Certificate(2, _)));
    }
}
