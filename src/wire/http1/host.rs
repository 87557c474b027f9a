//! The form of an authority: the Host field and absolute-form targets (RFC 9110 §7.2).

/// Whether `value` is `uri-host [":" port]` or empty (RFC 3986 §3.2.2). A comma is refused although a
/// registered name may hold one: it would hide a list of hosts. So is user information.
#[must_use]
pub fn is_valid(value: &[u8]) -> bool {
    let (name_is_valid, port) = match value.strip_prefix(b"[") {
        Some(inner) => {
            let Some(end) = memchr::memchr(b']', inner) else {
                return false;
            };
            let (address, rest) = inner.split_at(end);
            (is_ip_literal(address), rest.get(1..).unwrap_or_default())
        }
        None => {
            let end = memchr::memchr(b':', value).unwrap_or(value.len());
            let (name, rest) = value.split_at(end);
            let is_name = name.iter().copied().all(is_name_byte) && has_whole_escapes(name);
            (is_name, rest)
        }
    };
    name_is_valid && is_port(port)
}

/// A valid authority as its host, brackets included, and what is behind its colon; `None` without one.
#[must_use]
pub fn split_port(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let name_end = match memchr::memchr(b']', value) {
        Some(bracket) => bracket.saturating_add(1),
        None => memchr::memchr(b':', value).unwrap_or(value.len()),
    };
    let (name, rest) = value.split_at_checked(name_end).unwrap_or((value, b""));
    (name, rest.strip_prefix(b":"))
}

/// An address of version 6 or later, without its brackets; judged by its bytes alone.
fn is_ip_literal(address: &[u8]) -> bool {
    !address.is_empty()
        && address
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.'))
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}

/// Whether two hexadecimal digits are behind every `%` (RFC 3986 §2.1).
fn has_whole_escapes(name: &[u8]) -> bool {
    memchr::memchr_iter(b'%', name).all(|at| {
        let digits = name.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Nothing, or a colon and a number of 16 bits in at most five digits, also none (RFC 3986 §3.2.3).
fn is_port(rest: &[u8]) -> bool {
    const PORT_MAX: u32 = 65_535;
    match rest.split_first() {
        None => true,
        Some((b':', digits)) => {
            let digit = |byte: u8| char::from(byte).to_digit(10);
            let number = |digits: &[u8]| {
                let mut digits = digits.iter();
                digits.try_fold(0, |number: u32, &byte| Some(number * 10 + digit(byte)?))
            };
            digits.len() <= 5 && number(digits).is_some_and(|number| number <= PORT_MAX)
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_hosts() {
        for value in [
            "",
            "a",
            "a.example",
            "a:80",
            "a:",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:8080",
            "[v1.a]",
            "x_y-z~%20!",
        ] {
            assert!(is_valid(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn the_port_stands_behind_the_last_colon_outside_of_brackets() {
        for (value, name, port) in [
            ("", "", None),
            ("a.example", "a.example", None),
            ("a:80", "a", Some("80")),
            ("a:", "a", Some("")),
            ("[::1]", "[::1]", None),
            ("[::1]:8080", "[::1]", Some("8080")),
        ] {
            let split = split_port(value.as_bytes());
            assert_eq!(split, (name.as_bytes(), port.map(str::as_bytes)), "{value}");
        }
    }

    #[test]
    fn other_bytes_and_lists_are_no_host() {
        for value in [
            "a,b", "a b", "u@a", "a/b", "a?b", "a#b", "a\\b", "a:8o", "a:+80", "a:80:80",
            "a:123456", "a:65536", "a%", "a%4", "a%4g", "%%41", "[::1", "[]", "::1]", "[::1]8",
            "[::1]]", "a[b]", "a\x00", "a\x7f", "ä", "<a>", "\"a\"",
        ] {
            assert!(!is_valid(value.as_bytes()), "{value:?}");
        }
    }
}
