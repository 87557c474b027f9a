//! Clients of the sidecar that must prove themselves: presigned URLs, session tokens, signed chunks.

use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::identity::Identity;
use sluicegate::wire::checksum::Algorithm;
use sluicegate::wire::sigv4::chunk_signature::ChunkSigner;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;

use crate::sidecar::kept;
use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::sidecar::error_code;
use crate::support::sidecar::sidecar_of;
use crate::support::sidecar::sidecar_settings;
use crate::support::signer::BOB;
use crate::support::signer::SESSION;
use crate::support::signer::Signer;

const CALLER: Signer<'static> = Signer {
    service: "s3",
    claims_hash: true,
    ..BOB
};
const IN_SESSION: Signer<'static> = Signer {
    service: "s3",
    claims_hash: true,
    ..SESSION
};
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// A sidecar that knows both callers, and its store.
fn known(driver: DriverChoice) -> (Gateway, Backend) {
    let store = Backend::answering(|_request| response(200, &[("ETag", "\"e\"")], b"object"));
    let mut settings = sidecar_settings(driver, &store.url());
    for signer in [CALLER, IN_SESSION] {
        let identity = Identity {
            credentials: Credentials {
                access_key_id: signer.access_key_id.to_owned(),
                secret_access_key: Secret::new(signer.secret),
                session_token: signer.token.map(Secret::new),
            },
            session_end: None,
            principal: Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB").unwrap(),
            policy: None,
        };
        sidecar_of(&mut settings).identities.add(identity).unwrap();
    }
    (Gateway::start(settings), store)
}

fn ask(
    gateway: &Gateway,
    method: &str,
    target: &str,
    fields: &[(String, String)],
    body: &[u8],
) -> Message {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fetch(gateway.address, method, target, &fields, body)
}

fn told(answer: &Message) -> String {
    format!("{} {}", answer.status(), error_code(answer))
}

#[test]
fn presigned_urls_are_checked_and_do_not_leave() {
    on_each_driver(|driver| {
        let (gateway, store) = known(driver);
        for caller in [CALLER, IN_SESSION] {
            for target in ["/b/k", "/b/a%20b%2Bc/%C3%BC//..", "/b/k?versionId=1"] {
                let url = caller.presigned("GET", target);
                let answer = ask(&gateway, "GET", &url, &[], b"");
                assert_eq!(
                    (answer.status(), answer.body.as_slice()),
                    (200, &b"object"[..])
                );
                let seen = store.requests().pop().unwrap();
                assert_eq!(seen.second_word(), target);
                assert_eq!(seen.field("x-amz-security-token"), None);
            }
            let put = caller.presigned("PUT", "/b/k");
            assert_eq!(ask(&gateway, "PUT", &put, &[], b"body").status(), 200);
            assert_eq!(stored(&store.requests().pop().unwrap()), b"body");

            let passed = store.requests().len();
            assert_eq!(
                told(&ask(&gateway, "DELETE", &put, &[], b"")),
                "403 SignatureDoesNotMatch"
            );
            let other = put.replace("/b/k", "/b/other");
            assert_eq!(
                told(&ask(&gateway, "PUT", &other, &[], b"")),
                "403 SignatureDoesNotMatch"
            );
            let late = Signer { age: 61, ..caller }.presigned("GET", "/b/k");
            assert_eq!(
                told(&ask(&gateway, "GET", &late, &[], b"")),
                "403 AccessDenied"
            );
            assert_eq!(store.requests().len(), passed);
        }
    });
}

#[test]
fn a_session_needs_its_token() {
    on_each_driver(|driver| {
        let (gateway, store) = known(driver);
        let get = |signer: Signer<'_>| {
            let fields = signer.fields("GET", "/b/k", b"");
            told(&ask(&gateway, "GET", "/b/k", &fields, b""))
        };
        assert_eq!(get(IN_SESSION), "200 ");
        assert_eq!(store.requests()[0].field("x-amz-security-token"), None);
        for token in [None, Some("another")] {
            let wrong = Signer {
                token,
                ..IN_SESSION
            };
            assert_eq!(get(wrong), "400 InvalidToken");
        }
        let unasked = Signer {
            token: Some("any"),
            ..CALLER
        };
        assert_eq!(get(unasked), "400 InvalidToken");
        assert_eq!(store.requests().len(), 1);
    });
}

/// A body in signed chunks of `step` bytes, and its trailer if there is one.
fn chunked(mut signer: ChunkSigner, data: &[u8], step: usize, trailer: Option<&str>) -> Vec<u8> {
    let text = |hex: [u8; 64]| String::from_utf8(hex.to_vec()).unwrap();
    let mut out = Vec::new();
    for chunk in data.chunks(step).chain([&b""[..]]) {
        let signature = text(signer.sign_chunk(chunk));
        out.extend_from_slice(
            format!("{:x};chunk-signature={signature}\r\n", chunk.len()).as_bytes(),
        );
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    if let Some(line) = trailer {
        let signature = text(signer.sign_trailer(format!("{line}\n").as_bytes()));
        // As MinIO's clients write it.
        out.extend_from_slice(
            format!("{line}\n\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes(),
        );
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// What signs an upload of `bytes`, and its chunks.
fn upload(bytes: usize, trailer: bool) -> (Vec<(String, String)>, ChunkSigner) {
    let length = bytes.to_string();
    let mut fields = vec![("x-amz-decoded-content-length", length.as_str())];
    let mode = if trailer {
        fields.push(("x-amz-trailer", "x-amz-checksum-crc32"));
        SIGNED_TRAILER
    } else {
        SIGNED
    };
    CALLER.streaming("/b/k", mode, &fields)
}

#[test]
fn signed_chunks_are_checked_against_the_callers_key() {
    on_each_driver(|driver| {
        let (gateway, store) = known(driver);
        for bytes in [0usize, 70, 300_000] {
            let data: Vec<u8> = (0..bytes)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect();
            let (fields, signer) = upload(bytes, false);
            let body = chunked(signer, &data, 64 * 1024, None);
            let answer = ask(&gateway, "PUT", "/b/k", &fields, &body);
            assert_eq!(told(&answer), "200 ", "{bytes}");
            assert!(stored(&store.requests().pop().unwrap()) == data, "{bytes}");

            let passed = store.requests().len();
            // One digit of the last chunk's signature.
            let mut wrong = body.clone();
            let at = wrong.len() - 5;
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                told(&ask(&gateway, "PUT", "/b/k", &fields, &wrong)),
                "403 SignatureDoesNotMatch"
            );
            // One byte of the data.
            if bytes > 0 {
                let mut wrong = body.clone();
                let at = wrong.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
                wrong[at] ^= 1;
                assert_eq!(
                    told(&ask(&gateway, "PUT", "/b/k", &fields, &wrong)),
                    "403 SignatureDoesNotMatch"
                );
            }
            assert_eq!(store.requests().len(), passed, "nothing else was whole");
        }
    });
}

#[test]
fn a_signed_trailer_is_checked_with_its_checksum() {
    on_each_driver(|driver| {
        let (gateway, store) = known(driver);
        for (data, crc) in [
            (vec![0; 300_000], "9rLi+w=="),
            (b"hello world".to_vec(), "DUoRhQ=="),
        ] {
            let send = |line: &str, spoil: bool| {
                let (fields, signer) = upload(data.len(), true);
                let mut body = chunked(signer, &data, 64 * 1024, Some(line));
                if spoil {
                    let at = body.len() - 5;
                    body[at] = if body[at] == b'0' { b'1' } else { b'0' };
                }
                told(&ask(&gateway, "PUT", "/b/k", &fields, &body))
            };
            let line = format!("x-amz-checksum-crc32:{crc}");
            assert_eq!(send(&line, false), "200 ");
            let passed = store.requests().len();
            assert_eq!(send(&line, true), "403 SignatureDoesNotMatch");
            assert_eq!(
                send("x-amz-checksum-crc32:AAAAAA==", false),
                "400 BadDigest"
            );
            assert_eq!(
                send("x-amz-checksum-sha1:AAAA", false),
                "400 MalformedTrailerError"
            );
            assert_eq!(store.requests().len(), passed, "nothing else was whole");
        }
    });
}

/// What the SDKs send over TLS.
#[test]
fn unsigned_chunks_of_a_caller_are_held_to_their_checksum() {
    on_each_driver(|driver| {
        let (gateway, store) = known(driver);
        for (data, crc) in [
            (Vec::new(), "AAAAAA=="),
            (b"hello world".to_vec(), "DUoRhQ=="),
            (vec![0; 300_000], "9rLi+w=="),
        ] {
            let length = data.len().to_string();
            let said = [
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", length.as_str()),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
            ];
            let send = |crc: &str, spoil: bool| {
                let (mut fields, _) = CALLER.streaming("/b/k", UNSIGNED_TRAILER, &said);
                if spoil {
                    let (_, value) = fields
                        .iter_mut()
                        .find(|(name, _)| name == "authorization")
                        .unwrap();
                    let last = value.pop().unwrap();
                    value.push(if last == '0' { '1' } else { '0' });
                }
                let mut body = Vec::new();
                for chunk in data.chunks(64 * 1024) {
                    body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    body.extend_from_slice(chunk);
                    body.extend_from_slice(b"\r\n");
                }
                body.extend_from_slice(
                    format!("0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n").as_bytes(),
                );
                told(&ask(&gateway, "PUT", "/b/k", &fields, &body))
            };
            assert_eq!(send(crc, false), "200 ", "{length}");
            let request = store.requests().pop().unwrap();
            let wanted = (data.clone(), crc.to_owned());
            assert!(kept(&request, Algorithm::Crc32) == wanted, "{length}");
            let passed = store.requests().len();
            assert_eq!(send(crc, true), "403 SignatureDoesNotMatch", "{length}");
            assert_eq!(send("AQAAAA==", false), "400 BadDigest", "{length}");
            assert_eq!(store.requests().len(), passed, "nothing else was whole");
        }
    });
}
