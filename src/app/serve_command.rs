//! `sluicegate serve`: one document in front of an S3 endpoint.

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
use crate::app::settings::document::ImportSettings;
use crate::app::settings::document::served_document;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::identities;
use crate::app::settings::metering;
use crate::app::settings::running::RunSettings;
use crate::app::settings::upstream::UpstreamSettings;

/// Serves until a signal ends it.
pub fn run(args: &ServeArgs) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let file = ConfigFile::given(args.run.config.as_deref())?;
    let running = RunSettings::layered(&args.run, &file)?;
    logging::start(running.log);
    let served = served_document(&args.api, &file)?;
    let import = ImportSettings::layered(&args.import, &file)?.for_document(&args.import, &served);
    let table = documents::load(&served.file, &import)?.table;
    let identities = identities::read(&file)?;
    let metering = metering::read(&file)?;
    let upstream = UpstreamSettings::layered(&args.store, &environment, &file)?;

    let title = format!("{} ({} methods)", table.title, table.methods.len());
    let stage = table.stage.clone();
    let endpoint = upstream.endpoint.to_string();
    let gateway = Gateway::bind(Plan {
        run: running,
        upstream,
        table,
        callers: if import.ignore_authorizers {
            Callers::Anybody
        } else {
            Callers::AsDeclared
        },
        identities,
        metering,
    })?;
    for &address in gateway.addresses() {
        let line = format!(
            "{title} at {} in front of {endpoint}\n",
            base_url(address, &stage)
        );
        output::print(&line)?;
    }
    gateway.run()
}
