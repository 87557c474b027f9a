//! What an import says about a document: faults and warnings with their places.

use std::collections::HashSet;
use std::fmt;

use crate::api::openapi::finding_code::{Code, Said};
use crate::api::openapi::fix::{Fix, Syntax};
use crate::api::openapi::node::{Place, Position};

/// Findings that one import keeps; more would not be read.
pub(super) const FINDINGS_MAX: usize = 1000;

/// Whether a finding stops the import; the worse one is the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document runs; something in it will not, or does harm.
    Warning,
    /// The document runs as it says, and people are surprised by what that means.
    Hint,
}

impl Severity {
    /// `error`, `warning`, `hint`
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// A further place of the same finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Further {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// JSON pointer (RFC 6901).
    pub pointer: String,
}

/// One thing to know about a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Whether it stops the import.
    pub severity: Severity,
    /// What it is about.
    pub code: Code,
    /// API Gateway refuses such a document; an error if the import is strict.
    pub refused_by_gateway: bool,
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
    /// Where else the same is to be said.
    pub also: Vec<Further>,
    /// The line that mends it, where one does.
    pub fix: Option<Fix>,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            code,
            message,
            ..
        } = self;
        let severity = self.severity.name();
        write!(
            out,
            "{file}:{line}:{column}: {severity}: {message} [{code}]"
        )?;
        if !self.also.is_empty() {
            write!(out, " ({} places)", self.also.len() + 1)?;
        }
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
    /// A hint.
    Hint(Code),
}

/// The findings of one import, as they come up.
#[derive(Debug)]
pub struct Findings {
    file: String,
    strictness: Strictness,
    found: Vec<Finding>,
    seen: HashSet<Finding>,
    topics: Vec<(Topic, usize)>,
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
    pub fn error(&mut self, place: &Place<'_>, said: impl Into<Said>) {
        let (position, pointer) = (place.node.position, &place.pointer);
        self.add(Severity::Error, position, pointer, said.into());
    }

    /// A fault of the name that the value at `place` is kept under.
    pub fn error_in_name(&mut self, place: &Place<'_>, said: impl Into<Said>) {
        let (position, pointer) = (place.name_position, &place.pointer);
        self.add(Severity::Error, position, pointer, said.into());
    }

    /// A fault at a position of the text.
    pub fn error_at(&mut self, position: Position, pointer: &str, said: impl Into<Said>) {
        self.add(Severity::Error, position, pointer, said.into());
    }

    /// Something that will not run as the document says.
    pub fn warn(&mut self, place: &Place<'_>, said: impl Into<Said>) {
        let (position, pointer) = (place.name_position, &place.pointer);
        self.add(Severity::Warning, position, pointer, said.into());
    }

    /// Something that API Gateway refuses: an error if the import is strict.
    pub fn refused_by_gateway(&mut self, place: &Place<'_>, said: impl Into<Said>) {
        let severity = match self.strictness {
            Strictness::Lenient => Severity::Warning,
            Strictness::Strict => Severity::Error,
        };
        let before = self.found.len();
        let (position, pointer) = (place.name_position, &place.pointer);
        self.add(severity, position, pointer, said.into());
        if let Some(finding) = self.found.get_mut(before) {
            finding.refused_by_gateway = true;
        }
    }

    /// As [`Self::warn`], at the first place of the topic only; the further places are kept with it.
    pub fn warn_once(&mut self, topic: Topic, place: &Place<'_>, said: impl Into<Said>) {
        self.add_once(topic, Severity::Warning, place, said.into());
    }

    /// Something that surprises people, told once for all places.
    pub fn hint(&mut self, code: Code, place: &Place<'_>, message: impl Into<String>) {
        self.hint_with(code, place, code.says(message));
    }

    /// As [`Self::hint`], with a line that mends it.
    pub fn hint_with(&mut self, code: Code, place: &Place<'_>, said: Said) {
        self.add_once(Topic::Hint(code), Severity::Hint, place, said);
    }

    fn add_once(&mut self, topic: Topic, severity: Severity, place: &Place<'_>, said: Said) {
        let known = self.topics.iter().find(|(known, _)| *known == topic);
        if let Some(&(_, index)) = known {
            if let Some(finding) = self.found.get_mut(index)
                && finding.also.len() < FINDINGS_MAX
            {
                finding.also.push(Further {
                    line: place.name_position.line,
                    column: place.name_position.column,
                    pointer: place.pointer.clone(),
                });
            }
            return;
        }
        let index = self.found.len();
        self.add(severity, place.name_position, &place.pointer, said);
        if self.found.len() > index {
            self.topics.push((topic, index));
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

    /// Writes the lines that mend findings as the document's own are written.
    pub(super) fn write_fixes(&mut self, document: &str, syntax: Syntax) {
        for fix in self.found.iter_mut().filter_map(|f| f.fix.as_mut()) {
            fix.write(document, syntax);
        }
    }

    /// Everything found, in the order of the text.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.found
            .sort_by_key(|finding| (finding.line, finding.column));
        if let Some(severity) = self.left_out {
            self.found.push(Finding {
                severity,
                code: Code::FindingsLeftOut,
                refused_by_gateway: false,
                file: self.file,
                line: 1,
                column: 1,
                pointer: String::new(),
                message: format!("more than {FINDINGS_MAX} findings: the others are left out"),
                also: Vec::new(),
                fix: None,
            });
        }
        self.found
    }

    fn add(&mut self, severity: Severity, position: Position, pointer: &str, said: Said) {
        if self.found.len() >= FINDINGS_MAX {
            self.left_out = Some(self.left_out.map_or(severity, |worst| worst.min(severity)));
            return;
        }
        let Said { code, message, fix } = said;
        let of_severity = match severity {
            Severity::Error => Code::Fault,
            Severity::Warning | Severity::Hint => Code::NotHonoured,
        };
        let finding = Finding {
            severity,
            code: code.unwrap_or(of_severity),
            refused_by_gateway: false,
            file: self.file.clone(),
            line: position.line,
            column: position.column,
            pointer: pointer.to_owned(),
            message,
            also: Vec::new(),
            fix,
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
                "api.json:1:7: warning: whole [not-honoured]",
                "api.json:3:7: error: bad [fault] (at /paths/~1s3)"
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
        let found = findings.into_sorted();
        let messages: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(messages, ["same", "keys"]);
        assert_eq!(found[1].also[0].line, 2);
        assert!(
            found[1]
                .to_string()
                .ends_with("keys [not-honoured] (2 places)")
        );
    }

    #[test]
    fn what_the_gateway_refuses_is_an_error_only_when_strict() {
        for (strictness, errors) in [(Strictness::Lenient, false), (Strictness::Strict, true)] {
            let mut findings = Findings::new("f", strictness);
            findings.refused_by_gateway(&Place::root(&node(1)), "x");
            assert_eq!(findings.has_errors(), errors);
            assert!(findings.into_sorted()[0].refused_by_gateway);
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
