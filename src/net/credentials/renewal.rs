//! Keeps a slot's keys fresh, on a thread of its own.

use std::io;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crate::net::clock;
use crate::net::credentials::chain::Chain;
use crate::net::credentials::chain::ChainFault;
use crate::net::credentials::slot::CredentialSlot;
use crate::net::credentials::slot::Keys;
use crate::net::credentials::slot::RenewalFault;
use crate::wire::date::UnixSeconds;

/// Keys are renewed this long before they end: S3 lets no request through that arrives a second late, and STS may be slow.
const AHEAD_S: u64 = 300;
/// Keys without an end are looked up again, since the file that holds them may have changed.
const RECHECK_S: u64 = 900;
/// After a failed renewal; doubled up to [`RETRY_S_MAX`].
const RETRY_S_MIN: u64 = 1;
const RETRY_S_MAX: u64 = 60;

/// A renewal that runs until this is dropped.
#[derive(Debug)]
pub struct Renewal {
    outcomes: Receiver<Result<(), ChainFault>>,
    _stop: Sender<()>,
}

impl Renewal {
    /// Begins to fill `slot` from `chain`, at once and ahead of each end.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(slot: CredentialSlot, chain: Chain) -> io::Result<Self> {
        let (told, outcomes) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new()
            .name("credentials".to_owned())
            .spawn(move || renew(&slot, &chain, &told, &stopped))?;
        Ok(Self {
            outcomes,
            _stop: stop,
        })
    }

    /// Waits at most `ms_max` for the outcome of the next look; `None` if it is not done by then.
    #[must_use]
    pub fn next(&self, ms_max: u64) -> Option<Result<(), ChainFault>> {
        self.outcomes
            .recv_timeout(Duration::from_millis(ms_max))
            .ok()
    }
}

fn renew(
    slot: &CredentialSlot,
    chain: &Chain,
    told: &Sender<Result<(), ChainFault>>,
    stopped: &Receiver<()>,
) {
    let mut failures = 0;
    loop {
        let found = chain.find();
        let now = clock::now().unix;
        let (outcome, wait_s) = match found {
            Ok(keys) => {
                failures = 0;
                let wait_s = seconds_to_renewal(&keys, now);
                tracing::info!(whose = slot.name(), source = %keys.source, renewed_in_s = wait_s, "credentials");
                slot.publish(keys);
                (Ok(()), wait_s)
            }
            Err(fault) => {
                let wait_s = seconds_to_retry(failures);
                failures += 1;
                tracing::warn!(whose = slot.name(), %fault, again_in_s = wait_s, "no new credentials");
                slot.note_fault(RenewalFault {
                    at: now,
                    message: fault.to_string(),
                });
                (Err(fault), wait_s)
            }
        };
        // Whoever dropped the other end learns of it below. Unread outcomes are some bytes in an hour.
        told.send(outcome).ok();
        match stopped.recv_timeout(Duration::from_secs(wait_s)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Ahead of the end; for keys that live shortly, in the middle of what is left.
fn seconds_to_renewal(keys: &Keys, now: UnixSeconds) -> u64 {
    let Some(end) = keys.expires else {
        return RECHECK_S;
    };
    let left = end.0.saturating_sub(now.0);
    let ahead = if left > 2 * AHEAD_S {
        left - AHEAD_S
    } else {
        left / 2
    };
    ahead.max(RETRY_S_MIN)
}

fn seconds_to_retry(failures: u32) -> u64 {
    RETRY_S_MIN
        .checked_shl(failures)
        .unwrap_or(RETRY_S_MAX)
        .clamp(RETRY_S_MIN, RETRY_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sigv4::credentials::Credentials;
    use crate::wire::sigv4::credentials::Secret;

    #[test]
    fn keys_are_renewed_ahead_of_their_end() {
        let keys = |expires| Keys {
            credentials: Credentials {
                access_key_id: "A".to_owned(),
                secret_access_key: Secret::new("s"),
                session_token: None,
            },
            expires,
            source: "test".to_owned(),
        };
        let now = UnixSeconds(1_000);
        let wait = |left: u64| seconds_to_renewal(&keys(Some(UnixSeconds(now.0 + left))), now);
        assert_eq!(wait(3_600), 3_300);
        assert_eq!(wait(601), 301);
        assert_eq!(wait(600), 300);
        assert_eq!(wait(10), 5);
        assert_eq!(wait(0), 1);
        assert_eq!(seconds_to_renewal(&keys(None), now), 900);
    }

    #[test]
    fn failures_are_retried_less_and_less_often() {
        let waits: Vec<u64> = [0, 1, 2, 5, 6, 7, 63, 64, 1_000]
            .into_iter()
            .map(seconds_to_retry)
            .collect();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60, 60, 60]);
    }
}
