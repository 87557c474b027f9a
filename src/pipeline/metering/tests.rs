use serde_json::{Value, json};

use super::*;
use crate::api::table::Table;
use crate::pipeline::authorize::{BodyArrival, CallerPolicy};
use crate::pipeline::metering::api_keys::ApiKey;
use crate::pipeline::route::{Route, route};
use crate::pipeline::sample;

const VALUE: &str = "0123456789abcdefghij";
const DISABLED: &str = "disabled-disabled-disabled";

fn metering() -> Metering {
    let mut api_keys = ApiKeys::default();
    for (id, value) in [("partner", VALUE), ("former", DISABLED)] {
        let key = ApiKey {
            id: id.to_owned(),
            enabled: value == VALUE,
        };
        api_keys.add(key, value).unwrap();
    }
    Metering {
        api_keys: Arc::new(api_keys),
        ..Metering::default()
    }
}

/// `/v1/{item}` with a method that asks for a key.
fn keyed(change: impl FnOnce(&mut Value)) -> Table {
    sample::one_method_with(json!({}), |document| {
        document["securityDefinitions"] =
            json!({"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
        document["paths"]["/{item}"]["x-amazon-apigateway-any-method"]["security"] =
            json!([{"key": []}]);
        change(document);
    })
}

/// `open` with what `context.identity` tells of the key, or status, error type and body.
fn outcome(table: &Table, fields: &[(&str, &str)], asks_for_keys: bool) -> String {
    let metering = metering();
    let head = sample::head("GET", "/v1/x", fields);
    let Ok(Route::Method(routed)) = route(table, &head) else {
        panic!("no route");
    };
    let ids = sample::ids();
    let context = sample::context(&ids);
    let admission = routed
        .authorize(
            CallerPolicy::IgnoreAuthorizers,
            &context,
            BodyArrival::Nothing,
        )
        .unwrap();
    let meter = Meter {
        metering: &metering,
        asks_for_keys,
        now: Moment {
            unix: context.time,
            monotonic_us: 0,
        },
    };
    match admission.meter(meter) {
        Ok(Passage::Open(metered)) => {
            let variables = metered.0.request.variables(&context);
            let known = ["apiKeyId", "apiKey"].map(|name| {
                let value = variables.look_up(&format!("identity.{name}")).value();
                value.map_or_else(
                    || "null".to_owned(),
                    |v| String::from_utf8_lossy(&v).into_owned(),
                )
            });
            format!("open {}", known.join(" "))
        }
        Ok(Passage::AwaitsBody(_)) => panic!("nobody was to be verified"),
        Err(fault) => {
            let response = fault.render(&context);
            let error_type = response.fields.get(b"x-amzn-errortype").unwrap_or_default();
            let text = String::from_utf8_lossy;
            format!(
                "{} {} {}",
                response.status,
                text(error_type),
                text(&response.body)
            )
        }
    }
}

const FORBIDDEN: &str = "403 ForbiddenException {\"message\":\"Forbidden\"}";

#[test]
fn a_method_that_asks_for_a_key_wants_one_that_is_known_and_enabled() {
    let table = keyed(|_| ());
    let with = |value| outcome(&table, &[("X-API-Key", value)], true);
    assert_eq!(with(VALUE), format!("open partner {VALUE}"));
    for refused in [
        DISABLED,
        "",
        "0123456789abcdefghi",
        "0123456789abcdefghijk",
        "partner",
    ] {
        assert_eq!(with(refused), FORBIDDEN, "{refused}");
    }
    assert_eq!(outcome(&table, &[], true), FORBIDDEN);
    assert_eq!(
        outcome(&table, &[("Authorization", VALUE)], true),
        FORBIDDEN
    );
}

#[test]
fn the_last_field_counts() {
    let table = keyed(|_| ());
    let both = |first, last| outcome(&table, &[("x-api-key", first), ("x-api-key", last)], true);
    assert_eq!(both(DISABLED, VALUE), format!("open partner {VALUE}"));
    assert_eq!(both(VALUE, DISABLED), FORBIDDEN);
}

#[test]
fn a_key_that_nobody_asked_for_is_not_looked_at() {
    let open = sample::one_method(json!({}));
    for value in [VALUE, "nonsense"] {
        let fields = [("x-api-key", value)];
        assert_eq!(outcome(&open, &fields, true), "open null null");
        assert_eq!(outcome(&keyed(|_| ()), &fields, false), "open null null");
    }
}

#[test]
fn no_authorizer_tells_a_key() {
    let table = keyed(|document| {
        document["x-amazon-apigateway-api-key-source"] = json!("AUTHORIZER");
    });
    assert_eq!(outcome(&table, &[("x-api-key", VALUE)], true), FORBIDDEN);
    assert_eq!(outcome(&table, &[], false), "open null null");
}
