//! Reading the `aws-chunked` coding: strict, from pieces of any size (spec 10, "Chunked signing", "Trailers").
//!
//! What is not exactly the coding is refused: a lenient reading is how chunk framing ends up inside objects. The one liberty is
//! that of the S3 guide's own examples ("Signature calculations for trailing headers"), which MinIO's clients follow: a trailer
//! line may end with LF, and CRLF then ends the lines before it, not the body.

use crate::wire::chunk_machine::ChunkMachine;
use crate::wire::chunk_machine::Wanted;
use crate::wire::chunk_machine::feed;
use crate::wire::http1::fields::is_token;
use crate::wire::http1::fields::trim_blanks;
use crate::wire::sigv4::canonical_headers::Header;
use crate::wire::sigv4::chunk_signature::ChunkSigner;
use crate::wire::sigv4::chunk_signature::write_canonical_trailer;
use crate::wire::sigv4::hex::Hex;
use crate::wire::sigv4::payload_hash::PayloadHasher;

/// The longest chunk line, without CRLF: sixteen digits, `;chunk-signature=` and 64 digits.
pub const CHUNK_LINE_BYTES_MAX: usize = 16 + 17 + 64;
/// The most bytes of all trailer lines: a checksum and a signature take less than 200.
pub const TRAILER_BYTES_MAX: usize = 1024;

const SIGNATURE_EXTENSION: &[u8] = b"chunk-signature=";
const TRAILER_SIGNATURE: &[u8] = b"x-amz-trailer-signature";

/// How the chunks of a body are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, `…-TRAILER`: each chunk has a signature.
    Signed,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: none has.
    Unsigned,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A chunk line that is none: no hexadecimal size, a wrong extension, too long, no CRLF.
    ChunkLine,
    /// Chunk data is not followed by CRLF.
    DataEnd,
    /// A trailer that is no field line, stands there twice, or is too long.
    Trailer,
    /// The signature of a chunk or of the trailer is not that of its bytes.
    Signature,
}

enum State {
    Line,
    Data { left: u64 },
    DataEnd { seen: u8 },
    TrailerLine,
    Done,
    Failed(DecodeError),
}

/// Decodes one body.
pub struct Decoder {
    chunks: Chunks,
    state: State,
    line: Vec<u8>,
    trailer: Vec<(Vec<u8>, Vec<u8>)>,
    trailer_bytes: usize,
    /// The last trailer line ended with LF alone.
    after_line_feed: bool,
    check: Option<Check>,
}

/// Signatures that are checked.
struct Check {
    signer: ChunkSigner,
    data: PayloadHasher,
    sent: Vec<u8>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder before the first chunk. With a `signer`, signatures of signed chunks are checked against its chain;
    /// without one only their form is.
    #[must_use]
    pub fn new(chunks: Chunks, signer: Option<ChunkSigner>) -> Self {
        Self {
            chunks,
            state: State::Line,
            line: Vec::new(),
            trailer: Vec::new(),
            trailer_bytes: 0,
            after_line_feed: false,
            // A known caller, too, may leave his chunks unsigned: over TLS the SDKs do.
            check: signer
                .filter(|_| chunks == Chunks::Signed)
                .map(|signer| Check {
                    signer,
                    data: PayloadHasher::new(),
                    sent: Vec::new(),
                }),
        }
    }

    /// Appends at most `max` bytes of data in `input` to `out`; tells how much of `input` was used. After an error every
    /// call fails.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<usize, DecodeError> {
        feed(self, input, out, max)
    }

    /// Whether the last chunk and the trailer were decoded.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The value of a trailer.
    #[must_use]
    pub fn trailer(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self
            .trailer
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// Count of trailers, a signature not among them.
    #[must_use]
    pub fn trailers(&self) -> usize {
        let own = |(name, _): &&(Vec<u8>, Vec<u8>)| name != TRAILER_SIGNATURE;
        self.trailer.iter().filter(own).count()
    }

    fn after_byte(&mut self, byte: u8) -> Result<State, DecodeError> {
        match self.state {
            State::Line => {
                if self.end_of_line(byte, CHUNK_LINE_BYTES_MAX, DecodeError::ChunkLine)? {
                    return self.after_chunk_line();
                }
                Ok(State::Line)
            }
            State::TrailerLine => {
                self.trailer_bytes += 1;
                if self.trailer_bytes > TRAILER_BYTES_MAX {
                    return Err(DecodeError::Trailer);
                }
                if byte == b'\n' && self.line.last().is_some_and(|&last| last != b'\r') {
                    self.after_trailer_field()?;
                    self.after_line_feed = true;
                } else if self.end_of_line(byte, TRAILER_BYTES_MAX, DecodeError::Trailer)? {
                    return self.after_trailer_line();
                }
                Ok(State::TrailerLine)
            }
            State::DataEnd { seen: 0 } if byte == b'\r' => Ok(State::DataEnd { seen: 1 }),
            State::DataEnd { seen: 1 } if byte == b'\n' => {
                self.check_chunk()?;
                Ok(State::Line)
            }
            // the loop hands no byte to the others
            _ => Err(DecodeError::DataEnd),
        }
    }

    /// Collects a line; true at its CRLF, which is not kept.
    fn end_of_line(
        &mut self,
        byte: u8,
        bytes_max: usize,
        fault: DecodeError,
    ) -> Result<bool, DecodeError> {
        match (self.line.last(), byte) {
            (Some(b'\r'), b'\n') => {
                self.line.pop();
                Ok(true)
            }
            (Some(b'\r'), _) | (_, b'\n') => Err(fault),
            _ if byte != b'\r' && self.line.len() >= bytes_max => Err(fault),
            _ => {
                self.line.push(byte);
                Ok(false)
            }
        }
    }

    fn after_chunk_line(&mut self) -> Result<State, DecodeError> {
        let line = std::mem::take(&mut self.line);
        let mut parts = line.splitn(2, |&byte| byte == b';');
        let size = size_of(parts.next().unwrap_or_default()).ok_or(DecodeError::ChunkLine)?;
        let signature = parts.next();
        match (self.chunks, signature) {
            (Chunks::Unsigned, None) => {}
            (Chunks::Signed, Some(extension)) => {
                let signature = extension
                    .strip_prefix(SIGNATURE_EXTENSION)
                    .filter(|digits| is_signature(digits))
                    .ok_or(DecodeError::ChunkLine)?;
                if let Some(check) = &mut self.check {
                    check.sent = signature.to_vec();
                }
            }
            _ => return Err(DecodeError::ChunkLine),
        }
        if size > 0 {
            return Ok(State::Data { left: size });
        }
        self.check_chunk()?;
        Ok(State::TrailerLine)
    }

    fn after_trailer_line(&mut self) -> Result<State, DecodeError> {
        let ends_lines = std::mem::take(&mut self.after_line_feed);
        if !self.line.is_empty() {
            self.after_trailer_field()?;
        } else if !ends_lines {
            self.check_trailer()?;
            return Ok(State::Done);
        }
        Ok(State::TrailerLine)
    }

    fn after_trailer_field(&mut self) -> Result<(), DecodeError> {
        let line = std::mem::take(&mut self.line);
        let colon = memchr::memchr(b':', &line).ok_or(DecodeError::Trailer)?;
        let (name, value) = line.split_at(colon);
        let value = trim_blanks(value.get(1..).unwrap_or_default());
        let visible = value.iter().all(|byte| byte.is_ascii_graphic());
        if !is_token(name) || !visible || value.is_empty() || self.trailer(name).is_some() {
            return Err(DecodeError::Trailer);
        }
        self.trailer
            .push((name.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), DecodeError> {
        let Some(check) = &mut self.check else {
            return Ok(());
        };
        let hash = std::mem::take(&mut check.data).finish_hex();
        same(&check.signer.sign_chunk_hash(&hash), &check.sent)
    }

    /// A signed body that has trailers has a signature of them.
    fn check_trailer(&mut self) -> Result<(), DecodeError> {
        let signature = self.trailer(TRAILER_SIGNATURE);
        if signature.is_some_and(|digits| self.chunks == Chunks::Unsigned || !is_signature(digits))
        {
            return Err(DecodeError::Trailer);
        }
        let fields: Vec<Header<'_>> = self
            .trailer
            .iter()
            .filter(|(name, _)| name != TRAILER_SIGNATURE)
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        if self.chunks == Chunks::Unsigned {
            return Ok(());
        }
        match (signature, fields.is_empty(), &self.check) {
            (None, true, _) => Ok(()),
            (None, false, _) | (Some(_), true, _) => Err(DecodeError::Trailer),
            (Some(_), false, None) => Ok(()),
            (Some(signature), false, Some(check)) => {
                let mut canonical = Vec::new();
                write_canonical_trailer(&fields, &mut canonical);
                same(&check.signer.sign_trailer(&canonical), signature)
            }
        }
    }
}

impl ChunkMachine for Decoder {
    type Fault = DecodeError;

    fn wanted(&self) -> Wanted<DecodeError> {
        match self.state {
            State::Done => Wanted::Nothing,
            State::Failed(error) => Wanted::Refused(error),
            State::Data { left } => Wanted::Data(left),
            State::Line | State::DataEnd { .. } | State::TrailerLine => Wanted::Byte,
        }
    }

    fn take_data(&mut self, left: u64, data: &[u8]) {
        if let Some(check) = &mut self.check {
            check.data.update(data);
        }
        self.state = match left.saturating_sub(data.len() as u64) {
            0 => State::DataEnd { seen: 0 },
            left => State::Data { left },
        };
    }

    fn take_byte(&mut self, byte: u8) {
        self.state = self.after_byte(byte).unwrap_or_else(State::Failed);
    }
}

/// A signature is no secret of ours: whoever sends one learns nothing from the time that a comparison takes.
fn same(wanted: &Hex, sent: &[u8]) -> Result<(), DecodeError> {
    if wanted.as_slice() == sent {
        Ok(())
    } else {
        Err(DecodeError::Signature)
    }
}

fn is_signature(digits: &[u8]) -> bool {
    digits.len() == 64
        && digits
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn size_of(digits: &[u8]) -> Option<u64> {
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    digits.iter().try_fold(0u64, |size, &digit| {
        Some((size << 4) | u64::from(char::from(digit).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::wire::aws_chunked::encode;
    use crate::wire::date::parse_amz_date;
    use crate::wire::sigv4::credentials::Credentials;
    use crate::wire::sigv4::credentials::Secret;
    use crate::wire::sigv4::signing_key::SigningKey;

    const UNSIGNED: &str =
        "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";

    fn signer() -> ChunkSigner {
        let credentials = Credentials {
            access_key_id: "A".to_owned(),
            secret_access_key: Secret::new("S"),
            session_token: None,
        };
        let now = parse_amz_date(b"20260101T000000Z").unwrap();
        let key = SigningKey::new(&credentials, now, "us-east-1", "s3");
        ChunkSigner::new(Rc::new(key), now, [b'0'; 64])
    }

    fn signed(trailer: bool) -> Vec<u8> {
        let (mut signer, mut out) = (signer(), Vec::new());
        for data in [b"hello".as_slice(), b" world"] {
            let mut headroom = [0; encode::HEADROOM];
            let used =
                encode::write_signed_header(&mut headroom, data.len(), &signer.sign_chunk(data));
            out.extend_from_slice(&headroom[encode::HEADROOM - used..]);
            out.extend_from_slice(data);
            out.extend_from_slice(encode::CRLF);
        }
        let last = signer.sign_chunk(b"");
        if trailer {
            let field: Header<'_> = (b"x-amz-checksum-crc32", b"DUoRhQ==");
            let of_trailer = signer.sign_trailer(b"x-amz-checksum-crc32:DUoRhQ==\n");
            encode::write_signed_trailer_end(&last, &[field], &of_trailer, &mut out);
        } else {
            encode::write_signed_end(&last, &mut out);
        }
        out
    }

    type Decoded = (Vec<u8>, Option<Vec<u8>>, usize);

    /// Fed in pieces of `step`, at most `max` bytes out at once: data, checksum, used bytes.
    fn decoded(
        chunks: Chunks,
        check: bool,
        wire: &[u8],
        step: usize,
        max: usize,
    ) -> Result<Decoded, DecodeError> {
        let mut decoder = Decoder::new(chunks, check.then(signer));
        let (mut out, mut used) = (Vec::new(), 0);
        while !decoder.is_done() {
            let piece = &wire[used..wire.len().min(used + step)];
            let before = (used, out.len());
            used += decoder.decode(piece, &mut out, max)?;
            if (used, out.len()) == before {
                break;
            }
        }
        let checksum = decoder.trailer(b"x-amz-checksum-crc32").map(<[u8]>::to_vec);
        Ok((out, checksum.filter(|_| decoder.is_done()), used))
    }

    #[test]
    fn any_cut_gives_the_same_body() {
        let checksum = Some(b"DUoRhQ==".to_vec());
        for (chunks, wire, checksum) in [
            (
                Chunks::Unsigned,
                UNSIGNED.as_bytes().to_vec(),
                checksum.clone(),
            ),
            (Chunks::Signed, signed(true), checksum),
            (Chunks::Signed, signed(false), None),
        ] {
            let length = wire.len();
            let more = [wire, b"GET".to_vec()].concat();
            for step in 1..=more.len() {
                for max in [1, 3, usize::MAX] {
                    for check in [false, true] {
                        let got = decoded(chunks, check, &more, step, max).unwrap();
                        let wanted = (b"hello world".to_vec(), checksum.clone(), length);
                        assert_eq!(got, wanted, "{chunks:?} {step} {max} {check}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_trailer_line_may_end_with_a_line_feed() {
        let unsigned = UNSIGNED.replace("==\r\n\r\n", "==\n\r\n\r\n").into_bytes();
        let signed = String::from_utf8(signed(true)).unwrap();
        let signed = signed.replace("==\r\n", "==\n\r\n").into_bytes();
        let several = b"0\r\nx-a:1\nx-amz-checksum-crc32:DUoRhQ==\nx-b:2\n\r\n\r\n".to_vec();
        for (chunks, wire, data) in [
            (Chunks::Unsigned, unsigned, "hello world"),
            (Chunks::Signed, signed, "hello world"),
            (Chunks::Unsigned, several, ""),
        ] {
            for step in 1..=wire.len() {
                let check = chunks == Chunks::Signed;
                let (out, checksum, used) = decoded(chunks, check, &wire, step, 5).unwrap();
                assert_eq!(out, data.as_bytes());
                assert_eq!((checksum, used), (Some(b"DUoRhQ==".to_vec()), wire.len()));
            }
        }
        let not_whole = b"0\r\nx-a:1\n\r\n";
        let mut decoder = Decoder::new(Chunks::Unsigned, None);
        assert_eq!(
            decoder.decode(not_whole, &mut Vec::new(), 9),
            Ok(not_whole.len())
        );
        assert!(!decoder.is_done());
    }

    #[test]
    fn every_changed_byte_of_a_signed_body_is_noticed() {
        let wire = signed(true);
        for at in 0..wire.len() {
            let mut other = wire.clone();
            other[at] ^= 1;
            let got = decoded(Chunks::Signed, true, &other, usize::MAX >> 1, usize::MAX);
            let whole = got.is_ok_and(|(_, checksum, _)| checksum.is_some());
            // a digit of a size may change its case
            assert!(!whole || other.eq_ignore_ascii_case(&wire), "byte {at}");
        }
    }

    #[test]
    fn what_is_not_the_coding_is_refused() {
        use DecodeError::ChunkLine;
        use DecodeError::DataEnd;
        use DecodeError::Trailer;
        let long = format!("{}5\r\n", "0".repeat(16));
        let trailer = format!("0\r\nx-a:{}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX));
        let signed_by_nobody = format!(
            "0\r\nx-a:b\r\nx-amz-trailer-signature:{}\r\n\r\n",
            "a".repeat(64)
        );
        for (wire, fault) in [
            ("\r\n", ChunkLine),
            ("x\r\n", ChunkLine),
            ("+5\r\n", ChunkLine),
            ("5\nhello", ChunkLine),
            ("5\rhello", ChunkLine),
            ("5 \r\nhello", ChunkLine),
            ("5;chunk-signature=\r\nhello", ChunkLine),
            ("5;a=b\r\nhello", ChunkLine),
            (long.as_str(), ChunkLine),
            ("5\r\nhello5", DataEnd),
            ("5\r\nhello\n\r", DataEnd),
            ("0\r\nx\r\n", Trailer),
            ("0\r\nx y:z\r\n\r\n", Trailer),
            ("0\r\n:z\r\n\r\n", Trailer),
            ("0\r\na:b\r\nA:c\r\n\r\n", Trailer),
            ("0\r\n\n", Trailer),
            ("0\r\na:b\n\n", Trailer),
            ("0\r\na:b\r\n\n", Trailer),
            (trailer.as_str(), Trailer),
            (signed_by_nobody.as_str(), Trailer),
        ] {
            let got = decoded(Chunks::Unsigned, false, wire.as_bytes(), 1, usize::MAX);
            assert_eq!(got.unwrap_err(), fault, "{wire:?}");
        }
        for wire in [
            "5\r\nhello",
            "5;chunk-signature=ab\r\nhello",
            "5;x\r\nhello",
        ] {
            let got = decoded(Chunks::Signed, false, wire.as_bytes(), 1, usize::MAX);
            assert_eq!(got.unwrap_err(), ChunkLine, "{wire:?}");
        }
        // near misses
        let pass = |wire: &str| {
            decoded(Chunks::Unsigned, false, wire.as_bytes(), 1, 9)
                .unwrap()
                .0
        };
        assert_eq!(pass("0000000000000005\r\nhello\r\n0\r\n\r\n"), b"hello");
        assert_eq!(pass("0\r\nx-a: b \r\n\r\n"), b"");
    }
}
