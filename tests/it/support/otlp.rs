//! OTLP as the tests read it: by the field numbers of opentelemetry-proto, apart from the code under test.

use std::collections::BTreeMap;

/// A span that a collector got.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadSpan {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty for the root of a trace.
    pub(crate) parent_id: String,
    pub(crate) trace_state: String,
    pub(crate) name: String,
    /// 2 for a server's, 3 for a client's.
    pub(crate) kind: u64,
    pub(crate) began_ns: u64,
    pub(crate) ended_ns: u64,
    /// 2 for an error.
    pub(crate) status: u64,
    pub(crate) flags: u64,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The attributes of the resource and the spans of an `ExportTraceServiceRequest`.
pub(crate) fn read_export(body: &[u8]) -> (BTreeMap<String, String>, Vec<ReadSpan>) {
    let mut resource = BTreeMap::new();
    let mut spans = Vec::new();
    for of_resource in messages(body, 1) {
        for attributes in messages(&of_resource, 1) {
            resource.extend(messages(&attributes, 1).iter().map(|pair| key_value(pair)));
        }
        for scope in messages(&of_resource, 2) {
            spans.extend(messages(&scope, 2).iter().map(|span| read_span(span)));
        }
    }
    (resource, spans)
}

fn read_span(bytes: &[u8]) -> ReadSpan {
    let mut span = ReadSpan::default();
    for (number, field) in fields(bytes) {
        match (number, field) {
            (1, Field::Bytes(id)) => span.trace_id = hex(&id),
            (2, Field::Bytes(id)) => span.span_id = hex(&id),
            (3, Field::Bytes(text)) => span.trace_state = String::from_utf8(text).unwrap(),
            (4, Field::Bytes(id)) => span.parent_id = hex(&id),
            (5, Field::Bytes(text)) => span.name = String::from_utf8(text).unwrap(),
            (6, Field::Number(kind)) => span.kind = kind,
            (7, Field::Number(time)) => span.began_ns = time,
            (8, Field::Number(time)) => span.ended_ns = time,
            (9, Field::Bytes(pair)) => {
                let (key, value) = key_value(&pair);
                let before = span.attributes.insert(key, value);
                assert_eq!(before, None, "an attribute stands twice");
            }
            (15, Field::Bytes(status)) => {
                let code = fields(&status).into_iter().find(|(number, _)| *number == 3);
                span.status = code.map_or(0, |(_, code)| code.number());
            }
            (16, Field::Number(flags)) => span.flags = flags,
            other => panic!("{other:?}"),
        }
    }
    span
}

fn key_value(bytes: &[u8]) -> (String, String) {
    let mut pair = (String::new(), String::new());
    for (number, field) in fields(bytes) {
        match (number, field) {
            (1, Field::Bytes(key)) => pair.0 = String::from_utf8(key).unwrap(),
            (2, Field::Bytes(value)) => {
                let [(number, value)] = &fields(&value)[..] else {
                    panic!("a value of one kind");
                };
                pair.1 = match (number, value) {
                    (1, Field::Bytes(text)) => String::from_utf8(text.clone()).unwrap(),
                    (3, Field::Number(number)) => number.to_string(),
                    other => panic!("{other:?}"),
                };
            }
            other => panic!("{other:?}"),
        }
    }
    pair
}

/// The messages of one field.
fn messages(bytes: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let of_field = |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of_field).collect()
}

#[derive(Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Field {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(bytes) => panic!("{bytes:?}"),
        }
    }
}

/// Protocol Buffers' encoding: a tag of number and wire type, then a varint, 8 bytes, a length and bytes, or 4 bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(little_endian(&mut bytes, 8)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(content.to_vec())
            }
            5 => Field::Number(little_endian(&mut bytes, 4)),
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
    }
    panic!("a number of more than 64 bits");
}

fn little_endian(bytes: &mut &[u8], count: usize) -> u64 {
    let (number, rest) = bytes.split_at(count);
    *bytes = rest;
    number
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
