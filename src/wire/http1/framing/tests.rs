use super::*;
use crate::wire::http1::head::HeadLimits;

fn request(version: &str, fields: &str) -> Result<BodyFraming, FramingError> {
    let wire = format!("PUT / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
    let mut head = RequestHead::default();
    assert_eq!(
        head.read(wire.as_bytes(), &HeadLimits::default()),
        Ok(Some(wire.len()))
    );
    request_framing(&head)
}

fn response(
    method: &str,
    status: u16,
    version: &str,
    fields: &str,
) -> Result<BodyFraming, FramingError> {
    let wire = format!("HTTP/{version} {status} x\r\n{fields}\r\n");
    let mut head = ResponseHead::default();
    assert_eq!(
        head.read(wire.as_bytes(), &HeadLimits::default()),
        Ok(Some(wire.len()))
    );
    response_framing(method.as_bytes(), &head)
}

#[test]
fn content_length_takes_digits_only() {
    for (value, length) in [
        ("0", 0),
        ("5", 5),
        ("005", 5),
        (" 5 ", 5),
        ("18446744073709551615", u64::MAX),
    ] {
        let fields = format!("Content-Length:{value}\r\n");
        assert_eq!(
            request("1.1", &fields),
            Ok(BodyFraming::Length(length)),
            "{value}"
        );
    }
    for value in [
        "",
        "+5",
        "-5",
        "5 5",
        "5,5",
        "5, 5",
        "5;",
        "0x5",
        "5.0",
        "5e1",
        "a",
        "\u{0665}",
        "\"5\"",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000005",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        assert_eq!(
            request("1.1", &fields),
            Err(FramingError::ContentLengthMalformed),
            "{value}"
        );
        assert_eq!(
            response("GET", 200, "1.1", &fields),
            Err(FramingError::ContentLengthMalformed),
            "{value}"
        );
    }
}

#[test]
fn content_length_stands_once() {
    for fields in [
        "Content-Length: 5\r\ncontent-length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        assert_eq!(
            request("1.1", fields),
            Err(FramingError::ContentLengthRepeated)
        );
        assert_eq!(
            response("GET", 200, "1.1", fields),
            Err(FramingError::ContentLengthRepeated)
        );
        assert_eq!(
            response("HEAD", 200, "1.1", fields),
            Err(FramingError::ContentLengthRepeated)
        );
    }
    assert_eq!(
        request("1.1", "Content-Lengths: 5\r\nContent-Length: 5\r\n"),
        Ok(BodyFraming::Length(5))
    );
}

#[test]
fn length_and_transfer_encoding_exclude_each_other() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: x\r\nContent-Length: y\r\n",
    ] {
        assert_eq!(
            request("1.1", fields),
            Err(FramingError::LengthAndTransferEncoding)
        );
        assert_eq!(
            response("GET", 200, "1.1", fields),
            Err(FramingError::LengthAndTransferEncoding)
        );
    }
}

#[test]
fn transfer_encoding_is_chunked_and_nothing_else() {
    for value in ["chunked", "CHUNKED", "\tChunked "] {
        let fields = format!("Transfer-Encoding:{value}\r\n");
        assert_eq!(request("1.1", &fields), Ok(BodyFraming::Chunked), "{value}");
        assert_eq!(
            response("GET", 200, "1.1", &fields),
            Ok(BodyFraming::Chunked),
            "{value}"
        );
    }
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "identity",
        "xchunked",
        "chunke",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(
            request("1.1", &fields),
            Err(FramingError::TransferCodingUnknown),
            "{value}"
        );
    }
    for value in [
        "",
        ",",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked, gzip, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked chunked",
        "chunked/1",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(
            request("1.1", &fields),
            Err(FramingError::TransferEncodingMalformed),
            "{value}"
        );
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(
        request("1.1", twice),
        Err(FramingError::TransferEncodingRepeated)
    );
    let hidden = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    assert_eq!(
        request("1.1", hidden),
        Err(FramingError::TransferEncodingRepeated)
    );
}

#[test]
fn http_1_0_knows_no_transfer_encoding() {
    let fields = "Transfer-Encoding: chunked\r\n";
    assert_eq!(
        request("1.0", fields),
        Err(FramingError::TransferEncodingInHttp10)
    );
    assert_eq!(
        response("GET", 200, "1.0", fields),
        Err(FramingError::TransferEncodingInHttp10)
    );
    assert_eq!(
        request("1.0", "Content-Length: 5\r\n"),
        Ok(BodyFraming::Length(5))
    );
}

#[test]
fn a_request_without_either_has_no_body_and_a_response_ends_with_its_connection() {
    assert_eq!(request("1.1", ""), Ok(BodyFraming::None));
    assert_eq!(response("GET", 200, "1.1", ""), Ok(BodyFraming::UntilClose));
    assert_eq!(response("GET", 200, "1.0", ""), Ok(BodyFraming::UntilClose));
}

#[test]
fn some_responses_never_have_a_body() {
    for (method, status) in [("HEAD", 200), ("HEAD", 404), ("GET", 304)] {
        for fields in [
            "",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(
                response(method, status, "1.1", fields),
                Ok(BodyFraming::None),
                "{method} {status} {fields}"
            );
        }
    }
    for status in [100, 103, 199, 204] {
        for fields in ["", "Content-Length: 0\r\n"] {
            assert_eq!(
                response("PUT", status, "1.1", fields),
                Ok(BodyFraming::None),
                "{status}"
            );
        }
        for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            assert_eq!(
                response("PUT", status, "1.1", fields),
                Err(FramingError::BodyNotAllowed),
                "{status}"
            );
        }
    }
    for (method, status) in [("head", 200), ("GET", 200), ("PUT", 205), ("GET", 303)] {
        assert_eq!(
            response(method, status, "1.1", "Content-Length: 5\r\n"),
            Ok(BodyFraming::Length(5)),
            "{method} {status}"
        );
    }
}

#[test]
fn an_unknown_coding_is_501_and_the_rest_400() {
    assert_eq!(FramingError::TransferCodingUnknown.status(), 501);
    assert_eq!(FramingError::ContentLengthMalformed.status(), 400);
    assert_eq!(FramingError::TransferEncodingMalformed.status(), 400);
}
