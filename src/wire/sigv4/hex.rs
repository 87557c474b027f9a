//! Lower-case hex of 32-byte digests, the only form that SigV4 knows.

/// A signature or SHA-256 digest as 64 lower-case hex digits.
pub type Hex = [u8; 64];

/// Two lower-case digits per byte.
pub(crate) fn encode(digest: &[u8; 32]) -> Hex {
    let mut hex = [0; 64];
    for (digits, byte) in hex.chunks_exact_mut(2).zip(digest) {
        digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}

/// The bytes of exactly 64 lower-case digits; `None` for anything else.
pub(crate) fn decode(hex: &[u8]) -> Option<[u8; 32]> {
    let hex: &Hex = hex.try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, digits) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let &[high, low] = digits else { return None };
        *byte = (value(high)? << 4) | value(low)?;
    }
    Some(digest)
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + (nibble - 10)
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back() {
        let digest: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8 + 7).unwrap());
        let hex = encode(&digest);
        assert!(hex.starts_with(b"070f171f272f"));
        assert_eq!(decode(&hex), Some(digest));
    }

    #[test]
    fn only_64_lower_case_digits_are_a_digest() {
        assert!(decode(&[b'a'; 64]).is_some());
        for wrong in [
            vec![b'a'; 63],
            vec![b'a'; 65],
            vec![b'A'; 64],
            vec![b'g'; 64],
            Vec::new(),
        ] {
            assert_eq!(decode(&wrong), None);
        }
    }
}
