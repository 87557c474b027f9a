//! The signature of an inbound request: read from its `Authorization` field or its query (spec 09).
//! Nothing here says that the signature is right: `verify.rs` does.

pub mod error;

use std::borrow::Cow;
use std::fmt;

use crate::wire::date::{UnixSeconds, parse_amz_date, parse_http_date};
use crate::wire::percent;
use crate::wire::sigv4::authorization::error::{AuthorizationError, Form, MissingParts};
use crate::wire::sigv4::canonical_headers::{Header, trim_blanks};
use crate::wire::sigv4::canonical_query::{SIGNATURE_PARAMETER, parameters};
use crate::wire::sigv4::canonical_request::{ALGORITHM, ExpiresSeconds};

/// Slashes between the five elements of a credential.
const SLASHES: usize = 4;

/// The parts of an inbound signature, complete and well-formed.
pub struct Authorization<'a> {
    credential: Cow<'a, [u8]>,
    /// Where its slashes are, once it was found well-formed.
    slashes: [usize; SLASHES],
    /// `a;b;c` as sent.
    pub(crate) signed_headers: Cow<'a, [u8]>,
    pub(crate) signature: Cow<'a, [u8]>,
    pub(crate) session_token: Option<Cow<'a, [u8]>>,
    pub(crate) date_source: DateSource,
    timestamp: UnixSeconds,
    expires: Option<ExpiresSeconds>,
}

/// Which field or parameter gave the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateSource {
    AmzDateField,
    DateField,
    Parameter,
}

/// The elements of a credential, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialScope<'a> {
    /// Who signed.
    pub access_key_id: &'a [u8],
    /// `20130524`.
    pub date: &'a [u8],
    /// `us-east-1`.
    pub region: &'a [u8],
    /// `execute-api`.
    pub service: &'a [u8],
    /// `aws4_request`.
    pub terminator: &'a [u8],
}

impl<'a> Authorization<'a> {
    /// Reads the signature from the fields of a request or, if it has no `Authorization` field, from its wire query.
    pub fn read(headers: &[Header<'a>], query: &'a [u8]) -> Result<Self, AuthorizationError> {
        match sole(headers, b"authorization")? {
            Some(value) => Self::read_header(value, headers),
            None => Self::read_query(query),
        }
    }

    fn read_header(value: &'a [u8], headers: &[Header<'a>]) -> Result<Self, AuthorizationError> {
        let amz_date = sole(headers, b"x-amz-date")?;
        let date = match amz_date {
            None => sole(headers, b"date")?,
            sent => sent,
        };
        let (algorithm, parts) = HeaderParts::read(value)?;
        let missing = MissingParts {
            credential: parts.credential.is_none(),
            signature: parts.signature.is_none(),
            signed_headers: parts.signed_headers.is_none(),
            date: date.is_none(),
            ..MissingParts::default()
        };
        let (Some(credential), Some(signature), Some(signed_headers), Some(date)) = (
            parts.credential,
            parts.signature,
            parts.signed_headers,
            date,
        ) else {
            return Err(AuthorizationError::Incomplete {
                form: Form::Header,
                missing,
            });
        };
        let date_source = if amz_date.is_some() {
            DateSource::AmzDateField
        } else {
            DateSource::DateField
        };
        let date = trim_blanks(date);
        let timestamp = match date_source {
            DateSource::DateField => parse_amz_date(date).or_else(|| parse_http_date(date)),
            _ => parse_amz_date(date),
        };
        let authorization = Self {
            credential: Cow::Borrowed(credential),
            slashes: [0; SLASHES],
            signed_headers: Cow::Borrowed(signed_headers),
            signature: Cow::Borrowed(signature),
            session_token: sole(headers, b"x-amz-security-token")?
                .map(|token| trim_blanks(token).into()),
            date_source,
            timestamp: timestamp.ok_or(AuthorizationError::DateMalformed)?,
            expires: None,
        };
        authorization.well_formed(algorithm)
    }

    fn read_query(query: &'a [u8]) -> Result<Self, AuthorizationError> {
        if !parameters(query).any(|(name, _)| percent::decode(name) == SIGNATURE_PARAMETER) {
            return Err(AuthorizationError::Missing);
        }
        let parts = QueryParts::read(query)?;
        let missing = MissingParts {
            algorithm: parts.algorithm.is_none(),
            credential: parts.credential.is_none(),
            signature: parts.signature.is_none(),
            signed_headers: parts.signed_headers.is_none(),
            date: parts.date.is_none(),
            expires: parts.expires.is_none(),
        };
        let QueryParts {
            algorithm: Some(algorithm),
            credential: Some(credential),
            date: Some(date),
            expires: Some(expires),
            signed_headers: Some(signed_headers),
            signature: Some(signature),
            session_token,
        } = parts
        else {
            return Err(AuthorizationError::Incomplete {
                form: Form::Query,
                missing,
            });
        };
        let authorization = Self {
            credential: credential.into(),
            slashes: [0; SLASHES],
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            session_token: session_token.map(Cow::Owned),
            date_source: DateSource::Parameter,
            timestamp: parse_amz_date(&date).ok_or(AuthorizationError::DateMalformed)?,
            expires: Some(expires_seconds(&expires).ok_or(AuthorizationError::ExpiresMalformed)?),
        };
        authorization.well_formed(&algorithm)
    }

    fn well_formed(mut self, algorithm: &[u8]) -> Result<Self, AuthorizationError> {
        if algorithm != ALGORITHM.as_bytes() {
            return Err(AuthorizationError::AlgorithmUnsupported);
        }
        match slashes_of(&self.credential) {
            Some(slashes) if !slashes.starts_with(&[0]) => {
                self.slashes = slashes;
                Ok(self)
            }
            // No access key id, or not five elements.
            Some(_) | None => Err(AuthorizationError::CredentialMalformed),
        }
    }

    /// The elements of the credential: which secret to look up, and for what it signed.
    #[must_use]
    pub fn scope(&self) -> CredentialScope<'_> {
        let [first, second, third, fourth] = self.slashes;
        let element = |start, end| self.credential.get(start..end).unwrap_or_default();
        CredentialScope {
            access_key_id: element(0, first),
            date: element(first + 1, second),
            region: element(second + 1, third),
            service: element(third + 1, fourth),
            terminator: element(fourth + 1, self.credential.len()),
        }
    }

    /// When it was signed.
    #[must_use]
    pub const fn timestamp(&self) -> UnixSeconds {
        self.timestamp
    }

    /// Where it was found.
    #[must_use]
    pub const fn form(&self) -> Form {
        if self.expires.is_some() {
            Form::Query
        } else {
            Form::Header
        }
    }

    /// The life of a query signature; `None` for a header.
    #[must_use]
    pub const fn expires(&self) -> Option<ExpiresSeconds> {
        self.expires
    }
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("credential", &String::from_utf8_lossy(&self.credential))
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// What the `Authorization` field says.
#[derive(Default)]
struct HeaderParts<'a> {
    credential: Option<&'a [u8]>,
    signed_headers: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
}

impl<'a> HeaderParts<'a> {
    /// The algorithm, empty if nothing parts it from the rest, and the `key=value` parts; unknown keys are passed over.
    fn read(value: &'a [u8]) -> Result<(&'a [u8], Self), AuthorizationError> {
        let lead = value.iter().take_while(|&&byte| is_blank(byte)).count();
        let value_end = lead + trim_blanks(value).len();
        let word_end = memchr::memchr2(b' ', b'\t', value.get(lead..).unwrap_or_default());
        let word_end = word_end.map(|at| lead + at);
        // Without a blank all of it is parts: `Bearer` alone has no equal sign.
        let word_end = word_end.filter(|&end| end < value_end).unwrap_or(lead);
        let algorithm = value.get(lead..word_end).unwrap_or_default();
        let mut parts = Self::default();
        let mut start = word_end;
        let mut rest = value.get(word_end..value_end);
        while let Some(text) = rest {
            let comma = memchr::memchr(b',', text);
            let piece = text.get(..comma.unwrap_or(text.len())).unwrap_or_default();
            rest = comma.and_then(|comma| text.get(comma + 1..));
            let blanks = piece.iter().take_while(|&&byte| is_blank(byte)).count();
            let part = trim_blanks(piece);
            let part_start = start + blanks;
            start += piece.len() + 1;
            if part.is_empty() {
                continue;
            }
            let Some(equals) = memchr::memchr(b'=', part) else {
                let known = algorithm.is_empty() || algorithm == ALGORITHM.as_bytes();
                // `Bearer x`: the word is what AWS names (spec 09, "part without `=`").
                let (start, end) = if known {
                    (part_start, part_start + part.len())
                } else {
                    (lead, word_end)
                };
                return Err(AuthorizationError::PartWithoutEqualSign { start, end });
            };
            let (key, value) = part.split_at(equals);
            parts.set(
                trim_blanks(key),
                trim_blanks(value.strip_prefix(b"=").unwrap_or_default()),
            )?;
        }
        Ok((algorithm, parts))
    }

    fn set(&mut self, key: &[u8], value: &'a [u8]) -> Result<(), AuthorizationError> {
        match key {
            b"Credential" => fill(&mut self.credential, value),
            b"SignedHeaders" => fill(&mut self.signed_headers, value),
            b"Signature" => fill(&mut self.signature, value),
            _ => Ok(()),
        }
    }
}

/// What the query says, decoded.
#[derive(Default)]
struct QueryParts {
    algorithm: Option<Vec<u8>>,
    credential: Option<Vec<u8>>,
    date: Option<Vec<u8>>,
    expires: Option<Vec<u8>>,
    signed_headers: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    session_token: Option<Vec<u8>>,
}

impl QueryParts {
    fn read(query: &[u8]) -> Result<Self, AuthorizationError> {
        let mut parts = Self::default();
        for (name, value) in parameters(query) {
            let place = match percent::decode(name).as_slice() {
                b"X-Amz-Algorithm" => &mut parts.algorithm,
                b"X-Amz-Credential" => &mut parts.credential,
                b"X-Amz-Date" => &mut parts.date,
                b"X-Amz-Expires" => &mut parts.expires,
                b"X-Amz-SignedHeaders" => &mut parts.signed_headers,
                b"X-Amz-Signature" => &mut parts.signature,
                b"X-Amz-Security-Token" => &mut parts.session_token,
                _ => continue,
            };
            fill(place, percent::decode(value))?;
        }
        Ok(parts)
    }
}

fn fill<T>(place: &mut Option<T>, value: T) -> Result<(), AuthorizationError> {
    match place.replace(value) {
        Some(_) => Err(AuthorizationError::PartRepeated),
        None => Ok(()),
    }
}

/// The value of a field that may be there once.
pub(crate) fn sole<'a>(
    headers: &[Header<'a>],
    name: &[u8],
) -> Result<Option<&'a [u8]>, AuthorizationError> {
    let mut values = headers
        .iter()
        .filter(|header| header.0.eq_ignore_ascii_case(name));
    let first = values.next().map(|header| header.1);
    match values.next() {
        Some(_) => Err(AuthorizationError::PartRepeated),
        None => Ok(first),
    }
}

/// Where the slashes of a credential are, if it has five elements.
fn slashes_of(credential: &[u8]) -> Option<[usize; SLASHES]> {
    let mut found = memchr::memchr_iter(b'/', credential);
    let slashes = [found.next()?, found.next()?, found.next()?, found.next()?];
    found.next().is_none().then_some(slashes)
}

fn expires_seconds(digits: &[u8]) -> Option<ExpiresSeconds> {
    let seconds = digits.iter().try_fold(0u32, |n, &byte| {
        n.checked_mul(10)?
            .checked_add(char::from(byte).to_digit(10)?)
    })?;
    ExpiresSeconds::new(seconds)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
