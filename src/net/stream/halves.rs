//! Both directions of a connection, borrowed so that they can be used at the same time.

use std::io;
use std::ops::Range;
use std::os::fd::RawFd;

use bytes::Bytes;
use monoio::io::OwnedReadHalf;
use monoio::io::OwnedWriteHalf;
use monoio::net::TcpStream;
use nix::sys::socket::Shutdown;

use crate::net::deadline::DeadlineSlot;
use crate::net::stream::session;
use crate::net::stream::session::Session;
use crate::net::stream::transfer::Patience;

/// Receives while the [`WriteHalf`] sends.
#[derive(Debug)]
pub struct ReadHalf<'s> {
    pub(super) deadline: &'s DeadlineSlot,
    pub(super) session: Option<&'s Session>,
    pub(super) socket: &'s mut OwnedReadHalf<TcpStream>,
}

/// Sends while the [`ReadHalf`] receives. Dropping it sends no FIN: the [`crate::net::stream::Stream`] keeps both halves.
#[derive(Debug)]
pub struct WriteHalf<'s> {
    pub(super) deadline: &'s DeadlineSlot,
    pub(super) session: Option<&'s Session>,
    pub(super) socket: &'s mut OwnedWriteHalf<TcpStream>,
    pub(super) fd: RawFd,
}

impl<'s> ReadHalf<'s> {
    /// As [`crate::net::stream::Stream::recv`].
    ///
    /// # Errors
    /// As [`crate::net::stream::Stream::recv`].
    pub async fn recv(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        self.recv_with(buffer, at, bytes_max, Patience::Endless)
            .await
    }

    /// As [`crate::net::stream::Stream::recv_unless_silent`]. To wait on there is [`ReadHalf::recv`] with a small buffer.
    ///
    /// # Errors
    /// As [`crate::net::stream::Stream::recv`].
    pub async fn recv_unless_silent(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let patience = Patience::UntilSilent(self.deadline.silence());
        self.recv_with(buffer, at, bytes_max, patience).await
    }

    async fn recv_with(
        &mut self,
        buffer: Vec<u8>,
        at: usize,
        bytes_max: usize,
        patience: Patience,
    ) -> (io::Result<usize>, Vec<u8>) {
        let (session, deadline) = (self.session, self.deadline);
        session::recv(
            session,
            self.socket,
            deadline,
            buffer,
            at,
            bytes_max,
            patience,
        )
        .await
    }

    /// As [`crate::net::stream::Stream::recv_append`].
    ///
    /// # Errors
    /// As [`crate::net::stream::Stream::recv`].
    pub async fn recv_append(&mut self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let at = buffer.len();
        self.recv(buffer, at, usize::MAX).await
    }

    /// The deadline of the whole stream; both halves arm the same one.
    #[must_use]
    pub const fn deadline(&self) -> &'s DeadlineSlot {
        self.deadline
    }
}

impl<'s> WriteHalf<'s> {
    /// As [`crate::net::stream::Stream::send_all`].
    ///
    /// # Errors
    /// As [`crate::net::stream::Stream::send_all`].
    pub async fn send_all(
        &mut self,
        buffer: Vec<u8>,
        range: Range<usize>,
    ) -> (io::Result<()>, Vec<u8>) {
        session::send(
            self.session,
            (self.socket, self.fd),
            self.deadline,
            buffer,
            range,
        )
        .await
    }

    /// As [`crate::net::stream::Stream::send_bytes`].
    ///
    /// # Errors
    /// As [`crate::net::stream::Stream::send_all`].
    pub async fn send_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let range = 0..bytes.len();
        session::send(
            self.session,
            (self.socket, self.fd),
            self.deadline,
            bytes,
            range,
        )
        .await
        .0
    }

    /// As [`crate::net::stream::Stream::shutdown_write`].
    ///
    /// # Errors
    /// The peer has gone.
    pub fn shutdown(&self) -> io::Result<()> {
        if let Some(session) = self.session {
            session.send_close_notify(self.fd);
        }
        Ok(nix::sys::socket::shutdown(self.fd, Shutdown::Write)?)
    }

    /// The deadline of the whole stream; both halves arm the same one.
    #[must_use]
    pub const fn deadline(&self) -> &'s DeadlineSlot {
        self.deadline
    }
}
