//! Plots as SVG text: no script, no outside resource.

/// The drawing area in user units; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 310.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
/// Room for the unit above the highest label, and for the labels and the title below; at twice the size, too, which a narrow
/// window has (`html.rs`).
const TOP: f64 = 40.0;
const BOTTOM: f64 = 54.0;

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Line<'l> {
    /// Its name in the legend.
    pub name: &'l str,
    /// The CSS class that gives it its colour: `a`, `b`, `c`, `d`.
    pub class: &'l str,
    /// Points from left to right.
    pub points: Vec<(f64, f64)>,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    /// What it shows, with its unit.
    pub title: &'a str,
    /// The value at the start.
    pub from: f64,
    /// The value at the end; above `from`.
    pub to: f64,
    /// Places that are marked, and their labels.
    pub ticks: Vec<(f64, String)>,
    /// Powers of ten are equally far apart.
    pub logarithmic: bool,
}

impl Axis<'_> {
    /// 0 at the start, 1 at the end.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| {
            if self.logarithmic {
                value.max(f64::MIN_POSITIVE).log10()
            } else {
                value
            }
        };
        let (from, to) = (scale(self.from), scale(self.to));
        ((scale(value) - from) / (to - from)).clamp(0.0, 1.0)
    }
}

/// An axis from 0 to a round number that is not below `max`.
#[must_use]
pub fn linear(title: &str, max: f64) -> Axis<'_> {
    const STEPS: i32 = 4;
    let step = round_up(max.max(f64::MIN_POSITIVE) / f64::from(STEPS));
    let ticks = (0..=STEPS).map(|n| f64::from(n) * step);
    Axis {
        title,
        from: 0.0,
        to: f64::from(STEPS) * step,
        ticks: ticks.map(|at| (at, short(at))).collect(),
        logarithmic: false,
    }
}

/// An axis over the powers of ten around `min` and `max`.
#[must_use]
pub fn logarithmic(title: &str, min: f64, max: f64) -> Axis<'_> {
    let from = min.max(1e-6).log10().floor();
    let to = max.max(min).max(1e-6).log10().ceil().max(from + 1.0);
    let mut ticks = Vec::new();
    let mut power = from;
    while power <= to {
        let at = 10f64.powf(power);
        ticks.push((at, short(at)));
        power += 1.0;
    }
    Axis {
        title,
        from: 10f64.powf(from),
        to: 10f64.powf(to),
        ticks,
        logarithmic: true,
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, not below `value`.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&round| round >= value * 0.999_999)
        .unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    if value >= 1e6 {
        format!("{}M", trimmed(value / 1e6))
    } else if value >= 1e3 {
        format!("{}k", trimmed(value / 1e3))
    } else {
        trimmed(value)
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A plot with its axes and a legend. `label` is read out in its place.
#[must_use]
pub fn draw(label: &str, x: &Axis<'_>, y: &Axis<'_>, lines: &[Line<'_>]) -> String {
    let across = |value| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
    let up = |value| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">"
    );
    for (at, text) in &y.ticks {
        out.push_str(&format!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            up(*at),
            LEFT - 6.0,
            up(*at) + 4.0,
        ));
    }
    for (at, text) in &x.ticks {
        out.push_str(&format!("<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\"/><text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{text}</text>",
            across(*at),
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 21.0,
        ));
    }
    out.push_str(&format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text x=\"2\" y=\"{:.1}\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 7.0,
        x.title,
        TOP - 24.0,
        y.title,
    ));
    for line in lines {
        let mut path = String::new();
        for (number, (at, value)) in line.points.iter().enumerate() {
            let letter = if number == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{letter}{:.1} {:.1}", across(*at), up(*value)));
        }
        out.push_str(&format!(
            "<path class=\"line {}\" d=\"{path}\"/>",
            line.class
        ));
    }
    out.push_str("</svg><figcaption>");
    for line in lines {
        out.push_str(&format!(
            "<span class=\"key {}\">{}</span> ",
            line.class, line.name
        ));
    }
    out.push_str("</figcaption></figure>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_not_below_the_data() {
        for (max, end) in [(0.9, 1.0), (4.0, 4.0), (7.0, 8.0), (1234.0, 2000.0)] {
            let axis = linear("x", max);
            assert!((axis.to - end).abs() < 1e-9, "{max}: {}", axis.to);
            assert!(axis.to >= max);
        }
        assert!(linear("x", 0.0).to > 0.0);
        let axis = logarithmic("ms", 0.2, 37.0);
        let labels: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(labels, ["0.1", "1", "10", "100"]);
    }

    #[test]
    fn every_point_lies_within_the_picture() {
        let line = Line {
            name: "all",
            class: "a",
            points: vec![(0.0, 0.0), (5.0, 1e12), (1e9, -3.0)],
        };
        let svg = draw(
            "test",
            &linear("s", 10.0),
            &logarithmic("ms", 1.0, 10.0),
            &[line],
        );
        let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        let numbers = path.split(['M', 'L', ' ']).filter(|text| !text.is_empty());
        for (number, text) in numbers.enumerate() {
            let value: f64 = text.parse().unwrap();
            let end = if number % 2 == 0 { WIDTH } else { HEIGHT };
            assert!((0.0..=end).contains(&value), "{text}");
        }
    }
}
