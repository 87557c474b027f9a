//! The program: arguments, settings, commands.

pub mod access_log_writer;
pub mod admin;
pub mod bench;
pub mod check_command;
pub mod cli;
pub mod credentials;
#[cfg(feature = "demo")]
pub mod demo;
pub mod documents;
pub mod exit;
pub mod explain;
pub mod findings_report;
pub mod gateway;
pub mod logging;
pub mod notify;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod output;
pub mod plan;
pub mod quota_state;
pub mod reload;
pub mod routes_command;
pub mod serve_command;
pub mod settings;
pub mod sidecar_command;
pub mod signals;
pub mod terminal;
pub mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::app::cli::Command;
use crate::app::exit::Exit;
use crate::app::exit::Failure;

/// Does what the command line says. Usage faults end the process in `clap`, with status 2.
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = usage::read(&arguments).unwrap_or_else(|refusal| refusal.exit());
    let ended = match cli.command {
        None => run_demo(&cli.demo),
        Some(Command::Demo(args)) => run_demo(&args),
        Some(Command::Serve(args)) => serve_command::run(*args),
        Some(Command::Check(args)) => check_command::run(&args),
        Some(Command::Routes(args)) => routes_command::run(&args),
        Some(Command::Sidecar(args)) => sidecar_command::run(args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("sluicegate: {}", failure.message);
            }
            failure.exit.into()
        }
    }
}

#[cfg(feature = "demo")]
fn run_demo(args: &cli::DemoArgs) -> Result<Exit, Failure> {
    demo::run(args)
}

#[cfg(not(feature = "demo"))]
fn run_demo(_: &cli::DemoArgs) -> Result<Exit, Failure> {
    let message = "`demo` is not in this build (feature `demo`); `sluicegate serve --help` shows how to serve a document";
    Err(Failure::new(Exit::WrongUsage, message))
}
