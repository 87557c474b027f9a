//! Bodies that cannot be converted, and the store's error bodies, which are converted like all others.

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::fault::INTERNAL;
use crate::support::fault::assert_fault;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::each_integration;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::object_api::text_api;

/// The object API whose responses are decoded from Base64.
fn decoding_api() -> Value {
    let mut document = text_api();
    each_integration(&mut document, |integration| {
        for response in integration["responses"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            response["contentHandling"] = "CONVERT_TO_BINARY".into();
        }
    });
    document
}

#[test]
fn base64_that_is_none_is_an_error_before_the_head_and_a_cut_after_it() {
    on_each_driver(|driver| {
        let store = Backend::answering(|request| {
            let length = request
                .second_word()
                .rsplit('/')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let mut body = vec![b'A'; length];
            body.extend_from_slice(b"AA!A");
            let mut answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            answer.extend_from_slice(&body);
            answer
        });
        let gateway = gateway_for(&decoding_api(), driver, &store, |_| {});
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/0", &[], b""),
            500,
            INTERNAL,
            "at once",
        );
        assert_fault(
            &fetch(gateway.address, "GET", "/o/b/40000", &[], b""),
            500,
            INTERNAL,
            "before the head",
        );
        let mut client = Client::connect(gateway.address);
        client.request("GET", "/o/b/1000000", &[], b"");
        let head = client.head();
        assert_eq!(
            (head.status(), head.field("Transfer-Encoding")),
            (200, Some("chunked"))
        );
        assert!(!client.rest().ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn base64_that_is_none_never_becomes_an_object() {
    on_each_driver(|driver| {
        let store =
            Backend::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
        let mut document = text_api();
        each_integration(&mut document, |integration| {
            integration["contentHandling"] = "CONVERT_TO_BINARY".into()
        });
        let gateway = gateway_for(&document, driver, &store, |_| {});
        let long = [vec![b'A'; 400_000], b"?".to_vec()].concat();
        for body in [&b"AA=A"[..], b"A", &long] {
            assert_fault(
                &fetch(gateway.address, "PUT", "/o/b/k", &[], body),
                500,
                INTERNAL,
                "PUT",
            );
        }
        assert_eq!(store.connections(), 0);
        assert_eq!(
            fetch(gateway.address, "PUT", "/o/b/k", &[], b"AAAA").status(),
            200
        );
        assert_eq!(store.requests()[0].body, [0; 3]);
    });
}

#[test]
fn error_bodies_of_the_store_are_converted_like_all_others() {
    let error = b"<Error><Code>NoSuchKey</Code></Error>";
    on_each_driver(|driver| {
        let store = Backend::answering(|request| {
            let kind = if request.second_word().ends_with("xml") {
                "application/xml"
            } else {
                "image/png"
            };
            let mut answer = format!(
                "HTTP/1.1 404 Not Found\r\nContent-Type: {kind}\r\nx-amz-request-id: 1\r\nContent-Length: {}\r\n\r\n",
                error.len()
            )
            .into_bytes();
            answer.extend_from_slice(error);
            answer
        });
        let mut document = object_api();
        document["x-amazon-apigateway-binary-media-types"] = serde_json::json!(["image/png"]);
        let gateway = gateway_for(&document, driver, &store, |_| {});
        let text = fetch(
            gateway.address,
            "GET",
            "/o/b/xml",
            &[("Accept", "text/plain")],
            b"",
        );
        assert_eq!((text.status(), text.body.as_slice()), (400, &error[..]));
        let encoded = fetch(
            gateway.address,
            "GET",
            "/o/b/png",
            &[("Accept", "text/plain")],
            b"",
        );
        let base64 = base64_simd::STANDARD.encode_to_string(error);
        assert_eq!(
            (encoded.status(), encoded.body.as_slice()),
            (400, base64.as_bytes())
        );
        let untouched = fetch(
            gateway.address,
            "GET",
            "/o/b/png",
            &[("Accept", "image/png")],
            b"",
        );
        assert_eq!(
            (untouched.status(), untouched.body.as_slice()),
            (400, &error[..])
        );
        let decoded = fetch(
            gateway.address,
            "GET",
            "/o/b/xml",
            &[("Accept", "image/png")],
            b"",
        );
        assert_fault(
            &decoded,
            500,
            INTERNAL,
            "text that a binary Accept asks to be decoded",
        );
        assert_eq!(
            store.connections(),
            1,
            "the connection is kept after errors"
        );
    });
}
