//! What is wrong with the settings, told to the person who can mend it.

use std::fmt;
use std::path::PathBuf;

use crate::app::settings::document::DOCUMENTS_MAX;
use crate::app::settings::names::STAGE_VARIABLES_MAX;

/// A fault in the command line, the environment or the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// A file that an option or key names cannot be read.
    Unreadable {
        /// What the file is, with the option or key that named it.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// The configuration file says something that cannot be.
    File {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The dotted key, if the fault has one.
        key: Option<String>,
        /// Found and wanted.
        message: String,
    },
    /// An environment variable of the AWS family says something that cannot be.
    Variable {
        /// Its name.
        name: &'static str,
        /// Found and wanted.
        message: String,
    },
    /// More stage variables than a stage may have.
    StageVariables {
        /// How many.
        found: usize,
    },
    /// Nothing names a document.
    NoDocument,
    /// More documents than one process serves.
    ManyDocuments {
        /// How many.
        found: usize,
    },
    /// Nothing names a store.
    NoEndpoint,
    /// No place that the chain looks at has keys.
    NoCredentialsAnywhere {
        /// What the chain says.
        told: String,
    },
    /// Half of a pair.
    NoCredentials {
        /// The variable that is absent.
        absent: &'static str,
    },
    /// Listeners with the PROXY protocol, and nobody whose word counts.
    NoTrustedProxies,
    /// Spans are asked for, and traces are not to be followed.
    SpansWithoutTraces,
    /// Spans are asked for of a program that was built without the feature `otlp`.
    NoOtlp,
    /// `[[tls]]` as a whole.
    Tls(String),
    /// A file for the access log, but no format.
    AccessLogFileAlone,
    /// A listen address whose name stands for nothing.
    Unresolved {
        /// The address as given.
        address: String,
        /// The system's words.
        cause: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, path, cause } => {
                write!(f, "{}: cannot read the {what}: {cause}", path.display())
            }
            Self::File {
                path,
                line,
                column,
                key,
                message,
            } => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
                match key {
                    Some(key) => write!(f, "{key}: {message}"),
                    None => f.write_str(message),
                }
            }
            Self::Variable { name, message } => write!(f, "environment variable {name}: {message}"),
            Self::StageVariables { found } => write!(
                f,
                "{found} stage variables from --stage-variable and [stage.variables], wanted at most {STAGE_VARIABLES_MAX}"
            ),
            Self::NoDocument => f.write_str(
                "no document to serve: give --api FILE (or SLUICEGATE_API, or [[api]] in the configuration file)",
            ),
            Self::ManyDocuments { found } => write!(
                f,
                "{found} documents from --api and [[api]], wanted at most {DOCUMENTS_MAX}"
            ),
            Self::NoEndpoint => f.write_str(
                "no store to send to: give --s3-endpoint http://host:port (or AWS_ENDPOINT_URL_S3, or s3.endpoint in the \
                 configuration file)",
            ),
            Self::NoCredentialsAnywhere { told } => write!(
                f,
                "{told}: nothing to sign with. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN if \
                 there is one), AWS_PROFILE, or s3.access_key_id and s3.secret_access_key_file in the configuration file"
            ),
            Self::NoCredentials { absent } => write!(
                f,
                "no credentials for the store: {absent} is not set. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
                 (and AWS_SESSION_TOKEN if there is one), or s3.access_key_id and s3.secret_access_key_file in the \
                 configuration file"
            ),
            Self::NoTrustedProxies => f.write_str(
                "listeners with the PROXY protocol (--proxy-listen, proxy_protocol of [[tls]]) without --trusted-proxies: name the \
                 addresses of the proxies, as 10.0.0.0/8, or their headers would say nothing",
            ),
            Self::SpansWithoutTraces => f.write_str(
                "a collector of spans (--otlp-endpoint, OTEL_EXPORTER_OTLP_ENDPOINT) beside --trace-context=false: spans belong to \
                 traces, so leave one of them out",
            ),
            Self::NoOtlp => f.write_str(
                "--otlp-endpoint: this program was built without the feature otlp, so it exports no spans; build it with \
                 `cargo build --features otlp`, or leave the option out",
            ),
            Self::Tls(message) => write!(f, "[[tls]]: {message}"),
            Self::AccessLogFileAlone => f.write_str(
                "a file for the access log (--access-log-file) without a format: give --access-log clf, json or a template",
            ),
            Self::Unresolved { address, cause } => {
                write!(f, "listen address {address}: the name stands for no address: {cause}")
            }
        }
    }
}
