//! Findings for people and for programs: what `check`, `routes` and `explain` print about a document.

use serde::Serialize;

use crate::api::openapi::finding::Finding;
use crate::api::openapi::finding::Further;
use crate::api::openapi::finding::Severity;
use crate::api::openapi::fix::Fix;
use crate::app::terminal::Style;
use crate::app::terminal::Terminal;

/// Further places that a line names; all of them are in the JSON.
const PLACES_SHOWN_MAX: usize = 6;

/// `file:line:column: severity: message [code]`, the pointer, the further places and the line that mends it.
pub fn text_of(finding: &Finding, terminal: Terminal) -> String {
    let Finding {
        file, line, column, ..
    } = finding;
    let place = format!("{file}:{line}:{column}:");
    let severity = finding.severity.name();
    let start = place.chars().count() + severity.len() + 3;
    let message = format!("{} [{}]", finding.message, finding.code);
    let mut text = format!(
        "{} {} {}\n",
        terminal.paint(Style::Strong, &place),
        terminal.paint(style_of(finding.severity), &format!("{severity}:")),
        terminal.wrapped(&message, start, 4)
    );
    let mut push = |line: &str| {
        let line = terminal.wrapped(line, 4, 6);
        text.push_str(&format!("    {}\n", terminal.paint(Style::Faint, &line)));
    };
    if !finding.pointer.is_empty() {
        push(&format!("at {}", finding.pointer));
    }
    if !finding.also.is_empty() {
        push(&also(&finding.also));
    }
    if finding.refused_by_gateway {
        push("API Gateway refuses this document (--strict does, too)");
    }
    if let Some(fix) = &finding.fix {
        push(&format!(
            "mended by this, before {}:{}:",
            fix.line, fix.column
        ));
        for line in fix.text.trim().lines() {
            text.push_str(&format!("        {}\n", terminal.paint(Style::Code, line)));
        }
    }
    text
}

/// The looks of a severity.
pub const fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Error => Style::Error,
        Severity::Warning => Style::Warning,
        Severity::Hint => Style::Hint,
    }
}

fn also(places: &[Further]) -> String {
    let shown: Vec<String> = places
        .iter()
        .take(PLACES_SHOWN_MAX)
        .map(|place| format!("{}:{}", place.line, place.column))
        .collect();
    let rest = places.len() - shown.len();
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    format!("also at {}{more}", shown.join(", "))
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The document is refused.
    pub errors: usize,
    /// Something will not run, or does harm.
    pub warnings: usize,
    /// Something is worth knowing.
    pub hints: usize,
}

impl Counts {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            hints: count(Severity::Hint),
        }
    }

    /// `1 error, 2 warnings, 3 hints`; errors only if there are some.
    pub fn text(self, terminal: Terminal) -> String {
        let mut parts = Vec::new();
        let mut push = |count: usize, noun: &str, style| {
            let text = counted(count, noun);
            parts.push(if count > 0 {
                terminal.paint(style, &text)
            } else {
                text
            });
        };
        if self.errors > 0 {
            push(self.errors, "error", Style::Error);
        }
        push(self.warnings, "warning", Style::Warning);
        push(self.hints, "hint", Style::Hint);
        parts.join(", ")
    }
}

/// `1 error`, `2 errors`
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A finding as JSON.
#[derive(Debug, Serialize)]
pub struct FindingJson<'f> {
    severity: &'static str,
    code: &'static str,
    message: &'f str,
    line: u32,
    column: u32,
    /// RFC 6901; empty is the whole document.
    pointer: &'f str,
    /// Whether API Gateway refuses such a document.
    refused_by_api_gateway: bool,
    /// Further places of the same.
    also: Vec<PlaceJson<'f>>,
    fix: Option<FixJson<'f>>,
}

#[derive(Debug, Serialize)]
struct PlaceJson<'f> {
    line: u32,
    column: u32,
    pointer: &'f str,
}

/// Text to insert before a place.
#[derive(Debug, Serialize)]
struct FixJson<'f> {
    line: u32,
    column: u32,
    insert: &'f str,
}

impl<'f> From<&'f Finding> for FindingJson<'f> {
    fn from(finding: &'f Finding) -> Self {
        let place = |further: &'f Further| PlaceJson {
            line: further.line,
            column: further.column,
            pointer: &further.pointer,
        };
        let fix = |fix: &'f Fix| FixJson {
            line: fix.line,
            column: fix.column,
            insert: &fix.text,
        };
        Self {
            severity: finding.severity.name(),
            code: finding.code.name(),
            message: &finding.message,
            line: finding.line,
            column: finding.column,
            pointer: &finding.pointer,
            refused_by_api_gateway: finding.refused_by_gateway,
            also: finding.also.iter().map(place).collect(),
            fix: finding.fix.as_ref().map(fix),
        }
    }
}

/// Findings as JSON, in order.
pub fn json_of(findings: &[Finding]) -> Vec<FindingJson<'_>> {
    findings.iter().map(FindingJson::from).collect()
}
