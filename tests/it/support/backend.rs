//! A store whose every answer is scripted, and which remembers what it was asked.

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use super::message::Message;
use super::message::Pending;

/// As `/proc/net/tcp` tells it (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";

/// What the store does with one connection.
type Script = dyn Fn(&mut Connection) + Send + Sync;

/// A scripted store on a free port.
pub(crate) struct Backend {
    address: SocketAddr,
    seen: Arc<Seen>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the store was asked.
#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Message>>,
    connections: AtomicUsize,
    /// Where the connections of [`Backend::connections`] come from.
    ours: Mutex<Vec<SocketAddr>>,
}

/// One connection to the store.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// 0 for the first connection.
    pub(crate) number: usize,
    pending: Pending,
    seen: Arc<Seen>,
}

impl Connection {
    /// The next whole request; recorded. `None` when the gateway closed, also in the middle of a body.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let request = self.pending.message(&mut self.stream, false)?;
        self.seen.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Only the head of the next request; not recorded.
    pub(crate) fn head(&mut self) -> Option<Message> {
        self.pending.head(&mut self.stream)
    }

    /// Bytes of a body.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.pending.bytes(&mut self.stream, count)
    }

    /// Everything until the gateway closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.pending.rest(&mut self.stream)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a response with a Content-Length.
    pub(crate) fn answer(&mut self, status: u16, fields: &[(&str, &str)], body: &[u8]) {
        self.send(response(status, fields, body));
    }

    /// Closes with a reset.
    pub(crate) fn reset(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// A response head and body with a Content-Length.
pub(crate) fn response(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut message = format!("HTTP/1.1 {status} Scripted\r\n").into_bytes();
    let mut has_length = false;
    for (name, value) in fields {
        has_length |= name.eq_ignore_ascii_case("content-length");
        message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !has_length && status != 204 && status != 304 {
        message.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    message
}

impl Backend {
    /// A store that runs `script` for every connection, each on its own thread.
    pub(crate) fn start(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, script)
    }

    /// The same at another address of this machine.
    pub(crate) fn start_at(
        ip: Ipv4Addr,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, closing) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (Arc::clone(&seen), Arc::clone(&closing));
        let script: Arc<Script> = Arc::new(script);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                // A peer that is gone already was one.
                let peer = stream.peer_addr().ok();
                if peer.is_some_and(|peer| shared.ours.lock().unwrap().contains(&peer)) {
                    continue;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                // Refused for a peer that is gone already.
                stream.set_nodelay(true).unwrap_or_default();
                thread::spawn(move || {
                    let mut connection = Connection {
                        stream,
                        number,
                        pending: Pending::default(),
                        seen,
                    };
                    script(&mut connection);
                });
            }
        });
        Self {
            address,
            seen,
            closing,
            thread: Some(thread),
        }
    }

    /// A store that answers every request by `answer`, on connections that stay open.
    pub(crate) fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |connection| {
            while let Some(request) = connection.request() {
                let bytes = answer(&request);
                if !connection.send(bytes) {
                    return;
                }
            }
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The whole requests so far.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until all that was sent or closed here has arrived: on a busy machine the kernel may take its time over it.
    pub(crate) fn wait_for_arrival(&self) {
        let port = format!(":{:04X}", self.address.port());
        let on_the_way = |line: &str| {
            let mut columns = line.split_whitespace().skip(1);
            let mut next = || columns.next().unwrap_or_default();
            let (local, remote, state, queues) = (next(), next(), next(), next());
            let is_open_there = remote.ends_with(&port) && state == ESTABLISHED;
            let is_open_here = local.ends_with(&port) && state == ESTABLISHED;
            (
                is_open_here && !queues.starts_with("00000000:"),
                is_open_there,
                is_open_here,
            )
        };
        loop {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let seen: Vec<_> = table.lines().map(on_the_way).collect();
            let unacknowledged = seen.iter().any(|(unacknowledged, ..)| *unacknowledged);
            let there = seen.iter().filter(|(_, there, _)| *there).count();
            let here = seen.iter().filter(|(.., here)| *here).count();
            if !unacknowledged && there <= here {
                return;
            }
            thread::yield_now();
        }
    }

    /// Connections so far, those among them that the store has not got round to.
    pub(crate) fn connections(&self) -> usize {
        // They are taken in turn: once this one is closed, all that were before it are counted.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let mut last: TcpStream = socket.unwrap().into();
        let any_port = SocketAddr::new(self.address.ip(), 0);
        let socket = socket2::SockRef::from(&last);
        socket.bind(&any_port.into()).unwrap();
        let ours = last.local_addr().unwrap();
        self.seen.ours.lock().unwrap().push(ours);
        socket.connect(&self.address.into()).unwrap();
        assert_eq!(last.read(&mut [0]).unwrap(), 0, "the store closes it");
        self.seen
            .ours
            .lock()
            .unwrap()
            .retain(|&known| known != ours);
        self.seen.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        if let Ok(stream) = TcpStream::connect(self.address) {
            // the connection only wakes the accept loop: what becomes of it is nobody's concern
            drop(stream);
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The data of an `aws-chunked` body with signed chunks; checks the framing, not the signatures.
pub(crate) fn decode_aws_chunked(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let end = body
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .expect("a chunk header");
        let header = std::str::from_utf8(&body[..end]).unwrap();
        let (size, extension) = header.split_once(';').expect("a chunk signature");
        assert_eq!(
            extension
                .strip_prefix("chunk-signature=")
                .expect("a chunk signature")
                .len(),
            64
        );
        let size = usize::from_str_radix(size, 16).unwrap();
        body = &body[end + 2..];
        data.extend_from_slice(&body[..size]);
        assert_eq!(&body[size..size + 2], b"\r\n");
        body = &body[size + 2..];
        if size == 0 {
            assert!(body.is_empty(), "bytes behind the last chunk");
            return data;
        }
    }
}

/// What the store would keep of a request: its body without the `aws-chunked` coding.
pub(crate) fn stored(request: &Message) -> Vec<u8> {
    let coded = request
        .field("content-encoding")
        .is_some_and(|coding| coding.starts_with("aws-chunked"));
    if coded {
        decode_aws_chunked(&request.body)
    } else {
        request.body.clone()
    }
}
