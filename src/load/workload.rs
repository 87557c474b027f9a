//! What is asked: operations with weights, keys, bodies.

use std::fmt;
use std::str::FromStr;

use base64_simd::STANDARD;

use crate::load::schedule::Dice;

/// The largest slice that a `range` operation asks for.
const RANGE_BYTES_MAX: u64 = 64 * 1024;
/// The most distinct keys of a run.
pub const KEYS_MAX: u64 = 10_000_000;
/// A weight is a share, not a count.
const WEIGHT_MAX: u64 = 1_000_000;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// GET of an object, as it is.
    Get,
    /// GET with `Accept: application/json`: the gateway wraps the object in Base64 or JSON.
    GetJson,
    /// GET of a random slice of at most 64 KiB.
    Range,
    /// HEAD of an object.
    Head,
    /// PUT of an object, as it is.
    Put,
    /// PUT of the same bytes as Base64 text with `Content-Type: application/json`.
    PutJson,
}

/// Each operation and its name in a mix.
pub const OPERATIONS: [(Operation, &str); 6] = [
    (Operation::Get, "get"),
    (Operation::GetJson, "get-json"),
    (Operation::Range, "range"),
    (Operation::Head, "head"),
    (Operation::Put, "put"),
    (Operation::PutJson, "put-json"),
];

impl Operation {
    /// `get`, `put-json`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        OPERATIONS
            .iter()
            .find(|(operation, _)| *operation == self)
            .map_or("", |(_, name)| name)
    }

    /// The position in [`OPERATIONS`].
    #[must_use]
    pub fn index(self) -> usize {
        OPERATIONS
            .iter()
            .position(|(operation, _)| *operation == self)
            .unwrap_or_default()
    }

    /// The HTTP method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Get | Self::GetJson | Self::Range => "GET",
            Self::Head => "HEAD",
            Self::Put | Self::PutJson => "PUT",
        }
    }

    /// Whether a status is the one that was hoped for.
    #[must_use]
    pub const fn is_success(self, status: u16) -> bool {
        match self {
            Self::Range => matches!(status, 200 | 206),
            Self::Get | Self::GetJson | Self::Head => status == 200,
            Self::Put | Self::PutJson => matches!(status, 200 | 201 | 204),
        }
    }
}

/// Operations and their weights: `get=70,put=20,range=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    shares: Vec<(Operation, u64)>,
    total: u64,
}

/// Why a mix is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixError {
    found: String,
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}': wanted OPERATION or OPERATION=WEIGHT, comma-separated, with the operations ",
            self.found
        )?;
        for (number, (_, name)) in OPERATIONS.iter().enumerate() {
            write!(f, "{}{name}", if number == 0 { "" } else { ", " })?;
        }
        write!(f, " once each and weights from 1 to {WEIGHT_MAX}")
    }
}

impl std::error::Error for MixError {}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut shares: Vec<(Operation, u64)> = Vec::new();
        for part in text.split(',') {
            let fault = || MixError {
                found: part.trim().to_owned(),
            };
            let (name, weight) = part
                .trim()
                .split_once('=')
                .unwrap_or_else(|| (part.trim(), "1"));
            let operation = OPERATIONS
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(operation, _)| *operation)
                .ok_or_else(fault)?;
            let weight = digits(weight).filter(|weight| (1..=WEIGHT_MAX).contains(weight));
            if shares.iter().any(|(known, _)| *known == operation) {
                return Err(fault());
            }
            shares.push((operation, weight.ok_or_else(fault)?));
        }
        let total = shares.iter().map(|(_, weight)| weight).sum();
        Ok(Self { shares, total })
    }
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

impl Mix {
    /// One operation, by weight.
    pub fn pick(&self, dice: &mut Dice) -> Operation {
        let mut at = dice.below(self.total);
        for (operation, weight) in &self.shares {
            if at < *weight {
                return *operation;
            }
            at -= weight;
        }
        Operation::Get
    }

    /// Whether any request of the mix reads objects, which must exist then.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.shares
            .iter()
            .any(|(operation, _)| operation.method() != "PUT")
    }

    /// The operations, in the order given.
    pub fn operations(&self) -> impl Iterator<Item = Operation> {
        self.shares.iter().map(|(operation, _)| *operation)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (operation, weight)) in self.shares.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", operation.name())?;
        }
        Ok(())
    }
}

/// Paths, keys and bodies of a run.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The operations.
    pub mix: Mix,
    /// Behind the base path: `/{bucket}/{key}` with the bucket filled in.
    pub object_path: String,
    /// Count of distinct keys.
    pub keys: u64,
    /// Bytes of an object.
    pub object_bytes: usize,
    /// Header fields of every request, as given.
    pub headers: Vec<(String, String)>,
    raw: Vec<u8>,
    base64: Vec<u8>,
}

/// Where a key's number stands in an object path.
pub const KEY_PLACEHOLDER: &str = "{key}";
/// Where the bucket stands in an object path.
pub const BUCKET_PLACEHOLDER: &str = "{bucket}";

impl Workload {
    /// Bodies are a repeated alphabet: long enough to be no run of one byte, and the same in every run.
    #[must_use]
    pub fn new(
        mix: Mix,
        object_path: &str,
        bucket: &str,
        keys: u64,
        object_bytes: usize,
        headers: Vec<(String, String)>,
    ) -> Self {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let raw: Vec<u8> = ALPHABET
            .iter()
            .copied()
            .cycle()
            .take(object_bytes)
            .collect();
        let base64 = STANDARD.encode_to_string(&raw).into_bytes();
        Self {
            mix,
            object_path: object_path.replace(BUCKET_PLACEHOLDER, bucket),
            keys: keys.max(1),
            object_bytes,
            headers,
            raw,
            base64,
        }
    }

    /// The path of key number `key`, behind the base path.
    #[must_use]
    pub fn path(&self, key: u64) -> String {
        self.object_path
            .replace(KEY_PLACEHOLDER, &format!("sluicegate-bench-{key}"))
    }

    /// The body that an operation sends.
    #[must_use]
    pub fn body(&self, operation: Operation) -> &[u8] {
        match operation {
            Operation::Put => &self.raw,
            Operation::PutJson => &self.base64,
            Operation::Get | Operation::GetJson | Operation::Range | Operation::Head => &[],
        }
    }

    /// The value of `Range` for a random slice.
    #[must_use]
    pub fn range(&self, dice: &mut Dice) -> String {
        let size = (self.object_bytes as u64).max(1);
        let length = size.min(RANGE_BYTES_MAX).div_ceil(2);
        let first = dice.below(size - length + 1);
        format!("bytes={first}-{}", first + length - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(bytes: usize) -> Workload {
        Workload::new(
            "get".parse().unwrap(),
            "/{bucket}/{key}",
            "b",
            3,
            bytes,
            Vec::new(),
        )
    }

    #[test]
    fn a_mix_is_picked_by_weight() {
        let mix: Mix = "get=70, put=30".parse().unwrap();
        let mut dice = Dice::new(1);
        let picked = (0..10_000)
            .filter(|_| mix.pick(&mut dice) == Operation::Get)
            .count();
        assert!((6800..7200).contains(&picked), "{picked}");
        assert_eq!(mix.to_string(), "get=70,put=30");
        assert!(mix.reads());
        assert!(!"put,put-json".parse::<Mix>().unwrap().reads());
    }

    #[test]
    fn what_is_no_mix_is_refused_by_its_part() {
        for (text, part) in [
            ("", "''"),
            ("gte=1", "'gte=1'"),
            ("get=0", "'get=0'"),
            ("get=+1", "'get=+1'"),
            ("get,get", "'get'"),
            ("get=1000001", "'get=1000001'"),
            ("get,", "''"),
        ] {
            let told = text.parse::<Mix>().unwrap_err().to_string();
            assert!(told.starts_with(part), "{text}: {told}");
        }
        assert!("get=1000000".parse::<Mix>().is_ok());
    }

    #[test]
    fn ranges_stay_within_the_object() {
        let mut dice = Dice::new(3);
        for bytes in [0, 1, 2, 1000, 1_000_000] {
            let workload = workload(bytes);
            for _ in 0..200 {
                let range = workload.range(&mut dice);
                let (first, last) = range
                    .strip_prefix("bytes=")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                assert!(
                    first <= last && last < (bytes as u64).max(1),
                    "{range} of {bytes}"
                );
            }
        }
    }

    #[test]
    fn paths_and_bodies_are_the_same_in_every_run() {
        let workload = workload(70);
        assert_eq!(workload.path(2), "/b/sluicegate-bench-2");
        assert_eq!(workload.body(Operation::Put).len(), 70);
        assert_eq!(workload.body(Operation::PutJson).len(), 96);
        assert!(workload.body(Operation::Get).is_empty());
    }
}
