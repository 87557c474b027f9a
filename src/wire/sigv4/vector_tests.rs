//! Runs `tests/vectors/sigv4.json`: AWS's published examples and the inbound vectors of spec 09.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::rc::Rc;

use serde_json::Value;

use crate::wire::aws_chunked::encode;
use crate::wire::date::{UnixSeconds, parse_amz_date};
use crate::wire::sigv4::authorization::Authorization;
use crate::wire::sigv4::canonical_request::{
    ExpiresSeconds, Header, Hex, RequestParts, Scratch, UriEncoding, presign, sign_head,
};
use crate::wire::sigv4::chunk_signature::{ChunkSigner, write_canonical_trailer};
use crate::wire::sigv4::credentials::{Credentials, Secret};
use crate::wire::sigv4::payload_hash::{PayloadHash, sha256_hex};
use crate::wire::sigv4::signing_key::SigningKey;
use crate::wire::sigv4::verify::{Expected, Received, Workspace, verify};

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/sigv4.json"
));
const MAY_2013: UnixSeconds = UnixSeconds(1_369_353_600);

fn vector(name: &str) -> Value {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["vectors"][name].clone()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is not a text"))
}

fn credentials(secret: &str, access_key_id: &str) -> Credentials {
    Credentials {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: None,
    }
}

fn s3_key() -> Rc<SigningKey> {
    let credentials = credentials(
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLE",
    );
    Rc::new(SigningKey::new(&credentials, MAY_2013, "us-east-1", "s3"))
}

fn fields(vector: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(vector.clone()).unwrap()
}

fn headers(fields: &BTreeMap<String, String>) -> Vec<Header<'_>> {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .rev()
        .collect()
}

fn payload(line: &str) -> PayloadHash<'_> {
    let named = [
        PayloadHash::Unsigned,
        PayloadHash::Streaming,
        PayloadHash::StreamingTrailer,
        PayloadHash::StreamingUnsignedTrailer,
    ];
    named
        .into_iter()
        .find(|payload| payload.as_bytes() == line.as_bytes())
        .unwrap_or_else(|| PayloadHash::Hex(line.as_bytes().try_into().unwrap()))
}

fn assert_text(bytes: &[u8], want: &Value, what: &str) {
    assert_eq!(
        std::str::from_utf8(bytes).unwrap(),
        want.as_str().unwrap(),
        "{what}"
    );
}

/// Signs a vector with the wire query `query`; compares each step; gives the signature.
fn sign_vector(name: &str, query: &str) -> Hex {
    let vector = vector(name);
    let fields = fields(&vector["signed_header_values"]);
    let headers = headers(&fields);
    let request = RequestParts {
        method: text(&vector, "method").as_bytes(),
        path: text(&vector, "canonical_uri").as_bytes(),
        uri_encoding: UriEncoding::AsSent,
        query: query.as_bytes(),
        headers: &headers,
        payload: payload(text(&vector, "payload_hash")),
    };
    let (mut scratch, mut authorization) = (Scratch::new(), Vec::new());
    let signature = sign_head(
        &s3_key(),
        MAY_2013,
        &request,
        &mut scratch,
        &mut authorization,
    );
    assert_text(
        scratch.canonical_request(),
        &vector["canonical_request"],
        name,
    );
    assert_text(scratch.string_to_sign(), &vector["string_to_sign"], name);
    assert_text(&signature, &vector["signature"], name);
    assert_text(&authorization, &vector["authorization"], name);
    signature
}

#[test]
fn each_vector_has_its_test() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let mut names: Vec<&String> = file["vectors"].as_object().unwrap().keys().collect();
    names.sort();
    let tested = [
        "get_bucket_lifecycle",
        "get_object",
        "inbound_execute_api",
        "list_objects",
        "presigned_get",
        "put_object",
        "streaming_put",
        "streaming_trailer_put",
        "suite_get_vanilla",
    ];
    assert_eq!(names, tested);
}

#[test]
fn header_signatures_of_s3() {
    sign_vector("get_object", "");
    sign_vector("put_object", "");
    sign_vector("get_bucket_lifecycle", "lifecycle");
    sign_vector("get_bucket_lifecycle", "lifecycle=");
    sign_vector("list_objects", "prefix=J&max-keys=2");
}

#[test]
fn query_signature_of_s3() {
    let vector = vector("presigned_get");
    let fields = fields(&vector["signed_header_values"]);
    let request = RequestParts {
        method: b"GET",
        path: b"/test.txt",
        uri_encoding: UriEncoding::AsSent,
        query: b"",
        headers: &headers(&fields),
        payload: PayloadHash::Unsigned,
    };
    let (mut scratch, mut query) = (Scratch::new(), Vec::new());
    let expires = ExpiresSeconds::new(86_400).unwrap();
    let signature = presign(
        &s3_key(),
        MAY_2013,
        &request,
        expires,
        None,
        &mut scratch,
        &mut query,
    );
    assert_text(
        scratch.canonical_request(),
        &vector["canonical_request"],
        "canonical request",
    );
    assert_text(
        scratch.string_to_sign(),
        &vector["string_to_sign"],
        "string to sign",
    );
    assert_text(&signature, &vector["signature"], "signature");
    let want = format!(
        "{}&X-Amz-Signature={}",
        text(&vector, "canonical_query"),
        text(&vector, "signature")
    );
    assert_eq!(String::from_utf8(query).unwrap(), want);
}

/// Signs and encodes the chunks of a vector, each filled with `a`, except for the last one.
/// Gives the body so far, the signature of the last chunk and the signer.
fn encode_chunks(vector: &Value, seed: Hex) -> (Vec<u8>, Hex, ChunkSigner) {
    let mut signer = ChunkSigner::new(s3_key(), MAY_2013, seed);
    let mut body = Vec::new();
    let mut last = seed;
    for chunk in vector["chunks"].as_array().unwrap() {
        let size = usize::try_from(chunk["length"].as_u64().unwrap()).unwrap();
        let data = vec![b'a'; size];
        last = signer.sign_chunk(&data);
        assert_text(&last, &chunk["signature"], "chunk signature");
        let mut headroom = [0; encode::HEADROOM];
        let used = encode::write_signed_header(&mut headroom, size, &last);
        let line = &headroom[encode::HEADROOM - used..];
        let want = format!("{}\r\n", text(chunk, "header_line"));
        assert_eq!(std::str::from_utf8(line).unwrap(), want);
        if size > 0 {
            body.extend_from_slice(line);
            body.extend_from_slice(&data);
            body.extend_from_slice(encode::CRLF);
        }
    }
    (body, last, signer)
}

#[test]
fn signed_chunks() {
    let vector = vector("streaming_put");
    let seed = sign_vector("streaming_put", "");
    let (mut body, last, _) = encode_chunks(&vector, seed);
    encode::write_signed_end(&last, &mut body);
    let chunk = NonZeroU64::new(65_536).unwrap();
    let decoded = vector["decoded_content_length"].as_u64().unwrap();
    assert_eq!(
        encode::signed_len(decoded, chunk),
        vector["content_length"].as_u64()
    );
    assert_eq!(Some(body.len() as u64), vector["content_length"].as_u64());
}

#[test]
fn signed_chunks_with_a_signed_trailer() {
    let vector = vector("streaming_trailer_put");
    let seed = sign_vector("streaming_trailer_put", "");
    let (mut body, last, signer) = encode_chunks(&vector, seed);
    let before = body.len();
    let value = text(&vector["trailer"], "crc32c_base64");
    let trailer: [Header<'_>; 1] = [(b"x-amz-checksum-crc32c", value.as_bytes())];
    let mut canonical = Vec::new();
    write_canonical_trailer(&trailer, &mut canonical);
    assert_text(
        &canonical,
        &vector["trailer"]["canonical"],
        "canonical trailer",
    );
    let signature = signer.sign_trailer(&canonical);
    assert_text(
        &signature,
        &vector["trailer"]["signature"],
        "trailer signature",
    );
    encode::write_signed_trailer_end(&last, &trailer, &signature, &mut body);
    let lines = &vector["trailer"]["wire_lines"];
    let want = format!(
        "{}\r\n{}\r\n{}\r\n\r\n",
        text(&vector["chunks"][2], "header_line"),
        lines[0].as_str().unwrap(),
        lines[1].as_str().unwrap()
    );
    assert_eq!(std::str::from_utf8(&body[before..]).unwrap(), want);
}

#[test]
fn the_vanilla_request_of_the_test_suite() {
    let vector = vector("suite_get_vanilla");
    let now = parse_amz_date(b"20150830T123600Z").unwrap();
    let credentials = credentials(text(&vector, "secret_key"), text(&vector, "access_key"));
    let key = SigningKey::new(&credentials, now, "us-east-1", "service");
    assert_eq!(key.scope(), text(&vector, "scope"));
    let request = RequestParts {
        method: b"GET",
        path: b"/",
        uri_encoding: UriEncoding::EncodeAgain,
        query: b"",
        headers: &[
            (b"X-Amz-Date", b"20150830T123600Z"),
            (b"Host", b"example.amazonaws.com"),
        ],
        payload: PayloadHash::Hex(&sha256_hex(b"")),
    };
    let mut scratch = Scratch::new();
    let signature = sign_head(&key, now, &request, &mut scratch, &mut Vec::new());
    assert_text(
        scratch.canonical_request(),
        &vector["canonical_request"],
        "canonical request",
    );
    assert_text(
        scratch.string_to_sign(),
        &vector["string_to_sign"],
        "string to sign",
    );
    assert_text(&signature, &vector["signature"], "signature");
}

#[test]
fn inbound_requests_are_verified() {
    let file = vector("inbound_execute_api");
    for vector in file["vectors"].as_array().unwrap() {
        let name = text(vector, "name");
        let mut fields = fields(&vector["headers"]);
        fields.insert(
            "Authorization".to_owned(),
            text(vector, "authorization").to_owned(),
        );
        fields.insert("User-Agent".to_owned(), "not signed".to_owned());
        let mut credentials = credentials(text(&file, "secret_key"), text(&file, "access_key"));
        credentials.session_token = fields.get("x-amz-security-token").map(Secret::new);
        let wire_query = if name == "query-sorted" {
            "b=1%202&a&b=3"
        } else {
            ""
        };
        let headers = headers(&fields);
        let body_sha256 = sha256_hex(text(vector, "body").as_bytes());
        let received = Received {
            method: text(vector, "method").as_bytes(),
            path: text(vector, "raw_path").as_bytes(),
            query: wire_query.as_bytes(),
            headers: &headers,
            body_sha256: &body_sha256,
        };
        let expected = Expected {
            credentials: &credentials,
            session_end: None,
            region: "us-east-1",
            service: "execute-api",
        };
        let mut workspace = Workspace::default();
        let authorization = Authorization::read(&headers, received.query).unwrap();
        let now = UnixSeconds(authorization.timestamp().0 + 60);
        assert_eq!(
            verify(&authorization, &received, &expected, now, &mut workspace),
            Ok(()),
            "{name}"
        );
        assert_text(
            workspace.scratch.canonical_request(),
            &vector["canonical_request"],
            name,
        );
        assert_text(
            workspace.scratch.string_to_sign(),
            &vector["string_to_sign"],
            name,
        );
    }
}
