//! Response heads of a store that may be hostile: as request heads, and a body's end is never guessed.

use sluicegate::wire::http1::encode;
use sluicegate::wire::http1::framing::BodyFraming;
use sluicegate::wire::http1::framing::response_framing;
use sluicegate::wire::http1::head::ResponseHead;
use sluicegate::wire::http1::head::Version;

use super::request_head::LIMITS;
use super::request_head::fields_are_sound;
use super::request_head::lines_end_with_crlf;
use super::request_head::same_however_it_arrives;

/// Reads `data` as a response head.
pub fn run(data: &[u8]) {
    let mut head = ResponseHead::default();
    let outcome = head.read(data, &LIMITS);
    same_however_it_arrives(data, outcome, |bytes| {
        ResponseHead::default().read(bytes, &LIMITS)
    });
    let Ok(Some(used)) = outcome else { return };
    lines_end_with_crlf(&data[..used]);
    fields_are_sound(&head.fields);
    assert!((100..=599).contains(&head.status()));
    for method in [b"GET".as_slice(), b"HEAD", b"PUT"] {
        framing_is_sole(method, &head);
    }

    let mut written = Vec::new();
    encode::write_status_line(&mut written, head.status());
    if head.version() == Version::Http10 {
        written[b"HTTP/1.".len()] = b'0';
    }
    for (name, value) in head.fields.iter() {
        encode::write_field(&mut written, name, value);
    }
    encode::end_head(&mut written);
    let mut again = ResponseHead::default();
    assert_eq!(again.read(&written, &LIMITS), Ok(Some(written.len())));
    assert_eq!(
        (again.status(), again.version()),
        (head.status(), head.version())
    );
    assert!(again.fields.iter().eq(head.fields.iter()));
    assert_eq!(
        response_framing(b"GET", &again),
        response_framing(b"GET", &head)
    );
}

fn framing_is_sole(method: &[u8], head: &ResponseHead) {
    let lengths: Vec<&[u8]> = head.fields.all(b"content-length").collect();
    let codings = head.fields.all(b"transfer-encoding").count();
    let bodiless = matches!(head.status(), 100..=199 | 204 | 304) || method == b"HEAD";
    match response_framing(method, head) {
        Ok(BodyFraming::None) => assert!(bodiless),
        Ok(BodyFraming::Length(length)) => {
            assert!(!bodiless && lengths.len() == 1 && codings == 0);
            assert_eq!(str::from_utf8(lengths[0]).unwrap().parse(), Ok(length));
        }
        Ok(BodyFraming::Chunked) => assert!(!bodiless && lengths.is_empty() && codings == 1),
        Ok(BodyFraming::UntilClose) => assert!(!bodiless && lengths.is_empty() && codings == 0),
        Err(_) => assert!(!lengths.is_empty() || codings > 0),
    }
}
