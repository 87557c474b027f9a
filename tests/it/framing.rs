//! Where a request ends: doubtful framing is refused before the store hears of it (RFC 9112 §11).

use std::io::Write;
use std::thread;

use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;

/// A PUT with these field lines, each with its line end, and what follows the head.
fn put(fields: &str, body: &str) -> Vec<u8> {
    format!("PUT /v1/o/k HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    put("Transfer-Encoding: chunked\r\n", body)
}

fn echo() -> Backend {
    Backend::answering(|request| {
        response(
            200,
            &[("Content-Type", "text/plain")],
            request.second_word().as_bytes(),
        )
    })
}

/// Every message is refused on a connection of its own, and the store is never asked.
fn refused(driver: DriverChoice, messages: &[(&str, Vec<u8>, u16)]) {
    let backend = echo();
    let gateway = Gateway::on(driver, objects(), &backend.url());
    for (name, bytes, status) in messages {
        let mut client = Client::connect(gateway.address);
        let answer = client.exchange(bytes);
        assert_eq!(answer.status(), *status, "{name}");
        assert_eq!(answer.field("connection"), Some("close"), "{name}");
        assert!(answer.field("x-amzn-requestid").is_some(), "{name}");
        assert!(client.is_closed(), "{name}");
    }
    assert_eq!(backend.connections(), 0);
}

/// Every message is taken, and the store gets this body.
fn taken(driver: DriverChoice, messages: &[(&str, Vec<u8>, &str)]) {
    let backend = echo();
    let gateway = Gateway::on(driver, objects(), &backend.url());
    for (count, (name, bytes, body)) in messages.iter().enumerate() {
        let answer = Client::connect(gateway.address).exchange(bytes);
        assert_eq!(answer.status(), 200, "{name}");
        let seen = backend.requests();
        assert_eq!(seen.len(), count + 1, "{name}");
        assert_eq!(stored(&seen[count]), body.as_bytes(), "{name}");
    }
}

#[test]
fn doubtful_lengths_are_refused() {
    on_each_driver(|driver| {
        let length = |value: &str| put(&format!("Content-Length:{value}\r\n"), "hello");
        let lines = |fields: &str| put(fields, "hello");
        refused(
            driver,
            &[
                (
                    "length, coding",
                    put(
                        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                        "0\r\n\r\n",
                    ),
                    400,
                ),
                (
                    "coding, length",
                    put(
                        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                        "0\r\n\r\n",
                    ),
                    400,
                ),
                (
                    "unknown coding, length",
                    put("Transfer-Encoding: x\r\nContent-Length: 5\r\n", "hello"),
                    400,
                ),
                (
                    "two lengths",
                    lines("Content-Length: 5\r\nContent-Length: 6\r\n"),
                    400,
                ),
                (
                    "one length twice",
                    lines("Content-Length: 5\r\ncontent-length: 5\r\n"),
                    400,
                ),
                ("list", length(" 5, 5"), 400),
                ("plus", length(" +5"), 400),
                ("minus", length(" -5"), 400),
                ("hex", length(" 0x5"), 400),
                ("fraction", length(" 5.0"), 400),
                ("exponent", length(" 5e0"), 400),
                ("inner blank", length(" 5 5"), 400),
                ("empty", length(""), 400),
                ("blank", length("  "), 400),
                ("quoted", length(" \"5\""), 400),
                ("letters", length(" five"), 400),
                ("beyond 64 bits", length(" 18446744073709551616"), 400),
                ("21 digits", length(" 000000000000000000005"), 400),
                ("vertical tab", length(" \u{b}5"), 400),
            ],
        );
        taken(
            driver,
            &[
                ("plain", length(" 5"), "hello"),
                ("no blank, blank behind", length("5 "), "hello"),
                ("leading zero", length(" 05"), "hello"),
                ("name in capitals", lines("CONTENT-LENGTH: 5\r\n"), "hello"),
                ("zero", put("Content-Length: 0\r\n", ""), ""),
                ("none", put("", ""), ""),
            ],
        );
    });
}

#[test]
fn transfer_codings_other_than_chunked_are_refused() {
    on_each_driver(|driver| {
        let coding = |value: &str| {
            put(
                &format!("Transfer-Encoding:{value}\r\n"),
                "5\r\nhello\r\n0\r\n\r\n",
            )
        };
        let http_1_0 =
            b"PUT /v1/o/k HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_vec();
        refused(
            driver,
            &[
                ("gzip", coding(" gzip"), 501),
                ("identity", coding(" identity"), 501),
                ("gzip first", coding(" gzip, chunked"), 501),
                ("gzip last", coding(" chunked, gzip"), 501),
                ("longer name", coding(" xchunked"), 501),
                ("chunked twice", coding(" chunked, chunked"), 400),
                (
                    "two lines",
                    put(
                        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                        "0\r\n\r\n",
                    ),
                    400,
                ),
                ("empty", coding(""), 400),
                ("parameter", coding(" chunked;q=1"), 400),
                ("quoted", coding(" \"chunked\""), 400),
                ("trailing comma", coding(" chunked,"), 400),
                ("vertical tab", coding(" \u{b}chunked"), 400),
                ("NUL", coding(" chunked\0"), 400),
                ("HTTP/1.0", http_1_0, 400),
            ],
        );
        taken(
            driver,
            &[
                ("plain", coding(" chunked"), "hello"),
                ("capitals, blanks", coding("\t CHUNKED "), "hello"),
            ],
        );
    });
}

#[test]
fn malformed_chunks_are_refused() {
    on_each_driver(|driver| {
        let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(17 * 1024));
        let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(11 * 1024));
        let bad = |name, body: &str| (name, chunked(body), 400);
        refused(
            driver,
            &[
                bad("plus", "+5\r\nhello\r\n0\r\n\r\n"),
                bad("minus", "-5\r\nhello\r\n0\r\n\r\n"),
                bad("prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
                bad("blank before", " 5\r\nhello\r\n0\r\n\r\n"),
                bad("blank behind", "5 \r\nhello\r\n0\r\n\r\n"),
                bad("no size", "\r\nhello\r\n0\r\n\r\n"),
                bad("extension without size", ";x\r\nhello\r\n0\r\n\r\n"),
                bad("no digit", "g\r\nhello\r\n0\r\n\r\n"),
                bad("17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
                bad("size ends with LF", "5\nhello\r\n0\r\n\r\n"),
                bad("size ends with CR", "5\rhello\r\n0\r\n\r\n"),
                bad("data too long", "5\r\nhello!\r\n0\r\n\r\n"),
                bad("data too short", "5\r\nhell\r\n0\r\n\r\n"),
                bad("data ends with LF", "5\r\nhello\n0\r\n\r\n"),
                bad("data without end", "5\r\nhello0\r\n\r\n"),
                bad("NUL in extension", "5;x=\0\r\nhello\r\n0\r\n\r\n"),
                bad("CR in extension", "5;x\ry\r\nhello\r\n0\r\n\r\n"),
                bad("LF in extension", "5;x\ny\r\nhello\r\n0\r\n\r\n"),
                bad("extensions too long", &extension),
                bad("trailer without colon", "0\r\nX\r\n\r\n"),
                bad("trailer folded", "0\r\nX: 1\r\n 2\r\n\r\n"),
                bad("trailer ends with LF", "0\r\nX: 1\n\r\n"),
                bad("blank before colon", "0\r\nX : 1\r\n\r\n"),
                bad("trailers too long", &trailers),
                bad("end with LF", "0\r\n\n"),
            ],
        );
        taken(
            driver,
            &[
                (
                    "leading zeros",
                    chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"),
                    "hello",
                ),
                (
                    "hex in both cases",
                    chunked("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"),
                    "01234567890123456789a",
                ),
                (
                    "extensions",
                    chunked("5;a;b=c;d=\"e f\"\r\nhello\r\n0;z\r\n\r\n"),
                    "hello",
                ),
                (
                    "trailers",
                    chunked("5\r\nhello\r\n0\r\nContent-Length: 7\r\nX:\r\n\r\n"),
                    "hello",
                ),
                ("no data", chunked("0\r\n\r\n"), ""),
            ],
        );
    });
}

#[test]
fn malformed_heads_are_refused() {
    on_each_driver(|driver| {
        let get = |fields: &str| format!("GET /v1/o/k HTTP/1.1\r\n{fields}\r\n").into_bytes();
        let bad = |name, fields: &str| (name, get(fields), 400);
        refused(
            driver,
            &[
                bad("no host", ""),
                bad("two hosts", "Host: a\r\nHost: a\r\n"),
                bad("list of hosts", "Host: a, b\r\n"),
                bad("host with user", "Host: u@a\r\n"),
                bad("host with path", "Host: a/b\r\n"),
                bad("port of letters", "Host: a:http\r\n"),
                bad("folded", "Host: a\r\nX: 1\r\n 2\r\n"),
                bad("folded by tab", "Host: a\r\nX: 1\r\n\t2\r\n"),
                bad("fold first", " Host: a\r\nHost: a\r\n"),
                bad("bare LF", "Host: a\nX: 1\r\n"),
                bad("only bare LF", "Host: a\n\n"),
                bad("bare CR in value", "Host: a\r\nX: 1\r2\r\n"),
                bad("CR CR LF", "Host: a\r\nX: 1\r\r\n"),
                bad("NUL in value", "Host: a\r\nX: 1\x002\r\n"),
                bad("DEL in value", "Host: a\r\nX: 1\x7f2\r\n"),
                bad("blank before colon", "Host: a\r\nX : 1\r\n"),
                bad("blank in name", "Host: a\r\nX Y: 1\r\n"),
                bad("no name", "Host: a\r\n: 1\r\n"),
                bad("no colon", "Host: a\r\nX\r\n"),
                bad("name of other bytes", "Host: a\r\nX\u{e9}: 1\r\n"),
                bad("NUL in name", "Host: a\r\nX\0: 1\r\n"),
            ],
        );
        taken(
            driver,
            &[
                ("host with port", get("Host: a:80\r\n"), ""),
                ("host of version 6", get("Host: [::1]:8080\r\n"), ""),
                ("empty host", get("Host:\r\n"), ""),
                ("tab in value", get("Host: a\r\nX:\t1\t2 \r\n"), ""),
                ("other bytes in value", get("Host: a\r\nX: \u{e9}\r\n"), ""),
                ("empty value", get("Host: a\r\nX:\r\n"), ""),
                (
                    "one empty line before",
                    [b"\r\n".to_vec(), get("Host: a\r\n")].concat(),
                    "",
                ),
                (
                    "HTTP/1.0 without host",
                    b"GET /v1/o/k HTTP/1.0\r\n\r\n".to_vec(),
                    "",
                ),
            ],
        );
    });
}

#[test]
fn malformed_request_lines_are_refused() {
    on_each_driver(|driver| {
        let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
        let bad = |name, text: &str, status| (name, line(text), status);
        refused(
            driver,
            &[
                bad("HTTP/1.2", "GET /v1/o/k HTTP/1.2", 505),
                bad("HTTP/2.0", "GET /v1/o/k HTTP/2.0", 505),
                bad("HTTP/0.9", "GET /v1/o/k HTTP/0.9", 505),
                (
                    "HTTP/2 preface",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                    505,
                ),
                bad("HTTP/1.10", "GET /v1/o/k HTTP/1.10", 400),
                bad("HTTP/1", "GET /v1/o/k HTTP/1", 400),
                bad("HTTP/01.1", "GET /v1/o/k HTTP/01.1", 400),
                bad("http/1.1", "GET /v1/o/k http/1.1", 400),
                bad("ICY/1.1", "GET /v1/o/k ICY/1.1", 400),
                bad("no version", "GET /v1/o/k", 400),
                bad("blank behind", "GET /v1/o/k HTTP/1.1 ", 400),
                bad("two blanks", "GET  /v1/o/k HTTP/1.1", 400),
                bad(
                    "two blanks before the version",
                    "GET /v1/o/k  HTTP/1.1",
                    400,
                ),
                bad("tab", "GET\t/v1/o/k HTTP/1.1", 400),
                bad("blank before", " GET /v1/o/k HTTP/1.1", 400),
                bad("blank in target", "GET /v1/o/k x HTTP/1.1", 400),
                bad("method", "G@T /v1/o/k HTTP/1.1", 400),
                bad("no method", "/v1/o/k HTTP/1.1", 400),
                bad(
                    "long method",
                    &format!("{} /v1/o/k HTTP/1.1", "G".repeat(33)),
                    501,
                ),
                bad("NUL in target", "GET /v1/o/k\0 HTTP/1.1", 400),
                bad("other bytes in target", "GET /v1/o/\u{e9} HTTP/1.1", 400),
                (
                    "bare LF",
                    b"GET /v1/o/k HTTP/1.1\nHost: a\r\n\r\n".to_vec(),
                    400,
                ),
                (
                    "two empty lines before",
                    b"\r\n\r\nGET /v1/o/k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
                    400,
                ),
                (
                    "TLS",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
                    400,
                ),
            ],
        );
    });
}

#[test]
fn targets_of_no_known_form_are_refused() {
    on_each_driver(|driver| {
        let bad = |name, method: &str, target: &str| {
            (
                name,
                format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
                400,
            )
        };
        refused(
            driver,
            &[
                bad("no slash", "GET", "v1/o/k"),
                bad("fragment", "GET", "/v1/o/k#x"),
                bad("asterisk", "GET", "*"),
                bad("authority", "CONNECT", "a:443"),
                bad("other scheme", "GET", "ftp://a/v1/o/k"),
                bad("no host", "GET", "http:///v1/o/k"),
                bad("user", "GET", "http://u@a/v1/o/k"),
            ],
        );
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    on_each_driver(|driver| {
        let backend = echo();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut wire = Vec::new();
        for number in 0..20 {
            match number % 3 {
                0 => wire.extend(format!("GET /v1/o/{number} HTTP/1.1\r\nHost: a\r\n\r\n").bytes()),
                1 => wire.extend(
                    format!("PUT /v1/o/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /").bytes(),
                ),
                _ => wire.extend(
                    format!("PUT /v1/o/{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").bytes()
                        .chain(b"5;x\r\nPUT /\r\n0\r\nY: z\r\n\r\n".iter().copied()),
                ),
            }
        }
        let mut client = Client::connect(gateway.address);
        client.send(&wire);
        for number in 0..20 {
            let answer = client.response().expect("a response");
            assert_eq!(answer.body, format!("/b/{number}").as_bytes());
        }
        let seen = backend.requests();
        assert_eq!(seen.len(), 20);
        assert_eq!(stored(&seen[1]), b"GET /");
        assert_eq!(stored(&seen[2]), b"PUT /");
        assert!(
            seen.iter()
                .all(|request| request.field("y").is_none() && request.field("trailer").is_none())
        );
    });
}

#[test]
fn a_pipeline_may_be_longer_than_any_buffer() {
    const REQUESTS: usize = 300;
    on_each_driver(|driver| {
        let backend = echo();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        let fill = "f".repeat(2_000);
        let mut sender = client.stream.try_clone().unwrap();
        let sending = thread::spawn(move || {
            for number in 0..REQUESTS {
                let request =
                    format!("GET /v1/o/{number} HTTP/1.1\r\nHost: a\r\nX: {fill}\r\n\r\n");
                sender.write_all(request.as_bytes()).unwrap();
            }
        });
        for number in 0..REQUESTS {
            let answer = client.response().expect("a response");
            assert_eq!(answer.body, format!("/b/{number}").as_bytes());
        }
        sending.join().unwrap();
    });
}

#[test]
fn a_refused_request_ends_the_pipeline() {
    on_each_driver(|driver| {
        let backend = echo();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let good = "GET /v1/o/good HTTP/1.1\r\nHost: a\r\n\r\n";
        for bad in [
            "GET /v1/o/bad HTTP/1.1\r\n\r\n",
            "PUT /v1/o/bad HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
            "PUT /v1/o/bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n",
            "GET v1/o/bad HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let before = backend.requests().len();
            let mut client = Client::connect(gateway.address);
            assert_eq!(
                client.exchange(format!("{good}{bad}{good}")).status(),
                200,
                "{bad}"
            );
            assert_eq!(client.response().expect("a refusal").status(), 400, "{bad}");
            assert!(client.is_closed(), "{bad}");
            assert_eq!(backend.requests().len(), before + 1, "{bad}");
        }
    });
}

#[test]
fn a_request_cut_anywhere_is_the_same_request() {
    on_each_driver(|driver| {
        let backend = echo();
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let wire = chunked(
            "5;ext=\"v\"\r\nhello\r\n00a\r\n, chunked \r\n5\r\nworld\r\n0;last\r\nX-Trailer: 1\r\nY: 2\r\n\r\n",
        );
        let mut client = Client::connect(gateway.address);
        for cut in 0..wire.len() {
            let (front, back) = wire.split_at(cut);
            client.send(front);
            assert_eq!(client.exchange(back).status(), 200, "cut at {cut}");
        }
        for byte in &wire {
            client.send([*byte]);
        }
        assert_eq!(client.response().expect("a response").status(), 200);
        let seen = backend.requests();
        assert_eq!(seen.len(), wire.len() + 1);
        for request in seen {
            assert_eq!(stored(&request), b"hello, chunked world");
            assert_eq!(request.field("content-length"), Some("20"));
            assert_eq!(request.field("x-trailer"), None);
        }
    });
}

#[test]
fn a_refused_head_request_gets_no_body() {
    on_each_driver(|driver| {
        let backend = Backend::answering(|_request| response(200, &[], b""));
        let gateway = Gateway::on(driver, objects(), &backend.url());
        let mut client = Client::connect(gateway.address);
        client.send("HEAD /v1/o/k HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n");
        assert_eq!(client.head_response().unwrap().status(), 400);
        assert!(client.is_closed(), "a body or an open connection");
        assert_eq!(backend.connections(), 0);
    });
}
