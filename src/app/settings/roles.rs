//! `[[role]]`: what `credentials` of integrations stand for.

use std::collections::HashSet;

use toml::Spanned;

use crate::api::iam_policy::Policy;
use crate::api::iam_policy::condition_key::ConditionKey;
use crate::api::iam_policy::principal::Principal;
use crate::api::table::Table;
use crate::app::credentials;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::file::RoleSection;
use crate::app::settings::policy_file;
use crate::pipeline::role::Role;
use crate::wire::sigv4::credentials::Credentials;

/// Keys that tell of the caller, of whom the store knows nothing, or of a session whose beginning is not told.
const KEYS_WITHOUT_VALUE: [(ConditionKey, &str); 6] = [
    (ConditionKey::SourceIp, "aws:SourceIp"),
    (ConditionKey::UserAgent, "aws:UserAgent"),
    (ConditionKey::Referer, "aws:Referer"),
    (ConditionKey::SourceVpc, "aws:SourceVpc"),
    (ConditionKey::TokenIssueTime, "aws:TokenIssueTime"),
    (
        ConditionKey::MultiFactorAuthPresent,
        "aws:MultiFactorAuthPresent",
    ),
];

/// A role of the file.
#[derive(Debug)]
pub struct RoleSettings {
    /// What integrations name.
    pub arn: String,
    /// What it may do.
    pub role: Role,
    /// Whose keys sign for it.
    pub keys: RoleKeys,
}

/// Where a role's keys come from.
#[derive(Debug)]
pub enum RoleKeys {
    /// They are those of the store.
    OfStore,
    /// They stand in the file.
    Own(Credentials),
    /// They are found and renewed.
    Found(FoundKeys),
}

/// Keys that the SDKs' chain gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKeys {
    /// A profile of the shared files; `None`: the whole chain.
    pub profile: Option<String>,
    /// The session's name, if the role is assumed with these keys.
    pub session_name: Option<String>,
}

/// Name of the sessions of assumed roles.
const SESSION_NAME_DEFAULT: &str = "sluicegate";
/// STS: `RoleSessionName`.
const SESSION_NAME_BYTES: std::ops::RangeInclusive<usize> = 2..=64;

/// All roles of the file.
pub fn read(file: &ConfigFile) -> Result<Vec<RoleSettings>, SettingsError> {
    let mut known = HashSet::new();
    let mut roles = Vec::new();
    for section in &file.sections.role {
        let arn = &section.get_ref().arn;
        if !known.insert(arn.get_ref()) {
            let message = format!("{} is a role above", arn.get_ref());
            return Err(file.fault(arn.span(), "role.arn", message));
        }
        roles.push(role(file, section)?);
    }
    Ok(roles)
}

fn role(file: &ConfigFile, spanned: &Spanned<RoleSection>) -> Result<RoleSettings, SettingsError> {
    let section = spanned.get_ref();
    let arn = section.arn.get_ref();
    let principal = Principal::of_role(arn).ok_or_else(|| {
        let message =
            "the ARN of a role is wanted, as arn:aws:iam::123456789012:role/name".to_owned();
        file.fault(section.arn.span(), "role.arn", message)
    })?;
    let policy = match &section.policy_file {
        None => None,
        Some(path) => {
            let policy = policy_file::read(file, "role.policy_file", path, &principal)?;
            if let Some(key) = key_without_value(&policy) {
                let message = format!(
                    "{} asks for {key}, which the gateway's own requests to the store do not have; callers are judged by \
                     a resource policy or by policy_file of [[identity]]",
                    file.beside(path.get_ref()).display()
                );
                return Err(file.fault(path.span(), "role.policy_file", message));
            }
            Some(policy)
        }
    };
    Ok(RoleSettings {
        arn: arn.clone(),
        role: Role { principal, policy },
        keys: keys(file, spanned)?,
    })
}

fn key_without_value(policy: &Policy) -> Option<&'static str> {
    let read = KEYS_WITHOUT_VALUE
        .into_iter()
        .find(|(key, _)| policy.reads(*key));
    read.map(|(_, name)| name)
}

fn keys(file: &ConfigFile, spanned: &Spanned<RoleSection>) -> Result<RoleKeys, SettingsError> {
    let section = spanned.get_ref();
    let found = found_keys(file, section)?;
    let writes_keys = section.access_key_id.is_some()
        || section.secret_access_key.is_some()
        || section.secret_access_key_file.is_some()
        || section.session_token.is_some()
        || section.session_token_file.is_some();
    match found {
        Some(_) if writes_keys => {
            let message = "keys of its own, a profile or assume_role is wanted, not two of them";
            Err(file.fault(spanned.span(), "role", message.to_owned()))
        }
        Some(found) => Ok(RoleKeys::Found(found)),
        None => own_keys(file, spanned),
    }
}

/// What `profile`, `assume_role` and `session_name` say.
fn found_keys(
    file: &ConfigFile,
    section: &RoleSection,
) -> Result<Option<FoundKeys>, SettingsError> {
    let assumes = section
        .assume_role
        .as_ref()
        .is_some_and(|assumes| *assumes.get_ref());
    if let Some(name) = &section.session_name {
        let text = name.get_ref();
        let good = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if !SESSION_NAME_BYTES.contains(&text.len()) || !text.bytes().all(good) {
            let message = "2 to 64 letters, digits and _+=,.@- are wanted".to_owned();
            return Err(file.fault(name.span(), "role.session_name", message));
        }
        if !assumes {
            let message = "only an assumed role has a session: assume_role = true".to_owned();
            return Err(file.fault(name.span(), "role.session_name", message));
        }
    }
    let named = section
        .session_name
        .as_ref()
        .map_or(SESSION_NAME_DEFAULT, |name| name.get_ref());
    let found = FoundKeys {
        profile: section
            .profile
            .as_ref()
            .map(|profile| profile.get_ref().as_str().to_owned()),
        session_name: assumes.then(|| named.to_owned()),
    };
    Ok((found.profile.is_some() || assumes).then_some(found))
}

fn own_keys(file: &ConfigFile, spanned: &Spanned<RoleSection>) -> Result<RoleKeys, SettingsError> {
    let section = spanned.get_ref();
    let secret = credentials::secret(
        file,
        "role.secret_access_key",
        section.secret_access_key.as_ref(),
        section.secret_access_key_file.as_ref(),
    )?;
    let session_token = credentials::secret(
        file,
        "role.session_token",
        section.session_token.as_ref(),
        section.session_token_file.as_ref(),
    )?;
    match (&section.access_key_id, secret) {
        (Some(id), Some(secret_access_key)) => Ok(RoleKeys::Own(Credentials {
            access_key_id: id.get_ref().as_str().to_owned(),
            secret_access_key,
            session_token,
        })),
        (None, None) if session_token.is_none() => Ok(RoleKeys::OfStore),
        (Some(_), None) => {
            let message =
                "secret_access_key or secret_access_key_file is wanted beside access_key_id";
            Err(file.fault(spanned.span(), "role", message.to_owned()))
        }
        (None, _) => {
            let message = "access_key_id is wanted beside a secret key or session token";
            Err(file.fault(spanned.span(), "role", message.to_owned()))
        }
    }
}

/// What an operator must know of a document whose integrations name roles: each line is a warning.
pub fn warnings(table: &Table, roles: &[RoleSettings]) -> Vec<String> {
    let mut named: Vec<&str> = Vec::new();
    for method in &table.methods {
        let credentials = method
            .integration
            .as_ref()
            .and_then(|one| one.credentials.as_deref());
        // `arn:aws:iam::*:user/*` names no role but the caller.
        let role = credentials.filter(|arn| !arn.contains('*'));
        if let Some(arn) = role.filter(|arn| !named.contains(arn)) {
            named.push(arn);
        }
    }
    let is_known = |arn: &str| roles.iter().any(|role| role.arn == arn);
    let unknown = named.iter().filter(|arn| !is_known(arn)).map(|arn| {
        format!("{arn}: no [[role]] of the configuration file has this ARN; the store's keys sign, and no policy is asked")
    });
    let unused = roles
        .iter()
        .filter(|role| !named.contains(&role.arn.as_str()))
        .map(|role| {
            format!(
                "{}: no integration of the document has these credentials",
                role.arn
            )
        });
    unknown.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::api::openapi::ImportOptions;
    use crate::api::openapi::import;

    const ARN: &str = "arn = 'arn:aws:iam::123456789012:role/store'\n";

    fn roles(text: &str) -> Result<Vec<RoleSettings>, String> {
        let file = ConfigFile::parse(Path::new("s.toml"), format!("[[role]]\n{text}"))
            .map_err(|fault| fault.to_string())?;
        read(&file).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_role_has_its_own_keys_or_those_of_the_store() {
        let plain = roles(ARN).unwrap();
        assert!(matches!(plain[0].keys, RoleKeys::OfStore) && plain[0].role.policy.is_none());
        let own =
            format!("{ARN}access_key_id = 'A'\nsecret_access_key = 's'\nsession_token = 't'\n");
        let RoleKeys::Own(keys) = &roles(&own).unwrap()[0].keys else {
            panic!("keys of its own");
        };
        assert_eq!(
            (keys.access_key_id.as_str(), keys.secret_access_key.expose()),
            ("A", "s")
        );
        assert_eq!(keys.session_token.as_ref().unwrap().expose(), "t");
        assert!(read(&ConfigFile::default()).unwrap().is_empty());
    }

    #[test]
    fn a_role_may_have_the_keys_of_a_profile_or_be_assumed() {
        let found = |text: &str| match roles(&format!("{ARN}{text}")).unwrap().remove(0).keys {
            RoleKeys::Found(found) => (found.profile, found.session_name),
            other => panic!("{other:?}"),
        };
        let owned = |text: &str| Some(text.to_owned());
        assert_eq!(found("profile = 'media'\n"), (owned("media"), None));
        assert_eq!(found("assume_role = true\n"), (None, owned("sluicegate")));
        assert_eq!(
            found("profile = 'media'\nassume_role = true\nsession_name = 'night@shift'\n"),
            (owned("media"), owned("night@shift"))
        );
        let none = roles(&format!("{ARN}assume_role = false\n")).unwrap();
        assert!(matches!(none[0].keys, RoleKeys::OfStore));
    }

    #[test]
    fn what_cannot_be_a_role_is_named_with_its_place() {
        for (text, start) in [
            (
                format!("{ARN}profile = 'p'\naccess_key_id = 'A'\nsecret_access_key = 's'\n"),
                "s.toml:1:1: role: keys of its own, a profile or",
            ),
            (
                format!("{ARN}session_name = 'night'\n"),
                "s.toml:3:16: role.session_name: only an assumed role",
            ),
            (
                format!("{ARN}assume_role = true\nsession_name = 'a b'\n"),
                "s.toml:4:16: role.session_name: 2 to 64",
            ),
            (format!("{ARN}assume_role = 'yes'\n"), "s.toml:3:15: "),
            (
                "arn = 'arn:aws:iam::123456789012:user/bob'\n".to_owned(),
                "s.toml:2:7: role.arn: the ARN of a role",
            ),
            ("policy_file = 'p.json'\n".to_owned(), "s.toml:1:1: "),
            (
                format!("{ARN}access_key_id = 'A'\n"),
                "s.toml:1:1: role: secret_access_key or",
            ),
            (
                format!("{ARN}secret_access_key = 's'\n"),
                "s.toml:1:1: role: access_key_id",
            ),
            (
                format!("{ARN}session_token = 't'\n"),
                "s.toml:1:1: role: access_key_id",
            ),
            (
                format!("{ARN}policy_file = 'no-such-policy.json'\n"),
                "s.toml:3:15: role.policy_file: no-such",
            ),
            (format!("{ARN}trust = 'x'\n"), "s.toml:3:1: "),
            (
                format!("{ARN}[[role]]\n{ARN}"),
                "s.toml:4:7: role.arn: arn:aws:iam::123456789012:role/store is a role above",
            ),
        ] {
            let found = roles(&text).unwrap_err();
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_policy_may_ask_for_nothing_that_the_store_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let of_condition = |condition: &str| {
            let policy = format!(
                r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": "*",
                "Condition": {condition}}}}}"#
            );
            std::fs::write(folder.path().join("p.json"), policy).unwrap();
            let text = format!("[[role]]\n{ARN}policy_file = 'p.json'\n");
            let file = ConfigFile::parse(&folder.path().join("s.toml"), text).unwrap();
            read(&file)
                .map(|roles| roles.len())
                .map_err(|fault| fault.to_string())
        };
        assert_eq!(
            of_condition(r#"{"StringLike": {"s3:prefix": "a/*"}}"#),
            Ok(1)
        );
        assert_eq!(
            of_condition(r#"{"Bool": {"aws:SecureTransport": true}}"#),
            Ok(1)
        );
        let caller =
            of_condition(r#"{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#).unwrap_err();
        assert!(
            caller.contains("role.policy_file: ") && caller.contains("asks for aws:SourceIp"),
            "{caller}"
        );
        let unknown = of_condition(r#"{"StringLike": {"s3:nope": "a/*"}}"#).unwrap_err();
        assert!(
            unknown.contains("p.json:2:") && unknown.contains("`s3:nope`"),
            "{unknown}"
        );
    }

    #[test]
    fn roles_that_do_not_meet_their_document_are_told() {
        let text = include_str!("../../../config/s3-proxy.openapi.yaml");
        let table = import("api", text, &ImportOptions::default())
            .unwrap()
            .table;
        let told = warnings(&table, &roles(ARN).unwrap());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("no [[role]]") && told[1].contains("no integration"),
            "{told:?}"
        );
    }
}
