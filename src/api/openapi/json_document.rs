//! A strict JSON reader (RFC 8259) that keeps places and tells of duplicate names.

use std::collections::HashMap;

use crate::api::openapi::finding::FINDINGS_MAX;
use crate::api::openapi::node::{Member, Node, Position, Value, pointer_token, shortened, shown};

/// Arrays and objects within one another.
pub const DEPTH_MAX: usize = 100;

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxFault {
    /// Where.
    pub position: Position,
    /// What was found and what is wanted.
    pub message: String,
}

/// What came of reading a text.
#[derive(Debug)]
pub struct Parsed {
    /// The tree; objects keep the first value of each name.
    pub root: Result<Node, SyntaxFault>,
    /// Names that an object has twice, up to the end or the syntax fault.
    pub repeated: Vec<RepeatedName>,
}

/// A name that its object had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedName {
    /// Where it stands again.
    pub position: Position,
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was found and what is wanted.
    pub message: String,
}

/// Reads one JSON value with nothing but blanks around it.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut reader = Reader::new(text);
    let root = reader.document();
    Parsed {
        root,
        repeated: reader.repeated,
    }
}

/// The text and how far it was read; position and pointer are kept along.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    position: Position,
    pointer: String,
    repeated: Vec<RepeatedName>,
}

impl<'t> Reader<'t> {
    const fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            position: Position::START,
            pointer: String::new(),
            repeated: Vec::new(),
        }
    }

    fn document(&mut self) -> Result<Node, SyntaxFault> {
        let node = self.value(0)?;
        self.skip_blanks();
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.wanted("the end of the text")),
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `length` bytes that end at a character's end.
    fn advance(&mut self, length: usize) {
        let passed = self.rest().get(..length).unwrap_or_default();
        for c in passed.chars() {
            if c == '\n' {
                self.position.line = self.position.line.saturating_add(1);
                self.position.column = 1;
            } else {
                self.position.column = self.position.column.saturating_add(1);
            }
        }
        self.at += passed.len();
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.advance(1);
        }
        there
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.advance(blanks);
    }

    fn fault(&self, message: impl Into<String>) -> SyntaxFault {
        SyntaxFault {
            position: self.position,
            message: message.into(),
        }
    }

    fn wanted(&self, wanted: &str) -> SyntaxFault {
        match self.rest().chars().next() {
            None => self.fault(format!("found the end of the text, wanted {wanted}")),
            Some(c) => self.fault(format!("found `{}`, wanted {wanted}", shown(c))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxFault> {
        self.skip_blanks();
        let position = self.position;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node { position, value })
    }

    /// The value that `token` leads to.
    fn value_below(&mut self, token: &str, depth: usize) -> Result<Node, SyntaxFault> {
        let above = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(token);
        let node = self.value(depth);
        self.pointer.truncate(above);
        node
    }

    fn word(&mut self) -> Result<Value, SyntaxFault> {
        let words = [
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
        ];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.advance(word.len());
                return Ok(value);
            }
        }
        Err(self.wanted("a value"))
    }

    fn enter(&self, depth: usize) -> Result<usize, SyntaxFault> {
        if depth >= DEPTH_MAX {
            return Err(self.fault(format!(
                "found more than {DEPTH_MAX} values within one another"
            )));
        }
        Ok(depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<Value, SyntaxFault> {
        let depth = self.enter(depth)?;
        self.advance(1);
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Value::Array(elements));
        }
        loop {
            let element = self.value_below(&elements.len().to_string(), depth)?;
            elements.push(element);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(elements));
            }
            if !self.take(b',') {
                return Err(self.wanted("`,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxFault> {
        let depth = self.enter(depth)?;
        self.advance(1);
        let mut members = Members::default();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(members.into_value());
        }
        loop {
            self.skip_blanks();
            let position = self.position;
            if self.peek() != Some(b'"') {
                return Err(self.wanted("a name in double quotes"));
            }
            let name = self.string()?;
            let above = &self.pointer;
            members.admit(&name, position, || above.clone(), &mut self.repeated);
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.wanted("`:`"));
            }
            let node = self.value_below(&pointer_token(&name), depth)?;
            members.push(name, position, node);
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(members.into_value());
            }
            if !self.take(b',') {
                return Err(self.wanted("`,` or `}`"));
            }
        }
    }

    fn number(&mut self) -> Result<String, SyntaxFault> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        if !is_number(text) {
            return Err(self.fault(format!("found `{}`, wanted a number", shortened(text))));
        }
        self.advance(end);
        Ok(text.to_owned())
    }

    fn string(&mut self) -> Result<String, SyntaxFault> {
        self.advance(1);
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let end = rest
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .unwrap_or(rest.len());
            out.push_str(rest.get(..end).unwrap_or_default());
            self.advance(end);
            match self.peek() {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.wanted("more of the string or `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxFault> {
        let rest = self.rest();
        let c = match rest.as_bytes().get(1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let (c, length) = unicode_escape(rest)
                    .ok_or_else(|| self.fault("found a `\\u` escape that names no character"))?;
                self.advance(length);
                return Ok(c);
            }
            _ => return Err(self.fault("found an escape that JSON does not have")),
        };
        self.advance(2);
        Ok(c)
    }
}

/// The character of `\uXXXX`, or of two that are a surrogate pair, and the length of the escape.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    const LENGTH: usize = 6;
    let high = code_unit(text)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, LENGTH));
    }
    let low = code_unit(text.get(LENGTH..)?)?;
    let (high, low) = (high.checked_sub(0xD800)?, low.checked_sub(0xDC00)?);
    if high >= 0x400 || low >= 0x400 {
        return None;
    }
    Some((char::from_u32(0x1_0000 + (high << 10) + low)?, 2 * LENGTH))
}

fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits
        .chars()
        .try_fold(0, |unit, c| Some(unit * 16 + c.to_digit(16)?))
}

/// Whether the whole text is a number by RFC 8259 §6.
#[must_use]
pub fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|digits| digits.strip_prefix(['+', '-']).unwrap_or(digits));
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(is_digits)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The members of an object while it is read.
#[derive(Default)]
pub(super) struct Members {
    members: Vec<Member>,
    names: HashMap<String, Position>,
}

impl Members {
    /// Takes a name; one that was there before is told with both places. `above` makes the object's pointer.
    pub(super) fn admit(
        &mut self,
        name: &str,
        position: Position,
        above: impl FnOnce() -> String,
        repeated: &mut Vec<RepeatedName>,
    ) {
        let first = *self.names.entry(name.to_owned()).or_insert(position);
        if first == position || repeated.len() > FINDINGS_MAX {
            return;
        }
        repeated.push(RepeatedName {
            position,
            pointer: format!("{}/{}", above(), pointer_token(name)),
            message: format!(
                "found the name `{}` twice, first at line {}, column {}; wanted once",
                shortened(name),
                first.line,
                first.column
            ),
        });
    }

    /// Keeps the value of a name that was admitted at `position`, unless the name had a value before.
    pub(super) fn push(&mut self, name: String, position: Position, node: Node) {
        if self.names.get(&name) == Some(&position) {
            self.members.push(Member {
                name,
                position,
                node,
            });
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        let parsed = parse(text);
        assert_eq!(parsed.repeated, [], "{text}");
        parsed.root.unwrap()
    }

    fn fault(text: &str) -> (u32, u32, String) {
        let fault = parse(text).root.unwrap_err();
        (fault.position.line, fault.position.column, fault.message)
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let root = tree("{\n  \"ä\": [1,\n   true]}");
        let member = root.member("ä").unwrap();
        assert_eq!(member.position, Position { line: 2, column: 3 });
        assert_eq!(member.node.position, Position { line: 2, column: 8 });
        let Value::Array(elements) = &member.node.value else {
            panic!()
        };
        assert_eq!(elements[1].position, Position { line: 3, column: 4 });
    }

    #[test]
    fn a_duplicate_name_is_told_with_both_places_and_the_first_value_stays() {
        let parsed = parse(
            "{\"a\": 1,\n \"b\": [0, {\"/\": 2, \"/\": 4}], \"\\u0061\": {\"x\": 1, \"x\": 2}}",
        );
        let told: Vec<(u32, u32, &str)> = parsed
            .repeated
            .iter()
            .map(|name| {
                (
                    name.position.line,
                    name.position.column,
                    name.pointer.as_str(),
                )
            })
            .collect();
        assert_eq!(told, [(2, 20, "/b/1/~1"), (2, 30, "/a"), (2, 49, "/a/x")]);
        let message = &parsed.repeated[1].message;
        assert!(
            message.contains("`a` twice, first at line 1, column 2"),
            "{message}"
        );
        assert_eq!(parsed.root.unwrap().to_json(), r#"{"a":1,"b":[0,{"/":2}]}"#);
        tree(r#"{"a": 1, "A": 2, "b": {"a": 3}}"#);
    }

    #[test]
    fn duplicate_names_before_a_syntax_fault_are_told() {
        let parsed = parse(r#"{"a": 1, "a": 2, }"#);
        assert_eq!((parsed.root.is_err(), parsed.repeated.len()), (true, 1));
    }

    #[test]
    fn a_flood_of_duplicate_names_is_cut_above_what_is_shown() {
        let text = format!("{{\"a\": 1{}}}", ",\"a\": 1".repeat(FINDINGS_MAX + 10));
        assert_eq!(parse(&text).repeated.len(), FINDINGS_MAX + 1);
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_stands() {
        let table = [
            ("", 1, 1, "found the end of the text, wanted a value"),
            ("{\"a\": }", 1, 7, "found `}`, wanted a value"),
            ("{\"a\": 1,}", 1, 9, "found `}`, wanted a name"),
            ("{\"a\" \"b\"}", 1, 6, "found `\"`, wanted `:`"),
            ("['1']", 1, 2, "found `'`, wanted a value"),
            ("[\\]", 1, 2, "found `\\`, wanted a value"),
            ("[1 2]", 1, 4, "found `2`, wanted `,` or `]`"),
            ("{\"a\" 1}", 1, 6, "found `1`, wanted `:`"),
            ("[01]", 1, 2, "found `01`, wanted a number"),
            ("[1.]", 1, 2, "wanted a number"),
            ("[+1]", 1, 2, "wanted a value"),
            ("\"\\ud800\"", 1, 2, "names no character"),
            ("\"\\ud800\\u0041\"", 1, 2, "names no character"),
            ("\"\\x\"", 1, 2, "found an escape"),
            ("\"\n\"", 1, 2, "found `\\n`, wanted more of the string"),
            ("1 1", 1, 3, "wanted the end of the text"),
            ("{'a': 1}", 1, 2, "wanted a name in double quotes"),
        ];
        for (text, line, column, fragment) in table {
            let found = fault(text);
            assert_eq!((found.0, found.1), (line, column), "{text}");
            assert!(found.2.contains(fragment), "{text}: {}", found.2);
        }
    }

    #[test]
    fn strings_are_unescaped() {
        let node = tree(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#);
        assert_eq!(
            node.value,
            Value::Text("\"\\/\u{8}\u{c}\n\r\té😀".to_owned())
        );
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        tree(&nested(DEPTH_MAX));
        assert!(
            fault(&nested(DEPTH_MAX + 1))
                .2
                .contains("within one another")
        );
        assert!(parse(&"[".repeat(1_000_000)).root.is_err());
    }

    #[test]
    fn numbers_keep_their_text() {
        for text in ["0", "-0", "10", "1.50", "1e3", "-1.2E-3"] {
            assert_eq!(tree(text).value, Value::Number(text.to_owned()));
        }
    }
}
