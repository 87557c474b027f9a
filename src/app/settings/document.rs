//! Which document is read, and how.

use std::path::PathBuf;

use crate::api::openapi::finding_code::Code;
use crate::app::cli::ImportArgs;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::names::STAGE_VARIABLES_MAX;
use crate::app::settings::names::VariableName;
use crate::app::settings::names::VariableValue;

/// How documents are read.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// `None`: the first segment of the document's base path (spec 01).
    pub stage: Option<String>,
    /// In the order of the file, those of the command line last.
    pub stage_variables: Vec<(String, String)>,
    /// What the base path does.
    pub base_path: BasePathChoice,
    /// Refuse what API Gateway refuses.
    pub strict: bool,
    /// Take warnings for errors.
    pub fail_on_warnings: bool,
    /// Serve protected methods to anybody.
    pub ignore_authorizers: bool,
    /// Warnings and hints of these codes are left out.
    pub allow: Vec<Code>,
    /// There are callers who may sign (`[[identity]]`).
    pub knows_callers: bool,
    /// There are API keys (`[[api_key]]`).
    pub knows_api_keys: bool,
}

impl ImportSettings {
    /// Lays the command line over the file.
    pub fn layered(args: &ImportArgs, file: &ConfigFile) -> Result<Self, SettingsError> {
        let import = &file.sections.import;
        let stage = &file.sections.stage;
        let name = args.stage.clone().or_else(|| stage.name.clone());
        let mut variables = stage.variables.clone();
        for variable in &args.stage_variable {
            variables.insert(variable.name.clone(), variable.value.clone());
        }
        if variables.len() > STAGE_VARIABLES_MAX {
            let found = variables.len();
            return Err(SettingsError::StageVariables { found });
        }
        let texts = |(name, value): (VariableName, VariableValue)| {
            (name.into_string(), value.into_string())
        };
        Ok(Self {
            stage: name.map(|name| name.into_string()),
            stage_variables: variables.into_iter().map(texts).collect(),
            base_path: args.base_path.or(import.base_path).unwrap_or_default(),
            strict: args.strict.or(import.strict).unwrap_or(false),
            fail_on_warnings: args
                .fail_on_warnings
                .or(import.fail_on_warnings)
                .unwrap_or(false),
            ignore_authorizers: args
                .ignore_authorizers
                .or(import.ignore_authorizers)
                .unwrap_or(false),
            allow: args
                .allow
                .iter()
                .chain(&import.allow)
                .map(|silenced| silenced.0)
                .collect(),
            knows_callers: !file.sections.identity.is_empty(),
            knows_api_keys: !file.sections.api_key.is_empty(),
        })
    }

    /// These settings for one document: `--stage` beats its `[[api]] stage`, which beats `[stage] name`.
    pub fn for_document(self, args: &ImportArgs, served: &ServedDocument) -> Self {
        match (&args.stage, &served.stage) {
            (None, Some(stage)) => Self {
                stage: Some(stage.clone()),
                ..self
            },
            _ => self,
        }
    }
}

/// The one document of `serve`, and the stage that its own `[[api]]` entry gives it.
#[derive(Debug, PartialEq, Eq)]
pub struct ServedDocument {
    /// Where it is.
    pub file: PathBuf,
    /// `[[api]] stage`; `None` leaves `--stage` and `[stage]`.
    pub stage: Option<String>,
}

/// `--api` if it is given, else `[[api]]`.
pub fn served_document(
    api: &[PathBuf],
    file: &ConfigFile,
) -> Result<ServedDocument, SettingsError> {
    match (api, file.sections.api.as_slice()) {
        ([one], _) => Ok(ServedDocument {
            file: one.clone(),
            stage: None,
        }),
        ([], [one]) => {
            let one = one.get_ref();
            Ok(ServedDocument {
                file: file.beside(&one.file),
                stage: one.stage.clone().map(|name| name.into_string()),
            })
        }
        ([], [_, second, ..]) => Err(file.fault(
            second.span(),
            "api",
            SettingsError::SeveralDocuments.to_string(),
        )),
        ([], []) => Err(SettingsError::NoDocument),
        ([_, _, ..], _) => Err(SettingsError::SeveralDocuments),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::app::cli::Cli;
    use crate::app::cli::Command;

    fn file(text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new("conf/s.toml"), text.to_owned()).unwrap()
    }

    fn import_args(args: &[&str]) -> ImportArgs {
        let cli = Cli::try_parse_from([&["sluicegate", "serve"], args].concat()).unwrap();
        let Some(Command::Serve(serve)) = cli.command else {
            panic!("serve was parsed");
        };
        serve.import
    }

    fn imported(args: &[&str], text: &str) -> ImportSettings {
        ImportSettings::layered(&import_args(args), &file(text)).unwrap()
    }

    #[test]
    fn stage_variables_of_both_layers_are_joined() {
        let text = "[stage]\nname = 'v1'\n[stage.variables]\na = '1'\nb = '2'\n";
        let settings = imported(
            &["--stage-variable", "b=3", "--stage-variable", "c=4"],
            text,
        );
        assert_eq!(settings.stage.as_deref(), Some("v1"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            settings.stage_variables,
            [pair("a", "1"), pair("b", "3"), pair("c", "4")]
        );
        assert_eq!(
            imported(&["--stage", "v2"], text).stage.as_deref(),
            Some("v2")
        );
    }

    #[test]
    fn a_stage_has_a_hundred_variables_at_most() {
        let lines: Vec<String> = (0..100).map(|n| format!("v{n} = 'x'\n")).collect();
        let text = format!("[stage.variables]\n{}", lines.concat());
        let layered = |variable| {
            let args = import_args(&["--stage-variable", variable]);
            ImportSettings::layered(&args, &file(&text))
        };
        assert_eq!(layered("v0=y").unwrap().stage_variables.len(), 100);
        let fault = layered("v100=y").unwrap_err();
        assert_eq!(fault, SettingsError::StageVariables { found: 101 });
    }

    #[test]
    fn switches_of_the_command_line_beat_the_file_both_ways() {
        let text = "[import]\nstrict = true\nbase_path = 'split'\n";
        assert!(imported(&[], text).strict);
        assert!(!imported(&["--strict=false"], text).strict);
        assert_eq!(imported(&[], text).base_path, BasePathChoice::Split);
        assert_eq!(
            imported(&["--base-path", "prepend"], text).base_path,
            BasePathChoice::Prepend
        );
    }

    #[test]
    fn the_stage_of_an_api_entry_stands_between_option_and_section() {
        let text = "[stage]\nname = 'v1'\n[[api]]\nfile = 'a.yaml'\nstage = 'S3'\n";
        let served = served_document(&[], &file(text)).unwrap();
        let stage = |args: &[&str]| {
            let args = import_args(args);
            let settings = ImportSettings::layered(&args, &file(text)).unwrap();
            settings.for_document(&args, &served).stage
        };
        assert_eq!(stage(&[]).as_deref(), Some("S3"));
        assert_eq!(stage(&["--stage", "v2"]).as_deref(), Some("v2"));
    }

    #[test]
    fn one_document_is_served() {
        let none = file("");
        let one = file("[[api]]\nfile = 'a.yaml'\nstage = 'S3'\n");
        let two = file("[[api]]\nfile = 'a.yaml'\n[[api]]\nfile = 'b.yaml'\n");
        let given = [PathBuf::from("c.yaml"), PathBuf::from("d.yaml")];
        let served = served_document(&[], &one).unwrap();
        assert_eq!(served.file, Path::new("conf/a.yaml"));
        assert_eq!(served.stage.as_deref(), Some("S3"));
        assert_eq!(
            served_document(&given[..1], &two).unwrap().file,
            Path::new("c.yaml")
        );
        assert_eq!(served_document(&[], &none), Err(SettingsError::NoDocument));
        assert_eq!(
            served_document(&given, &none),
            Err(SettingsError::SeveralDocuments)
        );
        let fault = served_document(&[], &two).unwrap_err().to_string();
        assert!(fault.starts_with("conf/s.toml:3:1: api: "), "{fault}");
    }
}
