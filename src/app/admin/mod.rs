//! The admin listener: health, readiness, metrics, the settings in force and the dashboard. Off the data path and never on its ports: a thread that blocks and one
//! request for each connection.

pub mod answer;
pub mod config_limits;
pub mod config_page;
pub mod connection;
pub mod exposition;
pub mod gate;
pub mod history;
pub mod log_level;
pub mod metrics_page;
pub mod page;
pub mod pages;
pub mod process;
pub mod readiness;
pub mod stats_page;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::app::admin::gate::Gate;
use crate::app::admin::history::History;
use crate::app::admin::page::Dashboard;
use crate::app::exit::Exit;
use crate::app::exit::Failure;
use crate::app::settings::admin::ADMIN_DEFAULT;
use crate::app::settings::admin::AdminListen;
use crate::app::signals::DrainTimes;
use crate::net::address::ListenAt;
use crate::net::clock;
use crate::serve::access_log::LineCounts;
use crate::serve::in_force::InForce;
use crate::serve::server::Bound;
use crate::serve::settings::Lifecycle;
use crate::wire::date::UnixSeconds;

/// Connections at once, each with a thread; the next ones wait in the queue, none for longer than one exchange may take.
const CONNECTIONS_MAX: usize = 64;
/// How often a full listener looks whether a connection has ended, and how long it pauses when descriptors or memory ran
/// out.
const PAUSE: Duration = Duration::from_millis(20);

/// What a command does if nobody says where its admin listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminDefault {
    /// It has none.
    Off,
    /// It listens at the default address or does not start.
    Fixed,
    /// It listens at the default address, or at a free port if that one is taken.
    Movable,
}

/// The admin listener's socket. Connections wait in its queue until [`AdminSocket::serve`].
#[derive(Debug)]
pub struct AdminSocket {
    listener: TcpListener,
    address: SocketAddr,
    name: Option<String>,
}

/// What the pages tell of.
#[derive(Debug)]
pub struct AdminState {
    /// What the workers go by, and what they count.
    pub in_force: Arc<InForce>,
    /// Whether they run.
    pub lifecycle: Arc<Lifecycle>,
    /// Lines of the access log, if there is one.
    pub line_counts: Option<Arc<LineCounts>>,
    /// Requests of the admin listener so far, over its threads.
    pub requests: AtomicU64,
    /// Addresses of the API, with the ports that were chosen for port 0.
    pub addresses: Vec<String>,
    /// As `addresses`, where TLS is spoken.
    pub tls_addresses: Vec<String>,
    /// Where this listener is.
    pub admin_address: String,
    /// How long the way out may take.
    pub drain_times: DrainTimes,
    /// When the process began to serve.
    pub started: UnixSeconds,
    /// The last minutes.
    pub history: History,
    /// The page at `/`.
    pub dashboard: Dashboard,
}

impl AdminState {
    /// What a bound server will tell.
    #[must_use]
    pub fn of(
        bound: &Bound,
        lifecycle: &Arc<Lifecycle>,
        line_counts: Option<Arc<LineCounts>>,
        drain_times: DrainTimes,
    ) -> Self {
        let shown = |addresses: &[ListenAt]| addresses.iter().map(ListenAt::to_string).collect();
        Self {
            addresses: shown(bound.addresses()),
            tls_addresses: shown(bound.tls_addresses()),
            admin_address: String::new(),
            drain_times,
            started: clock::now().unix,
            history: History::default(),
            dashboard: Dashboard::default(),
            in_force: bound.in_force(),
            lifecycle: Arc::clone(lifecycle),
            line_counts,
            requests: AtomicU64::new(0),
        }
    }
}

/// Opens the admin listener, unless it is off.
///
/// # Errors
/// The address cannot be listened on.
pub fn bind(listen: AdminListen, default: AdminDefault) -> Result<Option<AdminSocket>, Failure> {
    let (address, name) = match (listen, default) {
        (AdminListen::Off, _) | (AdminListen::Default, AdminDefault::Off) => return Ok(None),
        (AdminListen::Default, AdminDefault::Fixed | AdminDefault::Movable) => {
            (ADMIN_DEFAULT, None)
        }
        (AdminListen::At { address, name }, _) => return open(address, name).map(Some),
    };
    match (TcpListener::bind(address), default) {
        (Err(cause), AdminDefault::Movable) if cause.kind() == io::ErrorKind::AddrInUse => {
            open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None).map(Some)
        }
        (bound, _) => of_listener(bound, address, name).map(Some),
    }
}

fn open(address: SocketAddr, name: Option<String>) -> Result<AdminSocket, Failure> {
    of_listener(TcpListener::bind(address), address, name)
}

fn of_listener(
    bound: io::Result<TcpListener>,
    asked: SocketAddr,
    name: Option<String>,
) -> Result<AdminSocket, Failure> {
    let opened = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match opened {
        Ok((address, listener)) => Ok(AdminSocket {
            listener,
            address,
            name,
        }),
        Err(cause) => {
            let message = format!(
                "cannot listen on {asked} for health, metrics and the dashboard: {cause}; choose another address with --admin, \
                 or --admin off"
            );
            Err(Failure::new(Exit::CouldNotBind, message))
        }
    }
}

impl AdminSocket {
    /// Where the dashboard is. The unspecified address is shown as loopback.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.address.port();
        match (&self.name, self.address) {
            (Some(name), _) => format!("http://{name}:{port}/"),
            (None, address) if address.ip().is_unspecified() => format!("http://127.0.0.1:{port}/"),
            (None, address) => format!("http://{address}/"),
        }
    }

    /// Answers from now on, until the server is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn serve(self, mut state: AdminState) -> Result<AdminServer, Failure> {
        state.admin_address = self.address.to_string();
        let shared = Arc::new(Shared {
            gate: Gate::new(self.address, self.name),
            listener: self.listener,
            state,
            open: AtomicUsize::new(0),
        });
        let server = AdminServer(shared);
        let accepting = Arc::clone(&server.0);
        start_thread("admin", move || accept_all(&accepting))?;
        let counting = Arc::clone(&server.0);
        start_thread("admin-history", move || {
            let state = &counting.state;
            state.history.follow(state.in_force.metrics());
        })?;
        Ok(server)
    }
}

fn start_thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(run).map_err(|cause| {
        let message = format!("no thread for the admin listener: {cause}");
        Failure::new(Exit::FailedWhileRunning, message)
    })?;
    drop(spawned);
    Ok(())
}

#[derive(Debug)]
struct Shared {
    listener: TcpListener,
    gate: Gate,
    state: AdminState,
    open: AtomicUsize,
}

/// Accepts and answers until it is dropped; requests that were taken by then are answered.
#[derive(Debug)]
pub struct AdminServer(Arc<Shared>);

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.0.state.history.end();
        // Wakes whoever waits in accept; cannot fail on a listening socket.
        nix::sys::socket::shutdown(
            self.0.listener.as_raw_fd(),
            nix::sys::socket::Shutdown::Both,
        )
        .ok();
    }
}

fn accept_all(shared: &Arc<Shared>) {
    loop {
        while shared.open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
            std::thread::park_timeout(PAUSE);
        }
        match shared.listener.accept() {
            Ok((stream, peer)) => take(shared, stream, peer),
            // What shutdown makes of a listening socket.
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => return,
            Err(_) => std::thread::park_timeout(PAUSE),
        }
    }
}

/// Answers on a thread of its own. Without one the connection is dropped: the next probe may find one.
fn take(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let answering = Answering::begin(shared);
    let thread = std::thread::Builder::new().name("admin-page".to_owned());
    let spawned = thread.spawn(move || {
        let shared = &answering.0;
        connection::answer(&stream, peer, &shared.gate, &shared.state);
        // ignored: the peer was quicker
        let _ignored = stream.shutdown(Shutdown::Both);
    });
    if let Err(cause) = spawned {
        tracing::warn!(%cause, "no thread for a request of the admin listener");
    }
}

/// An open connection; counted until this is dropped.
struct Answering(Arc<Shared>);

impl Answering {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: SocketAddr) -> AdminListen {
        AdminListen::At {
            address,
            name: None,
        }
    }

    #[test]
    fn off_is_off_and_nothing_said_is_the_commands_default() {
        for default in [
            AdminDefault::Off,
            AdminDefault::Fixed,
            AdminDefault::Movable,
        ] {
            assert!(bind(AdminListen::Off, default).unwrap().is_none());
        }
        assert!(
            bind(AdminListen::Default, AdminDefault::Off)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_taken_address_that_was_asked_for_is_refused_whatever_the_default() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        for default in [
            AdminDefault::Off,
            AdminDefault::Fixed,
            AdminDefault::Movable,
        ] {
            let failure = bind(at(address), default).unwrap_err();
            assert_eq!(failure.exit, Exit::CouldNotBind);
            assert!(failure.message.contains("--admin"), "{}", failure.message);
        }
    }

    #[test]
    fn the_url_is_one_that_a_browser_can_open() {
        let url = |ip: &str, name: Option<&str>| {
            let address = SocketAddr::new(ip.parse().unwrap(), 0);
            let socket = open(address, name.map(str::to_owned)).unwrap();
            let port = socket.address.port().to_string();
            socket.url().replace(&port, "PORT")
        };
        assert_eq!(url("127.0.0.1", None), "http://127.0.0.1:PORT/");
        assert_eq!(url("0.0.0.0", None), "http://127.0.0.1:PORT/");
        assert_eq!(
            url("127.0.0.1", Some("localhost")),
            "http://localhost:PORT/"
        );
    }
}
