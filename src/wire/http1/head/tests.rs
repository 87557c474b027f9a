use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 40,
    fields_bytes_max: 60,
    fields_max: 4,
};

fn request(input: &[u8]) -> Result<Option<usize>, HeadError> {
    RequestHead::default().read(input, &HeadLimits::default())
}

fn response(input: &[u8]) -> Result<Option<usize>, HeadError> {
    ResponseHead::default().read(input, &HeadLimits::default())
}

/// A request with one more field line, or broken where the line is.
fn request_with(line: &[u8]) -> Result<Option<usize>, HeadError> {
    request(&[b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat())
}

#[track_caller]
fn assert_accepted(result: Result<Option<usize>, HeadError>) {
    assert!(matches!(result, Ok(Some(_))), "{result:?}");
}

#[test]
fn a_head_is_read_and_the_rest_left() {
    let wire = b"PUT /a?b=%20 HTTP/1.1\r\nHost: h:1\r\nX-Empty:\r\nx-b: \t 1 2\t \r\n\r\nbody";
    let mut head = RequestHead::default();
    assert_eq!(
        head.read(wire, &HeadLimits::default()),
        Ok(Some(wire.len() - 4))
    );
    assert_eq!(head.method(), b"PUT");
    assert_eq!(head.target(), b"/a?b=%20");
    assert_eq!(head.version(), Version::Http11);
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(
        fields,
        [
            (&b"Host"[..], &b"h:1"[..]),
            (b"X-Empty", b""),
            (b"x-b", b"1 2")
        ]
    );
}

#[test]
fn the_next_head_leaves_nothing_of_the_last() {
    let mut head = RequestHead::default();
    let limits = HeadLimits::default();
    assert_accepted(head.read(b"DELETE /long HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", &limits));
    assert_accepted(head.read(b"GET / HTTP/1.0\r\n\r\n", &limits));
    assert_eq!(
        (head.method(), head.target(), head.version()),
        (&b"GET"[..], &b"/"[..], Version::Http10)
    );
    assert!(head.fields.is_empty());
}

#[test]
fn every_proper_prefix_of_a_request_needs_more() {
    let wire = b"\r\nPOST /a HTTP/1.1\r\nHost: h\r\nB: c\r\n\r\n";
    for cut in 0..wire.len() {
        assert_eq!(request(&wire[..cut]), Ok(None), "cut at {cut}");
    }
    assert_eq!(request(wire), Ok(Some(wire.len())));
}

#[test]
fn every_proper_prefix_of_a_response_needs_more() {
    let wire = b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n";
    for cut in 0..wire.len() {
        assert_eq!(response(&wire[..cut]), Ok(None), "cut at {cut}");
    }
    assert_eq!(response(wire), Ok(Some(wire.len())));
}

#[test]
fn one_empty_line_may_precede_a_request() {
    assert_accepted(request(b"\r\nGET / HTTP/1.0\r\n\r\n"));
    assert_eq!(request(b"\r\n\r"), Err(HeadError::LeadingEmptyLines));
    assert_eq!(
        request(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
        Err(HeadError::LeadingEmptyLines)
    );
    assert_eq!(
        request(b"\nGET / HTTP/1.0\r\n\r\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_eq!(
        request(b"\r\n\nGET / HTTP/1.0\r\n\r\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_eq!(
        response(b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
        Err(HeadError::LeadingEmptyLines)
    );
}

#[test]
fn a_bare_line_feed_ends_no_line() {
    assert_eq!(
        request(b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_eq!(
        request(b"GET / HTTP/1.1\r\nHost: a\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_eq!(
        request(b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_eq!(request_with(b"X: a\nY: b"), Err(HeadError::BareLineFeed));
    assert_eq!(
        response(b"HTTP/1.1 200 OK\nA: b\r\n\r\n"),
        Err(HeadError::BareLineFeed)
    );
    assert_accepted(request_with(b"X: a\r\nY: b"));
}

#[test]
fn a_bare_carriage_return_is_refused() {
    for wrong in [
        &b"GET / HTTP/1.1\rHost: a\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(
            request(wrong),
            Err(HeadError::RequestLineMalformed),
            "{wrong:?}"
        );
    }
    assert_eq!(
        request(b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(HeadError::TargetMalformed)
    );
    assert_eq!(
        request_with(b"X: a\rY: b"),
        Err(HeadError::FieldValueMalformed)
    );
    assert_eq!(request_with(b"X: a\r"), Err(HeadError::FieldValueMalformed));
    assert_eq!(request_with(b"X:\r"), Err(HeadError::FieldValueMalformed));
    assert_eq!(request_with(b"X\r: a"), Err(HeadError::FieldNameMalformed));
    assert_eq!(request_with(b"\rX: a"), Err(HeadError::FieldNameMalformed));
}

#[test]
fn request_lines_have_three_parts_and_two_spaces() {
    use HeadError::{MethodMalformed, RequestLineMalformed, TargetMalformed, VersionNotSupported};
    for (line, error) in [
        (&b"GET"[..], RequestLineMalformed),
        (b"GET /", RequestLineMalformed),
        (b"GET / ", RequestLineMalformed),
        (b"GET / HTTP/1.1 ", RequestLineMalformed),
        (b"GET / http/1.1", RequestLineMalformed),
        (b"GET / HTTP/1.", RequestLineMalformed),
        (b"GET / HTTP/1.11", RequestLineMalformed),
        (b"GET / HTTP/1,1", RequestLineMalformed),
        (b"GET / x HTTP/1.1", RequestLineMalformed),
        (b"GET /  HTTP/1.1", RequestLineMalformed),
        (b"GET /\tHTTP/1.1", TargetMalformed),
        (b"GET  / HTTP/1.1", TargetMalformed),
        (b"GET  HTTP/1.1", TargetMalformed),
        (b" GET / HTTP/1.1", MethodMalformed),
        (b"GET\t/ HTTP/1.1", MethodMalformed),
        (b"G(T / HTTP/1.1", MethodMalformed),
        (b"G\0T / HTTP/1.1", MethodMalformed),
        (b"G\xc3\xa4T / HTTP/1.1", MethodMalformed),
        (b"GET / HTTP/0.9", VersionNotSupported),
        (b"GET / HTTP/1.2", VersionNotSupported),
        (b"PRI * HTTP/2.0", VersionNotSupported),
    ] {
        let wire = [line, b"\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(
            request(&wire),
            Err(error),
            "{:?}",
            String::from_utf8_lossy(line)
        );
    }
    assert_accepted(request(b"g!t * HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn targets_are_visible_ascii() {
    for byte in 0..=255u8 {
        let result = request(&[b"GET /", &[byte][..], b"a HTTP/1.0\r\n\r\n"].concat());
        match byte {
            b'!'..=b'~' => assert_accepted(result),
            b'\n' => assert_eq!(result, Err(HeadError::BareLineFeed)),
            // two targets
            b' ' => assert_eq!(result, Err(HeadError::RequestLineMalformed)),
            _ => assert_eq!(result, Err(HeadError::TargetMalformed), "byte {byte}"),
        }
    }
}

#[test]
fn field_names_are_tokens_directly_before_the_colon() {
    for wrong in [
        &b": a"[..],
        b"X : a",
        b"X\t: a",
        b"X Y: a",
        b"X(: a",
        b"X",
        b"X\0: a",
        b"X\xc3: a",
        b"\"X\": a",
    ] {
        assert_eq!(
            request_with(wrong),
            Err(HeadError::FieldNameMalformed),
            "{wrong:?}"
        );
    }
    for right in [&b"X:a"[..], b"X:", b"X: a: b", b"!#$%&'*+-.^_`|~0: a"] {
        assert_accepted(request_with(right));
    }
}

#[test]
fn folded_lines_are_refused() {
    for wrong in [&b"X: a\r\n b"[..], b"X: a\r\n\tb: c", b"X:\r\n b"] {
        assert_eq!(
            request_with(wrong),
            Err(HeadError::FieldNameMalformed),
            "{wrong:?}"
        );
    }
    let first = b"GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    assert_eq!(request(first), Err(HeadError::FieldNameMalformed));
    let folded = b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n";
    assert_eq!(response(folded), Err(HeadError::FieldNameMalformed));
}

#[test]
fn field_values_hold_no_control_bytes() {
    for byte in (0..=255u8).filter(|&byte| byte != b'\n') {
        for value in [&[b'a', byte, b'b'][..], &[byte]] {
            let result = request_with(&[b"X: ", value].concat());
            match byte {
                b'\t' | b' '..=b'~' | 0x80.. => assert_accepted(result),
                _ => assert_eq!(result, Err(HeadError::FieldValueMalformed), "byte {byte}"),
            }
        }
    }
}

#[test]
fn an_http_1_1_request_has_one_host() {
    assert_eq!(
        request(b"GET / HTTP/1.1\r\n\r\n"),
        Err(HeadError::HostMissing)
    );
    assert_accepted(request(b"GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(request_with(b"host: a"), Err(HeadError::HostRepeated));
    let twice = b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n";
    assert_eq!(request(twice), Err(HeadError::HostRepeated));
    let list = b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n";
    assert_eq!(request(list), Err(HeadError::HostMalformed));
    assert_accepted(request(b"GET / HTTP/1.1\r\nHost:\r\n\r\n"));
}

#[test]
fn methods_end_at_their_limit() {
    let at = vec![b'M'; METHOD_BYTES_MAX];
    let over = vec![b'M'; METHOD_BYTES_MAX + 1];
    assert_accepted(request(&[&at[..], b" / HTTP/1.0\r\n\r\n"].concat()));
    assert_eq!(request(&at), Ok(None));
    assert_eq!(request(&over), Err(HeadError::MethodTooLong));
    assert_eq!(
        request(&[&over[..], b" / HTTP/1.0\r\n\r\n"].concat()),
        Err(HeadError::MethodTooLong)
    );
}

#[test]
fn targets_end_at_their_limit_even_unfinished() {
    let mut head = RequestHead::default();
    let at = [b"GET /".to_vec(), vec![b'a'; LIMITS.target_bytes_max - 1]].concat();
    let over = [&at[..], b"a"].concat();
    assert_eq!(head.read(&at, &LIMITS), Ok(None));
    assert_accepted(head.read(&[&at[..], b" HTTP/1.0\r\n\r\n"].concat(), &LIMITS));
    assert_eq!(head.read(&over, &LIMITS), Err(HeadError::TargetTooLong));
    let whole = [&over[..], b" HTTP/1.0\r\n\r\n"].concat();
    assert_eq!(head.read(&whole, &LIMITS), Err(HeadError::TargetTooLong));
}

#[test]
fn names_and_values_end_at_their_limit() {
    let mut head = RequestHead::default();
    let with_value = |len: usize| {
        [
            b"GET / HTTP/1.0\r\nX: ".to_vec(),
            vec![b'a'; len],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    assert_accepted(head.read(&with_value(LIMITS.fields_bytes_max - 1), &LIMITS));
    assert_eq!(head.fields.size_bytes(), LIMITS.fields_bytes_max);
    assert_eq!(
        head.read(&with_value(LIMITS.fields_bytes_max), &LIMITS),
        Err(HeadError::FieldsTooLarge)
    );
}

#[test]
fn unfinished_fields_are_refused_once_they_cannot_fit() {
    let mut head = RequestHead::default();
    let line = b"GET / HTTP/1.0\r\n";
    let unfinished = |len: usize| [&line[..], b"X: ", &vec![b'a'; len - 3]].concat();
    let bytes_max = LIMITS.field_block_bytes_max();
    assert_eq!(head.read(&unfinished(bytes_max), &LIMITS), Ok(None));
    assert_eq!(
        head.read(&unfinished(bytes_max + 1), &LIMITS),
        Err(HeadError::FieldsTooLarge)
    );
    assert_eq!(
        request(&[&line[..], b"X: ", &[b'a'; 20_000]].concat()),
        Err(HeadError::FieldsTooLarge)
    );
}

#[test]
fn blanks_around_values_count_towards_the_block_only() {
    let mut head = RequestHead::default();
    let blanks = |len: usize| {
        [
            b"GET / HTTP/1.0\r\nX:".to_vec(),
            vec![b' '; len],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    let most = LIMITS.field_block_bytes_max() - b"X:\r\n\r\n".len();
    assert_accepted(head.read(&blanks(most), &LIMITS));
    assert_eq!(
        head.read(&blanks(most + 1), &LIMITS),
        Err(HeadError::FieldsTooLarge)
    );
}

#[test]
fn field_lines_end_at_their_limit() {
    let lines = |count: usize| {
        [
            &b"GET / HTTP/1.0\r\n"[..],
            &b"A:\r\n".repeat(count),
            b"\r\n",
        ]
        .concat()
    };
    let mut head = RequestHead::default();
    assert_accepted(head.read(&lines(LIMITS.fields_max), &LIMITS));
    assert_eq!(
        head.read(&lines(LIMITS.fields_max + 1), &LIMITS),
        Err(HeadError::FieldsTooMany)
    );
    for count in [0, 15, 16, 17, FIELDS_MAX] {
        assert_accepted(head.read(&lines(count), &HeadLimits::default()));
        assert_eq!(head.fields.len(), count);
    }
    let wide = HeadLimits {
        fields_max: 1000,
        ..HeadLimits::default()
    };
    assert_eq!(
        head.read(&lines(FIELDS_MAX + 1), &wide),
        Err(HeadError::FieldsTooMany)
    );
    let unfinished = lines(FIELDS_MAX + 1);
    let unfinished = &unfinished[..unfinished.len() - 2];
    assert_eq!(head.read(unfinished, &wide), Err(HeadError::FieldsTooMany));
}

#[test]
fn the_largest_head_fits_the_stated_size() {
    let method = [b'M'; METHOD_BYTES_MAX];
    let target = [b'/'; 40];
    let lines = [
        &b"Host: a\r\nB: c\r\nD: e\r\nF: "[..],
        &[b'a'; 50],
        b"\r\n\r\n",
    ]
    .concat();
    let wire = [
        b"\r\n",
        &method[..],
        b" ",
        &target,
        b" HTTP/1.1\r\n",
        &lines,
    ]
    .concat();
    let mut head = RequestHead::default();
    assert_eq!(
        head.read(
            &wire,
            &HeadLimits {
                target_bytes_max: 40,
                ..LIMITS
            }
        ),
        Ok(Some(wire.len()))
    );
    assert_eq!(head.fields.size_bytes(), LIMITS.fields_bytes_max);
    let status_line = STATUS_LINE_BYTES_MAX + 2;
    assert!(wire.len() <= LIMITS.head_bytes_max());
    assert_eq!(
        LIMITS.head_bytes_max(),
        status_line + LIMITS.field_block_bytes_max()
    );
    let roomy = HeadLimits {
        target_bytes_max: 2000,
        ..LIMITS
    };
    assert_eq!(roomy.head_bytes_max(), wire.len() - 40 + 2000);
}

#[test]
fn what_no_byte_could_mend_is_refused_at_once() {
    assert_eq!(
        request(b"\x16\x03\x01\x02"),
        Err(HeadError::MethodMalformed)
    );
    assert_eq!(request(b"GET /a\xff"), Err(HeadError::TargetMalformed));
    assert_eq!(
        request(b"GET /a HTTP/1.1\rX"),
        Err(HeadError::RequestLineMalformed)
    );
    assert_eq!(response(b"SSH-2.0"), Err(HeadError::StatusLineMalformed));
    assert_eq!(
        response(&[b"HTTP/1.1 200 ", &[b'a'; STATUS_LINE_BYTES_MAX][..]].concat()),
        Err(HeadError::StatusLineMalformed)
    );
}

#[test]
fn status_lines_are_lenient_in_the_reason_phrase_only() {
    for (line, status) in [
        (&b"HTTP/1.1 200 OK"[..], 200),
        (b"HTTP/1.0 404", 404),
        (b"HTTP/1.1 599 ", 599),
        (b"HTTP/1.1 100 a  b\tc\xe4\x01", 100),
    ] {
        let mut head = ResponseHead::default();
        assert_accepted(head.read(&[line, b"\r\n\r\n"].concat(), &HeadLimits::default()));
        assert_eq!(head.status(), status);
    }
    for wrong in [
        &b"HTTP/1.1"[..],
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 +20",
        b"HTTP/1.1 099 x",
        b"HTTP/1.1 600 x",
        b"HTTP/1.1  200",
        b"HTTP/1.1 20a",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200 a\rb",
        b"HTTP/1.1 200 \0",
        b"http/1.1 200 OK",
        b"HTTP/1.1x 200",
        b"ICY 200 OK",
        b"",
    ] {
        let wire = [b"", wrong, b"\r\n\r\n"].concat();
        assert!(
            response(&wire).is_err(),
            "{:?}",
            String::from_utf8_lossy(wrong)
        );
    }
    assert_eq!(
        response(b"HTTP/2.0 200 OK\r\n\r\n"),
        Err(HeadError::VersionNotSupported)
    );
}

#[test]
fn status_lines_end_at_their_limit() {
    let with_reason = |len: usize| {
        [
            b"HTTP/1.1 200 ".to_vec(),
            vec![b'a'; len],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    let most = STATUS_LINE_BYTES_MAX - b"HTTP/1.1 200 ".len();
    let wire = with_reason(most);
    for cut in [wire.len() - 4, wire.len() - 3, wire.len() - 2] {
        assert_eq!(response(&wire[..cut]), Ok(None));
    }
    assert_accepted(response(&wire));
    assert_eq!(
        response(&with_reason(most + 1)),
        Err(HeadError::StatusLineMalformed)
    );
}

#[test]
fn responses_keep_to_the_field_limits() {
    let mut head = ResponseHead::default();
    let with_value = |len: usize| {
        [
            b"HTTP/1.1 200 OK\r\nX: ".to_vec(),
            vec![b'a'; len],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    assert_accepted(head.read(&with_value(LIMITS.fields_bytes_max - 1), &LIMITS));
    assert_eq!(
        head.read(&with_value(LIMITS.fields_bytes_max), &LIMITS),
        Err(HeadError::FieldsTooLarge)
    );
}

#[test]
fn a_synthetic_head_has_a_status_and_no_fields() {
    let head = ResponseHead::synthetic(504);
    assert_eq!(
        (head.status(), head.version(), head.fields.len()),
        (504, Version::Http11, 0)
    );
}

#[test]
fn each_refusal_has_its_status() {
    assert_eq!(HeadError::BareLineFeed.status(), 400);
    assert_eq!(HeadError::HostMissing.status(), 400);
    assert_eq!(HeadError::TargetTooLong.status(), 414);
    assert_eq!(HeadError::FieldsTooLarge.status(), 431);
    assert_eq!(HeadError::FieldsTooMany.status(), 431);
    assert_eq!(HeadError::MethodTooLong.status(), 501);
    assert_eq!(HeadError::VersionNotSupported.status(), 505);
}

#[test]
fn debug_output_holds_no_query_and_no_value() {
    let mut head = RequestHead::default();
    let wire = b"GET /a?X-Amz-Signature=5 HTTP/1.1\r\nHost: a\r\nAuthorization: key\r\n\r\n";
    assert_accepted(head.read(wire, &HeadLimits::default()));
    let shown = format!("{head:?}");
    assert!(
        shown.contains("/a") && shown.contains("Authorization"),
        "{shown}"
    );
    assert!(
        !shown.contains("Signature") && !shown.contains("key"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn what_is_accepted_is_accepted_at_its_last_byte_only(input in "(GET|P)? ?/?[a :]{0,4} ?HTTP/1.[01]\r?\n([HXa]:[ a\t]{0,2}\r?\n){0,3}\r?\n.{0,3}") {
        let input = input.as_bytes();
        if let Ok(Some(used)) = request(input) {
            prop_assert!(used <= input.len());
            prop_assert!(input[..used].ends_with(b"\r\n\r\n"));
            for cut in 0..used {
                prop_assert_eq!(request(&input[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _judged = (request(&input), response(&input));
    }
}
