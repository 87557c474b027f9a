//! A document as a whole: its version, its references, and the readers of single values.

use crate::api::openapi::ImportOptions;
use crate::api::openapi::finding::Findings;
use crate::api::openapi::node::{Node, Place, Value, shortened};
use crate::wire::percent;

/// References that lead to one another before a circle is assumed.
const REFERENCES_MAX: usize = 32;

/// Which of the two formats a document has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `"swagger": "2.0"`
    Swagger2,
    /// `"openapi": "3.0.x"`
    OpenApi3,
}

/// A document whose version is known.
#[derive(Clone, Debug)]
pub struct Document<'d> {
    /// The whole tree.
    pub root: Place<'d>,
    /// Its format.
    pub version: Version,
    /// What the caller wants.
    pub options: &'d ImportOptions,
}

impl<'d> Document<'d> {
    /// Checks that the tree is a document of a known version.
    pub fn open(
        root: &'d Node,
        options: &'d ImportOptions,
        findings: &mut Findings,
    ) -> Option<Self> {
        let root = Place::root(root);
        if !matches!(root.node.value, Value::Object(_)) {
            let found = root.node.described();
            findings.error(
                &root,
                format!("Invalid OpenAPI input. Found {found}, wanted an object"),
            );
            return None;
        }
        let version = version_of(&root, findings)?;
        Some(Self {
            root,
            version,
            options,
        })
    }

    /// The value that a `$ref` stands for, or the place itself. Other documents and circles are faults.
    pub fn follow(&self, place: Place<'d>, findings: &mut Findings) -> Option<Place<'d>> {
        let start = place.clone();
        let mut place = place;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = place.member("$ref") else {
                return Some(place);
            };
            let target = text(&reference, findings)?;
            place = match self.resolve(target) {
                Some(target) => target,
                None => {
                    let target = shortened(target);
                    findings.error(
                        &reference,
                        format!(
                            "found the reference `{target}`, wanted one to a value in this document"
                        ),
                    );
                    return None;
                }
            };
        }
        findings.error(&start, "found references that lead in a circle");
        None
    }

    /// What a model reference stands for. Those of API Gateway (`https://apigateway.amazonaws.com/restapis/{id}/models/NAME`)
    /// name a model of this document; `Empty` and `Error` are in every API (spec 01, "Models").
    #[must_use]
    pub fn model(&self, reference: &str) -> Option<ModelTarget<'d>> {
        if let Some(place) = self.resolve(reference) {
            return Some(ModelTarget::Written(place));
        }
        let prefixes = ["#/definitions/", "#/components/schemas/"];
        let name = prefixes
            .iter()
            .find_map(|prefix| reference.strip_prefix(prefix))
            .or_else(|| published_name(reference))?;
        match name {
            "Empty" => Some(ModelTarget::BuiltIn(BuiltInModel::Empty)),
            "Error" => Some(ModelTarget::BuiltIn(BuiltInModel::Error)),
            _ => None,
        }
    }

    /// The named group of shared definitions: `securityDefinitions` or `components.securitySchemes`, ….
    #[must_use]
    pub fn shared(&self, swagger2: &str, openapi3: &str) -> Option<Place<'d>> {
        match self.version {
            Version::Swagger2 => self.root.member(swagger2),
            Version::OpenApi3 => self.root.member("components")?.member(openapi3),
        }
    }

    fn resolve(&self, reference: &str) -> Option<Place<'d>> {
        if reference == "#" {
            return Some(self.root.clone());
        }
        let Some(pointer) = reference.strip_prefix("#/") else {
            return self.published_model(reference);
        };
        let mut place = self.root.clone();
        for token in pointer.split('/') {
            let decoded = percent::decode(token.as_bytes());
            let token = String::from_utf8(decoded).ok()?;
            let name = token.replace("~1", "/").replace("~0", "~");
            place = match &place.node.value {
                Value::Array(_) => place.elements().nth(whole_number(&name)?)?,
                _ => place.member(&name)?,
            };
        }
        Some(place)
    }

    fn published_model(&self, reference: &str) -> Option<Place<'d>> {
        let name = published_name(reference)?;
        self.shared("definitions", "schemas")?.member(name)
    }
}

/// `NAME` of `https://apigateway.amazonaws.com/restapis/{id}/models/NAME`.
fn published_name(reference: &str) -> Option<&str> {
    let rest = reference.strip_prefix("https://apigateway.amazonaws.com/restapis/")?;
    rest.split_once("/models/").map(|(_, name)| name)
}

/// What a model reference leads to.
#[derive(Clone, Debug)]
pub enum ModelTarget<'d> {
    /// A schema of the document.
    Written(Place<'d>),
    /// A model that every API has.
    BuiltIn(BuiltInModel),
}

/// The models that every API has (spec 01, "Models").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInModel {
    /// Any object.
    Empty,
    /// An object whose `message`, if it has one, is text.
    Error,
}

impl<'d> ModelTarget<'d> {
    /// The same text for the same target.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Written(place) => place.pointer.clone(),
            Self::BuiltIn(model) => format!("{model:?}"),
        }
    }

    /// Where it is written.
    #[must_use]
    pub fn place(self) -> Option<Place<'d>> {
        match self {
            Self::Written(place) => Some(place),
            Self::BuiltIn(_) => None,
        }
    }
}

fn version_of(root: &Place<'_>, findings: &mut Findings) -> Option<Version> {
    let swagger = root.member("swagger");
    let openapi = root.member("openapi");
    match (swagger, openapi) {
        (Some(place), None) if scalar(&place) == Some("2.0") => Some(Version::Swagger2),
        (None, Some(place))
            if scalar(&place).is_some_and(|text| text == "3.0" || text.starts_with("3.0.")) =>
        {
            Some(Version::OpenApi3)
        }
        (None, None) => {
            findings.error(
                root,
                "Invalid OpenAPI input. Found no version, wanted `swagger: \"2.0\"` or `openapi: \"3.0.x\"`",
            );
            None
        }
        (Some(_), Some(place)) => {
            findings.error_in_name(
                &place,
                "Invalid OpenAPI input. Found both `swagger` and `openapi`, wanted one",
            );
            None
        }
        (Some(place), None) => {
            let found = place.node.described();
            findings.error(
                &place,
                format!("Invalid OpenAPI input. Found {found}, wanted \"2.0\""),
            );
            None
        }
        (None, Some(place)) => {
            let found = place.node.described();
            findings.error(
                &place,
                format!("Invalid OpenAPI input. Found {found}, wanted \"3.0.x\""),
            );
            None
        }
    }
}

/// Text, or a number's digits.
#[must_use]
pub fn scalar<'d>(place: &Place<'d>) -> Option<&'d str> {
    match &place.node.value {
        Value::Text(text) | Value::Number(text) => Some(text),
        _ => None,
    }
}

/// Text; anything else is a fault.
pub fn text<'d>(place: &Place<'d>, findings: &mut Findings) -> Option<&'d str> {
    if let Value::Text(text) = &place.node.value {
        return Some(text);
    }
    findings.error(
        place,
        format!("found {}, wanted text", place.node.described()),
    );
    None
}

/// `true` or `false`; anything else is a fault.
pub fn flag(place: &Place<'_>, findings: &mut Findings) -> Option<bool> {
    if let Value::Bool(flag) = place.node.value {
        return Some(flag);
    }
    findings.error(
        place,
        format!("found {}, wanted true or false", place.node.described()),
    );
    None
}

/// Whether this is an object; anything else is a fault.
pub fn is_object(place: &Place<'_>, findings: &mut Findings) -> bool {
    let object = matches!(place.node.value, Value::Object(_));
    if !object {
        findings.error(
            place,
            format!("found {}, wanted an object", place.node.described()),
        );
    }
    object
}

/// A member that is there and not null.
#[must_use]
pub fn present<'d>(place: &Place<'d>, name: &str) -> Option<Place<'d>> {
    place
        .member(name)
        .filter(|member| member.node.value != Value::Null)
}

/// A member that is an object; absent and null are none, anything else is a fault.
pub fn object<'d>(place: &Place<'d>, name: &str, findings: &mut Findings) -> Option<Place<'d>> {
    present(place, name).filter(|member| is_object(member, findings))
}

/// Decimal digits and nothing else, as a number.
#[must_use]
pub fn whole_number(digits: &str) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0usize, |number, c| {
        let digit = usize::try_from(c.to_digit(10)?).ok()?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Three digits, 100 to 599, as text or number (spec 01, "`responses`").
#[must_use]
pub fn status(text: &str) -> Option<u16> {
    let number = whole_number(text).filter(|_| text.len() == 3)?;
    u16::try_from(number)
        .ok()
        .filter(|status| (100..=599).contains(status))
}
