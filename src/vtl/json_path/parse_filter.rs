//! Reads a filter.

use serde_json::Value;

use crate::vtl::json_path::Step;
use crate::vtl::json_path::filter::{Comparison, Filter, Operand};
use crate::vtl::json_path::parse::{JsonPathError, JsonPathFault, Reader};
use crate::vtl::json_path::pattern::Pattern;

/// Brackets and `!` inside one another.
const NESTING_MAX: usize = 16;

/// Conditions of one filter.
const CONDITIONS_MAX: usize = 64;

/// Signs, the longer ones first.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Reader<'_> {
    /// `?( … )` inside brackets.
    pub(super) fn filter(&mut self) -> Result<Step, JsonPathError> {
        self.eat('?');
        self.eat_blanks();
        if !self.eat('(') {
            return Err(self.fault(JsonPathFault::Filter));
        }
        let filter = self.any(0)?;
        self.close()?;
        Ok(Step::Filter(filter))
    }

    fn close(&mut self) -> Result<(), JsonPathError> {
        self.eat_blanks();
        if self.eat(')') {
            return Ok(());
        }
        Err(self.fault(JsonPathFault::Filter))
    }

    fn any(&mut self, depth: usize) -> Result<Filter, JsonPathError> {
        self.list("||", Filter::Any, |reader| {
            reader.list("&&", Filter::All, |reader| reader.condition(depth))
        })
    }

    fn list(
        &mut self,
        sign: &str,
        join: impl Fn(Vec<Filter>) -> Filter,
        part: impl Fn(&mut Self) -> Result<Filter, JsonPathError>,
    ) -> Result<Filter, JsonPathError> {
        let first = part(self)?;
        let mut parts = vec![first];
        loop {
            self.eat_blanks();
            if !self.eat_text(sign) {
                break;
            }
            if parts.len() == CONDITIONS_MAX {
                return Err(self.fault(JsonPathFault::TooLong));
            }
            parts.push(part(self)?);
        }
        Ok(match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                parts.extend(last);
                join(parts)
            }
        })
    }

    fn condition(&mut self, depth: usize) -> Result<Filter, JsonPathError> {
        if depth == NESTING_MAX {
            return Err(self.fault(JsonPathFault::TooLong));
        }
        self.eat_blanks();
        if self.eat('!') {
            return Ok(Filter::Not(Box::new(self.condition(depth + 1)?)));
        }
        if self.eat('(') {
            let inside = self.any(depth + 1)?;
            self.close()?;
            return Ok(inside);
        }
        let left = self.operand()?;
        self.eat_blanks();
        if self.eat_text("=~") {
            self.eat_blanks();
            return Ok(Filter::Matches(left, self.pattern()?));
        }
        for (sign, comparison) in COMPARISONS {
            if self.eat_text(sign) {
                self.eat_blanks();
                return Ok(Filter::Compare(left, comparison, self.operand()?));
            }
        }
        Ok(Filter::Exists(left))
    }

    fn operand(&mut self) -> Result<Operand, JsonPathError> {
        if self.eat('@') {
            return Ok(Operand::Element(self.operand_steps()?));
        }
        if self.eat('$') {
            return Ok(Operand::Root(self.operand_steps()?));
        }
        if self.rest.starts_with(['\'', '"']) {
            return Ok(Operand::Literal(Value::String(self.quoted()?)));
        }
        let end = self
            .rest
            .find(|character: char| {
                !(character.is_ascii_alphanumeric() || "+-.".contains(character))
            })
            .unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        let literal: Value =
            serde_json::from_str(word).map_err(|_| self.fault(JsonPathFault::Filter))?;
        self.rest = after;
        Ok(Operand::Literal(literal))
    }

    /// Names and indices behind `@` or `$`.
    fn operand_steps(&mut self) -> Result<Vec<Step>, JsonPathError> {
        let mut steps = Vec::new();
        loop {
            let step = if self.rest.starts_with("..") {
                return Err(self.fault(JsonPathFault::Filter));
            } else if self.eat('.') {
                self.operand_name()?
            } else if self.eat('[') {
                self.bracket()?
            } else {
                return Ok(steps);
            };
            if !matches!(step, Step::Property(_) | Step::Index(_)) || steps.len() == CONDITIONS_MAX
            {
                return Err(self.fault(JsonPathFault::Filter));
            }
            steps.push(step);
        }
    }

    fn operand_name(&mut self) -> Result<Step, JsonPathError> {
        let ends =
            |character: char| character.is_whitespace() || ".[]()=!<>&|~,".contains(character);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.fault(JsonPathFault::EmptyName));
        }
        self.rest = after;
        Ok(Step::Property(name.to_owned()))
    }

    /// `/…/`, with `i` or without.
    fn pattern(&mut self) -> Result<Pattern, JsonPathError> {
        let start = self.fault(JsonPathFault::Filter);
        if !self.eat('/') {
            return Err(start);
        }
        let mut escaped = false;
        let end = self.rest.find(|character: char| {
            let ends = character == '/' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        let (text, _) = self.rest.split_at(end.ok_or(start)?);
        let text = text.to_owned();
        self.rest = self.rest.get(text.len() + 1..).unwrap_or_default();
        let any_case = self.eat('i');
        Pattern::new(&text, any_case).ok_or(start)
    }
}
