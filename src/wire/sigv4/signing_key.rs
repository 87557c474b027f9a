//! Signing keys: derived once for a day, a region and a service, then only used.

use std::fmt;
use std::rc::Rc;

use ring::hmac;

use crate::wire::date::UnixSeconds;
use crate::wire::sigv4::credentials::{Credentials, Secret};
use crate::wire::sigv4::hex::{self, Hex};

/// The last element of each credential scope.
pub(crate) const SCOPE_TERMINATOR: &str = "aws4_request";

/// Keys that one core keeps: the store's, those of roles and of callers, per region, with room for a change of credentials.
const CACHED_KEYS_MAX: usize = 64;

/// The key of one access key, day, region and service (spec 09, "Key").
pub struct SigningKey {
    key: hmac::Key,
    day: u64,
    /// `AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request`.
    credential: String,
    scope_start: usize,
}

impl SigningKey {
    /// Derives the key for the day of `now`: four HMACs, about 1 µs.
    #[must_use]
    pub fn new(credentials: &Credentials, now: UnixSeconds, region: &str, service: &str) -> Self {
        let date = now.scope_date();
        let secret = format!("AWS4{}", credentials.secret_access_key.expose());
        let key = [&date, region, service, SCOPE_TERMINATOR]
            .into_iter()
            .fold(hmac_key(secret.as_bytes()), |key, element| {
                hmac_key(hmac::sign(&key, element.as_bytes()).as_ref())
            });
        let access_key_id = &credentials.access_key_id;
        Self {
            key,
            day: now.day(),
            credential: format!("{access_key_id}/{date}/{region}/{service}/{SCOPE_TERMINATOR}"),
            scope_start: access_key_id.len() + 1,
        }
    }

    /// Days since the epoch: the key signs for this day only.
    #[must_use]
    pub const fn day(&self) -> u64 {
        self.day
    }

    /// `AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request`: the `Credential` of an authorization.
    #[must_use]
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// `20130524/us-east-1/s3/aws4_request`: the third line of a string to sign.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.credential.get(self.scope_start..).unwrap_or_default()
    }

    /// The signature of `string_to_sign`.
    #[must_use]
    pub fn sign(&self, string_to_sign: &[u8]) -> Hex {
        hex_of(&hmac::sign(&self.key, string_to_sign))
    }

    /// The signature of the joined `pieces`.
    pub(crate) fn sign_pieces<'p>(&self, pieces: impl Iterator<Item = &'p [u8]>) -> Hex {
        let mut context = hmac::Context::with_key(&self.key);
        for piece in pieces {
            context.update(piece);
        }
        hex_of(&context.sign())
    }

    /// Whether `signature`, 64 lower-case hex digits, is that of `string_to_sign`; in constant time.
    #[must_use]
    pub fn verifies(&self, string_to_sign: &[u8], signature: &[u8]) -> bool {
        hex::decode(signature)
            .is_some_and(|tag| hmac::verify(&self.key, string_to_sign, &tag).is_ok())
    }

    /// Whether two secret texts are the same, in a time that tells nothing but their lengths.
    pub(crate) fn same_text(&self, one: &[u8], other: &[u8]) -> bool {
        hmac::verify(&self.key, one, hmac::sign(&self.key, other).as_ref()).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// The signing keys of one core: at most 64, the one used last in front; the one unused for longest goes first.
#[derive(Debug, Default)]
pub struct SigningKeyCache {
    entries: Vec<CachedKey>,
}

#[derive(Debug)]
struct CachedKey {
    access_key_id: String,
    secret_access_key: Secret,
    region: String,
    service: String,
    key: Rc<SigningKey>,
}

impl SigningKeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The key for the day of `now`; derived anew when the day or the secret has changed.
    /// A caller may hold the key for as long as an upload takes.
    pub fn get(
        &mut self,
        credentials: &Credentials,
        now: UnixSeconds,
        region: &str,
        service: &str,
    ) -> Rc<SigningKey> {
        let found = self.entries.iter().position(|entry| {
            entry.access_key_id == credentials.access_key_id
                && entry.region == region
                && entry.service == service
        });
        if let Some(position) = found {
            // A single signer finds its key in front; several keep theirs near it.
            if let Some(front) = self.entries.get_mut(..=position) {
                front.rotate_right(1);
            }
        }
        let fresh = || Rc::new(SigningKey::new(credentials, now, region, service));
        if let (Some(_), Some(entry)) = (found, self.entries.first_mut()) {
            if entry.key.day() != now.day()
                || entry.secret_access_key != credentials.secret_access_key
            {
                entry.secret_access_key = credentials.secret_access_key.clone();
                entry.key = fresh();
            }
            return Rc::clone(&entry.key);
        }
        self.entries.truncate(CACHED_KEYS_MAX - 1);
        let key = fresh();
        let entry = CachedKey {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            region: region.to_owned(),
            service: service.to_owned(),
            key: Rc::clone(&key),
        };
        self.entries.insert(0, entry);
        key
    }
}

fn hmac_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn hex_of(tag: &hmac::Tag) -> Hex {
    // An HMAC-SHA256 tag always has 32 bytes; the zeros would be refused by every peer.
    hex::encode(tag.as_ref().first_chunk().unwrap_or(&[0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixSeconds = UnixSeconds(1_369_396_800);
    const DAY_SECONDS: u64 = 86_400;

    fn credentials(secret: &str) -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new(secret),
            session_token: None,
        }
    }

    #[test]
    fn scope_names_day_region_and_service() {
        let key = SigningKey::new(&credentials("s"), NOON, "eu-west-1", "s3");
        assert_eq!(key.scope(), "20130524/eu-west-1/s3/aws4_request");
        assert_eq!(
            key.credential(),
            "AKIDEXAMPLE/20130524/eu-west-1/s3/aws4_request"
        );
    }

    #[test]
    fn a_signature_verifies_its_own_text_only() {
        let key = SigningKey::new(&credentials("s"), NOON, "us-east-1", "s3");
        let signature = key.sign(b"text");
        assert!(key.verifies(b"text", &signature));
        assert!(!key.verifies(b"texs", &signature));
        assert!(!key.verifies(b"text", &signature.to_ascii_uppercase()));
        assert!(!key.verifies(b"text", &signature[..63]));
        assert_eq!(
            key.sign_pieces([b"te".as_slice(), b"", b"xt"].into_iter()),
            signature
        );
    }

    #[test]
    fn a_printed_key_shows_the_credential_only() {
        let key = SigningKey::new(&credentials("hidden"), NOON, "us-east-1", "s3");
        let printed = format!("{key:?}");
        assert!(printed.contains("AKIDEXAMPLE/20130524") && !printed.contains("hidden"));
    }

    #[test]
    fn the_cache_keeps_a_key_for_its_day() {
        let mut cache = SigningKeyCache::new();
        let first = cache.get(&credentials("s"), NOON, "us-east-1", "s3");
        let later = cache.get(
            &credentials("s"),
            UnixSeconds(NOON.0 + 60),
            "us-east-1",
            "s3",
        );
        assert!(Rc::ptr_eq(&first, &later));
        let next_day = UnixSeconds(NOON.0 + DAY_SECONDS);
        let tomorrow = cache.get(&credentials("s"), next_day, "us-east-1", "s3");
        assert_eq!(tomorrow.scope(), "20130525/us-east-1/s3/aws4_request");
        assert_eq!(cache.entries.len(), 1);
    }

    #[test]
    fn the_cache_follows_a_changed_secret_and_tells_regions_and_services_apart() {
        let mut cache = SigningKeyCache::new();
        let old = cache
            .get(&credentials("old"), NOON, "us-east-1", "s3")
            .sign(b"x");
        let new = cache
            .get(&credentials("new"), NOON, "us-east-1", "s3")
            .sign(b"x");
        assert_ne!(old, new);
        assert_eq!(cache.entries.len(), 1);
        let region = cache
            .get(&credentials("new"), NOON, "us-east-2", "s3")
            .sign(b"x");
        let service = cache
            .get(&credentials("new"), NOON, "us-east-1", "execute-api")
            .sign(b"x");
        assert!(region != new && service != new && region != service);
    }

    #[test]
    fn the_cache_drops_the_key_unused_for_longest_at_the_limit() {
        let mut cache = SigningKeyCache::new();
        let mut get = |n: usize| cache.get(&credentials("s"), NOON, &format!("region-{n}"), "s3");
        let first = get(0);
        for n in 1..CACHED_KEYS_MAX {
            let _key = get(n);
        }
        assert!(Rc::ptr_eq(&first, &get(0)), "all fit");
        let _one_more = get(CACHED_KEYS_MAX);
        assert!(Rc::ptr_eq(&first, &get(0)), "it was used a moment ago");
        assert_eq!(cache.entries.len(), CACHED_KEYS_MAX);
        assert!(cache.entries.iter().all(|entry| entry.region != "region-1"));
    }

    #[test]
    fn signers_that_take_turns_get_their_own_keys() {
        let mut cache = SigningKeyCache::new();
        let other = Credentials {
            access_key_id: "OTHER".to_owned(),
            ..credentials("s")
        };
        for _ in 0..3 {
            for signer in [&credentials("s"), &other] {
                let key = cache.get(signer, NOON, "us-east-1", "s3");
                assert!(key.credential().starts_with(&signer.access_key_id));
            }
        }
        assert_eq!(cache.entries.len(), 2);
    }
}
