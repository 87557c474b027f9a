//! Who calls, as policies name callers.

/// A caller named by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    arn: String,
    /// The role of an assumed role, else the ARN itself (`aws:PrincipalArn`).
    policy_arn: String,
    account_id: String,
    user_id: String,
    user_name: Option<String>,
    kind: &'static str,
}

impl Principal {
    /// The principal of an ARN of a user, an assumed role, a federated user or an account's root; `None` for any other.
    /// `user_id` is the principal id: `aws:userid`.
    #[must_use]
    pub fn new(arn: &str, user_id: &str) -> Option<Self> {
        let mut elements = arn.splitn(6, ':');
        if elements.next() != Some("arn") || !elements.next()?.starts_with("aws") {
            return None;
        }
        let (service, region, account_id) = (elements.next()?, elements.next()?, elements.next()?);
        if !region.is_empty() || !is_account_id(account_id) {
            return None;
        }
        let resource = elements.next()?;
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let (last, mut policy_arn) = (name.rsplit('/').next()?, arn.to_owned());
        let (kind, user_name) = match (service, kind) {
            ("iam", "user") if !last.is_empty() => ("User", Some(last.to_owned())),
            ("iam", "root") if resource == "root" => ("Account", None),
            ("sts", "federated-user") if !last.is_empty() => ("FederatedUser", None),
            ("sts", "assumed-role") => {
                let (role, session) = name.split_once('/')?;
                if role.is_empty() || session.is_empty() {
                    return None;
                }
                let partition = arn.split(':').nth(1)?;
                policy_arn = format!("arn:{partition}:iam::{account_id}:role/{role}");
                ("AssumedRole", None)
            }
            _ => return None,
        };
        Some(Self {
            arn: arn.to_owned(),
            policy_arn,
            account_id: account_id.to_owned(),
            user_id: user_id.to_owned(),
            user_name,
            kind,
        })
    }

    /// The session in which API Gateway acts as the role of this ARN; `None` for any other ARN.
    #[must_use]
    pub fn of_role(arn: &str) -> Option<Self> {
        const SESSION: &str = "BackplaneAssumeRoleSession";
        let mut elements = arn.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("iam")) =
            (elements.next(), elements.next(), elements.next())
        else {
            return None;
        };
        let (region, account_id, resource) = (elements.next()?, elements.next()?, elements.next()?);
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        let session =
            format!("arn:{partition}:sts:{region}:{account_id}:assumed-role/{name}/{SESSION}");
        let principal = Self::new(&session, &format!("{name}:{SESSION}"))?;
        Some(Self {
            policy_arn: arn.to_owned(),
            ..principal
        })
    }

    /// Its own ARN: `$context.identity.userArn`.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Twelve digits.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// The principal id.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// `aws:PrincipalArn`: the role of an assumed role.
    #[must_use]
    pub fn policy_arn(&self) -> &str {
        &self.policy_arn
    }

    /// The name of an IAM user.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// `User`, `AssumedRole`, `FederatedUser` or `Account`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The value of a policy variable, its name in any case.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        match name.to_ascii_lowercase().as_str() {
            "aws:username" => self.user_name(),
            "aws:userid" => Some(self.user_id()),
            "aws:principalarn" => Some(self.policy_arn()),
            "aws:principalaccount" => Some(self.account_id()),
            "aws:principaltype" => Some(self.kind()),
            _ => None,
        }
    }
}

/// Whether a text is an account's number: twelve digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_callers_tell_kind_name_and_role() {
        for (arn, kind, name, policy_arn) in [
            (
                "arn:aws:iam::123456789012:user/team/bob",
                "User",
                Some("bob"),
                None,
            ),
            ("arn:aws-cn:iam::123456789012:root", "Account", None, None),
            (
                "arn:aws:sts::123456789012:assumed-role/reader/session",
                "AssumedRole",
                None,
                Some("arn:aws:iam::123456789012:role/reader"),
            ),
            (
                "arn:aws:sts::123456789012:federated-user/eve",
                "FederatedUser",
                None,
                None,
            ),
        ] {
            let principal = Principal::new(arn, "id").unwrap();
            assert_eq!((principal.kind(), principal.user_name()), (kind, name));
            assert_eq!(principal.policy_arn(), policy_arn.unwrap_or(arn));
            assert_eq!(principal.account_id(), "123456789012");
        }
    }

    #[test]
    fn other_arns_are_no_callers() {
        for arn in [
            "",
            "bob",
            "arn:aws:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:iam::12345678901:user/bob",
            "arn:aws:iam:us-east-1:123456789012:user/bob",
            "arn:aws:sts::123456789012:assumed-role/reader",
            "arn:aws:sts::123456789012:user/bob",
            "arn:aws:s3:::bucket",
        ] {
            assert_eq!(Principal::new(arn, "id"), None, "{arn}");
        }
    }
}
