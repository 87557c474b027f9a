//! `--otlp-endpoint`: the collector that gets spans. What else is to be said of it, OpenTelemetry's own variables say
//! (`OTEL_…`, OpenTelemetry's "Environment Variable Specification" and "OTLP Exporter Configuration").

#[cfg(test)]
#[cfg(feature = "otlp")]
mod tests;
#[cfg(test)]
#[cfg(not(feature = "otlp"))]
mod tests_of_lean_builds;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::app::cli::RunArgs;
use crate::app::settings::bounded_file;
use crate::app::settings::environment::Environment;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::values::Ranged;
use crate::app::settings::values::from_text;
use crate::net::tls::trust::Trust;
use crate::net::upstream::endpoint::Endpoint;
use crate::pipeline::spans::sampler::Decision;
use crate::pipeline::spans::sampler::Sampler;
use crate::wire::percent;

/// Where the spans of a collector's base URL go ("OTLP/HTTP", default URL paths).
const TRACES_PATH: &str = "/v1/traces";
/// The collector of `OTEL_TRACES_EXPORTER=otlp` where nothing else is said.
const ENDPOINT_DEFAULT: &str = "http://localhost:4318";
/// `service.name` where nobody gives one.
const SERVICE_DEFAULT: &str = "sluicegate";
/// `OTEL_EXPORTER_OTLP_TIMEOUT` where nothing is said.
const TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// A collector's authorities.
const CA_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What OTEL variables are for all signals, and for traces alone, which win.
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_";

/// The URL of a collector: `http` or `https`, a host, a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(String);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCollectorUrl;

impl fmt::Display for NoCollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "http://host:port or https://host is wanted, with a path behind it or not, without user, query and fragment \
             (a password belongs into OTEL_EXPORTER_OTLP_HEADERS)",
        )
    }
}

impl std::error::Error for NoCollectorUrl {}

impl FromStr for CollectorUrl {
    type Err = NoCollectorUrl;

    fn from_str(text: &str) -> Result<Self, NoCollectorUrl> {
        let scheme_end = text.find("://").ok_or(NoCollectorUrl)?;
        let authority_at = scheme_end.saturating_add(3);
        let rest = text.get(authority_at..).unwrap_or_default();
        let authority_bytes = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_bytes);
        let origin = format!(
            "{}{authority}",
            text.get(..authority_at).unwrap_or_default()
        );
        Endpoint::parse(&origin).map_err(|_told_as_a_whole| NoCollectorUrl)?;
        let is_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>".contains(&byte);
        if !path.bytes().all(is_path) {
            return Err(NoCollectorUrl);
        }
        Ok(Self(format!("{origin}{}", path.trim_end_matches('/'))))
    }
}

impl<'de> Deserialize<'de> for CollectorUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--otlp-sample-ratio`: a part of all, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRatio;

impl fmt::Display for NoRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1 is wanted, as 0.05")
    }
}

impl std::error::Error for NoRatio {}

impl TryFrom<f64> for Ratio {
    type Error = NoRatio;

    fn try_from(number: f64) -> Result<Self, NoRatio> {
        // Also refuses what is no number.
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NoRatio)
        }
    }
}

impl FromStr for Ratio {
    type Err = NoRatio;

    fn from_str(text: &str) -> Result<Self, NoRatio> {
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(NoRatio);
        }
        let number: f64 = text.parse().map_err(|_| NoRatio)?;
        Self::try_from(number)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::try_from(number).map_err(serde::de::Error::custom)
    }
}

/// Fields of each request to the collector. They may hold passwords: `Debug` shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CollectorFields(Vec<(String, String)>);

impl CollectorFields {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for CollectorFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Where spans go, and how.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// Where they are posted.
    pub traces_url: String,
    /// Fields that go along.
    pub fields: CollectorFields,
    /// Whether bodies are compressed by gzip.
    pub gzip: bool,
    /// For a whole call.
    pub timeout: Duration,
    /// Authorities of https collectors.
    pub trust: Trust,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// Attributes of the resource, `service.name` the first.
    pub resource: Vec<(String, String)>,
}

impl OtlpSettings {
    /// Lays the command line over the environment over the file. `None`: no spans are asked for.
    pub fn layered(
        args: &RunArgs,
        environment: &Environment,
        file: &ConfigFile,
    ) -> Result<Option<Self>, SettingsError> {
        if environment.value("OTEL_SDK_DISABLED") == Some("true") {
            return Ok(None);
        }
        let server = &file.sections.server;
        let exporter = match environment.value("OTEL_TRACES_EXPORTER") {
            None => false,
            Some("none") => return Ok(None),
            Some("otlp") => true,
            Some(_) => return refused("OTEL_TRACES_EXPORTER", "otlp or none is wanted"),
        };
        let written = server.otlp_endpoint.as_ref();
        let traces_url = match (&args.otlp_endpoint, of_environment(environment)?, written) {
            (Some(CollectorUrl(base)), _, _) => format!("{base}{TRACES_PATH}"),
            (None, Some(url), _) => url,
            (None, None, Some(CollectorUrl(base))) => format!("{base}{TRACES_PATH}"),
            (None, None, None) if exporter => format!("{ENDPOINT_DEFAULT}{TRACES_PATH}"),
            (None, None, None) => return Ok(None),
        };
        let asked = args.otlp_endpoint.is_some() || written.is_some();
        if !cfg!(feature = "otlp") {
            return without_feature(asked);
        }
        if args.trace_context.or(server.trace_context) == Some(false) {
            return Err(SettingsError::SpansWithoutTraces);
        }
        let ratio = args.otlp_sample_ratio.or(server.otlp_sample_ratio);
        Ok(Some(Self {
            traces_url,
            fields: fields(environment)?,
            gzip: gzip(environment)?,
            timeout: timeout(environment)?,
            trust: trust(environment)?,
            sampler: match ratio {
                Some(Ratio(ratio)) => Sampler {
                    follows_parent: true,
                    otherwise: Decision::Ratio(ratio),
                },
                None => sampler(environment)?,
            },
            resource: resource(environment)?,
        }))
    }
}

/// A variable that is there for every program of a machine asks for nothing that this one could refuse.
fn without_feature(asked: bool) -> Result<Option<OtlpSettings>, SettingsError> {
    if asked {
        return Err(SettingsError::NoOtlp);
    }
    tracing::warn!(
        "OTEL_… variables ask for spans, and this program was built without the feature otlp: none are exported"
    );
    Ok(None)
}

fn refused<T>(name: &'static str, message: &str) -> Result<T, SettingsError> {
    let message = message.to_owned();
    Err(SettingsError::Variable { name, message })
}

/// The variable of traces alone, else that of all signals, with its name.
fn either<'e>(
    environment: &'e Environment,
    of_traces: &'static str,
    of_all: &'static str,
) -> Option<(&'static str, &'e str)> {
    debug_assert!(of_traces.starts_with(OF_TRACES));
    let named = |name| Some((name, environment.value(name)?));
    named(of_traces).or_else(|| named(of_all))
}

/// A URL for traces is taken as it is; one for all signals is a base.
fn of_environment(environment: &Environment) -> Result<Option<String>, SettingsError> {
    const ALONE: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let Some((name, text)) = either(environment, ALONE, "OTEL_EXPORTER_OTLP_ENDPOINT") else {
        return Ok(None);
    };
    let Ok(CollectorUrl(url)) = text.parse() else {
        return refused(name, &NoCollectorUrl.to_string());
    };
    let (traces, all) = (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    );
    match either(environment, traces, all) {
        None | Some((_, "http/protobuf")) => {}
        Some((name, _)) => return refused(name, "http/protobuf is the only protocol spoken here"),
    }
    Ok(Some(if name == ALONE {
        url
    } else {
        format!("{url}{TRACES_PATH}")
    }))
}

fn fields(environment: &Environment) -> Result<CollectorFields, SettingsError> {
    let (traces, all) = (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    );
    let Some((name, text)) = either(environment, traces, all) else {
        return Ok(CollectorFields::default());
    };
    let is_token = |name: &str| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let is_value = |value: &str| value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    match pairs(text) {
        Some(pairs)
            if pairs
                .iter()
                .all(|(name, value)| is_token(name) && is_value(value)) =>
        {
            Ok(CollectorFields(pairs))
        }
        // The text is not shown: it may hold a password.
        _ => refused(
            name,
            "NAME=VALUE[,NAME=VALUE…] is wanted, values percent-encoded",
        ),
    }
}

fn gzip(environment: &Environment) -> Result<bool, SettingsError> {
    let (traces, all) = (
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    );
    match either(environment, traces, all) {
        None | Some((_, "none")) => Ok(false),
        Some((_, "gzip")) => Ok(true),
        Some((name, _)) => refused(name, "gzip or none is wanted"),
    }
}

fn timeout(environment: &Environment) -> Result<Duration, SettingsError> {
    let (traces, all) = (
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    );
    let millis = match either(environment, traces, all) {
        None => TIMEOUT_MS_DEFAULT,
        Some((name, text)) => match text.parse::<Ranged<1, 60_000>>() {
            Ok(millis) => millis.number(),
            Err(fault) => return refused(name, &format!("{fault}, in milliseconds")),
        },
    };
    Ok(Duration::from_millis(millis))
}

fn trust(environment: &Environment) -> Result<Trust, SettingsError> {
    let (traces, all) = (
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
    );
    let Some((_, path)) = either(environment, traces, all) else {
        return Ok(Trust::default());
    };
    let path = Path::new(path);
    let unreadable = |cause: String| SettingsError::Unreadable {
        what: "certificate authorities (OTEL_EXPORTER_OTLP_CERTIFICATE)",
        path: path.to_owned(),
        cause,
    };
    let pem = bounded_file::read_text(path, CA_FILE_BYTES_MAX);
    let pem = pem.map_err(|cause| unreadable(cause.to_string()))?;
    Trust::with_authorities(&pem).map_err(|fault| unreadable(fault.to_string()))
}

fn sampler(environment: &Environment) -> Result<Sampler, SettingsError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let ratio = match environment.value("OTEL_TRACES_SAMPLER_ARG") {
        None => 1.0,
        Some(text) => match text.parse() {
            Ok(Ratio(ratio)) => ratio,
            Err(fault) => return refused("OTEL_TRACES_SAMPLER_ARG", &NoRatio::to_string(&fault)),
        },
    };
    match environment.value(NAME) {
        None => Ok(Sampler::default()),
        Some(name) => Sampler::named(name, ratio).map_or_else(
            || {
                refused(
                    NAME,
                    "always_on, always_off or traceidratio is wanted, with parentbased_ before it or not",
                )
            },
            Ok,
        ),
    }
}

/// `service.name` wins over the same attribute (OpenTelemetry, "General SDK Configuration").
fn resource(environment: &Environment) -> Result<Vec<(String, String)>, SettingsError> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let given = match environment.value(NAME) {
        None => Vec::new(),
        Some(text) => match pairs(text) {
            Some(pairs) => pairs,
            None => {
                return refused(
                    NAME,
                    "NAME=VALUE[,NAME=VALUE…] is wanted, values percent-encoded",
                );
            }
        },
    };
    let named = |wanted: &str| given.iter().find(|(name, _)| name == wanted);
    let service = environment
        .value("OTEL_SERVICE_NAME")
        .or_else(|| named("service.name").map(|(_, value)| value.as_str()))
        .unwrap_or(SERVICE_DEFAULT);
    let mut resource = vec![("service.name".to_owned(), service.to_owned())];
    if named("service.version").is_none() {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        resource.push(("service.version".to_owned(), version));
    }
    resource.extend(given.into_iter().filter(|(name, _)| name != "service.name"));
    Ok(resource)
}

/// `name=value,name=value` with percent-encoded values (W3C Baggage, without properties). `None`: it is not that.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let value = percent::decode(value.trim().as_bytes());
        let name = name.trim();
        (!name.is_empty()).then_some((name.to_owned(), String::from_utf8(value).ok()?))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts.map(pair).collect()
}
