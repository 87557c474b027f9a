//! A client that sends its requests in slices, fails where it is told, and keeps what it got.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::thread;

use crate::plan::ClientFault;
use crate::plan::End;
use crate::plan::Schedule;
use crate::way::Door;
use crate::way::Line;

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

/// What became of one request.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Something of it was sent.
    pub(crate) begun: bool,
    /// All of it was.
    pub(crate) sent: bool,
    /// The whole response, if it came.
    pub(crate) answer: Option<Answer>,
}

/// What a client saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// By request.
    pub(crate) told: Vec<Told>,
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
    connection: &'c Line,
    inbox: Vec<u8>,
    received: usize,
    fault: ClientFault,
    still_open: &'c dyn Fn() -> bool,
}

/// Runs a schedule on one connection. `still_open` tells whether the server still has it.
pub(crate) fn run(door: &Door, schedule: &Schedule, still_open: &dyn Fn() -> bool) -> Seen {
    #[cfg(feature = "http2")]
    if let Door::Http2(address, config) = door {
        return crate::http2_client::run(*address, config, schedule, still_open);
    }
    let mut seen = Seen {
        told: schedule.exchanges.iter().map(|_| Told::default()).collect(),
        violation: None,
    };
    let Some(line) = Line::open(door) else {
        return seen;
    };
    let (answered, go_on) = mpsc::channel();
    let mut count = 0;
    let sent = thread::scope(|scope| {
        let writer = scope.spawn(|| send(&line, schedule, go_on));
        let mut reader = Reader {
            connection: &line,
            inbox: Vec::new(),
            received: 0,
            fault: schedule.client,
            still_open,
        };
        for told in &mut seen.told {
            match reader.answer() {
                Ok(answer) => told.answer = Some(answer),
                Err(Stop::Ended) => break,
                Err(Stop::Violation(text)) => {
                    seen.violation = Some(text);
                    break;
                }
            }
            count += 1;
            // the writer may have ended: then nobody waits for it
            answered.send(()).ok();
        }
        drop(answered);
        if !reader.inbox.is_empty() && count == schedule.exchanges.len() {
            seen.violation = Some(format!("bytes behind the last answer: {:?}", reader.inbox));
        }
        if count < schedule.exchanges.len() {
            line.give_up();
        }
        writer.join().unwrap()
    });
    let mut begin = 0;
    for (told, exchange) in seen.told.iter_mut().zip(&schedule.exchanges) {
        let end = begin + exchange.wire.len();
        (told.begun, told.sent) = (sent > begin, sent >= end);
        begin = end;
    }
    seen
}

/// Bytes that were sent.
fn send(line: &Line, schedule: &Schedule, go_on: mpsc::Receiver<()>) -> usize {
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
            if !line.send(piece) {
                return sent;
            }
            sent += piece.len();
        }
        if sent == limit {
            break;
        }
    }
    match schedule.client {
        ClientFault::Sending(_, End::Close) => line.finish(),
        ClientFault::Sending(_, End::Reset) => line.reset(),
        _ => {}
    }
    sent
}

impl Reader<'_> {
    fn more(&mut self) -> Result<(), Stop> {
        let mut room = 64 * 1024;
        if let ClientFault::Reading(at, end) = self.fault {
            room = room.min(at - self.received);
            if room == 0 {
                match end {
                    End::Close => {}
                    End::Reset => self.connection.reset(),
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
            match self.connection.receive(&mut piece) {
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
