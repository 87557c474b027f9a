//! `responseParameters`: from the integration response to headers of the method response (spec 06).

use std::borrow::Cow;

use crate::api::model::ResponseMapping;
use crate::api::model::ResponseSource;
use crate::pipeline::context::Variables;
use crate::pipeline::header_rules::joined_values;
use crate::pipeline::header_rules::last_value;
use crate::pipeline::mapping_body::MappingBody;
use crate::wire::http1::fields::Fields;

/// Whether a mapping reads the backend's body.
#[must_use]
pub fn reads_body(mappings: &[ResponseMapping]) -> bool {
    mappings.iter().any(|mapping| {
        matches!(
            mapping.source,
            ResponseSource::Body | ResponseSource::BodyPath(_)
        )
    })
}

/// What a mapping may read.
#[derive(Clone, Copy, Debug)]
pub struct ResponseSources<'m> {
    /// The backend's fields.
    pub fields: &'m Fields,
    /// The backend's whole body before conversion, if a mapping reads it.
    pub body: Option<&'m MappingBody<'m>>,
    /// `context.*` and `stageVariables.*`.
    pub variables: Variables<'m>,
}

impl<'m> ResponseSources<'m> {
    /// The value of a source; nothing for a missing or empty one.
    #[must_use]
    pub fn value(&self, source: &'m ResponseSource) -> Option<Cow<'m, [u8]>> {
        let value = match source {
            ResponseSource::Header(name) => last_value(self.fields, name).map(Cow::Borrowed),
            ResponseSource::MultiValueHeader(name) => {
                joined_values(self.fields, name).map(Cow::Owned)
            }
            ResponseSource::Body => self.body.map(|body| Cow::Borrowed(body.text().as_bytes())),
            ResponseSource::BodyPath(path) => self
                .body
                .and_then(|body| body.find(path))
                .map(|text| Cow::Owned(text.into_bytes())),
            ResponseSource::Context(name) => self.variables.look_up(name).value(),
            ResponseSource::StageVariable(name) => {
                self.variables.stage_variable(name).map(Cow::Borrowed)
            }
            ResponseSource::Literal(text) => Some(Cow::Borrowed(text.as_bytes())),
        };
        value.filter(|value| !value.is_empty())
    }
}
