//! What `/config` says of limits: of connections, of requests, of callers. Numbers and names, no value of a key.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::net::address::ListenAt;
use crate::net::upstream::pool::PoolLimits;
use crate::pipeline::metering::bucket::Throttle;
use crate::pipeline::metering::limiters::Rules;
use crate::pipeline::metering::limiters::ThrottleRules;
use crate::pipeline::metering::limiters::UsagePlan;
use crate::pipeline::metering::quota::Quota;
use crate::serve::settings::Edge;
use crate::serve::settings::TlsListen;

/// How connections of clients come in.
#[must_use]
pub fn edge(edge: &Edge) -> Value {
    let proxies = edge.trusted_proxies.iter();
    let of_address = edge.caps.of_address.as_ref();
    json!({
        "connections": edge.caps.total_max,
        "connections_per_address": of_address.map(|cap| cap.connections_max()),
        "trusted_proxies": proxies.map(ToString::to_string).collect::<Vec<_>>(),
        "proxy_listen": shown(&edge.proxy_listen),
        "tls": edge.tls.iter().map(tls).collect::<Vec<_>>(),
    })
}

fn tls(listen: &TlsListen) -> Value {
    let ends = listen.server.certificate_ends();
    json!({
        "listen": shown(&listen.at),
        "certificates": listen.chain_files,
        "certificate_ends": ends.iter().map(|end| end.0).collect::<Vec<_>>(),
        "client_certificate_required": listen.knows_clients,
        "proxy_protocol": listen.proxy_protocol,
    })
}

fn shown(addresses: &[ListenAt]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Of each worker towards each upstream.
#[must_use]
pub fn upstream(limits: &PoolLimits) -> Value {
    json!({
        "connections": limits.connections_max,
        "pending": limits.pending_max,
        "retries": limits.retry_percent,
        "idle_connections_per_address": limits.idle_count_max,
        "idle_ms": limits.idle_ms_max,
    })
}

/// Throttles and plans of a document; keys only by their count.
#[must_use]
pub fn metering(rules: &Rules) -> Value {
    let plans = rules.plans.as_deref().unwrap_or_default();
    json!({
        "account": rules.account.as_ref().map(throttle),
        "throttle": throttles(&rules.stage),
        "usage_plans": plans.iter().map(plan).collect::<Vec<_>>(),
    })
}

fn plan(plan: &UsagePlan) -> Value {
    json!({
        "name": plan.name,
        "api_keys": plan.api_keys.len(),
        "throttle": throttles(&plan.throttles),
        "quota": plan.quota.as_ref().map(quota),
    })
}

fn throttles(rules: &ThrottleRules) -> Value {
    let methods = rules.methods.iter();
    let methods = methods.map(|own| (own.name.clone(), throttle(&own.throttle)));
    json!({
        "whole": rules.whole.as_ref().map(throttle),
        "methods": methods.collect::<Map<String, Value>>(),
    })
}

fn throttle(throttle: &Throttle) -> Value {
    json!({ "rate": throttle.rate(), "burst": throttle.burst() })
}

fn quota(quota: &Quota) -> Value {
    json!({ "limit": quota.limit(), "offset": quota.offset(), "period": quota.period().name() })
}
