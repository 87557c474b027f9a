//! Request heads: what is accepted means one thing, is accepted at the same byte however it arrives, and means the
//! same when it is written again.

use sluicegate::wire::http1::encode;
use sluicegate::wire::http1::fields::Fields;
use sluicegate::wire::http1::fields::is_token;
use sluicegate::wire::http1::fields::is_value_byte;
use sluicegate::wire::http1::fields::trim_blanks;
use sluicegate::wire::http1::framing::BodyFraming;
use sluicegate::wire::http1::framing::request_framing;
use sluicegate::wire::http1::head::HeadError;
use sluicegate::wire::http1::head::HeadLimits;
use sluicegate::wire::http1::head::RequestHead;
use sluicegate::wire::http1::head::Version;

/// Small, so that short inputs reach them.
pub const LIMITS: HeadLimits = HeadLimits {
    target_bytes_max: 256,
    fields_bytes_max: 512,
    fields_max: 20,
};

/// Reads `data` as a request head.
pub fn run(data: &[u8]) {
    let mut head = RequestHead::default();
    let outcome = head.read(data, &LIMITS);
    same_however_it_arrives(data, outcome, |bytes| {
        RequestHead::default().read(bytes, &LIMITS)
    });
    let Ok(Some(used)) = outcome else { return };
    lines_end_with_crlf(&data[..used]);
    fields_are_sound(&head.fields);
    assert!(is_token(head.method()) && !head.target().is_empty());
    assert!(head.target().iter().all(u8::is_ascii_graphic));
    let hosts = head.fields.all(b"host").count();
    assert!(hosts == 1 || hosts == 0 && head.version() == Version::Http10);
    framing_is_sole(&head);

    let mut again = RequestHead::default();
    let written = written(&head);
    assert_eq!(again.read(&written, &LIMITS), Ok(Some(written.len())));
    assert_eq!(
        (again.method(), again.target(), again.version()),
        (head.method(), head.target(), head.version())
    );
    assert!(again.fields.iter().eq(head.fields.iter()));
    assert_eq!(request_framing(&again), request_framing(&head));
}

fn written(head: &RequestHead) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write_request_line(&mut out, head.method(), head.target(), b"");
    if head.version() == Version::Http10 {
        out.truncate(out.len() - b"1\r\n".len());
        out.extend_from_slice(b"0\r\n");
    }
    for (name, value) in head.fields.iter() {
        encode::write_field(&mut out, name, value);
    }
    encode::end_head(&mut out);
    out
}

/// A body that is announced is announced once, in one way.
fn framing_is_sole(head: &RequestHead) {
    let lengths: Vec<&[u8]> = head.fields.all(b"content-length").collect();
    let codings: Vec<&[u8]> = head.fields.all(b"transfer-encoding").collect();
    match request_framing(head) {
        Ok(BodyFraming::None) => assert!(lengths.is_empty() && codings.is_empty()),
        Ok(BodyFraming::Length(length)) => {
            assert!(lengths.len() == 1 && codings.is_empty());
            assert!(lengths[0].iter().all(u8::is_ascii_digit));
            assert_eq!(str::from_utf8(lengths[0]).unwrap().parse(), Ok(length));
        }
        Ok(BodyFraming::Chunked) => {
            assert!(
                lengths.is_empty()
                    && codings.len() == 1
                    && codings[0].eq_ignore_ascii_case(b"chunked")
            );
        }
        Ok(BodyFraming::UntilClose) => panic!("a request without an end"),
        Err(_) => assert!(!lengths.is_empty() || !codings.is_empty()),
    }
}

/// No beginning of a head is taken for a whole one, none of a good head is refused, and nothing mends what was refused.
pub fn same_however_it_arrives(
    data: &[u8],
    outcome: Result<Option<usize>, HeadError>,
    read: impl Fn(&[u8]) -> Result<Option<usize>, HeadError>,
) {
    for end in (0..data.len()).step_by(data.len().div_ceil(200).max(1)) {
        let begun = read(&data[..end]);
        match (outcome, begun) {
            (Ok(Some(used)), Ok(Some(early))) => assert!(early == used && used <= end),
            (Ok(Some(used)), Ok(None)) => assert!(end < used),
            (Ok(None) | Err(_), Ok(None)) | (Err(_), Err(_)) => {}
            (_, begun) => panic!("{outcome:?}, but {begun:?} after {end} bytes"),
        }
    }
    match outcome {
        Ok(Some(used)) => {
            assert!((1..=data.len()).contains(&used) && used <= LIMITS.head_bytes_max())
        }
        Ok(None) => assert!(data.len() <= LIMITS.head_bytes_max()),
        Err(error) => assert!((400..=505).contains(&error.status())),
    }
}

/// No CR and no LF but in pairs.
pub fn lines_end_with_crlf(head: &[u8]) {
    assert!(head.ends_with(b"\r\n"));
    for (at, &byte) in head.iter().enumerate() {
        match byte {
            b'\r' => assert_eq!(head.get(at + 1), Some(&b'\n'), "a bare CR"),
            b'\n' => assert_eq!(
                at.checked_sub(1).map(|before| head[before]),
                Some(b'\r'),
                "a bare LF"
            ),
            _ => {}
        }
    }
}

/// Tokens, and values without blanks around them or control bytes in them, within the limits.
pub fn fields_are_sound(fields: &Fields) {
    assert!(fields.len() <= LIMITS.fields_max && fields.size_bytes() <= LIMITS.fields_bytes_max);
    for (name, value) in fields.iter() {
        assert!(is_token(name), "{name:?}");
        assert!(value.iter().copied().all(is_value_byte), "{value:?}");
        assert_eq!(trim_blanks(value), value);
    }
}
