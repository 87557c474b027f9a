//! Moves bytes from socket to socket inside the kernel.
//!
//! `splice(2)` is called directly: the ring's own splice goes through kernel worker threads and costs more than copying. Worth it
//! from about half a MiB on.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::SpliceFFlags;
use nix::fcntl::fcntl;

use crate::net::driver::yield_now;
use crate::net::relay::Manner;
use crate::net::relay::RelayFault;
use crate::net::relay::end_of;
use crate::net::stream::Stream;

/// Pipes of one core, lent and kept together: an unprivileged user has 64 MiB of pipe buffers before new pipes shrink.
pub const PIPES_MAX: usize = 32;

/// What is asked of the kernel for each pipe; it may give less.
const PIPE_BYTES_WANTED: i32 = 1 << 20;

/// A pipe's size if the kernel does not say.
const PIPE_BYTES_DEFAULT: usize = 64 * 1024;

/// Bytes moved without a wait before other tasks run.
const BURST_BYTES_MAX: u64 = 4 << 20;

/// The pipes of one core.
#[derive(Debug, Default)]
pub struct PipePool {
    kept: RefCell<Vec<Pipe>>,
    lent: Cell<usize>,
}

/// Why not all bytes were moved.
#[derive(Debug)]
pub struct SpliceError {
    /// Count of bytes that the sink took; more may have been taken from the source and are lost.
    pub moved: u64,
    /// What happened.
    pub fault: SpliceFault,
}

/// See [`SpliceError`].
#[derive(Debug)]
pub enum SpliceFault {
    /// All pipes are lent or no descriptor is left. Nothing was moved: copy instead.
    NoPipe,
    /// Either side failed.
    Broken(RelayFault),
}

/// Empty whenever it is kept.
#[derive(Debug)]
struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
    bytes_max: usize,
}

/// Counts a pipe as lent, also when the transfer's future is dropped.
struct Lending<'p> {
    pool: &'p PipePool,
}

impl PipePool {
    /// A pool without pipes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Count of empty pipes kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.borrow().len()
    }

    /// Count of pipes in use.
    #[must_use]
    pub const fn lent(&self) -> usize {
        self.lent.get()
    }

    fn lend(&self) -> Option<(Pipe, Lending<'_>)> {
        if self.lent.get() >= PIPES_MAX {
            return None;
        }
        let kept = self.kept.borrow_mut().pop();
        let pipe = kept.or_else(|| Pipe::new().ok())?;
        self.lent.set(self.lent.get().saturating_add(1));
        Some((pipe, Lending { pool: self }))
    }
}

/// Moves exactly `count` bytes. Dropping the future loses bytes: both connections are finished then.
///
/// # Errors
/// See [`SpliceFault`]. Unless it is `NoPipe`, nothing more can be sent to the sink or read from the source.
pub async fn splice_exact(
    pipes: &PipePool,
    source: &mut Stream,
    sink: &mut Stream,
    count: u64,
    manner: Manner,
) -> Result<(), SpliceError> {
    // On every early end the pipe is closed here: what is left in it would reach another client.
    let Some((pipe, lending)) = pipes.lend() else {
        return Err(SpliceError {
            moved: 0,
            fault: SpliceFault::NoPipe,
        });
    };
    let mut moved: u64 = 0;
    let mut burst: u64 = 0;
    while moved < count {
        let broken = |fault| SpliceError::broken(moved, fault);
        let wanted = usize::try_from(count.saturating_sub(moved)).unwrap_or(usize::MAX);
        let filled = fill(&pipe, source, sink, wanted, manner)
            .await
            .map_err(broken)?;
        let mut left = filled;
        while left > 0 {
            let broken = |fault| SpliceError::broken(moved, fault);
            let sent = drain(&pipe, sink, left, manner).await.map_err(broken)?;
            left = left.saturating_sub(sent);
            moved = moved.saturating_add(bytes(sent));
        }
        burst = burst.saturating_add(bytes(filled));
        if burst >= BURST_BYTES_MAX {
            burst = 0;
            yield_now().await;
        }
    }
    drop(lending);
    pipes.kept.borrow_mut().push(pipe);
    Ok(())
}

/// Takes at least one byte into the empty pipe.
async fn fill(
    pipe: &Pipe,
    source: &mut Stream,
    sink: &mut Stream,
    wanted: usize,
    manner: Manner,
) -> Result<usize, RelayFault> {
    let wanted = wanted.min(pipe.bytes_max);
    loop {
        match splice(source.raw_fd(), pipe.writer.as_raw_fd(), wanted) {
            Ok(0) => return Err(end_of(source)),
            Ok(taken) => {
                source.note_moved(taken);
                return Ok(taken);
            }
            // The pipe is empty, so it is the source that has nothing.
            Err(Errno::EAGAIN) => manner.wait_for_source(source, sink).await?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(RelayFault::Source(error.into())),
        }
    }
}

/// Sends at least one of the `left` bytes in the pipe.
async fn drain(
    pipe: &Pipe,
    sink: &mut Stream,
    left: usize,
    manner: Manner,
) -> Result<usize, RelayFault> {
    loop {
        match splice(pipe.reader.as_raw_fd(), sink.raw_fd(), left) {
            Ok(0) => return Err(RelayFault::Sink(io::ErrorKind::WriteZero.into())),
            Ok(sent) => {
                sink.note_moved(sent);
                return Ok(sent);
            }
            Err(Errno::EAGAIN) => manner.wait_for_sink(sink).await?,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(RelayFault::Sink(error.into())),
        }
    }
}

/// Never waits: the flag speaks for the pipe, and every [`Stream`] is non-blocking.
fn splice(from: RawFd, to: RawFd, bytes_max: usize) -> nix::Result<usize> {
    nix::fcntl::splice(
        from,
        None,
        to,
        None,
        bytes_max,
        SpliceFFlags::SPLICE_F_NONBLOCK,
    )
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        self.pool.lent.set(self.pool.lent.get().saturating_sub(1));
    }
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let fd = writer.as_raw_fd();
        let given = fcntl(fd, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES_WANTED))
            .or_else(|_| fcntl(fd, FcntlArg::F_GETPIPE_SZ));
        let bytes_max = given.ok().and_then(|bytes| usize::try_from(bytes).ok());
        Ok(Self {
            reader,
            writer,
            bytes_max: bytes_max.unwrap_or(PIPE_BYTES_DEFAULT),
        })
    }
}

impl SpliceError {
    const fn broken(moved: u64, fault: RelayFault) -> Self {
        let fault = SpliceFault::Broken(fault);
        Self { moved, fault }
    }
}

impl fmt::Display for SpliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes: ", self.moved)?;
        match &self.fault {
            SpliceFault::NoPipe => f.write_str("no pipe is free"),
            SpliceFault::Broken(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for SpliceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            SpliceFault::NoPipe => None,
            SpliceFault::Broken(fault) => fault.source(),
        }
    }
}
