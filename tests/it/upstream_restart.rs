//! A store that goes away under load and comes back at the same place.

use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::support::backend::response;
use crate::support::client::fetch;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::message::Pending;
use crate::support::sidecar::sidecar_settings;

/// GETs that must succeed before the store goes, and after it is back.
const GETS: usize = 200;
const CLIENTS: usize = 8;
/// Where nobody else of this run listens or connects from: a port that was given up there is free until the store is back.
const OWN_ADDRESS: [u8; 4] = [127, 0, 0, 3];

/// A store whose process may be ended.
struct Process {
    open: Arc<Mutex<Vec<TcpStream>>>,
    ended: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Process {
    fn start(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let process = Self {
            open: Arc::default(),
            ended: Arc::default(),
            address: listener.local_addr().unwrap(),
        };
        let (open, ended) = (Arc::clone(&process.open), Arc::clone(&process.ended));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                open.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || answer_all(stream));
            }
        });
        process
    }

    /// Everything is closed as the kernel closes it for a process that was killed.
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the accept loop, which then closes the listener.
        drop(TcpStream::connect(self.address));
        while TcpStream::connect(self.address).is_ok() {}
        for stream in self.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }
}

fn answer_all(mut stream: TcpStream) {
    let mut pending = Pending::default();
    while pending.message(&mut stream, false).is_some() {
        if stream.write_all(&response(200, &[], b"here")).is_err() {
            return;
        }
    }
}

#[test]
fn no_get_fails_once_a_store_is_back() {
    on_each_driver(|driver| {
        let first = Process::start(SocketAddr::from((OWN_ADDRESS, 0)));
        let gateway = Gateway::start(sidecar_settings(
            driver,
            &format!("http://{}", first.address),
        ));
        let address = gateway.address;
        let (is_back, ends) = (AtomicBool::new(false), AtomicBool::new(false));
        let (before, between, after) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let gone = AtomicBool::new(false);
        let load = || {
            while !ends.load(Ordering::SeqCst) {
                let (was_gone, was_back) =
                    (gone.load(Ordering::SeqCst), is_back.load(Ordering::SeqCst));
                let status = fetch(address, "GET", "/b/k", &[], b"").status();
                if was_back {
                    assert_eq!(status, 200, "after it was back");
                    after.fetch_add(1, Ordering::SeqCst);
                } else if was_gone {
                    between.fetch_add(usize::from(status != 200), Ordering::SeqCst);
                } else {
                    before.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(load)).collect();
            let until = |count: &AtomicUsize| {
                while count.load(Ordering::SeqCst) < GETS
                    && !clients.iter().any(thread::ScopedJoinHandle::is_finished)
                {
                    thread::yield_now();
                }
            };
            until(&before);
            first.end();
            gone.store(true, Ordering::SeqCst);
            until(&between);
            let second = Process::start(first.address);
            is_back.store(true, Ordering::SeqCst);
            until(&after);
            ends.store(true, Ordering::SeqCst);
            for client in clients {
                client.join().unwrap();
            }
            second.end();
        });
        assert!(after.into_inner() >= GETS);
    });
}
