//! What a name stands for now: written by whoever resolves it, read by every core.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Addresses of one name that are used. S3 answers with eight, container networks with one for each replica.
pub const ADDRESSES_MAX: usize = 64;

/// The place of a name's addresses. Clones are the same place; reading takes no lock.
#[derive(Clone)]
pub struct AddressSlot {
    shared: Arc<ArcSwap<Vec<SocketAddr>>>,
}

impl AddressSlot {
    /// A place with these addresses, at most [`ADDRESSES_MAX`] of them, each once.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            shared: Arc::new(ArcSwap::from_pointee(distinct(addresses))),
        }
    }

    /// Replaces the addresses for all cores, unless they are the same ones in another order. No addresses are no answer:
    /// the last good ones stay. Tells whether anything changed.
    pub fn publish(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> bool {
        let found = distinct(addresses);
        let known = self.shared.load();
        let same = found.len() == known.len() && found.iter().all(|one| known.contains(one));
        if found.is_empty() || same {
            return false;
        }
        self.shared.store(Arc::new(found));
        true
    }

    /// The addresses in the resolver's order. The same allocation until others are published.
    #[must_use]
    pub fn current(&self) -> Arc<Vec<SocketAddr>> {
        self.shared.load_full()
    }
}

impl fmt::Debug for AddressSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.current().iter()).finish()
    }
}

fn distinct(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for address in addresses {
        if found.len() < ADDRESSES_MAX && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn no_answer_leaves_the_last_good_one_and_another_order_is_no_change() {
        let slot = AddressSlot::new([at(1), at(2), at(1)]);
        let before = slot.current();
        assert_eq!(*before, [at(1), at(2)]);
        assert!(!slot.publish([]));
        assert!(!slot.publish([at(2), at(1)]));
        assert!(Arc::ptr_eq(&before, &slot.current()));
        let seen_elsewhere = slot.clone();
        assert!(slot.publish([at(2)]));
        assert_eq!(*seen_elsewhere.current(), [at(2)]);
    }

    #[test]
    fn addresses_beyond_the_limit_are_left_out() {
        let all = (1..=70).map(at);
        assert_eq!(AddressSlot::new(all).current().len(), ADDRESSES_MAX);
    }
}
