//! What is done to the bytes of a body: decided from heads, carried out by whoever moves the body (spec 04).

mod converter;

use crate::api::content_handling::Conversion;
use crate::api::model::ContentHandling;
use crate::vtl::template::{CompiledTemplate, EMPTY_BODY, Template};
use crate::wire::base64;

pub use converter::{BodyConverter, ConversionError};

/// What the bytes of a body become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyContent<'t> {
    /// The converted body.
    Converted(Conversion),
    /// The text of a template without references, whatever the body is.
    Literal(&'t str),
    /// A template around `$input.body`; an empty body reads `{}` there.
    Around {
        /// How the body becomes text.
        conversion: TextConversion,
        /// Text before the body.
        before: &'t str,
        /// Text after the body.
        after: &'t str,
    },
    /// The output of a template, which is rendered from the whole body as text.
    Rendered {
        /// How the body becomes text.
        conversion: TextConversion,
        /// The template.
        template: &'t CompiledTemplate,
    },
}

/// The conversions whose result is text, so that a template can run on it. Neither fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextConversion {
    /// [`Conversion::Utf8`]
    Utf8,
    /// [`Conversion::Base64Encode`]
    Base64Encode,
}

/// What is counted and told of a [`BodyContent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionKind {
    /// The bytes are the same.
    Identity,
    /// Made UTF-8.
    Utf8,
    /// To Base64.
    Base64Encode,
    /// From Base64.
    Base64Decode,
    /// Made by a template.
    Template,
}

/// What becomes of the client's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBodyPlan<'t> {
    /// What is sent to the backend.
    pub content: BodyContent<'t>,
    /// False for GET, HEAD and OPTIONS towards the backend: the client's body is read and dropped (spec 05).
    pub sends_body: bool,
}

/// What becomes of the backend's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseBodyPlan<'t> {
    /// What is sent to the client.
    pub content: BodyContent<'t>,
    /// False for HEAD, 204 and 304: the head is as computed, no body follows (spec 06).
    pub body_allowed: bool,
}

/// Why a template cannot be planned; the client gets 500 (spec 04, "With templates").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanFault {
    /// The template meets a body that is not text.
    TemplateOnBinary,
}

/// How the response template was found (spec 06, "Template choice").
#[derive(Clone, Copy, Debug)]
pub enum ResponseTemplate<'t> {
    /// No template is defined.
    None,
    /// Under the media type of the client's `Accept`.
    Exact(&'t Template),
    /// Under `application/json`, or the first one.
    Fallback(&'t Template),
}

impl<'t> RequestBodyPlan<'t> {
    /// Plans the request body; `template` is the one that the client's `Content-Type` selects.
    ///
    /// # Errors
    /// A template that meets bytes.
    pub fn decide(
        conversion: Conversion,
        template: Option<&'t Template>,
        sends_body: bool,
    ) -> Result<Self, PlanFault> {
        let content = match template {
            None => BodyContent::Converted(conversion),
            Some(template) => BodyContent::rendered(conversion, template)?,
        };
        Ok(Self {
            content,
            sends_body,
        })
    }
}

impl<'t> ResponseBodyPlan<'t> {
    /// Plans the response body by spec 04, "Precedence of response template vs. raw bytes". An empty template passes
    /// the body through (spec 06).
    ///
    /// # Errors
    /// A template that meets bytes.
    pub fn decide(
        conversion: Conversion,
        handling: Option<ContentHandling>,
        template: ResponseTemplate<'t>,
        body_allowed: bool,
    ) -> Result<Self, PlanFault> {
        let gives_text = conversion.gives_text();
        let content = match template {
            ResponseTemplate::Exact(template) | ResponseTemplate::Fallback(template)
                if is_empty(template) =>
            {
                BodyContent::Converted(conversion)
            }
            ResponseTemplate::None => BodyContent::Converted(conversion),
            ResponseTemplate::Fallback(_) if !gives_text && handling.is_none() => {
                BodyContent::Converted(conversion)
            }
            ResponseTemplate::Exact(template) | ResponseTemplate::Fallback(template) => {
                BodyContent::rendered(conversion, template)?
            }
        };
        Ok(Self {
            content,
            body_allowed,
        })
    }
}

impl<'t> BodyContent<'t> {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ConversionKind {
        match self {
            Self::Converted(Conversion::Identity) => ConversionKind::Identity,
            Self::Converted(Conversion::Utf8) => ConversionKind::Utf8,
            Self::Converted(Conversion::Base64Encode) => ConversionKind::Base64Encode,
            Self::Converted(Conversion::Base64Decode) => ConversionKind::Base64Decode,
            Self::Literal(_) | Self::Around { .. } | Self::Rendered { .. } => {
                ConversionKind::Template
            }
        }
    }

    /// Whether the bytes pass untouched, so that they can be moved without being looked at.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        matches!(self, Self::Converted(Conversion::Identity))
    }

    /// Whether the incoming body has no influence on what is sent.
    #[must_use]
    pub const fn ignores_input(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Bytes sent for `input` bytes received, where that is known beforehand; `None` for repaired or decoded text.
    #[must_use]
    pub fn output_len(&self, input: Option<u64>) -> Option<u64> {
        match *self {
            Self::Literal(text) => Some(length(text)),
            Self::Rendered { .. } => None,
            Self::Converted(conversion) => converted_len(conversion, input),
            Self::Around {
                conversion,
                before,
                after,
            } => {
                let body = match input {
                    Some(0) => length(EMPTY_BODY),
                    _ => converted_len(conversion.into(), input)?,
                };
                length(before).checked_add(body)?.checked_add(length(after))
            }
        }
    }

    fn rendered(conversion: Conversion, template: &'t Template) -> Result<Self, PlanFault> {
        let conversion = match conversion {
            Conversion::Utf8 => TextConversion::Utf8,
            Conversion::Base64Encode => TextConversion::Base64Encode,
            Conversion::Identity | Conversion::Base64Decode => {
                return Err(PlanFault::TemplateOnBinary);
            }
        };
        match template {
            Template::Literal(text) => Ok(Self::Literal(text)),
            Template::AroundBody { before, after } => Ok(Self::Around {
                conversion,
                before,
                after,
            }),
            Template::Program(template) => Ok(Self::Rendered {
                conversion,
                template,
            }),
        }
    }
}

impl From<TextConversion> for Conversion {
    fn from(conversion: TextConversion) -> Self {
        match conversion {
            TextConversion::Utf8 => Self::Utf8,
            TextConversion::Base64Encode => Self::Base64Encode,
        }
    }
}

fn is_empty(template: &Template) -> bool {
    matches!(template, Template::Literal(text) if text.is_empty())
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn converted_len(conversion: Conversion, input: Option<u64>) -> Option<u64> {
    match (conversion, input?) {
        (Conversion::Identity, bytes) => Some(bytes),
        (Conversion::Base64Encode, bytes) => Some(base64::encoded_len(bytes)),
        (Conversion::Utf8 | Conversion::Base64Decode, 0) => Some(0),
        (Conversion::Utf8 | Conversion::Base64Decode, _) => None,
    }
}

#[cfg(test)]
mod tests;
