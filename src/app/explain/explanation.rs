//! What is told of one request: its stages in order and the response, for the narrative and for JSON alike.

use serde::Serialize;
use serde::Serializer;

use crate::app::explain::hidden::Hidden;
use crate::pipeline::explanation::MappingEffect;
use crate::pipeline::explanation::ToldMapping;
use crate::pipeline::gateway_response::FaultResponse;

/// Names the shape of the JSON; a change that takes something away gets another number.
pub const FORMAT: &str = "sluicegate.explain/1";
/// Bytes of a body that are shown.
pub const PREVIEW_BYTES_MAX: usize = 1024;
/// Bytes of a body without text that are shown, in hex.
const HEX_BYTES_MAX: usize = 32;

/// Everything that is told.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// [`FORMAT`]
    pub format: &'static str,
    /// The client's request.
    pub request: ToldRequest,
    /// What was done to it, in order.
    pub steps: Vec<Step>,
    /// Who made the response: `gateway`, `integration`, or nobody without `--response`.
    pub answered_by: Option<&'static str>,
    /// The response; its Date, Content-Length and Connection are added when it is sent.
    pub response: Option<Message>,
    /// The same in the texts of API Gateway's execution log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub execution_log: Vec<String>,
}

/// The client's request.
#[derive(Debug, Serialize)]
pub struct ToldRequest {
    /// As given.
    pub method: String,
    /// As given.
    pub target: String,
    /// `Name: value`, Host and Content-Length included.
    pub headers: Vec<String>,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// The time that it is taken to arrive, as `x-amz-date` writes it.
    pub time: String,
}

/// One stage.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub stage: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// That in words.
    pub says: String,
    /// More, by name.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    pub details: Details,
}

/// Names and what is told under them.
pub type Details = Vec<(&'static str, Detail)>;

impl Step {
    /// A stage, what came of it, and that in words.
    #[must_use]
    pub fn new(stage: &'static str, outcome: Outcome, says: &str, details: Details) -> Self {
        Self {
            stage,
            outcome,
            says: says.to_owned(),
            details,
        }
    }
}

/// What came of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request goes on.
    Passed,
    /// The request ends here.
    Refused,
}

/// A named piece of a step.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// One line.
    Text(String),
    /// Lines in order.
    Lines(Vec<String>),
    /// Mappings.
    Mappings(Vec<Mapping>),
    /// A body.
    Body(Body),
}

/// One parameter mapping.
#[derive(Debug, Serialize)]
pub struct Mapping {
    /// `integration.request.path.key`
    pub target: String,
    /// `method.request.querystring.key`
    pub source: String,
    /// What the source gave.
    pub values: Vec<String>,
    /// `written`, `no value`, …
    pub effect: String,
}

/// A body as it is shown.
#[derive(Debug, Serialize)]
pub struct Body {
    /// Its length.
    pub bytes: usize,
    /// Its beginning, if that is text.
    pub text: Option<String>,
    /// Its beginning in hex, if it is none.
    pub hex: Option<String>,
    /// Whether there is more of it than is shown.
    pub cut: bool,
}

/// A response.
#[derive(Debug, Serialize)]
pub struct Message {
    /// Its status.
    pub status: u16,
    /// `Name: value`
    pub headers: Vec<String>,
    /// Its body.
    pub body: Body,
}

fn as_map<S: Serializer>(
    details: &[(&'static str, Detail)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(details.iter().map(|(name, detail)| (name, detail)))
}

impl Mapping {
    /// What is shown of it.
    pub fn of(told: &ToldMapping, hidden: &Hidden) -> Self {
        let name = told.target.rsplit('.').next().unwrap_or_default();
        let value = |value: &Vec<u8>| {
            let field = hidden.field(name.as_bytes(), value);
            let shown = field.split_once(": ").map(|(_, value)| value.to_owned());
            shown.unwrap_or_default()
        };
        Self {
            target: told.target.clone(),
            source: hidden.shown(told.source.as_bytes()),
            values: told.values.iter().map(value).collect(),
            effect: match &told.effect {
                MappingEffect::Written => "written".to_owned(),
                MappingEffect::Renamed(name) => format!("written as {name}"),
                MappingEffect::NoValue => "no value: left out".to_owned(),
                MappingEffect::LeftOut => "left out: not a mapping's to set".to_owned(),
                MappingEffect::Refused => "must not be: 500".to_owned(),
            },
        }
    }
}

impl Body {
    /// The beginning of a body, as text if it is UTF-8.
    pub fn of(bytes: &[u8], hidden: &Hidden) -> Self {
        let start = bytes.get(..PREVIEW_BYTES_MAX).unwrap_or(bytes);
        let valid = match std::str::from_utf8(start) {
            Ok(_) => Some(start.len()),
            // A character that the cut goes through.
            Err(fault) if fault.error_len().is_none() && start.len() < bytes.len() => {
                Some(fault.valid_up_to())
            }
            Err(_) => None,
        };
        let hex = start.get(..HEX_BYTES_MAX).unwrap_or(start);
        let shown = valid.unwrap_or(hex.len());
        Self {
            bytes: bytes.len(),
            text: valid.map(|end| hidden.shown(start.get(..end).unwrap_or_default())),
            hex: valid.is_none().then(|| {
                let pairs: Vec<String> = hex.iter().map(|byte| format!("{byte:02x}")).collect();
                pairs.join(" ")
            }),
            cut: shown < bytes.len(),
        }
    }
}

impl Message {
    /// What is shown of a response.
    pub fn of(response: &FaultResponse, hidden: &Hidden) -> Self {
        let fields = response.fields.iter();
        Self {
            status: response.status,
            headers: fields
                .map(|(name, value)| hidden.field(name, value))
                .collect(),
            body: Body::of(&response.body, hidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_at_its_limit_and_between_characters() {
        let hidden = Hidden::default();
        let body = Body::of(&[b'a'; PREVIEW_BYTES_MAX], &hidden);
        assert_eq!(body.text.unwrap().len(), PREVIEW_BYTES_MAX);
        assert!(!body.cut);
        let body = Body::of(&[b'a'; PREVIEW_BYTES_MAX + 1], &hidden);
        assert_eq!(body.text.unwrap().len(), PREVIEW_BYTES_MAX);
        assert!(body.cut);
        let mut text = "a".repeat(PREVIEW_BYTES_MAX - 1);
        text.push('é');
        let body = Body::of(text.as_bytes(), &hidden);
        assert_eq!(body.text.unwrap().len(), PREVIEW_BYTES_MAX - 1);
        assert!(body.cut);
    }

    #[test]
    fn bytes_are_shown_in_hex() {
        let body = Body::of(&[0xff; 40], &Hidden::default());
        assert_eq!(body.text, None);
        assert_eq!(body.hex.unwrap().len(), HEX_BYTES_MAX * 3 - 1);
        assert!(body.cut);
        let body = Body::of(&[0xff, 0xd8], &Hidden::default());
        assert_eq!((body.hex.as_deref(), body.cut), (Some("ff d8"), false));
    }
}
