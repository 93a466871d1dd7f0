//! What was found, as a page for a person.

use std::fmt::Write as _;

use super::{Answer, Core, Explained};
use crate::format::{Datum, Ending, Log, Operation};
use crate::model::{Breach, Finding, Model, Summary};

/// How many operations of a core, of an order or of a witness are listed.
const LISTED_MAX: usize = 24;
/// How much of an order is shown.
const ORDER_SHOWN_MAX: usize = 12;
/// Longest description of a value within a line, in characters.
const VALUE_CHARACTERS_MAX: usize = 48;

/// The report on an answer, in lines of at most `columns` characters as far as words allow.
pub fn report(log: &Log, answer: &Answer, columns: usize) -> String {
    let mut text = String::new();
    for (index, explained) in answer.findings.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        finding(&mut text, log, answer, explained, columns);
    }
    if answer.findings.len() > 1 {
        let judgements = answer.findings.iter().map(|explained| explained.judgement.clone()).collect();
        text.push('\n');
        for line in Summary::new(judgements).to_string().lines() {
            paragraph(&mut text, line, "", columns);
        }
    }
    text
}

fn finding(text: &mut String, log: &Log, answer: &Answer, explained: &Explained, columns: usize) {
    let title = explained.judgement.model.title();
    match &explained.judgement.finding {
        Finding::Kept => paragraph(text, &format!("Kept: {title}."), "", columns),
        Finding::Unknown { reason } => {
            paragraph(text, &format!("Unknown: {title}, because {reason}."), "", columns);
        }
        Finding::Broken(breach) if explained.judgement.model == Model::Linearizable => {
            linearizability(text, log, answer, explained, breach, columns);
        }
        Finding::Broken(breach) => {
            let anomaly = breach.anomaly.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
            paragraph(text, &format!("Broken: {title}. {}{anomaly}.", breach.sentence), "", columns);
            let operations: Vec<usize> = breach.witness.iter().map(|each| each.id.0 as usize).collect();
            list(text, log, &operations, None, columns);
            for step in &breach.steps {
                paragraph(text, &format!("- {}", step.text), "  ", columns);
            }
        }
    }
}

/// Why there is no order: the operation, what is impossible already, what was possible, and what worked.
fn linearizability(
    text: &mut String,
    log: &Log,
    answer: &Answer,
    explained: &Explained,
    breach: &Breach,
    columns: usize,
) {
    let Some(last) = breach.witness.first().map(|operation| operation.id.0 as usize) else { return };
    let operation = &log.operations[last];
    let sentence = format!(
        "Broken: linearizability. `{}` of process {} ({}) cannot have taken effect at any moment between its \
         invocation and its return.",
        describe(operation),
        log.client_name(operation.client),
        lines_of(operation)
    );
    paragraph(text, &sentence, "", columns);
    if let Some(core) = &explained.core {
        text.push('\n');
        paragraph(text, &core_sentence(core), "", columns);
        list(text, log, &core.operations, Some(last), columns);
    }
    text.push('\n');
    paragraph(text, "What it ran into, in every state that was possible when it returned:", "", columns);
    for step in &breach.steps {
        paragraph(text, &format!("- {}", step.text), "  ", columns);
    }
    let concurrent: Vec<usize> =
        breach.witness[1..].iter().map(|operation| operation.id.0 as usize).collect();
    if !concurrent.is_empty() {
        text.push('\n');
        paragraph(text, "In flight then, in any order or not at all, and no help:", "", columns);
        list(text, log, &concurrent, None, columns);
    }
    if let Some(order) = answer.orders.first() {
        text.push('\n');
        let shown: Vec<String> = order[order.len().saturating_sub(ORDER_SHOWN_MAX)..]
            .iter()
            .map(|&index| {
                format!("{} (line {})", describe(&log.operations[index]), log.operations[index].place.line)
            })
            .collect();
        let cut = order.len().saturating_sub(ORDER_SHOWN_MAX);
        let lead = if cut > 0 { format!("{cut} others, then ") } else { String::new() };
        let sentence = format!(
            "Everything before it can be explained, for example in this order: {lead}{}.",
            shown.join(", ")
        );
        paragraph(text, &sentence, "", columns);
    }
}

fn core_sentence(core: &Core) -> String {
    let these = match core.operations.len() {
        1 => "This operation alone is".to_owned(),
        count => format!("These {count} operations are"),
    };
    let others = match core.others {
        0 => String::new(),
        1 => ", whether the other one took effect at any time after its invocation or never".to_owned(),
        count => {
            format!(
                ", whenever after their invocation the other {count} of the prefix took effect, if at all"
            )
        }
    };
    let rest = if core.is_minimal { "" } else { " (fewer may be; the search was cut short)" };
    format!("{these} impossible already{others}{rest}:")
}

/// Operations, one a line.
fn list(text: &mut String, log: &Log, operations: &[usize], last: Option<usize>, columns: usize) {
    let shown =
        if operations.len() > LISTED_MAX { &operations[operations.len() - LISTED_MAX..] } else { operations };
    if shown.len() < operations.len() {
        let _ = writeln!(text, "  {} earlier ones, and", operations.len() - shown.len());
    }
    let width = |part: fn(&Log, &Operation) -> String| {
        shown.iter().map(|&index| part(log, &log.operations[index]).chars().count()).max().unwrap_or_default()
    };
    let process = |log: &Log, operation: &Operation| log.client_name(operation.client);
    let (lines_wide, process_wide) = (width(|_, operation| lines_of(operation)), width(process));
    for &index in shown {
        let operation = &log.operations[index];
        let mark = if last == Some(index) { "  <- cannot be placed" } else { "" };
        let line = format!(
            "  {:<lines_wide$}  process {:<process_wide$}  {}{mark}",
            lines_of(operation),
            log.client_name(operation.client),
            describe(operation)
        );
        let _ = writeln!(text, "{}", cut(&line, columns));
    }
}

fn lines_of(operation: &Operation) -> String {
    match &operation.ending {
        Ending::Returned { place, .. } if place.line != operation.place.line => {
            format!("lines {}-{}", operation.place.line, place.line)
        }
        _ => format!("line {}", operation.place.line),
    }
}

/// An operation in a few words: `write 3`, `read → 3`, `"a": append "x" → ?`.
pub fn describe(operation: &Operation) -> String {
    let mut text = String::new();
    if let Some(key) = &operation.key {
        let _ = write!(text, "{}: ", short(key));
    }
    text.push_str(&operation.function);
    let is_question = matches!(
        &*operation.function,
        "read" | "r" | "get" | "dequeue" | "elements" | "contains" | "txn" | "range"
    );
    let result = match &operation.ending {
        Ending::Returned { value, .. } => Some(value),
        Ending::Failed { .. } | Ending::Unknown { .. } => None,
    };
    let is_transaction = &*operation.function == "txn";
    let asked = result.filter(|_| is_transaction).unwrap_or(&operation.argument);
    if !asked.is_nil() {
        let _ = write!(text, " {}", short(asked));
    }
    match &operation.ending {
        Ending::Returned { value, .. }
            if !is_transaction && (is_question || *value != operation.argument) =>
        {
            // `nil` is an answer only where one was asked for.
            if is_question || !value.is_nil() {
                let _ = write!(text, " → {}", short(value));
            }
        }
        Ending::Returned { .. } => {}
        Ending::Failed { .. } => text.push_str(" → failed"),
        Ending::Unknown { .. } => text.push_str(" → ?"),
    }
    text
}

fn short(value: &Datum) -> String {
    cut(&value.to_string(), VALUE_CHARACTERS_MAX)
}

/// As much of a text as fits.
fn cut(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    text.chars().take(characters_max.saturating_sub(1)).chain(['…']).collect()
}

fn paragraph(text: &mut String, sentence: &str, indent: &str, columns: usize) {
    for line in wrapped(sentence, columns, indent) {
        text.push_str(&line);
        text.push('\n');
    }
}

/// A sentence in lines of at most `columns` characters, all but the first indented. A longer word has its own line.
pub fn wrapped(sentence: &str, columns: usize, indent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        let line = lines.last_mut().expect("there is always a line");
        if width > 0 && width + 1 + length > columns {
            lines.push(format!("{indent}{word}"));
            width = indent.chars().count() + length;
        } else {
            if width > 0 {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
        }
    }
    lines
}
