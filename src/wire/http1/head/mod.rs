//! Request and response heads: from received bytes into storage of their own, so that the receive buffer is free
//! afterwards. Whatever two parsers could read in two ways is refused (RFC 9112 §11).

use std::fmt;

use crate::wire::http1::field_block;
use crate::wire::http1::fields::Fields;
use crate::wire::http1::host;
use crate::wire::http1::start_line::{
    RequestLine, STATUS_LINE_BYTES_MAX, check_partial_request_line, check_partial_status_line,
    first_line, parse_status_line,
};

/// The longest method taken, in bytes; the longest registered one has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// The most field lines that any limits can allow.
pub const FIELDS_MAX: usize = 128;

/// Bytes of a field line beside name and value: colon, one space, CRLF.
const FIELD_LINE_OVERHEAD_BYTES: usize = 4;

/// The protocol version of a message; others are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// What a head may measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the request target.
    pub target_bytes_max: usize,
    /// Bytes of all field names and values together.
    pub fields_bytes_max: usize,
    /// Field lines; never more than [`FIELDS_MAX`].
    pub fields_max: usize,
}

impl HeadLimits {
    /// The most bytes that the field lines may take on the wire, with the empty line after them: names, values and
    /// [`FIELD_LINE_OVERHEAD_BYTES`] for each line.
    pub(super) const fn field_block_bytes_max(&self) -> usize {
        self.fields_bytes_max
            .saturating_add(self.fields_max.saturating_mul(FIELD_LINE_OVERHEAD_BYTES))
            .saturating_add(b"\r\n".len())
    }

    /// The most bytes that an acceptable head takes on the wire: a receive buffer needs no more room.
    #[must_use]
    pub const fn head_bytes_max(&self) -> usize {
        let request_line =
            (METHOD_BYTES_MAX + b"\r\n  HTTP/1.1\r\n".len()).saturating_add(self.target_bytes_max);
        let status_line = STATUS_LINE_BYTES_MAX + b"\r\n".len();
        let first_line = if request_line > status_line {
            request_line
        } else {
            status_line
        };
        first_line.saturating_add(self.field_block_bytes_max())
    }
}

/// API Gateway's quotas (spec 11); the count is ours.
impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            target_bytes_max: 10_240,
            fields_bytes_max: 10_240,
            fields_max: FIELDS_MAX,
        }
    }
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A line ends with LF alone.
    BareLineFeed,
    /// More than the one empty line that may precede a request line (RFC 9112 §2.2), or one before a status line.
    LeadingEmptyLines,
    /// Not `method SP target SP version`.
    RequestLineMalformed,
    /// The method is no token.
    MethodMalformed,
    /// The method is longer than [`METHOD_BYTES_MAX`].
    MethodTooLong,
    /// The target is empty or has a byte that is no visible ASCII.
    TargetMalformed,
    /// The target is longer than the limit.
    TargetTooLong,
    /// A version other than 1.0 and 1.1.
    VersionNotSupported,
    /// Not `version SP status [SP reason]` with a status of 100 to 599.
    StatusLineMalformed,
    /// A field line without a name or colon, with a name that is no token, or a folded line.
    FieldNameMalformed,
    /// A control byte in a field value.
    FieldValueMalformed,
    /// Names and values are longer than the limit, or the lines hold more blanks than any sender has need of.
    FieldsTooLarge,
    /// More field lines than the limit.
    FieldsTooMany,
    /// HTTP/1.1 without a Host field (RFC 9112 §3.2).
    HostMissing,
    /// More than one Host field line.
    HostRepeated,
    /// The Host field is no authority.
    HostMalformed,
}

impl HeadError {
    /// The status that a client gets for its request (spec 02 stage 1, spec 08).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::FieldsTooLarge | Self::FieldsTooMany => 431,
            Self::MethodTooLong => 501,
            Self::VersionNotSupported => 505,
            _ => 400,
        }
    }
}

/// The head of a request. Its storage is used again by the next [`Self::read`].
#[derive(Clone, Default)]
pub struct RequestHead {
    /// The field lines.
    pub fields: Fields,
    /// The method, directly followed by the target.
    line: Vec<u8>,
    method_len: usize,
    version: Version,
}

impl RequestHead {
    /// The method, a token of at most [`METHOD_BYTES_MAX`] bytes.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.line.get(..self.method_len).unwrap_or_default()
    }

    /// The request target as received: visible ASCII.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.line.get(self.method_len..).unwrap_or_default()
    }

    /// The version of the request.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Reads a head from the start of `input` into this one's storage. `Some(n)`: it took `n` bytes. `None`: more
    /// bytes are needed, at most [`HeadLimits::head_bytes_max`] in all; call again with the same bytes and more.
    /// Only after `Some` the parts are those of this head.
    pub fn read(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let Some(message) = after_leading_empty_line(input)? else {
            return Ok(None);
        };
        let Some(line) = first_line(message)? else {
            check_partial_request_line(message, limits)?;
            return Ok(None);
        };
        let RequestLine {
            method,
            target,
            version,
        } = RequestLine::parse(line, limits)?;
        let after_line = message.get(line.len() + 2..).unwrap_or_default();
        let Some(block) = field_block::find(after_line, limits)? else {
            return Ok(None);
        };
        let (block_bytes, rest) = after_line
            .split_at_checked(block.len)
            .unwrap_or((after_line, b""));
        field_block::read(&mut self.fields, block_bytes, block.count, limits)?;
        check_host(version, &self.fields)?;

        self.line.clear();
        self.line.extend_from_slice(method);
        self.line.extend_from_slice(target);
        self.method_len = method.len();
        self.version = version;
        Ok(Some(input.len() - rest.len()))
    }
}

/// Prints no query and no field value: both may hold signatures.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self
            .target()
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        f.debug_struct("RequestHead")
            .field("method", &String::from_utf8_lossy(self.method()))
            .field("path", &String::from_utf8_lossy(path))
            .field("version", &self.version)
            .field("fields", &self.fields)
            .finish()
    }
}

/// `input` without the one empty line that may precede a request line; `None`: too little to tell.
fn after_leading_empty_line(input: &[u8]) -> Result<Option<&[u8]>, HeadError> {
    match input {
        [] | [b'\r'] | [b'\r', b'\n'] => Ok(None),
        [b'\n', ..] | [b'\r', b'\n', b'\n', ..] => Err(HeadError::BareLineFeed),
        [b'\r', b'\n', b'\r', ..] => Err(HeadError::LeadingEmptyLines),
        [b'\r', b'\n', message @ ..] => Ok(Some(message)),
        _ => Ok(Some(input)),
    }
}

fn check_host(version: Version, fields: &Fields) -> Result<(), HeadError> {
    let mut hosts = fields.all(b"host");
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::Http11 => Err(HeadError::HostMissing),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(HeadError::HostRepeated),
        (Some(value), None) if host::is_valid(value) => Ok(()),
        (Some(_), None) => Err(HeadError::HostMalformed),
    }
}

/// The head of a response, interim ones (1xx) too. Its storage is used again by the next [`Self::read`].
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The field lines.
    pub fields: Fields,
    status: u16,
    version: Version,
}

impl ResponseHead {
    /// An HTTP/1.1 head without fields that no peer sent.
    #[must_use]
    pub const fn synthetic(status: u16) -> Self {
        Self {
            fields: Fields::new(),
            status,
            version: Version::Http11,
        }
    }

    /// The status, 100 to 599 after [`Self::read`].
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The version of the response.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Reads a head as [`RequestHead::read`] does; `target_bytes_max` plays no part.
    pub fn read(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        match input {
            // Nothing has arrived: each exchange asks once.
            [] => return Ok(None),
            [b'\r', ..] => return Err(HeadError::LeadingEmptyLines),
            _ => {}
        }
        let Some(line) = first_line(input)? else {
            check_partial_status_line(input)?;
            return Ok(None);
        };
        let (version, status) = parse_status_line(line)?;
        let after_line = input.get(line.len() + 2..).unwrap_or_default();
        let Some(block) = field_block::find(after_line, limits)? else {
            return Ok(None);
        };
        let (block_bytes, rest) = after_line
            .split_at_checked(block.len)
            .unwrap_or((after_line, b""));
        field_block::read(&mut self.fields, block_bytes, block.count, limits)?;
        self.status = status;
        self.version = version;
        Ok(Some(input.len() - rest.len()))
    }
}

#[cfg(test)]
mod tests;
