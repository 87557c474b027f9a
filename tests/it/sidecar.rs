//! The sidecar: S3 requests pass as they are but for their signature; a wrong body never becomes an object.

use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::identity::Identity;
use sluicegate::pipeline::sidecar::allow_list::AllowList;
use sluicegate::serve::settings::PayloadSigning;
use sluicegate::serve::settings::SidecarSettings;
use sluicegate::wire::aws_chunked::decode::Chunks;
use sluicegate::wire::aws_chunked::decode::Decoder;
use sluicegate::wire::checksum::Algorithm;
use sluicegate::wire::checksum::Hasher;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::payload_hash::sha256_hex;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Message;
use crate::support::program::ended;
use crate::support::program::sluicegate;
use crate::support::sidecar::error_code;
use crate::support::sidecar::sidecar_of;
use crate::support::sidecar::sidecar_settings;
use crate::support::signer::BOB;
use crate::support::signer::Signer;

const CALLER: Signer<'static> = Signer {
    service: "s3",
    region: "us-east-1",
    claims_hash: true,
    ..BOB
};

fn sidecar(
    driver: DriverChoice,
    store: &Backend,
    signing: PayloadSigning,
    change: impl FnOnce(&mut SidecarSettings),
) -> Gateway {
    let mut settings = sidecar_settings(driver, &store.url());
    settings.payload_signing = signing;
    change(sidecar_of(&mut settings));
    Gateway::start(settings)
}

fn open(driver: DriverChoice, store: &Backend) -> Gateway {
    sidecar(driver, store, PayloadSigning::Auto, |_| {})
}

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[("ETag", "\"e\"")], b""))
}

fn checksum(algorithm: Algorithm, data: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(data);
    hasher.finish()
}

/// A body in unsigned chunks of 50,000 bytes with its checksum.
fn framed(data: &[u8], field: &[u8], value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(50_000) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(field);
    out.extend_from_slice(format!(":{value}\r\n\r\n").as_bytes());
    out
}

fn trailing(length: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-encoding", "aws-chunked".to_owned()),
        (
            "x-amz-content-sha256",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        ),
        ("x-amz-decoded-content-length", length.to_owned()),
    ]
}

fn put(gateway: &Gateway, fields: &[(&str, String)], body: &[u8]) -> Message {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    fetch(gateway.address, "PUT", "/b/k", &fields, body)
}

/// What the store would keep, and the checksum that came with it.
pub(crate) fn kept(request: &Message, algorithm: Algorithm) -> (Vec<u8>, String) {
    let field = std::str::from_utf8(algorithm.field()).unwrap();
    let mode = request.field("x-amz-content-sha256").unwrap();
    let chunks = match mode {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Chunks::Signed,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Chunks::Unsigned,
        _ => {
            let told = request.field(field).unwrap().to_owned();
            return (request.body.clone(), told);
        }
    };
    assert_eq!(request.field("x-amz-trailer"), Some(field));
    let mut decoder = Decoder::new(chunks, None);
    let mut out = Vec::new();
    let used = decoder.decode(&request.body, &mut out, usize::MAX).unwrap();
    assert!(decoder.is_done() && used == request.body.len());
    let told = decoder.trailer(algorithm.field()).unwrap();
    (out, String::from_utf8(told.to_vec()).unwrap())
}

fn pattern(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| (n % 251) as u8).collect()
}

fn code(answer: &Message) -> String {
    let code = error_code(answer);
    format!("{} {code}", answer.status())
}

#[test]
fn trailing_checksums_are_verified_and_passed_on() {
    on_each_driver(|driver| {
        for signing in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
            let store = accepting();
            let gateway = sidecar(driver, &store, signing, |_| {});
            for algorithm in Algorithm::ALL {
                for bytes in [0, 1, 60_000, 200_000] {
                    let data = pattern(bytes);
                    let value = checksum(algorithm, &data);
                    let mut fields = trailing(&bytes.to_string());
                    let name = std::str::from_utf8(algorithm.field()).unwrap();
                    fields.push(("x-amz-trailer", name.to_owned()));
                    let answer = put(&gateway, &fields, &framed(&data, algorithm.field(), &value));
                    assert_eq!(answer.status(), 200, "{algorithm:?} {bytes}");
                    let requests = store.requests();
                    let (object, told) = kept(requests.last().unwrap(), algorithm);
                    assert!(object == data && told == value, "{algorithm:?} {bytes}");
                }
            }
        }
    });
}

#[test]
fn a_wrong_body_never_becomes_an_object() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = open(driver, &store);
        for bytes in [10u32, 200_000] {
            let data = pattern(bytes);
            let crc = checksum(Algorithm::Crc32, &data);
            let field = b"x-amz-checksum-crc32";
            let whole = framed(&data, field, &crc);
            let cases: [(Vec<u8>, String, &str); 6] = [
                (
                    framed(&data, field, "AAAAAA=="),
                    bytes.to_string(),
                    "400 BadDigest",
                ),
                (
                    framed(&data, b"x-amz-checksum-sha1", &crc),
                    bytes.to_string(),
                    "400 MalformedTrailerError",
                ),
                (whole.clone(), (bytes + 1).to_string(), "400 IncompleteBody"),
                (whole.clone(), (bytes - 1).to_string(), "400 IncompleteBody"),
                (data.clone(), bytes.to_string(), "400 IncompleteBody"),
                (
                    [whole.as_slice(), b"x"].concat(),
                    bytes.to_string(),
                    "400 IncompleteBody",
                ),
            ];
            for (body, length, wanted) in cases {
                let mut fields = trailing(&length);
                fields.push(("x-amz-trailer", "x-amz-checksum-crc32".to_owned()));
                assert_eq!(
                    code(&put(&gateway, &fields, &body)),
                    wanted,
                    "{bytes} {length}"
                );
            }
            // cut in the middle, and a Content-Length beyond the end of the coding
            for length in [whole.len(), whole.len() + 7] {
                let mut client = Client::connect(gateway.address);
                client.send(format!(
                    "PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
                     x-amz-decoded-content-length: {bytes}\r\nx-amz-trailer: x-amz-checksum-crc32\r\n\r\n"
                ));
                client.send(&whole[..whole.len() - 3]);
                client.finish_sending();
                let answer = client.response().expect("a response");
                assert_eq!(code(&answer), "400 IncompleteBody");
            }
        }
        assert_eq!(store.requests().len(), 0, "no request was whole");
    });
}

#[test]
fn a_hash_of_the_clients_is_signed_as_it_is() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = open(driver, &store);
        for bytes in [1, 3_000_000] {
            let data = pattern(bytes);
            let hash = String::from_utf8(sha256_hex(&data).to_vec()).unwrap();
            let fields = [("x-amz-content-sha256", hash.clone())];
            assert_eq!(put(&gateway, &fields, &data).status(), 200);
            let requests = store.requests();
            let request = requests.last().unwrap();
            assert_eq!(request.field("x-amz-content-sha256"), Some(hash.as_str()));
            assert!(request.body == data);
        }
    });
}

#[test]
fn requests_and_responses_pass_as_they_are() {
    on_each_driver(|driver| {
        let store = Backend::answering(|request| match request.start.split(' ').next() {
            Some("HEAD") => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 123\r\nETag: \"e\"\r\n\r\n".to_vec()
            }
            Some("DELETE") => b"HTTP/1.1 204 No Content\r\nx-amz-version-id: v\r\n\r\n".to_vec(),
            _ => response(
                206,
                &[
                    ("Content-Range", "bytes 0-1/9"),
                    ("Connection", "x-hop"),
                    ("x-hop", "1"),
                ],
                b"ab",
            ),
        });
        let gateway = open(driver, &store);
        let ask = |method: &str, target: &str, fields: &[(&str, &str)]| {
            fetch(gateway.address, method, target, fields, b"")
        };
        let answer = ask(
            "GET",
            "/b/a%20b//c/../+%2F%C3%BC?versionId=1&X-Amz-Signature=s&X-Amz-Credential=c",
            &[
                ("Authorization", "secret"),
                ("Range", "bytes=0-1"),
                ("x-amz-meta-a", "1"),
                ("x-amz-security-token", "t"),
            ],
        );
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (206, b"ab".as_slice())
        );
        assert_eq!(answer.field("content-range"), Some("bytes 0-1/9"));
        assert_eq!(answer.field("x-hop"), None);
        let seen = store.requests().pop().unwrap();
        assert_eq!(
            seen.second_word(),
            "/b/a%20b//c/../%2B%2F%C3%BC?versionId=1"
        );
        assert_eq!(
            (seen.field("range"), seen.field("x-amz-meta-a")),
            (Some("bytes=0-1"), Some("1"))
        );
        assert_eq!(seen.field("x-amz-security-token"), None);
        assert!(
            seen.field("authorization")
                .unwrap()
                .starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
        );
        let head = ask("HEAD", "/b/k", &[]);
        assert_eq!(
            (head.status(), head.field("content-length")),
            (200, Some("123"))
        );
        let gone = ask("DELETE", "/b/k", &[]);
        assert_eq!(
            (gone.status(), gone.field("x-amz-version-id")),
            (204, Some("v"))
        );
    });
}

#[test]
fn an_unreachable_store_is_told_in_xml() {
    let store = accepting();
    let settings = sidecar_settings(DriverChoice::Auto, "http://127.0.0.1:9");
    drop(store);
    let gateway = Gateway::start(settings);
    let answer = fetch(gateway.address, "GET", "/b/k", &[], b"");
    assert_eq!(code(&answer), "503 ServiceUnavailable");
    assert_eq!(answer.field("content-type"), Some("application/xml"));
    assert_eq!(answer.field("retry-after"), Some("1"));
}

#[test]
fn known_clients_prove_themselves_and_keep_to_their_lists() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = sidecar(driver, &store, PayloadSigning::Auto, |sidecar| {
            sidecar
                .identities
                .add(Identity {
                    credentials: Credentials {
                        access_key_id: CALLER.access_key_id.to_owned(),
                        secret_access_key: Secret::new(CALLER.secret),
                        session_token: None,
                    },
                    session_end: None,
                    principal: Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB")
                        .unwrap(),
                    policy: None,
                })
                .unwrap();
            let list = AllowList::new(vec!["b".to_owned()], vec!["in/".to_owned()], &[]).unwrap();
            sidecar
                .allow_lists
                .insert(CALLER.access_key_id.to_owned(), list);
        });
        let ask = |signer: Signer<'_>, method: &str, target: &str, body: &[u8]| {
            let signed = signer.fields(method, target, body);
            let fields: Vec<(&str, &str)> = signed
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            code(&fetch(gateway.address, method, target, &fields, body))
        };
        let delete =
            |key: &str| format!("<Delete><Object><Key>{key}</Key></Object></Delete>").into_bytes();
        assert_eq!(ask(CALLER, "GET", "/b/in/k", b""), "200 ");
        assert_eq!(ask(CALLER, "PUT", "/b/in/k", b"data"), "200 ");
        assert_eq!(ask(CALLER, "POST", "/b?delete", &delete("in/k")), "200 ");
        let passed = store.requests().len();
        assert_eq!(ask(CALLER, "GET", "/b/k", b""), "403 AccessDenied");
        assert_eq!(ask(CALLER, "GET", "/b", b""), "403 AccessDenied");
        assert_eq!(
            ask(CALLER, "POST", "/b?delete", &delete("k")),
            "403 AccessDenied"
        );
        let other = Signer {
            secret: "other",
            ..CALLER
        };
        assert_eq!(
            ask(other, "GET", "/b/in/k", b""),
            "403 SignatureDoesNotMatch"
        );
        let nobody = Signer {
            access_key_id: "AKIDNOBODY",
            ..CALLER
        };
        assert_eq!(ask(nobody, "GET", "/b/in/k", b""), "403 InvalidAccessKeyId");
        let late = Signer {
            age: 16 * 60,
            ..CALLER
        };
        assert_eq!(ask(late, "GET", "/b/in/k", b""), "403 RequestTimeTooSkewed");
        let slow = Signer {
            age: 14 * 60,
            ..CALLER
        };
        assert_eq!(ask(slow, "GET", "/b/in/k", b""), "200 ");
        let unsigned = fetch(gateway.address, "GET", "/b/in/k", &[], b"");
        assert_eq!(code(&unsigned), "403 AccessDenied");
        assert_eq!(store.requests().len(), passed + 1);
    });
}

#[test]
fn nobody_beyond_this_machine_is_served_unasked() {
    let arguments = [
        "sidecar",
        "--s3-endpoint",
        "http://127.0.0.1:9",
        "--listen",
        "0.0.0.0:0",
    ];
    let (status, _, stderr) = ended(&mut sluicegate(&arguments));
    assert_eq!(status, 3, "{stderr}");
    assert!(stderr.contains("--allow-unauthenticated"), "{stderr}");
}
