//! Listening at a Unix socket: its file, its permissions, bodies through it, its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sluicegate::net::address::ListenAt;
use sluicegate::net::address::UnixSocket;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::program::Running;
use crate::support::program::ended;
use crate::support::program::sluicegate;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/image-api.openapi.yaml");

fn serving(listen: &str) -> std::process::Command {
    let mut command = sluicegate(&[
        "serve",
        "--api",
        DOCUMENT,
        "--s3-endpoint",
        "http://127.0.0.1:9",
        "--workers",
        "2",
        "--listen",
        listen,
    ]);
    command.envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")]);
    command
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn bodies_pass_through_a_unix_socket_whole_on_every_worker() {
    // long enough to be spliced on its way back
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    on_each_driver(|driver| {
        let stored = body.clone();
        let backend = Backend::answering(move |request| match request.start.starts_with("GET") {
            true => response(
                200,
                &[("Content-Type", "application/octet-stream")],
                &stored,
            ),
            false => response(200, &[], b""),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.sock");
        let mut settings = settings(objects(), &backend.url());
        settings.io_driver = driver;
        settings.workers = 2;
        settings.listen.push(ListenAt::Unix(UnixSocket {
            path: path.clone(),
            mode: 0o600,
        }));
        let gateway = Gateway::start(settings);
        let mut clients: Vec<Client> = (0..8).map(|_| Client::connect_unix(&path)).collect();
        for client in &mut clients {
            client.request(
                "PUT",
                "/v1/o/k",
                &[("Content-Type", "application/octet-stream")],
                &body,
            );
            assert_eq!(client.response().expect("a response").status(), 200);
            client.request(
                "GET",
                "/v1/o/k",
                &[("Accept", "application/octet-stream")],
                b"",
            );
            assert!(client.response().expect("a response").body == body);
        }
        drop(gateway);
        assert!(!path.exists());
    });
}

#[test]
fn the_socket_is_its_owners_and_is_gone_after_a_drain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for (suffix, wanted) in [("", 0o600), ("?mode=0666", 0o666)] {
        let mut running = Running::start(&mut serving(&format!("unix:{}{suffix}", path.display())));
        let line = running.lines_until("unix:").pop().unwrap();
        assert!(line.contains("http://localhost/v1 over unix:"), "{line}");
        assert_eq!(mode(&path), wanted);
        let mut client = Client::connect_unix(&path);
        let answer = client.exchange("GET /ping HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.status(), 200);
        assert_eq!(running.end("TERM"), 0);
        assert!(!path.exists());
    }
}

#[test]
fn a_socket_in_use_is_not_taken_and_a_stale_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listen = format!("unix:{}", path.display());
    let mut running = Running::start(&mut serving(&listen));
    running.lines_until("unix:");
    let (status, _, stderr) = ended(&mut serving(&listen));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains(&listen), "{stderr}");
    drop(running); // killed
    assert!(path.exists());
    let mut second = Running::start(&mut serving(&listen));
    second.lines_until("unix:");
    let mut client = Client::connect_unix(&path);
    assert_eq!(
        client
            .exchange("GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .status(),
        200
    );
    assert_eq!(second.end("TERM"), 0);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    fs::write(&path, b"precious").unwrap();
    let (status, _, stderr) = ended(&mut serving(&format!("unix:{}", path.display())));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("is no socket"), "{stderr}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}
