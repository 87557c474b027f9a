//! A whole run: objects put in place, threads started, their counts added up.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::load::generator;
use crate::load::generator::Orders;
use crate::load::generator::Pace;
use crate::load::outgoing::Signing;
use crate::load::plain_client;
use crate::load::recorder::Recorder;
use crate::load::schedule::Arrivals;
use crate::load::schedule::Schedule;
use crate::load::series::Second;
use crate::load::target::Target;
use crate::load::workload::Workload;
use crate::net::clock;

/// Between the start of the threads and the first due moment.
const HEAD_START_US: u64 = 50_000;

/// What a run is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub target: Target,
    /// What.
    pub workload: Workload,
    /// Whether requests are signed.
    pub signing: Option<Signing>,
    /// Requests a second over all threads; `None` is a closed loop.
    pub rate: Option<f64>,
    /// How due moments are spread.
    pub arrivals: Arrivals,
    /// Counted seconds.
    pub duration: Duration,
    /// Seconds before them.
    pub warm_up: Duration,
    /// Connections over all threads.
    pub connections: usize,
    /// Threads; never more than connections.
    pub threads: usize,
    /// For one request.
    pub timeout: Duration,
    /// For everything that is random.
    pub seed: u64,
    /// Whether the objects that the mix reads are put in place before.
    pub prepare: bool,
}

/// Why a run did not happen.
#[derive(Debug)]
pub enum RunError {
    /// An object could not be put in place.
    Prepare(plain_client::PutError),
    /// The system gave no thread, poller or timer.
    System(io::Error),
    /// A thread ended by a panic.
    ThreadDied,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare(fault) => write!(
                f,
                "the objects of the run cannot be put in place: {fault}; --no-prepare leaves that out"
            ),
            Self::System(cause) => {
                write!(f, "the system gives no thread, poller or timer: {cause}")
            }
            Self::ThreadDied => {
                f.write_str("a thread of the load died; see the panic message above")
            }
        }
    }
}

impl std::error::Error for RunError {}

/// Runs the plan; `progress` sees each second when it is over.
///
/// # Errors
/// It could not begin, or a thread died.
pub fn run(
    plan: &Plan,
    stop: &Arc<AtomicBool>,
    mut progress: impl FnMut(usize, &Second),
) -> Result<Recorder, RunError> {
    if plan.prepare && plan.workload.mix.reads() {
        plain_client::put_objects(plan).map_err(RunError::Prepare)?;
    }
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let start_us = clock::monotonic_us() + HEAD_START_US;
    let (tell, told) = mpsc::channel();
    let mut running = Vec::new();
    for number in 0..threads {
        let orders = orders(plan, threads, number, start_us, stop, tell.clone());
        let thread = thread::Builder::new()
            .name(format!("load-{number}"))
            .spawn(move || generator::run(orders))
            .map_err(RunError::System)?;
        running.push(thread);
    }
    drop(tell);
    show(&told, threads, &mut progress);
    let mut sum =
        Recorder::new(micros(plan.warm_up)).map_err(|e| RunError::System(io::Error::other(e)))?;
    for thread in running {
        let counted = thread.join().map_err(|_panic| RunError::ThreadDied)?;
        sum.add(&counted.map_err(RunError::System)?);
    }
    Ok(sum)
}

fn orders(
    plan: &Plan,
    threads: usize,
    number: usize,
    start_us: u64,
    stop: &Arc<AtomicBool>,
    seconds: mpsc::Sender<(usize, Second)>,
) -> Orders {
    let end_us = micros(plan.warm_up + plan.duration);
    let seed = plan.seed.wrapping_add(number as u64);
    #[expect(clippy::cast_precision_loss, reason = "a few threads")]
    let pace = match plan.rate {
        Some(rate) => {
            let share = rate / threads as f64;
            let offset_us = 1_000_000.0 / rate * number as f64;
            Pace::Open(Schedule::new(
                share,
                offset_us,
                end_us,
                plan.arrivals,
                !seed,
            ))
        }
        None => Pace::Closed { end_us },
    };
    Orders {
        target: plan.target.clone(),
        workload: plan.workload.clone(),
        signing: plan.signing.clone(),
        pace,
        connections: plan.connections / threads + usize::from(number < plan.connections % threads),
        warm_up_us: micros(plan.warm_up),
        timeout_us: micros(plan.timeout),
        seed,
        stop: Arc::clone(stop),
        seconds,
        start_us,
    }
}

/// Adds the threads' seconds up and shows each as soon as all threads have told it. Ends with the threads.
fn show(
    told: &mpsc::Receiver<(usize, Second)>,
    threads: usize,
    progress: &mut impl FnMut(usize, &Second),
) {
    let mut open: Vec<(usize, Second, usize)> = Vec::new();
    for (number, second) in told {
        let known = open.iter_mut().find(|(known, _, _)| *known == number);
        let count = match known {
            Some((_, sum, count)) => {
                let _same_bounds = sum.latency.add(&second.latency);
                sum.good += second.good;
                sum.bad += second.bad;
                sum.bytes += second.bytes;
                *count += 1;
                *count
            }
            None => {
                open.push((number, second, 1));
                1
            }
        };
        if count == threads
            && let Some(at) = open.iter().position(|(known, _, _)| *known == number)
        {
            let (number, sum, _) = open.swap_remove(at);
            progress(number, &sum);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
