//! The chunked coding: the same at every cut, and never another body than a plain reading of the grammar gives.

use sluicegate::wire::http1::chunked::ChunkedDecoder;
use sluicegate::wire::http1::chunked::ChunkedError;
use sluicegate::wire::http1::chunked::LAST_CHUNK;
use sluicegate::wire::http1::chunked::write_chunk_header;

use super::cuts::ways;

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    output: Vec<u8>,
    /// Bytes used up to the body's end; unless it was reached nothing is told.
    used: Option<usize>,
    fault: Option<ChunkedError>,
}

/// Decodes `data` as a chunked body with whatever follows it.
pub fn run(data: &[u8]) {
    let whole = decoded(&[data], usize::MAX);
    for pieces in ways(data) {
        assert_eq!(decoded(&pieces, usize::MAX), whole, "{pieces:?}");
    }
    for max in [1, 3] {
        assert_eq!(decoded(&[data], max), whole, "{max} bytes at once");
    }
    let Some(used) = whole.used else { return };
    assert_eq!(plain_reading(&data[..used]), whole.output);
    let mut coded = Vec::new();
    for chunk in whole.output.chunks(7) {
        write_chunk_header(&mut coded, chunk.len());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(LAST_CHUNK);
    let again = decoded(&[&coded], usize::MAX);
    assert_eq!(
        (again.output, again.used),
        (whole.output, Some(coded.len()))
    );
}

fn decoded(pieces: &[&[u8]], max: usize) -> Decoded {
    let mut decoder = ChunkedDecoder::new();
    let (mut output, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = output.len();
            match decoder.decode_bounded(rest, &mut output, max) {
                Ok(taken) => {
                    assert!(taken <= rest.len() && output.len() - before <= max);
                    used += taken;
                    rest = &rest[taken..];
                    if rest.is_empty() || taken == 0 {
                        break;
                    }
                }
                Err(fault) => {
                    assert_eq!(
                        decoder.decode(b"0\r\n\r\n", &mut output),
                        Err(fault),
                        "a fault is for good"
                    );
                    return Decoded {
                        output,
                        used: None,
                        fault: Some(fault),
                    };
                }
            }
        }
    }
    let used = decoder.is_done().then_some(used);
    Decoded {
        output,
        used,
        fault: None,
    }
}

/// RFC 9112 §7.1, read without care for what is malformed: the body is known to be well-formed.
fn plain_reading(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line_end = body.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let line = &body[..line_end];
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = usize::from_str_radix(str::from_utf8(&line[..digits]).unwrap(), 16).unwrap();
        body = &body[line_end + 2..];
        if size == 0 {
            assert!(
                body == b"\r\n" || body.ends_with(b"\r\n\r\n"),
                "trailers end with an empty line"
            );
            return data;
        }
        data.extend_from_slice(&body[..size]);
        assert_eq!(&body[size..size + 2], b"\r\n");
        body = &body[size + 2..];
    }
}
