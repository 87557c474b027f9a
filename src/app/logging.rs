//! Diagnostics to standard error.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::settings::choices::LogFormat;
use crate::app::settings::choices::LogLevel;
use crate::app::settings::running::LogSettings;

/// Changes the filter of the subscriber that runs.
static CONTROL: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging for the rest of the process; a second call changes nothing.
pub fn start(settings: LogSettings) {
    let terminal = std::io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let (filter, control) = reload::Layer::new(filter(level(settings.level)));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let base = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => base.with(lines.with_ansi(terminal)).try_init(),
        LogFormat::Json => base.with(lines.json().flatten_event(true)).try_init(),
    };
    // The only failure is a subscriber that is set already, as in tests.
    if started.is_ok() {
        CONTROL.get_or_init(|| control);
    }
}

/// The level of a word.
pub fn level_of(word: &str) -> Option<LogLevel> {
    LogLevel::from_str(word, false).ok()
}

/// The word for the level in force.
pub fn level_name() -> &'static str {
    match LevelFilter::current().into_level() {
        None => "off",
        Some(Level::ERROR) => "error",
        Some(Level::WARN) => "warn",
        Some(Level::INFO) => "info",
        Some(Level::DEBUG) => "debug",
        Some(Level::TRACE) => "trace",
    }
}

/// Logs everything up to `to` from now on.
pub fn change(to: LogLevel) -> Result<(), String> {
    let control = CONTROL.get().ok_or("logging was started by another")?;
    let before = level_name();
    let changed = control.reload(filter(level(to)));
    changed.map_err(|fault| fault.to_string())?;
    tracing::info!(before, now = level_name(), "log level changed");
    Ok(())
}

/// Everything up to `level`, less what the library under the embedded store says: it calls a client's mistakes errors,
/// and prints signatures at the finer levels. The store itself logs its failures, and refusals at debug.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(level)
        .with_target("s3s", LevelFilter::OFF)
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_under_the_store_is_silent_and_the_store_is_not() {
        for chosen in [Level::ERROR, Level::TRACE] {
            let filter = filter(chosen);
            assert!(!filter.would_enable("s3s::ops", &Level::ERROR));
            assert!(filter.would_enable("sluicegate::store::server", &chosen));
        }
        let filter = filter(Level::INFO);
        assert!(!filter.would_enable("sluicegate::store::server", &Level::DEBUG));
    }
}
