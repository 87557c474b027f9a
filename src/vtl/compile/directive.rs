//! `#` and what follows it.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::{Cursor, continues_word};
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::compile::reference::Assigned;
use crate::vtl::compile::text::BlockEnd;
use crate::vtl::compile::touching::Behind;
use crate::vtl::program::{Argument, Operation, Place, TextId};

/// Words that an escape before them takes for directives.
const KNOWN: [&str; 14] = [
    "break", "define", "else", "elseif", "end", "evaluate", "foreach", "if", "include", "literal",
    "macro", "parse", "set", "stop",
];

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Whether blanks, `#set` and its bracket follow.
pub(super) fn set_follows(cursor: Cursor<'_>) -> bool {
    let rest = cursor.rest().trim_start_matches([' ', '\t']);
    let after = rest
        .strip_prefix("#set")
        .or_else(|| rest.strip_prefix("#{set}"));
    after.is_some_and(|after| after.trim_start_matches(' ').starts_with('('))
}

impl Parser<'_, '_> {
    /// A comment, a directive or text; gives the end of a block that was read.
    pub(super) fn hash(&mut self) -> Result<Option<BlockEnd>, CompileError> {
        match self.cursor.peek_after(1) {
            None => return Err(self.fault(CompileFault::SignAtEnd)),
            Some(b'#') if self.behind.last() == Some(&Behind::Property) => {
                self.behind.pop();
                return self.joined_hash(1);
            }
            Some(b'#') => {
                self.behind.pop();
                self.line_comment();
            }
            Some(b'*') => self.block_comment(),
            Some(b'[') if self.cursor.rest().starts_with("#[[") => self.text_block()?,
            Some(_) => {
                self.behind.pop();
                let Some((name, length)) = self.word_after_hash() else {
                    self.write_sign();
                    return Ok(None);
                };
                let name = name.to_owned();
                return self.directive(&name, length);
            }
        }
        Ok(None)
    }

    pub(super) fn directive(
        &mut self,
        name: &str,
        length: usize,
    ) -> Result<Option<BlockEnd>, CompileError> {
        let start = self.cursor;
        let behind = start.at() + length;
        let end = match name {
            "end" => Some(BlockEnd::End),
            "else" => Some(BlockEnd::Else),
            "elseif" => Some(BlockEnd::ElseIf),
            _ => None,
        };
        if let Some(end) = end {
            self.cursor.move_to(behind);
            if end != BlockEnd::ElseIf {
                self.cursor.eat_line_end();
            }
            return Ok(Some(end));
        }
        if matches!(name, "break" | "stop") {
            self.cursor.move_to(behind);
            self.flush();
            self.emitter.emit(match name {
                "break" => Operation::Break,
                _ => Operation::Stop,
            });
            if self.open_arguments() {
                self.close_arguments()?;
            }
            return Ok(None);
        }
        self.cursor.move_to(behind);
        if !self.open_arguments() {
            if is_known(name) && name != "set" {
                self.cursor = start;
                return Err(self.fault(CompileFault::ArgumentsMissing));
            }
            // a macro may be called without brackets
            self.flush();
            let source = self.cursor.since(start.at()).to_owned();
            self.emitter.call_macro(name, Vec::new(), &source, None);
            return Ok(None);
        }
        self.flush();
        self.nested(|parser| match name {
            "if" => parser.if_blocks(start.at()),
            "foreach" => parser.foreach(start.at()),
            "macro" => parser.macro_definition(start.at()),
            "define" => parser.define(start.at()),
            "literal" => parser.literal(start.at()),
            "evaluate" => parser.evaluate(),
            "include" | "parse" => parser.not_available(),
            _ => parser.macro_call(name, start.at()),
        })?;
        Ok(None)
    }

    /// Moves behind the `(` that follows, blanks and line ends between.
    pub(super) fn open_arguments(&mut self) -> bool {
        let start = self.cursor;
        self.cursor.eat_whitespace();
        let open = self.cursor.eat("(");
        if !open {
            self.cursor = start;
        }
        open
    }

    /// `)`, with the line end behind it.
    pub(super) fn close_arguments(&mut self) -> Result<(), CompileError> {
        self.cursor.eat_whitespace();
        if !self.cursor.eat(")") {
            return Err(self.fault(match self.cursor.peek() {
                None => CompileFault::BracketUnclosed,
                Some(_) => CompileFault::Unexpected,
            }));
        }
        self.cursor.eat_line_end();
        Ok(())
    }

    fn end_missing(start: usize) -> CompileError {
        CompileError {
            offset: start,
            fault: CompileFault::EndMissing,
        }
    }

    /// Statements up to `#end` of the directive at `start`.
    fn block(&mut self, start: usize) -> Result<(), CompileError> {
        match self.statements()? {
            BlockEnd::End => Ok(()),
            BlockEnd::Text => Err(Self::end_missing(start)),
            BlockEnd::Else | BlockEnd::ElseIf => Err(self.fault(CompileFault::BlockMissing)),
        }
    }

    /// A block that is jumped over where it stands; gives its place.
    fn detached_block(&mut self, start: usize) -> Result<Place, CompileError> {
        let jump = self.emitter.emit(Operation::Jump(0));
        let place = self.emitter.here();
        self.block(start)?;
        self.emitter.emit(Operation::Return);
        self.emitter.mend(jump);
        Ok(place)
    }

    fn if_blocks(&mut self, start: usize) -> Result<(), CompileError> {
        let mut ends = Vec::new();
        loop {
            self.condition()?;
            self.close_arguments()?;
            let unless = self.emitter.emit(Operation::JumpUnless(0));
            let end = self.statements()?;
            if end == BlockEnd::Text {
                return Err(Self::end_missing(start));
            }
            if end != BlockEnd::End {
                ends.push(self.emitter.emit(Operation::Jump(0)));
            }
            self.emitter.mend(unless);
            match end {
                BlockEnd::Else => {
                    self.block(start)?;
                    break;
                }
                BlockEnd::ElseIf if self.open_arguments() => {}
                BlockEnd::ElseIf => return Err(self.fault(CompileFault::ArgumentsMissing)),
                BlockEnd::End | BlockEnd::Text => break,
            }
        }
        for jump in ends {
            self.emitter.mend(jump);
        }
        Ok(())
    }

    fn foreach(&mut self, start: usize) -> Result<(), CompileError> {
        let variable = self.variable_name()?;
        self.cursor.eat_whitespace();
        // Velocity wants a word here, and does not look which
        if self.cursor.take_while(continues_word).is_empty() {
            return Err(self.fault(CompileFault::Unexpected));
        }
        self.parameter()?;
        self.close_arguments()?;
        let begin = self
            .emitter
            .emit(Operation::BeginLoop { variable, exit: 0 });
        let round = self.emitter.emit(Operation::NextRound);
        self.block(start)?;
        self.emitter.emit(Operation::Jump(round));
        self.emitter.mend(begin);
        Ok(())
    }

    /// A reference that is only a name.
    fn variable_name(&mut self) -> Result<TextId, CompileError> {
        self.cursor.eat_whitespace();
        let start = self.cursor;
        match self.assigned()? {
            Assigned::Variable(name) => Ok(name),
            Assigned::Property(_) | Assigned::Element => {
                self.cursor = start;
                Err(self.fault(CompileFault::NotAssignable))
            }
        }
    }

    fn macro_definition(&mut self, start: usize) -> Result<(), CompileError> {
        self.cursor.eat_whitespace();
        let name = self.cursor.take_while(continues_word);
        if !name
            .starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '@'))
        {
            return Err(self.fault(CompileFault::NameMissing));
        }
        let mut parameters = Vec::new();
        while self.argument_follows() {
            parameters.push(self.variable_name()?);
        }
        self.close_arguments()?;
        let code = self.detached_block(start)?;
        self.emitter.define_macro(name, parameters, code);
        Ok(())
    }

    /// Moves to the next argument, behind one comma; false at the closing bracket or the end.
    fn argument_follows(&mut self) -> bool {
        self.cursor.eat_whitespace();
        if self.cursor.eat(",") {
            self.cursor.eat_whitespace();
        }
        !matches!(self.cursor.peek(), None | Some(b')'))
    }

    fn define(&mut self, start: usize) -> Result<(), CompileError> {
        let name = self.variable_name()?;
        self.close_arguments()?;
        let block = self.detached_block(start)?;
        self.emitter.emit(Operation::Define { name, block });
        Ok(())
    }

    /// `#literal() … #end` prints its block as written.
    fn literal(&mut self, start: usize) -> Result<(), CompileError> {
        self.close_arguments()?;
        let inside = self.cursor.at();
        let jump = self.emitter.emit(Operation::Jump(0));
        self.block(start)?;
        self.emitter.mend(jump);
        let block = self.cursor.since(inside);
        let end = block.rfind('#').unwrap_or(block.len());
        let text = self.emitter.text(block.get(..end).unwrap_or_default());
        self.emitter.emit(Operation::Write(text));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<(), CompileError> {
        self.parameter()?;
        self.close_arguments()?;
        self.emitter.emit(Operation::Evaluate);
        Ok(())
    }

    fn not_available(&mut self) -> Result<(), CompileError> {
        while self.argument_follows() {
            self.parameter()?;
        }
        self.close_arguments()?;
        self.emitter.emit(Operation::NotAvailable);
        Ok(())
    }

    /// `#name(…)` or `#@name(…) … #end`: a macro by the time it is reached, or else text.
    pub(super) fn macro_call(&mut self, name: &str, start: usize) -> Result<(), CompileError> {
        let mut arguments = Vec::new();
        let jump = self.emitter.emit(Operation::Jump(0));
        while self.argument_follows() {
            let code = self.emitter.here();
            if self
                .cursor
                .peek()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && !self.literal_word_follows()
            {
                self.cursor.take_while(continues_word);
                let nothing = self.emitter.text("");
                self.emitter.emit(Operation::PushText(nothing));
            } else {
                self.parameter()?;
            }
            self.emitter.emit(Operation::Return);
            arguments.push(Argument { code });
        }
        self.close_arguments()?;
        self.emitter.mend(jump);
        let body = match name.strip_prefix('@') {
            Some(_) => Some(self.detached_block(start)?),
            None => None,
        };
        let name = name.strip_prefix('@').unwrap_or(name);
        let source = self.cursor.since(start).to_owned();
        self.emitter.call_macro(name, arguments, &source, body);
        Ok(())
    }

    pub(super) fn set_follows(&self) -> bool {
        set_follows(self.cursor)
    }

    /// `#set( left = right )`
    pub(super) fn set(&mut self) -> Result<(), CompileError> {
        self.cursor.take_while(|byte| byte != b'(');
        self.cursor.eat("(");
        self.cursor.eat_whitespace();
        let left = self.assigned()?;
        self.cursor.eat_whitespace();
        if self.cursor.rest().starts_with("==") || !self.cursor.eat("=") {
            return Err(self.fault(CompileFault::Unexpected));
        }
        self.nested(|parser| parser.expression().map(|_| ()))?;
        self.close_arguments()?;
        self.emitter.emit(match left {
            Assigned::Variable(name) => Operation::Store(name),
            Assigned::Property(name) => Operation::StoreProperty(name),
            Assigned::Element => Operation::StoreIndex,
        });
        Ok(())
    }
}
