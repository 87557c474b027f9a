//! `[bench]` of the configuration file: the options of the command, under the same names.

use std::path::PathBuf;

use serde::Deserialize;

use crate::app::bench::args::ArrivalChoice;
use crate::app::bench::args::ConnectionCount;
use crate::app::bench::args::KeyCount;
use crate::app::bench::args::LadderForm;
use crate::app::bench::args::LatencyMs;
use crate::app::bench::args::ObjectBytes;
use crate::app::bench::args::Percent;
use crate::app::bench::args::Rate;
use crate::app::bench::args::RunSeconds;
use crate::app::bench::args::Seed;
use crate::app::bench::args::SignChoice;
use crate::app::bench::args::ThreadCount;
use crate::app::bench::args::WarmUpSeconds;
use crate::app::settings::names::Region;
use crate::app::settings::values::PayloadBytes;

/// `[bench]`; each key is the option of that name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    missing_docs,
    reason = "each key is documented at its option in bench/args.rs"
)]
pub struct BenchSection {
    pub target: Option<String>,
    pub rate: Option<Rate>,
    pub duration: Option<RunSeconds>,
    pub warm_up: Option<WarmUpSeconds>,
    pub connections: Option<ConnectionCount>,
    pub threads: Option<ThreadCount>,
    pub arrivals: Option<ArrivalChoice>,
    pub timeout: Option<RunSeconds>,
    pub seed: Option<Seed>,
    pub mix: Option<String>,
    pub size: Option<ObjectBytes>,
    pub keys: Option<KeyCount>,
    pub bucket: Option<String>,
    pub object_path: Option<String>,
    pub header: Vec<String>,
    pub sign: Option<SignChoice>,
    pub sign_region: Option<Region>,
    pub no_prepare: Option<bool>,
    pub ladder: Vec<LadderForm>,
    pub ladder_only: Option<bool>,
    pub ladder_limit: Option<PayloadBytes>,
    pub p50_max: Option<LatencyMs>,
    pub p99_max: Option<LatencyMs>,
    pub errors_max: Option<Percent>,
    pub html: Option<PathBuf>,
    pub json: Option<bool>,
    pub quiet: Option<bool>,
}
