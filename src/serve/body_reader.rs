//! Reads one message's body off a connection, whatever its framing (RFC 9112 §6).

use std::io;

use crate::serve::failure::BodyFault;
use crate::serve::inbox::Inbox;
use crate::serve::inbox::Receive;
use crate::wire::http1::chunked::ChunkedDecoder;
use crate::wire::http1::framing::BodyFraming;

/// The rest of a body.
#[derive(Debug)]
pub struct BodyReader {
    rest: Rest,
    received: u64,
}

#[derive(Debug)]
enum Rest {
    Length(u64),
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
    Done,
}

impl BodyReader {
    /// A reader of a body with this framing.
    #[must_use]
    pub fn new(framing: BodyFraming) -> Self {
        let rest = match framing {
            BodyFraming::None | BodyFraming::Length(0) => Rest::Done,
            BodyFraming::Length(length) => Rest::Length(length),
            BodyFraming::Chunked => Rest::Chunked(Box::default()),
            BodyFraming::UntilClose => Rest::UntilClose,
        };
        Self { rest, received: 0 }
    }

    /// Whether the body was read to its end.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    /// Bytes still to come, where the framing tells.
    #[must_use]
    pub const fn remaining(&self) -> Option<u64> {
        match self.rest {
            Rest::Length(remaining) => Some(remaining),
            Rest::Done => Some(0),
            Rest::Chunked(_) | Rest::UntilClose => None,
        }
    }

    /// Bytes of the body that were read so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The whole rest was moved by other means (splice).
    pub fn finish(&mut self) {
        self.received = self.received.saturating_add(self.remaining().unwrap_or(0));
        self.rest = Rest::Done;
    }

    /// `bytes` of the rest were moved by other means (splice), which then failed.
    pub const fn skip(&mut self, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
    }

    /// Appends at most `max` bytes of the body to `out`; 0 only at its end.
    ///
    /// Bytes of a sized body that are not in `inbox` are received into `out` directly.
    pub async fn read(
        &mut self,
        source: &mut impl Receive,
        inbox: &mut Inbox,
        out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, BodyFault>, Vec<u8>) {
        let (result, out) = self.read_rest(source, inbox, out, max).await;
        if let Ok(count) = result {
            self.received = self.received.saturating_add(count as u64);
        }
        (result, out)
    }

    async fn read_rest(
        &mut self,
        source: &mut impl Receive,
        inbox: &mut Inbox,
        out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, BodyFault>, Vec<u8>) {
        match &mut self.rest {
            Rest::Done => (Ok(0), out),
            Rest::Length(remaining) => {
                let max = usize::try_from(*remaining).map_or(max, |remaining| remaining.min(max));
                let (result, out) = read_some(source, inbox, out, max).await;
                match result {
                    Ok(0) if max > 0 => (Err(end_of(source)), out),
                    Ok(count) => {
                        *remaining = remaining.saturating_sub(count as u64);
                        if *remaining == 0 {
                            self.rest = Rest::Done;
                        }
                        (Ok(count), out)
                    }
                    Err(fault) => (Err(fault), out),
                }
            }
            Rest::UntilClose => {
                let (result, out) = read_some(source, inbox, out, max).await;
                match result {
                    Ok(0) if source.timed_out() => (Err(BodyFault::TimedOut), out),
                    Ok(0) => {
                        self.rest = Rest::Done;
                        (Ok(0), out)
                    }
                    other => (other, out),
                }
            }
            Rest::Chunked(decoder) => {
                let (result, out) = read_chunked(decoder, source, inbox, out, max).await;
                if decoder.is_done() {
                    self.rest = Rest::Done;
                }
                (result, out)
            }
        }
    }
}

async fn read_some(
    source: &mut impl Receive,
    inbox: &mut Inbox,
    mut out: Vec<u8>,
    max: usize,
) -> (Result<usize, BodyFault>, Vec<u8>) {
    let unread = inbox.unread();
    if !unread.is_empty() {
        let count = unread.len().min(max);
        out.extend_from_slice(unread.get(..count).unwrap_or_default());
        inbox.consume(count);
        return (Ok(count), out);
    }
    let at = out.len();
    out.reserve(max);
    let (result, out) = source.receive(out, at, max).await;
    (result.map_err(|error| fault_of(&error)), out)
}

async fn read_chunked(
    decoder: &mut ChunkedDecoder,
    source: &mut impl Receive,
    inbox: &mut Inbox,
    mut out: Vec<u8>,
    max: usize,
) -> (Result<usize, BodyFault>, Vec<u8>) {
    loop {
        let before = out.len();
        match decoder.decode_bounded(inbox.unread(), &mut out, max) {
            Ok(used) => inbox.consume(used),
            Err(_malformed) => return (Err(BodyFault::Malformed), out),
        }
        let produced = out.len() - before;
        if produced > 0 || decoder.is_done() {
            return (Ok(produced), out);
        }
        match inbox.fill(source).await {
            Ok(0) => return (Err(end_of(source)), out),
            Ok(_) => {}
            Err(error) => return (Err(fault_of(&error)), out),
        }
    }
}

/// A socket that a deadline has shut fails with `TimedOut`.
fn fault_of(error: &io::Error) -> BodyFault {
    match error.kind() {
        io::ErrorKind::TimedOut => BodyFault::TimedOut,
        kind => BodyFault::Io(kind),
    }
}

fn end_of(source: &impl Receive) -> BodyFault {
    if source.timed_out() {
        BodyFault::TimedOut
    } else {
        BodyFault::Closed
    }
}
