//! The first line of a head (RFC 9112 §3 and §4): one space between the parts, nothing mended.

use crate::wire::http1::fields::is_token_byte;
use crate::wire::http1::head::{HeadError, HeadLimits, METHOD_BYTES_MAX, Version};

/// The longest status line taken, in bytes; only its reason phrase varies.
pub(super) const STATUS_LINE_BYTES_MAX: usize = 1024;

/// What follows the second space of a request line, the carriage return included.
const VERSION_BYTES_MAX: usize = b"HTTP/1.1\r".len();

/// What stands before and after a space.
type Halves<'a> = (&'a [u8], &'a [u8]);

/// A request line in its parts.
#[derive(Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Version,
}

impl<'a> RequestLine<'a> {
    /// Reads a whole line, given without its CRLF.
    pub(super) fn parse(line: &'a [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let (method, rest) = split_method(line)?.ok_or(HeadError::RequestLineMalformed)?;
        let (target, rest) = split_target(rest, limits)?.ok_or(HeadError::RequestLineMalformed)?;
        if target.is_empty() {
            return Err(HeadError::TargetMalformed);
        }
        let version = version(rest, HeadError::RequestLineMalformed)?;
        Ok(Self {
            method,
            target,
            version,
        })
    }
}

/// Refuses the beginning of a request line that no further byte could make right.
pub(super) fn check_partial_request_line(
    line: &[u8],
    limits: &HeadLimits,
) -> Result<(), HeadError> {
    let Some((_, rest)) = split_method(line)? else {
        return Ok(());
    };
    match split_target(rest, limits)? {
        Some((_, rest)) if rest.len() > VERSION_BYTES_MAX => Err(HeadError::RequestLineMalformed),
        _ => Ok(()),
    }
}

/// The method and what follows its space; `None`: no space yet.
fn split_method(line: &[u8]) -> Result<Option<Halves<'_>>, HeadError> {
    let parts = split_at_space(line);
    let method = parts.map_or(line, |(method, _)| method);
    if !method.iter().copied().all(is_token_byte) || parts.is_some() && method.is_empty() {
        return Err(HeadError::MethodMalformed);
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(HeadError::MethodTooLong);
    }
    Ok(parts)
}

/// The target and what follows its space; `None`: no space yet.
fn split_target<'a>(rest: &'a [u8], limits: &HeadLimits) -> Result<Option<Halves<'a>>, HeadError> {
    let parts = split_at_space(rest);
    let target = parts.map_or(rest, |(target, _)| target);
    if target.len() > limits.target_bytes_max {
        return Err(HeadError::TargetTooLong);
    }
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(HeadError::TargetMalformed);
    }
    Ok(parts)
}

fn split_at_space(bytes: &[u8]) -> Option<Halves<'_>> {
    let (before, from_space) = bytes.split_at_checked(memchr::memchr(b' ', bytes)?)?;
    Some((before, from_space.get(1..).unwrap_or_default()))
}

/// A version that has the right form but is another one is told apart (RFC 9110 §15.6.6).
fn version(bytes: &[u8], malformed: HeadError) -> Result<Version, HeadError> {
    match bytes {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HeadError::VersionNotSupported)
        }
        _ => Err(malformed),
    }
}

/// Reads a whole status line, given without its CRLF. The reason phrase may be missing, with or without its
/// space, and hold anything but CR and NUL.
pub(super) fn parse_status_line(line: &[u8]) -> Result<(Version, u16), HeadError> {
    const MALFORMED: HeadError = HeadError::StatusLineMalformed;
    if line.len() > STATUS_LINE_BYTES_MAX {
        return Err(MALFORMED);
    }
    let (version_bytes, rest) = split_at_space(line).ok_or(MALFORMED)?;
    let version = version(version_bytes, MALFORMED)?;
    let (&[hundreds @ b'1'..=b'5', tens, ones], reason) =
        rest.split_first_chunk::<3>().ok_or(MALFORMED)?
    else {
        return Err(MALFORMED);
    };
    if !(tens.is_ascii_digit() && ones.is_ascii_digit()) {
        return Err(MALFORMED);
    }
    if !(reason.is_empty() || reason.starts_with(b" "))
        || memchr::memchr2(b'\r', 0, reason).is_some()
    {
        return Err(MALFORMED);
    }
    let digits = [hundreds, tens, ones].map(|digit| u16::from(digit - b'0'));
    Ok((
        version,
        digits.iter().fold(0, |status, digit| status * 10 + digit),
    ))
}

/// Refuses the beginning of a status line that no further byte could make right.
pub(super) fn check_partial_status_line(line: &[u8]) -> Result<(), HeadError> {
    let begins_well = line
        .iter()
        .zip(b"HTTP/")
        .all(|(byte, wanted)| byte == wanted);
    // the carriage return may already be there
    if begins_well && line.len() <= STATUS_LINE_BYTES_MAX + 1 {
        Ok(())
    } else {
        Err(HeadError::StatusLineMalformed)
    }
}

/// The first line without its CRLF; `None`: its end is not there yet.
pub(super) fn first_line(input: &[u8]) -> Result<Option<&[u8]>, HeadError> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return Ok(None);
    };
    match input.get(..end).unwrap_or_default() {
        [line @ .., b'\r'] => Ok(Some(line)),
        _ => Err(HeadError::BareLineFeed),
    }
}
