//! A mapping template, compiled at import.

/// A compiled mapping template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// Text without any directive or reference: rendered as it stands.
    Literal(String),
    /// Literal text around one `$input.body`: the body streams between the two.
    AroundBody {
        /// Text before the body.
        before: String,
        /// Text after the body.
        after: String,
    },
    /// A template that this version cannot run: the request that selects it gets 500.
    NotRun {
        /// The first construct that is out of reach, as written.
        construct: String,
    },
}
