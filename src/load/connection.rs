//! One connection of the generator: non-blocking, one exchange at a time.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;

use mio::Interest;
use mio::Registry;
use mio::Token;
use mio::net::TcpStream;

use crate::load::fault::Fault;
use crate::load::incoming::Received;
use crate::load::incoming::ResponseFault;
use crate::load::incoming::ResponseReader;
use crate::load::workload::Operation;

/// A request on its way.
#[derive(Debug)]
pub struct Exchange {
    /// What it is.
    pub operation: Operation,
    /// When it was due, from the start of the run.
    pub due_us: u64,
    /// When it was sent.
    pub sent_us: u64,
    head: Vec<u8>,
    body_bytes: usize,
    written: usize,
    reader: ResponseReader,
    on_kept_connection: bool,
}

/// What a look at a connection gave.
#[derive(Debug)]
pub enum Progress {
    /// The exchange goes on.
    Pending,
    /// The response is whole.
    Done(Exchange, Received),
    /// The exchange failed.
    Failed(Exchange, Fault),
    /// The server had closed the kept connection: the same request must go out on a fresh one.
    Again(Exchange),
}

/// A slot for a connection.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    exchange: Option<Exchange>,
}

impl Connection {
    /// A slot without a connection.
    #[must_use]
    pub const fn new(address: SocketAddr, token: Token) -> Self {
        Self {
            address,
            token,
            stream: None,
            exchange: None,
        }
    }

    /// The exchange that runs on it.
    #[must_use]
    pub const fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    /// Begins an exchange; `head` is the request's head, `body` what follows it.
    pub fn begin(
        &mut self,
        registry: &Registry,
        operation: Operation,
        (due_us, sent_us): (u64, u64),
        head: Vec<u8>,
        body: &[u8],
    ) -> Progress {
        let exchange = Exchange {
            operation,
            due_us,
            sent_us,
            head,
            body_bytes: body.len(),
            written: 0,
            reader: ResponseReader::new(operation.method()),
            on_kept_connection: self.stream.is_some(),
        };
        self.start(registry, exchange, body)
    }

    /// Sends the request of `exchange` again on a fresh connection.
    pub fn again(&mut self, registry: &Registry, exchange: Exchange, body: &[u8]) -> Progress {
        self.stream = None;
        let exchange = Exchange {
            written: 0,
            reader: ResponseReader::new(exchange.operation.method()),
            on_kept_connection: false,
            ..exchange
        };
        self.start(registry, exchange, body)
    }

    fn start(&mut self, registry: &Registry, exchange: Exchange, body: &[u8]) -> Progress {
        if self.stream.is_none() {
            match open(self.address, self.token, registry) {
                Ok(stream) => self.stream = Some(stream),
                Err(_refused) => return Progress::Failed(exchange, Fault::Connect),
            }
        }
        self.exchange = Some(exchange);
        self.writable(body)
    }

    /// The exchange has taken too long.
    pub fn time_out(&mut self) -> Progress {
        self.fail(Fault::TimedOut)
    }

    /// The socket may take bytes.
    pub fn writable(&mut self, body: &[u8]) -> Progress {
        let (Some(stream), Some(exchange)) = (&mut self.stream, &mut self.exchange) else {
            return Progress::Pending;
        };
        loop {
            let rest = exchange.unsent(body);
            if rest.is_empty() {
                return Progress::Pending;
            }
            match stream.write(rest) {
                Ok(count) => exchange.written += count,
                Err(error) if is_not_ready(&error) => return Progress::Pending,
                Err(_) if exchange.written == 0 && !exchange.on_kept_connection => {
                    return self.fail(Fault::Connect);
                }
                // The server may have answered before it closed: what it said lies in the receive queue.
                Err(_) => return Progress::Pending,
            }
        }
    }

    /// The socket may have bytes, or has ended.
    pub fn readable(&mut self, scratch: &mut [u8]) -> Progress {
        let Some(stream) = &mut self.stream else {
            return Progress::Pending;
        };
        let Some(exchange) = &mut self.exchange else {
            // Nobody asked: the server closes, or says what belongs to no request.
            self.stream = None;
            return Progress::Pending;
        };
        loop {
            match stream.read(scratch) {
                Ok(0) => return self.closed(),
                Ok(count) => match exchange
                    .reader
                    .push(scratch.get(..count).unwrap_or_default())
                {
                    Ok(None) => {}
                    Ok(Some(received)) => return self.done(received),
                    Err(_malformed) => return self.fail(Fault::Malformed),
                },
                Err(error) if is_not_ready(&error) => return Progress::Pending,
                Err(_) => return self.broken(),
            }
        }
    }

    fn closed(&mut self) -> Progress {
        let ended = self
            .exchange
            .as_mut()
            .map(|exchange| exchange.reader.close());
        match ended {
            Some(Ok(received)) => self.done(received),
            Some(Err(ResponseFault::Cut | ResponseFault::Malformed)) | None => self.broken(),
        }
    }

    fn broken(&mut self) -> Progress {
        let fresh_is_due = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.on_kept_connection && !exchange.reader.has_begun());
        if fresh_is_due && let Some(exchange) = self.exchange.take() {
            self.stream = None;
            return Progress::Again(exchange);
        }
        let began = self
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.written > 0);
        self.fail(if began { Fault::Cut } else { Fault::Connect })
    }

    fn done(&mut self, received: Received) -> Progress {
        let Some(exchange) = self.exchange.take() else {
            return Progress::Pending;
        };
        // An early answer leaves a request half sent: nothing may follow it.
        if !received.keeps_alive || !exchange.is_sent() {
            self.stream = None;
        }
        Progress::Done(exchange, received)
    }

    fn fail(&mut self, fault: Fault) -> Progress {
        self.stream = None;
        match self.exchange.take() {
            Some(exchange) => Progress::Failed(exchange, fault),
            None => Progress::Pending,
        }
    }
}

impl Exchange {
    /// What is still to be sent of the head, then of the body.
    fn unsent<'b>(&'b self, body: &'b [u8]) -> &'b [u8] {
        match self.head.get(self.written..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => body
                .get(self.written.saturating_sub(self.head.len())..)
                .unwrap_or_default(),
        }
    }

    /// Whether the whole request was sent.
    const fn is_sent(&self) -> bool {
        self.written >= self.head.len() + self.body_bytes
    }

    /// Bytes of the request's body.
    #[must_use]
    pub const fn body_bytes(&self) -> usize {
        self.body_bytes
    }
}

fn open(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}
