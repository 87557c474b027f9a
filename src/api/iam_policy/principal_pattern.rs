//! `Principal` of a resource policy: of whom a statement speaks (spec 09, "Principals").

use crate::api::iam_policy::principal::Principal;
use crate::api::iam_policy::principal::is_account_id;
use crate::api::openapi::node::shortened;

/// One value of `{"AWS": …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalPattern {
    /// `*`: anybody, known or not.
    Anybody,
    /// An account's number or its root: all identities of the account.
    Account(String),
    /// A role, its ARN without the role's path: all of its sessions.
    Role(String),
    /// A user, a role's session or a federated user.
    One(String),
}

impl PrincipalPattern {
    /// Reads a value; the error says what is wanted.
    ///
    /// # Errors
    /// Neither `*` nor an account nor the ARN of a principal. An ARN has no wildcards (IAM user guide, "Principal").
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Anybody);
        }
        if is_account_id(text) {
            return Ok(Self::Account(text.to_owned()));
        }
        of_arn(text).ok_or_else(|| {
            let found = shortened(text);
            format!(
                "found the principal `{found}`, wanted `*`, an account's twelve digits, or the ARN of an account's root, \
                 a user, a role, a role's session or a federated user without wildcards"
            )
        })
    }

    /// Whether a caller is one of them; `None` is a caller who is not known.
    #[must_use]
    pub fn matches(&self, caller: Option<&Principal>) -> bool {
        match (self, caller) {
            (Self::Anybody, _) => true,
            (_, None) => false,
            (Self::Account(account), Some(caller)) => account == caller.account_id(),
            (Self::Role(arn), Some(caller)) => {
                arn == caller.policy_arn() && caller.arn() != caller.policy_arn()
            }
            (Self::One(arn), Some(caller)) => arn == caller.arn(),
        }
    }
}

fn of_arn(text: &str) -> Option<PrincipalPattern> {
    if text.contains(['*', '?', '$']) {
        return None;
    }
    let mut elements = text.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(""), Some(account), Some(resource)) = (
        elements.next(),
        elements.next(),
        elements.next(),
        elements.next(),
        elements.next(),
        elements.next(),
    ) else {
        return None;
    };
    if !partition.starts_with("aws") || !is_account_id(account) {
        return None;
    }
    if (service, resource) == ("iam", "root") {
        return Some(PrincipalPattern::Account(account.to_owned()));
    }
    let (kind, name) = resource.split_once('/')?;
    let last = name.rsplit('/').next().filter(|last| !last.is_empty())?;
    match (service, kind) {
        // A session does not tell the path of its role, and no two roles of an account have the same name.
        ("iam", "role") => Some(PrincipalPattern::Role(format!(
            "arn:{partition}:iam::{account}:role/{last}"
        ))),
        ("iam", "user") | ("sts", "assumed-role" | "federated-user") => {
            Some(PrincipalPattern::One(text.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "arn:aws:iam::123456789012:user/team/bob";
    const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/reader/bob";

    fn speaks_of(text: &str, caller: Option<&str>) -> bool {
        let caller = caller.map(|arn| Principal::new(arn, "id").unwrap());
        PrincipalPattern::parse(text)
            .unwrap()
            .matches(caller.as_ref())
    }

    #[test]
    fn principals_are_anybody_an_account_a_role_or_one() {
        for (text, bob, session) in [
            ("*", true, true),
            ("123456789012", true, true),
            ("arn:aws:iam::123456789012:root", true, true),
            ("210987654321", false, false),
            (BOB, true, false),
            ("arn:aws:iam::123456789012:user/bob", false, false),
            ("arn:aws:iam::123456789012:role/reader", false, true),
            ("arn:aws:iam::123456789012:role/a/path/reader", false, true),
            ("arn:aws:iam::123456789012:role/bob", false, false),
            ("arn:aws:iam::210987654321:role/reader", false, false),
            (SESSION, false, true),
            (
                "arn:aws:sts::123456789012:assumed-role/reader/eve",
                false,
                false,
            ),
        ] {
            assert_eq!(speaks_of(text, Some(BOB)), bob, "{text}");
            assert_eq!(speaks_of(text, Some(SESSION)), session, "{text}");
            assert_eq!(speaks_of(text, None), text == "*", "{text}");
        }
    }

    #[test]
    fn what_names_no_principal_is_refused() {
        for text in [
            "",
            "**",
            "bob",
            "1234",
            "arn:aws:iam::123456789012:user/*",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::123456789012:group/all",
            "arn:aws:iam::*:root",
            "arn:aws:iam:us-east-1:123456789012:root",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012",
            "arn:aws:iam::123456789012:user/${aws:username}",
        ] {
            let fault = PrincipalPattern::parse(text).unwrap_err();
            assert!(
                fault.starts_with(&format!("found the principal `{text}`")),
                "{fault}"
            );
        }
    }
}
