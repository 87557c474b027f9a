//! Values in a line. No value ends a line, a JSON or XML string, or a column, whatever a client sent: what is not plain
//! ASCII is written as `\uXXXX`, which a JSON reader reads back.

/// Bytes of a value that are written; three dots stand for the rest.
pub(super) const VALUE_BYTES_MAX: usize = 2048;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `value`. Without quotes around it, blanks and commas are escaped as well: they would be the end of a column.
pub(super) fn write(value: &[u8], quoted: bool, out: &mut Vec<u8>) {
    let kept = value.get(..VALUE_BYTES_MAX);
    for chunk in kept.unwrap_or(value).utf8_chunks() {
        for character in chunk.valid().chars() {
            write_character(character, quoted, out);
        }
        if !chunk.invalid().is_empty() {
            write_character(char::REPLACEMENT_CHARACTER, quoted, out);
        }
    }
    if kept.is_some_and(|kept| kept.len() < value.len()) {
        out.extend_from_slice(b"...");
    }
}

fn write_character(character: char, quoted: bool, out: &mut Vec<u8>) {
    match character {
        '\\' => out.extend_from_slice(b"\\\\"),
        // ends of strings in JSON, XML and HTML
        '"' | '\'' | '<' | '>' | '&' => write_units(character, out),
        ' ' | ',' if !quoted => write_units(character, out),
        ' '..='~' => out.extend(u8::try_from(character)),
        _ => write_units(character, out),
    }
}

/// `\u` and four hexadecimal digits for each UTF-16 unit (RFC 8259 §7).
fn write_units(character: char, out: &mut Vec<u8>) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            let digit = HEX.get(usize::from(*unit >> shift & 0xf));
            out.extend(digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &[u8], quoted: bool) -> String {
        let mut out = Vec::new();
        write(value, quoted, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_ends_a_string_or_a_line_is_escaped() {
        assert_eq!(written(b"a\"b\\c'd", true), r"a\u0022b\\c\u0027d");
        assert_eq!(
            written(b"a\r\nb\0\x1b[31m\x7f", true),
            r"a\u000d\u000ab\u0000\u001b[31m\u007f"
        );
        assert_eq!(written(b"</r>&", true), r"\u003c/r\u003e\u0026");
        assert_eq!(
            written("é\u{2028}\u{202e}\u{85}😀".as_bytes(), true),
            r"\u00e9\u2028\u202e\u0085\ud83d\ude00"
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        assert_eq!(written(b"a\xffb\xc3", true), r"a\ufffdb\ufffd");
    }

    #[test]
    fn blanks_and_commas_pass_between_quotes_only() {
        assert_eq!(written(b"a b,c", true), "a b,c");
        assert_eq!(written(b"a b,c", false), r"a\u0020b\u002cc");
    }

    #[test]
    fn every_byte_is_read_back_from_json() {
        for byte in 0..=0x7f_u8 {
            for quoted in [true, false] {
                let json = format!("\"{}\"", written(&[byte], quoted));
                let read: String = serde_json::from_str(&json).unwrap();
                assert_eq!(read.as_bytes(), [byte], "{json}");
            }
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let longest = vec![b'a'; VALUE_BYTES_MAX];
        assert_eq!(written(&longest, true).len(), VALUE_BYTES_MAX);
        let longer = vec![b'a'; VALUE_BYTES_MAX + 1];
        assert_eq!(
            written(&longer, true),
            format!("{}...", "a".repeat(VALUE_BYTES_MAX))
        );
    }
}
