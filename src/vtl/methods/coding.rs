//! `$util`

use std::rc::Rc;

use crate::vtl::bounded_json;
use crate::vtl::render::error::RenderError;
use crate::vtl::render::machine::Machine;
use crate::vtl::text_form::{push_hex, text_of};
use crate::vtl::value::Value;
use crate::wire::base64;

pub(super) fn call(
    machine: &mut Machine<'_>,
    name: &str,
    arguments: &[Value],
) -> Result<Value, RenderError> {
    let [argument] = arguments else {
        return Ok(Value::Undefined);
    };
    if matches!(argument, Value::Undefined) {
        return Ok(Value::Undefined);
    }
    let argument = match (name, argument) {
        // the others take a String only
        ("escapeJavaScript", other) => text_of(&machine.heap, other, &mut machine.budget)?,
        (_, Value::Text(text)) => Rc::clone(text),
        _ => return Ok(Value::Undefined),
    };
    machine.budget.read(argument.len())?;
    let made = match name {
        "escapeJavaScript" => escape_java_script(&argument),
        "parseJson" => {
            machine.budget.keep(argument.len().saturating_mul(4))?;
            machine.budget.read(argument.len().saturating_mul(4))?;
            let json = bounded_json::parse(&argument).ok_or(RenderError::BadJson)?;
            return machine.heap.import(&json, &mut machine.budget);
        }
        "urlEncode" => url_encode(&argument),
        "urlDecode" => url_decode(&argument).ok_or(RenderError::BadUrlEscape)?,
        "base64Encode" => {
            let mut out = Vec::new();
            let mut encoder = base64::Encoder::new();
            encoder.encode(argument.as_bytes(), &mut out);
            encoder.finish(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
        "base64Decode" => {
            let mut out = Vec::new();
            let mut decoder = base64::Decoder::new();
            decoder
                .decode(argument.as_bytes(), &mut out)
                .and_then(|()| decoder.finish(&mut out))
                .map_err(|_| RenderError::BadBase64)?;
            String::from_utf8_lossy(&out).into_owned()
        }
        _ => return Ok(Value::Undefined),
    };
    machine.budget.text(made.len())?;
    Ok(Value::Text(Rc::from(made)))
}

/// As Apache commons-lang 2.
fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' | '/' => {
                out.push('\\');
                out.push(character);
            }
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='\u{7f}' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut units) {
                    out.push_str("\\u");
                    push_hex(&mut out, u32::from(*unit), 4);
                }
            }
        }
    }
    out
}

/// `application/x-www-form-urlencoded`, as `java.net.URLEncoder`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                push_hex(&mut out, u32::from(byte), 2);
            }
        }
    }
    out
}

/// `None` for a `%` without two hexadecimal digits. Bytes that are no UTF-8 become U+FFFD.
fn url_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
