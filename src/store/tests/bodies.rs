use std::io::Write;
use std::net::Shutdown;

use super::client::{Answer, Call, Payload, TestStore};

/// The gateway's own chunk size.
const CHUNK_BYTES: usize = 128 * 1024;

fn pattern(size: usize) -> Vec<u8> {
    (0..=252).cycle().take(size).collect()
}

#[test]
fn signed_chunks_are_taken_apart() {
    let store = TestStore::with_bucket();
    for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 5] {
        let body = pattern(size);
        let put = Call::object("PUT", "a")
            .body(&body)
            .payload(Payload::Chunks(CHUNK_BYTES));
        store.send(put).ok();
        let got = store.get("a").ok();
        assert!(got.body == body, "{size} bytes");
        assert_eq!(got.header("content-encoding"), None);
    }
}

#[test]
fn a_forged_chunk_leaves_the_object_of_before() {
    let store = TestStore::with_bucket();
    store.put("a", b"before").ok();
    let files = store.file_count();
    let put = Call::object("PUT", "a")
        .body(&pattern(3 * CHUNK_BYTES))
        .payload(Payload::ForgedChunks(CHUNK_BYTES));
    assert_eq!(
        store.send(put).error(),
        (403, "SignatureDoesNotMatch".to_owned())
    );
    assert_eq!(store.get("a").body, b"before");
    store.wait_for_file_count(files);
}

#[test]
fn a_body_of_another_hash_is_refused() {
    let store = TestStore::with_bucket();
    for size in [10, 10_000] {
        let put = Call::object("PUT", "a")
            .body(&vec![1; size])
            .payload(Payload::Swapped(vec![2; size]));
        assert_eq!(
            store.send(put).error(),
            (400, "XAmzContentSHA256Mismatch".to_owned())
        );
    }
    assert_eq!(store.get("a").status, 404);
    store.wait_for_file_count(1);
}

// Of "123456789": CRCs by the CRC catalogue (reveng), the others by coreutils.
const DIGITS: &[u8] = b"123456789";
const CHECKSUMS: [(&str, &str); 6] = [
    ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
    ("x-amz-checksum-crc32", "y/Q5Jg=="),
    ("x-amz-checksum-crc32c", "4waSgw=="),
    ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
    ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
    (
        "x-amz-checksum-sha256",
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    ),
];

#[test]
fn digests_in_the_head_are_checked() {
    let store = TestStore::with_bucket();
    for (name, value) in CHECKSUMS {
        let right = Call::object("PUT", name).body(DIGITS).header(name, value);
        store.send(right).ok();
        let wrong = Call::object("PUT", "wrong")
            .body(b"123456780")
            .header(name, value);
        assert_eq!(
            store.send(wrong).error(),
            (400, "BadDigest".to_owned()),
            "{name}"
        );
    }
    assert_eq!(store.get("wrong").status, 404);
    let malformed = Call::object("PUT", "wrong")
        .body(DIGITS)
        .header("content-md5", "abc");
    assert_eq!(
        store.send(malformed).error(),
        (400, "InvalidDigest".to_owned())
    );
}

#[test]
fn digests_in_the_trailer_are_checked() {
    let store = TestStore::with_bucket();
    for (name, value) in CHECKSUMS.into_iter().skip(1) {
        let put =
            |body: &[u8], payload| store.send(Call::object("PUT", "a").body(body).payload(payload));
        let trailer = || Payload::Trailer(name, value.to_owned());
        put(DIGITS, trailer()).ok();
        let got = store.send(Call::object("GET", "a").header("x-amz-checksum-mode", "ENABLED"));
        assert_eq!(got.body, DIGITS);
        assert_eq!(got.header(name), Some(value));
        assert_eq!(
            put(b"123456780", trailer()).error(),
            (400, "BadDigest".to_owned()),
            "{name}"
        );
        assert_eq!(
            put(DIGITS, Payload::TrailerMissing(name)).error(),
            (400, "MalformedTrailerError".to_owned())
        );
    }
}

#[test]
fn a_body_cut_short_leaves_nothing() {
    let store = TestStore::with_bucket();
    let files = store.file_count();
    for payload in [
        Payload::Hashed,
        Payload::Unsigned,
        Payload::Chunks(CHUNK_BYTES),
    ] {
        let wire = Call::object("PUT", "a")
            .body(&pattern(4 * CHUNK_BYTES))
            .payload(payload)
            .wire(store.address());
        for cut in [wire.len() - 1, wire.len() / 2] {
            let mut stream = store.connect();
            stream.write_all(&wire[..cut]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // The store closes, with or without an answer, once it is done with the request.
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
            assert_eq!(store.get("a").status, 404);
            store.wait_for_file_count(files);
        }
    }
}

#[test]
fn chunks_that_end_before_the_announced_length_are_refused() {
    let store = TestStore::with_bucket();
    let call = Call::object("PUT", "a")
        .body(&pattern(100))
        .payload(Payload::Chunks(40));
    let wire = call.wire(store.address());
    let text = String::from_utf8_lossy(&wire).into_owned();
    // The last data chunk and the closing one are left out, and the framing says so.
    let length: usize = text
        .split("content-length: ")
        .last()
        .and_then(|rest| rest.split("\r\n").next())
        .and_then(|digits| digits.parse().ok())
        .unwrap();
    let head_end = wire.len() - length;
    let left_out =
        20 + 2 + "14;chunk-signature=\r\n".len() + 64 + "0;chunk-signature=\r\n\r\n".len() + 64;
    let head = String::from_utf8(wire[..head_end].to_vec())
        .unwrap()
        .replace(
            &format!("\r\ncontent-length: {length}\r\n"),
            &format!("\r\ncontent-length: {}\r\n", length - left_out),
        );
    let mut stream = store.connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .write_all(&wire[head_end..wire.len() - left_out])
        .unwrap();
    let answer = Answer::read(&mut stream, false);
    assert_eq!(answer.error(), (400, "IncompleteBody".to_owned()));
    assert_eq!(store.get("a").status, 404);
}

#[test]
fn a_connection_serves_many_requests() {
    let store = TestStore::with_bucket();
    let mut stream = store.connect();
    for n in 0..3 {
        let put = Call::object("PUT", "a").body(&vec![n; 50_000]);
        stream.write_all(&put.wire(store.address())).unwrap();
        assert_eq!(Answer::read(&mut stream, false).status, 200);
        let get = Call::object("GET", "a");
        stream.write_all(&get.wire(store.address())).unwrap();
        assert_eq!(Answer::read(&mut stream, false).body, vec![n; 50_000]);
    }
}

#[test]
fn expect_is_answered_before_the_body() {
    let store = TestStore::with_bucket();
    let wire = Call::object("PUT", "a")
        .body(b"hello")
        .header("expect", "100-continue")
        .wire(store.address());
    let mut stream = store.connect();
    stream.write_all(&wire[..wire.len() - 5]).unwrap();
    assert_eq!(Answer::read(&mut stream, false).status, 100);
    stream.write_all(b"hello").unwrap();
    assert_eq!(Answer::read(&mut stream, false).status, 200);
    assert_eq!(store.get("a").body, b"hello");
}

#[test]
fn an_answer_without_continue_ends_the_connection_of_a_client_that_expects_one() {
    let store = TestStore::with_bucket();
    let expecting = |call: Call| call.header("expect", "100-continue");
    for (status, call) in [
        (200, expecting(Call::object("PUT", "a"))),
        (404, expecting(Call::new("PUT", "/none/a").body(b"hello"))),
        (
            403,
            expecting(Call::object("PUT", "a").body(b"hello")).keys("AKIDEXAMPLE", "wrong"),
        ),
    ] {
        let wire = call.wire(store.address());
        let head_end = wire.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut stream = store.connect();
        stream.write_all(&wire[..head_end]).unwrap();
        let answer = Answer::read(&mut stream, false);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("connection"), Some("close"), "{status}");
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    }
}

#[test]
fn an_answer_after_continue_leaves_the_connection_open() {
    let store = TestStore::with_bucket();
    let mut stream = store.connect();
    for body in [b"hello", b"world"] {
        let wire = Call::object("PUT", "a")
            .body(body)
            .header("expect", "100-continue")
            .wire(store.address());
        stream.write_all(&wire[..wire.len() - 5]).unwrap();
        assert_eq!(Answer::read(&mut stream, false).status, 100);
        stream.write_all(body).unwrap();
        let answer = Answer::read(&mut stream, false);
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
}
