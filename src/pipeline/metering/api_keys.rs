//! API keys that are known (spec 09, "API keys").

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::fmt;

use crate::wire::sigv4::hex::Hex;
use crate::wire::sigv4::payload_hash::sha256_hex;

/// Bytes of a key's value (spec 09).
pub const VALUE_BYTES_MIN: usize = 20;
/// As [`VALUE_BYTES_MIN`].
pub const VALUE_BYTES_MAX: usize = 128;
/// Keys of one account (spec 11, "Quotas").
pub const API_KEYS_MAX: usize = 10_000;

/// A key without its value, which is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// `context.identity.apiKeyId`
    pub id: String,
    /// A disabled key is as good as none.
    pub enabled: bool,
}

/// Why a key was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyFault {
    /// Another key has the id.
    IdTaken,
    /// Another key has the value.
    ValueTaken,
    /// The value is shorter than [`VALUE_BYTES_MIN`] or longer than [`VALUE_BYTES_MAX`].
    ValueLength,
    /// There are [`API_KEYS_MAX`] already.
    TooMany,
}

/// All keys, by the SHA-256 of their values: how long a search takes tells nothing of a value. Never changed once a worker
/// runs.
#[derive(Debug, Default)]
pub struct ApiKeys {
    by_hash: HashMap<Hex, ApiKey>,
    ids: HashSet<String>,
}

impl ApiKeys {
    /// Adds a key.
    ///
    /// # Errors
    /// Its id or value is another's, its value is too short or too long, or there are too many.
    pub fn add(&mut self, key: ApiKey, value: &str) -> Result<(), ApiKeyFault> {
        if !(VALUE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&value.len()) {
            return Err(ApiKeyFault::ValueLength);
        }
        if self.ids.contains(&key.id) {
            return Err(ApiKeyFault::IdTaken);
        }
        if self.by_hash.len() >= API_KEYS_MAX {
            return Err(ApiKeyFault::TooMany);
        }
        match self.by_hash.entry(sha256_hex(value.as_bytes())) {
            Entry::Occupied(_) => Err(ApiKeyFault::ValueTaken),
            Entry::Vacant(place) => {
                self.ids.insert(key.id.clone());
                place.insert(key);
                Ok(())
            }
        }
    }

    /// The enabled key of that value.
    #[must_use]
    pub fn find(&self, value: &[u8]) -> Option<&ApiKey> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let key = self.by_hash.get(&sha256_hex(value))?;
        key.enabled.then_some(key)
    }

    /// Whether there is a key of that id, enabled or not.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

/// The key that a request came with, once it was accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptedKey<'t, 'h> {
    /// `context.identity.apiKeyId`
    pub id: &'t str,
    /// `context.identity.apiKey`: the field's value.
    pub value: &'h [u8],
}

impl<'a> AcceptedKey<'a, 'a> {
    /// The value of `context.identity.NAME`, for the names that tell the key.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&'a [u8]> {
        match name {
            "apiKey" => Some(self.value),
            "apiKeyId" => Some(self.id.as_bytes()),
            _ => None,
        }
    }
}

impl fmt::Debug for AcceptedKey<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "0123456789abcdefghij";

    fn key(id: &str, enabled: bool) -> ApiKey {
        ApiKey {
            id: id.to_owned(),
            enabled,
        }
    }

    #[test]
    fn an_enabled_key_is_found_by_its_whole_value() {
        let mut keys = ApiKeys::default();
        keys.add(key("a", true), VALUE).unwrap();
        keys.add(key("b", false), "disabled-disabled-disabled")
            .unwrap();
        assert_eq!(keys.find(VALUE.as_bytes()), Some(&key("a", true)));
        for other in [
            &b"disabled-disabled-disabled"[..],
            b"0123456789abcdefghi",
            b"0123456789abcdefghijk",
            b"0123456789ABCDEFGHIJ",
            b"",
            b"a",
            &[0xff; 20],
            &[b'0'; 129],
        ] {
            assert_eq!(keys.find(other), None);
        }
        assert!(keys.has_id("b") && !keys.has_id("c"));
    }

    #[test]
    fn ids_and_values_belong_to_one_key_and_have_their_lengths() {
        let mut keys = ApiKeys::default();
        keys.add(key("a", true), VALUE).unwrap();
        let other = "0123456789abcdefghi_";
        assert_eq!(keys.add(key("a", true), other), Err(ApiKeyFault::IdTaken));
        assert_eq!(
            keys.add(key("b", true), VALUE),
            Err(ApiKeyFault::ValueTaken)
        );
        let long = |length| "v".repeat(length);
        for length in [0, 19, 129] {
            let fault = keys.add(key("c", true), &long(length));
            assert_eq!(fault, Err(ApiKeyFault::ValueLength), "{length}");
        }
        assert!(keys.add(key("c", true), &long(20)).is_ok());
        assert!(keys.add(key("d", true), &long(128)).is_ok());
        assert!(keys.find(long(128).as_bytes()).is_some());
    }

    #[test]
    fn an_account_has_ten_thousand_keys() {
        let mut keys = ApiKeys::default();
        for n in 0..API_KEYS_MAX {
            keys.add(key(&n.to_string(), true), &format!("{n:020}"))
                .unwrap();
        }
        assert_eq!(
            keys.add(key("one more", true), VALUE),
            Err(ApiKeyFault::TooMany)
        );
    }

    #[test]
    fn an_accepted_key_prints_its_id_alone() {
        let accepted = AcceptedKey {
            id: "a",
            value: VALUE.as_bytes(),
        };
        assert_eq!(format!("{accepted:?}"), "AcceptedKey { id: \"a\", .. }");
    }
}
