//! Access keys, in types that can be printed without telling a secret.

use std::fmt;

/// A text that no log may show: `Debug` and `Display` write nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for key derivation and for the `x-amz-security-token` field only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// An access key pair, with the session token that temporary keys have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Public name of the pair: sent in each credential scope.
    pub access_key_id: String,
    /// Never sent; each day's signing key is derived from it.
    pub secret_access_key: Secret,
    /// Sent and signed as `x-amz-security-token` (spec 10, "session").
    pub session_token: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_credentials_show_the_access_key_id_only() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI"),
            session_token: Some(Secret::new("FQoGZXIv")),
        };
        let printed = format!(
            "{credentials:?} {credentials:#?} {}",
            credentials.secret_access_key
        );
        assert!(printed.contains("AKIDEXAMPLE"), "{printed}");
        assert!(
            !printed.contains("wJal") && !printed.contains("FQoG"),
            "{printed}"
        );
    }

    #[test]
    fn an_exposed_secret_is_the_text_given() {
        assert_eq!(Secret::new("a/b+c").expose(), "a/b+c");
    }
}
