//! The command line from outside: exit statuses, and messages that name what would mend the fault.

use std::fs;
use std::net::TcpListener;

use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::program::Running;
use crate::support::program::ended;
use crate::support::program::sluicegate;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/image-api.openapi.yaml");
/// Nothing listens on the discard port; the tests that name it send nothing there.
const NOBODY: &str = "http://127.0.0.1:9";

fn fails(arguments: &[&str], status: i32, names: &[&str]) {
    let (ended_with, _, stderr) = ended(&mut sluicegate(arguments));
    assert_eq!(ended_with, status, "{arguments:?}: {stderr}");
    for name in names {
        assert!(
            stderr.contains(name),
            "{arguments:?}: no {name} in: {stderr}"
        );
    }
}

fn serving(arguments: &[&str]) -> Running {
    let fixed = [
        "serve",
        "--api",
        DOCUMENT,
        "--s3-endpoint",
        NOBODY,
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
    ];
    let mut command = sluicegate(&[&fixed, arguments].concat());
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    Running::start(&mut command)
}

fn address_of(running: &mut Running) -> std::net::SocketAddr {
    let line = running.lines_until("http://").pop().unwrap();
    let authority = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    authority.parse().unwrap()
}

#[test]
fn wrong_usage_names_the_option() {
    fails(&["serve"], 2, &["--api"]);
    fails(&["serve", "--workers", "0"], 2, &["--workers"]);
    fails(
        &["serve", "--s3-endpoint", "ftp://s3.example"],
        2,
        &["--s3-endpoint", "ftp"],
    );
}

fn fails_with(variable: (&str, &str), arguments: &[&str], status: i32) -> String {
    let mut command = sluicegate(arguments);
    command.env(variable.0, variable.1);
    let (ended_with, stdout, stderr) = ended(&mut command);
    assert_eq!(ended_with, status, "{variable:?}: {stdout}{stderr}");
    stderr
}

#[test]
fn a_value_of_a_variable_is_refused_by_its_name() {
    for (name, value) in [
        ("SLUICEGATE_WORKERS", "0"),
        ("SLUICEGATE_STRICT", "maybe"),
        ("SLUICEGATE_IO_DRIVER", "iocp"),
        ("SLUICEGATE_LISTEN", "nowhere"),
        ("SLUICEGATE_STAGE_VARIABLE", "a=b c"),
    ] {
        let stderr = fails_with((name, value), &["serve", "--api", DOCUMENT], 2);
        assert!(stderr.contains(&format!("'{name}'")), "{stderr}");
    }
    let both = ["serve", "--api", DOCUMENT, "--workers", "x"];
    let stderr = fails_with(("SLUICEGATE_WORKERS", "0"), &both, 2);
    assert!(stderr.contains("'--workers <N>'"), "{stderr}");
}

#[test]
fn switches_of_the_environment_are_words_or_digits() {
    for word in ["1", "0", "true", "false", "yes", "no"] {
        let stderr = fails_with(("SLUICEGATE_STRICT", word), &["check", DOCUMENT], 0);
        assert_eq!(stderr, "", "{word}");
    }
}

#[test]
fn the_password_of_an_endpoint_is_printed_nowhere() {
    let variable = ("SLUICEGATE_S3_ENDPOINT", "http://u:TOPSECRET@127.0.0.1:1");
    let stderr = fails_with(variable, &["serve", "--api", DOCUMENT], 2);
    assert!(stderr.contains("SLUICEGATE_S3_ENDPOINT"), "{stderr}");
    assert!(!stderr.contains("TOPSECRET"), "{stderr}");
    let mut help = sluicegate(&["serve", "--help"]);
    help.env(variable.0, variable.1);
    let (_, stdout, _) = ended(&mut help);
    assert!(stdout.contains(variable.0) && !stdout.contains("TOPSECRET"));
}

#[test]
fn what_is_absent_for_serving_is_named() {
    fails(&["serve", "--api", DOCUMENT], 3, &["--s3-endpoint"]);
    let with_store = ["serve", "--api", DOCUMENT, "--s3-endpoint", NOBODY];
    fails(
        &with_store,
        3,
        &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    );
    fails(
        &["serve", "--api", "no-such-file.yaml"],
        3,
        &["no-such-file.yaml"],
    );
}

#[test]
fn a_faulty_configuration_file_is_told_by_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs::write(&path, "[server]\nworkers = 1\nworker = 1\n").unwrap();
    let path = path.to_str().unwrap();
    let place = format!("{path}:3:1: server: unknown field `worker`");
    fails(&["serve", "--config", path], 3, &[&place]);
}

#[test]
fn a_stage_variable_is_refused_where_it_was_given() {
    for variable in ["a=b c", "a b=c"] {
        let arguments = ["check", "--stage-variable", variable, DOCUMENT];
        fails(&arguments, 2, &["--stage-variable", "a stage variable has"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs::write(&path, "[stage.variables]\nbucket = 'b c'\n").unwrap();
    let path = path.to_str().unwrap();
    let place = format!("{path}:2:10: stage.variables.bucket: ");
    fails(&["serve", "--config", path], 3, &[&place]);
}

#[test]
fn a_taken_address_could_not_be_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = sluicegate(&[
        "serve",
        "--api",
        DOCUMENT,
        "--s3-endpoint",
        NOBODY,
        "--listen",
        &address,
    ]);
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    let (status, _, stderr) = ended(&mut command);
    assert_eq!(status, 4, "{stderr}");
    assert!(
        stderr.contains("--listen") && stderr.contains(&address),
        "{stderr}"
    );
}

#[test]
fn check_refuses_a_document_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.yaml");
    fs::write(&path, "swagger: '2.0'\npaths: 1\n").unwrap();
    let (status, stdout, _) = ended(&mut sluicegate(&[
        "check",
        DOCUMENT,
        path.to_str().unwrap(),
    ]));
    assert_eq!(status, 3, "{stdout}");
    assert!(stdout.contains("image-api.openapi.yaml: ok"), "{stdout}");
    assert!(stdout.contains("bad.yaml:2:8: error: "), "{stdout}");
}

#[test]
fn check_goes_on_behind_a_file_that_cannot_be_read() {
    let (status, stdout, _) = ended(&mut sluicegate(&["check", "no-such.yaml", DOCUMENT]));
    assert_eq!(status, 3, "{stdout}");
    assert!(
        stdout.contains("no-such.yaml: cannot read the document: "),
        "{stdout}"
    );
    assert!(stdout.contains("image-api.openapi.yaml: ok"), "{stdout}");
}

#[test]
fn routes_are_printed_as_text_and_as_json() {
    let (status, stdout, _) = ended(&mut sluicegate(&["routes", DOCUMENT]));
    assert_eq!(status, 0);
    assert!(stdout.contains("GET s3:path/{key}"), "{stdout}");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(
        readme.contains(&stdout),
        "the sample of README.md: {stdout}"
    );
    let (status, stdout, _) = ended(&mut sluicegate(&["routes", "--json", DOCUMENT]));
    assert_eq!(status, 0);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["format"], "sluicegate.routes/1");
    assert_eq!(json["routes"][1]["request_body"]["text"], "from Base64");
}

#[test]
fn signals_end_a_server_as_asked() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut running = serving(&[]);
        let address = address_of(&mut running);
        assert_eq!(fetch(address, "GET", "/nowhere", &[], b"").status(), 403);
        assert_eq!(running.end(signal), 0, "{signal}");
    }
}

#[test]
fn a_request_that_outlasts_the_drain_time_out_is_told_by_the_status() {
    let mut running = serving(&["--drain-timeout", "0"]);
    let mut client = Client::connect(address_of(&mut running));
    let octets = ("Content-Type", "application/octet-stream");
    assert_eq!(fetch_whole(&mut client), 403, "the connection is served");
    client.send(format!(
        "PUT /v1/s3?key=b/k HTTP/1.1\r\nHost: a\r\n{}: {}\r\nContent-Length: 9\r\n\r\nx",
        octets.0, octets.1
    ));
    // The second connection is answered after the first one's bytes have arrived on the only worker.
    let address = client.stream.peer_addr().unwrap();
    assert_eq!(fetch(address, "GET", "/nowhere", &[], b"").status(), 403);
    assert_eq!(running.end("TERM"), 5);
}

fn fetch_whole(client: &mut Client) -> u16 {
    client.request("GET", "/nowhere", &[], b"");
    client.response().unwrap().status()
}
