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
    UpstreamPool::new(&endpoint, limits, &tls, &core.deadlines)
}

/// A connection of the pool with the store's end.
async fn fresh(pool: &Rc<UpstreamPool>, listener: &TcpListener) -> (Stream, TcpStream) {
    let leased = pool.connect().await.unwrap();
    assert!(!leased.reused);
    (leased.stream, listener.accept().unwrap().0)
}

#[test]
fn last_connection_put_is_leased_first() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (one, _store_one) = fresh(&pool, &listener).await;
        let (two, _store_two) = fresh(&pool, &listener).await;
        let last = two.raw_fd();
        pool.put(one);
        pool.put(two);
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
        assert!(pool.checkout().is_none());
        assert!(!pool.lease().await.unwrap().reused);
    });
}

#[test]
fn closed_and_unclean_connections_are_not_reused() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (clean, _store) = fresh(&pool, &listener).await;
        let clean_fd = clean.raw_fd();
        let (closed, store) = fresh(&pool, &listener).await;
        let (unclean, mut talker) = fresh(&pool, &listener).await;
        drop(store);
        talker.write_all(b"HTTP/1.1 408 \r\n\r\n").unwrap();
        pool.put(clean);
        pool.put(closed);
        pool.put(unclean);
        assert_eq!(pool.idle_count(), 3);
        assert_eq!(pool.checkout().unwrap().raw_fd(), clean_fd);
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn connection_idle_too_long_is_not_reused() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(
            &core,
            PoolLimits {
                idle_ms_max: 0,
                ..LIMITS
            },
        );
        let (stream, _store) = fresh(&pool, &listener).await;
        pool.put(stream);
        assert!(pool.checkout().is_none());
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn age_is_counted_from_the_put() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        for _ in 0..2 {
            let (stream, _) = fresh(&pool, &listener).await;
            pool.put(stream);
        }
        let mut idle = pool.idle.borrow_mut();
        idle[0].since_ms = 1_000;
        idle[1].since_ms = 2_000;
        drop_older(&mut idle, 61_999, 61_000);
        assert_eq!(idle.len(), 2);
        drop_older(&mut idle, 62_000, 61_000);
        assert_eq!(idle.len(), 1);
        assert_eq!(idle[0].since_ms, 2_000);
    });
}

#[test]
fn timed_out_connection_is_not_kept() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (mut stream, _store) = fresh(&pool, &listener).await;
        stream.arm(1, Cut::Read);
        assert!(stream.recv_append(Vec::with_capacity(16)).await.0.is_err());
        pool.put(stream);
        assert_eq!(pool.idle_count(), 0);
    });
}

#[test]
fn deadline_of_the_last_exchange_does_not_follow_into_the_pool() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (stream, _store) = fresh(&pool, &listener).await;
        stream.arm(0, Cut::Both);
        pool.put(stream);
        core.deadlines.sweep(u64::MAX - 1);
        assert!(pool.checkout().is_some());
    });
}

#[test]
fn full_pool_closes_the_oldest() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let mut stores = Vec::new();
        let mut fds = Vec::new();
        for _ in 0..4 {
            let (stream, store) = fresh(&pool, &listener).await;
            fds.push(stream.raw_fd());
            stores.push((stream, store));
        }
        let mut open = Vec::new();
        for (stream, store) in stores {
            pool.put(stream);
            open.push(store);
        }
        assert_eq!(pool.idle_count(), LIMITS.idle_count_max);
        let kept: Vec<_> = std::iter::from_fn(|| pool.checkout()).collect();
        let kept: Vec<_> = kept.iter().map(Stream::raw_fd).collect();
        assert_eq!(kept, [fds[3], fds[2], fds[1]]);
    });
}

#[test]
fn next_address_is_tried_and_the_last_failure_told() {
    on_each_driver(async |core| {
        let (gone, dead) = listening();
        drop(gone);
        let (_listener, alive) = listening();
        let pool = pool_at(&core, LIMITS, "http", &[dead, alive]);
        for _ in 0..2 {
            assert_eq!(pool.connect().await.unwrap().stream.peer(), alive.into());
            assert_eq!(pool.preferred.get(), 1);
        }
        let pool = pool_at(&core, LIMITS, "http", &[dead]);
        let error = pool.lease().await.unwrap_err();
        assert!(
            matches!(&error, LeaseError::Refused(at, cause)
                if *at == dead && cause.kind() == io::ErrorKind::ConnectionRefused),
            "{error}"
        );
        let pool = pool_at(&core, LIMITS, "http", &[]);
        assert!(matches!(
            pool.lease().await.unwrap_err(),
            LeaseError::NoAddress
        ));
    });
}

#[test]
fn closed_pool_leaves_no_socket() {
    on_each_driver(async |core| {
        let (pool, listener) = pool(&core, LIMITS);
        let (stream, _store) = fresh(&pool, &listener).await;
        pool.put(stream);
        assert_eq!(core.deadlines.len(), 1);
        pool.clear();
        assert_eq!((pool.idle_count(), core.deadlines.len()), (0, 0));
    });
}
