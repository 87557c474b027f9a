//! The program: arguments, settings, commands.

pub mod cli;
pub mod credentials;
pub mod exit;
pub mod settings;

/// x
pub fn run() -> std::process::ExitCode {
    exit::Exit::AsAsked.into()
}
