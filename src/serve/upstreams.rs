//! The upstreams of one core: the store, and beside it the backends of HTTP integrations.

use std::cell::RefCell;
use std::rc::Rc;

use crate::net::deadline::DeadlineTable;
use crate::net::tls::client::TlsClient;
use crate::net::tls::trust::Trust;
use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::pool::Ejections;
use crate::net::upstream::pool::PoolLimits;
use crate::net::upstream::pool::UpstreamPool;

/// Endpoints beside the store whose connections one core keeps. Far more than a document names by itself; hosts that a
/// request fills in must not grow without end.
const UPSTREAMS_MAX: usize = 64;

/// The pools of a core by endpoint.
#[derive(Debug)]
pub struct Upstreams {
    limits: PoolLimits,
    deadlines: DeadlineTable,
    tls: Rc<TlsClient>,
    ejections: Ejections,
    /// The one used last in front.
    kept: RefCell<Vec<(Endpoint, Rc<UpstreamPool>)>>,
}

impl Upstreams {
    /// No pool is open yet. Runs on a core only.
    #[must_use]
    pub fn new(
        limits: PoolLimits,
        trust: &Trust,
        deadlines: &DeadlineTable,
        ejections: &Ejections,
    ) -> Self {
        Self {
            limits,
            deadlines: deadlines.clone(),
            tls: Rc::new(TlsClient::new(trust)),
            ejections: ejections.clone(),
            kept: RefCell::default(),
        }
    }

    /// A pool of its own for `endpoint`, kept by the caller.
    #[must_use]
    pub fn open(&self, endpoint: &Endpoint) -> Rc<UpstreamPool> {
        let (tls, deadlines) = (&self.tls, &self.deadlines);
        UpstreamPool::new(endpoint, self.limits, tls, deadlines, &self.ejections)
    }

    /// Count of ejected addresses of the pools that are kept here.
    #[must_use]
    pub fn ejected_count(&self) -> usize {
        let kept = self.kept.borrow();
        kept.iter().map(|(_, pool)| pool.ejected_count()).sum()
    }

    /// The pool of `endpoint`, opened at its first use. Beyond 64 endpoints the one unused for longest is forgotten: its
    /// exchanges go on, its idle connections close.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Rc<UpstreamPool> {
        let mut kept = self.kept.borrow_mut();
        if let Some(position) = kept.iter().position(|(known, _)| known == endpoint)
            && let Some(front) = kept.get_mut(..=position)
        {
            front.rotate_right(1);
            if let Some((_, pool)) = kept.first() {
                return Rc::clone(pool);
            }
        }
        let pool = self.open(endpoint);
        kept.truncate(UPSTREAMS_MAX - 1);
        kept.insert(0, (endpoint.clone(), Rc::clone(&pool)));
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::driver::DriverChoice;
    use crate::net::driver::run_core;

    fn endpoint(port: usize) -> Endpoint {
        Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap()
    }

    #[test]
    fn each_endpoint_has_one_pool_and_the_longest_unused_goes_at_the_limit() {
        run_core(DriverChoice::Epoll, async |core| {
            let trust = Trust::default();
            let (limits, ejections) = (PoolLimits::default(), Ejections::default());
            let upstreams = Upstreams::new(limits, &trust, &core.deadlines, &ejections);
            let first = upstreams.of(&endpoint(1));
            let second = upstreams.of(&endpoint(2));
            assert!(!Rc::ptr_eq(&first, &second));
            for port in 3..=UPSTREAMS_MAX {
                let _pool = upstreams.of(&endpoint(port));
            }
            assert!(Rc::ptr_eq(&first, &upstreams.of(&endpoint(1))), "all fit");
            let _one_more = upstreams.of(&endpoint(UPSTREAMS_MAX + 1));
            assert!(Rc::ptr_eq(&first, &upstreams.of(&endpoint(1))));
            assert!(!Rc::ptr_eq(&second, &upstreams.of(&endpoint(2))));
            assert_eq!(upstreams.kept.borrow().len(), UPSTREAMS_MAX);
        })
        .unwrap();
    }
}
