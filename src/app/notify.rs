//! Tells systemd how it stands (sd_notify(3)): ready, reloading, stopping, and that the workers answer (watchdog).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::app::settings::environment::Environment;
use crate::net::clock;
use crate::serve::settings::Lifecycle;

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_US: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How often the state of the workers is looked at.
const POLL_MS: u64 = 100;

/// Where news goes.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
    /// Milliseconds within which systemd wants to hear of the workers.
    watchdog_ms: Option<u64>,
    has_said_stopping: AtomicBool,
}

impl Notifier {
    /// The socket that the environment names: a path, or `@NAME` of the abstract kind. `None` without one.
    ///
    /// # Errors
    /// No such address, or no descriptor.
    pub fn of(environment: &Environment) -> io::Result<Option<Self>> {
        let Some(named) = environment.value(SOCKET) else {
            return Ok(None);
        };
        let to = match named.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(named)?,
        };
        let own = std::process::id().to_string();
        let is_for_us = environment.value(WATCHDOG_PID).is_none_or(|pid| pid == own);
        let span_us = environment.value(WATCHDOG_US).filter(|_| is_for_us);
        let span_us = span_us.and_then(|text| text.parse::<u64>().ok());
        Ok(Some(Self {
            socket: UnixDatagram::unbound()?,
            to,
            watchdog_ms: span_us.map(|us| us / 1_000).filter(|ms| *ms > 0),
            has_said_stopping: AtomicBool::new(false),
        }))
    }

    /// Says that settings are being read again.
    pub fn reloading(&self) {
        let now_us = clock::monotonic_us();
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// Says that requests are served.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// Says, once, that it leaves. A drain with nothing to wait for is over before its begin is noticed from outside.
    pub fn stopping(&self) {
        if !self.has_said_stopping.swap(true, Ordering::Relaxed) {
            self.say("STOPPING=1");
        }
    }

    /// Follows the workers from their start to the end of the process.
    pub fn follow(self: Arc<Self>, workers: usize, lifecycle: Arc<Lifecycle>) -> io::Result<()> {
        let thread = thread::Builder::new().name("notify".to_owned());
        // Not joined: it has nothing to finish.
        thread
            .spawn(move || self.tell(workers, &lifecycle))
            .map(drop)
    }

    fn tell(&self, workers: usize, lifecycle: &Lifecycle) {
        let mut is_ready = false;
        let mut watchdog = Watchdog::new(self.watchdog_ms, workers);
        loop {
            if !is_ready && lifecycle.workers_ready.load(Ordering::Relaxed) >= workers {
                is_ready = true;
                self.ready();
            }
            if lifecycle.stop.load(Ordering::Relaxed) > 0 {
                self.stopping();
            }
            if is_ready && watchdog.is_due(lifecycle, clock::monotonic_ms()) {
                self.say("WATCHDOG=1");
            }
            thread::park_timeout(Duration::from_millis(watchdog.poll_ms()));
        }
    }

    fn say(&self, state: &str) {
        if let Err(cause) = self.socket.send_to_addr(state.as_bytes(), &self.to) {
            tracing::warn!(%cause, state, "systemd was not told (NOTIFY_SOCKET)");
        }
    }
}

/// Asks the workers whether they run, and says when they all did.
struct Watchdog {
    /// Half of what systemd waits, as sd_watchdog_enabled(3) advises.
    every_ms: Option<u64>,
    workers: usize,
    asked_ms: u64,
    told: bool,
}

impl Watchdog {
    const fn new(span_ms: Option<u64>, workers: usize) -> Self {
        let every_ms = match span_ms {
            Some(span_ms) => Some(span_ms / 2),
            None => None,
        };
        Self {
            every_ms,
            workers,
            asked_ms: 0,
            told: true,
        }
    }

    const fn poll_ms(&self) -> u64 {
        match self.every_ms {
            Some(every_ms) if every_ms / 4 < POLL_MS => {
                let short = every_ms / 4;
                if short == 0 { 1 } else { short }
            }
            _ => POLL_MS,
        }
    }

    /// Whether it is time to say that all is well. Workers are asked again only after all have answered.
    fn is_due(&mut self, lifecycle: &Lifecycle, now_ms: u64) -> bool {
        let Some(every_ms) = self.every_ms else {
            return false;
        };
        let is_time = now_ms.saturating_sub(self.asked_ms) >= every_ms;
        // Workers leave one after the other then, and the drain has a time limit of its own.
        if lifecycle.stop.load(Ordering::Relaxed) > 0 {
            if is_time {
                self.asked_ms = now_ms;
            }
            return is_time;
        }
        let answered = lifecycle.answers.load(Ordering::Relaxed) >= self.workers;
        let is_due = answered && !self.told;
        self.told |= answered;
        if self.told && is_time {
            self.asked_ms = now_ms;
            self.told = false;
            lifecycle.answers.store(0, Ordering::Relaxed);
            lifecycle.asked.fetch_add(1, Ordering::Release);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_hears_of_the_workers_only_while_all_of_them_answer() {
        let lifecycle = Lifecycle::default();
        let mut watchdog = Watchdog::new(Some(2_000), 2);
        let answer = || lifecycle.answers.fetch_add(1, Ordering::Relaxed);
        assert!(!watchdog.is_due(&lifecycle, 1_000), "now they are asked");
        assert_eq!(lifecycle.asked.load(Ordering::Relaxed), 1);
        answer();
        assert!(!watchdog.is_due(&lifecycle, 1_500), "one of two");
        answer();
        assert!(watchdog.is_due(&lifecycle, 1_600));
        assert!(!watchdog.is_due(&lifecycle, 1_900), "told once");
        assert!(!watchdog.is_due(&lifecycle, 2_000), "asked again");
        answer();
        for now_ms in (2_100..60_000).step_by(100) {
            assert!(!watchdog.is_due(&lifecycle, now_ms), "one is stuck");
        }
        assert_eq!(lifecycle.asked.load(Ordering::Relaxed), 2);
        lifecycle.stop.store(1, Ordering::Relaxed);
        assert!(watchdog.is_due(&lifecycle, 60_000), "a drain");
        assert!(!watchdog.is_due(&lifecycle, 60_500));
        assert!(watchdog.is_due(&lifecycle, 61_000));
    }

    #[test]
    fn without_a_watchdog_nobody_is_asked() {
        let lifecycle = Lifecycle::default();
        let mut watchdog = Watchdog::new(None, 1);
        assert!(!watchdog.is_due(&lifecycle, 1_000_000));
        assert_eq!(lifecycle.asked.load(Ordering::Relaxed), 0);
        assert_eq!(watchdog.poll_ms(), POLL_MS);
        assert_eq!(Watchdog::new(Some(80), 1).poll_ms(), 10);
        assert_eq!(Watchdog::new(Some(1), 1).poll_ms(), 1);
    }

    #[test]
    fn the_socket_is_that_of_the_environment_and_the_watchdog_that_of_this_process() {
        let of = |pairs: &[(&'static str, &str)]| Notifier::of(&Environment::of(pairs)).unwrap();
        assert!(of(&[]).is_none());
        let own = std::process::id().to_string();
        let span = |pid: &str| {
            let named = (SOCKET, "@sluicegate-test");
            of(&[named, (WATCHDOG_US, "3000000"), (WATCHDOG_PID, pid)])
                .unwrap()
                .watchdog_ms
        };
        assert_eq!(span(&own), Some(3_000));
        assert_eq!(span("1"), None);
        let plain = of(&[(SOCKET, "/run/systemd/notify"), (WATCHDOG_US, "0")]).unwrap();
        assert_eq!(plain.watchdog_ms, None);
        assert_eq!(
            plain.to.as_pathname().unwrap().to_str(),
            Some("/run/systemd/notify")
        );
    }
}
