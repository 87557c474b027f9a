//! A client that goes away after every byte of its message, and after some of the answer: whatever it left is given back, and
//! nothing becomes an object that was not sent whole.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use sluicegate::net::driver::DriverChoice;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::backend::stored;
use crate::support::client::Client;
use crate::support::documents::images;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::object_gateway;
use crate::support::sidecar::sidecar_settings;

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Closes,
    Resets,
    /// It sends nothing more, and waits for what there is to read.
    EndsSending,
}

const LEAVES: [Leave; 3] = [Leave::Closes, Leave::Resets, Leave::EndsSending];

impl Leave {
    fn leave(self, mut client: Client) {
        match self {
            Self::Closes => {}
            Self::Resets => socket2::SockRef::from(&client.stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap(),
            Self::EndsSending => {
                // ignored: the gateway may have closed before
                client.stream.shutdown(std::net::Shutdown::Write).ok();
                client.rest();
            }
        }
    }
}

/// A message, who takes it, and the object that it makes.
struct Scene {
    name: &'static str,
    message: &'static str,
    object: Option<&'static [u8]>,
    start: fn(DriverChoice, &Backend) -> Gateway,
}

fn sidecar(driver: DriverChoice, store: &Backend) -> Gateway {
    Gateway::start(sidecar_settings(driver, &store.url()))
}

fn image_gateway(driver: DriverChoice, store: &Backend) -> Gateway {
    Gateway::on(driver, images(), &store.url())
}

const SCENES: [Scene; 5] = [
    Scene {
        name: "GET",
        message: "GET /o/b/k HTTP/1.1\r\nHost: gate.example\r\nAccept: */*\r\n\r\n",
        object: None,
        start: object_gateway,
    },
    Scene {
        name: "PUT",
        message: "PUT /o/b/k HTTP/1.1\r\nHost: gate.example\r\nContent-Length: 11\r\n\r\nhello world",
        object: Some(b"hello world"),
        start: object_gateway,
    },
    Scene {
        name: "PUT in chunks",
        message: "PUT /o/b/k HTTP/1.1\r\nHost: gate.example\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n",
        object: Some(b"hello world"),
        start: object_gateway,
    },
    Scene {
        name: "PUT in aws-chunked",
        message: "PUT /b/k HTTP/1.1\r\nHost: gate.example\r\nContent-Length: 57\r\nContent-Encoding: aws-chunked\r\n\
            x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 11\r\n\
            x-amz-trailer: x-amz-checksum-crc32\r\n\r\n\
            5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
        object: Some(b"hello world"),
        start: sidecar,
    },
    Scene {
        name: "PUT of Base64 in JSON",
        message: "PUT /v1/s3?key=b/k HTTP/1.1\r\nHost: gate.example\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n\
            aGVsbG8gd29ybGQ=",
        object: Some(b"hello world"),
        start: image_gateway,
    },
];

/// A store that takes and gives, and remembers whole requests.
fn store() -> Backend {
    Backend::answering(|request| match request.start.split(' ').next() {
        Some("GET") => response(200, &[("Content-Type", "image/png")], b"an object"),
        _ => response(200, &[], b""),
    })
}

/// Waits until nobody is connected and no connection to the store is in use.
fn wait_for_peace(gateway: &Gateway) {
    let is_busy = || {
        let [_idle, in_use, awaited] = gateway.metrics.sums().upstream;
        gateway.lifecycle.connections.load(Ordering::SeqCst) > 0 || in_use + awaited > 0
    };
    while is_busy() {
        thread::yield_now();
    }
}

fn whole_answer(address: SocketAddr, message: &str, title: &str) {
    let mut client = Client::connect(address);
    client.send(message);
    let answer = client.response();
    assert_eq!(answer.map(|answer| answer.status()), Some(200), "{title}");
}

#[test]
fn a_client_may_leave_after_every_byte_of_its_message() {
    on_each_driver(|driver| {
        for scene in SCENES {
            let store = store();
            let gateway = (scene.start)(driver, &store);
            let bytes = scene.message.as_bytes();
            for leave in LEAVES {
                for sent in 0..bytes.len() {
                    let mut client = Client::connect(gateway.address);
                    client.send(&bytes[..sent]);
                    leave.leave(client);
                }
                let title = format!("{}, {leave:?}", scene.name);
                assert!(store.requests().is_empty(), "{title}: half a message");
                wait_for_peace(&gateway);
                assert!(store.requests().is_empty(), "{title}: half a message");
            }
            whole_answer(gateway.address, scene.message, scene.name);
            let seen = store.requests();
            assert_eq!(seen.len(), 1, "{}", scene.name);
            if let Some(object) = scene.object {
                assert_eq!(stored(&seen[0]), object, "{}", scene.name);
            }
        }
    });
}

#[test]
fn a_client_may_leave_when_its_message_is_whole() {
    on_each_driver(|driver| {
        for scene in SCENES {
            let store = store();
            let gateway = (scene.start)(driver, &store);
            for leave in LEAVES {
                for _ in 0..8 {
                    let mut client = Client::connect(gateway.address);
                    client.send(scene.message);
                    leave.leave(client);
                }
                wait_for_peace(&gateway);
            }
            whole_answer(gateway.address, scene.message, scene.name);
            // Those that were asked for are whole, and those are all that there are.
            let seen = store.requests();
            assert!((1..=25).contains(&seen.len()), "{}", scene.name);
            for request in &seen {
                let object = scene.object.unwrap_or_default();
                assert_eq!(stored(request), object, "{}", scene.name);
            }
        }
    });
}

/// Long enough to be spliced, and longer than what sockets hold.
const LONG_BYTES: usize = 32 * 1024 * 1024;

/// A store whose answers are long, in chunks or not.
fn long_answers() -> Backend {
    let body = vec![b'x'; LONG_BYTES];
    Backend::answering(move |request| {
        if request.second_word().ends_with("sized") {
            return response(200, &[], &body);
        }
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(1 << 20) {
            answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        answer
    })
}

#[test]
fn a_client_may_leave_in_the_midst_of_its_answer() {
    on_each_driver(|driver| {
        for key in ["sized", "chunked"] {
            let store = long_answers();
            let gateway = object_gateway(driver, &store);
            let message = format!("GET /o/b/{key} HTTP/1.1\r\nHost: gate.example\r\n\r\n");
            for leave in [Leave::Closes, Leave::Resets] {
                for read in [0, 1, 2, 17, 100, 1_000, 20_000, 300_000, 2_000_000] {
                    let mut client = Client::connect(gateway.address);
                    client.send(&message);
                    let mut piece = vec![0; read];
                    client.stream.read_exact(&mut piece).unwrap();
                    assert!(b"HTTP/1.1 200".starts_with(&piece[..read.min(12)]));
                    leave.leave(client);
                }
                wait_for_peace(&gateway);
            }
            let mut client = Client::connect(gateway.address);
            client.send(&message);
            let answer = client.response().expect("a whole answer");
            assert_eq!(answer.body.len(), LONG_BYTES);
        }
    });
}

#[test]
fn a_client_may_leave_in_the_midst_of_a_long_body() {
    on_each_driver(|driver| {
        let store = store();
        let gateway = object_gateway(driver, &store);
        for leave in LEAVES {
            for sent in [1, 60_000, 70_000, 150_000, 300_000, 2_999_999] {
                let mut client = Client::connect(gateway.address);
                client.send(
                    "PUT /o/b/k HTTP/1.1\r\nHost: gate.example\r\nContent-Length: 3000000\r\n\r\n",
                );
                client.send(vec![b'x'; sent]);
                leave.leave(client);
            }
            wait_for_peace(&gateway);
            assert!(store.requests().is_empty(), "{leave:?}");
        }
        whole_answer(gateway.address, SCENES[1].message, "afterwards");
    });
}
