//! Which runtime driver runs a core, and the few things that all code on a core needs of it.
//!
//! A panicking task would unwind through the whole core, so [`spawn`] contains every task. Buffers that the kernel still
//! writes to must outlive their operations, so [`run_core`] ends only after its sockets did.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use monoio::FusionRuntime;
use monoio::IoUringDriver;
use monoio::LegacyDriver;
use monoio::RuntimeBuilder;
use monoio::time::TimeDriver;

use crate::net::clock;
use crate::net::deadline::DeadlineTable;
use crate::net::deadline::TICK_MS;

/// How long the end of a core waits for its connections to notice that their sockets were shut.
const CLOSE_MS_MAX: u64 = 1_000;

/// monoio runs timers only when no task is ready; this many yields may pass between two looks at them.
const YIELDS_BETWEEN_TIMERS: u32 = 16;

/// `--io-driver`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverChoice {
    /// The best rung of the ladder that starts.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// A way to start a core, best first. Rings that do not fit the memlock limit and kernels that lack a flag refuse
/// at set-up; monoio's own fallback does not see that, so each rung is tried in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// io_uring; `cooperative` is IORING_SETUP_COOP_TASKRUN, worth a third of the CPU time of a request.
    Uring {
        /// Submission queue entries.
        entries: u32,
        /// Completions wait for the core's next system call and interrupt nothing.
        cooperative: bool,
    },
    /// epoll.
    Epoll,
}

const LADDER: [Rung; 5] = [
    Rung::Uring {
        entries: 4096,
        cooperative: true,
    },
    Rung::Uring {
        entries: 1024,
        cooperative: true,
    },
    Rung::Uring {
        entries: 256,
        cooperative: true,
    },
    Rung::Uring {
        entries: 256,
        cooperative: false,
    },
    Rung::Epoll,
];

/// No allowed rung started.
#[derive(Debug)]
pub struct DriverError {
    /// The last rung that was tried.
    pub rung: Rung,
    /// Why it did not start.
    pub cause: io::Error,
}

/// What the main future of a core is given.
#[derive(Clone, Debug)]
pub struct Core {
    /// The rung that was taken.
    pub rung: Rung,
    /// The core's sockets; swept every [`TICK_MS`].
    pub deadlines: DeadlineTable,
}

/// A task panicked. The panic hook has reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// A spawned task; awaiting it gives its value. Dropping it lets the task run on.
pub type Task<T> = monoio::task::JoinHandle<Result<T, Panicked>>;

type AnyRuntime = FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>;

/// Runs one core on this thread until the future of `main` is done and its sockets are closed.
///
/// Tasks still running then see their sockets shut and have a second to end.
///
/// # Errors
/// No rung that `choice` allows could be started.
pub fn run_core<M, F>(choice: DriverChoice, main: M) -> Result<F::Output, DriverError>
where
    M: FnOnce(Core) -> F,
    F: Future,
{
    let (rung, mut runtime) = climb(choice, build)?;
    Ok(runtime.block_on(async move {
        let deadlines = DeadlineTable::new();
        drop(spawn(sweep_forever(deadlines.clone())));
        let output = main(Core {
            rung,
            deadlines: deadlines.clone(),
        })
        .await;
        close_all(&deadlines).await;
        output
    }))
}

/// Starts a task on this core. Its panic ends it alone.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    monoio::spawn(contained(future))
}

/// Waits at least `ms` milliseconds, usually one or two more.
pub async fn sleep_ms(ms: u64) {
    monoio::time::sleep(Duration::from_millis(ms)).await;
}

/// Lets every ready task run first. A task that woke itself instead would run again before all others.
pub async fn yield_now() {
    thread_local! {
        static YIELDS: Cell<u32> = const { Cell::new(0) };
    }
    let yields = YIELDS.get().wrapping_add(1);
    YIELDS.set(yields);
    if yields.is_multiple_of(YIELDS_BETWEEN_TIMERS) {
        sleep_ms(1).await;
    } else {
        monoio::spawn(std::future::ready(())).await;
    }
}

/// A future whose panic becomes a value.
pub fn contained<F: Future>(future: F) -> Contained<F> {
    Contained {
        future: Box::pin(future),
    }
}

/// See [`contained`]. Must not be polled after it was ready.
#[derive(Debug)]
pub struct Contained<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context)));
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => {
                forget_payload(payload);
                Poll::Ready(Err(Panicked))
            }
        }
    }
}

/// A payload may panic again when it is dropped.
fn forget_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

fn climb<R>(
    choice: DriverChoice,
    build: impl Fn(Rung) -> io::Result<R>,
) -> Result<(Rung, R), DriverError> {
    let mut failure = None;
    for rung in LADDER.into_iter().filter(|rung| rung.is_allowed(choice)) {
        match build(rung) {
            Ok(runtime) => return Ok((rung, runtime)),
            Err(cause) => failure = Some(DriverError { rung, cause }),
        }
    }
    Err(failure.unwrap_or_else(|| DriverError {
        rung: Rung::Epoll,
        cause: io::ErrorKind::Unsupported.into(),
    }))
}

fn build(rung: Rung) -> io::Result<AnyRuntime> {
    match rung {
        Rung::Uring {
            entries,
            cooperative,
        } => {
            let mut ring = io_uring::IoUring::builder();
            if cooperative {
                ring.setup_coop_taskrun();
            }
            RuntimeBuilder::<IoUringDriver>::new()
                .with_entries(entries)
                .uring_builder(ring)
                .enable_timer()
                .build()
                .map(Into::into)
        }
        Rung::Epoll => RuntimeBuilder::<LegacyDriver>::new()
            .enable_timer()
            .build()
            .map(Into::into),
    }
}

async fn sweep_forever(deadlines: DeadlineTable) {
    loop {
        sleep_ms(TICK_MS).await;
        deadlines.sweep(clock::monotonic_ms());
    }
}

async fn close_all(deadlines: &DeadlineTable) {
    deadlines.shut_all();
    let until_ms = clock::monotonic_ms().saturating_add(CLOSE_MS_MAX);
    while !deadlines.is_empty() && clock::monotonic_ms() < until_ms {
        sleep_ms(1).await;
    }
    // The ring learns of operations whose futures were dropped with the last connections.
    sleep_ms(1).await;
}

impl Rung {
    const fn is_allowed(self, choice: DriverChoice) -> bool {
        match choice {
            DriverChoice::Auto => true,
            DriverChoice::Uring => matches!(self, Self::Uring { .. }),
            DriverChoice::Epoll => matches!(self, Self::Epoll),
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uring {
                entries,
                cooperative: true,
            } => {
                write!(f, "io_uring ({entries} entries, cooperative)")
            }
            Self::Uring {
                entries,
                cooperative: false,
            } => write!(f, "io_uring ({entries} entries)"),
            Self::Epoll => f.write_str("epoll"),
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I/O driver {} does not start: {}", self.rung, self.cause)
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task panicked")
    }
}

impl std::error::Error for Panicked {}
