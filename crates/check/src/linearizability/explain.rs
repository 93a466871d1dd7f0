//! From a search that has no world left to sentences.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::history::{Client, Event, History, Operation, OperationId, Outcome};
use crate::specification::{Effect, Specification};
use crate::verdict::{
    CONCURRENT_SHOWN_MAX, OperationSummary, POSSIBILITIES_SHOWN_MAX, Possibility, Violation,
};

use super::mask::Mask;
use super::search::{Scope, Search, Slot};

/// Why the return of the operation in `slot` cannot be explained from any world of the frontier.
pub(super) fn violation<S: Specification, M: Mask>(search: &Search<S, M>, slot: usize) -> Violation {
    let spec = &search.automaton.spec;
    let action = search.automaton.known(operation_in(search, slot).action);
    let mut states: Vec<u32> = Vec::new();
    let mut possibilities = Vec::new();
    for world in &search.frontier {
        if states.contains(&world.state) {
            continue;
        }
        states.push(world.state);
        if possibilities.len() == POSSIBILITIES_SHOWN_MAX {
            continue;
        }
        let taken_effect: Vec<OperationId> = search
            .writers
            .iter()
            .filter(|&&writer| world.used.contains(writer))
            .map(|&writer| operation_in(search, writer).label.id)
            .collect();
        let state = search.automaton.state(world.state);
        let objection = action
            .output
            .as_ref()
            .map_or_else(String::new, |output| spec.objection(state, &action.input, output));
        let state = spec.describe_state(state);
        possibilities.push(Possibility { state, taken_effect, objection });
    }
    // Reads in flight cannot help, and would only be in the way of the reader.
    let others = search.writers.iter().copied().filter(|&writer| writer != slot);
    Violation {
        partition: partition(&search.scope),
        operation: summary(search, slot),
        explained_before: search.returned_count,
        even_if_repeated: search.is_relaxed(),
        possibilities,
        possibilities_count: states.len(),
        concurrent: others.clone().take(CONCURRENT_SHOWN_MAX).map(|other| summary(search, other)).collect(),
        concurrent_count: others.count(),
    }
}

fn operation_in<S: Specification, M>(search: &Search<S, M>, slot: usize) -> &Slot {
    search.slots[slot].as_ref().expect("a slot in use")
}

fn summary<S: Specification, M: Mask>(search: &Search<S, M>, slot: usize) -> OperationSummary {
    let Slot { label, action, .. } = operation_in(search, slot);
    let action = search.automaton.known(*action);
    let what = search.automaton.spec.describe_operation(&action.input, action.output.as_ref());
    let id = label.id;
    OperationSummary { id, text: text(id, &what, label.client, label.invoked, label.returned) }
}

/// Why events whose last is a return cannot be explained, where the worlds before it are too many: of them only `states` are
/// known.
pub(super) fn without_worlds<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
    scope: &Scope,
    states: &[S::State],
) -> Violation {
    let summary = |index: usize| {
        let operation = &history.operations()[index];
        let id = OperationId(index as u64);
        let what = spec.describe_operation(&operation.input, operation.output());
        let returned = match operation.outcome {
            Outcome::Returned { at, .. } => Some(at),
            Outcome::Open => None,
        };
        OperationSummary { id, text: text(id, &what, operation.client, operation.invoked, returned) }
    };
    let changes = |index: usize| {
        let operation = &history.operations()[index];
        spec.effect_within_partition(&operation.input, operation.output()) != Effect::ReadOnly
    };
    let mut in_flight = BTreeSet::new();
    let mut returned = Vec::new();
    for event in events {
        match *event {
            Event::Invoked(index) => in_flight.insert(index),
            Event::Returned(index) => {
                returned.push(index);
                in_flight.remove(&index)
            }
        };
    }
    let impossible = returned.pop().expect("the last event is a return");
    let Operation { input, outcome, .. } = &history.operations()[impossible];
    let possibility = |state: &S::State| Possibility {
        state: spec.describe_state(state),
        taken_effect: Vec::new(),
        objection: match outcome {
            Outcome::Returned { output, .. } => spec.objection(state, input, output),
            Outcome::Open => String::new(),
        },
    };
    let others: Vec<usize> = in_flight.into_iter().filter(|index| changes(*index)).collect();
    Violation {
        partition: partition(scope),
        operation: summary(impossible),
        explained_before: returned.len() as u64,
        even_if_repeated: false,
        possibilities: states.iter().take(POSSIBILITIES_SHOWN_MAX).map(possibility).collect(),
        possibilities_count: states.len(),
        concurrent: others.iter().copied().take(CONCURRENT_SHOWN_MAX).map(summary).collect(),
        concurrent_count: others.len(),
    }
}

fn partition(scope: &Scope) -> Option<String> {
    match scope {
        Scope::Whole => None,
        Scope::Partition(name) => Some(name.clone()),
    }
}

fn text(
    id: OperationId,
    what: &str,
    client: Client,
    invoked: Duration,
    returned: Option<Duration>,
) -> String {
    let until = returned.map_or_else(|| "never answered".to_owned(), |at| format!("to {at:?}"));
    format!("{id} {what} of {client} (from {invoked:?}, {until})")
}
