//! `sluicegate serve`: documents in front of an S3 endpoint.

use std::path::PathBuf;

use crate::app::admin::AdminDefault;
use crate::app::cli::ServeArgs;
use crate::app::documents;
use crate::app::documents::LoadedDocument;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::gateway::Gateway;
use crate::app::gateway::base_url;
use crate::app::logging;
use crate::app::output;
use crate::app::plan::ApisPlan;
use crate::app::plan::Callers;
use crate::app::plan::Plan;
use crate::app::plan::Served;
use crate::app::quota_state::QuotaState;
use crate::app::reload::Sources;
use crate::app::settings::document::served_documents;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::files_read;
use crate::app::settings::identities;
use crate::app::settings::metering;
use crate::app::settings::metering::Counted;
use crate::app::settings::metering::Metered;
use crate::app::settings::otlp::OtlpSettings;
use crate::app::settings::roles;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;
use crate::net::clock;
use crate::pipeline::metering::Metering;
use crate::pipeline::metering::limiters::Limiters;
use crate::pipeline::metering::limiters::Moment;
use crate::pipeline::metering::quota::QuotaRecord;
use crate::serve::settings::ServeSettings;
use crate::serve::settings::Service;

/// Serves until a signal ends it.
pub fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let file = ConfigFile::given(args.run.config.as_deref())?;
    logging::start(RunSettings::layered(&args.run, &file)?.log);
    let watch = args.reload.watch.or(file.sections.server.watch);
    let (quota_state, records) = match state_dir(&args, &file) {
        Some(folder) => {
            let (state, records) = QuotaState::open(&folder)?;
            (Some(state), records)
        }
        None => (None, Vec::new()),
    };
    let (plan, files) = files_read::noting(|| load(&args, None, &records));
    let plan = plan?;
    if let Served::Apis(apis) = &plan.served
        && quota_state.is_none()
        && apis.metering.iter().any(|one| one.limiters.has_quotas())
    {
        tracing::warn!(
            "quotas start anew at each start: --state-dir names a folder that keeps their counts"
        );
    }
    let banner = Banner::of(&plan);
    let sources = Sources {
        load: Box::new(move |before| load(&args, Some(before), &[])),
        files,
        watch: watch.unwrap_or(false),
    };
    let gateway = Gateway::bind(plan, quota_state, Some(sources))?;
    let plain = gateway.addresses().iter().map(|at| ("http", at));
    let tls = gateway.tls_addresses().iter().map(|at| ("https", at));
    for (scheme, address) in plain.chain(tls) {
        for document in &banner.documents {
            let url = base_url(scheme, address, &document.stage);
            let ServedTitle { title, host, .. } = document;
            output::print(&format!(
                "{title} at {url}{host} in front of {}\n",
                banner.endpoint
            ))?;
        }
    }
    if let Some(url) = gateway.admin_url() {
        output::print(&format!("health, metrics and dashboard at {url}\n"))?;
    }
    gateway.run()
}

/// Reads everything that a gateway is served by. `before`: the settings in force, whose counts go on.
fn load(
    args: &ServeArgs,
    before: Option<&ServeSettings>,
    records: &[QuotaRecord],
) -> Result<Plan, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let mut run = RunSettings::layered(&args.run, &file)?;
    run.export_spans(OtlpSettings::layered(&args.run, &environment, &file)?);
    let served = served_documents(&args.api, &args.import, &file)?;
    let anybody = served.iter().any(|one| one.import.ignore_authorizers);
    let documents = documents::load_all(&served)?;
    identities::refuse_allow_lists(&file)?;
    let identities = identities::read(&file)?;
    let metering = metering(&file, &documents, before, records)?;
    let roles = roles::read(&file)?;
    for document in &documents {
        for warning in roles::warnings(&document.table, &roles) {
            tracing::warn!("{warning}");
        }
    }
    let state_dir = format!("{:?}", state_dir(args, &file));
    Ok(Plan {
        run,
        admin_default: AdminDefault::Fixed,
        upstream: UpstreamSettings::layered(&args.store, &environment, &file)?,
        served: Served::Apis(ApisPlan {
            documents,
            metering,
            callers: if anybody {
                Callers::Anybody
            } else {
                Callers::AsDeclared
            },
            identities,
            roles,
        }),
        fixed: vec![("server.state_dir", state_dir)],
    })
}

/// What each document is metered by; counts of before go on.
fn metering(
    file: &ConfigFile,
    documents: &[LoadedDocument],
    before: Option<&ServeSettings>,
    records: &[QuotaRecord],
) -> Result<Vec<Metering>, Failure> {
    let known = match before.map(|settings| &settings.service) {
        Some(Service::Gateway(apis)) => apis.iter().collect(),
        Some(Service::Sidecar(_)) | None => Vec::new(),
    };
    let same = |document: &LoadedDocument| {
        known.iter().find(|api| {
            api.host == document.host && api.gateway.table.stage == document.table.stage
        })
    };
    let metered: Vec<Metered<'_>> = documents
        .iter()
        .map(|document| Metered {
            table: &document.table,
            before: same(document).map(|api| &api.gateway.metering.limiters),
        })
        .collect();
    let limiters: Vec<&Limiters> = known
        .iter()
        .map(|api| &api.gateway.metering.limiters)
        .collect();
    let counted = Counted {
        limiters: &limiters,
        records,
    };
    let now = Moment {
        unix: clock::now().unix,
        monotonic_us: clock::monotonic_us(),
    };
    Ok(metering::read(file, &metered, counted, now)?)
}

/// `--state-dir`, else `[server] state_dir`.
fn state_dir(args: &ServeArgs, file: &ConfigFile) -> Option<PathBuf> {
    let written = file.sections.server.state_dir.as_deref();
    args.state_dir
        .clone()
        .or_else(|| written.map(|path| file.beside(path)))
}

/// What is printed once it listens.
struct Banner {
    documents: Vec<ServedTitle>,
    endpoint: String,
}

struct ServedTitle {
    title: String,
    stage: String,
    /// What is said of the host, with a blank before it.
    host: String,
}

impl Banner {
    fn of(plan: &Plan) -> Self {
        let documents = match &plan.served {
            Served::Apis(apis) => apis.documents.iter().map(ServedTitle::of).collect(),
            Served::Sidecar(_) => Vec::new(),
        };
        Self {
            documents,
            endpoint: plan.upstream.endpoint.to_string(),
        }
    }
}

impl ServedTitle {
    fn of(document: &LoadedDocument) -> Self {
        let table = &document.table;
        Self {
            title: format!("{} ({} methods)", table.title, table.methods.len()),
            stage: table.stage.clone(),
            host: match &document.host {
                Some(host) => format!(" for the host {host}"),
                None => String::new(),
            },
        }
    }
}
