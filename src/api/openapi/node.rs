//! A document as a tree that knows where each value stands. JSON and YAML give the same tree.

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// Where every text begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value begins.
    pub position: Position,
    /// The value.
    pub value: Value,
}

/// A JSON value. Numbers keep their text; objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// The digits as written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Node>),
    /// An object; its names are unique.
    Object(Vec<Member>),
}

/// A name of an object and its value.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name.
    pub name: String,
    /// Where the name begins.
    pub position: Position,
    /// The value.
    pub node: Node,
}

/// Equal values; positions do not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Equal names and values; positions do not count.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.node == other.node
    }
}

impl Node {
    /// The value of a name, if this is an object that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        match &self.value {
            Value::Object(members) => members.iter().find(|member| member.name == name),
            _ => None,
        }
    }

    /// What the value is, for a message: ``the text `abc` ``, `an object`, …
    #[must_use]
    pub fn described(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(digits) => format!("the number {}", shortened(digits)),
            Value::Text(text) => format!("the text `{}`", shortened(text)),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        }
    }

    /// The value as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_json(self, &mut out);
        out
    }
}

/// At most 60 characters of a text, on one line.
#[must_use]
pub fn shortened(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let mut out: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// A character for a message: control characters escaped, everything else as it is.
#[must_use]
pub fn shown(c: char) -> String {
    match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().to_string(),
    }
}

/// A name as a part of a JSON pointer (RFC 6901 §3).
#[must_use]
pub fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn write_json(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(digits) => out.push_str(digits),
        Value::Text(text) => write_json_text(text, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json_text(&member.name, out);
                out.push(':');
                write_json(&member.node, out);
            }
            out.push('}');
        }
    }
}

fn write_json_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// A node and the way to it.
#[derive(Clone, Debug)]
pub struct Place<'d> {
    /// The value.
    pub node: &'d Node,
    /// Where the name of the value begins; for elements and the root, where the value begins.
    pub name_position: Position,
    /// JSON pointer (RFC 6901).
    pub pointer: String,
}

impl<'d> Place<'d> {
    /// The whole document.
    #[must_use]
    pub const fn root(node: &'d Node) -> Self {
        Self {
            node,
            name_position: node.position,
            pointer: String::new(),
        }
    }

    /// The value of a name, if this is an object that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Self> {
        self.node.member(name).map(|member| self.at(member))
    }

    /// Names and values in the order of the text; none if this is not an object.
    pub fn members(&self) -> impl Iterator<Item = (&'d str, Self)> {
        let members: &'d [Member] = match &self.node.value {
            Value::Object(members) => members,
            _ => &[],
        };
        members
            .iter()
            .map(|member| (member.name.as_str(), self.at(member)))
    }

    /// The elements in order; none if this is not an array.
    pub fn elements(&self) -> impl Iterator<Item = Self> {
        let elements: &'d [Node] = match &self.node.value {
            Value::Array(elements) => elements,
            _ => &[],
        };
        elements.iter().enumerate().map(|(index, node)| Self {
            node,
            name_position: node.position,
            pointer: format!("{}/{index}", self.pointer),
        })
    }

    fn at(&self, member: &'d Member) -> Self {
        let name = pointer_token(&member.name);
        Self {
            node: &member.node,
            name_position: member.position,
            pointer: format!("{}/{name}", self.pointer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::json_document;

    #[test]
    fn pointers_escape_tilde_and_slash() {
        let root = json_document::parse(r#"{"paths": {"/a~b": [{"x": 1}]}}"#)
            .root
            .unwrap();
        let paths = Place::root(&root).member("paths").unwrap();
        let (name, list) = paths.members().next().unwrap();
        assert_eq!(name, "/a~b");
        let element = list.elements().next().unwrap();
        assert_eq!(element.member("x").unwrap().pointer, "/paths/~1a~0b/0/x");
    }

    #[test]
    fn json_text_of_a_tree_parses_to_the_same_tree() {
        let text = r#"{"a":[1,true,null,"x\"\n"],"b":{}}"#;
        assert_eq!(json_document::parse(text).root.unwrap().to_json(), text);
    }

    #[test]
    fn descriptions_are_short_and_on_one_line() {
        let node = Node {
            position: Position::START,
            value: Value::Text(format!("a\n{}", "b".repeat(100))),
        };
        let described = node.described();
        assert!(described.starts_with("the text `a bbb") && described.ends_with("…`"));
    }
}
