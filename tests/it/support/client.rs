//! A client that sends exactly the bytes it is given.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::message::Message;
use super::message::Pending;

/// No answer of a test takes this long; without it a fault would hang the run.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// One connection.
pub(crate) struct Client {
    /// The socket, for tests that go their own way.
    pub(crate) stream: TcpStream,
    pending: Pending,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// A connection to a Unix socket; the standard library's TCP type reads and writes any stream socket.
    pub(crate) fn connect_unix(path: &Path) -> Self {
        Self::over(OwnedFd::from(UnixStream::connect(path).unwrap()).into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream.set_write_timeout(Some(WAIT_MAX)).unwrap();
        Self {
            stream,
            pending: Pending::default(),
        }
    }

    /// Sends bytes. A peer that closed already is no fault here: what it answered is what counts.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// A request with a body of known length; `Host` and `Content-Length` are added.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: gateway.example\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        self.send(message);
    }

    /// The next response; `None` if the connection ended before it was whole.
    pub(crate) fn response(&mut self) -> Option<Message> {
        self.pending.message(&mut self.stream, false)
    }

    /// The next response to a HEAD request.
    pub(crate) fn head_response(&mut self) -> Option<Message> {
        self.pending.message(&mut self.stream, true)
    }

    /// Sends bytes and reads the response to them.
    pub(crate) fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Message {
        self.send(bytes);
        self.response().expect("a whole response")
    }

    /// The head of the next response; its body stays.
    pub(crate) fn head(&mut self) -> Message {
        self.pending
            .head(&mut self.stream)
            .expect("a response head")
    }

    /// Bytes of a body.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.pending.bytes(&mut self.stream, count)
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.pending.rest(&mut self.stream)
    }

    /// Whether the server has closed in good order and nothing is left to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.pending.0.is_empty() && matches!(self.stream.read(&mut [0]), Ok(0))
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// One request on a connection of its own.
pub(crate) fn fetch(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Message {
    let mut client = Client::connect(address);
    client.request(method, target, fields, body);
    let response = if method == "HEAD" {
        client.head_response()
    } else {
        client.response()
    };
    response.expect("a whole response")
}
