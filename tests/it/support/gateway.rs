//! `serve` in this process, on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use sluicegate::api::openapi::ImportOptions;
use sluicegate::api::openapi::import;
use sluicegate::api::table::Table;
use sluicegate::net::address::ListenAt;
use sluicegate::net::credentials::slot::CredentialSlot;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::trust::Trust;
use sluicegate::net::upstream::endpoint::Endpoint;
use sluicegate::net::upstream::pool::PoolLimits;
use sluicegate::pipeline::identity::Identities;
use sluicegate::pipeline::store_path::Addressing;
use sluicegate::pipeline::store_path::StoreAddress;
use sluicegate::serve::apis::Apis;
use sluicegate::serve::in_force::InForce;
use sluicegate::serve::metrics::Metrics;
use sluicegate::serve::server;
use sluicegate::serve::settings::ClientRates;
use sluicegate::serve::settings::Edge;
use sluicegate::serve::settings::GatewaySettings;
use sluicegate::serve::settings::Lifecycle;
use sluicegate::serve::settings::Limits;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::serve::settings::Service;
use sluicegate::serve::settings::Timeouts;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

/// The keys that the gateway signs with.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// The secret of [`ACCESS_KEY_ID`].
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A running gateway; dropping it stops it at once.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// Where TLS is spoken.
    pub(crate) tls_addresses: Vec<SocketAddr>,
    /// Where connections begin with a header of the PROXY protocol.
    pub(crate) proxy_addresses: Vec<SocketAddr>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) in_force: Arc<InForce>,
    pub(crate) metrics: Arc<Metrics>,
    thread: Option<JoinHandle<()>>,
}

/// A document of `tests/vectors` or `config`, imported for a stage.
pub(crate) fn table(path: &str, stage: &str) -> Table {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    table_of(path, &text, stage)
}

/// A document that a test brings along, imported for a stage.
pub(crate) fn table_of(name: &str, text: &str, stage: &str) -> Table {
    let options = ImportOptions {
        stage: Some(stage.to_owned()),
        ..ImportOptions::default()
    };
    import(name, text, &options)
        .unwrap_or_else(|findings| panic!("{findings:?}"))
        .table
}

/// Settings for a table in front of a store, to be changed by a test.
pub(crate) fn settings(table: Table, store: &str) -> ServeSettings {
    let endpoint = Endpoint::parse(store).unwrap();
    endpoint.resolve().unwrap();
    let store = StoreAddress::new(endpoint.authority(), Addressing::Path, None, &table);
    ServeSettings {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        edge: Edge::default(),
        workers: 1,
        endpoint,
        // Here and below: a busy machine may need long, and no test waits for these limits.
        upstream: PoolLimits {
            idle_ms_max: 120_000,
            ..PoolLimits::default()
        },
        trust: Trust::default(),
        region: Some("us-east-1".to_owned()),
        credentials: fixed(credentials()),
        payload_signing: PayloadSigning::Auto,
        limits: Limits {
            payload_bytes_max: 10 * 1024 * 1024,
            header_bytes_max: 10_240,
        },
        timeouts: Timeouts {
            connect_ms_max: 120_000,
            integration_ms_max: 120_000,
            header_ms_max: 120_000,
            idle_ms_max: 120_000,
            rates: ClientRates::default(),
        },
        io_driver: DriverChoice::Auto,
        service: Service::Gateway(Apis::one(GatewaySettings {
            table: Arc::new(table),
            store,
            ignore_authorizers: true,
            first_series: 0,
            identities: Arc::default(),
            metering: Arc::default(),
            roles: Arc::default(),
        })),
        access_log: None,
    }
}

/// The keys that the gateway signs with.
pub(crate) fn credentials() -> Credentials {
    Credentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: Secret::new(SECRET_ACCESS_KEY),
        session_token: None,
    }
}

/// Keys that never change.
pub(crate) fn fixed(credentials: Credentials) -> CredentialSlot {
    CredentialSlot::fixed("store", "test", credentials)
}

/// What these settings serve, to be changed by a test.
pub(crate) fn gateway_of(settings: &mut ServeSettings) -> &mut GatewaySettings {
    match &mut settings.service {
        Service::Gateway(apis) => &mut apis.iter_mut().next().unwrap().gateway,
        Service::Sidecar(_) => panic!("a sidecar"),
    }
}

/// As [`settings`], with authorizers in force for these callers.
pub(crate) fn guarded_settings(table: Table, store: &str, identities: Identities) -> ServeSettings {
    let mut settings = settings(table, store);
    let gateway = gateway_of(&mut settings);
    gateway.ignore_authorizers = false;
    gateway.identities = Arc::new(identities);
    settings
}

impl Gateway {
    /// Starts with these settings.
    pub(crate) fn start(settings: ServeSettings) -> Self {
        let lifecycle = Arc::new(Lifecycle::default());
        let bound = server::bind(Arc::new(settings)).unwrap();
        let address = bound.addresses()[0].inet().unwrap();
        let in_force = bound.in_force();
        let inet = |addresses: &[ListenAt]| addresses.iter().filter_map(ListenAt::inet).collect();
        let tls_addresses = inet(bound.tls_addresses());
        let proxy_addresses = inet(bound.proxy_addresses());
        let shared = Arc::clone(&lifecycle);
        let thread = thread::spawn(move || {
            bound.run(&shared).unwrap();
        });
        Self {
            address,
            tls_addresses,
            proxy_addresses,
            lifecycle,
            metrics: Arc::clone(in_force.metrics()),
            in_force,
            thread: Some(thread),
        }
    }

    /// A gateway for a table in front of a store, nothing unusual.
    pub(crate) fn on(driver: DriverChoice, table: Table, store: &str) -> Self {
        Self::start(ServeSettings {
            io_driver: driver,
            ..settings(table, store)
        })
    }

    /// Waits until it has ended by itself.
    pub(crate) fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.lifecycle.stop.store(2, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Runs a test on the io_uring ladder and on epoll.
pub(crate) fn on_each_driver(test: impl Fn(DriverChoice)) {
    test(DriverChoice::Auto);
    test(DriverChoice::Epoll);
}
