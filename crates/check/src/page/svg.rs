//! The picture as SVG: the whole history, or, of a long one, the part around the first problem.

use std::fmt::Write as _;

use super::picture::{Bar, CHARACTER_WIDTH, Kind, Picture};

/// More bars than this are not drawn.
const BARS_MAX: usize = 400;
/// Heights, in pixels.
const LANE: f64 = 30.0;
const BAR: f64 = 22.0;
const HEAD: f64 = 58.0;
/// Room for the names of the clients.
const NAMES: f64 = 110.0;

/// Colours follow what the reader's system prefers, where whoever shows the picture supports that.
const STYLE: &str = "\
text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1b2127}\
.paper{fill:#fff}.lane{stroke:#d5dae0}.band{fill:#8c1d86;opacity:.1}.bar{fill:#d7e6fb;stroke:#0531d0}\
.failed{fill:#eceff2;stroke:#5b6670;stroke-dasharray:3 3}.open{fill:#f7edd6;stroke:#94700a;stroke-dasharray:6 3}\
.core{stroke-width:2.5}.problem{fill:#f9d7f0;stroke:#b3128c;stroke-width:3}.point{stroke:#00865a;stroke-width:2}\
.quiet{fill:#4b5661}\
@media (prefers-color-scheme:dark){text{fill:#e7ebef}.paper{fill:#111418}.lane{stroke:#343c44}.bar{fill:#12305a;\
stroke:#3f97f5}.failed{fill:#23292f;stroke:#aab4be}.open{fill:#3b3206;stroke:#f4cf1c}.problem{fill:#4d0b22;\
stroke:#f5305f}.point{stroke:#39f0a2}.quiet{fill:#aab4be}}";

/// Draws a picture.
pub fn svg(picture: &Picture) -> String {
    let (from, to) = part(picture);
    let shown = &picture.bars[from..to];
    let left = shown.iter().map(|bar| bar.from).fold(f64::MAX, f64::min).min(picture.width);
    let right = shown.iter().map(|bar| bar.to).fold(left, f64::max);
    let (width, height) = (right - left + NAMES + 20.0, HEAD + picture.lanes.len() as f64 * LANE + 12.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} \
         {height:.0}\" role=\"img\"><title>{}</title><style>{STYLE}</style><rect class=\"paper\" width=\"100%\" \
         height=\"100%\"/>\n",
        escaped(&picture.title)
    );
    let first_line = picture.verdict.lines().next().unwrap_or_default();
    let _ = writeln!(text, "<text x=\"8\" y=\"18\">{}</text>", escaped(&picture.title));
    let cut = if shown.len() < picture.bars.len() {
        format!(" · operations {} to {} of {}", from + 1, to, picture.bars.len())
    } else {
        String::new()
    };
    let _ = writeln!(text, "<text class=\"quiet\" x=\"8\" y=\"36\">{}{cut}</text>", escaped(first_line));
    let x = |position: f64| position - left + NAMES;
    for band in picture.bands.iter().filter(|band| band.to >= left && band.from <= right) {
        let (band_from, band_to) = (x(band.from.max(left)), x(band.to.min(right)));
        let _ = writeln!(
            text,
            "<rect class=\"band\" x=\"{band_from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>\
             <text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            HEAD - 16.0,
            band_to - band_from,
            height - HEAD + 10.0,
            escaped(&band.what),
            band_from + 3.0,
            HEAD - 5.0,
            escaped(&fitting(&band.what, band_to - band_from))
        );
    }
    for (index, lane) in picture.lanes.iter().enumerate() {
        let middle = HEAD + (index as f64 + 0.5) * LANE;
        let name = fitting(&format!("process {}", lane.clients.join(", ")), NAMES - 12.0);
        let _ = writeln!(
            text,
            "<line class=\"lane\" x1=\"{NAMES}\" x2=\"{width:.0}\" y1=\"{middle}\" y2=\"{middle}\"/><text x=\"8\" \
             y=\"{:.1}\">{}</text>",
            middle + 4.0,
            escaped(&name)
        );
    }
    for (offset, bar) in shown.iter().enumerate() {
        draw(&mut text, picture, from + offset, bar, &x);
    }
    text.push_str("</svg>\n");
    text
}

/// Which bars are drawn.
fn part(picture: &Picture) -> (usize, usize) {
    let count = picture.bars.len();
    if count <= BARS_MAX {
        return (0, count);
    }
    // The problem stands in the last quarter: what led to it matters more than what followed.
    let problem = picture.problems.first().map_or(0, |problem| problem.bar);
    let from = problem.saturating_sub(BARS_MAX * 3 / 4).min(count - BARS_MAX);
    (from, from + BARS_MAX)
}

fn draw(text: &mut String, picture: &Picture, index: usize, bar: &Bar, x: &impl Fn(f64) -> f64) {
    let class = match bar.kind {
        _ if picture.problems.iter().any(|problem| problem.bar == index) => "bar problem",
        Kind::Returned => "bar",
        Kind::Failed => "bar failed",
        Kind::Open => "bar open",
    };
    let core = if picture.core.contains(&index) { " core" } else { "" };
    let top = HEAD + bar.lane as f64 * LANE + (LANE - BAR) / 2.0;
    let (from, to) = (x(bar.from), x(bar.to));
    let edge = bar.kind == Kind::Open;
    // What is open has no right edge.
    let path = if edge {
        format!("M{to:.1} {top:.1}H{from:.1}v{BAR}H{to:.1}")
    } else {
        format!("M{from:.1} {top:.1}H{to:.1}v{BAR}H{from:.1}z")
    };
    let _ = write!(
        text,
        "<path class=\"{class}{core}\" d=\"{path}\"><title>{} · process {} · line {}</title></path>",
        escaped(&bar.label),
        escaped(&bar.client),
        bar.line
    );
    if let Some(point) = bar.point {
        let _ = write!(
            text,
            "<path class=\"point\" d=\"M{:.1} {:.1}v9m0 {}v9\"/>",
            x(point),
            top - 4.0,
            BAR - 10.0
        );
    }
    let label = fitting(&bar.label, bar.to - bar.from - 8.0);
    let _ =
        writeln!(text, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", from + 6.0, top + 15.0, escaped(&label));
}

/// As much of a text as fits into a width.
fn fitting(text: &str, width: f64) -> String {
    let room = (width / CHARACTER_WIDTH) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No character that XML does not know.
            character if character < ' ' => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}
