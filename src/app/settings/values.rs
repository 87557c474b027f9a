//! What an option may be set to. Each type reads both the command line's text and the file's value,
//! so that both refuse the same things in the same words.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::net::address::ListenAt;
use crate::net::address::UNIX_MODE_DEFAULT;
use crate::net::address::UNIX_PATH_BYTES_MAX;
use crate::net::address::UnixSocket;
use crate::net::address_range::NoRange;
use crate::net::address_range::TrustedPeer;
use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::endpoint::EndpointError;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranged<const MIN: u64, const MAX: u64>(u64);

/// The most threads that make sense on one machine.
pub const WORKERS_MAX: u64 = 1024;
/// S3's largest object (spec 11).
pub const PAYLOAD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024 * 1024;
/// Descriptors that Linux gives one process at most unless it is told otherwise (`fs.nr_open`).
pub const CONNECTIONS_MAX: u64 = 1024 * 1024;
/// A gigabyte a second: more is asked of nobody.
pub const BYTE_RATE_MAX: u64 = 1_000_000_000;
/// A day; no wait of a proxy is longer.
pub const TIMEOUT_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// `--workers`.
pub type WorkerCount = Ranged<1, WORKERS_MAX>;
/// `--max-payload`: bytes, 0 is no limit.
pub type PayloadBytes = Ranged<0, PAYLOAD_BYTES_MAX>;
/// `--max-header`: bytes.
pub type HeaderBytes = Ranged<1024, 65_536>;
/// `--max-connections`: 0 is no limit.
pub type ConnectionCap = Ranged<0, CONNECTIONS_MAX>;
/// A time limit in milliseconds.
pub type Milliseconds = Ranged<1, TIMEOUT_MS_MAX>;
/// `--min-body-rate`, `--min-read-rate`: bytes a second, 0 is no limit.
pub type ByteRate = Ranged<0, BYTE_RATE_MAX>;
/// `--upstream-connections`; a process has at most so many ports towards one address.
pub type ConnectionCount = Ranged<1, 65_535>;
/// `--upstream-pending`.
pub type PendingCount = Ranged<0, 1_000_000>;
/// `--upstream-retries`: for a hundred requests.
pub type Percent = Ranged<0, 100>;
/// `--drain-timeout`: seconds.
pub type Seconds = Ranged<0, { TIMEOUT_MS_MAX / 1000 }>;

impl<const MIN: u64, const MAX: u64> Ranged<MIN, MAX> {
    /// `n` if it is within the range.
    pub fn new(n: u64) -> Result<Self, ValueFault> {
        if (MIN..=MAX).contains(&n) {
            Ok(Self(n))
        } else {
            Err(ValueFault::OutOfRange { min: MIN, max: MAX })
        }
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The number as a count in memory; numbers beyond it do not occur below `MAX` on 64-bit machines.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl ByteRate {
    /// The number.
    pub fn per_second(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Percent {
    /// The number, at most 100.
    pub fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(100)
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Ranged<MIN, MAX> {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let fault = ValueFault::OutOfRange { min: MIN, max: MAX };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fault);
        }
        text.parse().map_err(|_| fault).and_then(Self::new)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Ranged<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(RangedVisitor::<MIN, MAX>)
    }
}

struct RangedVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for RangedVisitor<MIN, MAX> {
    type Value = Ranged<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Self::Value, E> {
        let found = Unexpected::Signed(n);
        let n = u64::try_from(n).map_err(|_| E::invalid_value(found, &self))?;
        Ranged::new(n).map_err(|_| E::invalid_value(found, &self))
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Self::Value, E> {
        Ranged::new(n).map_err(|_| E::invalid_value(Unexpected::Unsigned(n), &self))
    }
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// Not a whole number from `min` to `max`.
    OutOfRange {
        /// The least that is taken.
        min: u64,
        /// The most that is taken.
        max: u64,
    },
    /// Not `host:port`.
    Address,
    /// Not `unix:PATH` with a path that a socket may have.
    UnixAddress,
    /// Neither `off` nor `host:port`.
    AdminAddress,
    /// No address in a list of them.
    NoAddress,
    /// Not `NAME=VALUE`.
    StageVariable,
    /// Not the name of a stage variable.
    VariableName,
    /// Not the value of a stage variable.
    VariableValue,
    /// A stage name outside API Gateway's alphabet.
    StageName,
    /// Outside visible ASCII, or empty.
    VisibleText,
    /// Not a region.
    Region,
    /// Not a bucket.
    Bucket,
    /// Not a domain.
    Domain,
    /// A host name.
    Host,
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { min, max } => {
                write!(f, "a whole number from {min} to {max} is wanted")
            }
            Self::Address => f.write_str(
                "host:port is wanted, as in 127.0.0.1:8080 or [::1]:8080, or unix:/path",
            ),
            Self::UnixAddress => {
                f.write_str("unix:PATH is wanted, PATH of at most 107 bytes, with ?mode=660 behind it for other permissions than 600")
            }
            Self::AdminAddress => {
                f.write_str("host:port is wanted, as in 127.0.0.1:9901, or off")
            }
            Self::NoAddress => {
                f.write_str("at least one host:port is wanted; without the key the default is taken")
            }
            Self::StageVariable => {
                f.write_str("NAME=VALUE is wanted, NAME of letters, digits and _")
            }
            Self::VariableName => {
                f.write_str("the name of a stage variable has 1 to 64 letters, digits or _")
            }
            Self::VariableValue => f.write_str(
                "the value of a stage variable has 1 to 512 characters of A-Z a-z 0-9 - . _ ~ : / ? # & = ,",
            ),
            Self::StageName => f.write_str("a stage name has 1 to 128 letters, digits, _ or -"),
            Self::VisibleText => f.write_str("visible ASCII without blanks is wanted"),
            Self::Region => {
                f.write_str("a region has 1 to 64 letters, digits or -, as in us-east-1")
            }
            Self::Bucket => f.write_str("a bucket has 3 to 255 letters, digits, ., - or _"),
            Self::Domain => f.write_str("a domain is letters, digits and - between dots, as s3.example.org"),
            Self::Host => f.write_str("a host is a name or an address without a port, as files.example.org"),
        }
    }
}

impl std::error::Error for ValueFault {}

/// A value read by its `FromStr` from a string of the file.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// `host:port` or `unix:PATH`, checked in shape; names are looked up by [`ListenAddress::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `host:port`
    Inet(String),
    /// `unix:PATH`, `unix:PATH?mode=660`
    Unix(UnixSocket),
}

impl ListenAddress {
    /// The addresses that the name stands for; never empty.
    pub fn resolve(&self) -> std::io::Result<Vec<ListenAt>> {
        let name = match self {
            Self::Inet(name) => name,
            Self::Unix(socket) => return Ok(vec![ListenAt::Unix(socket.clone())]),
        };
        let addresses: Vec<ListenAt> = name.to_socket_addrs()?.map(ListenAt::Inet).collect();
        if addresses.is_empty() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Ok(addresses)
    }
}

/// The part of `unix:PATH?mode=660` behind the colon.
fn unix_socket(text: &str) -> Option<UnixSocket> {
    let (path, mode) = match text.rsplit_once("?mode=") {
        None => (text, UNIX_MODE_DEFAULT),
        Some((path, digits)) => (path, permission_bits(digits)?),
    };
    let fits = (1..=UNIX_PATH_BYTES_MAX).contains(&path.len()) && !path.contains('\0');
    fits.then(|| UnixSocket {
        path: path.into(),
        mode,
    })
}

/// Three octal digits, a zero before them or not.
fn permission_bits(digits: &str) -> Option<u32> {
    let digits = match digits.len() {
        4 => digits.strip_prefix('0')?,
        3 => digits,
        _ => return None,
    };
    digits
        .chars()
        .try_fold(0, |bits, digit| Some(bits * 8 + digit.to_digit(8)?))
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(name) => f.write_str(name),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        if let Some(rest) = text.strip_prefix("unix:") {
            return unix_socket(rest)
                .map(Self::Unix)
                .ok_or(ValueFault::UnixAddress);
        }
        if text.parse::<SocketAddr>().is_ok() {
            return Ok(Self::Inet(text.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(ValueFault::Address)?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(ValueFault::Address);
        }
        port.parse::<Ranged<0, 65_535>>()
            .map_err(|_| ValueFault::Address)?;
        Ok(Self::Inet(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// The addresses of the file: if the key is there, at least one.
pub(super) fn at_least_one<'de, D>(deserializer: D) -> Result<Option<Vec<ListenAddress>>, D::Error>
where
    D: Deserializer<'de>,
{
    let addresses = Vec::deserialize(deserializer)?;
    if addresses.is_empty() {
        return Err(D::Error::custom(ValueFault::NoAddress));
    }
    Ok(Some(addresses))
}

/// `--trusted-proxies`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedRange(pub TrustedPeer);

impl FromStr for TrustedRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for TrustedRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// `--s3-endpoint`: an [`Endpoint`] as the command line and the file hold it, its name not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl(Endpoint);

impl StoreUrl {
    /// The endpoint, its name not looked up.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    /// The endpoint with its addresses. Blocks while the name is looked up.
    pub fn into_resolved(self) -> Result<Endpoint, EndpointError> {
        self.0.resolve()?;
        Ok(self.0)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for StoreUrl {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Endpoint::parse(text).map(Self)
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_within_the_range() {
        assert_eq!("1".parse::<WorkerCount>().unwrap().number(), 1);
        assert_eq!("1024".parse::<WorkerCount>().unwrap().number(), 1024);
        for refused in [
            "",
            "0",
            "1025",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "99999999999999999999",
        ] {
            assert!(refused.parse::<WorkerCount>().is_err(), "{refused:?}");
        }
    }

    #[test]
    fn listen_addresses_are_host_and_port() {
        for taken in [
            "127.0.0.1:8080",
            "[::1]:0",
            "localhost:8080",
            "0.0.0.0:65535",
        ] {
            assert!(taken.parse::<ListenAddress>().is_ok(), "{taken}");
        }
        for refused in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:",
            "localhost:65536",
            "a b:1",
            "::1:80x",
        ] {
            assert_eq!(
                refused.parse::<ListenAddress>(),
                Err(ValueFault::Address),
                "{refused}"
            );
        }
    }

    #[test]
    fn unix_sockets_have_a_path_and_may_have_permissions() {
        let longest = format!("unix:/{}", "a".repeat(UNIX_PATH_BYTES_MAX - 1));
        for (text, mode) in [
            ("unix:/run/s", 0o600),
            ("unix:s?mode=660", 0o660),
            ("unix:/run/s?mode=0777", 0o777),
            (longest.as_str(), 0o600),
        ] {
            match text.parse::<ListenAddress>().unwrap() {
                ListenAddress::Unix(socket) => assert_eq!(socket.mode, mode, "{text}"),
                ListenAddress::Inet(_) => panic!("{text}"),
            }
        }
        for refused in [
            "unix:",
            "unix:?mode=660",
            "unix:/s?mode=",
            "unix:/s?mode=66",
            "unix:/s?mode=680",
            "unix:/s?mode=1777",
            &format!("{longest}a"),
        ] {
            assert_eq!(
                refused.parse::<ListenAddress>(),
                Err(ValueFault::UnixAddress),
                "{refused}"
            );
        }
    }
}
