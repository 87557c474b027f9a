//! Usage plans and throttles in force (spec 11, "Throttling"): what a request takes before it may go on.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::pipeline::metering::bucket::Bucket;
use crate::pipeline::metering::bucket::Throttle;
use crate::pipeline::metering::quota::Quota;
use crate::pipeline::metering::quota::QuotaCounter;
use crate::pipeline::metering::quota::QuotaRecord;
use crate::wire::date::UnixSeconds;

/// Usage plans of one account (spec 11, "Quotas").
pub const USAGE_PLANS_MAX: usize = 300;
/// Usage plans of one key (spec 11, "Quotas").
pub const PLANS_OF_KEY_MAX: usize = 10;

/// When a request is metered.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the calendar, for quotas.
    pub unix: UnixSeconds,
    /// Microseconds that only grow, for throttles.
    pub monotonic_us: u64,
}

/// A throttle for all methods, and others that replace it for some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThrottleRules {
    /// One bucket for all methods without their own.
    pub whole: Option<Throttle>,
    /// One bucket for each of these.
    pub methods: Vec<MethodThrottle>,
}

/// The throttle of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodThrottle {
    /// The place in `Table::methods`.
    pub index: usize,
    /// `GET /{folder}`: what the bucket is known by when the document is another.
    pub name: String,
    /// Rate and burst.
    pub throttle: Throttle,
}

/// A usage plan of the stage.
#[derive(Clone, Debug, PartialEq)]
pub struct UsagePlan {
    /// Its name.
    pub name: String,
    /// Ids of the keys in it. A key is in one plan of a stage at most.
    pub api_keys: Vec<String>,
    /// For each key by itself.
    pub throttles: ThrottleRules,
    /// For each key by itself.
    pub quota: Option<Quota>,
}

/// All that is to be metered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The plans of the stage; `None` if there are none anywhere, so that each key is taken without limit.
    pub plans: Option<Vec<UsagePlan>>,
    /// The stage's throttles.
    pub stage: ThrottleRules,
    /// One bucket for everything.
    pub account: Option<Throttle>,
}

/// What was counted before these rules came into force.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earlier<'a> {
    /// By this process for this document: all its buckets and counts go on.
    pub limiters: Option<&'a Limiters>,
    /// By this process for documents at all, these rules' siblings first: what a key has of its plan, and the account, are
    /// one for all documents.
    pub counted: &'a [&'a Limiters],
    /// By an earlier process: counts go on.
    pub records: &'a [QuotaRecord],
}

impl<'a> Earlier<'a> {
    /// Where the state that documents share is looked for, in this order.
    fn shared(&self) -> impl Iterator<Item = &'a Limiters> {
        self.counted.iter().copied().chain(self.limiters)
    }
}

/// The rules of one document with their buckets and counters, shared by all cores.
#[derive(Debug, Default)]
pub struct Limiters {
    rules: Rules,
    /// By key id. `None`: each key is taken.
    keys: Option<HashMap<String, KeyLimiter>>,
    stage: Throttles,
    account: Option<Bucket>,
}

/// What one key may do.
#[derive(Debug)]
pub struct KeyLimiter {
    plan: String,
    throttles: Throttles,
    quota: Option<QuotaCounter>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is in no plan of the stage.
    NotInPlan,
    /// A bucket is empty.
    Throttled,
    /// The quota is used up.
    QuotaExceeded,
}

impl Limiters {
    /// Full buckets and fresh counts, but for those that were there earlier: the same plan, key and method.
    #[must_use]
    pub fn new(rules: &Rules, earlier: Earlier<'_>, now: Moment) -> Self {
        let before = earlier.limiters;
        let keys = rules.plans.as_ref().map(|plans| {
            let mut keys = HashMap::new();
            for (plan, id) in plans
                .iter()
                .flat_map(|plan| plan.api_keys.iter().map(move |id| (plan, id)))
            {
                keys.entry(id.clone())
                    .or_insert_with(|| KeyLimiter::new(plan, id, earlier, now));
            }
            keys
        });
        let account = rules.account.map(|throttle| {
            let before = earlier.shared().find_map(|other| other.account.as_ref());
            bucket(throttle, before, now)
        });
        Self {
            rules: rules.clone(),
            keys,
            stage: Throttles::new(
                &rules.stage,
                before.and_then(|before| before.stage.whole.as_ref()),
                before.map(|before| &before.stage),
                now,
            ),
            account,
        }
    }

    /// The rules that they go by.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The limits of an accepted key; `None` if it has none.
    ///
    /// # Errors
    /// [`Refusal::NotInPlan`]
    pub fn of_key(&self, id: &str) -> Result<Option<&KeyLimiter>, Refusal> {
        match &self.keys {
            None => Ok(None),
            Some(keys) => keys.get(id).map(Some).ok_or(Refusal::NotInPlan),
        }
    }

    /// Takes a token of each bucket that the request falls under, and counts it. In the order of spec 11: the key's plan,
    /// the method or the stage, the account. A request that is refused takes nothing.
    ///
    /// # Errors
    /// The first that has no more to give.
    pub fn take(
        &self,
        key: Option<&KeyLimiter>,
        method: usize,
        now: Moment,
    ) -> Result<(), Refusal> {
        let of_plan = key.and_then(|key| key.throttles.of_method(method));
        let quota = key.and_then(|key| key.quota.as_ref());
        let of_stage = self.stage.of_method(method);
        let empty = |bucket: Option<&Bucket>| bucket.is_some_and(|b| !b.take(now.monotonic_us));
        let give_back = |bucket: Option<&Bucket>| bucket.into_iter().for_each(Bucket::give_back);
        if empty(of_plan) {
            return Err(Refusal::Throttled);
        }
        if quota.is_some_and(|quota| !quota.take(now.unix)) {
            give_back(of_plan);
            return Err(Refusal::QuotaExceeded);
        }
        let stage_is_empty = empty(of_stage);
        if stage_is_empty || empty(self.account.as_ref()) {
            if !stage_is_empty {
                give_back(of_stage);
            }
            quota.into_iter().for_each(QuotaCounter::give_back);
            give_back(of_plan);
            return Err(Refusal::Throttled);
        }
        Ok(())
    }

    fn key_of_plan(&self, id: &str, plan: &str) -> Option<&KeyLimiter> {
        let key = self.keys.as_ref()?.get(id)?;
        (key.plan == plan).then_some(key)
    }

    /// Whether a quota counts.
    #[must_use]
    pub fn has_quotas(&self) -> bool {
        self.quotas().next().is_some()
    }

    /// All counts, by plan and key.
    #[must_use]
    pub fn quota_records(&self) -> Vec<QuotaRecord> {
        let record = |(id, plan, quota): (&str, &str, &QuotaCounter)| quota.record(plan, id);
        let mut records: Vec<QuotaRecord> = self.quotas().map(record).collect();
        records.sort_by(|a, b| (&a.plan, &a.api_key).cmp(&(&b.plan, &b.api_key)));
        records
    }

    fn quotas(&self) -> impl Iterator<Item = (&str, &str, &QuotaCounter)> {
        let keys = self.keys.iter().flatten();
        keys.filter_map(|(id, key)| Some((id.as_str(), key.plan.as_str(), key.quota.as_ref()?)))
    }
}

impl KeyLimiter {
    fn new(plan: &UsagePlan, id: &str, earlier: Earlier<'_>, now: Moment) -> Self {
        let before = earlier
            .shared()
            .find_map(|other| other.key_of_plan(id, &plan.name));
        let own = earlier
            .limiters
            .and_then(|own| own.key_of_plan(id, &plan.name));
        let record = |record: &&QuotaRecord| record.plan == plan.name && record.api_key == id;
        let quota = plan.quota.map(|quota| {
            let counted = before.and_then(|before| before.quota.as_ref());
            match (counted, earlier.records.iter().find(record)) {
                (Some(counter), _) => QuotaCounter::succeeding(quota, counter, now.unix),
                (None, Some(record)) => QuotaCounter::restored(quota, record, now.unix),
                (None, None) => QuotaCounter::new(quota, now.unix),
            }
        });
        Self {
            plan: plan.name.clone(),
            throttles: Throttles::new(
                &plan.throttles,
                before.and_then(|before| before.throttles.whole.as_ref()),
                own.map(|own| &own.throttles),
                now,
            ),
            quota,
        }
    }
}

/// The buckets of [`ThrottleRules`].
#[derive(Debug, Default)]
struct Throttles {
    whole: Option<Bucket>,
    /// In the order of `index`.
    methods: Vec<MethodBucket>,
}

#[derive(Debug)]
struct MethodBucket {
    index: usize,
    name: String,
    bucket: Bucket,
}

impl Throttles {
    /// `whole`: the bucket that the one for all goes on from; `before`: those of methods.
    fn new(
        rules: &ThrottleRules,
        whole: Option<&Bucket>,
        before: Option<&Self>,
        now: Moment,
    ) -> Self {
        let of_method = |rule: &MethodThrottle| {
            let known =
                before.and_then(|before| before.methods.iter().find(|b| b.name == rule.name));
            MethodBucket {
                index: rule.index,
                name: rule.name.clone(),
                bucket: bucket(rule.throttle, known.map(|known| &known.bucket), now),
            }
        };
        let mut methods: Vec<MethodBucket> = rules.methods.iter().map(of_method).collect();
        methods.sort_by_key(|method| method.index);
        Self {
            whole: rules.whole.map(|throttle| bucket(throttle, whole, now)),
            methods,
        }
    }

    fn of_method(&self, index: usize) -> Option<&Bucket> {
        let own = self
            .methods
            .binary_search_by_key(&index, |method| method.index);
        let own = own.ok().and_then(|at| self.methods.get(at));
        own.map_or(self.whole.as_ref(), |method| Some(&method.bucket))
    }
}

fn bucket(throttle: Throttle, before: Option<&Bucket>, now: Moment) -> Bucket {
    match before {
        Some(before) => Bucket::succeeding(throttle, before, now.monotonic_us),
        None => Bucket::new(throttle),
    }
}
