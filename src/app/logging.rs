//! Diagnostics to standard error.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::settings::choices::LogFormat;
use crate::app::settings::choices::LogLevel;
use crate::app::settings::running::LogSettings;

/// Starts logging for the rest of the process; a second call changes nothing.
pub fn start(settings: LogSettings) {
    let terminal = std::io::stderr().is_terminal();
    let format = settings.format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level(settings.level))
        .with_target(false);
    let filter = filter(level(settings.level));
    // ignored: the only failure is a subscriber that is set already, as in tests
    let _ignored = match format {
        LogFormat::Text => {
            let text = builder.with_ansi(terminal).finish();
            text.with(filter).try_init()
        }
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).finish();
            json.with(filter).try_init()
        }
    };
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
