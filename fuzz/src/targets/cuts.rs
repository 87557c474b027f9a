//! Ways in which the network may cut a stream into pieces.

/// Inputs up to this length are cut at each place.
const EACH_PLACE_BYTES_MAX: usize = 40;

/// The pieces of `input`: single bytes; for a short input two pieces at each place, else at some; and a few mixes of
/// short and long ones that depend on the length alone, so that an input always does the same.
pub(super) fn ways(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut ways = vec![input.chunks(1).collect()];
    let step = input.len().div_ceil(EACH_PLACE_BYTES_MAX).max(1);
    for at in (0..=input.len()).step_by(step) {
        let (first, second) = input.split_at(at);
        ways.push(vec![first, second]);
    }
    let mut state = input.len() as u64 + 1;
    for _ in 0..3 {
        let (mut pieces, mut rest) = (Vec::new(), input);
        while !rest.is_empty() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let wanted = if state >> 63 == 0 {
                1 + (state >> 40) % 4
            } else {
                1 + (state >> 40) % 97
            };
            let (piece, after) = rest.split_at(rest.len().min(usize::try_from(wanted).unwrap()));
            pieces.push(piece);
            rest = after;
        }
        ways.push(pieces);
    }
    ways
}
