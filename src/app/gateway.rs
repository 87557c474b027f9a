//! The gateway from checked settings to the exit status: what `serve` and `demo` share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::api::table::Table;
use crate::app::access_log_writer::AccessLogWriter;
use crate::app::access_log_writer::Target;
use crate::app::admin;
use crate::app::admin::AdminDefault;
use crate::app::admin::AdminSocket;
use crate::app::admin::AdminState;
use crate::app::credentials;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::quota_state::Keeper;
use crate::app::quota_state::QuotaState;
use crate::app::settings::roles::RoleKeys;
use crate::app::settings::roles::RoleSettings;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::app::signals;
use crate::app::signals::SignalWatch;
use crate::net::address::ListenAt;
use crate::net::credentials::chain::ChainSettings;
use crate::net::credentials::renewal::Renewal;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::upstream::endpoint::Endpoint;
use crate::pipeline::identity::Identities;
use crate::pipeline::metering::Metering;
use crate::pipeline::store_path::StoreAddress;
use crate::serve::access_log::AccessLog;
use crate::serve::access_log::LineCounts;
use crate::serve::apis::Apis;
use crate::serve::roles::KnownRole;
use crate::serve::roles::Roles;
use crate::serve::server;
use crate::serve::server::ServeError;
use crate::serve::settings::GatewaySettings;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::ServeSettings;
use crate::serve::settings::Service;

/// What a gateway serves, and how.
pub struct Plan {
    /// How it runs.
    pub run: RunSettings,
    /// Where the admin listener is if `run` says nothing of it.
    pub admin_default: AdminDefault,
    /// The store.
    pub upstream: UpstreamSettings,
    /// The document.
    pub table: Table,
    /// Who may call protected methods.
    pub callers: Callers,
    /// Callers that may sign.
    pub identities: Identities,
    /// API keys, usage plans, throttles.
    pub metering: Metering,
    /// Where counts of quotas outlive this process.
    pub quota_state: Option<QuotaState>,
    /// What `credentials` of integrations stand for.
    pub roles: Vec<RoleSettings>,
}

/// Who may call methods that ask for AWS_IAM, an API key or an authorizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Those that the method lets in.
    AsDeclared,
    /// `--ignore-authorizers`
    Anybody,
}

/// A gateway whose listeners are open.
pub struct Gateway {
    bound: server::Bound,
    admin: Option<AdminSocket>,
    lifecycle: Arc<Lifecycle>,
    watch: SignalWatch,
    /// Keep the keys of the store and of roles fresh while they live.
    _renewals: Vec<Renewal>,
    metering: Arc<Metering>,
    quota_state: Option<QuotaState>,
    access_log: Option<(Receiver<Vec<u8>>, Target, Arc<LineCounts>)>,
}

impl Gateway {
    /// Opens the listeners. Connections wait in their queues until [`Gateway::run`].
    pub fn bind(plan: Plan) -> Result<Self, Failure> {
        let Plan {
            mut run,
            admin_default,
            upstream,
            table,
            callers,
            identities,
            metering,
            quota_state,
            roles,
        } = plan;
        let drain_ms_max = run.drain_ms_max;
        let admin_listen = run.admin.clone();
        let metering = Arc::new(metering);
        let (access_log, batches) = match run.access_log.take() {
            Some(chosen) => {
                let target = Target::open(chosen.file)?;
                let (log, batches) = AccessLog::new(chosen.format);
                let counts = Arc::clone(log.counts());
                (Some(log), Some((batches, target, counts)))
            }
            None => (None, None),
        };
        let addressing = upstream.addressing;
        let bucket = upstream.bucket.clone();
        let served = Arc::clone(&metering);
        let (roles, mut renewals) = known_roles(roles, &upstream.chain)?;
        let (mut settings, renewal) = settings(run, upstream, move |endpoint| {
            Service::Gateway(Apis::one(GatewaySettings {
                store: StoreAddress::new(
                    endpoint.authority(),
                    addressing,
                    bucket.as_deref(),
                    &table,
                ),
                table: Arc::new(table),
                ignore_authorizers: callers == Callers::Anybody,
                first_series: 0,
                identities: Arc::new(identities),
                metering: served,
                roles: Arc::new(roles),
            }))
        })?;
        settings.access_log = access_log;
        renewals.extend(renewal);
        let bound = server::bind(Arc::new(settings)).map_err(failure)?;
        let admin = admin::bind(admin_listen, admin_default)?;
        let lifecycle = Arc::new(Lifecycle::default());
        // Before anybody is told that it listens: who was told may send a signal.
        let watch = watch_signals(&lifecycle, drain_ms_max)?;
        Ok(Self {
            bound,
            admin,
            lifecycle,
            watch,
            _renewals: renewals,
            metering,
            quota_state,
            access_log: batches,
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
        let told = AdminState::of(&self.bound, &lifecycle, line_counts);
        let _admin = self.admin.map(|socket| socket.serve(told)).transpose()?;
        let start = |(batches, target, counts)| {
            AccessLogWriter::start(batches, target, counts, Arc::clone(&lifecycle))
        };
        let writer = self.access_log.map(start).transpose()?;
        let kept = self
            .quota_state
            .map(|state| state.keep(self.metering))
            .transpose();
        let keeper = kept
            .map_err(|cause| Failure::new(Exit::FailedWhileRunning, format!("quotas: {cause}")))?;
        let ended = self.bound.run(&lifecycle);
        let exit = self.watch.finish();
        keeper.into_iter().for_each(Keeper::finish);
        if let Some(writer) = writer {
            writer.finish();
        }
        ended.map_err(failure)?;
        Ok(exit)
    }
}

/// The roles with the places of their keys, and what renews those. Their ARNs differ.
fn known_roles(
    settings: Vec<RoleSettings>,
    chain: &ChainSettings,
) -> Result<(Roles, Vec<Renewal>), Failure> {
    let mut renewals = Vec::new();
    let mut known = Vec::new();
    for RoleSettings { arn, role, keys } in settings {
        let credentials = match keys {
            RoleKeys::OfStore => None,
            RoleKeys::Own(keys) => Some(CredentialSlot::fixed(&arn, "settings", keys)),
            RoleKeys::Found(found) => {
                let (slot, renewal) = credentials::open_role(&arn, &found, chain)?;
                renewals.push(renewal);
                Some(slot)
            }
        };
        known.push((arn, KnownRole { role, credentials }));
    }
    Ok((known.into_iter().collect(), renewals))
}

/// Signals reach `lifecycle` from now on.
pub(super) fn watch_signals(
    lifecycle: &Arc<Lifecycle>,
    drain_ms_max: u64,
) -> Result<SignalWatch, Failure> {
    signals::watch(Arc::clone(lifecycle), drain_ms_max)
        .map_err(|cause| Failure::new(Exit::FailedWhileRunning, format!("signals: {cause}")))
}

/// What every worker needs, in front of a store whose name is looked up now, and what renews the keys towards it.
///
/// # Errors
/// The name stands for nothing, or there are no keys.
pub(super) fn settings(
    run: RunSettings,
    upstream: UpstreamSettings,
    service: impl FnOnce(&Endpoint) -> Service,
) -> Result<(ServeSettings, Option<Renewal>), Failure> {
    let endpoint = upstream.endpoint.into_resolved().map_err(|cause| {
        let message = format!("{cause}; another store can be given with --s3-endpoint");
        Failure::new(Exit::BadConfiguration, message)
    })?;
    if endpoint.is_tls() {
        // Read before the cores run, so that no request waits for it.
        let _roots = upstream.trust.roots();
    }
    let (slot, renewal) = credentials::open(upstream.credentials, &upstream.chain)?;
    let settings = ServeSettings {
        listen: run.listen,
        edge: run.edge,
        workers: run.workers,
        service: service(&endpoint),
        endpoint,
        upstream: run.upstream,
        trust: upstream.trust,
        region: Some(upstream.region),
        credentials: slot,
        payload_signing: run.payload_signing,
        limits: run.limits,
        timeouts: run.timeouts,
        io_driver: run.io_driver,
        access_log: None,
    };
    Ok((settings, renewal))
}

pub(super) fn failure(error: ServeError) -> Failure {
    let exit = match error {
        ServeError::Bind { .. } | ServeError::Driver(_) => Exit::CouldNotBind,
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
