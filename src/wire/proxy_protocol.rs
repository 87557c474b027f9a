//! The PROXY protocol, versions 1 and 2: what a load balancer says of a connection before its first byte
//! (haproxy.org, `proxy-protocol.txt`).

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

/// The longest header that is taken. Version 1 has at most 107 bytes; version 2 could have 64 KiB of additional values, of
/// which usual ones (SNI, a certificate's names) take some hundred bytes.
pub const HEADER_BYTES_MAX: usize = 4096;
/// The longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length.
const FIXED_BYTES: usize = 16;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The connection is that of this client.
    Client(SocketAddr),
    /// It is the balancer's own (a health check), or of a kind that has no address: whoever connected is meant.
    Nobody,
}

/// Not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeaderError;

/// Reads a header at the start of `bytes`: how long it is and what it says. `None`: so far it is one, and more has to come.
///
/// # Errors
/// No continuation makes it a header, or it is longer than [`HEADER_BYTES_MAX`].
pub fn read(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyHeaderError> {
    const NAME: &[u8] = b"PROXY ";
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(SIGNATURE) {
        read_binary(bytes)
    } else if begins(NAME) {
        read_line(bytes)
    } else {
        Err(ProxyHeaderError)
    }
}

fn read_line(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyHeaderError> {
    let within = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX {
            Ok(None)
        } else {
            Err(ProxyHeaderError)
        };
    };
    let line = within.get(..end).ok_or(ProxyHeaderError)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyHeaderError)?;
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().ok_or(ProxyHeaderError);
    let announced = match word()? {
        // What follows is to be passed over.
        "UNKNOWN" => return Ok(Some((end + 2, Announced::Nobody))),
        "TCP4" => Announced::Client(line_addresses::<Ipv4Addr>(&mut word)?),
        "TCP6" => Announced::Client(line_addresses::<Ipv6Addr>(&mut word)?),
        _ => return Err(ProxyHeaderError),
    };
    if word().is_ok() {
        return Err(ProxyHeaderError);
    }
    Ok(Some((end + 2, announced)))
}

/// Source, destination and their ports; all must be right, the source is wanted.
fn line_addresses<'l, A: std::str::FromStr + Into<IpAddr>>(
    word: &mut impl FnMut() -> Result<&'l str, ProxyHeaderError>,
) -> Result<SocketAddr, ProxyHeaderError> {
    let mut address = || {
        let address: A = word()?.parse().map_err(|_| ProxyHeaderError)?;
        Ok::<IpAddr, ProxyHeaderError>(address.into())
    };
    let (source, _destination) = (address()?, address()?);
    let mut port = || port(word()?);
    let (source_port, _destination_port) = (port()?, port()?);
    Ok(SocketAddr::new(source, source_port))
}

/// Digits without a zero before them, to 65535.
fn port(text: &str) -> Result<u16, ProxyHeaderError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (text.len() > 1 && text.starts_with('0')) {
        return Err(ProxyHeaderError);
    }
    text.parse().map_err(|_| ProxyHeaderError)
}

fn read_binary(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyHeaderError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_BYTES + length > HEADER_BYTES_MAX {
        return Err(ProxyHeaderError);
    }
    let is_proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(ProxyHeaderError),
    };
    let source = match family {
        _ if !is_proxied => None,
        // TCP over IPv4, IPv6; Unix sockets and "unspecified" have no address that counts. UDP does not come here.
        0x11 => Some(binary_source::<4, 12>(rest, length)?),
        0x21 => Some(binary_source::<16, 36>(rest, length)?),
        0x00 | 0x31 => None,
        _ => return Err(ProxyHeaderError),
    };
    if rest.len() < length {
        return Ok(None);
    }
    // A source that is not there yet is not looked at.
    let announced = source
        .flatten()
        .map_or(Announced::Nobody, Announced::Client);
    Ok(Some((FIXED_BYTES + length, announced)))
}

/// The source in an address block of `BLOCK` bytes; `None` while it has not come.
fn binary_source<const ADDRESS: usize, const BLOCK: usize>(
    rest: &[u8],
    length: usize,
) -> Result<Option<SocketAddr>, ProxyHeaderError>
where
    [u8; ADDRESS]: Into<IpAddr>,
{
    if length < BLOCK {
        return Err(ProxyHeaderError);
    }
    let Some((address, rest)) = rest.split_first_chunk::<ADDRESS>() else {
        return Ok(None);
    };
    let port = rest.get(ADDRESS..ADDRESS + 2);
    let Some(&[high, low]) = port.and_then(|port| port.first_chunk::<2>()) else {
        return Ok(None);
    };
    let port = u16::from_be_bytes([high, low]);
    Ok(Some(SocketAddr::new((*address).into(), port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(block);
        bytes
    }

    fn v4_block(more: &[u8]) -> Vec<u8> {
        [
            &[192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 1, 187][..],
            more,
        ]
        .concat()
    }

    /// Headers that are right, with what they say.
    fn good() -> Vec<(Vec<u8>, Announced)> {
        let client = |text: &str| Announced::Client(text.parse().unwrap());
        let mut v6 = vec![0; 36];
        v6[15] = 9;
        v6[32..34].copy_from_slice(&[0, 80]);
        vec![
            (
                b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n".to_vec(),
                client("192.0.2.7:12345"),
            ),
            (
                b"PROXY TCP6 ::9 ::1 80 443\r\n".to_vec(),
                client("[::9]:80"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Announced::Nobody),
            (
                b"PROXY UNKNOWN ff:: whatever 1 2\r\n".to_vec(),
                Announced::Nobody,
            ),
            (
                binary(0x21, 0x11, &v4_block(b"")),
                client("192.0.2.7:12345"),
            ),
            (
                binary(0x21, 0x11, &v4_block(b"\x02\0\x01a")),
                client("192.0.2.7:12345"),
            ),
            (binary(0x21, 0x21, &v6), client("[::9]:80")),
            (binary(0x20, 0x00, b""), Announced::Nobody),
            (binary(0x20, 0x11, &v4_block(b"")), Announced::Nobody),
            (binary(0x21, 0x00, b"any"), Announced::Nobody),
            (binary(0x21, 0x31, &[0; 216]), Announced::Nobody),
        ]
    }

    #[test]
    fn headers_are_read_with_their_length_and_at_every_cut_wait_for_more() {
        for (header, said) in good() {
            let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&with_more), Ok(Some((header.len(), said))));
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Ok(None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE_BYTES_MAX));
        let mut refused: Vec<Vec<u8>> = [
            "GET / HTTP/1.1\r\n",
            "PROXX",
            "proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
            "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
            &long,
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
        refused.extend([
            binary(0x11, 0x11, &v4_block(b"")),
            binary(0x22, 0x11, &v4_block(b"")),
            binary(0x21, 0x12, &v4_block(b"")),
            binary(0x21, 0x11, &[0; 11]),
            binary(0x21, 0x21, &[0; 35]),
            binary(0x21, 0x00, &vec![0; HEADER_BYTES_MAX - FIXED_BYTES + 1]),
        ]);
        for bytes in refused {
            let shown = bytes.escape_ascii().to_string();
            assert_eq!(read(&bytes), Err(ProxyHeaderError), "{shown}");
        }
        let longest = binary(0x21, 0x00, &vec![0; HEADER_BYTES_MAX - FIXED_BYTES]);
        assert!(read(&longest).unwrap().is_some());
    }
}
