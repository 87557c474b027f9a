//! Names and texts that end up in requests: each holds nothing that a head or a path could not carry.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::app::settings::values::ValueFault;
use crate::app::settings::values::from_text;

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

/// `--stage-variable NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageVariable {
    /// The variable.
    pub name: String,
    /// Its text.
    pub value: String,
}

impl FromStr for StageVariable {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let (name, value) = text.split_once('=').ok_or(ValueFault::StageVariable)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ValueFault::StageVariable);
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
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
    fn stage_variables_are_name_and_value() {
        let variable: StageVariable = "bucket=a=b".parse().unwrap();
        assert_eq!(
            (variable.name.as_str(), variable.value.as_str()),
            ("bucket", "a=b")
        );
        assert!("bucket=".parse::<StageVariable>().is_ok());
        for refused in ["bucket", "=a", "a-b=c"] {
            assert!(refused.parse::<StageVariable>().is_err(), "{refused}");
        }
    }
}
