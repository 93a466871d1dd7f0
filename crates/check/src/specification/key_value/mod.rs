//! An etcd-like key-value store: ranges, puts, deletes, transactions, revocations, one revision for all.
//!
//! Every answer carries the store's revision, so the revision is part of the state, and the keys cannot be checked apart:
//! the model is stronger than a register for each key. It is also cheaper to check than it looks. The revision in
//! the answer of a changing request *is* its place in the total order, so requests that were answered leave nothing to
//! search; what is left is which of the requests that were never answered fill the gaps.
//!
//! [`Evidence`] closes most of those gaps: what answers say about old changes (this key was last changed at revision 7
//! and has that value), and, where it is known, the whole history of the store, says what happened at a revision. A step
//! that contradicts evidence is illegal. That loses no explanation: an explanation has to produce the answers from
//! which the evidence was taken. When answers contradict each other there is none, and none will be found. (As in etcd, a
//! transaction must not change a key twice: what its reads answer would not be what it leaves.)

mod contradiction;
mod evidence;
mod request;
mod store;

use std::convert::Infallible;

pub use evidence::Evidence;
pub(crate) use request::Text;
pub use request::{Answer, Blob, Compare, LeaseId, Operand, Pair, Relation, Reply, Request, Span, SpanEnd};
pub use store::Store;

use super::{Contradiction, Effect, Specification};
use crate::history::{History, OperationId};
use std::fmt::Write as _;

/// The specification of an etcd-like store.
#[derive(Clone, Debug, Default)]
pub struct KeyValue {
    /// The store before the first operation.
    pub initial: Store,
    /// What is known about revisions from elsewhere. It must be true of every explanation: taken from answers of the
    /// history that is checked, or from the store itself.
    pub evidence: Evidence,
}

/// A history of an etcd-like store.
pub type KeyValueHistory = History<Request, Answer>;

impl KeyValue {
    /// An empty store, with the evidence that the answers of `history` give.
    pub fn for_history(history: &KeyValueHistory) -> Self {
        let mut evidence = Evidence::default();
        for (index, operation) in history.operations().iter().enumerate() {
            if let Some(answer) = operation.output() {
                evidence.add_answer(OperationId(index as u64), &operation.input, answer);
            }
        }
        Self { initial: Store::default(), evidence }
    }
}

impl Specification for KeyValue {
    type Input = Request;
    type Output = Answer;
    type State = Store;
    type Partition = Infallible;

    fn initial(&self) -> Store {
        self.initial.clone()
    }

    fn step(&self, state: &Store, input: &Request, output: Option<&Answer>) -> Option<Store> {
        // The cheap refusal first: most candidates are at the wrong revision.
        if let Some(answer) = output
            && answer.revision != state.revision
            && answer.revision != state.revision + 1
        {
            return None;
        }
        if input.may_change() && output.is_none() && self.evidence.is_taken(state.revision + 1) {
            return None;
        }
        let (after, reply) = state.execute(input);
        if let Some(answer) = output
            && (answer.revision != after.revision || answer.reply != reply)
        {
            return None;
        }
        (after.revision == state.revision || self.evidence.allows(&after)).then_some(after)
    }

    fn effect(&self, input: &Request, output: Option<&Answer>) -> Effect {
        let read_only = match output {
            None => !input.may_change(),
            Some(answer) => !may_have_changed(input, &answer.reply),
        };
        if read_only { Effect::ReadOnly } else { Effect::General }
    }

    /// Revisions never fall, and a change is made at the next one.
    fn is_past(&self, state: &Store, input: &Request, output: &Answer) -> bool {
        let least = state.revision + u64::from(evidence::certainly_changed(input, &output.reply));
        output.revision < least
    }

    fn contradiction(&self, history: &KeyValueHistory, last: usize) -> Option<Contradiction> {
        self.reason(history, last)
    }

    fn objection(&self, state: &Store, input: &Request, output: &Answer) -> String {
        let (after, reply) = state.execute(input);
        let right = Answer { revision: after.revision, reply };
        if right == *output {
            let revision = after.revision;
            return format!(
                "other answers, or the store's own history, show another change at revision {revision}"
            );
        }
        if right.reply == output.reply {
            return format!("its answer would have had revision {}", right.revision);
        }
        format!("it would have been answered {right}")
    }

    fn describe_operation(&self, input: &Request, output: Option<&Answer>) -> String {
        match output {
            Some(answer) => format!("{input} → {answer}"),
            None => format!("{input} → ?"),
        }
    }

    fn describe_state(&self, state: &Store) -> String {
        let mut text = format!("revision {}", state.revision);
        let mut shown = 0;
        let Reply::Range { pairs, count } = state.execute(&Request::range(Span::everything())).1 else {
            return text;
        };
        // What changed last is what an answer most likely stumbles over.
        let mut pairs = pairs;
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.mod_revision));
        for pair in pairs.iter().take(PAIRS_SHOWN_MAX) {
            shown += 1;
            let _ = write!(text, "{} {pair}", if shown == 1 { " with" } else { "," });
        }
        if count > shown {
            let _ = write!(text, " and {} more keys", count - shown);
        }
        text
    }
}

/// How many pairs of a store a description shows.
const PAIRS_SHOWN_MAX: usize = 4;

/// Whether an answered request may have changed the store, as far as the reply tells.
fn may_have_changed(request: &Request, reply: &Reply) -> bool {
    match (request, reply) {
        (Request::Range { .. }, _) => false,
        (Request::Delete { .. }, Reply::Delete { deleted, .. }) => *deleted > 0,
        (Request::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
            let branch = if *succeeded { success } else { failure };
            // A reply that does not fit the request is never legal; calling it a change is always right.
            branch.len() != replies.len()
                || branch.iter().zip(replies).any(|(request, reply)| may_have_changed(request, reply))
        }
        _ => true,
    }
}
