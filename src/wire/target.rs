//! Request targets (RFC 9112 §3.2): path and query, still percent-encoded.

use crate::wire::http1::host;

/// The parts of a request target as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Begins with `/`, or is `*` (OPTIONS only).
    pub path: &'a [u8],
    /// What follows the first `?`, which may be nothing; `None` without a `?`.
    pub query: Option<&'a [u8]>,
    /// Host and port of an absolute-form target; they go before the Host field (RFC 9112 §3.2.2).
    pub authority: Option<&'a [u8]>,
}

/// Why a request target is refused; the client gets 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Not origin-form, absolute-form of `http` or `https`, nor `*`: authority-form, say.
    UnknownForm,
    /// `*` with another method than OPTIONS.
    AsteriskWithoutOptions,
    /// An absolute-form target whose host is missing or malformed.
    AuthorityMalformed,
    /// A `#`, which no request target holds.
    FragmentPresent,
}

/// Splits a target of visible ASCII.
pub fn parse<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, TargetError> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(TargetError::FragmentPresent);
    }
    match target {
        b"*" if method == b"OPTIONS" => Ok(from_path(target, None)),
        b"*" => Err(TargetError::AsteriskWithoutOptions),
        [b'/', ..] => Ok(from_path(target, None)),
        _ => absolute(target),
    }
}

fn absolute(target: &[u8]) -> Result<Target<'_>, TargetError> {
    let rest = after_scheme(target, b"http://")
        .or_else(|| after_scheme(target, b"https://"))
        .ok_or(TargetError::UnknownForm)?;
    let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at_checked(end).ok_or(TargetError::UnknownForm)?;
    // an http URI has a host that is not empty (RFC 9110 §4.2.1)
    if authority.is_empty() || authority.starts_with(b":") || !host::is_valid(authority) {
        return Err(TargetError::AuthorityMalformed);
    }
    Ok(from_path(path_and_query, Some(authority)))
}

fn after_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn from_path<'a>(path_and_query: &'a [u8], authority: Option<&'a [u8]>) -> Target<'a> {
    let mut halves = path_and_query.splitn(2, |&byte| byte == b'?');
    let path = halves
        .next()
        .filter(|path| !path.is_empty())
        .unwrap_or(b"/");
    Target {
        path,
        query: halves.next(),
        authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Result<Target<'_>, TargetError> {
        parse(b"GET", target.as_bytes())
    }

    fn target<'a>(path: &'a str, query: Option<&'a str>, authority: Option<&'a str>) -> Target<'a> {
        Target {
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
            authority: authority.map(str::as_bytes),
        }
    }

    #[test]
    fn origin_form_splits_at_the_first_question_mark() {
        assert_eq!(get("/"), Ok(target("/", None, None)));
        assert_eq!(get("/a%2Fb//c/?"), Ok(target("/a%2Fb//c/", Some(""), None)));
        assert_eq!(
            get("/a?b?c=http://d"),
            Ok(target("/a", Some("b?c=http://d"), None))
        );
        assert_eq!(get("//host/a"), Ok(target("//host/a", None, None)));
    }

    #[test]
    fn absolute_form_gives_its_path_and_authority() {
        assert_eq!(
            get("http://h:80/a?b"),
            Ok(target("/a", Some("b"), Some("h:80")))
        );
        assert_eq!(get("HTTPS://[::1]/"), Ok(target("/", None, Some("[::1]"))));
        assert_eq!(get("http://h"), Ok(target("/", None, Some("h"))));
        assert_eq!(get("http://h?q=/"), Ok(target("/", Some("q=/"), Some("h"))));
    }

    #[test]
    fn absolute_form_needs_a_host_without_user_information() {
        for wrong in [
            "http://",
            "http:///a",
            "http://?a",
            "http://:80/",
            "http://u@h/",
            "http://a,b/",
            "http://h:x/",
        ] {
            assert_eq!(get(wrong), Err(TargetError::AuthorityMalformed), "{wrong}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "", "h:443", "h", "a/b", "?a", "http:/h", "ftp://h/", "http", "**", "*/",
        ] {
            assert_eq!(get(wrong), Err(TargetError::UnknownForm), "{wrong}");
        }
        assert_eq!(parse(b"CONNECT", b"h:443"), Err(TargetError::UnknownForm));
    }

    #[test]
    fn asterisk_form_is_for_options_only() {
        assert_eq!(parse(b"OPTIONS", b"*"), Ok(target("*", None, None)));
        assert_eq!(
            parse(b"options", b"*"),
            Err(TargetError::AsteriskWithoutOptions)
        );
        assert_eq!(get("*"), Err(TargetError::AsteriskWithoutOptions));
        assert_eq!(get("/*"), Ok(target("/*", None, None)));
    }

    #[test]
    fn fragments_are_refused_unless_escaped() {
        assert_eq!(get("/a#b"), Err(TargetError::FragmentPresent));
        assert_eq!(get("/a?b#"), Err(TargetError::FragmentPresent));
        assert_eq!(get("/a%23b"), Ok(target("/a%23b", None, None)));
    }
}
