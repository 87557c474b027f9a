//! What the store receives is signed as `aws-sigv4` signs it, chunk by chunk, with exact lengths.

use std::net::SocketAddr;

use ring::digest::SHA256;
use ring::digest::digest;
use ring::hmac;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::support::backend::Backend;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::ACCESS_KEY_ID;
use crate::support::gateway::SECRET_ACCESS_KEY;
use crate::support::gateway::credentials;
use crate::support::gateway::fixed;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::store_signature::head_signature;
use crate::support::store_signature::part;

const REGION: &str = "us-east-1";
const TOKEN: &str = "a/session+token==";
const STREAMED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// The longest chunk, of which four are a group.
const CHUNK_BYTES_MAX: usize = 126 * 1024;

/// What the store receives of one request.
fn sent(
    driver: DriverChoice,
    signing: PayloadSigning,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Message {
    received(driver, signing, |address| {
        fetch(address, method, target, fields, body)
    })
}

/// What the store receives of the one request that `ask` sends.
fn received(
    driver: DriverChoice,
    signing: PayloadSigning,
    ask: impl FnOnce(SocketAddr) -> Message,
) -> Message {
    let store = Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let gateway = gateway_for(&object_api(), driver, &store, |settings| {
        settings.payload_signing = signing;
        settings.credentials = fixed(Credentials {
            session_token: Some(Secret::new(TOKEN)),
            ..credentials()
        });
    });
    assert_eq!(ask(gateway.address).status(), 200);
    let mut requests = store.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

/// The head's signature is the oracle's, and what must be signed is.
fn assert_head_signed(request: &Message) {
    assert_eq!(
        part(request, "Signature"),
        head_signature(request, SECRET_ACCESS_KEY),
        "{request:?}"
    );
    let signed: Vec<&str> = part(request, "SignedHeaders").split(';').collect();
    for (name, _) in &request.fields {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-")
            || matches!(name.as_str(), "host" | "content-type" | "content-md5")
        {
            assert!(
                signed.contains(&name.as_str()),
                "{name} is sent and not signed"
            );
        }
    }
    assert_eq!(request.field("x-amz-security-token"), Some(TOKEN));
    let date = request.field("x-amz-date").unwrap();
    let scope = format!("{ACCESS_KEY_ID}/{}/{REGION}/s3/aws4_request", &date[..8]);
    assert_eq!(part(request, "Credential"), scope);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac_sha256(key: &[u8], data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes())
        .as_ref()
        .to_vec()
}

fn sha256_hex(data: &[u8]) -> String {
    hex(digest(&SHA256, data).as_ref())
}

/// Every chunk's signature follows from the one before it (spec 10, "Chunked signing"); gives the sizes of the chunks.
fn assert_chunks_signed(request: &Message) -> Vec<usize> {
    let date = request.field("x-amz-date").unwrap();
    let scope = format!("{}/{REGION}/s3/aws4_request", &date[..8]);
    let mut key = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    for step in [&date[..8], REGION, "s3", "aws4_request"] {
        key = hmac_sha256(&key, step);
    }
    let mut previous = part(request, "Signature").to_owned();
    let mut rest = request.body.as_slice();
    let mut sizes = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let (size, signature) = std::str::from_utf8(&rest[..end])
            .unwrap()
            .split_once(";chunk-signature=")
            .unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let data = &rest[end + 2..end + 2 + size];
        let to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{}\n{}",
            sha256_hex(b""),
            sha256_hex(data)
        );
        previous = hex(&hmac_sha256(&key, &to_sign));
        assert_eq!(signature, previous, "chunk {}", sizes.len());
        rest = &rest[end + 2 + size + 2..];
        sizes.push(size);
    }
    sizes
}

fn object(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn requests_without_body_sign_the_empty_hash() {
    on_each_driver(|driver| {
        for signing in [
            PayloadSigning::Auto,
            PayloadSigning::Streaming,
            PayloadSigning::Unsigned,
        ] {
            for method in ["GET", "HEAD", "DELETE"] {
                let request = sent(
                    driver,
                    signing,
                    method,
                    "/o/b/a%20key%2Fwith%2Fslashes",
                    &[],
                    b"",
                );
                assert_head_signed(&request);
                assert_eq!(request.second_word(), "/b/a%20key/with/slashes");
                assert_eq!(
                    request.field("x-amz-content-sha256"),
                    Some(sha256_hex(b"").as_str())
                );
                assert_eq!(request.field("content-length"), None, "{method}");
            }
        }
    });
}

#[test]
fn small_body_is_signed_by_its_hash() {
    on_each_driver(|driver| {
        for len in [0, 1, 64 * 1024] {
            let body = object(len);
            let request = sent(
                driver,
                PayloadSigning::Auto,
                "PUT",
                "/o/b/k",
                &[("Content-Type", "image/png")],
                &body,
            );
            assert_head_signed(&request);
            assert_eq!(
                request.field("x-amz-content-sha256"),
                Some(sha256_hex(&body).as_str())
            );
            assert_eq!(
                request.field("content-length"),
                Some(len.to_string().as_str())
            );
            assert_eq!(request.field("x-amz-decoded-content-length"), None);
            assert!(request.body == body);
        }
    });
}

/// Spec 10, "Chunked signing": the length of an encoded body.
fn encoded_len(sizes: &[usize]) -> usize {
    sizes
        .iter()
        .map(|size| format!("{size:x}").len() + 17 + 64 + 2 + size + 2)
        .sum()
}

fn assert_streamed(request: &Message, body: &[u8]) {
    assert_head_signed(request);
    assert_eq!(request.field("x-amz-content-sha256"), Some(STREAMED));
    assert_eq!(
        request.field("x-amz-decoded-content-length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(request.field("content-encoding"), Some("aws-chunked"));
    let sizes = assert_chunks_signed(request);
    assert_eq!(sizes.iter().sum::<usize>(), body.len());
    let (last, chunks) = sizes.split_last().unwrap();
    assert_eq!(*last, 0);
    let full = chunks.split_last().unwrap().1;
    assert!(
        full.iter()
            .all(|&size| size == full[0] && size <= CHUNK_BYTES_MAX),
        "{sizes:?}"
    );
    assert_eq!(
        request.field("content-length"),
        Some(encoded_len(&sizes).to_string().as_str())
    );
    assert!(stored(request) == body);
}

#[test]
fn large_body_is_signed_in_chunks() {
    on_each_driver(|driver| {
        for len in [
            64 * 1024 + 1,
            4 * CHUNK_BYTES_MAX,
            4 * CHUNK_BYTES_MAX + 1,
            9 * CHUNK_BYTES_MAX + 3,
        ] {
            let body = object(len);
            let request = sent(
                driver,
                PayloadSigning::Auto,
                "PUT",
                "/o/b/k",
                &[("Content-Type", "image/png")],
                &body,
            );
            assert_streamed(&request, &body);
        }
    });
}

#[test]
fn body_that_comes_in_small_pieces_is_signed_as_any_other() {
    on_each_driver(|driver| {
        let body = object(6 * CHUNK_BYTES_MAX + 1);
        let request = received(driver, PayloadSigning::Auto, |address| {
            let mut client = Client::connect(address);
            let length = body.len();
            client.send(format!(
                "PUT /o/b/k HTTP/1.1\r\nHost: gateway\r\nContent-Length: {length}\r\n\r\n"
            ));
            for piece in body.chunks(701) {
                client.send(piece);
                std::thread::yield_now();
            }
            client.response().unwrap()
        });
        assert_streamed(&request, &body);
    });
}

#[test]
fn streaming_signs_the_smallest_body_in_chunks() {
    on_each_driver(|driver| {
        let request = sent(
            driver,
            PayloadSigning::Streaming,
            "PUT",
            "/o/b/k",
            &[],
            b"x",
        );
        assert_streamed(&request, b"x");
        assert_eq!(request.body.len(), 1 + 17 + 64 + 2 + 1 + 2 + 86);
    });
}

#[test]
fn unsigned_body_goes_as_it_is() {
    on_each_driver(|driver| {
        for len in [1, 300_000] {
            let body = object(len);
            let request = sent(
                driver,
                PayloadSigning::Unsigned,
                "PUT",
                "/o/b/k",
                &[],
                &body,
            );
            assert_head_signed(&request);
            assert_eq!(
                request.field("x-amz-content-sha256"),
                Some("UNSIGNED-PAYLOAD")
            );
            assert_eq!(
                request.field("content-length"),
                Some(len.to_string().as_str())
            );
            assert_eq!(request.field("content-encoding"), None);
            assert!(request.body == body);
        }
    });
}
