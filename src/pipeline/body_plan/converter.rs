//! Carries out a body plan on bytes as they arrive; what waits for the next piece is at most 3 bytes.

use crate::api::content_handling::Conversion;
use crate::pipeline::body_plan::BodyContent;
use crate::vtl::template::EMPTY_BODY;
use crate::wire::base64::{self, Base64Error};
use crate::wire::utf8;

/// A body that cannot be converted; the client gets 500 (spec 04, "Failure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionError {
    /// The body was to be decoded and is not Base64.
    NotBase64(Base64Error),
}

/// Carries out a [`BodyContent`] on a body that arrives in pieces. Of [`BodyContent::Rendered`] it makes the text that
/// the template is given.
#[derive(Clone, Debug)]
pub struct BodyConverter<'t> {
    content: BodyContent<'t>,
    converter: Converter,
    /// Whether any byte of the body has arrived.
    started: bool,
}

#[derive(Clone, Debug)]
enum Converter {
    Drop,
    Identity,
    Utf8(utf8::Repair),
    Base64Encode(base64::Encoder),
    Base64Decode(base64::Decoder),
}

impl<'t> BodyConverter<'t> {
    /// A converter at the start of a body.
    #[must_use]
    pub fn new(content: BodyContent<'t>) -> Self {
        let converter = match content {
            BodyContent::Literal(_) => Converter::Drop,
            BodyContent::Converted(conversion) => Converter::new(conversion),
            BodyContent::Around { conversion, .. } | BodyContent::Rendered { conversion, .. } => {
                Converter::new(conversion.into())
            }
        };
        Self {
            content,
            converter,
            started: false,
        }
    }

    /// As [`BodyContent::is_identity`].
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        self.content.is_identity()
    }

    /// As [`BodyContent::output_len`].
    #[must_use]
    pub fn output_len(&self, input: Option<u64>) -> Option<u64> {
        self.content.output_len(input)
    }

    /// Appends what can be sent after the next piece of the body; a few bytes may wait for the next one.
    ///
    /// # Errors
    /// When the body cannot be converted. What was appended so far must not become an object.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), ConversionError> {
        if input.is_empty() {
            return Ok(());
        }
        if let (false, BodyContent::Around { before, .. }) = (self.started, self.content) {
            out.extend_from_slice(before.as_bytes());
        }
        self.started = true;
        match &mut self.converter {
            Converter::Drop => {}
            Converter::Identity => out.extend_from_slice(input),
            Converter::Utf8(repair) => repair.repair(input, out),
            Converter::Base64Encode(encoder) => encoder.encode(input, out),
            Converter::Base64Decode(decoder) => decoder.decode(input, out)?,
        }
        Ok(())
    }

    /// Appends the rest after the last piece.
    ///
    /// # Errors
    /// When the body ends in the middle of what was to be decoded.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), ConversionError> {
        match self.converter {
            Converter::Drop | Converter::Identity => {}
            Converter::Utf8(mut repair) => repair.finish(out),
            Converter::Base64Encode(mut encoder) => encoder.finish(out),
            Converter::Base64Decode(mut decoder) => decoder.finish(out)?,
        }
        match self.content {
            BodyContent::Converted(_) | BodyContent::Rendered { .. } => {}
            BodyContent::Literal(text) => out.extend_from_slice(text.as_bytes()),
            BodyContent::Around { before, after, .. } => {
                if !self.started {
                    out.extend_from_slice(before.as_bytes());
                    out.extend_from_slice(EMPTY_BODY.as_bytes());
                }
                out.extend_from_slice(after.as_bytes());
            }
        }
        Ok(())
    }
}

impl Converter {
    fn new(conversion: Conversion) -> Self {
        match conversion {
            Conversion::Identity => Self::Identity,
            Conversion::Utf8 => Self::Utf8(utf8::Repair::new()),
            Conversion::Base64Encode => Self::Base64Encode(base64::Encoder::new()),
            Conversion::Base64Decode => Self::Base64Decode(base64::Decoder::new()),
        }
    }
}

impl From<Base64Error> for ConversionError {
    fn from(error: Base64Error) -> Self {
        Self::NotBase64(error)
    }
}
