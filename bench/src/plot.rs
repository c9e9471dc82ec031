//! Line plots as SVG: small panels side by side, logarithmic axes, readable on light and dark pages.

use std::fmt::Write as _;

/// A line: a name, and points whose coordinates are above 0.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One diagram.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: String,
    pub(crate) series: Vec<Series>,
}

/// Panels in rows of as many `columns`, under a title that is read out as well.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What a reader who does not see it is told.
    pub(crate) description: String,
    pub(crate) columns: usize,
    pub(crate) panels: Vec<Panel>,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 230.0;
const HEAD: f64 = 56.0;
/// Of a panel, around its axes.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 44.0;

/// Colours by class, for either kind of page; the background is drawn, so that the page's own does not matter.
const STYLE: &str = "<style>\
text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-size:15px;font-weight:600}.t{font-weight:600}.s{font-size:11px;fill:#59636e}\
.b{fill:#fff}.g{stroke:#d1d9e0;stroke-width:1}.l{fill:none;stroke-width:2.2}\
.c0{stroke:#0a58ca;fill:#0a58ca}.c1{stroke:#bf5700;fill:#bf5700}.c2{stroke:#1a7f37;fill:#1a7f37}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.b{fill:#0d1117}.g{stroke:#3d444d}\
.c0{stroke:#6cb0ff;fill:#6cb0ff}.c1{stroke:#ffa657;fill:#ffa657}.c2{stroke:#56d364;fill:#56d364}}\
.l{fill:none}</style>";

/// Draws it.
pub(crate) fn svg(plot: &Plot) -> String {
    let columns = plot.columns.max(1);
    let (width, height) = (WIDTH * real(columns), HEAD + HEIGHT * real(plot.panels.len().div_ceil(columns)));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n{STYLE}\n\
         <rect class=\"b\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n<text class=\"h\" x=\"14\" y=\"24\">{}</text>\n",
        escape(&plot.title),
        escape(&plot.description),
        escape(&plot.title),
    );
    legend(plot, &mut out);
    for (number, panel) in plot.panels.iter().enumerate() {
        let (x, y) = (WIDTH * real(number % columns), HEAD + HEIGHT * real(number / columns));
        let _infallible = writeln!(out, "<g transform=\"translate({x} {y})\">");
        draw(panel, &mut out);
        out += "</g>\n";
    }
    out + "</svg>\n"
}

/// The names, each with its colour and its mark: colour alone is not for everybody.
fn legend(plot: &Plot, out: &mut String) {
    let mut x = 20.0;
    for (number, series) in plot.panels.first().into_iter().flat_map(|panel| panel.series.iter().enumerate())
    {
        mark(number, x, 42.0, out);
        let _infallible = writeln!(out, "<text x=\"{}\" y=\"46\">{}</text>", x + 9.0, escape(&series.name));
        x += 34.0 + 7.0 * real(series.name.chars().count());
    }
}

fn draw(panel: &Panel, out: &mut String) {
    let points = || panel.series.iter().flat_map(|series| series.points.iter());
    let across = Scale::over(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
    let up = Scale::over(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
    let _infallible =
        writeln!(out, "<text class=\"t\" x=\"{LEFT}\" y=\"18\">{}</text>", escape(&panel.title));
    for tick in up.ticks() {
        let (y, right) = (up.at(tick), WIDTH - RIGHT);
        let _infallible = writeln!(
            out,
            "<path class=\"g\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"s\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            short(tick)
        );
    }
    for tick in across.ticks() {
        let (x, bottom) = (across.at(tick), HEIGHT - BOTTOM);
        let _infallible = writeln!(
            out,
            "<path class=\"g\" d=\"M{x:.1} {bottom}v5\"/><text class=\"s\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 17.0,
            short(tick)
        );
    }
    let (middle, foot) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 10.0);
    let _infallible = writeln!(
        out,
        "<text class=\"s\" x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">{}</text>",
        escape(&panel.x)
    );
    for (number, series) in panel.series.iter().enumerate() {
        let places: Vec<(f64, f64)> = series.points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let class = number % 3;
        let _infallible = writeln!(out, "<polyline class=\"c{class} l\" points=\"{}\"/>", line.join(" "));
        for (x, y) in places {
            mark(number, x, y, out);
        }
    }
}

/// A circle, a square or a triangle.
fn mark(number: usize, x: f64, y: f64, out: &mut String) {
    let class = number % 3;
    let _infallible = match class {
        0 => writeln!(out, "<circle class=\"c0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"/>"),
        1 => writeln!(
            out,
            "<rect class=\"c1\" x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\"/>",
            x - 3.0,
            y - 3.0
        ),
        _ => writeln!(out, "<path class=\"c2\" d=\"M{x:.1} {:.1}l4 7h-8z\"/>", y - 4.0),
    };
}

/// A logarithmic axis: from whole decades, or from 1, 2 or 5 times one, to where it is drawn.
#[derive(Debug, Clone, Copy)]
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Takes in all values, and has some length however few they are.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        if most <= 0.0 {
            (least, most) = (1.0, 10.0);
        }
        let (least, most) = (round_down(least), round_up(most));
        Self { least, most: if most > least { most } else { least * 10.0 }, from, to }
    }

    fn at(self, value: f64) -> f64 {
        let part = (value / self.least).log10() / (self.most / self.least).log10();
        self.from + part * (self.to - self.from)
    }

    /// Decades; 1, 2 and 5 of each where there are few.
    fn ticks(self) -> Vec<f64> {
        let steps: &[f64] = if (self.most / self.least).log10() > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(self.least.log10().floor());
        while decade <= self.most * 1.001 {
            let within = |tick: &f64| *tick >= self.least * 0.999 && *tick <= self.most * 1.001;
            ticks.extend(steps.iter().map(|step| step * decade).filter(within));
            decade *= 10.0;
        }
        ticks
    }
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    [5.0, 2.0].into_iter().map(|step| step * decade).find(|step| *step <= value * 1.001).unwrap_or(decade)
}

fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0].into_iter().map(|step| step * decade);
    steps.into_iter().find(|step| *step >= value * 0.999).unwrap_or(10.0 * decade)
}

/// `20k`, `1M`, `0.5`.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[expect(clippy::cast_precision_loss, reason = "a few panels")]
fn real(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-6
    }

    #[test]
    fn a_scale_begins_and_ends_at_round_values_and_every_decade_is_as_long() {
        let scale = Scale::over([3.0, 150.0, 1800.0].into_iter(), 0.0, 300.0);
        assert!(close(scale.least, 2.0) && close(scale.most, 2000.0));
        assert!(close(scale.at(2.0), 0.0) && close(scale.at(20.0), 100.0) && close(scale.at(2000.0), 300.0));
        assert_eq!(scale.ticks(), [10.0, 100.0, 1000.0]);
        // Downwards, as y goes in SVG.
        let scale = Scale::over([1.0, 100.0].into_iter(), 200.0, 0.0);
        assert!(close(scale.at(10.0), 100.0));
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn a_scale_of_one_value_or_none_has_a_length() {
        let one = Scale::over([10.0].into_iter(), 0.0, 100.0);
        assert!(one.at(10.0).is_finite() && one.most > one.least);
        let none = Scale::over([].into_iter(), 0.0, 100.0);
        assert!(none.at(1.0).is_finite());
    }

    #[test]
    fn a_plot_has_words_for_who_does_not_see_it() {
        let series = Series { name: "A & B".to_owned(), points: vec![(1.0, 10.0), (20.0, 300.0)] };
        let panel = Panel { title: "accept".to_owned(), x: "sessions".to_owned(), series: vec![series] };
        let plot = Plot {
            title: "Rate".to_owned(),
            description: "A < B".to_owned(),
            columns: 2,
            panels: vec![panel.clone(), panel],
        };
        let text = svg(&plot);
        assert!(text.contains("<title id=\"title\">Rate</title>"));
        assert!(text.contains("<desc id=\"desc\">A &lt; B</desc>"));
        assert!(text.contains(">A &amp; B</text>"));
        assert_eq!(text.matches("<polyline").count(), 2);
        assert!(text.contains("prefers-color-scheme:dark"));
    }
}
