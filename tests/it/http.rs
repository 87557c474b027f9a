//! `http` and `http_proxy` integrations: what an arbitrary HTTP server gets and what becomes of its answers.

use serde_json::Value;
use serde_json::json;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::INTERNAL;
use crate::support::fault::NETWORK;
use crate::support::fault::TIMEOUT;
use crate::support::fault::assert_fault;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::nobody::Nobody;

/// The longest `timeoutInMillis`.
const TIMEOUT_MS_MAX: u32 = 29_000;
/// For a server that a test wants to see given up; others have to be quicker, on a busy machine too.
const SHORT_MS: u32 = 1_500;

/// `ANY /v1/{kind}/{proxy+}` goes to `{origin}/base/{proxy}?own=1`, `x-host` and `x-mapped` of the client mapped.
fn document(origin: &str, timeout_ms: u32) -> Value {
    let method = |kind: &str| {
        json!({
            "parameters": [{ "name": "proxy", "in": "path", "required": true, "type": "string" }],
            "responses": { "200": {}, "400": {} },
            "x-amazon-apigateway-integration": {
                "type": kind, "httpMethod": "ANY", "uri": format!("{origin}/base/{{proxy}}?own=1"),
                "timeoutInMillis": timeout_ms,
                "requestParameters": {
                    "integration.request.path.proxy": "method.request.path.proxy",
                    "integration.request.header.Host": "method.request.querystring.host",
                    "integration.request.header.x-mapped": "method.request.querystring.mapped",
                    "integration.request.header.Via": "'1.1 gone'",
                    "integration.request.querystring.q": "method.request.querystring.q",
                },
                "responses": {
                    "default": { "statusCode": "200", "responseParameters": {
                        "method.response.header.x-from": "integration.response.header.x-from",
                    } },
                    "4\\d{2}": { "statusCode": "400" },
                },
            },
        })
    };
    json!({
        "swagger": "2.0", "info": { "title": "http", "version": "1" },
        "paths": {
            "/http/{proxy+}": { "x-amazon-apigateway-any-method": method("http") },
            "/proxy/{proxy+}": { "x-amazon-apigateway-any-method": method("http_proxy") },
        },
    })
}

fn gateway(driver: DriverChoice, origin: &str) -> Gateway {
    gateway_within(driver, origin, TIMEOUT_MS_MAX)
}

fn gateway_within(driver: DriverChoice, origin: &str, timeout_ms: u32) -> Gateway {
    let table = table_of("http.json", &document(origin, timeout_ms).to_string(), "v1");
    let mut settings = settings(table, "http://127.0.0.1:9");
    settings.io_driver = driver;
    Gateway::start(settings)
}

#[test]
fn an_http_server_gets_mapped_parts_and_its_answer_is_mapped() {
    on_each_driver(|driver| {
        let server = Backend::answering(|request| {
            let status = if request.start.contains("missing") {
                404
            } else {
                201
            };
            response(status, &[("x-from", "server"), ("Server", "s")], b"body")
        });
        let gateway = gateway(driver, &server.url());
        let fields = [("X-Other", "1"), ("Content-Type", "text/plain")];
        let target = "/v1/http/a/b%20c?q=1%2F2&mapped=m";
        let answer = fetch(gateway.address, "POST", target, &fields, b"sent");
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (200, &b"body"[..])
        );
        assert_eq!(answer.field("x-from"), Some("server"));
        assert_eq!(answer.field("Server"), None);
        assert!(answer.field("X-Amzn-Trace-Id").is_some());
        let missing = fetch(gateway.address, "GET", "/v1/http/missing", &[], b"");
        assert_eq!(missing.status(), 400);

        let seen = &server.requests()[0];
        assert_eq!(seen.start, "POST /base/a/b%20c?own=1&q=1%2F2 HTTP/1.1");
        assert_eq!(seen.body, b"sent");
        let authority = server.url().replace("http://", "");
        for (name, value) in [
            ("Host", authority.as_str()),
            ("Accept", "application/json"),
            ("Content-Type", "text/plain"),
            ("Content-Length", "4"),
            ("Connection", "keep-alive"),
            ("x-mapped", "m"),
        ] {
            assert_eq!(seen.field(name), Some(value), "{name}");
        }
        assert!(
            seen.field("User-Agent")
                .unwrap()
                .starts_with("AmazonAPIGateway_")
        );
        assert!(seen.field("X-Amzn-Trace-Id").is_some());
        assert!(seen.field("X-Amzn-Apigateway-Api-Id").is_some());
        for name in ["X-Other", "Via", "Authorization", "x-amz-date"] {
            assert_eq!(seen.field(name), None, "{name}");
        }
    });
}

/// Of a server's response: what passes, what gets another name, what stays behind.
const OWN_FIELDS: [(&str, &str); 8] = [
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
    ("Server", "s"),
    ("Content-Type", "text/css"),
    ("Via", "1.1 x"),
    ("X-Hop", "h"),
    ("Connection", "keep-alive, X-Hop"),
    ("x-amzn-RequestId", "theirs"),
];

#[test]
fn a_proxied_request_and_its_response_pass() {
    on_each_driver(|driver| {
        let server = Backend::answering(|_request| response(404, &OWN_FIELDS, b"\xff\x00body"));
        let gateway = gateway(driver, &server.url());
        let fields = [
            ("X-Other", "1"),
            ("Accept", "text/css"),
            ("Content-Encoding", "gzip"),
            ("Via", "1.1 y"),
            ("Connection", "keep-alive, X-Nominated"),
            ("X-Nominated", "n"),
            ("TE", "trailers"),
            ("X-Mapped", "client's"),
        ];
        let target = "/v1/proxy/x?a=1&q=2&mapped=m&b";
        let answer = fetch(gateway.address, "PUT", target, &fields, b"\xfe\x01");
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (404, &b"\xff\x00body"[..])
        );
        let cookies = answer
            .fields
            .iter()
            .filter(|(name, _)| name == "Set-Cookie");
        assert_eq!(cookies.count(), 2);
        for (name, value) in [
            ("Content-Type", Some("text/css")),
            ("x-amzn-Remapped-Server", Some("s")),
            ("x-amzn-Remapped-x-amzn-RequestId", Some("theirs")),
            ("x-amzn-Remapped-Content-Length", Some("6")),
            ("Via", None),
            ("X-Hop", None),
            ("X-Amzn-Trace-Id", None),
        ] {
            assert_eq!(answer.field(name), value, "{name}");
        }
        assert_ne!(answer.field("x-amzn-RequestId"), Some("theirs"));

        let seen = &server.requests()[0];
        let line = "PUT /base/x?own=1&a=1&q=2&mapped=m&b=&q=2 HTTP/1.1";
        assert_eq!(seen.start, line);
        assert_eq!(seen.body, b"\xfe\x01");
        for (name, value) in [
            ("X-Other", Some("1")),
            ("Accept", Some("text/css")),
            ("x-mapped", Some("m")),
            ("Content-Encoding", None),
            ("Via", None),
            ("X-Nominated", None),
            ("TE", None),
            ("Connection", Some("keep-alive")),
        ] {
            assert_eq!(seen.field(name), value, "{name}");
        }
        assert_eq!(
            seen.fields
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case("host"))
                .count(),
            1
        );
    });
}

#[test]
fn a_proxied_body_of_unknown_length_streams_both_ways() {
    on_each_driver(|driver| {
        let server = Backend::answering(|request| {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            answer.extend(format!("{:x}\r\n", request.body.len()).as_bytes());
            answer.extend(&request.body);
            answer.extend(b"\r\n0\r\n\r\n");
            answer
        });
        let gateway = gateway(driver, &server.url());
        let mut client = Client::connect(gateway.address);
        client.send("POST /v1/proxy/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        client.send("2\r\nde\r\n0\r\n\r\n");
        let answer = client.response().unwrap();
        assert_eq!(answer.body, b"abcde");
        let seen = &server.requests()[0];
        assert_eq!(seen.field("Transfer-Encoding"), Some("chunked"));
        assert_eq!(seen.field("Content-Length"), None);
        // a converted body is collected, so that its length can be told
        client.send("POST /v1/http/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(client.response().unwrap().body, b"abc");
        assert_eq!(server.requests()[1].field("Content-Length"), Some("3"));
        // long bodies
        let long = vec![b'l'; 3 * 1024 * 1024];
        let answer = fetch(gateway.address, "POST", "/v1/proxy/x", &[], &long);
        assert_eq!(answer.body.len(), long.len());
    });
}

#[test]
fn servers_of_other_habits_are_understood() {
    on_each_driver(|driver| {
        let server = Backend::start(|connection| {
            while let Some(head) = connection.head() {
                let answer = match head.second_word().split(['/', '?']).nth(2) {
                    Some("old") => "HTTP/1.0 200 OK\r\n\r\nuntil close",
                    Some("early") => {
                        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"
                    }
                    Some("redirect") => {
                        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                    }
                    _ => "HTTP/1.1 204 No Content\r\n\r\n",
                };
                connection.send(answer);
                if head.second_word().contains("old") {
                    return;
                }
            }
        });
        let gateway = gateway(driver, &server.url());
        let get = |path: &str| {
            fetch(
                gateway.address,
                "GET",
                &format!("/v1/proxy/{path}"),
                &[],
                b"",
            )
        };
        assert_eq!(get("old").body, b"until close");
        assert_eq!(get("early").body, b"early");
        let redirect = get("redirect");
        assert_eq!(redirect.status(), 302);
        assert_eq!(redirect.field("Location"), Some("http://127.0.0.1:1/"));
        assert_eq!(get("empty").status(), 204);
    });
}

#[test]
fn faults_of_a_server_are_told_as_ever() {
    on_each_driver(|driver| {
        let server = Backend::start(|connection| {
            let Some(head) = connection.head() else {
                return;
            };
            match head.second_word().split(['/', '?']).nth(2) {
                Some("garbage") => drop(connection.send("no HTTP\r\n\r\n")),
                Some("lengths") => {
                    connection.send(
                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
                    );
                }
                Some("reset") => connection.reset(),
                Some("stall") => drop(connection.rest()),
                _ => drop(connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")),
            }
        });
        let gateway = gateway_within(driver, &server.url(), SHORT_MS);
        for kind in ["http", "proxy"] {
            let get = |path: &str| {
                fetch(
                    gateway.address,
                    "GET",
                    &format!("/v1/{kind}/{path}"),
                    &[],
                    b"",
                )
            };
            for path in ["garbage", "lengths", "reset"] {
                assert_fault(&get(path), 504, NETWORK, path);
            }
            assert_fault(&get("stall"), 504, TIMEOUT, "stall");
        }
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/v1/proxy/short", &[], b"");
        assert!(client.response().is_none(), "cut, not complete-looking");
    });
}

#[test]
fn a_server_that_is_away_is_an_internal_error() {
    on_each_driver(|driver| {
        let nobody = Nobody::new();
        let gateway = gateway(driver, &nobody.url());
        for kind in ["http", "proxy"] {
            let answer = fetch(gateway.address, "GET", &format!("/v1/{kind}/x"), &[], b"");
            assert_fault(&answer, 500, INTERNAL, kind);
        }
    });
}

#[test]
fn no_value_changes_the_server_or_splits_the_request() {
    on_each_driver(|driver| {
        let server = Backend::answering(|_request| response(200, &[], b"ok"));
        let gateway = gateway(driver, &server.url());
        let get = |target: &str| fetch(gateway.address, "GET", target, &[], b"");
        for kind in ["http", "proxy"] {
            for (value, path) in [
                ("%40evil.example", "%40evil.example"),
                ("%23x", "%23x"),
                ("%3Fx", "%3Fx"),
                ("a%0D%0AX-Evil:%201", "a%0D%0AX-Evil%3A%201"),
                ("%2F%2Fevil.example%2Fx", "//evil.example/x"),
                ("%5C%5Cevil.example", "%5C%5Cevil.example"),
                ("%00", "%00"),
            ] {
                assert_eq!(get(&format!("/v1/{kind}/{value}")).status(), 200, "{value}");
                let seen = server.requests().pop().unwrap();
                assert_eq!(seen.second_word(), format!("/base/{path}?own=1"), "{value}");
                assert_eq!(seen.field("X-Evil"), None);
            }
            for value in ["..", "%2e%2e", "a%2F..%2F..%2Fx", "."] {
                assert_eq!(get(&format!("/v1/{kind}/{value}")).status(), 400, "{value}");
            }
            let before = server.requests().len();
            for query in [
                "mapped=a%0D%0Ab:%20c",
                "host=a%0D%0Ab:%20c",
                "host=a%2Fb",
                "host=u%40a",
            ] {
                assert_fault(&get(&format!("/v1/{kind}/x?{query}")), 500, INTERNAL, query);
            }
            assert_eq!(server.requests().len(), before, "nothing was sent");
            assert_eq!(
                get(&format!("/v1/{kind}/x?host=other.example")).status(),
                200
            );
            let seen = server.requests().pop().unwrap();
            assert_eq!(
                seen.field("Host"),
                Some("other.example"),
                "a name, not an address"
            );
        }
    });
}

#[test]
fn forbidden_targets_fail_before_anything_is_sent() {
    on_each_driver(|driver| {
        let server = Backend::answering(|_request| response(200, &[], b"ok"));
        for name in [
            "Content-Length",
            "Transfer-Encoding",
            "X-Amzn-Trace-Id",
            "X-Amzn-Apigateway-Api-Id",
        ] {
            let mut document = document(&server.url(), TIMEOUT_MS_MAX);
            for (_, resource) in document["paths"].as_object_mut().unwrap() {
                let integration = &mut resource["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"];
                let target = format!("integration.request.header.{name}");
                integration["requestParameters"][target] = json!("'1'");
            }
            let table = table_of("http.json", &document.to_string(), "v1");
            let gateway = Gateway::on(driver, table, "http://127.0.0.1:9");
            for kind in ["http", "proxy"] {
                let answer = fetch(gateway.address, "GET", &format!("/v1/{kind}/x"), &[], b"");
                assert_fault(&answer, 500, INTERNAL, name);
            }
        }
        assert_eq!(server.connections(), 0);
    });
}
