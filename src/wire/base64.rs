//! Base64 (RFC 4648 §4) as a stream: standard alphabet, padding, no line breaks; SIMD for whole quanta.
//!
//! Decoding is as strict as Java's basic decoder (spec 04, "Operations"): bytes outside the alphabet fail, blanks and
//! newlines included; padding is complete or left out, and nothing follows it. Bits that the last
//! character has too many are ignored, as Java does.

use std::fmt;

use base64_simd::{STANDARD, STANDARD_NO_PAD};

/// Length of the encoding of `bytes` bytes, padding included; saturates.
#[must_use]
pub const fn encoded_len(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

/// Encodes a body that arrives in pieces; up to 2 bytes wait for the next piece.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    carry: [u8; 3],
    /// Bytes in `carry`: 0 to 2 between calls.
    carried: usize,
}

impl Encoder {
    /// Nothing carried.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the characters of all whole groups of 3 bytes so far.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        if self.carried > 0 {
            let wanted = self.carry.len() - self.carried;
            let (head, tail) = rest.split_at(wanted.min(rest.len()));
            self.keep(head);
            rest = tail;
            if self.carried < self.carry.len() {
                return;
            }
            STANDARD.encode_append(self.carry, out);
            self.carried = 0;
        }
        let (whole, tail) = rest.split_at(rest.len() - rest.len() % 3);
        STANDARD.encode_append(whole, out);
        self.keep(tail);
    }

    /// Appends the last quantum, padded. The encoder is as new afterwards.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let (left, _) = self.carry.split_at(self.carried);
        STANDARD.encode_append(left, out);
        self.carried = 0;
    }

    fn keep(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.carry.iter_mut().skip(self.carried).zip(bytes) {
            *place = byte;
        }
        self.carried += bytes.len();
    }
}

/// Why a text is not Base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Error {
    /// A byte outside `A-Z a-z 0-9 + / =`.
    NotInAlphabet,
    /// `=` where no padding can be, or one `=` where two belong.
    MisplacedPadding,
    /// Something after the padding.
    AfterPadding,
    /// The text ends with one character of a quantum.
    DanglingCharacter,
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInAlphabet => "a byte outside the Base64 alphabet",
            Self::MisplacedPadding => "misplaced Base64 padding",
            Self::AfterPadding => "bytes after the Base64 padding",
            Self::DanglingCharacter => "a single Base64 character at the end",
        })
    }
}

impl std::error::Error for Base64Error {}

/// Decodes a text that arrives in pieces; up to 3 characters wait for the next piece.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The bits of the characters of the begun quantum.
    bits: u32,
    /// How many characters those are: 0 to 3.
    characters: u8,
    padding: Padding,
}

/// How far the padding of the text has been read.
#[derive(Clone, Copy, Debug, Default)]
enum Padding {
    #[default]
    NotSeen,
    /// `xx=` was read: a second `=` must follow.
    OneMissing,
    Complete,
}

impl Decoder {
    /// Nothing carried.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the bytes of all whole quanta so far.
    ///
    /// # Errors
    /// At the first character that cannot follow; `out` then holds the bytes before it and the decoder is finished.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Base64Error> {
        let mut rest = input;
        while self.is_inside_quantum() {
            let Some((&character, tail)) = rest.split_first() else {
                return Ok(());
            };
            self.take(character, out)?;
            rest = tail;
        }
        let (quanta, mut tail) = rest.split_at(unpadded_quanta_len(rest));
        if STANDARD_NO_PAD.decode_append(quanta, out).is_err() {
            tail = rest; // to name the fault, and to give the bytes before it
        }
        tail.iter()
            .try_for_each(|&character| self.take(character, out))
    }

    /// Appends the bytes of a last quantum without padding. The decoder is as new afterwards.
    ///
    /// # Errors
    /// When the last quantum has one character, or half of its padding.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Base64Error> {
        let mut last = std::mem::take(self);
        match (last.padding, last.characters) {
            (Padding::OneMissing, _) => Err(Base64Error::MisplacedPadding),
            (Padding::NotSeen, 1) => Err(Base64Error::DanglingCharacter),
            _ => {
                last.flush(out);
                Ok(())
            }
        }
    }

    const fn is_inside_quantum(&self) -> bool {
        self.characters > 0 || !matches!(self.padding, Padding::NotSeen)
    }

    fn take(&mut self, character: u8, out: &mut Vec<u8>) -> Result<(), Base64Error> {
        match (self.padding, character) {
            (Padding::Complete, _) => Err(Base64Error::AfterPadding),
            (Padding::OneMissing, b'=') => {
                self.padding = Padding::Complete;
                Ok(())
            }
            (Padding::OneMissing, _) => Err(Base64Error::MisplacedPadding),
            (Padding::NotSeen, b'=') => self.start_padding(out),
            (Padding::NotSeen, _) => {
                let value = value(character).ok_or(Base64Error::NotInAlphabet)?;
                self.bits = self.bits << 6 | u32::from(value);
                self.characters += 1;
                if self.characters == 4 {
                    self.flush(out);
                }
                Ok(())
            }
        }
    }

    fn start_padding(&mut self, out: &mut Vec<u8>) -> Result<(), Base64Error> {
        self.padding = match self.characters {
            2 => Padding::OneMissing,
            3 => Padding::Complete,
            _ => return Err(Base64Error::MisplacedPadding),
        };
        self.flush(out);
        Ok(())
    }

    /// Appends the whole bytes of the begun quantum; 4, 3 and 2 characters hold 3, 2 and 1.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let missing = 4_u8.saturating_sub(self.characters);
        let [_, bytes @ ..] = (self.bits << (6 * u32::from(missing))).to_be_bytes();
        let whole = usize::from(self.characters.saturating_sub(1));
        out.extend(bytes.iter().take(whole));
        self.bits = 0;
        self.characters = 0;
    }
}

/// Bytes of `text` that are whole quanta; a last quantum that holds padding is left for the careful path.
fn unpadded_quanta_len(text: &[u8]) -> usize {
    let whole = text.len() - text.len() % 4;
    let (quanta, _) = text.split_at(whole);
    if quanta.ends_with(b"=") {
        whole - 4
    } else {
        whole
    }
}

const fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut out = Vec::new();
        for piece in pieces {
            encoder.encode(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    fn decoded(pieces: &[&[u8]]) -> Result<Vec<u8>, Base64Error> {
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        for piece in pieces {
            decoder.decode(piece, &mut out)?;
        }
        decoder.finish(&mut out)?;
        Ok(out)
    }

    fn bytewise(text: &[u8]) -> Vec<&[u8]> {
        text.chunks(1).collect()
    }

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(&[bytes.as_bytes()]), text.as_bytes());
            assert_eq!(encoded_len(bytes.len() as u64), text.len() as u64);
            assert_eq!(decoded(&[text.as_bytes()]).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn omitted_padding_passes_and_half_of_it_fails() {
        assert_eq!(decoded(&[b"Zm9vYg"]).unwrap(), b"foob");
        assert_eq!(decoded(&[b"Zm9vYmE"]).unwrap(), b"fooba");
        assert_eq!(decoded(&[b"Zm9vYg="]), Err(Base64Error::MisplacedPadding));
    }

    #[test]
    fn misplaced_padding_fails() {
        for text in [
            "=", "==", "====", "Z===", "Zm9v=", "Zm9v====", "Zg=g", "Zg=gZm9v",
        ] {
            assert_eq!(
                decoded(&[text.as_bytes()]),
                Err(Base64Error::MisplacedPadding),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_follows_the_padding() {
        for text in ["Zg===", "Zm8==", "Zg==Zg==", "Zg==\n", "Zm8=Zm9vZm9v"] {
            assert_eq!(
                decoded(&[text.as_bytes()]),
                Err(Base64Error::AfterPadding),
                "{text}"
            );
        }
    }

    #[test]
    fn one_dangling_character_fails() {
        assert_eq!(decoded(&[b"Z"]), Err(Base64Error::DanglingCharacter));
        assert_eq!(decoded(&[b"Zm9vZ"]), Err(Base64Error::DanglingCharacter));
    }

    #[test]
    fn only_the_standard_alphabet_passes() {
        for text in [
            "Zm 9v",
            "Zm9v\n",
            "\r\nZm9v",
            "Zm9-",
            "Zm9_",
            "Zm9\u{e9}",
            "Zm9v,m9v",
            "Zm\0v",
        ] {
            assert_eq!(
                decoded(&[text.as_bytes()]),
                Err(Base64Error::NotInAlphabet),
                "{text}"
            );
        }
        assert_eq!(decoded(&[b"+/+/"]).unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn surplus_bits_of_the_last_character_are_ignored() {
        assert_eq!(decoded(&[b"Zh=="]).unwrap(), b"f");
        assert_eq!(decoded(&[b"Zm9vZn"]).unwrap(), b"foof");
        assert_eq!(decoded(&[b"Zm9="]).unwrap(), b"fo");
    }

    #[test]
    fn any_cut_gives_the_same_characters() {
        let bytes: Vec<u8> = (0..100).collect();
        let whole = encoded(&[&bytes]);
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(encoded(&[head, tail]), whole, "cut at {cut}");
        }
        assert_eq!(encoded(&bytewise(&bytes)), whole);
    }

    #[test]
    fn a_finished_coder_can_be_used_again() {
        let (mut encoder, mut decoder, mut out) = (Encoder::new(), Decoder::new(), Vec::new());
        for _ in 0..2 {
            encoder.encode(b"f", &mut out);
            encoder.finish(&mut out);
        }
        assert_eq!(out, b"Zg==Zg==");
        for _ in 0..2 {
            out.clear();
            decoder.decode(b"Zg==", &mut out).unwrap();
            decoder.finish(&mut out).unwrap();
            assert_eq!(out, b"f");
        }
    }

    #[test]
    fn encoded_length_saturates() {
        assert_eq!(encoded_len(u64::MAX), u64::MAX);
        assert_eq!(encoded_len(10_485_760), 13_981_016);
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded_at_any_cut(bytes: Vec<u8>, cuts in prop::array::uniform2(0_usize..400)) {
            let text = encoded(&[&bytes]);
            prop_assert_eq!(text.len() as u64, encoded_len(bytes.len() as u64));
            let low = cuts[0].min(cuts[1]).min(text.len());
            let high = cuts[0].max(cuts[1]).min(text.len());
            let pieces = [&text[..low], &text[low..high], &text[high..]];
            prop_assert_eq!(decoded(&pieces).unwrap(), bytes.as_slice());
            prop_assert_eq!(decoded(&bytewise(&text)).unwrap(), bytes);
        }

        #[test]
        fn any_cut_gives_the_same_verdict(text in "[A-Da-d+/=]{0,12}[ \n=_A]{0,2}[A-Z=]{0,70}") {
            let text = text.as_bytes();
            let whole = decoded(&[text]);
            for cut in 0..text.len() {
                let (head, tail) = text.split_at(cut);
                prop_assert_eq!(&decoded(&[head, tail]), &whole);
            }
            prop_assert_eq!(&decoded(&bytewise(text)), &whole);
        }
    }
}
