//! The few XML documents of S3 that the gateway reads or writes itself: errors and multipart uploads. No document
//! type is taken, so that no entity can be declared.

pub mod delete;

/// The longest document read, in bytes; S3's answers to these calls have some hundred.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// An error as S3 tells it (spec 10, "S3 error body").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    /// `NoSuchKey`, say.
    pub code: String,
    /// For people; empty if the store sends none.
    pub message: String,
}

/// The outcome of CompleteMultipartUpload. S3 may answer 200 before it knows, and send an error as the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there.
    Completed {
        /// The object's entity tag, with its quotes.
        etag: String,
    },
    /// The upload is still open.
    Failed(S3Error),
}

/// A part of a multipart upload, as CompleteMultipartUpload names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// The `ETag` field of the part's response, with its quotes.
    pub etag: Vec<u8>,
}

/// Reads an `Error` document; `None` for anything else.
#[must_use]
pub fn read_error(xml: &[u8]) -> Option<S3Error> {
    if root_name(xml)? != "Error" {
        return None;
    }
    Some(S3Error {
        code: element_text(xml, "Code")?,
        message: element_text(xml, "Message").unwrap_or_default(),
    })
}

/// Reads the upload id of an `InitiateMultipartUploadResult`; `None` without one.
#[must_use]
pub fn read_upload_id(xml: &[u8]) -> Option<String> {
    if root_name(xml)? != "InitiateMultipartUploadResult" {
        return None;
    }
    element_text(xml, "UploadId").filter(|id| !id.is_empty())
}

/// Reads the body of a 200 to CompleteMultipartUpload; `None` if it is neither outcome.
#[must_use]
pub fn read_completion(xml: &[u8]) -> Option<Completion> {
    match root_name(xml)? {
        "CompleteMultipartUploadResult" => {
            let etag = element_text(xml, "ETag")?;
            Some(Completion::Completed { etag })
        }
        _ => read_error(xml).map(Completion::Failed),
    }
}

/// Appends the body of a CompleteMultipartUpload request; `parts` in ascending order.
pub fn write_complete_multipart_upload(out: &mut Vec<u8>, parts: &[CompletedPart]) {
    out.extend_from_slice(
        b"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
    );
    for part in parts {
        out.extend_from_slice(b"<Part><PartNumber>");
        out.extend_from_slice(part.number.to_string().as_bytes());
        out.extend_from_slice(b"</PartNumber><ETag>");
        write_escaped(out, &part.etag);
        out.extend_from_slice(b"</ETag></Part>");
    }
    out.extend_from_slice(b"</CompleteMultipartUpload>");
}

/// Appends an `Error` document; the texts hold no control characters.
pub fn write_error(out: &mut Vec<u8>, code: &str, message: &str, request_id: &str) {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    for (name, text) in [
        ("Code", code),
        ("Message", message),
        ("RequestId", request_id),
    ] {
        out.extend_from_slice(format!("<{name}>").as_bytes());
        write_escaped(out, text.as_bytes());
        out.extend_from_slice(format!("</{name}>").as_bytes());
    }
    out.extend_from_slice(b"</Error>");
}

fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
}

/// The local name of the outermost element.
#[must_use]
pub fn root_name(xml: &[u8]) -> Option<&str> {
    let mut rest = document(xml)?;
    loop {
        let piece = next_piece(rest)?;
        match piece.markup {
            Markup::Open { name, .. } => return Some(local_name(name)),
            Markup::Skipped => rest = piece.rest,
            Markup::Close { .. } | Markup::Characters(_) => return None,
        }
    }
}

/// The text of the first element of that local name, its references decoded. `None`: there is none, it holds
/// other elements, or the document up to its end is malformed or over [`DOCUMENT_BYTES_MAX`].
#[must_use]
pub fn element_text(xml: &[u8], name: &str) -> Option<String> {
    let mut rest = document(xml)?;
    loop {
        let piece = next_piece(rest)?;
        rest = piece.rest;
        match piece.markup {
            Markup::Open {
                name: found,
                is_empty,
            } if local_name(found) == name => {
                return if is_empty {
                    Some(String::new())
                } else {
                    leaf_text(rest, found)
                };
            }
            _ => {}
        }
    }
}

fn document(xml: &[u8]) -> Option<&str> {
    if xml.len() > DOCUMENT_BYTES_MAX {
        return None;
    }
    str::from_utf8(xml).ok()
}

fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Reads up to the end tag `name`.
fn leaf_text(document: &str, name: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), document);
    loop {
        let piece = next_piece(rest)?;
        push_decoded(&mut text, piece.text)?;
        match piece.markup {
            Markup::Close { name: closed } if closed == name => return Some(text),
            Markup::Characters(characters) => text.push_str(characters),
            Markup::Skipped => {}
            Markup::Open { .. } | Markup::Close { .. } => return None,
        }
        rest = piece.rest;
    }
}

/// Text, the markup that ends it, and what follows.
struct Piece<'a> {
    text: &'a str,
    markup: Markup<'a>,
    rest: &'a str,
}

enum Markup<'a> {
    Open {
        name: &'a str,
        is_empty: bool,
    },
    Close {
        name: &'a str,
    },
    /// A CDATA section.
    Characters(&'a str),
    /// A comment or processing instruction.
    Skipped,
}

/// `None`: no markup is left, it has no end, or it is a document type.
fn next_piece(document: &str) -> Option<Piece<'_>> {
    let (text, from_markup) = document.split_once('<')?;
    let (markup, rest) = if let Some(comment) = from_markup.strip_prefix("!--") {
        (Markup::Skipped, comment.split_once("-->")?.1)
    } else if let Some(section) = from_markup.strip_prefix("![CDATA[") {
        let (characters, rest) = section.split_once("]]>")?;
        (Markup::Characters(characters), rest)
    } else if let Some(instruction) = from_markup.strip_prefix('?') {
        (Markup::Skipped, instruction.split_once("?>")?.1)
    } else if let Some(end_tag) = from_markup.strip_prefix('/') {
        let (name, rest) = end_tag.split_once('>')?;
        let name = name.trim_ascii_end();
        (Markup::Close { name }, rest)
    } else {
        start_tag(from_markup)?
    };
    Some(Piece { text, markup, rest })
}

/// A start tag without its `<`, and what follows it. Attributes are passed over; a `>` in their quotes ends nothing.
fn start_tag(tag: &str) -> Option<(Markup<'_>, &str)> {
    let mut quote = None;
    let end = tag.bytes().position(|byte| match (quote, byte) {
        (None, b'>') => true,
        (None, b'"' | b'\'') => {
            quote = Some(byte);
            false
        }
        (Some(open), _) if open == byte => {
            quote = None;
            false
        }
        _ => false,
    })?;
    let (inside, from_end) = tag.split_at_checked(end)?;
    let (inside, is_empty) = inside
        .strip_suffix('/')
        .map_or((inside, false), |inside| (inside, true));
    let name = inside.split(|c: char| c.is_ascii_whitespace()).next()?;
    // a `!` begins a document type
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && !name.contains(['<', '&', '/', '=', '"', '\'']);
    let rest = from_end.get(1..)?;
    is_name.then_some((Markup::Open { name, is_empty }, rest))
}

/// Appends `text` with the five predefined entities and the numeric references decoded; `None` at any other.
fn push_decoded(out: &mut String, text: &str) -> Option<()> {
    let mut rest = text;
    while let Some((plain, reference_and_rest)) = rest.split_once('&') {
        let (reference, after) = reference_and_rest.split_once(';')?;
        out.push_str(plain);
        out.push(referenced(reference)?);
        rest = after;
    }
    out.push_str(rest);
    Some(())
}

fn referenced(reference: &str) -> Option<char> {
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = reference.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => code_point(digits, 16),
                None => code_point(number, 10),
            }?;
            // XML 1.0 §2.2: of the control characters only these
            char::from_u32(code).filter(|&c| c >= ' ' || matches!(c, '\t' | '\n' | '\r'))
        }
    }
}

fn code_point(digits: &str, radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0u32, |code, digit| {
        code.checked_mul(radix)?.checked_add(digit.to_digit(radix)?)
    })
}

#[cfg(test)]
mod tests;
