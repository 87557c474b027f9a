//! `[[role]]` of the program itself: keys of STS and of a profile, until they sign at the store.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::fetch;
use crate::support::message::Message;
use crate::support::object_api::object_api;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::store_signature::head_signature;
use crate::support::store_signature::part;

const ROLE: &str = "arn:aws:iam::123456789012:role/storageRole";
const ASSUMED: &str = "ASIAASSUMED00000";
const ASSUMED_SECRET: &str = "assumed/secret";
const ASSUMED_TOKEN: &str = "assumed+token==";

/// The program with one role, in front of `store`; the environment has the keys `BASE`.
fn serving(folder: &Path, store: &Backend, role: &str, variables: &[(&str, &str)]) -> Running {
    let (document, config) = (folder.join("api.json"), folder.join("s.toml"));
    let api: Value = object_api();
    fs::write(&document, api.to_string()).unwrap();
    fs::write(&config, format!("[[role]]\narn = '{ROLE}'\n{role}\n")).unwrap();
    let store = store.url();
    let mut command = sluicegate(&[
        "serve",
        "--api",
        document.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
        "--s3-endpoint",
        &store,
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
    ]);
    command.envs([
        ("AWS_ACCESS_KEY_ID", "BASE"),
        ("AWS_SECRET_ACCESS_KEY", "base"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command.envs(variables.iter().copied());
    Running::start(&mut command)
}

/// What the store sees of a GET and of a PUT.
fn seen(mut running: Running, store: &Backend) -> Vec<Message> {
    let line = running.lines_until("http://").pop().unwrap();
    let rest = line.split("http://").nth(1).unwrap();
    let address = rest.split('/').next().unwrap().parse().unwrap();
    for (method, body) in [("GET", &b""[..]), ("PUT", b"some bytes")] {
        let answer = fetch(address, method, "/o/b/k", &[], body);
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
    assert_eq!(running.end("TERM"), 0);
    store.requests()
}

#[test]
fn a_role_that_is_assumed_signs_with_its_session() {
    let sts = Backend::answering(|_| {
        let body = format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{ASSUMED}</AccessKeyId>\
             <SecretAccessKey>{ASSUMED_SECRET}</SecretAccessKey><SessionToken>{ASSUMED_TOKEN}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        response(200, &[("Content-Type", "text/xml")], body.as_bytes())
    });
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = tempfile::tempdir().unwrap();
    let url = sts.url();
    let variables = [("AWS_ENDPOINT_URL_STS", url.as_str())];
    let role = "assume_role = true\nsession_name = 'night-shift'";
    let running = serving(folder.path(), &store, role, &variables);
    let requests = seen(running, &store);
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(part(request, "Credential").starts_with(&format!("{ASSUMED}/")));
        assert_eq!(request.field("x-amz-security-token"), Some(ASSUMED_TOKEN));
        let signature = head_signature(request, ASSUMED_SECRET);
        assert_eq!(part(request, "Signature"), signature);
    }
    let asked = sts.requests();
    assert_eq!(asked.len(), 1, "one session for both");
    let said = format!(
        "{} {}",
        asked[0].second_word(),
        String::from_utf8_lossy(&asked[0].body)
    );
    assert!(
        said.contains("AssumeRole") && said.contains("night-shift"),
        "{said}"
    );
    assert!(said.contains("storageRole"), "{said}");
    assert!(
        asked[0]
            .field("authorization")
            .unwrap()
            .contains("Credential=BASE/")
    );
}

#[test]
fn a_role_with_a_profile_signs_with_its_keys() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("credentials");
    let text = "[media]\naws_access_key_id = AKIDMEDIA\naws_secret_access_key = media/secret\n";
    fs::write(&shared, text).unwrap();
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap())];
    let running = serving(folder.path(), &store, "profile = 'media'", &variables);
    for request in &seen(running, &store) {
        assert!(part(request, "Credential").starts_with("AKIDMEDIA/"));
        assert_eq!(request.field("x-amz-security-token"), None);
        let signature = head_signature(request, "media/secret");
        assert_eq!(part(request, "Signature"), signature);
    }
}

#[test]
fn a_rotated_access_log_is_opened_again_and_nothing_is_lost() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = tempfile::tempdir().unwrap();
    let (log, rotated) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.1"),
    );
    let variables = [
        ("SLUICEGATE_ACCESS_LOG", "$context.requestId $context.path"),
        ("SLUICEGATE_ACCESS_LOG_FILE", log.to_str().unwrap()),
    ];
    let mut running = serving(folder.path(), &store, "", &variables);
    let line = running.lines_until("http://").pop().unwrap();
    let rest = line.split("http://").nth(1).unwrap();
    let address = rest.split('/').next().unwrap().parse().unwrap();
    let ask = |from: usize, to: usize| -> Vec<String> {
        let ids = (from..to).map(|number| {
            let answer = fetch(address, "GET", &format!("/o/b/{number}"), &[], b"");
            let id = answer.field("x-amzn-RequestId").unwrap();
            format!("{id} /o/b/{number}")
        });
        ids.collect()
    };
    let mut wanted = ask(0, 20);
    fs::rename(&log, &rotated).unwrap();
    // Neither file may lose a line while the program changes over.
    running.signal("HUP");
    wanted.extend(ask(20, 40));
    while !log.exists() {
        std::thread::yield_now();
    }
    wanted.extend(ask(40, 60));
    assert_eq!(running.end("TERM"), 0);
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let (before, after) = (read(&rotated), read(&log));
    let found: Vec<&str> = before.lines().chain(after.lines()).collect();
    assert_eq!(found, wanted);
    assert!(after.lines().count() >= 20, "{after}");
}
