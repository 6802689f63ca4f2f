//! A chart with two logarithmic axes as SVG, readable on light and dark pages: it brings its own background, and
//! series differ in marks and dashes, not in colour alone.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
/// Where the plot stands within the picture; the legend is right of it.
const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 250.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = HEIGHT - 60.0;

const STYLE: &str = "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}\
.page{fill:#ffffff;stroke:#d0d7de}.grid{stroke:#d8dee4}.axis{stroke:#6e7781;fill:none}\
.line{fill:none;stroke-width:2.2}.dash{stroke-dasharray:6 5}\
.s0{stroke:#0072b2}.m0{fill:#0072b2}.s1{stroke:#c04f00}.m1{fill:#c04f00}\
.s2{stroke:#00805d}.m2{fill:#00805d}.s3{stroke:#6e7781}.m3{fill:#6e7781}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117;stroke:#30363d}.grid{stroke:#262c34}\
.axis{stroke:#8b949e}.s0{stroke:#58b4f0}.m0{fill:#58b4f0}.s1{stroke:#f0883e}.m1{fill:#f0883e}\
.s2{stroke:#3fc99a}.m2{fill:#3fc99a}.s3{stroke:#9da7b3}.m3{fill:#9da7b3}}";

/// Whose figures a series has.
#[derive(Clone, Copy)]
pub(super) enum Hue {
    Ours = 0,
    First = 1,
    Second = 2,
    /// What the machine allows.
    Bound = 3,
}

/// One line of points.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) hue: Hue,
    pub(super) dashed: bool,
    pub(super) points: Vec<(f64, f64)>,
}

/// What is drawn.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) x_tick: fn(f64) -> String,
    /// Marks on the x axis stand at powers of it.
    pub(super) x_base: f64,
    pub(super) series: Vec<Series>,
}

/// A logarithmic axis between two places of the picture.
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Wide enough for the values, with both ends at powers of the base.
    fn around(values: impl Iterator<Item = f64>, base: f64, (from, to): (f64, f64)) -> Option<Axis> {
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        for value in values {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            return None;
        }
        let low = (least.ln() / base.ln() + 1e-9).floor();
        let high = (most.ln() / base.ln() - 1e-9).ceil().max(low + 1.0);
        Some(Axis {
            least: base.powf(low),
            most: base.powf(high),
            from,
            to,
        })
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (value / self.least).ln() / (self.most / self.least).ln() * (self.to - self.from)
    }

    /// The powers of the base.
    fn ticks(&self, base: f64) -> impl Iterator<Item = f64> {
        let most = self.most * 1.001;
        std::iter::successors(Some(self.least), move |tick| Some(tick * base))
            .take_while(move |&tick| tick <= most)
    }
}

impl Chart {
    /// The picture; none without a point.
    pub(super) fn svg(&self) -> Option<String> {
        let mut svg = String::new();
        // Writing to a string cannot fail.
        self.write(&mut svg).ok().flatten().map(|()| svg)
    }

    fn write(&self, svg: &mut String) -> Result<Option<()>, std::fmt::Error> {
        // A logarithm has no place for what is not above zero.
        let drawn = |series: &Series| -> Vec<(f64, f64)> {
            let points = series.points.iter().copied();
            points.filter(|&(x, y)| x > 0.0 && y > 0.0).collect()
        };
        let series: Vec<(&Series, Vec<(f64, f64)>)> = self
            .series
            .iter()
            .map(|series| (series, drawn(series)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let all = || series.iter().flat_map(|(_, points)| points);
        let x = Axis::around(all().map(|p| p.0), self.x_base, (LEFT, RIGHT));
        let y = Axis::around(all().map(|p| p.1), 10.0, (BOTTOM, TOP));
        let (Some(x), Some(y)) = (x, y) else {
            return Ok(None);
        };
        writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{0}\">\n<title>{0}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{1}\" height=\"{2}\" rx=\"6\"/>\n\
             <text class=\"title\" x=\"20\" y=\"30\">{0}</text>",
            escaped(self.title),
            WIDTH - 1.0,
            HEIGHT - 1.0
        )?;
        self.grid(svg, &x, &y)?;
        for (at, (series, points)) in series.iter().enumerate() {
            let places: Vec<(f64, f64)> = points.iter().map(|p| (x.place(p.0), y.place(p.1))).collect();
            line(svg, series, &places)?;
            let legend = TOP + 10.0 + 24.0 * at as f64;
            line(svg, series, &[(RIGHT + 20.0, legend), (RIGHT + 52.0, legend)])?;
            let name = escaped(&series.name);
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\">{name}</text>",
                RIGHT + 62.0,
                legend + 4.5
            )?;
        }
        writeln!(svg, "</svg>")?;
        Ok(Some(()))
    }

    fn grid(&self, svg: &mut String, x: &Axis, y: &Axis) -> std::fmt::Result {
        for tick in x.ticks(self.x_base) {
            let (at, label) = (x.place(tick), escaped(&(self.x_tick)(tick)));
            writeln!(
                svg,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text class=\"mid\" x=\"{at:.1}\" y=\"{}\">{label}</text>",
                BOTTOM + 20.0
            )?;
        }
        for tick in y.ticks(10.0) {
            let at = y.place(tick);
            // Rounded: powers of ten that are multiplied up drift in their last digits.
            let label = if tick < 1.0 {
                format!("{tick:.5}")
            } else {
                format!("{tick:.0}")
            };
            let label = if tick < 1.0 {
                label.trim_end_matches('0')
            } else {
                &label
            };
            writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>",
                LEFT - 8.0,
                at + 4.5
            )?;
        }
        writeln!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
             <text class=\"mid\" x=\"{}\" y=\"{}\">{}</text>\n\
             <text class=\"mid\" transform=\"translate(20 {}) rotate(-90)\">{}</text>",
            f64::midpoint(LEFT, RIGHT),
            HEIGHT - 16.0,
            escaped(self.x),
            f64::midpoint(TOP, BOTTOM),
            escaped(self.y)
        )
    }
}

/// A line with a mark at each point; the marks of a dashed one are squares.
fn line(svg: &mut String, series: &Series, places: &[(f64, f64)]) -> std::fmt::Result {
    let hue = series.hue as usize;
    let dash = if series.dashed { " dash" } else { "" };
    write!(svg, "<polyline class=\"line s{hue}{dash}\" points=\"")?;
    for (x, y) in places {
        write!(svg, "{x:.1},{y:.1} ")?;
    }
    writeln!(svg, "\"/>")?;
    for (x, y) in places {
        if series.dashed {
            let (x, y) = (x - 3.5, y - 3.5);
            writeln!(
                svg,
                "<rect class=\"m{hue}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"7\"/>"
            )?;
        } else {
            writeln!(
                svg,
                "<circle class=\"m{hue}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
            )?;
        }
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "A < B",
            x: "tasks",
            y: "µs",
            x_tick: |x| format!("{x:.0}"),
            x_base: 10.0,
            series: vec![Series {
                name: "Vec<u8>".to_owned(),
                hue: Hue::Ours,
                dashed: false,
                points,
            }],
        }
    }

    #[test]
    fn without_a_point_above_zero_there_is_no_picture() {
        assert!(chart(vec![]).svg().is_none());
        assert!(chart(vec![(0.0, 1.0), (10.0, 0.0)]).svg().is_none());
    }

    #[test]
    fn ends_of_the_data_stand_at_the_ends_of_the_axes_and_text_is_escaped() {
        let svg = chart(vec![(1000.0, 1.0), (10_000_000.0, 100.0)])
            .svg()
            .expect("a picture");
        assert!(svg.contains(&format!("points=\"{LEFT:.1},{BOTTOM:.1} {RIGHT:.1},{TOP:.1} \"")));
        assert!(svg.contains("A &lt; B") && svg.contains("Vec&lt;u8&gt;"));
        assert!(!svg.contains("Vec<u8>") && !svg.contains("NaN"));
        assert!(svg.contains(">10000000</text>"));
    }

    #[test]
    fn one_point_alone_is_drawn_within_the_picture() {
        let svg = chart(vec![(5.0, 0.02)]).svg().expect("a picture");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(svg.contains(">0.01</text>"));
    }
}
