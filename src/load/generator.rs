//! One thread of the load: due requests onto free connections, responses into the recorder.
//!
//! It does not run on the gateway's runtime, whose timers tick in milliseconds: a request at 10,000 a second is due every
//! 100 µs. A timer descriptor wakes the thread to the microsecond; the last few are spent looking at the clock.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use mio::Events;
use mio::Interest;
use mio::Poll;
use mio::Token;
use mio::unix::SourceFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::ClockId;
use nix::sys::timerfd::Expiration;
use nix::sys::timerfd::TimerFd;
use nix::sys::timerfd::TimerFlags;
use nix::sys::timerfd::TimerSetTimeFlags;
use std::os::fd::AsRawFd;

use crate::load::connection::Connection;
use crate::load::connection::Exchange;
use crate::load::connection::Progress;
use crate::load::fault::Fault;
use crate::load::incoming::Received;
use crate::load::outgoing::RequestWriter;
use crate::load::outgoing::Signing;
use crate::load::recorder::Ended;
use crate::load::recorder::Recorder;
use crate::load::schedule::Dice;
use crate::load::schedule::Schedule;
use crate::load::series::Second;
use crate::load::target::Target;
use crate::load::workload::Workload;
use crate::net::clock;

const TIMER: Token = Token(usize::MAX);
/// How often requests that take too long are looked for.
const TIMEOUT_LOOK_US: u64 = 10_000;
/// A due moment nearer than this is waited for with open eyes: arming a timer and being woken takes longer.
const SPIN_US: u64 = 60;
const EVENTS_MAX: usize = 1024;
const SCRATCH_BYTES: usize = 256 * 1024;
/// A body of at most this length goes out in one send with its head.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// When requests are due.
#[derive(Debug)]
pub enum Pace {
    /// At planned moments.
    Open(Schedule),
    /// As soon as a connection is free, until this moment; what a server can do at most, and no measure of latency.
    Closed {
        /// Microseconds from the start.
        end_us: u64,
    },
}

/// What one thread shall do.
pub struct Orders {
    /// Where to.
    pub target: Target,
    /// What.
    pub workload: Workload,
    /// Whether requests are signed.
    pub signing: Option<Signing>,
    /// When.
    pub pace: Pace,
    /// Count of connections.
    pub connections: usize,
    /// Requests due before it are warm-up.
    pub warm_up_us: u64,
    /// Until the response is whole, from the moment of sending.
    pub timeout_us: u64,
    /// For keys, ranges and the mix.
    pub seed: u64,
    /// Set to end the run early.
    pub stop: Arc<AtomicBool>,
    /// Is told each second that is over, with its number.
    pub seconds: Sender<(usize, Second)>,
    /// The start on the clock of `net::clock::monotonic_us`.
    pub start_us: u64,
}

struct Generator {
    poll: Poll,
    timer: TimerFd,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    waiting: VecDeque<u64>,
    pace: Pace,
    workload: Rc<Workload>,
    writer: RequestWriter,
    dice: Dice,
    recorder: Recorder,
    scratch: Vec<u8>,
    timeout_us: u64,
    start_us: u64,
    stop: Arc<AtomicBool>,
}

/// Runs the orders until the last request has ended.
///
/// # Errors
/// The system gives no poller or timer.
pub fn run(orders: Orders) -> io::Result<Recorder> {
    let seconds = orders.seconds.clone();
    let mut generator = Generator::new(orders)?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    let (mut told, mut looked_us) = (0, 0);
    loop {
        let now_us = generator.now_us();
        generator.dispatch(now_us);
        if now_us >= looked_us + TIMEOUT_LOOK_US {
            looked_us = now_us;
            generator.time_out(now_us);
            told = tell_seconds(&generator.recorder, &seconds, told, now_us);
        }
        if generator.is_over(now_us) {
            break;
        }
        generator.wait(&mut events, now_us)?;
        let ready: Vec<(Token, bool, bool)> = events
            .iter()
            .map(|event| {
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                (event.token(), readable, event.is_writable())
            })
            .collect();
        for (token, readable, writable) in ready {
            generator.handle(token, readable, writable);
        }
    }
    Ok(generator.recorder)
}

/// Tells the seconds that are over, one second late so that most of their requests have ended.
fn tell_seconds(
    recorder: &Recorder,
    to: &Sender<(usize, Second)>,
    told: usize,
    now_us: u64,
) -> usize {
    let over = usize::try_from((now_us / 1_000_000).saturating_sub(1)).unwrap_or(told);
    for number in told..over {
        if let Some(second) = recorder.series.seconds().get(number) {
            // Nobody listens when nobody wants to see the progress.
            let _not_wanted = to.send((number, second.clone()));
        }
    }
    over.max(told)
}

impl Generator {
    fn new(orders: Orders) -> io::Result<Self> {
        let poll = Poll::new()?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let address = orders.target.address;
        let workload = Rc::new(orders.workload);
        Ok(Self {
            connections: (0..orders.connections)
                .map(|number| Connection::new(address, Token(number)))
                .collect(),
            idle: (0..orders.connections).rev().collect(),
            waiting: VecDeque::new(),
            writer: RequestWriter::new(
                orders.target,
                Rc::clone(&workload),
                orders.signing,
                clock::now().unix,
            ),
            workload,
            dice: Dice::new(orders.seed),
            recorder: Recorder::new(orders.warm_up_us).map_err(io::Error::other)?,
            scratch: vec![0; SCRATCH_BYTES],
            timeout_us: orders.timeout_us,
            start_us: orders.start_us,
            stop: orders.stop,
            pace: orders.pace,
            poll,
            timer,
        })
    }

    fn now_us(&self) -> u64 {
        clock::monotonic_us().saturating_sub(self.start_us)
    }

    /// Puts what is due onto free connections.
    fn dispatch(&mut self, now_us: u64) {
        if self.stop.load(Ordering::Relaxed) {
            self.pace = Pace::Closed { end_us: 0 };
            self.waiting.clear();
        }
        if let Pace::Closed { end_us } = self.pace {
            while now_us < end_us
                && let Some(number) = self.idle.pop()
            {
                self.begin(number, now_us);
            }
            return;
        }
        while let Some(number) = self.idle.last().copied()
            && let Some(due_us) = self.waiting.pop_front()
        {
            self.idle.pop();
            debug_assert!(
                self.connections
                    .get(number)
                    .is_some_and(|c| c.exchange().is_none())
            );
            self.begin(number, due_us);
        }
        while let Some(due_us) = self.next_due(now_us) {
            match self.idle.pop() {
                Some(number) => {
                    self.recorder.note_lateness(due_us, now_us - due_us);
                    self.begin(number, due_us);
                }
                None => self.waiting.push_back(due_us),
            }
        }
    }

    fn next_due(&mut self, now_us: u64) -> Option<u64> {
        match &mut self.pace {
            Pace::Open(schedule) => schedule.due(now_us),
            Pace::Closed { .. } => None,
        }
    }

    fn begin(&mut self, number: usize, due_us: u64) {
        let now = clock::now().unix;
        let operation = self.workload.mix.pick(&mut self.dice);
        let mut head = Vec::with_capacity(512);
        self.writer.write(operation, &mut self.dice, now, &mut head);
        let workload = Rc::clone(&self.workload);
        let body = workload.body(operation);
        let sent_us = self.now_us();
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        let progress = if body.len() <= JOINED_BYTES_MAX {
            head.extend_from_slice(body);
            connection.begin(
                self.poll.registry(),
                operation,
                (due_us, sent_us),
                head,
                &[],
            )
        } else {
            connection.begin(
                self.poll.registry(),
                operation,
                (due_us, sent_us),
                head,
                body,
            )
        };
        self.settle(number, progress);
    }

    fn handle(&mut self, token: Token, readable: bool, writable: bool) {
        if token == TIMER {
            // A timer that is read too early says so; what counts is the clock.
            let _rung = self.timer.wait();
            return;
        }
        let Token(number) = token;
        let workload = Rc::clone(&self.workload);
        if readable && let Some(connection) = self.connections.get_mut(number) {
            let progress = connection.readable(&mut self.scratch);
            self.settle(number, progress);
        }
        if writable && let Some(connection) = self.connections.get_mut(number) {
            let body = connection
                .exchange()
                .filter(|exchange| exchange.body_bytes() > 0)
                .map_or(&[][..], |exchange| workload.body(exchange.operation));
            let progress = connection.writable(body);
            self.settle(number, progress);
        }
    }

    /// Books what came of a look at a connection.
    fn settle(&mut self, number: usize, progress: Progress) {
        match progress {
            Progress::Pending => {}
            Progress::Done(exchange, received) => self.end(number, &exchange, Ok(received)),
            Progress::Failed(exchange, fault) => self.end(number, &exchange, Err(fault)),
            Progress::Again(exchange) => {
                let workload = Rc::clone(&self.workload);
                let body = if exchange.body_bytes() > 0 {
                    workload.body(exchange.operation)
                } else {
                    &[]
                };
                if let Some(connection) = self.connections.get_mut(number) {
                    let next = connection.again(self.poll.registry(), exchange, body);
                    // A fresh connection never asks for another, so that this ends.
                    self.settle(number, next);
                }
            }
        }
    }

    fn end(&mut self, number: usize, exchange: &Exchange, outcome: Result<Received, Fault>) {
        let operation = exchange.operation;
        let sent_bytes = self.workload.body(operation).len() as u64;
        let (fault, bytes) = match outcome {
            Ok(received) if operation.is_success(received.status) => {
                (None, sent_bytes + received.body_bytes)
            }
            Ok(received) => (Some(Fault::Status(received.status)), received.body_bytes),
            Err(fault) => (Some(fault), 0),
        };
        self.recorder.note(&Ended {
            operation,
            due_us: exchange.due_us,
            sent_us: exchange.sent_us,
            ended_us: self.now_us(),
            bytes,
            fault,
        });
        self.idle.push(number);
    }

    fn time_out(&mut self, now_us: u64) {
        for number in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(number) else {
                continue;
            };
            let late = connection
                .exchange()
                .is_some_and(|exchange| now_us >= exchange.sent_us + self.timeout_us);
            if late {
                let progress = connection.time_out();
                self.settle(number, progress);
            }
        }
    }

    /// True once nothing is left to do. What is still waiting for a connection a time limit after the end is given up.
    fn is_over(&mut self, now_us: u64) -> bool {
        let end_us = match &self.pace {
            Pace::Open(schedule) if schedule.peek().is_some() => return false,
            Pace::Open(schedule) => schedule.end_us(),
            Pace::Closed { end_us } if now_us < *end_us => return false,
            Pace::Closed { end_us } => *end_us,
        };
        if self.waiting.is_empty() {
            return self.idle.len() == self.connections.len();
        }
        if now_us < end_us + self.timeout_us {
            return false;
        }
        while let Some(due_us) = self.waiting.pop_front() {
            self.recorder.note(&Ended {
                operation: self.workload.mix.pick(&mut self.dice),
                due_us,
                sent_us: due_us,
                ended_us: now_us,
                bytes: 0,
                fault: Some(Fault::NeverSent),
            });
        }
        self.idle.len() == self.connections.len()
    }

    /// Sleeps until the next due moment, an event, or the next look for time-outs.
    fn wait(&mut self, events: &mut Events, now_us: u64) -> io::Result<()> {
        let next_us = match &self.pace {
            Pace::Open(schedule) => schedule.peek().unwrap_or(u64::MAX),
            Pace::Closed { .. } => u64::MAX,
        };
        let until_us = next_us.saturating_sub(now_us).min(TIMEOUT_LOOK_US);
        let timeout = if until_us <= SPIN_US {
            Duration::ZERO
        } else {
            let sleep = TimeSpec::from(Duration::from_micros(until_us - SPIN_US / 2));
            self.timer
                .set(Expiration::OneShot(sleep), TimerSetTimeFlags::empty())?;
            Duration::from_micros(TIMEOUT_LOOK_US)
        };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }
}
