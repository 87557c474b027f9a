//! What a request allocates once connections stand and storage has grown: a sidecar's GET nothing, a gateway's GET a bounded
//! number of small pieces. A binary of its own, since it counts every allocation of its process.
#![cfg(test)]

use std::alloc::System;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use sluicegate::api::iam_policy::principal::Principal;
use sluicegate::net::clock::monotonic_ms;
use sluicegate::pipeline::identity::Identities;
use sluicegate::pipeline::identity::Identity;
use sluicegate::serve::settings::ServeSettings;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use stats_alloc::INSTRUMENTED_SYSTEM;
use stats_alloc::Region;
use stats_alloc::StatsAlloc;

use support::documents::objects;
use support::gateway::Gateway;
use support::gateway::guarded_settings;
use support::gateway::on_each_driver;
use support::gateway::settings;
use support::gateway::table;
use support::sidecar::sidecar_settings;
use support::signer::BOB;

#[expect(dead_code, reason = "shared with tests/it, which uses the rest")]
#[path = "it/support"]
mod support {
    pub(crate) mod documents;
    pub(crate) mod gateway;
    pub(crate) mod message;
    pub(crate) mod sidecar;
    pub(crate) mod signer;
}

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Its methods ask for AWS_IAM.
const S3_PROXY: &str = "config/s3-proxy.openapi.yaml";
/// Two path parameters and three response headers are mapped.
const SIGNED_TARGET: &str = "/S3/bucket/key";
const WARM_UP: usize = 500;
const COUNTED: usize = 5_000;
/// Fields of a request that no caller signs.
const UNSIGNED: &str = "Host: a\r\nUser-Agent: test\r\nAccept: application/octet-stream\r\n";
/// Per request of the gateway, five and what timers of the core take: the path for the store, and the lines of the fields that go
/// to it and to the client. May only fall.
const GATEWAY_MAX: usize = 6;

/// A store that answers every request with 1 KiB, and allocates nothing while it does.
fn store() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut answer = b"HTTP/1.1 200 OK\r\nx-amz-request-id: 7K3N0R5T9QW2ZJ4B\r\nETag: \"e\"\r\n\
        Content-Type: application/octet-stream\r\nConnection: keep-alive\r\nContent-Length: 1024\r\n\r\n"
        .to_vec();
    answer.extend_from_slice(&[b'x'; 1024]);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || while exchange(&mut stream, &answer) {});
        }
    });
    address
}

/// Reads a head without a body and answers it; false when the peer has closed.
fn exchange(stream: &mut TcpStream, answer: &[u8]) -> bool {
    let (mut buffer, mut len) = ([0; 4096], 0);
    while !buffer[..len].ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer[len..]) {
            Ok(0) | Err(_) => return false,
            Ok(count) => len += count,
        }
    }
    stream.write_all(answer).is_ok()
}

/// A response of which the body, of `x` alone, has 1 KiB.
fn read_response(stream: &mut TcpStream) {
    let (mut buffer, mut len) = ([0; 8192], 0);
    loop {
        let count = stream.read(&mut buffer[len..]).unwrap();
        assert!(count > 0, "the connection ended");
        len += count;
        let end = buffer[..len]
            .windows(4)
            .position(|four| four == b"\r\n\r\n");
        if end.is_some_and(|end| len == end + 4 + 1024) {
            assert!(buffer.starts_with(b"HTTP/1.1 200 "));
            return;
        }
    }
}

/// Who signs.
fn callers() -> Identities {
    let mut callers = Identities::default();
    let identity = Identity {
        credentials: Credentials {
            access_key_id: BOB.access_key_id.to_owned(),
            secret_access_key: Secret::new(BOB.secret),
            session_token: None,
        },
        session_end: None,
        principal: Principal::new("arn:aws:iam::123456789012:user/bob", "AIDABOB").unwrap(),
        policy: None,
    };
    callers.add(identity).unwrap();
    callers
}

/// Of a request for [`SIGNED_TARGET`], good for some minutes.
fn signed_fields() -> String {
    let host = ("Host".to_owned(), "gateway.example".to_owned());
    let fields = BOB.fields("GET", SIGNED_TARGET, b"");
    let lines = [host].into_iter().chain(fields);
    lines
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect()
}

/// Milliseconds in which the timers of a core, and what it does every so often, may allocate once.
const TIMER_MS: u64 = 5;

/// Allocations, growing included, over [`COUNTED`] requests, without what a slow machine gives timers the time for.
fn allocations(settings: ServeSettings, target: &str, fields: &str) -> usize {
    let gateway = Gateway::start(settings);
    let request = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
    let mut client = TcpStream::connect(gateway.address).unwrap();
    client.set_nodelay(true).unwrap();
    let mut run = |requests: usize| {
        for _ in 0..requests {
            client.write_all(request.as_bytes()).unwrap();
            read_response(&mut client);
        }
    };
    run(WARM_UP);
    let begun_ms = monotonic_ms();
    let region = Region::new(ALLOCATOR);
    run(COUNTED);
    let counted = region.change();
    let timers = usize::try_from((monotonic_ms() - begun_ms) / TIMER_MS).unwrap();
    (counted.allocations + counted.reallocations).saturating_sub(timers)
}

/// One test, since another one beside it would be counted too.
#[test]
fn requests_allocate_no_more_than_is_said() {
    let store = format!("http://{}", store());
    on_each_driver(|driver| {
        let counted = allocations(sidecar_settings(driver, &store), "/bucket/key", UNSIGNED);
        // Timers of the core allocate now and then; one allocation in each request would be ten times this.
        assert!(
            counted < COUNTED / 10,
            "{counted} allocations in {COUNTED} requests of the sidecar"
        );
        let served = ServeSettings {
            io_driver: driver,
            ..settings(objects(), &store)
        };
        let open = allocations(served, "/v1/o/key", UNSIGNED);
        let guarded = ServeSettings {
            io_driver: driver,
            ..guarded_settings(table(S3_PROXY, "S3"), &store, callers())
        };
        let signed = allocations(guarded, SIGNED_TARGET, &signed_fields());
        for (counted, which) in [(open, "an open method"), (signed, "a signed request")] {
            assert!(
                counted < COUNTED * GATEWAY_MAX,
                "{counted} allocations in {COUNTED} requests of {which}"
            );
            println!(
                "{driver:?}: {} per request of {which}",
                counted as f64 / COUNTED as f64
            );
        }
    });
}
