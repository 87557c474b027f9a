//! A new process takes the place of an old one at sockets that both inherit, and no request notices.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use sluicegate::net::clock::monotonic_ms;
use sluicegate::net::deadline::FIRST_REQUEST_MS_MAX;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::object_api::object_api;
use crate::support::program::Running;
use crate::support::program::ended;
use crate::support::program::sluicegate;

/// A folder with a configuration in front of `store`; `more` is appended to `[server]`.
fn folder(store: &Backend, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[server]\nworkers = 2\nlog_format = 'text'\n{more}\n\
         [s3]\nendpoint = '{}'\naccess_key_id = 'A'\nsecret_access_key = 'S'\n[[api]]\nfile = 'api.json'\n",
        store.url()
    );
    std::fs::write(folder.path().join("s.toml"), config).unwrap();
    std::fs::write(folder.path().join("api.json"), object_api().to_string()).unwrap();
    folder
}

/// `serve` with a descriptor passed as systemd does it: its number is 3, and `LISTEN_PID` is that of the process.
fn inheriting(socket: OwnedFd, folder: &tempfile::TempDir, options: &[&str]) -> Command {
    let config = folder.path().join("s.toml");
    let mut arguments = vec!["serve", "--config", config.to_str().unwrap()];
    arguments.extend(options);
    let program = sluicegate(&arguments);
    let mut shell = Command::new("sh");
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    shell.args(["-c", script, "sh"]);
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::from(socket));
    shell
}

/// `serve` at this port of its own opening, which another process may share.
fn sharing(port: u16, folder: &tempfile::TempDir) -> Running {
    let config = folder.path().join("s.toml");
    let listen = format!("127.0.0.1:{port}");
    let arguments = [
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--share-port",
        "--listen",
        &listen,
    ];
    Running::start(&mut sluicegate(&arguments))
}

/// Requests until `stop`, on connections that are kept as long as the server keeps them. Only what RFC 9112 §9.3.1 lets a
/// client send again is sent again: a request on a used connection that ended without a byte of a response.
fn ask_until(stop: &AtomicBool, address: SocketAddr, answered: &AtomicUsize) -> Result<(), String> {
    let mut kept: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let is_used = kept.is_some();
        let begun_ms = monotonic_ms();
        let mut client = kept.take().unwrap_or_else(|| Client::connect(address));
        client.request("GET", "/o/b/k", &[], b"");
        // A drain waits so long for the first request of a connection; a busy machine may take longer to send it.
        let was_slow = monotonic_ms() - begun_ms >= FIRST_REQUEST_MS_MAX / 2;
        let Some(answer) = client.response() else {
            if is_used || was_slow {
                continue;
            }
            return Err("a fresh connection was cut".to_owned());
        };
        if answer.status() != 200 || answer.body != b"stored" {
            return Err(format!("status {}", answer.status()));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.field("Connection") == Some("keep-alive")
            && !answered.load(Ordering::Relaxed).is_multiple_of(7)
        {
            kept = Some(client);
        }
    }
    Ok(())
}

#[test]
fn an_upgrade_drops_no_request() {
    for driver in ["auto", "epoll"] {
        let store = Backend::answering(|_| response(200, &[], b"stored"));
        let folder = folder(&store, &format!("io_driver = '{driver}'"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let start = || {
            let socket = OwnedFd::from(listener.try_clone().unwrap());
            let mut running = Running::start(&mut inheriting(socket, &folder, &[]));
            assert_eq!(running.address(), address, "the socket that was passed");
            running
        };
        upgrade_under_load(driver, address, start(), start);
    }
}

#[test]
fn an_upgrade_over_a_shared_port_drops_no_request() {
    for driver in ["auto", "epoll"] {
        let store = Backend::answering(|_| response(200, &[], b"stored"));
        let folder = folder(&store, &format!("io_driver = '{driver}'"));
        let mut first = sharing(0, &folder);
        let address = first.address();
        upgrade_under_load(driver, address, first, || {
            let mut running = sharing(address.port(), &folder);
            assert_eq!(running.address(), address);
            running
        });
    }
}

#[test]
fn a_port_is_shared_by_those_alone_that_say_so() {
    let store = Backend::answering(|_| response(200, &[], b"stored"));
    let folder = folder(&store, "");
    let mut first = sharing(0, &folder);
    let listen = first.address().to_string();
    let config = folder.path().join("s.toml");
    let arguments = [
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--listen",
        &listen,
    ];
    let (status, _, stderr) = ended(&mut sluicegate(&arguments));
    assert_eq!(status, 4, "{stderr}");
    assert_eq!(first.end("TERM"), 0, "nobody has to be there beside it");
}

/// Five upgrades of `running` at `address` while clients ask; each new process comes from `start`.
fn upgrade_under_load(
    driver: &str,
    address: SocketAddr,
    mut running: Running,
    start: impl Fn() -> Running,
) {
    const CLIENTS: usize = 4;
    const UPGRADES: usize = 5;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || ask_until(&stop, address, &answered))
        })
        .collect();
    let wait_for_more = || {
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 50 {
            assert!(
                clients.iter().all(|client| !client.is_finished()),
                "{driver}: a client failed"
            );
            thread::yield_now();
        }
    };
    for _ in 0..UPGRADES {
        wait_for_more();
        let new = start();
        wait_for_more();
        assert_eq!(running.end("TERM"), 0, "the old one ends by itself");
        running = new;
        wait_for_more();
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap().unwrap();
    }
    assert_eq!(running.end("TERM"), 0);
}

#[test]
fn what_waits_in_the_queue_is_served_by_the_next_process() {
    let store = Backend::answering(|_| response(200, &[], b"stored"));
    let folder = folder(&store, "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        let mut running = Running::start(&mut inheriting(socket, &folder, &[]));
        running.address();
        running
    };
    assert_eq!(start().end("TERM"), 0);
    // Nobody is there: systemd, or this test, holds the socket.
    let mut client = Client::connect(address);
    client.request("GET", "/o/b/k", &[], b"");
    let running = start();
    assert_eq!(client.response().unwrap().body, b"stored");
    drop(client);
    assert_eq!(running.end("TERM"), 0);
}

#[test]
fn an_inherited_unix_socket_is_served_and_its_file_stays() {
    let store = Backend::answering(|_| response(200, &[], b"stored"));
    let folder = folder(&store, "");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    let listen = format!("unix:{}", path.display());
    let mut running = Running::start(&mut inheriting(socket, &folder, &["--listen", &listen]));
    running.lines_until("unix:");
    let mut client = Client::connect_unix(&path);
    client.request("GET", "/o/b/k", &[], b"");
    assert_eq!(client.response().unwrap().body, b"stored");
    drop(client);
    assert_eq!(running.end("TERM"), 0);
    assert!(path.exists());
}

#[test]
fn a_socket_that_no_setting_asks_for_is_refused() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = folder(&store, "listen = ['127.0.0.2:0']");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = format!(
        "LISTEN_FDS passes a socket at {}",
        listener.local_addr().unwrap()
    );
    let (status, _, stderr) = ended(&mut inheriting(listener.into(), &folder, &[]));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains(&told), "{stderr}");
    let datagrams = UnixDatagram::unbound().unwrap();
    let (status, _, stderr) = ended(&mut inheriting(datagrams.into(), &folder, &[]));
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("no listening stream socket"), "{stderr}");
}

/// Datagrams until one that holds `last`.
fn news_until(socket: &UnixDatagram, last: &str) -> Vec<String> {
    let mut news = Vec::new();
    let mut buffer = [0; 1_024];
    loop {
        let bytes = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..bytes].to_vec()).unwrap();
        let is_last = text.contains(last);
        news.push(text);
        if is_last {
            return news;
        }
    }
}

#[test]
fn systemd_is_told_how_it_stands() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = folder(&store, "listen = ['127.0.0.1:0']");
    let config = folder.path().join("s.toml");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(120)))
        .unwrap();
    let mut command = sluicegate(&["serve", "--config", config.to_str().unwrap()]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let running = Running::start(&mut command);
    assert_eq!(news_until(&socket, "READY=1").len(), 1, "nothing before it");
    for _ in 0..3 {
        news_until(&socket, "WATCHDOG=1");
    }
    running.signal("HUP");
    let news = news_until(&socket, "READY=1");
    let begins: Vec<&String> = news
        .iter()
        .filter(|text| text.starts_with("RELOADING=1"))
        .collect();
    assert!(
        begins.len() == 1 && begins[0].contains("\nMONOTONIC_USEC="),
        "{news:?}"
    );
    running.signal("TERM");
    news_until(&socket, "STOPPING=1");
    assert_eq!(running.wait(), 0);
}
