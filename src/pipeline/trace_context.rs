//! W3C Trace Context: the trace that a request belongs to, and this exchange's own place in it. Randomness is an argument.

use crate::wire::http1::fields::Fields;

/// Bytes of randomness: 16 for a trace, 8 for a span.
pub const RANDOM_BYTES: usize = 24;

const TRACE_ID_DIGITS: usize = 32;
const SPAN_ID_DIGITS: usize = 16;
/// `00-<trace id>-<parent id>-<flags>` (Trace Context §3.2.2).
const TRACEPARENT_BYTES: usize = 55;
/// The flags that are passed on: sampled, and that the trace id is random (Trace Context Level 2 §3.2.2.5).
const FLAGS_KEPT: u8 = 0b11;
/// A trace that begins here: its id is random, and nobody has decided to record it.
const FLAGS_OF_NEW: u8 = 0b10;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 0b01;

const TRACEPARENT: &[u8] = b"traceparent";
const TRACESTATE: &[u8] = b"tracestate";

/// A trace, and the span of one exchange in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; TRACE_ID_DIGITS],
    span_id: [u8; SPAN_ID_DIGITS],
    flags: u8,
    /// The client's span, if the trace is the client's.
    parent_id: Option<[u8; SPAN_ID_DIGITS]>,
    /// The span of the call to the upstream, where it has one of its own.
    call_span_id: Option<[u8; SPAN_ID_DIGITS]>,
}

/// What a client says of its trace.
struct Parent {
    trace_id: [u8; TRACE_ID_DIGITS],
    span_id: [u8; SPAN_ID_DIGITS],
    flags: u8,
}

impl TraceContext {
    /// A span in the trace that the client's fields name, else in a new trace.
    #[must_use]
    pub fn new(client: &Fields, random: &[u8; RANDOM_BYTES]) -> Self {
        let (for_trace, for_span) = random.split_at(TRACE_ID_DIGITS / 2);
        let span_id = hex(for_span);
        match sole(client).and_then(read) {
            Some(parent) => Self {
                trace_id: parent.trace_id,
                span_id,
                flags: parent.flags & FLAGS_KEPT,
                parent_id: Some(parent.span_id),
                call_span_id: None,
            },
            None => Self {
                trace_id: hex(for_trace),
                span_id,
                flags: FLAGS_OF_NEW,
                parent_id: None,
                call_span_id: None,
            },
        }
    }

    /// The same trace, recorded or not.
    #[must_use]
    pub const fn recorded(self, sampled: bool) -> Self {
        let flags = if sampled {
            self.flags | SAMPLED
        } else {
            self.flags & !SAMPLED
        };
        Self { flags, ..self }
    }

    /// The same trace, with a span of its own for the call to the upstream.
    #[must_use]
    pub fn with_call_span(self, random: &[u8; SPAN_ID_DIGITS / 2]) -> Self {
        Self {
            call_span_id: Some(hex(random)),
            ..self
        }
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The flags that are passed on.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// The client's span in the trace; `None` if the trace begins here.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        let id = self.parent_id.as_ref()?;
        std::str::from_utf8(id).ok()
    }

    /// What the upstream is told to be part of: the call's span, else the exchange's.
    #[must_use]
    pub fn call_span_id(&self) -> &str {
        let id = self.call_span_id.as_ref().unwrap_or(&self.span_id);
        std::str::from_utf8(id).unwrap_or_default()
    }

    /// The trace's id: 32 lower-case hex digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace_id).unwrap_or_default()
    }

    /// The id of this exchange in it: 16 lower-case hex digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        std::str::from_utf8(&self.span_id).unwrap_or_default()
    }

    /// Puts the context into fields for an upstream, in the place of what stands there. The client's `tracestate` goes with
    /// its own trace only (Trace Context §3.3).
    pub fn write(&self, client: &Fields, out: &mut Fields) {
        let value = format!(
            "00-{}-{}-{:02x}",
            self.trace_id(),
            self.call_span_id(),
            self.flags
        );
        out.set(TRACEPARENT, value.as_bytes());
        out.remove(TRACESTATE);
        if self.parent_id.is_some() {
            for value in client.all(TRACESTATE) {
                out.push(TRACESTATE, value);
            }
        }
    }
}

/// The one field line; two of them are none (Trace Context §3.2.1).
fn sole(fields: &Fields) -> Option<&[u8]> {
    let mut values = fields.all(TRACEPARENT);
    values.next().filter(|_| values.next().is_none())
}

/// Reads a value of version 00, or the part of a later version that is like it (Trace Context §3.2.4).
fn read(value: &[u8]) -> Option<Parent> {
    let (known, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
    let parts: Vec<&[u8]> = known.split(|&byte| byte == b'-').collect();
    let [version, trace_id, parent_id, flags] = *parts.as_slice() else {
        return None;
    };
    let version = byte(version)?;
    let ends_there = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    let trace_id: [u8; TRACE_ID_DIGITS] = id(trace_id)?;
    let span_id = id(parent_id)?;
    let flags = byte(flags)?;
    ends_there.then_some(Parent {
        trace_id,
        span_id,
        flags,
    })
}

/// An id of lower-case hex digits that are not all zero.
fn id<const DIGITS: usize>(text: &[u8]) -> Option<[u8; DIGITS]> {
    let id: [u8; DIGITS] = text.try_into().ok()?;
    let is_hex = id.iter().all(|&byte| is_digit(byte));
    (is_hex && id.iter().any(|&byte| byte != b'0')).then_some(id)
}

fn byte(text: &[u8]) -> Option<u8> {
    let [high, low] = *text else {
        return None;
    };
    let digit = |byte: u8| {
        let value = char::from(byte).to_digit(16);
        value.filter(|_| is_digit(byte))
    };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Digits of random bytes; never all zero, which is no id.
fn hex<const DIGITS: usize>(random: &[u8]) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    let nibbles = random.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (digit, nibble) in digits.iter_mut().zip(nibbles) {
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
    }
    if digits.iter().all(|&digit| digit == b'0')
        && let Some(last) = digits.last_mut()
    {
        *last = b'1';
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; RANDOM_BYTES] = [0xab; RANDOM_BYTES];
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn sent(client: &[(&str, &str)]) -> Vec<String> {
        let client = fields(client);
        let mut out = fields(&[("tracestate", "stale=1")]);
        TraceContext::new(&client, &RANDOM).write(&client, &mut out);
        let line = |(name, value): (&[u8], &[u8])| {
            format!(
                "{}: {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )
        };
        out.iter().map(line).collect()
    }

    #[test]
    fn a_clients_trace_goes_on_under_a_span_of_its_own() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let client = [
            ("traceparent", parent.as_str()),
            ("tracestate", "a=1,b=2"),
            ("tracestate", "c=3"),
        ];
        let wanted = format!("traceparent: 00-{TRACE}-abababababababab-01");
        assert_eq!(
            sent(&client),
            [&wanted, "tracestate: a=1,b=2", "tracestate: c=3"]
        );
    }

    #[test]
    fn what_is_no_context_begins_a_trace_and_drops_the_state() {
        let fresh = format!("traceparent: 00-{}-abababababababab-02", "ab".repeat(16));
        for parent in [
            "",
            "00",
            &format!("00-{TRACE}-00f067aa0ba902b7"),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01 "),
            &format!("00-{TRACE}-00f067aa0ba902b7-0g"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("cc-{TRACE}-00f067aa0ba902b7-01x"),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00-{TRACE}0-0f067aa0ba902b7-01"),
            &format!("0x-{TRACE}-00f067aa0ba902b7-01"),
            &format!("+0-{TRACE}-00f067aa0ba902b7-01"),
        ] {
            let client = [("traceparent", parent), ("tracestate", "a=1")];
            assert_eq!(sent(&client), [fresh.as_str()], "{parent}");
        }
        let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let twice = [("traceparent", valid.as_str()), ("traceparent", &valid)];
        assert_eq!(sent(&twice), [fresh.as_str()]);
        assert_eq!(sent(&[]), [fresh.as_str()]);
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let wanted = format!("traceparent: 00-{TRACE}-abababababababab-01");
        for parent in [
            format!("cc-{TRACE}-00f067aa0ba902b7-01"),
            format!("01-{TRACE}-00f067aa0ba902b7-09-what-comes"),
        ] {
            assert_eq!(sent(&[("traceparent", &parent)]), [wanted.as_str()]);
        }
    }

    #[test]
    fn a_call_with_a_span_of_its_own_is_what_the_upstream_belongs_to() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
        let client = fields(&[("traceparent", &parent)]);
        let trace = TraceContext::new(&client, &RANDOM);
        assert!(!trace.is_sampled());
        let trace = trace.recorded(true).with_call_span(&[0xcd; 8]);
        assert_eq!(trace.parent_id(), Some("00f067aa0ba902b7"));
        let mut out = Fields::new();
        trace.write(&client, &mut out);
        let wanted = format!("00-{TRACE}-cdcdcdcdcdcdcdcd-01");
        assert_eq!(out.get(b"traceparent"), Some(wanted.as_bytes()));
        assert_eq!(trace.recorded(false).flags(), 0);
    }

    #[test]
    fn no_randomness_makes_an_id_of_zeros() {
        let context = TraceContext::new(&Fields::new(), &[0; RANDOM_BYTES]);
        assert!(context.trace_id().ends_with('1') && context.span_id().ends_with('1'));
    }
}
