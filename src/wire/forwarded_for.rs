//! `X-Forwarded-For`: who asked, as far as those who passed the request on are believed.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::wire::http1::fields::Fields;
use crate::wire::http1::fields::trim_blanks;

/// Addresses that are looked at, from the nearest on: more proxies do not stand in a row.
const HOPS_MAX: usize = 32;

/// The client's address: from `nearest` on, each trusted address is believed about the one before it. Anything that is no
/// address ends the walk. `nearest` is `None` for whoever connected over a Unix socket and is trusted.
///
/// The field is read from its end, since only what a trusted proxy has added there can be believed: a client may send
/// anything in front of it.
#[must_use]
pub fn client_address(
    nearest: Option<IpAddr>,
    fields: &Fields,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = nearest;
    let mut values: Vec<&[u8]> = fields.all(b"x-forwarded-for").collect();
    values.reverse();
    let hops = values
        .iter()
        .flat_map(|value| value.rsplit(|&byte| byte == b','));
    for hop in hops.take(HOPS_MAX) {
        if client.is_some_and(|address| !is_trusted(address)) {
            break;
        }
        match address(trim_blanks(hop)) {
            Some(address) => client = Some(address),
            None => break,
        }
    }
    client
}

/// An address, with or without a port, IPv6 in brackets or without.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(text).parse::<IpAddr>();
    let ip = ip.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(nearest: &str, values: &[&str]) -> String {
        let mut fields = Fields::default();
        for value in values {
            fields.push(b"X-Forwarded-For", value.as_bytes());
        }
        let trusted = |ip: IpAddr| ip.to_string().starts_with("10.") || ip.is_loopback();
        let nearest = (!nearest.is_empty()).then(|| nearest.parse().unwrap());
        client_address(nearest, &fields, trusted).map_or_else(String::new, |ip| ip.to_string())
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client_of("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client_of("192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_clients() {
        for (values, client) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            (&["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            (&["6.6.6.6", "203.0.113.9 ,\t10.0.0.2"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            assert_eq!(client_of("10.0.0.1", values), client, "{values:?}");
        }
        assert_eq!(client_of("", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client_of("", &[]), "");
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for value in [
            "unknown",
            "",
            "203.0.113.9, unknown",
            "203.0.113.9,",
            "1.2.3",
            "_hidden",
        ] {
            assert_eq!(client_of("10.0.0.1", &[value]), "10.0.0.1", "{value}");
        }
    }

    #[test]
    fn a_row_of_proxies_has_an_end() {
        let row = |count: usize| {
            let proxies = vec!["10.0.0.2"; count].join(", ");
            client_of("10.0.0.1", &[&format!("203.0.113.9, {proxies}")])
        };
        assert_eq!(row(HOPS_MAX - 1), "203.0.113.9");
        assert_eq!(row(HOPS_MAX), "10.0.0.2");
    }
}
