//! From a search that has no world left to sentences.

use crate::history::OperationId;
use crate::specification::Specification;
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
        partition: match &search.scope {
            Scope::Whole => None,
            Scope::Partition(name) => Some(name.clone()),
        },
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
    let until = label.returned.map_or_else(|| "never answered".to_owned(), |at| format!("to {at:?}"));
    let text = format!("{} {what} of {} (from {:?}, {until})", label.id, label.client, label.invoked);
    OperationSummary { id: label.id, text }
}
