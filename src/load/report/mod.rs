//! What a run showed: as text, as JSON, as a page.

pub mod html;
pub mod json;
pub mod plot;
pub mod text;

use std::fmt;

use hdrhistogram::Histogram;

use crate::load::ladder::Step;
use crate::load::recorder::Latencies;
use crate::load::recorder::Recorder;
use crate::load::run::Plan;

/// The percentiles that every report tells.
pub const PERCENTILES: [(f64, &str); 6] = [
    (50.0, "p50"),
    (90.0, "p90"),
    (99.0, "p99"),
    (99.9, "p99.9"),
    (99.99, "p99.99"),
    (100.0, "max"),
];

/// All that a report is made of.
#[derive(Debug)]
pub struct Report<'r> {
    /// What was asked for.
    pub plan: &'r Plan,
    /// The base URL as given.
    pub url: &'r str,
    /// What was seen; `None` if only the ladder was climbed.
    pub run: Option<Measured>,
    /// The ladder's steps.
    pub ladder: Vec<Step>,
    /// What the run had to keep.
    pub objectives: Vec<Objective>,
}

/// What a run saw.
#[derive(Debug)]
pub struct Measured {
    /// All counts.
    pub recorder: Recorder,
    /// All operations together.
    pub all: Latencies,
}

impl Measured {
    /// Adds the operations up.
    ///
    /// # Errors
    /// None in practice, as `Recorder::new`.
    pub fn new(recorder: Recorder) -> Result<Self, hdrhistogram::CreationError> {
        let all = recorder.all()?;
        Ok(Self { recorder, all })
    }

    /// The seconds in which the counted requests ended: the duration, longer if the server fell behind.
    #[must_use]
    pub fn seconds(&self, plan: &Plan) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³ µs")]
        let until_last = self.recorder.last_us as f64 / 1e6 - plan.warm_up.as_secs_f64();
        until_last.max(plan.duration.as_secs_f64())
    }

    /// Requests that ended, a second.
    #[must_use]
    pub fn per_second(&self, plan: &Plan, count: u64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of requests are below 2⁵³"
        )]
        let count = count as f64;
        count / self.seconds(plan)
    }

    /// The share of requests that did not succeed, in percent.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of requests are below 2⁵³"
    )]
    pub fn error_percent(&self) -> f64 {
        let all = self.all.from_due.len().max(1);
        self.recorder.fault_count() as f64 * 100.0 / all as f64
    }
}

/// A latency in milliseconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "latencies are below 2⁵³ µs")]
pub fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// A percentile of a histogram of microseconds, in milliseconds.
#[must_use]
pub fn percentile_ms(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    ms(histogram.value_at_percentile(percentile))
}

/// Something that a run must keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// What is limited.
    pub kind: ObjectiveKind,
    /// The most that is allowed: milliseconds or percent.
    pub max: f64,
}

/// What an [`Objective`] limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectiveKind {
    /// The median latency from the due moment, in milliseconds.
    P50,
    /// The 99th percentile, in milliseconds.
    P99,
    /// The share of requests that did not succeed, in percent.
    Errors,
}

impl Objective {
    /// What was measured of it.
    #[must_use]
    pub fn measured(&self, run: &Measured) -> f64 {
        match self.kind {
            ObjectiveKind::P50 => percentile_ms(&run.all.from_due, 50.0),
            ObjectiveKind::P99 => percentile_ms(&run.all.from_due, 99.0),
            ObjectiveKind::Errors => run.error_percent(),
        }
    }

    /// Whether it was kept.
    #[must_use]
    pub fn is_met(&self, run: &Measured) -> bool {
        self.measured(run) <= self.max
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ObjectiveKind::P50 => write!(f, "p50 at most {} ms", self.max),
            ObjectiveKind::P99 => write!(f, "p99 at most {} ms", self.max),
            ObjectiveKind::Errors => write!(f, "errors at most {} %", self.max),
        }
    }
}

impl Report<'_> {
    /// Whether every objective was kept and every step of the ladder sound.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let kept = self.run.as_ref().is_none_or(|run| {
            self.objectives
                .iter()
                .all(|objective| objective.is_met(run))
        });
        kept && self.ladder.iter().all(|step| step.outcome.is_sound())
    }

    /// `open loop, 1000/s, constant arrivals`
    #[must_use]
    pub fn pace(&self) -> String {
        use crate::load::schedule::Arrivals;
        match (self.plan.rate, self.plan.arrivals) {
            (None, _) => "closed loop (latencies are those of a client that waits)".to_owned(),
            (Some(rate), Arrivals::Constant) => format!("open loop, {rate}/s"),
            (Some(rate), Arrivals::Poisson) => format!("open loop, {rate}/s, Poisson arrivals"),
        }
    }
}
