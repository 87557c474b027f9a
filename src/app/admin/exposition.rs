//! The Prometheus text format, version 0.0.4.

use std::fmt;
use std::fmt::Write;

use crate::serve::metrics::histogram::Latencies;

/// `Content-Type` of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The upper bounds of the buckets that are told, in microseconds: 1, 2.5 and 5 times each power of ten from 100 µs to
/// 100 s. Each is a bound of the finer buckets that are counted.
pub const TOLD_BOUNDS_US: [u64; 19] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
];

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

/// A text that is being written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// Labels of a sample: name and value.
pub type Labels<'a> = [(&'a str, &'a str)];

/// Microseconds, shown as seconds without loss.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micros == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{micros:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One number.
    pub fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl fmt::Display) {
        let labels = Shown(labels, None);
        self.line(format_args!("{name}{labels} {value}"));
    }

    /// A family of one number.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// A histogram of seconds.
    pub fn histogram(&mut self, name: &str, labels: &Labels<'_>, latencies: &Latencies) {
        for bound_us in TOLD_BOUNDS_US {
            let count = latencies.at_most(bound_us);
            let bound = Seconds(bound_us).to_string();
            let labels = Shown(labels, Some(&bound));
            self.line(format_args!("{name}_bucket{labels} {count}"));
        }
        let count = latencies.count();
        let all = Shown(labels, Some("+Inf"));
        self.line(format_args!("{name}_bucket{all} {count}"));
        self.sample(&format!("{name}_sum"), labels, Seconds(latencies.sum_us));
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // ignored: a string takes everything
        let _ignored = writeln!(self.text, "{line}");
    }
}

/// Labels between braces, `le` behind them.
struct Shown<'a>(&'a Labels<'a>, Option<&'a str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.1.map(|bound| ("le", bound));
        let mut between = '{';
        for (name, value) in self.0.iter().copied().chain(bound) {
            write!(f, "{between}{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => f.write_str(r"\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str(r"\n")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('"')?;
            between = ',';
        }
        if between == ',' {
            f.write_char('}')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::metrics::histogram::BOUNDS_US;
    use crate::serve::metrics::histogram::Histogram;

    #[test]
    fn a_label_cannot_end_its_string_or_its_line() {
        let mut out = Exposition::default();
        out.family("f", Kind::Gauge, "a\\b\nc");
        out.sample("f", &[("a", "q\"b\\s\nn"), ("b", "é")], 1);
        let text = out.into_text();
        assert_eq!(
            text,
            "# HELP f a\\\\b\\nc\n# TYPE f gauge\nf{a=\"q\\\"b\\\\s\\nn\",b=\"é\"} 1\n"
        );
    }

    #[test]
    fn seconds_lose_nothing() {
        for (micros, shown) in [
            (0, "0"),
            (1, "0.000001"),
            (100, "0.0001"),
            (2_500_000, "2.5"),
            (1_000_000, "1"),
            (100_000_010, "100.00001"),
        ] {
            assert_eq!(Seconds(micros).to_string(), shown);
        }
    }

    #[test]
    fn told_buckets_are_sums_of_counted_ones() {
        for bound in TOLD_BOUNDS_US {
            assert!(BOUNDS_US.contains(&bound), "{bound}");
        }
        let histogram = Histogram::default();
        for latency in [50, 100, 101, 250, 200_000_000] {
            histogram.observe(latency);
        }
        let mut latencies = Latencies::default();
        latencies.add(&histogram);
        let mut out = Exposition::default();
        out.histogram("h", &[("a", "b")], &latencies);
        let text = out.into_text();
        for line in [
            "h_bucket{a=\"b\",le=\"0.0001\"} 2\n",
            "h_bucket{a=\"b\",le=\"0.00025\"} 4\n",
            "h_bucket{a=\"b\",le=\"100\"} 4\n",
            "h_bucket{a=\"b\",le=\"+Inf\"} 5\n",
            "h_sum{a=\"b\"} 200.000501\n",
            "h_count{a=\"b\"} 5\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
