//! Lines of a table, printed as soon as they are known, for a terminal or in Markdown; and durations in them.

use std::time::Duration;

/// The least width of the first column, and of the others, in a terminal.
const WIDTHS: (usize, usize) = (48, 18);

/// A line of a table.
pub fn line(cells: &[String], is_markdown: bool) -> String {
    if is_markdown {
        return format!("| {} |", cells.join(" | "));
    }
    let (first, others) = WIDTHS;
    let mut text = String::new();
    for (column, cell) in cells.iter().enumerate() {
        match column {
            0 => text.push_str(&format!("{cell:<first$}")),
            _ => text.push_str(&format!("  {cell:>others$}")),
        }
    }
    text
}

/// What follows the names of the columns: the first column to the left, the others to the right.
pub fn rule(columns: usize, is_markdown: bool) -> String {
    if is_markdown {
        return format!("|---|{}", "--:|".repeat(columns - 1));
    }
    "-".repeat(WIDTHS.0 + (columns - 1) * (WIDTHS.1 + 2))
}

/// A duration with two or three digits.
pub fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis if millis < 1_000.0 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1e3),
    }
}
