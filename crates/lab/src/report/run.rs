//! One run in words: verdicts of its properties, and what it exercised.

use synod_sim::{Found, Run};

use super::{exercised, fold, number, time, violation};
use crate::scenario::{Parting, Scenario};
use crate::shrink::{Shrunk, Size};

/// The head of a run: what it is, and which assumptions its world breaks.
pub fn head(scenario: &Scenario, run: &Run, verb: &str) -> String {
    let plan = &scenario.plan;
    let weakness =
        scenario.settings.weakness().map_or(String::new(), |weakness| format!(", {}", weakness.name));
    let nodes = if plan.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", plan.nodes) };
    let mut text = fold(
        &format!(
            "{verb} {}: seed {}, {nodes}{weakness}; {} records in {}",
            scenario.entry.name(),
            plan.seed,
            number(run.records),
            time(run.simulated)
        ),
        2,
    );
    let given: Vec<String> =
        scenario.settings.given().map(|(name, value)| format!("{name}={value}")).collect();
    if !given.is_empty() {
        text += &fold(&format!("set {}", given.join(" ")), 2);
    }
    for broken in &run.broken_needs {
        text += &fold(&format!("this world breaks an assumption: {broken}"), 2);
    }
    text
}

/// A line for each property, the violation in full, and what was exercised.
pub fn verdicts(scenario: &Scenario, run: &Run) -> String {
    let mut text = String::new();
    let violated = run.found.as_ref().map(|found| found.violation.property.as_str());
    for name in &scenario.properties {
        let Some(property) = scenario.entry.about().property(name) else { continue };
        let mark = match violated {
            Some(violated) if violated == name => "✗",
            // The run ended with the first violation: of the others it says less.
            Some(_) => "?",
            None => "✓",
        };
        text += &fold(&format!("{mark} {name}: {}", property.sentence), 4);
    }
    if let Some(found) = &run.found {
        text += "\n";
        text += &violation(run, found, scenario.plan.nodes);
    }
    if let Some(vacuous) = &run.vacuous {
        text += &fold(&format!("? it proves nothing: {vacuous}"), 2);
    }
    text + "\n" + &exercised(&run.exercised)
}

/// What a shrinking took away.
pub fn shrunk(shrunk: &Shrunk) -> String {
    let Shrunk { before, after, .. } = shrunk;
    let Size { faults, nodes, commands, simulated, records } = before;
    let mut text = String::new();
    let mut line = |what: &str, before: String, after: String| {
        if before != after {
            text += &format!("  {what:<16} {before:>12} → {after}\n");
        }
    };
    line("fault lines", number(*faults as u64), number(after.faults as u64));
    line("nodes", number(*nodes), number(after.nodes));
    line("client commands", number(*commands), number(after.commands));
    line("simulated time", precise(*simulated), precise(after.simulated));
    line("records", number(*records), number(after.records));
    let end = if shrunk.is_minimal { "nothing more can be taken away" } else { "ended early" };
    format!("shrunk in {} runs; {end}\n{text}", number(shrunk.tries))
}

fn precise(time: std::time::Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// What another build makes of a saved run.
pub fn parting(build: &str, parting: Parting) -> String {
    let Parting { same_to, differs_by } = parting;
    let place = match differs_by - same_to {
        1 => format!("at record e{same_to}"),
        _ => format!("between records e{same_to} and e{differs_by}"),
    };
    format!("this run parts from what build {build} saved, {place}")
}

/// The events that prove a violation.
pub fn proof(found: &Found, events: &[String]) -> String {
    let mut text = fold(&format!("✗ {}: {}", found.violation.property, found.violation.sentence), 2);
    events.iter().for_each(|event| text += &fold(&format!("    {event}"), 8));
    text
}
