//! Why a template cannot be compiled.

use std::fmt;

/// A template that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Bytes of the template before the fault.
    pub offset: usize,
    /// What is there.
    pub fault: CompileFault,
}

/// What a template cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileFault {
    /// A directive with a block, and no `#end` for it.
    EndMissing,
    /// `#end`, `#else` or `#elseif` without `#if`.
    BlockMissing,
    /// A `$` or `#` as the last character.
    SignAtEnd,
    /// `#[[` without `]]#`.
    TextBlockUnclosed,
    /// `${name` without `}`.
    BraceUnclosed,
    /// A quotation mark that is not closed.
    StringUnclosed,
    /// A bracket that is not closed.
    BracketUnclosed,
    /// Anything else that cannot stand here.
    Unexpected,
    /// A value was wanted.
    ValueMissing,
    /// `true` or `false` as a name.
    ReservedName,
    /// A name was wanted.
    NameMissing,
    /// `#foreach`, `#macro` or another directive without its arguments.
    ArgumentsMissing,
    /// What stands on the left of `=` cannot be assigned to.
    NotAssignable,
    /// A number that a long or a double cannot hold.
    NumberTooLong,
    /// `\u` without four hexadecimal digits.
    BadEscape,
    /// More than 32 levels.
    NestedTooDeep,
    /// More than 65,535 arguments, or a program beyond 32 bits.
    TooLong,
}

impl CompileError {
    /// The line of the fault, from 1.
    #[must_use]
    pub fn line(&self, template: &str) -> usize {
        let before = template.as_bytes().get(..self.offset).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }
}

impl fmt::Display for CompileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndMissing => "a block without `#end`",
            Self::BlockMissing => "an `#end`, `#else` or `#elseif` that belongs to no block",
            Self::SignAtEnd => "a `$` or `#` at the end",
            Self::TextBlockUnclosed => "`#[[` without `]]#`",
            Self::BraceUnclosed => "`${` without `}`",
            Self::StringUnclosed => "a quotation mark that is not closed",
            Self::BracketUnclosed => "a bracket that is not closed",
            Self::Unexpected => "something that cannot stand here",
            Self::ValueMissing => "no value where one is wanted",
            Self::ReservedName => "`true` or `false` as a name",
            Self::NameMissing => "no name where one is wanted",
            Self::ArgumentsMissing => "a directive without its arguments",
            Self::NotAssignable => "an assignment to what is no variable, property or element",
            Self::NumberTooLong => "a number that is too long",
            Self::BadEscape => "`\\u` without four hexadecimal digits",
            Self::NestedTooDeep => "more than 32 levels inside one another",
            Self::TooLong => "too many parts",
        })
    }
}

impl std::error::Error for CompileFault {}
