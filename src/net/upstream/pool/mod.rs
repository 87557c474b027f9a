//! A core's connections to one upstream, which may have several addresses.
//!
//! Last in, first out: the connection used last is the one least likely to have been closed by the store. A connection is
//! given out only if it is young and its receive queue is empty: bytes that nobody asked for would be taken for the
//! answer to the next request. Between addresses `member.rs` chooses, `health.rs` says which are used, `permits.rs` who has
//! to wait, `retry_budget.rs` how often a request may be sent again.

mod health;
mod member;
mod permits;
mod retry_budget;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineTable;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::stream::Stream;
use crate::net::tls::client::HandshakeFault;
use crate::net::tls::client::TlsClient;
use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::pool::member::Member;
use crate::net::upstream::pool::member::Positions;
use crate::net::upstream::pool::member::Visit;
use crate::net::upstream::pool::member::choose;
use crate::net::upstream::pool::permits::Permits;
pub use crate::net::upstream::pool::permits::Shortage;
use crate::net::upstream::pool::retry_budget::RetryBudget;

/// How often idle connections are looked through and changed addresses are taken over.
const TEND_MS: u64 = 1_000;
/// Connections of one core to one upstream unless another number is set.
pub const CONNECTIONS_DEFAULT: usize = 1_024;
/// Requests of one core that wait for a connection unless another number is set.
pub const PENDING_DEFAULT: usize = 1_024;
/// Retries for a hundred requests unless another number is set.
pub const RETRY_PERCENT_DEFAULT: u32 = 20;

/// Limits of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Count of idle connections kept to one address; 0 keeps none.
    pub idle_count_max: usize,
    /// A connection idle for longer is closed. Below the store's own keep-alive time.
    pub idle_ms_max: u64,
    /// Until a connection stands, over all addresses together; also until it comes free.
    pub connect_ms_max: u64,
    /// Count of connections, idle ones included.
    pub connections_max: usize,
    /// Count of requests that wait because all connections are in use.
    pub pending_max: usize,
    /// Retries for a hundred requests.
    pub retry_percent: u32,
}

impl Default for PoolLimits {
    /// 256 idle connections, 4 s idle (stores close after 5 s and more), 5 s to connect.
    fn default() -> Self {
        Self {
            idle_count_max: 256,
            idle_ms_max: 4_000,
            connect_ms_max: 5_000,
            connections_max: CONNECTIONS_DEFAULT,
            pending_max: PENDING_DEFAULT,
            retry_percent: RETRY_PERCENT_DEFAULT,
        }
    }
}

/// How often pools of one core have ejected an address, those that are gone included. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Ejections(Rc<Cell<u64>>);

impl Ejections {
    /// The count.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.get()
    }
}

/// Connections of one core to one upstream.
#[derive(Debug)]
pub struct UpstreamPool {
    endpoint: Endpoint,
    tls: Rc<TlsClient>,
    limits: PoolLimits,
    deadlines: DeadlineTable,
    /// The endpoint's addresses that `members` are for.
    addresses: RefCell<Arc<Vec<SocketAddr>>>,
    members: RefCell<Rc<Vec<Rc<Member>>>>,
    permits: Permits,
    retries: RetryBudget,
    ejections: Ejections,
    random: Cell<u64>,
}

/// A connection for one exchange, which knows the pool it came from. Dropping it closes it.
#[derive(Debug)]
pub struct Leased {
    /// The connection, boxed since it goes from hand to hand with each request.
    pub stream: Box<Stream>,
    /// It has carried an exchange before: the store may close it just now, so one retry is allowed.
    pub reused: bool,
    visit: Visit,
    permit: Permit,
}

impl Leased {
    /// Keeps the connection for the next exchange with its upstream. Only if both messages of this one ended cleanly.
    pub fn give_back(self) {
        let limits = &self.permit.pool.limits;
        self.visit.member.put(self.stream, limits.idle_count_max);
    }

    /// The address that it leads to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.visit.member.address
    }

    /// The address answered, whatever it said: it is used again if it was not.
    pub fn note_answer(&self) {
        let member = &self.visit.member;
        if member.health.succeeded() {
            let (upstream, address) = (&self.permit.pool.endpoint, member.address);
            tracing::info!(%upstream, %address, "the address is used again");
        }
    }

    /// The address did not answer, or with nonsense: after some such in a row it is not used for a while.
    pub fn note_failure(&self) {
        self.permit.pool.note_failure(&self.visit.member);
    }
}

/// One of the requests that may be at the upstream.
#[derive(Debug)]
struct Permit {
    pool: Rc<UpstreamPool>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.permits.give_back();
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum LeaseError {
    /// The name stands for no address.
    NoAddress,
    /// All connections are in use.
    Busy(Shortage),
    /// Refused, unreachable, or no socket to be had.
    Refused(SocketAddr, io::Error),
    /// It did not stand in time, TLS included.
    TimedOut(SocketAddr),
    /// The peer is not trusted, or speaks no TLS.
    Tls(SocketAddr, io::Error),
}

impl LeaseError {
    fn tcp(address: SocketAddr, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut(address),
            _ => Self::Refused(address, cause),
        }
    }

    fn tls(address: SocketAddr, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut(address),
            _ => Self::Tls(address, cause),
        }
    }
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the name stands for no address"),
            Self::Busy(Shortage::QueueFull) => {
                f.write_str("all connections are in use and too many requests wait")
            }
            Self::Busy(Shortage::QueueTimeout) => {
                f.write_str("all connections are in use and none came free in time")
            }
            Self::Refused(address, cause) => write!(f, "{address}: {cause}"),
            Self::TimedOut(address) => {
                write!(f, "{address}: no connection within the time limit")
            }
            Self::Tls(address, cause) => write!(f, "{address}: {}", HandshakeFault(cause)),
        }
    }
}

impl std::error::Error for LeaseError {}

impl UpstreamPool {
    /// An empty pool; runs on a core only. It follows the endpoint's addresses as they change, and adds to `ejections`.
    #[must_use]
    pub fn new(
        endpoint: &Endpoint,
        limits: PoolLimits,
        tls: &Rc<TlsClient>,
        deadlines: &DeadlineTable,
        ejections: &Ejections,
    ) -> Rc<Self> {
        let pool = Rc::new(Self {
            endpoint: endpoint.clone(),
            tls: Rc::clone(tls),
            limits,
            deadlines: deadlines.clone(),
            addresses: RefCell::default(),
            members: RefCell::default(),
            permits: Permits::new(limits.connections_max.max(1), limits.pending_max),
            retries: RetryBudget::new(limits.retry_percent),
            ejections: ejections.clone(),
            random: Cell::new(RandomState::new().hash_one(0) | 1),
        });
        pool.follow_addresses();
        drop(spawn(tend_forever(Rc::downgrade(&pool))));
        pool
    }

    /// A connection to one of the addresses: an idle one that is young and clean, else a new one. Waits for one to come free
    /// if all are in use.
    ///
    /// # Errors
    /// See [`LeaseError`]; the failure at the address tried last.
    pub async fn lease(self: &Rc<Self>) -> Result<Leased, LeaseError> {
        self.retries.request_sent();
        let permit = self.permit().await?;
        let now_ms = clock::monotonic_ms();
        let (visit, tried) = self
            .visit(Positions::default(), now_ms)
            .ok_or(LeaseError::NoAddress)?;
        match visit.member.checkout(now_ms, self.limits.idle_ms_max) {
            Some(stream) => Ok(Leased {
                stream,
                reused: true,
                visit,
                permit,
            }),
            None => self.connect(permit, visit, tried).await,
        }
    }

    /// A new connection, to another address than this one if there is another.
    ///
    /// # Errors
    /// As [`UpstreamPool::lease`].
    pub async fn lease_anew(self: &Rc<Self>, not_at: SocketAddr) -> Result<Leased, LeaseError> {
        let permit = self.permit().await?;
        let now_ms = clock::monotonic_ms();
        let mut tried = Positions::default();
        let position = {
            let members = self.members.borrow();
            members.iter().position(|member| member.address == not_at)
        };
        position
            .into_iter()
            .for_each(|position| tried.add(position));
        let (visit, tried) = self
            .visit(tried, now_ms)
            .or_else(|| self.visit(Positions::default(), now_ms))
            .ok_or(LeaseError::NoAddress)?;
        self.connect(permit, visit, tried).await
    }

    /// Whether one more request may be sent a second time; it counts as sent.
    #[must_use]
    pub fn take_retry(&self) -> bool {
        self.retries.take()
    }

    /// Whether there is more than one address.
    #[must_use]
    pub fn has_several_addresses(&self) -> bool {
        self.members.borrow().len() > 1
    }

    /// Where its connections lead.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Count of idle connections.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        let members = self.members.borrow();
        members
            .iter()
            .map(|member| member.idle.borrow().len())
            .sum()
    }

    /// Count of connections in use, and of requests that wait for one.
    #[must_use]
    pub fn in_use(&self) -> (usize, usize) {
        (self.permits.taken(), self.permits.waiting())
    }

    /// Count of addresses that were ejected and have not answered since.
    #[must_use]
    pub fn ejected_count(&self) -> usize {
        let members = self.members.borrow();
        if members.len() < 2 {
            // The last one is used, whatever was before the others went away.
            return 0;
        }
        let ejected = members.iter().filter(|member| member.health.is_ejected());
        ejected.count()
    }

    async fn permit(self: &Rc<Self>) -> Result<Permit, LeaseError> {
        if !self.permits.try_take() {
            let taken = self.permits.take(self.limits.connect_ms_max).await;
            taken.map_err(LeaseError::Busy)?;
        }
        Ok(Permit {
            pool: Rc::clone(self),
        })
    }

    /// The address for the next request, and the tried ones with it; `None` if all are tried.
    fn visit(&self, mut tried: Positions, now_ms: u64) -> Option<(Visit, Positions)> {
        let members = self.members.borrow();
        let (position, probes) = match members.as_slice() {
            [_only] if tried.is_empty() => (0, false),
            several => choose(several, tried, now_ms, self.next_random())?,
        };
        tried.add(position);
        let member = Rc::clone(members.get(position)?);
        Some((Visit::new(member, probes), tried))
    }

    /// A new connection to the address, else to each that was not tried yet. Each gets an equal share of the time that is
    /// left.
    async fn connect(
        self: &Rc<Self>,
        permit: Permit,
        mut visit: Visit,
        mut tried: Positions,
    ) -> Result<Leased, LeaseError> {
        let until_ms = clock::monotonic_ms().saturating_add(self.limits.connect_ms_max);
        loop {
            let count = self.members.borrow().len();
            let left_ms = until_ms.saturating_sub(clock::monotonic_ms());
            let shares = count.saturating_sub(tried.count()).saturating_add(1);
            let share_ms = left_ms / u64::try_from(shares).unwrap_or(u64::MAX);
            self.make_room();
            let failure = match self.connect_to(visit.member.address, share_ms).await {
                Ok(stream) => {
                    return Ok(Leased {
                        stream: Box::new(stream),
                        reused: false,
                        visit,
                        permit,
                    });
                }
                Err(failure) => failure,
            };
            self.note_failure(&visit.member);
            drop(visit);
            match self.visit(tried, clock::monotonic_ms()) {
                Some(next) => (visit, tried) = next,
                None => return Err(failure),
            }
        }
    }

    /// A connection to `address` that is ready for a request, TLS included, within `ms_max`.
    async fn connect_to(&self, address: SocketAddr, ms_max: u64) -> Result<Stream, LeaseError> {
        let until_ms = clock::monotonic_ms().saturating_add(ms_max);
        let mut stream = Stream::connect(address, &self.deadlines, ms_max)
            .await
            .map_err(|cause| LeaseError::tcp(address, cause))?;
        if self.endpoint.is_tls() {
            let fault = |cause| LeaseError::tls(address, cause);
            let ours = self.tls.connection(self.endpoint.host()).map_err(fault)?;
            let left_ms = until_ms.saturating_sub(clock::monotonic_ms());
            stream.arm(left_ms, Cut::Both);
            stream.start_tls(ours).await.map_err(fault)?;
            stream.disarm();
        }
        Ok(stream)
    }

    /// Closes the connection that is idle for longest if one more would be too many.
    fn make_room(&self) {
        if self.permits.taken() + self.idle_count() <= self.limits.connections_max {
            return;
        }
        let members = self.members.borrow();
        let oldest = members
            .iter()
            .filter_map(|member| Some((member.idle.borrow().front()?.since_ms, member)))
            .min_by_key(|(since_ms, _)| *since_ms);
        if let Some((_, member)) = oldest {
            drop(member.idle.borrow_mut().pop_front());
        }
    }

    /// With one address there is nothing to choose, so nothing is counted.
    fn note_failure(&self, member: &Member) {
        if !self.has_several_addresses() {
            return;
        }
        if let Some(ejected_ms) = member.health.failed(clock::monotonic_ms()) {
            self.ejections.0.set(self.ejections.count() + 1);
            let (upstream, address) = (&self.endpoint, member.address);
            tracing::warn!(%upstream, %address, ejected_ms, "failed several times in a row: the address is not used");
        }
    }

    /// Takes the endpoint's addresses over if they have changed. Those that stay keep their connections and their health.
    fn follow_addresses(&self) {
        let current = self.endpoint.addresses();
        if Arc::ptr_eq(&current, &self.addresses.borrow()) {
            return;
        }
        let known = Rc::clone(&self.members.borrow());
        let of = |&address: &SocketAddr| {
            let kept = known.iter().find(|member| member.address == address);
            kept.map_or_else(|| Rc::new(Member::new(address)), Rc::clone)
        };
        let members = current.iter().map(of).collect();
        for member in known.iter() {
            if !current.contains(&member.address) {
                member.retire();
            }
        }
        self.members.replace(Rc::new(members));
        self.addresses.replace(current);
    }

    fn tend(&self) {
        self.follow_addresses();
        self.retries.second_passed();
        let now_ms = clock::monotonic_ms();
        for member in self.members.borrow().iter() {
            member.reap(now_ms, self.limits.idle_ms_max);
        }
    }

    /// Any number (xorshift64, Marsaglia 2003): it only spreads load.
    fn next_random(&self) -> u64 {
        let mut number = self.random.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        self.random.set(number);
        number
    }
}

/// Ends with its pool.
async fn tend_forever(pool: Weak<UpstreamPool>) {
    loop {
        sleep_ms(TEND_MS).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        pool.tend();
    }
}
