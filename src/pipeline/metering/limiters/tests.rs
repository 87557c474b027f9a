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
