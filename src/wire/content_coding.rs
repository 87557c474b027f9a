//! Content codings `gzip` (RFC 1952) and `deflate` (zlib, RFC 1950): which one a client prefers (RFC 9110 §12.5.3), and
//! the codings themselves, piece by piece.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::wire::http1::fields::trim_blanks;

/// Room that is made for output at once.
const OUTPUT_BYTES: usize = 32 * 1024;
/// log₂ of the window, the largest that both formats have.
const WINDOW_BITS: u8 = 15;
/// A weight without `q` (RFC 9110 §12.4.2), in thousandths.
const WEIGHT_MAX: u16 = 1_000;

/// A coding that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// `gzip`
    Gzip,
    /// `deflate`: the zlib format.
    Deflate,
}

impl ContentCoding {
    /// The coding of that name, without regard to case.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"gzip") {
            Some(Self::Gzip)
        } else if name.eq_ignore_ascii_case(b"deflate") {
            Some(Self::Deflate)
        } else {
            None
        }
    }

    /// Its name in Content-Encoding.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"gzip",
            Self::Deflate => b"deflate",
        }
    }

    /// The coding that an Accept-Encoding value names with the highest weight, the first of equals; `None` if another
    /// coding has a higher one, and for `*`, which names none (spec 11, "Compression").
    #[must_use]
    pub fn preferred(accept_encoding: &[u8]) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        let mut others = 0;
        for entry in accept_encoding.split(|&byte| byte == b',') {
            let mut parts = entry.split(|&byte| byte == b';').map(trim_blanks);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(weight).unwrap_or(WEIGHT_MAX);
            match Self::of_name(name) {
                Some(coding) if weight > best.map_or(0, |(_, best)| best) => {
                    best = Some((coding, weight));
                }
                None if !name.is_empty() && name != b"*" => others = others.max(weight),
                _ => {}
            }
        }
        best.filter(|(_, weight)| *weight >= others)
            .map(|(coding, _)| coding)
    }
}

/// `q=0.5` in thousandths; a malformed weight is 0.
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = parameter else {
        return None;
    };
    let (whole, decimals) = match value {
        [whole @ (b'0' | b'1')] => (*whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return Some(0),
    };
    let mut padded = decimals.iter().chain(b"000").take(3);
    let thousandths = padded.try_fold(0u16, |sum, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        Some(sum * 10 + u16::try_from(digit).ok()?)
    });
    let weight = u16::from(whole - b'0') * 1_000 + thousandths.unwrap_or(0);
    Some(weight.min(WEIGHT_MAX))
}

/// Codes a body as it passes; keeps some 256 KiB.
#[derive(Debug)]
pub struct Encoder {
    state: Compress,
}

impl Encoder {
    /// An encoder at the start of a body.
    #[must_use]
    pub fn new(coding: ContentCoding) -> Self {
        let level = Compression::default();
        Self {
            state: match coding {
                ContentCoding::Gzip => Compress::new_gzip(level, WINDOW_BITS),
                ContentCoding::Deflate => Compress::new(level, true),
            },
        }
    }

    /// Appends what can be sent after the next piece; often nothing.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.run(input, FlushCompress::None, out);
    }

    /// Appends the rest.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.run(&[], FlushCompress::Finish, out);
    }

    fn run(&mut self, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve(OUTPUT_BYTES);
            let before = (self.state.total_in(), out.len());
            let status = self.state.compress_vec(input, out, flush);
            let used = usize::try_from(self.state.total_in() - before.0).unwrap_or(usize::MAX);
            input = input.get(used..).unwrap_or_default();
            let progress = used > 0 || out.len() > before.1;
            let more = match flush {
                FlushCompress::Finish => !matches!(status, Ok(Status::StreamEnd)),
                _ => !input.is_empty() || out.len() == out.capacity(),
            };
            // without progress the state has nothing more to give, whatever it says
            if !more || !progress {
                return;
            }
        }
    }
}

/// Why a body could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// It is not what its coding says: damaged, cut short, or with something behind its end.
    Malformed,
    /// It is longer than the limit.
    TooLong,
}

/// Decodes a whole body of at most `bytes_max` bytes. A gzip body may have several members (RFC 1952 §2.2).
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(
    coding: ContentCoding,
    mut input: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    loop {
        let mut state = match coding {
            ContentCoding::Gzip => Decompress::new_gzip(WINDOW_BITS),
            ContentCoding::Deflate => Decompress::new(true),
        };
        input = decode_member(&mut state, input, bytes_max, &mut out)?;
        match coding {
            _ if input.is_empty() => return Ok(out),
            ContentCoding::Gzip => {}
            ContentCoding::Deflate => return Err(DecodeError::Malformed),
        }
    }
}

/// Decodes up to the end of a member; gives what follows it.
fn decode_member<'i>(
    state: &mut Decompress,
    mut input: &'i [u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<&'i [u8], DecodeError> {
    loop {
        out.reserve(OUTPUT_BYTES);
        let before = (state.total_in(), out.len());
        let status = state
            .decompress_vec(input, out, FlushDecompress::None)
            .map_err(|_| DecodeError::Malformed)?;
        if out.len() > bytes_max {
            return Err(DecodeError::TooLong);
        }
        let used = usize::try_from(state.total_in() - before.0).unwrap_or(usize::MAX);
        input = input.get(used..).unwrap_or_default();
        if matches!(status, Status::StreamEnd) {
            return Ok(input);
        }
        if used == 0 && out.len() == before.1 {
            return Err(DecodeError::Malformed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODINGS: [ContentCoding; 2] = [ContentCoding::Gzip, ContentCoding::Deflate];

    fn encoded(coding: ContentCoding, body: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(coding);
        let mut out = Vec::new();
        for piece in body.chunks(piece) {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    /// Bytes without a pattern that a coding would find (xorshift).
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        (0..bytes)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect()
    }

    #[test]
    fn the_highest_weight_decides_and_equals_go_to_the_first() {
        use ContentCoding::{Deflate, Gzip};
        for (value, wanted) in [
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("deflate,gzip", Some(Deflate)),
            ("gzip, deflate, br, zstd", Some(Gzip)),
            ("", None),
            ("*", None),
            ("br", None),
            ("identity", None),
            ("deflate;q=0.5,gzip;q=1.0", Some(Gzip)),
            ("gzip;q=1.0,identity;q=0.5,*;q=0", Some(Gzip)),
            ("gzip;q=0.5,identity", None),
            ("gzip;q=0.5, br;q=0.9", None),
            ("gzip;q=0", None),
            ("gzip ; q=0.001", Some(Gzip)),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=0.x", None),
            ("gzip;level=1;q=0.2,deflate;q=0.3", Some(Deflate)),
            ("gzipx", None),
        ] {
            assert_eq!(
                ContentCoding::preferred(value.as_bytes()),
                wanted,
                "{value}"
            );
        }
    }

    #[test]
    fn any_cut_decodes_to_the_same_body() {
        let bodies = [Vec::new(), b"abc".repeat(30_000), noise(100_000)];
        for coding in CODINGS {
            for body in &bodies {
                for piece in [1, 7, 4_096, usize::MAX] {
                    let coded = encoded(coding, body, piece);
                    assert_eq!(decode(coding, &coded, body.len()).as_ref(), Ok(body));
                }
            }
        }
    }

    #[test]
    fn a_body_at_the_limit_decodes_and_one_byte_more_does_not() {
        for coding in CODINGS {
            let coded = encoded(coding, &[0; 1_000_000], usize::MAX);
            assert!(coded.len() < 2_000);
            assert!(decode(coding, &coded, 1_000_000).is_ok());
            assert_eq!(decode(coding, &coded, 999_999), Err(DecodeError::TooLong));
        }
    }

    #[test]
    fn what_is_cut_damaged_or_followed_is_malformed() {
        for coding in CODINGS {
            let coded = encoded(coding, b"hello hello hello", usize::MAX);
            for end in 0..coded.len() {
                let cut = decode(coding, &coded[..end], 100);
                assert_eq!(cut, Err(DecodeError::Malformed), "{coding:?} cut at {end}");
            }
            let mut damaged = coded.clone();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            assert_eq!(decode(coding, &damaged, 100), Err(DecodeError::Malformed));
            let followed = [&coded[..], b"x"].concat();
            assert_eq!(decode(coding, &followed, 100), Err(DecodeError::Malformed));
            let other = encoded(CODINGS[usize::from(coding == CODINGS[0])], b"a", 1);
            assert_eq!(decode(coding, &other, 100), Err(DecodeError::Malformed));
        }
    }

    #[test]
    fn a_gzip_body_may_have_members() {
        let two = [
            encoded(ContentCoding::Gzip, b"ab", 1),
            encoded(ContentCoding::Gzip, b"cd", 1),
        ]
        .concat();
        assert_eq!(decode(ContentCoding::Gzip, &two, 4).unwrap(), b"abcd");
        assert_eq!(
            decode(ContentCoding::Gzip, &two, 3),
            Err(DecodeError::TooLong)
        );
    }
}
