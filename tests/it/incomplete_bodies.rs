//! Request bodies that break off: nothing of them becomes an object (invariant 11).

use std::sync::mpsc;
use std::time::Duration;

use sluicegate::serve::settings::Limits;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::documents::objects;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;

const WAIT_MAX: Duration = Duration::from_secs(120);

/// A PUT with these field lines, each with its line end, and what follows the head.
fn put(fields: &str, body: &str) -> Vec<u8> {
    format!("PUT /v1/o/k HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    put("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn a_short_body_that_breaks_off_never_reaches_the_store() {
    on_each_driver(|driver| {
        let backend = Backend::answering(|_request| response(200, &[], b""));
        let gateway = Gateway::on(driver, objects(), &backend.url());
        for wire in [
            put("Content-Length: 6\r\n", "hello"),
            put(
                "Content-Length: 6\r\nContent-Type: application/octet-stream\r\n",
                "hello",
            ),
            put("Content-Length: 6\r\n", ""),
            chunked("5\r\nhello"),
            chunked("5\r\nhello\r\n"),
            chunked("5\r\nhello\r\n0\r\n"),
            chunked("5\r\nhello\r\n0\r\nX: 1\r\n"),
            chunked("5"),
        ] {
            let mut client = Client::connect(gateway.address);
            client.send(&wire);
            client.finish_sending();
            let answer = client.response().expect("a response");
            assert_eq!(
                (answer.status(), answer.field("connection")),
                (400, Some("close"))
            );
            assert!(client.is_closed());
        }
        assert_eq!(backend.connections(), 0);
    });
}

#[test]
fn a_streamed_body_that_breaks_off_stays_incomplete_at_the_store() {
    on_each_driver(|driver| {
        for leaves in [true, false] {
            let (tell, told) = mpsc::channel();
            let backend = Backend::start(move |connection| {
                let head = connection.head().expect("a head");
                tell.send((head, connection.rest())).unwrap();
            });
            let gateway = Gateway::on(driver, objects(), &backend.url());
            let mut client = Client::connect(gateway.address);
            client.send(put(
                "Content-Length: 1000000\r\nContent-Type: application/octet-stream\r\n",
                "",
            ));
            client.send(vec![b'x'; 600_000]);
            if leaves {
                drop(client);
            } else {
                client.finish_sending();
                assert_eq!(client.response().expect("a response").status(), 400);
            }
            let (head, body) = told.recv_timeout(WAIT_MAX).expect("an upload");
            assert_eq!(head.field("x-amz-decoded-content-length"), Some("1000000"));
            let announced: usize = head.field("content-length").unwrap().parse().unwrap();
            assert!(body.len() < announced);
            assert!(
                !body.windows(3).any(|bytes| bytes == b"\n0;"),
                "the last chunk was sent"
            );
        }
    });
}

#[test]
fn an_upload_in_parts_that_breaks_off_is_aborted() {
    const CREATED: &[u8] =
        b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
    on_each_driver(|driver| {
        let (tell, told) = mpsc::channel();
        let backend = Backend::answering(move |request| {
            let step = request.start.replace(" HTTP/1.1", "");
            let answer = match step.as_str() {
                "POST /b/k?uploads=" => response(200, &[], CREATED),
                "DELETE /b/k?uploadId=u1" => response(204, &[], b""),
                _ => response(200, &[("ETag", "\"e\"")], b""),
            };
            tell.send(step).unwrap();
            answer
        });
        let mut settings = ServeSettings {
            io_driver: driver,
            ..settings(objects(), &backend.url())
        };
        settings.limits = Limits {
            payload_bytes_max: 0,
            ..settings.limits
        };
        let gateway = Gateway::start(settings);
        let mut client = Client::connect(gateway.address);
        client.send(put(
            "Transfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\n",
            "c00000\r\n",
        ));
        client.send(vec![b'x'; 0xc0_0000]);
        client.finish_sending();
        let steps = [
            "POST /b/k?uploads=",
            "PUT /b/k?partNumber=1&uploadId=u1",
            "DELETE /b/k?uploadId=u1",
        ];
        for step in steps {
            assert_eq!(told.recv_timeout(WAIT_MAX).as_deref(), Ok(step));
        }
        assert_eq!(client.response().expect("a response").status(), 400);
        assert_eq!(backend.requests().len(), steps.len());
    });
}
