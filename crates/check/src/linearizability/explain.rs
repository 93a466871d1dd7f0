//! From a search that has no world left to sentences.

use crate::history::OperationId;
use crate::specification::Specification;
use crate::verdict::{
    CONCURRENT_SHOWN_MAX, OperationSummary, POSSIBILITIES_SHOWN_MAX, Possibility, Violation,
};

use super::search::{InFlight, Scope, Search};

/// Why the return of the operation in `slot` cannot be explained from any world of the frontier.
pub(super) fn violation<S: Specification>(search: &Search<S>, slot: usize) -> Violation {
    let operation = operation_in(search, slot);
    let mut states: Vec<&S::State> = Vec::new();
    let mut possibilities = Vec::new();
    for world in &search.frontier {
        if states.contains(&&world.state) {
            continue;
        }
        states.push(&world.state);
        if possibilities.len() == POSSIBILITIES_SHOWN_MAX {
            continue;
        }
        let taken_effect: Vec<OperationId> = search
            .writers
            .iter()
            .filter(|&&writer| world.used.contains(writer))
            .map(|&writer| operation_in(search, writer).id)
            .collect();
        let objection = operation
            .output
            .as_ref()
            .map_or_else(String::new, |output| search.spec.objection(&world.state, &operation.input, output));
        let state = search.spec.describe_state(&world.state);
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
        possibilities,
        possibilities_count: states.len(),
        concurrent: others.clone().take(CONCURRENT_SHOWN_MAX).map(|other| summary(search, other)).collect(),
        concurrent_count: others.count(),
    }
}

fn operation_in<S: Specification>(search: &Search<S>, slot: usize) -> &InFlight<S::Input, S::Output> {
    &search.slots[slot].as_ref().expect("a slot in use").operation
}

fn summary<S: Specification>(search: &Search<S>, slot: usize) -> OperationSummary {
    let operation = operation_in(search, slot);
    let what = search.spec.describe_operation(&operation.input, operation.output.as_ref());
    let until = operation.returned.map_or_else(|| "never answered".to_owned(), |at| format!("to {at:?}"));
    let text =
        format!("{} {what} of {} (from {:?}, {until})", operation.id, operation.client, operation.invoked);
    OperationSummary { id: operation.id, text }
}
