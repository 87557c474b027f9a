//! Bodies of unknown length that are too long to be collected: uploaded in parts, whole or not at all.

use serde_json::Value;
use serde_json::json;
use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::Connection;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::fault::INTERNAL;
use crate::support::fault::NETWORK;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table;
use crate::support::message::Message;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;

const PART_BYTES: usize = 10 * 1024 * 1024;
/// More than a part, so that the body is not collected whole.
const BODY_BYTES: usize = PART_BYTES + 123_456;

/// A step of an upload in parts, as the store tells it from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Part(usize),
    Complete,
    Abort,
    Put,
}

fn step(request: &Message) -> Step {
    let method = request.start.split(' ').next().unwrap();
    let query = request
        .second_word()
        .split_once('?')
        .map_or("", |(_, query)| query);
    match (method, query) {
        ("POST", "uploads=" | "uploads") => Step::Create,
        ("POST", "uploadId=an%2Fid") => Step::Complete,
        ("DELETE", "uploadId=an%2Fid") => Step::Abort,
        ("PUT", "") => Step::Put,
        ("PUT", query) => {
            let (number, id) = query
                .strip_prefix("partNumber=")
                .unwrap()
                .split_once('&')
                .unwrap();
            assert_eq!(id, "uploadId=an%2Fid");
            Step::Part(number.parse().unwrap())
        }
        other => panic!("no step: {other:?}"),
    }
}

/// The usual answer of a store.
fn answer(step: Step) -> Vec<u8> {
    match step {
        Step::Create => response(
            200,
            &[],
            b"<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>an/id</UploadId></InitiateMultipartUploadResult>",
        ),
        Step::Part(number) => response(200, &[("ETag", &format!("\"part-{number}\""))], b""),
        Step::Complete => response(
            200,
            &[],
            b"<CompleteMultipartUploadResult><ETag>&quot;whole-2&quot;</ETag></CompleteMultipartUploadResult>",
        ),
        Step::Abort => response(204, &[], b""),
        Step::Put => response(200, &[("ETag", "\"single\"")], b""),
    }
}

/// What a store does instead of its usual answer.
type Instead = fn(&mut Connection) -> Option<Vec<u8>>;

/// A store that opens `aborted` after an abort, and departs from the usual at one step.
fn store(fault: Option<(Step, Instead)>, aborted: &Gate) -> Backend {
    let aborted = aborted.clone();
    Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            let step = step(&request);
            let bytes = match fault {
                Some((at, instead)) if at == step => instead(connection),
                _ => Some(answer(step)),
            };
            let Some(bytes) = bytes else { return };
            connection.send(bytes);
            if step == Step::Abort {
                aborted.open();
            }
        }
    })
}

fn steps(store: &Backend) -> Vec<Step> {
    store.requests().iter().map(step).collect()
}

fn unlimited(document: &Value, driver: DriverChoice, store: &Backend) -> Gateway {
    gateway_for(document, driver, store, |settings| {
        settings.limits.payload_bytes_max = 0
    })
}

/// ASCII, so that the repair of UTF-8 leaves it alone.
fn body(len: usize) -> Vec<u8> {
    b"0123456789abcdefghijklmnopqrstuvwxyz\n"
        .iter()
        .copied()
        .cycle()
        .take(len)
        .collect()
}

fn send_head(client: &mut Client, target: &str) {
    client.send(format!(
        "PUT {target} HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
}

fn send_chunks(client: &mut Client, body: &[u8]) {
    for chunk in body.chunks(1_000_003) {
        let mut message = format!("{:x}\r\n", chunk.len()).into_bytes();
        message.extend_from_slice(chunk);
        message.extend_from_slice(b"\r\n");
        client.send(message);
    }
}

fn put(gateway: &Gateway, target: &str, body: &[u8]) -> Message {
    let mut client = Client::connect(gateway.address);
    send_head(&mut client, target);
    send_chunks(&mut client, body);
    client.send("0\r\n\r\n");
    client.response().unwrap()
}

fn assert_stored_in_parts(store: &Backend, path: &str, body: &[u8]) {
    assert_eq!(
        steps(store),
        [Step::Create, Step::Part(1), Step::Part(2), Step::Complete]
    );
    let requests = store.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.second_word().split('?').next() == Some(path)),
        "{path}"
    );
    assert_eq!(requests[1].body.len(), PART_BYTES);
    assert!([requests[1].body.as_slice(), &requests[2].body].concat() == body);
    assert_eq!(
        String::from_utf8_lossy(&requests[3].body),
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Part><PartNumber>1</PartNumber><ETag>&quot;part-1&quot;</ETag></Part>\
         <Part><PartNumber>2</PartNumber><ETag>&quot;part-2&quot;</ETag></Part></CompleteMultipartUpload>"
    );
    for request in &requests {
        assert!(request.field("authorization").is_some());
    }
}

#[test]
fn long_body_of_unknown_length_goes_up_in_parts() {
    let body = body(BODY_BYTES);
    on_each_driver(|driver| {
        let store_of_bytes = store(None, &Gate::default());
        let gateway = unlimited(&object_api(), driver, &store_of_bytes);
        let answer = put(&gateway, "/o/b/k", &body);
        assert_eq!((answer.status(), answer.body.as_slice()), (200, &b""[..]));
        assert_stored_in_parts(&store_of_bytes, "/b/k", &body);
        assert_eq!(
            store_of_bytes.requests()[0].field("content-type"),
            Some("text/plain")
        );
        assert_eq!(
            store_of_bytes.connections(),
            1,
            "one connection for all steps"
        );
    });
}

#[test]
fn repaired_text_goes_up_in_parts_with_its_content_type() {
    let body = body(BODY_BYTES);
    on_each_driver(|driver| {
        let store_of_text = store(None, &Gate::default());
        let document = table("tests/vectors/apis/s3-proxy-api.swagger2.json", "S3");
        let mut settings = settings(document, &store_of_text.url());
        settings.io_driver = driver;
        settings.limits.payload_bytes_max = 0;
        let gateway = Gateway::start(settings);
        assert_eq!(put(&gateway, "/S3/bucket/a%2Fkey", &body).status(), 200);
        assert_stored_in_parts(&store_of_text, "/bucket/a/key", &body);
        assert_eq!(
            store_of_text.requests()[0].field("content-type"),
            Some("text/plain")
        );
        assert_eq!(store_of_text.requests()[1].field("content-type"), None);
    });
}

#[test]
fn mapped_entity_tag_is_that_of_the_whole_object() {
    let mut document = object_api();
    each_integration(&mut document, |integration| {
        integration["responses"]["default"]["responseParameters"] =
            json!({ "method.response.header.ETag": "integration.response.header.ETag" });
    });
    for resource in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in resource.as_object_mut().unwrap().values_mut() {
            operation["responses"]["200"] = json!({ "headers": { "ETag": { "type": "string" } } });
        }
    }
    let store = store(None, &Gate::default());
    let gateway = unlimited(&document, DriverChoice::Auto, &store);
    assert_eq!(
        put(&gateway, "/o/b/k", &body(BODY_BYTES)).field("ETag"),
        Some("\"whole-2\"")
    );
}

#[test]
fn exactly_one_part_is_one_put() {
    let body = body(PART_BYTES);
    on_each_driver(|driver| {
        let store = store(None, &Gate::default());
        let gateway = unlimited(&object_api(), driver, &store);
        assert_eq!(put(&gateway, "/o/b/k", &body).status(), 200);
        assert_eq!(steps(&store), [Step::Put]);
        assert!(store.requests()[0].body == body);
    });
}

#[test]
fn only_an_object_is_uploaded_in_parts() {
    let body = body(BODY_BYTES);
    let too_long = |document: &Value, target| {
        let store = store(None, &Gate::default());
        let gateway = unlimited(document, DriverChoice::Auto, &store);
        let answer = put(&gateway, target, &body);
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (413, &br#"{"message": "Request Too Long"}"#[..]),
            "{target}"
        );
        assert_eq!(store.connections(), 0, "{target}");
    };
    too_long(&object_api(), "/o/b");
    let mut tagging = object_api();
    each_integration(&mut tagging, |integration| {
        integration["uri"] = format!("{}?tagging", integration["uri"].as_str().unwrap()).into();
    });
    too_long(&tagging, "/o/b/k");
}

/// Runs an upload that fails at a step of the store, and gives the answer and the steps that were seen.
fn failed(driver: DriverChoice, at: Step, instead: Instead) -> (Message, Vec<Step>) {
    let store = store(Some((at, instead)), &Gate::default());
    let gateway = unlimited(&object_api(), driver, &store);
    let answer = put(&gateway, "/o/b/k", &body(BODY_BYTES));
    (answer, steps(&store))
}

const FORBIDDEN: Instead = |_| {
    Some(response(
        403,
        &[],
        b"<Error><Code>AccessDenied</Code></Error>",
    ))
};
const BROKEN: Instead = |_| {
    Some(response(
        500,
        &[],
        b"<Error><Code>InternalError</Code></Error>",
    ))
};
const GARBAGE: Instead = |_| Some(response(200, &[], b"<html>welcome</html>"));
const RESET: Instead = |connection| {
    connection.reset();
    None
};
const ERROR_IN_200: Instead = |_| {
    Some(response(
        200,
        &[],
        b"<Error><Code>InternalError</Code><Message>We failed.</Message></Error>",
    ))
};

#[test]
fn upload_that_was_not_created_is_not_aborted() {
    on_each_driver(|driver| {
        let (answer, steps) = failed(driver, Step::Create, FORBIDDEN);
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (403, &b"<Error><Code>AccessDenied</Code></Error>"[..])
        );
        assert_eq!(steps, [Step::Create]);
        let (answer, steps) = failed(driver, Step::Create, GARBAGE);
        assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
        assert_eq!(steps, [Step::Create]);
    });
}

#[test]
fn upload_whose_step_fails_is_aborted_and_never_completed() {
    on_each_driver(|driver| {
        let (answer, seen) = failed(driver, Step::Part(1), BROKEN);
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (500, &b"<Error><Code>InternalError</Code></Error>"[..])
        );
        assert_eq!(seen, [Step::Create, Step::Part(1), Step::Abort]);
        let (answer, seen) = failed(driver, Step::Part(2), RESET);
        assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
        assert_eq!(
            seen,
            [Step::Create, Step::Part(1), Step::Part(2), Step::Abort]
        );
        let (answer, seen) = failed(driver, Step::Part(2), |_| Some(response(200, &[], b"")));
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (504, NETWORK),
            "a part without an entity tag"
        );
        assert_eq!(
            seen,
            [Step::Create, Step::Part(1), Step::Part(2), Step::Abort]
        );
    });
}

#[test]
fn completion_that_fails_is_no_success_and_is_aborted() {
    on_each_driver(|driver| {
        for instead in [ERROR_IN_200, GARBAGE, RESET] {
            let (answer, seen) = failed(driver, Step::Complete, instead);
            assert_eq!((answer.status(), answer.body.as_slice()), (504, NETWORK));
            assert_eq!(
                seen,
                [
                    Step::Create,
                    Step::Part(1),
                    Step::Part(2),
                    Step::Complete,
                    Step::Abort
                ]
            );
        }
        let (answer, seen) = failed(driver, Step::Complete, FORBIDDEN);
        assert_eq!(answer.status(), 403);
        assert_eq!(seen.last(), Some(&Step::Abort));
    });
}

#[test]
fn client_that_leaves_or_breaks_its_coding_aborts_the_upload() {
    let body = body(BODY_BYTES);
    on_each_driver(|driver| {
        for leaves in [true, false] {
            let aborted = Gate::default();
            let store = store(None, &aborted);
            let gateway = unlimited(&object_api(), driver, &store);
            let mut client = Client::connect(gateway.address);
            send_head(&mut client, "/o/b/k");
            send_chunks(&mut client, &body);
            if leaves {
                drop(client);
            } else {
                client.send("zz\r\n");
                let answer = client.response().unwrap();
                assert_eq!(
                    (answer.status(), answer.field("Connection")),
                    (400, Some("close"))
                );
            }
            aborted.wait();
            let seen = steps(&store);
            assert_eq!(
                (seen.first(), seen.last()),
                (Some(&Step::Create), Some(&Step::Abort)),
                "{seen:?}"
            );
            assert!(!seen.contains(&Step::Complete), "{seen:?}");
        }
    });
}

#[test]
fn base64_that_ends_badly_after_parts_were_sent_aborts_the_upload() {
    let mut document = object_api();
    document["x-amazon-apigateway-binary-media-types"] = json!([]);
    each_integration(&mut document, |integration| {
        integration["contentHandling"] = "CONVERT_TO_BINARY".into()
    });
    let mut body = vec![b'A'; 15_000_000];
    body.push(b'?');
    on_each_driver(|driver| {
        let store = store(None, &Gate::default());
        let gateway = unlimited(&document, driver, &store);
        let answer = put(&gateway, "/o/b/k", &body);
        assert_eq!((answer.status(), answer.body.as_slice()), (500, INTERNAL));
        let seen = steps(&store);
        assert_eq!(
            (seen.first(), seen.last()),
            (Some(&Step::Create), Some(&Step::Abort)),
            "{seen:?}"
        );
        assert!(!seen.contains(&Step::Complete), "{seen:?}");
    });
}
