//! From the text of a template to its program, by the grammar of Apache Velocity 1.7 (spec 07).
//!
//! One pass without a tree: operations are emitted as the text is read, jumps are mended when their target is known.

mod cursor;
mod directive;
mod emitter;
mod expression;
mod fault;
mod reference;
mod string;
mod text;
mod touching;

use crate::vtl::program::Program;

pub use fault::{CompileError, CompileFault};

use cursor::Cursor;
use emitter::Emitter;
use touching::Behind;

/// Blocks, brackets, calls and interpolated strings inside one another (spec 07, "Limits for safety").
const NESTING_MAX: usize = 32;

/// Compiles a template.
///
/// # Errors
/// Where reading stopped, and why.
pub(super) fn compile(text: &str) -> Result<Program, CompileError> {
    let mut emitter = Emitter::default();
    let mut parser = Parser {
        cursor: Cursor::new(text),
        emitter: &mut emitter,
        nesting: 0,
        calls: 0,
        written: String::new(),
        behind: Vec::new(),
        ended: None,
    };
    parser.template()?;
    Ok(emitter.finish())
}

/// Reads one template, or the inside of one string.
struct Parser<'s, 'e> {
    cursor: Cursor<'s>,
    emitter: &'e mut Emitter,
    nesting: usize,
    /// Method calls around the place: only there a bare word is a value, and undefined.
    calls: usize,
    /// Text that was read and not emitted yet.
    written: String,
    /// The references that the text at the place still touches, one in another; empty in plain text.
    behind: Vec<Behind>,
    /// How the last reference ended; `None` with a brace.
    ended: Option<Behind>,
}

impl Parser<'_, '_> {
    fn fault(&self, fault: CompileFault) -> CompileError {
        CompileError {
            offset: self.cursor.at(),
            fault,
        }
    }

    /// Runs a part that may contain itself.
    fn nested<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, CompileError>,
    ) -> Result<T, CompileError> {
        if self.nesting == NESTING_MAX {
            return Err(self.fault(CompileFault::NestedTooDeep));
        }
        self.nesting += 1;
        let done = part(self);
        self.nesting -= 1;
        done
    }
}

#[cfg(test)]
mod tests;
