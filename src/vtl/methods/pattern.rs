//! Java's regular expressions, as far as an automaton can run them: no look-around, no back-references.

use std::rc::Rc;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

use crate::vtl::render::budget::Budget;
use crate::vtl::render::error::RenderError;

/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 1_000;

/// Memory of a compiled pattern.
const AUTOMATON_BYTES_MAX: usize = 256 * 1024;

/// What compiling a pattern costs.
const COMPILE_STEPS: usize = 2_000;

/// Paid for by the text that will be searched, too: the slowest search visits each state at each byte.
fn compile(wanted: &str, text: &str, budget: &mut Budget) -> Result<Regex, RenderError> {
    if wanted.len() > PATTERN_BYTES_MAX {
        return Err(RenderError::BadPattern);
    }
    budget.step(COMPILE_STEPS)?;
    let regex = Regex::builder()
        .configure(
            Regex::config()
                .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                .onepass_size_limit(Some(AUTOMATON_BYTES_MAX))
                .hybrid_cache_capacity(AUTOMATON_BYTES_MAX)
                .dfa(false),
        )
        .build(&translated(wanted))
        .map_err(|_| RenderError::BadPattern)?;
    budget.step(regex.memory_usage() / 64)?;
    budget.read(text.len().saturating_mul(1 + regex.memory_usage() / 1024))?;
    Ok(regex)
}

/// What Java writes otherwise: classes that are ASCII, and the quotes of `\Q…\E`.
fn translated(wanted: &str) -> String {
    let mut out = String::with_capacity(wanted.len());
    let mut rest = wanted;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let Some(escaped) = after.chars().next() else {
            out.push('\\');
            return out;
        };
        rest = after.get(escaped.len_utf8()..).unwrap_or_default();
        match escaped {
            'Q' => {
                let (quoted, behind) = rest.split_once("\\E").unwrap_or((rest, ""));
                out.push_str(&regex_syntax::escape(quoted));
                rest = behind;
            }
            'd' => out.push_str("[0-9]"),
            'D' => out.push_str("[^0-9]"),
            'w' => out.push_str("[0-9A-Za-z_]"),
            'W' => out.push_str("[^0-9A-Za-z_]"),
            's' => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
            'S' => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
            'h' => out.push_str("[ \\t]"),
            'Z' => out.push_str("\\z"),
            '<' | '>' => out.push(escaped),
            _ => {
                out.push('\\');
                out.push(escaped);
            }
        }
    }
    out.push_str(rest);
    out
}

pub(super) fn matches_whole(
    text: &str,
    wanted: &str,
    budget: &mut Budget,
) -> Result<bool, RenderError> {
    let regex = compile(&format!("(?:{wanted})\\z"), text, budget)?;
    let input = Input::new(text).anchored(regex_automata::Anchored::Yes);
    Ok(regex
        .search(&input)
        .is_some_and(|found| found.end() == text.len()))
}

pub(super) fn replace(
    text: &str,
    wanted: &str,
    by: &str,
    all: bool,
    budget: &mut Budget,
) -> Result<Rc<str>, RenderError> {
    let regex = compile(wanted, text, budget)?;
    let mut out = String::new();
    let mut behind = 0;
    for found in regex.captures_iter(text) {
        let Some(range) = found.get_match().map(|found| found.range()) else {
            break;
        };
        budget.step(4)?;
        out.push_str(text.get(behind..range.start).unwrap_or_default());
        push_replacement(by, text, &found, &mut out)?;
        behind = range.end;
        budget.read(by.len())?;
        if out.len() > crate::vtl::render::budget::TEXT_BYTES_MAX {
            return Err(RenderError::TextTooLong);
        }
        if !all {
            break;
        }
    }
    out.push_str(text.get(behind..).unwrap_or_default());
    Ok(out.into())
}

/// `$1` is a group, as many digits as there are groups; a backslash takes the next character as it is.
fn push_replacement(
    by: &str,
    text: &str,
    found: &Captures,
    out: &mut String,
) -> Result<(), RenderError> {
    let mut rest = by.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => out.push(rest.next().ok_or(RenderError::BadPattern)?),
            '$' => {
                let digit = |character: &char| character.to_digit(10);
                let first = rest.next().as_ref().and_then(digit);
                let mut group = first.ok_or(RenderError::BadPattern)?;
                while let Some(next) = rest.peek().and_then(digit) {
                    let longer = group * 10 + next;
                    if longer as usize >= found.group_len() {
                        break;
                    }
                    group = longer;
                    rest.next();
                }
                if group as usize >= found.group_len() {
                    return Err(RenderError::OutOfRange);
                }
                let span = found.get_group(group as usize);
                out.push_str(
                    span.and_then(|span| text.get(span.range()))
                        .unwrap_or_default(),
                );
            }
            other => out.push(other),
        }
    }
    Ok(())
}

/// As `String.split`: with no limit, empty texts at the end are left out.
pub(super) fn split(
    text: &str,
    wanted: &str,
    limit: i64,
    budget: &mut Budget,
) -> Result<Vec<Rc<str>>, RenderError> {
    let regex = compile(wanted, text, budget)?;
    let parts_max = usize::try_from(limit).ok().filter(|&limit| limit > 0);
    let mut parts: Vec<Rc<str>> = Vec::new();
    let mut behind = 0;
    for found in regex.find_iter(text) {
        if parts_max.is_some_and(|max| parts.len() + 1 >= max) {
            break;
        }
        // a match of nothing at the start gives no empty text
        if found.end() == 0 {
            continue;
        }
        // nor one of nothing at the end
        if found.is_empty() && found.start() == text.len() {
            break;
        }
        budget.step(2)?;
        let part = text.get(behind..found.start()).unwrap_or_default();
        budget.keep(part.len() + 32)?;
        parts.push(Rc::from(part));
        behind = found.end();
    }
    if behind == 0 && parts.is_empty() {
        return Ok(vec![Rc::from(text)]);
    }
    parts.push(Rc::from(text.get(behind..).unwrap_or_default()));
    if limit == 0 {
        while parts.last().is_some_and(|last| last.is_empty()) {
            parts.pop();
        }
    }
    Ok(parts)
}
