//! Where an upstream is: the store, or the backend of an HTTP integration.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use crate::net::upstream::addresses::AddressSlot;

/// RFC 1035 §2.3.4.
const HOST_BYTES_MAX: usize = 253;

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    const fn port_default(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An upstream's address, checked: `http` or `https`, a host and a port, nothing else. Two of the same origin are equal.
#[derive(Clone, Debug)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    authority: String,
    /// Shared by all clones.
    addresses: AddressSlot,
    /// The addresses may change while it is used.
    refreshed: bool,
}

/// What is wrong with an endpoint, for a person.
#[derive(Debug)]
pub struct EndpointError {
    /// As it was given; `None` if it may hold a password.
    found: Option<String>,
    /// What is wrong.
    pub fault: EndpointFault,
}

/// See [`EndpointError`].
#[derive(Debug)]
pub enum EndpointFault {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// `user@` before the host.
    UserInfo,
    /// More than `/` behind the host: a path, a query or a fragment.
    Path,
    /// No host, or one with other characters than a name or address has.
    Host,
    /// Not a decimal number from 1 to 65535.
    Port,
    /// The name has no address.
    Unresolved(io::Error),
}

impl Endpoint {
    /// Reads `http://host[:port][/]` or `https://…`, the host a name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let refuse = |fault| EndpointError {
            // An `@` may follow a password, whatever else is wrong.
            found: (!text.contains('@')).then(|| text.to_owned()),
            fault,
        };
        let (scheme, authority) = split_scheme(text).map_err(refuse)?;
        if authority.contains('@') {
            return Err(refuse(EndpointFault::UserInfo));
        }
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(refuse(EndpointFault::Path));
        }
        let (host, port) = split_port(authority).map_err(refuse)?;
        let port = port.unwrap_or_else(|| scheme.port_default());
        let address = host_address(host).map_err(refuse)?;
        let authority = if port == scheme.port_default() {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            authority,
            addresses: AddressSlot::new(address.map(|ip| SocketAddr::new(ip, port))),
            refreshed: address.is_none(),
        })
    }

    /// Looks the host's addresses up, blocking this thread; before the cores start. An address needs no look-up.
    ///
    /// # Errors
    /// The name has no address.
    pub fn resolve(&self) -> Result<(), EndpointError> {
        if !self.addresses().is_empty() {
            return Ok(());
        }
        self.look_up().map(|_changed| ())
    }

    /// Asks the system's resolver for the addresses now, blocking this thread, for all clones. Tells whether they changed.
    ///
    /// # Errors
    /// The name has no address; what was known before stays.
    pub fn look_up(&self) -> Result<bool, EndpointError> {
        let refuse = |cause| EndpointError {
            found: Some(self.host.clone()),
            fault: EndpointFault::Unresolved(cause),
        };
        let mut found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(refuse)?
            .peekable();
        if found.peek().is_none() {
            return Err(refuse(io::ErrorKind::NotFound.into()));
        }
        Ok(self.publish(found))
    }

    /// Replaces the addresses for all clones; no addresses change nothing. Tells whether anything changed.
    pub fn publish(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> bool {
        self.addresses.publish(addresses)
    }

    /// The same with these addresses, whatever its name stands for now or later.
    #[must_use]
    pub fn with_addresses(self, addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses: AddressSlot::new(addresses),
            refreshed: false,
            ..self
        }
    }

    /// Whether its name has to be looked up again from time to time.
    #[must_use]
    pub const fn is_refreshed(&self) -> bool {
        self.refreshed
    }

    /// Whether connections to it speak TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.scheme, Scheme::Https)
    }

    /// For the Host field: the host, and the port unless it is the scheme's.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host as it was given, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 or 443 if none was given.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where to connect, in the resolver's order; empty for a name before [`Endpoint::resolve`]. The same allocation until
    /// they change.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.current()
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && self.host.eq_ignore_ascii_case(&other.host)
    }
}

impl Eq for Endpoint {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority)
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), EndpointFault> {
    let (scheme, rest) = text.split_once("://").ok_or(EndpointFault::Scheme)?;
    let known = [Scheme::Http, Scheme::Https];
    let found = known
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known.name()));
    Ok((found.ok_or(EndpointFault::Scheme)?, rest))
}

/// The host with its brackets, and the port.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointFault> {
    let host_end = match authority.find(']') {
        Some(bracket) => bracket.saturating_add(1),
        None => authority.rfind(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority
        .split_at_checked(host_end)
        .ok_or(EndpointFault::Host)?;
    match rest.strip_prefix(':') {
        Some(digits) => Ok((host, Some(port(digits)?))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(EndpointFault::Host),
    }
}

fn port(digits: &str) -> Result<u16, EndpointFault> {
    let number = digits.bytes().try_fold(0u16, |number, byte| {
        let digit = char::from(byte).to_digit(10)?;
        number
            .checked_mul(10)?
            .checked_add(u16::try_from(digit).ok()?)
    });
    number.filter(|&port| port != 0).ok_or(EndpointFault::Port)
}

/// The address, if the host is one and no name.
fn host_address(host: &str) -> Result<Option<IpAddr>, EndpointFault> {
    if let Some(inside) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = inside.parse().map_err(|_| EndpointFault::Host)?;
        return Ok(Some(IpAddr::V6(address)));
    }
    // The underscore is no part of a host name, but container networks give such names.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(is_name) {
        return Err(EndpointFault::Host);
    }
    Ok(host.parse().ok().map(IpAddr::V4))
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self
            .found
            .as_deref()
            .unwrap_or("(not shown, it may hold a password)");
        match &self.fault {
            EndpointFault::Scheme => {
                write!(
                    f,
                    "endpoint {found}: wanted http://host[:port] or https://host[:port]"
                )
            }
            EndpointFault::UserInfo => {
                write!(
                    f,
                    "endpoint {found}: found a user before the host, wanted http(s)://host[:port]"
                )
            }
            EndpointFault::Path => write!(
                f,
                "endpoint {found}: found a path, query or fragment, wanted http(s)://host[:port]"
            ),
            EndpointFault::Host => {
                write!(
                    f,
                    "endpoint {found}: wanted a host name, an IPv4 address or [IPv6 address]"
                )
            }
            EndpointFault::Port => write!(f, "endpoint {found}: wanted a port from 1 to 65535"),
            EndpointFault::Unresolved(cause) => {
                write!(f, "endpoint host {found}: no address found: {cause}")
            }
        }
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            EndpointFault::Unresolved(cause) => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String) {
        let endpoint = Endpoint::parse(text).unwrap();
        (
            endpoint.host().to_owned(),
            endpoint.port(),
            endpoint.authority().to_owned(),
        )
    }

    #[test]
    fn host_and_port_are_read() {
        for (text, host, port, authority) in [
            ("http://store", "store", 80, "store"),
            ("http://store/", "store", 80, "store"),
            ("HTTP://store:80", "store", 80, "store"),
            ("http://127.0.0.1:8333", "127.0.0.1", 8333, "127.0.0.1:8333"),
            ("http://[::1]:9000/", "[::1]", 9000, "[::1]:9000"),
            ("http://[::1]", "[::1]", 80, "[::1]"),
            ("http://store:443", "store", 443, "store:443"),
            ("https://store", "store", 443, "store"),
            ("HTTPS://store:443/", "store", 443, "store"),
            ("https://store:80", "store", 80, "store:80"),
            (
                "https://127.0.0.1:9000",
                "127.0.0.1",
                9000,
                "127.0.0.1:9000",
            ),
            (
                "http://s3_store.local:65535",
                "s3_store.local",
                65535,
                "s3_store.local:65535",
            ),
        ] {
            assert_eq!(
                parts(text),
                (host.to_owned(), port, authority.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn endpoints_of_one_origin_are_equal() {
        let endpoint = |text| Endpoint::parse(text).unwrap();
        assert_eq!(endpoint("http://Store:80"), endpoint("HTTP://store/"));
        assert_eq!(endpoint("https://store:443"), endpoint("https://store"));
        assert_ne!(endpoint("https://store:80"), endpoint("http://store:80"));
        assert_ne!(endpoint("http://store:81"), endpoint("http://store"));
        assert_eq!(endpoint("https://store:443").to_string(), "https://store");
        assert!(endpoint("https://store").is_tls() && !endpoint("http://store").is_tls());
    }

    #[test]
    fn address_needs_no_resolver() {
        let endpoint = Endpoint::parse("http://[::1]:9000").unwrap();
        assert_eq!(*endpoint.addresses(), ["[::1]:9000".parse().unwrap()]);
        let endpoint = Endpoint::parse("http://10.0.0.7").unwrap();
        assert_eq!(*endpoint.addresses(), ["10.0.0.7:80".parse().unwrap()]);
    }

    #[test]
    fn name_is_resolved_when_asked() {
        let endpoint = Endpoint::parse("http://localhost:8333").unwrap();
        assert!(endpoint.addresses().is_empty());
        endpoint.resolve().unwrap();
        assert!(
            endpoint
                .addresses()
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        assert!(
            endpoint
                .addresses()
                .iter()
                .all(|address| address.port() == 8333)
        );
        assert!(!endpoint.addresses().is_empty());
    }

    #[test]
    fn name_without_address_is_told() {
        // A label of 64 bytes cannot even be asked for (RFC 1035 §2.3.4).
        let name = "a".repeat(64);
        let endpoint = Endpoint::parse(&format!("http://{name}")).unwrap();
        let error = endpoint.resolve().unwrap_err();
        assert!(matches!(error.fault, EndpointFault::Unresolved(_)));
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("endpoint host {name}: no address")),
            "{text}"
        );
    }

    #[test]
    fn anything_but_host_and_port_is_refused() {
        for (text, want) in [
            ("https://", "Host"),
            ("https://store/bucket", "Path"),
            ("httpss://store", "Scheme"),
            ("store:8333", "Scheme"),
            ("", "Scheme"),
            ("ftp://store", "Scheme"),
            ("http://key:secret@store", "UserInfo"),
            ("http://store/bucket", "Path"),
            ("http://store//", "Path"),
            ("http://store?x=1", "Path"),
            ("http://store/#top", "Path"),
            ("http://", "Host"),
            ("http:///", "Host"),
            ("http://:80", "Host"),
            ("http://st ore", "Host"),
            ("http://störe", "Host"),
            ("http://::1:80", "Host"),
            ("http://[::1", "Host"),
            ("http://[store]", "Host"),
            ("http://[::1]x", "Host"),
            ("http://store:", "Port"),
            ("http://store:0", "Port"),
            ("http://store:65536", "Port"),
            ("http://store:+80", "Port"),
            ("http://store:80:80", "Host"),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(format!("{:?}", error.fault), want, "{text}");
        }
    }

    #[test]
    fn refusal_says_what_was_found_but_no_password() {
        let error = Endpoint::parse("s3://store").unwrap_err().to_string();
        assert!(
            error.contains("s3://store") && error.contains("https://host"),
            "{error}"
        );
        for url in [
            "http://key:secret@store",
            "https://key:secret@store",
            "s3://key:secret@store",
            "key:secret@store",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
