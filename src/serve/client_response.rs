//! Writes a response to the client: its head, computed framing, and bodies that are in memory.

use crate::net::clock;
use crate::net::deadline::Cut;
use crate::net::stream::Stream;
use crate::pipeline::exchange_record::Direction;
use crate::pipeline::exchange_record::ExchangeRecord;
use crate::serve::per_core::Core;
use crate::wire::date::UnixSeconds;
use crate::wire::http1::encode;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::Version;

/// How a response body is delimited (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingFraming {
    /// No body and no framing field: 204 and 304.
    None,
    /// Content-Length.
    Length(u64),
    /// Chunked coding.
    Chunked,
    /// The end of the connection: for HTTP/1.0 clients and bodies of unknown length.
    UntilClose,
}

/// The client's side of one exchange.
#[derive(Debug)]
pub struct ClientSide<'c> {
    /// Its connection.
    pub stream: &'c mut Stream,
    /// Its protocol version.
    pub version: Version,
    /// The request was HEAD: no body may follow.
    pub is_head: bool,
    /// Whether another request may follow; cleared by whatever forbids it.
    pub keep_alive: bool,
    /// When the request was taken.
    pub now: UnixSeconds,
    /// What is told of the exchange.
    pub record: &'c ExchangeRecord,
}

/// The client's connection failed: nothing more can be said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientGone;

impl ClientSide<'_> {
    /// The framing of a body whose length is not known.
    pub fn unknown_length(&mut self) -> OutgoingFraming {
        match self.version {
            Version::Http11 => OutgoingFraming::Chunked,
            Version::Http10 => {
                self.keep_alive = false;
                OutgoingFraming::UntilClose
            }
        }
    }

    /// Makes sure that the close does not look like the end of a body that is delimited by it.
    pub fn spoil_end(&self) {
        if self.version == Version::Http10 {
            // ignored: a socket that takes no option has failed already
            self.stream.reset_on_close().ok();
        }
    }

    /// Appends the complete response head to `out`; the rate at which the client takes the response counts from now on.
    pub fn write_head(
        &self,
        core: &Core,
        status: u16,
        fields: &Fields,
        framing: OutgoingFraming,
        out: &mut Vec<u8>,
    ) {
        self.record.set_status(status);
        self.stream.begin_body(core.settings.timeouts.rates.read());
        encode::write_status_line(out, status);
        fields.write_lines(out);
        out.extend_from_slice(b"Date: ");
        core.write_date(self.now, out);
        out.extend_from_slice(b"\r\n");
        match framing {
            OutgoingFraming::Length(length) => {
                encode::write_field_number(out, b"Content-Length", length)
            }
            OutgoingFraming::Chunked => encode::write_field(out, b"Transfer-Encoding", b"chunked"),
            OutgoingFraming::None | OutgoingFraming::UntilClose => {}
        }
        let connection: &[u8] = if self.keep_alive {
            b"keep-alive"
        } else {
            b"close"
        };
        encode::write_field(out, b"Connection", connection);
        encode::end_head(out);
    }

    /// Sends a range of `buffer`, which keeps its bytes.
    ///
    /// # Errors
    /// The client is gone, took nothing for the idle limit, or took too little of it all.
    pub async fn send(
        &mut self,
        core: &Core,
        buffer: &mut Vec<u8>,
        range: std::ops::Range<usize>,
    ) -> Result<(), ClientGone> {
        self.stream
            .arm_body(core.settings.timeouts.idle_ms_max, Cut::Both);
        let (result, sent) = self.stream.send_all(std::mem::take(buffer), range).await;
        self.stream.disarm();
        *buffer = sent;
        match result {
            Ok(()) => {
                self.record.sent_at(clock::monotonic_us);
                Ok(())
            }
            Err(_gone) => {
                self.note_gone();
                self.keep_alive = false;
                Err(ClientGone)
            }
        }
    }

    /// The client takes no more of the response. What it was too slow to take shall not stay in the kernel's memory until it
    /// does.
    pub fn note_gone(&self) {
        self.record.set_cut();
        if self.stream.timed_out() {
            // ignored: a socket that takes no option has failed already
            self.stream.reset_on_close().ok();
        }
        if self.stream.was_too_slow() {
            self.record.set_too_slow(Direction::Response);
        }
    }

    /// Sends a response whose body is in memory.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn send_whole(
        &mut self,
        core: &Core,
        status: u16,
        fields: &Fields,
        body: &[u8],
    ) -> Result<(), ClientGone> {
        let has_no_body = matches!(status, 204 | 304);
        let framing = if has_no_body {
            OutgoingFraming::None
        } else {
            OutgoingFraming::Length(body.len() as u64)
        };
        let mut message = Vec::with_capacity(512 + body.len());
        self.write_head(core, status, fields, framing, &mut message);
        let body = if self.is_head || has_no_body {
            b""
        } else {
            body
        };
        message.extend_from_slice(body);
        let all = 0..message.len();
        self.send(core, &mut message, all).await?;
        self.record.add_response_bytes(body.len() as u64);
        Ok(())
    }
}
