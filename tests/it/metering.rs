//! API keys, usage plans and throttles over sockets (spec 09, "API keys"; spec 11, "Throttling").

use std::sync::Arc;

use serde_json::json;
use sluicegate::api::table::Table;
use sluicegate::net::clock;
use sluicegate::net::driver::DriverChoice;
use sluicegate::pipeline::access_log::AccessLogFormat;
use sluicegate::pipeline::metering::Metering;
use sluicegate::pipeline::metering::api_keys::ApiKey;
use sluicegate::pipeline::metering::api_keys::ApiKeys;
use sluicegate::pipeline::metering::bucket::Throttle;
use sluicegate::pipeline::metering::limiters::Earlier;
use sluicegate::pipeline::metering::limiters::Limiters;
use sluicegate::pipeline::metering::limiters::Moment;
use sluicegate::pipeline::metering::limiters::Rules;
use sluicegate::pipeline::metering::limiters::ThrottleRules;
use sluicegate::pipeline::metering::limiters::UsagePlan;
use sluicegate::pipeline::metering::quota::Period;
use sluicegate::pipeline::metering::quota::Quota;
use sluicegate::serve::access_log::AccessLog;
use sluicegate::serve::settings::ServeSettings;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::gateway_of;
use crate::support::gateway::on_each_driver;
use crate::support::gateway::settings;
use crate::support::gateway::table_of;
use crate::support::message::Message;
use crate::support::program::Running;
use crate::support::program::sluicegate;

const KEY: (&str, &str) = ("x-api-key", "0123456789abcdefghij");
const FORBIDDEN: &str = "403 ForbiddenException {\"message\":\"Forbidden\"}";

/// `/k/{key}` asks for a key, `/s/{key}` for a signature and a key, `/o/{key}` for nothing; each is the object `b/key`.
fn keyed() -> Table {
    table_of("keyed", &keyed_text(), "v1")
}

fn keyed_text() -> String {
    const METHOD: &str = r#"{
      ACCESS
      "responses": { "200": { "description": "ok" } },
      "x-amazon-apigateway-integration": {
        "type": "aws", "httpMethod": "ANY", "uri": "arn:aws:apigateway:us-west-2:s3:path/b/{key}",
        "credentials": "arn:aws:iam::123456789012:role/store", "passthroughBehavior": "when_no_match",
        "requestParameters": {
          "integration.request.path.key": "method.request.path.key",
          "integration.request.header.x-key-id": "context.identity.apiKeyId"
        },
        "responses": { "default": { "statusCode": "200" } }
      }
    }"#;
    let path = |name: &str, access: &str| {
        let method = METHOD.replace("ACCESS", access);
        format!(
            r#""/{name}/{{key}}": {{
            "parameters": [{{"name": "key", "in": "path", "required": true, "schema": {{"type": "string"}}}}],
            "x-amazon-apigateway-any-method": {method}}}"#
        )
    };
    let key = r#""security": [{"api_key": []}],"#;
    format!(
        r#"{{"openapi": "3.0.1", "info": {{"title": "keyed", "version": "1"}},
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "components": {{"securitySchemes": {{"api_key": {{"type": "apiKey", "name": "x-api-key", "in": "header"}}}}}},
        "paths": {{{}, {}, {}}}}}"#,
        path("k", key),
        path(
            "s",
            &format!(r#"{key} "x-amazon-apigateway-auth": {{ "type": "AWS_IAM" }},"#)
        ),
        path("o", ""),
    )
}

fn metering() -> Metering {
    let mut api_keys = ApiKeys::default();
    for (id, value) in [("partner", KEY.1), ("former", "disabled-disabled-disabled")] {
        let key = ApiKey {
            id: id.to_owned(),
            enabled: id == "partner",
        };
        api_keys.add(key, value).unwrap();
    }
    Metering {
        api_keys: Arc::new(api_keys),
        ..Metering::default()
    }
}

fn metered(driver: DriverChoice, store: &Backend, metering: Metering) -> ServeSettings {
    metered_table(keyed(), driver, store, metering)
}

fn metered_table(
    table: Table,
    driver: DriverChoice,
    store: &Backend,
    metering: Metering,
) -> ServeSettings {
    let mut settings = settings(table, &store.url());
    settings.io_driver = driver;
    let gateway = gateway_of(&mut settings);
    gateway.ignore_authorizers = false;
    gateway.metering = Arc::new(metering);
    settings
}

fn accepting() -> Backend {
    Backend::answering(|_request| response(200, &[], b""))
}

/// `200`, or status, error type and body.
fn told(answer: &Message) -> String {
    let status = answer.status();
    if status == 200 {
        return "200".to_owned();
    }
    let error_type = answer.field("x-amzn-errortype").unwrap();
    format!(
        "{status} {error_type} {}",
        String::from_utf8_lossy(&answer.body)
    )
}

#[test]
fn a_key_opens_its_methods_and_the_store_sees_its_id_alone() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(metered(driver, &store, metering()));
        let ask = |target, fields: &[(&str, &str)]| {
            told(&fetch(gateway.address, "GET", target, fields, b""))
        };
        for refused in ["disabled-disabled-disabled", "", "0123456789abcdefghi"] {
            assert_eq!(ask("/v1/k/a", &[("x-api-key", refused)]), FORBIDDEN);
        }
        assert_eq!(ask("/v1/k/a", &[]), FORBIDDEN);
        assert_eq!(store.requests().len(), 0);
        assert_eq!(ask("/v1/k/a", &[KEY]), "200");
        assert_eq!(ask("/v1/o/a", &[KEY]), "200");
        let requests = store.requests();
        assert_eq!(requests[0].field("x-key-id"), Some("partner"));
        assert_eq!(requests[1].field("x-key-id"), None);
        for request in requests {
            assert!(!format!("{request:?}").contains(KEY.1), "{request:?}");
        }
    });
}

#[test]
fn the_signature_is_asked_for_before_the_key_and_the_key_before_the_body() {
    on_each_driver(|driver| {
        let store = accepting();
        let gateway = Gateway::start(metered(driver, &store, metering()));
        let unsigned = fetch(gateway.address, "GET", "/v1/s/a", &[], b"");
        assert!(told(&unsigned).starts_with("403 MissingAuthenticationTokenException "));

        let mut client = Client::connect(gateway.address);
        let too_large = "PUT /v1/k/a HTTP/1.1\r\nHost: g\r\nContent-Length: 10485761\r\n";
        let refused = client.exchange(format!("{too_large}\r\n"));
        assert_eq!(told(&refused), FORBIDDEN);
        let mut client = Client::connect(gateway.address);
        let refused = client.exchange(format!("{too_large}x-api-key: {}\r\n\r\n", KEY.1));
        assert_eq!(refused.status(), 413);
        assert_eq!(store.requests().len(), 0);
    });
}

#[test]
fn ignored_authorizers_ask_for_no_key() {
    on_each_driver(|driver| {
        let store = accepting();
        let mut settings = metered(driver, &store, Metering::default());
        gateway_of(&mut settings).ignore_authorizers = true;
        let gateway = Gateway::start(settings);
        for target in ["/v1/k/a", "/v1/s/a"] {
            assert_eq!(
                told(&fetch(gateway.address, "GET", target, &[], b"")),
                "200"
            );
        }
    });
}

/// A bucket that is not refilled within a test.
fn held(burst: u64) -> Throttle {
    Throttle::new(0.001, burst).unwrap()
}

fn moment() -> Moment {
    Moment {
        unix: clock::now().unix,
        monotonic_us: clock::monotonic_us(),
    }
}

fn under(rules: &Rules) -> Metering {
    Metering {
        limiters: Limiters::new(rules, Earlier::default(), moment()),
        ..metering()
    }
}

fn plan_of(keys: &[&str], burst: Option<u64>, quota: Option<u64>) -> UsagePlan {
    UsagePlan {
        name: "gold".to_owned(),
        api_keys: keys.iter().map(|&key| key.to_owned()).collect(),
        throttles: ThrottleRules {
            whole: burst.map(held),
            methods: Vec::new(),
        },
        quota: quota.map(|limit| Quota::new(limit, 0, Period::Month).unwrap()),
    }
}

const THROTTLED: &str = "429 TooManyRequestsException {\"message\":\"Too Many Requests\"}";
const EXCEEDED: &str = "429 LimitExceededException {\"message\":\"Limit Exceeded\"}";

#[test]
fn plans_throttles_and_quotas_refuse_as_api_gateway_words_it() {
    on_each_driver(|driver| {
        let store = accepting();
        let plan = |burst, quota| Rules {
            plans: Some(vec![plan_of(&["partner"], burst, quota)]),
            ..Rules::default()
        };
        let stage = Rules {
            stage: ThrottleRules {
                whole: Some(held(2)),
                methods: Vec::new(),
            },
            ..Rules::default()
        };
        for (rules, refused) in [
            (plan(Some(2), None), THROTTLED),
            (plan(None, Some(2)), EXCEEDED),
            (plan(Some(2), Some(1_000)), THROTTLED),
            (stage, THROTTLED),
        ] {
            let gateway = Gateway::start(metered(driver, &store, under(&rules)));
            let ask = |value| {
                fetch(
                    gateway.address,
                    "GET",
                    "/v1/k/a",
                    &[("x-api-key", value)],
                    b"",
                )
            };
            // A wrong key takes no token.
            assert_eq!(told(&ask("no key of ours, nor any")), FORBIDDEN);
            assert_eq!([told(&ask(KEY.1)), told(&ask(KEY.1))], ["200", "200"]);
            let answer = ask(KEY.1);
            assert_eq!(told(&answer), refused);
            assert_eq!(answer.field("content-type"), Some("application/json"));
            let trace = answer.field("x-amzn-trace-id").unwrap();
            assert!(trace.starts_with("Root=1-"), "{trace}");
            assert!(answer.field("x-amzn-requestid").is_some());
            assert!(answer.field("retry-after").is_none());
            assert_eq!(told(&ask("no key of ours, nor any")), FORBIDDEN);
        }
        assert_eq!(store.requests().len(), 8);
    });
}

#[test]
fn a_key_without_a_plan_of_the_stage_is_forbidden() {
    on_each_driver(|driver| {
        let store = accepting();
        let rules = Rules {
            plans: Some(vec![plan_of(&["another"], None, None)]),
            ..Rules::default()
        };
        let gateway = Gateway::start(metered(driver, &store, under(&rules)));
        let ask = |target| told(&fetch(gateway.address, "GET", target, &[KEY], b""));
        assert_eq!(ask("/v1/k/a"), FORBIDDEN);
        assert_eq!(ask("/v1/o/a"), "200");
    });
}

#[test]
fn a_throttle_comes_after_the_signature_and_before_the_body() {
    on_each_driver(|driver| {
        let store = accepting();
        let rules = Rules {
            stage: ThrottleRules {
                whole: Some(held(1)),
                methods: Vec::new(),
            },
            ..Rules::default()
        };
        let gateway = Gateway::start(metered(driver, &store, under(&rules)));
        let unsigned = || told(&fetch(gateway.address, "GET", "/v1/s/a", &[], b""));
        assert!(unsigned().starts_with("403 MissingAuthenticationTokenException "));
        let too_large = "PUT /v1/o/a HTTP/1.1\r\nHost: g\r\nContent-Length: 10485761\r\n\r\n";
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.exchange(too_large).status(), 413);
        let mut client = Client::connect(gateway.address);
        assert_eq!(told(&client.exchange(too_large)), THROTTLED);
        assert!(unsigned().starts_with("403 MissingAuthenticationTokenException "));

        // A throttled connection goes on.
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            client.request("PUT", "/v1/o/a", &[], b"short");
            assert_eq!(told(&client.response().unwrap()), THROTTLED);
        }
        assert_eq!(store.requests().len(), 0);
    });
}

#[test]
fn ignored_authorizers_leave_the_stages_throttle() {
    on_each_driver(|driver| {
        let store = accepting();
        let rules = Rules {
            plans: Some(vec![plan_of(&["partner"], Some(0), None)]),
            account: Some(held(1)),
            ..Rules::default()
        };
        let mut settings = metered(driver, &store, under(&rules));
        gateway_of(&mut settings).ignore_authorizers = true;
        let gateway = Gateway::start(settings);
        let ask = || told(&fetch(gateway.address, "GET", "/v1/k/a", &[KEY], b""));
        assert_eq!([ask().as_str(), ask().as_str()], ["200", THROTTLED]);
    });
}

#[test]
fn workers_share_a_bucket() {
    on_each_driver(|driver| {
        let store = accepting();
        let rules = Rules {
            account: Some(held(20)),
            ..Rules::default()
        };
        let gateway = Gateway::start(ServeSettings {
            workers: 3,
            ..metered(driver, &store, under(&rules))
        });
        let ask = || fetch(gateway.address, "GET", "/v1/o/a", &[], b"").status();
        let passed = (0..60).filter(|_| ask() == 200).count();
        assert_eq!(passed, 20);
    });
}

#[test]
fn a_quota_outlives_the_program() {
    let store = accepting();
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("api.json");
    std::fs::write(
        &document,
        r#"{"openapi": "3.0.1", "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
        "paths": {"/a": {"get": {"security": [{"key": []}], "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "GET",
        "uri": "arn:aws:apigateway:us-west-2:s3:path/b/a", "credentials": "arn:aws:iam::123456789012:role/store",
        "responses": {"default": {"statusCode": "200"}}}}}}}"#,
    )
    .unwrap();
    let config = folder.path().join("s.toml");
    let text = format!(
        "[server]\nlisten = ['127.0.0.1:0']\nworkers = 1\nstate_dir = 'state'\n[stage]\nname = 'v1'\n\
         [s3]\nendpoint = '{}'\naccess_key_id = 'A'\nsecret_access_key = 'S'\n[[api]]\nfile = 'api.json'\n\
         [[api_key]]\nid = 'partner'\nvalue = '{}'\n\
         [[usage_plan]]\nname = 'gold'\napi_keys = ['partner']\nquota = {{ limit = 3, period = 'MONTH' }}\n",
        store.url(),
        KEY.1
    );
    std::fs::write(&config, text).unwrap();
    let run = |requests: usize| {
        let mut running = Running::start(&mut sluicegate(&[
            "serve",
            "--config",
            config.to_str().unwrap(),
        ]));
        let line = running.lines_until("http://").remove(0);
        let authority = line
            .split("http://")
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        let address = authority.parse().unwrap();
        let ask = |_| told(&fetch(address, "GET", "/v1/a", &[KEY], b""));
        let answers: Vec<String> = (0..requests).map(ask).collect();
        assert_eq!(running.end("TERM"), 0);
        answers
    };
    assert_eq!(run(2), ["200", "200"]);
    assert_eq!(run(2), ["200", EXCEEDED]);
    assert_eq!(run(1), [EXCEEDED]);
    let state = std::fs::read_to_string(folder.path().join("state/quotas.json")).unwrap();
    assert!(
        state.contains("\"used\":3") && !state.contains(KEY.1),
        "{state}"
    );
}

#[test]
fn a_refusal_tells_document_and_log_which_key_it_was() {
    on_each_driver(|driver| {
        let store = accepting();
        let told = json!({"THROTTLED": {"responseTemplates": {
            "application/json": "$context.identity.apiKeyId|$context.identity.apiKey|$context.error.responseType",
        }}, "INVALID_API_KEY": {"responseTemplates": {
            "application/json": "$context.identity.apiKeyId|$context.identity.apiKey|$context.error.responseType",
        }}});
        let text = keyed_text().replacen(
            "\"components\"",
            &format!("\"x-amazon-apigateway-gateway-responses\": {told}, \"components\""),
            1,
        );
        let table = table_of("keyed", &text, "v1");
        let rules = Rules {
            plans: Some(vec![plan_of(&["partner"], Some(1), None)]),
            ..Rules::default()
        };
        let mut settings = metered_table(table, driver, &store, under(&rules));
        let format = "$context.requestId $context.identity.apiKeyId $context.identity.apiKey \
                      $context.error.responseType $context.error.message";
        let (log, batches) = AccessLog::new(AccessLogFormat::compile(format).unwrap());
        settings.access_log = Some(log);
        let gateway = Gateway::start(settings);
        let ask = |fields: &[(&str, &str)]| {
            let answer = fetch(gateway.address, "GET", "/v1/k/a", fields, b"");
            let wait = std::time::Duration::from_secs(120);
            let line = String::from_utf8(batches.recv_timeout(wait).unwrap()).unwrap();
            let line = line.trim_end().split_once(' ').unwrap().1.to_owned();
            (
                answer.status(),
                String::from_utf8(answer.body).unwrap(),
                line,
            )
        };
        assert_eq!(ask(&[KEY]).2, "partner **********ghij - -");
        let (status, body, line) = ask(&[KEY]);
        assert_eq!(status, 429);
        assert_eq!(body, format!("partner|{}|THROTTLED", KEY.1));
        assert_eq!(
            line,
            "partner **********ghij THROTTLED Too\\u0020Many\\u0020Requests"
        );
        let (status, body, line) = ask(&[]);
        assert_eq!((status, body.as_str()), (403, "||INVALID_API_KEY"));
        assert_eq!(line, "- - INVALID_API_KEY Forbidden");
    });
}
