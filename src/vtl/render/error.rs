//! Why a rendering ended; the client gets 500 (spec 07, "Errors").

use std::fmt;

/// A rendering that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// More work than one rendering may do.
    TooManySteps,
    /// Values of more memory than one rendering may have.
    ValuesTooLarge,
    /// A text or the output of more than 16 MiB.
    TextTooLong,
    /// More than 1,000 rounds of one `#foreach`.
    TooManyRounds,
    /// Macros, blocks and evaluations inside one another.
    NestedTooDeep,
    /// `#include` or `#parse`.
    NotAvailable,
    /// `#evaluate` of what is no template.
    BadTemplate,
    /// An index or a range outside of its text or list.
    OutOfRange,
    /// A regular expression that is wrong, too large, or has look-around or back-references.
    BadPattern,
    /// `$util.parseJson` of what is no JSON.
    BadJson,
    /// `$util.base64Decode` of what is no Base64.
    BadBase64,
    /// `$util.urlDecode` of what is no escape.
    BadUrlEscape,
    /// `parseInt` or `valueOf` of what is no number.
    BadNumber,
    /// The program jumps outside of itself: a fault of the compiler.
    BadProgram,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManySteps => "the template does more than 8,000,000 steps",
            Self::ValuesTooLarge => "the template's values take more than 192 MiB",
            Self::TextTooLong => "a text of more than 16 MiB",
            Self::TooManyRounds => "more than 1,000 rounds of one #foreach",
            Self::NestedTooDeep => "macros, blocks or evaluations too deep inside one another",
            Self::NotAvailable => "#include and #parse are not available",
            Self::BadTemplate => "#evaluate of what is no template",
            Self::OutOfRange => "an index outside of its text or list",
            Self::BadPattern => "a regular expression that cannot be run",
            Self::BadJson => "$util.parseJson of what is no JSON",
            Self::BadBase64 => "$util.base64Decode of what is no Base64",
            Self::BadUrlEscape => "$util.urlDecode of a wrong escape",
            Self::BadNumber => "a text that is no number",
            Self::BadProgram => "a jump outside of the template",
        })
    }
}

impl std::error::Error for RenderError {}
