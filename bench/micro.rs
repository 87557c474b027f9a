//! Wall-clock times of the hot parts, for people: `cargo bench --bench micro [FILTER]`.
//!
//! Each part runs for some milliseconds, several times; the quickest time counts, since whatever else the machine does only adds.

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use sluicegate::api::resource_tree::{ResourceTree, Route};
use sluicegate::net::clock::monotonic_us;
use sluicegate::pipeline::metering::api_keys::{ApiKey, ApiKeys};
use sluicegate::pipeline::metering::bucket::{Bucket, Throttle};
use sluicegate::pipeline::metering::quota::{LIMIT_MAX, Period, Quota, QuotaCounter};
use sluicegate::wire::base64::{Decoder, Encoder};
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::http1::head::{HeadLimits, RequestHead};
use sluicegate::wire::query::Query;
use sluicegate::wire::sigv4::canonical_request::{RequestParts, Scratch, UriEncoding, sign_head};
use sluicegate::wire::sigv4::chunk_signature::ChunkSigner;
use sluicegate::wire::sigv4::credentials::{Credentials, Secret};
use sluicegate::wire::sigv4::payload_hash::PayloadHash;
use sluicegate::wire::sigv4::signing_key::SigningKey;
use sluicegate::wire::utf8::Repair;

const ROUNDS: usize = 7;
const ROUND_US_MIN: u64 = 20_000;
/// One pooled buffer of a body.
const BODY_BYTES: usize = 256 * 1024;
/// One signed chunk.
const CHUNK_BYTES: usize = 64 * 1024;
const NOW: UnixSeconds = UnixSeconds(1_369_353_600);
const PATH: &str = "/photos/2013/05/24/a%20cat.jpg";
const HEAD: &[u8] = b"GET /v1/photos/cat.jpg?prefix=2013%2F05 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.5.0\r\nAccept: application/octet-stream\r\nAccept-Encoding: gzip, deflate\r\n\
    X-Forwarded-For: 192.0.2.1\r\nCookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n\r\n";
const HEAD_LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 8192,
    fields_bytes_max: 10_240,
    fields_max: 128,
};

type Signing = Result<String, Box<dyn std::error::Error>>;

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let bench = Bench { filter };
    heads(&bench);
    routes(&bench);
    signatures(&bench);
    bodies(&bench);
    limits(&bench);
}

/// What a metered request pays: each part by itself, a bucket also while another core takes from it.
fn limits(bench: &Bench) {
    const VALUE: &str = "0123456789abcdefghij";
    let mut keys = ApiKeys::default();
    let key = ApiKey {
        id: "partner".to_owned(),
        enabled: true,
    };
    if keys.add(key, VALUE).is_ok() {
        bench.run("API key, found", 0, || {
            keys.find(VALUE.as_bytes()).is_some()
        });
    }
    if let Ok(throttle) = Throttle::new(1_000_000.0, 1_000_000) {
        let bucket = Bucket::new(throttle);
        let mut now_us = 0;
        bench.run("token bucket, a token taken", 0, || {
            now_us += 1;
            bucket.take(now_us)
        });
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut now_us = 0;
                while !ended.load(Ordering::Relaxed) {
                    now_us += 1;
                    black_box(bucket.take(now_us));
                }
            });
            bench.run("token bucket, another core takes too", 0, || {
                now_us += 1;
                bucket.take(now_us)
            });
            ended.store(true, Ordering::Relaxed);
        });
    }
    if let Ok(quota) = Quota::new(LIMIT_MAX, 0, Period::Month) {
        let counter = QuotaCounter::new(quota, NOW);
        bench.run("quota, a request counted", 0, || counter.take(NOW));
    }
}

fn heads(bench: &Bench) {
    let mut head = RequestHead::default();
    bench.run("request head, 7 fields", HEAD.len(), || {
        head.read(HEAD, &HEAD_LIMITS)
    });
    bench.run("query, 3 parameters", 0, || {
        Query::parse(b"list-type=2&prefix=2013%2F05&delimiter=%2F")
    });
}

/// A tree of 50 literal resources, each with a path variable and a greedy one below.
fn routes(bench: &Bench) {
    let literals: Vec<String> = (0..50).map(|index| format!("/resource{index}")).collect();
    let mut paths: Vec<String> = Vec::new();
    for literal in &literals {
        for below in ["", "/{item}", "/{item}/{proxy+}"] {
            paths.push(format!("{literal}{below}"));
        }
    }
    let routes = paths.iter().enumerate().map(|(method, path)| Route {
        resource_path: path,
        http_method: "GET",
        method,
    });
    let tree = ResourceTree::new(routes);
    bench.run("route, literal among 50", 0, || {
        tree.find(b"GET", b"/resource25")
    });
    bench.run("route, greedy path variable", 0, || {
        tree.find(b"GET", b"/resource49/a/b/c/d")
    });
}

fn signatures(bench: &Bench) {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    };
    let key = SigningKey::new(&credentials, NOW, "us-east-1", "s3");
    let date = NOW.amz_date_bytes();
    let headers: [(&[u8], &[u8]); 3] = [
        (b"host", b"127.0.0.1:8333"),
        (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
        (b"x-amz-date", &date),
    ];
    let parts = RequestParts {
        method: b"GET",
        path: PATH.as_bytes(),
        uri_encoding: UriEncoding::AsSent,
        query: b"",
        headers: &headers,
        payload: PayloadHash::Unsigned,
    };
    let (mut scratch, mut authorization) = (Scratch::new(), Vec::new());
    bench.run("sign a head, day key kept", 0, || {
        authorization.clear();
        sign_head(&key, NOW, &parts, &mut scratch, &mut authorization)
    });
    bench.run("sign a head, aws-sigv4", 0, sign_with_aws_sigv4);
    bench.run("derive a day key", 0, || {
        SigningKey::new(&credentials, NOW, "us-east-1", "s3")
    });
    let chunk = vec![7; CHUNK_BYTES];
    let mut signer = ChunkSigner::new(key.into(), NOW, [b'0'; 64]);
    bench.run("sign a chunk of 64 KiB", CHUNK_BYTES, || {
        signer.sign_chunk(&chunk)
    });
}

fn sign_with_aws_sigv4() -> Signing {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let credentials =
        aws_credential_types::Credentials::new("AKIDEXAMPLE", secret, None, None, "bench");
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(NOW.0))
        .settings(SigningSettings::default())
        .build()?
        .into();
    let url = format!("http://127.0.0.1:8333{PATH}");
    let request = SignableRequest::new(
        "GET",
        url,
        std::iter::empty(),
        SignableBody::UnsignedPayload,
    )?;
    Ok(sign(request, &params)?.into_parts().1)
}

fn bodies(bench: &Bench) {
    let scattered = |n: u32| {
        let [.., byte] = n.wrapping_mul(2_654_435_761).to_le_bytes();
        byte
    };
    let binary: Vec<u8> = (0u32..).map(scattered).take(BODY_BYTES).collect();
    let text = vec![b'a'; BODY_BYTES];
    let mut base64 = Vec::new();
    let mut encoder = Encoder::new();
    encoder.encode(&binary, &mut base64);
    encoder.finish(&mut base64);

    let mut out = Vec::with_capacity(BODY_BYTES * 4);
    bench.run("Base64 encode 256 KiB", BODY_BYTES, || {
        out.clear();
        Encoder::new().encode(&binary, &mut out);
        out.len()
    });
    bench.run("Base64 decode to 256 KiB", BODY_BYTES, || {
        out.clear();
        Decoder::new().decode(&base64, &mut out)
    });
    for (name, body) in [("clean text", &text), ("binary", &binary)] {
        bench.run(
            &format!("UTF-8 repair of 256 KiB, {name}"),
            BODY_BYTES,
            || {
                out.clear();
                Repair::new().repair(body, &mut out);
                out.len()
            },
        );
    }
    bench.run("from_utf8_lossy of 256 KiB, binary", BODY_BYTES, || {
        String::from_utf8_lossy(&binary).len()
    });
}

struct Bench {
    /// Part of a name; `None` runs everything.
    filter: Option<String>,
}

impl Bench {
    /// Prints the time of one `part` and, if it moves `bytes`, its rate.
    fn run<T>(&self, name: &str, bytes: usize, mut part: impl FnMut() -> T) {
        if self
            .filter
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()))
        {
            return;
        }
        let mut calls = 1u64;
        while elapsed_us(calls, &mut part) < ROUND_US_MIN {
            calls *= 2;
        }
        let rounds = (0..ROUNDS).map(|_| elapsed_us(calls, &mut part));
        let quickest_us = rounds.min().unwrap_or(u64::MAX);
        let call_ns = quickest_us as f64 * 1000.0 / calls as f64;
        let rate = match bytes {
            0 => String::new(),
            bytes => format!("{:8.2} GB/s", bytes as f64 / call_ns),
        };
        // ignored: a reader that has left needs no numbers
        let _ignored = writeln!(std::io::stdout(), "{name:36} {call_ns:12.1} ns {rate}");
    }
}

fn elapsed_us<T>(calls: u64, part: &mut impl FnMut() -> T) -> u64 {
    let start_us = monotonic_us();
    for _ in 0..calls {
        black_box(part());
    }
    monotonic_us() - start_us
}
