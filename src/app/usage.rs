//! The command line and its variables, read by `clap`. A refusal names the variable if the value came from one, and
//! shows no value that may hold a secret.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{Resettable, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, CommandFactory, Parser};

use crate::app::cli::Cli;

/// What stands in a refusal in place of the value.
const NOT_SHOWN: &str = "(not shown, it may hold a secret)";

/// What `arguments` and the environment say, or the refusal.
pub fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(arguments).map_err(|error| {
        let error = without_passwords(error);
        if refused_of(&error) == refused_by_arguments(arguments) {
            error
        } else {
            naming_variable(error)
        }
    })
}

/// The option that the arguments alone are refused for. They are read before the variables.
fn refused_by_arguments(arguments: &[OsString]) -> Option<String> {
    let alone = without_variables(Cli::command());
    let refused = alone.try_get_matches_from(arguments).err()?;
    refused_of(&without_passwords(refused))
}

fn without_variables(command: Command) -> Command {
    command
        .mut_args(|option| option.env(Resettable::Reset))
        .mut_subcommands(without_variables)
}

/// The option of a refusal as `clap` writes it: `--workers <N>`, `--strict[=<BOOL>]`.
fn refused_of(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(option) => Some(option.clone()),
        _ => None,
    }
}

fn naming_variable(mut error: clap::Error) -> clap::Error {
    if let Some(variable) = refused_of(&error).as_deref().and_then(variable_of) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// An endpoint in a place that is not its own may hold a password all the same.
fn without_passwords(mut error: clap::Error) -> clap::Error {
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ] {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && text.contains("://")
            && text.contains('@')
        {
            error.insert(kind, ContextValue::String(NOT_SHOWN.to_owned()));
        }
    }
    error
}

/// The variable of an option.
fn variable_of(option: &str) -> Option<String> {
    let name = option.strip_prefix("--")?.split([' ', '[', '=']).next()?;
    Some(format!(
        "SLUICEGATE_{}",
        name.to_ascii_uppercase().replace('-', "_")
    ))
}

/// Reads a value that a refusal must not show: it may hold a secret. `hide_env_values` keeps it out of `--help` as well.
#[derive(Debug)]
pub struct Unshown<T>(PhantomData<fn() -> T>);

impl<T> Default for Unshown<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Unshown<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> TypedValueParser for Unshown<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parser = StringValueParser::new().try_map(|text: String| text.parse());
        let parsed = parser.parse_ref(command, option, value);
        parsed.map_err(|mut error| {
            let hidden = ContextValue::String(NOT_SHOWN.to_owned());
            error.insert(ContextKind::InvalidValue, hidden);
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        let arguments = [&["sluicegate"], arguments].concat();
        let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
        read(&arguments).unwrap_err().to_string()
    }

    #[test]
    fn the_password_of_an_endpoint_is_not_shown() {
        for url in ["http://u:hunter2@a:1", "https://u:hunter2@a", "u:hunter2@a"] {
            let text = refusal(&["serve", "--s3-endpoint", url]);
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("--s3-endpoint <URL>"), "{text}");
        }
        let url = "http://u:hunter2@a:1";
        let assigned = format!("--s3-endpont={url}");
        for arguments in [
            &["serve", url] as &[&str],
            &["serve", &assigned],
            &["serve", "--listen", url],
            &[url],
        ] {
            let text = refusal(arguments);
            assert!(!text.contains("hunter2"), "{text}");
        }
        let text = refusal(&["serve", "http://a"]);
        assert!(text.contains("'http://a'"), "{text}");
        let text = refusal(&["serve", "--s3-endpoint", "s3://example"]);
        assert!(text.contains("wanted http://host"), "{text}");
    }

    #[test]
    fn an_argument_is_refused_by_its_option() {
        let text = refusal(&["serve", "--workers", "0"]);
        assert!(text.contains("'--workers <N>'"), "{text}");
        assert!(!text.contains("SLUICEGATE_WORKERS"), "{text}");
    }

    #[test]
    fn each_form_of_an_option_has_its_variable() {
        for (option, variable) in [
            ("--workers <N>", "SLUICEGATE_WORKERS"),
            ("--strict[=<BOOL>]", "SLUICEGATE_STRICT"),
            ("--s3-endpoint <URL>", "SLUICEGATE_S3_ENDPOINT"),
        ] {
            assert_eq!(variable_of(option).as_deref(), Some(variable));
        }
        assert_eq!(variable_of("<FILE>..."), None);
    }
}
