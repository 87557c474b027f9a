//! Where the load goes: `http://host[:port][/base/path]`.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::net::upstream::endpoint::Endpoint;
use crate::net::upstream::endpoint::EndpointError;

/// A base URL, resolved.
#[derive(Clone, Debug)]
pub struct Target {
    /// For the Host field.
    pub authority: String,
    /// What stands before every path: empty, or `/v1` without a slash at its end.
    pub base: String,
    /// Where connections go: the first address of the name.
    pub address: SocketAddr,
}

/// Why a base URL is refused.
#[derive(Debug)]
pub enum TargetError {
    /// Scheme, host or port.
    Endpoint(EndpointError),
    /// The base path has a query, a fragment, a blank or another byte that has no place in a path.
    Base,
    /// `https://`: TLS would be measured more than what is behind it.
    Https,
    /// The name has no address.
    Nowhere,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(fault) => write!(f, "{fault}"),
            Self::Base => f.write_str(
                "wanted http://host[:port][/base/path] without a query, fragment or blank",
            ),
            Self::Https => {
                f.write_str("https is not driven, wanted http://host[:port][/base/path]")
            }
            Self::Nowhere => f.write_str("the host has no address"),
        }
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Reads the URL and looks the host up, blocking this thread.
    ///
    /// # Errors
    /// The URL is no `http://` base URL, or its host has no address.
    pub fn resolve(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let path_at = rest.find('/').unwrap_or(rest.len());
        let (authority, base) = rest.split_at(path_at);
        let base = base.trim_end_matches('/');
        if !base
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'))
        {
            return Err(TargetError::Base);
        }
        let endpoint =
            Endpoint::parse(&format!("{scheme}://{authority}")).map_err(TargetError::Endpoint)?;
        if endpoint.is_tls() {
            return Err(TargetError::Https);
        }
        endpoint.resolve().map_err(TargetError::Endpoint)?;
        Ok(Self {
            authority: endpoint.authority().to_owned(),
            base: base.to_owned(),
            address: *endpoint.addresses().first().ok_or(TargetError::Nowhere)?,
        })
    }

    /// A connection for one exchange at a time, blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(&self, timeout: std::time::Duration) -> io::Result<std::net::TcpStream> {
        let stream = std::net::TcpStream::connect_timeout(&self.address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_are_kept_without_their_last_slash() {
        for (url, authority, base) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", ""),
            ("http://127.0.0.1/v1/", "127.0.0.1", "/v1"),
            ("http://[::1]:9/a/b", "[::1]:9", "/a/b"),
        ] {
            let target = Target::resolve(url).unwrap();
            assert_eq!(
                (target.authority.as_str(), target.base.as_str()),
                (authority, base),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for url in [
            "127.0.0.1:80",
            "ftp://a/",
            "http://",
            "http://a:0/",
            "https://127.0.0.1/",
            "http://127.0.0.1/?q",
            "http://127.0.0.1/a b",
        ] {
            assert!(Target::resolve(url).is_err(), "{url}");
        }
        let told = Target::resolve("http://u:hunter2@127.0.0.1/")
            .unwrap_err()
            .to_string();
        assert!(!told.contains("hunter2"), "{told}");
    }
}
