//! Text between the constructs, escapes and comments.

use memchr::memchr3;

use crate::vtl::compile::cursor::{continues_word, starts_name};
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::compile::{Parser, directive};
use crate::vtl::program::Operation;

/// What ends a block; the cursor stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockEnd {
    /// The end of the text.
    Text,
    End,
    Else,
    ElseIf,
}

impl Parser<'_, '_> {
    /// The whole text.
    pub(super) fn template(&mut self) -> Result<(), CompileError> {
        let start = self.cursor;
        match self.statements()? {
            BlockEnd::Text => Ok(()),
            BlockEnd::End | BlockEnd::Else | BlockEnd::ElseIf => {
                let read = self.cursor.since(start.at());
                Err(CompileError {
                    offset: start.at() + read.rfind('#').unwrap_or(0),
                    fault: CompileFault::BlockMissing,
                })
            }
        }
    }

    /// Statements up to the end of their block. Each round of the loop stands where Velocity's lexer starts a token:
    /// only there do the blanks before `#set` belong to it.
    pub(super) fn statements(&mut self) -> Result<BlockEnd, CompileError> {
        loop {
            if self.set_follows() {
                self.flush();
                self.set()?;
                continue;
            }
            match self.cursor.peek() {
                None => {
                    self.flush();
                    return Ok(BlockEnd::Text);
                }
                Some(sign @ (b'\\' | b'$' | b'#')) => {
                    let end = match sign {
                        b'\\' => self.backslashes()?,
                        b'$' => self.dollar()?,
                        _ => self.hash()?,
                    };
                    if let Some(end) = end {
                        self.flush();
                        return Ok(end);
                    }
                }
                Some(first) if !self.behind.is_empty() && self.touching(first)? => {}
                Some(_) => {
                    self.behind.clear();
                    let rest = self.cursor.rest();
                    let length = memchr3(b'$', b'#', b'\\', rest.as_bytes());
                    self.write(rest.len().min(length.unwrap_or(rest.len())));
                }
            }
        }
    }

    /// Takes the next bytes as text.
    pub(super) fn write(&mut self, bytes: usize) {
        let start = self.cursor.at();
        self.cursor.move_to(start + bytes);
        self.written.push_str(self.cursor.since(start));
    }

    /// Takes a `$` or `#` as text. Velocity loses it before a `#set`.
    pub(super) fn write_sign(&mut self) {
        self.write(1);
        if self.set_follows() {
            self.written.pop();
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.written.is_empty() {
            let text = self.emitter.text(&self.written);
            self.written.clear();
            self.emitter.emit(Operation::Write(text));
        }
    }

    /// Backslashes are text but before a reference or a directive: there each two print one, and an odd one makes
    /// text of what follows.
    fn backslashes(&mut self) -> Result<Option<BlockEnd>, CompileError> {
        let count = self.cursor.take_while(|byte| byte == b'\\').len();
        match self.cursor.peek() {
            Some(b'$') => {
                let start = self.cursor;
                self.written.push_str(&"\\".repeat(count / 2));
                let escaped = count % 2 == 1;
                if !self.reference_follows() {
                    self.written.push_str(&"\\".repeat(count - count / 2));
                    return self.dollar();
                }
                if !escaped {
                    return self.dollar();
                }
                // it prints as written
                self.unprinted(Self::dollar)?;
                self.written.push_str(self.cursor.since(start.at()));
                Ok(None)
            }
            Some(b'#') => {
                self.behind.clear();
                let word = self.word_after_hash();
                let known = word.is_some_and(|(name, _)| self.is_directive(name));
                let length = word.map(|(_, length)| length);
                // `#set` is a token of its own, which an even number before it does not see
                let sees = known && (count % 2 == 1 || !self.set_follows());
                let shown = if sees { count / 2 } else { count };
                self.written.push_str(&"\\".repeat(shown));
                if let (1, Some(length)) = (count % 2, length) {
                    self.write(length);
                }
                Ok(None)
            }
            _ => {
                self.behind.clear();
                self.written.push_str(&"\\".repeat(count));
                Ok(None)
            }
        }
    }

    fn is_directive(&self, name: &str) -> bool {
        directive::is_known(name) || self.emitter.has_macro(name)
    }

    /// The word of `#word` or `#{word}`, and the bytes of all of it.
    pub(super) fn word_after_hash(&self) -> Option<(&str, usize)> {
        let rest = self.cursor.rest().strip_prefix('#')?;
        let (braced, start) = match rest.strip_prefix('{') {
            Some(start) => (true, start),
            None => (false, rest),
        };
        let first = start.bytes().next()?;
        if !(starts_name(first) || (first == b'@' && !braced)) {
            return None;
        }
        let length = start
            .bytes()
            .take_while(|&byte| continues_word(byte))
            .count();
        let (word, after) = start.split_at_checked(length)?;
        if braced {
            return after.starts_with('}').then_some((word, length + 3));
        }
        Some((word, length + 1))
    }

    /// `## …`: up to its line end, with it.
    pub(super) fn line_comment(&mut self) {
        self.cursor
            .take_while(|byte| byte != b'\n' && byte != b'\r');
        self.cursor.eat_line_end();
    }

    /// `#* … *#`; the end of the text ends it, too.
    pub(super) fn block_comment(&mut self) {
        let rest = self.cursor.rest();
        let inside = rest.get(2..).unwrap_or_default();
        let length = inside.find("*#").map_or(rest.len(), |end| end + 4);
        self.cursor.move_to(self.cursor.at() + length);
    }

    /// `#[[ … ]]#`: text whatever is in it.
    pub(super) fn text_block(&mut self) -> Result<(), CompileError> {
        let inside = self.cursor.rest().get(3..).unwrap_or_default();
        let Some(length) = inside.find("]]#") else {
            return Err(self.fault(CompileFault::TextBlockUnclosed));
        };
        self.cursor.move_to(self.cursor.at() + 3);
        self.write(length);
        self.cursor.move_to(self.cursor.at() + 3);
        Ok(())
    }
}
