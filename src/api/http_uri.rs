//! URLs of `http` and `http_proxy` integrations (spec 01, 06). What is called is settled when the document is loaded: no
//! request has a say in scheme, host and port.

use std::fmt;

use crate::api::integration_uri::{UriFault, parse_template};
use crate::api::model::HttpUri;
use crate::wire::http1::host;

/// Why a text is no URL of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpUriFault {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// `user@` before the host; what follows may be a password and is not shown.
    UserInfo,
    /// A placeholder before the path.
    PlaceholderInHost,
    /// No host, or one with other characters than a name or an address has.
    Host,
    /// Not a decimal number from 1 to 65535.
    Port,
    /// Path or query.
    Rest(UriFault),
}

impl fmt::Display for HttpUriFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Scheme => "wanted http:// or https://",
            Self::UserInfo => {
                "wanted no user before the host (map `integration.request.header.Authorization`)"
            }
            Self::PlaceholderInHost => {
                "wanted placeholders in path and query only: a request must not choose the host (a `${stageVariables.NAME}` may)"
            }
            Self::Host => "wanted a host name, an IPv4 address or [IPv6 address]",
            Self::Port => "wanted a port from 1 to 65535",
            Self::Rest(fault) => return fault.fmt(out),
        })
    }
}

/// Reads `http[s]://host[:port][/path][?query]`, stage variables filled in.
///
/// # Errors
/// Anything else.
pub fn parse(text: &str) -> Result<HttpUri, HttpUriFault> {
    let (scheme, rest) = text.split_once("://").ok_or(HttpUriFault::Scheme)?;
    let (scheme, port_default) = if scheme.eq_ignore_ascii_case("http") {
        ("http", "80")
    } else if scheme.eq_ignore_ascii_case("https") {
        ("https", "443")
    } else {
        return Err(HttpUriFault::Scheme);
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(HttpUriFault::Host)?;
    if authority.contains('@') {
        return Err(HttpUriFault::UserInfo);
    }
    if authority.contains(['{', '}']) {
        return Err(HttpUriFault::PlaceholderInHost);
    }
    let (name, port) = split_port(authority)?;
    let authority = match port {
        Some(port) if port != port_default => format!("{name}:{port}"),
        _ => name.to_owned(),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if path.is_empty() { "/" } else { path };
    if !path.starts_with('/') {
        let wrong = path.chars().next().unwrap_or('#');
        return Err(HttpUriFault::Rest(UriFault::Character(wrong)));
    }
    Ok(HttpUri {
        origin: format!("{scheme}://{authority}"),
        authority,
        path: parse_template(path).map_err(HttpUriFault::Rest)?,
        query: parse_template(query).map_err(HttpUriFault::Rest)?,
    })
}

/// Host and port, both checked.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), HttpUriFault> {
    let name_end = match authority.find(']') {
        Some(bracket) => bracket.saturating_add(1),
        None => authority.rfind(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority
        .split_at_checked(name_end)
        .ok_or(HttpUriFault::Host)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let sound = if name.starts_with('[') {
        host::is_valid(name.as_bytes())
    } else {
        !name.is_empty() && name.bytes().all(is_name)
    };
    if !sound {
        return Err(HttpUriFault::Host);
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((name, None)),
        None => Err(HttpUriFault::Host),
        Some(port) if is_port(port) => Ok((name, Some(port))),
        Some(_) => Err(HttpUriFault::Port),
    }
}

fn is_port(digits: &str) -> bool {
    let number = digits.bytes().try_fold(0u16, |number, byte| {
        let digit = char::from(byte).to_digit(10)?;
        number
            .checked_mul(10)?
            .checked_add(u16::try_from(digit).ok()?)
    });
    number.is_some_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::model::UriPart;

    #[test]
    fn urls_have_an_origin_a_path_and_a_query() {
        for (text, origin, authority) in [
            ("http://a.example/x", "http://a.example", "a.example"),
            ("HTTP://a.example:80/x", "http://a.example", "a.example"),
            ("https://a:443", "https://a", "a"),
            ("https://a:80/", "https://a:80", "a:80"),
            (
                "http://127.0.0.1:8080?x",
                "http://127.0.0.1:8080",
                "127.0.0.1:8080",
            ),
            ("http://[::1]:81/", "http://[::1]:81", "[::1]:81"),
        ] {
            let uri = parse(text).unwrap();
            assert_eq!(
                (uri.origin.as_str(), uri.authority.as_str()),
                (origin, authority)
            );
        }
        let uri = parse("http://a/pets/{proxy}?k={v}&l").unwrap();
        let wanted = [
            UriPart::Literal("/pets/".to_owned()),
            UriPart::Placeholder("proxy".to_owned()),
        ];
        assert_eq!(uri.path.parts, wanted);
        assert_eq!(uri.query.parts.len(), 3);
        assert_eq!(
            parse("http://a").unwrap().path.parts,
            [UriPart::Literal("/".to_owned())]
        );
    }

    #[test]
    fn no_request_chooses_the_host() {
        for text in [
            "http://{host}/x",
            "http://a.{zone}/x",
            "http://a{path}",
            "http://a:{port}/",
            "https://{host}:443/",
            "http://a.example}.b/",
        ] {
            assert_eq!(parse(text), Err(HttpUriFault::PlaceholderInHost), "{text}");
        }
        assert!(parse("http://a/{host}").is_ok());
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (text, fault) in [
            ("ftp://a/", HttpUriFault::Scheme),
            ("a.example/x", HttpUriFault::Scheme),
            ("http:/a", HttpUriFault::Scheme),
            ("http://u:p@a/", HttpUriFault::UserInfo),
            ("http://", HttpUriFault::Host),
            ("http:///x", HttpUriFault::Host),
            ("http://:80/", HttpUriFault::Host),
            ("http://a b/", HttpUriFault::Host),
            ("http://a\r\nb/", HttpUriFault::Host),
            ("http://::1/", HttpUriFault::Host),
            ("http://[::1", HttpUriFault::Host),
            ("http://a:0/", HttpUriFault::Port),
            ("http://a:65536/", HttpUriFault::Port),
            ("http://a:+1/", HttpUriFault::Port),
            ("http://a:/", HttpUriFault::Port),
            ("http://a#x", HttpUriFault::Rest(UriFault::Character('#'))),
            (
                "http://a\\@b",
                HttpUriFault::Rest(UriFault::Character('\\')),
            ),
            ("http://a/x y", HttpUriFault::Rest(UriFault::Character(' '))),
            ("http://a/{x", HttpUriFault::Rest(UriFault::Placeholder)),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }
}
