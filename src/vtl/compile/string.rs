//! String literals: `'…'` as it stands, `"…"` with references and directives inside.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::Cursor;
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::compile::text::BlockEnd;
use crate::vtl::program::Operation;

impl Parser<'_, '_> {
    /// Emits what pushes the string that starts here.
    pub(super) fn string(&mut self) -> Result<(), CompileError> {
        let start = self.cursor.at();
        let at = |fault| CompileError {
            offset: start,
            fault,
        };
        let rest = self.cursor.rest();
        let mark = if rest.starts_with('"') { '"' } else { '\'' };
        let length = literal_length(rest, mark).ok_or_else(|| at(CompileFault::StringUnclosed))?;
        self.cursor.move_to(start + length);
        let inside = rest.get(1..length - 1).unwrap_or_default();
        let double = format!("{mark}{mark}");
        let plain = inside.replace(&double, &mark.to_string());
        if mark == '\'' {
            let text = self.emitter.text(&plain);
            self.emitter.emit(Operation::PushText(text));
            return Ok(());
        }
        let plain = unescape(&plain).ok_or_else(|| at(CompileFault::BadEscape))?;
        if plain.contains(['$', '#']) {
            self.interpolated(plain, start)
        } else {
            let text = self.emitter.text(&plain);
            self.emitter.emit(Operation::PushText(text));
            Ok(())
        }
    }

    /// Velocity reads the inside with a blank behind it, which it takes off the result; a directive at the end may
    /// have eaten that blank's meaning, never the blank.
    fn interpolated(&mut self, mut inside: String, start: usize) -> Result<(), CompileError> {
        let drop_last = !inside.contains("##");
        if drop_last {
            inside.push(' ');
        }
        self.emitter.emit(Operation::BeginCapture);
        let mut parser = Parser {
            cursor: Cursor::new(&inside),
            emitter: &mut *self.emitter,
            nesting: self.nesting,
            calls: 0,
            written: String::new(),
            behind: Vec::new(),
            ended: None,
        };
        let end = parser.statements();
        match end {
            Ok(BlockEnd::Text) => {}
            Ok(_) => {
                return Err(CompileError {
                    offset: start,
                    fault: CompileFault::BlockMissing,
                });
            }
            Err(CompileError { fault, .. }) => {
                return Err(CompileError {
                    offset: start,
                    fault,
                });
            }
        }
        self.emitter.emit(Operation::EndCapture { drop_last });
        Ok(())
    }
}

/// Bytes of the literal with its marks. Two marks are one inside, unless nothing closes the string then.
fn literal_length(text: &str, mark: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let mark = u8::try_from(mark).ok()?;
    let mut at = 1;
    let mut closed = None;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| memchr::memchr(mark, rest))
        .map(|offset| at + offset)
    {
        closed = Some(found + 1);
        if bytes.get(found + 1) != Some(&mark) {
            return closed;
        }
        at = found + 2;
    }
    closed
}

/// `\uXXXX`; `None` without four hexadecimal digits. Halves of a pair are joined, a lone one becomes `?`.
fn unescape(text: &str) -> Option<String> {
    if !text.contains("\\u") {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::new();
    let mut parts = text.split("\\u");
    units.extend(parts.next()?.encode_utf16());
    for part in parts {
        let digits = part.get(..4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        units.push(u16::from_str_radix(digits, 16).ok()?);
        units.extend(part.get(4..)?.encode_utf16());
    }
    let characters = char::decode_utf16(units).map(|unit| unit.unwrap_or('?'));
    Some(characters.collect())
}
