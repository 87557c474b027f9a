//! An explanation for people.

use crate::app::explain::explanation::Body;
use crate::app::explain::explanation::Detail;
use crate::app::explain::explanation::Explanation;
use crate::app::explain::explanation::Mapping;
use crate::app::explain::explanation::Message;
use crate::app::explain::explanation::Outcome;
use crate::app::explain::explanation::Step;
use crate::app::terminal::Style;
use crate::app::terminal::Terminal;

/// In front of details.
const INDENT: usize = 4;
/// In front of what a detail's name stands over.
const DEEP: usize = 6;

/// The text, stage by stage.
pub fn text(explanation: &Explanation, terminal: Terminal) -> String {
    let request = &explanation.request;
    let line = format!("{} {}", request.method, request.target);
    let mut out = terminal.paint(Style::Strong, &line);
    push_line(
        &mut out,
        &format!(
            "\n{}",
            terminal.paint(
                Style::Faint,
                &format!(
                    "taken to arrive at {}; nothing is sent, no quota or throttle is used",
                    request.time
                )
            )
        ),
    );
    for step in &explanation.steps {
        push_step(step, terminal, &mut out);
    }
    match (&explanation.response, explanation.answered_by) {
        (Some(response), by) => {
            let by = by.unwrap_or_default();
            push_response(response, by, terminal, &mut out);
        }
        (None, _) => {
            let hint = "The response is explained too with --response STATUS [--response-header 'Name: value'] \
                [--response-data @FILE]: what the backend would answer.";
            push_line(
                &mut out,
                &format!(
                    "\n{}",
                    terminal.paint(Style::Faint, &terminal.wrapped(hint, 0, 0))
                ),
            );
        }
    }
    out
}

fn push_step(step: &Step, terminal: Terminal, out: &mut String) {
    let style = match step.outcome {
        Outcome::Passed => Style::Strong,
        Outcome::Refused => Style::Error,
    };
    let refused = match step.outcome {
        Outcome::Passed => "",
        Outcome::Refused => "refused: ",
    };
    let start = step.stage.len() + 2;
    let says = terminal.wrapped(&format!("{refused}{}", step.says), start, INDENT);
    push_line(
        out,
        &format!(
            "\n{} {says}",
            terminal.paint(style, &format!("{}:", step.stage))
        ),
    );
    for (name, detail) in &step.details {
        push_detail(name, detail, terminal, out);
    }
}

fn push_detail(name: &str, detail: &Detail, terminal: Terminal, out: &mut String) {
    let label = terminal.paint(Style::Faint, &format!("{name}:"));
    match detail {
        Detail::Text(text) => {
            let text = terminal.wrapped(text, INDENT + name.len() + 2, DEEP);
            push_line(out, &format!("{:INDENT$}{label} {text}", ""));
        }
        Detail::Lines(lines) => {
            push_line(out, &format!("{:INDENT$}{label}", ""));
            push_lines(lines.iter().map(String::as_str), out);
        }
        Detail::Mappings(mappings) => {
            for mapping in mappings {
                push_mapping(mapping, terminal, out);
            }
        }
        Detail::Body(body) => {
            push_line(out, &format!("{:INDENT$}{label} {}", "", size(body)));
            push_body(body, out);
        }
    }
}

fn push_mapping(mapping: &Mapping, terminal: Terminal, out: &mut String) {
    push_line(
        out,
        &format!("{:INDENT$}{} <- {}", "", mapping.target, mapping.source),
    );
    let effect = match mapping.values.as_slice() {
        [] => mapping.effect.clone(),
        values if mapping.effect == "written" => format!("= {}", values.join(", ")),
        values => format!("= {} ({})", values.join(", "), mapping.effect),
    };
    let effect = terminal.wrapped(&effect, DEEP, DEEP + 2);
    push_line(
        out,
        &format!("{:DEEP$}{}", "", terminal.paint(Style::Code, &effect)),
    );
}

fn push_response(response: &Message, by: &str, terminal: Terminal, out: &mut String) {
    let style = match response.status {
        0..=399 => Style::Good,
        400..=499 => Style::Warning,
        _ => Style::Error,
    };
    let line = format!("the client gets {} from the {by}", response.status);
    push_line(out, &format!("\n{}", terminal.paint(style, &line)));
    for header in &response.headers {
        push_line(out, &format!("{:INDENT$}{header}", ""));
    }
    push_line(
        out,
        &format!("{:INDENT$}body: {}", "", size(&response.body)),
    );
    push_body(&response.body, out);
}

fn size(body: &Body) -> String {
    let unit = if body.bytes == 1 { "byte" } else { "bytes" };
    let cut = match (body.cut, &body.hex) {
        (true, None) => ", beginning with",
        (true, Some(_)) => ", not text, beginning with",
        (false, Some(_)) => ", not text",
        (false, None) => "",
    };
    format!("{} {unit}{cut}", body.bytes)
}

fn push_body(body: &Body, out: &mut String) {
    let shown = body.text.as_deref().or(body.hex.as_deref());
    push_lines(shown.unwrap_or_default().lines(), out);
}

fn push_lines<'l>(lines: impl Iterator<Item = &'l str>, out: &mut String) {
    for line in lines {
        let line = format!("{:DEEP$}{line}", "");
        push_line(out, line.trim_end());
    }
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}
