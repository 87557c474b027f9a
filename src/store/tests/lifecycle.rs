use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::client::{Call, TestStore, settings};
use crate::store::{StoreError, start};

#[test]
fn objects_and_uploads_outlive_a_restart() {
    let mut store = TestStore::with_bucket();
    let big: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    store.put("small", b"hello").ok();
    store.put("big", &big).ok();
    let upload = store
        .send(Call::object("POST", "later").query("uploads="))
        .ok()
        .one("UploadId");
    let part = Call::object("PUT", "later")
        .query(&format!("partNumber=1&uploadId={upload}"))
        .body(&big);
    let etag = store.send(part).ok().header("etag").unwrap().to_owned();

    store.stop();
    let stray = store.data.path().join("objects/ab/0123456789");
    std::fs::write(&stray, b"left by a crash").unwrap();
    store.start_again();

    assert!(!stray.exists(), "swept");
    assert_eq!(store.get("small").ok().body, b"hello");
    assert!(store.get("big").ok().body == big);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = Call::object("POST", "later")
        .query(&format!("uploadId={upload}"))
        .body(document.as_bytes());
    store.send(complete).ok();
    assert!(store.get("later").ok().body == big);
}

#[test]
fn a_directory_serves_one_store_at_a_time() {
    let mut store = TestStore::start();
    let refused = start(settings(&store.data)).unwrap_err();
    assert!(
        matches!(refused, StoreError::DataDirInUse { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("--data-dir"), "{refused}");
    store.stop();
    store.start_again();
}

#[test]
fn what_cannot_be_used_is_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let mut wanted = settings(&data);
    wanted.data_dir = file.join("below");
    let refused = start(wanted).unwrap_err();
    assert!(
        matches!(refused, StoreError::DataDirUnusable { .. }),
        "{refused}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wanted = settings(&data);
    wanted.listen = taken.local_addr().unwrap();
    let refused = start(wanted).unwrap_err();
    assert!(
        matches!(refused, StoreError::AddressUnusable { .. }),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .contains(&taken.local_addr().unwrap().to_string()),
        "{refused}"
    );

    let mut wanted = settings(&data);
    wanted.secret_access_key = String::new();
    assert!(matches!(
        start(wanted).unwrap_err(),
        StoreError::CredentialsEmpty
    ));

    std::fs::write(data.path().join("index.redb"), vec![7; 8192]).unwrap();
    let refused = start(settings(&data)).unwrap_err();
    assert!(
        matches!(refused, StoreError::IndexUnreadable { .. }),
        "{refused}"
    );
}

#[test]
fn the_secret_is_not_shown() {
    let data = tempfile::tempdir().unwrap();
    let shown = format!("{:?}", settings(&data));
    assert!(!shown.contains(super::client::SECRET_KEY), "{shown}");
}

#[test]
fn a_running_download_ends_before_the_store_does() {
    let mut store = TestStore::with_bucket();
    // More than socket buffers hold, so that the download is still going on at the stop.
    let big = vec![5; 24 * 1024 * 1024];
    store.put("big", &big).ok();
    let mut stream = store.connect();
    let get = Call::object("GET", "big").wire(store.address());
    stream.write_all(&get).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        rest
    });
    store.stop();
    let rest = reader.join().unwrap();
    assert!(rest.ends_with(&big), "{} bytes", rest.len());
}

#[test]
fn a_replaced_object_is_read_to_its_end() {
    let store = TestStore::with_bucket();
    let big = vec![5; 24 * 1024 * 1024];
    store.put("big", &big).ok();
    let mut stream = store.connect();
    stream
        .write_all(&Call::object("GET", "big").wire(store.address()))
        .unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    store.put("big", b"new").ok();
    assert_eq!(store.get("big").ok().body, b"new");
    let mut rest = vec![0; big.len()];
    stream.read_exact(&mut rest).unwrap();
    assert!(rest.iter().skip(1000).all(|&byte| byte == 5));
}

fn modes(path: &Path, found: &mut Vec<(bool, u32)>) {
    let metadata = std::fs::metadata(path).unwrap();
    found.push((metadata.is_dir(), metadata.permissions().mode() & 0o777));
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            modes(&entry.unwrap().path(), found);
        }
    }
}

#[test]
fn what_the_store_makes_is_for_its_owner_alone() {
    let data = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(data.path(), open).unwrap();
    let mut settings = settings(&data);
    settings.data_dir = data.path().join("made/by/the/store");
    let mut store = TestStore::started(data, settings);
    store.send(Call::new("PUT", "/photos")).ok();
    store.put("big", &[1; 100_000]).ok();
    store.stop();
    let mut found = Vec::new();
    modes(&store.data.path().join("made"), &mut found);
    assert!(found.len() > 256, "{}", found.len());
    for (is_dir, mode) in found {
        assert_eq!(mode, if is_dir { 0o700 } else { 0o600 });
    }
    let untouched = std::fs::metadata(store.data.path()).unwrap();
    assert_eq!(untouched.permissions().mode() & 0o777, 0o755);
}
