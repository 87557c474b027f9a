//! A core's idle connections to one upstream.
//!
//! Last in, first out: the connection used last is the one least likely to have been closed by the store. A connection is
//! given out only if it is young and its receive queue is empty: bytes that nobody asked for would be taken for the
//! answer to the next request.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::rc::Weak;

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineTable;
use crate::net::driver::sleep_ms;
use crate::net::driver::spawn;
use crate::net::stream::Stream;
use crate::net::stream::Unread;
use crate::net::tls::client::HandshakeFault;
use crate::net::tls::client::TlsClient;
use crate::net::upstream::endpoint::Endpoint;

/// How often connections that were idle too long are closed.
const REAP_MS: u64 = 1_000;

/// Limits of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Count of idle connections kept; 0 keeps none.
    pub idle_count_max: usize,
    /// A connection idle for longer is closed. Below the store's own keep-alive time.
    pub idle_ms_max: u64,
    /// Until a connection stands, over all addresses together.
    pub connect_ms_max: u64,
}

impl Default for PoolLimits {
    /// 256 connections, 4 s idle (stores close after 5 s and more), 5 s to connect.
    fn default() -> Self {
        Self {
            idle_count_max: 256,
            idle_ms_max: 4_000,
            connect_ms_max: 5_000,
        }
    }
}

/// Connections of one core to one upstream.
#[derive(Debug)]
pub struct UpstreamPool {
    endpoint: Endpoint,
    tls: Rc<TlsClient>,
    addresses: Vec<SocketAddr>,
    /// Position of the address that took the last connection.
    preferred: Cell<usize>,
    limits: PoolLimits,
    deadlines: DeadlineTable,
    idle: Rc<RefCell<VecDeque<Idle>>>,
}

/// A connection for one exchange, which knows the pool it came from. Dropping it closes it.
#[derive(Debug)]
pub struct Leased {
    /// The connection.
    pub stream: Stream,
    /// It has carried an exchange before: the store may close it just now, so one retry is allowed.
    pub reused: bool,
    pool: Rc<UpstreamPool>,
}

impl Leased {
    /// Keeps the connection for the next exchange with its upstream. Only if both messages of this one ended cleanly.
    pub fn give_back(self) {
        self.pool.put(self.stream);
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum LeaseError {
    /// The name stands for no address.
    NoAddress,
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
            Self::Refused(address, cause) => write!(f, "{address}: {cause}"),
            Self::TimedOut(address) => {
                write!(f, "{address}: no connection within the time limit")
            }
            Self::Tls(address, cause) => write!(f, "{address}: {}", HandshakeFault(cause)),
        }
    }
}

impl std::error::Error for LeaseError {}

/// Oldest in front.
#[derive(Debug)]
struct Idle {
    stream: Stream,
    since_ms: u64,
}

impl UpstreamPool {
    /// An empty pool; runs on a core only. The endpoint's addresses are tried in order.
    #[must_use]
    pub fn new(
        endpoint: &Endpoint,
        limits: PoolLimits,
        tls: &Rc<TlsClient>,
        deadlines: &DeadlineTable,
    ) -> Rc<Self> {
        let idle = Rc::new(RefCell::new(VecDeque::new()));
        drop(spawn(reap_forever(
            Rc::downgrade(&idle),
            limits.idle_ms_max,
        )));
        Rc::new(Self {
            endpoint: endpoint.clone(),
            tls: Rc::clone(tls),
            addresses: endpoint.addresses().to_vec(),
            preferred: Cell::new(0),
            limits,
            deadlines: deadlines.clone(),
            idle,
        })
    }

    /// An idle connection that is young and clean, else a new one.
    ///
    /// # Errors
    /// As [`UpstreamPool::connect`].
    pub async fn lease(self: &Rc<Self>) -> Result<Leased, LeaseError> {
        match self.checkout() {
            Some(stream) => Ok(self.leased(stream, true)),
            None => self.connect().await,
        }
    }

    /// A new connection, to the first address that takes it, beginning with the one that did last. Each address gets an
    /// equal share of the time that is left.
    ///
    /// # Errors
    /// The failure at the address tried last.
    pub async fn connect(self: &Rc<Self>) -> Result<Leased, LeaseError> {
        let until_ms = clock::monotonic_ms().saturating_add(self.limits.connect_ms_max);
        let mut failure = LeaseError::NoAddress;
        let count = self.addresses.len();
        let order = self
            .addresses
            .iter()
            .enumerate()
            .cycle()
            .skip(self.preferred.get());
        for (tried, (position, &address)) in order.take(count).enumerate() {
            let left_ms = until_ms.saturating_sub(clock::monotonic_ms());
            let shares = u64::try_from(count.saturating_sub(tried))
                .unwrap_or(1)
                .max(1);
            match self.connect_to(address, left_ms / shares).await {
                Ok(stream) => {
                    self.preferred.set(position);
                    return Ok(self.leased(stream, false));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
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

    /// Where its connections lead.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn leased(self: &Rc<Self>, stream: Stream, reused: bool) -> Leased {
        Leased {
            stream,
            reused,
            pool: Rc::clone(self),
        }
    }

    /// The idle connection that was used last, if it is young and clean; those that are not are closed.
    #[must_use]
    pub fn checkout(&self) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        drop_older(&mut idle, clock::monotonic_ms(), self.limits.idle_ms_max);
        while let Some(Idle { stream, .. }) = idle.pop_back() {
            if !stream.timed_out() && stream.unread() == Unread::Nothing {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection for later; closes the oldest if there are too many, and this one if a deadline has passed on it.
    pub fn put(&self, stream: Stream) {
        if stream.timed_out() {
            return;
        }
        stream.disarm();
        let mut idle = self.idle.borrow_mut();
        idle.push_back(Idle {
            stream,
            since_ms: clock::monotonic_ms(),
        });
        while idle.len() > self.limits.idle_count_max {
            idle.pop_front();
        }
    }

    /// Count of idle connections.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Closes all idle connections.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}

fn drop_older(idle: &mut VecDeque<Idle>, now_ms: u64, idle_ms_max: u64) {
    while idle
        .front()
        .is_some_and(|oldest| now_ms.saturating_sub(oldest.since_ms) >= idle_ms_max)
    {
        idle.pop_front();
    }
}

/// Ends with its pool.
async fn reap_forever(idle: Weak<RefCell<VecDeque<Idle>>>, idle_ms_max: u64) {
    loop {
        sleep_ms(REAP_MS).await;
        let Some(idle) = idle.upgrade() else {
            return;
        };
        let mut idle = idle.borrow_mut();
        drop_older(&mut idle, clock::monotonic_ms(), idle_ms_max);
        idle.retain(|idle| idle.stream.unread() == Unread::Nothing);
    }
}
