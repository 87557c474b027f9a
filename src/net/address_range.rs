//! Ranges of addresses that are trusted to speak for others.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::net::address::PeerAddress;

/// `10.0.0.0/8`, a single address, or `unix` for whoever connects over a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedPeer {
    /// Addresses whose first `bits` are those of `network`.
    Range {
        /// The network; its other bits are zero.
        network: IpAddr,
        /// How many bits count.
        bits: u32,
    },
    /// Unix sockets.
    Unix,
}

/// Neither a range nor an address nor `unix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRange;

impl fmt::Display for NoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or a range is wanted, as 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1, with no bit set behind the range's, or unix")
    }
}

impl std::error::Error for NoRange {}

impl fmt::Display for TrustedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { network, bits } if *bits == whole_bits(*network) => {
                write!(f, "{network}")
            }
            Self::Range { network, bits } => write!(f, "{network}/{bits}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl FromStr for TrustedPeer {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let network: IpAddr = address.parse().map_err(|_| NoRange)?;
        let whole = whole_bits(network);
        let bits = match bits {
            None => whole,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NoRange)?
            }
            Some(_) => return Err(NoRange),
        };
        // A bit behind the range is a slip: nobody knows which range was meant.
        if bits > whole || masked(network, bits) != number(network) {
            return Err(NoRange);
        }
        Ok(Self::Range { network, bits })
    }
}

impl TrustedPeer {
    /// Whether this address is within the range. An IPv4 address in IPv6 clothes is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Range { network, bits } => {
                network.is_ipv4() == address.is_ipv4() && masked(address, *bits) == number(*network)
            }
            Self::Unix => false,
        }
    }

    /// Whether whoever connected is meant.
    #[must_use]
    pub fn is_of(&self, peer: PeerAddress) -> bool {
        match peer {
            PeerAddress::Inet(address) => self.contains(address.ip()),
            PeerAddress::Unix => *self == Self::Unix,
        }
    }
}

const fn whole_bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The first `bits` of an address, zeroes behind them.
fn masked(address: IpAddr, bits: u32) -> u128 {
    let behind = whole_bits(address).saturating_sub(bits);
    let kept = u128::MAX.checked_shl(behind).unwrap_or(0);
    number(address) & kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::", "192.0.2.1"),
            ("192.0.2.0/31", "::ffff:192.0.2.1", "192.0.2.2"),
        ] {
            let range: TrustedPeer = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()), "{range:?}");
            assert!(!range.contains(outside.parse().unwrap()), "{range:?}");
            assert!(!range.is_of(PeerAddress::Unix));
        }
        assert!(TrustedPeer::Unix.is_of(PeerAddress::Unix));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10/8",
            "example.org",
            "10.0.0.0/8/8",
            "unix:",
        ] {
            assert_eq!(text.parse::<TrustedPeer>(), Err(NoRange), "{text}");
        }
    }
}
