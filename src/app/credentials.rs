//! The keys that sign towards the store: `AWS_ACCESS_KEY_ID` and its family, else the `[s3]` section, else the rest of
//! the SDKs' default chain.

use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::bounded_file;
use crate::app::settings::environment::Environment;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::file::FileSecret;
use crate::app::settings::names::is_visible;
use crate::app::settings::roles::FoundKeys;
use crate::app::settings::values::ValueFault;
use crate::net::credentials::chain::Chain;
use crate::net::credentials::chain::ChainFault;
use crate::net::credentials::chain::ChainSettings;
use crate::net::credentials::renewal::Renewal;
use crate::net::credentials::slot::CredentialSlot;
use crate::wire::sigv4::credentials::Credentials;
use crate::wire::sigv4::credentials::Secret;

/// The bytes that a secret's file may have.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// How long a start waits for the first keys: STS and the metadata service answer within a second.
const FIRST_MS_MAX: u64 = 10_000;

const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Where the store's keys come from.
#[derive(Debug)]
pub enum StoreCredentials {
    /// They were given and do not change.
    Keys(Credentials),
    /// They are found by the default chain and renewed.
    Chain,
}

/// The environment's pair if either half of one is set, else the file's, else the chain.
pub fn find(
    environment: &Environment,
    file: &ConfigFile,
) -> Result<StoreCredentials, SettingsError> {
    let section = &file.sections.s3;
    let written = section.access_key_id.is_some()
        || section.secret_access_key.is_some()
        || section.secret_access_key_file.is_some();
    match (environment.value(ACCESS_KEY), environment.value(SECRET_KEY)) {
        (Some(_), Some(_)) => of_environment(environment).map(StoreCredentials::Keys),
        (Some(_), None) => Err(SettingsError::NoCredentials { absent: SECRET_KEY }),
        (None, Some(_)) => Err(SettingsError::NoCredentials { absent: ACCESS_KEY }),
        (None, None) if written => of_file(file).map(StoreCredentials::Keys),
        (None, None) => Ok(StoreCredentials::Chain),
    }
}

/// The keys that were given; a chain is not asked.
pub fn given(environment: &Environment, file: &ConfigFile) -> Result<Credentials, SettingsError> {
    match find(environment, file)? {
        StoreCredentials::Keys(keys) => Ok(keys),
        StoreCredentials::Chain => Err(SettingsError::NoCredentials { absent: ACCESS_KEY }),
    }
}

/// A slot with the store's keys, and what renews them as long as it lives.
///
/// Waits for the first keys, but not for ever: with a place that does not answer now, requests are refused with 503
/// until it does. Where no place has keys there is nothing to wait for.
pub fn open(
    credentials: StoreCredentials,
    chain: &ChainSettings,
) -> Result<(CredentialSlot, Option<Renewal>), Failure> {
    let keys = match credentials {
        StoreCredentials::Keys(keys) => keys,
        StoreCredentials::Chain => {
            let slot = CredentialSlot::empty("store");
            let renewal =
                Renewal::start(slot.clone(), Chain::standard(chain)).map_err(|cause| {
                    Failure::new(Exit::FailedWhileRunning, format!("credentials: {cause}"))
                })?;
            return match renewal.next(FIRST_MS_MAX) {
                Some(Err(fault @ ChainFault::Nowhere(_))) => {
                    let told = fault.to_string();
                    Err(SettingsError::NoCredentialsAnywhere { told }.into())
                }
                None => {
                    tracing::warn!("starting without credentials: no place has answered yet");
                    Ok((slot, Some(renewal)))
                }
                Some(_) => Ok((slot, Some(renewal))),
            };
        }
    };
    Ok((CredentialSlot::fixed("store", "settings", keys), None))
}

/// A slot with the keys of a role, and what renews them as long as it lives. A role that cannot be had now is told and
/// looked for again: requests that need it are refused with 503 until it is there.
pub fn open_role(
    arn: &str,
    found: &FoundKeys,
    settings: &ChainSettings,
) -> Result<(CredentialSlot, Renewal), Failure> {
    let base = match &found.profile {
        Some(profile) => Chain::profile(settings, profile),
        None => Chain::standard(settings),
    };
    let chain = match &found.session_name {
        Some(session_name) => base.assume_role(arn, session_name),
        None => base,
    };
    let slot = CredentialSlot::empty(arn);
    let renewal = Renewal::start(slot.clone(), chain)
        .map_err(|cause| Failure::new(Exit::FailedWhileRunning, format!("credentials: {cause}")))?;
    match renewal.next(FIRST_MS_MAX) {
        Some(Ok(())) => {}
        Some(Err(fault)) => tracing::warn!(role = arn, %fault, "starting without keys of a role"),
        None => tracing::warn!(role = arn, "starting without keys of a role: no answer yet"),
    }
    Ok((slot, renewal))
}

fn of_environment(environment: &Environment) -> Result<Credentials, SettingsError> {
    let checked = |name| match environment.value(name) {
        Some(text) if !is_visible(text) => Err(SettingsError::Variable {
            name,
            message: ValueFault::VisibleText.to_string(),
        }),
        value => Ok(value),
    };
    let absent = |absent| SettingsError::NoCredentials { absent };
    let id = checked(ACCESS_KEY)?.ok_or_else(|| absent(ACCESS_KEY))?;
    let secret = checked(SECRET_KEY)?.ok_or_else(|| absent(SECRET_KEY))?;
    Ok(Credentials {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: checked(TOKEN)?.map(Secret::new),
    })
}

fn of_file(file: &ConfigFile) -> Result<Credentials, SettingsError> {
    let section = &file.sections.s3;
    let id = section.access_key_id.as_ref();
    let secret = secret(
        file,
        "s3.secret_access_key",
        section.secret_access_key.as_ref(),
        section.secret_access_key_file.as_ref(),
    )?;
    let token = secret_token(file)?;
    Ok(Credentials {
        access_key_id: id
            .ok_or(SettingsError::NoCredentials { absent: ACCESS_KEY })?
            .as_str()
            .to_owned(),
        secret_access_key: secret.ok_or(SettingsError::NoCredentials { absent: SECRET_KEY })?,
        session_token: token,
    })
}

fn secret_token(file: &ConfigFile) -> Result<Option<Secret>, SettingsError> {
    let section = &file.sections.s3;
    secret(
        file,
        "s3.session_token",
        section.session_token.as_ref(),
        section.session_token_file.as_ref(),
    )
}

/// A secret that stands in the file as `key` or in the file that `key_file` names; both is a fault.
pub fn secret(
    file: &ConfigFile,
    key: &str,
    written: Option<&FileSecret>,
    named: Option<&Spanned<PathBuf>>,
) -> Result<Option<Secret>, SettingsError> {
    match (written, named) {
        (Some(_), Some(path)) => {
            let message = format!("{key} is given as well; only one of the two is wanted");
            Err(file.fault(path.span(), &format!("{key}_file"), message))
        }
        (Some(text), None) => Ok(Some(Secret::new(text.0.as_str()))),
        (None, Some(path)) => {
            let found = read_secret(&file.beside(path.get_ref()));
            let text = found
                .map_err(|message| file.fault(path.span(), &format!("{key}_file"), message))?;
            Ok(Some(Secret::new(text)))
        }
        (None, None) => Ok(None),
    }
}

/// The text of a secret's file without the line end behind it.
fn read_secret(path: &Path) -> Result<String, String> {
    let told = |cause: std::io::Error| format!("cannot read {}: {cause}", path.display());
    let text = bounded_file::read_text(path, SECRET_FILE_BYTES_MAX).map_err(told)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if !is_visible(text) {
        return Err(format!("{}: {}", path.display(), ValueFault::VisibleText));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(environment: &Environment, file: &ConfigFile) -> Credentials {
        match find(environment, file).unwrap() {
            StoreCredentials::Keys(keys) => keys,
            StoreCredentials::Chain => panic!("keys were given"),
        }
    }

    fn file(text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new("s.toml"), text.to_owned()).unwrap()
    }

    #[test]
    fn the_environment_is_taken_before_the_file() {
        let file = file("[s3]\naccess_key_id = 'FILE'\nsecret_access_key = 'fs'\n");
        let found = keys(
            &Environment::of(&[(ACCESS_KEY, "ENV"), (SECRET_KEY, "es"), (TOKEN, "et")]),
            &file,
        );
        assert_eq!(found.access_key_id, "ENV");
        assert_eq!(found.secret_access_key.expose(), "es");
        assert_eq!(found.session_token.unwrap().expose(), "et");
        let found = keys(&Environment::of(&[]), &file);
        assert_eq!(
            (
                found.access_key_id.as_str(),
                found.secret_access_key.expose()
            ),
            ("FILE", "fs")
        );
    }

    #[test]
    fn a_key_with_a_line_end_names_its_variable_and_not_its_text() {
        let pair = [(ACCESS_KEY, "A"), (SECRET_KEY, "hunter2\n")];
        let fault = find(&Environment::of(&pair), &file(""))
            .unwrap_err()
            .to_string();
        assert!(
            fault.contains(SECRET_KEY) && !fault.contains("hunter2"),
            "{fault}"
        );
    }

    #[test]
    fn half_a_pair_names_the_half_that_is_absent() {
        let file = file("[s3]\naccess_key_id = 'FILE'\nsecret_access_key = 'fs'\n");
        for (given, absent) in [(ACCESS_KEY, SECRET_KEY), (SECRET_KEY, ACCESS_KEY)] {
            let fault = find(&Environment::of(&[(given, "x")]), &file).unwrap_err();
            assert_eq!(fault, SettingsError::NoCredentials { absent });
        }
    }

    #[test]
    fn no_keys_at_all_are_looked_for_by_the_chain() {
        let found = find(&Environment::of(&[]), &file("")).unwrap();
        assert!(matches!(found, StoreCredentials::Chain));
        let half = file("[s3]\naccess_key_id = 'FILE'\n");
        let fault = find(&Environment::of(&[]), &half).unwrap_err();
        assert_eq!(fault, SettingsError::NoCredentials { absent: SECRET_KEY });
    }

    #[test]
    fn a_secret_may_stand_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "of-its-own\n").unwrap();
        let text = "[s3]\naccess_key_id = 'A'\nsecret_access_key_file = 'secret'\n";
        let config = ConfigFile::parse(&folder.path().join("s.toml"), text.to_owned()).unwrap();
        let found = keys(&Environment::of(&[]), &config);
        assert_eq!(found.secret_access_key.expose(), "of-its-own");

        let both = text.replace(
            "_file = 'secret'",
            "_file = 'secret'\nsecret_access_key = 'x'",
        );
        let config = ConfigFile::parse(&folder.path().join("s.toml"), both).unwrap();
        let fault = find(&Environment::of(&[]), &config)
            .unwrap_err()
            .to_string();
        assert!(
            fault.contains("s.toml:3:26: s3.secret_access_key_file: "),
            "{fault}"
        );

        let absent = text.replace("'secret'", "'nowhere'");
        let config = ConfigFile::parse(&folder.path().join("s.toml"), absent).unwrap();
        let fault = find(&Environment::of(&[]), &config)
            .unwrap_err()
            .to_string();
        assert!(
            fault.contains("cannot read") && fault.contains("nowhere"),
            "{fault}"
        );
    }
}
