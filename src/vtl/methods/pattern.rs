//! Java's regular expressions, as far as an automaton can run them: no look-around, no back-references.

use std::rc::Rc;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

use crate::vtl::render::budget::{Budget, TEXT_BYTES_MAX};
use crate::vtl::render::error::RenderError;

/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 1_000;

/// Memory of a compiled pattern.
const AUTOMATON_BYTES_MAX: usize = 256 * 1024;

/// What compiling a pattern costs at least.
const COMPILE_STEPS: usize = 5_000;

/// Bytes of a compiled pattern that cost another step to make.
const COMPILED_BYTES_PER_STEP: usize = 16;

/// How much more than a look at each byte a step of an automaton costs, taken twice: to see how far it goes, and to go.
const WALK_FACTOR: usize = 4;

/// Bytes of a compiled pattern that cost another step for each byte of text, where only the slow engine is left: that
/// visits each state.
const SLOW_BYTES_PER_STEP: usize = 512;

/// A pattern, and what tells how far a search of it goes. That is not where the match ends: `.*b|a` looks for the last `b`
/// of all the text before it takes an `a`, so that each of many matches may cost the whole text.
struct Pattern {
    regex: Regex,
    /// `None`: only the slow engine knows this pattern.
    walker: Option<(DFA, Cache)>,
    slow_steps: usize,
}

impl Pattern {
    /// `whole`: it has to match to the end of the text.
    fn new(wanted: &str, whole: bool, budget: &mut Budget) -> Result<Self, RenderError> {
        if wanted.len() > PATTERN_BYTES_MAX {
            return Err(RenderError::BadPattern);
        }
        budget.step(COMPILE_STEPS)?;
        let mut wanted = translated(wanted);
        if whole {
            wanted = format!("(?:{wanted})\\z");
        }
        let regex = Regex::builder()
            .configure(
                Regex::config()
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .hybrid_cache_capacity(AUTOMATON_BYTES_MAX)
                    .dfa(false),
            )
            .build(&wanted)
            .map_err(|_| RenderError::BadPattern)?;
        budget.step(regex.memory_usage() / COMPILED_BYTES_PER_STEP)?;
        let walker = DFA::builder()
            .configure(
                DFA::config()
                    .cache_capacity(AUTOMATON_BYTES_MAX)
                    .minimum_cache_clear_count(Some(1))
                    .unicode_word_boundary(true),
            )
            .thompson(
                thompson::Config::new()
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build(&wanted);
        Ok(Self {
            slow_steps: 1 + regex.memory_usage() / SLOW_BYTES_PER_STEP,
            regex,
            walker: walker.ok().map(|dfa| {
                let cache = dfa.create_cache();
                (dfa, cache)
            }),
        })
    }

    /// Pays for a search that begins at a place.
    fn pay(
        &mut self,
        text: &str,
        from: usize,
        anchored: Anchored,
        budget: &mut Budget,
    ) -> Result<(), RenderError> {
        let input = Input::new(text)
            .range(from.min(text.len())..)
            .anchored(anchored);
        match self
            .walker
            .as_mut()
            .and_then(|walker| walked(walker, &input))
        {
            Some(bytes) => budget.read(bytes.saturating_mul(WALK_FACTOR)),
            None => self.pay_slowly(text.len().saturating_sub(from), budget),
        }
    }

    /// Pays for what the slow engine goes through.
    fn pay_slowly(&self, bytes: usize, budget: &mut Budget) -> Result<(), RenderError> {
        budget.step(bytes.saturating_mul(self.slow_steps))
    }
}

/// Bytes that a search looks at; `None` when the automaton cannot tell: it grows too large, or meets what it does not know.
fn walked((dfa, cache): &mut (DFA, Cache), input: &Input<'_>) -> Option<usize> {
    let mut state = dfa.start_state_forward(cache, input).ok()?;
    let bytes = input.haystack().get(input.get_range())?;
    for (count, &byte) in bytes.iter().enumerate() {
        state = dfa.next_state(cache, state, byte).ok()?;
        if state.is_quit() {
            return None;
        }
        if state.is_dead() {
            return Some(count + 1);
        }
    }
    Some(bytes.len())
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
    let mut pattern = Pattern::new(wanted, true, budget)?;
    pattern.pay(text, 0, Anchored::Yes, budget)?;
    let input = Input::new(text).anchored(Anchored::Yes);
    Ok(pattern
        .regex
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
    let mut pattern = Pattern::new(wanted, false, budget)?;
    let regex = pattern.regex.clone();
    let mut groups = regex.create_captures();
    let mut out = String::new();
    let mut behind = 0;
    let mut matches = regex.find_iter(text);
    loop {
        pattern.pay(text, behind, Anchored::No, budget)?;
        let Some(found) = matches.next() else {
            break;
        };
        budget.step(4)?;
        out.push_str(text.get(behind..found.start()).unwrap_or_default());
        if by.contains('$') {
            pattern.pay_slowly(found.len(), budget)?;
            // What the search chose is what fits here, so that the text behind it need not be looked at again.
            let here = Input::new(text)
                .range(found.range())
                .anchored(Anchored::Yes);
            regex.search_captures(&here, &mut groups);
        }
        push_replacement(by, text, &groups, &mut out)?;
        behind = found.end();
        budget.read(by.len())?;
        if out.len() > TEXT_BYTES_MAX {
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
    let mut pattern = Pattern::new(wanted, false, budget)?;
    let regex = pattern.regex.clone();
    let parts_max = usize::try_from(limit).ok().filter(|&limit| limit > 0);
    let mut parts: Vec<Rc<str>> = Vec::new();
    let mut behind = 0;
    let mut matches = regex.find_iter(text);
    let mut from = 0;
    loop {
        pattern.pay(text, from, Anchored::No, budget)?;
        let Some(found) = matches.next() else {
            break;
        };
        from = found.end();
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
