//! Text that may not be UTF-8 made UTF-8, as a stream (spec 04, operation `utf8`).
//!
//! At any cut the result is that of `String::from_utf8_lossy` on the whole: every maximal invalid subsequence becomes
//! U+FFFD. Clean stretches are checked by SIMD and copied at once; around faults the standard library works
//! on short windows, because a SIMD check that fails at every other byte costs more than it saves.

use std::str::from_utf8;

use simdutf8::compat;

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Bytes behind a fault that are repaired one sequence at a time before SIMD is tried again.
const WINDOW_BYTES: usize = 1024;

/// Repairs a body that arrives in pieces; up to 3 bytes of a begun character wait for the next piece.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    carry: [u8; 4],
    /// Bytes in `carry`: 0 to 3 between calls, always the valid beginning of one character.
    carried: usize,
}

impl Repair {
    /// Nothing carried.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `input` as UTF-8, all but an unfinished character at its end; at most three times its length.
    pub fn repair(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = self.finish_character(input, out);
        loop {
            match compat::from_utf8(rest) {
                Ok(clean) => return out.extend_from_slice(clean.as_bytes()),
                Err(error) => {
                    let (clean, broken) = rest.split_at(error.valid_up_to());
                    out.extend_from_slice(clean);
                    if error.error_len().is_none() {
                        return self.keep(broken);
                    }
                    rest = repair_window(broken, out);
                }
            }
        }
    }

    /// Appends U+FFFD for a character that was never finished. The repair is as new afterwards.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.carried > 0 {
            out.extend_from_slice(REPLACEMENT);
            self.carried = 0;
        }
    }

    /// Takes bytes until the carried character is whole or broken; gives back the bytes that are not used.
    fn finish_character<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let mut rest = input;
        while self.carried > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                break;
            };
            self.keep(&[byte]);
            let (begun, _) = self.carry.split_at(self.carried);
            match from_utf8(begun) {
                Ok(character) => {
                    out.extend_from_slice(character.as_bytes());
                    self.carried = 0;
                    rest = tail;
                }
                Err(error) if error.error_len().is_none() => rest = tail,
                // What was carried is one maximal invalid subsequence; the byte that broke it starts anew.
                Err(_) => {
                    out.extend_from_slice(REPLACEMENT);
                    self.carried = 0;
                }
            }
        }
        rest
    }

    fn keep(&mut self, bytes: &[u8]) {
        for (place, &byte) in self.carry.iter_mut().skip(self.carried).zip(bytes) {
            *place = byte;
            self.carried += 1;
        }
    }
}

/// Repairs a window of `broken`, which starts with an invalid sequence; gives back what follows it. A sequence that
/// the window's end cuts off is left for the caller.
fn repair_window<'a>(broken: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (window, _) = broken.split_at(broken.len().min(WINDOW_BYTES));
    let mut used = 0;
    for chunk in window.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        used += chunk.valid().len();
        let invalid = chunk.invalid();
        let at_window_end = used + invalid.len() == window.len();
        if invalid.is_empty() || (at_window_end && is_unfinished(invalid)) {
            break;
        }
        out.extend_from_slice(REPLACEMENT);
        used += invalid.len();
    }
    broken.get(used..).unwrap_or_default()
}

/// Whether more bytes could make this a character.
fn is_unfinished(invalid: &[u8]) -> bool {
    from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(pieces: &[&[u8]]) -> Vec<u8> {
        let mut repair = Repair::new();
        let mut out = Vec::new();
        for piece in pieces {
            repair.repair(piece, &mut out);
            assert!(repair.carried < 4);
        }
        repair.finish(&mut out);
        out
    }

    fn lossy(bytes: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(bytes).into_owned().into_bytes()
    }

    fn same_at_every_cut(bytes: &[u8]) {
        let wanted = lossy(bytes);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(repaired(&[head, tail]), wanted, "{bytes:x?} cut at {cut}");
        }
        assert_eq!(
            repaired(&bytes.chunks(1).collect::<Vec<_>>()),
            wanted,
            "{bytes:x?} bytewise"
        );
    }

    #[test]
    fn observed_cases() {
        assert_eq!(repaired(&[b"\x1f\x8b\x08"]), b"\x1f\xef\xbf\xbd\x08");
        assert_eq!(
            repaired(&[b"\xce\xcf\x2d"]),
            b"\xef\xbf\xbd\xef\xbf\xbd\x2d"
        );
        assert_eq!(repaired(&[b"\xd3\xb5"]), b"\xd3\xb5");
    }

    #[test]
    fn any_cut_gives_what_the_standard_library_gives() {
        for bytes in [
            "aé€𐍈".as_bytes(),
            b"\xf0\x90\x8d",
            b"\xf0\x90\x8dA",
            b"\xf0\x90A\xe2\x82A\xc3A",
            b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80\xf8\x88",
            b"\xe2\x82\xe2\x82\xac\xff\xfe",
            b"\xf0\xf0\x90\xf0\x90\x8d\x88\x80",
        ] {
            same_at_every_cut(bytes);
        }
    }

    #[test]
    fn a_window_end_inside_a_character_does_not_break_it() {
        for shift in 0..5 {
            let mut bytes = b"\xff".to_vec();
            bytes.resize(WINDOW_BYTES - shift, b'a');
            bytes.extend_from_slice("𐍈€".as_bytes());
            bytes.extend_from_slice(b"\xe2\x82A\xf0\x90");
            assert_eq!(repaired(&[&bytes]), lossy(&bytes), "shift {shift}");
        }
    }

    #[test]
    fn an_unfinished_character_waits_and_ends_as_one_replacement() {
        let mut repair = Repair::new();
        let mut out = Vec::new();
        repair.repair(b"a\xf0\x90\x8d", &mut out);
        assert_eq!(out, b"a");
        repair.finish(&mut out);
        repair.finish(&mut out);
        assert_eq!(out, "a\u{fffd}".as_bytes());
    }

    fn hard_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            Just(b'a'),
            0x80_u8..0xc0,
            Just(0xc3),
            Just(0xe2),
            Just(0xed),
            Just(0xf0),
            Just(0x90),
            Just(0xf4),
            any::<u8>(),
        ]
    }

    proptest! {
        #[test]
        fn hard_bytes_are_repaired_as_by_the_standard_library(bytes in prop::collection::vec(hard_byte(), 0..80)) {
            same_at_every_cut(&bytes);
        }

        #[test]
        fn long_mixed_text_is_repaired_as_by_the_standard_library(
            parts in prop::collection::vec(("\\PC{0,300}", prop::collection::vec(hard_byte(), 0..6)), 0..20),
            size in 1_usize..3000,
        ) {
            let mut bytes = Vec::new();
            for (text, broken) in &parts {
                bytes.extend_from_slice(text.as_bytes());
                bytes.extend_from_slice(broken);
            }
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(repaired(&pieces), lossy(&bytes));
        }
    }
}
