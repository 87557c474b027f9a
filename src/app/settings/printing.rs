//! How the commands that only tell print: `--json`, `--color`.

use crate::app::cli::OutputArgs;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::terminal::Terminal;

/// Text for people or one JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printing {
    /// One JSON document on standard output.
    Json,
    /// Text as this terminal takes it.
    Text(Terminal),
}

impl Printing {
    /// Lays the command line over the file.
    pub fn layered(args: &OutputArgs, file: &ConfigFile, environment: &Environment) -> Self {
        let section = &file.sections.output;
        if args.json.or(section.json) == Some(true) {
            return Self::Json;
        }
        let color = args.color.or(section.color).unwrap_or_default();
        Self::Text(Terminal::of_stdout(color, environment))
    }
}
