//! `[[usage_plan]]` and `[throttle]` as rules for each document's stage.

use std::collections::HashMap;
use std::collections::HashSet;

use toml::Spanned;

use crate::api::table::Table;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::plan_sections::RateSection;
use crate::app::settings::plan_sections::ThrottleSection;
use crate::app::settings::plan_sections::UsagePlanSection;
use crate::pipeline::metering::api_keys::ApiKeys;
use crate::pipeline::metering::bucket::Throttle;
use crate::pipeline::metering::limiters::MethodThrottle;
use crate::pipeline::metering::limiters::PLANS_OF_KEY_MAX;
use crate::pipeline::metering::limiters::Rules;
use crate::pipeline::metering::limiters::ThrottleRules;
use crate::pipeline::metering::limiters::USAGE_PLANS_MAX;
use crate::pipeline::metering::limiters::UsagePlan;
use crate::pipeline::metering::quota::Quota;

/// Methods that a fault names as examples.
const METHODS_NAMED: usize = 5;

/// What the file asks to be metered at the table's stage, which is one of `all`.
pub fn rules(
    file: &ConfigFile,
    table: &Table,
    all: &[&Table],
    keys: &ApiKeys,
) -> Result<Rules, SettingsError> {
    let reader = Reader { file, table, all };
    let throttle = file.sections.throttle.as_ref();
    let account = throttle.and_then(|section| section.get_ref().account.as_ref());
    Ok(Rules {
        plans: reader.plans(keys)?,
        stage: match throttle {
            Some(section) => reader.throttles(section, "throttle")?,
            None => ThrottleRules::default(),
        },
        account: match account {
            Some(account) => {
                Some(reader.throttle(*account.get_ref(), account, "throttle.account")?)
            }
            None => None,
        },
    })
}

struct Reader<'f> {
    file: &'f ConfigFile,
    table: &'f Table,
    /// With those beside it.
    all: &'f [&'f Table],
}

impl Reader<'_> {
    fn plans(&self, keys: &ApiKeys) -> Result<Option<Vec<UsagePlan>>, SettingsError> {
        let sections = &self.file.sections.usage_plan;
        if let Some(one_more) = sections.get(USAGE_PLANS_MAX) {
            let message = format!("wanted at most {USAGE_PLANS_MAX} usage plans");
            return Err(self.file.fault(one_more.span(), "usage_plan", message));
        }
        self.check_keys(keys)?;
        let mut names = HashSet::new();
        let mut plans = Vec::new();
        for spanned in sections {
            let section = spanned.get_ref();
            let name = section.name.get_ref().as_str();
            if !names.insert(name) {
                let message = format!("{name} is the name of a usage plan above");
                return Err(self
                    .file
                    .fault(section.name.span(), "usage_plan.name", message));
            }
            // Read even if it is another stage's: its faults are faults.
            let plan = self.plan(section)?;
            if self.covers(section) {
                plans.push(plan);
            }
        }
        if plans.is_empty() && !sections.is_empty() {
            tracing::warn!(
                stage = self.table.stage,
                "no usage plan covers this stage: methods that ask for an API key answer 403 to everybody"
            );
        }
        Ok((!sections.is_empty()).then_some(plans))
    }

    /// Each key is known, in ten plans at most, and in one of this stage at most.
    fn check_keys(&self, keys: &ApiKeys) -> Result<(), SettingsError> {
        let mut plans_of: HashMap<&str, (usize, Option<&str>)> = HashMap::new();
        for section in self.file.sections.usage_plan.iter().map(Spanned::get_ref) {
            let covers = self.covers(section);
            let mut own = HashSet::new();
            for id in &section.api_keys {
                let fault = |message| self.file.fault(id.span(), "usage_plan.api_keys", message);
                let key = id.get_ref().as_str();
                if !keys.has_id(key) {
                    return Err(fault(format!(
                        "found {key}, wanted the id of an [[api_key]]"
                    )));
                }
                if !own.insert(key) {
                    return Err(fault(format!("{key} is in the list already")));
                }
                let (count, here) = plans_of.entry(key).or_default();
                *count += 1;
                if *count > PLANS_OF_KEY_MAX {
                    return Err(fault(format!(
                        "{key} is in more than {PLANS_OF_KEY_MAX} usage plans"
                    )));
                }
                if let (true, Some(other)) = (covers, *here) {
                    let stage = &self.table.stage;
                    return Err(fault(format!(
                        "{key} is in the usage plan {other} too, which covers the stage {stage} as well"
                    )));
                }
                if covers {
                    *here = Some(section.name.get_ref().as_str());
                }
            }
        }
        Ok(())
    }

    fn covers(&self, section: &UsagePlanSection) -> bool {
        let here = |named: &String| match named.split_once(':') {
            Some((api, stage)) => api == self.table.api_id && stage == self.table.stage,
            None => *named == self.table.stage,
        };
        section
            .stages
            .as_ref()
            .is_none_or(|stages| stages.iter().any(here))
    }

    fn plan(&self, section: &UsagePlanSection) -> Result<UsagePlan, SettingsError> {
        let throttles = match &section.throttle {
            Some(throttle) => {
                if let Some(account) = &throttle.get_ref().account {
                    let message = "a usage plan has none; wanted [throttle.account]".to_owned();
                    return Err(self.file.fault(
                        account.span(),
                        "usage_plan.throttle.account",
                        message,
                    ));
                }
                // Of a plan for another stage the methods are not known here.
                if self.covers(section) {
                    self.throttles(throttle, "usage_plan.throttle")?
                } else {
                    ThrottleRules::default()
                }
            }
            None => ThrottleRules::default(),
        };
        let quota = match &section.quota {
            Some(spanned) => {
                let quota = spanned.get_ref();
                let offset = quota.offset.map_or(0, |offset| offset.number());
                let quota = Quota::new(quota.limit.number(), offset, quota.period.0);
                Some(quota.map_err(|fault| {
                    self.file
                        .fault(spanned.span(), "usage_plan.quota.offset", fault.to_string())
                })?)
            }
            None => None,
        };
        Ok(UsagePlan {
            name: section.name.get_ref().as_str().to_owned(),
            api_keys: section
                .api_keys
                .iter()
                .map(|id| id.get_ref().clone())
                .collect(),
            throttles,
            quota,
        })
    }

    fn throttles(
        &self,
        spanned: &Spanned<ThrottleSection>,
        key: &str,
    ) -> Result<ThrottleRules, SettingsError> {
        let section = spanned.get_ref();
        let whole = match (section.rate, section.burst) {
            (Some(rate), Some(burst)) => {
                Some(self.throttle(RateSection { rate, burst }, spanned, key)?)
            }
            (None, None) => None,
            _ => {
                let message = "rate and burst are wanted together".to_owned();
                return Err(self.file.fault(spanned.span(), key, message));
            }
        };
        let mut methods = Vec::new();
        for (name, rate) in &section.method {
            let key = format!("{key}.method");
            let throttle = self.throttle(*rate, name, &key)?;
            let Some(index) = self.method(name, &key)? else {
                continue;
            };
            methods.push(MethodThrottle {
                index,
                name: name.get_ref().clone(),
                throttle,
            });
        }
        Ok(ThrottleRules { whole, methods })
    }

    fn throttle<T>(
        &self,
        section: RateSection,
        place: &Spanned<T>,
        key: &str,
    ) -> Result<Throttle, SettingsError> {
        let throttle = Throttle::new(section.rate.0, section.burst.number());
        throttle.map_err(|fault| self.file.fault(place.span(), key, fault.to_string()))
    }

    /// The place of `GET /{folder}` in the table; `None` if it is a method of another document only.
    fn method(&self, name: &Spanned<String>, key: &str) -> Result<Option<usize>, SettingsError> {
        let text = |method: &crate::api::model::Method| {
            format!("{} {}", method.http_method, method.resource_path)
        };
        let place = |table: &Table| {
            let mut methods = table.methods.iter();
            methods.position(|method| text(method) == *name.get_ref())
        };
        let found = place(self.table);
        if found.is_some() || self.all.iter().any(|table| place(table).is_some()) {
            return Ok(found);
        }
        let methods = &self.table.methods;
        let known: Vec<String> = methods.iter().take(METHODS_NAMED).map(text).collect();
        let more = if methods.len() > METHODS_NAMED {
            ", …"
        } else {
            ""
        };
        let subject = if self.all.len() > 1 {
            "no document has a"
        } else {
            "the document has no"
        };
        let message = format!(
            "{subject} method {:?}; wanted one of its own, as {}{more}",
            name.get_ref(),
            known.join(", ")
        );
        Err(self.file.fault(name.span(), key, message))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::settings::metering;
    use crate::net::clock;
    use crate::pipeline::metering::limiters::Moment;
    use crate::pipeline::metering::limiters::Refusal;

    const KEYS: &str = "[[api_key]]\nid = 'a'\nvalue = '0123456789abcdefghij'\n[[api_key]]\nid = 'b'\nvalue = '0123456789abcdefghik'\n";

    fn table() -> Table {
        let text = r#"{"swagger": "2.0", "info": {"title": "t", "version": "1"}, "basePath": "/v1",
            "paths": {"/{folder}": {"get": {}, "put": {}}}}"#;
        let options = crate::api::openapi::ImportOptions::default();
        crate::api::openapi::import("api", text, &options)
            .unwrap()
            .table
    }

    fn read(text: &str) -> Result<crate::pipeline::metering::Metering, String> {
        let now = Moment {
            unix: clock::now().unix,
            monotonic_us: 0,
        };
        let file = ConfigFile::parse(Path::new("s.toml"), format!("{KEYS}{text}"));
        let metering = file.and_then(|file| metering::read_fresh(&file, &table(), now));
        metering.map_err(|fault| fault.to_string())
    }

    /// Requests of key `a`, or of nobody, to a method until the first refusal.
    fn passed(text: &str, key: Option<&str>, method: usize) -> Result<usize, Refusal> {
        let metering = read(text).unwrap();
        let limiters = &metering.limiters;
        let key = key.map_or(Ok(None), |id| limiters.of_key(id))?;
        let now = Moment {
            unix: clock::now().unix,
            monotonic_us: 0,
        };
        Ok((0..1000)
            .take_while(|_| limiters.take(key, method, now).is_ok())
            .count())
    }

    #[test]
    fn plans_and_throttles_as_in_the_contract() {
        let text = "[[usage_plan]]\nname = 'gold'\napi_keys = ['a']\nthrottle = { rate = 100.0, burst = 20 }\n\
             quota = { limit = 30, period = 'DAY' }\n\
             [usage_plan.throttle.method.'PUT /{folder}']\nrate = 1\nburst = 3\n";
        // An inline table takes no more keys; the same in dotted form.
        assert!(read(text).is_err());
        let text = "[[usage_plan]]\nname = 'gold'\napi_keys = ['a']\nquota = { limit = 30, offset = 5, period = 'DAY' }\n\
             [usage_plan.throttle]\nrate = 100.0\nburst = 20\n\
             [usage_plan.throttle.method.'PUT /{folder}']\nrate = 1\nburst = 3\n\
             [throttle]\nrate = 10\nburst = 50\n[throttle.method.'PUT /{folder}']\nrate = 0.5\nburst = 7\n\
             [throttle.account]\nrate = 10000\nburst = 60\n";
        assert_eq!(passed(text, Some("a"), 0), Ok(20));
        assert_eq!(passed(text, Some("a"), 1), Ok(3));
        assert_eq!(passed(text, Some("b"), 0), Err(Refusal::NotInPlan));
        assert_eq!(passed(text, None, 0), Ok(50));
        assert_eq!(passed(text, None, 1), Ok(7));
        assert_eq!(
            passed("[throttle.account]\nrate = 1\nburst = 60\n", None, 0),
            Ok(60)
        );
        assert_eq!(passed("[throttle]\nrate = 0\nburst = 60\n", None, 0), Ok(0));
        assert_eq!(passed("", Some("a"), 0), Ok(1000));
    }

    #[test]
    fn a_plan_covers_the_stages_that_it_names() {
        let plan = |stages: &str| {
            format!("[[usage_plan]]\nname = 'gold'\napi_keys = ['a']\nstages = [{stages}]\n")
        };
        let id = table().api_id;
        for covering in [
            "'v1'".to_owned(),
            "'v2', 'v1'".to_owned(),
            format!("'{id}:v1'"),
        ] {
            assert_eq!(
                passed(&plan(&covering), Some("a"), 0),
                Ok(1000),
                "{covering}"
            );
        }
        for other in ["", "'v2'", "'other:v1'"] {
            assert_eq!(
                passed(&plan(other), Some("a"), 0),
                Err(Refusal::NotInPlan),
                "{other}"
            );
        }
        let both = format!(
            "{}[[usage_plan]]\nname = 'silver'\napi_keys = ['a']\nstages = ['v2']\n",
            plan("'v1'")
        );
        assert_eq!(passed(&both, Some("a"), 0), Ok(1000));
    }

    const PLAN: &str = "[[usage_plan]]\nname = 'gold'\napi_keys = ['a']\n";

    fn assert_faults(faults: &[(&str, &str)]) {
        for (text, start) in faults {
            let fault = read(text).map(drop).unwrap_err();
            assert!(fault.starts_with(start), "{text}: {fault}");
        }
    }

    #[test]
    fn a_plan_that_cannot_be_is_named_with_its_place() {
        assert_faults(&[
            (
                "[[usage_plan]]\napi_keys = []\n",
                "s.toml:7:1: usage_plan: missing field `name`",
            ),
            (
                "[[usage_plan]]\nname = 'g'\napi_keys = ['a', 'c']\n",
                "s.toml:9:18: usage_plan.api_keys: found c",
            ),
            (
                "[[usage_plan]]\nname = 'g'\napi_keys = ['a', 'a']\n",
                "s.toml:9:18: usage_plan.api_keys: a is in the list",
            ),
            (
                &format!("{PLAN}[[usage_plan]]\nname = 'gold'\n"),
                "s.toml:11:8: usage_plan.name: gold is the name",
            ),
            (
                &format!("{PLAN}[[usage_plan]]\nname = 'g'\napi_keys = ['a']\n"),
                "s.toml:12:13: usage_plan.api_keys: a is in the usage plan gold too",
            ),
        ]);
        for (line, start) in [
            (
                "quota = { limit = 5 }",
                "s.toml:10:9: usage_plan.quota: missing field `period`",
            ),
            (
                "quota = { limit = 5, period = 'YEAR' }",
                "s.toml:10:31: usage_plan.quota.period: wanted \"DAY\"",
            ),
            (
                "quota = { limit = 5, offset = 6, period = 'DAY' }",
                "s.toml:10:9: usage_plan.quota.offset: wanted no more",
            ),
            (
                "throttle.account = { rate = 1.0, burst = 1 }",
                "s.toml:10:20: usage_plan.throttle.account: a usage plan has none",
            ),
        ] {
            assert_faults(&[(&format!("{PLAN}{line}\n"), start)]);
        }
    }

    #[test]
    fn a_throttle_that_cannot_be_is_named_with_its_place() {
        for (value, start) in [
            (
                "{ rate = 1.0 }",
                "s.toml:10:12: usage_plan.throttle: rate and burst",
            ),
            (
                "{ rate = -1.0, burst = 1 }",
                "s.toml:10:21: usage_plan.throttle.rate: found -1",
            ),
            (
                "{ rate = nan, burst = 1 }",
                "s.toml:10:21: usage_plan.throttle.rate: found NaN",
            ),
            (
                "{ rate = 1.0, burst = -1 }",
                "s.toml:10:34: usage_plan.throttle.burst: invalid value",
            ),
            (
                "{ rate = 1.0, burst = 1.5 }",
                "s.toml:10:34: usage_plan.throttle.burst: found float",
            ),
        ] {
            assert_faults(&[(&format!("{PLAN}throttle = {value}\n"), start)]);
        }
        assert_faults(&[
            (
                "[throttle]\nburst = 1\n",
                "s.toml:7:1: throttle: rate and burst",
            ),
            (
                "[throttle]\nrats = 1\n",
                "s.toml:8:1: throttle: unknown field `rats`",
            ),
            (
                "[throttle.method.'GET /x']\nrate = 1\nburst = 1\n",
                "s.toml:7:18: throttle.method: the document has no method \"GET /x\"; wanted one of its own, as GET /{folder}, PUT",
            ),
            ("[throttle.method.'GET /{folder}']\nrate = 1\n", "s.toml:7:"),
        ]);
    }

    #[test]
    fn plans_have_their_limits() {
        let plans = |count: usize, keys: &str| -> String {
            (0..count)
                .map(|n| {
                    format!(
                        "[[usage_plan]]\nname = 'p{n}'\nstages = ['s{n}']\napi_keys = [{keys}]\n"
                    )
                })
                .collect()
        };
        assert!(read(&plans(300, "")).is_ok());
        assert!(
            read(&plans(301, ""))
                .map(drop)
                .unwrap_err()
                .contains("usage_plan: wanted at most 300")
        );
        assert!(read(&plans(10, "'a'")).is_ok());
        let fault = read(&plans(11, "'a'")).map(drop).unwrap_err();
        assert!(
            fault.contains("usage_plan.api_keys: a is in more than 10"),
            "{fault}"
        );
    }
}
