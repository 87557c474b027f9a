//! A client that sends its requests in slices, fails where it is told, and keeps what it got.

use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::plan::ClientFault;
use crate::plan::End;
use crate::plan::Schedule;

/// Every request ends well within this time; without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A response that was received whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Its head, and how long its body is.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.head, self.body.len())
    }
}

/// What a client saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Whole responses, in order.
    pub(crate) answers: Vec<Answer>,
    /// Bytes of requests that were handed to the kernel.
    pub(crate) sent: usize,
    /// What no server may send.
    pub(crate) violation: Option<String>,
}

/// Why there is no further response.
enum Stop {
    /// The connection ended, or this side ended it.
    Ended,
    /// What came is no HTTP, or nothing came.
    Violation(String),
}

struct Reader<'c> {
    stream: &'c TcpStream,
    inbox: Vec<u8>,
    received: usize,
    fault: ClientFault,
    still_open: &'c dyn Fn() -> bool,
}

/// Runs a schedule on one connection. `still_open` tells whether the server still has it.
pub(crate) fn run(address: SocketAddr, schedule: &Schedule, still_open: &dyn Fn() -> bool) -> Seen {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    stream.set_write_timeout(Some(WAIT_MAX)).unwrap();
    let (answered, go_on) = mpsc::channel();
    let mut seen = Seen::default();
    thread::scope(|scope| {
        let writer = scope.spawn(|| send(&stream, schedule, go_on));
        let mut reader = Reader {
            stream: &stream,
            inbox: Vec::new(),
            received: 0,
            fault: schedule.client,
            still_open,
        };
        for _ in &schedule.exchanges {
            match reader.answer() {
                Ok(answer) => seen.answers.push(answer),
                Err(Stop::Ended) => break,
                Err(Stop::Violation(text)) => {
                    seen.violation = Some(text);
                    break;
                }
            }
            // the writer may have ended: then nobody waits for it
            answered.send(()).ok();
        }
        drop(answered);
        if !reader.inbox.is_empty() && seen.answers.len() == schedule.exchanges.len() {
            seen.violation = Some(format!("bytes behind the last answer: {:?}", reader.inbox));
        }
        if seen.answers.len() < schedule.exchanges.len() {
            // wakes a writer whose server does not read; the peer gets nothing of it before the socket closes
            stream.shutdown(Shutdown::Both).ok();
        }
        seen.sent = writer.join().unwrap();
    });
    seen
}

/// Bytes that were sent.
fn send(stream: &TcpStream, schedule: &Schedule, go_on: mpsc::Receiver<()>) -> usize {
    let limit = match schedule.client {
        ClientFault::Sending(at, _) => at,
        _ => usize::MAX,
    };
    let mut sent = 0;
    for (number, exchange) in schedule.exchanges.iter().enumerate() {
        if number > 0 && !schedule.pipelined && go_on.recv().is_err() {
            return sent;
        }
        let whole = &exchange.wire;
        let wire = &whole[..whole.len().min(limit - sent)];
        for piece in wire.chunks(schedule.slice.min(wire.len()).max(1)) {
            let mut writer = stream;
            if writer.write_all(piece).is_err() {
                return sent;
            }
            sent += piece.len();
        }
        if sent == limit {
            break;
        }
    }
    match schedule.client {
        ClientFault::Sending(_, End::Close) => drop(stream.shutdown(Shutdown::Write)),
        ClientFault::Sending(_, End::Reset) => reset(stream),
        _ => {}
    }
    sent
}

/// The next close is a reset; whoever reads meanwhile reads the end.
fn reset(stream: &TcpStream) {
    SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    stream.shutdown(Shutdown::Read).ok();
}

impl Reader<'_> {
    fn more(&mut self) -> Result<(), Stop> {
        let mut room = 64 * 1024;
        if let ClientFault::Reading(at, end) = self.fault {
            room = room.min(at - self.received);
            if room == 0 {
                match end {
                    End::Close => {}
                    End::Reset => reset(self.stream),
                    End::Stall => {
                        while (self.still_open)() {
                            thread::yield_now();
                        }
                    }
                }
                return Err(Stop::Ended);
            }
        }
        let mut piece = vec![0; room];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Stop::Ended),
                Ok(count) => {
                    self.inbox.extend_from_slice(&piece[..count]);
                    self.received += count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(Stop::Violation("a request that does not end".to_owned()));
                }
                Err(_reset) => return Err(Stop::Ended),
            }
        }
    }

    fn line(&mut self) -> Result<String, Stop> {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.inbox.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more()?;
        }
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        while self.inbox.len() < count {
            self.more()?;
        }
        Ok(self.inbox.drain(..count).collect())
    }

    /// The next response that is no interim one.
    fn answer(&mut self) -> Result<Answer, Stop> {
        loop {
            let mut head = self.line()?;
            let wrong = || Stop::Violation(format!("no response: {head:?}"));
            let status: u16 = head
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .ok_or_else(wrong)?;
            let (mut length, mut chunked) = (None, false);
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let lower = line.to_ascii_lowercase();
                if let Some(digits) = lower.strip_prefix("content-length: ") {
                    length = digits.parse().ok();
                }
                chunked |= lower == "transfer-encoding: chunked";
                head = format!("{head}\n{line}");
            }
            if status == 100 {
                continue;
            }
            let body = match (length, chunked) {
                (Some(length), false) => self.bytes(length)?,
                (None, true) => self.chunks()?,
                _ => return Err(Stop::Violation(format!("an answer without an end: {head}"))),
            };
            return Ok(Answer { status, head, body });
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Stop> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16)
                .map_err(|_| Stop::Violation(format!("no chunk: {line:?}")))?;
            body.extend(self.bytes(size)?);
            let end = self.line()?;
            if !end.is_empty() {
                return Err(Stop::Violation(format!("no end of a chunk: {end:?}")));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
