//! The command line. Every option is also the environment variable `SLUICEGATE_<OPTION>`; what neither names, the
//! configuration file or a default decides (`app/settings`).

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use crate::app::bench::args::BenchArgs;
use crate::app::explain::args::ExplainArgs;
use crate::app::settings::access_log::AccessLogChoice;
use crate::app::settings::admin::AdminChoice;
use crate::app::settings::choices::AddressingStyle;
use crate::app::settings::choices::BasePathChoice;
use crate::app::settings::choices::BodySigning;
use crate::app::settings::choices::ColorChoice;
use crate::app::settings::choices::IoDriver;
use crate::app::settings::choices::LogFormat;
use crate::app::settings::choices::LogLevel;
use crate::app::settings::finding_code::SilencedCode;
use crate::app::settings::names::BucketName;
use crate::app::settings::names::DomainName;
use crate::app::settings::names::Region;
use crate::app::settings::names::StageName;
use crate::app::settings::names::StageVariable;
use crate::app::settings::otlp::CollectorUrl;
use crate::app::settings::otlp::Ratio;
use crate::app::settings::values::ByteRate;
use crate::app::settings::values::ConnectionCap;
use crate::app::settings::values::ConnectionCount;
use crate::app::settings::values::HeaderBytes;
use crate::app::settings::values::ListenAddress;
use crate::app::settings::values::Milliseconds;
use crate::app::settings::values::PayloadBytes;
use crate::app::settings::values::PendingCount;
use crate::app::settings::values::Percent;
use crate::app::settings::values::Seconds;
use crate::app::settings::values::StoreUrl;
use crate::app::settings::values::TrustedRange;
use crate::app::settings::values::WorkerCount;
use crate::app::usage::Unshown;

/// An API Gateway S3 proxy in front of any S3-compatible store.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command: `sluicegate demo`. Exit status: 0 as asked, 1 failed while running, \
    2 wrong usage, 3 bad document or configuration, 4 could not bind, 5 drain timed out."
)]
pub struct Cli {
    /// What to do; nothing is `demo`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `demo`, for when no command is given.
    #[command(flatten)]
    pub demo: DemoArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start an embedded S3 store and the sample API in front of it
    Demo(DemoArgs),
    /// Serve an OpenAPI document in front of an S3 endpoint
    Serve(Box<ServeArgs>),
    /// Say what is wrong in documents, every fault with file:line:column
    Check(CheckArgs),
    /// Print the compiled table of a document
    Routes(RoutesArgs),
    /// Take one request through the gateway, send nothing, and say what each stage decides
    Explain(Box<ExplainArgs>),
    /// Pass S3 requests on to a store, signed with the configured credentials
    Sidecar(SidecarArgs),
    /// Put load on a gateway, a sidecar or a store and report latencies from the moment each request was due
    Bench(BenchArgs),
}

/// `sluicegate serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A document: OpenAPI 3.0 or Swagger 2.0, JSON or YAML; may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_API",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub api: Vec<PathBuf>,
    /// How the documents are read.
    #[command(flatten)]
    pub import: ImportArgs,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Folder that keeps what API keys have used of their quotas [default: none, a restart gives new quotas]
    #[arg(long, env = "SLUICEGATE_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// When settings are read again.
    #[command(flatten)]
    pub reload: ReloadArgs,
    /// How the gateway runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// When settings are read again, beside SIGHUP.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Read everything again when a file that was read changes, as SIGHUP does
    #[arg(long, env = "SLUICEGATE_WATCH", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub watch: Option<bool>,
}

/// `sluicegate sidecar`
#[derive(Debug, Args)]
pub struct SidecarArgs {
    /// Take requests from other machines although nobody is asked who he is
    #[arg(long, env = "SLUICEGATE_ALLOW_UNAUTHENTICATED", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub allow_unauthenticated: Option<bool>,
    /// Name under which clients may put the bucket into the host, as in BUCKET.NAME; may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_DOMAIN",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub domain: Vec<DomainName>,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// When settings are read again.
    #[command(flatten)]
    pub reload: ReloadArgs,
    /// How the sidecar runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `sluicegate demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder of the embedded store [default: $XDG_DATA_HOME/sluicegate or ~/.local/share/sluicegate; ./sluicegate-data if there is no home or it
    /// cannot be written]
    #[arg(long, env = "SLUICEGATE_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Address of the embedded store [default: 127.0.0.1:8333, or a free port]
    #[arg(long, env = "SLUICEGATE_STORE_LISTEN", value_name = "ADDR")]
    pub store_listen: Option<ListenAddress>,
    /// How the gateway runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// `sluicegate check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Documents [default: those of --config]
    #[arg(value_name = "FILE", required_unless_present = "config")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub import: ImportArgs,
    /// How the result is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `sluicegate routes`
#[derive(Debug, Args)]
pub struct RoutesArgs {
    /// Documents [default: those of --config]
    #[arg(value_name = "FILE", required_unless_present = "config")]
    pub files: Vec<PathBuf>,
    /// How they are read.
    #[command(flatten)]
    pub import: ImportArgs,
    /// How the result is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How a command that only tells prints what it tells.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print one JSON document
    #[arg(long, env = "SLUICEGATE_JSON", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub json: Option<bool>,
    /// Colours [default: auto, which is on a terminal and without NO_COLOR]
    #[arg(long, env = "SLUICEGATE_COLOR", value_name = "WHEN")]
    pub color: Option<ColorChoice>,
    /// Configuration file, TOML
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a document is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Document")]
pub struct ImportArgs {
    /// Stage name [default: first segment of the document's base path]
    #[arg(long, env = "SLUICEGATE_STAGE", value_name = "NAME")]
    pub stage: Option<StageName>,
    /// Stage variable; may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_STAGE_VARIABLE",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        hide_env_values = true,
        value_parser = Unshown::<StageVariable>::default()
    )]
    pub stage_variable: Vec<StageVariable>,
    /// What the document's base path does to its routes [default: ignore]
    #[arg(long, env = "SLUICEGATE_BASE_PATH", value_name = "MODE")]
    pub base_path: Option<BasePathChoice>,
    /// Refuse what API Gateway refuses
    #[arg(long, env = "SLUICEGATE_STRICT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub strict: Option<bool>,
    /// Take warnings for errors
    #[arg(long, env = "SLUICEGATE_FAIL_ON_WARNINGS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub fail_on_warnings: Option<bool>,
    /// Leave warnings and hints of this code out (docs/findings.md); may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_ALLOW",
        value_name = "CODE",
        value_delimiter = ','
    )]
    pub allow: Vec<SilencedCode>,
    /// Serve methods that ask for AWS_IAM, an API key or an authorizer, or stand under a resource policy, to anybody
    #[arg(long, env = "SLUICEGATE_IGNORE_AUTHORIZERS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub ignore_authorizers: Option<bool>,
}

/// Where the store is. The keys come from `AWS_ACCESS_KEY_ID` and its family.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// The S3 endpoint, http://host:port or https://host [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS in the region]
    #[arg(long, env = "SLUICEGATE_S3_ENDPOINT", value_name = "URL", hide_env_values = true, value_parser = Unshown::<StoreUrl>::default())]
    pub s3_endpoint: Option<StoreUrl>,
    /// Signing region [default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1]
    #[arg(long, env = "SLUICEGATE_S3_REGION", value_name = "REGION")]
    pub s3_region: Option<Region>,
    /// Where the bucket stands in a request [default: path; virtual-host without an endpoint]
    #[arg(long, env = "SLUICEGATE_S3_ADDRESSING", value_name = "STYLE")]
    pub s3_addressing: Option<AddressingStyle>,
    /// Bucket for s3:path/{key} URIs that name none
    #[arg(long, env = "SLUICEGATE_S3_BUCKET", value_name = "NAME")]
    pub s3_bucket: Option<BucketName>,
    /// Certificate authorities beside the system's for https upstreams, PEM [default: AWS_CA_BUNDLE]
    #[arg(long, env = "SLUICEGATE_S3_CA_FILE", value_name = "FILE")]
    pub s3_ca_file: Option<PathBuf>,
}

/// How the gateway runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub struct RunArgs {
    /// Configuration file, TOML
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on, host:port or unix:/path; may be repeated [default: 127.0.0.1:8080]
    #[arg(
        long,
        env = "SLUICEGATE_LISTEN",
        value_name = "ADDR",
        value_delimiter = ','
    )]
    pub listen: Vec<ListenAddress>,
    /// Address to listen on whose connections begin with a header of the PROXY protocol; may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_PROXY_LISTEN",
        value_name = "ADDR",
        value_delimiter = ','
    )]
    pub proxy_listen: Vec<ListenAddress>,
    /// Address or range of proxies whose word on the client's address counts (PROXY protocol, X-Forwarded-For); may be repeated
    #[arg(
        long,
        env = "SLUICEGATE_TRUSTED_PROXIES",
        value_name = "RANGE",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<TrustedRange>,
    /// Let another process of the same user listen at the same TCP addresses, which is how an upgrade loses no client without a socket unit
    #[arg(long, env = "SLUICEGATE_SHARE_PORT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub share_port: Option<bool>,
    /// Connections of clients that may be open, 0 for no limit [default: 0]
    #[arg(long, env = "SLUICEGATE_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<ConnectionCap>,
    /// Connections that one client address may have, 0 for no limit [default: 0]
    #[arg(long, env = "SLUICEGATE_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<ConnectionCap>,
    /// Threads, each with its own ring and listeners [default: number of cores]
    #[arg(long, env = "SLUICEGATE_WORKERS", value_name = "N")]
    pub workers: Option<WorkerCount>,
    /// Runtime driver [default: auto]
    #[arg(long, env = "SLUICEGATE_IO_DRIVER", value_name = "DRIVER")]
    pub io_driver: Option<IoDriver>,
    /// How bodies are signed towards the store [default: auto]
    #[arg(long, env = "SLUICEGATE_PAYLOAD_SIGNING", value_name = "MODE")]
    pub payload_signing: Option<BodySigning>,
    /// Largest request body in bytes, 0 for no limit [default: 10485760]
    #[arg(long, env = "SLUICEGATE_MAX_PAYLOAD", value_name = "BYTES")]
    pub max_payload: Option<PayloadBytes>,
    /// Largest sum of header names and values in bytes [default: 10240]
    #[arg(long, env = "SLUICEGATE_MAX_HEADER", value_name = "BYTES")]
    pub max_header: Option<HeaderBytes>,
    /// Wait for a connection to the store [default: 5000]
    #[arg(long, env = "SLUICEGATE_CONNECT_TIMEOUT", value_name = "MILLISECONDS")]
    pub connect_timeout: Option<Milliseconds>,
    /// Wait for the first byte of the store's answer [default: 29000]
    #[arg(
        long,
        env = "SLUICEGATE_INTEGRATION_TIMEOUT",
        value_name = "MILLISECONDS"
    )]
    pub integration_timeout: Option<Milliseconds>,
    /// Wait for a request head that has begun [default: 30000]
    #[arg(long, env = "SLUICEGATE_HEADER_TIMEOUT", value_name = "MILLISECONDS")]
    pub header_timeout: Option<Milliseconds>,
    /// Silence within a body or between requests [default: 60000]
    #[arg(long, env = "SLUICEGATE_IDLE_TIMEOUT", value_name = "MILLISECONDS")]
    pub idle_timeout: Option<Milliseconds>,
    /// Bytes of a request body that a client sends each second at least, 0 for no limit [default: 240]
    #[arg(long, env = "SLUICEGATE_MIN_BODY_RATE", value_name = "BYTES")]
    pub min_body_rate: Option<ByteRate>,
    /// Bytes of a response that a client takes each second at least, 0 for no limit [default: 240]
    #[arg(long, env = "SLUICEGATE_MIN_READ_RATE", value_name = "BYTES")]
    pub min_read_rate: Option<ByteRate>,
    /// Wait for a client before these rates count [default: 10000]
    #[arg(long, env = "SLUICEGATE_RATE_GRACE", value_name = "MILLISECONDS")]
    pub rate_grace: Option<Milliseconds>,
    /// Connections of each core to the store, and to each HTTP server [default: 1024]
    #[arg(long, env = "SLUICEGATE_UPSTREAM_CONNECTIONS", value_name = "N")]
    pub upstream_connections: Option<ConnectionCount>,
    /// Requests of each core that wait when all of these are in use; more get 503 [default: 1024]
    #[arg(long, env = "SLUICEGATE_UPSTREAM_PENDING", value_name = "N")]
    pub upstream_pending: Option<PendingCount>,
    /// Requests that are sent again after a connection failed, for a hundred requests; 0 for none [default: 20]
    #[arg(long, env = "SLUICEGATE_UPSTREAM_RETRIES", value_name = "PERCENT")]
    pub upstream_retries: Option<Percent>,
    /// Time for running exchanges after SIGTERM or SIGINT [default: 30]
    #[arg(long, env = "SLUICEGATE_DRAIN_TIMEOUT", value_name = "SECONDS")]
    pub drain_timeout: Option<Seconds>,
    /// Time between SIGTERM or SIGINT and the drain: /readyz says no, requests are still taken [default: 0]
    #[arg(long, env = "SLUICEGATE_DRAIN_DELAY", value_name = "SECONDS")]
    pub drain_delay: Option<Seconds>,
    /// Pass the W3C trace of requests on to the store, as a span of its own; requests without one begin one
    #[arg(long, env = "SLUICEGATE_TRACE_CONTEXT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub trace_context: Option<bool>,
    /// OpenTelemetry collector that gets the spans of requests by OTLP/HTTP, http://host:port [default: OTEL_EXPORTER_OTLP_ENDPOINT]
    #[arg(long, env = "SLUICEGATE_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true, value_parser = Unshown::<CollectorUrl>::default())]
    pub otlp_endpoint: Option<CollectorUrl>,
    /// Part of the requests without a trace of their own that is recorded, 0 to 1 [default: OTEL_TRACES_SAMPLER, 1]
    #[arg(long, env = "SLUICEGATE_OTLP_SAMPLE_RATIO", value_name = "RATIO")]
    pub otlp_sample_ratio: Option<Ratio>,
    /// Least severity that is logged [default: info]
    #[arg(long, env = "SLUICEGATE_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Log lines as text or JSON [default: text on a terminal, else json]
    #[arg(long, env = "SLUICEGATE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Address of health, readiness, metrics and the dashboard, host:port or off [default: 127.0.0.1:9901; off for sidecar]
    #[arg(long, env = "SLUICEGATE_ADMIN", value_name = "ADDR")]
    pub admin: Option<AdminChoice>,
    /// One line for each request: clf, json, or a template of API Gateway's $context variables [default: off]
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG", value_name = "FORMAT")]
    pub access_log: Option<AccessLogChoice>,
    /// File that the access log is appended to; SIGHUP opens it again [default: standard output]
    #[arg(long, env = "SLUICEGATE_ACCESS_LOG_FILE", value_name = "FILE")]
    pub access_log_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["sluicegate"], args].concat())
    }

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_variable() {
        let cli = Cli::command();
        let commands = cli.get_subcommands().chain([&cli]);
        for option in commands.flat_map(clap::Command::get_arguments) {
            let Some(long) = option.get_long() else {
                continue;
            };
            let variable = format!("SLUICEGATE_{}", long.to_uppercase().replace('-', "_"));
            if !["help", "version"].contains(&long) {
                assert_eq!(option.get_env().unwrap(), &OsString::from(variable));
            }
        }
    }

    #[test]
    fn no_command_takes_the_options_of_demo() {
        let cli = parse(&["--data-dir", "d", "--workers", "2"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.demo.run.workers.unwrap().number(), 2);
    }

    #[test]
    fn a_value_out_of_range_names_its_option() {
        let error = parse(&["serve", "--workers", "0"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains("--workers"), "{text}");
        assert!(text.contains("from 1 to 1024"), "{text}");
        assert!(parse(&["serve", "--workers", "1024"]).is_ok());
    }

    #[test]
    fn a_misspelt_option_is_refused_with_a_suggestion() {
        let error = parse(&["serve", "--s3-endpont", "http://a"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownArgument);
        assert!(error.to_string().contains("--s3-endpoint"));
    }

    #[test]
    fn the_admin_listener_takes_an_address_or_off() {
        for taken in ["127.0.0.1:0", "[::1]:9901", "localhost:9901", "off"] {
            assert!(parse(&["serve", "--admin", taken]).is_ok(), "{taken}");
        }
        for refused in ["", "on", "9901", "unix:/run/admin.sock"] {
            let error = parse(&["serve", "--admin", refused]).unwrap_err();
            assert!(error.to_string().contains("--admin"), "{error}");
        }
    }

    #[test]
    fn switches_take_a_value_after_an_equals_sign() {
        let strict = |args: &[&str]| match parse(args).unwrap().command {
            Some(Command::Check(check)) => check.import.strict,
            _ => None,
        };
        assert_eq!(strict(&["check", "--strict", "a.yaml"]), Some(true));
        assert_eq!(strict(&["check", "--strict=false", "a.yaml"]), Some(false));
        assert_eq!(strict(&["check", "a.yaml"]), None);
        for (word, on) in [("1", true), ("yes", true), ("0", false), ("no", false)] {
            let option = format!("--strict={word}");
            assert_eq!(strict(&["check", &option, "a.yaml"]), Some(on), "{word}");
        }
        assert!(parse(&["check", "--strict=2", "a.yaml"]).is_err());
    }
}
