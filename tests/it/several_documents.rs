//! Several documents behind one address: host name, then stage.

use serde_json::json;
use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::apis::Api;
use sluicegate::serve::apis::Apis;
use sluicegate::serve::apis::ApisFault;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::serve::settings::Service;

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::message::Message;
use crate::support::object_api::import_value;
use crate::support::object_api::object_api;

const FORBIDDEN: &str = "403 {\"message\":\"Forbidden\"}";

/// A document whose `GET /who` is answered by a mock with its name, and whose gateway responses tell it as well.
fn api(host: Option<&str>, stage: &str, name: &str) -> Api {
    let document = json!({
        "swagger": "2.0",
        "info": { "title": name, "version": "1" },
        "x-amazon-apigateway-gateway-responses": {
            "DEFAULT_4XX": { "responseParameters": { "gatewayresponse.header.X-Who": format!("'{name}'") } }
        },
        "paths": { "/who": { "get": {
            "responses": { "200": {} },
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "responses": { "default": {
                    "statusCode": "200", "responseTemplates": { "application/json": name }
                } },
            },
        } } },
    });
    let table = table_of(name, &document.to_string(), stage);
    let Service::Gateway(mut apis) = settings(table, "http://127.0.0.1:9").service else {
        panic!("a gateway");
    };
    let lone = apis.iter_mut().next().unwrap();
    Api {
        name: format!("{name}.json"),
        host: host.map(str::to_owned),
        gateway: lone.gateway.clone(),
    }
}

fn serving(driver: DriverChoice, apis: Vec<Api>) -> Gateway {
    let store = Backend::start(|_| ());
    let lone = settings(import_value(&object_api()), &store.url());
    Gateway::start(ServeSettings {
        io_driver: driver,
        service: Service::Gateway(Apis::new(apis).unwrap()),
        ..lone
    })
}

fn told(answer: &Message) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    match answer.status() {
        200 => body.into_owned(),
        status => format!("{status} {body}"),
    }
}

/// The answers to a target under these Host fields, on one connection.
fn ask(gateway: &Gateway, asked: &[(&str, &str)]) -> Vec<String> {
    let mut client = Client::connect(gateway.address);
    let mut one = |&(host, target): &(&str, &str)| {
        told(&client.exchange(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")))
    };
    asked.iter().map(&mut one).collect()
}

#[test]
fn a_request_goes_by_host_and_then_by_stage() {
    on_each_driver(|driver| {
        let gateway = serving(
            driver,
            vec![
                api(None, "v1", "any-v1"),
                api(Some("a.example"), "v1", "a-v1"),
                api(Some("a.example"), "v2", "a-v2"),
                api(Some("b.example"), "v2", "b-v2"),
                api(Some("[::1]"), "v2", "six-v2"),
            ],
        );
        for (host, target, answer) in [
            ("a.example", "/v1/who", "a-v1"),
            ("A.Example:8080", "/v1/who", "a-v1"),
            ("a.example", "//v2/who", "a-v2"),
            ("b.example", "/v2/who", "b-v2"),
            ("[::1]:443", "/v2/who", "six-v2"),
            // Without a document of its own for the stage, a host falls to those that answer under any.
            ("b.example", "/v1/who", "any-v1"),
            ("c.example", "/v1/who", "any-v1"),
            ("", "/v1/who", "any-v1"),
            // The target's authority goes before the field.
            ("c.example", "http://b.example:80/v2/who", "b-v2"),
            ("b.example", "http://c.example/v2/who", FORBIDDEN),
            ("c.example", "/v2/who", FORBIDDEN),
            ("a.example.", "/v2/who", FORBIDDEN),
            ("xa.example", "/v2/who", FORBIDDEN),
            ("a.example", "/V2/who", FORBIDDEN),
            ("a.example", "/v3/who", FORBIDDEN),
            ("a.example", "/", FORBIDDEN),
            ("c.example", "/ping", "healthy"),
            (
                "a.example",
                "/v2/nobody",
                "403 {\"message\":\"Missing Authentication Token\"}",
            ),
        ] {
            assert_eq!(
                ask(&gateway, &[(host, target)]),
                [answer],
                "{host} {target}"
            );
        }
    });
}

#[test]
fn requests_of_one_connection_may_be_for_different_documents() {
    on_each_driver(|driver| {
        let gateway = serving(driver, vec![api(None, "v1", "one"), api(None, "v2", "two")]);
        let asked = [
            ("h", "/v1/who"),
            ("h", "/v2/who"),
            ("h", "/v3/who"),
            ("h", "/v1/who"),
        ];
        assert_eq!(ask(&gateway, &asked), ["one", "two", FORBIDDEN, "one"]);
    });
}

#[test]
fn a_lone_document_with_a_host_answers_under_it_alone() {
    let gateway = serving(
        DriverChoice::Auto,
        vec![api(Some("a.example"), "v1", "a-v1")],
    );
    let asked = [("a.example", "/v1/who"), ("b.example", "/v1/who")];
    assert_eq!(ask(&gateway, &asked), ["a-v1", FORBIDDEN]);
}

#[test]
fn responses_of_a_document_are_not_given_for_what_none_claims() {
    let gateway = serving(
        DriverChoice::Auto,
        vec![api(None, "v1", "one"), api(None, "v2", "two")],
    );
    let who = |target: &str| {
        let mut client = Client::connect(gateway.address);
        let answer = client.exchange(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        answer.field("X-Who").map(str::to_owned)
    };
    assert_eq!(who("/v1/nobody").as_deref(), Some("one"));
    assert_eq!(who("/v2/nobody").as_deref(), Some("two"));
    assert_eq!(who("/v3/nobody"), None);
}

#[test]
fn two_documents_with_the_same_host_and_stage_are_refused_by_name() {
    let clash = |first: Api, second: Api| match Apis::new(vec![first, second]) {
        Ok(_) => None,
        Err(fault) => Some(fault.to_string()),
    };
    let fault = clash(api(None, "v1", "one"), api(None, "v1", "two")).unwrap();
    assert!(
        fault.starts_with("one.json and two.json both claim the stage v1 under any host"),
        "{fault}"
    );
    let same = || Some("a.example");
    let fault = clash(api(same(), "v1", "one"), api(same(), "v1", "two")).unwrap();
    assert!(
        fault.contains("the stage v1 of the host a.example"),
        "{fault}"
    );
    assert_eq!(
        clash(api(same(), "v1", "one"), api(same(), "v2", "two")),
        None
    );
    assert_eq!(
        clash(api(same(), "v1", "one"), api(None, "v1", "two")),
        None
    );
    assert_eq!(Apis::new(Vec::new()).unwrap_err(), ApisFault::Empty);
}
