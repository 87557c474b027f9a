//! Base64 as a stream: at every cut the same as the whole, and as a plain reading of RFC 4648 gives.

use sluicegate::wire::base64::Base64Error;
use sluicegate::wire::base64::Decoder;
use sluicegate::wire::base64::Encoder;
use sluicegate::wire::base64::encoded_len;

use super::cuts::ways;

/// Takes `data` as text to decode and as bytes to encode.
pub fn run(data: &[u8]) {
    let whole = decoded(&[data]);
    assert_eq!(
        whole.as_ref().ok().map(|(_, bytes)| bytes.clone()),
        plain_decoding(data)
    );
    let text = encoded(&[data]);
    assert_eq!(text, plain_encoding(data));
    assert_eq!(text.len() as u64, encoded_len(data.len() as u64));
    for pieces in ways(data) {
        assert_eq!(decoded(&pieces), whole, "{pieces:?}");
        assert_eq!(encoded(&pieces), text, "{pieces:?}");
    }
    assert_eq!(decoded(&[&text]).map(|(_, bytes)| bytes), Ok(data.to_vec()));
}

/// A fault gives the bytes before it.
type Decoded = Result<((), Vec<u8>), (Base64Error, Vec<u8>)>;

fn decoded(pieces: &[&[u8]]) -> Decoded {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for piece in pieces {
        if let Err(fault) = decoder.decode(piece, &mut out) {
            return Err((fault, out));
        }
    }
    match decoder.finish(&mut out) {
        Ok(()) => Ok(((), out)),
        Err(fault) => Err((fault, out)),
    }
}

fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(), Vec::new());
    for piece in pieces {
        encoder.encode(piece, &mut out);
    }
    encoder.finish(&mut out);
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn plain_encoding(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for group in data.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place) & 63) as usize;
            out.push(if place <= group.len() {
                ALPHABET[index]
            } else {
                b'='
            });
        }
    }
    out
}

/// Whole or missing padding; surplus bits of the last character do not count.
fn plain_decoding(text: &[u8]) -> Option<Vec<u8>> {
    let characters = text.iter().take_while(|&&byte| byte != b'=').count();
    let (characters, padding) = text.split_at(characters);
    let wanted: &[u8] = match characters.len() % 4 {
        0 => b"",
        1 => return None,
        2 => b"==",
        _ => b"=",
    };
    if !padding.is_empty() && padding != wanted {
        return None;
    }
    let mut out = Vec::new();
    for quantum in characters.chunks(4) {
        let mut bits = 0u32;
        for &character in quantum {
            bits = bits << 6
                | u32::try_from(ALPHABET.iter().position(|&known| known == character)?).ok()?;
        }
        bits <<= 6 * (4 - quantum.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..quantum.len()]);
    }
    Some(out)
}
