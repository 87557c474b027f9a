//! Content codings of bodies, both ways (spec 11, "Compression").

use std::io::Read;

use flate2::read::GzDecoder;
use flate2::read::ZlibDecoder;
use flate2::read::ZlibEncoder;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::message::Message;

/// `/o` takes and gives text and `image/png` as they are; `/t` through templates.
const API: &str = r##"{
  "swagger": "2.0",
  "info": { "title": "coded", "version": "1" },
  "x-amazon-apigateway-binary-media-types": ["image/png"],
  "x-amazon-apigateway-minimum-compression-size": 1000,
  "paths": {
    "/o": { "x-amazon-apigateway-any-method": {
      "responses": { "200": { "headers": { "Content-Encoding": {}, "ETag": {} } }, "206": {}, "204": {} },
      "x-amazon-apigateway-integration": {
        "type": "aws", "httpMethod": "ANY", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/k",
        "responses": {
          "206": { "statusCode": "206" },
          "204": { "statusCode": "204" },
          "default": { "statusCode": "200", "responseParameters": {
            "method.response.header.Content-Encoding": "integration.response.header.Content-Encoding",
            "method.response.header.ETag": "integration.response.header.ETag"
          } }
        }
      }
    } },
    "/t": { "put": {
      "responses": { "200": {} },
      "x-amazon-apigateway-integration": {
        "type": "aws", "httpMethod": "PUT", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/k",
        "requestTemplates": { "application/json": "<$input.path('$.a')>" },
        "responses": { "default": { "statusCode": "200", "responseTemplates": { "application/json": "#foreach($i in [1..999])$input.body#end" } } }
      }
    } }
  }
}"##;

const PAYLOAD_BYTES_MAX: usize = 10 * 1024 * 1024;

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    encoder.read_to_end(&mut out).unwrap();
    out
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ZlibEncoder::new(bytes, flate2::Compression::fast());
    encoder.read_to_end(&mut out).unwrap();
    out
}

fn text(bytes: usize) -> Vec<u8> {
    b"All work and no play. "
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

/// What the gateway makes of the store's answer.
fn answered(
    status: u16,
    fields: &'static [(&str, &str)],
    body: Vec<u8>,
    method: &str,
    accept: &[(&str, &str)],
) -> Message {
    let store = Backend::answering(move |_| response(status, fields, &body));
    let gateway = Gateway::start(settings(table_of("coded", API, "v1"), &store.url()));
    fetch(gateway.address, method, "/v1/o", accept, b"")
}

const GZIP: [(&str, &str); 1] = [("Accept-Encoding", "gzip")];

#[test]
fn a_body_at_the_minimum_is_coded_and_a_shorter_one_is_not() {
    for (bytes, coded) in [(999, false), (1_000, true)] {
        let answer = answered(200, &[("ETag", "\"e\"")], text(bytes), "GET", &GZIP);
        assert_eq!(answer.field("content-encoding").is_some(), coded, "{bytes}");
        assert_eq!(answer.field("etag"), Some("\"e\""));
        let body = if coded {
            gunzip(&answer.body)
        } else {
            answer.body.clone()
        };
        assert!(body == text(bytes));
        // short enough to be coded before its head is sent
        assert_eq!(
            answer.field("content-length"),
            Some(answer.body.len().to_string().as_str())
        );
    }
}

#[test]
fn the_client_chooses_the_coding() {
    for (accept, coding) in [
        ("deflate, gzip;q=0.5", Some("deflate")),
        ("br", None),
        ("gzip;q=0", None),
        ("*", None),
    ] {
        let answer = answered(200, &[], text(5_000), "GET", &[("Accept-Encoding", accept)]);
        assert_eq!(answer.field("content-encoding"), coding, "{accept}");
        let body = if coding.is_some() {
            inflate(&answer.body)
        } else {
            answer.body
        };
        assert!(body == text(5_000), "{accept}");
    }
    assert_eq!(
        answered(200, &[], text(5_000), "GET", &[]).field("content-encoding"),
        None
    );
}

#[test]
fn parts_coded_bodies_and_empty_answers_are_left_alone() {
    let coded = answered(
        200,
        &[("Content-Encoding", "br")],
        text(5_000),
        "GET",
        &GZIP,
    );
    assert_eq!(coded.field("content-encoding"), Some("br"));
    assert!(coded.body == text(5_000));
    let part = answered(
        206,
        &[("Content-Range", "bytes 0-4999/9000")],
        text(5_000),
        "GET",
        &GZIP,
    );
    assert_eq!((part.status(), part.field("content-encoding")), (206, None));
    assert!(part.body == text(5_000));
    let none = answered(204, &[], Vec::new(), "GET", &GZIP);
    assert_eq!((none.status(), none.field("content-encoding")), (204, None));
    let head = answered(
        200,
        &[("Content-Length", "5000")],
        Vec::new(),
        "HEAD",
        &GZIP,
    );
    assert_eq!(
        (head.field("content-encoding"), head.field("content-length")),
        (None, Some("0"))
    );
}

#[test]
fn a_long_body_is_coded_as_it_streams() {
    on_each_driver(|driver| {
        let body = text(5_000_001);
        for sized in [true, false] {
            let sent = body.clone();
            let store = Backend::start(move |connection| {
                while connection.request().is_some() {
                    let length = if sized {
                        format!("Content-Length: {}\r\n", sent.len())
                    } else {
                        String::new()
                    };
                    connection.send(format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
                    connection.send(&sent);
                    if !sized {
                        return;
                    }
                }
            });
            let gateway = Gateway::on(driver, table_of("coded", API, "v1"), &store.url());
            let mut client = Client::connect(gateway.address);
            for _ in 0..2 {
                client.request("GET", "/v1/o", &GZIP, b"");
                let answer = client.response().unwrap();
                assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
                assert_eq!(answer.field("content-encoding"), Some("gzip"));
                assert!(gunzip(&answer.body) == body);
            }
        }
    });
}

#[test]
fn a_body_that_breaks_off_while_it_is_coded_never_looks_whole() {
    let store = Backend::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
            connection.send(text(2_000_000));
        }
    });
    let gateway = Gateway::start(settings(table_of("coded", API, "v1"), &store.url()));
    let mut client = Client::connect(gateway.address);
    client.request("GET", "/v1/o", &GZIP, b"");
    assert!(client.response().is_none());
}

/// What the store was sent, and the status that the client got.
fn sent(target: &str, fields: &[(&str, &str)], body: &[u8]) -> (u16, Option<Message>) {
    let store = Backend::answering(|_| response(200, &[], b"ok"));
    let gateway = Gateway::start(settings(table_of("coded", API, "v1"), &store.url()));
    let status = fetch(gateway.address, "PUT", target, fields, body).status();
    (status, store.requests().first().cloned())
}

#[test]
fn a_coded_request_body_is_decoded_before_anything_reads_it() {
    for (coding, body) in [
        ("gzip", gzip(b"{\"a\":7}")),
        ("DEFLATE", deflate(b"{\"a\":7}")),
        ("identity", b"{\"a\":7}".to_vec()),
    ] {
        let fields = [
            ("Content-Type", "application/json"),
            ("Content-Encoding", coding),
        ];
        let (status, request) = sent("/v1/t", &fields, &body);
        assert_eq!(
            (status, request.unwrap().body),
            (200, b"<7>".to_vec()),
            "{coding}"
        );
        let (status, request) = sent("/v1/o", &fields, &body);
        let request = request.unwrap();
        assert_eq!(
            (status, stored(&request)),
            (200, b"{\"a\":7}".to_vec()),
            "{coding}"
        );
        assert_eq!(request.field("content-encoding"), None);
    }
}

#[test]
fn a_binary_body_that_only_passes_keeps_its_coding() {
    let fields = [("Content-Type", "image/png"), ("Content-Encoding", "gzip")];
    let coded = gzip(&text(5_000));
    let (status, request) = sent("/v1/o", &fields, &coded);
    assert_eq!(status, 200);
    assert!(stored(&request.unwrap()) == coded);
}

#[test]
fn other_codings_and_damaged_bodies_are_unsupported() {
    let mut damaged = gzip(&text(5_000));
    damaged[20] ^= 0x55;
    let cut = gzip(&text(5_000))[..30].to_vec();
    for (coding, body) in [
        ("br", text(10)),
        ("gzip, gzip", gzip(b"{}")),
        ("gzip", damaged),
        ("gzip", cut),
        ("deflate", gzip(b"{}")),
        ("gzip", text(9)),
    ] {
        let fields = [("Content-Type", "text/plain"), ("Content-Encoding", coding)];
        let (status, request) = sent("/v1/o", &fields, &body);
        assert_eq!(status, 415, "{coding}");
        assert!(request.is_none());
    }
}

#[test]
fn a_bomb_ends_at_the_payload_limit() {
    for (bytes, status) in [
        (PAYLOAD_BYTES_MAX, 200),
        (PAYLOAD_BYTES_MAX + 1, 413),
        (400 * 1024 * 1024, 413),
    ] {
        let fields = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
        let (got, request) = sent("/v1/o", &fields, &gzip(&vec![b'a'; bytes]));
        assert_eq!((got, request.is_some()), (status, status == 200), "{bytes}");
    }
}

#[test]
fn what_a_template_made_is_coded_by_its_own_length() {
    let store = Backend::answering(|_| response(200, &[], b"ok"));
    let gateway = Gateway::start(settings(table_of("coded", API, "v1"), &store.url()));
    let fields = [
        ("Content-Type", "application/json"),
        ("Accept-Encoding", "gzip"),
    ];
    let answer = fetch(gateway.address, "PUT", "/v1/t", &fields, b"{\"a\":1}");
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert_eq!(gunzip(&answer.body), b"ok".repeat(999));
}

#[test]
fn without_the_setting_codings_are_nobodys_concern() {
    let api = API.replace(
        "  \"x-amazon-apigateway-minimum-compression-size\": 1000,\n",
        "",
    );
    let store = Backend::answering(|_| response(200, &[], &text(5_000)));
    let gateway = Gateway::start(settings(table_of("coded", &api, "v1"), &store.url()));
    let fields = [
        ("Content-Type", "image/png"),
        ("Content-Encoding", "br"),
        ("Accept-Encoding", "gzip"),
    ];
    let answer = fetch(gateway.address, "PUT", "/v1/o", &fields, b"coded");
    assert_eq!(
        (answer.status(), answer.field("content-encoding")),
        (200, None)
    );
    assert_eq!(stored(&store.requests()[0]), b"coded");
}
