//! Reads a path into steps.

use std::fmt;

use crate::vtl::json_path::Step;

/// Steps of one path.
const STEPS_MAX: usize = 64;

/// Names or indices between one pair of brackets.
const LIST_ENTRIES_MAX: usize = 64;

/// Digits of an index: enough for every array that fits in memory limits, and never an overflow.
const INDEX_DIGITS_MAX: usize = 9;

/// A path that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonPathError {
    /// Bytes of the path before the fault.
    pub offset: usize,
    /// What is there.
    pub fault: JsonPathFault,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonPathFault {
    /// A filter that is wrong or uses what is not supported, or `[(…)]`.
    Filter,
    /// Any function but `length()` at the end.
    Function,
    /// A name of no characters, as after the last dot of `$.a.`.
    EmptyName,
    /// A character that cannot stand here.
    UnexpectedCharacter,
    /// A `[` or a quotation mark that is not closed.
    Unclosed,
    /// An index of more than 9 digits.
    IndexTooLong,
    /// `..` before indices, slices or several names.
    DescentToIndex,
    /// More than 64 steps, or 64 entries in one list.
    TooLong,
}

impl fmt::Display for JsonPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            JsonPathFault::Filter => "this filter is not supported",
            JsonPathFault::Function => "of functions only `length()` at the end is supported",
            JsonPathFault::EmptyName => "a name is missing",
            JsonPathFault::UnexpectedCharacter => "unexpected character",
            JsonPathFault::Unclosed => "unclosed bracket or quotation mark",
            JsonPathFault::IndexTooLong => "the index is too long",
            JsonPathFault::DescentToIndex => "`..` is supported before one name or `*` only",
            JsonPathFault::TooLong => "the path has too many parts",
        };
        write!(f, "{fault} at offset {}", self.offset)
    }
}

impl std::error::Error for JsonPathError {}

/// The steps after `$`, which may be left out together with its dot.
pub(super) fn steps(path: &str) -> Result<Vec<Step>, JsonPathError> {
    let start = path.trim_start();
    let mut reader = Reader {
        path,
        rest: start.trim_end(),
    };
    let mut steps = Vec::new();
    if !reader.eat('$') {
        steps.push(reader.step_after_dot()?);
    }
    while !reader.rest.is_empty() {
        if steps.len() == STEPS_MAX {
            return Err(reader.fault(JsonPathFault::TooLong));
        }
        let step = if reader.eat('.') {
            reader.step_after_dot()?
        } else if reader.rest.starts_with('[') {
            reader.name_or_bracket()?
        } else {
            return Err(reader.fault(JsonPathFault::UnexpectedCharacter));
        };
        steps.push(step);
    }
    Ok(steps)
}

pub(super) struct Reader<'p> {
    path: &'p str,
    pub(super) rest: &'p str,
}

impl<'p> Reader<'p> {
    pub(super) fn fault(&self, fault: JsonPathFault) -> JsonPathError {
        let read_and_trailing_blanks = self.path.len() - self.rest.len();
        let trailing_blanks = self.path.len() - self.path.trim_end().len();
        JsonPathError {
            offset: read_and_trailing_blanks - trailing_blanks.min(read_and_trailing_blanks),
            fault,
        }
    }

    pub(super) fn eat(&mut self, character: char) -> bool {
        let after = self.rest.strip_prefix(character);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    pub(super) fn eat_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// What follows `.`: a second dot, or a name, `*` or bracket.
    fn step_after_dot(&mut self) -> Result<Step, JsonPathError> {
        if !self.eat('.') {
            return self.name_or_bracket();
        }
        let start = self.fault(JsonPathFault::DescentToIndex);
        match self.name_or_bracket()? {
            Step::Property(name) => Ok(Step::DescendToProperty(name)),
            Step::Wildcard => Ok(Step::DescendToAll),
            _ => Err(start),
        }
    }

    fn name_or_bracket(&mut self) -> Result<Step, JsonPathError> {
        if self.eat('[') {
            return self.bracket();
        }
        if self.eat('*') {
            return Ok(Step::Wildcard);
        }
        let end = self.rest.find(['.', '[']).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.fault(JsonPathFault::EmptyName));
        }
        if let Some(at) = name.find(|character: char| character == '(' || character.is_whitespace())
        {
            let (_, from) = self.rest.split_at(at);
            if name.get(..at) == Some("length") && from.trim_end() == "()" {
                self.rest = "";
                return Ok(Step::Length);
            }
            self.rest = from;
            let function = from.starts_with('(');
            return Err(self.fault(if function {
                JsonPathFault::Function
            } else {
                JsonPathFault::UnexpectedCharacter
            }));
        }
        self.rest = after;
        Ok(Step::Property(name.to_owned()))
    }

    /// What follows `[`, up to and with its `]`.
    pub(super) fn bracket(&mut self) -> Result<Step, JsonPathError> {
        self.eat_blanks();
        let step = match self.rest.chars().next() {
            None => return Err(self.fault(JsonPathFault::Unclosed)),
            Some('?') => self.filter()?,
            Some('(') => return Err(self.fault(JsonPathFault::Filter)),
            Some('*') => {
                self.eat('*');
                Step::Wildcard
            }
            Some('\'' | '"') => self.names()?,
            Some(_) => self.indices()?,
        };
        self.eat_blanks();
        if self.eat(']') {
            Ok(step)
        } else if self.rest.is_empty() {
            Err(self.fault(JsonPathFault::Unclosed))
        } else {
            Err(self.fault(JsonPathFault::UnexpectedCharacter))
        }
    }

    fn names(&mut self) -> Result<Step, JsonPathError> {
        let first = self.quoted()?;
        let mut names = vec![first];
        while self.eat_comma() {
            if names.len() == LIST_ENTRIES_MAX {
                return Err(self.fault(JsonPathFault::TooLong));
            }
            names.push(self.quoted()?);
        }
        Ok(match (names.len(), names.pop()) {
            (1, Some(name)) => Step::Property(name),
            (_, last) => {
                names.extend(last);
                Step::Properties(names)
            }
        })
    }

    fn eat_comma(&mut self) -> bool {
        self.eat_blanks();
        let comma = self.eat(',');
        self.eat_blanks();
        comma
    }

    /// A name in quotation marks of either kind; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Result<String, JsonPathError> {
        let Some(mark @ ('\'' | '"')) = self.rest.chars().next() else {
            return Err(self.fault(JsonPathFault::UnexpectedCharacter));
        };
        let unclosed = self.fault(JsonPathFault::Unclosed);
        self.eat(mark);
        let mut name = String::new();
        loop {
            let mut characters = self.rest.chars();
            let character = match characters.next() {
                None => return Err(unclosed),
                Some(end) if end == mark => {
                    self.rest = characters.as_str();
                    return Ok(name);
                }
                Some('\\') => characters.next().ok_or(unclosed)?,
                Some(character) => character,
            };
            name.push(character);
            self.rest = characters.as_str();
        }
    }

    /// `n`, `a,b`, `from:to` with either bound missing.
    fn indices(&mut self) -> Result<Step, JsonPathError> {
        let first = self.index()?;
        self.eat_blanks();
        if self.eat(':') {
            self.eat_blanks();
            let to = self.index()?;
            if first.is_none() && to.is_none() {
                return Err(self.fault(JsonPathFault::UnexpectedCharacter));
            }
            return Ok(Step::Slice { from: first, to });
        }
        let mut last = self.required(first)?;
        let mut indices = Vec::new();
        while self.eat_comma() {
            if indices.len() == LIST_ENTRIES_MAX - 1 {
                return Err(self.fault(JsonPathFault::TooLong));
            }
            indices.push(last);
            let next = self.index()?;
            last = self.required(next)?;
        }
        if indices.is_empty() {
            return Ok(Step::Index(last));
        }
        indices.push(last);
        Ok(Step::Indices(indices))
    }

    fn required(&self, index: Option<i64>) -> Result<i64, JsonPathError> {
        index.ok_or_else(|| self.fault(JsonPathFault::UnexpectedCharacter))
    }

    /// Digits with an optional minus; `None` and nothing read when there are no digits.
    fn index(&mut self) -> Result<Option<i64>, JsonPathError> {
        let (negative, digits) = match self.rest.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.rest),
        };
        let end = digits.find(|character: char| !character.is_ascii_digit());
        let (digits, after) = digits.split_at(end.unwrap_or(digits.len()));
        if digits.is_empty() {
            return Ok(None);
        }
        if digits.len() > INDEX_DIGITS_MAX {
            return Err(self.fault(JsonPathFault::IndexTooLong));
        }
        let number = digits
            .bytes()
            .fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        self.rest = after;
        Ok(Some(if negative { -number } else { number }))
    }
}
