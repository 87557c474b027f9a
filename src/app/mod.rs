//! The program: arguments, settings, commands.

pub mod cli;
pub mod credentials;
pub mod exit;
pub mod logging;
pub mod output;
pub mod settings;
pub mod signals;

/// x
pub fn run() -> std::process::ExitCode {
    exit::Exit::AsAsked.into()
}
