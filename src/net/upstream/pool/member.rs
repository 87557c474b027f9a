//! One address of an upstream: its idle connections, its load, its health; and the choice between several.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::clock;
use crate::net::stream::Stream;
use crate::net::stream::Unread;
use crate::net::upstream::pool::health::Health;
use crate::net::upstream::pool::health::Standing;

/// If fewer of a hundred addresses are left than this, ejections are not honoured: that many failures at once are rather
/// the network's or ours, and the few that are left must not be buried.
const USED_PERCENT_MIN: usize = 25;

/// One address.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    /// Requests that are there now.
    pub(super) in_flight: Cell<usize>,
    /// The name stands for other addresses now: nothing is kept any more.
    pub(super) retired: Cell<bool>,
    /// Oldest in front.
    pub(super) idle: RefCell<VecDeque<Idle>>,
}

#[derive(Debug)]
pub(super) struct Idle {
    pub(super) stream: Box<Stream>,
    pub(super) since_ms: u64,
}

impl Member {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            health: Health::new(),
            in_flight: Cell::new(0),
            retired: Cell::new(false),
            idle: RefCell::default(),
        }
    }

    /// The idle connection that was used last, if it is young and clean; those that are not are closed.
    pub(super) fn checkout(&self, now_ms: u64, idle_ms_max: u64) -> Option<Box<Stream>> {
        let mut idle = self.idle.borrow_mut();
        drop_older(&mut idle, now_ms, idle_ms_max);
        while let Some(Idle { stream, .. }) = idle.pop_back() {
            if !stream.timed_out() && stream.unread() == Unread::Nothing {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection for later; closes the oldest if there are too many, and this one if a deadline has passed on it.
    pub(super) fn put(&self, stream: Box<Stream>, idle_count_max: usize) {
        if stream.timed_out() || self.retired.get() {
            return;
        }
        stream.disarm();
        let mut idle = self.idle.borrow_mut();
        idle.push_back(Idle {
            stream,
            since_ms: clock::monotonic_ms(),
        });
        while idle.len() > idle_count_max {
            idle.pop_front();
        }
    }

    /// Closes what was idle too long, was closed by the store, or has bytes that nobody asked for.
    pub(super) fn reap(&self, now_ms: u64, idle_ms_max: u64) {
        let mut idle = self.idle.borrow_mut();
        drop_older(&mut idle, now_ms, idle_ms_max);
        idle.retain(|idle| idle.stream.unread() == Unread::Nothing);
    }

    /// Keeps nothing from now on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }
}

pub(super) fn drop_older(idle: &mut VecDeque<Idle>, now_ms: u64, idle_ms_max: u64) {
    while idle
        .front()
        .is_some_and(|oldest| now_ms.saturating_sub(oldest.since_ms) >= idle_ms_max)
    {
        idle.pop_front();
    }
}

/// A request at an address. Counted until it is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) member: Rc<Member>,
    probes: bool,
}

impl Visit {
    pub(super) fn new(member: Rc<Member>, probes: bool) -> Self {
        if probes {
            member.health.begin_probe();
        }
        member.in_flight.set(member.in_flight.get() + 1);
        Self { member, probes }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let left = self.member.in_flight.get().saturating_sub(1);
        self.member.in_flight.set(left);
        if self.probes {
            self.member.health.give_probe_up(clock::monotonic_ms());
        }
    }
}

/// Addresses by their position, as bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Positions(u64);

impl Positions {
    pub(super) fn add(&mut self, position: usize) {
        let bit = u32::try_from(position)
            .ok()
            .and_then(|at| 1u64.checked_shl(at));
        self.0 |= bit.unwrap_or(0);
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    const fn has(self, position: usize) -> bool {
        position < 64 && self.0 & (1 << position) != 0
    }
}

/// The address for the next request, and whether that request tries an ejected one again: one whose ejection is over, else
/// of two that are used, drawn by `random`, the one with fewer requests. `None` if all are `tried`.
pub(super) fn choose(
    members: &[Rc<Member>],
    tried: Positions,
    now_ms: u64,
    random: u64,
) -> Option<(usize, bool)> {
    let left = || {
        let members = members.iter().enumerate();
        members.filter(|(position, _)| !tried.has(*position))
    };
    let used = || left().filter(|(_, member)| member.health.standing(now_ms) == Standing::Used);
    if let Some((due, _)) =
        left().find(|(_, member)| member.health.standing(now_ms) == Standing::Due)
    {
        return Some((due, true));
    }
    let used_count = used().count();
    let used_in_all = members
        .iter()
        .filter(|member| member.health.standing(now_ms) == Standing::Used)
        .count();
    let panics = used_in_all * 100 < members.len() * USED_PERCENT_MIN;
    let chosen = if panics || used_count == 0 {
        of_two(left(), left().count(), random)
    } else {
        of_two(used(), used_count, random)
    };
    chosen.map(|position| (position, false))
}

/// The power of two choices (Mitzenmacher 1996): nearly as even as the least loaded of all, and no herd follows one number.
fn of_two<'m>(
    members: impl Iterator<Item = (usize, &'m Rc<Member>)> + Clone,
    count: usize,
    random: u64,
) -> Option<usize> {
    let draw = |bits: u64, below: usize| usize::try_from(bits).unwrap_or(0) % below.max(1);
    let first = draw(random & 0xffff_ffff, count);
    let second = (first + 1 + draw(random >> 32, count.saturating_sub(1))) % count.max(1);
    let mut pair = [members.clone().nth(first), { members }.nth(second)];
    pair.sort_by_key(|drawn| drawn.map(|(_, member)| member.in_flight.get()));
    let [lighter, _] = pair;
    lighter.map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::upstream::pool::health::EJECTED_MS_MIN;
    use crate::net::upstream::pool::health::FAILURES_MAX;

    fn members(count: u16) -> Vec<Rc<Member>> {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        (1..=count)
            .map(|port| Rc::new(Member::new(at(port))))
            .collect()
    }

    fn eject(member: &Member) {
        for _ in 0..FAILURES_MAX {
            member.health.failed(0);
        }
    }

    /// How often each address is chosen over many draws.
    fn counts(members: &[Rc<Member>], tried: Positions, now_ms: u64) -> Vec<usize> {
        let mut counts = vec![0; members.len()];
        for first in 0..60u64 {
            for second in 0..60u64 {
                let chosen = choose(members, tried, now_ms, second << 32 | first);
                counts[chosen.unwrap().0] += 1;
            }
        }
        counts
    }

    #[test]
    fn equal_addresses_get_equal_shares_and_the_busiest_none() {
        let all = members(3);
        assert_eq!(counts(&all, Positions::default(), 0), [1200, 1200, 1200]);
        all[1].in_flight.set(1);
        assert_eq!(counts(&all, Positions::default(), 0), [1800, 0, 1800]);
        all[0].in_flight.set(2);
        assert_eq!(counts(&all, Positions::default(), 0), [0, 1200, 2400]);
    }

    #[test]
    fn what_was_tried_is_not_chosen_again() {
        let all = members(2);
        let mut tried = Positions::default();
        tried.add(0);
        assert_eq!(counts(&all, tried, 0), [0, 3600]);
        tried.add(1);
        assert_eq!(choose(&all, tried, 0, 0), None);
        assert_eq!(choose(&[], Positions::default(), 0, 0), None);
    }

    #[test]
    fn an_ejected_address_gets_nothing_until_one_request_tries_it_again() {
        let all = members(2);
        eject(&all[0]);
        assert_eq!(counts(&all, Positions::default(), 0), [0, 3600]);
        let due_ms = EJECTED_MS_MIN;
        let random = 1;
        assert_eq!(
            choose(&all, Positions::default(), due_ms, random),
            Some((0, true))
        );
        let probe = Visit::new(Rc::clone(&all[0]), true);
        assert_eq!(counts(&all, Positions::default(), due_ms), [0, 3600]);
        drop(probe);
        let later_ms = clock::monotonic_ms();
        assert_eq!(
            choose(&all, Positions::default(), later_ms, random),
            Some((0, true)),
            "the probe showed nothing"
        );
        assert_eq!(all[0].in_flight.get(), 0);
    }

    #[test]
    fn never_are_all_ejected_at_once() {
        let all = members(5);
        all[..3].iter().for_each(|member| eject(member));
        assert_eq!(counts(&all, Positions::default(), 0)[..3], [0, 0, 0]);
        eject(&all[3]);
        assert_eq!(counts(&all, Positions::default(), 0), [720; 5]);
        eject(&all[4]);
        assert_eq!(counts(&all, Positions::default(), 0), [720; 5]);
        let pair = members(2);
        eject(&pair[0]);
        let mut tried = Positions::default();
        tried.add(1);
        assert_eq!(
            choose(&pair, tried, 0, 0),
            Some((0, false)),
            "better than none"
        );
    }
}
