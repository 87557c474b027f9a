//! What an explanation must not show: signatures, tokens, API keys, secrets.

use crate::wire::http1::head::RequestHead;
use crate::wire::percent;
use crate::wire::percent::Keep;
use crate::wire::sigv4::canonical_request::ALGORITHM;
use crate::wire::sigv4::credentials::Credentials;

/// Stands in place of what is hidden.
const HIDDEN: &str = "(hidden)";
/// A shorter text is not looked for everywhere: it would be found where it means nothing. Fields that hold secrets are
/// hidden by their names whatever their length.
const SOUGHT_BYTES_MIN: usize = 8;
/// Fields whose value is a secret as a whole.
const SECRET_FIELDS: [&str; 5] = [
    "x-amz-security-token",
    "x-api-key",
    "cookie",
    "set-cookie",
    "proxy-authorization",
];
/// Parameters of a signed query that are secrets.
const SECRET_PARAMETERS: [&[u8]; 2] = [b"X-Amz-Signature", b"X-Amz-Security-Token"];

/// Texts that are hidden wherever they would stand.
#[derive(Default)]
pub struct Hidden {
    texts: Vec<Vec<u8>>,
}

impl Hidden {
    /// Hides the secrets of keys that sign towards the store.
    pub fn add_keys(&mut self, credentials: &Credentials) {
        self.add(credentials.secret_access_key.expose().as_bytes());
        if let Some(token) = &credentials.session_token {
            self.add(token.expose().as_bytes());
        }
    }

    /// The secrets of a request.
    pub fn of(head: &RequestHead) -> Self {
        let mut hidden = Self::default();
        for (name, value) in head.fields.iter() {
            if is_named(&SECRET_FIELDS, name) {
                hidden.add(value);
            } else if name.eq_ignore_ascii_case(b"authorization") {
                hidden.add(signature_of(value).unwrap_or(value));
            }
        }
        let query = head.target().splitn(2, |&byte| byte == b'?').nth(1);
        for piece in query.unwrap_or_default().split(|&byte| byte == b'&') {
            let mut halves = piece.splitn(2, |&byte| byte == b'=');
            let (name, value) = (halves.next(), halves.next());
            if let (Some(name), Some(value)) = (name, value)
                && SECRET_PARAMETERS.contains(&name)
            {
                hidden.add(value);
                hidden.add(&percent::decode(value));
            }
        }
        hidden
    }

    /// Hides this text too, as it is and percent-encoded.
    pub fn add(&mut self, text: &[u8]) {
        if text.len() >= SOUGHT_BYTES_MIN {
            self.texts.push(text.to_vec());
            let mut encoded = Vec::new();
            percent::encode_into(&mut encoded, text, Keep::Unreserved);
            self.texts.push(encoded);
            // The longest first: one text may be the beginning of another.
            self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
            self.texts.dedup();
        }
    }

    /// Hides the signature that a head of ours carries.
    pub fn add_signature(&mut self, head: &[u8]) {
        if let Some(signature) = signature_of(head) {
            self.add(signature);
        }
    }

    /// Bytes as text that may be shown: secrets hidden, control characters but line ends escaped.
    pub fn shown(&self, bytes: &[u8]) -> String {
        let mut text = bytes.to_vec();
        for secret in &self.texts {
            let mut out = Vec::with_capacity(text.len());
            let mut rest = text.as_slice();
            while let Some(at) = memchr::memmem::find(rest, secret) {
                let (before, after) = rest.split_at(at);
                out.extend_from_slice(before);
                out.extend_from_slice(HIDDEN.as_bytes());
                rest = after.get(secret.len()..).unwrap_or_default();
            }
            out.extend_from_slice(rest);
            text = out;
        }
        let mut shown = String::with_capacity(text.len());
        for character in String::from_utf8_lossy(&text).chars() {
            if character.is_control() && character != '\n' {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        shown
    }

    /// `Name: value` as it may be shown.
    pub fn field(&self, name: &[u8], value: &[u8]) -> String {
        let name_text = self.shown(name);
        if is_named(&SECRET_FIELDS, name) {
            return format!("{name_text}: {HIDDEN}");
        }
        if name.eq_ignore_ascii_case(b"authorization") && !value.starts_with(ALGORITHM.as_bytes()) {
            return format!("{name_text}: {HIDDEN}");
        }
        format!("{name_text}: {}", self.shown(value))
    }

    /// The lines of a head or of a canonical request.
    pub fn lines(&self, text: &[u8]) -> Vec<String> {
        let lines = text.split(|&byte| byte == b'\n');
        lines
            .map(|line| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let mut halves = line.splitn(2, |&byte| byte == b':');
                match (halves.next(), halves.next()) {
                    (Some(name), Some(value)) if is_named(&SECRET_FIELDS, name) => {
                        let blank = if value.starts_with(b" ") { " " } else { "" };
                        format!("{}:{blank}{HIDDEN}", self.shown(name))
                    }
                    _ => self.shown(line),
                }
            })
            .collect()
    }
}

fn is_named(names: &[&str], name: &[u8]) -> bool {
    names
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// What follows `Signature=`, up to the next `,` or blank.
fn signature_of(text: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"Signature=";
    let at = memchr::memmem::find(text, NAME)? + NAME.len();
    let rest = text.get(at..)?;
    let ends = |byte: &u8| *byte == b',' || byte.is_ascii_whitespace();
    rest.get(..rest.iter().position(ends).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::HeadLimits;
    use crate::wire::sigv4::credentials::Secret;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let text = b"GET /a?X-Amz-Security-Token=in%2Ftoken+&X-Amz-Signature=0123456789abcdef HTTP/1.1\r\n\
            Host: a\r\nX-Api-Key: short\r\nAuthorization: AWS4-HMAC-SHA256 Credential=A/b, Signature=fedcba9876543210, x=y\r\n\r\n";
        let limits = HeadLimits {
            target_bytes_max: 1000,
            fields_bytes_max: 1000,
            fields_max: 9,
        };
        let mut head = RequestHead::default();
        head.read(text, &limits).unwrap();
        let credentials = Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: Secret::new("very/secret"),
            session_token: Some(Secret::new("out/token")),
        };
        let mut hidden = Hidden::of(&head);
        hidden.add_keys(&credentials);
        let shown = hidden.shown(head.target());
        assert_eq!(
            shown,
            "/a?X-Amz-Security-Token=(hidden)&X-Amz-Signature=(hidden)"
        );
        for text in ["very/secret", "out/token", "out%2Ftoken", "in/token+"] {
            assert_eq!(hidden.shown(text.as_bytes()), "(hidden)", "{text}");
        }
        let authorization = head.fields.get(b"authorization").unwrap();
        assert_eq!(
            hidden.field(b"Authorization", authorization),
            "Authorization: AWS4-HMAC-SHA256 Credential=A/b, Signature=(hidden), x=y"
        );
        assert_eq!(hidden.field(b"X-API-key", b"short"), "X-API-key: (hidden)");
        assert_eq!(
            hidden.field(b"Authorization", b"Bearer x"),
            "Authorization: (hidden)"
        );
        assert_eq!(
            hidden.lines(b"x-amz-security-token:t\r\na:b"),
            ["x-amz-security-token:(hidden)", "a:b"]
        );
        assert_eq!(hidden.shown(b"\x1b[31m\n"), "\\u{1b}[31m\n");
    }
}
