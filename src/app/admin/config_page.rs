//! `/config`: the settings in force. Of secrets nothing, of key ids the last four characters.

use serde_json::Value;
use serde_json::json;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::answer::JSON;
use crate::app::admin::config_limits;
use crate::app::logging;
use crate::net::clock;
use crate::net::credentials::slot::CredentialSlot;
use crate::serve::apis::Api;
use crate::serve::settings::PayloadSigning;
use crate::serve::settings::ServeSettings;
use crate::serve::settings::Service;

/// Names the shape of the JSON; a change that takes something away gets another number.
const FORMAT: &str = "sluicegate.config/1";
/// Characters of a key id that are shown.
const KEY_ID_SHOWN: usize = 4;

/// The settings of the generation in force.
#[must_use]
pub fn answer(state: &AdminState) -> Answer {
    let generation = state.in_force.generation();
    let settings = &generation.settings;
    let config = json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "generation": generation.number,
        "since": generation.since.0,
        "server": server(state, settings),
        "edge": config_limits::edge(&settings.edge),
        "s3": store(settings),
        "upstream": config_limits::upstream(&settings.upstream),
        "limits": {
            "payload_bytes": settings.limits.payload_bytes_max,
            "header_bytes": settings.limits.header_bytes_max,
            "min_body_rate": settings.timeouts.rates.body_bytes_per_s,
            "min_read_rate": settings.timeouts.rates.read_bytes_per_s,
        },
        "timeouts_ms": {
            "connect": settings.timeouts.connect_ms_max,
            "integration": settings.timeouts.integration_ms_max,
            "header": settings.timeouts.header_ms_max,
            "idle": settings.timeouts.idle_ms_max,
            "rate_grace": settings.timeouts.rates.grace_ms,
        },
        "serves": serves(&settings.service),
    });
    match serde_json::to_string_pretty(&config) {
        Ok(text) => Answer::of(JSON, text),
        Err(fault) => Answer::text(500, &fault.to_string()),
    }
}

fn server(state: &AdminState, settings: &ServeSettings) -> Value {
    let rungs = state.in_force.metrics().cores().iter();
    let rungs: Vec<String> = rungs
        .filter_map(|core| core.rung().map(|rung| rung.to_string()))
        .collect();
    json!({
        "listen": state.addresses,
        "tls_listen": state.tls_addresses,
        "admin": state.admin_address,
        "share_port": settings.edge.share_port,
        "workers": state.in_force.metrics().cores().len(),
        "io_driver": rungs,
        "drain_delay_ms": state.drain_times.delay_ms,
        "drain_timeout_ms": state.drain_times.ms_max,
        "trace_context": settings.edge.trace_context,
        "exports_spans": settings.edge.spans.is_some(),
        "access_log": settings.access_log.is_some(),
        "log_level": logging::level_name(),
    })
}

fn store(settings: &ServeSettings) -> Value {
    let signing = match settings.payload_signing {
        PayloadSigning::Auto | PayloadSigning::AutoOverTls => "auto",
        PayloadSigning::Streaming => "streaming",
        PayloadSigning::Unsigned => "unsigned",
    };
    json!({
        "endpoint": settings.endpoint.to_string(),
        "region": settings.region,
        "payload_signing": signing,
        "credentials": keys(&settings.credentials),
    })
}

/// Whose keys, from where, and the end of the key id.
fn keys(slot: &CredentialSlot) -> Value {
    let now = clock::now().unix;
    let state = slot.state(now);
    let id = slot.with(now, |keys| shown(&keys.access_key_id));
    json!({
        "source": state.source,
        "access_key_id": id.ok(),
        "expires": state.expires.map(|end| end.0),
    })
}

fn shown(id: &str) -> String {
    let count = id.chars().count();
    let hidden = count.saturating_sub(KEY_ID_SHOWN);
    // Of an id that is not longer than what is shown, nothing is.
    let end: String = match hidden {
        0 => String::new(),
        _ => id.chars().skip(hidden).collect(),
    };
    format!("****{end}")
}

fn serves(service: &Service) -> Value {
    match service {
        Service::Sidecar(sidecar) => json!({
            "sidecar": {
                "asks_who_calls": !sidecar.identities.is_empty(),
                "allow_lists": sidecar.allow_lists.len(),
                "domains": sidecar.domains,
            },
        }),
        Service::Gateway(apis) => json!({ "apis": apis.iter().map(api).collect::<Vec<_>>() }),
    }
}

fn api(api: &Api) -> Value {
    let gateway = &api.gateway;
    let table = &gateway.table;
    // Values may hold anything that somebody put there.
    let variables = table.stage_variables.iter().map(|(name, _)| name);
    let slots = gateway.roles.slots();
    let mut roles: Vec<(String, Value)> = slots
        .map(|slot| (slot.name().to_owned(), keys(slot)))
        .collect();
    roles.sort_by(|a, b| a.0.cmp(&b.0));
    json!({
        "name": api.name,
        "host": api.host,
        "title": table.title,
        "id": table.api_id,
        "stage": table.stage,
        "methods": table.methods.len(),
        "stage_variables": variables.collect::<Vec<_>>(),
        "minimum_compression_size": table.minimum_compression_size,
        "resource_policy": table.resource_policy.is_some(),
        "ignore_authorizers": gateway.ignore_authorizers,
        "knows_callers": !gateway.identities.is_empty(),
        "metering": config_limits::metering(gateway.metering.limiters.rules()),
        "has_quotas": gateway.metering.limiters.has_quotas(),
        "roles_with_keys": roles.into_iter().collect::<serde_json::Map<String, Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_id_its_end_is_shown() {
        assert_eq!(shown("AKIAIOSFODNN7EXAMPLE"), "****MPLE");
        assert_eq!(shown("ABCDE"), "****BCDE");
        assert_eq!(shown("ABCD"), "****");
        assert_eq!(shown(""), "****");
    }
}
