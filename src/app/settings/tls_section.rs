//! `[[tls]]`: listeners that speak TLS. Entries of the same address are one listener with several certificates.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use crate::app::settings::bounded_file;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::values::ListenAddress;
use crate::net::address::ListenAt;
use crate::net::tls::certificate::Certificate;
use crate::net::tls::certificate::CertificateFault;
use crate::net::tls::server::Application;
use crate::net::tls::server::Clients;
use crate::net::tls::server::OldestVersion;
use crate::net::tls::server::TlsPlan;
use crate::net::tls::server::TlsServer;
use crate::net::tls::trust::authorities_alone;
use crate::serve::settings::TlsListen;

/// The bytes that a chain, a key or a file of authorities may have: ten times a system's usual bundle.
const PEM_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// The bytes that an OCSP response may have; usual ones have half a kilobyte to two.
const OCSP_BYTES_MAX: u64 = 64 * 1024;

/// `[[tls]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Where it listens.
    pub listen: Spanned<ListenAddress>,
    /// The server's certificate and those above it, PEM.
    pub certificate: Spanned<PathBuf>,
    /// Its key, PEM.
    pub private_key: Spanned<PathBuf>,
    /// An OCSP response for the certificate, DER.
    pub ocsp_staple_file: Option<Spanned<PathBuf>>,
    /// Authorities of clients' certificates, PEM.
    pub client_ca: Option<Spanned<PathBuf>>,
    /// Whether every client has to show one.
    pub client_certificate: Option<Spanned<ClientCertificate>>,
    /// The oldest version that is spoken.
    pub min_version: Option<Spanned<MinVersion>>,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Option<Spanned<bool>>,
    /// What is spoken inside, the dearest first.
    pub alpn: Option<Spanned<Vec<Alpn>>>,
}

/// A member of `alpn`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1
    #[serde(rename = "http/1.1")]
    Http11,
}

/// `client_certificate`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Nobody gets in without.
    #[default]
    Required,
    /// One that is shown is checked.
    Optional,
}

/// `min_version`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    Tls13,
}

/// One listener as the file describes it, its files read.
#[derive(Debug)]
pub struct TlsListener {
    /// Its addresses.
    pub at: Vec<ListenAt>,
    /// What it speaks.
    pub plan: TlsPlan,
    knows_clients: bool,
    proxy_protocol: bool,
    chain_files: Vec<PathBuf>,
}

/// Reads every listener with its files: at the start, and again for a reload.
///
/// # Errors
/// A file that cannot be read or used, with the key that names it; entries of one address that contradict each other.
pub fn read(file: &ConfigFile) -> Result<Vec<TlsListener>, SettingsError> {
    let mut groups: Vec<(&ListenAddress, Vec<&TlsSection>)> = Vec::new();
    for section in &file.sections.tls {
        let address = section.listen.get_ref();
        match groups.iter_mut().find(|(known, _)| *known == address) {
            Some((_, sections)) => sections.push(section),
            None => groups.push((address, vec![section])),
        }
    }
    let mut listeners = Vec::with_capacity(groups.len());
    for (_, sections) in groups {
        listeners.extend(listener(file, &sections)?);
    }
    Ok(listeners)
}

/// Opens the listeners' ends of handshakes.
///
/// # Errors
/// Authorities that can verify nobody.
pub fn servers(file: &ConfigFile) -> Result<Vec<TlsListen>, SettingsError> {
    let open = |listener: TlsListener| {
        let server = TlsServer::new(listener.plan);
        let server = server.map_err(|fault| SettingsError::Tls(fault.to_string()))?;
        Ok(TlsListen {
            at: listener.at,
            server: Arc::new(server),
            knows_clients: listener.knows_clients,
            proxy_protocol: listener.proxy_protocol,
            chain_files: listener.chain_files,
        })
    };
    read(file)?.into_iter().map(open).collect()
}

fn listener(
    file: &ConfigFile,
    sections: &[&TlsSection],
) -> Result<Option<TlsListener>, SettingsError> {
    let Some((first, others)) = sections.split_first() else {
        return Ok(None);
    };
    for other in others {
        refuse_contradiction(file, first, other)?;
    }
    let certificates = sections
        .iter()
        .map(|section| certificate(file, section))
        .collect::<Result<_, _>>()?;
    let clients = clients(file, first)?;
    let address = first.listen.get_ref();
    let at = address.resolve().map_err(|cause| {
        let message = format!("{address}: the name stands for no address: {cause}");
        file.fault(first.listen.span(), "tls.listen", message)
    })?;
    let oldest = match value(first.min_version.as_ref()) {
        MinVersion::Tls12 => OldestVersion::Tls12,
        MinVersion::Tls13 => OldestVersion::Tls13,
    };
    Ok(Some(TlsListener {
        at,
        knows_clients: matches!(clients, Clients::Certified(_)),
        proxy_protocol: value(first.proxy_protocol.as_ref()),
        chain_files: sections
            .iter()
            .map(|section| file.beside(section.certificate.get_ref()))
            .collect(),
        plan: TlsPlan {
            certificates,
            clients,
            oldest,
            applications: applications(file, first.alpn.as_ref())?,
        },
    }))
}

/// What holds for the whole listener is said in its first entry, and may be said again.
fn refuse_contradiction(
    file: &ConfigFile,
    first: &TlsSection,
    other: &TlsSection,
) -> Result<(), SettingsError> {
    let message = "holds for the whole listener: another value stands in its first [[tls]] entry";
    let differs = |key: &str, span| Err(file.fault(span, key, message.to_owned()));
    match &other.client_ca {
        Some(said) if first.client_ca.as_ref().map(Spanned::get_ref) != Some(said.get_ref()) => {
            return differs("tls.client_ca", said.span());
        }
        _ => {}
    }
    match &other.client_certificate {
        Some(said) if value(first.client_certificate.as_ref()) != *said.get_ref() => {
            return differs("tls.client_certificate", said.span());
        }
        _ => {}
    }
    match &other.proxy_protocol {
        Some(said) if value(first.proxy_protocol.as_ref()) != *said.get_ref() => {
            return differs("tls.proxy_protocol", said.span());
        }
        _ => {}
    }
    match &other.alpn {
        Some(said) if first.alpn.as_ref().map(Spanned::get_ref) != Some(said.get_ref()) => {
            return differs("tls.alpn", said.span());
        }
        _ => {}
    }
    match &other.min_version {
        Some(said) if value(first.min_version.as_ref()) != *said.get_ref() => {
            differs("tls.min_version", said.span())
        }
        _ => Ok(()),
    }
}

/// `alpn`; without it all that this build speaks.
fn applications(
    file: &ConfigFile,
    said: Option<&Spanned<Vec<Alpn>>>,
) -> Result<Vec<Application>, SettingsError> {
    let has_http2 = cfg!(feature = "http2");
    let Some(said) = said else {
        return Ok(match has_http2 {
            true => vec![Application::Http2, Application::Http11],
            false => vec![Application::Http11],
        });
    };
    let refuse = |message: &str| Err(file.fault(said.span(), "tls.alpn", message.to_owned()));
    let mut applications = Vec::new();
    for alpn in said.get_ref() {
        let application = match alpn {
            Alpn::Http2 if !has_http2 => {
                return refuse("this program was built without the feature http2");
            }
            Alpn::Http2 => Application::Http2,
            Alpn::Http11 => Application::Http11,
        };
        if applications.contains(&application) {
            return refuse("each protocol is named once");
        }
        applications.push(application);
    }
    if applications.is_empty() {
        return refuse("at least one of \"h2\" and \"http/1.1\" is wanted");
    }
    Ok(applications)
}

fn value<T: Copy + Default>(said: Option<&Spanned<T>>) -> T {
    said.map(|said| *said.get_ref()).unwrap_or_default()
}

fn clients(file: &ConfigFile, section: &TlsSection) -> Result<Clients, SettingsError> {
    let asked = section.client_certificate.as_ref();
    let Some(written) = &section.client_ca else {
        return match asked {
            None => Ok(Clients::Anybody),
            Some(asked) => {
                let message = "needs client_ca, the authorities of clients' certificates";
                Err(file.fault(asked.span(), "tls.client_certificate", message.to_owned()))
            }
        };
    };
    let pem = text(file, "tls.client_ca", written)?;
    let roots = authorities_alone(&pem)
        .map_err(|fault| unusable(file, "tls.client_ca", written, &fault.to_string()))?;
    Ok(match value(asked) {
        ClientCertificate::Required => Clients::Certified(roots),
        ClientCertificate::Optional => Clients::CertifiedOrAnonymous(roots),
    })
}

fn certificate(file: &ConfigFile, section: &TlsSection) -> Result<Certificate, SettingsError> {
    let chain = text(file, "tls.certificate", &section.certificate)?;
    let key = text(file, "tls.private_key", &section.private_key)?;
    let ocsp = match &section.ocsp_staple_file {
        None => None,
        Some(named) => {
            let path = file.beside(named.get_ref());
            let read = bounded_file::read_bytes(&path, OCSP_BYTES_MAX);
            let read = read.map_err(|cause| {
                unusable(file, "tls.ocsp_staple_file", named, &cause.to_string())
            })?;
            Some(read)
        }
    };
    Certificate::from_pem(&chain, &key, ocsp).map_err(|fault| {
        let (name, named) = match (&fault, &section.ocsp_staple_file) {
            (CertificateFault::Ocsp, Some(named)) => ("tls.ocsp_staple_file", named),
            _ if fault.is_of_key() => ("tls.private_key", &section.private_key),
            _ => ("tls.certificate", &section.certificate),
        };
        unusable(file, name, named, &fault.to_string())
    })
}

fn text(file: &ConfigFile, key: &str, named: &Spanned<PathBuf>) -> Result<String, SettingsError> {
    let path: &Path = named.get_ref();
    bounded_file::read_text(&file.beside(path), PEM_BYTES_MAX)
        .map_err(|cause| unusable(file, key, named, &cause.to_string()))
}

/// `s.toml:3:15: tls.certificate: /etc/tls/a.pem: …`
fn unusable(file: &ConfigFile, key: &str, named: &Spanned<PathBuf>, why: &str) -> SettingsError {
    let path = file.beside(named.get_ref());
    file.fault(named.span(), key, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["a", "b"] {
                let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]);
                let made = made.unwrap();
                let write = |kind: &str, text: String| {
                    std::fs::write(folder.path().join(format!("{name}.{kind}")), text).unwrap();
                };
                write("pem", made.cert.pem());
                write("key", made.signing_key.serialize_pem());
            }
            Self { folder }
        }

        fn parse(&self, text: &str) -> ConfigFile {
            let path = self.folder.path().join("s.toml");
            ConfigFile::parse(&path, text.to_owned()).unwrap()
        }

        fn fault(&self, text: &str) -> String {
            let fault = read(&self.parse(text)).unwrap_err().to_string();
            let folder = format!("{}/", self.folder.path().display());
            fault.replace(&folder, "")
        }
    }

    const A: &str =
        "[[tls]]\nlisten = '127.0.0.1:1'\ncertificate = 'a.pem'\nprivate_key = 'a.key'\n";
    const B: &str =
        "[[tls]]\nlisten = '127.0.0.1:1'\ncertificate = 'b.pem'\nprivate_key = 'b.key'\n";

    #[test]
    fn entries_of_one_address_are_one_listener() {
        let files = Files::new();
        let other = B.replace("127.0.0.1:1", "127.0.0.1:2");
        let listeners = read(&files.parse(&format!("{A}{other}{B}"))).unwrap();
        let counts: Vec<_> = listeners
            .iter()
            .map(|listener| listener.plan.certificates.len())
            .collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn files_that_cannot_be_used_are_told_with_key_and_reason() {
        let files = Files::new();
        for (text, told) in [
            (
                A.replace("a.pem", "no.pem"),
                "s.toml:3:15: tls.certificate: no.pem: No such file",
            ),
            (
                A.replace("a.pem", "a.key"),
                "s.toml:3:15: tls.certificate: a.key: found no certificate",
            ),
            (
                A.replace("a.key", "b.key"),
                "s.toml:4:15: tls.private_key: b.key: the private key is not that",
            ),
            (
                A.replace("a.key", "a.pem"),
                "s.toml:4:15: tls.private_key: a.pem: found no private key",
            ),
            (
                format!("{A}client_ca = 'a.key'\n"),
                "s.toml:5:13: tls.client_ca: a.key: found no certificate",
            ),
            (
                format!("{A}ocsp_staple_file = 'a.pem'\n"),
                "s.toml:5:20: tls.ocsp_staple_file: a.pem: not an OCSP",
            ),
            (
                format!("{A}client_certificate = 'optional'\n"),
                "s.toml:5:22: tls.client_certificate: needs client_ca",
            ),
            (
                format!("{A}alpn = []\n"),
                "s.toml:5:8: tls.alpn: at least one",
            ),
            (
                format!("{A}alpn = ['h2', 'h2']\n"),
                "s.toml:5:8: tls.alpn: each protocol",
            ),
            (
                format!("{A}{B}min_version = '1.3'\n"),
                "s.toml:9:15: tls.min_version: holds for the whole",
            ),
            (
                format!("{A}{B}client_ca = 'a.pem'\n"),
                "s.toml:9:13: tls.client_ca: holds for the whole",
            ),
        ] {
            let fault = files.fault(&text);
            assert!(fault.starts_with(told), "{fault}");
        }
    }
}
