//! No secret of a run is told by anything that the program writes: logs at their finest, metrics, pages, error bodies, spans.

use std::fs::File;
use std::net::SocketAddr;

use crate::support::backend::Backend;
use crate::support::backend::response;
use crate::support::client::Client;
use crate::support::client::fetch;
use crate::support::program::Running;
use crate::support::program::sluicegate;
use crate::support::signer::BOB;
use crate::support::signer::Signer;

const DOCUMENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/apis/s3-proxy-api.swagger2.json"
);
/// What nobody may read, by where it is given.
const OF_STORE: &str = "SECRET+of/the+store";
const TOKEN_OF_STORE: &str = "SECRET+token+of+the+store";
const OF_CALLER: &str = "SECRET-of-the-caller";
const OF_ROLE: &str = "SECRET-of-the-role";
const TOKEN_OF_ROLE: &str = "SECRET-token-of-the-role";
const API_KEY: &str = "SECRET-value-of-the-api-key";
const IN_QUERY: &str = "SECRET-in-the-query";
const IN_COOKIE: &str = "SECRET-in-a-cookie";
const IN_BODY: &str = "SECRET-in-a-body";
const IN_STORE: &str = "SECRET-in-an-object";
const OF_COLLECTOR: &str = "api-key=SECRET-of-the-collector";

const CALLER: Signer<'static> = Signer {
    access_key_id: "AKIDCALLER",
    secret: OF_CALLER,
    region: "us-west-2",
    ..BOB
};

fn configuration() -> String {
    format!(
        "[s3]\nregion = 'us-west-2'\n\
         [[identity]]\naccess_key_id = 'AKIDCALLER'\nsecret_access_key = '{OF_CALLER}'\n\
         [[api_key]]\nid = 'partner'\nvalue = '{API_KEY}'\n\
         [[role]]\narn = 'arn:aws:iam::123456789012:role/media'\naccess_key_id = 'AKIDROLE'\n\
         secret_access_key = '{OF_ROLE}'\nsession_token = '{TOKEN_OF_ROLE}'\n"
    )
}

/// Responses to requests of every kind that holds a secret, all that came back.
fn answers(address: SocketAddr) -> String {
    let mut told = String::new();
    let mut tell = |target: &str, fields: &[(&str, &str)], method: &str, body: &[u8]| {
        let answer = fetch(address, method, target, fields, body);
        told.push_str(&format!(
            "{}\n{}\n",
            answer.start,
            String::from_utf8_lossy(&answer.body)
        ));
        for (name, value) in &answer.fields {
            told.push_str(&format!("{name}: {value}\n"));
        }
        answer.status()
    };
    let path = "/S3/photos/cat.jpg";
    let signed = CALLER.fields("PUT", path, IN_BODY.as_bytes());
    let pairs: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        tell(path, &pairs, "PUT", IN_BODY.as_bytes()),
        200,
        "the store is asked"
    );
    let secret_fields = [
        ("x-api-key", API_KEY),
        ("Cookie", IN_COOKIE),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDCALLER/20260101/us-west-2/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=SECRETSIGNATURE",
        ),
        ("x-amz-security-token", TOKEN_OF_ROLE),
    ];
    let query = format!("{path}?X-Amz-Signature={IN_QUERY}&token={IN_QUERY}");
    assert_eq!(tell(path, &secret_fields, "GET", b""), 403);
    assert_eq!(tell(&query, &[], "GET", b""), 403);
    assert_eq!(
        tell(&format!("/nowhere?{IN_QUERY}"), &secret_fields, "GET", b""),
        403
    );
    let presigned = CALLER.presigned("GET", path);
    assert_eq!(tell(&presigned, &[], "GET", b""), 200);
    told
}

#[test]
fn no_secret_of_a_run_is_told_anywhere() {
    let store = Backend::answering(|request| match request.start.as_str() {
        line if line.starts_with("GET") => response(200, &[], IN_STORE.as_bytes()),
        _ => response(200, &[("x-amz-request-id", "R1")], b""),
    });
    let told = told_by(
        &["serve", "--api", DOCUMENT],
        &configuration(),
        &store,
        answers,
    );
    // The traces of what was done are there, or nothing would be shown by the rest.
    for wanted in [
        "cat.jpg",
        "\"message\":\"request\"",
        "AKIDCALLER",
        "****TORE",
    ] {
        assert!(told.contains(wanted), "{wanted} is not told");
    }
    no_secret_in(&told);
}

#[test]
fn no_secret_of_a_sidecar_is_told_anywhere() {
    let store = Backend::answering(|request| match request.start.as_str() {
        line if line.contains("/refused") => response(403, &[], b"<Error/>"),
        line if line.starts_with("GET") => response(200, &[], IN_STORE.as_bytes()),
        _ => response(200, &[("x-amz-request-id", "R1")], b""),
    });
    let config = format!(
        "[s3]\nregion = 'us-west-2'\n\
         [[identity]]\naccess_key_id = 'AKIDCALLER'\nsecret_access_key = '{OF_CALLER}'\nsession_token = '{TOKEN_OF_ROLE}'\n\
         [[identity]]\naccess_key_id = 'AKIDOTHER'\nsecret_access_key = '{OF_ROLE}'\n"
    );
    let told = told_by(&["sidecar"], &config, &store, |address| {
        let other = Signer {
            access_key_id: "AKIDOTHER",
            secret: OF_ROLE,
            service: "s3",
            claims_hash: true,
            ..CALLER
        };
        let mut told = String::new();
        let mut ask = |method: &str, path: &str, fields: &[(&str, &str)], body: &str| {
            let answer = fetch(address, method, path, fields, body.as_bytes());
            told.push_str(&format!(
                "{answer:?}{}",
                String::from_utf8_lossy(&answer.body)
            ));
            answer.status()
        };
        for (method, path, body, status) in [
            ("PUT", "/photos/cat.jpg", IN_BODY, 200),
            ("GET", "/photos/cat.jpg", "", 200),
            ("GET", "/photos/refused", "", 403),
        ] {
            let signed = other.fields(method, path, body.as_bytes());
            let fields: Vec<(&str, &str)> = signed
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(ask(method, path, &fields, body), status, "{path}");
        }
        let forged = [
            ("Cookie", IN_COOKIE),
            ("x-amz-security-token", TOKEN_OF_ROLE),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDCALLER/20260101/us-west-2/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=SECRETSIGNATURE",
            ),
        ];
        assert_eq!(ask("GET", "/photos/cat.jpg", &forged, ""), 403);
        let query = format!("/photos/cat.jpg?X-Amz-Signature={IN_QUERY}&token={IN_QUERY}");
        assert!(ask("GET", &query, &[], "") >= 400);
        told
    });
    for wanted in ["cat.jpg", "AKIDOTHER", "****TORE"] {
        assert!(told.contains(wanted), "{wanted} is not told");
    }
    no_secret_in(&told);
}

fn no_secret_in(told: &str) {
    let found: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("SECRET"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Everything that a program writes and answers while `ask` asks it; the object itself is taken out.
fn told_by(
    arguments: &[&str],
    configuration: &str,
    store: &Backend,
    ask: impl Fn(SocketAddr) -> String,
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s.toml");
    std::fs::write(&config, configuration).unwrap();
    let log = folder.path().join("log");
    let (store_url, collector) = (store.url(), Backend::answering(|_| response(200, &[], b"")));
    let collector_url = collector.url();
    let fixed = [
        "--s3-endpoint",
        &store_url,
        "--config",
        config.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--log-level",
        "trace",
        "--access-log",
        "json",
    ];
    let spans = if cfg!(feature = "otlp") {
        &["--otlp-endpoint", &collector_url][..]
    } else {
        &[]
    };
    let mut command = sluicegate(&[arguments, &fixed, spans].concat());
    command.envs([
        ("AWS_ACCESS_KEY_ID", "AKIDSTORE"),
        ("AWS_SECRET_ACCESS_KEY", OF_STORE),
        ("AWS_SESSION_TOKEN", TOKEN_OF_STORE),
        ("OTEL_EXPORTER_OTLP_HEADERS", OF_COLLECTOR),
    ]);
    let mut running = Running::start_heard(command.stderr(File::create(&log).unwrap()));
    let banner = running.lines_until("dashboard at ");
    let address_in = |line: &str| -> SocketAddr {
        let at = line.split("127.0.0.1:").nth(1).unwrap();
        let port: String = at.chars().take_while(char::is_ascii_digit).collect();
        SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
    };
    let data = address_in(
        banner
            .iter()
            .find(|line| line.contains("127.0.0.1:"))
            .unwrap(),
    );
    let admin = address_in(banner.last().unwrap());
    let answers = ask(data);
    let mut told = banner.join("\n") + &answers.replace(IN_STORE, "(the object itself)");
    for path in ["/metrics", "/config", "/stats", "/routes", "/readyz", "/"] {
        let mut client = Client::connect(admin);
        let page = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(page.status(), 200, "{path}");
        told.push_str(&String::from_utf8(page.body).unwrap());
    }
    running.signal("TERM");
    told.push_str(&running.rest());
    assert_eq!(running.wait(), 0);
    told.push_str(&std::fs::read_to_string(&log).unwrap());
    for posted in collector.requests() {
        told.push('\n');
        told.push_str(&String::from_utf8_lossy(&posted.body));
    }
    assert_eq!(collector.requests().is_empty(), !cfg!(feature = "otlp"));
    told
}
