//! What hunts and replays say, as text of at most eighty columns: for a terminal, a log, or a message to a colleague.
//!
//! Numbers come with their names, grouped by what they are about, and long sentences are folded. Nothing here knows whether it is shown in colour
//! or at all: the command line puts these texts where they belong.

use std::fmt::Write as _;
use std::time::Duration;

use synod_sim::{Exercised, Found, Phase, Run};

use crate::hunt::Speed;

pub mod entry;
pub mod exploration;
pub mod measure;
pub mod run;

/// The width that every text keeps.
pub const COLUMNS_MAX: usize = 80;

const LABEL_CHARS: usize = 11;
const NUMBER_CHARS: usize = 9;
const CELL_CHARS: usize = 34;

/// Groups of counts: the start of their names, and what they are about. The first that fits counts.
const GROUPS: &[(&str, &str)] = &[
    ("client.", "clients"),
    ("store.", "store"),
    ("watch.", "watches"),
    ("lease.", "leases"),
    ("note.lease ", "leases"),
    ("note.raft.", "consensus"),
    ("note.", "database"),
    ("worker.", "workers"),
    ("node.", "nodes"),
    ("disk.", "disks"),
    ("message.", "messages"),
    ("link.", "links"),
    ("fault.", "faults"),
    ("", "other"),
];

/// Counts in two columns, grouped.
pub fn exercised(exercised: &Exercised) -> String {
    let mut groups: Vec<(&str, Vec<(String, u64)>)> = Vec::new();
    for (label, _) in GROUPS.iter().map(|(prefix, label)| (*label, prefix)) {
        if groups.iter().all(|(known, _)| *known != label) {
            groups.push((label, Vec::new()));
        }
    }
    for (name, count) in exercised.iter() {
        let group = GROUPS.iter().find(|(prefix, _)| name.starts_with(prefix));
        let Some((prefix, label)) = group else { continue };
        let place = groups.iter().position(|(known, _)| known == label).unwrap_or_default();
        groups[place].1.push((name[prefix.len()..].replace('_', " "), count));
    }
    let mut text = String::new();
    for (label, counts) in groups.iter().filter(|(_, counts)| !counts.is_empty()) {
        text += &group(label, counts);
    }
    text
}

fn group(label: &str, counts: &[(String, u64)]) -> String {
    let mut text = String::new();
    let mut line = format!("{label:<LABEL_CHARS$}");
    let mut filled = 0;
    for (name, count) in counts {
        let cell = format!("{:>NUMBER_CHARS$} {name}", number(*count));
        let wide = cell.chars().count() >= CELL_CHARS;
        if filled > 0 && (filled == 2 || wide) {
            let _ = writeln!(text, "{}", line.trim_end());
            (line, filled) = (" ".repeat(LABEL_CHARS), 0);
        }
        let _ = write!(line, "{cell:<CELL_CHARS$}");
        filled += if wide { 2 } else { 1 };
    }
    let _ = writeln!(text, "{}", line.trim_end());
    text
}

/// How fast a hunt was, in two lines.
pub fn speed(speed: &Speed, simulated: Duration) -> String {
    let operations = match speed.operations {
        none if none < 0.05 => String::new(),
        some => format!("   {} client operations/s", rate(some)),
    };
    format!(
        "{:<LABEL_CHARS$}  {} runs/s   {} records/s{operations}\n{:LABEL_CHARS$}  {} simulated, {} times as fast as time\n",
        "speed",
        rate(speed.runs),
        rate(speed.records),
        "",
        time(simulated),
        rate(speed.simulated)
    )
}

/// A violation: which property, in which run, where, and the sentence.
pub fn violation(run: &Run, found: &Found, nodes: u64) -> String {
    let phase = match found.phase {
        Phase::Safety => "under faults",
        Phase::Heal => "after the faults",
    };
    let shown: Vec<String> = found.violation.nodes.iter().map(ToString::to_string).collect();
    let at = if shown.is_empty() { String::new() } else { format!(" at {}", shown.join(", ")) };
    let millis = found.time.since_start().as_secs_f64() * 1_000.0;
    let head = format!(
        "seed {}: {nodes} nodes; {phase}, at {millis:.3} ms, after record {}",
        run.seed,
        number(found.record)
    );
    format!(
        "{}{}{}",
        fold(&format!("✗ {} violated{at}", found.violation.property), 2),
        fold(&head, 2).replacen("seed", "  seed", 1),
        fold(&format!("  {}", cut(&found.violation.sentence)), 2)
    )
}

/// Longest sentence that is printed; the whole of it is in the saved finding.
const SENTENCE_CHARS_MAX: usize = 1_200;

fn cut(sentence: &str) -> String {
    match sentence.char_indices().nth(SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{} […]", &sentence[..end]),
        None => sentence.to_owned(),
    }
}

/// Text in lines that fit, each after the first indented so far.
pub fn fold(text: &str, indent: usize) -> String {
    let mut folded = String::new();
    for paragraph in text.lines() {
        let margin = paragraph.len() - paragraph.trim_start().len();
        let mut line = " ".repeat(margin);
        let mut empty = true;
        for word in paragraph.split_whitespace() {
            let mut word = word;
            if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
                folded += line.trim_end();
                folded.push('\n');
                (line, empty) = (" ".repeat(indent), true);
            }
            line += if empty { "" } else { " " };
            // A word that is longer than a line is cut where the line ends.
            while line.chars().count() + word.chars().count() > COLUMNS_MAX {
                let room = COLUMNS_MAX - line.chars().count();
                let end = word.char_indices().nth(room).map_or(word.len(), |(end, _)| end);
                folded += &line;
                folded += &word[..end];
                folded.push('\n');
                (line, word) = (" ".repeat(indent), &word[end..]);
            }
            line += word;
            empty = false;
        }
        folded += line.trim_end();
        folded.push('\n');
    }
    folded
}

/// The text with ASCII characters only, as terminals of old and some logs want it.
pub fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '→' | '▶' => ascii += "->",
            '⇒' => ascii += "=>",
            '✓' => ascii.push('='),
            '✗' | '✕' => ascii.push('x'),
            '·' => ascii.push('.'),
            '±' => ascii += "+-",
            '…' => ascii += "...",
            c if c.is_ascii() => ascii.push(c),
            _ => ascii.push('?'),
        }
    }
    ascii
}

/// A number with its thousands apart.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate with as many digits as mean something.
pub fn rate(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { number(value.round() as u64) }
}

/// A long time in its two largest units.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
