//! How the gateway runs, whatever it serves.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::app::cli::RunArgs;
use crate::app::settings::access_log::AccessLogSettings;
use crate::app::settings::admin::AdminListen;
use crate::app::settings::choices::BodySigning;
use crate::app::settings::choices::IoDriver;
use crate::app::settings::choices::LogFormat;
use crate::app::settings::choices::LogLevel;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::otlp::OtlpSettings;
use crate::app::settings::tls_section;
use crate::app::settings::values::ConnectionCap;
use crate::app::settings::values::ListenAddress;
use crate::app::signals::DrainTimes;
use crate::net::address::ListenAt;
use crate::net::driver::DriverChoice;
use crate::net::upstream::pool::PoolLimits;
use crate::serve::connection_caps::AddressCap;
use crate::serve::connection_caps::ConnectionCaps;
use crate::serve::settings::ClientRates;
use crate::serve::settings::Edge;
use crate::serve::settings::Limits;
use crate::serve::settings::PayloadSigning;
use crate::serve::settings::Timeouts;

/// Where `serve` and `demo` listen if nothing is said.
pub const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// API Gateway's quota for a REST API payload (spec 11).
pub const PAYLOAD_BYTES_DEFAULT: u64 = 10 * 1024 * 1024;
/// API Gateway's quota for all header names and values (spec 11).
pub const HEADER_BYTES_DEFAULT: usize = 10_240;
/// A store on the same network that takes longer is not there.
pub const CONNECT_MS_DEFAULT: u64 = 5_000;
/// API Gateway's longest integration time-out (spec 11).
pub const INTEGRATION_MS_DEFAULT: u64 = 29_000;
/// Contract: `[timeouts] header`.
pub const HEADER_MS_DEFAULT: u64 = 30_000;
/// Contract: `[timeouts] idle`.
pub const IDLE_MS_DEFAULT: u64 = 60_000;
/// As Kestrel's `MinRequestBodyDataRate`: less than the slowest modem, and more than a trickle.
pub const BODY_RATE_DEFAULT: u32 = 240;
/// As Kestrel's `MinResponseDataRate`.
pub const READ_RATE_DEFAULT: u32 = 240;
/// Three packets in a row that are lost and sent again (1 + 2 + 4 s, RFC 6298 §5), and some time to spare.
pub const RATE_GRACE_MS_DEFAULT: u64 = 10_000;
/// Contract: `--drain-timeout`, in seconds.
pub const DRAIN_S_DEFAULT: u64 = 30;

/// How the gateway runs.
#[derive(Debug)]
pub struct RunSettings {
    /// Empty only if `edge` has listeners.
    pub listen: Vec<ListenAt>,
    /// Whether somebody asked for `listen`; the demo may leave its default for a free port.
    pub listen_is_chosen: bool,
    /// Other listeners, and whom to believe.
    pub edge: Edge,
    /// At least 1.
    pub workers: usize,
    /// Runtime driver.
    pub io_driver: DriverChoice,
    /// How bodies are signed.
    pub payload_signing: PayloadSigning,
    /// Size limits.
    pub limits: Limits,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Connections, waiting requests and retries towards each upstream.
    pub upstream: PoolLimits,
    /// Milliseconds that a drain may take.
    pub drain_ms_max: u64,
    /// Milliseconds before it in which requests are still taken.
    pub drain_delay_ms: u64,
    /// Logging.
    pub log: LogSettings,
    /// Where the admin listener is asked for.
    pub admin: AdminListen,
    /// The access log, if there is one.
    pub access_log: Option<AccessLogSettings>,
    /// Where spans go, if they are asked for: see [`RunSettings::export_spans`].
    pub otlp: Option<OtlpSettings>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Least severity.
    pub level: LogLevel,
    /// `None`: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
}

impl RunSettings {
    /// Lays the command line over the file.
    pub fn layered(args: &RunArgs, file: &ConfigFile) -> Result<Self, SettingsError> {
        let server = &file.sections.server;
        let chosen: &[ListenAddress] = if args.listen.is_empty() {
            server.listen.as_deref().unwrap_or_default()
        } else {
            &args.listen
        };
        let signing = args.payload_signing.or(file.sections.s3.payload_signing);
        let workers = args.workers.or(server.workers);
        let drain_s = args.drain_timeout.or(server.drain_timeout);
        let delay_s = args.drain_delay.or(server.drain_delay);
        let edge = edge(args, file)?;
        let has_others = !edge.tls.is_empty() || !edge.proxy_listen.is_empty();
        let listen = if chosen.is_empty() && has_others {
            Vec::new()
        } else {
            listen_at(chosen)?
        };
        Ok(Self {
            listen,
            edge,
            listen_is_chosen: !chosen.is_empty(),
            workers: workers.map_or_else(cores, |n| n.count()),
            io_driver: args
                .io_driver
                .or(server.io_driver)
                .unwrap_or(IoDriver::Auto)
                .into(),
            payload_signing: signing.unwrap_or(BodySigning::Auto).into(),
            limits: limits(args, file),
            timeouts: timeouts(args, file),
            upstream: upstream(args, file),
            drain_ms_max: drain_s.map_or(DRAIN_S_DEFAULT, |s| s.number()) * 1000,
            drain_delay_ms: delay_s.map_or(0, |s| s.number()) * 1000,
            log: LogSettings {
                level: args
                    .log_level
                    .or(server.log_level)
                    .unwrap_or(LogLevel::Info),
                format: args.log_format.or(server.log_format),
            },
            admin: AdminListen::layered(args.admin.as_ref(), file)?,
            access_log: AccessLogSettings::layered(args, file)?,
            otlp: None,
        })
    }

    /// Spans go there from now on, if there is a place. Traces are followed then.
    pub fn export_spans(&mut self, otlp: Option<OtlpSettings>) {
        self.edge.trace_context |= otlp.is_some();
        self.otlp = otlp;
    }
}

impl RunSettings {
    /// What holds until the process ends, by key, as text to be compared. Names every field: each is here or can change.
    pub fn fixed(&self) -> Vec<(&'static str, String)> {
        let Self {
            listen,
            listen_is_chosen: _,
            edge,
            workers,
            io_driver,
            payload_signing: _,
            limits: _,
            timeouts: _,
            upstream: _,
            drain_ms_max,
            drain_delay_ms,
            log,
            admin,
            access_log,
            otlp,
        } = self;
        let tls = edge.tls.iter();
        let tls: Vec<_> = tls.map(|one| (&one.at, one.proxy_protocol)).collect();
        let log_file = access_log.as_ref().map(|log| &log.file);
        vec![
            ("server.listen", format!("{listen:?}")),
            ("server.proxy_listen", format!("{:?}", edge.proxy_listen)),
            ("tls.listen or tls.proxy_protocol", format!("{tls:?}")),
            ("server.share_port", edge.share_port.to_string()),
            ("server.workers", workers.to_string()),
            ("server.io_driver", format!("{io_driver:?}")),
            ("server.drain_timeout", drain_ms_max.to_string()),
            ("server.drain_delay", drain_delay_ms.to_string()),
            ("server.admin", format!("{admin:?}")),
            ("server.log_level", format!("{:?}", log.level)),
            ("server.log_format", format!("{:?}", log.format)),
            (
                "server.access_log (on or off)",
                access_log.is_some().to_string(),
            ),
            ("server.access_log_file", format!("{log_file:?}")),
            (
                "server.otlp_endpoint or server.otlp_sample_ratio",
                format!("{otlp:?}"),
            ),
        ]
    }
}

impl RunSettings {
    /// How long the way out may take.
    pub fn drain_times(&self) -> DrainTimes {
        DrainTimes {
            delay_ms: self.drain_delay_ms,
            ms_max: self.drain_ms_max,
        }
    }
}

fn limits(args: &RunArgs, file: &ConfigFile) -> Limits {
    let section = &file.sections.limits;
    let payload = args.max_payload.or(section.payload_bytes);
    let header = args.max_header.or(section.header_bytes);
    Limits {
        payload_bytes_max: payload.map_or(PAYLOAD_BYTES_DEFAULT, |n| n.number()),
        header_bytes_max: header.map_or(HEADER_BYTES_DEFAULT, |n| n.count()),
    }
}

fn timeouts(args: &RunArgs, file: &ConfigFile) -> Timeouts {
    let section = &file.sections.timeouts;
    let connect = args.connect_timeout.or(section.connect);
    let integration = args.integration_timeout.or(section.integration);
    let header = args.header_timeout.or(section.header);
    let idle = args.idle_timeout.or(section.idle);
    Timeouts {
        connect_ms_max: connect.map_or(CONNECT_MS_DEFAULT, |n| n.number()),
        integration_ms_max: integration.map_or(INTEGRATION_MS_DEFAULT, |n| n.number()),
        header_ms_max: header.map_or(HEADER_MS_DEFAULT, |n| n.number()),
        idle_ms_max: idle.map_or(IDLE_MS_DEFAULT, |n| n.number()),
        rates: client_rates(args, file),
    }
}

fn client_rates(args: &RunArgs, file: &ConfigFile) -> ClientRates {
    let limits = &file.sections.limits;
    let body = args.min_body_rate.or(limits.min_body_rate);
    let read = args.min_read_rate.or(limits.min_read_rate);
    let grace = args.rate_grace.or(file.sections.timeouts.rate_grace);
    ClientRates {
        body_bytes_per_s: body.map_or(BODY_RATE_DEFAULT, |n| n.per_second()),
        read_bytes_per_s: read.map_or(READ_RATE_DEFAULT, |n| n.per_second()),
        grace_ms: grace.map_or(RATE_GRACE_MS_DEFAULT, |n| n.number()),
    }
}

fn upstream(args: &RunArgs, file: &ConfigFile) -> PoolLimits {
    let section = &file.sections.upstream;
    let connections = args.upstream_connections.or(section.connections);
    let pending = args.upstream_pending.or(section.pending);
    let retries = args.upstream_retries.or(section.retries);
    let default = PoolLimits::default();
    PoolLimits {
        connections_max: connections.map_or(default.connections_max, |n| n.count()),
        pending_max: pending.map_or(default.pending_max, |n| n.count()),
        retry_percent: retries.map_or(default.retry_percent, |n| n.small()),
        ..default
    }
}

fn edge(args: &RunArgs, file: &ConfigFile) -> Result<Edge, SettingsError> {
    let server = &file.sections.server;
    let limits = &file.sections.limits;
    let proxy_listen = if args.proxy_listen.is_empty() {
        &server.proxy_listen
    } else {
        &args.proxy_listen
    };
    let trusted = if args.trusted_proxies.is_empty() {
        &server.trusted_proxies
    } else {
        &args.trusted_proxies
    };
    let total = args.max_connections.or(limits.connections);
    let of_address = args
        .max_connections_per_address
        .or(limits.connections_per_address);
    let limit = |count: Option<ConnectionCap>| count.map(|n| n.count()).filter(|&n| n > 0);
    let cap = |max: usize| Arc::new(AddressCap::new(u32::try_from(max).unwrap_or(u32::MAX)));
    let edge = Edge {
        tls: tls_section::servers(file)?,
        proxy_listen: resolve_all(proxy_listen)?,
        trace_context: args.trace_context.or(server.trace_context) == Some(true),
        spans: None,
        share_port: args.share_port.or(server.share_port) == Some(true),
        trusted_proxies: trusted.iter().map(|range| range.0).collect(),
        caps: ConnectionCaps {
            total_max: limit(total),
            of_address: limit(of_address).map(cap),
        },
    };
    let has_proxies =
        !edge.proxy_listen.is_empty() || edge.tls.iter().any(|listen| listen.proxy_protocol);
    if has_proxies && edge.trusted_proxies.is_empty() {
        return Err(SettingsError::NoTrustedProxies);
    }
    Ok(edge)
}

/// As [`resolve_all`]; the default address if there is none.
fn listen_at(chosen: &[ListenAddress]) -> Result<Vec<ListenAt>, SettingsError> {
    if chosen.is_empty() {
        return Ok(vec![LISTEN_DEFAULT.into()]);
    }
    resolve_all(chosen)
}

/// Looks every name up.
fn resolve_all(chosen: &[ListenAddress]) -> Result<Vec<ListenAt>, SettingsError> {
    let mut addresses = Vec::with_capacity(chosen.len());
    for address in chosen {
        let resolved = address
            .resolve()
            .map_err(|cause| SettingsError::Unresolved {
                address: address.to_string(),
                cause: cause.to_string(),
            })?;
        addresses.extend(resolved);
    }
    Ok(addresses)
}

/// Cores that the process may use; 1 if the system does not tell.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::app::cli::Cli;

    fn layered(args: &[&str], file: &str) -> RunSettings {
        let cli = Cli::try_parse_from([&["sluicegate"], args].concat()).unwrap();
        let file = ConfigFile::parse(Path::new("s.toml"), file.to_owned()).unwrap();
        RunSettings::layered(&cli.demo.run, &file).unwrap()
    }

    #[test]
    fn nothing_said_gives_the_defaults_of_the_contract() {
        let run = layered(&[], "");
        assert_eq!(run.listen, [LISTEN_DEFAULT.into()]);
        assert!(!run.listen_is_chosen);
        assert_eq!(run.limits.payload_bytes_max, 10_485_760);
        assert_eq!(run.limits.header_bytes_max, 10_240);
        assert_eq!(run.timeouts.integration_ms_max, 29_000);
        assert_eq!(run.drain_ms_max, 30_000);
        assert_eq!(run.log.level, LogLevel::Info);
        assert!(run.workers >= 1);
    }

    #[test]
    fn the_file_beats_the_defaults_and_the_command_line_the_file() {
        let file = "[server]\nworkers = 3\nlisten = ['127.0.0.1:1', '127.0.0.1:2']\n[timeouts]\nidle = 7\nheader = 8\n";
        let run = layered(&["--workers", "4", "--idle-timeout", "9"], file);
        assert_eq!(run.workers, 4);
        assert_eq!(run.timeouts.idle_ms_max, 9);
        assert_eq!(run.timeouts.header_ms_max, 8);
        assert_eq!(run.listen.len(), 2);
        assert!(run.listen_is_chosen);
        let run = layered(&["--listen", "127.0.0.1:3"], file);
        assert_eq!(run.listen, [SocketAddr::from(([127, 0, 0, 1], 3)).into()]);
    }

    #[test]
    fn rates_of_clients_are_option_then_file_then_default() {
        let file = "[limits]\nmin_body_rate = 7\nmin_read_rate = 0\n[timeouts]\nrate_grace = 8\n";
        let rates = |args: &[&str], file| {
            let rates = layered(args, file).timeouts.rates;
            (
                rates.body_bytes_per_s,
                rates.read_bytes_per_s,
                rates.grace_ms,
            )
        };
        assert_eq!(rates(&[], ""), (240, 240, 10_000));
        assert_eq!(rates(&[], file), (7, 0, 8));
        let args = [
            "--min-body-rate",
            "0",
            "--min-read-rate",
            "1000000000",
            "--rate-grace",
            "1",
        ];
        assert_eq!(rates(&args, file), (0, 1_000_000_000, 1));
    }

    #[test]
    fn limits_towards_upstreams_are_option_then_file_then_default() {
        let file = "[upstream]\nconnections = 7\npending = 0\nretries = 0\n";
        let limits = |args: &[&str], file| layered(args, file).upstream;
        assert_eq!(limits(&[], ""), PoolLimits::default());
        let of_file = limits(&[], file);
        assert_eq!(
            (
                of_file.connections_max,
                of_file.pending_max,
                of_file.retry_percent
            ),
            (7, 0, 0)
        );
        let args = [
            "--upstream-connections",
            "8",
            "--upstream-pending",
            "9",
            "--upstream-retries",
            "100",
        ];
        let given = limits(&args, file);
        assert_eq!(
            (
                given.connections_max,
                given.pending_max,
                given.retry_percent
            ),
            (8, 9, 100)
        );
    }

    #[test]
    fn other_listeners_need_no_plain_one_and_proxies_somebody_who_is_trusted() {
        let args = [
            "--proxy-listen",
            "127.0.0.1:1",
            "--trusted-proxies",
            "10.0.0.0/8,unix",
        ];
        let run = layered(&args, "[limits]\nconnections = 5\n");
        assert!(run.listen.is_empty());
        assert_eq!(run.edge.proxy_listen.len(), 1);
        assert_eq!(run.edge.trusted_proxies.len(), 2);
        assert_eq!(run.edge.caps.total_max, Some(5));
        assert!(run.edge.caps.of_address.is_none());
        let cli = Cli::try_parse_from(["sluicegate", "--proxy-listen", "127.0.0.1:1"]).unwrap();
        let fault = RunSettings::layered(&cli.demo.run, &ConfigFile::default()).unwrap_err();
        assert_eq!(fault, SettingsError::NoTrustedProxies);
    }

    #[test]
    fn no_payload_limit_is_zero() {
        assert_eq!(
            layered(&["--max-payload", "0"], "")
                .limits
                .payload_bytes_max,
            0
        );
    }
}
