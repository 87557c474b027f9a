//! `sluicegate bench` against servers that answer, fail, lie and stall: what it counts, and how it ends.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;

use serde_json::Value;

use crate::support::nobody::Nobody;
use crate::support::program::ended;
use crate::support::program::sluicegate;

/// Answers every request on every connection with what `answer` makes of its request line; `None` closes.
fn server(answer: fn(&str) -> Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, answer));
        }
    });
    address
}

fn serve(stream: TcpStream, answer: fn(&str) -> Option<&'static [u8]>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut field = String::new();
            reader.read_line(&mut field).unwrap();
            if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if field == "\r\n" {
                break;
            }
        }
        reader
            .by_ref()
            .take(length)
            .read_to_end(&mut Vec::new())
            .unwrap();
        let Some(bytes) = answer(&line) else {
            return;
        };
        if writer.write_all(bytes).is_err() {
            return;
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

/// Runs 50 requests within a second and gives the exit status and the JSON report.
fn bench(address: SocketAddr, arguments: &[&str]) -> (i32, Value) {
    let target = format!("http://{address}/v1");
    let fixed = [
        "bench",
        "--target",
        &target,
        "--rate",
        "50",
        "--duration",
        "1",
        "--warm-up",
        "0",
        "--connections",
        "4",
        "--json",
        "--quiet",
        "--keys",
        "3",
    ];
    let (status, stdout, stderr) = ended(&mut sluicegate(&[&fixed, arguments].concat()));
    let report = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    (status, report)
}

fn faults(report: &Value) -> Vec<(String, u64)> {
    let told = report["run"]["faults"].as_array().unwrap().iter();
    told.map(|fault| {
        let kind = fault["fault"].as_str().unwrap().to_owned();
        (kind, fault["count"].as_u64().unwrap())
    })
    .collect()
}

#[test]
fn every_planned_request_is_sent_and_counted() {
    let address = server(|line| line.contains(" /v1/b/sluicegate-bench-").then_some(OK));
    let (status, report) = bench(address, &["--mix", "get=1,put=1", "--bucket", "b"]);
    assert_eq!((status, &report["sound"]), (0, &Value::Bool(true)));
    assert_eq!(report["run"]["all"]["requests"], 50);
    let of = |name: &str| {
        report["run"]["operations"][name]["requests"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(of("get") + of("put"), 50);
    assert!(of("get") > 10 && of("put") > 10);
    assert_eq!(faults(&report), []);
}

#[test]
fn other_statuses_are_errors_and_miss_the_objective() {
    let address = server(|line| {
        Some(if line.starts_with("GET") {
            b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
        } else {
            OK
        })
    });
    let (status, report) = bench(address, &["--mix", "get"]);
    assert_eq!((status, &report["sound"]), (1, &Value::Bool(false)));
    assert_eq!(faults(&report), [("status 503".to_owned(), 50)]);
    let (status, report) = bench(address, &["--mix", "get", "--errors-max", "100"]);
    assert_eq!((status, &report["sound"]), (0, &Value::Bool(true)));
}

#[test]
fn responses_that_are_cut_or_none_are_told_apart() {
    let cut = server(|line| match line.starts_with("GET") {
        true => Some(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nbo"),
        false => Some(OK),
    });
    // The server above keeps the connection open: closing is what the next one does.
    let (status, report) = bench(cut, &["--mix", "get", "--timeout", "1"]);
    assert_eq!(status, 1);
    assert!(
        faults(&report).iter().any(|(kind, _)| kind == "timed out"),
        "{report}"
    );

    let closes = server(|line| (!line.starts_with("GET")).then_some(OK));
    let (status, report) = bench(closes, &["--mix", "get"]);
    assert_eq!(
        (status, faults(&report)),
        (1, vec![("connection cut".to_owned(), 50)])
    );

    let nonsense = server(|line| {
        Some(if line.starts_with("GET") {
            b"what?\r\n\r\n"
        } else {
            OK
        })
    });
    let (_, report) = bench(nonsense, &["--mix", "get"]);
    assert_eq!(faults(&report), [("no HTTP response".to_owned(), 50)]);
}

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced_without_a_fault() {
    // `Connection: keep-alive` is implied, yet the server closes after each answer.
    fn closing(stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 0 && !line.ends_with("\r\n\r\n") {}
        let mut stream = stream;
        stream.write_all(OK).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(closing));
    let (status, report) = bench(address, &["--mix", "get", "--no-prepare"]);
    assert_eq!((status, faults(&report)), (0, vec![]), "{report}");
}

#[test]
fn requests_wait_for_a_stalled_server_and_the_waiting_counts() {
    // It never answers a GET: four connections are held, the rest of the requests never leaves.
    let address = server(|line| {
        if line.starts_with("GET") {
            std::thread::park();
        }
        Some(OK)
    });
    let (status, report) = bench(address, &["--mix", "get", "--timeout", "1"]);
    assert_eq!(status, 1);
    assert_eq!(report["run"]["all"]["requests"], 50);
    let all: u64 = faults(&report).iter().map(|(_, count)| count).sum();
    assert_eq!(all, 50);
    let told = |name: &str| report["run"]["all"][name]["p50"].as_f64().unwrap();
    assert!(told("latency_ms") > 500.0, "{report}");
}

#[test]
fn nobody_at_the_target_is_told() {
    let nobody = Nobody::new();
    let (status, report) = bench(nobody.address(), &["--mix", "get", "--no-prepare"]);
    assert_eq!(
        (status, faults(&report)),
        (1, vec![("no connection".to_owned(), 50)])
    );
    let (status, _, stderr) = ended(&mut sluicegate(&["bench", "--target", &nobody.url()]));
    assert_eq!(status, 1);
    assert!(stderr.contains("put in place"), "{stderr}");
}

#[test]
fn the_ladder_tells_a_gateway_that_stores_too_much_or_too_little() {
    // It takes everything and gives back four bytes.
    let address = server(|_| Some(OK));
    let (status, report) = bench(
        address,
        &["--ladder", "--ladder-only", "--ladder-limit", "100"],
    );
    assert_eq!(status, 1);
    let outcomes: Vec<_> = report["ladder"].as_array().unwrap().iter().collect();
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes.iter().all(|step| step["sound"] == false));
    assert_eq!(outcomes[2]["outcome"], "status 200 instead of 413");
    assert_eq!(report["run"], Value::Null);
}

#[test]
fn wrong_options_are_told_with_what_is_wanted() {
    for (arguments, wanted) in [
        (["--mix", "gte=1"], "get-json"),
        (["--object-path", "/b/k"], "{key}"),
        (["--bucket", "a/b"], "--bucket"),
        (["--header", "Host: x"], "--header"),
        (["--target", "https://127.0.0.1/"], "--target"),
        (["--rate", "10000001"], "--rate"),
        (["--sign", "s3"], "AWS_ACCESS_KEY_ID"),
    ] {
        let (status, _, stderr) = ended(&mut sluicegate(&[&["bench"], &arguments[..]].concat()));
        assert!(matches!(status, 2 | 3), "{arguments:?}: {status}");
        assert!(stderr.contains(wanted), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_file_has_the_same_keys_and_the_page_needs_nothing_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.toml");
    std::fs::write(
        &file,
        "[bench]\nmix = 'put'\nhtml = 'report.html'\nsize = 10\n",
    )
    .unwrap();
    let address = server(|line| line.starts_with("PUT").then_some(OK));
    let (status, report) = bench(address, &["--config", file.to_str().unwrap()]);
    assert_eq!((status, &report["mix"]), (0, &Value::from("put=1")));
    assert_eq!(report["object_bytes"], 10);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for outside in ["<script", "<img", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<svg").count(), 3);
}
