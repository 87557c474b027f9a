//! TLS between a socket and its user: rustls holds the state, this file moves its bytes.
//!
//! Ciphertext is received into a buffer of the session, never into the user's, and only by whoever receives: so the two
//! halves of a connection share a session as they share a socket. What rustls wants to send by itself after the
//! handshake (answers to key updates) goes out before the next bytes that the user sends.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::io::BufRead;
use std::io::Write;
use std::ops::Range;
use std::os::fd::RawFd;

use monoio::buf::IoBuf;
use monoio::io::AsyncWriteRent;
use monoio::io::CancelableAsyncReadRent;
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;
use rustls::Connection;

use crate::net::deadline::Cut;
use crate::net::deadline::DeadlineSlot;
use crate::net::stream::Unread;
use crate::net::stream::transfer;
use crate::net::stream::transfer::Patience;

/// Received at once: three of TLS's longest records, 16 KiB and a little each (RFC 8446 §5.2).
const RECEIVE_BYTES: usize = 52 * 1024;
/// Received at once for a user who wants no more than this: it waits for a peer that is silent.
const FRUGAL_BYTES: usize = 512;
/// Plaintext that is encrypted and sent at once.
const SEAL_BYTES: usize = 64 * 1024;

/// The TLS state of one connection, either side of it.
#[derive(Debug)]
pub(super) struct Session {
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// Ciphertext; `start` marks what rustls has read of it.
    received: Vec<u8>,
    start: usize,
    /// Why nothing can be decrypted any more.
    fault: Option<rustls::Error>,
}

/// How far decrypting came.
enum Decrypted {
    /// So many bytes of plaintext.
    Bytes(usize),
    /// The peer said that nothing follows.
    Ended,
    /// Nothing until more ciphertext is received.
    Starved,
}

impl Session {
    pub(super) fn new(mut connection: Connection) -> Self {
        // Every call here drains what it has made, so that nothing piles up.
        connection.set_buffer_limit(None);
        Self {
            state: RefCell::new(State {
                connection,
                received: Vec::new(),
                start: 0,
                fault: None,
            }),
        }
    }

    /// Whether this protocol was agreed on in the handshake.
    pub(super) fn speaks(&self, protocol: &[u8]) -> bool {
        self.state.borrow().connection.alpn_protocol() == Some(protocol)
    }

    /// What lies in the socket for the user. Records that are not for the user (session tickets) are taken in.
    pub(super) fn unread(&self, fd: RawFd) -> Unread {
        let mut state = self.state.borrow_mut();
        let mut piece = [0; 4096];
        loop {
            match state.open() {
                Ok(Decrypted::Bytes(_)) => return Unread::Bytes,
                Ok(Decrypted::Ended) | Err(_) => return Unread::Closed,
                Ok(Decrypted::Starved) => {}
            }
            match nix::sys::socket::recv(fd, &mut piece, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Unread::Closed,
                Ok(count) => state
                    .received
                    .extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::EAGAIN) => return Unread::Nothing,
                Err(_) => return Unread::Closed,
            }
        }
    }

    /// Whether the user can receive without the socket.
    pub(super) fn holds_plaintext(&self) -> bool {
        !matches!(self.state.borrow_mut().open(), Ok(Decrypted::Starved))
    }

    /// Gives the buffer for ciphertext back, if nothing lies in it: whoever waits long needs none.
    pub(super) fn release_buffers(&self) {
        let mut state = self.state.borrow_mut();
        if state.ciphertext().is_empty() {
            state.received = Vec::new();
            state.start = 0;
        }
    }

    /// Tells the peer that nothing follows, if the socket takes it at once.
    pub(super) fn send_close_notify(&self, fd: RawFd) {
        let mut state = self.state.borrow_mut();
        state.connection.send_close_notify();
        let alert = state.outgoing(Vec::new());
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // A peer that has gone or reads nothing misses only a courtesy.
        nix::sys::socket::send(fd, &alert, flags).ok();
    }
}

impl State {
    /// Makes plaintext ready, without taking it.
    fn open(&mut self) -> io::Result<Decrypted> {
        loop {
            match self.connection.reader().fill_buf() {
                Ok([]) => return Ok(Decrypted::Ended),
                Ok(plaintext) => return Ok(Decrypted::Bytes(plaintext.len())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Some(fault) = &self.fault {
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault.clone()));
            }
            if self.ciphertext().is_empty() {
                return Ok(Decrypted::Starved);
            }
            self.feed()?;
        }
    }

    /// Appends what can be decrypted to `out`, up to `end`.
    fn decrypt(&mut self, out: &mut Vec<u8>, end: usize) -> io::Result<Decrypted> {
        let before = out.len();
        while out.len() < end {
            let opened = self.open();
            let some = out.len() > before;
            match opened {
                Ok(Decrypted::Bytes(_)) => {}
                // What came before the end or the fault is given out first.
                Ok(Decrypted::Ended | Decrypted::Starved) | Err(_) if some => break,
                other => return other,
            }
            let mut reader = self.connection.reader();
            let plaintext = reader.fill_buf()?;
            let count = plaintext.len().min(end - out.len());
            out.extend_from_slice(plaintext.get(..count).unwrap_or_default());
            reader.consume(count);
        }
        Ok(Decrypted::Bytes(out.len() - before))
    }

    fn ciphertext(&self) -> &[u8] {
        self.received.get(self.start..).unwrap_or_default()
    }

    /// Gives rustls some of the ciphertext.
    fn feed(&mut self) -> io::Result<()> {
        let mut unread = self.received.get(self.start..).unwrap_or_default();
        self.start += self.connection.read_tls(&mut unread)?;
        if self.ciphertext().is_empty() {
            self.received.clear();
            self.start = 0;
        }
        match self.connection.process_new_packets() {
            Ok(_state) => Ok(()),
            Err(fault) => {
                self.fault = Some(fault.clone());
                Err(io::Error::new(io::ErrorKind::InvalidData, fault))
            }
        }
    }

    /// The peer closed its side of the socket.
    fn note_end(&mut self) -> io::Result<()> {
        self.connection.read_tls(&mut io::empty())?;
        Ok(())
    }

    /// What rustls wants sent, in `out`.
    fn outgoing(&mut self, mut out: Vec<u8>) -> Vec<u8> {
        out.clear();
        while self.connection.wants_write() {
            // A Vec takes everything.
            if self.connection.write_tls(&mut out).is_err() {
                break;
            }
        }
        out
    }

    /// A buffer to receive `room` bytes of ciphertext into, behind what is left of it.
    fn lend(&mut self, room: usize) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.received);
        buffer.drain(..self.start);
        self.start = 0;
        buffer.reserve(room);
        buffer
    }
}

/// Brings the handshake to its end, under the deadline that is armed.
pub(super) async fn handshake<S: CancelableAsyncReadRent + AsyncWriteRent>(
    session: &Session,
    (socket, fd): (&mut S, RawFd),
    deadline: &DeadlineSlot,
) -> io::Result<()> {
    let mut outgoing = Vec::new();
    loop {
        outgoing = session.state.borrow_mut().outgoing(outgoing);
        let all = 0..outgoing.len();
        let sent;
        (sent, outgoing) = transfer::send(socket, fd, deadline, outgoing, all).await;
        sent?;
        if !session.state.borrow().connection.is_handshaking() {
            return Ok(());
        }
        let fed = if session.state.borrow().ciphertext().is_empty() {
            receive(session, socket, deadline, RECEIVE_BYTES, Patience::Endless).await
        } else {
            Ok(1)
        };
        if fed? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let understood = session.state.borrow_mut().feed();
        if let Err(fault) = understood {
            // The alert that tells the peer why; that the handshake failed is known without it.
            let alert = session.state.borrow_mut().outgoing(Vec::new());
            let all = 0..alert.len();
            transfer::send(socket, fd, deadline, alert, all)
                .await
                .0
                .ok();
            return Err(fault);
        }
    }
}

/// Receives ciphertext; 0 is the end of the socket.
async fn receive<S: CancelableAsyncReadRent>(
    session: &Session,
    source: &mut S,
    deadline: &DeadlineSlot,
    room: usize,
    patience: Patience,
) -> io::Result<usize> {
    let buffer = session.state.borrow_mut().lend(room);
    let at = buffer.len();
    let (received, buffer) =
        transfer::recv(source, deadline, buffer, at, usize::MAX, patience).await;
    session.state.borrow_mut().received = buffer;
    received
}

/// As [`transfer::recv`], through the session if there is one.
pub(super) async fn recv<S: CancelableAsyncReadRent>(
    session: Option<&Session>,
    source: &mut S,
    deadline: &DeadlineSlot,
    mut buffer: Vec<u8>,
    at: usize,
    bytes_max: usize,
    patience: Patience,
) -> (io::Result<usize>, Vec<u8>) {
    let Some(session) = session else {
        return transfer::recv(source, deadline, buffer, at, bytes_max, patience).await;
    };
    let end = at.saturating_add(bytes_max).min(buffer.capacity());
    if at >= end {
        return (Err(io::ErrorKind::InvalidInput.into()), buffer);
    }
    if deadline.fired().is_some() {
        return (Err(io::ErrorKind::TimedOut.into()), buffer);
    }
    buffer.resize(at, 0);
    loop {
        let decrypted = session.state.borrow_mut().decrypt(&mut buffer, end);
        match decrypted {
            Ok(Decrypted::Bytes(count)) => return (Ok(count), buffer),
            Ok(Decrypted::Ended) => return (Ok(0), buffer),
            Ok(Decrypted::Starved) => {}
            Err(error) => return (Err(error), buffer),
        }
        let room = match end - at {
            ..=FRUGAL_BYTES => FRUGAL_BYTES,
            _ => RECEIVE_BYTES,
        };
        match receive(session, source, deadline, room, patience.clone()).await {
            // Without the peer's word for it, an end may be a cut: rustls fails the next read.
            Ok(0) => {
                let noted = session.state.borrow_mut().note_end();
                if let Err(error) = noted {
                    return (Err(error), buffer);
                }
            }
            Ok(_) => {}
            Err(error) => {
                session.release_buffers();
                return (Err(error), buffer);
            }
        }
    }
}

/// As [`transfer::send`], through the session if there is one.
pub(super) async fn send<S: AsyncWriteRent, B: IoBuf + AsRef<[u8]>>(
    session: Option<&Session>,
    (sink, fd): (&mut S, RawFd),
    deadline: &DeadlineSlot,
    buffer: B,
    range: Range<usize>,
) -> (io::Result<()>, B) {
    let Some(session) = session else {
        return transfer::send(sink, fd, deadline, buffer, range).await;
    };
    let end = range.end.min(buffer.as_ref().len());
    let mut start = range.start;
    let mut sealed = Vec::new();
    while start < end {
        if deadline.fired() == Some(Cut::Both) {
            return (Err(io::ErrorKind::TimedOut.into()), buffer);
        }
        let piece_end = end.min(start.saturating_add(SEAL_BYTES));
        let piece = buffer.as_ref().get(start..piece_end).unwrap_or_default();
        sealed = match session.seal(piece, sealed) {
            Ok(sealed) => sealed,
            Err(error) => return (Err(error), buffer),
        };
        let all = 0..sealed.len();
        let sent;
        (sent, sealed) = transfer::send(sink, fd, deadline, sealed, all).await;
        if let Err(error) = sent {
            return (Err(error), buffer);
        }
        start = piece_end;
    }
    (Ok(()), buffer)
}

impl Session {
    /// The records of `plaintext`, in `out`.
    fn seal(&self, plaintext: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut state = self.state.borrow_mut();
        state.connection.writer().write_all(plaintext)?;
        Ok(state.outgoing(out))
    }
}
