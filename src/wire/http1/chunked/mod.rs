//! The chunked coding (RFC 9112 §7.1), decoded byte by byte where a lenient reading is how bodies get smuggled:
//! sizes are hex digits alone, every line ends with CRLF. Extensions and trailers are checked and dropped.

use crate::wire::chunk_machine::ChunkMachine;
use crate::wire::chunk_machine::Wanted;
use crate::wire::chunk_machine::feed;
use crate::wire::http1::fields::{is_token_byte, is_value_byte};

/// The chunk that ends a body, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The longest chunk header written, in bytes: sixteen hex digits and CRLF.
pub const CHUNK_HEADER_BYTES_MAX: usize = SIZE_DIGITS_MAX as usize + 2;

/// The most bytes that the chunk extensions of one body may take.
pub const EXTENSION_BYTES_MAX: usize = 16 * 1024;

/// The most bytes that the trailer lines of one body may take, with their line ends.
pub const TRAILER_BYTES_MAX: usize = 10_240;

/// Sixteen hex digits fill a `u64`.
const SIZE_DIGITS_MAX: u8 = 16;

/// Why a chunked body is refused. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkedError {
    /// The chunk size is not one to sixteen hex digits.
    SizeMalformed,
    /// A control byte in a chunk extension.
    ExtensionMalformed,
    /// The extensions are longer than [`EXTENSION_BYTES_MAX`].
    ExtensionsTooLarge,
    /// A line does not end with CRLF: a bare CR or LF.
    LineEndMalformed,
    /// Chunk data is not followed by CRLF.
    DataEndMalformed,
    /// A trailer line that is no field line, or a folded one.
    TrailerMalformed,
    /// The trailers are longer than [`TRAILER_BYTES_MAX`].
    TrailersTooLarge,
}

/// Decodes one chunked body from pieces of any size.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    extension_bytes: usize,
    trailer_bytes: usize,
}

/// What the next byte must be part of.
#[derive(Clone, Copy, Debug)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
    Failed(ChunkedError),
}

const FIRST_SIZE: State = State::Size { size: 0, digits: 0 };

impl ChunkedDecoder {
    /// A decoder before the first chunk.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: FIRST_SIZE,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Appends the data in `input` to `output` and returns the count of bytes used, which is less than given only
    /// if the body ended. After an error `output` holds the data before the fault, and every call fails.
    pub fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, ChunkedError> {
        self.decode_bounded(input, output, usize::MAX)
    }

    /// As [`Self::decode`], but appends at most `max` bytes: bytes are left unused if there is more data.
    pub fn decode_bounded(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        max: usize,
    ) -> Result<usize, ChunkedError> {
        feed(self, input, output, max)
    }

    /// Whether the whole body was decoded, trailers included. If the peer closes before, the body is cut short.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The state after a byte that is not chunk data.
    fn after_byte(&mut self, state: State, byte: u8) -> Result<State, ChunkedError> {
        match (state, byte) {
            (State::Size { size, digits }, _) => self.after_size_byte(size, digits, byte),
            (State::Extension { size }, b'\r') => Ok(State::SizeLineFeed { size }),
            (State::Extension { size }, _) => {
                self.count_extension_byte(byte)?;
                Ok(State::Extension { size })
            }
            (State::SizeLineFeed { size: 0 }, b'\n') => Ok(State::TrailerStart),
            (State::SizeLineFeed { size }, b'\n') => Ok(State::Data { left: size }),
            (State::SizeLineFeed { .. }, _) => Err(ChunkedError::LineEndMalformed),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(FIRST_SIZE),
            (State::DataReturn | State::DataLineFeed, _) => Err(ChunkedError::DataEndMalformed),
            (State::TrailerStart, b'\r') => Ok(State::EndLineFeed),
            (State::EndLineFeed, b'\n') => Ok(State::Done),
            (
                State::TrailerStart
                | State::TrailerName
                | State::TrailerValue
                | State::TrailerLineFeed,
                _,
            ) => self.after_trailer_byte(state, byte),
            (State::EndLineFeed, _) => Err(ChunkedError::LineEndMalformed),
            // the loop hands no byte to these
            (State::Data { .. } | State::Done | State::Failed(_), _) => Ok(state),
        }
    }

    fn after_size_byte(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, ChunkedError> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(digit), _) if digits < SIZE_DIGITS_MAX => Ok(State::Size {
                size: (size << 4) | u64::from(digit),
                digits: digits + 1,
            }),
            (None, b'\r') if digits > 0 => Ok(State::SizeLineFeed { size }),
            (None, b';') if digits > 0 => {
                self.count_extension_byte(byte)?;
                Ok(State::Extension { size })
            }
            (None, b'\n') if digits > 0 => Err(ChunkedError::LineEndMalformed),
            _ => Err(ChunkedError::SizeMalformed),
        }
    }

    fn count_extension_byte(&mut self, byte: u8) -> Result<(), ChunkedError> {
        if byte == b'\n' {
            return Err(ChunkedError::LineEndMalformed);
        }
        if !is_value_byte(byte) {
            return Err(ChunkedError::ExtensionMalformed);
        }
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(ChunkedError::ExtensionsTooLarge);
        }
        Ok(())
    }

    fn after_trailer_byte(&mut self, state: State, byte: u8) -> Result<State, ChunkedError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkedError::TrailersTooLarge);
        }
        match (state, byte) {
            (State::TrailerStart | State::TrailerName, _) if is_token_byte(byte) => {
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerValue, _) if is_value_byte(byte) => Ok(State::TrailerValue),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            (State::TrailerLineFeed, _) | (_, b'\n') => Err(ChunkedError::LineEndMalformed),
            _ => Err(ChunkedError::TrailerMalformed),
        }
    }
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkMachine for ChunkedDecoder {
    type Fault = ChunkedError;

    fn wanted(&self) -> Wanted<ChunkedError> {
        match self.state {
            State::Done => Wanted::Nothing,
            State::Failed(error) => Wanted::Refused(error),
            State::Data { left } => Wanted::Data(left),
            _ => Wanted::Byte,
        }
    }

    fn take_data(&mut self, left: u64, data: &[u8]) {
        self.state = after_data(left, data.len());
    }

    fn take_byte(&mut self, byte: u8) {
        self.state = self
            .after_byte(self.state, byte)
            .unwrap_or_else(State::Failed);
    }
}

fn after_data(left: u64, taken: usize) -> State {
    match left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX)) {
        0 => State::DataReturn,
        left => State::Data { left },
    }
}

/// Appends the header of a chunk of `len` bytes, which must not be 0. The data and CRLF follow.
pub fn write_chunk_header(out: &mut Vec<u8>, len: usize) {
    let mut header = [0; CHUNK_HEADER_BYTES_MAX];
    let used = write_chunk_header_before(&mut header, len);
    out.extend_from_slice(
        header
            .get(CHUNK_HEADER_BYTES_MAX - used..)
            .unwrap_or_default(),
    );
}

/// Writes the header of a chunk of `len` bytes to the end of `headroom`, so that the data can follow it without a
/// copy; returns the count of bytes used. `len` must not be 0.
pub fn write_chunk_header_before(headroom: &mut [u8; CHUNK_HEADER_BYTES_MAX], len: usize) -> usize {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let (mut rest, mut used) = (len, 2);
    let [digits @ .., carriage_return, line_feed] = headroom;
    (*carriage_return, *line_feed) = (b'\r', b'\n');
    for place in digits.iter_mut().rev() {
        *place = b"0123456789abcdef".get(rest & 15).copied().unwrap_or(b'0');
        used += 1;
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    used
}

#[cfg(test)]
mod tests;
