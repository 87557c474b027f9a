//! HTTP over blocking sockets, for threads that serve no request.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use ureq::Agent;
use ureq::tls::Certificate;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;

use crate::net::tls::trust::Trust;

/// A client without redirects and proxies. Every status is an answer; `call_max` is for a whole call.
pub(super) fn agent(trust: &Trust, connect_max: Duration, call_max: Duration) -> Agent {
    let roots: Vec<Certificate<'static>> = trust
        .certificates()
        .iter()
        .map(|der| Certificate::from_der(der.as_ref()).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(connect_max))
        .timeout_global(Some(call_max))
        .tls_config(tls);
    config.build().into()
}

/// Why there is no answer. Nothing of the request is told, which may hold secrets.
pub(super) fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the name stands for no address".to_owned(),
        ureq::Error::Io(cause) => cause.to_string(),
        ureq::Error::Rustls(cause) => cause.to_string(),
        _ => "the call failed".to_owned(),
    }
}
