//! The samples as an SVG: a row for each case, program and router; a dot for each run on a logarithmic scale.

use std::fmt::Write as _;
use std::time::Duration;

use super::case::Case;
use super::samples::{Sample, distinct, summary};

/// The scale begins here; what is shorter stands at its left end.
const SHORTEST_MS: f64 = 1.0;
/// Its powers of ten: to 100 s, where what did not end stands too.
const DECADES: u32 = 5;
const LEFT: f64 = 330.0;
const WIDTH: f64 = 560.0;
const TOP: f64 = 34.0;
const ROW: f64 = 17.0;
/// Between two cases.
const GAP: f64 = 12.0;
/// One colour a program.
const COLOURS: [&str; 5] = ["#1f6fb2", "#d1701d", "#3a8f4d", "#8450a8", "#666666"];

/// One row: whose, by which router, where.
struct Row<'a> {
    case: Case,
    program: &'a str,
    router: &'a str,
    y: f64,
}

/// The whole picture.
pub(super) fn svg(samples: &[Sample]) -> String {
    let (rows, height) = rows(samples);
    let bottom = height + 26.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 30.0,
        bottom + 14.0,
    );
    axis(&mut text, height);
    let programs = distinct(samples.iter().map(|sample| sample.program.as_str()));
    for row in &rows {
        let index = programs.iter().position(|program| *program == row.program).unwrap_or_default();
        draw(&mut text, row, COLOURS.get(index % COLOURS.len()).copied().unwrap_or("black"), samples);
    }
    let _ = writeln!(
        text,
        "<text x=\"{LEFT}\" y=\"{bottom}\">the client's longest silence; a dot is a run, the bar the median, an empty dot \
         did not end</text>\n</svg>"
    );
    text
}

/// The rows in their order, and where the last one ends.
fn rows(samples: &[Sample]) -> (Vec<Row<'_>>, f64) {
    let (mut rows, mut y) = (Vec::new(), TOP);
    for case in Case::ALL {
        let of_case = || samples.iter().filter(|sample| sample.case == case);
        let series = distinct(of_case().map(|sample| (sample.program.as_str(), sample.router.as_str())));
        if series.is_empty() {
            continue;
        }
        for (program, router) in series {
            rows.push(Row { case, program, router, y });
            y += ROW;
        }
        y += GAP;
    }
    (rows, y)
}

fn axis(text: &mut String, height: f64) {
    for decade in 0..=DECADES {
        let x = LEFT + WIDTH * f64::from(decade) / f64::from(DECADES);
        let label =
            ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"].get(decade as usize).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{height:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{label}</text>",
            TOP - ROW,
        );
    }
}

fn x(silence: Option<Duration>) -> f64 {
    let share = silence.map_or(1.0, |time| {
        let decades = (time.as_secs_f64() * 1000.0).max(SHORTEST_MS).log10();
        (decades / f64::from(DECADES)).min(1.0)
    });
    LEFT + WIDTH * share
}

fn draw(text: &mut String, row: &Row<'_>, colour: &str, samples: &[Sample]) {
    let Row { case, program, router, y } = row;
    let of_row = |sample: &Sample| sample.case == *case && sample.program == *program && sample.router == *router;
    let _ = writeln!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{case}: {}, {router}</text>",
        LEFT - 10.0,
        y + 4.0,
        escaped(program),
    );
    for sample in samples.iter().filter(|sample| of_row(sample)) {
        let fill = if sample.silence.is_some() { colour } else { "none" };
        let _ = writeln!(
            text,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{fill}\" fill-opacity=\"0.5\" stroke=\"{colour}\" \
             stroke-opacity=\"0.6\"/>",
            x(sample.silence),
        );
    }
    if let Some(summary) = summary(samples, of_row) {
        let _ = writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"2\" height=\"14\" fill=\"{colour}\"/>",
            x(summary.median) - 1.0,
            y - 7.0,
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::samples::tests::sample;
    use super::*;

    #[test]
    fn a_sample_stands_where_its_time_is() {
        let at = |silence: Option<u64>| (x(silence.map(Duration::from_millis)) - LEFT).round();
        assert_eq!(
            [Some(0), Some(1), Some(100), Some(10_000), Some(1_000_000), None].map(at),
            [0.0, 0.0, 224.0, 448.0, 560.0, 560.0]
        );
    }

    #[test]
    fn the_picture_has_a_dot_a_run_and_a_bar_a_row() {
        let mut odd = sample(Case::Killed, 1, None);
        odd.program = "<other> & co".to_owned();
        let samples = [sample(Case::Stopped, 1, Some(2)), sample(Case::Killed, 1, Some(100)), odd];
        let text = svg(&samples);
        let expected_rows = "\
<text x=\"320.0\" y=\"38.0\" text-anchor=\"end\">stopped: vipcast, bird</text>
<circle cx=\"363.7\" cy=\"34.0\" r=\"3.5\" fill=\"#1f6fb2\" fill-opacity=\"0.5\" stroke=\"#1f6fb2\" stroke-opacity=\"0.6\"/>
<rect x=\"362.7\" y=\"27.0\" width=\"2\" height=\"14\" fill=\"#1f6fb2\"/>
<text x=\"320.0\" y=\"67.0\" text-anchor=\"end\">killed: vipcast, bird</text>
<circle cx=\"554.0\" cy=\"63.0\" r=\"3.5\" fill=\"#1f6fb2\" fill-opacity=\"0.5\" stroke=\"#1f6fb2\" stroke-opacity=\"0.6\"/>
<rect x=\"553.0\" y=\"56.0\" width=\"2\" height=\"14\" fill=\"#1f6fb2\"/>
<text x=\"320.0\" y=\"84.0\" text-anchor=\"end\">killed: &lt;other&gt; &amp; co, bird</text>
<circle cx=\"890.0\" cy=\"80.0\" r=\"3.5\" fill=\"none\" fill-opacity=\"0.5\" stroke=\"#d1701d\" stroke-opacity=\"0.6\"/>
<rect x=\"889.0\" y=\"73.0\" width=\"2\" height=\"14\" fill=\"#d1701d\"/>
";
        assert!(text.contains(expected_rows), "{text}");
        assert!(text.starts_with("<svg ") && text.ends_with("</text>\n</svg>\n"), "{text}");
    }
}
