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
}

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
    fn what_cannot_be_a_role_is_named_with_its_place() {
        for (text, start) in [
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
