use proptest::prelude::*;

use super::*;

const WIRE: &[u8] =
    b"5;a=\"b\";c\r\nhello\r\n000C\r\n, wide\r\nworl\r\n1\r\nd\r\n0;z\r\nX-Sum: a b\r\nY:\r\n\r\n";
const DATA: &[u8] = b"hello, wide\r\nworld";

/// Decodes piece by piece until done; the data and the bytes used of all pieces.
fn decode_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, usize, bool), ChunkedError> {
    let mut decoder = ChunkedDecoder::new();
    let (mut output, mut used) = (Vec::new(), 0);
    for piece in pieces {
        let before = decoder.is_done();
        let count = decoder.decode(piece, &mut output)?;
        assert!(
            count == piece.len() || decoder.is_done(),
            "bytes left over in the middle"
        );
        assert!(!before || count == 0, "bytes used after the end");
        used += count;
    }
    Ok((output, used, decoder.is_done()))
}

#[track_caller]
fn assert_refused(wire: &[u8], error: ChunkedError) {
    assert_eq!(
        decode_pieces([wire]),
        Err(error),
        "{:?}",
        String::from_utf8_lossy(wire)
    );
    assert_eq!(
        decode_pieces(wire.chunks(1)),
        Err(error),
        "{:?}",
        String::from_utf8_lossy(wire)
    );
}

#[track_caller]
fn assert_decoded(wire: &[u8], data: &[u8]) {
    let wanted = Ok((data.to_vec(), wire.len(), true));
    assert_eq!(
        decode_pieces([wire]),
        wanted,
        "{:?}",
        String::from_utf8_lossy(wire)
    );
}

#[test]
fn any_cut_gives_the_same_data() {
    for cut in 0..=WIRE.len() {
        let pieces = [&WIRE[..cut], &WIRE[cut..]];
        assert_eq!(
            decode_pieces(pieces),
            Ok((DATA.to_vec(), WIRE.len(), true)),
            "cut at {cut}"
        );
    }
}

#[test]
fn single_bytes_give_the_same_data() {
    assert_eq!(
        decode_pieces(WIRE.chunks(1)),
        Ok((DATA.to_vec(), WIRE.len(), true))
    );
}

#[test]
fn a_body_cut_short_is_not_done() {
    for cut in 0..WIRE.len() {
        let (data, used, done) = decode_pieces([&WIRE[..cut]]).unwrap();
        assert!(
            !done && used == cut && DATA.starts_with(&data),
            "cut at {cut}"
        );
    }
}

#[test]
fn what_follows_the_body_is_left() {
    let wire = [WIRE, b"GET / HTTP/1.1\r\n"].concat();
    for cut in 0..=wire.len() {
        let pieces = [&wire[..cut], &wire[cut..]];
        assert_eq!(
            decode_pieces(pieces),
            Ok((DATA.to_vec(), WIRE.len(), true)),
            "cut at {cut}"
        );
    }
}

#[test]
fn output_is_bounded_and_goes_on_where_it_stopped() {
    for max in 1..=DATA.len() + 1 {
        let mut decoder = ChunkedDecoder::new();
        let (mut data, mut at) = (Vec::new(), 0);
        while !decoder.is_done() {
            let mut output = b"kept".to_vec();
            at += decoder
                .decode_bounded(&WIRE[at..], &mut output, max)
                .unwrap();
            assert!(output.starts_with(b"kept") && output.len() <= 4 + max);
            data.extend_from_slice(&output[4..]);
        }
        assert_eq!((data.as_slice(), at), (DATA, WIRE.len()), "max {max}");
    }
}

#[test]
fn without_room_only_what_is_no_data_is_used() {
    let mut decoder = ChunkedDecoder::new();
    let mut output = Vec::new();
    assert_eq!(
        decoder.decode_bounded(b"5\r\nhello\r\n0\r\n\r\n", &mut output, 0),
        Ok(3)
    );
    assert_eq!(
        decoder.decode_bounded(b"hello\r\n0\r\n\r\n", &mut output, 5),
        Ok(12)
    );
    assert!(decoder.is_done());
}

#[test]
fn sizes_are_hex_digits_alone() {
    for wrong in [
        &b"+5\r\n"[..],
        b"-5\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5\t;a\r\n",
        b"0x5\r\n",
        b"5h\r\n",
        b"g\r\n",
        b"\r\n",
        b";a\r\n",
        b"\n",
        b"5_0\r\n",
        b"5,5\r\n",
        b"\0",
        b"5\0",
        b"5.\r\n",
        b"\xef\xbc\x95\r\n",
    ] {
        assert_refused(wrong, ChunkedError::SizeMalformed);
    }
    assert_decoded(b"5\r\nhello\r\n0\r\n\r\n", b"hello");
    assert_decoded(
        b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"01234567890123456789",
    );
}

#[test]
fn sizes_have_at_most_sixteen_digits() {
    assert_decoded(b"0000000000000001\r\na\r\n0000000000000000\r\n\r\n", b"a");
    assert_refused(b"00000000000000001\r\n", ChunkedError::SizeMalformed);
    let largest = b"ffffffffffffffff\r\nab";
    assert_eq!(
        decode_pieces([&largest[..]]),
        Ok((b"ab".to_vec(), largest.len(), false))
    );
    assert_refused(b"10000000000000000\r\n", ChunkedError::SizeMalformed);
    assert_refused(b"fffffffffffffffff\r\n", ChunkedError::SizeMalformed);
}

#[test]
fn lines_end_with_both_bytes() {
    for wrong in [
        &b"5\nhello"[..],
        b"5\r5",
        b"5\r\r\n",
        b"5;a\nhello",
        b"5;a\rb\r\n",
        b"0\n\n",
        b"0\r\n\n",
        b"0\r\n\ra",
        b"0\r\nA: b\n",
        b"0\r\nA: b\rc",
        b"0\r\nA: b\r\r\n",
        b"0\r\nA\n",
    ] {
        assert_refused(wrong, ChunkedError::LineEndMalformed);
    }
}

#[test]
fn data_is_followed_by_a_line_end() {
    for wrong in [
        &b"5\r\nhello\n"[..],
        b"5\r\nhello0\r\n",
        b"5\r\nhello \r\n",
        b"5\r\nhello\r5",
        b"5\r\nhello\r\r\n",
        b"4\r\nhello\r\n",
    ] {
        assert_refused(wrong, ChunkedError::DataEndMalformed);
    }
    assert_decoded(b"6\r\nhello\r\r\n0\r\n\r\n", b"hello\r");
}

#[test]
fn extensions_hold_no_control_byte() {
    for wrong in [&b"5;a\0\r\n"[..], b"5;a\x7f\r\n", b"5;\x0ba\r\n"] {
        assert_refused(wrong, ChunkedError::ExtensionMalformed);
    }
    assert_decoded(b"1; a\t=\"\xe4;\\\"\"\r\nb\r\n0;\r\n\r\n", b"b");
}

#[test]
fn the_extensions_of_a_body_share_one_limit() {
    let chunk = |extension_bytes: usize| {
        [
            b"1".to_vec(),
            vec![b';'; extension_bytes],
            b"\r\nb\r\n".to_vec(),
        ]
        .concat()
    };
    let half = EXTENSION_BYTES_MAX / 2;
    assert_decoded(
        &[
            chunk(half),
            chunk(EXTENSION_BYTES_MAX - half),
            LAST_CHUNK.to_vec(),
        ]
        .concat(),
        b"bb",
    );
    assert_refused(
        &[chunk(half), chunk(EXTENSION_BYTES_MAX - half + 1)].concat(),
        ChunkedError::ExtensionsTooLarge,
    );
}

#[test]
fn trailers_are_field_lines() {
    for wrong in [
        &b"0\r\n: a\r\n\r\n"[..],
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA\r\n\r\n",
        b"0\r\nA: b\r\n c\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        b"0\r\nA: b\0\r\n\r\n",
        b"0\r\nA\0: b\r\n\r\n",
    ] {
        assert_refused(wrong, ChunkedError::TrailerMalformed);
    }
    assert_decoded(b"0\r\nA:b\r\nC: \xe4 :\r\n\r\n", b"");
}

#[test]
fn trailers_end_at_their_limit() {
    let with_trailer = |len: usize| {
        [
            b"0\r\nA:".to_vec(),
            vec![b'b'; len - 4],
            b"\r\n\r\n".to_vec(),
        ]
        .concat()
    };
    assert_decoded(&with_trailer(TRAILER_BYTES_MAX), b"");
    assert_refused(
        &with_trailer(TRAILER_BYTES_MAX + 1),
        ChunkedError::TrailersTooLarge,
    );
}

#[test]
fn a_refused_body_stays_refused() {
    let mut decoder = ChunkedDecoder::new();
    let mut output = Vec::new();
    let error = Err(ChunkedError::SizeMalformed);
    assert_eq!(decoder.decode(b"1\r\na\r\nx", &mut output), error);
    assert_eq!(output, b"a");
    assert_eq!(decoder.decode(LAST_CHUNK, &mut output), error);
    assert!(!decoder.is_done());
}

#[test]
fn headers_are_written_in_front_of_the_data() {
    for (len, header) in [
        (1, "1\r\n"),
        (16, "10\r\n"),
        (65_536, "10000\r\n"),
        (usize::MAX, "ffffffffffffffff\r\n"),
    ] {
        let mut out = b"before ".to_vec();
        write_chunk_header(&mut out, len);
        assert_eq!(out, format!("before {header}").into_bytes());
        let mut headroom = [b'.'; CHUNK_HEADER_BYTES_MAX];
        let used = write_chunk_header_before(&mut headroom, len);
        assert_eq!(
            headroom.split_at(CHUNK_HEADER_BYTES_MAX - used).1,
            header.as_bytes()
        );
        assert!(headroom.iter().rev().skip(used).all(|&byte| byte == b'.'));
    }
}

proptest! {
    #[test]
    fn written_chunks_read_back_at_any_cuts(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        piece_len in 1..60usize,
        max in 1..50usize,
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            write_chunk_header(&mut wire, chunk.len());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(LAST_CHUNK);
        prop_assert_eq!(decode_pieces(wire.chunks(piece_len)), Ok((chunks.concat(), wire.len(), true)));

        let mut decoder = ChunkedDecoder::new();
        let mut output = Vec::new();
        for mut piece in wire.chunks(piece_len) {
            while !piece.is_empty() {
                let before = output.len();
                let used = decoder.decode_bounded(piece, &mut output, max).unwrap();
                prop_assert!(used > 0 && output.len() - before <= max);
                piece = &piece[used..];
            }
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(output, chunks.concat());
    }

    #[test]
    fn any_bytes_give_the_same_at_any_cut(wire in "[015aA;:\r\n+ x]{0,40}", cut in 0..40usize) {
        let wire = wire.as_bytes();
        let cut = cut.min(wire.len());
        prop_assert_eq!(decode_pieces([wire]), decode_pieces([&wire[..cut], &wire[cut..]]));
    }
}
