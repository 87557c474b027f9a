//! Templates that are programs, from the client's body to the store and back.

use crate::support::backend::{Backend, response};
use crate::support::client::fetch;
use crate::support::gateway::{Gateway, on_each_driver, settings, table};

#[test]
fn both_bodies_pass_through_their_templates() {
    on_each_driver(|driver| {
        let backend = Backend::answering(|_request| response(200, &[], b" yes\n"));
        let api = table("tests/vectors/apis/templates.json", "v1");
        let mut settings = settings(api, &backend.url());
        settings.io_driver = driver;
        let gateway = Gateway::start(settings);
        let body = b"{\"name\": \"new key\", \"list\": [1, \"b\"]}";
        let fields = [("Content-Type", "application/json")];
        let answer = fetch(gateway.address, "PUT", "/v1/old", &fields, body);
        let requests = backend.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].start.starts_with("PUT /bucket/new%20key "));
        assert_eq!(requests[0].body, b"1,b");
        assert_eq!(answer.status(), 201);
        assert_eq!(
            String::from_utf8_lossy(&answer.body),
            "{\"stored\": \"yes\", \"key\": \"new key\"}"
        );
        let failed = fetch(gateway.address, "PUT", "/v1/old", &fields, b"{}");
        assert_eq!(failed.status(), 500, "the key has no value");
        assert_eq!(backend.requests().len(), 1);
    });
}
