//! What conditions may ask about a call.

use std::borrow::Cow;

use crate::api::iam_policy::principal::Principal;
use crate::api::iam_policy::s3_values::S3Key;
use crate::api::iam_policy::s3_values::S3Values;
use crate::wire::date::UnixSeconds;

/// A call, of a method or of S3.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `execute-api:Invoke`, `s3:GetObject`, …; its letters' case does not count.
    pub action: &'a str,
    /// The ARN of the method, bucket or object.
    pub resource: &'a str,
    /// Who calls; `None`: anybody.
    pub principal: Option<&'a Principal>,
    /// The peer's IP address as text.
    pub source_ip: &'a str,
    /// When.
    pub now: UnixSeconds,
    /// Whether TLS carries it.
    pub is_secure: bool,
    /// The `User-Agent` field.
    pub user_agent: Option<&'a [u8]>,
    /// The `Referer` field.
    pub referer: Option<&'a [u8]>,
    /// What keys of S3 tell, of calls of S3.
    pub s3: Option<&'a S3Values<'a>>,
}

/// The condition keys of spec 09.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKey {
    /// `aws:SourceIp`
    SourceIp,
    /// `aws:CurrentTime`
    CurrentTime,
    /// `aws:EpochTime`
    EpochTime,
    /// `aws:SecureTransport`
    SecureTransport,
    /// `aws:UserAgent`
    UserAgent,
    /// `aws:Referer`
    Referer,
    /// `aws:SourceVpc`, `aws:SourceVpce`, `aws:VpcSourceIp`: there is none.
    SourceVpc,
    /// `aws:PrincipalArn`
    PrincipalArn,
    /// `aws:PrincipalAccount`
    PrincipalAccount,
    /// `aws:PrincipalType`
    PrincipalType,
    /// `aws:userid`
    UserId,
    /// `aws:username`
    UserName,
    /// `aws:TokenIssueTime`: absent without a session.
    TokenIssueTime,
    /// `aws:MultiFactorAuthPresent`: absent without a session.
    MultiFactorAuthPresent,
    /// `aws:PrincipalTag/*`: identities have no tags.
    PrincipalTag,
    /// `s3:*`
    S3(S3Key),
}

impl ConditionKey {
    /// The key of a name in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "aws:sourceip" => Self::SourceIp,
            "aws:currenttime" => Self::CurrentTime,
            "aws:epochtime" => Self::EpochTime,
            "aws:securetransport" => Self::SecureTransport,
            "aws:useragent" => Self::UserAgent,
            "aws:referer" => Self::Referer,
            "aws:sourcevpc" | "aws:sourcevpce" | "aws:vpcsourceip" => Self::SourceVpc,
            "aws:principalarn" => Self::PrincipalArn,
            "aws:principalaccount" => Self::PrincipalAccount,
            "aws:principaltype" => Self::PrincipalType,
            "aws:userid" => Self::UserId,
            "aws:username" => Self::UserName,
            "aws:tokenissuetime" => Self::TokenIssueTime,
            "aws:multifactorauthpresent" => Self::MultiFactorAuthPresent,
            _ if name.starts_with("aws:principaltag/") => Self::PrincipalTag,
            _ => return S3Key::parse(&name).map(Self::S3),
        })
    }

    /// Whether calls of S3 alone have it.
    #[must_use]
    pub const fn is_of_s3(self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// Its value for a call, if it has one.
    #[must_use]
    pub fn value_of<'c>(self, call: &Call<'c>) -> Option<Cow<'c, str>> {
        let text = |text: &'c str| Some(Cow::Borrowed(text));
        match self {
            Self::SourceIp => text(call.source_ip),
            Self::CurrentTime => Some(Cow::Owned(call.now.iso_date())),
            Self::EpochTime => Some(Cow::Owned(call.now.0.to_string())),
            Self::SecureTransport => text(if call.is_secure { "true" } else { "false" }),
            Self::UserAgent => call.user_agent.map(String::from_utf8_lossy),
            Self::Referer => call.referer.map(String::from_utf8_lossy),
            Self::PrincipalArn => text(call.principal?.policy_arn()),
            Self::PrincipalAccount => text(call.principal?.account_id()),
            Self::PrincipalType => text(call.principal?.kind()),
            Self::UserId => text(call.principal?.user_id()),
            Self::UserName => call.principal?.user_name().map(Cow::Borrowed),
            Self::S3(key) => call.s3?.value_of(key),
            Self::SourceVpc
            | Self::TokenIssueTime
            | Self::MultiFactorAuthPresent
            | Self::PrincipalTag => None,
        }
    }
}
