//! The client's request body: read with the payload limit, `100 Continue` and the idle limit kept.

use crate::net::buffer::BufferPool;
use crate::net::buffer::Class;
use crate::net::deadline::Cut;
use crate::net::deadline::LeastRate;
use crate::net::stream::Stream;
use crate::pipeline::body_plan::BodyContent;
use crate::pipeline::body_plan::BodyConverter;
use crate::pipeline::exchange_record::Direction;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::serve::body_reader::BodyReader;
use crate::serve::failure::BodyFault;
use crate::serve::failure::CodingFault;
use crate::serve::failure::UploadFault;
use crate::serve::framed_body::FramedBody;
use crate::serve::inbox::Inbox;
use crate::serve::settings::Timeouts;
use crate::wire::sigv4::payload_hash::Hex;
use crate::wire::sigv4::payload_hash::PayloadHasher;

/// Read from the client at once while a body is converted.
const CONVERT_BYTES: usize = 48 * 1024;
/// Read from the client at once of a body in `aws-chunked` coding.
const FRAMED_BYTES: usize = 64 * 1024;

/// How far a request body has arrived.
#[derive(Debug)]
pub struct Arrival {
    /// The rest of the body.
    pub reader: BodyReader,
    /// The client waits for `100 Continue` (RFC 9110 §10.1.1), so that it may never send the body.
    pub waits_for_continue: bool,
    /// Some of it was asked for: a body that is begun but not read to its end leaves no place for another request.
    pub begun: bool,
    /// The client sent it too slowly.
    pub too_slow: bool,
}

impl Arrival {
    /// A body of which nothing was asked for.
    #[must_use]
    pub const fn new(reader: BodyReader, waits_for_continue: bool) -> Self {
        Self {
            reader,
            waits_for_continue,
            begun: false,
            too_slow: false,
        }
    }

    /// Notes what came, once the exchange is over.
    pub fn tell(&self, record: &ExchangeRecord) {
        record.add_request_bytes(self.reader.received());
        if self.too_slow {
            record.set_too_slow(Direction::Request);
        }
    }
}

/// A request body on its way in.
#[derive(Debug)]
pub struct ClientBody<'c> {
    pub(super) stream: &'c mut Stream,
    pub(super) inbox: &'c mut Inbox,
    pub(super) arrival: &'c mut Arrival,
    limit: PayloadLimit,
    idle_ms: u64,
    rate: LeastRate,
    check: Option<Box<HashCheck>>,
    framed: Option<Box<FramedBody>>,
}

/// A body that the caller signed by its hash.
struct HashCheck {
    seen: PayloadHasher,
    signed: Hex,
}

impl std::fmt::Debug for HashCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashCheck")
    }
}

/// Counts a body against a limit.
#[derive(Clone, Copy, Debug)]
pub struct PayloadLimit {
    bytes_max: u64,
    seen: u64,
}

impl PayloadLimit {
    /// A count of nothing; `bytes_max` 0 is no limit.
    #[must_use]
    pub const fn new(bytes_max: u64) -> Self {
        Self { bytes_max, seen: 0 }
    }

    /// Whether a body of this length is over the limit.
    #[must_use]
    pub const fn refuses(self, length: u64) -> bool {
        self.bytes_max > 0 && length > self.bytes_max
    }

    /// Counts `bytes` more.
    ///
    /// # Errors
    /// The limit is crossed.
    pub fn count(&mut self, bytes: usize) -> Result<(), UploadFault> {
        self.seen = self.seen.saturating_add(bytes as u64);
        if self.refuses(self.seen) {
            Err(UploadFault::TooLarge)
        } else {
            Ok(())
        }
    }
}

impl<'c> ClientBody<'c> {
    /// The body that `arrival` reads from this connection.
    pub const fn new(
        stream: &'c mut Stream,
        inbox: &'c mut Inbox,
        arrival: &'c mut Arrival,
        bytes_max: u64,
        timeouts: &Timeouts,
    ) -> Self {
        Self {
            stream,
            inbox,
            arrival,
            limit: PayloadLimit::new(bytes_max),
            idle_ms: timeouts.idle_ms_max,
            rate: timeouts.rates.body(),
            check: None,
            framed: None,
        }
    }

    /// The object in a body in `aws-chunked` coding.
    #[must_use]
    pub fn framed(mut self, framed: FramedBody) -> Self {
        self.framed = Some(Box::new(framed));
        self
    }

    /// The checksum that followed the body, once all of it was read.
    #[must_use]
    pub fn trailing_checksum(&self) -> Option<&[u8]> {
        self.framed.as_ref()?.trailing_checksum()
    }

    /// The same body, whose last bytes are withheld if the SHA-256 of all of it is another.
    #[must_use]
    pub fn of_hash(mut self, sha256: Hex) -> Self {
        self.check = Some(Box::new(HashCheck {
            seen: PayloadHasher::new(),
            signed: sha256,
        }));
        self
    }

    /// Whether the body still has to show that it is the one that was signed.
    #[must_use]
    pub const fn is_unproven(&self) -> bool {
        self.check.is_some()
    }

    /// Bytes still to come, where the framing tells.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.framed {
            Some(framed) => Some(framed.remaining()),
            None => self.arrival.reader.remaining(),
        }
    }

    /// Bytes still to come, if they can be taken from the socket as they are: nobody looks at them, and their count is known.
    fn untouched_bytes(&self) -> Option<u64> {
        let untouched = self.check.is_none() && self.framed.is_none() && self.stream.is_plain();
        self.arrival.reader.remaining().filter(|_| untouched)
    }

    /// Appends at most `max` bytes to `out`; 0 only at the end of the body.
    pub async fn read(
        &mut self,
        out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, UploadFault>, Vec<u8>) {
        if let Err(fault) = self.invite().await {
            return (Err(fault), out);
        }
        let at = out.len();
        let (result, out) = match self.framed.take() {
            None => self.read_wire(out, max).await,
            Some(mut framed) => {
                let (result, out) = self.read_framed(&mut framed, out, max).await;
                self.framed = Some(framed);
                (result, out)
            }
        };
        let result = result.and_then(|count| {
            self.limit.count(count)?;
            self.check_hash(out.get(at..).unwrap_or_default())?;
            Ok(count)
        });
        (result, out)
    }

    /// Decodes until there are bytes of the object, all of which are withheld with its last one until the end is right.
    async fn read_framed(
        &mut self,
        framed: &mut FramedBody,
        mut out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, UploadFault>, Vec<u8>) {
        let at = out.len();
        loop {
            let room = max - (out.len() - at);
            // One byte beyond the announced length shows that it is a lie.
            let room = if framed.remaining() == 0 { 1 } else { room };
            if let Err(fault) = framed.decode(&mut out, room) {
                return (Err(UploadFault::Coding(fault)), out);
            }
            let count = out.len() - at;
            if framed.is_done() && framed.has_unread() {
                return (Err(UploadFault::Coding(CodingFault::Length)), out);
            }
            if framed.is_done() && self.arrival.reader.is_done() {
                let end = framed.check_end().map_err(UploadFault::Coding);
                return (end.map(|()| count), out);
            }
            if count > 0 && framed.remaining() > 0 {
                return (Ok(count), out);
            }
            let (result, wire) = self.read_wire(framed.take_wire(), FRAMED_BYTES).await;
            framed.wire = wire;
            match result {
                Ok(0) if framed.is_done() => {}
                Ok(0) => return (Err(UploadFault::Coding(CodingFault::Length)), out),
                Ok(_) => {}
                Err(fault) => return (Err(fault), out),
            }
        }
    }

    /// Bytes as they are on the wire, without the chunked coding of HTTP.
    async fn read_wire(
        &mut self,
        out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, UploadFault>, Vec<u8>) {
        if self.arrival.reader.is_done() {
            return (Ok(0), out);
        }
        self.begin();
        self.stream.arm_body(self.idle_ms, Cut::Read);
        let (result, out) = self
            .arrival
            .reader
            .read(self.stream, self.inbox, out, max)
            .await;
        self.stream.disarm();
        if result == Err(BodyFault::TimedOut) {
            self.note_timeout();
        }
        (result.map_err(UploadFault::Client), out)
    }

    /// The body is asked for: its rate counts from the first time on.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.arrival.begun, true) {
            self.stream.begin_body(self.rate);
        }
    }

    /// The client was waited for in vain: a stall, or too slow a trickle.
    pub(super) fn note_timeout(&mut self) {
        self.arrival.too_slow = self.stream.was_too_slow();
    }

    /// Hashes what came; compares once that was all.
    fn check_hash(&mut self, piece: &[u8]) -> Result<(), UploadFault> {
        if let Some(check) = &mut self.check {
            check.seen.update(piece);
        }
        if !self.arrival.reader.is_done() {
            return Ok(());
        }
        let Some(check) = self.check.take() else {
            return Ok(());
        };
        let HashCheck { seen, signed } = *check;
        if seen.finish_hex() == signed {
            Ok(())
        } else {
            Err(UploadFault::HashMismatch)
        }
    }

    /// Reads to the end and keeps nothing.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_away(&mut self, pool: &BufferPool) -> Result<(), UploadFault> {
        let mut buffer = pool.take(Class::Part);
        loop {
            buffer.clear();
            let room = buffer.capacity();
            let (result, filled) = self.read(buffer, room).await;
            buffer = filled;
            match result {
                Ok(0) => break,
                Ok(_) => {}
                Err(fault) => {
                    pool.give(buffer);
                    return Err(fault);
                }
            }
        }
        pool.give(buffer);
        Ok(())
    }

    /// Says `100 Continue` once, and only if the client has not begun to send. An empty body is invited as well: RFC 9110
    /// §10.1.1 lets a server leave that out, but botocore then takes the next answer for the one it still waits for.
    ///
    /// # Errors
    /// The client has gone.
    pub(super) async fn invite(&mut self) -> Result<(), UploadFault> {
        if !std::mem::take(&mut self.arrival.waits_for_continue) || !self.inbox.is_empty() {
            return Ok(());
        }
        let line = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        let all = 0..line.len();
        self.stream.arm(self.idle_ms, Cut::Both);
        let (result, _line) = self.stream.send_all(line, all).await;
        self.stream.disarm();
        result.map_err(|error| UploadFault::Client(BodyFault::Io(error.kind())))
    }
}

/// A request body after its conversion.
#[derive(Debug)]
pub struct ConvertedBody<'c> {
    client: ClientBody<'c>,
    content: BodyContent<'c>,
    /// Gone once the body has ended.
    converter: Option<BodyConverter<'c>>,
    /// Converted bytes that nobody has taken; `taken` of them are used up.
    spill: Vec<u8>,
    taken: usize,
    begun: bool,
    limit: PayloadLimit,
}

impl<'c> ConvertedBody<'c> {
    /// `client` as `content` makes it. What comes out is counted against the same limit (spec 11, "Payload counting").
    #[must_use]
    pub fn new(client: ClientBody<'c>, content: BodyContent<'c>) -> Self {
        let limit = PayloadLimit::new(client.limit.bytes_max);
        let converter = Some(BodyConverter::new(content));
        Self {
            client,
            content,
            converter,
            spill: Vec::new(),
            taken: 0,
            begun: false,
            limit,
        }
    }

    /// See [`ClientBody::trailing_checksum`].
    #[must_use]
    pub fn trailing_checksum(&self) -> Option<&[u8]> {
        self.client.trailing_checksum()
    }

    /// Bytes still to come, if they pass as they lie in the client's socket and in the inbox.
    #[must_use]
    pub fn untouched_bytes(&self) -> Option<u64> {
        let passes = self.content.is_identity() && self.spill.is_empty();
        self.client.untouched_bytes().filter(|_| passes)
    }

    /// The client's body, not converted: for what [`ConvertedBody::untouched_bytes`] tells of.
    pub const fn client(&mut self) -> &mut ClientBody<'c> {
        &mut self.client
    }

    /// Keeps the exchange from being given up with its client: what was begun at the store has to be ended there.
    pub fn keep_exchange(&self) {
        self.client.stream.unwatch();
    }

    /// Bytes that will come out, where that is known now: what was read ahead and what is still to come.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        if self.begun && !self.content.is_identity() {
            return None;
        }
        let ahead = self.spill.len().saturating_sub(self.taken) as u64;
        self.content
            .output_len(self.client.remaining())
            .map(|rest| rest.saturating_add(ahead))
    }

    /// Appends at most `max` bytes to `out`; 0 only at the end.
    pub async fn read(
        &mut self,
        out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, UploadFault>, Vec<u8>) {
        if self.content.is_identity() && self.spill.is_empty() {
            let (result, out) = self.client.read(out, max).await;
            if matches!(result, Ok(0)) {
                self.converter = None;
            }
            return (result, out);
        }
        if let Err(fault) = self.refill().await {
            return (Err(fault), out);
        }
        self.take_spill(out, max)
    }

    /// Whether nothing more will come out; reads ahead to find out.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn at_end(&mut self) -> Result<bool, UploadFault> {
        self.refill().await?;
        Ok(self.spill.is_empty())
    }

    fn take_spill(
        &mut self,
        mut out: Vec<u8>,
        max: usize,
    ) -> (Result<usize, UploadFault>, Vec<u8>) {
        let rest = self.spill.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(max);
        out.extend_from_slice(rest.get(..count).unwrap_or_default());
        self.taken += count;
        if self.taken >= self.spill.len() {
            self.spill.clear();
            self.taken = 0;
        }
        (Ok(count), out)
    }

    /// Converts client bytes until the spill holds something or the body ends.
    async fn refill(&mut self) -> Result<(), UploadFault> {
        while self.spill.is_empty() && self.converter.is_some() {
            self.begun = true;
            let (result, input) = self
                .client
                .read(Vec::with_capacity(CONVERT_BYTES), CONVERT_BYTES)
                .await;
            let ended = result? == 0;
            let converted = match (&mut self.converter, ended) {
                (Some(converter), false) => converter.push(&input, &mut self.spill),
                (converter, _) => converter
                    .take()
                    .map_or(Ok(()), |converter| converter.finish(&mut self.spill)),
            };
            converted.map_err(|_fault| UploadFault::Conversion)?;
            self.limit.count(self.spill.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_at_the_limit_passes_and_one_byte_more_does_not() {
        let mut limit = PayloadLimit::new(10);
        assert_eq!(limit.count(10), Ok(()));
        assert_eq!(limit.count(1), Err(UploadFault::TooLarge));
        assert!(!limit.refuses(10));
        assert!(limit.refuses(11));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut limit = PayloadLimit::new(0);
        assert_eq!(limit.count(usize::MAX), Ok(()));
        assert_eq!(limit.count(usize::MAX), Ok(()));
        assert!(!limit.refuses(u64::MAX));
    }
}
