//! What an exploration came to, in words: how much was seen, what was reached, whether everything holds, and a shortest way to where it does not.

use std::fmt::Write as _;

use synod_sim::explore::{Counterexample, Counts, Report, Verdict};

use super::{LABEL_CHARS, fold, number, rate};
use crate::entry::{Exploration, Settings};

/// Where the lines of a way go on.
const WAY_INDENT: usize = 7;

/// The whole report of one small world.
pub fn text(mechanism: &str, world: &Exploration, settings: &Settings, report: &Report) -> String {
    let values: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let head = format!("explore {mechanism} {}: {}", world.name, values.join(" "));
    let mut text = fold(head.trim_end_matches([':', ' ']), 2);
    text += &fold(&format!("  {}", world.sentence), 2);
    text.push('\n');
    text += &counts(report);
    for remark in &report.remarks {
        text += &labelled("note", remark);
    }
    for (name, path) in &report.reached {
        text += &match path {
            Some(path) => labelled("reached", &format!("{name}, after {}", steps(path.steps()))),
            None => labelled("never", name),
        };
    }
    text.push('\n');
    text + &verdict(report)
}

fn counts(report: &Report) -> String {
    let Counts { states, represented, transitions, asleep, depth, over, cut, set_bytes, .. } = report.counts;
    let mut text = labelled(
        "states",
        &format!("{}, at most {} from the beginning", number(states), steps(depth as usize)),
    );
    if represented > states {
        let fewer = represented as f64 / states as f64;
        let all = number(represented);
        text += &labelled(
            "",
            &format!("they stand for {all} that differ in names alone, {fewer:.2} times as many"),
        );
    }
    text += &labelled(
        "",
        &format!("{} where the run is over, {} cut short by a bound", number(over), number(cut)),
    );
    let left_out = match asleep {
        0 => String::new(),
        some => format!(", {} left out: another order comes to the same", number(some)),
    };
    text += &labelled("transitions", &format!("{}{left_out}", number(transitions)));
    let seconds = report.elapsed.as_secs_f64();
    text += &labelled("took", &format!("{seconds:.2} s, {} states/s", rate(report.states_per_second())));
    let process = match report.memory_bytes {
        Some(most) => format!("{} MiB at most, ", number(most.div_ceil(1 << 20))),
        None => String::new(),
    };
    text += &labelled(
        "memory",
        &format!("{process}{} KiB of it the set of states", number(set_bytes.div_ceil(1 << 10))),
    );
    text
}

fn verdict(report: &Report) -> String {
    let demanded = report.demanded.join(", ");
    match &report.verdict {
        Verdict::Holds => {
            let odds = report.counts.odds_of_oversight();
            let verb = if report.demanded.len() == 1 { "holds" } else { "hold" };
            fold(
                &format!(
                    "✓ {demanded} {verb} in every state (one was overlooked with odds below {odds:.0e})"
                ),
                2,
            )
        }
        Verdict::Violated(found) => violation(found),
        Verdict::Incomplete(why) => fold(&format!("? not complete: {why}; nothing violated so far"), 2),
        Verdict::Vacuous(why) => fold(&format!("? nothing violated, but it proves nothing: {why}"), 2),
    }
}

fn violation(found: &Counterexample) -> String {
    let Counterexample { property, sentence, path, lines, diagram } = found;
    let mut text = fold(&format!("✗ {property} violated after {}", steps(path.steps())), 2);
    text += &fold(&format!("  {sentence}"), 2);
    text.push('\n');
    for line in lines {
        text += &fold(&format!("  {line}"), WAY_INDENT);
    }
    if let Some(diagram) = diagram {
        let _ = write!(text, "\n{diagram}");
    }
    text + "\n" + &fold(&format!("path {path}"), 2)
}

fn steps(count: usize) -> String {
    if count == 1 { "1 step".to_owned() } else { format!("{} steps", number(count as u64)) }
}

fn labelled(label: &str, rest: &str) -> String {
    let indent = LABEL_CHARS + 1;
    let folded = fold(&format!("{:indent$}{rest}", ""), indent);
    // The label takes the place of the first line's margin.
    format!("{label:<indent$}{}", folded.trim_start())
}
