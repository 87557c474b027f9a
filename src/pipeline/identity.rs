//! Callers that are known: who may sign requests, and what they may call (spec 09, "AWS_IAM").

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::api::iam_policy::Policy;
use crate::api::iam_policy::principal::Principal;
use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::credentials::Credentials;

/// One access key, and whom it stands for.
#[derive(Debug)]
pub struct Identity {
    /// The pair that signs, with the session token of temporary keys.
    pub credentials: Credentials,
    /// When the session ends.
    pub session_end: Option<UnixSeconds>,
    /// Who that is.
    pub principal: Principal,
    /// What the caller may invoke; without one every method.
    pub policy: Option<Policy>,
}

impl Identity {
    /// The value of `context.identity.NAME`, for names that tell who calls.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&str> {
        match name {
            "accessKey" => Some(&self.credentials.access_key_id),
            "accountId" => Some(self.principal.account_id()),
            "caller" | "user" => Some(self.principal.user_id()),
            "userArn" => Some(self.principal.arn()),
            _ => None,
        }
    }
}

/// An access key id that is another identity's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessKeyIdTaken;

/// All identities, by access key id. Never changed once a worker runs.
#[derive(Debug, Default)]
pub struct Identities(HashMap<String, Identity>);

impl Identities {
    /// Adds an identity.
    ///
    /// # Errors
    /// Another one has its access key id.
    pub fn add(&mut self, identity: Identity) -> Result<(), AccessKeyIdTaken> {
        match self.0.entry(identity.credentials.access_key_id.clone()) {
            Entry::Occupied(_) => Err(AccessKeyIdTaken),
            Entry::Vacant(place) => {
                place.insert(identity);
                Ok(())
            }
        }
    }

    /// The identity of an access key id.
    #[must_use]
    pub fn find(&self, access_key_id: &[u8]) -> Option<&Identity> {
        let id = std::str::from_utf8(access_key_id).ok()?;
        self.0.get(id)
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
