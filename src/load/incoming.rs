//! One response, read from pieces of any size; its body is counted and dropped.

use crate::wire::http1::chunked::ChunkedDecoder;
use crate::wire::http1::framing::BodyFraming;
use crate::wire::http1::framing::response_framing;
use crate::wire::http1::head::HeadLimits;
use crate::wire::http1::head::ResponseHead;
use crate::wire::http1::persistence::response_keeps_alive;

/// A response head: some gateways send long ones.
const LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 0,
    fields_bytes_max: 64 * 1024,
    fields_max: 128,
};

/// Why a response is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// The head, the framing or a chunk is malformed, or bytes follow the body.
    Malformed,
    /// The peer closed before the response was whole.
    Cut,
}

/// What a whole response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// Bytes of the body after transfer decoding.
    pub body_bytes: u64,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
}

/// Reads one response.
#[derive(Debug)]
pub struct ResponseReader {
    method: &'static str,
    head: ResponseHead,
    unread: Vec<u8>,
    body: Body,
    body_bytes: u64,
}

#[derive(Debug)]
enum Body {
    BeforeHead,
    Length(u64),
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
    Done,
}

impl ResponseReader {
    /// A reader of the response to a request with `method`.
    #[must_use]
    pub fn new(method: &'static str) -> Self {
        Self {
            method,
            head: ResponseHead::default(),
            unread: Vec::new(),
            body: Body::BeforeHead,
            body_bytes: 0,
        }
    }

    /// Whether any byte of a response has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.unread.is_empty() || !matches!(self.body, Body::BeforeHead)
    }

    /// Takes received bytes; `Some` once the response is whole.
    ///
    /// # Errors
    /// The bytes are no response.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Received>, ResponseFault> {
        if matches!(self.body, Body::BeforeHead) {
            self.unread.extend_from_slice(bytes);
            loop {
                let read = self.head.read(&self.unread, &LIMITS);
                let Some(used) = read.map_err(|_| ResponseFault::Malformed)? else {
                    return Ok(None);
                };
                self.unread.drain(..used);
                if self.head.status() >= 200 {
                    break;
                }
            }
            let framing = response_framing(self.method.as_bytes(), &self.head)
                .map_err(|_| ResponseFault::Malformed)?;
            self.body = match framing {
                BodyFraming::None | BodyFraming::Length(0) => Body::Done,
                BodyFraming::Length(length) => Body::Length(length),
                BodyFraming::Chunked => Body::Chunked(Box::default()),
                BodyFraming::UntilClose => Body::UntilClose,
            };
            let rest = std::mem::take(&mut self.unread);
            return self.push_body(&rest);
        }
        self.push_body(bytes)
    }

    /// The peer closed.
    ///
    /// # Errors
    /// The response was not whole.
    pub fn close(&mut self) -> Result<Received, ResponseFault> {
        match self.body {
            Body::UntilClose => Ok(self.received()),
            _ => Err(ResponseFault::Cut),
        }
    }

    fn push_body(&mut self, bytes: &[u8]) -> Result<Option<Received>, ResponseFault> {
        let used = match &mut self.body {
            Body::BeforeHead | Body::Done => 0,
            Body::UntilClose => bytes.len(),
            Body::Length(left) => {
                let used = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= used as u64;
                if *left == 0 {
                    self.body = Body::Done;
                }
                self.body_bytes += used as u64;
                used
            }
            Body::Chunked(decoder) => {
                let mut data = Vec::with_capacity(bytes.len());
                let used = decoder
                    .decode(bytes, &mut data)
                    .map_err(|_| ResponseFault::Malformed)?;
                self.body_bytes += data.len() as u64;
                if decoder.is_done() {
                    self.body = Body::Done;
                }
                used
            }
        };
        if matches!(self.body, Body::UntilClose) {
            self.body_bytes += used as u64;
            return Ok(None);
        }
        if !matches!(self.body, Body::Done) {
            return Ok(None);
        }
        if used < bytes.len() {
            return Err(ResponseFault::Malformed);
        }
        Ok(Some(self.received()))
    }

    fn received(&self) -> Received {
        let closes = matches!(self.body, Body::UntilClose);
        Received {
            status: self.head.status(),
            body_bytes: self.body_bytes,
            keeps_alive: !closes && response_keeps_alive(&self.head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(wire: &[u8], size: usize) -> Result<Option<Received>, ResponseFault> {
        let mut reader = ResponseReader::new("GET");
        let mut last = None;
        for piece in wire.chunks(size) {
            assert_eq!(last, None, "bytes after the end");
            last = reader.push(piece)?;
        }
        Ok(last)
    }

    #[test]
    fn any_cut_gives_the_same_response() {
        for (wire, status, body_bytes) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..], 200, 5),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n", 413, 0),
            (b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 206, 5),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, 0),
        ] {
            for size in 1..=wire.len() {
                let read = in_pieces(wire, size).unwrap().unwrap();
                assert_eq!((read.status, read.body_bytes), (status, body_bytes), "{size}");
                assert!(read.keeps_alive);
            }
        }
    }

    #[test]
    fn a_body_until_close_ends_with_the_connection() {
        let mut reader = ResponseReader::new("GET");
        assert_eq!(reader.push(b"HTTP/1.1 200 OK\r\n\r\nabc"), Ok(None));
        assert_eq!(reader.push(b"de"), Ok(None));
        let read = reader.close().unwrap();
        assert_eq!((read.body_bytes, read.keeps_alive), (5, false));
    }

    #[test]
    fn what_is_cut_or_malformed_is_no_response() {
        let mut reader = ResponseReader::new("GET");
        assert!(!reader.has_begun());
        reader
            .push(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
            .unwrap();
        assert!(reader.has_begun());
        assert_eq!(reader.close(), Err(ResponseFault::Cut));
        for wire in [
            &b"HTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ] {
            assert_eq!(
                ResponseReader::new("GET").push(wire),
                Err(ResponseFault::Malformed)
            );
        }
    }

    #[test]
    fn a_head_request_has_no_body() {
        let mut reader = ResponseReader::new("HEAD");
        let read = reader.push(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
        assert_eq!(read.unwrap().unwrap().body_bytes, 0);
    }
}
