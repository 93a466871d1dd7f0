//! The table, printed row by row as the figures come: in Markdown with a column a checker; for a terminal of eighty
//! columns with a line a checker, ours first.

use std::time::Duration;

/// Widths of what stands on a line in a terminal: who, two times, memory.
const WHO_WIDTH: usize = 47;
const TIMES_WIDTH: usize = 26;
const PEAK_WIDTH: usize = 7;

/// What one checker said of a history.
pub struct Entry {
    /// Who.
    pub checker: String,
    /// The times on the correct history and on the other.
    pub times: String,
    /// The most memory, if it is known.
    pub peak: Option<String>,
}

/// What is known of a kind of history.
pub struct Line {
    /// The kind.
    pub name: String,
    /// What is to be reached.
    pub to_reach: String,
    /// Whether it was.
    pub verdict: &'static str,
    /// Ours first.
    pub entries: Vec<Entry>,
}

/// Where there is nothing to say.
pub const NOTHING: &str = "-";

/// What stands above the rows, which are like `sample`.
pub fn head(sample: &Line, is_markdown: bool) -> String {
    if !is_markdown {
        let rule = "-".repeat(WHO_WIDTH + TIMES_WIDTH + PEAK_WIDTH);
        return format!("{}\n{rule}", in_columns("history", "correct / impossible", "peak"));
    }
    let mut columns = vec!["history".to_owned()];
    for (index, entry) in sample.entries.iter().enumerate() {
        columns.push(entry.checker.clone());
        columns.extend(entry.peak.as_ref().map(|_| "peak".to_owned()));
        if index == 0 {
            columns.extend(["to reach".to_owned(), "verdict".to_owned()]);
        }
    }
    format!("| {} |\n|---|{}", columns.join(" | "), "--:|".repeat(columns.len() - 1))
}

impl Line {
    /// The row in Markdown, or the lines of a terminal.
    pub fn text(&self, is_markdown: bool) -> String {
        if is_markdown { self.markdown() } else { self.lines() }
    }

    fn markdown(&self) -> String {
        let mut cells = vec![self.name.clone()];
        for (index, entry) in self.entries.iter().enumerate() {
            cells.push(entry.times.clone());
            cells.extend(entry.peak.clone());
            if index == 0 {
                let verdict = match self.verdict {
                    "reached" | NOTHING => self.verdict.to_owned(),
                    bad => format!("**{bad}**"),
                };
                cells.extend([self.to_reach.clone(), verdict]);
            }
        }
        format!("| {} |", cells.join(" | "))
    }

    fn lines(&self) -> String {
        let [ours, others @ ..] = &self.entries[..] else { return self.name.clone() };
        let mut lines = Vec::new();
        let mut first = self.name.as_str();
        // A long name has a line of its own.
        if first.len() >= WHO_WIDTH {
            lines.push(first.to_owned());
            first = "";
        }
        lines.push(in_columns(first, &ours.times, ours.peak.as_deref().unwrap_or_default()));
        if self.verdict != NOTHING {
            let times = if self.to_reach == NOTHING { "" } else { &self.to_reach };
            lines.push(in_columns(&format!("    to reach: {}", self.verdict), times, ""));
        }
        for Entry { checker, times, peak } in others.iter().filter(|entry| entry.times != NOTHING) {
            let peak = peak.as_deref().filter(|peak| *peak != NOTHING).unwrap_or_default();
            lines.push(in_columns(&format!("    {checker}"), times, peak));
        }
        lines.join("\n")
    }
}

fn in_columns(who: &str, times: &str, peak: &str) -> String {
    format!("{who:<WHO_WIDTH$}{times:>TIMES_WIDTH$}{peak:>PEAK_WIDTH$}").trim_end().to_owned()
}

/// A duration with two or three digits.
pub fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis if millis < 1_000.0 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1e3),
    }
}
