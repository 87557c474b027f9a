//! Long bodies both ways: every byte, little memory, and a slow side that slows the other.

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use sluicegate::net::driver::DriverChoice;
use sluicegate::serve::settings::PayloadSigning;

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::gateway::on_each_driver;
use crate::support::object_api::gateway_for;
use crate::support::object_api::object_api;
use crate::support::object_api::object_gateway;

const BODY_BYTES: usize = 64 * 1024 * 1024;
/// What may be held on the way of a body whose receiver does not read: the gateway's socket buffers, of which the kernel
/// grows the receiving one to 32 MiB where it is allowed to, and what is in the gateway's hands.
const HELD_BYTES_MAX: usize = 48 * 1024 * 1024;
/// The buffers of the sockets that are not the gateway's.
const SOCKET_BYTES: usize = 64 * 1024;
/// A prime, so that a byte lost or doubled anywhere shifts all that follow.
const PERIOD: usize = 65_521;
/// A writer that could write nothing for so long is stalled.
const STALL: Duration = Duration::from_millis(300);

/// The bytes of all bodies here, from `at` on.
struct Pattern {
    block: Vec<u8>,
    at: usize,
}

impl Pattern {
    fn new() -> Self {
        let block = (0..2 * PERIOD)
            .map(|at| u8::try_from(at % PERIOD % 253).unwrap())
            .collect();
        Self { block, at: 0 }
    }

    /// The next bytes, at most a period of them.
    fn next(&self, count: usize) -> &[u8] {
        let start = self.at % PERIOD;
        &self.block[start..start + count.min(PERIOD).min(BODY_BYTES - self.at)]
    }

    fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = self.next(bytes.len());
            assert!(!wanted.is_empty(), "more than {BODY_BYTES} bytes");
            let count = wanted.len();
            assert!(bytes[..count] == *wanted, "wrong byte after {}", self.at);
            self.at += count;
            bytes = &bytes[count..];
        }
    }

    /// Reads the rest of a body.
    fn read_all(&mut self, from: &mut impl Read) {
        let mut piece = vec![0; 50_000];
        while self.at < BODY_BYTES {
            let max = piece.len().min(BODY_BYTES - self.at);
            let count = from.read(&mut piece[..max]).unwrap();
            assert!(count > 0, "ended after {}", self.at);
            self.check(&piece[..count]);
        }
    }

    /// Writes the rest of a body in pieces of `step` bytes.
    fn write_all(&mut self, to: &mut TcpStream, step: usize) {
        while self.at < BODY_BYTES {
            let piece = self.next(step);
            to.write_all(piece).unwrap();
            self.at += piece.len();
        }
    }

    /// Writes until the other side takes no more; gives the count of bytes it took.
    fn write_until_stalled(&mut self, to: &mut TcpStream) -> usize {
        to.set_write_timeout(Some(STALL)).unwrap();
        while self.at < BODY_BYTES {
            match to.write(self.next(PERIOD)) {
                Ok(count) => self.at += count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => panic!("after {}: {error}", self.at),
            }
        }
        to.set_write_timeout(None).unwrap();
        self.at
    }
}

/// Keeps a socket of the test from holding much.
fn narrow(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_recv_buffer_size(SOCKET_BYTES).unwrap();
    socket.set_send_buffer_size(SOCKET_BYTES).unwrap();
}

fn unlimited(driver: DriverChoice, store: &Backend, signing: PayloadSigning) -> Gateway {
    gateway_for(&object_api(), driver, store, |settings| {
        settings.limits.payload_bytes_max = 0;
        settings.payload_signing = signing;
    })
}

fn get(gateway: &Gateway, framing: &str) -> Client {
    let mut client = Client::connect(gateway.address);
    narrow(&client.stream);
    client.request("GET", &format!("/o/b/{framing}"), &[], b"");
    let head = client.head();
    assert_eq!(head.status(), 200);
    let length = BODY_BYTES.to_string();
    let wanted = (framing == "length").then_some(length.as_str());
    assert_eq!(head.field("Content-Length"), wanted, "{framing}");
    client
}

/// A store that sends the long body, framed as the key says.
fn sender(step: usize) -> Backend {
    Backend::start(move |connection| {
        while let Some(request) = connection.request() {
            let mut pattern = Pattern::new();
            match request.second_word() {
                "/b/length" => {
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
                    ));
                    pattern.write_all(&mut connection.stream, step);
                }
                "/b/chunked" => {
                    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    while pattern.at < BODY_BYTES {
                        let piece = pattern.next(step);
                        let chunk =
                            [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
                        pattern.at += piece.len();
                        connection.send(chunk);
                    }
                    connection.send("0\r\n\r\n");
                }
                _ => {
                    connection.send("HTTP/1.1 200 OK\r\n\r\n");
                    pattern.write_all(&mut connection.stream, step);
                    return;
                }
            }
        }
    })
}

#[test]
fn long_download_arrives_whole_in_each_framing() {
    on_each_driver(|driver| {
        let store = sender(7_001);
        let gateway = object_gateway(driver, &store);
        let mut client = get(&gateway, "length");
        Pattern::new().check(&client.bytes(BODY_BYTES));
        for framing in ["chunked", "until-close"] {
            client.request("GET", &format!("/o/b/{framing}"), &[], b"");
            let answer = client.response().unwrap();
            assert_eq!(answer.body.len(), BODY_BYTES, "{framing}");
            Pattern::new().check(&answer.body);
        }
        assert_eq!(
            store.connections(),
            1,
            "each body left the connection in order"
        );
    });
}

#[test]
fn client_that_does_not_read_stalls_the_store() {
    on_each_driver(|driver| {
        // The first is spliced, the second copied.
        for framing in ["length", "chunked"] {
            let stalled = Gate::default();
            let gate = stalled.clone();
            let store = Backend::start(move |connection| {
                let Some(_) = connection.request() else {
                    return;
                };
                narrow(&connection.stream);
                let mut pattern = Pattern::new();
                if framing == "length" {
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
                    ));
                } else {
                    connection.send(format!(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{BODY_BYTES:x}\r\n"
                    ));
                }
                let held = pattern.write_until_stalled(&mut connection.stream);
                assert!(
                    held < HELD_BYTES_MAX,
                    "{framing}: {held} bytes taken of a body that nobody reads"
                );
                gate.open();
                pattern.write_all(&mut connection.stream, PERIOD);
                if framing == "chunked" {
                    connection.send("\r\n0\r\n\r\n");
                }
            });
            let gateway = object_gateway(driver, &store);
            let mut client = get(&gateway, framing);
            stalled.wait();
            if framing == "length" {
                let begun = client.bytes(1);
                let mut pattern = Pattern::new();
                pattern.check(&begun);
                pattern.check(&client.bytes(BODY_BYTES - 1));
            } else {
                let mut pattern = Pattern::new();
                while let Some((chunk, _)) = next_chunk(|count| client.bytes(count)) {
                    pattern.check(&chunk);
                }
                assert_eq!(pattern.at, BODY_BYTES);
            }
        }
    });
}

/// One chunk of a body, and whether it is signed; `None` for the last.
fn next_chunk(mut bytes: impl FnMut(usize) -> Vec<u8>) -> Option<(Vec<u8>, bool)> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let byte = bytes(1);
        assert!(!byte.is_empty(), "ended in a chunk header");
        line.extend(byte);
    }
    let line = std::str::from_utf8(&line).unwrap().trim_end();
    let (size, extension) = line.split_once(';').unwrap_or((line, ""));
    let size = usize::from_str_radix(size, 16).unwrap();
    let data = bytes(size + 2);
    assert!(data.ends_with(b"\r\n"));
    let is_signed = extension.starts_with("chunk-signature=");
    (size > 0).then(|| (data[..size].to_vec(), is_signed))
}

fn begin_upload(gateway: &Gateway) -> Client {
    let mut client = Client::connect(gateway.address);
    client.send(format!(
        "PUT /o/b/k HTTP/1.1\r\nHost: gateway.example\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    ));
    client
}

#[test]
fn long_upload_arrives_whole() {
    on_each_driver(|driver| {
        let store = Backend::start(|connection| {
            let Some(head) = connection.head() else {
                return;
            };
            if head.field("content-encoding").is_some() {
                let mut pattern = Pattern::new();
                while let Some((chunk, is_signed)) = next_chunk(|count| connection.bytes(count)) {
                    assert!(is_signed, "after {}", pattern.at);
                    pattern.check(&chunk);
                }
                assert_eq!(pattern.at, BODY_BYTES);
            } else {
                Pattern::new().check(&connection.bytes(BODY_BYTES));
            }
            connection.answer(200, &[], b"whole");
        });
        for signing in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
            let gateway = unlimited(driver, &store, signing);
            let mut client = begin_upload(&gateway);
            Pattern::new().write_all(&mut client.stream, 30_011);
            assert_eq!(client.response().unwrap().body, b"whole");
        }
    });
}

#[test]
fn store_that_does_not_read_stalls_the_client() {
    on_each_driver(|driver| {
        for signing in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
            let go = Gate::default();
            let gate = go.clone();
            let store = Backend::start(move |connection| {
                narrow(&connection.stream);
                gate.wait();
                if connection.request().is_some() {
                    connection.answer(200, &[], b"whole");
                }
            });
            let gateway = unlimited(driver, &store, signing);
            let mut client = begin_upload(&gateway);
            narrow(&client.stream);
            let mut pattern = Pattern::new();
            let held = pattern.write_until_stalled(&mut client.stream);
            assert!(
                held < HELD_BYTES_MAX,
                "{held} bytes taken of a body that nobody reads"
            );
            go.open();
            pattern.write_all(&mut client.stream, PERIOD);
            assert_eq!(client.response().unwrap().body, b"whole");
            let stored = crate::support::backend::stored(&store.requests()[0]);
            Pattern::new().read_all(&mut stored.as_slice());
            assert_eq!(stored.len(), BODY_BYTES);
        }
    });
}
