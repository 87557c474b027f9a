//! What is known of a request besides its bytes, and the `context.*` names that show it (spec 07, 11).

use std::borrow::Cow;

use crate::api::model::Method;
use crate::api::table::Table;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::pipeline::identity::Identity;
use crate::pipeline::metering::api_keys::AcceptedKey;
use crate::pipeline::request_ids::RequestIds;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::head::RequestHead;

/// Stands for the account of the API (spec README, "account/region of the API").
pub const ACCOUNT_ID: &str = "123456789012";

/// What the connection knows of a request before any stage.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// Request and trace ids.
    pub ids: &'a RequestIds,
    /// When the head was complete.
    pub time: UnixSeconds,
    /// Milliseconds of that second, 0 to 999.
    pub time_millis: u16,
    /// The peer's IP address as text.
    pub source_ip: &'a str,
    /// Whether the request came over TLS.
    pub is_secure: bool,
    /// What is told of the exchange when it is over.
    pub record: &'a ExchangeRecord,
}

impl RequestContext<'_> {
    /// `$context.requestTime`: `24/May/2013:00:00:00 +0000`.
    #[must_use]
    pub fn request_time(&self) -> String {
        request_time(self.time)
    }

    /// `$context.requestTimeEpoch`: milliseconds.
    #[must_use]
    pub const fn epoch_millis(&self) -> u64 {
        self.time.0 * 1_000 + self.time_millis as u64
    }
}

/// A request as far as its stages have come: answers `context.*` and `stageVariables.*`.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// What the connection knows.
    pub context: &'a RequestContext<'a>,
    /// The client's head.
    pub head: &'a RequestHead,
    /// The document.
    pub table: &'a Table,
    /// The stage and the raw path after it, once the stage is known.
    pub staged_path: Option<&'a [u8]>,
    /// The method, once one was found.
    pub method: Option<&'a Method>,
    /// Who calls, once a signature was verified.
    pub caller: Option<&'a Identity>,
    /// The API key, once it was accepted.
    pub api_key: Option<AcceptedKey<'a, 'a>>,
}

/// An answer of [`Variables::look_up`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// There is a value.
    Value(Cow<'a, [u8]>),
    /// API Gateway has the name, this request no value.
    Null,
    /// API Gateway has no such name.
    Unknown,
}

impl<'a> Lookup<'a> {
    /// The value, if there is one.
    #[must_use]
    pub fn value(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null | Self::Unknown => None,
        }
    }
}

impl<'a> Variables<'a> {
    /// The value of `context.NAME`. `context.error.*` is known to gateway responses only.
    #[must_use]
    pub fn look_up(&self, name: &str) -> Lookup<'a> {
        let text = |text: &'a str| Lookup::Value(Cow::Borrowed(text.as_bytes()));
        let bytes = |bytes: Option<&'a [u8]>| {
            bytes.map_or(Lookup::Null, |b| Lookup::Value(Cow::Borrowed(b)))
        };
        let made = |text: String| Lookup::Value(Cow::Owned(text.into_bytes()));
        match name {
            "accountId" => text(ACCOUNT_ID),
            "apiId" => text(&self.table.api_id),
            "domainName" => bytes(self.domain_name()),
            "domainPrefix" => bytes(
                self.domain_name()
                    .and_then(|name| name.split(|&b| b == b'.').next()),
            ),
            "extendedRequestId" => text(self.context.ids.extended_request_id()),
            "httpMethod" => bytes(Some(self.head.method())),
            "identity.sourceIp" => text(self.context.source_ip),
            "identity.userAgent" => bytes(self.head.fields.last(b"user-agent")),
            "path" => bytes(self.path()),
            // also for other versions (spec 02)
            "protocol" => text("HTTP/1.1"),
            "requestId" => text(self.context.ids.request_id()),
            "requestTime" => made(self.context.request_time()),
            "requestTimeEpoch" => made(self.context.epoch_millis().to_string()),
            "resourcePath" => bytes(self.method.map(|method| method.resource_path.as_bytes())),
            "stage" => match self.staged_path {
                Some(_) => text(&self.table.stage),
                None => Lookup::Null,
            },
            "xrayTraceId" => text(self.context.ids.trace_id()),
            _ => match self.caller_value(name) {
                Some(value) => Lookup::Value(Cow::Borrowed(value)),
                None if is_null_here(name) => Lookup::Null,
                None => Lookup::Unknown,
            },
        }
    }

    /// The value of `stageVariables.NAME`.
    #[must_use]
    pub fn stage_variable(&self, name: &str) -> Option<&'a [u8]> {
        self.table.stage_variable(name).map(str::as_bytes)
    }

    /// What `identity.*` tells of a verified caller and an accepted API key.
    fn caller_value(&self, name: &str) -> Option<&'a [u8]> {
        let name = name.strip_prefix("identity.")?;
        let of_caller = self.caller.and_then(|caller| caller.context_value(name));
        of_caller
            .map(str::as_bytes)
            .or_else(|| self.api_key?.context_value(name))
    }

    /// The Host field without its port.
    fn domain_name(&self) -> Option<&'a [u8]> {
        let host = self.head.fields.last(b"host")?;
        let colon = host.iter().rposition(|&byte| byte == b':');
        match colon.and_then(|at| host.split_at_checked(at)) {
            Some((name, port)) if port.iter().skip(1).all(u8::is_ascii_digit) => Some(name),
            _ => Some(host),
        }
    }

    /// `/{stage}` and the raw path as sent; without a stage the target as sent.
    fn path(&self) -> Option<&'a [u8]> {
        self.staged_path
            .or_else(|| self.head.target().split(|&byte| byte == b'?').next())
    }
}

/// Names that API Gateway has and that this version never fills.
fn is_null_here(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "awsEndpointRequestId",
        "deploymentId",
        "isCanaryRequest",
        "resourceId",
        "responseLatency",
        "responseLength",
        "status",
        "webaclArn",
    ];
    const FAMILIES: [&str; 10] = [
        "authenticate.",
        "authorize.",
        "authorizer.",
        "customDomain.",
        "error.",
        "identity.",
        "integration.",
        "requestOverride.",
        "responseOverride.",
        "waf.",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// `24/May/2013:00:00:00 +0000`
fn request_time(time: UnixSeconds) -> String {
    let date = time.http_date();
    let mut parts = date.split(' ').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    format!("{}/{}/{}:{} +0000", part(), part(), part(), part())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pipeline::sample;

    #[test]
    fn names_of_a_routed_request() {
        let table = sample::one_method(json!({}));
        let head = sample::head("GET", "//v1//a%20b/?q=1", &[("User-Agent", "curl/8")]);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let request = sample::method_request(&table, &head);
        let variables = request.variables(&context);
        for (name, value) in [
            ("accountId", "123456789012"),
            ("apiId", "test-api"),
            ("domainName", "gate.test"),
            ("domainPrefix", "gate"),
            ("httpMethod", "GET"),
            ("identity.sourceIp", "192.0.2.1"),
            ("identity.userAgent", "curl/8"),
            ("path", "/v1//a%20b/"),
            ("protocol", "HTTP/1.1"),
            ("requestId", ids.request_id()),
            ("extendedRequestId", ids.extended_request_id()),
            ("requestTime", "24/May/2013:00:00:00 +0000"),
            ("requestTimeEpoch", "1369353600007"),
            ("resourcePath", "/{item}"),
            ("stage", "v1"),
        ] {
            let found = variables.look_up(name).value().unwrap();
            assert_eq!(String::from_utf8_lossy(&found), value, "{name}");
        }
        assert_eq!(
            variables.stage_variable("var"),
            Some(&b"a stage variable"[..])
        );
        assert_eq!(variables.stage_variable("none"), None);
    }

    #[test]
    fn what_was_not_reached_is_null_and_what_does_not_exist_unknown() {
        let table = sample::one_method(json!({}));
        let head = sample::head("GET", "/v2/a?q", &[]);
        let ids = sample::ids();
        let context = sample::context(&ids);
        let variables = Variables {
            context: &context,
            head: &head,
            table: &table,
            staged_path: None,
            method: None,
            caller: None,
            api_key: None,
        };
        for name in [
            "stage",
            "resourcePath",
            "identity.userAgent",
            "identity.apiKey",
            "status",
        ] {
            assert_eq!(variables.look_up(name), Lookup::Null, "{name}");
        }
        for name in ["", "nope", "stage.x", "Stage"] {
            assert_eq!(variables.look_up(name), Lookup::Unknown, "{name}");
        }
        assert_eq!(variables.look_up("path").value().unwrap(), &b"/v2/a"[..]);
    }
}
