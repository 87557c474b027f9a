//! `/…/i` of `=~`.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// Memory of a compiled pattern.
const AUTOMATON_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 1_000;

/// A pattern that was compiled when its path was read.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    any_case: bool,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.any_case) == (&other.text, other.any_case)
    }
}

impl Eq for Pattern {}

impl Pattern {
    pub(super) fn new(text: &str, any_case: bool) -> Option<Self> {
        if text.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let regex = Regex::builder()
            .configure(
                Regex::config()
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                    .hybrid_cache_capacity(4 * AUTOMATON_BYTES_MAX)
                    .dfa(false),
            )
            .syntax(syntax::Config::new().case_insensitive(any_case))
            .build(&format!("(?:{text})\\z"));
        Some(Self {
            text: text.to_owned(),
            any_case,
            regex: regex.ok()?,
        })
    }

    /// How much slower than a look at each byte a search may be.
    pub(super) fn cost(&self) -> usize {
        1 + self.regex.memory_usage() / 256
    }

    pub(super) fn matches_whole(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::Yes);
        self.regex
            .search(&input)
            .is_some_and(|found| found.end() == text.len())
    }
}
