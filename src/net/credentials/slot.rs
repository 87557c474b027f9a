//! Where a signer's keys lie: written by whoever renews them, read by every core for every request.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::credentials::Credentials;

/// Keys, and until when they are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What signs.
    pub credentials: Credentials,
    /// The first second in which the store takes them no more; `None` for keys without end.
    pub expires: Option<UnixSeconds>,
    /// Where they came from, in words for a person: `environment`, `profile media`.
    pub source: String,
}

/// A renewal that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalFault {
    /// When.
    pub at: UnixSeconds,
    /// Why; never holds a secret.
    pub message: String,
}

/// Why nothing can be signed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCredentials {
    /// No keys have been found so far.
    NotYet,
    /// The last keys have expired and no new ones came.
    Expired,
}

/// The place of one signer's keys. Clones are the same place.
///
/// Reading costs one atomic load and no lock, so that a core may read it for every request.
#[derive(Clone)]
pub struct CredentialSlot {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    keys: ArcSwapOption<Keys>,
    fault: ArcSwapOption<RenewalFault>,
}

/// How a slot stands, for readiness and metrics. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    /// Whose keys: `store`, or the ARN of a role.
    pub name: String,
    /// Whether a request can be signed now.
    pub usable: Result<(), NoCredentials>,
    /// Where the keys came from; `None` before the first ones.
    pub source: Option<String>,
    /// When they end, if they do.
    pub expires: Option<UnixSeconds>,
    /// The last renewal, if it failed.
    pub fault: Option<RenewalFault>,
}

impl CredentialSlot {
    /// A slot without keys; `name` tells a person whose they will be.
    #[must_use]
    pub fn empty(name: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                keys: ArcSwapOption::empty(),
                fault: ArcSwapOption::empty(),
            }),
        }
    }

    /// A slot whose keys never change.
    #[must_use]
    pub fn fixed(
        name: impl Into<String>,
        source: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        let slot = Self::empty(name);
        slot.publish(Keys {
            credentials,
            expires: None,
            source: source.into(),
        });
        slot
    }

    /// Replaces the keys for all cores; the last renewal is a good one.
    pub fn publish(&self, keys: Keys) {
        self.shared.keys.store(Some(Arc::new(keys)));
        self.shared.fault.store(None);
    }

    /// Notes that a renewal failed. The keys stay until they expire.
    pub fn note_fault(&self, fault: RenewalFault) {
        self.shared.fault.store(Some(Arc::new(fault)));
    }

    /// Gives the keys that are good at `now` to `sign`.
    ///
    /// # Errors
    /// There are none.
    pub fn with<T>(
        &self,
        now: UnixSeconds,
        sign: impl FnOnce(&Credentials) -> T,
    ) -> Result<T, NoCredentials> {
        let keys = self.shared.keys.load();
        let keys = keys.as_deref().ok_or(NoCredentials::NotYet)?;
        if keys.is_expired(now) {
            return Err(NoCredentials::Expired);
        }
        Ok(sign(&keys.credentials))
    }

    /// Whose keys these are.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// When the keys end; `None` without keys and for keys without end.
    #[must_use]
    pub fn expires(&self) -> Option<UnixSeconds> {
        self.shared.keys.load().as_deref()?.expires
    }

    /// How the slot stands at `now`.
    #[must_use]
    pub fn state(&self, now: UnixSeconds) -> SlotState {
        let keys = self.shared.keys.load();
        let keys = keys.as_deref();
        SlotState {
            name: self.shared.name.clone(),
            usable: match keys {
                None => Err(NoCredentials::NotYet),
                Some(keys) if keys.is_expired(now) => Err(NoCredentials::Expired),
                Some(_) => Ok(()),
            },
            source: keys.map(|keys| keys.source.clone()),
            expires: keys.and_then(|keys| keys.expires),
            fault: self.shared.fault.load().as_deref().cloned(),
        }
    }
}

impl Keys {
    fn is_expired(&self, now: UnixSeconds) -> bool {
        self.expires.is_some_and(|end| end.0 <= now.0)
    }
}

impl fmt::Debug for CredentialSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CredentialSlot")
            .field(&self.shared.name)
            .finish()
    }
}

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYet => "no credentials have been found yet",
            Self::Expired => "the credentials have expired and could not be renewed",
        })
    }
}

impl std::error::Error for NoCredentials {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sigv4::credentials::Secret;

    const END: UnixSeconds = UnixSeconds(1_000);

    fn keys(id: &str, expires: Option<UnixSeconds>) -> Keys {
        Keys {
            credentials: Credentials {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::new("hidden"),
                session_token: None,
            },
            expires,
            source: "test".to_owned(),
        }
    }

    fn id(slot: &CredentialSlot, now: u64) -> Result<String, NoCredentials> {
        slot.with(UnixSeconds(now), |keys| keys.access_key_id.clone())
    }

    #[test]
    fn keys_are_given_out_until_the_second_in_which_they_end() {
        let slot = CredentialSlot::empty("store");
        assert_eq!(id(&slot, 0), Err(NoCredentials::NotYet));
        slot.publish(keys("A", Some(END)));
        assert_eq!(id(&slot, END.0 - 1), Ok("A".to_owned()));
        assert_eq!(id(&slot, END.0), Err(NoCredentials::Expired));
        slot.publish(keys("B", None));
        assert_eq!(id(&slot, u64::MAX), Ok("B".to_owned()));
    }

    #[test]
    fn a_failed_renewal_keeps_the_keys_and_is_told_until_one_succeeds() {
        let slot = CredentialSlot::empty("store");
        slot.publish(keys("A", Some(END)));
        let fault = RenewalFault {
            at: UnixSeconds(900),
            message: "refused".to_owned(),
        };
        slot.note_fault(fault.clone());
        assert_eq!(id(&slot, 999), Ok("A".to_owned()));
        let state = slot.state(UnixSeconds(999));
        assert_eq!((state.usable, state.fault), (Ok(()), Some(fault)));
        assert_eq!(
            slot.state(END).usable,
            Err(NoCredentials::Expired),
            "the keys ended"
        );
        slot.publish(keys("B", None));
        assert_eq!(slot.state(END).fault, None);
    }

    #[test]
    fn clones_are_one_place_and_show_no_secret() {
        let slot = CredentialSlot::fixed("store", "test", keys("A", None).credentials);
        let other = slot.clone();
        slot.publish(keys("B", None));
        assert_eq!(id(&other, 0), Ok("B".to_owned()));
        let shown = format!("{other:?} {:?} {:?}", other.state(END), keys("C", None));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
