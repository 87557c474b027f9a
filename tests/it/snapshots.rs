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

/// Runs `explain` with keys of its own at a fixed time; neither key nor token may be printed.
fn explained(arguments: &[&str]) -> String {
    let fixed = [
        "--s3-endpoint",
        "http://127.0.0.1:8333",
        "--at",
        EXPLAINED_AT,
    ];
    let mut command = sluicegate(&[&["explain"], arguments, &fixed].concat());
    command.current_dir(ROOT).env_remove("COLUMNS").envs([
        ("AWS_ACCESS_KEY_ID", "AKIDEXPLAINED"),
        ("AWS_SECRET_ACCESS_KEY", SECRETS[0]),
        ("AWS_SESSION_TOKEN", SECRETS[1]),
    ]);
    let (status, stdout, stderr) = ended(&mut command);
    assert_eq!((status, stderr.as_str()), (0, ""), "{arguments:?}");
    for secret in SECRETS {
        assert!(!stdout.contains(secret), "{arguments:?}: {stdout}");
    }
    for (at, _) in stdout.match_indices("Signature=") {
        assert!(stdout[at..].starts_with("Signature=(hidden)"), "{stdout}");
    }
    stdout
}

const EXPLAINED_AT: &str = "20260131T120000Z";
/// Secret key and session token towards the store; secret key, signature and API key of a caller.
const SECRETS: [&str; 5] = [
    "store-secret-of-the-test",
    "store/token+of=the-test",
    "caller-secret-of-the-test",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "api-key-value-of-the-test",
];

/// Names of snapshots, and arguments with `|` between them.
const EXPLAINED: [(&str, &str); 13] = [
    (
        "download-binary",
        "GET|/v1/s3?key=photos/cat.jpg|-H|Accept: image/jpeg|--api|config/image-api.openapi.yaml",
    ),
    (
        "download-binary-answered",
        "GET|/v1/s3?key=photos/cat.jpg|-H|Accept: image/jpeg|--api|config/image-api.openapi.yaml|--response|200|--response-header|Content-Type: image/jpeg|--response-data|@tests/snapshots/documents/tiny.jpg",
    ),
    (
        "download-json-answered",
        "GET|/v1/s3?key=photos/cat.jpg|-H|Accept: application/json|--api|config/image-api.openapi.yaml|--response|200|--response-header|Content-Type: image/jpeg|--response-data|@tests/snapshots/documents/tiny.jpg",
    ),
    (
        "download-missing",
        "GET|/v1/s3?key=photos/cat.jpg|-H|Accept: image/jpeg|--api|config/image-api.openapi.yaml|--response|404|--response-header|Content-Type: application/xml|--response-data|<Error/>",
    ),
    (
        "upload-base64",
        "PUT|/v1/s3?key=photos/cat.jpg|-H|Content-Type: application/json|--data|/9j/4A==|--api|config/image-api.openapi.yaml",
    ),
    (
        "tutorial-unsigned",
        "GET|/S3/photos/cat.jpg|--api|tests/vectors/apis/s3-proxy-api.swagger2.json",
    ),
    (
        "tutorial-wrong-signature",
        "GET|/S3/photos/cat.jpg|-H|Host: gate.test|-H|X-Amz-Date: 20260131T120000Z|-H|Authorization: AWS4-HMAC-SHA256 Credential=AKIDCALLER/20260131/us-east-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef|--api|tests/vectors/apis/s3-proxy-api.swagger2.json|--config|tests/snapshots/documents/callers.toml",
    ),
    (
        "unsupported-media-type",
        "PUT|/v1/x|-H|Content-Type: text/csv|-H|x-api-key: api-key-value-of-the-test|--data|a,b|--api|tests/snapshots/documents/never.yaml",
    ),
    (
        "role-refused",
        "PUT|/v1/s3?key=photos/cat.jpg|-H|Content-Type: image/jpeg|--data|x|--api|config/image-api.openapi.yaml|--config|tests/snapshots/documents/roles.toml",
    ),
    (
        "http",
        "POST|/v1/http?q=1|--data|{}|--api|tests/snapshots/documents/http.yaml|--response|404",
    ),
    (
        "http-proxy",
        "GET|/v1/proxy|-H|Authorization: Bearer abc|--api|tests/snapshots/documents/http.yaml|--response|201|--response-header|X-A: b|--response-data|done",
    ),
    (
        "preflight",
        "OPTIONS|/prod/files/a.txt|-H|Origin: https://a.test|--api|tests/vectors/apis/cors-export.oas30.json",
    ),
    (
        "no-such-method",
        "DELETE|/v1/s3?key=photos/cat.jpg|--api|config/image-api.openapi.yaml",
    ),
];

#[test]
fn explain_prints_what_was_read() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for (name, arguments) in EXPLAINED {
        let arguments: Vec<&str> = arguments.split('|').collect();
        let text = explained(&arguments);
        matches_file(&format!("explain/{name}.txt"), &text);
        assert!(
            name != "tutorial-unsigned" || readme.contains(&text),
            "the sample of README.md: {text}"
        );
        let json = explained(&[&arguments, &["--json"][..]].concat());
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["format"], "sluicegate.explain/1");
        matches_file(&format!("explain/{name}.json"), &json);
    }
}

#[test]
fn explain_refuses_what_is_no_request() {
    let image = "config/image-api.openapi.yaml";
    for (arguments, status, says) in [
        (
            &["GET", "/v1 /x", "--api", image] as &[&str],
            2,
            "METHOD and TARGET",
        ),
        (
            &["GET", "v1/x\r\nA: b", "--api", image],
            2,
            "METHOD and TARGET",
        ),
        (
            &["GET", "/v1/x", "-H", "no header", "--api", image],
            2,
            "--header",
        ),
        (
            &["GET", "/v1/x", "--at", "now", "--api", image],
            2,
            "20260131T235959Z",
        ),
        (
            &["GET", "/v1/x", "--response", "99", "--api", image],
            2,
            "--response",
        ),
        (
            &["GET", "/v1/x", "--response-data", "x", "--api", image],
            2,
            "--response",
        ),
        (
            &["GET", "/v1/x", "--data", "@no-such-file", "--api", image],
            2,
            "no-such-file",
        ),
        (&["GET", "/v1/x"], 2, "--api"),
        (
            &[
                "GET",
                "/v1/x",
                "--api",
                "tests/snapshots/documents/faults.yaml",
            ],
            3,
            "refused",
        ),
    ] {
        let mut command = sluicegate(&[&["explain"], arguments].concat());
        let (ended_with, stdout, stderr) = ended(command.current_dir(ROOT));
        assert_eq!(ended_with, status, "{arguments:?}: {stdout}{stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}
