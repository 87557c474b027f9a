//! The options of `sluicegate bench`.

use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;
use clap::builder::BoolishValueParser;
use serde::Deserialize;

use crate::app::settings::names::Region;
use crate::app::settings::values::PayloadBytes;
use crate::app::settings::values::Ranged;
use crate::load::workload::KEYS_MAX;

/// Requests a second; 0 is a closed loop.
pub type Rate = Ranged<0, 10_000_000>;
/// Seconds of a run.
pub type RunSeconds = Ranged<1, 86_400>;
/// Seconds before the counted ones.
pub type WarmUpSeconds = Ranged<0, 3_600>;
/// Connections of a run.
pub type ConnectionCount = Ranged<1, 65_536>;
/// Threads of a run.
pub type ThreadCount = Ranged<1, 256>;
/// Distinct objects.
pub type KeyCount = Ranged<1, KEYS_MAX>;
/// Bytes of an object; all bodies of a run stand in memory.
pub type ObjectBytes = Ranged<0, { 1024 * 1024 * 1024 }>;
/// Milliseconds of an objective.
pub type LatencyMs = Ranged<1, 600_000>;
/// A share of requests in percent.
pub type Percent = Ranged<0, 100>;
/// For everything that is random.
pub type Seed = Ranged<0, { i64::MAX as u64 }>;

/// How due moments are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalChoice {
    /// One every 1/rate.
    Constant,
    /// As independent clients would come.
    Poisson,
}

/// What requests are signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignChoice {
    /// Not at all.
    None,
    /// For a store or a sidecar that asks for signatures.
    S3,
    /// For methods that ask for AWS_IAM.
    ExecuteApi,
}

/// A form of the ladder's bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LadderForm {
    /// Stored as sent.
    Raw,
    /// Base64 text that the gateway decodes.
    Base64,
}

/// `sluicegate bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Base URL, with the stage if there is one [default: http://127.0.0.1:8080/v1]
    #[arg(
        long,
        env = "SLUICEGATE_TARGET",
        value_name = "URL",
        hide_env_values = true
    )]
    pub target: Option<String>,
    /// Requests a second, due whether or not earlier ones were answered; 0 for a closed loop [default: 500]
    #[arg(long, env = "SLUICEGATE_RATE", value_name = "N")]
    pub rate: Option<Rate>,
    /// Counted seconds [default: 10]
    #[arg(long, env = "SLUICEGATE_DURATION", value_name = "SECONDS")]
    pub duration: Option<RunSeconds>,
    /// Seconds before the counted ones [default: 2]
    #[arg(long, env = "SLUICEGATE_WARM_UP", value_name = "SECONDS")]
    pub warm_up: Option<WarmUpSeconds>,
    /// Connections [default: 32]
    #[arg(long, env = "SLUICEGATE_CONNECTIONS", value_name = "N")]
    pub connections: Option<ConnectionCount>,
    /// Threads of the load [default: 1]
    #[arg(long, env = "SLUICEGATE_THREADS", value_name = "N")]
    pub threads: Option<ThreadCount>,
    /// How due moments are spread [default: constant]
    #[arg(long, env = "SLUICEGATE_ARRIVALS", value_name = "KIND")]
    pub arrivals: Option<ArrivalChoice>,
    /// Seconds that a request may take [default: 30]
    #[arg(long, env = "SLUICEGATE_TIMEOUT", value_name = "SECONDS")]
    pub timeout: Option<RunSeconds>,
    /// Seed of everything random [default: 1]
    #[arg(long, env = "SLUICEGATE_SEED", value_name = "N")]
    pub seed: Option<Seed>,
    /// What is asked.
    #[command(flatten)]
    pub asked: AskedArgs,
    /// What comes out.
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    /// Configuration file, TOML; its section [bench] has the same keys
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub struct AskedArgs {
    /// Operations and weights, of get, get-json, range, head, put, put-json [default: get=80,put=20]
    #[arg(long, env = "SLUICEGATE_MIX", value_name = "OPERATION=WEIGHT,…")]
    pub mix: Option<String>,
    /// Bytes of an object [default: 1024]
    #[arg(long, env = "SLUICEGATE_SIZE", value_name = "BYTES")]
    pub size: Option<ObjectBytes>,
    /// Distinct objects [default: 100]
    #[arg(long, env = "SLUICEGATE_KEYS", value_name = "N")]
    pub keys: Option<KeyCount>,
    /// What {bucket} stands for [default: sample]
    #[arg(long, env = "SLUICEGATE_BUCKET", value_name = "NAME")]
    pub bucket: Option<String>,
    /// Path of an object behind the base URL [default: /{bucket}/{key}]
    #[arg(long, env = "SLUICEGATE_OBJECT_PATH", value_name = "PATH")]
    pub object_path: Option<String>,
    /// Header field of every request; may be repeated
    #[arg(
        long,
        short = 'H',
        env = "SLUICEGATE_HEADER",
        value_name = "NAME: VALUE",
        hide_env_values = true
    )]
    pub header: Vec<String>,
    /// Sign with the keys of AWS_ACCESS_KEY_ID and its family [default: none]
    #[arg(long, env = "SLUICEGATE_SIGN", value_name = "SERVICE")]
    pub sign: Option<SignChoice>,
    /// Region of the signatures [default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1]
    #[arg(long, env = "SLUICEGATE_SIGN_REGION", value_name = "REGION")]
    pub sign_region: Option<Region>,
    /// Do not put the objects in place that the mix reads
    #[arg(long, env = "SLUICEGATE_NO_PREPARE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub no_prepare: Option<bool>,
}

/// What comes out.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct OutcomeArgs {
    /// Climb the ladder of the payload limit: bodies of one byte under it, at it and over it, sized and chunked
    #[arg(long, env = "SLUICEGATE_LADDER", value_name = "FORM,…", value_delimiter = ',', num_args = 0..=1, require_equals = true, default_missing_value = "raw")]
    pub ladder: Vec<LadderForm>,
    /// Only the ladder, no load
    #[arg(long, env = "SLUICEGATE_LADDER_ONLY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub ladder_only: Option<bool>,
    /// The limit that the ladder climbs around [default: 10485760]
    #[arg(long, env = "SLUICEGATE_LADDER_LIMIT", value_name = "BYTES")]
    pub ladder_limit: Option<PayloadBytes>,
    /// Fail if the median latency is above
    #[arg(long, env = "SLUICEGATE_P50_MAX", value_name = "MILLISECONDS")]
    pub p50_max: Option<LatencyMs>,
    /// Fail if the 99th percentile is above
    #[arg(long, env = "SLUICEGATE_P99_MAX", value_name = "MILLISECONDS")]
    pub p99_max: Option<LatencyMs>,
    /// Fail if more requests than this did not succeed [default: 0]
    #[arg(long, env = "SLUICEGATE_ERRORS_MAX", value_name = "PERCENT")]
    pub errors_max: Option<Percent>,
    /// Write the report as a page
    #[arg(long, env = "SLUICEGATE_HTML", value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the report as JSON instead of text to standard output
    #[arg(long, env = "SLUICEGATE_JSON", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub json: Option<bool>,
    /// No progress while it runs
    #[arg(long, env = "SLUICEGATE_QUIET", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub quiet: Option<bool>,
}
