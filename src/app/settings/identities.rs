//! `[[identity]]`: callers that may sign requests, with their policies read and checked.

use std::collections::HashMap;
use std::path::PathBuf;

use toml::Spanned;

use crate::api::iam_policy::Policy;
use crate::api::iam_policy::condition_key::ConditionKey;
use crate::api::iam_policy::principal::Principal;
use crate::api::iam_policy::principal::is_account_id;
use crate::app::credentials;
use crate::app::settings::error::SettingsError;
use crate::app::settings::file::ConfigFile;
use crate::app::settings::file::IdentitySection;
use crate::app::settings::policy_file;
use crate::pipeline::context::ACCOUNT_ID;
use crate::pipeline::identity::AccessKeyIdTaken;
use crate::pipeline::identity::Identities;
use crate::pipeline::identity::Identity;
use crate::pipeline::sidecar::allow_list::AllowList;
use crate::wire::date::UnixSeconds;
use crate::wire::date::parse_iso_date;
use crate::wire::sigv4::credentials::Credentials;

/// Keys that only a session has, whose values a configured session does not tell.
const SESSION_KEYS: [ConditionKey; 2] = [
    ConditionKey::TokenIssueTime,
    ConditionKey::MultiFactorAuthPresent,
];

/// All identities of the file.
pub fn read(file: &ConfigFile) -> Result<Identities, SettingsError> {
    let mut identities = Identities::default();
    for section in &file.sections.identity {
        identities
            .add(identity(file, section)?)
            .map_err(|AccessKeyIdTaken| {
                let id = &section.get_ref().access_key_id;
                let message = format!("{} belongs to an identity above", id.get_ref());
                file.fault(id.span(), "identity.access_key_id", message)
            })?;
    }
    Ok(identities)
}

/// The lists of those identities that have any, by access key id. Policies of identities speak of an API's methods: the
/// sidecar has none.
pub fn allow_lists(file: &ConfigFile) -> Result<HashMap<String, AllowList>, SettingsError> {
    let mut lists = HashMap::new();
    for spanned in &file.sections.identity {
        let section = spanned.get_ref();
        if let Some(policy) = &section.policy_file {
            let message =
                "has no effect in `sidecar`; buckets, prefixes and operations are its lists";
            return Err(file.fault(policy.span(), "identity.policy_file", message.to_owned()));
        }
        let operations = section.operations.as_ref();
        let buckets = section.buckets.iter().map(|name| name.as_str().to_owned());
        let list = AllowList::new(
            buckets.collect(),
            section.prefixes.clone(),
            operations.map_or(&[], |list| list.get_ref().as_slice()),
        );
        let list = list.map_err(|message| {
            let span = operations.map_or_else(|| spanned.span(), Spanned::span);
            file.fault(span, "identity.operations", message)
        })?;
        lists.insert(section.access_key_id.get_ref().clone(), list);
    }
    Ok(lists)
}

/// `serve` knows no lists of buckets: whoever wrote one expects it to hold.
pub fn refuse_allow_lists(file: &ConfigFile) -> Result<(), SettingsError> {
    let has_list = |section: &IdentitySection| {
        !section.buckets.is_empty() || !section.prefixes.is_empty() || section.operations.is_some()
    };
    let mut sections = file.sections.identity.iter();
    match sections.find(|section| has_list(section.get_ref())) {
        None => Ok(()),
        Some(section) => {
            let message = "buckets, prefixes and operations hold in `sidecar` only; policy_file is for `serve`";
            Err(file.fault(section.span(), "identity", message.to_owned()))
        }
    }
}

fn identity(
    file: &ConfigFile,
    spanned: &Spanned<IdentitySection>,
) -> Result<Identity, SettingsError> {
    let section = spanned.get_ref();
    let credentials = credentials_of(file, spanned)?;
    let principal = principal(file, section)?;
    let session_end = match &section.session_end {
        None => None,
        Some(text) => Some(session_end(file, text, &credentials)?),
    };
    let policy = match &section.policy_file {
        None => None,
        Some(path) => Some(policy(file, path, &principal, &credentials)?),
    };
    Ok(Identity {
        credentials,
        session_end,
        principal,
        policy,
    })
}

fn credentials_of(
    file: &ConfigFile,
    spanned: &Spanned<IdentitySection>,
) -> Result<Credentials, SettingsError> {
    let section = spanned.get_ref();
    let id = section.access_key_id.get_ref();
    // A slash would part the credential of a signature elsewhere.
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=');
    if id.is_empty() || !id.bytes().all(plain) {
        let message = "letters and digits are wanted".to_owned();
        return Err(file.fault(
            section.access_key_id.span(),
            "identity.access_key_id",
            message,
        ));
    }
    let secret = credentials::secret(
        file,
        "identity.secret_access_key",
        section.secret_access_key.as_ref(),
        section.secret_access_key_file.as_ref(),
    )?;
    let session_token = credentials::secret(
        file,
        "identity.session_token",
        section.session_token.as_ref(),
        section.session_token_file.as_ref(),
    )?;
    let absent = || {
        let message = "secret_access_key or secret_access_key_file is wanted".to_owned();
        file.fault(spanned.span(), "identity", message)
    };
    Ok(Credentials {
        access_key_id: id.clone(),
        secret_access_key: secret.ok_or_else(absent)?,
        session_token,
    })
}

/// The caller's ARN; without one a user of the account who is named as the access key.
fn principal(file: &ConfigFile, section: &IdentitySection) -> Result<Principal, SettingsError> {
    let account = section.account_id.as_ref();
    if let Some(account) = account.filter(|account| !is_account_id(account.get_ref())) {
        let message = "twelve digits are wanted".to_owned();
        return Err(file.fault(account.span(), "identity.account_id", message));
    }
    let id = section.access_key_id.get_ref();
    let user_id = section.user_id.as_deref().unwrap_or(id);
    let (arn, span) = match &section.arn {
        Some(arn) => (arn.get_ref().clone(), arn.span()),
        None => {
            let account = account.map_or(ACCOUNT_ID, |account| account.get_ref());
            (
                format!("arn:aws:iam::{account}:user/{id}"),
                section.access_key_id.span(),
            )
        }
    };
    let principal = Principal::new(&arn, user_id).ok_or_else(|| {
        let message = "the ARN of a user, an assumed role, a federated user or an account's root is wanted, \
                       as arn:aws:iam::123456789012:user/name";
        file.fault(span.clone(), "identity.arn", message.to_owned())
    })?;
    match account {
        Some(account) if account.get_ref() != principal.account_id() => {
            let message = format!("the account of arn, {}, is wanted", principal.account_id());
            Err(file.fault(account.span(), "identity.account_id", message))
        }
        _ => Ok(principal),
    }
}

fn session_end(
    file: &ConfigFile,
    text: &Spanned<String>,
    credentials: &Credentials,
) -> Result<UnixSeconds, SettingsError> {
    let fault = |message: &str| file.fault(text.span(), "identity.session_end", message.to_owned());
    if credentials.session_token.is_none() {
        return Err(fault("a session_token is wanted beside it"));
    }
    parse_iso_date(text.get_ref().as_bytes())
        .ok_or_else(|| fault("a date as \"2026-01-31T00:00:00Z\" is wanted"))
}

fn policy(
    file: &ConfigFile,
    named: &Spanned<PathBuf>,
    principal: &Principal,
    credentials: &Credentials,
) -> Result<Policy, SettingsError> {
    const KEY: &str = "identity.policy_file";
    let policy = policy_file::read(file, KEY, named, principal)?;
    let of_session = SESSION_KEYS.into_iter().any(|key| policy.reads(key));
    if of_session && credentials.session_token.is_some() {
        let message = format!(
            "{} asks for aws:TokenIssueTime or aws:MultiFactorAuthPresent, which a session_token does not tell",
            file.beside(named.get_ref()).display()
        );
        return Err(file.fault(named.span(), KEY, message));
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEYS: &str = "access_key_id = 'AKIDBOB'\nsecret_access_key = 's'\n";

    fn identities(text: &str) -> Result<Identities, String> {
        let text = format!("[[identity]]\n{text}");
        let file = ConfigFile::parse(Path::new("s.toml"), text).unwrap();
        read(&file).map_err(|fault| fault.to_string())
    }

    fn fault(text: &str) -> String {
        identities(text).unwrap_err()
    }

    #[test]
    fn an_identity_needs_no_more_than_its_keys() {
        let known = identities(KEYS).unwrap();
        let bob = known.find(b"AKIDBOB").unwrap();
        assert_eq!(bob.credentials.secret_access_key.expose(), "s");
        assert_eq!(
            bob.principal.arn(),
            "arn:aws:iam::123456789012:user/AKIDBOB"
        );
        assert_eq!(bob.context_value("caller"), Some("AKIDBOB"));
        assert!(bob.policy.is_none() && bob.session_end.is_none());
        assert!(read(&ConfigFile::default()).unwrap().is_empty());
    }

    #[test]
    fn an_identity_may_tell_all_of_it() {
        let text = format!(
            "{KEYS}session_token = 't'\nsession_end = '2030-01-01T00:00:00Z'\naccount_id = '210987654321'\n\
             arn = 'arn:aws:sts::210987654321:assumed-role/reader/bob'\nuser_id = 'AROA:bob'\n"
        );
        let known = identities(&text).unwrap();
        let bob = known.find(b"AKIDBOB").unwrap();
        assert_eq!(bob.session_end, Some(UnixSeconds(1_893_456_000)));
        assert_eq!(bob.principal.kind(), "AssumedRole");
        assert_eq!(bob.context_value("accountId"), Some("210987654321"));
        assert_eq!(bob.context_value("user"), Some("AROA:bob"));
    }

    #[test]
    fn what_cannot_be_an_identity_is_named_with_its_place() {
        let with = |line: &str| fault(&format!("{KEYS}{line}\n"));
        for (found, start) in [
            (
                fault("access_key_id = 'A/B'\nsecret_access_key = 's'\n"),
                "s.toml:2:17: identity.access_key_id: ",
            ),
            (
                fault("access_key_id = 'A'\n"),
                "s.toml:1:1: identity: secret_access_key",
            ),
            (
                with("account_id = '1'"),
                "s.toml:4:14: identity.account_id: twelve",
            ),
            (
                with("arn = 'arn:aws:iam::123456789012:role/r'"),
                "s.toml:4:7: identity.arn: ",
            ),
            (
                with("account_id = '210987654321'\narn = 'arn:aws:iam::123456789012:user/u'"),
                "s.toml:4:14: identity.account_id: the account of arn",
            ),
            (
                with("session_end = '2030-01-01T00:00:00Z'"),
                "s.toml:4:15: identity.session_end: a session_token",
            ),
            (
                with("session_token = 't'\nsession_end = 'soon'"),
                "s.toml:5:15: identity.session_end: a date",
            ),
            (
                with("policy_file = 'no-such-policy.json'"),
                "s.toml:4:15: identity.policy_file: no-such-policy.json: ",
            ),
            (
                with("[[identity]]\naccess_key_id = 'AKIDBOB'\nsecret_access_key = 'x'"),
                "s.toml:5:17: identity.access_key_id: AKIDBOB belongs",
            ),
        ] {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_policy_is_read_beside_the_file_and_its_faults_name_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let of_policy = |policy: &str, more: &str| {
            std::fs::write(folder.path().join("p.json"), policy).unwrap();
            let text = format!("[[identity]]\n{KEYS}policy_file = 'p.json'\n{more}");
            let file = ConfigFile::parse(&folder.path().join("s.toml"), text).unwrap();
            read(&file).map_err(|fault| fault.to_string())
        };
        let good = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        let known = of_policy(good, "").unwrap();
        assert!(known.find(b"AKIDBOB").unwrap().policy.is_some());
        let wrong = of_policy("{\n\"Statement\": {\"Efect\": \"Allow\"}}", "").unwrap_err();
        assert!(
            wrong.contains("p.json:2:15: found the element `Efect`"),
            "{wrong}"
        );
        let asks = r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}}"#;
        assert!(of_policy(asks, "").is_ok());
        let session = of_policy(asks, "session_token = 't'\n").unwrap_err();
        assert!(session.contains("identity.policy_file: "), "{session}");
    }
}
