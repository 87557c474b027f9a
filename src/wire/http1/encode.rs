//! Start lines and fields into a buffer, from parsed parts. Framing fields are computed by the caller, never copied.

use http::StatusCode;

use crate::wire::http1::fields::is_value_byte;

/// The digits of `u64::MAX`.
const NUMBER_DIGITS_MAX: usize = 20;

/// Appends `HTTP/1.1 200 OK` and CRLF; a status without a registered reason phrase gets an empty one.
pub fn write_status_line(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(status));
    out.push(b' ');
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason());
    out.extend_from_slice(reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `METHOD path?query HTTP/1.1` and CRLF; no `?` where the query is empty. All parts must be visible ASCII.
pub fn write_request_line(out: &mut Vec<u8>, method: &[u8], path: &[u8], query: &[u8]) {
    debug_assert!(
        [method, path, query]
            .iter()
            .all(|part| part.iter().all(u8::is_ascii_graphic)),
        "request line of other bytes"
    );
    let question: &[u8] = if query.is_empty() { b"" } else { b"?" };
    for part in [method, b" ", path, question, query, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends `name: value` and CRLF. The value must hold no control byte: mapped values are checked where they are
/// made (spec 02, "Guard values").
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(
        value.iter().copied().all(is_value_byte),
        "control byte in a field value"
    );
    out.reserve(name.len() + value.len() + 4);
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends `name: ` with a decimal value and CRLF.
pub fn write_field_number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    write_number(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Appends the empty line that ends a head.
pub fn end_head(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal digits.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; NUMBER_DIGITS_MAX];
    let (mut rest, mut used) = (number, 0);
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        used += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(NUMBER_DIGITS_MAX - used..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::head::{HeadLimits, RequestHead, ResponseHead};

    #[test]
    fn a_written_response_head_reads_back() {
        let mut out = Vec::new();
        write_status_line(&mut out, 404);
        write_field(&mut out, b"X-A", b"b c");
        write_field_number(&mut out, b"Content-Length", 10_485_760);
        end_head(&mut out);
        assert_eq!(
            out,
            b"HTTP/1.1 404 Not Found\r\nX-A: b c\r\nContent-Length: 10485760\r\n\r\n"
        );
        let mut head = ResponseHead::default();
        assert_eq!(head.read(&out, &HeadLimits::default()), Ok(Some(out.len())));
    }

    #[test]
    fn a_written_request_head_reads_back() {
        let mut out = Vec::new();
        write_request_line(&mut out, b"PUT", b"/a%20b", b"c");
        write_field(&mut out, b"Host", b"s3:80");
        end_head(&mut out);
        assert_eq!(out, b"PUT /a%20b?c HTTP/1.1\r\nHost: s3:80\r\n\r\n");
        let mut head = RequestHead::default();
        assert_eq!(head.read(&out, &HeadLimits::default()), Ok(Some(out.len())));
    }

    #[test]
    fn a_status_without_a_phrase_keeps_its_space() {
        let mut out = Vec::new();
        write_status_line(&mut out, 599);
        assert_eq!(out, b"HTTP/1.1 599 \r\n");
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for number in [0, 9, 10, 99, 100, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    #[should_panic(expected = "control byte")]
    fn a_line_break_in_a_value_is_our_fault() {
        write_field(&mut Vec::new(), b"X-A", b"b\r\nX-C: d");
    }
}
