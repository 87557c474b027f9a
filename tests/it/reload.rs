//! SIGHUP and `--watch`: everything that was read is read again, put in force as a whole or not at all, and no request notices.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use rustls::version::TLS13;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::object_api::object_api;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::tls_client::Authority;
use crate::support::tls_client::TlsClient;

const IN_FORCE: &str = "the settings that were read are in force";
const REFUSED: &str = "the settings of before stay in force";

/// A folder with a configuration and a document, and the program that serves them.
struct Served {
    folder: tempfile::TempDir,
    running: Running,
    address: SocketAddr,
}

/// A configuration in front of `store`; `more` is appended.
fn config(driver: &str, store: &Backend, more: &str) -> String {
    format!(
        "[server]\nlisten = ['127.0.0.1:0']\nworkers = 2\nio_driver = '{driver}'\nlog_format = 'text'\n\
         [s3]\nendpoint = '{}'\naccess_key_id = 'A'\nsecret_access_key_file = 'secret'\n\
         [[api]]\nfile = 'api.json'\n{more}",
        store.url()
    )
}

/// A document that answers `GET /who` with `name`.
fn mock(name: &str) -> String {
    serde_json::json!({
        "swagger": "2.0", "info": { "title": "t", "version": "1" }, "basePath": "/v1",
        "paths": { "/who": { "get": {
            "responses": { "200": {} },
            "x-amazon-apigateway-integration": {
                "type": "mock", "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                "responses": { "default": { "statusCode": "200", "responseTemplates": { "application/json": name } } },
            },
        } } },
    })
    .to_string()
}

impl Served {
    fn start(config: &str, document: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("s.toml", config);
        write("api.json", document);
        write("secret", "S");
        let path = folder.path().join("s.toml");
        let mut arguments = vec!["serve", "--config", path.to_str().unwrap()];
        arguments.extend(options);
        let mut running = Running::start_told(&mut sluicegate(&arguments));
        let address = running.address();
        Self {
            folder,
            running,
            address,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Sends SIGHUP and waits until it is told how that went.
    fn hang_up(&mut self, outcome: &str) -> String {
        self.running.signal("HUP");
        self.running.told_until(outcome)
    }

    fn who(&self) -> String {
        let answer = fetch(self.address, "GET", "/v1/who", &[], b"");
        format!(
            "{} {}",
            answer.status(),
            String::from_utf8_lossy(&answer.body)
        )
    }
}

#[test]
fn documents_are_read_again_and_a_bad_one_keeps_the_old() {
    let store = Backend::start(|_| ());
    let mut served = Served::start(&config("auto", &store, ""), &mock("one"), &[]);
    assert_eq!(served.who(), "200 one");
    served.write("api.json", &mock("two"));
    assert_eq!(served.who(), "200 one", "nobody has asked for it");
    served.hang_up(IN_FORCE);
    assert_eq!(served.who(), "200 two");
    served.write("api.json", "{\"swagger\": \"2.0\",\n \"paths\": 1}");
    let told = served.hang_up(REFUSED);
    assert!(told.contains("api.json:2:"), "{told}");
    assert_eq!(served.who(), "200 two");
    fs::remove_file(served.path("api.json")).unwrap();
    let told = served.hang_up(REFUSED);
    assert!(told.contains("cannot read the document"), "{told}");
    assert_eq!(served.who(), "200 two");
    served.write("api.json", &mock("three"));
    served.hang_up(IN_FORCE);
    assert_eq!(served.who(), "200 three");
    assert_eq!(served.running.end("TERM"), 0);
}

#[test]
fn a_bad_configuration_or_key_file_keeps_the_old_and_tells_why() {
    let store = Backend::start(|_| ());
    let good = config("auto", &store, "");
    let mut served = Served::start(&good, &mock("one"), &[]);
    for (text, wanted) in [
        (format!("{good}[server2]\n"), "server2"),
        (
            format!("{good}[throttle]\nrate = -1\nburst = 1\n"),
            "throttle.rate",
        ),
        (
            format!("{good}[[api]]\nfile = 'api.json'\n"),
            "both claim the stage v1",
        ),
        (good.replace("'secret'", "'no-such-file'"), "no-such-file"),
        (
            good.replace("workers = 2", "workers = 3"),
            "server.workers was changed, which needs a restart",
        ),
        (
            good.replace("127.0.0.1:0", "127.0.0.2:0"),
            "server.listen was changed, which needs a restart",
        ),
        (
            format!(
                "{good}[[role]]\narn = 'arn:aws:iam::123456789012:role/r'\npolicy_file = 'absent.json'\n"
            ),
            "absent.json",
        ),
    ] {
        served.write("s.toml", &text);
        // What else was changed is not taken either.
        served.write("api.json", &mock("two"));
        let told = served.hang_up(REFUSED);
        assert!(told.contains(wanted), "{wanted}: {told}");
        assert_eq!(served.who(), "200 one", "{wanted}");
    }
    served.write("s.toml", &good);
    served.hang_up(IN_FORCE);
    assert_eq!(served.who(), "200 two");
}

#[test]
fn keys_of_the_store_and_api_keys_are_those_that_were_read_last() {
    const VALUES: [&str; 2] = ["0123456789abcdefghij", "abcdefghij0123456789"];
    let store = Backend::answering(|_| response(200, &[], b""));
    let mut document = object_api();
    document["securityDefinitions"] =
        serde_json::json!({ "key": { "type": "apiKey", "name": "x-api-key", "in": "header" } });
    document["paths"]["/{bucket}/{key}"]["get"]["security"] = serde_json::json!([{ "key": [] }]);
    let keys = |ids: &[usize], quota: u64| {
        let mut text = String::new();
        let mut names = String::new();
        for &id in ids {
            write!(
                text,
                "[[api_key]]\nid = 'k{id}'\nvalue = '{}'\n",
                VALUES[id]
            )
            .unwrap();
            write!(names, "'k{id}',").unwrap();
        }
        format!(
            "{text}[[usage_plan]]\nname = 'gold'\napi_keys = [{names}]\nquota = {{ limit = {quota}, period = 'MONTH' }}\n"
        )
    };
    let mut served = Served::start(
        &config("auto", &store, &keys(&[0, 1], 3)),
        &document.to_string(),
        &[],
    );
    let address = served.address;
    let ask =
        |id: usize| fetch(address, "GET", "/o/b/k", &[("x-api-key", VALUES[id])], b"").status();
    assert_eq!([ask(0), ask(0), ask(1)], [200, 200, 200]);
    served.write("s.toml", &config("auto", &store, &keys(&[0], 3)));
    served.write("secret", "another");
    served.hang_up(IN_FORCE);
    assert_eq!(ask(1), 403, "the key is gone");
    assert_eq!([ask(0), ask(0)], [200, 429], "two of three were used");
    served.write("s.toml", &config("auto", &store, &keys(&[0, 1], 4)));
    served.hang_up(IN_FORCE);
    assert_eq!([ask(0), ask(0)], [200, 429], "three of four were used");
    let signature = |number: usize| {
        let requests = store.requests();
        requests[number].field("authorization").unwrap().to_owned()
    };
    // The first and the one after the reload were signed with different secrets.
    assert_ne!(signature(0), signature(3));
}

#[test]
fn a_watched_file_that_changes_is_read_again() {
    let store = Backend::start(|_| ());
    let mut served = Served::start(&config("auto", &store, ""), &mock("one"), &["--watch"]);
    served.write("api.json", &mock("two"));
    served.running.told_until(IN_FORCE);
    assert_eq!(served.who(), "200 two");
    served.write("api.json", "{");
    served.running.told_until(REFUSED);
    assert_eq!(served.who(), "200 two");
    // Renamed into place, as an editor or a ConfigMap does.
    served.write("new.json", &mock("three"));
    fs::rename(served.path("new.json"), served.path("api.json")).unwrap();
    served.running.told_until(IN_FORCE);
    assert_eq!(served.who(), "200 three");
}

/// Requests on kept connections from many threads until `stop`; how many were answered, and what went wrong.
fn load(
    address: SocketAddr,
    stop: &Arc<AtomicBool>,
) -> Vec<thread::JoinHandle<Result<usize, String>>> {
    const CLIENTS: usize = 4;
    let client = move |stop: Arc<AtomicBool>| {
        let mut client = Client::connect(address);
        let body = vec![b'x'; 4_096];
        let mut answered = 0;
        while !stop.load(Ordering::Relaxed) {
            let (method, body): (_, &[u8]) = if answered % 2 == 0 {
                ("GET", b"")
            } else {
                ("PUT", &body)
            };
            client.request(method, "/o/b/k", &[], body);
            let answer = client
                .response()
                .ok_or_else(|| format!("cut after {answered}"))?;
            if answer.status() != 200 || answer.body != b"stored" {
                return Err(format!("{} after {answered}", answer.status()));
            }
            answered += 1;
        }
        Ok(answered)
    };
    (0..CLIENTS)
        .map(|_| {
            let stop = Arc::clone(stop);
            thread::spawn(move || client(stop))
        })
        .collect()
}

#[test]
fn no_request_fails_during_twenty_reloads() {
    for driver in ["auto", "epoll"] {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let store = Backend::answering(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            response(200, &[], b"stored")
        });
        let text = config(driver, &store, "");
        let mut served = Served::start(&text, &object_api().to_string(), &[]);
        let stop = Arc::new(AtomicBool::new(false));
        let clients = load(served.address, &stop);
        for number in 0..20 {
            // Each reload has requests before it and after it.
            let before = seen.load(Ordering::Relaxed);
            while seen.load(Ordering::Relaxed) < before + 20 {
                thread::yield_now();
            }
            served.write(
                "s.toml",
                &format!("{text}[limits]\npayload_bytes = {}\n", 100_000 + number),
            );
            served.hang_up(IN_FORCE);
        }
        stop.store(true, Ordering::Relaxed);
        let answered: usize = clients
            .into_iter()
            .map(|client| client.join().unwrap().unwrap())
            .sum();
        assert!(answered >= 400, "{driver}: {answered}");
        assert_eq!(served.running.end("TERM"), 0);
    }
}

#[test]
fn the_sidecar_reads_its_identities_and_keys_again() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    let text = |identity: &str| {
        format!(
            "[server]\nlisten = ['127.0.0.1:0']\nworkers = 1\nlog_format = 'text'\n\
             [s3]\nendpoint = '{}'\naccess_key_id = 'A'\nsecret_access_key = 'S'\n{identity}",
            store.url()
        )
    };
    fs::write(&path, text("")).unwrap();
    let mut running = Running::start_told(&mut sluicegate(&[
        "sidecar",
        "--config",
        path.to_str().unwrap(),
    ]));
    let address = running.address();
    assert_eq!(fetch(address, "GET", "/b/k", &[], b"").status(), 200);
    fs::write(
        &path,
        text("[[identity]]\naccess_key_id = 'BOB'\nsecret_access_key = 's'\n"),
    )
    .unwrap();
    running.signal("HUP");
    running.told_until(IN_FORCE);
    assert_eq!(fetch(address, "GET", "/b/k", &[], b"").status(), 403);
    assert_eq!(store.requests().len(), 1);
}

#[test]
fn the_demo_says_that_it_reads_nothing_again() {
    let folder = tempfile::tempdir().unwrap();
    let data: &Path = folder.path();
    let arguments = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--store-listen",
        "127.0.0.1:0",
        "--log-format",
        "text",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let mut running = Running::start_told(&mut sluicegate(&arguments));
    running.address();
    running.signal("HUP");
    let told = running.told_until("read at start only");
    assert!(told.contains("SIGHUP"), "{told}");
}

#[test]
fn keys_of_a_role_are_those_that_were_read_last() {
    let store = Backend::answering(|_| response(200, &[], b""));
    let role = |id: &str| {
        format!(
            "[[role]]\narn = 'arn:aws:iam::123456789012:role/storageRole'\naccess_key_id = '{id}'\nsecret_access_key = 's'\n"
        )
    };
    let text = |id: &str| config("auto", &store, &role(id));
    let mut served = Served::start(&text("AKIDFIRST"), &object_api().to_string(), &[]);
    let mut client = Client::connect(served.address);
    for id in ["AKIDFIRST", "AKIDSECOND"] {
        served.write("s.toml", &text(id));
        served.hang_up(IN_FORCE);
        client.request("GET", "/o/b/k", &[], b"");
        assert_eq!(client.response().unwrap().status(), 200);
        let requests = store.requests();
        let signed = requests
            .last()
            .unwrap()
            .field("authorization")
            .unwrap()
            .to_owned();
        assert!(signed.contains(&format!("Credential={id}/")), "{signed}");
    }
}

#[test]
fn certificates_are_exchanged_and_connections_stay() {
    const NAME: &str = "gate.example";
    const GET: &str = "GET /v1/who HTTP/1.1\r\nHost: gate.example\r\n\r\n";
    let store = Backend::start(|_| ());
    let text = config("auto", &store, "").replace("listen = ['127.0.0.1:0']\n", "")
        + "[[tls]]\nlisten = '127.0.0.1:0'\ncertificate = 'chain.pem'\nprivate_key = 'key.pem'\n";
    let authorities = [Authority::new(), Authority::new()];
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let install = |authority: &Authority| {
        let signed = authority.signs(NAME);
        write("chain.pem", &signed.chain);
        write("key.pem", &signed.key);
    };
    write("s.toml", &text);
    write("api.json", &mock("me"));
    write("secret", "S");
    install(&authorities[0]);
    let path = folder.path().join("s.toml");
    let arguments = ["serve", "--config", path.to_str().unwrap()];
    let mut running = Running::start_told(&mut sluicegate(&arguments));
    let address = running.address();
    let connect = |authority: &Authority| {
        let config = Arc::new(authority.client(&[&TLS13], None));
        TlsClient::connect(address, &config, NAME)
    };
    let mut old = connect(&authorities[0]).unwrap();
    assert_eq!(old.exchange(GET).body, b"me");
    install(&authorities[1]);
    write("key.pem", "no key");
    running.signal("HUP");
    let told = running.told_until(REFUSED);
    assert!(told.contains("tls.private_key"), "{told}");
    assert!(connect(&authorities[0]).is_ok(), "the old pair stays");
    install(&authorities[1]);
    running.signal("HUP");
    running.told_until(IN_FORCE);
    let mut new = connect(&authorities[1]).unwrap();
    assert_eq!(new.exchange(GET).body, b"me");
    assert!(connect(&authorities[0]).is_err());
    assert_eq!(old.exchange(GET).body, b"me");
}
