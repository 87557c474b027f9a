//! The variables of the environment that are read by name. `SLUICEGATE_…` variables belong to the command line (`app/cli.rs`).

use std::collections::BTreeMap;

/// Every variable that is read here.
const NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "XDG_DATA_HOME",
    "HOME",
    "NO_COLOR",
    "TERM",
    "COLUMNS",
];

/// The values at start-up. An empty variable counts as one that is not set.
#[derive(Default)]
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// What the process was started with.
    pub fn of_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "this module is the one that reads the environment"
        )]
        let value_of = |name| std::env::var(name).ok();
        Self(
            NAMES
                .iter()
                .filter_map(|&name| Some((name, value_of(name)?)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    #[cfg(test)]
    /// An environment of these variables alone.
    pub fn of(pairs: &[(&'static str, &str)]) -> Self {
        let owned = pairs.iter().map(|&(name, value)| (name, value.to_owned()));
        Self(owned.collect())
    }

    /// The value of `name`.
    pub fn value(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
