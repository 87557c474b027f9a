//! What the sidecar says by itself, in S3's shape (spec 10, "S3 error body").

use crate::wire::http1::fields::Fields;

/// Seconds after which a request that was refused for the moment may come again.
const RETRY_AFTER_S: &[u8] = b"1";

/// Of a head that is none.
const NOT_HTTP: &str = "The request is not HTTP/1.1.";

/// An error of S3's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Fault {
    /// Status of the response.
    pub status: u16,
    /// S3's code.
    pub code: &'static str,
    /// For a person. Nothing of the request's secrets.
    pub message: String,
}

impl S3Fault {
    /// An error.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// 403.
    #[must_use]
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    /// A request whose head cannot be read.
    #[must_use]
    pub fn unreadable_head(status: u16) -> Self {
        match status {
            408 => Self::new(
                400,
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period.",
            ),
            414 => Self::new(414, "URITooLong", "The request line is too long."),
            431 => Self::new(
                400,
                "RequestHeaderSectionTooLarge",
                "Your request header fields exceed the maximum allowed size.",
            ),
            status => Self::new(status, "InvalidRequest", NOT_HTTP),
        }
    }

    /// Whether nothing behind the request can be trusted to be another one.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.message == NOT_HTTP
    }

    /// The fields and the body of the response.
    #[must_use]
    pub fn render(&self, request_id: &str) -> (Fields, Vec<u8>) {
        let mut fields = Fields::new();
        fields.push(b"Content-Type", b"application/xml");
        fields.push(b"x-amz-request-id", request_id.as_bytes());
        if self.status == 503 {
            fields.push(b"Retry-After", RETRY_AFTER_S);
        }
        let mut body = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_vec();
        for (name, text) in [
            ("Code", self.code),
            ("Message", &self.message),
            ("RequestId", request_id),
        ] {
            body.extend_from_slice(format!("<{name}>").as_bytes());
            write_text(text, &mut body);
            body.extend_from_slice(format!("</{name}>").as_bytes());
        }
        body.extend_from_slice(b"</Error>");
        (fields, body)
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            // XML 1.0 has no other control characters.
            0..=8 | 11 | 12 | 14..=31 => out.push(b'?'),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_xml_whatever_its_message() {
        let (fields, body) = S3Fault::access_denied("a <b> & \u{1}c").render("id");
        assert_eq!(
            fields.get(b"content-type"),
            Some(b"application/xml".as_slice())
        );
        let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
                    <Message>a &lt;b&gt; &amp; ?c</Message><RequestId>id</RequestId></Error>";
        assert_eq!(String::from_utf8(body).unwrap(), text);
    }
}
