use super::client::{Call, Payload, TestStore};

#[test]
fn buckets_come_and_go() {
    let store = TestStore::start();
    store.send(Call::new("PUT", "/photos")).ok();
    assert_eq!(
        store.send(Call::new("PUT", "/photos")).error(),
        (409, "BucketAlreadyOwnedByYou".to_owned())
    );
    let list = store.send(Call::new("GET", "/")).ok();
    assert_eq!(list.all("Name"), ["photos"]);
    let head = store.send(Call::new("HEAD", "/photos")).ok();
    assert_eq!(head.header("x-amz-bucket-region"), Some("eu-central-1"));
    let location = store.send(Call::new("GET", "/photos?location=")).ok();
    assert!(
        location
            .text()
            .contains(">eu-central-1</LocationConstraint>"),
        "{}",
        location.text()
    );
    assert_eq!(store.send(Call::new("DELETE", "/photos")).status, 204);
    assert_eq!(store.send(Call::new("HEAD", "/photos")).status, 404);
    assert_eq!(
        store.send(Call::new("DELETE", "/photos")).error(),
        (404, "NoSuchBucket".to_owned())
    );
}

#[test]
fn a_location_constraint_must_be_the_region() {
    let store = TestStore::start();
    let body = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let here = Call::new("PUT", "/here").body(body("eu-central-1").as_bytes());
    store.send(here).ok();
    let elsewhere = Call::new("PUT", "/elsewhere").body(body("us-west-2").as_bytes());
    assert_eq!(
        store.send(elsewhere).error(),
        (400, "IllegalLocationConstraintException".to_owned())
    );
}

#[test]
fn only_an_empty_bucket_is_deleted() {
    let store = TestStore::with_bucket();
    store.put("q", b"1").ok();
    assert_eq!(
        store.send(Call::new("DELETE", "/photos")).error(),
        (409, "BucketNotEmpty".to_owned())
    );
    assert_eq!(store.get("q").ok().body, b"1");
    store.send(Call::object("DELETE", "q")).ok();
    store.send(Call::new("DELETE", "/photos")).ok();
}

#[test]
fn an_object_keeps_its_description() {
    let store = TestStore::with_bucket();
    let fields = [
        ("content-type", "image/png"),
        ("content-encoding", "br"),
        ("content-disposition", "attachment"),
        ("content-language", "de"),
        ("cache-control", "max-age=60"),
        ("expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-amz-meta-camera", "box"),
    ];
    let put = fields.iter().fold(
        Call::object("PUT", "a").body(b"hello"),
        |call, (name, value)| call.header(name, value),
    );
    let put = store.send(put.header("x-amz-tagging", "kind=old")).ok();
    // MD5 of "hello".
    assert_eq!(
        put.header("etag"),
        Some("\"5d41402abc4b2a76b9719d911017c592\"")
    );
    for method in ["GET", "HEAD"] {
        let answer = store.send(Call::object(method, "a")).ok();
        for (name, value) in fields {
            assert_eq!(answer.header(name), Some(value), "{method}");
        }
        assert_eq!(answer.header("content-length"), Some("5"), "{method}");
        assert_eq!(answer.header("etag"), put.header("etag"), "{method}");
    }
    assert_eq!(store.get("a").body, b"hello");
    let tags = store.send(Call::object("GET", "a").query("tagging=")).ok();
    assert_eq!(
        (tags.one("Key"), tags.one("Value")),
        ("kind".to_owned(), "old".to_owned())
    );

    store.put("plain", b"").ok();
    let plain = store.get("plain").ok();
    assert_eq!(plain.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(plain.header("content-length"), Some("0"));
}

#[test]
fn deletes_are_idempotent() {
    let store = TestStore::with_bucket();
    store.put("a", b"1").ok();
    for _ in 0..2 {
        assert_eq!(store.send(Call::object("DELETE", "a")).status, 204);
    }
    assert_eq!(store.get("a").error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(
        store.send(Call::new("DELETE", "/none/a")).error(),
        (404, "NoSuchBucket".to_owned())
    );
}

#[test]
fn many_are_deleted_at_once_up_to_a_thousand() {
    let store = TestStore::with_bucket();
    let big = vec![1; 5000];
    for key in ["a", "b/c", "keep"] {
        store.put(key, &big).ok();
    }
    let document = |keys: &[&str]| {
        let objects: String = keys
            .iter()
            .map(|key| format!("<Object><Key>{key}</Key></Object>"))
            .collect();
        format!("<Delete>{objects}</Delete>").into_bytes()
    };
    let delete = |body: &[u8]| store.send(Call::new("POST", "/photos?delete=").body(body));
    let answer = delete(&document(&["a", "b/c", "never-was"])).ok();
    assert_eq!(answer.all("Key"), ["a", "b/c", "never-was"]);
    assert_eq!(store.get("a").status, 404);
    assert_eq!(store.get("keep").status, 200);
    assert_eq!(delete(&document(&["x"; 1000])).status, 200);
    assert_eq!(
        delete(&document(&["x"; 1001])).error(),
        (400, "MalformedXML".to_owned())
    );
}

#[test]
fn a_copy_is_independent_of_its_source() {
    let store = TestStore::with_bucket();
    let big: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    for (name, bytes) in [("small ü", &b"tiny"[..]), ("big", &big)] {
        let put = Call::object("PUT", name)
            .body(bytes)
            .header("x-amz-meta-of", "source");
        store.send(put).ok();
        let source = format!("/photos/{}", crate::store::listing::url_encoded(name));
        let copy = Call::object("PUT", "copy").header("x-amz-copy-source", &source);
        store.send(copy.clone()).ok();
        store.send(Call::object("DELETE", name)).ok();
        let copied = store.get("copy").ok();
        assert_eq!(copied.body, bytes, "{name}");
        assert_eq!(copied.header("x-amz-meta-of"), Some("source"));
        assert_eq!(store.send(copy).error(), (404, "NoSuchKey".to_owned()));
    }
}

#[test]
fn a_copy_to_itself_must_change_something() {
    let store = TestStore::with_bucket();
    store.put("a", b"1").ok();
    let copy = Call::object("PUT", "a").header("x-amz-copy-source", "photos/a");
    assert_eq!(
        store.send(copy.clone()).error(),
        (400, "InvalidRequest".to_owned())
    );
    let replace = copy
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/css");
    store.send(replace).ok();
    let answer = store.get("a").ok();
    assert_eq!(answer.header("content-type"), Some("text/css"));
    assert_eq!(answer.body, b"1");
}

#[test]
fn an_object_over_another_replaces_it_as_a_whole() {
    let store = TestStore::with_bucket();
    let files = store.file_count();
    store.put("a", &vec![1; 10_000]).ok();
    store
        .send(
            Call::object("PUT", "a")
                .body(&vec![2; 6_000])
                .header("content-type", "x/y"),
        )
        .ok();
    let answer = store.get("a").ok();
    assert_eq!(answer.body, vec![2; 6_000]);
    store.wait_for_file_count(files + 1);
    store.put("a", b"in the index now").ok();
    store.wait_for_file_count(files);
    assert_eq!(
        store.get("a").ok().header("content-type"),
        Some("binary/octet-stream")
    );
}

#[test]
fn requests_are_signed_with_the_one_key_pair() {
    let store = TestStore::with_bucket();
    let put = Call::object("PUT", "a").body(&vec![0; 3_000_000]);
    let wrong_secret = put.clone().keys(super::client::ACCESS_KEY, "wrong");
    // The answer arrives although the body had not been read when it was ready.
    assert_eq!(
        store.send(wrong_secret).error(),
        (403, "SignatureDoesNotMatch".to_owned())
    );
    let wrong_key = put.keys("AKIDOTHER", super::client::SECRET_KEY);
    assert_eq!(
        store.send(wrong_key).error(),
        (403, "InvalidAccessKeyId".to_owned())
    );
    assert_eq!(store.get("a").status, 404);
    let unsigned = Call::object("PUT", "a")
        .body(b"1")
        .payload(Payload::Unsigned);
    store.send(unsigned).ok();
}

#[test]
fn what_is_not_done_says_so() {
    let store = TestStore::with_bucket();
    store.put("a", b"1").ok();
    assert_eq!(
        store.send(Call::new("GET", "/photos?acl=")).error(),
        (501, "NotImplemented".to_owned())
    );
    let encrypted = Call::object("GET", "a")
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256");
    assert_eq!(
        store.send(encrypted).error(),
        (501, "NotImplemented".to_owned())
    );
    let version = Call::object("GET", "a").query("versionId=abc");
    assert_eq!(
        store.send(version).error(),
        (404, "NoSuchVersion".to_owned())
    );
    store
        .send(Call::object("GET", "a").query("versionId=null"))
        .ok();
}
