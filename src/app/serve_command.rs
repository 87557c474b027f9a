//! `sluicegate serve`: one document in front of an S3 endpoint.

use std::path::PathBuf;

use crate::app::admin::AdminDefault;
use crate::app::cli::ServeArgs;
use crate::app::documents;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::gateway::Callers;
use crate::app::gateway::Gateway;
use crate::app::gateway::Plan;
use crate::app::gateway::base_url;
use crate::app::logging;
use crate::app::output;
use crate::app::quota_state::QuotaState;
use crate::app::settings::document::ImportSettings;
use crate::app::settings::document::served_document;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::identities;
use crate::app::settings::metering;
use crate::app::settings::roles;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::net::clock;
use crate::pipeline::metering::limiters::Moment;

/// Serves until a signal ends it.
pub fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let running = RunSettings::layered(&args.run, &file)?;
    logging::start(running.log);
    let served = served_document(&args.api, &file)?;
    let import = ImportSettings::layered(&args.import, &file)?.for_document(&args.import, &served);
    let table = documents::load(&served.file, &import)?.table;
    identities::refuse_allow_lists(&file)?;
    let identities = identities::read(&file)?;
    let (quota_state, records) = match state_dir(args, &file) {
        Some(folder) => {
            let (state, records) = QuotaState::open(&folder)?;
            (Some(state), records)
        }
        None => (None, Vec::new()),
    };
    let metering = metering::read(&file, &table, &records, now())?;
    if quota_state.is_none() && metering.limiters.has_quotas() {
        tracing::warn!(
            "quotas start anew at each start: --state-dir names a folder that keeps their counts"
        );
    }
    let roles = roles::read(&file)?;
    for warning in roles::warnings(&table, &roles) {
        tracing::warn!("{warning}");
    }
    let upstream = UpstreamSettings::layered(&args.store, &environment, &file)?;

    let title = format!("{} ({} methods)", table.title, table.methods.len());
    let stage = table.stage.clone();
    let endpoint = upstream.endpoint.to_string();
    let gateway = Gateway::bind(Plan {
        run: running,
        admin_default: AdminDefault::Fixed,
        upstream,
        table,
        callers: if import.ignore_authorizers {
            Callers::Anybody
        } else {
            Callers::AsDeclared
        },
        identities,
        metering,
        quota_state,
        roles,
    })?;
    let plain = gateway.addresses().iter().map(|at| ("http", at));
    let tls = gateway.tls_addresses().iter().map(|at| ("https", at));
    for (scheme, address) in plain.chain(tls) {
        let line = format!(
            "{title} at {} in front of {endpoint}\n",
            base_url(scheme, address, &stage)
        );
        output::print(&line)?;
    }
    if let Some(url) = gateway.admin_url() {
        output::print(&format!("health, metrics and dashboard at {url}\n"))?;
    }
    gateway.run()
}

/// `--state-dir`, else `[server] state_dir`.
fn state_dir(args: &ServeArgs, file: &ConfigFile) -> Option<PathBuf> {
    let written = file.sections.server.state_dir.as_deref();
    args.state_dir
        .clone()
        .or_else(|| written.map(|path| file.beside(path)))
}

fn now() -> Moment {
    Moment {
        unix: clock::now().unix,
        monotonic_us: clock::monotonic_us(),
    }
}
