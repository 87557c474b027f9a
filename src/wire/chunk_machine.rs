//! What the two chunked codings have in common: chunk data between bytes that are looked at one by one.

/// What a decoder takes next.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) enum Wanted<E> {
    /// Nothing: the body has ended.
    Nothing,
    /// Nothing: it was refused.
    Refused(E),
    /// Chunk data, this many bytes at most.
    Data(u64),
    /// One byte of the coding.
    Byte,
}

/// A decoder of chunks.
pub(in crate::wire) trait ChunkMachine {
    /// Why a body is refused.
    type Fault;

    fn wanted(&self) -> Wanted<Self::Fault>;

    /// Takes data, which is not empty, of a chunk with `left` bytes to come.
    fn take_data(&mut self, left: u64, data: &[u8]);

    /// Takes one byte of the coding.
    fn take_byte(&mut self, byte: u8);
}

/// Feeds `input`, appends at most `max` bytes of data to `out`, and tells how much of `input` was used.
pub(in crate::wire) fn feed<M: ChunkMachine>(
    machine: &mut M,
    input: &[u8],
    out: &mut Vec<u8>,
    max: usize,
) -> Result<usize, M::Fault> {
    let (mut rest, mut room) = (input, max);
    loop {
        match machine.wanted() {
            Wanted::Nothing => break,
            Wanted::Refused(fault) => return Err(fault),
            Wanted::Data(left) => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                let (data, after) = rest.split_at_checked(most).unwrap_or((rest, b""));
                if data.is_empty() {
                    break;
                }
                out.extend_from_slice(data);
                rest = after;
                room -= data.len();
                machine.take_data(left, data);
            }
            Wanted::Byte => {
                let Some((&byte, after)) = rest.split_first() else {
                    break;
                };
                rest = after;
                machine.take_byte(byte);
            }
        }
    }
    Ok(input.len() - rest.len())
}
