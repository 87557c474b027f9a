use std::io::Write;

use super::client::{Answer, Call, TestStore};

const HELLO_ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const LONG_AGO: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const FAR_AHEAD: &str = "Wed, 21 Oct 2099 07:28:00 GMT";

#[test]
fn reads_depend_on_the_entity_tag_and_the_date() {
    let store = TestStore::with_bucket();
    store.put("a", b"hello").ok();
    let cases = [
        ("if-none-match", HELLO_ETAG, 304),
        ("if-none-match", "*", 304),
        (
            "if-none-match",
            "\"x\", \"5d41402abc4b2a76b9719d911017c592\"",
            304,
        ),
        ("if-none-match", "\"x\"", 200),
        ("if-match", HELLO_ETAG, 200),
        ("if-match", "\"x\"", 412),
        ("if-modified-since", FAR_AHEAD, 304),
        ("if-modified-since", LONG_AGO, 200),
        ("if-unmodified-since", FAR_AHEAD, 200),
        ("if-unmodified-since", LONG_AGO, 412),
    ];
    for (name, value, status) in cases {
        for method in ["GET", "HEAD"] {
            let answer = store.send(Call::object(method, "a").header(name, value));
            assert_eq!(answer.status, status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!(answer.header("etag"), Some(HELLO_ETAG));
                assert!(answer.body.is_empty());
            }
        }
    }
    let failed = store.send(Call::object("GET", "a").header("if-match", "\"x\""));
    assert_eq!(failed.error(), (412, "PreconditionFailed".to_owned()));
}

#[test]
fn writes_depend_on_what_they_would_replace() {
    let store = TestStore::with_bucket();
    let put = |name: &str, value: &str, body: &[u8]| {
        store.send(Call::object("PUT", "a").body(body).header(name, value))
    };
    assert_eq!(
        put("if-match", HELLO_ETAG, b"0").error(),
        (404, "NoSuchKey".to_owned())
    );
    put("if-none-match", "*", b"hello").ok();
    assert_eq!(
        put("if-none-match", "*", b"0").error(),
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(
        put("if-match", "\"x\"", b"0").error(),
        (412, "PreconditionFailed".to_owned())
    );
    assert_eq!(store.get("a").body, b"hello");
    put("if-match", HELLO_ETAG, b"new").ok();
    assert_eq!(store.get("a").body, b"new");
}

#[test]
fn of_many_that_create_at_once_one_succeeds() {
    let store = TestStore::with_bucket();
    let (answered, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (store, answered) = (&store, answered.clone());
            let call = Call::object("PUT", "a")
                .body(&vec![n; 6000])
                .header("if-none-match", "*");
            scope.spawn(move || answered.send(store.send(call).status).unwrap());
        }
    });
    drop(answered);
    let statuses: Vec<u16> = answers.iter().collect();
    assert_eq!(
        statuses.iter().filter(|&&status| status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|&&status| status == 412).count(),
        7,
        "{statuses:?}"
    );
}

#[test]
fn copies_depend_on_their_source() {
    let store = TestStore::with_bucket();
    store.put("a", b"hello").ok();
    let copy = |name: &str, value: &str| {
        let call = Call::object("PUT", "b").header("x-amz-copy-source", "photos/a");
        store.send(call.header(name, value)).status
    };
    assert_eq!(copy("x-amz-copy-source-if-none-match", HELLO_ETAG), 412);
    assert_eq!(copy("x-amz-copy-source-if-match", "\"x\""), 412);
    assert_eq!(copy("x-amz-copy-source-if-match", HELLO_ETAG), 200);
}

#[test]
fn ranges_are_parts_of_the_object() {
    let store = TestStore::with_bucket();
    let big: Vec<u8> = (0..=250).cycle().take(600_000).collect();
    for (key, bytes) in [("small", &b"0123456789"[..]), ("big", &big)] {
        store.put(key, bytes).ok();
        let size = bytes.len();
        let cases = [
            ("bytes=2-4".to_owned(), 2..5),
            ("bytes=7-".to_owned(), 7..size),
            ("bytes=-3".to_owned(), size - 3..size),
            (format!("bytes=5-{}", size + 9), 5..size),
            (format!("bytes=-{}", size + 9), 0..size),
        ];
        for (range, expected) in cases {
            let answer = store.send(Call::object("GET", key).header("range", &range));
            assert_eq!(answer.status, 206, "{key} {range}");
            let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            assert_eq!(answer.header("content-range"), Some(content_range.as_str()));
            assert!(answer.body == bytes[expected], "{key} {range}");
            let head = store.send(Call::object("HEAD", key).header("range", &range));
            assert_eq!(head.status, 206);
            assert_eq!(head.header("content-range"), Some(content_range.as_str()));
        }
        let beyond =
            store.send(Call::object("GET", key).header("range", &format!("bytes={size}-")));
        assert_eq!(beyond.error(), (416, "InvalidRange".to_owned()));
        let content_range = format!("bytes */{size}");
        assert_eq!(beyond.header("content-range"), Some(content_range.as_str()));
    }
}

#[test]
fn a_range_that_is_none_gets_the_whole() {
    let store = TestStore::with_bucket();
    store.put("a", b"hello").ok();
    for range in [
        "bytes=a",
        "items=0-1",
        "bytes=0-1,3-4",
        "bytes=5-1",
        "bytes=",
    ] {
        for method in ["GET", "HEAD"] {
            let call = Call::object(method, "a").header("range", range);
            let answer = store.send(call.clone());
            assert_eq!(answer.status, 200, "{method} {range}");
            assert_eq!(answer.header("content-length"), Some("5"));
            assert_eq!(answer.header("content-range"), None);
            assert_eq!(answer.header("etag"), Some(HELLO_ETAG));
            let unmet = store.send(call.clone().header("if-none-match", HELLO_ETAG));
            assert_eq!(unmet.status, 304, "{method} {range}");
            let forged = store.send(call.keys("AKIDEXAMPLE", "wrong"));
            assert_eq!(forged.status, 403, "{method} {range}");
        }
        let unsigned = format!("GET /photos/a HTTP/1.1\r\nhost: x\r\nrange: {range}\r\n\r\n");
        let mut stream = store.connect();
        stream.write_all(unsigned.as_bytes()).unwrap();
        assert_eq!(Answer::read(&mut stream, false).status, 403, "{range}");
        assert_eq!(
            store
                .send(Call::object("GET", "none").header("range", range))
                .error(),
            (404, "NoSuchKey".to_owned())
        );
    }
}

#[test]
fn a_range_of_another_state_gets_the_whole() {
    let store = TestStore::with_bucket();
    store.put("a", b"hello").ok();
    let get = |validator: &str| {
        let call = Call::object("GET", "a").header("range", "bytes=0-1");
        store.send(call.header("if-range", validator)).body
    };
    assert_eq!(get(HELLO_ETAG), b"he");
    assert_eq!(get("\"x\""), b"hello");
    assert_eq!(get(LONG_AGO), b"hello");
}

#[test]
fn the_query_may_override_fields_of_the_answer() {
    let store = TestStore::with_bucket();
    store.put("a", b"hello").ok();
    for method in ["GET", "HEAD"] {
        let call = Call::object(method, "a").query("response-content-type=text%2Fcsv");
        assert_eq!(
            store.send(call).ok().header("content-type"),
            Some("text/csv"),
            "{method}"
        );
    }
}
