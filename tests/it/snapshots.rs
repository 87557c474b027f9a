//! What `check`, `routes` and `explain` print, compared byte for byte with files that a person has read.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test it snapshots` writes them anew: read the difference before it is committed.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::support::program::ended;
use crate::support::program::sluicegate;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VARIABLE: &str = "UPDATE_SNAPSHOTS";

/// Runs in the repository's root, so that file names are the same everywhere.
fn printed(arguments: &[&str], status: i32) -> String {
    let mut command = sluicegate(arguments);
    command
        .current_dir(ROOT)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR");
    let (ended_with, stdout, stderr) = ended(&mut command);
    assert_eq!(ended_with, status, "{arguments:?}: {stderr}{stdout}");
    stdout
}

/// Compares with the file, or writes it.
#[track_caller]
fn matches_file(name: &str, found: &str) {
    let path: PathBuf = Path::new(ROOT).join("tests/snapshots").join(name);
    if std::env::var_os(VARIABLE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{name} ({VARIABLE}=1 writes it anew)");
}

const DOCUMENTS: [(&str, &str, i32); 7] = [
    ("demo", "config/demo.openapi.yaml", 0),
    ("image-api", "config/image-api.openapi.yaml", 0),
    ("s3-proxy", "config/s3-proxy.openapi.yaml", 0),
    (
        "tutorial",
        "tests/vectors/apis/s3-proxy-api.swagger2.json",
        0,
    ),
    (
        "image-tutorial",
        "tests/vectors/apis/image-api.swagger2.json",
        0,
    ),
    ("surprises", "tests/snapshots/documents/surprises.json", 0),
    ("faults", "tests/snapshots/documents/faults.yaml", 3),
];

#[test]
fn check_prints_what_was_read() {
    for (name, document, status) in DOCUMENTS {
        let text = printed(&["check", document], status);
        matches_file(&format!("check/{name}.txt"), &text);
        let json = printed(&["check", "--json", document], status);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["format"], "sluicegate.check/1");
        matches_file(&format!("check/{name}.json"), &json);
    }
}

#[test]
fn check_wraps_and_colours_as_it_is_told() {
    let document = "tests/snapshots/documents/surprises.json";
    let mut command = sluicegate(&["check", "--color", "always", document]);
    command.current_dir(ROOT).env("COLUMNS", "60");
    let (status, stdout, _) = ended(&mut command);
    assert_eq!(status, 0);
    matches_file("check/surprises-60-columns.ansi", &stdout);
}

#[test]
fn routes_print_what_was_read() {
    for (name, document, status) in DOCUMENTS {
        let json = printed(&["routes", "--json", document], status);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["format"], "sluicegate.routes/1");
        matches_file(&format!("routes/{name}.json"), &json);
        if status == 0 {
            let text = printed(&["routes", document], status);
            matches_file(&format!("routes/{name}.txt"), &text);
        }
    }
    let mut command = sluicegate(&["routes", "config/image-api.openapi.yaml"]);
    command.current_dir(ROOT).env("COLUMNS", "70");
    let (status, stdout, _) = ended(&mut command);
    assert_eq!(status, 0);
    matches_file("routes/image-api-70-columns.txt", &stdout);
}

#[test]
fn findings_are_left_out_by_code_and_made_errors_by_strictness() {
    let document = "tests/snapshots/documents/surprises.json";
    let codes = |options: &[&str], status| -> Vec<String> {
        let json = printed(&[&["check", "--json", document], options].concat(), status);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        let findings = parsed["documents"][0]["findings"].as_array().unwrap();
        let code = |finding: &serde_json::Value| finding["code"].as_str().unwrap().to_owned();
        findings.iter().map(code).collect()
    };
    let all = codes(&[], 0);
    for code in ["binary-bodies", "etag-not-mapped"] {
        assert!(all.iter().any(|found| found == code), "{all:?}");
        let rest = codes(&["--allow", code], 0);
        assert_eq!(rest.len(), all.len() - 1);
        assert!(!rest.iter().any(|found| found == code));
    }
    codes(&["--fail-on-warnings"], 3);
    let warnings = "--allow=binary-bodies,header-without-effect,response-never-selected";
    codes(&["--fail-on-warnings", warnings], 0);
    let (status, _, stderr) = ended(&mut sluicegate(&["check", "--allow", "etag", document]));
    assert_eq!(status, 2);
    assert!(
        stderr.contains("did you mean `etag-not-mapped`?"),
        "{stderr}"
    );
}
