//! The fields of one message in one buffer: after warm-up, reading a head allocates nothing.

use std::fmt;

/// What stands between a name and its value in a line that we write.
const SEPARATOR: &[u8] = b": ";
const CRLF: &[u8] = b"\r\n";

/// Field names and values in arrival order. Names compare case-insensitively (RFC 9110 §5.1).
#[derive(Clone, Default)]
pub struct Fields {
    /// Whole lines, `name: value` and CRLF, so that a head is written in few copies.
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// One line in the buffer.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    value_start: usize,
    /// Of the value; CRLF follows.
    end: usize,
}

impl Fields {
    /// No fields; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// No fields, and storage for so many lines and bytes.
    #[must_use]
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            spans: Vec::with_capacity(lines),
        }
    }

    /// Forgets all fields and keeps the storage.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// The number of field lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Adds a field line; name and value are taken as they are.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_joined(name, &[value]);
    }

    /// Adds a field line whose value is that of all `pieces` together.
    pub fn push_joined(&mut self, name: &[u8], pieces: &[&[u8]]) {
        let value_bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let line = name.len() + SEPARATOR.len() + value_bytes + CRLF.len();
        self.bytes.reserve(line);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(SEPARATOR);
        let value_start = self.bytes.len();
        for piece in pieces {
            self.bytes.extend_from_slice(piece);
        }
        let end = self.bytes.len();
        self.bytes.extend_from_slice(CRLF);
        self.spans.push(Span {
            start,
            value_start,
            end,
        });
    }

    /// Takes over a block of field lines that was parsed into `parts`, the empty line at its end not among them. One copy
    /// if every line is written as we write it, else line by line.
    pub(super) fn read_block<'p>(
        &mut self,
        block: &[u8],
        parts: impl Iterator<Item = (&'p [u8], &'p [u8])> + Clone,
    ) {
        self.clear();
        let mut start = 0;
        for (name, value) in parts.clone() {
            let value_start = start + name.len() + SEPARATOR.len();
            let end = value_start + value.len();
            if !is_plain_line(block, start + name.len(), end) {
                self.clear();
                for (name, value) in parts {
                    self.push(name, value);
                }
                return;
            }
            self.spans.push(Span {
                start,
                value_start,
                end,
            });
            start = end + CRLF.len();
        }
        self.bytes
            .extend_from_slice(block.get(..start).unwrap_or_default());
    }

    /// Becomes the field lines of `other` whose names `keeps` wants.
    pub fn copy_kept(&mut self, other: &Self, mut keeps: impl FnMut(&[u8]) -> bool) {
        self.clear();
        self.bytes.extend_from_slice(&other.bytes);
        let kept = |span: &&Span| keeps(span.name(&other.bytes));
        self.spans.extend(other.spans.iter().filter(kept));
    }

    /// Removes the field lines whose names `keeps` does not want. Their bytes are freed by [`Self::clear`] only.
    pub fn retain(&mut self, mut keeps: impl FnMut(&[u8]) -> bool) {
        let bytes = &self.bytes;
        self.spans.retain(|span| keeps(span.name(bytes)));
    }

    /// Appends all lines, each `name: value` and CRLF. The values must hold no control byte: mapped values are checked
    /// where they are made (spec 02, "Guard values").
    pub fn write_lines(&self, out: &mut Vec<u8>) {
        debug_assert!(
            self.iter()
                .all(|(_, value)| value.iter().copied().all(is_value_byte)),
            "control byte in a field value"
        );
        // Lines that lie side by side go in one copy.
        let mut run = 0..0;
        for span in &self.spans {
            if span.start != run.end {
                out.extend_from_slice(self.bytes.get(run.clone()).unwrap_or_default());
                run.start = span.start;
            }
            run.end = span.end + CRLF.len();
        }
        out.extend_from_slice(self.bytes.get(run).unwrap_or_default());
    }

    /// Name as written and value of each field line, in arrival order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans
            .iter()
            .map(|span| (span.name(&self.bytes), span.value(&self.bytes)))
    }

    /// The value of the first field line of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let mut spans = self.spans.iter();
        let found = spans.find(|span| span.is_named(&self.bytes, name))?;
        Some(found.value(&self.bytes))
    }

    /// The value of the last field line of that name.
    #[must_use]
    pub fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let mut spans = self.spans.iter().rev();
        let found = spans.find(|span| span.is_named(&self.bytes, name))?;
        Some(found.value(&self.bytes))
    }

    /// The values of all field lines of that name, in arrival order.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.spans
            .iter()
            .filter(move |span| span.is_named(&self.bytes, name))
            .map(|span| span.value(&self.bytes))
    }

    /// The members of all comma-separated lists of that name, trimmed, empty ones left out (RFC 9110 §5.6.1).
    /// Not for fields whose values hold quoted commas.
    pub fn list_members<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(trim_blanks)
            .filter(|member| !member.is_empty())
    }

    /// Removes all field lines of that name. Their bytes are freed by [`Self::clear`] only.
    pub fn remove(&mut self, name: &[u8]) {
        let bytes = &self.bytes;
        self.spans.retain(|span| !span.is_named(bytes, name));
    }

    /// Replaces all field lines of that name by one at the end.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.push(name, value);
    }

    /// Bytes of the storage, used or not.
    #[must_use]
    pub const fn storage_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// The bytes of all names and values, as API Gateway's header quota counts them (spec 11).
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let bytes = |span: &Span| span.end - span.start - SEPARATOR.len();
        self.spans.iter().map(bytes).sum()
    }
}

/// Whether a line is that of a name that ends at `name_end` and a value that ends at `end`: nothing but one space
/// between the two, and nothing behind.
fn is_plain_line(block: &[u8], name_end: usize, end: usize) -> bool {
    let after_name = block.get(name_end..).unwrap_or_default();
    let is_ended = block.get(end..).is_some_and(|rest| rest.starts_with(CRLF));
    match after_name.strip_prefix(SEPARATOR) {
        // Parsing has trimmed the value: a blank here is none of it.
        Some([b' ' | b'\t', ..]) | None => false,
        Some(_) => is_ended,
    }
}

/// Prints the names only: values may hold signatures and keys.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| String::from_utf8_lossy(name));
        f.debug_list().entries(names).finish()
    }
}

impl Span {
    fn name(self, bytes: &[u8]) -> &[u8] {
        let name_end = self.value_start - SEPARATOR.len();
        bytes.get(self.start..name_end).unwrap_or_default()
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.value_start..self.end).unwrap_or_default()
    }

    fn is_named(self, bytes: &[u8], name: &[u8]) -> bool {
        self.name(bytes).eq_ignore_ascii_case(name)
    }
}

/// Whether `bytes` is a `token`: one or more `tchar` (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether `byte` is a `tchar` (RFC 9110 §5.6.2).
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether `byte` may stand in a field value: visible, blank or obs-text (RFC 9110 §5.5).
#[must_use]
pub const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// `value` without the spaces and tabs around it (`OWS`, RFC 9110 §5.6.3).
#[must_use]
pub fn trim_blanks(value: &[u8]) -> &[u8] {
    let mut rest = value;
    while let [b' ' | b'\t', tail @ ..] | [tail @ .., b' ' | b'\t'] = rest {
        rest = tail;
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Fields {
        let mut fields = Fields::new();
        fields.push(b"Accept", b"text/html");
        fields.push(b"X-Tag", b"");
        fields.push(b"ACCEPT", b"image/png");
        fields
    }

    #[test]
    fn names_compare_without_case_and_keep_their_spelling() {
        let fields = sample();
        assert_eq!(fields.get(b"accept"), Some(&b"text/html"[..]));
        assert_eq!(fields.last(b"Accept"), Some(&b"image/png"[..]));
        assert_eq!(
            fields.all(b"aCCept").collect::<Vec<_>>(),
            [&b"text/html"[..], b"image/png"]
        );
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"Accept"[..], b"X-Tag", b"ACCEPT"]);
    }

    #[test]
    fn an_empty_value_is_not_an_absent_field() {
        let fields = sample();
        assert_eq!(fields.get(b"x-tag"), Some(&b""[..]));
        assert_eq!(fields.get(b"x-ta"), None);
        assert_eq!(fields.last(b"x-tags"), None);
    }

    #[test]
    fn set_replaces_every_line_of_the_name() {
        let mut fields = sample();
        fields.set(b"accept", b"*/*");
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [(&b"X-Tag"[..], &b""[..]), (b"accept", b"*/*")]);
    }

    #[test]
    fn the_size_is_of_names_and_values_still_there() {
        let mut fields = sample();
        assert_eq!(fields.size_bytes(), 6 + 9 + 5 + 6 + 9);
        fields.remove(b"Accept");
        assert_eq!((fields.size_bytes(), fields.len()), (5, 1));
        fields.clear();
        assert!(fields.is_empty());
        assert_eq!(fields.size_bytes(), 0);
    }

    #[test]
    fn pieces_make_one_value() {
        let mut fields = Fields::with_capacity(1, 8);
        fields.push_joined(b"A", &[b"b", b"", b"cd"]);
        fields.push_joined(b"E", &[]);
        let lines: Vec<_> = fields.iter().collect();
        assert_eq!(lines, [(&b"A"[..], &b"bcd"[..]), (b"E", b"")]);
    }

    #[test]
    fn clearing_keeps_the_storage() {
        let mut fields = sample();
        let storage = |fields: &Fields| (fields.bytes.as_ptr(), fields.spans.as_ptr());
        let before = storage(&fields);
        fields.clear();
        fields.push(b"Accept", b"text/html");
        assert_eq!(storage(&fields), before);
    }

    #[test]
    fn list_members_come_from_all_lines_without_empty_ones() {
        let mut fields = Fields::new();
        fields.push(b"Connection", b" close ,, \tx-a");
        fields.push(b"connection", b"Keep-Alive");
        let members: Vec<_> = fields.list_members(b"CONNECTION").collect();
        assert_eq!(members, [&b"close"[..], b"x-a", b"Keep-Alive"]);
    }

    #[test]
    fn debug_output_holds_no_value() {
        let shown = format!("{:?}", sample());
        assert_eq!(shown, r#"["Accept", "X-Tag", "ACCEPT"]"#);
    }

    #[test]
    fn tokens_and_value_bytes_are_those_of_the_rfc() {
        assert!(is_token(b"!#$%&'*+-.^_`|~09azAZ"));
        for wrong in [
            &b""[..],
            b"a b",
            b"a:",
            b"a/b",
            b"a,",
            b"\"a\"",
            b"a\x7f",
            b"\xe4",
            b"a\0",
        ] {
            assert!(!is_token(wrong), "{wrong:?}");
        }
        let refused: Vec<u8> = (0..=255).filter(|&byte| !is_value_byte(byte)).collect();
        let controls: Vec<u8> = (0..32).filter(|&byte| byte != b'\t').chain([127]).collect();
        assert_eq!(refused, controls);
    }

    #[test]
    fn only_blanks_are_trimmed() {
        assert_eq!(trim_blanks(b" \t a b\t "), b"a b");
        assert_eq!(trim_blanks(b" \t "), b"");
        assert_eq!(trim_blanks(b"\x0ba\n"), b"\x0ba\n");
    }

    fn lines(fields: &Fields) -> String {
        let mut out = Vec::new();
        fields.write_lines(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_written_without_those_that_were_removed() {
        let mut fields = sample();
        fields.push(b"B", b"1");
        assert_eq!(
            lines(&fields),
            "Accept: text/html\r\nX-Tag: \r\nACCEPT: image/png\r\nB: 1\r\n"
        );
        fields.remove(b"x-tag");
        assert_eq!(
            lines(&fields),
            "Accept: text/html\r\nACCEPT: image/png\r\nB: 1\r\n"
        );
        fields.retain(|name| name == b"B");
        assert_eq!(lines(&fields), "B: 1\r\n");
        fields.clear();
        assert_eq!(lines(&fields), "");
    }

    #[test]
    fn a_copy_has_the_lines_that_are_wanted() {
        let mut copy = Fields::new();
        copy.push(b"Old", b"1");
        copy.copy_kept(&sample(), |name| name.eq_ignore_ascii_case(b"accept"));
        copy.push(b"New", b"2");
        assert_eq!(
            lines(&copy),
            "Accept: text/html\r\nACCEPT: image/png\r\nNew: 2\r\n"
        );
    }

    #[test]
    fn a_block_reads_the_same_however_its_lines_are_written() {
        let parts: [(&[u8], &[u8]); 3] = [(b"A", b"1 2"), (b"B", b""), (b"c", b"x:y")];
        for block in [
            "A: 1 2\r\nB: \r\nc: x:y\r\n\r\n",
            "A:1 2\r\nB: \r\nc: x:y\r\n\r\n",
            "A: 1 2\r\nB:\r\nc: x:y\r\n\r\n",
            "A: 1 2 \r\nB: \r\nc: x:y\r\n\r\n",
            "A:  1 2\r\nB: \r\nc: x:y\r\n\r\n",
            "A: 1 2\r\nB: \t\r\nc: x:y\r\n\r\n",
            "A: 1 2\r\nB: \r\nc: \tx:y\t\r\n\r\n",
        ] {
            let mut fields = sample();
            fields.read_block(block.as_bytes(), parts.iter().copied());
            assert_eq!(fields.iter().collect::<Vec<_>>(), parts, "{block:?}");
            assert_eq!(lines(&fields), "A: 1 2\r\nB: \r\nc: x:y\r\n");
        }
    }

    proptest! {
        #[test]
        fn what_was_set_last_is_what_is_there(
            steps in prop::collection::vec(("[abAB]", "[ -~]{0,5}", any::<bool>()), 0..40)
        ) {
            let mut fields = Fields::new();
            let mut model: Vec<(String, String)> = Vec::new();
            for (name, value, replaces) in steps {
                if replaces {
                    fields.set(name.as_bytes(), value.as_bytes());
                    model.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
                } else {
                    fields.push(name.as_bytes(), value.as_bytes());
                }
                model.push((name, value));
            }
            let wanted: Vec<_> = model.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            prop_assert_eq!(fields.iter().collect::<Vec<_>>(), wanted);
            prop_assert_eq!(fields.size_bytes(), model.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>());
        }
    }
}
