//! `aws-chunked`: the same at every cut; a signed body that was touched anywhere never decodes whole to other bytes.

use std::rc::Rc;

use sluicegate::wire::aws_chunked::decode::Chunks;
use sluicegate::wire::aws_chunked::decode::DecodeError;
use sluicegate::wire::aws_chunked::decode::Decoder;
use sluicegate::wire::aws_chunked::encode;
use sluicegate::wire::date::UnixSeconds;
use sluicegate::wire::sigv4::chunk_signature::ChunkSigner;
use sluicegate::wire::sigv4::credentials::Credentials;
use sluicegate::wire::sigv4::credentials::Secret;
use sluicegate::wire::sigv4::signing_key::SigningKey;

use super::cuts::ways;

const CHECKSUM: &[u8] = b"x-amz-checksum-crc32";

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: Vec<u8>,
    checksum: Option<Vec<u8>>,
    used: Option<usize>,
    fault: Option<DecodeError>,
}

/// The first byte says how the rest is read: unsigned, signed, signed and checked, or as data that is coded and touched.
pub fn run(input: &[u8]) {
    let Some((&kind, wire)) = input.split_first() else {
        return;
    };
    match kind & 3 {
        0 => same_at_every_cut(Chunks::Unsigned, false, wire),
        1 => same_at_every_cut(Chunks::Signed, false, wire),
        2 => same_at_every_cut(Chunks::Signed, true, wire),
        _ => touched(kind, wire),
    }
}

fn same_at_every_cut(chunks: Chunks, check: bool, wire: &[u8]) {
    let whole = decoded(chunks, check, &[wire], usize::MAX);
    for pieces in ways(wire) {
        assert_eq!(
            decoded(chunks, check, &pieces, usize::MAX),
            whole,
            "{pieces:?}"
        );
    }
    assert_eq!(
        decoded(chunks, check, &[wire], 2),
        whole,
        "two bytes at once"
    );
}

/// Codes `data` with its signatures, then changes one byte: the body is refused or stays what it was.
fn touched(kind: u8, data: &[u8]) {
    let (place, data) = match data {
        [high, low, data @ ..] => (usize::from(*high) << 8 | usize::from(*low), data),
        _ => (0, data),
    };
    let trailer = kind & 4 != 0;
    let wire = signed(data, usize::from(kind >> 3) + 1, trailer);
    same_at_every_cut(Chunks::Signed, true, &wire);
    let whole = decoded(Chunks::Signed, true, &[&wire], usize::MAX);
    assert_eq!(
        (whole.data.as_slice(), whole.used),
        (data, Some(wire.len()))
    );
    assert_eq!(whole.checksum.is_some(), trailer);
    let mut changed = wire.clone();
    let at = place % changed.len();
    changed[at] ^= 1 << (kind & 7);
    let read = decoded(Chunks::Signed, true, &[&changed], usize::MAX);
    assert!(
        read.used.is_none() || read.data == data,
        "byte {at} of {wire:?}"
    );
}

fn signer() -> ChunkSigner {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("secret"),
        session_token: None,
    };
    let now = UnixSeconds(1_369_353_600);
    let key = SigningKey::new(&credentials, now, "us-east-1", "s3");
    ChunkSigner::new(Rc::new(key), now, [b'0'; 64])
}

fn signed(data: &[u8], chunk: usize, trailer: bool) -> Vec<u8> {
    let (mut signer, mut out) = (signer(), Vec::new());
    for data in data.chunks(chunk.max(data.len() / 4 + 1)) {
        let mut headroom = [0; encode::HEADROOM];
        let used = encode::write_signed_header(&mut headroom, data.len(), &signer.sign_chunk(data));
        out.extend_from_slice(&headroom[encode::HEADROOM - used..]);
        out.extend_from_slice(data);
        out.extend_from_slice(encode::CRLF);
    }
    let last = signer.sign_chunk(b"");
    if trailer {
        let of_trailer = signer.sign_trailer(b"x-amz-checksum-crc32:AAAAAA==\n");
        encode::write_signed_trailer_end(&last, &[(CHECKSUM, b"AAAAAA==")], &of_trailer, &mut out);
    } else {
        encode::write_signed_end(&last, &mut out);
    }
    out
}

fn decoded(chunks: Chunks, check: bool, pieces: &[&[u8]], max: usize) -> Decoded {
    let mut decoder = Decoder::new(chunks, check.then(signer));
    let (mut data, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = data.len();
            match decoder.decode(rest, &mut data, max) {
                Ok(taken) => {
                    assert!(taken <= rest.len() && data.len() - before <= max);
                    used += taken;
                    rest = &rest[taken..];
                    if rest.is_empty() || taken == 0 {
                        break;
                    }
                }
                Err(fault) => {
                    assert_eq!(
                        decoder.decode(b"0\r\n\r\n", &mut data, 9),
                        Err(fault),
                        "a fault is for good"
                    );
                    return Decoded {
                        data,
                        checksum: None,
                        used: None,
                        fault: Some(fault),
                    };
                }
            }
        }
    }
    let checksum = decoder.trailer(CHECKSUM).map(<[u8]>::to_vec);
    let used = decoder.is_done().then_some(used);
    Decoded {
        data,
        checksum,
        used,
        fault: None,
    }
}
