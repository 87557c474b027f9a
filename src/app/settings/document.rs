//! Which documents are read, and how each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::api::openapi::finding_code::Code;
use crate::app::cli::ImportArgs;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ApiSection;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::names::HostName;
use crate::app::settings::names::STAGE_VARIABLES_MAX;
use crate::app::settings::names::StageName;
use crate::app::settings::names::StageVariable;
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

    /// These settings for an `[[api]]` entry that is one of several documents: its stage and variables are its own.
    fn of_entry(&self, file: &ConfigFile, entry: &ApiSection) -> Result<Self, SettingsError> {
        Ok(Self {
            stage: entry.stage.clone().map(StageName::into_string),
            stage_variables: variables(file, entry)?.unwrap_or_default(),
            ..self.clone()
        })
    }

    /// These settings for an `[[api]]` entry that is the only document: what it does not say of its stage is said by
    /// `[stage]`, and `--stage` and `--stage-variable` beat it.
    fn of_lone_entry(
        &self,
        args: &ImportArgs,
        file: &ConfigFile,
        entry: &ApiSection,
    ) -> Result<Self, SettingsError> {
        let stage = args.stage.clone().or_else(|| entry.stage.clone());
        let stage = stage.map(StageName::into_string);
        let mut alone = self.clone();
        alone.stage = stage.or(alone.stage);
        if let Some(own) = variables(file, entry)? {
            let given = args.stage_variable.iter().map(|variable| {
                let StageVariable { name, value } = variable.clone();
                (name.into_string(), value.into_string())
            });
            let mut joined: BTreeMap<String, String> = own.into_iter().collect();
            joined.extend(given);
            if joined.len() > STAGE_VARIABLES_MAX {
                let found = joined.len();
                return Err(SettingsError::StageVariables { found });
            }
            alone.stage_variables = joined.into_iter().collect();
        }
        Ok(alone)
    }
}

/// The variables that an entry gives to its stage.
fn variables(
    file: &ConfigFile,
    entry: &ApiSection,
) -> Result<Option<Vec<(String, String)>>, SettingsError> {
    let Some(written) = &entry.variables else {
        return Ok(None);
    };
    let found = written.get_ref().len();
    if found > STAGE_VARIABLES_MAX {
        let message = format!("found {found}, wanted at most {STAGE_VARIABLES_MAX}");
        return Err(file.fault(written.span(), "api.variables", message));
    }
    let pairs = written.get_ref().clone().into_iter();
    let texts = pairs.map(|(name, value)| (name.into_string(), value.into_string()));
    Ok(Some(texts.collect()))
}

/// Documents of one process: each request looks for its own by bisection.
pub const DOCUMENTS_MAX: usize = 600;

/// One document of `serve`.
#[derive(Clone, Debug)]
pub struct ServedDocument {
    /// Where it is.
    pub file: PathBuf,
    /// The only host name that it answers under.
    pub host: Option<String>,
    /// How it is read, its stage included.
    pub import: ImportSettings,
}

/// The documents that `--api` names, under the stage of `--stage` and `[stage]`, then those of `[[api]]`.
pub fn served_documents(
    api: &[PathBuf],
    args: &ImportArgs,
    file: &ConfigFile,
) -> Result<Vec<ServedDocument>, SettingsError> {
    let import = ImportSettings::layered(args, file)?;
    let of_option = |path: &PathBuf| ServedDocument {
        file: path.clone(),
        host: None,
        import: import.clone(),
    };
    let mut documents: Vec<ServedDocument> = api.iter().map(of_option).collect();
    let entries = &file.sections.api;
    for spanned in entries {
        let entry = spanned.get_ref();
        let is_lone = api.is_empty() && entries.len() == 1;
        documents.push(ServedDocument {
            file: file.beside(&entry.file),
            host: entry.host.clone().map(HostName::into_string),
            import: if is_lone {
                import.of_lone_entry(args, file, entry)?
            } else {
                import.of_entry(file, entry)?
            },
        });
    }
    match documents.len() {
        0 => Err(SettingsError::NoDocument),
        1..=DOCUMENTS_MAX => Ok(documents),
        found => Err(SettingsError::ManyDocuments { found }),
    }
}

/// The documents that a command names, each under `--stage` and `[stage]`; if it names none, those of the file.
pub fn named_documents(
    files: &[PathBuf],
    args: &ImportArgs,
    file: &ConfigFile,
) -> Result<Vec<ServedDocument>, SettingsError> {
    if files.is_empty() {
        return served_documents(&[], args, file);
    }
    let import = ImportSettings::layered(args, file)?;
    let named = files.iter().map(|path| ServedDocument {
        file: path.clone(),
        host: None,
        import: import.clone(),
    });
    Ok(named.collect())
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

    fn served(
        api: &[&str],
        args: &[&str],
        text: &str,
    ) -> Result<Vec<ServedDocument>, SettingsError> {
        let api: Vec<PathBuf> = api.iter().map(PathBuf::from).collect();
        served_documents(&api, &import_args(args), &file(text))
    }

    #[test]
    fn the_stage_of_a_lone_entry_stands_between_option_and_section() {
        let text = "[stage]\nname = 'v1'\nvariables = { a = '1' }\n[[api]]\nfile = 'a.yaml'\n";
        let with_stage = format!("{text}stage = 'S3'\nvariables = {{ b = '2', c = '3' }}\n");
        let lone = |args: &[&str], text: &str| served(&[], args, text).unwrap().remove(0).import;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(lone(&[], text).stage.as_deref(), Some("v1"));
        assert_eq!(lone(&[], text).stage_variables, [pair("a", "1")]);
        assert_eq!(lone(&[], &with_stage).stage.as_deref(), Some("S3"));
        let args = ["--stage", "v2", "--stage-variable", "c=4"];
        let import = lone(&args, &with_stage);
        assert_eq!(import.stage.as_deref(), Some("v2"));
        assert_eq!(import.stage_variables, [pair("b", "2"), pair("c", "4")]);
    }

    #[test]
    fn of_several_documents_the_entries_stand_for_themselves() {
        let text = "[stage]\nname = 'v1'\nvariables = { a = '1' }\n\
            [[api]]\nfile = 'a.yaml'\nstage = 'S3'\nhost = 'Files.example.org'\nvariables = { b = '2' }\n\
            [[api]]\nfile = 'b.yaml'\n";
        let documents = served(&["c.yaml"], &["--stage", "v2"], text).unwrap();
        let told: Vec<_> = documents
            .iter()
            .map(|one| {
                let variables = one.import.stage_variables.iter();
                let names: Vec<&str> = variables.map(|(name, _)| name.as_str()).collect();
                let stage = one.import.stage.as_deref();
                (
                    one.file.to_str().unwrap(),
                    stage,
                    one.host.as_deref(),
                    names,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("c.yaml", Some("v2"), None, vec!["a"]),
                (
                    "conf/a.yaml",
                    Some("S3"),
                    Some("files.example.org"),
                    vec!["b"]
                ),
                ("conf/b.yaml", None, None, vec![]),
            ]
        );
    }

    #[test]
    fn no_document_and_too_many_are_refused() {
        assert_eq!(served(&[], &[], "").unwrap_err(), SettingsError::NoDocument);
        let many = vec!["a.yaml"; DOCUMENTS_MAX];
        assert_eq!(served(&many, &[], "").unwrap().len(), DOCUMENTS_MAX);
        let fault = served(&many, &[], "[[api]]\nfile = 'b'\n").unwrap_err();
        assert_eq!(
            fault,
            SettingsError::ManyDocuments {
                found: DOCUMENTS_MAX + 1
            }
        );
        let lines: Vec<String> = (0..101).map(|n| format!("v{n} = 'x'")).collect();
        let text = format!(
            "[[api]]\nfile = 'a'\nvariables = {{ {} }}\n",
            lines.join(", ")
        );
        let fault = served(&[], &[], &text).unwrap_err().to_string();
        assert!(
            fault.starts_with("conf/s.toml:3:13: api.variables: found 101"),
            "{fault}"
        );
        for wrong in [
            "host = 'a:80'",
            "host = ''",
            "stage = 'a/b'",
            "variables = { 'a b' = 'c' }",
        ] {
            let text = format!("[[api]]\nfile = 'a'\n{wrong}\n");
            let fault = ConfigFile::parse(Path::new("s.toml"), text)
                .unwrap_err()
                .to_string();
            assert!(fault.starts_with("s.toml:3:"), "{fault}");
        }
    }
}
