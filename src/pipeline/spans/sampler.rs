//! Which traces are recorded: OpenTelemetry's samplers, by the names of `OTEL_TRACES_SAMPLER`.

use crate::pipeline::trace_context::TraceContext;

/// The part of a trace id that a ratio is taken of has 63 bits, as in OpenTelemetry's own libraries, so that all of them
/// decide the same.
const RATIO_BITS: u32 = 63;

/// A rule for traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether a client's decision counts where there is one.
    pub follows_parent: bool,
    /// The decision for all others.
    pub otherwise: Decision,
}

/// A decision by the trace's id alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Every trace.
    Always,
    /// No trace.
    Never,
    /// This part of all traces, from 0 to 1.
    Ratio(f64),
}

impl Default for Sampler {
    /// `parentbased_always_on`, OpenTelemetry's default.
    fn default() -> Self {
        Self {
            follows_parent: true,
            otherwise: Decision::Always,
        }
    }
}

impl Sampler {
    /// The sampler of this name, with the ratio that goes with it.
    #[must_use]
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let (follows_parent, own) = match name.strip_prefix("parentbased_") {
            Some(own) => (true, own),
            None => (false, name),
        };
        let otherwise = match own {
            "always_on" => Decision::Always,
            "always_off" => Decision::Never,
            "traceidratio" => Decision::Ratio(ratio),
            _ => return None,
        };
        Some(Self {
            follows_parent,
            otherwise,
        })
    }

    /// The trace with the decision about it.
    #[must_use]
    pub fn decide(&self, trace: TraceContext) -> TraceContext {
        if self.follows_parent && trace.parent_id().is_some() {
            return trace;
        }
        trace.recorded(match self.otherwise {
            Decision::Always => true,
            Decision::Never => false,
            Decision::Ratio(ratio) => part_of_all(trace.trace_id()) < ratio,
        })
    }
}

/// Where the last 63 bits of an id stand among all that there are, from 0 to below 1.
fn part_of_all(trace_id: &str) -> f64 {
    let last = trace_id.get(16..).unwrap_or_default();
    let last = u64::from_str_radix(last, 16).unwrap_or_default() >> 1;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of all traces needs no more than 53 bits"
    )]
    let part = last as f64 / (1u64 << RATIO_BITS) as f64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http1::fields::Fields;

    fn root(last: u8) -> TraceContext {
        let mut random = [0; 24];
        random[0] = 1;
        random[8] = last;
        TraceContext::new(&Fields::new(), &random)
    }

    fn of_client(flags: &str) -> TraceContext {
        let mut fields = Fields::new();
        let value = format!("00-4bf92f3577b34da6ffffffffffffffff-00f067aa0ba902b7-{flags}");
        fields.push(b"traceparent", value.as_bytes());
        TraceContext::new(&fields, &[1; 24])
    }

    fn decides(name: &str, ratio: f64, trace: TraceContext) -> bool {
        let sampler = Sampler::named(name, ratio).unwrap();
        sampler.decide(trace).is_sampled()
    }

    #[test]
    fn a_parents_word_counts_only_for_those_that_follow_it() {
        for own in ["always_on", "always_off", "traceidratio"] {
            let following = format!("parentbased_{own}");
            assert!(decides(&following, 0.0, of_client("01")), "{own}");
            assert!(!decides(&following, 1.0, of_client("00")), "{own}");
        }
        assert!(decides("always_on", 0.0, of_client("00")));
        assert!(!decides("always_off", 0.0, of_client("01")));
        assert!(!decides("traceidratio", 0.99, of_client("01")));
    }

    #[test]
    fn a_ratio_takes_the_traces_below_it() {
        for (ratio, last, sampled) in [
            (0.0, 0x00, false),
            (0.25, 0x3f, true),
            (0.25, 0x40, false),
            (0.5, 0x7f, true),
            (0.5, 0x80, false),
            (1.0, 0xff, true),
        ] {
            let name = "parentbased_traceidratio";
            assert_eq!(decides(name, ratio, root(last)), sampled, "{ratio} {last}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for name in ["", "jaeger_remote", "parentbased_", "ALWAYS_ON"] {
            assert_eq!(Sampler::named(name, 1.0), None, "{name}");
        }
    }
}
