//! Integration tests over real sockets: one binary, a module per subject.
#![cfg(test)]
#![expect(
    clippy::disallowed_types,
    reason = "the threads of a test are no cores: they may lock"
)]

mod abandoned_clients;
mod aborts;
mod access_log;
mod actions;
mod admin;
mod bench;
mod broken_origins;
mod caller_credentials;
mod compression;
mod connection_caps;
mod conversion_faults;
mod credentials;
mod dashboards;
#[cfg(feature = "demo")]
mod demo;
mod deployment;
mod drain;
mod e2e;
mod expect_continue;
mod framing;
mod generations;
mod hostile;
mod http;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http2")]
mod http2_abandoned;
#[cfg(feature = "http2")]
mod http2_trailers;
mod http_backends;
mod iam;
mod incomplete_bodies;
mod keep_alive;
mod limits;
mod metering;
mod methods;
mod metrics;
mod mock;
mod multipart;
#[cfg(feature = "otlp")]
mod otlp;
mod program;
mod proxies;
mod reload;
mod retry;
mod role_keys;
mod roles;
mod secrets;
mod several_documents;
mod sidecar;
mod sidecar_callers;
mod sidecar_faults;
mod signing;
mod slow_clients;
mod snapshots;
mod store_faults;
mod streaming;
mod support;
mod template_programs;
mod templates;
mod tls;
mod tls_listener;
mod trace_context;
mod unix_sockets;
mod upgrade;
mod upstream;
mod upstream_restart;
mod validation;
