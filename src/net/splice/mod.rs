//! Moves bytes from socket to socket inside the kernel.
//!
//! `splice(2)` is called directly and the driver is asked for readiness only: the ring's own splice goes through kernel
//! worker threads and costs more than copying. Worth it from about 1 MiB on.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
use std::pin::pin;
use std::task::Poll;

use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::SpliceFFlags;
use nix::fcntl::fcntl;

use crate::net::deadline::Cut;
use crate::net::driver::yield_now;
use crate::net::stream::Stream;
use crate::net::stream::Unread;

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
    /// The source ended early.
    SourceEnded,
    /// The source gave nothing for too long; it is shut.
    SourceTimedOut,
    /// The sink took nothing for too long; it is shut.
    SinkTimedOut,
    /// Receiving failed.
    Source(io::Error),
    /// Sending failed.
    Sink(io::Error),
    /// The sink has sent something, or closed, before it got everything.
    SinkSpoke,
}

/// How a transfer waits.
#[derive(Clone, Copy)]
struct Manner {
    idle_ms_max: u64,
    /// What a silent source gets shut.
    source_cut: Cut,
    /// What the sink says ends the transfer.
    heeds_sink: bool,
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

/// Moves exactly `count` bytes. A wait of more than `idle_ms_max` for either side shuts that side, and so does moving slower
/// than the rate that its stream was given; deadlines that were armed before are gone. Dropping the future loses bytes: both connections are finished then.
///
/// # Errors
/// See [`SpliceFault`]. Unless it is `NoPipe`, both connections are finished.
pub async fn splice_exact(
    pipes: &PipePool,
    source: &mut Stream,
    sink: &mut Stream,
    count: u64,
    idle_ms_max: u64,
) -> Result<(), SpliceError> {
    let manner = Manner {
        idle_ms_max,
        source_cut: Cut::Both,
        heeds_sink: false,
    };
    transfer(pipes, source, sink, count, manner).await
}

/// As [`splice_exact`], but ends when it has to wait and the sink has sent something or closed, as a server that answers
/// before it has read everything. A silent source is shut for receiving only, so that it can be told.
///
/// # Errors
/// See [`SpliceFault`]. Unless it is `NoPipe`, nothing more can be sent to the sink or read from the source.
pub async fn splice_until_told(
    pipes: &PipePool,
    source: &mut Stream,
    sink: &mut Stream,
    count: u64,
    idle_ms_max: u64,
) -> Result<(), SpliceError> {
    let manner = Manner {
        idle_ms_max,
        source_cut: Cut::Read,
        heeds_sink: true,
    };
    transfer(pipes, source, sink, count, manner).await
}

async fn transfer(
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
        let broken = |fault| SpliceError { moved, fault };
        let wanted = usize::try_from(count.saturating_sub(moved)).unwrap_or(usize::MAX);
        let filled = fill(&pipe, source, sink, wanted, manner)
            .await
            .map_err(broken)?;
        let mut left = filled;
        while left > 0 {
            let broken = |fault| SpliceError { moved, fault };
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
) -> Result<usize, SpliceFault> {
    let wanted = wanted.min(pipe.bytes_max);
    loop {
        match splice(source.raw_fd(), pipe.writer.as_raw_fd(), wanted) {
            Ok(0) if source.timed_out() => return Err(SpliceFault::SourceTimedOut),
            Ok(0) => return Err(SpliceFault::SourceEnded),
            Ok(taken) => {
                source.note_moved(taken);
                return Ok(taken);
            }
            // The pipe is empty, so it is the source that has nothing.
            Err(Errno::EAGAIN) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(SpliceFault::Source(error.into())),
        }
        source.arm_body(manner.idle_ms_max, manner.source_cut);
        let ready = if manner.heeds_sink {
            either(source.readable(), sink.readable()).await
        } else {
            source.readable().await
        };
        source.disarm();
        if manner.heeds_sink && sink.unread() != Unread::Nothing {
            return Err(SpliceFault::SinkSpoke);
        }
        ready.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => SpliceFault::SourceTimedOut,
            _ => SpliceFault::Source(error),
        })?;
    }
}

/// Sends at least one of the `left` bytes in the pipe.
async fn drain(
    pipe: &Pipe,
    sink: &mut Stream,
    left: usize,
    manner: Manner,
) -> Result<usize, SpliceFault> {
    loop {
        match splice(pipe.reader.as_raw_fd(), sink.raw_fd(), left) {
            Ok(0) => return Err(SpliceFault::Sink(io::ErrorKind::WriteZero.into())),
            Ok(sent) => {
                sink.note_moved(sent);
                return Ok(sent);
            }
            Err(Errno::EAGAIN) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(SpliceFault::Sink(error.into())),
        }
        sink.arm_body(manner.idle_ms_max, Cut::Both);
        let ready = if manner.heeds_sink {
            sink.writable_or_readable().await
        } else {
            sink.writable().await
        };
        sink.disarm();
        if manner.heeds_sink && ready.is_ok() && sink.unread() != Unread::Nothing {
            return Err(SpliceFault::SinkSpoke);
        }
        ready.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => SpliceFault::SinkTimedOut,
            _ => SpliceFault::Sink(error),
        })?;
    }
}

/// Waits for the one that is ready first. Both may be dropped.
async fn either<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
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

impl fmt::Display for SpliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} bytes: ", self.moved)?;
        match &self.fault {
            SpliceFault::NoPipe => f.write_str("no pipe is free"),
            SpliceFault::SourceEnded => f.write_str("the source ended"),
            SpliceFault::SourceTimedOut => f.write_str("the source gave nothing in time"),
            SpliceFault::SinkTimedOut => f.write_str("the sink took nothing in time"),
            SpliceFault::Source(cause) => write!(f, "receiving failed: {cause}"),
            SpliceFault::Sink(cause) => write!(f, "sending failed: {cause}"),
            SpliceFault::SinkSpoke => f.write_str("the sink spoke before it had everything"),
        }
    }
}

impl std::error::Error for SpliceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            SpliceFault::Source(cause) | SpliceFault::Sink(cause) => Some(cause),
            _ => None,
        }
    }
}
