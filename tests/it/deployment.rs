//! The files that operators start from: what they hold for this program, it takes.

use std::fs;

use crate::support::program::ended;
use crate::support::program::sluicegate;

/// The block of a ConfigMap's key, without its indentation.
fn block(manifest: &str, key: &str) -> String {
    let begin = format!("\n  {key}: |\n");
    let (_, rest) = manifest.split_once(&begin).expect(key);
    let lines = rest
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    lines
        .map(|line| line.get(4..).unwrap_or("").to_owned() + "\n")
        .collect()
}

#[test]
fn the_config_map_of_the_manifest_is_taken_without_a_finding() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/config/kubernetes/gateway.yaml"
    );
    let manifest = fs::read_to_string(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["sluicegate.toml", "api.yaml"] {
        fs::write(folder.path().join(name), block(&manifest, name)).unwrap();
    }
    let config = folder.path().join("sluicegate.toml");
    let arguments = [
        "check",
        "--fail-on-warnings",
        "--config",
        config.to_str().unwrap(),
    ];
    let (status, stdout, stderr) = ended(&mut sluicegate(&arguments));
    assert_eq!(status, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("api.yaml: ok, 1 method, 0 warnings, 0 hints"),
        "{stdout}"
    );
    let probes = ["/readyz", "/healthz", "9901", "watch = true"];
    assert!(probes.iter().all(|probe| manifest.contains(probe)));
}

#[test]
fn check_and_routes_take_the_documents_of_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let document = |title: &str| {
        format!(
            r#"{{"swagger": "2.0", "info": {{"title": "{title}", "version": "1"}}, "basePath": "/v1", "paths": {{"/{title}": {{"get": {{}}}}}}}}"#
        )
    };
    write("a.json", &document("a"));
    write("b.json", &document("b"));
    let config = folder.path().join("s.toml");
    let run = |command: &str, more: &str, options: &[&str]| {
        write(
            "s.toml",
            &format!("[[api]]\nfile = 'a.json'\n[[api]]\nfile = 'b.json'\n{more}"),
        );
        let mut arguments = vec![command, "--config", config.to_str().unwrap()];
        arguments.extend(options);
        ended(&mut sluicegate(&arguments))
    };
    let (status, stdout, _) = run("check", "stage = 'v2'\n", &[]);
    assert_eq!(status, 0, "{stdout}");
    assert!(
        stdout.contains("a.json: ok") && stdout.contains("b.json: ok"),
        "{stdout}"
    );
    let (status, stdout, _) = run("check", "", &[]);
    assert_eq!(status, 3, "{stdout}");
    assert!(
        stdout.contains("both claim the stage v1 under any host"),
        "{stdout}"
    );
    let (status, stdout, _) = run("routes", "host = 'b.example'\n", &[]);
    assert_eq!(status, 0);
    assert!(
        stdout.contains("b.json: stage v1, host b.example\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("/v1/a") && stdout.contains("/v1/b"),
        "{stdout}"
    );
    let (status, stdout, _) = run("routes", "host = 'b.example'\n", &["--json"]);
    assert_eq!(status, 0);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["apis"][1]["api"]["host"], "b.example");
    assert_eq!(told["apis"][0]["routes"][0]["path"], "/v1/a");
}

#[test]
fn explain_goes_by_host_and_stage() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let document = |title: &str| {
        serde_json::json!({"swagger": "2.0", "info": {"title": title, "version": "1"}, "basePath": "/v1", "paths": {"/who": {"get": {
            "responses": {"200": {}},
            "x-amazon-apigateway-integration": {
                "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
                "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": format!("I am {title}")}}},
            },
        }}}})
        .to_string()
    };
    write("a.json", &document("anybody"));
    write("b.json", &document("hosted"));
    write(
        "s.toml",
        "[[api]]\nfile = 'a.json'\n[[api]]\nfile = 'b.json'\nhost = 'b.example'\n",
    );
    let config = folder.path().join("s.toml");
    let explained = |host: &str, target: &str| {
        let field = format!("Host: {host}");
        let arguments = [
            "explain",
            "GET",
            target,
            "-H",
            &field,
            "--config",
            config.to_str().unwrap(),
        ];
        let (status, stdout, stderr) = ended(&mut sluicegate(&arguments));
        assert_eq!(status, 0, "{stdout}{stderr}");
        stdout
    };
    assert!(explained("B.example:8080", "/v1/who").contains("I am hosted"));
    assert!(explained("c.example", "/v1/who").contains("I am anybody"));
    assert!(explained("b.example", "/v2/who").contains("403"));
}
