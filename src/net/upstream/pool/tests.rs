use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;

use crate::net::deadline::Cut;
use crate::net::driver::Core;
use crate::net::loopback::listening;
use crate::net::loopback::on_each_driver;
use crate::net::tls::trust::Trust;

use super::*;

const LIMITS: PoolLimits = PoolLimits {
    idle_count_max: 3,
    idle_ms_max: 60_000,
    connect_ms_max: 5_000,
    connections_max: 100,
    pending_max: 0,
    retry_percent: 20,
};

fn pool(core: &Core, limits: PoolLimits) -> (Rc<UpstreamPool>, TcpListener) {
    let (listener, address) = listening();
    (pool_at(core, limits, "http", &[address]), listener)
}

/// A pool of the addresses, which a name would stand for.
fn pool_at(
    core: &Core,
    limits: PoolLimits,
    scheme: &str,
    addresses: &[SocketAddr],
) -> Rc<UpstreamPool> {
    let endpoint = Endpoint::parse(&format!("{scheme}://store.example")).unwrap();
    let endpoint = endpoint.with_addresses(addresses.to_vec());
    let tls = Rc::new(TlsClient::new(&Trust::default()));
    let ejections = Ejections::default();
    UpstreamPool::new(&endpoint, limits, &tls, &core.deadlines, &ejections)
}

/// A new connection of the pool with the store's end.
async fn fresh(pool: &Rc<UpstreamPool>, listener: &TcpListener) -> (Leased, TcpStream) {
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let leased = pool.lease_anew(elsewhere).await.unwrap();
    assert!(!leased.reused);
    (leased, listener.accept().unwrap().0)
}

/// The kept connections, from the one that was used last on.
async fn kept(pool: &Rc<UpstreamPool>) -> Vec<std::os::fd::RawFd> {
    let mut held = Vec::new();
    loop {
        let leased = pool.lease().await.unwrap();
        if !leased.reused {
            return held
                .iter()
                .map(|one: &Leased| one.stream.raw_fd())
                .collect();
        }
        held.push(leased);
    }
}

#[test]
fn last_connection_put_is_leased_first() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (one, _store_one) = fresh(&pool, &listener).await;
        let (two, _store_two) = fresh(&pool, &listener).await;
        let last = two.stream.raw_fd();
        one.give_back();
        two.give_back();
        let leased = pool.lease().await.unwrap();
        assert_eq!((leased.reused, leased.stream.raw_fd()), (true, last));
        assert_eq!(pool.idle_count(), 1);
    });
}

#[test]
fn a_leased_connection_goes_back_to_the_pool_it_came_from() {
    on_each_driver(async |core| {
        let (one, _listener_one) = pool(&core, LIMITS);
        let (two, _listener_two) = pool(&core, LIMITS);
        let leased = two.lease().await.unwrap();
        one.lease().await.unwrap().give_back();
        assert_eq!((one.idle_count(), two.idle_count()), (1, 0));
        leased.give_back();
        assert_eq!((one.idle_count(), two.idle_count()), (1, 1));
    });
}

#[test]
fn empty_pool_connects() {
    on_each_driver(async |core| {
        let (pool, _listener) = pool(&core, LIMITS);
        assert!(!pool.lease().await.unwrap().reused);
    });
}

#[test]
fn closed_and_unclean_connections_are_not_reused() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (clean, _store) = fresh(&pool, &listener).await;
        let clean_fd = clean.stream.raw_fd();
        let (closed, store) = fresh(&pool, &listener).await;
        let (unclean, mut talker) = fresh(&pool, &listener).await;
        drop(store);
        talker.write_all(b"HTTP/1.1 408 \r\n\r\n").unwrap();
        clean.give_back();
        closed.give_back();
        unclean.give_back();
        assert_eq!(pool.idle_count(), 3);
        assert_eq!(kept(&pool).await, [clean_fd]);
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn connection_idle_too_long_is_not_reused() {
    on_each_driver(async |core| {
        let limits = PoolLimits {
            idle_ms_max: 0,
            ..LIMITS
        };
        let (pool, listener) = pool(&core, limits);
        let (leased, _store) = fresh(&pool, &listener).await;
        leased.give_back();
        assert_eq!(pool.idle_count(), 1);
        assert!(kept(&pool).await.is_empty());
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn age_is_counted_from_the_put() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (one, _store_one) = fresh(&pool, &listener).await;
        let (two, _store_two) = fresh(&pool, &listener).await;
        one.give_back();
        two.give_back();
        let member = Rc::clone(&pool.members.borrow()[0]);
        let mut idle = member.idle.borrow_mut();
        idle[0].since_ms = 1_000;
        idle[1].since_ms = 2_000;
        member::drop_older(&mut idle, 61_999, 61_000);
        assert_eq!(idle.len(), 2);
        member::drop_older(&mut idle, 62_000, 61_000);
        assert_eq!(idle.len(), 1);
        assert_eq!(idle[0].since_ms, 2_000);
    });
}

#[test]
fn timed_out_connection_is_not_kept() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (mut leased, _store) = fresh(&pool, &listener).await;
        leased.stream.arm(1, Cut::Read);
        let (received, _) = leased.stream.recv_append(Vec::with_capacity(16)).await;
        assert!(received.is_err());
        leased.give_back();
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn deadline_of_the_last_exchange_does_not_follow_into_the_pool() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (leased, _store) = fresh(&pool, &listener).await;
        leased.stream.arm(0, Cut::Both);
        leased.give_back();
        core.deadlines.sweep(u64::MAX - 1);
        assert!(pool.lease().await.unwrap().reused);
    });
}

#[test]
fn full_pool_closes_the_oldest() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let mut fds = Vec::new();
        let mut leases = Vec::new();
        let mut open = Vec::new();
        for _ in 0..4 {
            let (leased, store) = fresh(&pool, &listener).await;
            fds.push(leased.stream.raw_fd());
            leases.push(leased);
            open.push(store);
        }
        leases.into_iter().for_each(Leased::give_back);
        assert_eq!(pool.idle_count(), LIMITS.idle_count_max);
        assert_eq!(kept(&pool).await, [fds[3], fds[2], fds[1]]);
    });
}

#[test]
fn each_address_is_tried_once_and_the_last_failure_told() {
    on_each_driver(async |core| {
        let (gone, dead) = listening();
        drop(gone);
        let (_listener, alive) = listening();
        let pool = pool_at(&core, LIMITS, "http", &[dead, alive]);
        for _ in 0..20 {
            assert_eq!(pool.lease().await.unwrap().address(), alive);
        }
        let pool = pool_at(&core, LIMITS, "http", &[dead]);
        let error = pool.lease().await.unwrap_err();
        assert!(
            matches!(&error, LeaseError::Refused(at, cause)
                if *at == dead && cause.kind() == io::ErrorKind::ConnectionRefused),
            "{error}"
        );
        let pool = pool_at(&core, LIMITS, "http", &[]);
        let error = pool.lease().await.unwrap_err();
        assert!(matches!(error, LeaseError::NoAddress), "{error}");
        assert_eq!(pool.in_use(), (0, 0));
    });
}

#[test]
fn requests_spread_over_the_addresses_and_another_is_taken_after_a_failure() {
    on_each_driver(async |core| {
        let (_one, first) = listening();
        let (_two, second) = listening();
        let pool = pool_at(&core, LIMITS, "http", &[first, second]);
        let mut leases = Vec::new();
        for _ in 0..10 {
            leases.push(pool.lease().await.unwrap());
        }
        let at_first = leases.iter().filter(|one| one.address() == first).count();
        assert_eq!(at_first, 5, "the one with fewer requests is taken");
        drop(leases);
        for (not_at, wanted) in [(first, second), (second, first)] {
            let leased = pool.lease_anew(not_at).await.unwrap();
            assert_eq!((leased.address(), leased.reused), (wanted, false));
        }
        let only = pool_at(&core, LIMITS, "http", &[first]);
        assert_eq!(only.lease_anew(first).await.unwrap().address(), first);
    });
}

#[test]
fn an_address_that_fails_in_a_row_gets_nothing_until_it_is_tried_again() {
    on_each_driver(async |core| {
        let (_one, bad) = listening();
        let (_two, good) = listening();
        let pool = pool_at(&core, LIMITS, "http", &[bad, good]);
        for _ in 0..health::FAILURES_MAX {
            let leased = pool.lease_anew(good).await.unwrap();
            assert_eq!(leased.address(), bad);
            leased.note_failure();
        }
        for _ in 0..20 {
            assert_eq!(pool.lease().await.unwrap().address(), good);
        }
        // Only the one that answers ends an ejection.
        let again = pool.lease_anew(good).await.unwrap();
        assert_eq!(again.address(), bad, "rather than none");
        again.note_answer();
        drop(again);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..64 {
            seen.insert(pool.lease().await.unwrap().address());
        }
        assert_eq!(seen.len(), 2);
    });
}

#[test]
fn addresses_are_followed_and_one_that_is_gone_keeps_nothing() {
    on_each_driver(async |core| {
        let (_one, first) = listening();
        let (_two, second) = listening();
        let endpoint = Endpoint::parse("http://store.example").unwrap();
        assert!(endpoint.publish([first]));
        let tls = Rc::new(TlsClient::new(&Trust::default()));
        let ejections = Ejections::default();
        let pool = UpstreamPool::new(&endpoint, LIMITS, &tls, &core.deadlines, &ejections);
        let at_work = pool.lease().await.unwrap();
        pool.lease().await.unwrap().give_back();
        assert!(endpoint.publish([second]));
        assert_eq!(pool.lease().await.unwrap().address(), first, "not yet");
        pool.tend();
        assert_eq!(pool.idle_count(), 0);
        at_work.give_back();
        assert_eq!(pool.idle_count(), 0);
        assert_eq!(pool.lease().await.unwrap().address(), second);
    });
}

#[test]
fn more_requests_than_connections_wait_and_more_than_may_wait_are_refused() {
    on_each_driver(async |core| {
        let limits = PoolLimits {
            connections_max: 2,
            pending_max: 1,
            ..LIMITS
        };
        let (pool, _listener) = pool(&core, limits);
        let one = pool.lease().await.unwrap();
        let two = pool.lease().await.unwrap();
        let third = Rc::clone(&pool);
        let third = spawn(async move { third.lease().await.unwrap().reused });
        while pool.in_use() != (2, 1) {
            crate::net::driver::yield_now().await;
        }
        let error = pool.lease().await.unwrap_err();
        assert!(
            matches!(error, LeaseError::Busy(Shortage::QueueFull)),
            "{error}"
        );
        one.give_back();
        assert_eq!(third.await, Ok(true), "it got what was given back");
        two.give_back();
        assert_eq!(pool.in_use(), (0, 0));

        let limits = PoolLimits {
            connect_ms_max: 1,
            ..limits
        };
        let late = pool_at(&core, limits, "http", &[pool.members.borrow()[0].address]);
        let _held = (late.lease().await, late.lease().await);
        let error = late.lease().await.unwrap_err();
        assert!(
            matches!(error, LeaseError::Busy(Shortage::QueueTimeout)),
            "{error}"
        );
        assert_eq!(late.in_use().1, 0);
    });
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    on_each_driver(async |core| {
        let limits = PoolLimits {
            connections_max: 2,
            ..LIMITS
        };
        let (_one, first) = listening();
        let (_two, second) = listening();
        let pool = pool_at(&core, limits, "http", &[first, second]);
        let one = pool.lease_anew(second).await.unwrap();
        let two = pool.lease_anew(second).await.unwrap();
        one.give_back();
        two.give_back();
        assert_eq!((pool.idle_count(), core.deadlines.len()), (2, 2));
        let leased = pool.lease_anew(first).await.unwrap();
        assert_eq!(leased.address(), second);
        assert_eq!((pool.idle_count(), core.deadlines.len()), (1, 2));
    });
}

#[test]
fn closed_pool_leaves_no_socket() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (leased, _store) = fresh(&pool, &listener).await;
        leased.give_back();
        assert_eq!(core.deadlines.len(), 1);
        drop(pool);
        assert_eq!(core.deadlines.len(), 0);
    });
}
