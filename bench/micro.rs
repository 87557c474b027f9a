//! Wall-clock times of the hot parts, for people: `cargo bench --bench micro [FILTER]`.
//!
//! Each part runs for some milliseconds, several times; the quickest time counts, since whatever else the machine does only adds.

mod parts;

use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use aws_sigv4::http_request::SignableBody;
use aws_sigv4::http_request::SignableRequest;
use aws_sigv4::http_request::SigningSettings;
use aws_sigv4::http_request::sign;
use aws_sigv4::sign::v4;
use sluicegate::net::clock::monotonic_us;
use sluicegate::pipeline::metering::api_keys::ApiKey;
use sluicegate::pipeline::metering::api_keys::ApiKeys;
use sluicegate::pipeline::metering::bucket::Bucket;
use sluicegate::pipeline::metering::bucket::Throttle;
use sluicegate::pipeline::metering::quota::LIMIT_MAX;
use sluicegate::pipeline::metering::quota::Period;
use sluicegate::pipeline::metering::quota::Quota;
use sluicegate::pipeline::metering::quota::QuotaCounter;

use parts::BODY_BYTES;
use parts::Measure;
use parts::NOW;
use parts::PATH;

const ROUNDS: usize = 7;
const ROUND_US_MIN: u64 = 20_000;

type Signing = Result<String, Box<dyn std::error::Error>>;

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let mut bench = Bench { filter };
    parts::measure_all(&mut bench);
    others(&mut bench);
    limits(&mut bench);
}

/// What the parts are to be compared with.
fn others(bench: &mut Bench) {
    bench.part("sign a head, aws-sigv4", 0, sign_with_aws_sigv4);
    let binary = parts::binary_body();
    bench.part("from_utf8_lossy of 256 KiB, binary", BODY_BYTES, || {
        String::from_utf8_lossy(&binary).len()
    });
}

/// What a metered request pays: each part by itself, a bucket also while another core takes from it.
fn limits(bench: &mut Bench) {
    const VALUE: &str = "0123456789abcdefghij";
    let mut keys = ApiKeys::default();
    let key = ApiKey {
        id: "partner".to_owned(),
        enabled: true,
    };
    if keys.add(key, VALUE).is_ok() {
        bench.part("API key, found", 0, || {
            keys.find(VALUE.as_bytes()).is_some()
        });
    }
    if let Ok(throttle) = Throttle::new(1_000_000.0, 1_000_000) {
        let bucket = Bucket::new(throttle);
        let mut now_us = 0;
        bench.part("token bucket, a token taken", 0, || {
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
            bench.part("token bucket, another core takes too", 0, || {
                now_us += 1;
                bucket.take(now_us)
            });
            ended.store(true, Ordering::Relaxed);
        });
    }
    if let Ok(quota) = Quota::new(LIMIT_MAX, 0, Period::Month) {
        let counter = QuotaCounter::new(quota, NOW);
        bench.part("quota, a request counted", 0, || counter.take(NOW));
    }
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

struct Bench {
    /// Part of a name; `None` runs everything.
    filter: Option<String>,
}

impl Measure for Bench {
    /// Prints the time of one `part` and, if it moves `bytes`, its rate.
    fn part<T>(&mut self, name: &str, bytes: usize, mut part: impl FnMut() -> T) {
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
