//! `*` and `?` in actions, resources and condition values.

use crate::api::iam_policy::principal::Principal;
use crate::api::openapi::node::shortened;

/// A text in which `*` stands for any run of characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Character(char),
    AnyCharacter,
    AnyRun,
    /// A run without a colon: in [`ResourcePattern`] alone.
    RunWithinElement,
}

/// Whether `*` and `?` stand for others or for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    /// `StringLike`, resources, actions.
    Active,
    /// `StringEquals`.
    Literal,
}

/// How `${…}` in a policy is read: a policy of version 2008-10-17 knows no variables.
#[derive(Clone, Copy, Debug)]
pub enum Variables<'p> {
    /// Plain text.
    None,
    /// There are none to fill in: a policy of many callers. `${*}`, `${?}` and `${$}` are the characters themselves.
    Refused,
    /// Those of this principal; `${*}`, `${?}` and `${$}` are the characters themselves.
    Of(&'p Principal),
}

impl Glob {
    /// Compiles a pattern; the error names a variable that is not one of the principal's, and those that are.
    pub fn compile(
        text: &str,
        wildcards: Wildcards,
        variables: Variables<'_>,
    ) -> Result<Self, String> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let variable = rest.strip_prefix("${");
            if let Some(tail) = variable.filter(|_| !matches!(variables, Variables::None)) {
                let unknown = |name| unknown_variable(name, variables);
                let (name, tail) = tail.split_once('}').ok_or_else(|| unknown(tail))?;
                let value = match (name, variables) {
                    ("*" | "?" | "$", _) => Some(name),
                    (_, Variables::Of(principal)) => principal.variable(name),
                    (_, Variables::None | Variables::Refused) => None,
                };
                let value = value.ok_or_else(|| unknown(name))?;
                tokens.extend(value.chars().map(Token::Character));
                rest = tail;
                continue;
            }
            tokens.push(match (next, wildcards) {
                ('*', Wildcards::Active) => Token::AnyRun,
                ('?', Wildcards::Active) => Token::AnyCharacter,
                _ => Token::Character(next),
            });
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        Ok(Self(tokens))
    }

    /// The same pattern for texts whose ASCII letters are made small.
    #[must_use]
    pub fn to_lower_case(&self) -> Self {
        let lower = |token: &Token| match token {
            Token::Character(character) => Token::Character(character.to_ascii_lowercase()),
            other => *other,
        };
        Self(self.0.iter().map(lower).collect())
    }

    /// Whether all of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.0, text)
    }
}

/// Follows all ways through a pattern at once: at most pattern length × text length steps.
fn matches(tokens: &[Token], text: &str) -> bool {
    // The places in the pattern that the text so far may have led to: each once, in order.
    let mut places = Vec::new();
    reach(tokens, 0, &mut places);
    for character in text.chars() {
        let mut next = Vec::with_capacity(places.len() + 1);
        for &place in &places {
            match tokens.get(place) {
                Some(Token::AnyRun) => reach(tokens, place, &mut next),
                Some(Token::RunWithinElement) if character != ':' => {
                    reach(tokens, place, &mut next);
                }
                Some(Token::AnyCharacter) => reach(tokens, place + 1, &mut next),
                Some(Token::Character(wanted)) if *wanted == character => {
                    reach(tokens, place + 1, &mut next);
                }
                _ => {}
            }
        }
        places = next;
    }
    places.last() == Some(&tokens.len())
}

/// Adds a place, and those behind the runs that begin there, since a run may be empty.
fn reach(tokens: &[Token], place: usize, places: &mut Vec<usize>) {
    for place in place.. {
        if places.last().is_none_or(|&last| last < place) {
            places.push(place);
        }
        if !matches!(
            tokens.get(place),
            Some(Token::AnyRun | Token::RunWithinElement)
        ) {
            return;
        }
    }
}

/// `arn`, partition, service, region, account, resource.
const ARN_ELEMENTS: usize = 6;

/// A pattern of `Resource`: `*` crosses `/`, and `:` only in the last element or as the last character of its own.
/// Elements left out at the end are `*` (IAM user guide, "IAM JSON policy elements: Resource").
#[derive(Clone, Debug)]
pub struct ResourcePattern(Vec<Token>);

impl ResourcePattern {
    /// Compiles `*` or a pattern that begins with `arn:`; else the error says what is wanted.
    pub fn compile(text: &str, variables: Variables<'_>) -> Result<Self, String> {
        let mut tokens = Vec::with_capacity(text.len());
        for (index, glob) in arn_globs(text, variables)?.into_iter().enumerate() {
            if index > 0 {
                tokens.push(Token::Character(':'));
            }
            let last = glob.0.len().saturating_sub(1);
            let is_resource = index + 1 == ARN_ELEMENTS;
            let narrowed = glob
                .0
                .into_iter()
                .enumerate()
                .map(|(at, token)| match token {
                    Token::AnyRun if at < last && !is_resource => Token::RunWithinElement,
                    other => other,
                });
            tokens.extend(narrowed);
        }
        if tokens.is_empty() {
            tokens.push(Token::AnyRun);
        }
        Ok(Self(tokens))
    }

    /// Compiles a resource of the resource policy of the API `api_id`: `*`, `execute-api:/stage/METHOD/path`, or an ARN.
    /// A policy speaks of the API that it is attached to: partition, region, account and a whole API id of an ARN, which
    /// are those that the API has at AWS, stand for its own.
    pub fn compile_for_api(
        text: &str,
        api_id: &str,
        variables: Variables<'_>,
    ) -> Result<Self, String> {
        if text == "*" {
            return Self::compile(text, variables);
        }
        if let Some(rest) = text.strip_prefix("execute-api:/") {
            return Self::of_api(api_id, Some(rest), variables);
        }
        let wanted = |what: &str| {
            let found = shortened(text);
            format!("found `{found}`, wanted {what}")
        };
        if !text.starts_with("arn:") {
            return Err(wanted("`*`, `execute-api:/stage/METHOD/path` or an ARN"));
        }
        let elements = split_arn_text(text);
        let element = |index: usize| elements.get(index).copied();
        if !matches!(element(2), None | Some("*" | "execute-api")) {
            return Err(wanted("an ARN of the service execute-api"));
        }
        let resource = element(5).unwrap_or("*");
        let (id, rest) = match resource.split_once('/') {
            Some((id, rest)) => (id, Some(rest)),
            None => (resource, None),
        };
        if !id.contains(['*', '?', '$']) {
            return Self::of_api(api_id, rest, variables);
        }
        if id.bytes().all(|byte| byte == b'*') {
            let resource = Glob::compile(resource, Wildcards::Active, variables)?;
            return Ok(Self::of_methods(resource));
        }
        Err(wanted("`*` or a whole API id in the ARN"))
    }

    fn of_api(api_id: &str, rest: Option<&str>, variables: Variables<'_>) -> Result<Self, String> {
        let mut resource = Glob::compile(api_id, Wildcards::Literal, Variables::None)?;
        if let Some(rest) = rest {
            resource.0.push(Token::Character('/'));
            let rest = Glob::compile(rest, Wildcards::Active, variables)?;
            resource.0.extend(rest.0);
        }
        Ok(Self::of_methods(resource))
    }

    /// The methods whose ARN ends as `resource` says. No element before it takes a colon, so that no path can stand for
    /// another.
    fn of_methods(resource: Glob) -> Self {
        const ELEMENTS: [&str; 5] = ["arn", "*", "execute-api", "*", "*"];
        let mut tokens = Vec::new();
        for element in ELEMENTS {
            match element {
                "*" => tokens.push(Token::RunWithinElement),
                _ => tokens.extend(element.chars().map(Token::Character)),
            }
            tokens.push(Token::Character(':'));
        }
        tokens.extend(resource.0);
        Self(tokens)
    }

    /// Whether an ARN fits.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        matches(&self.0, arn)
    }
}

/// A pattern of an ARN in a condition, matched element by element, so that `*` crosses `/` but no `:` before the last
/// element (IAM user guide, "IAM JSON policy elements: Condition operators").
#[derive(Clone, Debug)]
pub struct ArnPattern(Vec<Glob>);

impl ArnPattern {
    /// Compiles `*` or a pattern that begins with `arn:`; else the error says what is wanted.
    pub fn compile(text: &str, variables: Variables<'_>) -> Result<Self, String> {
        arn_globs(text, variables).map(Self)
    }

    /// Whether an ARN fits.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let elements: Vec<&str> = arn.splitn(ARN_ELEMENTS, ':').collect();
        elements.len() == self.0.len()
            && self
                .0
                .iter()
                .zip(elements)
                .all(|(glob, element)| glob.matches(element))
    }
}

/// The six elements of an ARN pattern; none for `*`.
fn arn_globs(text: &str, variables: Variables<'_>) -> Result<Vec<Glob>, String> {
    if text == "*" {
        return Ok(Vec::new());
    }
    if !text.starts_with("arn:") {
        let found = shortened(text);
        return Err(format!("found `{found}`, wanted `*` or an ARN"));
    }
    let mut globs = split_arn_text(text)
        .into_iter()
        .map(|element| Glob::compile(element, Wildcards::Active, variables))
        .collect::<Result<Vec<Glob>, String>>()?;
    globs.resize(ARN_ELEMENTS, Glob(vec![Token::AnyRun]));
    Ok(globs)
}

/// The elements of an ARN pattern; a colon within `${…}` parts nothing.
fn split_arn_text(text: &str) -> Vec<&str> {
    let mut elements = Vec::with_capacity(ARN_ELEMENTS);
    let mut start = 0;
    let mut in_variable = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if text.get(..at).is_some_and(|before| before.ends_with('$')) => {
                in_variable = true;
            }
            b'}' => in_variable = false,
            b':' if !in_variable && elements.len() < ARN_ELEMENTS - 1 => {
                elements.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    elements.push(text.get(start..).unwrap_or_default());
    elements
}

/// The fault of a variable that has no value.
fn unknown_variable(name: &str, variables: Variables<'_>) -> String {
    let wanted = match variables {
        Variables::Of(_) => {
            "wanted one of the caller's own: ${aws:username}, ${aws:userid}, ${aws:PrincipalArn}, \
             ${aws:PrincipalAccount}, ${aws:PrincipalType}"
        }
        Variables::None | Variables::Refused => {
            "wanted none: a resource policy has no variables here"
        }
    };
    let name = shortened(name);
    format!("found the policy variable `${{{name}}}`, {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::compile(pattern, Wildcards::Active, Variables::None)
            .unwrap()
            .matches(text)
    }

    #[test]
    fn runs_and_single_characters() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a/b"),
            ("a*c", "abbc"),
            ("a*b*c", "a-b-b-c"),
            ("?", "é"),
            ("*?*", "x"),
            ("a?c", "a/c"),
            ("**a", "a"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("??", "é"),
            ("a*c", "abcd"),
            ("a", "A"),
            ("*?b", "b"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_runs_ends_soon() {
        let pattern = "a*".repeat(1_000) + "b";
        assert!(!fits(&pattern, &"a".repeat(10_000)));
    }

    #[test]
    fn arn_elements_are_matched_apart() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc/v1/GET/a:b/c";
        for (pattern, wanted) in [
            ("*", true),
            (
                "arn:aws:execute-api:us-east-1:123456789012:abc/v1/GET/*",
                true,
            ),
            ("arn:aws:execute-api:*:*:*/c", true),
            ("arn:aws:execute-api:*:*:abc/v1/GET/a:b/?", true),
            ("arn:aws:execute-api", true),
            ("arn:aws:execute-api:us-east-1", true),
            ("arn:*:abc/v1/GET/a:b/c", false),
            ("arn:aws:execute-api:us-*:abc/*", false),
            ("arn:aws:execute-api:us-*:*:abc/*", true),
            ("arn:aws:execute-api:*-1:*:abc/*", true),
            ("arn:aws:execute-api:*9012:abc/*:*:*", false),
            ("arn:aws:execute-api:us-east-2", false),
            ("arn:aws:s3:::*", false),
        ] {
            let compiled = ArnPattern::compile(pattern, Variables::None).unwrap();
            assert_eq!(compiled.matches(arn), wanted, "{pattern}");
        }
        assert!(ArnPattern::compile("execute-api:/v1/GET/*", Variables::None).is_err());
        assert!(
            ArnPattern::compile("**", Variables::None).is_err(),
            "only a lone star"
        );
    }

    #[test]
    fn a_run_at_the_end_of_an_element_of_a_resource_may_go_beyond_it() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc/v1/GET/a:b/c";
        for (pattern, wanted) in [
            ("*", true),
            ("arn:aws:execute-api:us-east-1", true),
            ("arn:aws:execute-api:us-*", true),
            ("arn:aws:execute-api:us-*:abc/*:*:*", false),
            ("arn:aws:execute-api:us-*:a?c/*/a:b/*", true),
            ("arn:aws:execute-*:*:*:*b/c", true),
            ("arn:aws:e*:b/c:*:*:*", false),
            ("arn:aws:execute-api:*:*:*:b/c", true),
            ("arn:aws:execute-api:*-1:1*2:*", true),
            ("arn:aws:execute-api:*9012:abc/v1/GET/a:b/c", false),
            ("arn:aws:s3:::*", false),
        ] {
            let compiled = ResourcePattern::compile(pattern, Variables::None).unwrap();
            assert_eq!(compiled.matches(arn), wanted, "{pattern}");
        }
    }

    #[test]
    fn variables_are_those_of_the_principal_and_never_wildcards() {
        let principal = Principal::new("arn:aws:iam::123456789012:user/team/b*b", "AIDA").unwrap();
        let own = Variables::Of(&principal);
        let pattern = ArnPattern::compile("arn:aws:x:::home/${aws:username}/*${?}", own).unwrap();
        assert!(pattern.matches("arn:aws:x:::home/b*b/y?"));
        assert!(!pattern.matches("arn:aws:x:::home/bxb/y?"));
        assert!(!pattern.matches("arn:aws:x:::home/b*b/yz"));
        let fault = ArnPattern::compile("arn:aws:x:::${aws:SourceIp}", own).unwrap_err();
        assert!(fault.contains("${aws:SourceIp}"), "{fault}");
        assert!(Glob::compile("${aws:username", Wildcards::Active, own).is_err());
        assert_eq!(
            Glob::compile("${x}", Wildcards::Literal, Variables::None),
            Glob::compile("${$}{x}", Wildcards::Literal, own)
        );
    }
}
