//! One connection of the admin listener: one request under hard limits, one answer, the end.

use std::io;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::admin::AdminState;
use crate::app::admin::answer::Answer;
use crate::app::admin::gate::Gate;
use crate::app::admin::pages;
use crate::app::admin::pages::Asked;
use crate::net::clock;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::request_framing;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::RequestHead;

/// From the accept to the last byte of the answer.
const EXCHANGE_MS_MAX: u64 = 5_000;
/// How long the last bytes of a request that was refused are read away, so that the answer is not lost to a reset.
const LINGER_MS_MAX: u64 = 500;
/// A body is one word.
const BODY_BYTES_MAX: u64 = 64;
/// Far more than any client of these pages sends.
const HEAD: HeadLimits = HeadLimits {
    target_bytes_max: 1_024,
    fields_bytes_max: 16 * 1_024,
    fields_max: 64,
};
const READ_BYTES: usize = 4 * 1_024;

/// Why there is no request.
enum NoRequest {
    /// The client is gone or too slow.
    Gone,
    /// What came is refused with this status.
    Refused(u16),
}

/// Answers one request. Whatever fails, fails for this client alone.
pub fn answer(stream: &TcpStream, peer: SocketAddr, gate: &Gate, state: &AdminState) {
    let mut line = Line {
        stream,
        until_ms: clock::monotonic_ms().saturating_add(EXCHANGE_MS_MAX),
    };
    let mut head = RequestHead::default();
    let (answer, is_head) = match read_request(&mut line, &mut head) {
        Ok(body) => {
            state.requests.fetch_add(1, Ordering::Relaxed);
            let asked = Asked {
                head: &head,
                body: &body,
                peer,
            };
            let answer = pages::answer(&asked, gate, state);
            (answer, head.method() == b"HEAD")
        }
        Err(NoRequest::Gone) => return,
        Err(NoRequest::Refused(status)) => (Answer::text(status, "not a request"), false),
    };
    if line.write_all(&answer.message(is_head)).is_ok() && answer.status >= 400 {
        line.linger();
    }
}

/// Reads a head and its body.
fn read_request(line: &mut Line<'_>, head: &mut RequestHead) -> Result<Vec<u8>, NoRequest> {
    let mut bytes = Vec::new();
    let used = loop {
        match head.read(&bytes, &HEAD) {
            Ok(Some(used)) => break used,
            Ok(None) => line.read_more(&mut bytes)?,
            Err(error) => return Err(NoRequest::Refused(error.status())),
        }
    };
    let mut body = bytes.split_off(used);
    let framing = request_framing(head).map_err(|doubt| NoRequest::Refused(doubt.status()))?;
    let length = match framing {
        BodyFraming::None => 0,
        BodyFraming::Length(length) if length <= BODY_BYTES_MAX => length,
        BodyFraming::Length(_) => return Err(NoRequest::Refused(413)),
        BodyFraming::Chunked | BodyFraming::UntilClose => return Err(NoRequest::Refused(411)),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    while body.len() < length {
        line.read_more(&mut body)?;
    }
    // What follows is a second request, and there is none.
    body.truncate(length);
    Ok(body)
}

/// The client's connection, with the moment at which everything has to be over.
struct Line<'s> {
    stream: &'s TcpStream,
    until_ms: u64,
}

impl Line<'_> {
    /// What is left of the time; an error if nothing is.
    fn left(&self) -> io::Result<Duration> {
        match self.until_ms.saturating_sub(clock::monotonic_ms()) {
            0 => Err(io::ErrorKind::TimedOut.into()),
            left_ms => Ok(Duration::from_millis(left_ms)),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(room)
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Result<(), NoRequest> {
        let mut room = [0; READ_BYTES];
        match self.read(&mut room) {
            Ok(0) | Err(_) => Err(NoRequest::Gone),
            Ok(count) => {
                bytes.extend_from_slice(room.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => bytes = bytes.get(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Reads away what the client still sends (RFC 9112 §9.6), for a moment.
    fn linger(&mut self) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        self.until_ms = clock::monotonic_ms().saturating_add(LINGER_MS_MAX);
        let mut room = [0; READ_BYTES];
        while matches!(self.read(&mut room), Ok(1..)) {}
    }
}
