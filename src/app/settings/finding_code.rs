//! `--allow`: codes of findings that are left out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::api::openapi::finding_code::Code;
use crate::app::settings::values::from_text;

/// A code that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilencedCode(pub Code);

/// Not the code of a warning or hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCode {
    /// The code that has most of its words in common with what was given.
    nearest: Option<Code>,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the code of a warning or hint is wanted, as `check` prints it in brackets")?;
        match self.nearest {
            Some(code) => write!(f, "; did you mean `{code}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownCode {}

impl FromStr for SilencedCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        match Code::named(text) {
            Some(Code::Fault) => Err(UnknownCode { nearest: None }),
            Some(code) => Ok(Self(code)),
            None => Err(UnknownCode {
                nearest: nearest(text),
            }),
        }
    }
}

impl<'de> Deserialize<'de> for SilencedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

fn nearest(text: &str) -> Option<Code> {
    let words: Vec<&str> = text
        .split(['-', '_', ' '])
        .filter(|w| w.len() > 2)
        .collect();
    let shared = |code: Code| {
        words
            .iter()
            .filter(|word| code.name().contains(**word))
            .count()
    };
    let best = Code::ALL.iter().copied().max_by_key(|&code| shared(code))?;
    (shared(best) > 0).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_taken_by_name_and_others_get_the_nearest() {
        assert_eq!(
            "etag-not-mapped".parse(),
            Ok(SilencedCode(Code::EtagNotMapped))
        );
        let refused = |text: &str| text.parse::<SilencedCode>().unwrap_err().to_string();
        assert!(refused("etag").ends_with("did you mean `etag-not-mapped`?"));
        assert!(refused("binary_bodies").ends_with("did you mean `binary-bodies`?"));
        assert!(refused("fault").ends_with("in brackets"));
        assert!(refused("").ends_with("in brackets"));
    }
}
