//! When a certificate ends: the one thing of X.509 that is read here (RFC 5280 §4.1.2.5). Nothing is verified.

use crate::wire::date::UnixSeconds;
use crate::wire::date::parse_amz_date;

/// DER tags (X.690 §8).
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// Two digits of a year below this are of this century (RFC 5280 §4.1.2.5.1).
const CENTURY_TURNS: &[u8] = b"50";

/// `notAfter` of a certificate in DER; `None` if these bytes are none.
#[must_use]
pub fn not_after(der: &[u8]) -> Option<UnixSeconds> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (signed, _) = expect(certificate, SEQUENCE)?;
    let rest = match element(signed)? {
        (VERSION, _, rest) => rest,
        _ => signed,
    };
    let (_serial, rest) = expect(rest, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_, _not_before, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, text)
}

/// Whole seconds in UTC, as RFC 5280 wants them.
fn time(tag: u8, text: &[u8]) -> Option<UnixSeconds> {
    let full = match tag {
        UTC_TIME => {
            let century: &[u8] = if text.get(..2)? < CENTURY_TURNS {
                b"20"
            } else {
                b"19"
            };
            [century, text].concat()
        }
        GENERALIZED_TIME => text.to_vec(),
        _ => return None,
    };
    let (day, clock) = full.split_at_checked(b"YYYYMMDD".len())?;
    parse_amz_date(&[day, b"T", clock].concat())
}

fn expect(input: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(input)?;
    (tag == wanted).then_some((content, rest))
}

/// Tag, content and what follows, of an element whose length is definite (X.690 §10.1).
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0usize, |length, &digit| length << 8 | usize::from(digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;
    use rcgen::KeyPair;
    use rcgen::date_time_ymd;

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 2, 3);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        // Seconds of 3 February in 2030, 2049, which are UTCTime, and of 2051, which is GeneralizedTime.
        for (year, seconds) in [
            (2030, 1_896_307_200),
            (2049, 2_495_923_200),
            (2051, 2_558_995_200),
        ] {
            let end = not_after(&certificate(year));
            assert_eq!(end, Some(UnixSeconds(seconds)), "{year}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(2030);
        for cut in 0..whole.len() {
            assert_eq!(not_after(&whole[..cut]), None, "cut at {cut}");
        }
        for bytes in [
            &b""[..],
            b"0",
            b"0\x80",
            b"0\x85\x01",
            b"0\x84\xff\xff\xff\xff",
            b"\x30\x02\x30\x00",
        ] {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
        assert_eq!(time(UTC_TIME, b"301332000000Z"), None);
        assert_eq!(time(UTC_TIME, b"3"), None);
        assert_eq!(time(GENERALIZED_TIME, b"20300203"), None);
    }
}
