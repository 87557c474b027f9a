//! A certificate that a listener shows, with its key and its OCSP response, read from PEM and checked at once.

use std::fmt;

use rustls::Error;
use rustls::InconsistentKeys;
use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem;
use rustls::pki_types::pem::PemObject;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::wire::certificate_end::not_after;
use crate::wire::date::UnixSeconds;

/// The first byte of every DER-encoded OCSP response: SEQUENCE (RFC 6960 §4.2.1).
const DER_SEQUENCE: u8 = 0x30;

/// What is wrong with the files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// No `CERTIFICATE` block.
    NoCertificate,
    /// A block that is no PEM.
    CertificatePem(String),
    /// The certificate of this number, from 1, is none.
    Certificate(usize, String),
    /// No private key block.
    NoKey,
    /// A key block that is no PEM.
    KeyPem(String),
    /// A key of a kind that cannot sign handshakes.
    Key(String),
    /// The key belongs to another certificate.
    KeyMismatch,
    /// Not DER.
    Ocsp,
}

impl CertificateFault {
    /// Whether the fault lies in the file of the key.
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::NoKey | Self::KeyPem(_) | Self::Key(_) | Self::KeyMismatch
        )
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("found no certificate, wanted PEM blocks of CERTIFICATE, the server's own first"),
            Self::CertificatePem(cause) | Self::KeyPem(cause) => write!(f, "not PEM: {cause}"),
            Self::Certificate(number, cause) => write!(f, "certificate {number}: {cause}"),
            Self::NoKey => f.write_str(
                "found no private key, wanted a PEM block of PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, not encrypted",
            ),
            Self::Key(cause) => write!(
                f,
                "the private key cannot sign: {cause}; wanted RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519"
            ),
            Self::KeyMismatch => f.write_str("the private key is not that of the first certificate"),
            Self::Ocsp => f.write_str("not an OCSP response in DER, as `openssl ocsp -respout` writes it"),
        }
    }
}

impl std::error::Error for CertificateFault {}

/// A certificate chain with its key. `Debug` prints nothing of the key.
#[derive(Clone)]
pub struct Certificate {
    certified: std::sync::Arc<CertifiedKey>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// The chain in `chain_pem`, the server's own certificate first, with the key in `key_pem` and the OCSP response (DER)
    /// that is stapled to it (RFC 6066 §8).
    ///
    /// # Errors
    /// See [`CertificateFault`].
    pub fn from_pem(
        chain_pem: &str,
        key_pem: &str,
        ocsp: Option<Vec<u8>>,
    ) -> Result<Self, CertificateFault> {
        let chain = read_chain(chain_pem)?;
        let key =
            PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|fault| match fault {
                pem::Error::NoItemsFound => CertificateFault::NoKey,
                other => CertificateFault::KeyPem(other.to_string()),
            })?;
        if ocsp
            .as_ref()
            .is_some_and(|der| der.first() != Some(&DER_SEQUENCE))
        {
            return Err(CertificateFault::Ocsp);
        }
        let mut certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(
            |fault| match fault {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    CertificateFault::KeyMismatch
                }
                other => CertificateFault::Key(other.to_string()),
            },
        )?;
        certified.ocsp = ocsp;
        Ok(Self {
            certified: certified.into(),
        })
    }

    /// The moment after which nobody takes it any more.
    #[must_use]
    pub fn not_after(&self) -> Option<UnixSeconds> {
        not_after(self.certified.cert.first()?)
    }

    /// Whether it is for this host.
    #[must_use]
    pub fn covers(&self, host: &ServerName<'_>) -> bool {
        let own = self.certified.cert.first();
        let parsed = own.and_then(|own| ParsedCertificate::try_from(own).ok());
        parsed.is_some_and(|parsed| verify_server_name(&parsed, host).is_ok())
    }

    pub(super) const fn certified(&self) -> &std::sync::Arc<CertifiedKey> {
        &self.certified
    }
}

fn read_chain(chain_pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(chain_pem.as_bytes()) {
        let certificate =
            certificate.map_err(|fault| CertificateFault::CertificatePem(fault.to_string()))?;
        if let Err(fault) = ParsedCertificate::try_from(&certificate) {
            let number = chain.len().saturating_add(1);
            return Err(CertificateFault::Certificate(number, fault.to_string()));
        }
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(CertificateFault::NoCertificate);
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn fault(chain: &str, key: &str) -> CertificateFault {
        Certificate::from_pem(chain, key, None).unwrap_err()
    }

    #[test]
    fn a_chain_is_taken_with_its_own_key_only() {
        let (chain, key) = made(&["a.example"]);
        let (other, other_key) = made(&["b.example"]);
        assert!(Certificate::from_pem(&format!("{chain}{other}"), &key, None).is_ok());
        assert_eq!(fault(&chain, &other_key), CertificateFault::KeyMismatch);
        // A file with both is both.
        let both = format!("{key}{chain}");
        assert!(Certificate::from_pem(&both, &both, None).is_ok());
    }

    #[test]
    fn files_that_are_none_say_what_is_wanted() {
        let (chain, key) = made(&["a.example"]);
        assert_eq!(fault("", &key), CertificateFault::NoCertificate);
        assert_eq!(fault(&key, &key), CertificateFault::NoCertificate);
        assert_eq!(fault(&chain, ""), CertificateFault::NoKey);
        assert_eq!(fault(&chain, &chain), CertificateFault::NoKey);
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(
            fault(cut, &key),
            CertificateFault::CertificatePem(_)
        ));
        let wrong =
            format!("{chain}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(matches!(
            fault(&wrong, &key),
            CertificateFault::Certificate(2, _)
        ));
        let wrong = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(fault(&chain, wrong), CertificateFault::Key(_)));
        let stapled = |ocsp: &[u8]| Certificate::from_pem(&chain, &key, Some(ocsp.to_vec()));
        assert_eq!(stapled(b"text").unwrap_err(), CertificateFault::Ocsp);
        assert_eq!(stapled(b"").unwrap_err(), CertificateFault::Ocsp);
        assert!(stapled(&[0x30, 0x03, 0x0a, 0x01, 0x00]).is_ok());
    }

    #[test]
    fn names_are_those_of_the_certificate_with_its_wildcards() {
        let (chain, key) = made(&["a.example", "*.b.example", "127.0.0.1"]);
        let certificate = Certificate::from_pem(&chain, &key, None).unwrap();
        let covers = |host: &str| certificate.covers(&ServerName::try_from(host).unwrap());
        assert!(covers("a.example") && covers("x.b.example") && covers("127.0.0.1"));
        assert!(!covers("b.example") && !covers("x.y.b.example") && !covers("c.example"));
    }

    #[test]
    fn nothing_of_the_key_is_printed() {
        let (chain, key) = made(&["a.example"]);
        let certificate = Certificate::from_pem(&chain, &key, None).unwrap();
        assert_eq!(format!("{certificate:?}"), "Certificate { .. }");
    }
}
