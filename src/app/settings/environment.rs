//! The variables of the environment that are read by name. `SLUICEGATE_…` variables belong to the command line (`app/cli.rs`).

use std::collections::BTreeMap;
use std::collections::HashMap;

/// Every variable that is read here.
const NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_CA_BUNDLE",
    "XDG_DATA_HOME",
    "HOME",
    "NO_COLOR",
    "TERM",
    "COLUMNS",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
];

/// The values at start-up. An empty variable counts as one that is not set.
#[derive(Default)]
pub struct Environment {
    named: BTreeMap<&'static str, String>,
    aws: HashMap<String, String>,
}

/// The variables that the credential chain looks at begin so.
const AWS_PREFIX: &str = "AWS_";

impl Environment {
    /// What the process was started with.
    pub fn of_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this module is the one that reads the environment"
        )]
        let value_of = |name| std::env::var(name).ok();
        Self {
            named: NAMES
                .iter()
                .filter_map(|&name| Some((name, value_of(name)?)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            aws: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .filter(|(name, value)| name.starts_with(AWS_PREFIX) && !value.is_empty())
                .collect(),
        }
    }

    #[cfg(test)]
    /// An environment of these variables alone.
    pub fn of(pairs: &[(&'static str, &str)]) -> Self {
        let owned = pairs.iter().map(|&(name, value)| (name, value.to_owned()));
        let aws = pairs
            .iter()
            .filter(|(name, _)| name.starts_with(AWS_PREFIX));
        Self {
            named: owned.collect(),
            aws: aws
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// The `AWS_…` variables, for the credential chain.
    pub fn aws_variables(&self) -> HashMap<String, String> {
        self.aws.clone()
    }

    /// The value of `name`.
    pub fn value(&self, name: &'static str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }
}
