//! Documents, JSON and YAML: refused with places inside the text, or compiled to a table that answers any request.

use sluicegate::api::openapi::Authorizers;
use sluicegate::api::openapi::ImportOptions;
use sluicegate::api::openapi::finding::Strictness;
use sluicegate::api::openapi::import;
use sluicegate::api::openapi::json_document;
use sluicegate::pipeline::route::route;
use sluicegate::wire::http1::head::HeadLimits;
use sluicegate::wire::http1::head::RequestHead;

/// Imports `data`.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    as_others_read_it(text);
    let lines = text.split('\n').count();
    let line_max = u32::try_from(lines.max(text.split(['\n', '\r']).count())).unwrap_or(u32::MAX);
    for strictness in [Strictness::default(), Strictness::Strict] {
        let options = ImportOptions {
            stage: Some("v1".to_owned()),
            stage_variables: vec![("bucket".to_owned(), "photos".to_owned())],
            strictness,
            authorizers: Authorizers::Ignored,
            ..ImportOptions::default()
        };
        let findings = match import("fuzz", text, &options) {
            Ok(imported) => {
                requests(&imported.table);
                [imported.warnings, imported.hints].concat()
            }
            Err(findings) => {
                assert!(!findings.is_empty());
                findings
            }
        };
        for finding in findings {
            assert!((1..=line_max).contains(&finding.line), "{finding:?}");
            assert!(!finding.message.is_empty());
        }
    }
}

/// What we read as JSON is what another reader reads.
fn as_others_read_it(text: &str) {
    let ours = json_document::parse(text);
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    match (ours.root, theirs) {
        (Ok(root), Ok(value)) if ours.repeated.is_empty() => {
            let again: serde_json::Value = serde_json::from_str(&root.to_json()).expect("JSON");
            assert_eq!(again, value);
        }
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
        // it makes numbers of digits, we keep them
        (Ok(_), Err(error)) => {
            assert!(error.to_string().contains("number out of range"), "{error}")
        }
        (Err(fault), Ok(_)) => assert!(fault.message.contains("within one another"), "{fault:?}"),
    }
}

fn requests(table: &sluicegate::api::table::Table) {
    for (method, path) in [
        ("GET", "/v1"),
        ("PUT", "/v1/a/b%2Fc"),
        ("DELETE", "/v1/s3?key=k"),
        ("OPTIONS", "*"),
    ] {
        let wire = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut head = RequestHead::default();
        assert!(matches!(
            head.read(wire.as_bytes(), &HeadLimits::default()),
            Ok(Some(_))
        ));
        drop(route(table, &head));
    }
}
