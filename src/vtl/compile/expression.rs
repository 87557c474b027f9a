//! Values and operators inside brackets.

use crate::vtl::compile::Parser;
use crate::vtl::compile::cursor::{continues_name, continues_word, starts_name};
use crate::vtl::compile::fault::{CompileError, CompileFault};
use crate::vtl::program::{Binary, Operation, Place};

/// What an expression is as a condition: Velocity asks the syntax, not the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// True unless it is `false` itself.
    Reference,
    /// Its value.
    Boolean,
    /// False: literals of whatever value, which are not even evaluated.
    Other,
    /// As `Other`; sums and ranges may have no value. The bytes are what Velocity adds to a text in place of it.
    NoValue { start: usize, end: usize },
}

/// Operators by precedence, lowest first, below `&&` and `||`.
const LEVELS: [&[(&str, Binary)]; 4] = [
    &[
        ("==", Binary::Equal),
        ("!=", Binary::NotEqual),
        ("eq", Binary::Equal),
        ("ne", Binary::NotEqual),
    ],
    &[
        ("<=", Binary::LessOrEqual),
        (">=", Binary::GreaterOrEqual),
        ("<", Binary::Less),
        (">", Binary::Greater),
        ("le", Binary::LessOrEqual),
        ("ge", Binary::GreaterOrEqual),
        ("lt", Binary::Less),
        ("gt", Binary::Greater),
    ],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[
        ("*", Binary::Multiply),
        ("/", Binary::Divide),
        ("%", Binary::Remainder),
    ],
];

impl Parser<'_, '_> {
    /// An expression whose truth is left on the stack.
    pub(super) fn condition(&mut self) -> Result<(), CompileError> {
        let operand = self.emitter.here();
        let kind = self.expression()?;
        self.emit_truth(operand, kind);
        Ok(())
    }

    /// Leaves the truth of the value whose operations begin at `operand`.
    fn emit_truth(&mut self, operand: Place, kind: Kind) {
        match kind {
            Kind::Boolean => {}
            Kind::Reference => {
                self.emitter.emit(Operation::Truth);
            }
            Kind::Other | Kind::NoValue { .. } => {
                self.emitter.skip_from(operand);
                self.emitter.emit(Operation::PushBoolean(false));
            }
        }
    }

    pub(super) fn expression(&mut self) -> Result<Kind, CompileError> {
        self.logic(&["||", "or"], Operation::JumpKeepingTrue(0), |parser| {
            parser.logic(&["&&", "and"], Operation::JumpKeepingFalse(0), |parser| {
                parser.operators(0)
            })
        })
    }

    /// Operands between operators that may end early.
    fn logic(
        &mut self,
        signs: &[&str],
        jump: Operation,
        operand: impl Fn(&mut Self) -> Result<Kind, CompileError>,
    ) -> Result<Kind, CompileError> {
        let mut start = self.emitter.here();
        let mut kind = operand(self)?;
        let mut jumps = Vec::new();
        while signs.iter().any(|sign| self.eat_operator(sign)) {
            self.emit_truth(start, kind);
            jumps.push(self.emitter.emit(jump));
            start = self.emitter.here();
            let right = operand(self)?;
            self.emit_truth(start, right);
            kind = Kind::Boolean;
        }
        for place in jumps {
            self.emitter.mend(place);
        }
        Ok(kind)
    }

    fn operators(&mut self, level: usize) -> Result<Kind, CompileError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut kind = self.operators(level + 1)?;
        while let Some(operator) = self.eat_one_of(operators) {
            let start = self.cursor.at();
            let right = self.operators(level + 1)?;
            self.cursor.eat_whitespace();
            let end = self.cursor.at();
            if operator == Binary::Add {
                self.emit_sources(kind, right);
            }
            self.emitter.emit(Operation::Binary(operator));
            kind = match level {
                0 | 1 => Kind::Boolean,
                _ => Kind::NoValue { start, end },
            };
        }
        Ok(kind)
    }

    /// What a sum takes in place of operands without a value, where the other one is a text.
    fn emit_sources(&mut self, left: Kind, right: Kind) {
        let mut source = |kind: Kind| match kind {
            Kind::NoValue { start, end } => {
                Some(self.emitter.text(self.cursor.between(start, end)))
            }
            Kind::Reference | Kind::Boolean | Kind::Other => None,
        };
        let (left, right) = (source(left), source(right));
        if let Some(text) = left {
            self.emitter.emit(Operation::SourceOfLeft(text));
        }
        if let Some(text) = right {
            self.emitter.emit(Operation::SourceOfRight(text));
        }
    }

    fn eat_one_of(&mut self, operators: &[(&str, Binary)]) -> Option<Binary> {
        let found = operators.iter().find(|(sign, _)| self.eat_operator(sign));
        found.map(|&(_, operator)| operator)
    }

    /// A sign, or a word that does not go on; `-` before a digit begins a number.
    fn eat_operator(&mut self, sign: &str) -> bool {
        self.cursor.eat_whitespace();
        let start = self.cursor;
        if !self.cursor.eat(sign) {
            return false;
        }
        let next = self.cursor.peek();
        let longer = if sign.starts_with(|first: char| first.is_ascii_alphabetic()) {
            next.is_some_and(continues_word)
        } else {
            sign == "-" && next.is_some_and(|byte| byte.is_ascii_digit())
        };
        if longer {
            self.cursor = start;
        }
        !longer
    }

    fn unary(&mut self) -> Result<Kind, CompileError> {
        self.cursor.eat_whitespace();
        let is_not = !self.cursor.rest().starts_with("!=")
            && (self.eat_operator("!") || self.eat_operator("not"));
        if !is_not {
            return self.primary();
        }
        let operand = self.emitter.here();
        let kind = self.nested(Self::unary)?;
        self.emit_truth(operand, kind);
        self.emitter.emit(Operation::Not);
        Ok(Kind::Boolean)
    }

    fn primary(&mut self) -> Result<Kind, CompileError> {
        self.cursor.eat_whitespace();
        if !self.cursor.eat("(") {
            return self.parameter();
        }
        let start = self.cursor.at();
        let kind = self.nested(Self::expression)?;
        self.cursor.eat_whitespace();
        let end = self.cursor.at();
        self.close_arguments()?;
        Ok(match kind {
            Kind::NoValue { .. } => Kind::NoValue { start, end },
            kind => kind,
        })
    }

    /// A value without operators: what may be an argument or an element.
    pub(super) fn parameter(&mut self) -> Result<Kind, CompileError> {
        self.cursor.eat_whitespace();
        match self.cursor.peek() {
            Some(b'$') if self.reference_follows() => {
                self.reference()?;
                return Ok(Kind::Reference);
            }
            Some(b'"' | b'\'') => self.nested(Self::string)?,
            Some(b'[') => return self.nested(Self::list_or_range),
            Some(b'{') => self.nested(Self::map)?,
            Some(b'-' | b'.' | b'0'..=b'9') => self.number()?,
            Some(b't' | b'f') if self.literal_word_follows() => return Ok(self.boolean()),
            Some(first) if self.calls > 0 && starts_name(first) => {
                self.cursor.take_while(continues_name);
                self.emitter.emit(Operation::PushUndefined);
            }
            None => return Err(self.fault(CompileFault::BracketUnclosed)),
            Some(_) => return Err(self.fault(CompileFault::ValueMissing)),
        }
        Ok(Kind::Other)
    }

    fn boolean(&mut self) -> Kind {
        let value = self.cursor.take_while(continues_word) == "true";
        self.emitter.emit(Operation::PushBoolean(value));
        Kind::Boolean
    }

    /// Whether `true` or `false` stands here.
    pub(super) fn literal_word_follows(&self) -> bool {
        let mut cursor = self.cursor;
        matches!(cursor.take_while(continues_word), "true" | "false")
    }

    /// An integer or a decimal, with its sign.
    fn number(&mut self) -> Result<(), CompileError> {
        let start = self.cursor;
        let too_long = CompileError {
            offset: start.at(),
            fault: CompileFault::NumberTooLong,
        };
        let missing = CompileError {
            offset: start.at(),
            fault: CompileFault::ValueMissing,
        };
        self.cursor.eat("-");
        let digits = self.cursor.take_while(|byte| byte.is_ascii_digit()).len();
        let mut decimal = false;
        if self.cursor.peek() == Some(b'.') && self.cursor.peek_after(1) != Some(b'.') {
            decimal = true;
            self.cursor.eat(".");
            let fraction = self.cursor.take_while(|byte| byte.is_ascii_digit()).len();
            if digits + fraction == 0 {
                return Err(missing);
            }
        } else if digits == 0 {
            return Err(missing);
        }
        decimal |= self.exponent();
        let text = self.cursor.since(start.at());
        if decimal {
            let value: f64 = text.parse().map_err(|_| too_long)?;
            self.emitter.emit(Operation::PushDouble(value.to_bits()));
        } else {
            let value: i64 = text.parse().map_err(|_| too_long)?;
            self.emitter.emit(Operation::PushInteger(value));
        }
        Ok(())
    }

    fn exponent(&mut self) -> bool {
        let start = self.cursor;
        if !(self.cursor.eat("e") || self.cursor.eat("E")) {
            return false;
        }
        if !self.cursor.eat("+") {
            self.cursor.eat("-");
        }
        let digits = self.cursor.take_while(|byte| byte.is_ascii_digit()).len();
        if digits == 0 {
            self.cursor = start;
        }
        digits > 0
    }

    fn list_or_range(&mut self) -> Result<Kind, CompileError> {
        let start = self.cursor.at();
        self.cursor.eat("[");
        if self.cursor.eat("]") {
            self.emitter.emit(Operation::List(0));
            return Ok(Kind::Other);
        }
        let mut count = 0_u32;
        loop {
            self.parameter()?;
            count += 1;
            self.cursor.eat_whitespace();
            if count == 1 && self.cursor.eat("..") {
                self.parameter()?;
                self.cursor.eat_whitespace();
                self.close_list()?;
                self.emitter.emit(Operation::Range);
                let end = self.cursor.at();
                return Ok(Kind::NoValue { start, end });
            }
            if self.cursor.eat("]") {
                self.emitter.emit(Operation::List(count));
                return Ok(Kind::Other);
            }
            self.comma()?;
        }
    }

    fn close_list(&mut self) -> Result<(), CompileError> {
        if self.cursor.eat("]") {
            return Ok(());
        }
        Err(self.fault(match self.cursor.peek() {
            None => CompileFault::BracketUnclosed,
            Some(_) => CompileFault::Unexpected,
        }))
    }

    fn map(&mut self) -> Result<(), CompileError> {
        self.cursor.eat("{");
        self.cursor.eat_whitespace();
        if self.cursor.eat("}") {
            self.emitter.emit(Operation::Map(0));
            return Ok(());
        }
        let mut count = 0_u32;
        loop {
            self.parameter()?;
            self.cursor.eat_whitespace();
            if !self.cursor.eat(":") {
                return Err(self.fault(CompileFault::Unexpected));
            }
            self.parameter()?;
            count += 1;
            self.cursor.eat_whitespace();
            if self.cursor.eat("}") {
                self.emitter.emit(Operation::Map(count));
                return Ok(());
            }
            self.comma()?;
        }
    }
}
