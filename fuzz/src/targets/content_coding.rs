//! gzip and deflate bodies: never over the limit, and what was coded comes back.

use sluicegate::wire::content_coding::ContentCoding;
use sluicegate::wire::content_coding::Encoder;
use sluicegate::wire::content_coding::decode;

const BYTES_MAX: usize = 64 * 1024;

/// Takes `data` as a coded body, as a body to code, and as an `Accept-Encoding`.
pub fn run(data: &[u8]) {
    let _preferred = ContentCoding::preferred(data);
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
        if let Ok(body) = decode(coding, data, BYTES_MAX) {
            assert!(body.len() <= BYTES_MAX);
        }
        let (mut encoder, mut coded) = (Encoder::new(coding), Vec::new());
        for piece in data.chunks(data.len() / 3 + 1) {
            encoder.push(piece, &mut coded);
        }
        encoder.finish(&mut coded);
        assert_eq!(decode(coding, &coded, data.len()), Ok(data.to_vec()));
        if let Some(short) = data.len().checked_sub(1) {
            assert!(
                decode(coding, &coded, short).is_err(),
                "one byte over the limit"
            );
            assert!(
                decode(coding, &coded[..coded.len() - 1], data.len()).is_err(),
                "cut short"
            );
        }
    }
}
