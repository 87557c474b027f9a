//! A server from its plan to the exit status: what `serve`, `sidecar` and `demo` share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;

use crate::app::access_log_writer::AccessLogWriter;
use crate::app::access_log_writer::Target;
use crate::app::admin;
use crate::app::admin::AdminSocket;
use crate::app::admin::AdminState;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::notify::Notifier;
#[cfg(feature = "otlp")]
use crate::app::otlp::Exporter;
#[cfg(feature = "otlp")]
use crate::app::otlp::RunningExporter;
use crate::app::plan::Made;
use crate::app::plan::Plan;
use crate::app::plan::quota_records;
use crate::app::quota_state::Keeper;
use crate::app::quota_state::QuotaState;
use crate::app::reload::Reloader;
use crate::app::reload::Sources;
use crate::app::settings::environment::Environment;
use crate::app::signals;
use crate::app::signals::DrainTimes;
use crate::app::signals::SignalWatch;
use crate::net::address::ListenAt;
use crate::net::credentials::renewal::Renewal;
use crate::net::listener::inherited;
use crate::net::listener::inherited::Inherited;
use crate::serve::access_log::AccessLog;
use crate::serve::access_log::LineCounts;
use crate::serve::in_force::InForce;
use crate::serve::server;
use crate::serve::server::ServeError;
use crate::serve::settings::Lifecycle;

/// A server whose listeners are open.
pub struct Gateway {
    bound: server::Bound,
    admin: Option<AdminSocket>,
    in_force: Arc<InForce>,
    drain_times: DrainTimes,
    lifecycle: Arc<Lifecycle>,
    watch: SignalWatch,
    quota_state: Option<QuotaState>,
    access_log: Option<(Receiver<Vec<u8>>, Target, Arc<LineCounts>)>,
    #[cfg(feature = "otlp")]
    exporter: Option<Exporter>,
    settings_kept: SettingsKept,
    notifier: Option<Arc<Notifier>>,
    workers: usize,
}

/// Who looks after the settings in force.
enum SettingsKept {
    /// They are read again when a signal or a file asks for it.
    Reloader(Reloader, Receiver<()>),
    /// They stay; keys are renewed.
    Fixed(Vec<Renewal>),
}

impl Gateway {
    /// Opens the listeners. Connections wait in their queues until [`Gateway::run`]. `sources`: where the plan came from, if
    /// it can be made again.
    pub fn bind(
        mut plan: Plan,
        quota_state: Option<QuotaState>,
        sources: Option<Sources>,
    ) -> Result<Self, Failure> {
        let drain_times = plan.run.drain_times();
        let workers = plan.run.workers;
        let notifier = Notifier::of(&Environment::of_process())
            .map_err(|cause| {
                Failure::new(Exit::BadConfiguration, format!("NOTIFY_SOCKET: {cause}"))
            })?
            .map(Arc::new);
        let fixed = plan.fixed();
        let inherited =
            inherited::take().map_err(|fault| Failure::new(Exit::CouldNotBind, fault))?;
        let run = &mut plan.run;
        if !run.listen_is_chosen && !inherited.is_empty() && run.edge.is_plain() {
            // Nothing was said of addresses: those that were passed are meant.
            run.listen = addresses_of(&inherited);
        }
        let (admin_listen, admin_default) = (plan.run.admin.clone(), plan.admin_default);
        let (access_log, batches) = match plan.run.access_log.take() {
            Some(chosen) => {
                let target = Target::open(chosen.file)?;
                let (log, batches) = AccessLog::new(chosen.format);
                let counts = Arc::clone(log.counts());
                (Some(log), Some((batches, target, counts)))
            }
            None => (None, None),
        };
        #[cfg(feature = "otlp")]
        let exporter = plan.run.otlp.take().map(|otlp| {
            let (spans, exporter) = Exporter::new(otlp);
            plan.run.edge.spans = Some(spans);
            exporter
        });
        let Made { settings, renewals } = plan.make(access_log.clone())?;
        let bound = server::bind_with(Arc::new(settings), inherited).map_err(failure)?;
        let admin = admin::bind(admin_listen, admin_default)?;
        let in_force = bound.in_force();
        let lifecycle = Arc::new(Lifecycle::default());
        let (ask, asked) = channel();
        let settings_kept = match sources {
            Some(sources) => SettingsKept::Reloader(
                Reloader {
                    sources,
                    fixed,
                    access_log,
                    renewals,
                    notifier: notifier.clone(),
                    in_force: Arc::clone(&in_force),
                    lifecycle: Arc::clone(&lifecycle),
                },
                asked,
            ),
            None => SettingsKept::Fixed(renewals),
        };
        // Before anybody is told that it listens: who was told may send a signal.
        let watch = signals::watch(Arc::clone(&lifecycle), drain_times, ask)
            .map_err(|cause| Failure::new(Exit::FailedWhileRunning, format!("signals: {cause}")))?;
        Ok(Self {
            bound,
            admin,
            in_force,
            drain_times,
            lifecycle,
            watch,
            quota_state,
            access_log: batches,
            #[cfg(feature = "otlp")]
            exporter,
            settings_kept,
            notifier,
            workers,
        })
    }

    /// The addresses that were bound, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> &[ListenAt] {
        self.bound.addresses()
    }

    /// As [`Gateway::addresses`], of the listeners that speak TLS.
    pub fn tls_addresses(&self) -> &[ListenAt] {
        self.bound.tls_addresses()
    }

    /// Where the dashboard is, if there is one.
    pub fn admin_url(&self) -> Option<String> {
        self.admin.as_ref().map(AdminSocket::url)
    }

    /// Serves until a signal ends it.
    pub fn run(self) -> Result<Exit, Failure> {
        let lifecycle = self.lifecycle;
        let line_counts = self.access_log.as_ref();
        let line_counts = line_counts.map(|(_, _, counts)| Arc::clone(counts));
        let told = AdminState::of(&self.bound, &lifecycle, line_counts, self.drain_times);
        let _admin = self.admin.map(|socket| socket.serve(told)).transpose()?;
        let no_thread = |what: &str, cause: std::io::Error| {
            Failure::new(Exit::FailedWhileRunning, format!("{what}: {cause}"))
        };
        let start = |(batches, target, counts)| {
            AccessLogWriter::start(batches, target, counts, Arc::clone(&lifecycle))
        };
        let writer = self.access_log.map(start).transpose()?;
        #[cfg(feature = "otlp")]
        let exporter = self.exporter.map(Exporter::start).transpose()?;
        let in_force = Arc::clone(&self.in_force);
        let count = move || quota_records(&in_force.generation().settings);
        let kept = self.quota_state.map(|state| state.keep(count)).transpose();
        let keeper = kept.map_err(|cause| no_thread("quotas", cause))?;
        let _renewals = match self.settings_kept {
            SettingsKept::Fixed(renewals) => renewals,
            SettingsKept::Reloader(reloader, asked) => {
                let started = reloader.start(asked);
                started.map_err(|cause| no_thread("reload", cause))?;
                Vec::new()
            }
        };
        if let Some(notifier) = &self.notifier {
            let followed = Arc::clone(notifier).follow(self.workers, Arc::clone(&lifecycle));
            followed.map_err(|cause| no_thread("notify", cause))?;
        }
        let ended = self.bound.run(&lifecycle);
        if let Some(notifier) = &self.notifier {
            notifier.stopping();
        }
        let exit = self.watch.finish();
        keeper.into_iter().for_each(Keeper::finish);
        if let Some(writer) = writer {
            writer.finish();
        }
        #[cfg(feature = "otlp")]
        exporter.into_iter().for_each(RunningExporter::finish);
        ended.map_err(failure)?;
        Ok(exit)
    }
}

/// Each address once.
fn addresses_of(inherited: &[Inherited]) -> Vec<ListenAt> {
    let mut addresses: Vec<ListenAt> = Vec::new();
    for socket in inherited {
        if !addresses.contains(&socket.at) {
            addresses.push(socket.at.clone());
        }
    }
    addresses
}

fn failure(error: ServeError) -> Failure {
    let exit = match error {
        ServeError::Bind { .. } | ServeError::Inherited(_) | ServeError::Driver(_) => {
            Exit::CouldNotBind
        }
        ServeError::Thread(_) | ServeError::WorkerDied => Exit::FailedWhileRunning,
    };
    Failure::new(exit, error)
}

/// A base URL of the stage at `listen`; the unspecified address is shown as loopback. What reaches a Unix socket does not
/// look at the URL's host.
pub fn base_url(scheme: &str, listen: &ListenAt, stage: &str) -> String {
    let shown = match listen.inet() {
        None => return format!("{scheme}://localhost/{stage} over {listen}"),
        Some(SocketAddr::V4(v4)) if v4.ip().is_unspecified() => {
            SocketAddr::from(([127, 0, 0, 1], v4.port()))
        }
        Some(SocketAddr::V6(v6)) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        Some(other) => other,
    };
    format!("{scheme}://{shown}/{stage}")
}
