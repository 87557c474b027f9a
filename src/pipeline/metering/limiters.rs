//! Usage plans and throttles in force (spec 11, "Throttling"): what a request takes before it may go on.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::metering::quota::Period;

    const NOW: Moment = Moment {
        unix: UnixSeconds(1_369_353_600),
        monotonic_us: 0,
    };

    /// A bucket that is not refilled within a test.
    fn held(burst: u64) -> Throttle {
        Throttle::new(0.001, burst).unwrap()
    }

    fn plan(name: &str, keys: &[&str]) -> UsagePlan {
        UsagePlan {
            name: name.to_owned(),
            api_keys: keys.iter().map(|&key| key.to_owned()).collect(),
            throttles: ThrottleRules::default(),
            quota: None,
        }
    }

    fn method(index: usize, name: &str, burst: u64) -> MethodThrottle {
        MethodThrottle {
            index,
            name: name.to_owned(),
            throttle: held(burst),
        }
    }

    fn limiters(rules: &Rules) -> Limiters {
        Limiters::new(rules, Earlier::default(), NOW)
    }

    /// Requests of a key to a method until the first refusal, and that.
    fn until_refused(limiters: &Limiters, key: Option<&str>, method: usize) -> (usize, Refusal) {
        let key = key.and_then(|id| limiters.of_key(id).unwrap());
        let mut passed = 0;
        loop {
            match limiters.take(key, method, NOW) {
                Ok(()) => passed += 1,
                Err(refusal) => return (passed, refusal),
            }
        }
    }

    #[test]
    fn without_plans_each_key_passes_and_with_plans_those_in_one() {
        let none = limiters(&Rules::default());
        assert!(none.of_key("anybody").unwrap().is_none());
        assert_eq!(none.take(None, 0, NOW), Ok(()));
        let rules = Rules {
            plans: Some(vec![plan("gold", &["a"])]),
            ..Rules::default()
        };
        let some = limiters(&rules);
        assert!(some.of_key("a").unwrap().is_some());
        assert_eq!(some.of_key("b").unwrap_err(), Refusal::NotInPlan);
        let elsewhere = Rules {
            plans: Some(Vec::new()),
            ..Rules::default()
        };
        assert_eq!(
            limiters(&elsewhere).of_key("a").unwrap_err(),
            Refusal::NotInPlan
        );
    }

    #[test]
    fn each_key_has_its_own_buckets_and_a_method_may_have_another() {
        let mut gold = plan("gold", &["a", "b"]);
        gold.throttles = ThrottleRules {
            whole: Some(held(3)),
            methods: vec![method(7, "GET /z", 1), method(2, "GET /a", 5)],
        };
        let limiters = limiters(&Rules {
            plans: Some(vec![gold]),
            ..Rules::default()
        });
        for key in ["a", "b"] {
            assert_eq!(
                until_refused(&limiters, Some(key), 0),
                (3, Refusal::Throttled)
            );
            assert_eq!(
                until_refused(&limiters, Some(key), 1),
                (0, Refusal::Throttled)
            );
            assert_eq!(
                until_refused(&limiters, Some(key), 2),
                (5, Refusal::Throttled)
            );
            assert_eq!(
                until_refused(&limiters, Some(key), 7),
                (1, Refusal::Throttled)
            );
        }
    }

    #[test]
    fn a_refused_request_takes_nothing_of_the_other_limits() {
        let mut gold = plan("gold", &["a"]);
        gold.throttles.whole = Some(held(4));
        gold.quota = Some(Quota::new(3, 0, Period::Day).unwrap());
        let rules = Rules {
            plans: Some(vec![gold]),
            stage: ThrottleRules {
                whole: Some(held(2)),
                methods: vec![method(1, "GET /a", 100)],
            },
            account: Some(held(10)),
        };
        let limiters = limiters(&rules);
        assert_eq!(
            until_refused(&limiters, Some("a"), 0),
            (2, Refusal::Throttled)
        );
        assert_eq!(
            until_refused(&limiters, Some("a"), 0),
            (0, Refusal::Throttled)
        );
        // Two of the quota of three are used, however often the stage refused.
        assert_eq!(
            until_refused(&limiters, Some("a"), 1),
            (1, Refusal::QuotaExceeded)
        );
        // The quota's refusals took none of the plan's four tokens, and the account has seven left.
        assert_eq!(
            until_refused(&limiters, Some("a"), 1),
            (0, Refusal::QuotaExceeded)
        );
        assert_eq!(until_refused(&limiters, None, 1), (7, Refusal::Throttled));
        let stage = limiters.stage.of_method(1).unwrap();
        assert!((0..92).all(|_| stage.take(0)) && !stage.take(0));
    }

    #[test]
    fn the_plan_is_asked_before_its_quota() {
        let mut gold = plan("gold", &["a"]);
        gold.throttles.whole = Some(held(1));
        gold.quota = Some(Quota::new(1, 0, Period::Day).unwrap());
        let limiters = limiters(&Rules {
            plans: Some(vec![gold]),
            ..Rules::default()
        });
        assert_eq!(
            until_refused(&limiters, Some("a"), 0),
            (1, Refusal::Throttled)
        );
    }

    #[test]
    fn buckets_and_counts_outlive_a_reload_by_their_names() {
        let mut gold = plan("gold", &["a", "b"]);
        gold.throttles.methods = vec![method(0, "GET /a", 3)];
        gold.quota = Some(Quota::new(9, 0, Period::Day).unwrap());
        let mut rules = Rules {
            plans: Some(vec![gold]),
            stage: ThrottleRules {
                whole: Some(held(20)),
                methods: Vec::new(),
            },
            account: Some(held(20)),
        };
        let before = limiters(&rules);
        assert_eq!(
            until_refused(&before, Some("a"), 0),
            (3, Refusal::Throttled)
        );
        // The method stands elsewhere in the new document.
        rules.plans.as_mut().unwrap()[0].throttles.methods[0].index = 5;
        let earlier = Earlier {
            limiters: Some(&before),
            counted: &[],
            records: &[],
        };
        let after = Limiters::new(&rules, earlier, NOW);
        assert_eq!(until_refused(&after, Some("a"), 5), (0, Refusal::Throttled));
        assert_eq!(
            until_refused(&after, Some("a"), 0),
            (6, Refusal::QuotaExceeded)
        );
        assert_eq!(until_refused(&after, Some("b"), 5), (3, Refusal::Throttled));
        assert_eq!(until_refused(&after, None, 0), (8, Refusal::Throttled));
        rules.plans.as_mut().unwrap()[0].name = "silver".to_owned();
        let other = Limiters::new(
            &rules,
            Earlier {
                limiters: Some(&after),
                counted: &[],
                records: &[],
            },
            NOW,
        );
        assert!(
            other
                .of_key("a")
                .unwrap()
                .unwrap()
                .quota
                .as_ref()
                .unwrap()
                .take(NOW.unix)
        );
    }

    #[test]
    fn documents_share_what_a_key_has_of_its_plan_and_the_account_but_no_stage() {
        let mut gold = plan("gold", &["a"]);
        gold.throttles.whole = Some(held(6));
        gold.throttles.methods = vec![method(1, "GET /a", 2)];
        gold.quota = Some(Quota::new(8, 0, Period::Day).unwrap());
        let mut rules = Rules {
            plans: Some(vec![gold]),
            stage: ThrottleRules {
                whole: Some(held(5)),
                methods: Vec::new(),
            },
            account: Some(held(9)),
        };
        let pair = |rules: &Rules, old: &[&Limiters]| {
            let first = Limiters::new(
                rules,
                Earlier {
                    limiters: old.first().copied(),
                    counted: old,
                    records: &[],
                },
                NOW,
            );
            let mut counted = vec![&first];
            counted.extend(old);
            let second = Limiters::new(
                rules,
                Earlier {
                    limiters: old.get(1).copied(),
                    counted: &counted,
                    records: &[],
                },
                NOW,
            );
            (first, second)
        };
        let (one, two) = pair(&rules, &[]);
        // The key's six: four here, two there.
        for _ in 0..4 {
            assert_eq!(one.take(one.of_key("a").unwrap(), 0, NOW), Ok(()));
        }
        assert_eq!(until_refused(&two, Some("a"), 0), (2, Refusal::Throttled));
        assert_eq!(until_refused(&one, Some("a"), 0), (0, Refusal::Throttled));
        // Its method's two are those of one document; with them the quota's eight are used.
        assert_eq!(until_refused(&two, Some("a"), 1), (2, Refusal::Throttled));
        assert_eq!(
            until_refused(&one, Some("a"), 1),
            (0, Refusal::QuotaExceeded)
        );
        // The account's nine: one more. Of its stage's five the first document has used four.
        assert_eq!(until_refused(&one, None, 0), (1, Refusal::Throttled));
        // Under other rates, too, both go on together.
        rules.account = Some(Throttle::new(0.002, 12).unwrap());
        let (one, two) = pair(&rules, &[&one, &two]);
        assert_eq!(
            until_refused(&two, None, 0),
            (1, Refusal::Throttled),
            "its stage's last"
        );
        rules.stage.whole = None;
        let (one, two) = pair(&rules, &[&one, &two]);
        let account = until_refused(&one, None, 0).0 + until_refused(&two, None, 0).0;
        assert_eq!(account, 2, "of twelve, ten are used");
        assert_eq!(two.quota_records()[0].used, 8);
    }

    #[test]
    fn counts_outlive_a_restart() {
        let mut gold = plan("gold", &["a", "b"]);
        gold.quota = Some(Quota::new(5, 0, Period::Week).unwrap());
        let rules = Rules {
            plans: Some(vec![gold]),
            ..Rules::default()
        };
        let before = limiters(&rules);
        assert!(before.has_quotas() && !limiters(&Rules::default()).has_quotas());
        let key = before.of_key("a").unwrap();
        assert_eq!(before.take(key, 0, NOW), Ok(()));
        let records = before.quota_records();
        let used: Vec<(&str, u64)> = records
            .iter()
            .map(|r| (r.api_key.as_str(), r.used))
            .collect();
        assert_eq!(used, [("a", 1), ("b", 0)]);
        let earlier = Earlier {
            limiters: None,
            counted: &[],
            records: &records,
        };
        let after = Limiters::new(&rules, earlier, NOW);
        assert_eq!(
            until_refused(&after, Some("a"), 0),
            (4, Refusal::QuotaExceeded)
        );
        assert_eq!(
            until_refused(&after, Some("b"), 0),
            (5, Refusal::QuotaExceeded)
        );
    }
}
