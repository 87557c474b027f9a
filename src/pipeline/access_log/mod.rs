//! The access log: one line for each exchange, by a template of API Gateway's `$context` variables (spec 11, "Access log").

mod escape;
mod variable;

use std::fmt;

use crate::api::table::Table;
use crate::pipeline::access_log::variable::Variable;
use crate::pipeline::context::RequestContext;
use crate::wire::http1::head::RequestHead;

/// `--access-log clf`: the template of API Gateway's guide, "Setting up CloudWatch logging for a REST API".
const CLF: &str = "$context.identity.sourceIp $context.identity.caller $context.identity.user \
    [$context.requestTime] \"$context.httpMethod $context.resourcePath $context.protocol\" $context.status \
    $context.responseLength $context.requestId $context.extendedRequestId";

/// `--access-log json`: the members of the JSON template in API Gateway's console, then those that tell where time went.
const JSON: &str = "{\"requestId\":\"$context.requestId\",\"extendedRequestId\":\"$context.extendedRequestId\",\
    \"ip\":\"$context.identity.sourceIp\",\"caller\":\"$context.identity.caller\",\"user\":\"$context.identity.user\",\
    \"requestTime\":\"$context.requestTime\",\"httpMethod\":\"$context.httpMethod\",\
    \"resourcePath\":\"$context.resourcePath\",\"status\":\"$context.status\",\"protocol\":\"$context.protocol\",\
    \"responseLength\":\"$context.responseLength\",\"path\":\"$context.path\",\"stage\":\"$context.stage\",\
    \"requestLength\":\"$context.sluicegate.requestLength\",\"responseLatency\":\"$context.responseLatency\",\
    \"integrationLatency\":\"$context.integrationLatency\",\"integrationStatus\":\"$context.integrationStatus\",\
    \"integrationError\":\"$context.integrationErrorMessage\",\"errorMessage\":\"$context.error.message\",\
    \"errorType\":\"$context.error.responseType\",\"outcome\":\"$context.sluicegate.outcome\",\
    \"userAgent\":\"$context.identity.userAgent\",\"traceId\":\"$context.xrayTraceId\"}";

/// Bytes of a template: API Gateway's quota for an access log template (guide, "API Gateway quotas").
pub const TEMPLATE_BYTES_MAX: usize = 3 * 1024;

/// A line that would be longer is not written: a template that repeats a client's long values is no log.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

const MARK: &str = "$context.";

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogFormat {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `None`: a name that API Gateway does not have; it reads `-`.
    Value {
        variable: Option<Variable>,
        /// Between double quotes of the template.
        quoted: bool,
    },
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// Neither request id is in it: API Gateway refuses that too.
    NoRequestId,
    /// More than [`TEMPLATE_BYTES_MAX`].
    TooLong,
    /// A line break or another control byte.
    Control,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRequestId => f.write_str(
                "an access log is `clf`, `json`, `off`, or a template with $context.requestId or \
                 $context.extendedRequestId in it",
            ),
            Self::TooLong => write!(
                f,
                "a template of the access log has at most {TEMPLATE_BYTES_MAX} bytes"
            ),
            Self::Control => f.write_str(
                "a template of the access log is one line: no line break and no other control character in it",
            ),
        }
    }
}

impl std::error::Error for FormatError {}

/// An exchange that is over, and what it was about.
#[derive(Clone, Copy, Debug)]
pub struct ToldExchange<'a> {
    /// Ids, times, the client's address and the record.
    pub context: &'a RequestContext<'a>,
    /// The client's head, if one could be read.
    pub head: Option<&'a RequestHead>,
    /// The document; none in front of a sidecar.
    pub table: Option<&'a Table>,
    /// When it ended, in microseconds of the monotonic clock.
    pub ended_us: u64,
}

impl AccessLogFormat {
    /// `clf`, `json`, or a template.
    ///
    /// # Errors
    /// A text that API Gateway would refuse, or that is no line.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        let text = match text {
            "clf" => CLF,
            "json" => JSON,
            template => template.trim_end_matches(['\r', '\n']),
        };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(FormatError::TooLong);
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(FormatError::Control);
        }
        let parts = parts_of(text);
        let is_id = |part: &Part| {
            matches!(
                part,
                Part::Value {
                    variable: Some(Variable::RequestId | Variable::ExtendedRequestId),
                    ..
                }
            )
        };
        if parts.iter().any(is_id) {
            Ok(Self { parts })
        } else {
            Err(FormatError::NoRequestId)
        }
    }

    /// Appends the line of an exchange with its line feed. `false`, and nothing appended, if it would be too long.
    pub fn write_line(&self, exchange: &ToldExchange<'_>, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value { variable, quoted } => {
                    let written =
                        variable.is_some_and(|variable| variable.write(exchange, *quoted, out));
                    if !written {
                        out.push(b'-');
                    }
                }
            }
            if out.len() - begin >= LINE_BYTES_MAX {
                out.truncate(begin);
                return false;
            }
        }
        out.push(b'\n');
        true
    }
}

/// Cuts a template into text and variables. A name is of letters, digits and `_`, in parts between dots.
fn parts_of(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(MARK) {
        let name = name_at_start(behind);
        if name.is_empty() {
            push_literal(&mut parts, &mut quoted, before);
            push_literal(&mut parts, &mut quoted, MARK);
            rest = behind;
            continue;
        }
        push_literal(&mut parts, &mut quoted, before);
        parts.push(Part::Value {
            variable: Variable::parse(name),
            quoted,
        });
        rest = behind.get(name.len()..).unwrap_or_default();
    }
    push_literal(&mut parts, &mut quoted, rest);
    parts
}

fn name_at_start(text: &str) -> &str {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let end = text.bytes().position(|byte| !in_name(byte));
    let name = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    name.trim_end_matches('.')
}

/// Appends text and follows whether it ends between double quotes.
fn push_literal(parts: &mut Vec<Part>, quoted: &mut bool, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut escaped = false;
    for byte in text.bytes() {
        if byte == b'"' && !escaped {
            *quoted = !*quoted;
        }
        escaped = byte == b'\\' && !escaped;
    }
    match parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
