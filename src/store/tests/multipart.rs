use md5::{Digest, Md5};

use super::client::{Call, TestStore};
use crate::store::blobs::hex;

const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

fn begin(store: &TestStore, key: &str) -> String {
    let call = Call::object("POST", key)
        .query("uploads=")
        .header("content-type", "image/png")
        .header("x-amz-meta-by", "parts");
    store.send(call).ok().one("UploadId")
}

fn put_part(store: &TestStore, key: &str, upload: &str, number: u32, body: &[u8]) -> String {
    let query = format!("partNumber={number}&uploadId={upload}");
    let answer = store
        .send(Call::object("PUT", key).query(&query).body(body))
        .ok();
    answer.header("etag").unwrap().to_owned()
}

fn complete(key: &str, upload: &str, parts: &[(u32, &str)]) -> Call {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        })
        .collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    Call::object("POST", key)
        .query(&format!("uploadId={upload}"))
        .body(document.as_bytes())
}

#[test]
fn parts_become_one_object() {
    let store = TestStore::with_bucket();
    let upload = begin(&store, "big one");
    let (first, last) = (vec![1; PART_BYTES_MIN], vec![2; 1000]);
    // Out of order, and one of them twice: the later counts.
    put_part(&store, "big one", &upload, 1, b"to be replaced");
    let b = put_part(&store, "big one", &upload, 7, &last);
    let a = put_part(&store, "big one", &upload, 1, &first);
    put_part(&store, "big one", &upload, 9, &vec![3; 9000]);
    assert_eq!(
        store.get("big one").status,
        404,
        "not visible before it is complete"
    );

    let answer = store
        .send(complete("big one", &upload, &[(1, &a), (7, &b)]))
        .ok();
    let md5s = [Md5::digest(&first), Md5::digest(&last)].concat();
    let etag = format!("\"{}-2\"", hex(&Md5::digest(md5s)));
    assert_eq!(answer.one("ETag").replace("&quot;", "\""), etag);
    let object = store.get("big one").ok();
    assert!(object.body == [first.as_slice(), &last].concat());
    assert_eq!(object.header("etag"), Some(etag.as_str()));
    assert_eq!(object.header("content-type"), Some("image/png"));
    assert_eq!(object.header("x-amz-meta-by"), Some("parts"));
    // The seam lies within the range.
    let range = format!("bytes={}-{}", PART_BYTES_MIN - 2, PART_BYTES_MIN + 1);
    let seam = store.send(Call::object("GET", "big one").header("range", &range));
    assert_eq!(seam.body, [1, 1, 2, 2]);
    let part = store.send(Call::object("GET", "big one").query("partNumber=2"));
    assert_eq!((part.status, part.body.as_slice()), (206, last.as_slice()));
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
    // Index and one file; the other parts are gone or in the index.
    store.wait_for_file_count(2);
}

#[test]
fn the_list_of_parts_is_checked() {
    let store = TestStore::with_bucket();
    let upload = begin(&store, "k");
    let a = put_part(&store, "k", &upload, 1, b"small");
    let b = put_part(&store, "k", &upload, 2, b"last");
    let refused = |parts: &[(u32, &str)]| store.send(complete("k", &upload, parts)).error();
    assert_eq!(
        refused(&[(1, &a), (2, &b)]),
        (400, "EntityTooSmall".to_owned())
    );
    assert_eq!(
        refused(&[(2, &b), (1, &a)]),
        (400, "InvalidPartOrder".to_owned())
    );
    assert_eq!(
        refused(&[(1, &a), (1, &a)]),
        (400, "InvalidPartOrder".to_owned())
    );
    assert_eq!(refused(&[(3, &a)]), (400, "InvalidPart".to_owned()));
    assert_eq!(refused(&[(1, &b)]), (400, "InvalidPart".to_owned()));
    assert_eq!(refused(&[]).0, 400);
    assert_eq!(
        store.send(complete("other", &upload, &[(1, &a)])).error(),
        (404, "NoSuchUpload".to_owned())
    );
    assert_eq!(store.get("k").status, 404);
    store.send(complete("k", &upload, &[(2, &b)])).ok();
    assert_eq!(store.get("k").body, b"last");
    assert_eq!(
        store.send(complete("k", &upload, &[(2, &b)])).error(),
        (404, "NoSuchUpload".to_owned())
    );
}

#[test]
fn an_aborted_upload_leaves_nothing() {
    let store = TestStore::with_bucket();
    let files = store.file_count();
    let upload = begin(&store, "k");
    let a = put_part(&store, "k", &upload, 1, &vec![1; 9000]);
    assert_eq!(store.file_count(), files + 1);
    let abort = Call::object("DELETE", "k").query(&format!("uploadId={upload}"));
    assert_eq!(store.send(abort.clone()).status, 204);
    store.wait_for_file_count(files);
    assert_eq!(store.send(abort).error(), (404, "NoSuchUpload".to_owned()));
    assert_eq!(
        store.send(complete("k", &upload, &[(1, &a)])).error(),
        (404, "NoSuchUpload".to_owned())
    );
    let late = Call::object("PUT", "k")
        .query(&format!("partNumber=1&uploadId={upload}"))
        .body(b"1");
    assert_eq!(store.send(late).error(), (404, "NoSuchUpload".to_owned()));
}

#[test]
fn uploads_and_parts_are_listed_in_pages() {
    let store = TestStore::with_bucket();
    let uploads = [
        begin(&store, "a/1"),
        begin(&store, "a/2"),
        begin(&store, "b"),
    ];
    let list = |query: &str| store.send(Call::new("GET", "/photos").query(query)).ok();
    assert_eq!(list("uploads=").all("UploadId"), uploads);
    let first = list("max-uploads=2&uploads=");
    assert_eq!(first.all("Key"), ["a/1", "a/2"]);
    let (key, id) = (first.one("NextKeyMarker"), first.one("NextUploadIdMarker"));
    let second = list(&format!(
        "key-marker={}&upload-id-marker={id}&uploads=",
        key.replace('/', "%2F")
    ));
    assert_eq!(second.all("Key"), ["b"]);
    let rolled = list("delimiter=%2F&max-uploads=1&uploads=");
    assert_eq!(rolled.all("CommonPrefixes"), ["<Prefix>a/"]);
    let behind = list("delimiter=%2F&key-marker=a%2F&uploads=");
    assert_eq!(behind.all("Key"), ["b"]);
    assert!(behind.all("CommonPrefixes").is_empty());

    for number in [3, 1, 10] {
        put_part(&store, "b", &uploads[2], number, b"1");
    }
    let parts = |query: &str| {
        let call = Call::object("GET", "b").query(&format!("{query}uploadId={}", uploads[2]));
        store.send(call).ok()
    };
    assert_eq!(parts("").all("PartNumber"), ["1", "3", "10"]);
    let page = parts("max-parts=2&");
    assert_eq!(page.all("PartNumber"), ["1", "3"]);
    assert_eq!(page.one("NextPartNumberMarker"), "3");
    assert_eq!(parts("part-number-marker=3&").all("PartNumber"), ["10"]);
}

#[test]
fn a_part_may_be_copied_from_an_object() {
    let store = TestStore::with_bucket();
    let source: Vec<u8> = (0..=250).cycle().take(10_000).collect();
    store.put("source", &source).ok();
    let upload = begin(&store, "k");
    let copy = |range: &str| {
        let call = Call::object("PUT", "k")
            .query(&format!("partNumber=1&uploadId={upload}"))
            .header("x-amz-copy-source", "photos/source")
            .header("x-amz-copy-source-range", range);
        store.send(call)
    };
    assert_eq!(
        copy("bytes=5000-10000").error(),
        (416, "InvalidRange".to_owned())
    );
    assert_eq!(
        copy("bytes=5000-").error(),
        (400, "InvalidArgument".to_owned())
    );
    let etag = copy("bytes=100-9999")
        .ok()
        .one("ETag")
        .replace("&quot;", "\"");
    store.send(complete("k", &upload, &[(1, &etag)])).ok();
    assert!(store.get("k").body == source[100..]);
}

#[test]
fn a_bucket_goes_with_its_unfinished_uploads() {
    let store = TestStore::with_bucket();
    let files = store.file_count();
    let upload = begin(&store, "k");
    put_part(&store, "k", &upload, 1, &vec![1; 9000]);
    store.send(Call::new("DELETE", "/photos")).ok();
    store.wait_for_file_count(files);
    store.send(Call::new("PUT", "/photos")).ok();
    let list = store.send(Call::new("GET", "/photos?uploads=")).ok();
    assert!(list.all("UploadId").is_empty());
}

#[test]
fn part_numbers_beyond_the_limits_are_refused() {
    let store = TestStore::with_bucket();
    let upload = begin(&store, "k");
    for number in [0, 10_001] {
        let call = Call::object("PUT", "k")
            .query(&format!("partNumber={number}&uploadId={upload}"))
            .body(b"1");
        assert_eq!(
            store.send(call).error(),
            (400, "InvalidArgument".to_owned())
        );
    }
    put_part(&store, "k", &upload, 10_000, b"1");
}

#[test]
fn checksums_of_parts_give_that_of_the_object() {
    let store = TestStore::with_bucket();
    let body = b"123456789";
    for (algorithm, kind, expected) in [
        // The CRC of one part is that of the whole (reveng's check value).
        ("CRC32", "FULL_OBJECT", Some("y/Q5Jg==")),
        ("CRC64NVME", "FULL_OBJECT", Some("rosUhgp5mIg=")),
        ("SHA256", "COMPOSITE", None),
    ] {
        let call = Call::object("POST", "k")
            .query("uploads=")
            .header("x-amz-checksum-algorithm", algorithm)
            .header("x-amz-checksum-type", kind);
        let upload = store.send(call).ok().one("UploadId");
        let etag = put_part(&store, "k", &upload, 1, body);
        store.send(complete("k", &upload, &[(1, &etag)])).ok();
        let object = store.send(Call::object("HEAD", "k").header("x-amz-checksum-mode", "ENABLED"));
        let name = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        let value = object.header(&name).unwrap();
        assert_eq!(object.header("x-amz-checksum-type"), Some(kind));
        match expected {
            Some(expected) => assert_eq!(value, expected),
            None => assert!(value.ends_with("=-1"), "{value}"),
        }
    }
}
