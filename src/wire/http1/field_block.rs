//! The field lines of a head, up to and with the empty line. httparse judges the lines; the end, the line ends
//! and the limits are judged here, since httparse takes a bare LF for a line end.

use httparse::{EMPTY_HEADER, Status};

use crate::wire::http1::fields::Fields;
use crate::wire::http1::head::{FIELDS_MAX, HeadError, HeadLimits};

/// Most heads have no more field lines than this; only others pay for [`FIELDS_MAX`] slots on the stack.
const FIELDS_COMMON: usize = 16;

/// A complete field block at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldBlock {
    /// Bytes, with the empty line.
    pub(super) len: usize,
    /// Field lines.
    pub(super) count: usize,
}

/// Finds the end of the field block. `None`: it is not there yet, and what is there keeps to the limits.
pub(super) fn find(bytes: &[u8], limits: &HeadLimits) -> Result<Option<FieldBlock>, HeadError> {
    let bytes_max = limits.field_block_bytes_max();
    let (mut count, mut line_start) = (0, 0);
    for line_feed in memchr::memchr_iter(b'\n', bytes) {
        if line_feed >= bytes_max {
            return Err(HeadError::FieldsTooLarge);
        }
        match bytes.get(line_start..line_feed).unwrap_or_default() {
            b"\r" => {
                let len = line_feed + 1;
                return Ok(Some(FieldBlock { len, count }));
            }
            [.., b'\r'] => count += 1,
            _ => return Err(HeadError::BareLineFeed),
        }
        if count > limits.fields_max.min(FIELDS_MAX) {
            return Err(HeadError::FieldsTooMany);
        }
        line_start = line_feed + 1;
    }
    if bytes.len() > bytes_max {
        return Err(HeadError::FieldsTooLarge);
    }
    Ok(None)
}

/// Reads the field lines of a whole block into `fields`, values trimmed.
pub(super) fn read(
    fields: &mut Fields,
    block: &[u8],
    count: usize,
    limits: &HeadLimits,
) -> Result<(), HeadError> {
    fields.clear();
    if count <= FIELDS_COMMON {
        read_with_slots::<FIELDS_COMMON>(fields, block)?;
    } else {
        read_with_slots::<FIELDS_MAX>(fields, block)?;
    }
    if fields.len() != count {
        return Err(HeadError::FieldNameMalformed);
    }
    if fields.size_bytes() > limits.fields_bytes_max {
        return Err(HeadError::FieldsTooLarge);
    }
    Ok(())
}

fn read_with_slots<const SLOTS: usize>(fields: &mut Fields, block: &[u8]) -> Result<(), HeadError> {
    let mut slots = [EMPTY_HEADER; SLOTS];
    match httparse::parse_headers(block, &mut slots) {
        // both sides must agree where the block ends
        Ok(Status::Complete((len, headers))) if len == block.len() => {
            let parts = headers.iter();
            fields.read_block(
                block,
                parts.map(|header| (header.name.as_bytes(), header.value)),
            );
            Ok(())
        }
        Err(httparse::Error::HeaderValue) => Err(HeadError::FieldValueMalformed),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::FieldsTooMany),
        Ok(_) | Err(_) => Err(HeadError::FieldNameMalformed),
    }
}
