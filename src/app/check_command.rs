//! `sluicegate check`: everything that is wrong in documents, or surprising.

use std::path::Path;

use serde::Serialize;

use crate::api::openapi::finding::Finding;
use crate::api::table::Table;
use crate::app::cli::CheckArgs;
use crate::app::documents;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::findings_report;
use crate::app::findings_report::Counts;
use crate::app::findings_report::FindingJson;
use crate::app::findings_report::counted;
use crate::app::output;
use crate::app::settings::document::ImportSettings;
use crate::app::settings::document::ServedDocument;
use crate::app::settings::document::named_documents;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::printing::Printing;
use crate::app::terminal::Style;
use crate::app::terminal::Terminal;
use crate::serve::apis::Claim;
use crate::serve::apis::refuse_clash;

/// Names the shape of the JSON; a change that takes something away gets another number.
const FORMAT: &str = "sluicegate.check/1";

/// Prints the findings of each document and a line that counts them, or one JSON document.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let file = ConfigFile::given(args.output.config.as_deref())?;
    let printing = Printing::layered(&args.output, &file, &Environment::of_process());
    let named = named_documents(&args.files, &args.import, &file)?;
    let checked: Vec<Checked> = named
        .iter()
        .map(|document| Checked::of(&document.file, &document.import))
        .collect();
    // Files that are named stand each for itself; those of a configuration are served together.
    let clash = match args.files.is_empty() {
        true => clash(&named, &checked),
        false => None,
    };
    match printing {
        Printing::Json => output::print_json(&Json::of(&checked, clash.as_deref()))?,
        Printing::Text(terminal) => {
            for document in &checked {
                output::print(&document.text(terminal))?;
            }
            if let Some(clash) = &clash {
                output::print(&format!("{}\n", terminal.wrapped(clash, 0, 4)))?;
            }
        }
    }
    let sound = checked.iter().all(|document| document.table.is_some()) && clash.is_none();
    Ok(if sound {
        Exit::AsAsked
    } else {
        Exit::BadConfiguration
    })
}

/// Which two documents claim the same requests.
fn clash(named: &[ServedDocument], checked: &[Checked]) -> Option<String> {
    let claims = named.iter().zip(checked).filter_map(|(document, checked)| {
        Some(Claim {
            name: &checked.name,
            host: document.host.as_deref(),
            stage: &checked.table.as_ref()?.stage,
        })
    });
    refuse_clash(claims).err().map(|fault| fault.to_string())
}

/// What came of one document.
struct Checked {
    name: String,
    /// Why it could not be read.
    unreadable: Option<String>,
    findings: Vec<Finding>,
    /// `None` if it is refused.
    table: Option<Table>,
}

impl Checked {
    fn of(path: &Path, settings: &ImportSettings) -> Self {
        let name = path.to_string_lossy().into_owned();
        let text = match documents::read(path) {
            Ok(text) => text,
            Err(fault) => {
                return Self {
                    name,
                    unreadable: Some(fault.to_string()),
                    findings: Vec::new(),
                    table: None,
                };
            }
        };
        let (findings, table) = match documents::compile(&name, &text, settings) {
            Ok(imported) => {
                let mut findings = imported.warnings;
                findings.extend(imported.hints);
                findings.sort_by_key(|finding| (finding.line, finding.column));
                (findings, Some(imported.table))
            }
            Err(findings) => (findings, None),
        };
        Self {
            name,
            unreadable: None,
            findings,
            table,
        }
    }

    fn methods(&self) -> Option<usize> {
        self.table.as_ref().map(|table| table.methods.len())
    }

    fn text(&self, terminal: Terminal) -> String {
        let name = terminal.paint(Style::Strong, &self.name);
        let refused = terminal.paint(Style::Error, "refused");
        if let Some(fault) = &self.unreadable {
            let fault = terminal.wrapped(fault, 0, 4);
            return format!("{fault}\n{name}: {refused}, not read\n");
        }
        let findings = self.findings.iter();
        let mut text: String = findings
            .map(|finding| findings_report::text_of(finding, terminal))
            .collect();
        let counts = Counts::of(&self.findings).text(terminal);
        text.push_str(&match self.methods() {
            Some(methods) => {
                let ok = terminal.paint(Style::Good, "ok");
                format!("{name}: {ok}, {}, {counts}\n", counted(methods, "method"))
            }
            None => format!("{name}: {refused}, {counts}\n"),
        });
        text
    }
}

#[derive(Debug, Serialize)]
struct Json<'c> {
    format: &'static str,
    documents: Vec<DocumentJson<'c>>,
    /// Which two of them cannot be served together.
    #[serde(skip_serializing_if = "Option::is_none")]
    clash: Option<&'c str>,
}

#[derive(Debug, Serialize)]
struct DocumentJson<'c> {
    file: &'c str,
    /// `ok` or `refused`.
    verdict: &'static str,
    /// Why the file could not be read.
    unreadable: Option<&'c str>,
    methods: Option<usize>,
    #[serde(flatten)]
    counts: Counts,
    findings: Vec<FindingJson<'c>>,
}

impl<'c> Json<'c> {
    fn of(checked: &'c [Checked], clash: Option<&'c str>) -> Self {
        let document = |checked: &'c Checked| DocumentJson {
            file: &checked.name,
            verdict: if checked.table.is_some() {
                "ok"
            } else {
                "refused"
            },
            unreadable: checked.unreadable.as_deref(),
            methods: checked.methods(),
            counts: Counts::of(&checked.findings),
            findings: findings_report::json_of(&checked.findings),
        };
        Self {
            format: FORMAT,
            documents: checked.iter().map(document).collect(),
            clash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::settings::choices::BasePathChoice;

    fn settings(fail_on_warnings: bool) -> ImportSettings {
        ImportSettings {
            stage: None,
            stage_variables: Vec::new(),
            base_path: BasePathChoice::Ignore,
            strict: false,
            fail_on_warnings,
            ignore_authorizers: false,
            allow: Vec::new(),
            knows_callers: false,
            knows_api_keys: false,
        }
    }

    fn reported(document: &str, fail_on_warnings: bool) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("api.json");
        std::fs::write(&file, document).unwrap();
        let checked = Checked::of(&file, &settings(fail_on_warnings));
        let report = checked.text(Terminal::default());
        let sound = checked.table.is_some();
        let folder = format!("{}/", folder.path().display());
        (report.replace(&folder, ""), sound)
    }

    const GUARDED: &str = r#"{"swagger": "2.0", "info": {"title": "t", "version": "1"}, "basePath": "/v1",
 "paths": {"/a": {"get": {"x-amazon-apigateway-auth": {"type": "AWS_IAM"}, "responses": {"200": {"description": "d"}}}}}}"#;

    #[test]
    fn a_fault_is_told_with_its_place_and_refuses_the_document() {
        let (report, sound) = reported("{\"swagger\": \"2.0\",\n \"paths\": 1}", false);
        assert!(!sound);
        assert!(report.contains("api.json:2:"), "{report}");
        assert!(report.contains("api.json: refused, "), "{report}");
    }

    #[test]
    fn warnings_refuse_a_document_only_when_they_are_to() {
        let (report, sound) = reported(GUARDED, false);
        assert!(
            sound && report.contains("api.json: ok, 1 method, "),
            "{report}"
        );
        assert!(report.contains(": warning: "), "{report}");
        let (report, sound) = reported(GUARDED, true);
        assert!(
            !sound && report.contains("refused, 2 warnings, "),
            "{report}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_its_cause() {
        let told = |path: &str| {
            let checked = Checked::of(Path::new(path), &settings(false));
            assert!(checked.table.is_none());
            checked.text(Terminal::default())
        };
        let absent = told("no-such-folder/api.json");
        let cause = "no-such-folder/api.json: cannot read the document: ";
        assert!(absent.starts_with(cause), "{absent}");
        let endless = told("/dev/zero");
        assert!(endless.contains("limit of 6 MB"), "{endless}");
    }
}
