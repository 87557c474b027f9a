//! `sluicegate demo`: what it prints works, and its data outlives it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::support::client::fetch;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;

/// The banner's lines, and the address of the sample API in them.
fn started(data_dir: &Path) -> (Running, SocketAddr, String) {
    let folder = data_dir.to_str().unwrap();
    let free = ["--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0"];
    let mut running = Running::start(&mut sluicegate(
        &[&["--data-dir", folder], &free[..]].concat(),
    ));
    let banner = running.lines_until("Ctrl-C stops it").join("\n");
    let base = banner
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let address = base.parse().unwrap();
    (running, address, banner)
}

#[test]
fn the_printed_lines_work_and_the_data_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("made here");
    let (running, address, banner) = started(&data_dir);
    let curls = banner.lines().filter(|line| line.starts_with("  curl "));
    assert_eq!(curls.count(), 3, "{banner}");
    let sidecar = banner
        .lines()
        .find(|line| line.contains(" sidecar --listen 127.0.0.1:9000 --s3-endpoint http://"));
    let program = env!("CARGO_BIN_EXE_sluicegate");
    assert!(sidecar.unwrap().contains(program), "{banner}");

    let listed = fetch(address, "GET", "/v1/sample", &[], b"");
    assert_eq!(listed.status(), 200);
    assert!(String::from_utf8_lossy(&listed.body).contains("<Key>sluice.png</Key>"));
    let octets = ("Content-Type", "application/octet-stream");
    let put = fetch(
        address,
        "PUT",
        "/v1/s3?key=sample/raw-bytes",
        &[octets],
        b"[raw bytes]",
    );
    assert_eq!(put.status(), 200);
    let json = ("Accept", "application/json");
    let read = fetch(address, "GET", "/v1/s3?key=sample/raw-bytes", &[json], b"");
    assert_eq!(read.body, b"{\n \"image\": \"W3JhdyBieXRlc10=\"\n}");
    assert_eq!(running.end("INT"), 0);

    let (running, address, _) = started(&data_dir);
    let bytes = ("Accept", "application/octet-stream");
    let read = fetch(address, "GET", "/v1/s3?key=sample/raw-bytes", &[bytes], b"");
    assert_eq!(read.body, b"[raw bytes]");
    assert_eq!(running.end("TERM"), 0);
}

#[test]
fn a_tls_listener_serves_the_sample_beside_the_plain_one() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let signed = authority.signs("demo.example");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("chain.pem"), &signed.chain).unwrap();
    std::fs::write(at("key.pem"), &signed.key).unwrap();
    let config = format!(
        "[[tls]]\nlisten = \"127.0.0.1:0\"\ncertificate = {:?}\nprivate_key = {:?}\n",
        at("chain.pem"),
        at("key.pem")
    );
    std::fs::write(at("sluicegate.toml"), config).unwrap();
    let (config, data) = (at("sluicegate.toml"), at("data"));
    let mut running = Running::start(&mut sluicegate(&[
        "--config",
        config.to_str().unwrap(),
        "--data-dir",
        data.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--store-listen",
        "127.0.0.1:0",
    ]));
    let banner = running.lines_until("Ctrl-C stops it").join("\n");
    let told = banner.split("API is at https://").nth(1);
    let address = told.unwrap().split('/').next().unwrap().parse().unwrap();
    let trusting = Arc::new(authority.client(&[&rustls::version::TLS13], None));
    let mut client = TlsClient::connect(address, &trusting, "demo.example").unwrap();
    let listed = client.exchange("GET /v1/sample HTTP/1.1\r\nHost: demo.example\r\n\r\n");
    assert_eq!(listed.status(), 200);
    assert!(String::from_utf8_lossy(&listed.body).contains("<Key>sluice.png</Key>"));
    let put = "PUT /v1/s3?key=sample/by-tls HTTP/1.1\r\nHost: demo.example\r\nContent-Type: application/octet-stream\r\n";
    let put = client.exchange(format!("{put}Content-Length: 5\r\n\r\nbytes"));
    assert_eq!(put.status(), 200);
    drop(client);
    let plain = banner.split("API is at http://").nth(1);
    let address = plain.unwrap().split('/').next().unwrap().parse().unwrap();
    let octets = ("Accept", "application/octet-stream");
    let read = fetch(address, "GET", "/v1/s3?key=sample/by-tls", &[octets], b"");
    assert_eq!(read.body, b"bytes");
    assert_eq!(running.end("TERM"), 0);
}

#[test]
fn a_folder_in_use_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _, _) = started(folder.path());
    let second = ["--data-dir", folder.path().to_str().unwrap()];
    let (status, _, stderr) = crate::support::program::ended(&mut sluicegate(&second));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("--data-dir"), "{stderr}");
    assert_eq!(running.end("QUIT"), 0);
}
