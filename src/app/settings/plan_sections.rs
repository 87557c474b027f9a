//! `[[api_key]]`, `[[usage_plan]]` and `[throttle]` as the file has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::app::settings::file::FileSecret;
use crate::app::settings::names::VisibleText;
use crate::app::settings::values::Ranged;
use crate::pipeline::metering::bucket::BURST_MAX;
use crate::pipeline::metering::bucket::Throttle;
use crate::pipeline::metering::quota::LIMIT_MAX;
use crate::pipeline::metering::quota::Period;

/// `[[api_key]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// What logs, plans and `$context.identity.apiKeyId` call it.
    pub id: Spanned<VisibleText>,
    /// What clients send in `x-api-key`.
    pub value: Option<FileSecret>,
    /// File that holds the value.
    pub value_file: Option<Spanned<PathBuf>>,
    /// Whether it is taken; it is unless this says no.
    pub enabled: Option<bool>,
}

/// `[[usage_plan]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePlanSection {
    /// Its name.
    pub name: Spanned<VisibleText>,
    /// Ids of `[[api_key]]`.
    #[serde(default)]
    pub api_keys: Vec<Spanned<String>>,
    /// `STAGE` or `API-ID:STAGE`; without the key all.
    pub stages: Option<Vec<String>>,
    /// For each key by itself.
    pub throttle: Option<Spanned<ThrottleSection>>,
    /// For each key by itself.
    pub quota: Option<Spanned<QuotaSection>>,
}

/// `[throttle]`, and `throttle` of a usage plan.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSection {
    /// Requests a second.
    pub rate: Option<Rate>,
    /// Requests at once.
    pub burst: Option<Burst>,
    /// By `GET /{folder}`.
    pub method: BTreeMap<Spanned<String>, RateSection>,
    /// Everything together; `[throttle.account]` only.
    pub account: Option<Spanned<RateSection>>,
}

/// `[throttle.account]`, `[throttle.method."GET /{folder}"]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSection {
    /// Requests a second.
    pub rate: Rate,
    /// Requests at once.
    pub burst: Burst,
}

/// `quota` of a usage plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSection {
    /// Requests in a period.
    pub limit: Ranged<0, LIMIT_MAX>,
    /// Requests fewer in the first period.
    pub offset: Option<Ranged<0, LIMIT_MAX>>,
    /// How long it lasts.
    pub period: PeriodName,
}

/// Requests that a bucket holds.
pub type Burst = Ranged<0, BURST_MAX>;

/// Requests a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate(pub f64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        match Throttle::new(rate, 0) {
            Ok(_) => Ok(Self(rate)),
            Err(fault) => Err(D::Error::custom(format!("found {rate}, {fault}"))),
        }
    }
}

/// `DAY`, `WEEK`, `MONTH`
#[derive(Clone, Copy, Debug)]
pub struct PeriodName(pub Period);

impl<'de> Deserialize<'de> for PeriodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let period = Period::of_name(&name);
        let fault = || D::Error::custom("wanted \"DAY\", \"WEEK\" or \"MONTH\"");
        period.map(Self).ok_or_else(fault)
    }
}
