//! Documents from files to tables.

use std::path::Path;

use crate::api::openapi::Authorizers;
use crate::api::openapi::DOCUMENT_BYTES_MAX;
use crate::api::openapi::ImportOptions;
use crate::api::openapi::Imported;
use crate::api::openapi::base_path::BasePathMode;
use crate::api::openapi::finding::Finding;
use crate::api::openapi::finding::Severity;
use crate::api::openapi::finding::Strictness;
use crate::api::openapi::import;
use crate::api::table::Table;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::bounded_file;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::document::ImportSettings;
use crate::app::settings::document::ServedDocument;
use crate::app::settings::error::SettingsError;
use crate::serve::apis;
use crate::serve::apis::Claim;

/// The text of the document at `path`.
pub fn read(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |cause: std::io::Error| SettingsError::Unreadable {
        what: "document",
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    bounded_file::read_text(path, DOCUMENT_BYTES_MAX as u64).map_err(unreadable)
}

/// The table of `text`, or everything that is wrong in it. Warnings are errors if the settings say so.
pub fn compile(
    name: &str,
    text: &str,
    settings: &ImportSettings,
) -> Result<Imported, Vec<Finding>> {
    let wanted = |finding: &Finding| {
        finding.severity == Severity::Error || !settings.allow.contains(&finding.code)
    };
    let mut imported = import(name, text, &options(settings)).map_err(|mut findings| {
        findings.retain(wanted);
        findings
    })?;
    imported.warnings.retain(wanted);
    imported.hints.retain(wanted);
    if settings.fail_on_warnings && !imported.warnings.is_empty() {
        imported.warnings.append(&mut imported.hints);
        return Err(imported.warnings);
    }
    Ok(imported)
}

/// As [`compile`], for a command that goes on with the table: faults end it, warnings are logged.
pub fn load(path: &Path, settings: &ImportSettings) -> Result<Imported, Failure> {
    let text = read(path)?;
    let imported = compile(&path.to_string_lossy(), &text, settings).map_err(|findings| {
        let serious = |finding: &Finding| finding.severity != Severity::Hint;
        refusal(findings.into_iter().filter(serious).collect())
    })?;
    for warning in &imported.warnings {
        tracing::warn!("{warning}");
    }
    Ok(imported)
}

/// A document that is read.
#[derive(Debug)]
pub struct LoadedDocument {
    /// Its file.
    pub name: String,
    /// The only host name that it answers under.
    pub host: Option<String>,
    /// What it says.
    pub table: Table,
}

/// As [`load`], for all documents of a process; no two of them claim the same requests.
pub fn load_all(served: &[ServedDocument]) -> Result<Vec<LoadedDocument>, Failure> {
    let mut documents = Vec::with_capacity(served.len());
    let mut refused: Option<Failure> = None;
    for document in served {
        match load(&document.file, &document.import) {
            Ok(imported) => documents.push(LoadedDocument {
                name: document.file.display().to_string(),
                host: document.host.clone(),
                table: imported.table,
            }),
            Err(failure) => {
                refused = Some(match refused {
                    None => failure,
                    Some(first) => Failure::new(
                        first.exit,
                        format!("{}\n{}", first.message, failure.message),
                    ),
                });
            }
        }
    }
    match refused {
        Some(failure) => Err(failure),
        None => refuse_clash(&documents).map(|()| documents),
    }
}

/// Refuses documents of which two claim the same requests.
pub fn refuse_clash(documents: &[LoadedDocument]) -> Result<(), Failure> {
    let claims = documents.iter().map(|document| Claim {
        name: &document.name,
        host: document.host.as_deref(),
        stage: &document.table.stage,
    });
    apis::refuse_clash(claims).map_err(|fault| Failure::new(Exit::BadConfiguration, fault))
}

/// The end of a command whose document is refused.
pub fn refusal(findings: Vec<Finding>) -> Failure {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let only_warnings = findings.iter().all(|f| f.severity == Severity::Warning);
    let reason = if only_warnings {
        "the document has warnings (--fail-on-warnings)"
    } else {
        "the document is refused"
    };
    Failure::new(
        Exit::BadConfiguration,
        format!("{reason}\n{}", lines.join("\n")),
    )
}

fn options(settings: &ImportSettings) -> ImportOptions {
    ImportOptions {
        stage: settings.stage.clone(),
        stage_variables: settings.stage_variables.clone(),
        base_path: match settings.base_path {
            BasePathChoice::Ignore => BasePathMode::Ignore,
            BasePathChoice::Prepend => BasePathMode::Prepend,
            BasePathChoice::Split => BasePathMode::Split,
        },
        strictness: if settings.strict {
            Strictness::Strict
        } else {
            Strictness::Lenient
        },
        authorizers: if settings.ignore_authorizers {
            Authorizers::Ignored
        } else if settings.knows_callers {
            Authorizers::Verified
        } else {
            Authorizers::Enforced
        },
        knows_api_keys: settings.knows_api_keys,
    }
}
