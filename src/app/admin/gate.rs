//! Who may read what. The admin listener asks nobody for a password, so that a browser must not be led to it: a page of
//! somebody else whose name was made to point here (DNS rebinding) comes with that name in `Host`.

use std::net::{IpAddr, SocketAddr};

/// What a page shows, and so who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Nothing but a state: everybody, under any name.
    Probe,
    /// Numbers: scrapers know the listener by a name of theirs, which is fine where it does not listen on loopback.
    Numbers,
    /// How the gateway is set up: by address, `localhost` or the name in `--admin` alone.
    Inside,
}

/// The names of one listener.
#[derive(Debug)]
pub struct Gate {
    on_loopback: bool,
    name: Option<String>,
}

impl Gate {
    /// The gate of a listener at `address`, known by `name`.
    #[must_use]
    pub fn new(address: SocketAddr, name: Option<String>) -> Self {
        Self {
            on_loopback: address.ip().is_loopback(),
            name,
        }
    }

    /// Whether a request with this `Host` may see a page.
    #[must_use]
    pub fn lets(&self, host: Option<&[u8]>, exposure: Exposure) -> bool {
        match exposure {
            Exposure::Probe => true,
            Exposure::Numbers if !self.on_loopback => true,
            Exposure::Numbers | Exposure::Inside => {
                // HTTP/1.0 without Host comes from no browser.
                host.is_none_or(|host| self.knows(host))
            }
        }
    }

    fn knows(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else {
            return false;
        };
        let name = without_port(host);
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self
                .name
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The host of an authority, an IPv6 address without its brackets.
fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    authority
        .split_once(':')
        .map_or(authority, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(address: &str, name: Option<&str>) -> Gate {
        Gate::new(address.parse().unwrap(), name.map(str::to_owned))
    }

    #[test]
    fn addresses_localhost_and_the_own_name_are_let_in() {
        let gate = gate("127.0.0.1:1", Some("gateway.example"));
        for host in [
            "127.0.0.1",
            "127.0.0.1:9901",
            "[::1]:9901",
            "[::1]",
            "localhost",
            "LocalHost:1",
            "gateway.example:9901",
            "192.0.2.1:80",
        ] {
            assert!(gate.lets(Some(host.as_bytes()), Exposure::Inside), "{host}");
        }
        assert!(gate.lets(None, Exposure::Inside));
    }

    #[test]
    fn other_names_are_kept_out() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9901",
            "",
            "[evil",
        ] {
            let host = Some(host.as_bytes());
            let local = gate("127.0.0.1:1", None);
            assert!(!local.lets(host, Exposure::Inside));
            assert!(!local.lets(host, Exposure::Numbers));
            assert!(local.lets(host, Exposure::Probe));
            let open = gate("0.0.0.0:1", None);
            assert!(!open.lets(host, Exposure::Inside));
            assert!(open.lets(host, Exposure::Numbers));
        }
    }
}
