//! What an import says about a document: faults and warnings with their places.

use std::collections::HashSet;
use std::fmt;

use crate::api::openapi::node::{Place, Position};

/// Findings that one import keeps; more would not be read.
pub(super) const FINDINGS_MAX: usize = 1000;

/// Whether a finding stops the import; the worse one is the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document runs; something in it will not.
    Warning,
}

/// One thing to know about a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Whether it stops the import.
    pub severity: Severity,
    /// The document's name as the caller gave it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// JSON pointer (RFC 6901); empty is the whole document.
    pub pointer: String,
    /// What was found and what is wanted.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self {
            file, line, column, ..
        } = self;
        write!(out, "{file}:{line}:{column}: {severity}: {}", self.message)?;
        if self.pointer.is_empty() {
            return Ok(());
        }
        write!(out, " (at {})", self.pointer)
    }
}

/// What to do with what API Gateway refuses and this version can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// A warning.
    #[default]
    Lenient,
    /// An error (`--strict`).
    Strict,
}

/// Things that a document may say in many places and that are reported once, at the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `AWS_IAM` methods.
    CallerIdentity,
    /// Methods with an authorizer that is left out.
    Authorizer,
    /// Methods that need an API key.
    ApiKey,
    /// Methods that carry objects as text.
    BinaryBodies,
    /// Cache keys and name spaces.
    Caching,
}

/// The findings of one import, as they come up.
#[derive(Debug)]
pub struct Findings {
    file: String,
    strictness: Strictness,
    found: Vec<Finding>,
    seen: HashSet<Finding>,
    topics: Vec<(Topic, usize, usize)>,
    /// The worst finding that was left out.
    left_out: Option<Severity>,
}

impl Findings {
    /// No finding yet.
    #[must_use]
    pub fn new(file: &str, strictness: Strictness) -> Self {
        Self {
            file: file.to_owned(),
            strictness,
            found: Vec::new(),
            seen: HashSet::new(),
            topics: Vec::new(),
            left_out: None,
        }
    }

    /// A fault of the value at `place`.
    pub fn error(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.add(
            Severity::Error,
            place.node.position,
            &place.pointer,
            message.into(),
        );
    }

    /// A fault of the name that the value at `place` is kept under.
    pub fn error_in_name(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.add(
            Severity::Error,
            place.name_position,
            &place.pointer,
            message.into(),
        );
    }

    /// A fault at a position of the text.
    pub fn error_at(&mut self, position: Position, pointer: &str, message: impl Into<String>) {
        self.add(Severity::Error, position, pointer, message.into());
    }

    /// Something that will not run as the document says.
    pub fn warn(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.add(
            Severity::Warning,
            place.name_position,
            &place.pointer,
            message.into(),
        );
    }

    /// Something that API Gateway refuses: an error if the import is strict.
    pub fn refused_by_gateway(&mut self, place: &Place<'_>, message: impl Into<String>) {
        let severity = match self.strictness {
            Strictness::Lenient => Severity::Warning,
            Strictness::Strict => Severity::Error,
        };
        self.add(
            severity,
            place.name_position,
            &place.pointer,
            message.into(),
        );
    }

    /// As [`Self::warn`], at the first place of the topic only; the further places are counted.
    pub fn warn_once(&mut self, topic: Topic, place: &Place<'_>, message: &str) {
        let known = self.topics.iter_mut().find(|(known, ..)| *known == topic);
        if let Some((.., places)) = known {
            *places += 1;
            return;
        }
        let index = self.found.len();
        self.warn(place, message);
        if self.found.len() > index {
            self.topics.push((topic, index, 1));
        }
    }

    /// Whether the import must fail.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.left_out == Some(Severity::Error)
            || self
                .found
                .iter()
                .any(|finding| finding.severity == Severity::Error)
    }

    /// Everything found, in the order of the text.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Finding> {
        for (_, index, places) in self.topics {
            if let Some(finding) = self.found.get_mut(index)
                && places > 1
            {
                finding.message = format!("{} ({places} places)", finding.message);
            }
        }
        self.found
            .sort_by_key(|finding| (finding.line, finding.column));
        if let Some(severity) = self.left_out {
            self.found.push(Finding {
                severity,
                file: self.file,
                line: 1,
                column: 1,
                pointer: String::new(),
                message: format!("more than {FINDINGS_MAX} findings: the others are left out"),
            });
        }
        self.found
    }

    fn add(&mut self, severity: Severity, position: Position, pointer: &str, message: String) {
        if self.found.len() >= FINDINGS_MAX {
            self.left_out = Some(self.left_out.map_or(severity, |worst| worst.min(severity)));
            return;
        }
        let finding = Finding {
            severity,
            file: self.file.clone(),
            line: position.line,
            column: position.column,
            pointer: pointer.to_owned(),
            message,
        };
        if self.seen.insert(finding.clone()) {
            self.found.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::node::{Node, Value};

    fn node(line: u32) -> Node {
        Node {
            position: Position { line, column: 7 },
            value: Value::Null,
        }
    }

    #[test]
    fn a_finding_prints_its_place_before_its_text() {
        let mut findings = Findings::new("api.json", Strictness::Lenient);
        let (root, inner) = (node(1), node(3));
        findings.warn(&Place::root(&root), "whole");
        findings.error_at(inner.position, "/paths/~1s3", "bad");
        let lines: Vec<String> = findings
            .into_sorted()
            .iter()
            .map(Finding::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "api.json:1:7: warning: whole",
                "api.json:3:7: error: bad (at /paths/~1s3)"
            ]
        );
    }

    #[test]
    fn the_same_finding_is_kept_once_and_a_topic_counts_its_places() {
        let mut findings = Findings::new("f", Strictness::Lenient);
        let (first, second) = (node(1), node(2));
        findings.error(&Place::root(&first), "same");
        findings.error(&Place::root(&first), "same");
        findings.warn_once(Topic::ApiKey, &Place::root(&first), "keys");
        findings.warn_once(Topic::ApiKey, &Place::root(&second), "keys");
        let messages: Vec<String> = findings
            .into_sorted()
            .into_iter()
            .map(|f| f.message)
            .collect();
        assert_eq!(messages, ["same", "keys (2 places)"]);
    }

    #[test]
    fn what_the_gateway_refuses_is_an_error_only_when_strict() {
        for (strictness, errors) in [(Strictness::Lenient, false), (Strictness::Strict, true)] {
            let mut findings = Findings::new("f", strictness);
            findings.refused_by_gateway(&Place::root(&node(1)), "x");
            assert_eq!(findings.has_errors(), errors);
        }
    }

    #[test]
    fn a_flood_of_findings_is_cut_and_fails_as_its_worst() {
        let root = node(1);
        for last in [Severity::Warning, Severity::Error] {
            let mut findings = Findings::new("f", Strictness::Lenient);
            for index in 0..FINDINGS_MAX + 5 {
                findings.warn(&Place::root(&root), index.to_string());
            }
            if last == Severity::Error {
                findings.error(&Place::root(&root), "bad");
            }
            assert_eq!(findings.has_errors(), last == Severity::Error);
            let sorted = findings.into_sorted();
            assert_eq!(sorted.len(), FINDINGS_MAX + 1);
            assert_eq!(sorted[FINDINGS_MAX].severity, last);
        }
    }
}
