//! What a run is, from the command line over the file over the defaults.

use std::path::PathBuf;
use std::time::Duration;

use crate::app::bench::args::ArrivalChoice;
use crate::app::bench::args::BenchArgs;
use crate::app::bench::args::LadderForm;
use crate::app::bench::args::SignChoice;
use crate::app::bench::section::BenchSection;
use crate::app::credentials;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::environment::Environment;
use crate::app::settings::file::ConfigFile;
use crate::load::ladder::Form;
use crate::load::outgoing::Service;
use crate::load::outgoing::Signing;
use crate::load::outgoing::header_of;
use crate::load::report::Objective;
use crate::load::report::ObjectiveKind;
use crate::load::run::Plan;
use crate::load::schedule::Arrivals;
use crate::load::target::Target;
use crate::load::workload::KEY_PLACEHOLDER;
use crate::load::workload::Mix;
use crate::load::workload::Workload;

const TARGET_DEFAULT: &str = "http://127.0.0.1:8080/v1";
const RATE_DEFAULT: u64 = 500;
const DURATION_S_DEFAULT: u64 = 10;
const WARM_UP_S_DEFAULT: u64 = 2;
const CONNECTIONS_DEFAULT: usize = 32;
const TIMEOUT_S_DEFAULT: u64 = 30;
const MIX_DEFAULT: &str = "get=80,put=20";
const OBJECT_BYTES_DEFAULT: usize = 1024;
const KEYS_DEFAULT: u64 = 100;
const BUCKET_DEFAULT: &str = "sample";
const OBJECT_PATH_DEFAULT: &str = "/{bucket}/{key}";
const REGION_DEFAULT: &str = "us-east-1";
/// API Gateway's quota for a REST API payload (spec 11).
const LADDER_LIMIT_DEFAULT: u64 = 10 * 1024 * 1024;

/// What `bench` does.
#[derive(Debug)]
pub struct BenchSettings {
    /// The base URL as given.
    pub url: String,
    /// The run.
    pub plan: Plan,
    /// Whether there is a run, or the ladder alone.
    pub runs: bool,
    /// Forms of the ladder; empty for no ladder.
    pub ladder: Vec<Form>,
    /// Bytes that the ladder climbs around.
    pub ladder_limit: u64,
    /// What the run must keep.
    pub objectives: Vec<Objective>,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// JSON instead of text.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
}

impl BenchSettings {
    /// Lays the command line over the file.
    pub fn layered(
        args: &BenchArgs,
        file: &ConfigFile,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let section = &file.sections.bench;
        let url = args.target.clone().or_else(|| section.target.clone());
        let url = url.unwrap_or_else(|| TARGET_DEFAULT.to_owned());
        let target = Target::resolve(&url).map_err(|cause| usage("--target", &cause))?;
        let seconds = |number: Option<u64>, default| Duration::from_secs(number.unwrap_or(default));
        let rate = args
            .rate
            .or(section.rate)
            .map_or(RATE_DEFAULT, |n| n.number());
        let outcome = &args.outcome;
        let ladder = either(&outcome.ladder, &section.ladder);
        let ladder_only = outcome.ladder_only.or(section.ladder_only).unwrap_or(false);
        let plan = Plan {
            target,
            workload: workload(args, section)?,
            signing: signing(args, file, environment)?,
            #[expect(clippy::cast_precision_loss, reason = "at most 10,000,000")]
            rate: (rate > 0).then_some(rate as f64),
            arrivals: match args.arrivals.or(section.arrivals) {
                None | Some(ArrivalChoice::Constant) => Arrivals::Constant,
                Some(ArrivalChoice::Poisson) => Arrivals::Poisson,
            },
            duration: seconds(
                args.duration.or(section.duration).map(|n| n.number()),
                DURATION_S_DEFAULT,
            ),
            warm_up: seconds(
                args.warm_up.or(section.warm_up).map(|n| n.number()),
                WARM_UP_S_DEFAULT,
            ),
            connections: args
                .connections
                .or(section.connections)
                .map_or(CONNECTIONS_DEFAULT, |n| n.count()),
            threads: args.threads.or(section.threads).map_or(1, |n| n.count()),
            timeout: seconds(
                args.timeout.or(section.timeout).map(|n| n.number()),
                TIMEOUT_S_DEFAULT,
            ),
            seed: args.seed.or(section.seed).map_or(1, |n| n.number()),
            prepare: !args
                .asked
                .no_prepare
                .or(section.no_prepare)
                .unwrap_or(false),
        };
        Ok(Self {
            url,
            plan,
            runs: !ladder_only,
            ladder: forms(ladder, ladder_only),
            ladder_limit: outcome
                .ladder_limit
                .or(section.ladder_limit)
                .map_or(LADDER_LIMIT_DEFAULT, |n| n.number()),
            objectives: objectives(args, section),
            html: outcome
                .html
                .clone()
                .or_else(|| section.html.as_ref().map(|path| file.beside(path))),
            json: outcome.json.or(section.json).unwrap_or(false),
            quiet: outcome.quiet.or(section.quiet).unwrap_or(false),
        })
    }
}

/// The command line's list, or the file's if there is none.
fn either<'l, T>(line: &'l [T], file: &'l [T]) -> &'l [T] {
    if line.is_empty() { file } else { line }
}

fn forms(chosen: &[LadderForm], ladder_only: bool) -> Vec<Form> {
    if chosen.is_empty() && ladder_only {
        return vec![Form::Raw];
    }
    let form = |chosen: &LadderForm| match chosen {
        LadderForm::Raw => Form::Raw,
        LadderForm::Base64 => Form::Base64,
    };
    chosen.iter().map(form).collect()
}

fn workload(args: &BenchArgs, section: &BenchSection) -> Result<Workload, Failure> {
    let asked = &args.asked;
    let mix = asked.mix.as_ref().or(section.mix.as_ref());
    let mix: Mix = mix
        .map_or(MIX_DEFAULT, String::as_str)
        .parse()
        .map_err(|cause| usage("--mix", &cause))?;
    let path = asked.object_path.as_ref().or(section.object_path.as_ref());
    let path = path.map_or(OBJECT_PATH_DEFAULT, String::as_str);
    if !path.starts_with('/') || !path.contains(KEY_PLACEHOLDER) {
        return Err(usage(
            "--object-path",
            &format!("'{path}': wanted a path that begins with / and holds {KEY_PLACEHOLDER}"),
        ));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(usage(
            "--object-path",
            &"wanted visible ASCII; other bytes are written as %XX",
        ));
    }
    let bucket = asked.bucket.as_ref().or(section.bucket.as_ref());
    let bucket = bucket.map_or(BUCKET_DEFAULT, String::as_str);
    if bucket.is_empty()
        || !bucket
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    {
        return Err(usage(
            "--bucket",
            &format!("'{bucket}': wanted letters, digits, dots, hyphens and underscores"),
        ));
    }
    let headers = either(&asked.header, &section.header).iter();
    let headers: Result<Vec<_>, String> = headers.map(|text| header_of(text)).collect();
    Ok(Workload::new(
        mix,
        path,
        bucket,
        asked
            .keys
            .or(section.keys)
            .map_or(KEYS_DEFAULT, |n| n.number()),
        asked
            .size
            .or(section.size)
            .map_or(OBJECT_BYTES_DEFAULT, |n| n.count()),
        headers.map_err(|cause| usage("--header", &cause))?,
    ))
}

fn signing(
    args: &BenchArgs,
    file: &ConfigFile,
    environment: &Environment,
) -> Result<Option<Signing>, Failure> {
    let section = &file.sections.bench;
    let service = match args.asked.sign.or(section.sign) {
        None | Some(SignChoice::None) => return Ok(None),
        Some(SignChoice::S3) => Service::S3,
        Some(SignChoice::ExecuteApi) => Service::ExecuteApi,
    };
    let region = args
        .asked
        .sign_region
        .clone()
        .or_else(|| section.sign_region.clone());
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let region = region.map(|region| region.as_str().to_owned()).or_else(|| {
        named
            .iter()
            .find_map(|name| environment.value(name))
            .map(str::to_owned)
    });
    Ok(Some(Signing {
        credentials: credentials::given(environment, file)?,
        region: region.unwrap_or_else(|| REGION_DEFAULT.to_owned()),
        service,
    }))
}

fn objectives(args: &BenchArgs, section: &BenchSection) -> Vec<Objective> {
    #[expect(clippy::cast_precision_loss, reason = "at most 600,000")]
    let of = |kind, max: Option<u64>| {
        max.map(|max| Objective {
            kind,
            max: max as f64,
        })
    };
    let outcome = &args.outcome;
    [
        of(
            ObjectiveKind::P50,
            outcome.p50_max.or(section.p50_max).map(|n| n.number()),
        ),
        of(
            ObjectiveKind::P99,
            outcome.p99_max.or(section.p99_max).map(|n| n.number()),
        ),
        of(
            ObjectiveKind::Errors,
            Some(
                outcome
                    .errors_max
                    .or(section.errors_max)
                    .map_or(0, |n| n.number()),
            ),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn usage(option: &str, cause: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::WrongUsage, format!("{option}: {cause}"))
}
