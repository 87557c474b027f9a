//! Moves bytes from socket to socket by calls that never wait: the driver is asked for readiness only.
//!
//! For long bodies. What is received is sent on at once, while it lies in this core's cache; through the ring several connections
//! would receive before the first of them sends. Nothing is in flight while it is waited for, so every wait may be dropped.

pub mod copy;
pub mod splice;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use crate::net::deadline::Cut;
use crate::net::stream::Stream;
use crate::net::stream::Unread;

/// Why bytes could not be moved on. Both connections are finished then.
#[derive(Debug)]
pub enum RelayFault {
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

/// How bytes that are on their way wait for either side.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The longest wait; then that side is shut.
    idle_ms_max: u64,
    /// What a silent source gets shut.
    source_cut: Cut,
    /// What the sink says ends the transfer.
    heeds_sink: bool,
}

impl Manner {
    /// A wait of more than `idle_ms_max` for either side shuts that side, and so does moving slower than the rate that its stream
    /// was given; deadlines that were armed before are gone.
    #[must_use]
    pub const fn steady(idle_ms_max: u64) -> Self {
        Self {
            idle_ms_max,
            source_cut: Cut::Both,
            heeds_sink: false,
        }
    }

    /// As [`Manner::steady`], but ends when it has to wait and the sink has sent something or closed, as a server that answers
    /// before it has read everything. A silent source is shut for receiving only, so that it can be told.
    #[must_use]
    pub const fn until_told(idle_ms_max: u64) -> Self {
        Self {
            idle_ms_max,
            source_cut: Cut::Read,
            heeds_sink: true,
        }
    }

    /// Waits until there is something to receive.
    async fn wait_for_source(
        self,
        source: &mut Stream,
        sink: &mut Stream,
    ) -> Result<(), RelayFault> {
        source.arm_body(self.idle_ms_max, self.source_cut);
        let ready = if self.heeds_sink {
            either(source.readable(), sink.readable()).await
        } else {
            source.readable().await
        };
        source.disarm();
        if self.heeds_sink && sink.unread() != Unread::Nothing {
            return Err(RelayFault::SinkSpoke);
        }
        ready.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => RelayFault::SourceTimedOut,
            _ => RelayFault::Source(error),
        })
    }

    /// Waits until there is room to send.
    async fn wait_for_sink(self, sink: &mut Stream) -> Result<(), RelayFault> {
        sink.arm_body(self.idle_ms_max, Cut::Both);
        let ready = if self.heeds_sink {
            sink.writable_or_readable().await
        } else {
            sink.writable().await
        };
        sink.disarm();
        if self.heeds_sink && ready.is_ok() && sink.unread() != Unread::Nothing {
            return Err(RelayFault::SinkSpoke);
        }
        ready.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => RelayFault::SinkTimedOut,
            _ => RelayFault::Sink(error),
        })
    }
}

/// What the end of a source's stream means: it has closed, or its deadline has shut it.
fn end_of(source: &Stream) -> RelayFault {
    if source.timed_out() {
        RelayFault::SourceTimedOut
    } else {
        RelayFault::SourceEnded
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

impl fmt::Display for RelayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceEnded => f.write_str("the source ended"),
            Self::SourceTimedOut => f.write_str("the source gave nothing in time"),
            Self::SinkTimedOut => f.write_str("the sink took nothing in time"),
            Self::Source(cause) => write!(f, "receiving failed: {cause}"),
            Self::Sink(cause) => write!(f, "sending failed: {cause}"),
            Self::SinkSpoke => f.write_str("the sink spoke before it had everything"),
        }
    }
}

impl std::error::Error for RelayFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(cause) | Self::Sink(cause) => Some(cause),
            _ => None,
        }
    }
}
