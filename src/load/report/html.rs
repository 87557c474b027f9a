//! The report as one page that needs nothing from outside, light or dark as the reader's system is.

use hdrhistogram::Histogram;

use crate::load::report::Measured;
use crate::load::report::Report;
use crate::load::report::ms;
use crate::load::report::percentile_ms;
use crate::load::report::plot;
use crate::load::report::plot::Axis;
use crate::load::report::plot::Line;
use crate::load::report::text;
use crate::load::series::Second;

/// In a narrow window the pictures shrink; the last two rules keep their letters and lines from shrinking with them.
const STYLE: &str = ":root{color-scheme:light dark;--ink:#1c2430;--soft:#667;--rule:#d8dce3;--back:#fff;--a:#1f6feb;--b:#c2410c;--c:#15803d;--d:#7c3aed}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa4b2;--rule:#333b47;--back:#12161c;--a:#6ea8fe;--b:#fb923c;--c:#4ade80;--d:#c4b5fd}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}figure{margin:0}svg{width:100%;height:auto;overflow:visible}.about{overflow-wrap:anywhere}\
text{font:11px system-ui,sans-serif;fill:var(--soft)}\
.grid{stroke:var(--rule);stroke-width:1}.line{fill:none;stroke-width:1.6;stroke-linejoin:round}\
.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}.line.c{stroke:var(--c)}.line.d{stroke:var(--d)}\
.key,.note{margin-right:1rem;color:var(--soft)}.key{display:inline-block}.key::before{content:\"\";display:inline-block;width:.9em;height:.2em;margin-right:.4em;vertical-align:middle;background:currentColor}\
.key.a::before{background:var(--a)}.key.b::before{background:var(--b)}.key.c::before{background:var(--c)}.key.d::before{background:var(--d)}\
pre{overflow-x:auto;font:12px/1.5 ui-monospace,monospace;border:1px solid var(--rule);border-radius:6px;padding:.8rem}.bad{color:var(--b);font-weight:600}.good{color:var(--c);font-weight:600}\
@media(max-width:40rem){text{font-size:15px}.line{stroke-width:2.4}}@media(max-width:28rem){text{font-size:22px}.line{stroke-width:3.2}}";

/// The whole page.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let verdict = if report.is_sound() {
        "<span class=\"good\">all objectives kept</span>"
    } else {
        "<span class=\"bad\">an objective was missed</span>"
    };
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>sluicegate bench</title><style>{STYLE}</style><h1>sluicegate bench</h1><p class=\"about\">{}<br>{verdict}</p>",
        escaped(report.url),
    );
    if let Some(run) = &report.run {
        plots(&mut out, report, run);
    }
    out.push_str(&format!(
        "<h2>Figures</h2><pre>{}</pre></html>",
        escaped(&text::render(report))
    ));
    out
}

fn plots(out: &mut String, report: &Report<'_>, run: &Measured) {
    out.push_str("<h2>Latency by percentile</h2>");
    out.push_str(&by_percentile(run));
    let seconds = run.recorder.series.seconds();
    out.push_str("<h2>Latency over time</h2>");
    out.push_str(&over_time(seconds));
    let warm_up = report.plan.warm_up.as_secs_f64();
    out.push_str(&format!("<p class=\"note\">the first {warm_up} s are warm-up and in no figure</p><h2>Requests a second</h2>"
    ));
    out.push_str(&rate_over_time(seconds));
}

/// The classic picture: every nine more is equally far to the right.
fn by_percentile(run: &Measured) -> String {
    let nines = |histogram: &Histogram<u64>| {
        let mut points = Vec::new();
        let count = histogram.len().max(1);
        let mut beyond = 1.0f64;
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2⁵³")]
        let last = 1.0 / count as f64;
        while beyond >= last {
            points.push((
                1.0 / beyond,
                percentile_ms(histogram, 100.0 * (1.0 - beyond)),
            ));
            beyond /= 1.2;
        }
        points.push((1.0 / last, ms(histogram.max())));
        points
    };
    let due = nines(&run.all.from_due);
    let sent = nines(&run.all.from_sent);
    let end = due.last().map_or(10.0, |(at, _)| at.max(10.0));
    let labels = [
        "0 %",
        "90 %",
        "99 %",
        "99.9 %",
        "99.99 %",
        "99.999 %",
        "99.9999 %",
    ];
    let mut ticks = Vec::new();
    let mut at = 1.0;
    for label in labels {
        if at <= end {
            ticks.push((at, label.to_owned()));
        }
        at *= 10.0;
    }
    let x = Axis {
        title: "percentile",
        from: 1.0,
        to: end,
        ticks,
        logarithmic: true,
    };
    let (min, max) = (ms(run.all.from_sent.min()), ms(run.all.from_due.max()));
    let y = plot::logarithmic("ms", min, max);
    let lines = [
        Line {
            name: "from the due moment",
            class: "a",
            points: due,
        },
        Line {
            name: "from the moment of sending",
            class: "c",
            points: sent,
        },
    ];
    plot::draw("Latency by percentile", &x, &y, &lines)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
fn over_time(seconds: &[Second]) -> String {
    let of = |value: &dyn Fn(&Second) -> u64| {
        let busy = seconds.iter().enumerate();
        busy.filter(|(_, second)| !second.latency.is_empty())
            .map(|(at, second)| (at as f64 + 0.5, ms(value(second))))
            .collect::<Vec<_>>()
    };
    let lines = [
        Line {
            name: "p50",
            class: "a",
            points: of(&|second| second.latency.value_at_percentile(50.0)),
        },
        Line {
            name: "p99",
            class: "d",
            points: of(&|second| second.latency.value_at_percentile(99.0)),
        },
        Line {
            name: "max",
            class: "b",
            points: of(&|second| second.latency.max()),
        },
    ];
    let values = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let (min, max) = values.fold((f64::MAX, 0.0f64), |(min, max), value| {
        (min.min(value), max.max(value))
    });
    let y = plot::logarithmic("ms", min.min(max), max);
    plot::draw(
        "Latency over time",
        &plot::linear("seconds", seconds.len() as f64),
        &y,
        &lines,
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a run, requests of a second"
)]
fn rate_over_time(seconds: &[Second]) -> String {
    let of = |value: &dyn Fn(&Second) -> u64| {
        let all = seconds.iter().enumerate();
        all.map(|(at, second)| (at as f64 + 0.5, value(second) as f64))
            .collect::<Vec<_>>()
    };
    let max = seconds.iter().map(|second| second.good + second.bad).max();
    let lines = [
        Line {
            name: "answered as hoped",
            class: "c",
            points: of(&|second| second.good),
        },
        Line {
            name: "errors",
            class: "b",
            points: of(&|second| second.bad),
        },
    ];
    let y = plot::linear("requests/s", max.unwrap_or(1) as f64);
    plot::draw(
        "Requests a second",
        &plot::linear("seconds", seconds.len() as f64),
        &y,
        &lines,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
