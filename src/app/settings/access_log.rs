//! `--access-log` and `--access-log-file`.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::app::cli::RunArgs;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::values::from_text;
use crate::pipeline::access_log::AccessLogFormat;
use crate::pipeline::access_log::FormatError;

/// `--access-log`: a compiled template, or that none is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogChoice {
    /// `off` or `none`.
    Off,
    /// `clf`, `json` or a template.
    Lines(AccessLogFormat),
}

impl FromStr for AccessLogChoice {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "off" | "none" => Ok(Self::Off),
            template => AccessLogFormat::compile(template).map(Self::Lines),
        }
    }
}

impl<'de> Deserialize<'de> for AccessLogChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// An access log that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Its lines.
    pub format: AccessLogFormat,
    /// Where they go; `None` is standard output.
    pub file: Option<PathBuf>,
}

impl AccessLogSettings {
    /// Lays the command line over the file.
    pub fn layered(args: &RunArgs, file: &ConfigFile) -> Result<Option<Self>, SettingsError> {
        let server = &file.sections.server;
        let choice = args.access_log.as_ref().or(server.access_log.as_ref());
        let beside = |path: &PathBuf| file.beside(path);
        let path = args
            .access_log_file
            .clone()
            .or_else(|| server.access_log_file.as_ref().map(beside));
        match choice {
            Some(AccessLogChoice::Lines(format)) => Ok(Some(Self {
                format: format.clone(),
                file: path,
            })),
            Some(AccessLogChoice::Off) => Ok(None),
            None if path.is_some() => Err(SettingsError::AccessLogFileAlone),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::app::cli::Cli;

    fn layered(args: &[&str], file: &str) -> Result<Option<AccessLogSettings>, SettingsError> {
        let cli = Cli::try_parse_from([&["sluicegate"], args].concat()).unwrap();
        let file = ConfigFile::parse(Path::new("conf/s.toml"), file.to_owned()).unwrap();
        AccessLogSettings::layered(&cli.demo.run, &file)
    }

    #[test]
    fn off_unless_somebody_asks() {
        assert_eq!(layered(&[], ""), Ok(None));
        let file = "[server]\naccess_log = 'clf'\naccess_log_file = 'a.log'\n";
        let clf = AccessLogFormat::compile("clf").unwrap();
        let of_file = layered(&[], file).unwrap().unwrap();
        assert_eq!(of_file.format, clf);
        assert_eq!(of_file.file.as_deref(), Some(Path::new("conf/a.log")));
        for off in ["off", "none"] {
            assert_eq!(layered(&["--access-log", off], file), Ok(None));
        }
        let both = layered(&["--access-log", "json", "--access-log-file", "b"], file);
        let both = both.unwrap().unwrap();
        assert_ne!(both.format, clf);
        assert_eq!(both.file.as_deref(), Some(Path::new("b")));
    }

    #[test]
    fn a_file_without_a_format_is_refused() {
        assert_eq!(
            layered(&["--access-log-file", "a.log"], ""),
            Err(SettingsError::AccessLogFileAlone)
        );
    }

    #[test]
    fn what_is_no_format_is_refused_with_what_is() {
        let refused = Cli::try_parse_from(["sluicegate", "--access-log", "common"]).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("--access-log") && text.contains("$context.requestId"),
            "{text}"
        );
        let text = "[server]\naccess_log = '$context.status'\n".to_owned();
        let fault = ConfigFile::parse(Path::new("s.toml"), text).unwrap_err();
        let text = fault.to_string();
        assert!(
            text.starts_with("s.toml:2:14: server.access_log: "),
            "{text}"
        );
    }
}
