//! Single requests, blocking: objects put in place before a run, and the steps of the ladder.

use std::fmt;
use std::io;
use std::io::Read;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use crate::load::incoming::Received;
use crate::load::incoming::ResponseReader;
use crate::load::outgoing::RequestWriter;
use crate::load::run::Plan;
use crate::load::target::Target;
use crate::load::workload::Operation;
use crate::net::clock;

const SCRATCH_BYTES: usize = 64 * 1024;

/// Why an object could not be put in place.
#[derive(Debug)]
pub enum PutError {
    /// The connection failed.
    Io(io::Error),
    /// The answer has another status than a success.
    Status {
        /// The path that was asked for.
        path: String,
        /// The answer's status.
        status: u16,
    },
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => write!(f, "{cause}"),
            Self::Status { path, status } => {
                write!(f, "PUT {path} was answered with status {status}")
            }
        }
    }
}

impl std::error::Error for PutError {}

impl From<io::Error> for PutError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// Puts each object of the workload, one after the other on one connection.
///
/// # Errors
/// The first object that is not taken.
pub fn put_objects(plan: &Plan) -> Result<(), PutError> {
    let workload = Rc::new(plan.workload.clone());
    let now = clock::now().unix;
    let mut writer = RequestWriter::new(
        plan.target.clone(),
        Rc::clone(&workload),
        plan.signing.clone(),
        now,
    );
    let mut client = PlainClient::new(plan.target.clone(), plan.timeout);
    for key in 0..workload.keys {
        let mut message = Vec::new();
        writer.write_for_key(Operation::Put, key, None, clock::now().unix, &mut message);
        let body = workload.body(Operation::Put);
        let received = client.exchange("PUT", &message, &[body])?;
        if !Operation::Put.is_success(received.status) {
            return Err(PutError::Status {
                path: workload.path(key),
                status: received.status,
            });
        }
    }
    Ok(())
}

/// A client that keeps one connection.
pub struct PlainClient {
    target: Target,
    timeout: Duration,
    kept: Option<std::net::TcpStream>,
}

impl PlainClient {
    /// A client without a connection.
    #[must_use]
    pub const fn new(target: Target, timeout: Duration) -> Self {
        Self {
            target,
            timeout,
            kept: None,
        }
    }

    /// Sends `head` and the pieces of the body and reads the answer, which may come before the whole body was sent.
    ///
    /// # Errors
    /// No whole response came.
    pub fn exchange(
        &mut self,
        method: &'static str,
        head: &[u8],
        body: &[&[u8]],
    ) -> io::Result<Received> {
        let mut stream = match self.kept.take() {
            Some(kept) if is_open(&kept) => kept,
            _ => self.target.connect(self.timeout)?,
        };
        let sent = send(&mut stream, head, body);
        let received = receive(&mut stream, method);
        if sent.is_ok() && received.as_ref().is_ok_and(|received| received.keeps_alive) {
            self.kept = Some(stream);
        }
        match (received, sent) {
            (Ok(received), _) => Ok(received),
            (Err(_), Err(cause)) | (Err(cause), Ok(())) => Err(cause),
        }
    }
}

/// Nothing lies in the receive queue of a connection that may carry another request.
fn is_open(stream: &std::net::TcpStream) -> bool {
    let probe = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    let blocks = stream.set_nonblocking(false).is_ok();
    blocks && probe.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn send(stream: &mut std::net::TcpStream, head: &[u8], body: &[&[u8]]) -> io::Result<()> {
    stream.write_all(head)?;
    for piece in body {
        stream.write_all(piece)?;
    }
    Ok(())
}

fn receive(stream: &mut std::net::TcpStream, method: &'static str) -> io::Result<Received> {
    let malformed =
        |_| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP response");
    let mut reader = ResponseReader::new(method);
    let mut scratch = vec![0; SCRATCH_BYTES];
    loop {
        let count = stream.read(&mut scratch)?;
        if count == 0 {
            return reader
                .close()
                .map_err(|_cut| io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = scratch.get(..count).unwrap_or_default();
        if let Some(received) = reader.push(bytes).map_err(malformed)? {
            return Ok(received);
        }
    }
}
