//! `[[api_key]]`, `[[usage_plan]]`, `[throttle]`: what callers are metered by.

use std::sync::Arc;

use toml::Spanned;

use crate::api::table::Table;
use crate::app::credentials;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::plan_sections::ApiKeySection;
use crate::app::settings::usage_plans;
use crate::pipeline::metering::Metering;
use crate::pipeline::metering::api_keys::API_KEYS_MAX;
use crate::pipeline::metering::api_keys::ApiKey;
use crate::pipeline::metering::api_keys::ApiKeyFault;
use crate::pipeline::metering::api_keys::ApiKeys;
use crate::pipeline::metering::api_keys::VALUE_BYTES_MAX;
use crate::pipeline::metering::api_keys::VALUE_BYTES_MIN;
use crate::pipeline::metering::limiters::Earlier;
use crate::pipeline::metering::limiters::Limiters;
use crate::pipeline::metering::limiters::Moment;
use crate::pipeline::metering::quota::QuotaRecord;

/// One document that is to be metered.
#[derive(Clone, Copy, Debug)]
pub struct Metered<'a> {
    /// The document.
    pub table: &'a Table,
    /// What was counted at the same host and stage by this process.
    pub before: Option<&'a Limiters>,
}

/// What was counted before the file was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted<'a> {
    /// By this process, for any document.
    pub limiters: &'a [&'a Limiters],
    /// By an earlier process.
    pub records: &'a [QuotaRecord],
}

/// All that the file says of metering at the stages of these documents, in their order.
pub fn read(
    file: &ConfigFile,
    documents: &[Metered<'_>],
    counted: Counted<'_>,
    now: Moment,
) -> Result<Vec<Metering>, SettingsError> {
    let api_keys = Arc::new(api_keys(file)?);
    let tables: Vec<&Table> = documents.iter().map(|document| document.table).collect();
    let mut all: Vec<Metering> = Vec::with_capacity(documents.len());
    for document in documents {
        let rules = usage_plans::rules(file, document.table, &tables, &api_keys)?;
        let siblings = all.iter().map(|metering| &metering.limiters);
        let shared: Vec<&Limiters> = siblings.chain(counted.limiters.iter().copied()).collect();
        let earlier = Earlier {
            limiters: document.before,
            counted: &shared,
            records: counted.records,
        };
        let limiters = Limiters::new(&rules, earlier, now);
        all.push(Metering {
            limiters,
            api_keys: Arc::clone(&api_keys),
        });
    }
    Ok(all)
}

/// As [`read`], for one document of a process in which nothing was counted.
pub fn read_fresh(
    file: &ConfigFile,
    table: &Table,
    now: Moment,
) -> Result<Metering, SettingsError> {
    let document = Metered {
        table,
        before: None,
    };
    let all = read(file, &[document], Counted::default(), now)?;
    Ok(all.into_iter().next().unwrap_or_default())
}

fn api_keys(file: &ConfigFile) -> Result<ApiKeys, SettingsError> {
    let mut keys = ApiKeys::default();
    for section in &file.sections.api_key {
        add(file, &mut keys, section)?;
    }
    Ok(keys)
}

fn add(
    file: &ConfigFile,
    keys: &mut ApiKeys,
    spanned: &Spanned<ApiKeySection>,
) -> Result<(), SettingsError> {
    let section = spanned.get_ref();
    let value = credentials::secret(
        file,
        "api_key.value",
        section.value.as_ref(),
        section.value_file.as_ref(),
    )?;
    let value = value.ok_or_else(|| {
        let message = "value or value_file is wanted".to_owned();
        file.fault(spanned.span(), "api_key", message)
    })?;
    let id = section.id.get_ref().as_str();
    let key = ApiKey {
        id: id.to_owned(),
        enabled: section.enabled.unwrap_or(true),
    };
    // The value is never told.
    keys.add(key, value.expose()).map_err(|fault| match fault {
        ApiKeyFault::IdTaken => {
            let message = format!("{id} is the id of an API key above");
            file.fault(section.id.span(), "api_key.id", message)
        }
        ApiKeyFault::ValueTaken => {
            let message = format!("the value of {id} is that of an API key above");
            file.fault(spanned.span(), "api_key.value", message)
        }
        ApiKeyFault::ValueLength => {
            let message = format!(
                "the value of {id} has another length, wanted {VALUE_BYTES_MIN} to {VALUE_BYTES_MAX} characters"
            );
            file.fault(spanned.span(), "api_key.value", message)
        }
        ApiKeyFault::TooMany => {
            let message = format!("wanted at most {API_KEYS_MAX} API keys");
            file.fault(spanned.span(), "api_key", message)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const VALUE: &str = "0123456789abcdefghij";

    fn keys(text: &str) -> Result<ApiKeys, String> {
        let text = format!("[[api_key]]\n{text}");
        let file = ConfigFile::parse(Path::new("s.toml"), text);
        let keys = file.and_then(|file| api_keys(&file));
        keys.map_err(|fault| fault.to_string())
    }

    #[test]
    fn keys_are_enabled_unless_they_say_no() {
        let text = format!(
            "id = 'a'\nvalue = '{VALUE}'\n[[api_key]]\nid = 'b'\nvalue = '{VALUE}-'\nenabled = false\n"
        );
        let keys = keys(&text).unwrap();
        assert_eq!(keys.find(VALUE.as_bytes()).unwrap().id, "a");
        assert!(keys.find(format!("{VALUE}-").as_bytes()).is_none());
        assert!(keys.has_id("b"));
    }

    #[test]
    fn a_value_may_stand_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), format!("{VALUE}\n")).unwrap();
        let text = "[[api_key]]\nid = 'a'\nvalue_file = 'key'\n";
        let file = ConfigFile::parse(&folder.path().join("s.toml"), text.to_owned()).unwrap();
        assert!(api_keys(&file).unwrap().find(VALUE.as_bytes()).is_some());
    }

    #[test]
    fn what_cannot_be_a_key_is_named_with_its_place_and_without_its_value() {
        let good = format!("id = 'a'\nvalue = '{VALUE}'\n");
        for (text, start) in [
            ("id = 'a'\n".to_owned(), "s.toml:1:1: api_key: value or"),
            ("id = 'a b'\n".to_owned(), "s.toml:2:6: api_key.id: visible"),
            (
                format!("value = '{VALUE}'\n"),
                "s.toml:1:1: api_key: missing field `id`",
            ),
            (
                "id = 'a'\nvalue = '0123456789abcdefghi'\n".to_owned(),
                "s.toml:1:1: api_key.value: the value of a has another length, wanted 20 to 128",
            ),
            (
                format!("{good}[[api_key]]\nid = 'a'\nvalue = '{VALUE}-'\n"),
                "s.toml:5:6: api_key.id: a is the id of",
            ),
            (
                format!("{good}[[api_key]]\nid = 'b'\nvalue = '{VALUE}'\n"),
                "s.toml:4:1: api_key.value: the value of b is that of",
            ),
            (
                format!("{good}value_file = 'key'\n"),
                "s.toml:4:14: api_key.value_file: api_key.value is given as well",
            ),
            (
                format!("{good}plan = 'x'\n"),
                "s.toml:4:1: api_key: unknown field `plan`",
            ),
            (
                format!("{good}enabled = 'no'\n"),
                "s.toml:4:11: api_key.enabled: found string",
            ),
        ] {
            let fault = keys(&text).unwrap_err();
            assert!(fault.starts_with(start), "{fault}");
            assert!(!fault.contains("56789"), "{fault}");
        }
    }
}
