//! A store that keeps what it gets whole, fails as it is told, and notes what no gateway may do to it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use sluicegate::wire::aws_chunked::decode::Chunks;
use sluicegate::wire::aws_chunked::decode::Decoder;
use sluicegate::wire::sigv4::payload_hash::sha256_hex;
use socket2::SockRef;

use crate::plan::End;
use crate::plan::Exchange;
use crate::plan::StoreFault;

/// The gateway sends or closes well within this time; without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Follows a right answer where the plan says so.
const BEHIND: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
const REFUSAL: &[u8] = b"<Error><Code>AccessDenied</Code></Error>";

/// Answers that are none.
pub(crate) const MALFORMED: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"ICY 200 OK\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
];

/// What the store knows of one key.
#[derive(Default)]
pub(crate) struct Known {
    exchange: Option<Exchange>,
    attempts: usize,
    parts: BTreeMap<usize, Vec<u8>>,
    /// Objects that were received whole under this key, in order.
    pub(crate) stored: Vec<Vec<u8>>,
    /// Right answers that were handed to the kernel whole.
    pub(crate) answered: usize,
    /// Refusals that were.
    pub(crate) refused: usize,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<HashMap<String, Known>>,
    violations: Mutex<Vec<String>>,
    connections: Mutex<Vec<JoinHandle<()>>>,
    closing: AtomicBool,
}

impl Shared {
    fn violation(&self, text: String) {
        self.violations.lock().unwrap().push(text);
    }
}

pub(crate) struct Store {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
                stream.set_write_timeout(Some(WAIT_MAX)).unwrap();
                let shared = Arc::clone(&accepting);
                let connection = thread::spawn(move || serve(stream, &shared));
                accepting.connections.lock().unwrap().push(connection);
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn expect(&self, exchanges: &[Exchange]) {
        let mut keys = self.shared.keys.lock().unwrap();
        for exchange in exchanges {
            let known = Known {
                exchange: Some(exchange.clone()),
                ..Known::default()
            };
            keys.insert(exchange.key.clone(), known);
        }
    }

    /// Looks at what happened to a key so far.
    pub(crate) fn look<T>(&self, key: &str, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.shared.keys.lock().unwrap()[key])
    }

    /// Nobody asks for the key any more.
    pub(crate) fn forget(&self, key: &str) {
        self.shared.keys.lock().unwrap().remove(key);
    }

    /// What no gateway may do, and was done since the last time.
    pub(crate) fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.violations.lock().unwrap())
    }

    /// Waits until the gateway has closed every connection and all that came over them was looked at.
    pub(crate) fn close(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address).unwrap());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        let connections = std::mem::take(&mut *self.shared.connections.lock().unwrap());
        for connection in connections {
            connection.join().unwrap();
        }
    }
}

/// Why a connection is over.
struct Over;

struct Connection<'s> {
    stream: TcpStream,
    inbox: Vec<u8>,
    slice: usize,
    shared: &'s Shared,
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut connection = Connection {
        stream,
        inbox: Vec::new(),
        slice: usize::MAX,
        shared,
    };
    while let Ok(()) = connection.exchange() {}
}

struct Request {
    method: String,
    key: String,
    query: String,
    fields: Vec<(String, String)>,
}

impl Request {
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// 0 to 3: create, first part, a later part, complete; 4: abort.
    fn step(&self) -> usize {
        match (self.method.as_str(), self.query.as_str()) {
            ("POST", query) if query.starts_with("uploads") => 0,
            ("PUT", query) if query.starts_with("partNumber=1&") => 1,
            ("PUT", _) => 2,
            ("POST", _) => 3,
            _ => 4,
        }
    }
}

impl Connection<'_> {
    /// One request and its answer. The connection goes on only if both were whole and right.
    fn exchange(&mut self) -> Result<(), Over> {
        let request = self.head()?;
        let (fault, plan) = self.planned(&request);
        self.slice = plan.store_slice.max(1);
        let length: usize = match request.field("content-length").map(str::parse) {
            None if request.method != "PUT" => 0,
            Some(Ok(length)) => length,
            _ => {
                self.shared.violation(format!(
                    "{}: no length in {:?}",
                    request.key, request.fields
                ));
                return Err(Over);
            }
        };
        if let StoreFault::AfterHead(end) = fault {
            return self.ends(end, length > 0);
        }
        if let StoreFault::InBody(share, end) = fault
            && length > 0
        {
            self.body(length * share / 1_000)?;
            return self.ends(end, true);
        }
        if fault == StoreFault::Early {
            // before it is sent, as below
            self.with(&request.key, |known| known.refused += 1);
            self.send(&refusal())?;
            self.body(length)?;
            return Ok(());
        }
        let body = self.body(length)?;
        let answer = self.apply(&request, &plan, body)?;
        self.answer(&request.key, &answer, fault)
    }

    fn planned(&self, request: &Request) -> (StoreFault, Exchange) {
        let mut keys = self.shared.keys.lock().unwrap();
        let known = keys.entry(request.key.clone()).or_default();
        let Some(plan) = known.exchange.clone() else {
            drop(keys);
            self.shared.violation(format!(
                "a request for {:?}, which nobody asks for now",
                request.key
            ));
            return (
                StoreFault::None,
                crate::plan::Schedule::of(0).exchanges.remove(0),
            );
        };
        let concerned = request.query.is_empty() || request.step() == plan.step;
        known.attempts += usize::from(concerned);
        let fails = concerned && (known.attempts == 1 || plan.always);
        (if fails { plan.store } else { StoreFault::None }, plan)
    }

    fn with(&self, key: &str, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.shared.keys.lock().unwrap().get_mut(key) {
            change(known);
        }
    }

    /// Keeps what a request brings; the answer on the wire.
    fn apply(
        &mut self,
        request: &Request,
        plan: &Exchange,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Over> {
        let key = request.key.as_str();
        if request.method == "GET" {
            return Ok(answer(&plan.object, plan.chunked_answer));
        }
        let Some(data) = decoded(request, body) else {
            self.shared.violation(format!(
                "{key}: a whole body that is not what its head says"
            ));
            return Err(Over);
        };
        if request.query.is_empty() {
            self.with(key, |known| known.stored.push(data));
            return Ok(answer(b"", false));
        }
        let text = match request.step() {
            0 => {
                "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
            }
            1 | 2 => {
                let number = request
                    .query
                    .trim_start_matches("partNumber=")
                    .split('&')
                    .next()
                    .unwrap();
                let number = number.parse().unwrap();
                self.with(key, |known| drop(known.parts.insert(number, data)));
                ""
            }
            3 => {
                self.with(key, |known| {
                    let whole = known.parts.values().flatten().copied().collect();
                    known.stored.push(whole);
                });
                "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
            }
            _ => "",
        };
        Ok(answer(
            text.as_bytes(),
            plan.chunked_answer && request.step() != 4,
        ))
    }

    fn answer(&mut self, key: &str, answer: &[u8], fault: StoreFault) -> Result<(), Over> {
        match fault {
            StoreFault::InAnswer(share, end) => {
                self.send(&answer[..(answer.len() - 1) * share / 1_000])?;
                self.ends(end, false)
            }
            StoreFault::Malformed(index) => {
                self.send(MALFORMED[index])?;
                self.ends(End::Stall, false)
            }
            StoreFault::Behind if answer.len() < 16_000 => {
                self.with(key, |known| known.answered += 1);
                self.slice = usize::MAX;
                self.send(&[answer, BEHIND].concat())?;
                self.ends(End::Stall, false)
            }
            _ => {
                // before it is sent: the client may have it before this thread goes on
                self.with(key, |known| known.answered += 1);
                self.send(answer)?;
                if fault == StoreFault::ClosesAfter {
                    Err(Over)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Fails. After a stall the gateway must close, and before that send at most the rest of a body.
    fn ends(&mut self, end: End, body_may_follow: bool) -> Result<(), Over> {
        match end {
            End::Close => {}
            End::Reset => SockRef::from(&self.stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap(),
            End::Stall => {
                let mut seen = !self.inbox.is_empty();
                while let Ok(()) = self.more() {
                    seen = true;
                    self.inbox.clear();
                }
                if seen && !body_may_follow {
                    self.shared
                        .violation("a request on a connection that ended in doubt".to_owned());
                }
            }
        }
        Err(Over)
    }

    fn more(&mut self) -> Result<(), Over> {
        let mut piece = vec![0; self.slice.min(64 * 1024)];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Over),
                Ok(count) => {
                    self.inbox.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    self.shared.violation(
                        "a connection that the gateway neither uses nor closes".to_owned(),
                    );
                    return Err(Over);
                }
                Err(_reset) => return Err(Over),
            }
        }
    }

    fn head(&mut self) -> Result<Request, Over> {
        let end = loop {
            if let Some(end) = self.inbox.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.more()?;
        };
        let bytes: Vec<u8> = self.inbox.drain(..end + 4).collect();
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(key) = path.strip_prefix("/b/") else {
            self.shared
                .violation(format!("a request that nobody made: {text:?}"));
            return Err(Over);
        };
        let fields = lines.filter_map(|line| line.split_once(": "));
        Ok(Request {
            method: method.to_owned(),
            key: key.to_owned(),
            query: query.to_owned(),
            fields: fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
        })
    }

    fn body(&mut self, length: usize) -> Result<Vec<u8>, Over> {
        while self.inbox.len() < length {
            self.more()?;
        }
        Ok(self.inbox.drain(..length).collect())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Over> {
        for piece in bytes.chunks(self.slice.min(bytes.len()).max(1)) {
            self.stream.write_all(piece).map_err(|_gone| Over)?;
        }
        Ok(())
    }
}

fn answer(body: &[u8], chunked: bool) -> Vec<u8> {
    let mut out =
        b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Type: application/octet-stream\r\n".to_vec();
    if chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(30_000) {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
    } else {
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
    }
    out
}

fn refusal() -> Vec<u8> {
    let mut out = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n",
        REFUSAL.len()
    )
    .into_bytes();
    out.extend_from_slice(REFUSAL);
    out
}

/// What S3 would keep; `None`: it would refuse.
fn decoded(request: &Request, body: Vec<u8>) -> Option<Vec<u8>> {
    let hash = request.field("x-amz-content-sha256")?;
    let chunks = match hash {
        "UNSIGNED-PAYLOAD" => return Some(body),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Chunks::Unsigned,
        _ if hash.starts_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => Chunks::Signed,
        _ => return (sha256_hex(&body).as_slice() == hash.as_bytes()).then_some(body),
    };
    let mut decoder = Decoder::new(chunks, None);
    let mut data = Vec::new();
    let used = decoder.decode(&body, &mut data, usize::MAX).ok()?;
    let length = request.field("x-amz-decoded-content-length")?.parse();
    (decoder.is_done() && used == body.len() && length == Ok(data.len())).then_some(data)
}
