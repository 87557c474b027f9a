//! The canonical query string (spec 09, "query"): decoded, encoded again, sorted.

use std::ops::Range;

use crate::wire::percent::{self, Keep};

/// The parameter that holds a signature, and so is never part of what is signed.
pub(crate) const SIGNATURE_PARAMETER: &[u8] = b"X-Amz-Signature";

/// Which parameters of the wire query are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryPart {
    /// Each one.
    Whole,
    /// Each one but `X-Amz-Signature`: what a verifier does.
    WithoutSignature,
}

/// Reused storage of encoded parameters.
#[derive(Default)]
pub(crate) struct QueryScratch {
    encoded: Vec<u8>,
    pairs: Vec<Pair>,
}

struct Pair {
    name: Range<usize>,
    value: Range<usize>,
}

impl QueryScratch {
    /// Appends the canonical form of `wire` (no `?`): `a` becomes `a=`, `+` is a plus sign,
    /// `a=1&&b` has two parameters.
    pub(crate) fn write(&mut self, wire: &[u8], part: QueryPart, out: &mut Vec<u8>) {
        self.encoded.clear();
        self.pairs.clear();
        for (name, value) in parameters(wire) {
            let name = self.encode(name);
            if part == QueryPart::WithoutSignature
                && slice(&self.encoded, &name) == SIGNATURE_PARAMETER
            {
                continue;
            }
            let value = self.encode(value);
            self.pairs.push(Pair { name, value });
        }
        let encoded = &self.encoded;
        self.pairs.sort_unstable_by(|a, b| {
            slice(encoded, &a.name)
                .cmp(slice(encoded, &b.name))
                .then_with(|| slice(encoded, &a.value).cmp(slice(encoded, &b.value)))
        });
        for (position, pair) in self.pairs.iter().enumerate() {
            if position > 0 {
                out.push(b'&');
            }
            out.extend_from_slice(slice(encoded, &pair.name));
            out.push(b'=');
            out.extend_from_slice(slice(encoded, &pair.value));
        }
    }

    fn encode(&mut self, wire: &[u8]) -> Range<usize> {
        let start = self.encoded.len();
        percent::recode_into(&mut self.encoded, wire, Keep::Unreserved);
        start..self.encoded.len()
    }
}

/// The still encoded parameters of `wire`; a parameter without `=` has an empty value.
pub(crate) fn parameters(wire: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    wire.split(|&byte| byte == b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = match memchr::memchr(b'=', piece) {
                Some(equals) => piece.split_at(equals),
                None => (piece, [].as_slice()),
            };
            (name, value.strip_prefix(b"=").unwrap_or_default())
        })
}

fn slice<'b>(bytes: &'b [u8], range: &Range<usize>) -> &'b [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(wire: &str, part: QueryPart) -> String {
        let mut out = Vec::new();
        QueryScratch::default().write(wire.as_bytes(), part, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parameters_are_sorted_by_name_then_value() {
        assert_eq!(
            canonical("b=2&b=1&a&a-=3&B=", QueryPart::Whole),
            "B=&a=&a-=3&b=1&b=2"
        );
    }

    #[test]
    fn escapes_are_normalised_and_plus_stays_a_plus() {
        assert_eq!(
            canonical("k=a%2fb/c+d%41&%zz=~%7e", QueryPart::Whole),
            "%25zz=~~&k=a%2Fb%2Fc%2BdA"
        );
    }

    #[test]
    fn only_the_first_equals_sign_parts_name_and_value() {
        assert_eq!(canonical("a=b=c&=v&&", QueryPart::Whole), "=v&a=b%3Dc");
    }

    #[test]
    fn a_verifier_leaves_the_signature_out_however_it_is_encoded() {
        let wire = "X-Amz-Signature=1&a=2&X%2DAmz-Signature=3&x-amz-signature=4";
        assert_eq!(
            canonical(wire, QueryPart::WithoutSignature),
            "a=2&x-amz-signature=4"
        );
        assert_eq!(
            canonical("X-Amz-Signature=1", QueryPart::Whole),
            "X-Amz-Signature=1"
        );
    }
}
