//! Answers of the admin listener, framed.

use std::borrow::Cow;

use crate::wire::http1::encode;

/// `Content-Type` of a text for people.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// `Content-Type` of JSON.
pub const JSON: &str = "application/json";

/// An answer before it is framed.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The media type of its body.
    pub content_type: &'static str,
    /// Fields beside those that every answer has.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// Its body.
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// A text; a line feed is put behind it.
    #[must_use]
    pub fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: TEXT,
            fields: Vec::new(),
            body: Cow::Owned(format!("{text}\n").into_bytes()),
        }
    }

    /// 200 with a body.
    #[must_use]
    pub fn of(content_type: &'static str, body: String) -> Self {
        Self {
            status: 200,
            content_type,
            fields: Vec::new(),
            body: Cow::Owned(body.into_bytes()),
        }
    }

    /// 405: the page is there, this method is not.
    #[must_use]
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let mut answer = Self::text(405, &format!("this page takes {allowed}"));
        answer.fields.push(("Allow", Cow::Borrowed(allowed)));
        answer
    }

    /// The whole message; a HEAD gets the head alone.
    #[must_use]
    pub fn message(&self, is_head: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        encode::write_status_line(&mut out, self.status);
        encode::write_field(&mut out, b"Content-Type", self.content_type.as_bytes());
        encode::write_field_number(&mut out, b"Content-Length", self.body.len() as u64);
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ] {
            encode::write_field(&mut out, name.as_bytes(), value.as_bytes());
        }
        for (name, value) in &self.fields {
            encode::write_field(&mut out, name.as_bytes(), value.as_bytes());
        }
        encode::end_head(&mut out);
        if !is_head {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_the_length_of_the_body_that_it_has_not() {
        let answer = Answer::text(200, "ok");
        let text = |is_head| String::from_utf8(answer.message(is_head)).unwrap();
        assert!(text(true).contains("\r\nContent-Length: 3\r\n"));
        assert!(text(true).ends_with("\r\n\r\n"));
        assert!(text(false).ends_with("\r\n\r\nok\n"));
    }
}
