//! The server in this process, with short time limits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::version::TLS12;
use rustls::version::TLS13;
use sluicegate::net::address::ListenAt;
use sluicegate::net::address::UNIX_MODE_DEFAULT;
use sluicegate::net::address::UnixSocket;
use sluicegate::net::clock::monotonic_ms;
use sluicegate::net::driver::DriverChoice;
use sluicegate::net::tls::server::Application;
use sluicegate::net::tls::server::TlsPlan;
use sluicegate::pipeline::identity::Identities;
use sluicegate::serve::settings::Addressing;
use sluicegate::serve::settings::Service;
use sluicegate::serve::settings::SidecarSettings;
use sluicegate::serve::settings::Timeouts;
use tempfile::TempDir;

use crate::plan::Lane;
use crate::support::documents::images;
use crate::support::gateway::Gateway;
use crate::support::gateway::settings;
use crate::support::object_api::import_value;
use crate::support::object_api::object_api;
use crate::support::tls_client::Authority;
use crate::support::tls_client::edge;
use crate::way::Door;
use crate::way::NAME;
use crate::way::Way;

/// A peer that stalls holds a schedule for this long; what ended sooner met no time limit.
pub(crate) const LIMIT_MS: u64 = 400;
/// All that was going on ends within this time, or never.
const WAIT_MS_MAX: u64 = 120_000;

pub(crate) struct Server {
    gateway: Gateway,
    authority: Authority,
    /// Holds the Unix socket.
    folder: TempDir,
}

impl Server {
    pub(crate) fn start(lane: Lane, workers: usize, driver: DriverChoice, store: &str) -> Self {
        let table = if lane == Lane::Images {
            images()
        } else {
            import_value(&object_api())
        };
        let mut settings = settings(table, store);
        settings.io_driver = driver;
        settings.workers = workers;
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        settings.edge = edge(TlsPlan {
            applications: vec![Application::Http2, Application::Http11],
            ..authority.plan(&[NAME])
        });
        settings.listen.push(ListenAt::Unix(UnixSocket {
            path: socket_in(&folder),
            mode: UNIX_MODE_DEFAULT,
        }));
        settings.limits.payload_bytes_max = 0;
        settings.timeouts = Timeouts {
            integration_ms_max: LIMIT_MS,
            header_ms_max: LIMIT_MS,
            idle_ms_max: LIMIT_MS,
            ..settings.timeouts
        };
        if lane == Lane::Sidecar {
            settings.service = Service::Sidecar(SidecarSettings {
                addressing: Addressing::Path,
                domains: Vec::new(),
                identities: Identities::default(),
                allow_lists: HashMap::new(),
            });
        }
        Self {
            gateway: Gateway::start(settings),
            authority,
            folder,
        }
    }

    /// Where a way leads in.
    pub(crate) fn door(&self, way: Way) -> Door {
        let tls = self.gateway.tls_addresses[0];
        match way {
            Way::Tcp => Door::Tcp(self.gateway.address),
            Way::Unix => Door::Unix(socket_in(&self.folder)),
            #[cfg(feature = "http2")]
            Way::Http2 => Door::Http2(tls, crate::support::http2_client::config(&self.authority)),
            _ => {
                let versions = [&TLS13, &TLS12];
                Door::Tls(tls, Arc::new(self.authority.client(&versions, None)))
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.gateway.lifecycle.connections.load(Ordering::SeqCst)
    }

    /// Whether all connections of clients come to an end.
    pub(crate) fn is_left_alone(&self) -> bool {
        let begun = monotonic_ms();
        while self.connections() > 0 {
            if monotonic_ms() - begun > WAIT_MS_MAX {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Whether nothing is under way any more: no exchange, no connection to the store in use, none waited for.
    fn is_idle(&self) -> bool {
        let begun = monotonic_ms();
        loop {
            let sums = self.gateway.metrics.sums();
            let [_idle, in_use, waiting] = sums.upstream;
            if sums.in_flight == 0 && in_use == 0 && waiting == 0 {
                return true;
            }
            if monotonic_ms() - begun > WAIT_MS_MAX {
                return false;
            }
            std::thread::yield_now();
        }
    }

    /// Drains; what was wrong.
    pub(crate) fn end(self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.is_idle() {
            faults.push(format!(
                "something is still under way: {:?}",
                self.gateway.metrics.sums()
            ));
        }
        let lifecycle = Arc::clone(&self.gateway.lifecycle);
        lifecycle.stop.store(1, Ordering::SeqCst);
        self.gateway.join();
        let left = lifecycle.connections.load(Ordering::SeqCst);
        if left > 0 {
            faults.push(format!("{left} connections are left after the drain"));
        }
        faults
    }
}

fn socket_in(folder: &TempDir) -> PathBuf {
    folder.path().join("gateway.sock")
}
