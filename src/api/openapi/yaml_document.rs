//! YAML 1.2 through `saphyr-parser`'s events into the tree that JSON gives.
//!
//! Names are always text (`200:`); plain scalars are `null`, `~`, `true`, `false` or a JSON number without exponent,
//! and everything else is text as written (`no`, `010`, `1e3`).

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::api::openapi::json_document::{
    DEPTH_MAX, Members, Parsed, RepeatedName, SyntaxFault, is_number,
};
use crate::api::openapi::node::{Node, Position, Value, pointer_token, shortened};

/// Nodes that all aliases of a document may add together.
const ALIASED_NODES_MAX: usize = 100_000;

/// Reads a text that holds one YAML document.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut builder = Builder::default();
    let read = read(text, &mut builder);
    let root = builder.root.ok_or_else(|| SyntaxFault {
        position: Position::START,
        message: "found an empty text, wanted an OpenAPI document".to_owned(),
    });
    Parsed {
        root: read.and(root),
        repeated: builder.repeated,
    }
}

fn read(text: &str, builder: &mut Builder) -> Result<(), SyntaxFault> {
    let end = end_of(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| SyntaxFault {
            position: position_of(error.marker()).min(end),
            message: format!("found text that is not YAML: {}", error.info()),
        })?;
        builder.handle_event(event, position_of(&span.start).min(end))?;
    }
    Ok(())
}

fn position_of(marker: &Marker) -> Position {
    let clamped = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Position {
        line: clamped(marker.line().max(1)),
        column: clamped(marker.col().saturating_add(1)),
    }
}

/// Where a text ends. The scanner counts one line more where that is within a construct.
fn end_of(text: &str) -> Position {
    let text = text.replace("\r\n", "\n");
    let mut lines = text.split(['\n', '\r']);
    let last = lines.next_back().unwrap_or_default();
    let clamped = |count: usize| u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
    Position {
        line: clamped(lines.count()),
        column: clamped(last.chars().count()),
    }
}

fn fault(position: Position, message: impl Into<String>) -> SyntaxFault {
    SyntaxFault {
        position,
        message: message.into(),
    }
}

/// A finished node with its size, so that aliases can be bounded.
#[derive(Clone)]
struct Sized {
    node: Node,
    height: usize,
    nodes: usize,
}

/// A sequence or mapping that is not closed yet.
struct Open {
    position: Position,
    anchor: usize,
    height: usize,
    nodes: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        members: Members,
        /// The name whose value comes next.
        name: Option<(String, Position)>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchored: HashMap<usize, Sized>,
    aliased_nodes: usize,
    root: Option<Node>,
    repeated: Vec<RepeatedName>,
}

impl Builder {
    fn handle_event(&mut self, event: Event<'_>, at: Position) -> Result<(), SyntaxFault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = tag_says_text(tag.as_ref(), at)?;
                if self.wants_name() {
                    if style == ScalarStyle::Plain && text == "<<" {
                        return Err(fault(
                            at,
                            "found the merge key `<<`, which YAML 1.2 does not have; wanted the members written out",
                        ));
                    }
                    self.take_name(text.into_owned(), at);
                    return Ok(());
                }
                let value = match style {
                    ScalarStyle::Plain if !tagged_text => plain_value(text),
                    _ => Value::Text(text.into_owned()),
                };
                let node = Node {
                    position: at,
                    value,
                };
                self.attach(
                    Sized {
                        node,
                        height: 0,
                        nodes: 1,
                    },
                    anchor,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                tag_says_text(tag.as_ref(), at)?;
                self.enter(at, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                tag_says_text(tag.as_ref(), at)?;
                let members = Members::default();
                self.enter(
                    at,
                    anchor,
                    Content::Mapping {
                        members,
                        name: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Alias(anchor) => self.copy(anchor, at),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(fault(at, "found a second YAML document, wanted one"))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn wants_name(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.content, Content::Mapping { name: None, .. }))
    }

    fn take_name(&mut self, text: String, at: Position) {
        let Some((last, above)) = self.open.split_last_mut() else {
            return;
        };
        if let Content::Mapping { members, name } = &mut last.content {
            members.admit(&text, at, || pointer_of(above), &mut self.repeated);
            *name = Some((text, at));
        }
    }

    fn enter(
        &mut self,
        position: Position,
        anchor: usize,
        content: Content,
    ) -> Result<(), SyntaxFault> {
        if self.wants_name() {
            return Err(fault(
                position,
                "found a list or mapping as a name, wanted text",
            ));
        }
        self.check_depth(1, position)?;
        self.open.push(Open {
            position,
            anchor,
            height: 0,
            nodes: 1,
            content,
        });
        Ok(())
    }

    fn check_depth(&self, height: usize, at: Position) -> Result<(), SyntaxFault> {
        if self.open.len() + height > DEPTH_MAX {
            return Err(fault(
                at,
                format!("found more than {DEPTH_MAX} values within one another"),
            ));
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), SyntaxFault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::Sequence(elements) => Value::Array(elements),
            Content::Mapping { members, .. } => members.into_value(),
        };
        let finished = Sized {
            node: Node {
                position: open.position,
                value,
            },
            height: open.height + 1,
            nodes: open.nodes,
        };
        self.attach(finished, open.anchor)
    }

    fn copy(&mut self, anchor: usize, at: Position) -> Result<(), SyntaxFault> {
        if self.wants_name() {
            return Err(fault(at, "found an alias as a name, wanted text"));
        }
        let Some(finished) = self.anchored.get(&anchor) else {
            return Err(fault(
                at,
                "found an alias within the value that it stands for",
            ));
        };
        self.aliased_nodes = self.aliased_nodes.saturating_add(finished.nodes);
        if self.aliased_nodes > ALIASED_NODES_MAX {
            return Err(fault(
                at,
                format!("found aliases that add more than {ALIASED_NODES_MAX} values"),
            ));
        }
        let finished = finished.clone();
        self.check_depth(finished.height, at)?;
        self.attach(finished, 0)
    }

    fn attach(&mut self, finished: Sized, anchor: usize) -> Result<(), SyntaxFault> {
        if anchor != 0 {
            self.anchored.insert(anchor, finished.clone());
        }
        let Sized {
            node,
            height,
            nodes,
        } = finished;
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.height = parent.height.max(height);
        parent.nodes = parent.nodes.saturating_add(nodes);
        match &mut parent.content {
            Content::Sequence(elements) => elements.push(node),
            Content::Mapping { members, name } => {
                if let Some((name, position)) = name.take() {
                    members.push(name, position, node);
                }
            }
        }
        Ok(())
    }
}

/// The pointer of the value that comes next in the innermost of `open`.
fn pointer_of(open: &[Open]) -> String {
    open.iter()
        .map(|open| match &open.content {
            Content::Sequence(elements) => format!("/{}", elements.len()),
            Content::Mapping { name, .. } => {
                let name = name.as_ref().map_or("", |(name, _)| name);
                format!("/{}", pointer_token(name))
            }
        })
        .collect()
}

/// Whether a tag makes a plain scalar text. Tags that YAML itself does not define are refused.
fn tag_says_text(tag: Option<&Cow<'_, Tag>>, at: Position) -> Result<bool, SyntaxFault> {
    let Some(tag) = tag else {
        return Ok(false);
    };
    if tag.is_yaml_core_schema() {
        return Ok(tag.suffix == "str");
    }
    Err(fault(
        at,
        format!(
            "found the tag `{}`, wanted plain YAML",
            shortened(&tag.to_string())
        ),
    ))
}

fn plain_value(text: Cow<'_, str>) -> Value {
    match text.as_ref() {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits if is_number(digits) && !digits.contains(['e', 'E']) => {
            Value::Number(text.into_owned())
        }
        _ => Value::Text(text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::json_document;

    fn tree(text: &str) -> Node {
        let parsed = parse(text);
        assert_eq!(parsed.repeated, [], "{text}");
        parsed.root.unwrap()
    }

    fn fault_of(text: &str) -> (u32, u32, String) {
        let fault = parse(text).root.unwrap_err();
        (fault.position.line, fault.position.column, fault.message)
    }

    #[test]
    fn a_fault_at_the_end_is_inside_the_text() {
        for (text, place) in [
            ("a: b\nc", (2, 2)),
            ("a: b\r\nc: d\r--", (3, 3)),
            ("a: [1,\n", (2, 1)),
            ("a: \"b", (1, 6)),
        ] {
            let (line, column, message) = fault_of(text);
            assert!(
                (line, column) <= place,
                "{text:?}: {line}:{column} {message}"
            );
        }
    }

    #[test]
    fn scalars_are_typed_as_json_would_type_them() {
        let yaml = "a: no\nb: 010\nc: 0777\nd: 1e3\ne: yes\nf: True\ng: 12\nh: true\ni: ~\nj:\nk: '12'\nl: !!str 12\nm: 1.5\nn: 0x1F\no: |\n  x\n  y\n";
        let json = r#"{"a":"no","b":"010","c":"0777","d":"1e3","e":"yes","f":"True","g":12,"h":true,"i":null,"j":null,
            "k":"12","l":"12","m":1.5,"n":"0x1F","o":"x\ny\n"}"#;
        assert_eq!(tree(yaml), json_document::parse(json).root.unwrap());
    }

    #[test]
    fn names_are_text_whatever_they_look_like() {
        let root = tree("200: a\ntrue: b\nnull: c\n010: d\n");
        let Value::Object(members) = root.value else {
            panic!()
        };
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["200", "true", "null", "010"]);
    }

    #[test]
    fn every_value_knows_its_line_and_column() {
        let root = tree("# note\npaths:\n  /ä:\n    get: [1, x]\n");
        let path = &root.member("paths").unwrap().node;
        let get = path.member("/ä").unwrap();
        assert_eq!(get.position, Position { line: 3, column: 3 });
        let list = get.node.member("get").unwrap();
        assert_eq!(
            list.node.position,
            Position {
                line: 4,
                column: 10
            }
        );
    }

    #[test]
    fn duplicate_names_are_told_with_both_places_and_the_first_value_stays() {
        let parsed = parse("a: 1\nb: [0, {/: 2, /: 4}]\n\"a\": &x {c: 1, c: 2}\nd: *x\n");
        let told: Vec<(u32, u32, &str)> = parsed
            .repeated
            .iter()
            .map(|name| {
                (
                    name.position.line,
                    name.position.column,
                    name.pointer.as_str(),
                )
            })
            .collect();
        assert_eq!(told, [(2, 15, "/b/1/~1"), (3, 1, "/a"), (3, 16, "/a/c")]);
        let message = &parsed.repeated[1].message;
        assert!(message.contains("first at line 1, column 1"), "{message}");
        assert_eq!(
            parsed.root.unwrap().to_json(),
            r#"{"a":1,"b":[0,{"/":2}],"d":{"c":1}}"#
        );
        tree("a: 1\nA: 2\nb: {a: 1}\n");
    }

    #[test]
    fn aliases_copy_what_their_anchor_holds() {
        let root = tree("a: &x [1, {b: c}]\nd: *x\n");
        assert_eq!(
            root.member("a").unwrap().node,
            root.member("d").unwrap().node
        );
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            text.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![below; 9].join(", ")
            ));
        }
        assert!(fault_of(&text).2.contains("aliases that add more than"));
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for level in 1..200 {
            chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(fault_of(&chain).2.contains("within one another"));
        assert!(fault_of("a: &a [*a]\n").2.contains("within the value"));
    }

    #[test]
    fn what_the_tree_cannot_hold_is_refused() {
        let table = [
            ("<<: {a: 1}\n", 1, 1, "merge key"),
            ("a: !Sub x\n", 1, 9, "found the tag `!Sub`"),
            ("[a]: 1\n", 1, 1, "as a name"),
            ("a: 1\n---\nb: 2\n", 2, 1, "second YAML document"),
            ("", 1, 1, "empty text"),
            ("# only a note\n", 1, 1, "empty text"),
        ];
        for (text, line, column, fragment) in table {
            let found = fault_of(text);
            assert!(found.2.contains(fragment), "{text}: {}", found.2);
            assert_eq!((found.0, found.1), (line, column), "{text}");
        }
        tree("'<<': 1\n");
        assert!(fault_of(&"[".repeat(5000)).2.contains("found"));
    }
}
