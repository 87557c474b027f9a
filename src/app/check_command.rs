//! `sluicegate check`: everything that is wrong in documents.

use std::path::Path;

use crate::api::openapi::finding::Finding;
use crate::api::openapi::finding::Severity;
use crate::app::cli::CheckArgs;
use crate::app::documents;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::output;
use crate::app::settings::document::ImportSettings;
use crate::app::settings::file::ConfigFile;

/// Prints the findings of each document and a line that counts them.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = ImportSettings::layered(&args.import, &ConfigFile::default())?;
    let mut exit = Exit::AsAsked;
    for file in &args.files {
        let (report, sound) = report(file, &settings);
        output::print(&report)?;
        if !sound {
            exit = Exit::BadConfiguration;
        }
    }
    Ok(exit)
}

/// The report of one document and whether it can be served.
fn report(file: &Path, settings: &ImportSettings) -> (String, bool) {
    let name = file.to_string_lossy();
    let text = match documents::read(file) {
        Ok(text) => text,
        Err(fault) => return (format!("{fault}\n{name}: refused, not read\n"), false),
    };
    let (findings, routes) = match documents::compile(&name, &text, settings) {
        Ok(imported) => (imported.warnings, Some(imported.table.methods.len())),
        Err(findings) => (findings, None),
    };
    let mut report = String::new();
    for finding in &findings {
        report.push_str(&format!("{finding}\n"));
    }
    let errors = counted(count(&findings, Severity::Error), "error");
    let warnings = counted(count(&findings, Severity::Warning), "warning");
    let verdict = match routes {
        Some(methods) => format!("{name}: ok, {}, {warnings}\n", counted(methods, "method")),
        None => format!("{name}: refused, {errors}, {warnings}\n"),
    };
    report.push_str(&verdict);
    (report, routes.is_some())
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    let of_severity = findings.iter().filter(|f| f.severity == severity);
    of_severity.count()
}

/// `1 error`, `2 errors`
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
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
            knows_callers: false,
            knows_api_keys: false,
        }
    }

    fn reported(document: &str, fail_on_warnings: bool) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("api.json");
        std::fs::write(&file, document).unwrap();
        let (report, sound) = report(&file, &settings(fail_on_warnings));
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
        assert!(!sound && report.contains("refused, 0 errors, "), "{report}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_its_cause() {
        let absent = Path::new("no-such-folder/api.json");
        let (report_of_absent, sound) = report(absent, &settings(false));
        assert!(!sound);
        let told = "no-such-folder/api.json: cannot read the document: ";
        assert!(report_of_absent.starts_with(told), "{report_of_absent}");
        let (endless, sound) = report(Path::new("/dev/zero"), &settings(false));
        assert!(!sound && endless.contains("limit of 6 MB"), "{endless}");
    }
}
