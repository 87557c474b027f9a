//! Names and texts that end up in requests: each holds nothing that a head or a path could not carry.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::app::settings::values::ValueFault;
use crate::app::settings::values::from_text;
use crate::wire::http1::host;

/// `--stage`: 1 to 128 letters, digits, `_`, `-` (API Gateway's `CreateStage`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageName(String);

impl StageName {
    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for StageName {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if (1..=128).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::StageName)
        }
    }
}

impl<'de> Deserialize<'de> for StageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Visible ASCII without blanks: what keys and tokens are made of, and what a head can carry.
pub fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// An access key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibleText(String);

impl VisibleText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VisibleText {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        if is_visible(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::VisibleText)
        }
    }
}

impl<'de> Deserialize<'de> for VisibleText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--s3-region`: part of every credential scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// The region.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::Region)
        }
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--s3-bucket`: S3's present rules and its older ones, which some stores keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName(String);

impl BucketName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let only_dots = text.bytes().all(|b| b == b'.');
        if (3..=255).contains(&text.len()) && text.bytes().all(good) && !only_dots {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::Bucket)
        }
    }
}

impl<'de> Deserialize<'de> for BucketName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--domain`: letters, digits, `-` and dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainName(String);

impl DomainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let label = |label: &str| !label.is_empty() && label.bytes().all(good);
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::Domain)
        }
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `[[api]] host`: a name, an IPv4 address or an IPv6 address in brackets, without a port. Kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for HostName {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let (name, port) = host::split_port(text.as_bytes());
        if name.is_empty() || port.is_some() || text.len() > 255 || !host::is_valid(name) {
            return Err(ValueFault::Host);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Stage variables of one stage (spec 11, "Quotas").
pub const STAGE_VARIABLES_MAX: usize = 100;
const VARIABLE_NAME_BYTES_MAX: usize = 64;
const VARIABLE_VALUE_BYTES_MAX: usize = 512;

/// The name of a stage variable: 1 to 64 letters, digits, `_` (spec 11, "Quotas").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableName(String);

impl VariableName {
    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for VariableName {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if (1..=VARIABLE_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::VariableName)
        }
    }
}

impl<'de> Deserialize<'de> for VariableName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Told by its text: the key of the fault ends before it.
        text.parse()
            .map_err(|fault| D::Error::custom(format!("{text:?}: {fault}")))
    }
}

/// The value of a stage variable: 1 to 512 characters of `[A-Za-z0-9-._~:/?#&=,]` (spec 11, "Quotas").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableValue(String);

impl VariableValue {
    /// The value.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for VariableValue {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b);
        if (1..=VARIABLE_VALUE_BYTES_MAX).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueFault::VariableValue)
        }
    }
}

impl<'de> Deserialize<'de> for VariableValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--stage-variable NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageVariable {
    /// The variable.
    pub name: VariableName,
    /// Its text.
    pub value: VariableValue,
}

impl FromStr for StageVariable {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let (name, value) = text.split_once('=').ok_or(ValueFault::StageVariable)?;
        Ok(Self {
            name: name.parse()?,
            value: value.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_keep_to_api_gateways_alphabet() {
        assert!("v1_beta-2".parse::<StageName>().is_ok());
        assert!("v".repeat(128).parse::<StageName>().is_ok());
        for refused in ["", "a/b", "a b", "é", "v".repeat(129).as_str()] {
            assert!(refused.parse::<StageName>().is_err(), "{refused}");
        }
    }

    #[test]
    fn what_goes_into_a_head_is_visible_ascii() {
        assert!("AKIA/+=".parse::<VisibleText>().is_ok());
        for refused in ["", "a b", "a\n", "é"] {
            assert!(refused.parse::<VisibleText>().is_err(), "{refused:?}");
        }
        assert!("eu-west-1".parse::<Region>().is_ok());
        for refused in ["", "eu/west", "eu west", "eu\r\n"] {
            assert!(refused.parse::<Region>().is_err(), "{refused:?}");
        }
        assert!("my_Photos.2024".parse::<BucketName>().is_ok());
        for refused in ["", "ab", "...", "a/b", "a?b", "a b"] {
            assert!(refused.parse::<BucketName>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_without_a_port() {
        let host = |text: &str| text.parse().map(HostName::into_string);
        assert_eq!(host("Files.Example.org").unwrap(), "files.example.org");
        assert_eq!(host("[::1]").unwrap(), "[::1]");
        for refused in [
            "", "a:80", "a:", "[::1]:80", "a b", "a/b", "http://a", "a,b",
        ] {
            assert_eq!(host(refused), Err(ValueFault::Host), "{refused}");
        }
    }

    #[test]
    fn stage_variables_are_name_and_value() {
        let variable: StageVariable = "bucket=a=b".parse().unwrap();
        assert_eq!(variable.name.into_string(), "bucket");
        assert_eq!(variable.value.into_string(), "a=b");
        for (refused, fault) in [
            ("bucket", ValueFault::StageVariable),
            ("=a", ValueFault::VariableName),
            ("a-b=c", ValueFault::VariableName),
            ("a b=c", ValueFault::VariableName),
            ("a=b c", ValueFault::VariableValue),
            ("a=", ValueFault::VariableValue),
            ("a=é", ValueFault::VariableValue),
        ] {
            assert_eq!(refused.parse::<StageVariable>(), Err(fault), "{refused}");
        }
    }

    #[test]
    fn stage_variables_have_their_lengths() {
        assert!("n".repeat(64).parse::<VariableName>().is_ok());
        assert!("n".repeat(65).parse::<VariableName>().is_err());
        assert!("v".repeat(512).parse::<VariableValue>().is_ok());
        assert!("v".repeat(513).parse::<VariableValue>().is_err());
        assert!("A-z.0_~:/?#&=,".parse::<VariableValue>().is_ok());
    }
}
