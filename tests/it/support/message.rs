//! HTTP/1.1 messages as the tests read them: simply, and apart from the code under test.

use std::io::Read;

/// A message that was received whole.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line without its end.
    pub(crate) start: String,
    /// Fields in order.
    pub(crate) fields: Vec<(String, String)>,
    /// The body, its transfer coding removed.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The last value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let named = self
            .fields
            .iter()
            .rev()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The second word of the first line: a status or a target.
    pub(crate) fn second_word(&self) -> &str {
        self.start.split(' ').nth(1).unwrap()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.second_word().parse().unwrap()
    }
}

/// What was received and not read yet.
#[derive(Debug, Default)]
pub(crate) struct Pending(pub(crate) Vec<u8>);

impl Pending {
    fn more(&mut self, stream: &mut impl Read) -> bool {
        let mut piece = [0; 16 * 1024];
        loop {
            match stream.read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => {
                    self.0.extend_from_slice(&piece[..count]);
                    return true;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Told in the output of a test that fails for it: a time limit, a reset.
                    eprintln!("receiving ended: {error}");
                    return false;
                }
            }
        }
    }

    fn line(&mut self, stream: &mut impl Read) -> Option<String> {
        loop {
            if let Some(end) = self.0.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.0.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more(stream) {
                return None;
            }
        }
    }

    /// A message's head; the body stays.
    pub(crate) fn head(&mut self, stream: &mut impl Read) -> Option<Message> {
        let start = self.line(stream)?;
        let mut fields = Vec::new();
        loop {
            let line = self.line(stream)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Some(Message {
            start,
            fields,
            body: Vec::new(),
        })
    }

    /// Exactly `count` bytes, or fewer if the peer closes.
    pub(crate) fn bytes(&mut self, stream: &mut impl Read, count: usize) -> Vec<u8> {
        while self.0.len() < count && self.more(stream) {}
        let count = count.min(self.0.len());
        self.0.drain(..count).collect()
    }

    /// Everything until the peer closes.
    pub(crate) fn rest(&mut self, stream: &mut impl Read) -> Vec<u8> {
        while self.more(stream) {}
        std::mem::take(&mut self.0)
    }

    fn chunked(&mut self, stream: &mut impl Read) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line(stream)?.split(';').next()?, 16).ok()?;
            let data = self.bytes(stream, size);
            if data.len() < size {
                return None;
            }
            body.extend(data);
            let end = self.line(stream)?;
            assert_eq!(end, "");
            if size == 0 {
                return Some(body);
            }
        }
    }

    /// A message with its body. `None` if the peer closed before it was whole. `bodiless`: no body follows whatever the fields say.
    pub(crate) fn message(&mut self, stream: &mut impl Read, bodiless: bool) -> Option<Message> {
        let mut message = self.head(stream)?;
        let is_response = message.start.starts_with("HTTP/");
        if bodiless {
            return Some(message);
        }
        if message
            .field("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            message.body = self.chunked(stream)?;
        } else if let Some(length) = message.field("content-length") {
            let length = length.parse().unwrap();
            message.body = self.bytes(stream, length);
            if message.body.len() < length {
                return None;
            }
        } else if is_response && !matches!(message.status(), 100..=199 | 204 | 304) {
            message.body = self.rest(stream);
        }
        Some(message)
    }
}
