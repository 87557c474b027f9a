//! How many connections may be open, in all and for each address, over all cores.
//!
//! Addresses are counted in two rows of slots that they fall into by two secret hashes, and the smaller of the two counts is
//! believed (a count-min sketch): memory is fixed however many addresses there are, no lock is taken, and a count is never
//! too small. It is too large, and an address refused early, only if both of its slots are shared with busy others.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// Slots of a row: 256 KiB each.
const SLOTS: usize = 1 << 16;

/// The limits; `None` is none.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCaps {
    /// Over all cores.
    pub total_max: Option<usize>,
    /// For each address.
    pub of_address: Option<Arc<AddressCap>>,
}

/// The limit for each address, with the counts.
pub struct AddressCap {
    connections_max: u32,
    rows: [Row; 2],
}

struct Row {
    hashes: RandomState,
    slots: Box<[AtomicU32]>,
}

/// One open connection of an address.
#[derive(Debug)]
pub struct Place {
    cap: Arc<AddressCap>,
    slots: [usize; 2],
}

impl std::fmt::Debug for AddressCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressCap")
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

impl AddressCap {
    /// No connections yet.
    #[must_use]
    pub fn new(connections_max: u32) -> Self {
        let row = || Row {
            hashes: RandomState::new(),
            slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
        };
        Self {
            connections_max,
            rows: [row(), row()],
        }
    }

    /// Connections that an address may have.
    #[must_use]
    pub const fn connections_max(&self) -> u32 {
        self.connections_max
    }

    /// A place for one more connection of this address; `None` if it has as many as it may.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let counted = counted_as(address);
        let slots = self.rows.each_ref().map(|row| row.slot_of(counted));
        let before = [0, 1].map(|at| {
            self.slot(at, slots)
                .map_or(0, |slot| slot.fetch_add(1, Ordering::Relaxed))
        });
        let place = Place {
            cap: Arc::clone(self),
            slots,
        };
        // Dropping the place counts it off again.
        let count = before.into_iter().min().unwrap_or(0);
        (count < self.connections_max).then_some(place)
    }

    fn slot(&self, row: usize, slots: [usize; 2]) -> Option<&AtomicU32> {
        self.rows.get(row)?.slots.get(*slots.get(row)?)
    }
}

impl Row {
    fn slot_of(&self, address: IpAddr) -> usize {
        let bits = self.hashes.hash_one(address) % (SLOTS as u64);
        usize::try_from(bits).unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for row in [0, 1] {
            if let Some(slot) = self.cap.slot(row, self.slots) {
                slot.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// What is counted as one address: of IPv6 the first 64 bits, which is what one customer gets.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_gets_them_back() {
        let cap = Arc::new(AddressCap::new(2));
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let first = cap.enter(one).unwrap();
        let second = cap.enter(mapped).unwrap();
        assert!(cap.enter(one).is_none());
        assert!(cap.enter(one).is_none(), "a refusal takes no place");
        drop(first);
        assert!(cap.enter(one).is_some());
        drop(second);
    }

    #[test]
    fn many_other_addresses_do_not_take_ones_places() {
        let cap = Arc::new(AddressCap::new(8));
        let mut others = Vec::new();
        for n in 0..20_000u32 {
            others.push(cap.enter(IpAddr::V4(n.into())).unwrap());
        }
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places = [const { None }; 4];
        for place in &mut places {
            *place = cap.enter(own);
        }
        assert!(places.iter().all(Option::is_some));
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let cap = Arc::new(AddressCap::new(1));
        let _place = cap.enter("2001:db8:0:1::1".parse().unwrap()).unwrap();
        assert!(cap.enter("2001:db8:0:1:ffff::2".parse().unwrap()).is_none());
        assert!(cap.enter("2001:db8:0:2::1".parse().unwrap()).is_some());
    }
}
