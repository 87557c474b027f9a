//! Request, extended request and trace ids (spec 02, "Ids"). Randomness is an argument.

use smallvec::SmallVec;

use crate::pipeline::trace_context::TraceContext;
use crate::wire::date::UnixSeconds;

/// Bytes of randomness that the ids of one request take: 16 for the UUID, 15 for the extended id, 12 for the trace's
/// root, 8 for its parent.
pub const RANDOM_BYTES: usize = 51;

/// Longest part of a client's trace header that is kept, in bytes.
const TRACE_PART_BYTES_MAX: usize = 64;

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes of a UUID's text, where the extended id begins.
const UUID_BYTES: usize = 36;

/// Where the extended id ends and the trace id begins.
const TRACE_FROM: usize = UUID_BYTES + 16;

/// Room for the text of ids without anything of a client's, which has 126 bytes. Longer ones take storage of their own.
const TEXT_BYTES_COMMON: usize = 128;

type Text = SmallVec<[u8; TEXT_BYTES_COMMON]>;

/// The ids of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestIds {
    /// Request id, extended id and trace id, one after the other. All of it is ASCII: of a client's header only letters, digits
    /// and `-` are taken.
    text: Text,
    trace_context: Option<TraceContext>,
}

impl RequestIds {
    /// Makes the ids; `client_trace` is the client's `X-Amzn-Trace-Id`, whose readable parts are kept.
    #[must_use]
    pub fn new(
        random: &[u8; RANDOM_BYTES],
        time: UnixSeconds,
        client_trace: Option<&[u8]>,
    ) -> Self {
        let mut text = Text::new();
        push_uuid_v4(&mut text, piece(random, 0));
        push_extended_id(&mut text, piece(random, 16));
        let client = client_trace.unwrap_or_default();
        push_trace_id(
            &mut text,
            client,
            time,
            piece(random, 31),
            piece(random, 43),
        );
        Self {
            text,
            trace_context: None,
        }
    }

    /// The same ids for a request that belongs to a trace.
    #[must_use]
    pub fn in_trace(self, trace_context: Option<TraceContext>) -> Self {
        Self {
            trace_context,
            ..self
        }
    }

    /// `x-amzn-RequestId`: a UUID of version 4, lower case.
    #[must_use]
    pub fn request_id(&self) -> &str {
        ascii(self.text.get(..UUID_BYTES))
    }

    /// `x-amz-apigw-id`: 15 characters of the URL alphabet of Base64 and `=`.
    #[must_use]
    pub fn extended_request_id(&self) -> &str {
        ascii(self.text.get(UUID_BYTES..TRACE_FROM))
    }

    /// `X-Amzn-Trace-Id`, as the store gets it and the response repeats it.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        ascii(self.text.get(TRACE_FROM..))
    }

    /// The W3C trace; `None` where traces are not followed.
    #[must_use]
    pub const fn trace_context(&self) -> Option<&TraceContext> {
        self.trace_context.as_ref()
    }
}

/// The `N` random bytes from `at` on, which lie within [`RANDOM_BYTES`].
fn piece<const N: usize>(random: &[u8; RANDOM_BYTES], at: usize) -> [u8; N] {
    let piece = random.get(at..).and_then(<[u8]>::first_chunk);
    piece.copied().unwrap_or([0; N])
}

fn ascii(text: Option<&[u8]>) -> &str {
    std::str::from_utf8(text.unwrap_or_default()).unwrap_or_default()
}

fn push_uuid_v4(out: &mut Text, random: [u8; 16]) {
    let [a, b, c, d, e, f, version, g, variant, h, node @ ..] = random;
    out.extend_from_slice(&hex::<4, 8>([a, b, c, d]));
    out.push(b'-');
    out.extend_from_slice(&hex::<2, 4>([e, f]));
    out.push(b'-');
    out.extend_from_slice(&hex::<2, 4>([version & 0x0f | 0x40, g]));
    out.push(b'-');
    out.extend_from_slice(&hex::<2, 4>([variant & 0x3f | 0x80, h]));
    out.push(b'-');
    out.extend_from_slice(&hex::<6, 12>(node));
}

fn push_extended_id(out: &mut Text, random: [u8; 15]) {
    let character = |byte: u8| BASE64_URL.get(usize::from(byte & 63)).copied();
    out.extend_from_slice(&random.map(|byte| character(byte).unwrap_or(b'A')));
    out.push(b'=');
}

/// The client's Root, Parent and Sampled where it sent them. Without Root a new one; without Parent a new one;
/// without Sampled `1` if a Parent came in, else `0`.
fn push_trace_id(
    out: &mut Text,
    client: &[u8],
    time: UnixSeconds,
    root: [u8; 12],
    parent: [u8; 8],
) {
    out.extend_from_slice(b"Root=");
    match trace_part(client, "Root") {
        Some(kept) => out.extend_from_slice(kept),
        None => {
            let [.., a, b, c, d] = time.0.to_be_bytes();
            out.extend_from_slice(b"1-");
            out.extend_from_slice(&hex::<4, 8>([a, b, c, d]));
            out.push(b'-');
            out.extend_from_slice(&hex::<12, 24>(root));
        }
    }
    out.extend_from_slice(b";Parent=");
    let client_parent = trace_part(client, "Parent");
    match client_parent {
        Some(kept) => out.extend_from_slice(kept),
        None => out.extend_from_slice(&hex::<8, 16>(parent)),
    }
    out.extend_from_slice(b";Sampled=");
    let default: &[u8] = if client_parent.is_some() { b"1" } else { b"0" };
    out.extend_from_slice(trace_part(client, "Sampled").unwrap_or(default));
}

/// The value of `NAME=value` among parts between `;`, if it is of letters, digits and `-` and not too long.
fn trace_part<'c>(client: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let parts = client.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let mut values =
        parts.filter_map(|part| part.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let value = values.next()?;
    let readable = !value.is_empty()
        && value.len() <= TRACE_PART_BYTES_MAX
        && value
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-');
    readable.then_some(value)
}

/// Lower-case hex; `DIGITS` is twice `N`.
fn hex<const N: usize, const DIGITS: usize>(bytes: [u8; N]) -> [u8; DIGITS] {
    const { assert!(DIGITS == 2 * N) };
    let mut digits = [0; DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[byte >> 4, byte & 15].map(hex_digit));
    }
    digits
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' - 10 + nibble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: UnixSeconds = UnixSeconds(0x5f00_0001);

    fn trace(client: &str) -> String {
        let ids = RequestIds::new(&[0xab; RANDOM_BYTES], TIME, Some(client.as_bytes()));
        ids.trace_id().to_owned()
    }

    #[test]
    fn ids_have_the_shapes_of_the_specification() {
        let ids = RequestIds::new(&[0xff; RANDOM_BYTES], TIME, None);
        assert_eq!(ids.request_id(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(ids.extended_request_id(), "_______________=");
        assert_eq!(
            ids.trace_id(),
            "Root=1-5f000001-ffffffffffffffffffffffff;Parent=ffffffffffffffff;Sampled=0"
        );
    }

    #[test]
    fn a_clients_root_is_kept_and_the_rest_made() {
        assert_eq!(
            trace("Root=1-a-b"),
            "Root=1-a-b;Parent=abababababababab;Sampled=0"
        );
        assert_eq!(
            trace("Root=1-a-b;Sampled=1"),
            "Root=1-a-b;Parent=abababababababab;Sampled=1"
        );
    }

    #[test]
    fn a_clients_parent_is_kept_and_sampled() {
        assert_eq!(
            trace("Parent=53; Root=1-a-b"),
            "Root=1-a-b;Parent=53;Sampled=1"
        );
        assert_eq!(
            trace("Parent=53;Root=1-a-b;Sampled=0"),
            "Root=1-a-b;Parent=53;Sampled=0"
        );
    }

    #[test]
    fn unreadable_parts_are_made_anew() {
        let fresh = "Root=1-5f000001-abababababababababababab;Parent=abababababababab;Sampled=0";
        for client in [
            "",
            "Root=",
            "Root=a b",
            "Root=a\u{e9}",
            &format!("Root={}", "a".repeat(65)),
        ] {
            assert_eq!(trace(client), fresh, "{client}");
        }
        assert_ne!(trace(&format!("Root={}", "a".repeat(64))), fresh);
    }
}
