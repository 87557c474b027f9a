//! Stable names of findings: what `--allow` takes and what the JSON of `check` says. `docs/findings.md` explains each.

use std::fmt;

use crate::api::openapi::fix::Fix;

/// Declares the codes: the variant, its name, and one line about it.
macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// What a finding is about. Names stay as they are from version to version.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of `docs/findings.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name: lower-case words joined with `-`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One line about it.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

codes! {
    Fault "fault" "The document cannot be read as an API.",
    NotHonoured "not-honoured" "Something that API Gateway does and this version does not.",
    FindingsLeftOut "findings-left-out" "There are more findings than one run tells.",
    UndeclaredParameter "undeclared-parameter" "A mapping reads a parameter that the method does not declare.",
    UndeclaredResponse "undeclared-response" "An integration response has a status that the method does not declare.",
    UndeclaredHeader "undeclared-header" "An integration response maps a header that its method response does not declare.",
    NotASource "not-a-source" "The right side of a mapping is no source; static text wants single quotes.",
    NoIntegration "no-integration" "A method has no integration: it answers 500.",
    EmptyApi "empty-api" "The document has no paths.",
    TooManyResources "too-many-resources" "More resources than API Gateway allows.",
    UnknownKey "unknown-key" "A key that nobody reads, or not in this place.",
    UnknownPassthrough "unknown-passthrough" "A passthroughBehavior that is none: taken as when_no_match.",
    UnknownModel "unknown-model" "A reference to a model that the document does not have.",
    NullTemplate "null-template" "A mapping template that is null: left out.",
    MissingStageVariable "missing-stage-variable" "A stage variable without a value: empty text in its place.",
    RootSecurity "root-security" "`security` at the root, which counts for nothing.",
    SchemeNotEnforced "scheme-not-enforced" "A security scheme that keeps nobody out.",
    AuthorizationLeftOut "authorization-left-out" "Callers are let in whom the document would keep out (--ignore-authorizers).",
    NoCallers "no-callers" "A method that only known callers may call, and none is known.",
    NoCallerKeys "no-caller-keys" "An integration signs with the caller's own keys where nobody is known to call: every request gets 500.",
    NotCached "not-cached" "Cache keys: responses are not cached.",
    ForbiddenHeader "forbidden-header" "A mapping to a header that API Gateway answers with 500.",
    HeaderWithoutEffect "header-without-effect" "A mapping to a header that the gateway writes by itself.",
    UnfilledPlaceholder "unfilled-placeholder" "A {name} of the URI that nothing fills: every request gets 500.",
    UnusedPathMapping "unused-path-mapping" "A path mapping whose {name} the URI does not have.",
    NoIntegrationResponses "no-integration-responses" "No integration response: every request gets 500.",
    BinaryBodies "binary-bodies" "Objects pass as text: bytes that are not UTF-8 do not survive.",
    TemplateOnBinary "template-on-binary" "A mapping template can only meet a binary body: every such request gets 500.",
    ResponseNeverSelected "response-never-selected" "An integration response that no status selects.",
    StatusNeverSent "status-never-sent" "A declared method response that no integration response gives.",
    StatusUnanswered "status-unanswered" "A status of the store that no integration response takes: 500.",
    ErrorsAsSuccess "errors-as-success" "Errors of the store reach the client with a status below 400.",
    PartialAsWhole "partial-as-whole" "Range is mapped, but 206 is not told to the client.",
    NotModifiedAsSuccess "not-modified-as-success" "Preconditions are mapped, but 304 is not told to the client.",
    RequiredNotChecked "required-not-checked" "Required parameters without a validator that asks for them.",
    RangeNotMapped "range-not-mapped" "Range does not reach the store: every download is whole.",
    PreconditionsNotMapped "preconditions-not-mapped" "If-None-Match and its kin do not reach the store.",
    ContentTypeNotMapped "content-type-not-mapped" "Objects go to the client as application/json.",
    EtagNotMapped "etag-not-mapped" "The client does not get the object's ETag.",
    HeaderRemapped "header-remapped" "A response header that arrives as x-amzn-Remapped-….",
    KeyWithSlashes "key-with-slashes" "A {name} of one segment stands for a key: slashes in it must be sent as %2F.",
    ListNotPageable "list-not-pageable" "A bucket is listed, but clients cannot ask for the next page.",
    CorsMissingOnMethod "cors-missing-on-method" "OPTIONS answers for CORS, a method beside it sends no Access-Control-Allow-Origin.",
    CorsMissingOnErrors "cors-missing-on-errors" "OPTIONS answers for CORS, the gateway's own responses do not.",
}

impl Code {
    /// The code of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// A finding of this code that says `message`.
    #[must_use]
    pub fn says(self, message: impl Into<String>) -> Said {
        Said {
            code: Some(self),
            message: message.into(),
            fix: None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What a finding says. Plain text has the code of its severity: [`Code::Fault`] or [`Code::NotHonoured`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub(super) code: Option<Code>,
    pub(super) message: String,
    pub(super) fix: Option<Fix>,
}

impl Said {
    /// With the line that mends it.
    #[must_use]
    pub fn mended_by(self, fix: Option<Fix>) -> Self {
        Self { fix, ..self }
    }
}

impl From<String> for Said {
    fn from(message: String) -> Self {
        Self {
            code: None,
            message,
            fix: None,
        }
    }
}

impl From<&str> for Said {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_words_that_find_their_code() {
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for &code in Code::ALL {
            assert_eq!(Code::named(code.name()), Some(code));
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(code.name().bytes().all(plain), "{code}");
            assert!(code.meaning().ends_with('.'), "{code}");
        }
        assert_eq!(Code::named("binary_bodies"), None);
    }

    #[test]
    fn the_page_of_findings_has_each_code_with_its_meaning() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md"));
        for code in Code::ALL {
            let row = format!("| `{code}` | {} |", code.meaning());
            assert!(page.contains(&row), "docs/findings.md lacks: {row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, Code::ALL.len());
    }
}
