//! Text that touches a reference. Velocity's lexer stays among the tokens of a reference until something ends it, so that
//! what stands right behind one is read otherwise than the same text elsewhere.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::{continues_name, starts_name};
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::compile::reference::LastPart;
use crate::vtl::compile::text::BlockEnd;

/// What the lexer still stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A name, or a call.
    Name,
    /// A property: a `##` there begins no comment.
    Property,
}

impl Parser<'_, '_> {
    /// A `$` ends the reference before it only behind a name.
    pub(super) fn leave_name(&mut self) {
        if self.behind.last() == Some(&Behind::Name) {
            self.behind.pop();
        }
    }

    /// Takes what touches a reference, as Velocity takes it; false where it is plain text.
    pub(super) fn touching(&mut self, first: u8) -> Result<bool, CompileError> {
        match first {
            b'{' => self.braced_word()?,
            b'}' => {
                self.write(1);
                self.behind.pop();
            }
            b'.' if self
                .cursor
                .peek_after(1)
                .is_some_and(|next| next.is_ascii_alphabetic()) =>
            {
                self.write(1);
                self.behind.pop();
                self.behind.push(Behind::Property);
            }
            _ if starts_name(first) && !self.literal_word_follows() => self.bare_word()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A word is taken for a reference without its sign: its name is printed, and the parts that follow are lost.
    fn bare_word(&mut self) -> Result<(), CompileError> {
        let name = self.cursor.take_while(continues_name);
        self.written.push_str(name);
        let behind = self.behind.pop().unwrap_or(Behind::Name);
        let behind = self.unprinted(|parser| parser.parts_behind(behind))?;
        self.behind.push(behind);
        Ok(())
    }

    /// `{word}` likewise, of which only the brace is printed.
    fn braced_word(&mut self) -> Result<(), CompileError> {
        self.write(1);
        if !self.cursor.peek().is_some_and(starts_name) || self.literal_word_follows() {
            return Ok(());
        }
        let start = self.cursor;
        self.cursor.take_while(continues_name);
        let behind = self.behind.last().copied().unwrap_or(Behind::Name);
        self.unprinted(|parser| parser.parts_behind(behind))?;
        if !self.cursor.eat("}") {
            self.cursor = start;
            return Err(self.fault(CompileFault::BraceUnclosed));
        }
        self.behind.pop();
        Ok(())
    }

    fn parts_behind(&mut self, behind: Behind) -> Result<Behind, CompileError> {
        let nothing = LastPart::Name(self.emitter.text(""));
        let (_, behind) = self.parts_after(nothing, behind, None)?;
        Ok(behind)
    }

    /// Reads a part for its length only.
    pub(super) fn unprinted<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, CompileError>,
    ) -> Result<T, CompileError> {
        let (emitter, kept) = (
            std::mem::take(self.emitter),
            std::mem::take(&mut self.written),
        );
        let read = part(self);
        *self.emitter = emitter;
        self.written = kept;
        read
    }

    /// `$#…`, `$!#…`, and `##…` behind a property: the first sign, of `prefix` bytes, and the `#` begin one token.
    pub(super) fn joined_hash(&mut self, prefix: usize) -> Result<Option<BlockEnd>, CompileError> {
        let start = self.cursor;
        let sign = self.cursor.peek();
        self.cursor.move_to(start.at() + prefix);
        match self.cursor.peek_after(1) {
            None => return Err(self.fault(CompileFault::SignAtEnd)),
            Some(b'#') => {
                if sign == Some(b'$') {
                    self.cursor = start;
                    self.write(prefix);
                }
                self.line_comment();
            }
            Some(b'*') => {
                self.block_comment();
                self.behind_sign(sign);
            }
            Some(b'[') if self.cursor.rest().starts_with("#[[") => {
                // its text is cut as if the sign were not there
                self.written.push_str(&"[".repeat(prefix));
                self.text_block()?;
                self.behind_sign(sign);
            }
            Some(_) => return self.joined_word(start.at(), sign),
        }
        Ok(None)
    }

    fn behind_sign(&mut self, sign: Option<u8>) {
        if sign == Some(b'$') {
            self.behind.push(Behind::Name);
        }
    }

    /// The words of the grammar swallow the sign; no other word with a sign before it is known, so that it is text.
    fn joined_word(
        &mut self,
        start: usize,
        sign: Option<u8>,
    ) -> Result<Option<BlockEnd>, CompileError> {
        let Some((name, length)) = self.word_after_hash() else {
            self.written
                .push(if sign == Some(b'$') { '$' } else { '#' });
            self.write(1);
            return Ok(None);
        };
        let name = name.to_owned();
        if matches!(name.as_str(), "if" | "elseif" | "else" | "end") {
            return self.directive(&name, length);
        }
        self.cursor.move_to(self.cursor.at() + length);
        if self.open_arguments() {
            self.flush();
            self.nested(|parser| parser.macro_call(&format!("#{name}"), start))?;
        } else {
            let text = self.cursor.since(start);
            self.written.push_str(text);
        }
        Ok(None)
    }
}
