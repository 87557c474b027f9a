//! Where a body ends: the only reader of Content-Length and Transfer-Encoding. What two parsers could read in two
//! ways is refused, also where RFC 9112 §6.3 would let a recipient mend it.

use crate::wire::http1::fields::{Fields, is_token, trim_blanks};
use crate::wire::http1::head::{RequestHead, ResponseHead, Version};

/// How the body after a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No body and no field that speaks of one, or a response that never has one.
    None,
    /// Exactly so many bytes; 0 if the peer says so.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// All bytes until the peer closes; responses only.
    UntilClose,
}

/// Why a message's framing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// Content-Length is not one to twenty digits below 2⁶⁴: a list, a sign, a blank, nothing.
    ContentLengthMalformed,
    /// More than one Content-Length field line, equal or not.
    ContentLengthRepeated,
    /// Content-Length together with Transfer-Encoding (RFC 9112 §6.1).
    LengthAndTransferEncoding,
    /// Transfer-Encoding is no list of codings, or names `chunked` twice.
    TransferEncodingMalformed,
    /// More than one Transfer-Encoding field line.
    TransferEncodingRepeated,
    /// A coding other than `chunked`.
    TransferCodingUnknown,
    /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).
    TransferEncodingInHttp10,
    /// A body announced where none may be: Transfer-Encoding or a length above 0 in a 1xx or 204 response
    /// (RFC 9110 §8.6, RFC 9112 §6.1).
    BodyNotAllowed,
}

impl FramingError {
    /// The status that a client gets for its request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TransferCodingUnknown => 501,
            _ => 400,
        }
    }
}

/// The framing of a request's body; never [`BodyFraming::UntilClose`].
pub fn request_framing(head: &RequestHead) -> Result<BodyFraming, FramingError> {
    announced(&head.fields, head.version()).map(|framing| framing.unwrap_or(BodyFraming::None))
}

/// The framing of the body that follows a response to `request_method`. Fields are judged even if no body follows.
pub fn response_framing(
    request_method: &[u8],
    head: &ResponseHead,
) -> Result<BodyFraming, FramingError> {
    let framing = announced(&head.fields, head.version())?;
    match (head.status(), framing) {
        (100..=199 | 204, None | Some(BodyFraming::Length(0))) => Ok(BodyFraming::None),
        (100..=199 | 204, Some(_)) => Err(FramingError::BodyNotAllowed),
        (304, _) => Ok(BodyFraming::None),
        _ if request_method == b"HEAD" => Ok(BodyFraming::None),
        (_, framing) => Ok(framing.unwrap_or(BodyFraming::UntilClose)),
    }
}

/// What the fields say; `None`: nothing.
fn announced(fields: &Fields, version: Version) -> Result<Option<BodyFraming>, FramingError> {
    // One pass over the fields: each head asks.
    let (mut length, mut coding) = (None, None);
    let mut repeated = None;
    for (name, value) in fields.iter() {
        let (place, fault) = if name.eq_ignore_ascii_case(b"content-length") {
            (&mut length, FramingError::ContentLengthRepeated)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            (&mut coding, FramingError::TransferEncodingRepeated)
        } else {
            continue;
        };
        if place.replace(value).is_some() && repeated != Some(FramingError::ContentLengthRepeated) {
            repeated = Some(fault);
        }
    }
    if let Some(fault) = repeated {
        return Err(fault);
    }
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(FramingError::LengthAndTransferEncoding),
        (Some(value), None) => Ok(Some(BodyFraming::Length(content_length(value)?))),
        (None, Some(_)) if version == Version::Http10 => {
            Err(FramingError::TransferEncodingInHttp10)
        }
        (None, Some(value)) => {
            check_transfer_encoding(value)?;
            Ok(Some(BodyFraming::Chunked))
        }
    }
}

/// Reads a field value of decimal digits and nothing else.
fn content_length(value: &[u8]) -> Result<u64, FramingError> {
    const MALFORMED: FramingError = FramingError::ContentLengthMalformed;
    // leading zeros beyond the longest number would be lawful, but nobody sends them
    if value.is_empty() || value.len() > 20 {
        return Err(MALFORMED);
    }
    value
        .iter()
        .try_fold(0u64, |length, &byte| {
            let digit = char::from(byte).to_digit(10)?;
            length.checked_mul(10)?.checked_add(u64::from(digit))
        })
        .ok_or(MALFORMED)
}

/// Passes `chunked` alone. A list of other codings is told apart from what is no list of codings.
fn check_transfer_encoding(value: &[u8]) -> Result<(), FramingError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let (mut chunked, mut unknown) = (0, 0);
    for member in value.split(|&byte| byte == b',').map(trim_blanks) {
        if !is_token(member) {
            return Err(FramingError::TransferEncodingMalformed);
        }
        if member.eq_ignore_ascii_case(b"chunked") {
            chunked += 1;
        } else {
            unknown += 1;
        }
    }
    if unknown > 0 && chunked < 2 {
        Err(FramingError::TransferCodingUnknown)
    } else {
        Err(FramingError::TransferEncodingMalformed)
    }
}

#[cfg(test)]
mod tests;
