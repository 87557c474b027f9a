//! Keeps the addresses of names fresh, on a thread of its own: the system's resolver blocks, and no core waits for it.

use std::io;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crate::net::upstream::endpoint::Endpoint;

/// How old an answer may become. The system's resolver does not tell how long it holds; S3's own answers hold for 5 s and
/// rotate, and an address that went away earlier is ejected.
pub const REFRESH_MS: u64 = 30_000;
/// After a look-up that failed.
pub const RETRY_MS: u64 = 5_000;

/// Looks names up until it is dropped; a look-up that runs then comes to its end by itself.
#[derive(Debug)]
pub struct Resolver {
    _stop: Sender<()>,
}

impl Resolver {
    /// Refreshes the endpoints that are names, their first time [`REFRESH_MS`] from now, or [`RETRY_MS`] for one without
    /// an address. `None` if all are addresses.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(endpoints: Vec<Endpoint>) -> io::Result<Option<Self>> {
        let names: Vec<Name> = endpoints
            .into_iter()
            .filter(Endpoint::is_refreshed)
            .map(Name::new)
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel();
        thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || refresh(names, &stopped))?;
        Ok(Some(Self { _stop: stop }))
    }
}

struct Name {
    endpoint: Endpoint,
    is_failing: bool,
}

impl Name {
    fn new(endpoint: Endpoint) -> Self {
        let is_failing = endpoint.addresses().is_empty();
        Self {
            endpoint,
            is_failing,
        }
    }

    /// Asks again; the last good answer stays if that fails. Each change is told once.
    fn refresh(&mut self) {
        match self.endpoint.look_up() {
            Ok(changed) => {
                if changed || self.is_failing {
                    let addresses = self.endpoint.addresses();
                    tracing::info!(upstream = %self.endpoint, ?addresses, "addresses");
                }
                self.is_failing = false;
            }
            Err(fault) => {
                if !self.is_failing {
                    tracing::warn!(%fault, "the last known addresses stay");
                }
                self.is_failing = true;
            }
        }
    }
}

fn refresh(mut names: Vec<Name>, stopped: &Receiver<()>) {
    loop {
        let wait_ms = wait_ms(&names);
        match stopped.recv_timeout(Duration::from_millis(wait_ms)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        names.iter_mut().for_each(Name::refresh);
    }
}

fn wait_ms(names: &[Name]) -> u64 {
    if names.iter().any(|name| name.is_failing) {
        RETRY_MS
    } else {
        REFRESH_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_fixed_names_need_no_resolver() {
        let address = Endpoint::parse("http://127.0.0.1:1").unwrap();
        let fixed = Endpoint::parse("http://store.example").unwrap();
        let fixed = fixed.with_addresses(vec![([127, 0, 0, 1], 1).into()]);
        assert!(Resolver::start(vec![address, fixed]).unwrap().is_none());
        let name = Endpoint::parse("http://localhost").unwrap();
        assert!(Resolver::start(vec![name]).unwrap().is_some());
    }

    #[test]
    fn a_name_is_looked_up_again_and_its_clones_see_it() {
        let endpoint = Endpoint::parse("http://localhost:8333").unwrap();
        let of_a_core = endpoint.clone();
        let mut name = Name::new(endpoint);
        assert_eq!(wait_ms(std::slice::from_ref(&name)), RETRY_MS);
        name.refresh();
        assert!(!of_a_core.addresses().is_empty());
        assert_eq!(wait_ms(&[name]), REFRESH_MS);
    }

    #[test]
    fn a_failed_look_up_keeps_the_last_good_answer_and_is_tried_again_sooner() {
        // A label of 64 bytes cannot even be asked for (RFC 1035 §2.3.4).
        let endpoint = Endpoint::parse(&format!("http://{}", "a".repeat(64))).unwrap();
        let known = ([127, 0, 0, 1], 1).into();
        assert!(endpoint.publish([known]));
        let mut name = Name::new(endpoint);
        assert_eq!(wait_ms(std::slice::from_ref(&name)), REFRESH_MS);
        name.refresh();
        assert_eq!(*name.endpoint.addresses(), [known]);
        assert_eq!(wait_ms(&[name]), RETRY_MS);
    }
}
