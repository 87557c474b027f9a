//! `$name`, its properties, methods and indices.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::{Cursor, continues_name, starts_name};
use crate::vtl::compile::directive::set_follows;
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::compile::text::BlockEnd;
use crate::vtl::compile::touching::Behind;
use crate::vtl::program::{Operation, Place, TextId};

/// What stands on the left of `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assigned {
    Variable(TextId),
    /// The property of the value on the stack.
    Property(TextId),
    /// The element of the two values on the stack.
    Element,
}

/// The last part of a reference, not emitted yet.
pub(super) enum LastPart {
    Name(TextId),
    Property(TextId),
    Index,
    Call { name: TextId, arguments: u16 },
}

impl LastPart {
    const fn operation(&self) -> Operation {
        match *self {
            Self::Name(name) => Operation::Load(name),
            Self::Property(name) => Operation::Property(name),
            Self::Index => Operation::Index,
            Self::Call { name, arguments } => Operation::Call { name, arguments },
        }
    }
}

/// Bytes of `$`, `$!`, `${` or `$!{` when a name follows, and whether there is a brace.
fn reference_start(cursor: Cursor<'_>) -> Option<(usize, bool)> {
    let sign = match (cursor.peek(), cursor.peek_after(1)) {
        (Some(b'$'), Some(b'!')) => 2,
        (Some(b'$'), _) => 1,
        _ => return None,
    };
    let brace = usize::from(cursor.peek_after(sign) == Some(b'{'));
    let first = cursor.peek_after(sign + brace)?;
    starts_name(first).then_some((sign + brace, brace == 1))
}

impl Parser<'_, '_> {
    pub(super) fn reference_follows(&self) -> bool {
        reference_start(self.cursor).is_some()
    }

    /// A `$` in text.
    pub(super) fn dollar(&mut self) -> Result<Option<BlockEnd>, CompileError> {
        let (next, after_next) = (self.cursor.peek_after(1), self.cursor.peek_after(2));
        let bytes = if next == Some(b'!') { 2 } else { 1 };
        if matches!(
            (next, after_next),
            (Some(b'[' | b'.'), _) | (Some(b'!'), Some(b'['))
        ) {
            self.write(bytes + 1);
            return Ok(None);
        }
        self.leave_name();
        if self.reference_follows() {
            self.flush();
            self.reference()?;
            self.emitter.emit(Operation::Print);
            self.behind.extend(self.ended);
            return Ok(None);
        }
        let signs = self.signs_before_reference();
        if signs > 0 {
            self.write(signs);
            return Ok(None);
        }
        let mut behind = self.cursor;
        behind.move_to(behind.at() + bytes);
        if set_follows(behind) {
            self.cursor = behind;
            self.behind.push(Behind::Name);
            return Ok(None);
        }
        match (next, after_next) {
            (None, _) | (Some(b'!' | b'#'), None) => Err(self.fault(CompileFault::SignAtEnd)),
            (Some(b'#'), _) | (Some(b'!'), Some(b'#')) => self.joined_hash(bytes),
            (Some(b'!'), Some(b'{')) => {
                self.write(2);
                self.behind.push(Behind::Name);
                Ok(None)
            }
            (Some(_), _) => {
                self.write(1);
                // Velocity loses the `!`
                self.cursor = behind;
                self.behind.push(Behind::Name);
                Ok(None)
            }
        }
    }

    /// Bytes of the `$` and `$!` that stand right before a reference and are text; 0 where none follows them.
    fn signs_before_reference(&self) -> usize {
        let mut parser = self.cursor;
        let start = parser.at();
        while parser.eat("$") {
            parser.eat("!");
            if reference_start(parser).is_some() {
                return parser.at() - start;
            }
        }
        0
    }

    /// A reference as a value.
    pub(super) fn reference(&mut self) -> Result<(), CompileError> {
        let mut leaving = Vec::new();
        let last = self.parts(Some(&mut leaving))?;
        self.emitter.emit(last.operation());
        for place in leaving {
            self.emitter.mend(place);
        }
        self.emitter.emit(Operation::EmptyIfUndefined);
        Ok(())
    }

    /// A reference on the left of `=`.
    pub(super) fn assigned(&mut self) -> Result<Assigned, CompileError> {
        if !self.reference_follows() {
            return Err(self.fault(CompileFault::NotAssignable));
        }
        let start = self.cursor;
        match self.parts(None)? {
            LastPart::Name(name) => Ok(Assigned::Variable(name)),
            LastPart::Property(name) => Ok(Assigned::Property(name)),
            LastPart::Index => Ok(Assigned::Element),
            LastPart::Call { .. } => {
                self.cursor = start;
                Err(self.fault(CompileFault::NotAssignable))
            }
        }
    }

    /// Emits all parts of a reference but the last. With `leaving`, an undefined value ends the reference.
    fn parts(&mut self, leaving: Option<&mut Vec<Place>>) -> Result<LastPart, CompileError> {
        let Some((bytes, braced)) = reference_start(self.cursor) else {
            return Err(self.fault(CompileFault::NameMissing));
        };
        let start = self.cursor;
        self.cursor.move_to(start.at() + bytes);
        let name = LastPart::Name(self.name()?);
        let (last, behind) = self.parts_after(name, Behind::Name, leaving)?;
        self.ended = (!braced).then_some(behind);
        if braced && !self.cursor.eat("}") {
            self.cursor = start;
            return Err(self.fault(CompileFault::BraceUnclosed));
        }
        Ok(last)
    }

    /// The properties, calls and indices that follow; emits all parts but the last, and tells what the last one is.
    pub(super) fn parts_after(
        &mut self,
        mut last: LastPart,
        mut behind: Behind,
        mut leaving: Option<&mut Vec<Place>>,
    ) -> Result<(LastPart, Behind), CompileError> {
        loop {
            let dot = self.cursor.peek() == Some(b'.')
                && self
                    .cursor
                    .peek_after(1)
                    .is_some_and(|next| next.is_ascii_alphabetic());
            if !dot && self.cursor.peek() != Some(b'[') {
                return Ok((last, behind));
            }
            self.emitter.emit(last.operation());
            if let Some(leaving) = leaving.as_deref_mut() {
                leaving.push(self.emitter.emit(Operation::LeaveIfUndefined(0)));
            }
            last = if dot {
                self.cursor.eat(".");
                let part = self.property_or_method()?;
                behind = match part {
                    LastPart::Call { .. } => Behind::Name,
                    _ => Behind::Property,
                };
                part
            } else {
                self.cursor.eat("[");
                self.nested(Self::index)?;
                LastPart::Index
            };
        }
    }

    fn name(&mut self) -> Result<TextId, CompileError> {
        let start = self.cursor;
        let name = self.cursor.take_while(continues_name);
        if matches!(name, "true" | "false") {
            self.cursor = start;
            return Err(self.fault(CompileFault::ReservedName));
        }
        Ok(self.emitter.text(name))
    }

    fn property_or_method(&mut self) -> Result<LastPart, CompileError> {
        let name = self.name()?;
        if !self.cursor.eat("(") {
            return Ok(LastPart::Property(name));
        }
        self.calls += 1;
        let arguments = self.nested(Self::arguments)?;
        self.calls -= 1;
        Ok(LastPart::Call { name, arguments })
    }

    /// Arguments up to and with `)`.
    fn arguments(&mut self) -> Result<u16, CompileError> {
        let mut count = 0_u16;
        // `( )` is refused by Velocity as well
        if self.cursor.eat(")") {
            return Ok(count);
        }
        loop {
            self.parameter()?;
            count = count
                .checked_add(1)
                .ok_or_else(|| self.fault(CompileFault::TooLong))?;
            self.cursor.eat_whitespace();
            if self.cursor.eat(")") {
                return Ok(count);
            }
            self.comma()?;
        }
    }

    pub(super) fn comma(&mut self) -> Result<(), CompileError> {
        if self.cursor.eat(",") {
            return Ok(());
        }
        Err(self.fault(match self.cursor.peek() {
            None => CompileFault::BracketUnclosed,
            Some(_) => CompileFault::Unexpected,
        }))
    }

    /// An index up to and with `]`.
    fn index(&mut self) -> Result<(), CompileError> {
        self.cursor.eat_whitespace();
        if matches!(self.cursor.peek(), Some(b'[' | b'{' | b'(')) {
            return Err(self.fault(CompileFault::Unexpected));
        }
        let calls = std::mem::take(&mut self.calls);
        self.parameter()?;
        self.calls = calls;
        self.cursor.eat_whitespace();
        if self.cursor.eat("]") {
            return Ok(());
        }
        Err(self.fault(match self.cursor.peek() {
            None => CompileFault::BracketUnclosed,
            Some(_) => CompileFault::Unexpected,
        }))
    }
}
