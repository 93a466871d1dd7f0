//! Entries in words: the list, and the description of one.

use std::fmt::Write as _;

use synod_machine::Needs;

use super::{COLUMNS_MAX, fold};
use crate::catalogue::Row;
use crate::entry::{About, Entry, Family, Origin, Parameter, Weakness};

const NAME_CHARS: usize = 18;

/// A list of entries, by family, and what is still to come.
pub fn list(entries: &[&'static dyn Entry], to_come: &[Row]) -> String {
    let mut text = String::new();
    for family in Family::ALL {
        let of_family: Vec<_> = entries.iter().filter(|entry| entry.about().family == family).collect();
        let rows: Vec<_> = to_come.iter().filter(|row| row.family == family).collect();
        if of_family.is_empty() && rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, family.name());
        for entry in of_family {
            let about = entry.about();
            text += &row(about.name, about.question);
            let survives = format!("survives {}", about.survives.join("; "));
            text += &row("", &survives);
            let properties: Vec<&str> = about.properties.iter().map(|property| property.name).collect();
            text += &row("", &format!("holds {}", properties.join(", ")));
        }
        for to_come in rows {
            text += &row(to_come.name, &format!("(to come; section {})", to_come.chapter));
        }
    }
    text
}

fn row(name: &str, sentence: &str) -> String {
    beside(&format!("  {name:<NAME_CHARS$}"), sentence)
}

/// A first column, and text folded beside it.
fn beside(first: &str, text: &str) -> String {
    let column = first.chars().count() + 1;
    let folded = fold(&format!("{}{text}", " ".repeat(column)), column);
    format!("{first} {}", folded.get(column..).unwrap_or_default())
}

/// The essay, parameters, properties, costs, weaknesses, experiments and sources of an entry.
pub fn describe(entry: &'static dyn Entry) -> String {
    let about = entry.about();
    let mut text = format!("{} ({}, section {})\n", about.name, about.family.name(), about.chapter);
    text += &fold(about.question, 0);
    text += "\n";
    text += &essay(&about.essay());
    text += "\nSURVIVES\n";
    about.survives.iter().for_each(|line| text += &fold(&format!("  · {line}"), 4));
    text += &fold(&format!("  needs {}", needs(entry.needs())), 8);
    text += "\nPROPERTIES\n";
    for property in about.properties {
        text += &fold(&format!("  {}: {} [{}]", property.name, property.sentence, property.source), 4);
    }
    text += &parameters("PARAMETERS (--set name=value)", about.parameters);
    text += &costs(entry, about);
    let planted = |weakness: &&Weakness| weakness.origin == Origin::Planted;
    text += &weaknesses("WEAKNESSES", about.weaknesses.iter().filter(|weakness| !planted(weakness)));
    text += &weaknesses("KNOWN BUGS that can be put back", about.weaknesses.iter().filter(planted));
    text += &experiments(about);
    if !about.figures.is_empty() {
        text += "\nFIGURES\n";
        about.figures.iter().for_each(|figure| text += &fold(&format!("  {}", figure.name), 4));
    }
    text += "\nSOURCES\n";
    about.papers.iter().for_each(|paper| text += &fold(&format!("  {paper}"), 4));
    text
}

/// A machine's assumptions in words.
pub fn needs(needs: Needs) -> String {
    let all = [
        ("FIFO channels", needs.fifo),
        ("reliable channels", needs.reliable),
        ("bounded delay", needs.bounded_delay),
        ("bounded drift", needs.bounded_drift),
        ("stable storage", needs.stable_storage),
        ("wall clocks within their error", needs.wall_clock),
    ];
    let named: Vec<&str> = all.iter().filter(|(_, needed)| *needed).map(|(name, _)| *name).collect();
    if named.is_empty() { "nothing of network, disks and clocks".to_owned() } else { named.join(", ") }
}

fn parameters(head: &str, parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{head}\n");
    for parameter in parameters {
        let range = format!("[{}; {}]", parameter.default(), parameter.domain);
        text += &beside(
            &format!("  {:<NAME_CHARS$}", parameter.name),
            &format!("{} {range}", parameter.sentence),
        );
    }
    text
}

fn costs(entry: &'static dyn Entry, about: &About) -> String {
    if about.costs.is_empty() {
        return String::new();
    }
    let settings = entry.settings();
    let mut text = "\nCOSTS (at the default parameters)\n".to_owned();
    for cost in about.costs {
        let value = (cost.value)(&settings);
        text += &fold(&format!("  {} = {}: {value} {}", cost.name, cost.formula, cost.unit), 4);
    }
    text
}

fn weaknesses<'a>(head: &str, weaknesses: impl Iterator<Item = &'a Weakness>) -> String {
    let mut text = String::new();
    for weakness in weaknesses {
        let origin = match weakness.origin {
            Origin::Need(need) => format!(" [breaks the need {need}]"),
            Origin::Known(source) => format!(" [{source}]"),
            Origin::Planted => String::new(),
        };
        let sentence = format!("{}{origin}", weakness.sentence);
        text += &fold(&format!("  {}: {sentence}", weakness.name), 4);
    }
    if text.is_empty() { text } else { format!("\n{head}\n{text}") }
}

fn experiments(about: &About) -> String {
    let mut text = String::new();
    for experiment in about.experiments {
        text += &format!("\nEXPERIMENT {}\n", experiment.name);
        text += &fold(&format!("  {}", experiment.sentence), 2);
        text += parameters("", experiment.parameters).trim_start_matches('\n');
        text += &fold(&format!("  {} runs; {} known rows", experiment.runs, experiment.rows.len()), 2);
    }
    text
}

/// Paragraphs folded, lists and code kept as they are.
fn essay(markdown: &str) -> String {
    let mut text = String::new();
    let mut paragraph = String::new();
    let mut is_code = false;
    for line in markdown.lines() {
        let starts_item = line.starts_with("- ")
            || line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        if line.starts_with("```")
            || is_code
            || line.is_empty()
            || line.starts_with('#')
            || starts_item
            || line.starts_with('|')
        {
            text += &folded(&std::mem::take(&mut paragraph));
        }
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code || line.starts_with('|') {
            text += &(line.chars().take(COLUMNS_MAX).collect::<String>() + "\n");
        } else if let Some(head) = line.strip_prefix('#') {
            text += &fold(&head.trim_start_matches('#').trim().to_uppercase(), 0);
        } else if line.is_empty() {
            text += "\n";
        } else {
            paragraph += if paragraph.is_empty() { "" } else { " " };
            paragraph += line;
        }
    }
    text + &folded(&paragraph)
}

/// A paragraph, or an item whose lines hang under its text.
fn folded(paragraph: &str) -> String {
    let is_item = paragraph.starts_with("- ") || paragraph.starts_with(|c: char| c.is_ascii_digit());
    fold(paragraph, if is_item { 3 } else { 0 })
}
