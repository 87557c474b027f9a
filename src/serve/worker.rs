//! One core: its listeners, a task per connection, the settings that its requests are served by, and the way out.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::net::address::PeerAddress;
use crate::net::deadline::DeadlineTable;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::listener::Accepted;
use crate::net::listener::Listener;
use crate::serve::connection;
use crate::serve::connection::Client;
use crate::serve::connection_caps::Place;
use crate::serve::greeting::Entrance;
use crate::serve::in_force::InForce;
use crate::serve::metrics::ConnectionRefusal;
use crate::serve::metrics::CoreMetrics;
use crate::serve::per_core::Core;
use crate::serve::per_core::Lasting;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::Timeouts;
use crate::serve::source_address::is_trusted;

/// How often a core looks whether it shall stop.
const LIFECYCLE_POLL_MS: u64 = 50;
/// A handshake that has begun when a drain does ends within this time; its client's next try, had the first segment been dropped, comes a
/// second later (RFC 6298 §2).
const HANDSHAKE_MS_MAX: u64 = 500;
const HANDSHAKE_POLLS: u64 = HANDSHAKE_MS_MAX / LIFECYCLE_POLL_MS;
/// Buffers that nobody needed for two seconds are freed.
const POLLS_BETWEEN_TRIMS: u64 = 2_000 / LIFECYCLE_POLL_MS;
/// Connections of a core that are told at the same time that there is no place; more are closed without a word.
const TURNED_AWAY_MAX: usize = 64;
/// Stop level: finish what is there.
pub const STOP_DRAIN: u64 = 1;
/// Stop level: leave now.
pub const STOP_NOW: u64 = 2;

/// Serves until the program asks for the end and the last connection is closed.
pub async fn run(
    in_force: Arc<InForce>,
    lifecycle: Arc<Lifecycle>,
    deadlines: DeadlineTable,
    listeners: Vec<(Listener, Entrance)>,
    metrics: Arc<CoreMetrics>,
) {
    let lasting = Lasting::new(deadlines, metrics);
    let worker = Rc::new(Worker::new(in_force, Arc::clone(&lifecycle), lasting));
    let lasting = &worker.lasting;
    let listeners: Vec<Rc<Listener>> = listeners
        .into_iter()
        .map(|(listener, entrance)| {
            let listener = Rc::new(listener);
            drop(spawn(accept(
                Rc::clone(&worker),
                Rc::clone(&listener),
                Rc::new(entrance),
            )));
            listener
        })
        .collect();
    lifecycle.workers_ready.fetch_add(1, Ordering::Relaxed);
    let mut polls = 0u64;
    let mut answered = 0;
    // Listeners that another process goes on beside are closed after this poll.
    let mut closes_at = None;
    loop {
        sleep_ms(LIFECYCLE_POLL_MS).await;
        polls = polls.wrapping_add(1);
        let asked = lifecycle.asked.load(Ordering::Acquire);
        if asked != answered {
            answered = asked;
            lifecycle.answers.fetch_add(1, Ordering::Relaxed);
        }
        // Also what lets a core without requests leave the settings of before.
        let core = worker.core();
        core.flush_told();
        core.publish_upstreams(&lasting.ejections);
        drop(core);
        if polls.is_multiple_of(POLLS_BETWEEN_TRIMS) {
            lasting.buffers.trim();
        }
        let level = lifecycle.stop.load(Ordering::Relaxed);
        if level >= STOP_DRAIN && !lasting.draining.replace(true) {
            for listener in &listeners {
                if listener.leave() {
                    closes_at = Some(polls.wrapping_add(HANDSHAKE_POLLS));
                } else {
                    listener.close();
                }
            }
            lasting.drain_bell.ring();
        }
        if closes_at == Some(polls) {
            closes_at = None;
            listeners.iter().for_each(|listener| listener.close());
        }
        if lasting.draining.get() {
            lasting.deadlines.cut_idle();
        }
        let is_over = lasting.draining.get() && closes_at.is_none() && worker.connections() == 0;
        if level >= STOP_NOW || is_over {
            return;
        }
    }
}

/// Takes connections until the listener is closed. A panic ends the connection's own task (net contains it).
async fn accept(worker: Rc<Worker>, listener: Rc<Listener>, entrance: Rc<Entrance>) {
    loop {
        match listener.accept().await {
            Ok(Accepted::Connection(stream, peer)) => {
                let guard = worker.count_connection();
                let worker = Rc::clone(&worker);
                let entrance = Rc::clone(&entrance);
                match worker.admit(peer, &entrance) {
                    Ok(place) => {
                        // A box of its own: inside the task each call that hands it on would have room for one more.
                        let mut client = Box::new(Client::new(stream, peer, false));
                        drop(spawn(async move {
                            connection::serve(&worker, &mut client, &entrance).await;
                            drop((client, guard, place));
                        }));
                    }
                    Err(refusal) => {
                        worker.lasting.metrics.count_refusal(refusal);
                        // A flood gets no words.
                        if entrance.is_open() && worker.may_turn_away() {
                            drop(spawn(async move {
                                connection::turn_away(&worker, stream).await;
                            }));
                        }
                    }
                }
            }
            Ok(Accepted::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "a listening socket failed; this worker takes no more connections from it");
                return;
            }
        }
    }
}

/// A core and the generation of settings that it serves by.
pub struct Worker {
    /// What is there under all generations.
    pub lasting: Lasting,
    in_force: Arc<InForce>,
    lifecycle: Arc<Lifecycle>,
    /// The number of `core`'s generation.
    number: Cell<u64>,
    core: RefCell<Rc<Core>>,
    head_rules: Cell<HeadRules>,
    /// Connections open on this core.
    connections: Rc<Cell<usize>>,
    /// Connections that are being told that there is no place.
    turned_away: Rc<Cell<usize>>,
}

/// What a request head is read by.
#[derive(Clone, Copy, Debug)]
pub struct HeadRules {
    /// Bytes of all header names and values.
    pub header_bytes_max: usize,
    /// How long is waited.
    pub timeouts: Timeouts,
}

impl Worker {
    /// A core under the generation in force.
    #[must_use]
    pub fn new(in_force: Arc<InForce>, lifecycle: Arc<Lifecycle>, lasting: Lasting) -> Self {
        let generation = in_force.generation();
        let number = Cell::new(generation.number);
        let core = Core::new(generation, &lasting);
        Self {
            head_rules: Cell::new(HeadRules::of(&core)),
            core: RefCell::new(Rc::new(core)),
            number,
            lasting,
            in_force,
            lifecycle,
            connections: Rc::default(),
            turned_away: Rc::default(),
        }
    }

    /// The core under the generation in force now, for one request. Not to be kept while a connection is idle.
    #[must_use]
    pub fn core(&self) -> Rc<Core> {
        self.keep_up();
        Rc::clone(&self.core.borrow())
    }

    /// What the next head is read by.
    #[must_use]
    pub fn head_rules(&self) -> HeadRules {
        self.keep_up();
        self.head_rules.get()
    }

    /// Takes a new generation over. Exchanges that have begun hold the one of before until they end.
    fn keep_up(&self) {
        if self.in_force.number() == self.number.get() {
            return;
        }
        let generation = self.in_force.generation();
        self.number.set(generation.number);
        let core = Rc::new(Core::new(generation, &self.lasting));
        self.head_rules.set(HeadRules::of(&core));
        let before = self.core.replace(core);
        before.flush_told();
    }

    /// Counts a connection for as long as the guard lives.
    #[must_use]
    pub fn count_connection(&self) -> ConnectionGuard {
        self.lifecycle.connections.fetch_add(1, Ordering::Relaxed);
        self.lasting.metrics.count_connection();
        self.connections.set(self.connections.get() + 1);
        ConnectionGuard {
            here: Rc::clone(&self.connections),
            lifecycle: Some(Arc::clone(&self.lifecycle)),
        }
    }

    /// Counts a connection that no client opened, on this core alone, so that a drain waits for it.
    #[must_use]
    pub fn count_lane(&self) -> ConnectionGuard {
        self.connections.set(self.connections.get() + 1);
        ConnectionGuard {
            here: Rc::clone(&self.connections),
            lifecycle: None,
        }
    }

    /// A place for a connection that was counted already; its place among those of its address, unless somebody trusted
    /// will name the address.
    ///
    /// # Errors
    /// There is none.
    pub fn admit(
        &self,
        peer: PeerAddress,
        entrance: &Entrance,
    ) -> Result<Option<Place>, ConnectionRefusal> {
        let core = self.core();
        let edge = &core.settings.edge;
        let open = || self.lifecycle.connections.load(Ordering::Relaxed);
        if edge.caps.total_max.is_some_and(|max| open() > max) {
            return Err(ConnectionRefusal::Total);
        }
        let (Some(cap), PeerAddress::Inet(address)) = (&edge.caps.of_address, peer) else {
            return Ok(None);
        };
        if entrance.proxy_protocol && is_trusted(&edge.trusted_proxies, peer) {
            return Ok(None);
        }
        let place = cap.enter(address.ip());
        place.map(Some).ok_or(ConnectionRefusal::Address)
    }

    /// Whether another connection can be told that there is no place.
    fn may_turn_away(&self) -> bool {
        self.turned_away.get() < TURNED_AWAY_MAX
    }

    /// Counts a connection that is told so, for as long as the guard lives.
    #[must_use]
    pub fn count_turned_away(&self) -> TurnedAway {
        self.turned_away.set(self.turned_away.get() + 1);
        TurnedAway {
            here: Rc::clone(&self.turned_away),
        }
    }

    /// Connections open on this core.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.get()
    }
}

impl HeadRules {
    fn of(core: &Core) -> Self {
        Self {
            header_bytes_max: core.settings.limits.header_bytes_max,
            timeouts: core.settings.timeouts,
        }
    }
}

/// One connection that is told that there is no place.
#[derive(Debug)]
pub struct TurnedAway {
    here: Rc<Cell<usize>>,
}

impl Drop for TurnedAway {
    fn drop(&mut self) {
        self.here.set(self.here.get().saturating_sub(1));
    }
}

/// One open connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    here: Rc<Cell<usize>>,
    /// Where a client's connection is counted.
    lifecycle: Option<Arc<Lifecycle>>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.connections.fetch_sub(1, Ordering::Relaxed);
        }
        self.here.set(self.here.get().saturating_sub(1));
    }
}
