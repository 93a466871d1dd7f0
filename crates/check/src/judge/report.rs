//! What was found, as a page for a person.

use std::fmt::Write as _;

use super::{Anomalous, Answer, Core, Explained};
use crate::format::objects::{self, Keying, Parts};
use crate::format::{Datum, Ending, Log, Operation};
use crate::model::{AnomalyName, Breach, Finding, Judgement, Model, Summary};

/// How many operations of a core, of an order or of a witness are listed.
const LISTED_MAX: usize = 24;
/// How much of an order is shown.
const ORDER_SHOWN_MAX: usize = 12;
/// Longest description of a value within a line, in characters.
const VALUE_CHARACTERS_MAX: usize = 48;
/// Longest description of a request to an etcd, and of its answer, in characters.
const REQUEST_CHARACTERS_MAX: usize = 160;

/// The report on an answer, in lines of at most `columns` characters as far as words allow.
pub fn report(log: &Log, answer: &Answer, columns: usize) -> String {
    let mut text = String::new();
    match answer.findings.as_slice() {
        [explained] => finding(&mut text, log, answer, explained, columns),
        findings => several(&mut text, log, answer, findings, columns),
    }
    anomalies(&mut text, answer, columns);
    for assumption in &answer.assumptions {
        text.push('\n');
        paragraph(&mut text, assumption, "", columns);
    }
    text
}

/// Several models: what their verdicts say together, each of them in a line, and why the weakest are broken; a stronger
/// one is broken for the same reason.
fn several(text: &mut String, log: &Log, answer: &Answer, findings: &[Explained], columns: usize) {
    let summary = Summary::new(findings.iter().map(|explained| explained.judgement.clone()).collect());
    for line in summary.to_string().lines() {
        paragraph(text, line, "  ", columns);
    }
    text.push('\n');
    let titles = findings.iter().map(|explained| explained.judgement.model.title().chars().count());
    let wide = titles.max().unwrap_or_default();
    for Judgement { model, finding } in findings.iter().map(|explained| &explained.judgement) {
        let verdict = match finding {
            Finding::Kept => "kept".to_owned(),
            Finding::Broken(breach) => {
                breach.anomaly.as_ref().map_or_else(|| "broken".to_owned(), |name| format!("broken: {name}"))
            }
            Finding::Unknown { .. } => "unknown".to_owned(),
        };
        paragraph(text, &format!("{:<wide$}  {verdict}", model.title()), "  ", columns.max(wide + 2));
    }
    let mut told: Vec<&Breach> = Vec::new();
    for explained in findings.iter().filter(|each| summary.weakest_broken.contains(&each.judgement.model)) {
        let Some(breach) = explained.judgement.breach().filter(|breach| !told.contains(breach)) else {
            continue;
        };
        told.push(breach);
        text.push('\n');
        finding(text, log, answer, explained, columns);
    }
    let unknown =
        findings.iter().filter(|explained| matches!(explained.judgement.finding, Finding::Unknown { .. }));
    let mut reasons: Vec<&str> = Vec::new();
    for explained in unknown {
        let Finding::Unknown { reason } = &explained.judgement.finding else { continue };
        if !reasons.contains(&reason.as_str()) {
            reasons.push(reason);
            text.push('\n');
            finding(text, log, answer, explained, columns);
        }
    }
}

/// The names of all anomalies of transactions, where they are more than was told.
fn anomalies(text: &mut String, answer: &Answer, columns: usize) {
    let told = answer.findings.iter().filter_map(|explained| explained.judgement.breach()?.anomaly.as_ref());
    let told: Vec<&AnomalyName> = if answer.findings.len() == 1 { told.collect() } else { Vec::new() };
    let mut others: Vec<&Anomalous> = Vec::new();
    for anomalous in &answer.anomalies {
        if !told.contains(&&anomalous.name) && !others.iter().any(|other| other.name == anomalous.name) {
            others.push(anomalous);
        }
    }
    if others.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", if told.is_empty() { "Anomalies:" } else { "Other anomalies:" });
    for Anomalous { name, meaning, breaks, operations } in others {
        let transactions: Vec<String> = operations.iter().map(|index| format!("T{index}")).collect();
        let them =
            if transactions.is_empty() { String::new() } else { format!(" ({})", transactions.join(", ")) };
        let sentence = format!("- {name}: {meaning}{them}; it breaks {}.", breaks.title());
        paragraph(text, &sentence, "  ", columns);
    }
}

fn finding(text: &mut String, log: &Log, answer: &Answer, explained: &Explained, columns: usize) {
    let title = explained.judgement.model.title();
    match &explained.judgement.finding {
        Finding::Kept => paragraph(text, &format!("Kept: {title}."), "", columns),
        Finding::Unknown { reason } => {
            paragraph(text, &format!("Unknown: {title}, because {reason}."), "", columns);
        }
        Finding::Broken(breach)
            if explained.judgement.model == Model::Linearizable && explained.core.is_some() =>
        {
            linearizability(text, log, answer, explained, breach, columns);
        }
        Finding::Broken(breach) => {
            let sentence = named(answer, breach);
            let starts_with_name = breach.anomaly.is_some() && answer.object.is_transactional();
            let sentence = if starts_with_name { sentence } else { capitalized(&sentence) };
            paragraph(text, &format!("Broken: {title}. {sentence}."), "", columns);
            let operations: Vec<usize> = breach.witness.iter().map(|each| each.id.0 as usize).collect();
            if !operations.is_empty() {
                text.push('\n');
            }
            list(
                text,
                log,
                &operations,
                Marks { numbers: Some(answer.mark()), ..Marks::new(answer) },
                columns,
            );
            if !breach.steps.is_empty() {
                text.push('\n');
            }
            for step in &breach.steps {
                paragraph(text, &format!("- {}", step.text), "  ", columns);
            }
            if let (true, Some(first)) = (
                breach.anomaly.is_some() && !breach.steps.is_empty() && answer.object.is_transactional(),
                operations.first(),
            ) {
                let _ = writeln!(text, "So T{first} would come before itself.");
            }
        }
    }
}

/// What is wrong, with the anomaly's name in the literature: of transactions in front, where readers look for it.
pub fn named(answer: &Answer, breach: &Breach) -> String {
    match &breach.anomaly {
        Some(name) if answer.object.is_transactional() => format!("{name}: {}", breach.sentence),
        Some(name) => format!("{} ({name})", breach.sentence),
        None => breach.sentence.clone(),
    }
}

fn capitalized(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
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
        describe(operation, answer.keying),
        log.client_name(operation.client),
        lines_of(operation)
    );
    paragraph(text, &sentence, "", columns);
    if let Some(core) = &explained.core {
        text.push('\n');
        paragraph(text, &core_sentence(core), "", columns);
        list(
            text,
            log,
            &core.operations,
            Marks { last: Some(last), alike: &core.alike, ..Marks::new(answer) },
            columns,
        );
    }
    if !breach.steps.is_empty() {
        text.push('\n');
        paragraph(text, "What it ran into, in every state that was possible when it returned:", "", columns);
    }
    for step in &breach.steps {
        paragraph(text, &format!("- {}", step.text), "  ", columns);
    }
    let concurrent: Vec<usize> =
        breach.witness[1..].iter().map(|operation| operation.id.0 as usize).collect();
    if !concurrent.is_empty() {
        text.push('\n');
        paragraph(text, "In flight then, in any order or not at all, and no help:", "", columns);
        list(text, log, &concurrent, Marks::new(answer), columns);
    }
    if let Some(order) = answer.orders.first() {
        text.push('\n');
        let shown: Vec<String> = order[order.len().saturating_sub(ORDER_SHOWN_MAX)..]
            .iter()
            .map(|&index| {
                format!(
                    "{} (line {})",
                    describe(&log.operations[index], answer.keying),
                    log.operations[index].place.line
                )
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
    let named = core.operations.len() + core.alike.iter().map(|(_, count)| count).sum::<usize>();
    let these = match named {
        1 => "This operation alone is".to_owned(),
        count => format!("These {count} operations are"),
    };
    let before = match core.before {
        0 => String::new(),
        count => format!(" after {count} before them that stay as they were"),
    };
    let others = match core.others {
        0 => String::new(),
        1 if core.others_are_answered => ", whenever the other one returned".to_owned(),
        1 => ", whether the other one took effect at any time after its invocation or never".to_owned(),
        count if core.others_are_answered => format!(", whenever the other {count} of the prefix returned"),
        count => {
            format!(
                ", whenever after their invocation the other {count} of the prefix took effect, if at all"
            )
        }
    };
    let rest = if core.is_minimal { "" } else { " (fewer may be; the search was cut short)" };
    format!("{these} impossible already{before}{others}{rest}:")
}

/// What stands behind the operation that cannot be placed.
const LAST: &str = "  <- cannot be placed";

/// What a list of operations says besides.
#[derive(Clone, Copy)]
struct Marks<'a> {
    /// How the log names its objects.
    keying: Keying,
    /// The operation that cannot be placed.
    last: Option<usize>,
    /// For operations that stand for others before them, how many these are.
    alike: &'a [(usize, usize)],
    /// What stands before their numbers, where a text calls them by these.
    numbers: Option<&'static str>,
}

impl Marks<'_> {
    /// No mark at all.
    fn new(answer: &Answer) -> Self {
        Self { keying: answer.keying, last: None, alike: &[], numbers: None }
    }

    /// What stands behind an operation.
    fn behind(&self, index: usize) -> String {
        let alike = self.alike.iter().find(|(other, _)| *other == index);
        let alike = alike.map_or_else(String::new, |(_, count)| format!("  and {count} such before it"));
        let last = if self.last == Some(index) { LAST } else { "" };
        alike + last
    }
}

/// Operations, one a line.
fn list(text: &mut String, log: &Log, operations: &[usize], marks: Marks<'_>, columns: usize) {
    let shown =
        if operations.len() > LISTED_MAX { &operations[operations.len() - LISTED_MAX..] } else { operations };
    if shown.len() < operations.len() {
        let _ = writeln!(text, "  {} earlier ones, and", operations.len() - shown.len());
    }
    let number = |index: usize| marks.numbers.map_or_else(String::new, |mark| format!("{mark}{index}"));
    let width = |part: &dyn Fn(usize) -> String| {
        shown.iter().map(|&index| part(index).chars().count()).max().unwrap_or_default()
    };
    let lines = |index: usize| lines_of(&log.operations[index]);
    let process = |index: usize| log.client_name(log.operations[index].client);
    let (numbers_wide, lines_wide, process_wide) = (width(&number), width(&lines), width(&process));
    for &index in shown {
        let mark = marks.behind(index);
        let number = match marks.numbers {
            Some(_) => format!("{:<numbers_wide$}  ", number(index)),
            None => String::new(),
        };
        let line = format!(
            "  {number}{:<lines_wide$}  process {:<process_wide$}  {}",
            lines(index),
            process(index),
            describe(&log.operations[index], marks.keying)
        );
        let _ = writeln!(text, "{}{mark}", cut(&line, columns.saturating_sub(mark.chars().count())));
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

/// An operation in a few words: `write 3`, `read → 3`, `"a": append "x" → ?`, `append x 1, r y [1 2]`.
/// `keying` says how the log names its objects.
pub fn describe(operation: &Operation, keying: Keying) -> String {
    let mut text = String::new();
    if let Some(request) = etcd_request(operation) {
        return request;
    }
    let parts = keying.split(operation).unwrap_or(Parts {
        key: operation.key.as_ref(),
        argument: &operation.argument,
        answer: None,
    });
    if let Some(key) = parts.key {
        let _ = write!(text, "{}: ", short(key));
    }
    if !transaction(&mut text, operation) {
        single(&mut text, operation, parts);
    }
    match &operation.ending {
        Ending::Returned { .. } => {}
        Ending::Failed { .. } => text.push_str(" → failed"),
        Ending::Unknown { .. } => text.push_str(" → ?"),
    }
    text
}

/// A request to an etcd, if it is one, as its client would write it.
fn etcd_request(operation: &Operation) -> Option<String> {
    let Datum::Map(_) = operation.argument else { return None };
    let asked = match &operation.ending {
        // What failed is shown as it was asked.
        Ending::Failed { .. } => {
            &Operation { ending: Ending::Unknown { at: None, error: None }, ..operation.clone() }
        }
        _ => operation,
    };
    let (request, answer) = objects::etcd(asked).ok()??;
    let answer = match (&operation.ending, answer) {
        (_, Some(answer)) => answer.to_string(),
        (Ending::Failed { .. }, None) => "failed".to_owned(),
        (_, None) => "?".to_owned(),
    };
    let request = cut(&request.to_string(), REQUEST_CHARACTERS_MAX);
    Some(format!("{request} → {}", cut(&answer, REQUEST_CHARACTERS_MAX)))
}

/// The parts of a transaction, if it is one.
fn transaction(text: &mut String, operation: &Operation) -> bool {
    let asked_or_answered = match &operation.ending {
        Ending::Returned { value, .. } if !value.is_nil() => value,
        _ => &operation.argument,
    };
    let Some(parts) = asked_or_answered.as_list() else { return false };
    let is_one = &*operation.function == "txn" || !parts.is_empty() && parts.iter().all(objects::is_part);
    if !is_one {
        return false;
    }
    if parts.is_empty() {
        text.push_str("nothing");
    }
    for (place, part) in parts.iter().enumerate() {
        let before = if place == 0 { "" } else { ", " };
        let words = part.as_list().unwrap_or_default().iter().enumerate().map(|(place, word)| {
            // The function and the key are names; values are told apart by how they are written.
            word.as_name().filter(|_| place < 2).map_or_else(|| word.to_string(), str::to_owned)
        });
        let words: Vec<String> = words.collect();
        let _ = write!(text, "{before}{}", words.join(" "));
    }
    true
}

fn single(text: &mut String, operation: &Operation, parts: Parts<'_>) {
    let Parts { argument, answer, .. } = parts;
    text.push_str(&operation.function);
    if !argument.is_nil() {
        let _ = write!(text, " {}", short(argument));
    }
    let is_question =
        matches!(&*operation.function, "read" | "r" | "get" | "dequeue" | "elements" | "contains" | "range");
    if let Some(value) = answer {
        // `nil` is an answer only where one was asked for.
        let is_news = value != argument && !value.is_nil();
        if is_question || is_news {
            let _ = write!(text, " → {}", short(value));
        }
    }
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
