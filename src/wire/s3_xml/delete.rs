//! The body of DeleteObjects: the keys that it names.

use super::Markup;
use super::leaf_text;
use super::local_name;
use super::next_piece;

/// Bytes of a `Delete` document: 1,000 keys of 1,024 bytes, each byte written as a reference, fit.
pub const DELETE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Objects of one DeleteObjects (S3 API reference, "DeleteObjects").
pub const DELETED_OBJECTS_MAX: usize = 1000;

/// An object that DeleteObjects names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedObject {
    /// Its key.
    pub key: String,
    /// One version of it.
    pub version_id: Option<String>,
}

/// Reads a `Delete` document; `None` if it is none, or has an element that S3 does not name: whoever reads it next might
/// find a key where this reader finds none.
#[must_use]
pub fn read_delete(xml: &[u8]) -> Option<Vec<DeletedObject>> {
    if xml.len() > DELETE_BYTES_MAX {
        return None;
    }
    let mut reader = Reader {
        rest: str::from_utf8(xml).ok()?,
    };
    let (root, is_empty) = reader.opening()?.ok()?;
    if local_name(root) != "Delete" || is_empty {
        return None;
    }
    let mut objects = Vec::new();
    loop {
        match reader.opening()? {
            Err(closed) if closed == root => break,
            Ok((name, false)) if local_name(name) == "Object" => {
                if objects.len() == DELETED_OBJECTS_MAX {
                    return None;
                }
                objects.push(reader.object(name)?);
            }
            Ok((name, false)) if local_name(name) == "Quiet" => drop(reader.text(name)?),
            Ok(_) | Err(_) => return None,
        }
    }
    reader.ends().then_some(objects)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next start tag and whether it is empty, or as `Err` the end tag; nothing but blanks stands before it.
    fn opening(&mut self) -> Option<Result<(&'a str, bool), &'a str>> {
        loop {
            let piece = next_piece(self.rest)?;
            let text = piece.text.trim_start_matches('\u{feff}');
            if !text.trim_ascii().is_empty() {
                return None;
            }
            self.rest = piece.rest;
            match piece.markup {
                Markup::Open { name, is_empty } => return Some(Ok((name, is_empty))),
                Markup::Close { name } => return Some(Err(name)),
                Markup::Skipped => {}
                Markup::Characters(_) => return None,
            }
        }
    }

    /// The text up to the end tag `name`.
    fn text(&mut self, name: &str) -> Option<String> {
        let text = leaf_text(self.rest, name)?;
        // What `leaf_text` passed over holds no other end tag of that name, since it takes no elements.
        loop {
            let piece = next_piece(self.rest)?;
            self.rest = piece.rest;
            if matches!(piece.markup, Markup::Close { .. }) {
                return Some(text);
            }
        }
    }

    fn object(&mut self, tag: &str) -> Option<DeletedObject> {
        let (mut key, mut version_id) = (None, None);
        loop {
            match self.opening()? {
                Err(closed) if closed == tag => break,
                Ok((name, false)) => {
                    let text = self.text(name)?;
                    let place = match local_name(name) {
                        "Key" => &mut key,
                        "VersionId" => &mut version_id,
                        "ETag" | "LastModifiedTime" | "Size" => continue,
                        _ => return None,
                    };
                    if place.replace(text).is_some() {
                        return None;
                    }
                }
                Ok(_) | Err(_) => return None,
            }
        }
        key.filter(|key| !key.is_empty())
            .map(|key| DeletedObject { key, version_id })
    }

    /// Whether nothing but blanks and comments is left.
    fn ends(&mut self) -> bool {
        while !self.rest.trim_ascii().is_empty() {
            match next_piece(self.rest) {
                Some(piece)
                    if matches!(piece.markup, Markup::Skipped)
                        && piece.text.trim_ascii().is_empty() =>
                {
                    self.rest = piece.rest;
                }
                _ => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(xml: &str) -> Option<Vec<String>> {
        let objects = read_delete(xml.as_bytes())?;
        let named = |object: DeletedObject| match object.version_id {
            Some(version) => format!("{}@{version}", object.key),
            None => object.key,
        };
        Some(objects.into_iter().map(named).collect())
    }

    #[test]
    fn every_key_is_read() {
        let xml = "<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n \
             <Quiet>true</Quiet><!-- <Object> --><Object><Key>a&amp;b/&#233;</Key></Object>\n \
             <Object><VersionId>v1</VersionId><Key><![CDATA[<c>]]></Key><Size>3</Size></Object></Delete>\n<!-- -->";
        assert_eq!(keys(xml).unwrap(), ["a&b/é", "<c>@v1"]);
        let prefixed = "<s:Delete xmlns:s=\"u\"><s:Object><s:Key>k</s:Key></s:Object></s:Delete>";
        assert_eq!(keys(prefixed).unwrap(), ["k"]);
        assert_eq!(keys("<Delete></Delete>").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_another_reader_might_read_otherwise_is_refused() {
        for xml in [
            "",
            "<Delete/>",
            "<Other></Other>",
            "<Delete><Object><Key>a</Key></Object>",
            "<Delete><Object><Key>a</Key></Object></Delete><Delete></Delete>",
            "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
            "<Delete><Object><Key></Key></Object></Delete>",
            "<Delete><Object></Object></Delete>",
            "<Delete><Object/></Delete>",
            "<Delete><Object><Key/></Object></Delete>",
            "<Delete><Objects><Object><Key>a</Key></Object></Objects></Delete>",
            "<Delete><Object><Key><Key>a</Key></Key></Object></Delete>",
            "<Delete>text<Object><Key>a</Key></Object></Delete>",
            "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
            "<!DOCTYPE Delete [<!ENTITY e \"x\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
            "<Delete><Object><Key>a</Key></Delete></Object>",
        ] {
            assert_eq!(keys(xml), None, "{xml}");
        }
        assert_eq!(
            read_delete(b"<Delete><Object><Key>\xff</Key></Object></Delete>"),
            None
        );
    }

    #[test]
    fn a_thousand_objects_are_the_most() {
        let of = |count: usize| {
            let objects = "<Object><Key>k</Key></Object>".repeat(count);
            keys(&format!("<Delete>{objects}</Delete>")).map(|keys| keys.len())
        };
        assert_eq!(of(1000), Some(1000));
        assert_eq!(of(1001), None);
    }
}
