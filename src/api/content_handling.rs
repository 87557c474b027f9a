//! Which conversion a body gets: the two tables of spec 04, as functions.

use crate::api::model::ContentHandling;

/// Whether a media type is listed as binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyClass {
    /// Not listed in `binaryMediaTypes`.
    Text,
    /// Listed.
    Binary,
}

/// What is done to the bytes of a body (spec 04, "Operations").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// Bytes untouched.
    Identity,
    /// Invalid UTF-8 becomes U+FFFD; never fails.
    Utf8,
    /// Standard alphabet with padding; never fails.
    Base64Encode,
    /// Strict; failure is 500.
    Base64Decode,
}

impl Conversion {
    /// Whether the result is text: only then can a mapping template run on it (spec 04, "With templates").
    #[must_use]
    pub const fn gives_text(self) -> bool {
        matches!(self, Self::Utf8 | Self::Base64Encode)
    }
}

/// Client to backend; `class` is that of the client's `Content-Type`.
#[must_use]
pub const fn request_conversion(class: BodyClass, handling: Option<ContentHandling>) -> Conversion {
    match handling {
        None => match class {
            BodyClass::Text => Conversion::Utf8,
            BodyClass::Binary => Conversion::Identity,
        },
        Some(handling) => converted(class, handling),
    }
}

/// Backend to client; `payload` is the class of the backend's `Content-Type`, `accept` that of the client's `Accept`.
#[must_use]
pub const fn response_conversion(
    payload: BodyClass,
    accept: BodyClass,
    handling: Option<ContentHandling>,
) -> Conversion {
    match (handling, accept) {
        (None, BodyClass::Text) => converted(payload, ContentHandling::ConvertToText),
        (None, BodyClass::Binary) => converted(payload, ContentHandling::ConvertToBinary),
        (Some(handling), _) => converted(payload, handling),
    }
}

const fn converted(class: BodyClass, wanted: ContentHandling) -> Conversion {
    match (class, wanted) {
        (BodyClass::Text, ContentHandling::ConvertToText) => Conversion::Utf8,
        (BodyClass::Text, ContentHandling::ConvertToBinary) => Conversion::Base64Decode,
        (BodyClass::Binary, ContentHandling::ConvertToText) => Conversion::Base64Encode,
        (BodyClass::Binary, ContentHandling::ConvertToBinary) => Conversion::Identity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use BodyClass::{Binary, Text};
    use ContentHandling::{ConvertToBinary, ConvertToText};
    use Conversion::{Base64Decode, Base64Encode, Identity, Utf8};

    #[test]
    fn request_table() {
        for (class, handling, wanted) in [
            (Text, None, Utf8),
            (Text, Some(ConvertToText), Utf8),
            (Text, Some(ConvertToBinary), Base64Decode),
            (Binary, None, Identity),
            (Binary, Some(ConvertToBinary), Identity),
            (Binary, Some(ConvertToText), Base64Encode),
        ] {
            assert_eq!(
                request_conversion(class, handling),
                wanted,
                "{class:?} {handling:?}"
            );
        }
    }

    #[test]
    fn response_table() {
        for (payload, accept, handling, wanted) in [
            (Text, Text, None, Utf8),
            (Text, Binary, None, Base64Decode),
            (Binary, Text, None, Base64Encode),
            (Binary, Binary, None, Identity),
            (Text, Text, Some(ConvertToText), Utf8),
            (Text, Binary, Some(ConvertToText), Utf8),
            (Binary, Text, Some(ConvertToText), Base64Encode),
            (Binary, Binary, Some(ConvertToText), Base64Encode),
            (Text, Text, Some(ConvertToBinary), Base64Decode),
            (Text, Binary, Some(ConvertToBinary), Base64Decode),
            (Binary, Text, Some(ConvertToBinary), Identity),
            (Binary, Binary, Some(ConvertToBinary), Identity),
        ] {
            assert_eq!(
                response_conversion(payload, accept, handling),
                wanted,
                "{payload:?} {accept:?} {handling:?}"
            );
        }
    }
}
