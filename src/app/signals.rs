//! Signals, on threads of their own: they only write to [`Lifecycle`], which the workers look at.
//!
//! SIGTERM and SIGINT drain, a second one and SIGQUIT leave now, SIGHUP has the
//! access log opened again and settings read again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::app::exit::Exit;
use crate::net::clock;
use crate::serve::settings::Lifecycle;

/// `Lifecycle::stop`: no new connections, finish the running exchanges.
const STOP_DRAIN: u64 = 1;
/// `Lifecycle::stop`: leave.
const STOP_NOW: u64 = 2;
/// Workers that were told to leave and did not within this time are left behind.
const LEAVE_MS_MAX: u64 = 5_000;

/// How long the way out may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// Milliseconds in which nobody should come any more and whoever comes is served.
    pub delay_ms: u64,
    /// Milliseconds for what is there behind them.
    pub ms_max: u64,
}

/// Signals watched from [`watch`] to [`SignalWatch::finish`].
#[derive(Debug)]
pub struct SignalWatch {
    handle: Handle,
    threads: [JoinHandle<()>; 2],
    drain_timed_out: Arc<AtomicBool>,
}

impl SignalWatch {
    /// Ends the threads. The exit status of a run that ended without a fault of its own.
    pub fn finish(self) -> Exit {
        self.handle.close();
        for thread in self.threads {
            // ignored: a watcher that panicked has printed so, and nothing is left to watch
            let _ignored = thread.join();
        }
        if self.drain_timed_out.load(Ordering::Relaxed) {
            Exit::DrainTimedOut
        } else {
            Exit::AsAsked
        }
    }
}

/// Watches from now on. `reload` is told of each SIGHUP. Fails only when the system has no threads or descriptors left.
pub fn watch(
    lifecycle: Arc<Lifecycle>,
    times: DrainTimes,
    reload: Sender<()>,
) -> io::Result<SignalWatch> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP])?;
    let handle = signals.handle();
    let drain_timed_out = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel();
    let listening = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })?;
    let drain = Drain {
        lifecycle,
        times,
        timed_out: Arc::clone(&drain_timed_out),
        reload,
    };
    let draining = std::thread::Builder::new()
        .name("drain".to_owned())
        .spawn(move || {
            if let Some(exit) = drain.follow(&receiver, LEAVE_MS_MAX) {
                tracing::error!(
                    "workers did not leave within {LEAVE_MS_MAX} ms; leaving without them"
                );
                std::process::exit(i32::from(exit.status()));
            }
        })?;
    Ok(SignalWatch {
        handle,
        threads: [listening, draining],
        drain_timed_out,
    })
}

/// Turns signals into the states of a [`Lifecycle`].
struct Drain {
    lifecycle: Arc<Lifecycle>,
    times: DrainTimes,
    timed_out: Arc<AtomicBool>,
    reload: Sender<()>,
}

/// What ended a wait.
enum Waited {
    /// Its time.
    Out,
    /// A signal to leave now.
    Again,
    /// The end of all signals: the workers have ended.
    Over,
}

impl Drain {
    /// Follows `signals` until they end. Some status: the workers were told to leave `leave_ms_max` ago and have not.
    fn follow(&self, signals: &Receiver<i32>, leave_ms_max: u64) -> Option<Exit> {
        let exit = self.until_stop_now(signals)?;
        self.lifecycle.stop.store(STOP_NOW, Ordering::Relaxed);
        match signals.recv_timeout(Duration::from_millis(leave_ms_max)) {
            Err(RecvTimeoutError::Disconnected) => None,
            Ok(_) | Err(RecvTimeoutError::Timeout) => Some(exit),
        }
    }

    /// The status to leave with once it is time to leave now; `None` if the signals ended first.
    fn until_stop_now(&self, signals: &Receiver<i32>) -> Option<Exit> {
        loop {
            match signals.recv().ok()? {
                SIGHUP => self.hang_up(),
                SIGQUIT => return Some(Exit::AsAsked),
                _ => break,
            }
        }
        // Readiness ends first: whoever sends requests here has the delay to notice.
        self.lifecycle.leaving.store(true, Ordering::Relaxed);
        let DrainTimes { delay_ms, ms_max } = self.times;
        if delay_ms > 0 {
            tracing::info!(delay_ms, "not ready any more; requests are still taken");
            match self.wait(signals, delay_ms) {
                Waited::Out => {}
                Waited::Again => return Some(Exit::AsAsked),
                Waited::Over => return None,
            }
        }
        tracing::info!(drain_ms_max = ms_max, "draining");
        self.lifecycle.stop.store(STOP_DRAIN, Ordering::Relaxed);
        match self.wait(signals, ms_max) {
            Waited::Out => Some(self.time_out()),
            Waited::Again => Some(Exit::AsAsked),
            Waited::Over => None,
        }
    }

    /// Waits for a signal that is no SIGHUP, at most so long.
    fn wait(&self, signals: &Receiver<i32>, ms_max: u64) -> Waited {
        let until_ms = clock::monotonic_ms().saturating_add(ms_max);
        loop {
            let left_ms = until_ms.saturating_sub(clock::monotonic_ms());
            match signals.recv_timeout(Duration::from_millis(left_ms)) {
                Ok(SIGHUP) => self.hang_up(),
                Ok(_) => return Waited::Again,
                Err(RecvTimeoutError::Disconnected) => return Waited::Over,
                Err(RecvTimeoutError::Timeout) => return Waited::Out,
            }
        }
    }

    fn hang_up(&self) {
        self.lifecycle.hangups.fetch_add(1, Ordering::Relaxed);
        if self.reload.send(()).is_err() {
            tracing::warn!(
                "SIGHUP: the access log is opened again; the settings of this command are read at start only"
            );
        }
    }

    /// The status of a drain whose time is over.
    fn time_out(&self) -> Exit {
        let open = self.lifecycle.connections.load(Ordering::Relaxed);
        if open == 0 {
            return Exit::AsAsked;
        }
        tracing::warn!(
            open,
            "drain timed out (--drain-timeout); cutting connections"
        );
        self.timed_out.store(true, Ordering::Relaxed);
        Exit::DrainTimedOut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `sent` to the end of the signals; the stop state, whether the drain timed out, and the forced exit.
    fn followed(sent: &[i32], drain_ms_max: u64) -> (u64, bool, Option<Exit>) {
        followed_with(1, sent, drain_ms_max)
    }

    fn followed_with(
        connections: usize,
        sent: &[i32],
        drain_ms_max: u64,
    ) -> (u64, bool, Option<Exit>) {
        let drain = Drain {
            lifecycle: Arc::default(),
            times: DrainTimes {
                delay_ms: 0,
                ms_max: drain_ms_max,
            },
            timed_out: Arc::default(),
            reload: channel().0,
        };
        drain
            .lifecycle
            .connections
            .store(connections, Ordering::Relaxed);
        let (sender, receiver) = channel();
        for &signal in sent {
            sender.send(signal).unwrap();
        }
        // With no time to drain the signals stay open, so that the time-out is what ends the wait.
        let _open = (drain_ms_max == 0).then_some(sender);
        let exit = drain.follow(&receiver, 0);
        let stop = drain.lifecycle.stop.load(Ordering::Relaxed);
        (stop, drain.timed_out.load(Ordering::Relaxed), exit)
    }

    #[test]
    fn one_sigterm_or_sigint_drains() {
        assert_eq!(followed(&[SIGTERM], 60_000), (STOP_DRAIN, false, None));
        assert_eq!(followed(&[SIGINT], 60_000), (STOP_DRAIN, false, None));
    }

    #[test]
    fn a_second_one_leaves_now() {
        assert_eq!(
            followed(&[SIGTERM, SIGINT], 60_000),
            (STOP_NOW, false, None)
        );
    }

    #[test]
    fn sigquit_leaves_now() {
        assert_eq!(followed(&[SIGQUIT], 60_000), (STOP_NOW, false, None));
    }

    #[test]
    fn sighup_stops_nothing() {
        assert_eq!(followed(&[SIGHUP, SIGHUP], 60_000), (0, false, None));
        assert_eq!(
            followed(&[SIGTERM, SIGHUP], 60_000),
            (STOP_DRAIN, false, None)
        );
    }

    #[test]
    fn a_drain_that_times_out_leaves_with_its_own_status() {
        assert_eq!(
            followed(&[SIGTERM], 0),
            (STOP_NOW, true, Some(Exit::DrainTimedOut))
        );
    }

    #[test]
    fn a_drain_without_connections_does_not_time_out() {
        assert_eq!(
            followed_with(0, &[SIGTERM], 0),
            (STOP_NOW, false, Some(Exit::AsAsked))
        );
    }

    #[test]
    fn a_watch_that_saw_nothing_ends_as_asked() {
        let times = DrainTimes {
            delay_ms: 0,
            ms_max: 1,
        };
        let watch = watch(Arc::default(), times, channel().0).unwrap();
        assert_eq!(watch.finish(), Exit::AsAsked);
    }
}
