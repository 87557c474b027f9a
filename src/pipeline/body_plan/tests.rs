use std::fs;

use serde_json::Value;

use super::*;
use crate::api::binary_media_types::BinaryMediaTypes;
use crate::api::content_handling::{BodyClass, request_conversion, response_conversion};

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/vectors/payload-conversion.json"
);

fn vectors() -> Value {
    serde_json::from_str(&fs::read_to_string(VECTORS).unwrap()).unwrap()
}

fn media_types(vector: &Value) -> BinaryMediaTypes {
    let listed = vector["binaryMediaTypes"].as_array();
    let listed = listed
        .into_iter()
        .flatten()
        .map(|entry| entry.as_str().unwrap().to_owned());
    BinaryMediaTypes::new(&listed.collect::<Vec<_>>())
}

fn header<'v>(vector: &'v Value, name: &str) -> Option<&'v [u8]> {
    vector[name].as_str().map(str::as_bytes)
}

fn handling(vector: &Value) -> Option<ContentHandling> {
    vector["contentHandling"].as_str().map(|name| match name {
        "CONVERT_TO_BINARY" => ContentHandling::ConvertToBinary,
        "CONVERT_TO_TEXT" => ContentHandling::ConvertToText,
        other => panic!("{other}"),
    })
}

fn class_name(class: BodyClass) -> &'static str {
    match class {
        BodyClass::Text => "text",
        BodyClass::Binary => "binary",
    }
}

fn operation_name(conversion: Conversion) -> &'static str {
    match conversion {
        Conversion::Identity => "identity",
        Conversion::Utf8 => "utf8",
        Conversion::Base64Encode => "base64-encode",
        Conversion::Base64Decode => "base64-decode",
    }
}

/// The conversion that heads give, after comparing classes and operation with the vector.
fn request_operation(vector: &Value) -> Conversion {
    let class = media_types(vector).class(header(vector, "content_type"));
    assert_eq!(class_name(class), vector["class"], "{vector}");
    let conversion = request_conversion(class, handling(vector));
    assert_eq!(operation_name(conversion), vector["operation"], "{vector}");
    conversion
}

fn response_operation(vector: &Value) -> Conversion {
    let types = media_types(vector);
    let payload = types.class(header(vector, "backend_content_type"));
    let accept = types.class(header(vector, "accept"));
    assert_eq!(class_name(payload), vector["payload_class"], "{vector}");
    assert_eq!(class_name(accept), vector["accept_class"], "{vector}");
    let conversion = response_conversion(payload, accept, handling(vector));
    assert_eq!(operation_name(conversion), vector["operation"], "{vector}");
    conversion
}

fn converted(content: BodyContent<'_>, pieces: &[&[u8]]) -> Result<Vec<u8>, ConversionError> {
    let mut converter = BodyConverter::new(content);
    let mut out = Vec::new();
    for piece in pieces {
        converter.push(piece, &mut out)?;
    }
    converter.finish(&mut out)?;
    Ok(out)
}

/// The result in one piece, after finding it the same at every cut and byte by byte, and of the announced length.
fn converted_every_way(content: BodyContent<'_>, body: &[u8]) -> Result<Vec<u8>, ConversionError> {
    let whole = converted(content, &[body]);
    for cut in 0..=body.len() {
        let (head, tail) = body.split_at(cut);
        assert_eq!(converted(content, &[head, tail]), whole, "cut at {cut}");
    }
    assert_eq!(
        converted(content, &body.chunks(1).collect::<Vec<_>>()),
        whole,
        "byte by byte"
    );
    if let (Ok(out), Some(announced)) = (&whole, content.output_len(Some(body.len() as u64))) {
        assert_eq!(out.len() as u64, announced);
    }
    whole
}

/// Decoder of the vectors themselves, so that the code under test does not check itself.
fn bytes_of(vector: &Value, name: &str) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(vector[name].as_str().unwrap())
        .unwrap()
}

fn run_case(conversion: Conversion, vector: &Value) {
    let result = converted_every_way(
        BodyContent::Converted(conversion),
        &bytes_of(vector, "in_base64"),
    );
    if vector["expect_status"] == 500 {
        assert!(
            matches!(result, Err(ConversionError::NotBase64(_))),
            "{vector}"
        );
    } else {
        assert_eq!(vector["expect_status"], "pass");
        assert_eq!(result.unwrap(), bytes_of(vector, "out_base64"), "{vector}");
    }
}

#[test]
fn heads_give_the_class_and_operation_of_every_vector() {
    let vectors = vectors();
    let requests = vectors["classes"]["request"].as_array().unwrap();
    let responses = vectors["classes"]["response"].as_array().unwrap();
    assert_eq!((requests.len(), responses.len()), (27, 42));
    for vector in requests {
        request_operation(vector);
    }
    for vector in responses {
        response_operation(vector);
    }
}

#[test]
fn every_request_body_vector_passes_at_every_cut() {
    let vectors = vectors();
    let cases = vectors["request"].as_array().unwrap();
    assert_eq!(cases.len(), 243);
    for vector in cases {
        run_case(request_operation(vector), vector);
    }
}

#[test]
fn every_response_body_vector_passes_at_every_cut() {
    let vectors = vectors();
    let cases = vectors["response"].as_array().unwrap();
    assert_eq!(cases.len(), 378);
    for vector in cases {
        run_case(response_operation(vector), vector);
    }
}

fn around(conversion: TextConversion) -> BodyContent<'static> {
    BodyContent::Around {
        conversion,
        before: "{\"b\": \"",
        after: "\"}",
    }
}

#[test]
fn template_text_stands_around_the_converted_body() {
    let encoded = converted_every_way(around(TextConversion::Base64Encode), b"foob").unwrap();
    assert_eq!(encoded, b"{\"b\": \"Zm9vYg==\"}");
    let repaired = converted_every_way(around(TextConversion::Utf8), b"a\xffb\xe2\x82").unwrap();
    assert_eq!(repaired, "{\"b\": \"a\u{fffd}b\u{fffd}\"}".as_bytes());
}

#[test]
fn an_empty_body_reads_as_an_empty_object_in_a_template() {
    for conversion in [TextConversion::Base64Encode, TextConversion::Utf8] {
        let out = converted_every_way(around(conversion), b"").unwrap();
        assert_eq!(out, b"{\"b\": \"{}\"}");
    }
    for conversion in [
        Conversion::Utf8,
        Conversion::Base64Decode,
        Conversion::Base64Encode,
        Conversion::Identity,
    ] {
        assert_eq!(
            converted_every_way(BodyContent::Converted(conversion), b"").unwrap(),
            b""
        );
    }
}

#[test]
fn a_literal_replaces_the_body() {
    let literal = BodyContent::Literal("text");
    assert_eq!(converted_every_way(literal, b"a\xff").unwrap(), b"text");
    assert_eq!(converted_every_way(literal, b"").unwrap(), b"text");
    assert!(literal.ignores_input());
    assert!(!around(TextConversion::Utf8).ignores_input());
}

#[test]
fn length_is_announced_only_where_it_is_sure() {
    let converted = |conversion| BodyContent::Converted(conversion);
    assert_eq!(converted(Conversion::Identity).output_len(Some(7)), Some(7));
    assert_eq!(converted(Conversion::Identity).output_len(None), None);
    assert_eq!(
        converted(Conversion::Base64Encode).output_len(Some(7)),
        Some(12)
    );
    assert_eq!(
        converted(Conversion::Base64Decode).output_len(Some(8)),
        None
    );
    assert_eq!(converted(Conversion::Utf8).output_len(Some(8)), None);
    assert_eq!(
        around(TextConversion::Base64Encode).output_len(Some(7)),
        Some(21)
    );
    assert_eq!(around(TextConversion::Utf8).output_len(Some(7)), None);
    assert_eq!(around(TextConversion::Utf8).output_len(None), None);
    assert_eq!(
        around(TextConversion::Base64Encode).output_len(Some(u64::MAX)),
        None
    );
    assert_eq!(BodyContent::Literal("text").output_len(None), Some(4));
}

#[test]
fn only_the_untouched_body_is_identity() {
    assert!(BodyConverter::new(BodyContent::Converted(Conversion::Identity)).is_identity());
    for content in [
        BodyContent::Converted(Conversion::Utf8),
        around(TextConversion::Utf8),
        BodyContent::Literal(""),
    ] {
        assert!(!BodyConverter::new(content).is_identity(), "{content:?}");
    }
}

#[test]
fn a_request_template_needs_text() {
    let template = Template::compile("[$input.body]").unwrap();
    for conversion in [Conversion::Identity, Conversion::Base64Decode] {
        let plan = RequestBodyPlan::decide(conversion, Some(&template), true);
        assert_eq!(plan, Err(PlanFault::TemplateOnBinary));
        let plan = RequestBodyPlan::decide(conversion, None, true).unwrap();
        assert_eq!(plan.content, BodyContent::Converted(conversion));
    }
    let plan = RequestBodyPlan::decide(Conversion::Base64Encode, Some(&template), true).unwrap();
    assert_eq!(
        plan.content,
        BodyContent::Around {
            conversion: TextConversion::Base64Encode,
            before: "[",
            after: "]"
        }
    );
}

#[test]
fn an_empty_request_template_gives_an_empty_body() {
    let template = Template::compile("").unwrap();
    let plan = RequestBodyPlan::decide(Conversion::Utf8, Some(&template), true).unwrap();
    assert_eq!(plan.content, BodyContent::Literal(""));
}

#[test]
fn a_program_gets_the_body_as_text() {
    let template = Template::compile("$input.json('$')").unwrap();
    let plan = RequestBodyPlan::decide(Conversion::Base64Encode, Some(&template), true).unwrap();
    assert!(matches!(plan.content, BodyContent::Rendered { .. }));
    assert_eq!(plan.content.output_len(Some(3)), None);
    let mut text = Vec::new();
    let mut converter = BodyConverter::new(plan.content);
    converter.push(b"abc", &mut text).unwrap();
    converter.finish(&mut text).unwrap();
    assert_eq!(text, b"YWJj");
    assert_eq!(
        RequestBodyPlan::decide(Conversion::Identity, Some(&template), true),
        Err(PlanFault::TemplateOnBinary)
    );
}

#[test]
fn raw_bytes_pass_by_a_fallback_template_only() {
    let template = Template::compile("text").unwrap();
    let decide = |conversion, handling, template| {
        ResponseBodyPlan::decide(conversion, handling, template, true).map(|plan| plan.content)
    };
    let bytes = Ok(BodyContent::Converted(Conversion::Identity));
    let fault = Err(PlanFault::TemplateOnBinary);
    let to_binary = Some(ContentHandling::ConvertToBinary);
    for (handling, found, wanted) in [
        (None, ResponseTemplate::None, bytes),
        (None, ResponseTemplate::Fallback(&template), bytes),
        (None, ResponseTemplate::Exact(&template), fault),
        (to_binary, ResponseTemplate::None, bytes),
        (to_binary, ResponseTemplate::Fallback(&template), fault),
        (to_binary, ResponseTemplate::Exact(&template), fault),
    ] {
        assert_eq!(
            decide(Conversion::Identity, handling, found),
            wanted,
            "{handling:?} {found:?}"
        );
    }
    let text = Ok(BodyContent::Literal("text"));
    assert_eq!(
        decide(
            Conversion::Utf8,
            None,
            ResponseTemplate::Fallback(&template)
        ),
        text
    );
    assert_eq!(
        decide(
            Conversion::Base64Encode,
            None,
            ResponseTemplate::Exact(&template)
        ),
        text
    );
}

#[test]
fn an_empty_response_template_passes_the_body_through() {
    let template = Template::compile("").unwrap();
    for conversion in [Conversion::Identity, Conversion::Utf8] {
        let plan =
            ResponseBodyPlan::decide(conversion, None, ResponseTemplate::Exact(&template), true)
                .unwrap();
        assert_eq!(plan.content, BodyContent::Converted(conversion));
    }
}
