//! A place in a text that is read.

/// Reads a text from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'s> {
    text: &'s str,
    at: usize,
}

impl<'s> Cursor<'s> {
    pub(super) const fn new(text: &'s str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes before the place.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn since(&self, start: usize) -> &'s str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn between(&self, start: usize, end: usize) -> &'s str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_after(0)
    }

    pub(super) fn peek_after(&self, bytes: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + bytes).copied()
    }

    /// Moves behind `text` if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let eaten = self.rest().starts_with(text);
        if eaten {
            self.at += text.len();
        }
        eaten
    }

    /// Takes bytes as long as they are of a kind; the kind must end at character boundaries.
    pub(super) fn take_while(&mut self, kind: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|&byte| kind(byte)).count();
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// What the grammar calls whitespace.
    pub(super) fn eat_whitespace(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Blanks and one line end, if the line end follows the blanks.
    pub(super) fn eat_line_end(&mut self) {
        let start = self.at;
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        if !(self.eat("\r\n") || self.eat("\n") || self.eat("\r")) {
            self.at = start;
        }
    }
}

pub(super) const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

pub(super) const fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

pub(super) const fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'@'
}
