//! Selection patterns (spec 06, "Choosing the integration response"), evaluated once at load.
//!
//! A pattern is a regex that must match the whole three-digit status. Every status is tried when the
//! document is loaded; afterwards only the runs of equal answers are kept and no regex is left.

use std::fmt;
use std::ops::RangeInclusive;

use regex_automata::dfa::dense;
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::ast;
use regex_syntax::ast::ErrorKind;
use regex_syntax::ast::parse::Parser;
use regex_syntax::hir::translate::Translator;

/// Statuses of three digits; the contract's 100–599 and those that a backend might make up.
const STATUSES: RangeInclusive<u16> = 100..=999;

/// Bytes of compiled automaton (and of scratch to build it) that one pattern may take while it is evaluated.
const AUTOMATON_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Which integration response a status selects: its index in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionTable {
    /// Runs of statuses with the same answer, each up to the next one's start; ascending.
    runs: Box<[Run]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first_status: u16,
    response: Option<usize>,
}

impl SelectionTable {
    /// Evaluates the patterns of an integration's responses, in document order; `None` and `""` are the default.
    /// The first regex that matches wins, the default answers what is left.
    ///
    /// # Errors
    /// The first pattern that cannot be compiled. Patterns do not influence one another: to hear of all faults,
    /// compile each alone.
    pub fn compile(patterns: &[Option<&str>]) -> Result<Self, PatternError> {
        let mut default = None;
        let mut regexes = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            match pattern.filter(|text| !text.is_empty()) {
                None => default = default.or(Some(index)),
                Some(text) => match WholeMatch::compile(text) {
                    Ok(regex) => regexes.push((index, regex)),
                    Err(fault) => return Err(PatternError { index, fault }),
                },
            }
        }
        let mut runs: Vec<Run> = Vec::new();
        for status in STATUSES {
            let matching = regexes.iter().find(|(_, regex)| regex.matches(status));
            let response = matching.map(|&(index, _)| index).or(default);
            if runs.last().is_none_or(|run| run.response != response) {
                runs.push(Run {
                    first_status: status,
                    response,
                });
            }
        }
        Ok(Self { runs: runs.into() })
    }

    /// The integration response for a backend status; `None` when no pattern matches and there is no default.
    #[must_use]
    pub fn select(&self, status: u16) -> Option<usize> {
        if !STATUSES.contains(&status) {
            return None;
        }
        let after = self.runs.partition_point(|run| run.first_status <= status);
        self.runs.get(after.checked_sub(1)?)?.response
    }
}

/// A selection pattern that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// Index of the pattern in document order.
    pub index: usize,
    /// What is wrong with it.
    pub fault: PatternFault,
}

/// Why a pattern is refused. Offsets count bytes from the pattern's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternFault {
    /// `(?=`, `(?!`, `(?<=`, `(?<!`
    LookAround {
        /// Where the group opens.
        offset: usize,
    },
    /// `\1`
    BackReference {
        /// Where the backslash is.
        offset: usize,
    },
    /// `a*+`: in Java this quantifier gives nothing back; read otherwise it would select other statuses.
    PossessiveQuantifier {
        /// Where the second quantifier is.
        offset: usize,
    },
    /// Not a regular expression in this syntax.
    Syntax {
        /// Where reading stopped.
        offset: usize,
        /// What the parser says.
        reason: String,
    },
    /// The automaton would take more than 8 MiB.
    TooLarge,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookAround { offset } => {
                write!(f, "look-around at offset {offset} is not supported")
            }
            Self::BackReference { offset } => {
                write!(f, "back-reference at offset {offset} is not supported")
            }
            Self::PossessiveQuantifier { offset } => {
                write!(
                    f,
                    "possessive or doubled quantifier at offset {offset} is not supported"
                )
            }
            Self::Syntax { offset, reason } => write!(f, "{reason} at offset {offset}"),
            Self::TooLarge => write!(
                f,
                "the pattern is too large: it needs more than {AUTOMATON_BYTES_MAX} bytes"
            ),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for PatternError {}

/// One regex as an automaton that is asked whether it matches a whole status.
struct WholeMatch(dense::DFA<Vec<u32>>);

impl WholeMatch {
    fn compile(pattern: &str) -> Result<Self, PatternFault> {
        check_syntax(pattern)?;
        // `MatchKind::All` keeps every alternative alive to the end of the status, so that `2|200` matches 200.
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .unicode_word_boundary(true)
            .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
        dense::Builder::new()
            .configure(config)
            .thompson(thompson::Config::new().nfa_size_limit(Some(AUTOMATON_BYTES_MAX)))
            .build(pattern)
            .map(Self)
            .map_err(|_| PatternFault::TooLarge)
    }

    fn matches(&self, status: u16) -> bool {
        let start = start::Config::new().anchored(Anchored::Yes);
        let Ok(mut state) = self.0.start_state(&start) else {
            return false;
        };
        for place in [100, 10, 1] {
            let digit = u8::try_from(status / place % 10).unwrap_or(0);
            state = self.0.next_state(state, b'0' + digit);
        }
        self.0.is_match_state(self.0.next_eoi_state(state))
    }
}

/// Refuses what cannot be parsed, and what Java reads in another way than this parser.
fn check_syntax(pattern: &str) -> Result<(), PatternFault> {
    let tree = Parser::new().parse(pattern).map_err(|error| {
        let offset = error.span().start.offset;
        match error.kind() {
            ErrorKind::UnsupportedLookAround => PatternFault::LookAround { offset },
            ErrorKind::UnsupportedBackreference => PatternFault::BackReference { offset },
            kind => PatternFault::Syntax {
                offset,
                reason: kind.to_string(),
            },
        }
    })?;
    ast::visit(&tree, DoubledQuantifiers)?;
    let translated = Translator::new().translate(pattern, &tree);
    translated.map(drop).map_err(|error| PatternFault::Syntax {
        offset: error.span().start.offset,
        reason: error.kind().to_string(),
    })
}

struct DoubledQuantifiers;

impl ast::Visitor for DoubledQuantifiers {
    type Output = ();
    type Err = PatternFault;

    fn finish(self) -> Result<(), PatternFault> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &ast::Ast) -> Result<(), PatternFault> {
        match tree {
            ast::Ast::Repetition(outer) if matches!(*outer.ast, ast::Ast::Repetition(_)) => {
                Err(PatternFault::PossessiveQuantifier {
                    offset: outer.op.span.start.offset,
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[Option<&str>]) -> SelectionTable {
        SelectionTable::compile(patterns).unwrap()
    }

    fn fault(pattern: &str) -> PatternFault {
        SelectionTable::compile(&[None, Some(pattern)])
            .unwrap_err()
            .fault
    }

    #[test]
    fn default_answers_what_no_regex_matches_wherever_it_stands() {
        for patterns in [[None, Some(r"4\d{2}")], [Some(""), Some(r"4\d{2}")]] {
            let table = table(&patterns);
            assert_eq!(table.select(404), Some(1));
            assert_eq!(table.select(399), Some(0));
            assert_eq!(table.select(500), Some(0));
        }
    }

    #[test]
    fn the_whole_status_must_match() {
        let table = table(&[Some("4"), Some("04"), Some("40"), Some("404.")]);
        assert_eq!(table, SelectionTable::compile(&[]).unwrap());
        assert_eq!(table.select(404), None);
    }

    #[test]
    fn first_matching_regex_in_document_order_wins() {
        let table = table(&[Some(r"2\d{2}|304"), Some("204"), Some(".*"), None]);
        assert_eq!(table.select(204), Some(0));
        assert_eq!(table.select(304), Some(0));
        assert_eq!(table.select(305), Some(2));
        assert_eq!(table.select(599), Some(2));
    }

    #[test]
    fn a_longer_alternative_behind_a_shorter_one_still_matches() {
        let table = table(&[
            Some("2|200"),
            Some("5??5??0??3"),
            Some("(?i)^4\\b(?-u:\\w)+$|400"),
        ]);
        assert_eq!(table.select(200), Some(0));
        assert_eq!(table.select(503), Some(1));
        assert_eq!(table.select(400), Some(2));
        assert_eq!(table.select(404), None);
    }

    #[test]
    fn no_match_and_no_default_selects_nothing() {
        let table = table(&[Some("200")]);
        assert_eq!(table.select(200), Some(0));
        assert_eq!(table.select(201), None);
        assert_eq!(SelectionTable::default().select(200), None);
    }

    #[test]
    fn statuses_outside_three_digits_select_nothing() {
        let table = table(&[None]);
        assert_eq!(
            [0, 99, 1000, u16::MAX].map(|status| table.select(status)),
            [None; 4]
        );
        assert_eq!(
            [100, 599, 999].map(|status| table.select(status)),
            [Some(0); 3]
        );
    }

    #[test]
    fn equal_answers_share_one_run() {
        assert_eq!(table(&[None, Some(r"4\d\d")]).runs.len(), 3);
        assert_eq!(table(&[Some(".*"), None]).runs.len(), 1);
    }

    #[test]
    fn look_around_and_back_references_are_named_with_their_offset() {
        for pattern in ["4(?!04)..", "4(?=04)..", "4(?<=4)..", "4(?<!4).."] {
            assert_eq!(
                fault(pattern),
                PatternFault::LookAround { offset: 1 },
                "{pattern}"
            );
        }
        assert_eq!(fault(r"(4)0\1"), PatternFault::BackReference { offset: 4 });
        assert_eq!(table(&[Some("4(?:04)")]).select(404), Some(0));
    }

    #[test]
    fn possessive_quantifiers_are_refused_and_lazy_ones_pass() {
        assert_eq!(
            fault(r"\d++4"),
            PatternFault::PossessiveQuantifier { offset: 3 }
        );
        assert_eq!(
            fault(r"(a|4\d{1,2}+)"),
            PatternFault::PossessiveQuantifier { offset: 11 }
        );
        assert_eq!(table(&[Some(r"\d+?4")]).select(404), Some(0));
        assert_eq!(table(&[Some(r"(\d+)+4")]).select(404), Some(0));
    }

    #[test]
    fn bad_syntax_names_offset_and_pattern() {
        let error = SelectionTable::compile(&[Some("200"), Some("40(4")]).unwrap_err();
        assert_eq!(error.index, 1);
        assert_eq!(error.to_string(), "unclosed group at offset 2");
        assert!(matches!(
            fault("4**"),
            PatternFault::PossessiveQuantifier { offset: 2 }
        ));
        assert!(matches!(
            fault("[4"),
            PatternFault::Syntax { offset: 0, .. }
        ));
        assert!(matches!(
            fault(r"4\p{Nope}"),
            PatternFault::Syntax { offset: 1, .. }
        ));
    }

    #[test]
    fn a_pattern_that_would_explode_is_refused_and_a_wordy_one_passes() {
        assert_eq!(fault(r"(\d{500}){500}"), PatternFault::TooLarge);
        assert_eq!(
            table(&[Some(r".*\w+ [Ee]rror: \w+.*|5\d\d")]).select(500),
            Some(0)
        );
    }
}
