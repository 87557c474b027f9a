//! The line that mends a finding, and where it goes.

use crate::api::openapi::node::{Place, Value};

/// The format of a document's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// A member to write into an object of the document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fix {
    /// Where the text goes: before what stands there.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The text to insert; ends so that what stood there follows it.
    pub text: String,
    name: String,
    /// Compact JSON, which YAML reads as well.
    value: String,
}

impl Fix {
    /// The member `name` with the value of that compact JSON, in the object at `owner` before its member `before`, or
    /// before the first. `None` if there is no member, or one of that name.
    #[must_use]
    pub fn member(owner: &Place<'_>, before: &str, name: &str, value: &str) -> Option<Self> {
        let Value::Object(members) = &owner.node.value else {
            return None;
        };
        if owner.member(name).is_some() {
            return None;
        }
        let wanted = members.iter().find(|member| member.name == before);
        let anchor = wanted.or_else(|| members.first())?.position;
        Some(Self {
            line: anchor.line,
            column: anchor.column,
            text: String::new(),
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Writes the text as the document's own lines are written.
    pub(super) fn write(&mut self, document: &str, syntax: Syntax) {
        let line = document.lines().nth(self.line.saturating_sub(1) as usize);
        let before: String = line
            .unwrap_or_default()
            .chars()
            .take(self.column.saturating_sub(1) as usize)
            .collect();
        let alone = before.chars().all(char::is_whitespace);
        let Self { name, value, .. } = &*self;
        let text = match syntax {
            Syntax::Json if alone => format!("\"{name}\": {value},\n{before}"),
            Syntax::Json => format!("\"{name}\": {value}, "),
            Syntax::Yaml if alone && !self.in_braces(document) => {
                format!("{name}: {}\n{before}", yaml(value))
            }
            Syntax::Yaml => format!("{name}: {value}, "),
        };
        self.text = text;
    }

    /// The document with the text in it.
    #[cfg(test)]
    pub(super) fn applied(&self, document: &str) -> String {
        let lines = document.split_inclusive('\n');
        let start: usize = lines.take(self.line as usize - 1).map(str::len).sum();
        let chars = document[start..].chars().take(self.column as usize - 1);
        let at = start + chars.map(char::len_utf8).sum::<usize>();
        format!("{}{}{}", &document[..at], self.text, &document[at..])
    }

    /// Whether the anchor stands in a YAML flow mapping that goes over several lines.
    fn in_braces(&self, document: &str) -> bool {
        let anchor = self.line.saturating_sub(1) as usize;
        let above = document.lines().take(anchor);
        let last = above.filter(|line| !line.trim().is_empty()).last();
        last.is_some_and(|line| line.trim_end().ends_with(['{', ',']))
    }
}

/// A plain word stands without quotes in YAML; in a list single quotes are usual.
fn yaml(value: &str) -> String {
    if value.contains('\'') {
        return value.to_owned();
    }
    let word = value.trim_matches('"');
    if word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
        word.to_owned()
    } else {
        value.replace('"', "'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::{json_document, yaml_document};

    fn mended(document: &str, syntax: Syntax, owner: &str) -> String {
        let root = match syntax {
            Syntax::Json => json_document::parse(document).root,
            Syntax::Yaml => yaml_document::parse(document).root,
        };
        let root = root.unwrap();
        let root = Place::root(&root);
        let owner = root.member(owner).unwrap_or(root);
        let mut fix = Fix::member(&owner, "nothing", "list", "[\"*/*\"]").unwrap();
        fix.write(document, syntax);
        fix.applied(document)
    }

    #[test]
    fn a_member_goes_before_the_first_in_every_style() {
        for (document, syntax, owner, wanted) in [
            (
                "{\"a\": 1}",
                Syntax::Json,
                "",
                "{\"list\": [\"*/*\"], \"a\": 1}",
            ),
            (
                "{\n  \"a\": 1\n}",
                Syntax::Json,
                "",
                "{\n  \"list\": [\"*/*\"],\n  \"a\": 1\n}",
            ),
            (
                "# c\na: 1\n",
                Syntax::Yaml,
                "",
                "# c\nlist: ['*/*']\na: 1\n",
            ),
            (
                "a:\n  b: 1\n",
                Syntax::Yaml,
                "a",
                "a:\n  list: ['*/*']\n  b: 1\n",
            ),
            (
                "a: {b: 1}\n",
                Syntax::Yaml,
                "a",
                "a: {list: [\"*/*\"], b: 1}\n",
            ),
            (
                "a: {\n  b: 1}\n",
                Syntax::Yaml,
                "a",
                "a: {\n  list: [\"*/*\"], b: 1}\n",
            ),
        ] {
            assert_eq!(mended(document, syntax, owner), wanted);
        }
    }

    #[test]
    fn a_name_that_is_there_is_not_written_twice() {
        let root = json_document::parse("{\"list\": 1}").root.unwrap();
        assert_eq!(Fix::member(&Place::root(&root), "", "list", "1"), None);
    }
}
