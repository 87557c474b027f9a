//! `sluicegate bench`: load on a gateway, a sidecar or a store, with latencies that waiting cannot hide.

pub mod args;
pub mod section;
pub mod settings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::app::bench::args::BenchArgs;
use crate::app::bench::settings::BenchSettings;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::output;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::load::ladder;
use crate::load::report::Measured;
use crate::load::report::Report;
use crate::load::report::html;
use crate::load::report::json;
use crate::load::report::text;
use crate::load::run;

/// Runs the load and tells what it showed. A first Ctrl-C ends the run early and still reports.
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let file = ConfigFile::given(args.config.as_deref())?;
    let settings = BenchSettings::layered(args, &file, &Environment::of_process())?;
    let measured = if settings.runs {
        Some(measure(&settings)?)
    } else {
        None
    };
    let ladder = ladder::climb(&settings.plan, settings.ladder_limit, &settings.ladder);
    let report = Report {
        plan: &settings.plan,
        url: &settings.url,
        run: measured,
        ladder,
        objectives: settings.objectives.clone(),
    };
    if let Some(path) = &settings.html {
        std::fs::write(path, html::render(&report)).map_err(|cause| {
            let message = format!("--html: cannot write {}: {cause}", path.display());
            Failure::new(Exit::FailedWhileRunning, message)
        })?;
    }
    let told = if settings.json {
        format!("{:#}\n", json::render(&report))
    } else {
        text::render(&report)
    };
    output::print(&told)?;
    if report.is_sound() {
        Ok(Exit::AsAsked)
    } else {
        Err(Failure::already_told(Exit::FailedWhileRunning))
    }
}

fn measure(settings: &BenchSettings) -> Result<Measured, Failure> {
    let failed = |cause: &dyn std::fmt::Display| Failure::new(Exit::FailedWhileRunning, cause);
    let stop = Arc::new(AtomicBool::new(false));
    // The second Ctrl-C ends the program: the handler's flag is then already set.
    signal_hook::flag::register_conditional_shutdown(
        signal_hook::consts::SIGINT,
        1,
        Arc::clone(&stop),
    )
    .and_then(|_| signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop)))
    .map_err(|cause| failed(&format!("signals: {cause}")))?;
    let counted = run::run(&settings.plan, &stop, |number, second| {
        if !settings.quiet {
            eprintln!("{}", text::progress(number, second));
        }
    });
    let recorder = counted.map_err(|cause| failed(&cause))?;
    Measured::new(recorder).map_err(|cause| failed(&cause))
}
