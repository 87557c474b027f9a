//! `$name`, its properties, methods and indices.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::{continues_name, starts_name};
use crate::vtl::compile::fault::{CompileError, CompileFault};
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
enum LastPart {
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

impl Parser<'_, '_> {
    /// Bytes of `$`, `$!`, `${` or `$!{` when a name follows, and whether there is a brace.
    fn reference_start(&self) -> Option<(usize, bool)> {
        let sign = match (self.cursor.peek(), self.cursor.peek_after(1)) {
            (Some(b'$'), Some(b'!')) => 2,
            (Some(b'$'), _) => 1,
            _ => return None,
        };
        let brace = usize::from(self.cursor.peek_after(sign) == Some(b'{'));
        let first = self.cursor.peek_after(sign + brace)?;
        starts_name(first).then_some((sign + brace, brace == 1))
    }

    pub(super) fn reference_follows(&self) -> bool {
        self.reference_start().is_some()
    }

    /// A `$` in text.
    pub(super) fn dollar(&mut self) -> Result<(), CompileError> {
        if self.reference_follows() {
            self.flush();
            self.reference()?;
            self.emitter.emit(Operation::Print);
            return Ok(());
        }
        match (self.cursor.peek_after(1), self.cursor.peek_after(2)) {
            (None, _) | (Some(b'!' | b'#'), None) => Err(self.fault(CompileFault::SignAtEnd)),
            // Velocity loses this `!`
            (Some(b'!'), Some(next)) if !matches!(next, b'[' | b'{') => {
                self.write(1);
                self.cursor.move_to(self.cursor.at() + 1);
                Ok(())
            }
            (Some(_), _) => {
                self.write_sign();
                Ok(())
            }
        }
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
    fn parts(&mut self, mut leaving: Option<&mut Vec<Place>>) -> Result<LastPart, CompileError> {
        let Some((bytes, braced)) = self.reference_start() else {
            return Err(self.fault(CompileFault::NameMissing));
        };
        let start = self.cursor;
        self.cursor.move_to(start.at() + bytes);
        let mut last = LastPart::Name(self.name()?);
        loop {
            let dot = self.cursor.peek() == Some(b'.')
                && self
                    .cursor
                    .peek_after(1)
                    .is_some_and(|next| next.is_ascii_alphabetic());
            if !dot && self.cursor.peek() != Some(b'[') {
                break;
            }
            self.emitter.emit(last.operation());
            if let Some(leaving) = leaving.as_deref_mut() {
                leaving.push(self.emitter.emit(Operation::LeaveIfUndefined(0)));
            }
            last = if dot {
                self.cursor.eat(".");
                self.property_or_method()?
            } else {
                self.cursor.eat("[");
                self.nested(Self::index)?;
                LastPart::Index
            };
        }
        if braced && !self.cursor.eat("}") {
            self.cursor = start;
            return Err(self.fault(CompileFault::BraceUnclosed));
        }
        Ok(last)
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
