//! A mapping template, compiled at import.
//!
//! Told apart here: text that Velocity prints as it stands, text around one `$input.body` (which streams), and
//! everything else, which is a program. What is text follows the lexical rules of spec 07 and, where they are silent,
//! Apache Velocity 1.7; in doubt a template is a program, never text.

use std::ops::Range;

use memchr::memchr2;

use crate::vtl::compile::compile;
use crate::vtl::program::Program;
use crate::vtl::render::{RenderError, Rendered, TemplateInput, render};

pub use crate::vtl::compile::{CompileError, CompileFault};

/// What `$input.body` gives for an empty body (spec 07, "$input").
pub const EMPTY_BODY: &str = "{}";

/// Characters of a construct that a message shows.
const CONSTRUCT_CHARS_MAX: usize = 60;

/// Directives that need no parenthesis to be one (`#set`, and any macro, is recognised by its own).
const DIRECTIVES: [&[u8]; 13] = [
    b"break",
    b"define",
    b"else",
    b"elseif",
    b"end",
    b"evaluate",
    b"foreach",
    b"if",
    b"include",
    b"literal",
    b"macro",
    b"parse",
    b"stop",
];

/// A compiled mapping template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// Text without any directive or reference: rendered as it stands.
    Literal(String),
    /// Literal text around one `$input.body`: the body streams between the two.
    AroundBody {
        /// Text before the body.
        before: String,
        /// Text after the body.
        after: String,
    },
    /// A template that needs the whole body.
    Program(CompiledTemplate),
}

/// A template with references or directives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledTemplate(Program);

impl CompiledTemplate {
    /// Renders the template. Its work, its values and its output are limited.
    ///
    /// # Errors
    /// What the template may not do, or could not: the client gets 500.
    pub fn render(&self, input: &TemplateInput<'_>) -> Result<Rendered, RenderError> {
        render(&self.0, input)
    }
}

impl Template {
    /// Sorts a template into one of the three. Nothing is trimmed (spec 05, "Template choice and passthrough").
    ///
    /// # Errors
    /// What Velocity's grammar has no place for, and where.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        Ok(match body_reference(text.as_bytes()) {
            Some(None) => Self::Literal(text.to_owned()),
            Some(Some(body)) => Self::AroundBody {
                before: text.get(..body.start).unwrap_or_default().to_owned(),
                after: text.get(body.end..).unwrap_or_default().to_owned(),
            },
            None => Self::Program(CompiledTemplate(compile(text)?)),
        })
    }
}

/// What starts at a `$` or `#`.
enum Piece {
    /// This one character is text.
    Text,
    /// `$input.body` in one of its four spellings, of this many bytes.
    Body(usize),
    /// Any other reference, directive or comment, or what Velocity refuses to parse.
    Code,
}

/// The place of the only `$input.body`; `None` when there is any other construct. A backslash before `$` or `#` is an
/// escape, which Velocity keeps or drops by what follows: a construct, too.
fn body_reference(text: &[u8]) -> Option<Option<Range<usize>>> {
    let mut body = None;
    let mut at = 0;
    while let Some((before, rest)) = text.get(at..).and_then(split_at_sign) {
        let start = at + before.len();
        if before.ends_with(b"\\") {
            return None;
        }
        at = match piece(rest) {
            Piece::Text => start + 1,
            Piece::Body(length) if body.is_none() => {
                body = Some(start..start + length);
                start + length
            }
            Piece::Body(_) | Piece::Code => return None,
        };
    }
    Some(body)
}

/// Splits before the next `$` or `#`.
fn split_at_sign(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(memchr2(b'$', b'#', text)?)
}

fn piece(rest: &[u8]) -> Piece {
    match rest.split_first() {
        Some((b'$', tail)) => reference(tail),
        Some((_, tail)) => directive(tail),
        None => Piece::Text,
    }
}

/// What follows a `$`. Velocity drops the `!` of `$!5` and a sign of `$#` or `#$` at times, skips backslashes
/// after `$` and cannot read a `$` at the end: none of these is text.
fn reference(tail: &[u8]) -> Piece {
    let (name, quiet) = match tail.strip_prefix(b"!") {
        Some(name) => (name, 1),
        None => (tail, 0),
    };
    match name.first() {
        Some(b'{') => formal_reference(name, quiet),
        Some(first) if starts_name(*first) => match name.strip_prefix(b"input.body") {
            Some(after) if !continues_reference(after) => Piece::Body(b"$input.body".len() + quiet),
            _ => Piece::Code,
        },
        None | Some(b'\\' | b'#') => Piece::Code,
        Some(_) if quiet == 1 => Piece::Code,
        Some(_) => Piece::Text,
    }
}

/// `{` and what follows it, after `$` or `$!`.
fn formal_reference(braced: &[u8], quiet: usize) -> Piece {
    if let Some(after) = braced.strip_prefix(b"{input.body}") {
        return match after.first() {
            Some(b'$') => Piece::Code,
            _ => Piece::Body(b"${input.body}".len() + quiet),
        };
    }
    match braced.get(1) {
        None | Some(b'}' | b'0'..=b'9') => Piece::Text,
        Some(next) if next.is_ascii_whitespace() => Piece::Text,
        Some(_) => Piece::Code,
    }
}

/// Whether what follows `$input.body` belongs to the same reference (a longer name, a call, an index, a property),
/// or to what Velocity's lexer reads as if it did (`{`, `$`).
fn continues_reference(after: &[u8]) -> bool {
    match after {
        [b'(' | b'[' | b'{' | b'$', ..] => true,
        [b'.', next, ..] => next.is_ascii_alphabetic(),
        [next, ..] => continues_word(*next) || *next == b'-',
        [] => false,
    }
}

/// What follows a `#`: comments, known directives, and any word with a parenthesis behind it (a macro call: even
/// for an unknown macro Velocity prints the arguments without rendering them).
fn directive(tail: &[u8]) -> Piece {
    if tail.is_empty()
        || [b"#".as_slice(), b"$", b"*", b"[[", b"@", b"\\"]
            .iter()
            .any(|sign| tail.starts_with(sign))
    {
        return Piece::Code;
    }
    let (braced, start) = match tail.strip_prefix(b"{") {
        Some(start) => (true, start),
        None => (false, tail),
    };
    if !start.first().is_some_and(|&first| starts_name(first)) {
        return Piece::Text;
    }
    let length = 1 + start
        .iter()
        .skip(1)
        .take_while(|&&byte| continues_word(byte))
        .count();
    let (word, after) = start.split_at_checked(length).unwrap_or((start, &[]));
    let after = match (braced, after.strip_prefix(b"}")) {
        (true, None) => return Piece::Text,
        (true, Some(after)) => after,
        (false, _) => after,
    };
    if DIRECTIVES.contains(&word) || after.trim_ascii_start().starts_with(b"(") {
        Piece::Code
    } else {
        Piece::Text
    }
}

const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The construct that `rest` starts with, for a message: its brackets to their end, cut at 60 characters.
#[must_use]
pub fn construct(rest: &str) -> String {
    let mut depth = 0_usize;
    let mut shown = String::new();
    for character in rest.chars().take(CONSTRUCT_CHARS_MAX) {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            '\n' | '\r' => break,
            '$' | '#' if depth == 0 && shown.ends_with(char::is_alphanumeric) => break,
            _ if depth == 0 && !belongs_to_construct(character, &shown) => break,
            _ => {}
        }
        shown.push(character);
    }
    shown.truncate(shown.trim_end_matches(['.', ' ']).len());
    shown
}

/// Outside brackets: signs, names and dots; the text of a line comment; the blank of `#if (`.
fn belongs_to_construct(character: char, shown: &str) -> bool {
    matches!(
        character,
        '\\' | '$' | '#' | '!' | '*' | '@' | '.' | '_' | '-'
    ) || character.is_ascii_alphanumeric()
        || shown.starts_with("##")
        || shown.starts_with("#*")
        || (character == ' ' && shown.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) {
        assert_eq!(
            Template::compile(text),
            Ok(Template::Literal(text.to_owned())),
            "{text}"
        );
    }

    fn around(before: &str, reference: &str, after: &str) {
        let text = format!("{before}{reference}{after}");
        let wanted = Template::AroundBody {
            before: before.to_owned(),
            after: after.to_owned(),
        };
        assert_eq!(Template::compile(&text), Ok(wanted), "{text}");
    }

    /// Not text: a program, or refused, with the construct that is found first.
    fn is_code(text: &str, shown: &str) {
        match Template::compile(text) {
            Ok(Template::Program(_)) | Err(_) => {}
            other => panic!("{text}: {other:?}"),
        }
        let at = text.find(shown).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(construct(&text[at..]), shown, "{text}");
    }

    #[test]
    fn text_without_reference_or_directive_is_literal() {
        for text in [
            "",
            " \r\n",
            "{\"a\": 1}",
            "a\\b",
            "\\\\",
            "{input.body}",
            "é",
            "a.b(c)[d]",
        ] {
            literal(text);
        }
    }

    #[test]
    fn dollar_without_a_name_is_text() {
        for text in [
            "$5.00", "$ x", "$$5", "$}", "$-x", "$.x", "$(x)", "$\n", "$é", "${", "${}", "${1}",
            "${ b",
        ] {
            literal(text);
        }
    }

    #[test]
    fn hash_without_a_directive_is_text() {
        for text in [
            "# x", "#fff;", "#foo bar", "#ends", "#iffy", "#END", "#end_", "#1(x)", "#é(x)", "#[x]",
        ] {
            literal(text);
        }
        for text in [
            "#{", "#{foo}", "#{if", "#{stop x", "#{ else}", "#set", "#set x", "#{set}", "#f-x(y)",
        ] {
            literal(text);
        }
    }

    #[test]
    fn body_reference_has_four_spellings() {
        for reference in [
            "$input.body",
            "${input.body}",
            "$!input.body",
            "$!{input.body}",
        ] {
            around("", reference, "");
            around("{\"b\": \"", reference, "\"}\r\n");
            around("  é$", reference, "");
            around("#foo ", reference, " # $5");
        }
    }

    #[test]
    fn text_may_touch_the_reference() {
        for after in [
            ".", "..x", ".5", ". x", "._x", "!", "}", " {", " [0]", " (", "\\", "é", ".é", "|x",
            "#top",
        ] {
            around("", "$input.body", after);
        }
        for after in [".foo", "x", "-x", "[0]", "()"] {
            around("", "${input.body}", after);
        }
    }

    #[test]
    fn longer_references_are_not_the_body() {
        is_code("$input.bodyx", "$input.bodyx");
        is_code("$input.body-", "$input.body-");
        is_code("$input.body_1 z", "$input.body_1");
        is_code("$input.body.foo.", "$input.body.foo");
        is_code("x $input.body.trim() y", "$input.body.trim()");
        is_code("$input.body[0]", "$input.body[0]");
        is_code("${input.body", "${input.body");
        is_code("${input.body.x} y", "${input.body.x}");
        is_code("${input}.body", "${input}.body");
        is_code("$INPUT.body", "$INPUT.body");
    }

    #[test]
    fn a_second_body_is_out_of_reach() {
        is_code("$input.body,$!{input.body},", "$!{input.body}");
        is_code("$input.body #set($x = 1)", "#set($x = 1)");
    }

    #[test]
    fn other_references_are_named() {
        is_code(
            "{\"a\": $input.json('$.a[0]'), $x}",
            "$input.json('$.a[0]')",
        );
        is_code("a $_b", "$_b");
        is_code("$context.requestId$x", "$context.requestId");
        is_code("${$input.body}", "${$input.body}");
    }

    #[test]
    fn directives_and_comments_are_named() {
        is_code("a\n  #if ($x == \"(\") b", "#if ($x == \"(\") b");
        is_code("#set( $a = [1, 2] )\nb", "#set( $a = [1, 2] )");
        is_code("x#{else}y", "#{else}y");
        is_code("#break-x", "#break-x");
        is_code("## note (1)\nb", "## note (1)");
        is_code("a #* b *# c", "#* b *# c");
        is_code("#[[x]]#", "#[[x]]#");
    }

    #[test]
    fn a_word_with_a_parenthesis_is_a_macro_call() {
        for text in [
            "#foo($input.body)",
            "#foo ($input.body)",
            "#{foo}($input.body)",
            "#@foo()x",
        ] {
            assert!(
                matches!(Template::compile(text), Ok(Template::Program(_)) | Err(_)),
                "{text}"
            );
        }
        is_code("#foo\n($input.body)", "#foo");
    }

    #[test]
    fn what_velocity_alters_or_refuses_is_not_text() {
        for text in [
            "$",
            "#",
            "a $",
            "a #",
            "$!5",
            "$!",
            "$\\!input.body",
            "$$",
            "]]#",
        ] {
            assert!(
                matches!(Template::compile(text), Ok(Template::Program(_)) | Err(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn backslash_before_a_construct_is_an_escape() {
        is_code("a\\$input.body", "\\$input.body");
        is_code("\\\\$input.body", "\\$input.body");
        is_code("\\#end", "\\#end");
        is_code("a\\$5", "\\$5");
        is_code("a\\# b", "\\#");
        around("\\\\ ", "$input.body", "\\ $5");
    }

    #[test]
    fn a_construct_is_cut_at_sixty_characters() {
        let shown = construct(&format!("$x({})", "é".repeat(100)));
        assert_eq!(shown.chars().count(), 60);
    }
}
