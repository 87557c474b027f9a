//! All workers together: bound first, then run until the last one returns.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use nix::errno::Errno;

use crate::net::address::ListenAt;
use crate::net::driver::DriverChoice;
use crate::net::driver::DriverError;
use crate::net::driver::Rung;
use crate::net::driver::run_core;
use crate::net::listener;
use crate::net::listener::Listener;
use crate::net::listener::ListeningSocket;
use crate::net::listener::SharedUnix;
use crate::net::listener::inherited::Inherited;
use crate::net::listener::unix;
use crate::net::listener::unix::SocketFile;
use crate::serve::greeting::Entrance;
use crate::serve::in_force::InForce;
use crate::serve::metrics::CoreMetrics;
use crate::serve::settings::Lifecycle;
use crate::serve::settings::ServeSettings;
use crate::serve::worker;

/// The stack of a core. The deepest body against the longest chain of schemas takes some 4 MiB of it
/// (`api/request_model/`); what is not touched costs nothing.
const CORE_STACK_BYTES: usize = 8 * 1024 * 1024;

/// Why the server could not start or had to stop.
#[derive(Debug)]
pub enum ServeError {
    /// An address could not be listened on.
    Bind {
        /// The address as asked for.
        address: ListenAt,
        /// What the system said.
        cause: io::Error,
    },
    /// A socket was passed (`LISTEN_FDS`) that no setting asks for.
    Inherited(ListenAt),
    /// A core's runtime did not start.
    Driver(DriverError),
    /// The system gave no thread.
    Thread(io::Error),
    /// A core's thread ended by a panic.
    WorkerDied,
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, cause } => {
                write!(f, "cannot listen on {address}: {cause}; {}", remedy(cause))
            }
            Self::Inherited(at) => write!(
                f,
                "LISTEN_FDS passes a socket at {at}, which is no address of --listen, --proxy-listen or [[tls]]; name it there"
            ),
            Self::Driver(cause) => write!(f, "{cause}"),
            Self::Thread(cause) => {
                write!(f, "cannot start a worker thread: {cause}; lower --workers")
            }
            Self::WorkerDied => f.write_str("a worker thread died; see the panic message above"),
        }
    }
}

impl std::error::Error for ServeError {}

/// What would let a listener be opened.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.raw_os_error().map(Errno::from_i32) {
        Some(Errno::EMFILE) => {
            "raise the process's limit of open files (ulimit -n) or lower --workers"
        }
        Some(Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
            "the system has no files or memory left for it"
        }
        _ if cause.kind() == io::ErrorKind::AlreadyExists => {
            "the file there is no socket, so it is left alone; choose another path with --listen"
        }
        _ => "choose another address with --listen",
    }
}

/// Listeners that are bound, workers that are not yet running.
#[derive(Debug)]
pub struct Bound {
    in_force: Arc<InForce>,
    io_driver: DriverChoice,
    /// Another process may listen at the same addresses.
    share_port: bool,
    /// For each worker its listeners.
    groups: Vec<Vec<(ListeningSocket, Entrance)>>,
    addresses: Vec<ListenAt>,
    tls_addresses: Vec<ListenAt>,
    proxy_addresses: Vec<ListenAt>,
    /// Removed when everything has ended.
    files: Vec<SocketFile>,
    /// Sockets that were passed to this process and are not listened on yet.
    inherited: Vec<Inherited>,
}

/// Binds every address for every worker.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(settings: Arc<ServeSettings>) -> Result<Bound, ServeError> {
    bind_with(settings, Vec::new())
}

/// As [`bind`]; a socket of `inherited` that listens at an address of the settings is taken in place of one of our own.
///
/// # Errors
/// The first address that cannot be bound, or a socket whose address the settings do not have.
pub fn bind_with(
    settings: Arc<ServeSettings>,
    inherited: Vec<Inherited>,
) -> Result<Bound, ServeError> {
    let workers = settings.workers.max(1);
    let mut bound = Bound {
        groups: (0..workers).map(|_| Vec::new()).collect(),
        addresses: Vec::new(),
        tls_addresses: Vec::new(),
        proxy_addresses: Vec::new(),
        files: Vec::new(),
        inherited,
        io_driver: settings.io_driver,
        share_port: settings.edge.share_port,
        in_force: Arc::new(InForce::new(Arc::clone(&settings))),
    };
    for listen in &settings.listen {
        let taken = bound.add(listen, workers, &Entrance::default())?;
        bound.addresses.push(taken);
    }
    for listen in &settings.edge.proxy_listen {
        let entrance = Entrance {
            tls: None,
            proxy_protocol: true,
        };
        let taken = bound.add(listen, workers, &entrance)?;
        bound.proxy_addresses.push(taken);
    }
    for tls in &settings.edge.tls {
        let entrance = Entrance {
            tls: Some(Arc::clone(&tls.server)),
            proxy_protocol: tls.proxy_protocol,
        };
        for listen in &tls.at {
            let taken = bound.add(listen, workers, &entrance)?;
            bound.tls_addresses.push(taken);
        }
    }
    match bound.inherited.first() {
        Some(unwanted) => Err(ServeError::Inherited(unwanted.at.clone())),
        None => Ok(bound),
    }
}

impl Bound {
    /// Listens at one address for every worker; gives the address with the port that was taken.
    fn add(
        &mut self,
        listen: &ListenAt,
        workers: usize,
        entrance: &Entrance,
    ) -> Result<ListenAt, ServeError> {
        self.open(listen, workers, entrance)
            .map_err(|cause| ServeError::Bind {
                address: listen.clone(),
                cause,
            })
    }

    fn open(
        &mut self,
        listen: &ListenAt,
        workers: usize,
        entrance: &Entrance,
    ) -> io::Result<ListenAt> {
        if let Some(at) = self.adopt(listen, entrance)? {
            return Ok(at);
        }
        match listen {
            ListenAt::Inet(address) => {
                let share = self.share_port;
                let (taken, sockets) = listener::bind(*address, workers, share)?;
                for (group, socket) in self.groups.iter_mut().zip(sockets) {
                    let socket = if share {
                        ListeningSocket::Beside(socket)
                    } else {
                        ListeningSocket::Inet(socket)
                    };
                    group.push((socket, entrance.clone()));
                }
                Ok(taken.into())
            }
            ListenAt::Unix(at) => {
                let (socket, file) = unix::bind(at)?;
                let socket = SharedUnix::new(socket);
                self.files.push(file);
                for group in &mut self.groups {
                    let socket = ListeningSocket::Unix(socket.share()?);
                    group.push((socket, entrance.clone()));
                }
                Ok(listen.clone())
            }
        }
    }

    /// Listens at the sockets that were passed for this address; several of one address are spread over the workers.
    fn adopt(&mut self, listen: &ListenAt, entrance: &Entrance) -> io::Result<Option<ListenAt>> {
        let (mut passed, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.inherited)
            .into_iter()
            .partition(|socket| socket.is_at(listen));
        self.inherited = others;
        let Some(at) = passed.first().map(|socket| socket.at.clone()) else {
            return Ok(None);
        };
        passed.retain(|socket| socket.at == at);
        let workers = self.groups.len();
        for number in 0..workers.max(passed.len()) {
            let socket = passed.get(number % passed.len());
            let group = self.groups.get_mut(number % workers);
            if let (Some(Inherited { socket, .. }), Some(group)) = (socket, group) {
                let socket = ListeningSocket::Inherited(socket.share()?);
                group.push((socket, entrance.clone()));
            }
        }
        Ok(Some(at))
    }

    /// The plain addresses in force, with the port that the system chose for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAt] {
        &self.addresses
    }

    /// The settings in force, for putting others in their place.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force)
    }

    /// The plain addresses in force whose connections begin with a header of the PROXY protocol.
    #[must_use]
    pub fn proxy_addresses(&self) -> &[ListenAt] {
        &self.proxy_addresses
    }

    /// The addresses in force where TLS is spoken.
    #[must_use]
    pub fn tls_addresses(&self) -> &[ListenAt] {
        &self.tls_addresses
    }

    /// Runs all workers until they have returned; tells the driver rung that each took.
    ///
    /// # Errors
    /// A worker could not start or died; the others are stopped then.
    pub fn run(self, lifecycle: &Arc<Lifecycle>) -> Result<Vec<Rung>, ServeError> {
        let mut threads = Vec::new();
        let cores = self.in_force.metrics().cores().to_vec();
        for (listeners, metrics) in self.groups.into_iter().zip(cores) {
            let in_force = Arc::clone(&self.in_force);
            let choice = self.io_driver;
            let shared = Arc::clone(lifecycle);
            let thread = thread::Builder::new()
                .name(format!("core-{}", metrics.number()))
                .stack_size(CORE_STACK_BYTES)
                .spawn(move || run_worker(choice, in_force, &shared, listeners, metrics));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(cause) => {
                    stop_all(lifecycle);
                    return Err(ServeError::Thread(cause));
                }
            }
        }
        let mut rungs = Vec::new();
        let mut failure = None;
        for thread in threads {
            match thread.join() {
                Ok(Ok(rung)) => rungs.push(rung),
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(_panic) => failure = failure.or(Some(ServeError::WorkerDied)),
            }
        }
        failure.map_or(Ok(rungs), Err)
    }
}

/// A worker that ends by an error or a panic takes the others with it: a half-dead server helps nobody.
fn run_worker(
    choice: DriverChoice,
    in_force: Arc<InForce>,
    lifecycle: &Arc<Lifecycle>,
    listeners: Vec<(ListeningSocket, Entrance)>,
    metrics: Arc<CoreMetrics>,
) -> Result<Rung, ServeError> {
    let bell = Bell { lifecycle };
    let shared = Arc::clone(lifecycle);
    let rung = run_core(choice, move |core| async move {
        let rung = core.rung;
        tracing::info!(%rung, "worker runs");
        metrics.set_rung(rung);
        let mut open = Vec::new();
        for (listener, entrance) in listeners {
            open.push((Listener::new(listener, &core.deadlines)?, entrance));
        }
        worker::run(in_force, shared, core.deadlines, open, metrics).await;
        Ok::<Rung, io::Error>(rung)
    });
    let rung = rung
        .map_err(ServeError::Driver)?
        .map_err(ServeError::Thread)?;
    std::mem::forget(bell);
    Ok(rung)
}

/// Stops every worker when it is dropped.
struct Bell<'l> {
    lifecycle: &'l Lifecycle,
}

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        stop_all(self.lifecycle);
    }
}

fn stop_all(lifecycle: &Lifecycle) {
    lifecycle.stop.store(worker::STOP_NOW, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_cannot_be_opened_tells_what_would_mend_it() {
        let told = |errno: Errno| {
            let address = ListenAt::Inet(([127, 0, 0, 1], 1).into());
            let cause = io::Error::from(errno);
            ServeError::Bind { address, cause }.to_string()
        };
        for taken in [Errno::EADDRINUSE, Errno::EADDRNOTAVAIL, Errno::EACCES] {
            assert!(told(taken).contains("another address with --listen"));
        }
        for full in [Errno::EMFILE, Errno::ENFILE] {
            assert!(!told(full).contains("--listen"), "{}", told(full));
        }
        assert!(told(Errno::EMFILE).contains("ulimit -n"));
        assert!(told(Errno::EEXIST).contains("is no socket"));
    }
}
